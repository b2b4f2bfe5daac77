/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What was let through lately: a verdict that lasts is kept, so that the same destination costs one lookup the next
 * time, and who was there is told once. Nothing here decides: an entry only repeats what judge() said at the same
 * epoch. */
#ifndef NAMEGATE_PERMIT_BPF_H
#define NAMEGATE_PERMIT_BPF_H

#include "event.bpf.h"

static __always_inline void permit_key(struct ng_permit_key *key, __u64 cgroup, const struct question *question)
{
    __builtin_memset(key, 0, sizeof(*key));
    key->cgroup = cgroup;
    __builtin_memcpy(key->address, question->address, sizeof(key->address));
    key->port = question->port;
    key->proto = question->proto;
}

static __always_inline struct ng_permit *permit_of(__u64 cgroup, const struct question *question)
{
    struct ng_permit_key key;

    permit_key(&key, cgroup, question);
    return bpf_map_lookup_elem(&permits, &key);
}

/* Whether judge() let this through, and nothing was written since that could change it. The map gives the memory of an
 * entry that goes to another one at once, whoever still reads it: what was read counts if the entry is there after. */
static __always_inline bool is_current(__u64 cgroup, const struct question *question, const struct ng_control *state,
                                       struct ng_permit *ret_permit)
{
    const volatile struct ng_permit *permit;
    struct ng_permit_key key;
    __u32 zero = 0;
    __u64 *now = bpf_map_lookup_elem(&epoch, &zero);

    permit_key(&key, cgroup, question);
    permit = bpf_map_lookup_elem(&permits, &key);
    if (!permit || !now)
        return false;
    ret_permit->epoch = permit->epoch;
    ret_permit->tgid = permit->tgid;
    ret_permit->evidence = permit->evidence;
    if (!ret_permit->epoch || ret_permit->epoch != *(volatile __u64 *)now || state->incident || state->escalated)
        return false;
    return bpf_map_lookup_elem(&permits, &key) == permit;
}

static __always_inline void tell_reach(const struct question *question, __u32 scope, const struct ng_permit *permit)
{
    struct ng_reach *reach = reserve_deed(scope, sizeof(*reach));

    if (!reach)
        return;
    __builtin_memset(reach, 0, sizeof(*reach));
    reach->kind = NG_RECORD_REACH;
    reach->scope = scope;
    reach->time = bpf_ktime_get_boot_ns();
    reach->tgid = permit->tgid;
    reach->uid = permit->uid;
    __builtin_memcpy(reach->address, question->address, sizeof(reach->address));
    reach->port = question->port;
    reach->proto = question->proto;
    reach->hook = question->hook;
    reach->evidence = permit->evidence;
    __builtin_memcpy(reach->comm, permit->comm, sizeof(reach->comm));
    bpf_ringbuf_submit(reach, 0);
}

#define PERMIT_HERE (1u << 8) /* beside the evidence: the current process is the one that gets there */

/* Keeps what was let through, and tells of a process that was not the last one there. cgroup: the task's and the
 * socket's. scope: of the deployment. judged_at: the epoch before it was judged, 0 where the verdict does not last.
 * Global, so that the verifier proves it once. */
int keep_permit(struct question *question, __u64 cgroup, __u32 scope, __u64 judged_at, __u32 what)
{
    struct ng_permit permit = {.epoch = judged_at, .evidence = (__u8)what};
    struct ng_permit_key key;
    struct ng_permit *old;
    bool news = false;

    if (!question)
        return 0;
    permit_key(&key, cgroup, question);
    old = bpf_map_lookup_elem(&permits, &key);
    if (what & PERMIT_HERE) {
        permit.tgid = bpf_get_current_pid_tgid() >> 32;
        permit.uid = (__u32)bpf_get_current_uid_gid();
        bpf_get_current_comm(permit.comm, sizeof(permit.comm));
        news = !old || old->tgid != permit.tgid;
    } else if (old) {
        permit.tgid = old->tgid;
        permit.uid = old->uid;
        __builtin_memcpy(permit.comm, old->comm, sizeof(permit.comm));
    }
    bpf_map_update_elem(&permits, &key, &permit, BPF_ANY);
    if (news)
        tell_reach(question, scope, &permit);
    return 0;
}

#endif
