/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What was let through lately: a verdict that lasts is kept, so that the same destination costs one lookup the next
 * time, and who was there is told once. Nothing here decides: an entry only repeats what judge() said at the same
 * epoch. */
#ifndef NAMEGATE_PERMIT_BPF_H
#define NAMEGATE_PERMIT_BPF_H

#include "event.bpf.h"
#include "mark.h"

static __always_inline void permit_key(struct ng_permit_key *key, __u64 cgroup, const struct question *question)
{
    key->cgroup = cgroup;
    __builtin_memcpy(key->address, question->address, sizeof(key->address));
    key->destination = NG_PERMIT_DESTINATION(question->proto, question->port);
}

static __always_inline struct ng_permit *permit_of(__u64 cgroup, const struct question *question)
{
    struct ng_permit_key key;

    permit_key(&key, cgroup, question);
    return bpf_map_lookup_elem(&permits, &key);
}

/* Random; set by the keeper before loading. Nothing that a program can observe may come from the marks made with it,
 * not even how long a call takes: who knows it can make keys that have the mark of another. */
const volatile __u64 permit_secret[NG_MARK_WORDS];

/* One word that says for which key, and at which epoch, a verdict was kept. The map gives the memory of an entry that
 * goes to another one at once, whoever still reads it, so that key and epoch must be read as one. */
static __always_inline __u64 mark_of(const struct ng_permit_key *key, __u64 at)
{
    return ng_mark(permit_secret, key) + at; /* a sum, because what NH makes unlikely is a given difference */
}

/* The epoch, if judge() let this through at it, and nothing was written since that could change it; else 0. */
static __always_inline __u64 is_current(__u64 cgroup, const struct question *question, const struct ng_control *state,
                                        struct ng_permit **ret_permit)
{
    struct ng_permit_key key;
    struct ng_permit *permit;
    __u64 *counter, now;
    __u32 zero = 0;

    permit_key(&key, cgroup, question);
    counter = bpf_map_lookup_elem(&epoch, &zero);
    now = counter ? *(volatile __u64 *)counter : 0;
    permit = bpf_map_lookup_elem(&permits, &key);
    if (!permit || !now || *(volatile __u64 *)&permit->mark != mark_of(&key, now) || state->incident ||
        state->escalated)
        return 0;
    *ret_permit = permit;
    return now;
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
__noinline int keep_permit(struct question *question, __u64 cgroup, __u32 scope, __u64 judged_at, __u32 what)
{
    struct ng_permit permit = {.evidence = (__u8)what};
    struct ng_permit_key key;
    struct ng_permit *old;
    bool news = false;

    if (!question)
        return 0;
    permit_key(&key, cgroup, question);
    permit.mark = judged_at ? mark_of(&key, judged_at) : 0;
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
