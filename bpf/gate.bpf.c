// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* The hooks. connect4/6, sendmsg4/6, recvmsg4/6, getpeername4/6 and sock_create are attached once, at the root of the
 * cgroup tree; egress is attached to each deployment, as the backstop for what the others do not see.
 *
 * A hook turns its context into a question, asks judge() for each deployment concerned, counts, and returns. It never
 * decides by itself: the verdict is ng_decide() in decide.h. */
#include "egress.bpf.h"
#include "event.bpf.h"
#include "redirect.bpf.h"
#include "walk.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define DENY 0
#define PASS 1
#define IPPROTO_UDPLITE_ 136
#define SOCK_RAW_ 3
#define DROP 2 /* of egress: as though it had been sent */

/* What all deployments around say together: DENIED with the first shape in order, WOULD, or 0. */
#define DENIED 2u
#define WOULD 1u
#define OUTCOME(result) ((result) & 255u)
#define SHAPE(result) ((__u8)((result) >> 8))

/* Judges for the deployment and those around it. Each that denies, or would, has it on record: an inner deployment
 * hides nothing from those around. */
static __always_inline __u32 judge_nested(struct ng_deployment *deployment, __u64 cgroup, struct question *question,
                                          struct ng_asker *opener)
{
    __u32 result = 0;

    for (int i = 0; i < NG_NESTING_MAX && deployment; i++) {
        __u64 packed = judge(deployment, question);
        __u32 own = PACKED_VERDICT(packed) != NG_VERDICT_ALLOW ? DENIED : PACKED_WOULD(packed) ? WOULD : 0;

        if (own && !question->silent)
            report(deployment, cgroup, question, packed, opener);
        if (own == DENIED)
            own |= (__u32)PACKED_RESPOND(packed) << 8;
        if (OUTCOME(own) > OUTCOME(result) || (OUTCOME(own) == DENIED && SHAPE(own) < SHAPE(result)))
            result = own;
        cgroup = deployment->outer;
        deployment = deployment_by_id(cgroup);
    }
    return result;
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

/* What was let go, and not only in appearance. */
static __always_inline void remember_permitted(struct flow *flow, const struct question *question)
{
    __builtin_memcpy(flow->permitted.address, question->address, sizeof(flow->permitted.address));
    flow->permitted.port = question->port;
    flow->permitted.used = !is_reported(flow, question);
}

/* One deployment's verdict on a call: reports and counts. */
static __always_inline bool permitted(struct ng_deployment *deployment, __u64 cgroup, struct question *question,
                                      struct flow *flow)
{
    __u32 result;
    __s32 error;

    question->error = -EPERM_;
    result = judge_nested(deployment, cgroup, question, NULL);
    count_outcome(question->hook, result);
    if (OUTCOME(result) != DENIED) {
        if (OUTCOME(result) == WOULD && flow && !question->probe)
            remember_report(flow, cgroup, question);
        return true;
    }
    error = error_of(SHAPE(result));
    /* A denial without an error is its packets' not getting anywhere: egress drops them. */
    if (!error && flow) {
        remember_report(flow, cgroup, question);
        return true;
    }
    if (error && error != -EPERM_)
        bpf_set_retval(error);
    return false;
}

/* connect and sendmsg, both families. */
static __always_inline int address_hook(struct bpf_sock_addr *ctx, struct question *question, bool connecting, bool v6)
{
    struct ng_control *state = get_control();
    struct ng_deployment *task, *socket, *asker;
    struct ng_decision unredirected = {
        .verdict = NG_VERDICT_DENY, .evidence = NG_EVIDENCE_RESOLVER, .mode = NG_MODE_BLOCK};
    __u64 task_cgroup, socket_cgroup, made_in;
    struct flow *flow;

    if (!state || !state->levels)
        return PASS;
    task_cgroup = task_deployment(state->levels);
    made_in = foreign_cgroup(ctx->sk);
    socket_cgroup = made_in ? cgroup_deployment(state->levels, made_in) : 0;
    if (!task_cgroup && !socket_cgroup)
        return PASS;
    task = deployment_by_id(task_cgroup);
    socket = socket_cgroup == task_cgroup ? NULL : deployment_by_id(socket_cgroup);
    asker = task ? task : socket;
    if (!asker)
        return PASS;

    flow = bpf_sk_storage_get(&flows, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
    question->resumed = !connecting && flow && flow->original[0].used;
    question->probe = connecting && question->proto == IPPROTO_UDP;
    if (task && !permitted(task, task_cgroup, question, flow))
        return DENY;
    if (socket && !permitted(socket, socket_cgroup, question, flow))
        return DENY;
    if (question->port != NG_DNS_PORT) {
        if (flow && connecting) {
            fill_asker(&flow->opener, asker);
            remember_permitted(flow, question);
        }
        return PASS;
    }
    if (!redirect(ctx, flow, asker, question, connecting, v6)) {
        /* Nowhere to send it to: an answer from elsewhere would not be learnt. */
        report(asker, task ? task_cgroup : socket_cgroup, question, PACK(unredirected), NULL);
        count_outcome(question->hook, DENIED);
        return DENY;
    }
    count(NG_COUNTER(question->hook, NG_OUTCOME_REDIRECT));
    return PASS;
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

#define ADDRESS_HOOK(section, function, number, connecting, v6)       \
    SEC(section) int function(struct bpf_sock_addr *ctx)              \
    {                                                                 \
        struct question question = {};                                \
                                                                      \
        question_of(ctx, &question, number, v6);                      \
        return address_hook(ctx, &question, connecting, v6);          \
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

/* Raw sockets and UDP-Lite reach the wire without meeting connect and sendmsg. The first socket in a new network
 * namespace is the earliest sign of it. */
SEC("cgroup/sock_create") int gate_sock_create(struct bpf_sock *ctx)
{
    struct question question = {.hook = NG_HOOK_SOCK_CREATE, .raw = 1};
    struct ng_control *state = get_control();
    __u32 type = READ_FIELD(ctx, type);
    __u32 protocol = READ_FIELD(ctx, protocol);
    struct ng_deployment *deployment;
    __u64 cgroup;

    if (!state || !state->levels)
        return PASS;
    cgroup = task_deployment(state->levels);
    deployment = deployment_by_id(cgroup);
    if (!deployment)
        return PASS;
    (void)is_served(bpf_get_netns_cookie(ctx)); /* it may ask for a name next */
    if (type != SOCK_RAW_ && protocol != IPPROTO_UDPLITE_)
        return PASS;
    question.proto = (__u8)protocol;
    return permitted(deployment, cgroup, &question, NULL) ? PASS : DENY;
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

static __always_inline struct flow *packet_flow(struct __sk_buff *skb)
{
    struct bpf_sock *sk = skb->sk;

    if (!sk)
        return NULL;
    sk = bpf_sk_fullsock(sk);
    return sk ? bpf_sk_storage_get(&flows, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE) : NULL;
}

/* Whether the current task is the one that sends: it is in the packet's deployment, or in one inside. What the kernel
 * sends by itself, as TCP does, it sends while anybody is current: there only the opener is known to be concerned. */
static __always_inline bool is_sender(__u64 cgroup, const struct question *question, const struct flow *flow,
                                      __u32 levels)
{
    __u64 id = task_deployment(levels);

    if (question->proto == IPPROTO_TCP && (!flow || flow->opener.pid != bpf_get_current_pid_tgid() >> 32))
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
static __always_inline int egress_verdict(struct ng_deployment *deployment, __u64 cgroup, struct question *question,
                                          struct flow *flow, __u32 levels)
{
    struct ng_asker opener = {};
    bool sender = is_sender(cgroup, question, flow, levels);
    __u32 result;

    question->silent = flow && flow->reported_to == cgroup && is_reported(flow, question);
    question->established = flow && same_server(&flow->permitted, question->address, question->port);
    question->error = question->proto == IPPROTO_UDP ? -EPERM_ : 0;
    if (flow)
        opener = flow->opener;
    result = judge_nested(deployment, cgroup, question, sender ? NULL : &opener);
    if (result && flow)
        remember_report(flow, cgroup, question);
    if (!question->silent)
        count_outcome(NG_HOOK_EGRESS, result);
    if (OUTCOME(result) != DENIED)
        return PASS;
    return SHAPE(result) == NG_RESPOND_TIMEOUT ? DROP : DENY;
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
    cgroup = packet_deployment(skb, state->levels);
    deployment = deployment_by_id(cgroup);
    if (!deployment)
        return PASS; /* it has ended */
    readable = skb->protocol == bpf_htons(ETH_P_IP) ? read_ipv4(skb, &question, &packet)
                                                    : read_ipv6(skb, &question, &packet);
    if (!readable)
        return DENY;
    flow = packet_flow(skb);
    if (flow && flow->netns && is_loopback(question.address) && is_redirect_port(state, &question)) {
        if (!is_served(flow->netns))
            return DROP; /* and it comes again */
        question.resumed = 1;
        if (question.proto == IPPROTO_UDP || packet.syn)
            record_asker(deployment, flow, &question, &packet);
    }
    return egress_verdict(deployment, cgroup, &question, flow, state->levels);
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

/* The open sockets of all processes, in whatever network namespace, as far as a deployment denies them: those that its
 * processes hold, wherever they came from, and those that were made in it, whoever holds them now. Each holder is told
 * apart, so that one socket can be written more than once. The kernel sees every packet of them anyway; this is so that
 * nobody waits for one that goes nowhere. */
SEC("iter/task_file") int gate_walk(struct bpf_iter__task_file *ctx)
{
    struct question question = {.hook = NG_HOOK_CUT, .silent = 1, .resumed = 1};
    struct ng_control *state = get_control();
    struct task_struct *task = ctx->task;
    struct file *file = ctx->file;
    struct ng_socket open = {};
    struct socket *socket;
    struct flow *flow;
    struct sock *sk;
    __u64 holder, maker;

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
    if ((!holder && !maker) || !read_peer(sk, &question, &open))
        return 0;
    flow = bpf_sk_storage_get(&flows, sk, NULL, 0);
    question.established = flow && same_server(&flow->permitted, question.address, question.port);
    if (!denied_by(holder, &question, &open) && !denied_by(maker, &question, &open))
        return 0;
    fill_socket(&open, task, ctx->fd, &question);
    (void)bpf_seq_write(ctx->meta->seq, &open, sizeof(open));
    return 0;
}
