/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What was let through lately: a verdict that lasts is kept, so that the same destination is found at once the next
 * time, and who was there is told once. Nothing here decides: an entry only repeats what judge() said at the same
 * epoch.
 *
 * Entries are read without a lock, while others write them. Two things keep that safe. A word that is read alone holds
 * by itself: `mark` is the key's and the epoch's, `owner` the key's and a process's, so that neither is found with
 * another key than the one for which it was written. And one at a time writes a set: `turn` is odd meanwhile, and who
 * finds it odd keeps nothing. */
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

/* Random; set by the keeper before loading. Nothing that a program can observe may come from the marks made with it,
 * not even how long a call takes: who knows it can make keys that have the mark of another. So places have their
 * own. */
const volatile __u64 permit_secret[NG_MARK_WORDS];
const volatile __u64 place_secret[NG_MARK_WORDS];

/* One word that says for which key, and at which epoch, a verdict was kept; or which process was there last. A sum,
 * because what NH makes unlikely is a given difference. */
static __always_inline __u64 mark_of(const struct ng_permit_key *key, __u64 at)
{
    return ng_mark(permit_secret, key) + at;
}

static __always_inline __u64 owner_of(const struct ng_permit_key *key)
{
    return ng_mark(permit_secret, key) + (bpf_get_current_pid_tgid() >> 32);
}

static __always_inline struct ng_permits *permits_near(const struct ng_permit_key *key)
{
    __u32 place = ng_place(place_secret, key, PERMIT_BITS);

    return bpf_map_lookup_elem(&permits, &place);
}

static __always_inline bool is_for(const struct ng_permit *permit, const struct ng_permit_key *key)
{
    const volatile __u64 *has = (const volatile __u64 *)&permit->key;
    const __u64 *wanted = (const __u64 *)key;

    return !((has[0] ^ wanted[0]) | (has[1] ^ wanted[1]) | (has[2] ^ wanted[2]) | (has[3] ^ wanted[3]));
}

static __always_inline struct ng_permit *permit_in(struct ng_permits *set, const struct ng_permit_key *key)
{
    return is_for(&set->way[0], key) ? &set->way[0] : is_for(&set->way[1], key) ? &set->way[1] : NULL;
}

/* Whether judge() let this through, and nothing was written since that could change it. mine: to a process that is the
 * current one, and was the last there. */
static __always_inline bool is_current(__u64 cgroup, const struct question *question, const struct ng_control *state,
                                       bool mine)
{
    const volatile struct ng_permit *permit;
    struct ng_permit_key key;
    struct ng_permits *set;
    __u64 *counter, now, mark;
    __u32 zero = 0;

    permit_key(&key, cgroup, question);
    counter = bpf_map_lookup_elem(&epoch, &zero);
    now = counter ? *(volatile __u64 *)counter : 0;
    mark = mark_of(&key, now);
    set = permits_near(&key);
    permit = set ? permit_in(set, &key) : NULL;
    if (!permit || !now || !mark || permit->mark != mark || state->incident || state->escalated)
        return false;
    return !mine || permit->owner == owner_of(&key);
}

/* The process that was there last. Returns whether one is known. */
static __always_inline bool last_there(__u64 cgroup, const struct question *question, struct ng_asker *ret_process)
{
    struct ng_permit_key key;
    struct ng_permit *permit;
    struct ng_permits *set;
    char comm[NG_COMM_LEN];
    __u32 tgid, uid;
    __u64 turn;

    permit_key(&key, cgroup, question);
    set = permits_near(&key);
    if (!set)
        return false;
    turn = __sync_fetch_and_add(&set->turn, 0); /* reads, with a full barrier, here and below */
    permit = permit_in(set, &key);
    if (!permit || turn % 2)
        return false;
    tgid = permit->tgid;
    uid = permit->uid;
    __builtin_memcpy(comm, permit->comm, sizeof(comm));
    if (__sync_fetch_and_add(&set->turn, 0) != turn || !tgid)
        return false;
    ret_process->pid = tgid;
    ret_process->uid = uid;
    __builtin_memcpy(ret_process->comm, comm, sizeof(comm));
    return true;
}

/* Of the current process. */
static __always_inline void tell_reach(const struct question *question, __u32 scope, __u8 evidence)
{
    struct ng_reach *reach = reserve_deed(scope, sizeof(*reach));

    if (!reach)
        return;
    __builtin_memset(reach, 0, sizeof(*reach));
    reach->kind = NG_RECORD_REACH;
    reach->scope = scope;
    reach->time = bpf_ktime_get_boot_ns();
    reach->tgid = bpf_get_current_pid_tgid() >> 32;
    reach->uid = (__u32)bpf_get_current_uid_gid();
    __builtin_memcpy(reach->address, question->address, sizeof(reach->address));
    reach->port = question->port;
    reach->proto = question->proto;
    reach->hook = question->hook;
    reach->evidence = evidence;
    bpf_get_current_comm(reach->comm, sizeof(reach->comm));
    bpf_ringbuf_submit(reach, 0);
}

/* Where the key has none: an empty one, else one of the two goes. */
static __always_inline struct ng_permit *permit_to_give(struct ng_permits *set)
{
    if (!set->way[0].key.cgroup)
        return &set->way[0];
    return !set->way[1].key.cgroup || bpf_get_prandom_u32() & 1 ? &set->way[1] : &set->way[0];
}

#define PERMIT_HERE (1u << 8) /* beside the evidence: the current process is the one that gets there */

/* Keeps what was let through, and tells of a process that was not the last one there. cgroup: the task's and the
 * socket's. scope: of the deployment. judged_at: the epoch before it was judged, 0 where the verdict does not last.
 * Global, so that the verifier proves it once. */
__noinline int keep_permit(struct question *question, __u64 cgroup, __u32 scope, __u64 judged_at, __u32 what)
{
    bool here = what & PERMIT_HERE, news = here;
    struct ng_permit *permit;
    struct ng_permit_key key;
    struct ng_permits *set;
    __u64 turn;

    if (!question)
        return 0;
    permit_key(&key, cgroup, question);
    set = permits_near(&key);
    turn = set ? *(volatile __u64 *)&set->turn : 1;
    if (set && turn % 2 == 0 && __sync_val_compare_and_swap(&set->turn, turn, turn + 1) == turn) {
        __u64 owner = owner_of(&key);

        permit = permit_in(set, &key);
        if (!permit) {
            permit = permit_to_give(set);
            *(volatile __u64 *)&permit->owner = 0;
            permit->tgid = 0;
            permit->key = key;
        }
        *(volatile __u64 *)&permit->mark = judged_at ? mark_of(&key, judged_at) : 0;
        if (here) {
            news = permit->owner != owner || permit->scope != scope;
            *(volatile __u64 *)&permit->owner = owner;
            permit->scope = scope;
            permit->tgid = bpf_get_current_pid_tgid() >> 32;
            permit->uid = (__u32)bpf_get_current_uid_gid();
            bpf_get_current_comm(permit->comm, sizeof(permit->comm));
        }
        (void)__sync_val_compare_and_swap(&set->turn, turn + 1, turn + 2); /* with a full barrier */
    }
    if (news)
        tell_reach(question, scope, (__u8)what);
    return 0;
}

#endif
