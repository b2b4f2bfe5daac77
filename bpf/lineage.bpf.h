/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What becomes of the processes of deployments, told as it happens: one that lives for a millisecond is known all the
 * same. Threads are none of this: a process is a thread group. */
#ifndef NAMEGATE_LINEAGE_BPF_H
#define NAMEGATE_LINEAGE_BPF_H

#include "event.bpf.h"
#include "namespace.bpf.h"

#define SIGNAL_GROUP_EXIT_ 4

/* Deployment of a task, or NULL. */
static __always_inline struct ng_deployment *deployment_of(struct task_struct *task)
{
    struct ng_control *state = get_control();

    if (!state || !state->levels)
        return NULL;
    return deployment_by_id(cgroup_deployment(state->levels, (__u64)BPF_CORE_READ(task, cgroups, dfl_cgrp)));
}

/* The arguments of these tracepoints are in include/trace/events/sched.h and cgroup.h of the kernel. */

static __always_inline void tell_move(struct task_struct *task, __u32 from, __u32 into)
{
    struct ng_move *record = reserve_deed(from, sizeof(*record));

    if (!record)
        return;
    __builtin_memset(record, 0, sizeof(*record));
    record->kind = NG_RECORD_MOVE;
    record->scope = into;
    record->time = bpf_ktime_get_boot_ns();
    record->tgid = (__u32)BPF_CORE_READ(task, tgid);
    record->parent = (__u32)BPF_CORE_READ(task, real_parent, tgid);
    record->uid = BPF_CORE_READ(task, cred, uid.val);
    record->mover = bpf_get_current_pid_tgid() >> 32;
    record->mover_uid = (__u32)bpf_get_current_uid_gid();
    BPF_CORE_READ_STR_INTO(&record->comm, task, comm);
    bpf_get_current_comm(record->mover_comm, sizeof(record->mover_comm));
    bpf_ringbuf_submit(record, 0);
}

/* One that clone3() makes in another cgroup was never in its parent's: it is told as made there, and moved. */
SEC("tp_btf/sched_process_fork") int gate_fork(__u64 *ctx)
{
    struct task_struct *parent = (void *)ctx[0], *child = (void *)ctx[1];
    __u32 tgid = (__u32)BPF_CORE_READ(child, tgid), scope, into;
    struct ng_deployment *deployment;
    struct ng_fork *record;

    if (tgid != (__u32)BPF_CORE_READ(child, pid))
        return 0; /* a thread */
    deployment = deployment_of(child);
    into = deployment ? deployment->scope : 0;
    deployment = deployment_of(parent);
    scope = deployment ? deployment->scope : into;
    if (!scope)
        return 0;
    record = reserve_deed(scope, sizeof(*record));
    if (!record)
        return 0;
    record->kind = NG_RECORD_FORK;
    record->scope = scope;
    record->time = bpf_ktime_get_boot_ns();
    record->tgid = tgid;
    record->parent = (__u32)BPF_CORE_READ(parent, tgid);
    record->uid = BPF_CORE_READ(child, cred, uid.val);
    record->pad = 0;
    bpf_ringbuf_submit(record, 0);
    if (into != scope)
        tell_move(child, scope, into);
    return 0;
}

SEC("tp_btf/sched_process_exec") int gate_exec(__u64 *ctx)
{
    struct task_struct *task = (void *)ctx[0];
    struct linux_binprm *binary = (void *)ctx[2];
    struct ng_deployment *deployment = deployment_of(task);
    struct ng_exec *record;
    bool cut;

    if (!deployment)
        return 0;
    (void)is_served(BPF_CORE_READ(task, nsproxy, net_ns, net_cookie)); /* before the program can ask for a name */
    record = reserve_deed(deployment->scope, sizeof(*record));
    if (!record)
        return 0;
    __builtin_memset(record, 0, sizeof(*record));
    record->kind = NG_RECORD_EXEC;
    record->scope = deployment->scope;
    record->time = bpf_ktime_get_boot_ns();
    record->tgid = (__u32)BPF_CORE_READ(task, tgid);
    record->parent = (__u32)BPF_CORE_READ(task, real_parent, tgid);
    record->uid = BPF_CORE_READ(task, cred, uid.val);
    bpf_get_current_comm(record->comm, sizeof(record->comm));
    bpf_probe_read_kernel_str(record->path, sizeof(record->path), BPF_CORE_READ(binary, filename));
    record->argv_len = read_argv(record->argv, task, &cut);
    record->cut = cut;
    bpf_ringbuf_submit(record, 0);
    return 0;
}

SEC("tp_btf/sched_process_exit") int gate_exit(__u64 *ctx)
{
    struct task_struct *task = (void *)ctx[0];
    struct ng_deployment *deployment;
    struct ng_exit *record;

    if (BPF_CORE_READ(task, signal, live.counter) != 0)
        return 0; /* its other threads go on */
    deployment = deployment_of(task);
    if (!deployment)
        return 0;
    record = reserve_deed(deployment->scope, sizeof(*record));
    if (!record)
        return 0;
    record->kind = NG_RECORD_EXIT;
    record->scope = deployment->scope;
    record->time = bpf_ktime_get_boot_ns();
    record->tgid = (__u32)BPF_CORE_READ(task, tgid);
    record->status = BPF_CORE_READ(task, signal, flags) & SIGNAL_GROUP_EXIT_
                         ? BPF_CORE_READ(task, signal, group_exit_code)
                         : BPF_CORE_READ(task, group_leader, exit_code);
    bpf_ringbuf_submit(record, 0);
    return 0;
}

/* After the move: where the task came from is what user space knows. */
SEC("tp_btf/cgroup_attach_task") int gate_move(__u64 *ctx)
{
    struct task_struct *task = (void *)ctx[2];
    struct ng_control *state = get_control();
    struct ng_deployment *deployment;
    __u32 scope;

    if (!state || !state->levels || BPF_CORE_READ(task, tgid) != BPF_CORE_READ(task, pid))
        return 0;
    deployment = deployment_of(task);
    scope = deployment ? deployment->scope : 0;
    tell_move(task, scope, scope);
    return 0;
}

#endif
