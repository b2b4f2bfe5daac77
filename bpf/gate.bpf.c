// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The hooks. connect4/6, sendmsg4/6, recvmsg4/6, getpeername4/6 and sock_create are attached once, at the root of the
 * cgroup tree; egress is attached to each deployment, as the backstop for what the others do not see.
 *
 * A hook turns its context into a question, asks judge() for each deployment concerned, counts, and returns. It never
 * decides by itself: the verdict is ng_decide() in decide.h. */
#include "bystander.bpf.h"
#include "verify.bpf.h"
#include "delegate.bpf.h"
#include "departure.bpf.h"
#include "egress.bpf.h"
#include "event.bpf.h"
#include "lineage.bpf.h"
#include "opener.bpf.h"
#include "redirect.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define DENY 0
#define PASS 1
#define SOCK_RAW_ 3
#define DROP 2 /* of egress: as though it had been sent */

/* What all deployments around say together: DENIED with the first shape in order, WOULD, or 0; then whether that lasts,
 * and the evidence of the innermost. */
#define DENIED 2u
#define WOULD 1u
#define OUTCOME(result) ((result) & 255u)
#define SHAPE(result) ((__u8)((result) >> 8))
#define LASTS (1u << 16)
#define EVIDENCE(result) ((result) >> 24)

/* Judges for the deployment and those around it. Each that denies, or would, has it on record: an inner deployment
 * hides nothing from those around. Global, so that the verifier proves it once. In doubt denies. */
__noinline __u32 judge_nested(struct ng_deployment *deployment, __u64 cgroup, struct question *question,
                              struct ng_asker *opener)
{
    __u32 result = 0, lasts = LASTS, evidence = 0;

    if (!deployment || !question)
        return DENIED;
    for (int i = 0; i < NG_NESTING_MAX && deployment; i++) {
        __u64 packed = judge(deployment, question);
        __u32 own = PACKED_VERDICT(packed) != NG_VERDICT_ALLOW ? DENIED : PACKED_WOULD(packed) ? WOULD : 0;

        if (own && !question->silent)
            report(deployment, cgroup, question, packed, opener);
        if (own == DENIED)
            own |= (__u32)PACKED_RESPOND(packed) << 8;
        if (OUTCOME(own) > OUTCOME(result) || (OUTCOME(own) == DENIED && SHAPE(own) < SHAPE(result)))
            result = own;
        if (!(packed & PACKED_LASTS))
            lasts = 0;
        if (i == 0)
            evidence = PACKED_EVIDENCE(packed);
        cgroup = deployment->outer;
        deployment = deployment_by_id(cgroup);
    }
    return result | lasts | evidence << 24;
}

static __always_inline void count_outcome(__u8 hook, __u32 result)
{
    count(NG_COUNTER(hook, OUTCOME(result) == DENIED  ? NG_OUTCOME_DENY
                           : OUTCOME(result) == WOULD ? NG_OUTCOME_WOULD
                                                      : NG_OUTCOME_PASS));
}

/* So that the packets that follow are not on record again. */
static __always_inline void remember_report(struct flow *flow, __u64 cgroup, const struct question *question)
{
    __builtin_memcpy(flow->reported.address, question->address, sizeof(flow->reported.address));
    flow->reported.port = question->port;
    flow->reported.used = 1;
    flow->reported_to = cgroup;
}

static __always_inline bool is_reported(const struct flow *flow, const struct question *question)
{
    return same_server(&flow->reported, question->address, question->port);
}

static __always_inline struct flow *flow_of(struct bpf_sock *sk, bool make)
{
    return bpf_sk_storage_get(&flows, sk, NULL, make ? BPF_SK_STORAGE_GET_F_CREATE : 0);
}

/* Where connections that stand may be kept, it must be known which were let go, and not only in appearance. */
static __always_inline void remember_permitted(struct bpf_sock *sk, const struct ng_deployment *deployment,
                                               const struct question *question, const struct ng_asker *opener)
{
    struct flow *flow;

    if (!(deployment->flags & NG_DEPLOYMENT_KEEP) && !deployment->outer)
        return;
    flow = flow_of(sk, true);
    if (!flow)
        return;
    fill_asker(&flow->opener, deployment);
    if (opener) {
        flow->opener.pid = opener->pid;
        flow->opener.uid = opener->uid;
        __builtin_memcpy(flow->opener.comm, opener->comm, sizeof(opener->comm));
    }
    __builtin_memcpy(flow->permitted.address, question->address, sizeof(flow->permitted.address));
    flow->permitted.port = question->port;
    flow->permitted.used = !is_reported(flow, question);
}

/* One deployment's verdict on a call: reports and counts. Returns as judge_nested(). What is denied without an error is
 * not DENIED here: egress drops its packets. opener: of a call that the kernel makes by itself, else NULL. */
static __always_inline __u32 permitted(struct ng_deployment *deployment, __u64 cgroup, struct question *question,
                                       struct bpf_sock *sk, struct ng_asker *opener)
{
    struct flow *flow;
    __u32 result;
    __s32 error;

    question->error = opener ? 0 : -EPERM_;
    result = judge_nested(deployment, cgroup, question, opener);
    count_outcome(question->hook, result);
    if (OUTCOME(result) != DENIED && (OUTCOME(result) != WOULD || question->probe || !sk))
        return result;
    error = error_of(SHAPE(result));
    if (sk && (OUTCOME(result) == WOULD || !error)) {
        flow = flow_of(sk, true);
        if (flow)
            remember_report(flow, cgroup, question);
        if (flow || OUTCOME(result) == WOULD)
            return WOULD;
    }
    if (error && error != -EPERM_)
        bpf_set_retval(error);
    return result;
}

/* DNS goes to the resolver. */
static __always_inline int redirect_hook(struct bpf_sock_addr *ctx, struct ng_deployment *asker, __u64 cgroup,
                                         struct question *question, bool connecting, bool v6)
{
    struct ng_decision unredirected = {
        .verdict = NG_VERDICT_DENY, .evidence = NG_EVIDENCE_RESOLVER, .mode = NG_MODE_BLOCK};
    struct flow *flow = flow_of(ctx->sk, true);

    if (!redirect(ctx, flow, asker, question, connecting, v6)) {
        /* Nowhere to send it to: an answer from elsewhere would not be learnt. */
        report(asker, cgroup, question, PACK(unredirected), NULL);
        count_outcome(question->hook, DENIED);
        return DENY;
    }
    count(NG_COUNTER(question->hook, NG_OUTCOME_REDIRECT));
    return PASS;
}

/* What is neither known nor without verdict: all deployments concerned are asked. Returns what they say together. */
static __always_inline __u32 judge_call(struct bpf_sock_addr *ctx, struct ng_deployment *task, __u64 task_cgroup,
                                        struct ng_deployment *socket, __u64 socket_cgroup, struct question *question,
                                        bool connecting, __u64 here, bool foreign, struct ng_asker *opener)
{
    struct flow *flow = flow_of(ctx->sk, false);
    __u64 judged_at = get_epoch(&epoch);
    __u32 result = 0;

    question->resumed = !connecting && flow && flow->original[0].used;
    if (task) {
        result = permitted(task, task_cgroup, question, ctx->sk, NULL);
        if (OUTCOME(result) == DENIED)
            return result;
    }
    if (socket) {
        __u32 other = permitted(socket, socket_cgroup, question, ctx->sk, opener);

        if (OUTCOME(other) == DENIED || OUTCOME(other) == WOULD)
            return other;
    }
    if (foreign || socket)
        result &= ~LASTS; /* the next socket may be another one, or the task has been moved since */
    if (OUTCOME(result) == 0 && task && question->port != NG_DNS_PORT)
        keep_permit(question, here, task->scope, result & LASTS ? judged_at : 0,
                    EVIDENCE(result) | (connecting && question->proto == IPPROTO_TCP ? PERMIT_HERE : 0));
    return result;
}

/* Whether a process of this cgroup was let through to there before, with a socket of the same, and nothing has changed.
 * What is in no deployment was never let through: this is for those that are. Another process than the last is to be
 * told: at connect() for TCP, with the packet for the rest. */
static __always_inline bool repeated(const struct ng_control *state, struct question *question, __u64 cgroup)
{
    if (!is_current(cgroup, question, state, question->proto == IPPROTO_TCP))
        return false;
    count(NG_COUNTER(question->hook, NG_OUTCOME_PASS));
    return true;
}

/* A further path of MPTCP is opened by a thread of the kernel, which is in no deployment. Returns who has the
 * connection; NULL: the current task itself is the one that asks. */
static __always_inline struct ng_asker *opener_behind(struct bpf_sock *sk, struct ng_asker *opener)
{
    struct task_struct *task = (void *)bpf_get_current_task();

    if (!(BPF_CORE_READ(task, flags) & PF_KTHREAD_))
        return NULL;
    __builtin_memset(opener, 0, sizeof(*opener));
    return path_opener(sk, opener) ? opener : NULL;
}

static __always_inline void question_of(struct bpf_sock_addr *ctx, struct question *question, __u8 hook, bool v6)
{
    __u32 *word = (__u32 *)question->address;
    __u32 protocol = READ_FIELD(ctx, protocol);

    question->hook = hook;
    question->proto = protocol == IPPROTO_MPTCP ? IPPROTO_TCP : (__u8)protocol;
    question->port = bpf_ntohs((__u16)READ_FIELD(ctx, user_port));
    if (!v6) {
        map_v4(question->address, READ_FIELD(ctx, user_ip4));
        return;
    }
    word[0] = READ_FIELD(ctx, user_ip6[0]);
    word[1] = READ_FIELD(ctx, user_ip6[1]);
    word[2] = READ_FIELD(ctx, user_ip6[2]);
    word[3] = READ_FIELD(ctx, user_ip6[3]);
}

/* connect and sendmsg, both families. */
static __always_inline int address_hook(struct bpf_sock_addr *ctx, __u8 hook, bool connecting, bool v6)
{
    struct question question = {};
    struct ng_control *state = get_control();
    struct ng_deployment *task, *socket, *asker;
    __u64 here, task_cgroup, socket_cgroup, made_in, added_at;
    struct ng_asker behind, *opener;
    __u32 result, levels;

    if (!connecting && !may_depart(ctx->sk))
        return DENY;
    if (!state || !state->levels)
        return PASS;
    here = bpf_get_current_cgroup_id();
    made_in = foreign_cgroup(ctx->sk, here);
    if (!made_in && is_bystander(here))
        return PASS;
    question_of(ctx, &question, hook, v6);
    if (!made_in && repeated(state, &question, here))
        return PASS;
    added_at = get_epoch(&additions);
    levels = *(volatile __u32 *)&state->levels;
    task_cgroup = task_deployment(levels);
    /* The task may have been moved since `here`: what is noted of that is what holds for the socket made there. */
    socket_cgroup = cgroup_deployment(levels, made_in ? made_in : cgroup_of(ctx->sk));
    if (!task_cgroup && !socket_cgroup) {
        if (!made_in)
            note_bystander(here, added_at);
        return PASS;
    }
    task = deployment_by_id(task_cgroup);
    socket = socket_cgroup == task_cgroup ? NULL : deployment_by_id(socket_cgroup);
    asker = task ? task : socket;
    if (!asker)
        return PASS;

    opener = task ? NULL : opener_behind(ctx->sk, &behind);
    question.probe = connecting && question.proto == IPPROTO_UDP;
    result = judge_call(ctx, task, task_cgroup, socket, socket_cgroup, &question, connecting, here,
                        made_in != 0, opener);
    if (OUTCOME(result) == DENIED)
        return DENY;
    if (question.port == NG_DNS_PORT)
        return redirect_hook(ctx, asker, task ? task_cgroup : socket_cgroup, &question, connecting, v6);
    if (connecting)
        remember_permitted(ctx->sk, asker, &question, opener);
    return PASS;
}

#define ADDRESS_HOOK(section, function, number, connecting, v6) \
    SEC(section) int function(struct bpf_sock_addr *ctx)        \
    {                                                           \
        return address_hook(ctx, number, connecting, v6);       \
    }

ADDRESS_HOOK("cgroup/connect4", gate_connect4, NG_HOOK_CONNECT4, true, false)
ADDRESS_HOOK("cgroup/connect6", gate_connect6, NG_HOOK_CONNECT6, true, true)
ADDRESS_HOOK("cgroup/sendmsg4", gate_sendmsg4, NG_HOOK_SENDMSG4, false, false)
ADDRESS_HOOK("cgroup/sendmsg6", gate_sendmsg6, NG_HOOK_SENDMSG6, false, true)

/* recvmsg and getpeername: says the server that the program meant. Only sockets that were redirected have a flow with
 * one, whoever holds them now. */
static __always_inline int restore_hook(struct bpf_sock_addr *ctx, __u8 hook, bool v6)
{
    struct question question = {};
    struct flow *flow = bpf_sk_storage_get(&flows, ctx->sk, NULL, 0);
    struct server *server;
    const __u32 *word;

    if (!flow)
        return PASS;
    question_of(ctx, &question, hook, v6);
    server = original_of(flow, question.address, question.port, question.proto == IPPROTO_TCP);
    if (!server)
        return PASS;
    word = (const __u32 *)server->address;
    ctx->user_port = server->port;
    if (!v6) {
        ctx->user_ip4 = word[3];
        return PASS;
    }
    ctx->user_ip6[0] = word[0];
    ctx->user_ip6[1] = word[1];
    ctx->user_ip6[2] = word[2];
    ctx->user_ip6[3] = word[3];
    return PASS;
}

#define RESTORE_HOOK(section, function, number, v6)      \
    SEC(section) int function(struct bpf_sock_addr *ctx) \
    {                                                    \
        return restore_hook(ctx, number, v6);            \
    }

RESTORE_HOOK("cgroup/recvmsg4", gate_recvmsg4, NG_HOOK_RECVMSG4, false)
RESTORE_HOOK("cgroup/recvmsg6", gate_recvmsg6, NG_HOOK_RECVMSG6, true)
RESTORE_HOOK("cgroup/getpeername4", gate_getpeername4, NG_HOOK_GETPEERNAME4, false)
RESTORE_HOOK("cgroup/getpeername6", gate_getpeername6, NG_HOOK_GETPEERNAME6, true)

/* Raw sockets and UDP-Lite reach the wire without meeting connect and sendmsg. */
SEC("cgroup/sock_create") int gate_sock_create(struct bpf_sock *ctx)
{
    struct question question = {.hook = NG_HOOK_SOCK_CREATE, .raw = 1};
    struct ng_control *state = get_control();
    __u32 type = READ_FIELD(ctx, type);
    __u32 protocol = READ_FIELD(ctx, protocol);
    struct ng_deployment *deployment;
    __u64 cgroup;

    if (!state || !state->levels || is_bystander(bpf_get_current_cgroup_id()))
        return PASS;
    cgroup = task_deployment(state->levels);
    deployment = deployment_by_id(cgroup);
    if (!deployment)
        return PASS;
    (void)is_served(bpf_get_netns_cookie(ctx)); /* it may ask for a name next */
    if (type != SOCK_RAW_ && protocol != IPPROTO_UDPLITE)
        return PASS;
    question.proto = (__u8)protocol;
    return OUTCOME(permitted(deployment, cgroup, &question, NULL, NULL)) == DENIED ? DENY : PASS;
}

/* Tells the resolver who sent the query in this packet: the current task for UDP, the socket's opener for TCP, whose
 * SYN may leave from a timer. */
static __always_inline void record_asker(struct ng_deployment *deployment, struct flow *flow,
                                         const struct question *question, const struct packet *packet)
{
    struct ng_asker_key key = {};
    struct ng_asker asker = {};

    key.netns = flow->netns;
    __builtin_memcpy(key.address, packet->source, sizeof(key.address));
    key.port = packet->source_port;
    key.listener = question->port;
    key.proto = question->proto;
    if (question->proto == IPPROTO_TCP)
        asker = flow->opener;
    else
        fill_asker(&asker, deployment);
    bpf_map_update_elem(&askers, &key, &asker, BPF_ANY);
}

static __always_inline struct flow *packet_flow(struct __sk_buff *skb, bool make)
{
    struct bpf_sock *sk = skb->sk;

    if (!sk)
        return NULL;
    sk = bpf_sk_fullsock(sk);
    return sk ? flow_of(sk, make) : NULL;
}

/* Whether the current task is the one that sends: it is in the packet's deployment, or in one inside. What the kernel
 * sends by itself, as TCP does, it sends while anybody is current: there only who opened the connection is known to be
 * concerned. */
static __always_inline bool is_sender(__u64 cgroup, const struct question *question, const struct ng_asker *opener,
                                      __u32 levels)
{
    __u64 id = task_deployment(levels);

    if (question->proto == IPPROTO_TCP && opener->pid != bpf_get_current_pid_tgid() >> 32)
        return false;
    for (int i = 0; i < NG_NESTING_MAX; i++) {
        struct ng_deployment *deployment;

        if (id == cgroup)
            return true;
        deployment = deployment_by_id(id);
        if (!deployment)
            return false;
        id = deployment->outer;
    }
    return false;
}

/* Returns PASS, DENY or DROP. */
static __always_inline int egress_verdict(struct __sk_buff *skb, struct ng_deployment *deployment, __u64 cgroup,
                                          struct question *question, struct flow *flow, __u32 levels,
                                          const struct packet *packet)
{
    __u64 leaf = bpf_skb_cgroup_id(skb);
    __u64 judged_at = get_epoch(&epoch);
    struct ng_asker opener = {};
    bool sender;
    __u32 result;

    fill_opener(&opener, flow, leaf, question);
    if (!opener.pid && question->proto == IPPROTO_TCP && skb->sk)
        (void)path_opener(skb->sk, &opener);
    sender = is_sender(cgroup, question, &opener, levels);
    /* A reset is no attempt to reach anybody: it tells of a connection that is over, mostly one that was cut. */
    question->silent = (flow && flow->reported_to == cgroup && is_reported(flow, question)) ||
                       (question->proto == IPPROTO_TCP && !question->raw && resets(skb, packet));
    question->established = flow && same_server(&flow->permitted, question->address, question->port);
    question->error = question->proto == IPPROTO_UDP ? -EPERM_ : 0;
    result = judge_nested(deployment, cgroup, question, sender ? NULL : &opener);
    if (!question->silent)
        count_outcome(NG_HOOK_EGRESS, result);
    if (OUTCOME(result) == 0 && !question->resumed && question->port != NG_DNS_PORT)
        keep_permit(question, leaf, deployment->scope, result & LASTS ? judged_at : 0,
                    EVIDENCE(result) | (sender && question->proto != IPPROTO_TCP ? PERMIT_HERE : 0));
    if (OUTCOME(result) && !question->silent) {
        flow = packet_flow(skb, true);
        if (flow)
            remember_report(flow, cgroup, question);
    }
    if (OUTCOME(result) != DENIED)
        return PASS;
    return SHAPE(result) == NG_RESPOND_TIMEOUT ? DROP : DENY;
}

/* As repeated(), of a packet. */
static __always_inline bool repeated_packet(struct __sk_buff *skb, const struct ng_control *state,
                                            struct question *question)
{
    if (question->raw || !is_current(bpf_skb_cgroup_id(skb), question, state, question->proto != IPPROTO_TCP))
        return false;
    count(NG_COUNTER(NG_HOOK_EGRESS, NG_OUTCOME_PASS));
    return true;
}

SEC("cgroup_skb/egress") int gate_egress(struct __sk_buff *skb)
{
    struct question question = {.hook = NG_HOOK_EGRESS};
    struct ng_control *state = get_control();
    struct ng_deployment *deployment;
    struct packet packet = {};
    struct flow *flow;
    __u64 cgroup;
    bool readable;

    if (!state)
        return DENY;
    readable = skb->protocol == bpf_htons(ETH_P_IP) ? read_ipv4(skb, &question, &packet)
                                                    : read_ipv6(skb, &question, &packet);
    if (!readable)
        return packet_deployment(skb, state->levels) ? DENY : PASS;
    if (repeated_packet(skb, state, &question))
        return PASS;
    cgroup = packet_deployment(skb, state->levels);
    deployment = deployment_by_id(cgroup);
    if (!deployment)
        return PASS; /* it has ended */
    flow = packet_flow(skb, false);
    if (flow && flow->netns && is_loopback(question.address) && is_redirect_port(state, &question)) {
        if (!is_served(flow->netns))
            return DROP; /* and it comes again */
        question.resumed = 1;
        if (question.proto == IPPROTO_UDP || opens(skb, &packet))
            record_asker(deployment, flow, &question, &packet);
    }
    return egress_verdict(skb, deployment, cgroup, &question, flow, state->levels, &packet);
}

/* Whether a deployment, or one around it, denies what the socket is connected to; if so says which. Denied with
 * silence, it is left: it falls silent. */
static __always_inline bool denied_by(__u64 cgroup, struct question *question, struct ng_socket *open)
{
    struct ng_deployment *deployment = deployment_by_id(cgroup);

    for (int i = 0; i < NG_NESTING_MAX && deployment; i++) {
        __u64 packed = judge(deployment, question);

        if (PACKED_VERDICT(packed) != NG_VERDICT_ALLOW && PACKED_RESPOND(packed) != NG_RESPOND_TIMEOUT) {
            open->cgroup = cgroup;
            open->scope = deployment->scope;
            open->policy = deployment->policy;
            open->evidence = PACKED_EVIDENCE(packed);
            open->mode = PACKED_MODE(packed);
            if (open->mode != deployment->mode)
                open->flags |= NG_EVENT_INCIDENT;
            return true;
        }
        cgroup = deployment->outer;
        deployment = deployment_by_id(cgroup);
    }
    return false;
}

/* Whether a socket is connected to what is denied to who holds it, or to where it was made (0: to nobody); if so says
 * where it leads. */
static __always_inline bool leads_astray(struct sock *sk, struct flow *flow, __u64 holder, __u64 maker,
                                         struct question *question, struct ng_socket *open)
{
    open->protocol = holder || maker ? read_peer(sk, question) : 0;
    if (!open->protocol)
        return false;
    if (open->protocol == IPPROTO_MPTCP && BPF_CORE_READ(sk, sk_shutdown) == SHUTDOWN_MASK_)
        return false; /* it was ended, though its paths may not have heard of it */
    question->established = flow && same_server(&flow->permitted, question->address, question->port);
    if (!denied_by(holder, question, open) && !denied_by(maker, question, open))
        return false;
    fill_ends(open, sk, question);
    return true;
}

/* Three walks find what is open to where a deployment may not go. The kernel sees every packet of it anyway; they are
 * so that nobody waits for what goes nowhere.
 *
 * This one goes over the open files of all processes, in whatever network namespace: those that a deployment's
 * processes hold, wherever they came from, and those that were made in it, whoever holds them now. Each holder is told
 * apart, so that one socket can be written more than once. */
SEC("iter/task_file") int gate_walk_files(struct bpf_iter__task_file *ctx)
{
    struct question question = {.hook = NG_HOOK_CUT, .silent = 1, .resumed = 1};
    struct ng_control *state = get_control();
    struct task_struct *task = ctx->task;
    struct file *file = ctx->file;
    struct ng_socket open = {};
    struct socket *socket;
    __u64 holder, maker;
    struct sock *sk;

    if (!state || !state->levels || !task || !file)
        return 0;
    socket = bpf_sock_from_file(file);
    if (!socket)
        return 0;
    sk = socket->sk;
    if (!sk)
        return 0;
    holder = cgroup_deployment(state->levels, (__u64)BPF_CORE_READ(task, cgroups, dfl_cgrp));
    maker = cgroup_deployment(state->levels, (__u64)BPF_CORE_READ(sk, sk_cgrp_data.cgroup));
    if (!leads_astray(sk, bpf_sk_storage_get(&flows, sk, NULL, 0), holder, maker, &question, &open))
        return 0;
    fill_holder(&open, task, ctx->fd);
    (void)bpf_seq_write(ctx->meta->seq, &open, sizeof(open));
    return 0;
}

/* A socket that was made in a deployment, whoever keeps it open: an io_uring, the queue of a socket of AF_UNIX over
 * which it is passed on, a thread with open files of its own. One that its owner has closed already is left. */
static __always_inline void walk_socket(struct seq_file *seq, struct sock *sk)
{
    struct question question = {.hook = NG_HOOK_CUT, .silent = 1, .resumed = 1};
    struct ng_control *state = get_control();
    struct ng_asker opener = {};
    struct ng_socket open = {};
    struct cgroup *cgroup;
    struct sock *whole;
    struct flow *flow;
    __u64 maker;

    if (!state || !state->levels || !BPF_CORE_READ(sk, sk_socket))
        return;
    cgroup = BPF_CORE_READ(sk, sk_cgrp_data.cgroup);
    maker = cgroup_deployment(state->levels, (__u64)cgroup);
    if (!maker)
        return;
    flow = bpf_sk_storage_get(&flows, sk, NULL, 0);
    if (!leads_astray(sk, flow, 0, maker, &question, &open))
        return;
    whole = question.proto == IPPROTO_TCP ? mptcp_of(sk) : NULL;
    if (whole && BPF_CORE_READ(whole, sk_shutdown) == SHUTDOWN_MASK_)
        return; /* it was ended as a whole */
    opener.uid = BPF_CORE_READ(sk, sk_uid.val);
    fill_opener(&opener, flow, BPF_CORE_READ(cgroup, kn, id), &question);
    if (whole) {
        open.protocol = IPPROTO_MPTCP;
        if (!opener.pid)
            (void)mptcp_opener((__u64)whole, &opener);
    }
    open.tgid = opener.pid;
    open.pid = opener.pid;
    open.uid = opener.uid;
    open.flags |= NG_EVENT_SOFTIRQ;
    __builtin_memcpy(open.comm, opener.comm, sizeof(open.comm));
    (void)bpf_seq_write(seq, &open, sizeof(open));
}

/* In the network namespace of who asks. */
SEC("iter/tcp") int gate_walk_tcp(struct bpf_iter__tcp *ctx)
{
    struct sock_common *common = ctx->sk_common;
    struct tcp_sock *sk = common ? bpf_skc_to_tcp_sock(common) : NULL;

    if (sk)
        walk_socket(ctx->meta->seq, (struct sock *)sk);
    return 0;
}

SEC("iter/udp") int gate_walk_udp(struct bpf_iter__udp *ctx)
{
    struct udp_sock *sk = ctx->udp_sk;

    if (sk)
        walk_socket(ctx->meta->seq, (struct sock *)sk);
    return 0;
}

/* Where the processes of deployments are, as far as network namespaces go. */
SEC("iter/task") int gate_walk_tasks(struct bpf_iter__task *ctx)
{
    struct ng_control *state = get_control();
    struct task_struct *task = ctx->task;
    struct ng_whereabouts there = {};

    if (!state || !state->levels || !task ||
        !cgroup_deployment(state->levels, (__u64)BPF_CORE_READ(task, cgroups, dfl_cgrp)))
        return 0;
    there.pid = (__u32)BPF_CORE_READ(task, pid);
    there.netns = BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);
    if (there.netns)
        (void)bpf_seq_write(ctx->meta->seq, &there, sizeof(there));
    return 0;
}
