/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Which services on this host a deployment asks over AF_UNIX: such a service can reach for it what it may not. Only
 * told: a path says little about what stands behind it, and may be relative or another one for the same socket. */
#ifndef NAMEGATE_DELEGATE_BPF_H
#define NAMEGATE_DELEGATE_BPF_H

#include "event.bpf.h"

#define FNV_BASIS 0xcbf29ce484222325ULL /* FNV-1a, 64 bits */
#define FNV_PRIME 0x100000001b3ULL

void *bpf_cast_to_kern_ctx(void *ctx) __ksym __weak; /* since Linux 6.2; the hook is younger */

/* What was told: by process and path. An LRU on purpose: what is evicted is told again. */
struct asked {
    __u64 path; /* hash */
    __u32 tgid;
    __u32 pad;
};

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 4096);
    __type(key, struct asked);
    __type(value, __u8);
} delegations SEC(".maps");

static __always_inline bool is_news(const struct ng_delegation *record)
{
    struct asked key = {.path = FNV_BASIS, .tgid = record->tgid};
    __u8 known = 1;

    for (__u32 i = 0; i < NG_UNIX_PATH_LEN; i++)
        key.path = (key.path ^ (__u8)record->path[i]) * FNV_PRIME;
    return !bpf_map_update_elem(&delegations, &key, &known, BPF_NOEXIST);
}

/* Loaded where the kernel has CGROUP_UNIX_CONNECT (6.7); the section is that of a hook that libbpf knows. */
SEC("cgroup/connect4") int gate_connect_unix(struct bpf_sock_addr *ctx)
{
    struct ng_control *state = get_control();
    struct ng_deployment *deployment;
    struct bpf_sock_addr_kern *kernel;
    struct ng_delegation record = {.kind = NG_RECORD_DELEGATION};
    struct ng_delegation *room;
    __u64 length;

    if (!state || !state->levels || !bpf_cast_to_kern_ctx)
        return 1;
    deployment = deployment_by_id(task_deployment(state->levels));
    if (!deployment)
        return 1;
    kernel = bpf_cast_to_kern_ctx(ctx);
    length = (__u64)kernel->uaddrlen - 2; /* without the family */
    barrier_var(length);
    if (length == 0 || length > NG_UNIX_PATH_LEN)
        return 1;
    bpf_probe_read_kernel(record.path, (__u32)length, (void *)kernel->uaddr + 2);
    record.tgid = bpf_get_current_pid_tgid() >> 32;
    if (!is_news(&record))
        return 1;
    record.scope = deployment->scope;
    record.time = bpf_ktime_get_boot_ns();
    record.uid = (__u32)bpf_get_current_uid_gid();
    bpf_get_current_comm(record.comm, sizeof(record.comm));
    room = reserve_deed(deployment->scope, sizeof(*room));
    if (!room)
        return 1;
    *room = record;
    bpf_ringbuf_submit(room, 0);
    return 1;
}

#endif
