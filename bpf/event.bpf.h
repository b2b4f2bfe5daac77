/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The record of a denial, taken in the hook while the culprit still exists: a process that lives a millisecond is gone
 * before user space could ask /proc. */
#ifndef NAMEGATE_EVENT_BPF_H
#define NAMEGATE_EVENT_BPF_H

#include "judge.bpf.h"

#define EPERM_ 1
#define EACCES_ 13
#define ECONNREFUSED_ 111
#define EHOSTUNREACH_ 113

/* Of the current task. Returns the octets read; *ret_cut: there are more. */
static __always_inline __u16 read_argv(char argv[NG_ARGV_LEN], struct task_struct *task, bool *ret_cut)
{
    __u64 start = BPF_CORE_READ(task, mm, arg_start);
    __u64 length = BPF_CORE_READ(task, mm, arg_end) - start; /* up to the environment, which is nobody's business */

    *ret_cut = start && length > NG_ARGV_LEN;
    if (!start)
        return 0;
    if (length > NG_ARGV_LEN)
        length = NG_ARGV_LEN;
    return bpf_probe_read_user(argv, (__u32)length, (void *)start) ? 0 : (__u16)length;
}

static __always_inline void record_ancestors(struct ng_event *event, struct task_struct *task)
{
    for (int i = 0; i < NG_ANCESTORS_MAX; i++) {
        task = BPF_CORE_READ(task, real_parent);
        event->ancestor[i].pid = (__u32)BPF_CORE_READ(task, tgid);
        if (event->ancestor[i].pid <= 1)
            return;
        BPF_CORE_READ_STR_INTO(&event->ancestor[i].comm, task, group_leader, comm);
        event->ancestors = (__u32)i + 1;
    }
}

static __always_inline void record_current(struct ng_event *event)
{
    struct task_struct *task = (void *)bpf_get_current_task();
    __u64 ids = bpf_get_current_pid_tgid();
    __u64 owner = bpf_get_current_uid_gid();
    bool cut;

    event->pid = (__u32)ids;
    event->tgid = ids >> 32;
    event->uid = (__u32)owner;
    event->gid = owner >> 32;
    bpf_get_current_comm(event->comm, sizeof(event->comm));
    event->argv_len = read_argv(event->argv, task, &cut);
    record_ancestors(event, task);
}

/* A packet that the kernel sends by itself: whoever is current has nothing to do with it. */
static __always_inline void record_opener(struct ng_event *event, const struct ng_asker *opener)
{
    event->flags |= NG_EVENT_SOFTIRQ;
    event->pid = opener->pid;
    event->tgid = opener->pid;
    event->uid = opener->uid;
    __builtin_memcpy(event->comm, opener->comm, sizeof(event->comm));
}

/* What user space sees of a denied call; 0: nothing, its packets are dropped. Before Linux 5.18 always EPERM. */
static __always_inline __s32 error_of(__u8 respond)
{
    if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_set_retval))
        return respond == NG_RESPOND_TIMEOUT ? 0 : -EPERM_;
    switch (respond) {
    case NG_RESPOND_EACCES:
        return -EACCES_;
    case NG_RESPOND_REFUSED:
        return -ECONNREFUSED_;
    case NG_RESPOND_UNREACHABLE:
        return -EHOSTUNREACH_;
    case NG_RESPOND_TIMEOUT:
        return 0;
    default:
        return -EPERM_;
    }
}

/* Whether the deployment has records left in this second: denials, or those of what it did. Each has its own measure,
 * so that one who starts many processes is denied on record all the same. */
static __always_inline bool afford(__u32 scope, bool denial)
{
    __u64 key = (__u64)scope << 1 | denial, now = bpf_ktime_get_boot_ns();
    struct budget *budget = bpf_map_lookup_elem(&budgets, &key);
    struct budget begun = {.second = now, .spent = 1};

    if (!budget || now - budget->second >= 1000000000ULL) {
        bpf_map_update_elem(&budgets, &key, &begun, BPF_ANY);
        return true;
    }
    return __sync_fetch_and_add(&budget->spent, 1) < NG_EVENTS_PER_SECOND;
}

/* Room for a record of what a deployment did, or NULL: it is lost, and counted. */
static __always_inline void *reserve_deed(__u32 scope, __u64 size)
{
    void *record = afford(scope, false) ? bpf_ringbuf_reserve(&events, size, 0) : NULL;

    if (!record)
        count(NG_COUNTER_LOST_DEEDS);
    return record;
}

/* opener: NULL when the current task is the one that asked. Global, so that the verifier proves it once. */
__noinline int report(struct ng_deployment *deployment, __u64 cgroup, struct question *question, __u64 packed,
                      struct ng_asker *opener)
{
    struct ng_control *state = get_control();
    struct ng_event *event;

    if (!deployment || !question)
        return 0;
    event = afford(deployment->scope, true) ? bpf_ringbuf_reserve(&events, sizeof(*event), 0) : NULL;
    if (!event) {
        count(NG_COUNTER_LOST);
        return 0;
    }
    __builtin_memset(event, 0, sizeof(*event));
    event->kind = NG_RECORD_DENIAL;
    event->time = bpf_ktime_get_boot_ns();
    event->generation = state ? state->generation : 0;
    event->cgroup = cgroup;
    event->scope = deployment->scope;
    event->policy = deployment->policy;
    event->error = PACKED_VERDICT(packed) == NG_VERDICT_ALLOW || !question->error ? 0
                                                                                  : error_of(PACKED_RESPOND(packed));
    __builtin_memcpy(event->address, question->address, sizeof(event->address));
    event->port = question->port;
    event->proto = question->proto;
    event->hook = question->hook;
    event->evidence = PACKED_EVIDENCE(packed);
    event->mode = PACKED_MODE(packed);
    if (PACKED_WOULD(packed))
        event->flags |= NG_EVENT_WOULD;
    if (question->probe)
        event->flags |= NG_EVENT_PROBE;
    if (event->mode != deployment->mode)
        event->flags |= NG_EVENT_INCIDENT;
    if (opener)
        record_opener(event, opener);
    else
        record_current(event);
    bpf_ringbuf_submit(event, 0);
    return 0;
}

#endif
