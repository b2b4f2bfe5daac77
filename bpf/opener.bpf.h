/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Who opened a connection, where the current task cannot be asked: what the kernel does by itself, it does while
 * anybody is current, or in a task of its own. */
#ifndef NAMEGATE_OPENER_BPF_H
#define NAMEGATE_OPENER_BPF_H

#include "permit.bpf.h"
#include "walk.bpf.h"

#define PF_KTHREAD_ 0x00200000
#define SHUTDOWN_MASK_ 3

/* The kernel may have been built without MPTCP. */
struct mptcp_subflow_context___any {
    struct sock *conn;
} __attribute__((preserve_access_index));

/* The MPTCP socket of which this TCP socket is a path, or NULL. Both are numbers, from which nothing but copies is
 * had. */
static __noinline struct sock *mptcp_of(struct sock *path)
{
    struct inet_connection_sock *connection = (void *)path;
    struct mptcp_subflow_context___any *context = BPF_CORE_READ(connection, icsk_ulp_data);
    union {
        char text[8];
        __u64 word;
    } name = {}, mptcp = {"mptcp"}; /* of the protocol above TCP: icsk_ulp_data is its own */

    if (!context || !bpf_core_field_exists(context->conn))
        return NULL;
    BPF_CORE_READ_STR_INTO(&name.text, connection, icsk_ulp_ops, name);
    return name.word == mptcp.word ? BPF_CORE_READ(context, conn) : NULL;
}

/* Who opened the connection; where the socket does not know it, the process of its cgroup that was there last. */
static __always_inline void fill_opener(struct ng_asker *opener, const struct flow *flow, __u64 cgroup,
                                        const struct question *question)
{
    if (flow && flow->opener.pid)
        *opener = flow->opener;
    else
        (void)last_there(cgroup, question, opener);
}

/* Of an MPTCP connection to which the kernel has made a path, as to an address that the peer announced: what is known
 * is where the connection itself goes, and so who connected to there last. Global, so that the verifier proves it
 * once. */
__noinline int mptcp_opener(__u64 whole, struct ng_asker *opener)
{
    struct sock *connection = (void *)whole;
    struct question question = {};

    if (!opener)
        return 0;
    if (read_peer(connection, &question))
        (void)last_there(BPF_CORE_READ(connection, sk_cgrp_data.cgroup, kn, id), &question, opener);
    if (!opener->pid) {
        opener->uid = BPF_CORE_READ(connection, sk_uid.val);
        __builtin_memcpy(opener->comm, "kernel (MPTCP)", 15);
    }
    return 0;
}

/* Whether the kernel made it as a path of MPTCP; if so says whose that is. */
static __always_inline bool path_opener(struct bpf_sock *sk, struct ng_asker *opener)
{
    struct sock *path, *whole;

    /* The verifier lets nobody look behind a socket pointer; a copy through memory is a plain number. */
    bpf_probe_read_kernel(&path, sizeof(path), &sk);
    whole = mptcp_of(path);
    if (whole)
        (void)mptcp_opener((__u64)whole, opener);
    return whole != NULL;
}

#endif
