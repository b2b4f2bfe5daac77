/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* From an open socket to the question whether its peer may still be reached. */
#ifndef NAMEGATE_WALK_BPF_H
#define NAMEGATE_WALK_BPF_H

#include "event.bpf.h"

#define AF_INET_ 2
#define AF_INET6_ 10

static __always_inline void read_v6(__u8 *address, const struct in6_addr *from)
{
    bpf_probe_read_kernel(address, 16, from);
}

/* Returns the protocol; 0: not connected, or nothing that the gate judges. */
static __always_inline __u16 read_peer(struct sock *sk, struct question *question)
{
    __u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
    __u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);
    __u16 protocol = BPF_CORE_READ(sk, sk_protocol);

    if ((family != AF_INET_ && family != AF_INET6_) || state == TCP_LISTEN || state == TCP_CLOSE)
        return 0;
    if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP && protocol != IPPROTO_MPTCP)
        return 0;
    question->proto = protocol == IPPROTO_MPTCP ? IPPROTO_TCP : (__u8)protocol;
    question->port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
    if (family == AF_INET_)
        map_v4(question->address, BPF_CORE_READ(sk, __sk_common.skc_daddr));
    else
        read_v6(question->address, &sk->__sk_common.skc_v6_daddr);
    return question->port != 0 ? protocol : 0;
}

/* By which the kernel's socket diagnosis finds it. */
static __always_inline void fill_ends(struct ng_socket *open, struct sock *sk, const struct question *question)
{
    open->cookie = bpf_get_socket_cookie(sk);
    __builtin_memcpy(open->address, question->address, sizeof(open->address));
    open->port = question->port;
    if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET_)
        map_v4(open->local, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
    else
        read_v6(open->local, &sk->__sk_common.skc_v6_rcv_saddr);
    open->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
    open->device = (__u32)BPF_CORE_READ(sk, __sk_common.skc_bound_dev_if);
}

static __always_inline void fill_holder(struct ng_socket *open, struct task_struct *task, __u32 fd)
{
    open->tgid = (__u32)BPF_CORE_READ(task, tgid);
    open->pid = (__u32)BPF_CORE_READ(task, pid);
    open->uid = BPF_CORE_READ(task, cred, uid.val);
    open->gid = BPF_CORE_READ(task, cred, gid.val);
    open->fd = fd;
    BPF_CORE_READ_STR_INTO(&open->comm, task, group_leader, comm);
}

#endif
