/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* To which deployments a call belongs: those of the task, and those of the socket. Both count, so that a socket that
 * was passed out, or made before its owner moved in, stays gated, and so does work that the kernel does for a socket
 * in a task of its own (MPTCP subflows).
 *
 * control.levels tells at which depths deployments lie, so that an untagged task costs one lookup for each such depth,
 * and none while there is no deployment. */
#ifndef NAMEGATE_DEPLOYMENT_BPF_H
#define NAMEGATE_DEPLOYMENT_BPF_H

#include "maps.bpf.h"

#include <bpf/bpf_core_read.h>

/* Before Linux 6.1 a cgroup listed the ids of its ancestors. */
struct cgroup___ids {
    int level;
    __u64 ancestor_ids[];
} __attribute__((preserve_access_index));

static __always_inline __u64 ancestor_of(struct cgroup *cgroup, __u32 level)
{
    struct cgroup___ids *old = (void *)cgroup;
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

/* The cgroup in which a socket was made, as a number, when it is not that of the current task; else 0. */
static __always_inline __u64 foreign_cgroup(struct bpf_sock *sk)
{
    struct task_struct *task = (void *)bpf_get_current_task();
    struct sock *sock = NULL;
    struct cgroup *cgroup;

    /* The verifier lets nobody look behind a socket pointer; a copy through memory is a plain number. */
    bpf_probe_read_kernel(&sock, sizeof(sock), &sk);
    cgroup = BPF_CORE_READ(sock, sk_cgrp_data.cgroup);
    return cgroup == BPF_CORE_READ(task, cgroups, dfl_cgrp) ? 0 : (__u64)cgroup;
}

static __always_inline struct ng_deployment *deployment_by_id(__u64 id)
{
    return id ? bpf_map_lookup_elem(&deployments, &id) : NULL;
}

/* The three that follow return the cgroup id of the innermost deployment, or 0. They are global functions, which the
 * verifier proves once and apart: inlined, each level would multiply the paths through the hooks. */

__u64 task_deployment(__u32 levels)
{
    for (int level = NG_LEVELS_MAX - 1; level >= 0; level--) {
        __u64 id;

        if (!(levels & (1u << level)))
            continue;
        id = bpf_get_current_ancestor_cgroup_id(level);
        if (deployment_by_id(id))
            return id;
    }
    return 0;
}

/* Of a cgroup: that of a socket, or of another task. */
__u64 cgroup_deployment(__u32 levels, __u64 address)
{
    struct cgroup *cgroup = (void *)address;
    __u32 depth = (__u32)BPF_CORE_READ(cgroup, level);

    if (depth < NG_LEVELS_MAX - 1)
        levels &= (2u << depth) - 1; /* there is nothing to read beyond its own level */
    for (int level = NG_LEVELS_MAX - 1; level >= 0; level--) {
        __u64 id;

        if (!(levels & (1u << level)))
            continue;
        id = ancestor_of(cgroup, (__u32)level);
        if (deployment_by_id(id))
            return id;
    }
    return 0;
}

__u64 packet_deployment(struct __sk_buff *skb, __u32 levels)
{
    for (int level = NG_LEVELS_MAX - 1; level >= 0; level--) {
        __u64 id;

        if (!(levels & (1u << level)))
            continue;
        id = bpf_skb_ancestor_cgroup_id(skb, level);
        if (deployment_by_id(id))
            return id;
    }
    return 0;
}

#endif
