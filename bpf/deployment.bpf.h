/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* To which deployments a call belongs: those of the task, and those of the socket. Both count, so that a socket that
 * was passed out, or made before its owner moved in, stays gated, and so does work that the kernel does for a socket
 * in a task of its own (MPTCP subflows).
 *
 * control.levels tells at which depths deployments lie, so that an untagged task costs one lookup for each depth from
 * the lowest to the highest, and none while there is no deployment. */
#ifndef NAMEGATE_DEPLOYMENT_BPF_H
#define NAMEGATE_DEPLOYMENT_BPF_H

#include "maps.bpf.h"

#include <bpf/bpf_core_read.h>

/* Before Linux 6.1 a cgroup listed the ids of its ancestors. */
struct cgroup___ids {
    int level;
    __u64 ancestor_ids[];
} __attribute__((preserve_access_index));

/* Not inlined: clang would move the offset of a field that this kernel may not have out of the loop, to where it is
 * used always. Global, so that the verifier proves it once, and not for each level. */
__noinline __u64 ancestor_of(__u64 address, __u32 level)
{
    struct cgroup *cgroup = (void *)address;
    struct cgroup___ids *old = (void *)address;
    struct cgroup *ancestor = NULL;
    __u64 id = 0;

    if (bpf_core_field_exists(old->ancestor_ids)) {
        bpf_probe_read_kernel(&id, sizeof(id), (void *)old + bpf_core_field_offset(old->ancestor_ids) + 8 * level);
        return id;
    }
    bpf_probe_read_kernel(&ancestor, sizeof(ancestor),
                          (void *)cgroup + bpf_core_field_offset(cgroup->ancestors) + 8 * level);
    return BPF_CORE_READ(ancestor, kn, id);
}

void *bpf_rdonly_cast(const void *object, __u32 type) __ksym __weak; /* since Linux 6.2 */

/* The cgroup in which a socket was made, as a number. It stays the same, whoever moves where. */
static __always_inline __u64 cgroup_of(struct bpf_sock *sk)
{
    struct sock *sock;

    /* The verifier lets nobody look behind a socket pointer; a copy through memory is a plain number. */
    bpf_probe_read_kernel(&sock, sizeof(sock), &sk);
    return (__u64)BPF_CORE_READ(sock, sk_cgrp_data.cgroup);
}

/* The same, when its id is another than `here`; else 0. */
static __always_inline __u64 foreign_cgroup(struct bpf_sock *sk, __u64 here)
{
    struct cgroup *cgroup;
    struct sock *sock;

    if (bpf_rdonly_cast) {
        sock = bpf_rdonly_cast(sk, bpf_core_type_id_kernel(struct sock));
        if (sock->sk_cgrp_data.cgroup->kn->id == here)
            return 0;
    }
    cgroup = (void *)cgroup_of(sk);
    return BPF_CORE_READ(cgroup, kn, id) == here ? 0 : (__u64)cgroup;
}

static __always_inline struct ng_deployment *deployment_by_id(__u64 id)
{
    return id ? bpf_map_lookup_elem(&deployments, &id) : NULL;
}

/* Number of the highest bit that is set; bits is not 0. Without branches, each of which would double the paths that
 * the verifier follows. */
static __always_inline __u32 highest(__u64 bits)
{
    __u64 number = 0;

    for (__u64 step = 16; step; step /= 2) {
        __u64 shift = (((1ULL << step) - 1 - bits) >> 63) * step; /* step where bits has something above */

        barrier_var(shift);
        bits >>= shift;
        number += shift;
    }
    return (__u32)number & (NG_LEVELS_MAX - 1);
}

/* The three that follow return the cgroup id of the innermost deployment, or 0. They are global functions, which the
 * verifier proves once and apart: inlined, each level would multiply the paths through the hooks. For its sake all
 * levels between the highest and the lowest are looked at, instead of asking at each whether it is one. */
#define FOR_EACH_LEVEL(level, levels)                                                            \
    for (__u32 level = highest(levels), steps_ = 0; steps_ < NG_LEVELS_MAX && (levels); steps_++, \
               levels &= (1u << (level & (NG_LEVELS_MAX - 1))) - 1, level--)

__noinline __u64 task_deployment(__u32 levels)
{
    FOR_EACH_LEVEL(level, levels) {
        __u64 id = bpf_get_current_ancestor_cgroup_id(level);

        if (deployment_by_id(id))
            return id;
    }
    return 0;
}

/* Of a cgroup: that of a socket, or of another task. */
__noinline __u64 cgroup_deployment(__u32 levels, __u64 address)
{
    struct cgroup *cgroup = (void *)address;
    __u32 depth = (__u32)BPF_CORE_READ(cgroup, level);

    if (depth < NG_LEVELS_MAX - 1)
        levels &= (2u << depth) - 1; /* there is nothing to read beyond its own level */
    FOR_EACH_LEVEL(level, levels) {
        __u64 id = ancestor_of(address, level);

        if (deployment_by_id(id))
            return id;
    }
    return 0;
}

__noinline __u64 packet_deployment(struct __sk_buff *skb, __u32 levels)
{
    FOR_EACH_LEVEL(level, levels) {
        __u64 id = bpf_skb_ancestor_cgroup_id(skb, level);

        if (deployment_by_id(id))
            return id;
    }
    return 0;
}

#endif
