/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* DNS of deployments goes to the resolver, whichever server it was meant for, and comes back under that server's
 * address, so that every client accepts the answer.
 *
 * The resolver listens on one loopback port for each slot of `original`: the port on which an answer comes in tells
 * which server an unconnected socket had asked. Loopback addresses and no range of their own, because IPv6 has only
 * ::1 without a route that a crash would leave behind. */
#ifndef NAMEGATE_REDIRECT_BPF_H
#define NAMEGATE_REDIRECT_BPF_H

#include "judge.bpf.h"
#include "namespace.bpf.h"

static __always_inline void fill_asker(struct ng_asker *asker, const struct ng_deployment *deployment)
{
    asker->time = bpf_ktime_get_boot_ns();
    asker->scope = deployment->scope;
    asker->policy = deployment->policy;
    asker->mode = deployment->mode;
    asker->pid = bpf_get_current_pid_tgid() >> 32;
    asker->uid = (__u32)bpf_get_current_uid_gid();
    bpf_get_current_comm(asker->comm, sizeof(asker->comm));
}

static __always_inline bool same_server(const struct server *server, const __u8 *address, __u16 port)
{
    const __u64 *a = (const __u64 *)server->address;
    const __u64 *b = (const __u64 *)address;

    return server->used && a[0] == b[0] && a[1] == b[1] && server->port == port;
}

/* The slot for a server that an unconnected socket sends to; a socket that uses more servers than there are slots loses
 * the answers of the one that it has not asked for longest. */
static __always_inline __u32 slot_of(struct flow *flow, const __u8 *address, __u16 port)
{
    __u32 slot;

    for (slot = 1; slot < NG_REDIRECT_SLOTS; slot++)
        if (same_server(&flow->original[slot], address, port))
            return slot;
    slot = 1 + flow->next % (NG_REDIRECT_SLOTS - 1);
    flow->next++;
    return slot;
}

/* Points the call at the resolver. False: it cannot be, and the call must be refused. */
static __always_inline bool redirect(struct bpf_sock_addr *ctx, struct flow *flow,
                                     const struct ng_deployment *deployment, const struct question *question,
                                     bool connecting, bool v6)
{
    struct ng_control *state = get_control();
    bool mapped = is_mapped(question->address);
    __u16 server_port = (__u16)READ_FIELD(ctx, user_port);
    __u32 slot = 0;
    __u16 port;

    if (!flow || !state)
        return false;
    if (!connecting)
        slot = slot_of(flow, question->address, server_port);
    barrier_var(slot);
    slot &= NG_REDIRECT_SLOTS - 1; /* for the verifier: it is in range already */
    if (question->proto == IPPROTO_TCP)
        port = mapped ? state->redirect_tcp : state->redirect_tcp6;
    else
        port = mapped ? state->redirect[slot] : state->redirect6[slot];
    if (!port)
        return false;
    fill_asker(&flow->opener, deployment);
    flow->netns = bpf_get_netns_cookie(ctx);
    __builtin_memcpy(flow->original[slot].address, question->address, 16);
    flow->original[slot].port = server_port;
    flow->original[slot].used = 1;

    ctx->user_port = bpf_htons(port);
    if (!v6) {
        ctx->user_ip4 = bpf_htonl(0x7f000001);
        return true;
    }
    ctx->user_ip6[0] = 0;
    ctx->user_ip6[1] = 0;
    ctx->user_ip6[2] = mapped ? MAPPED_PREFIX : 0;
    ctx->user_ip6[3] = mapped ? bpf_htonl(0x7f000001) : bpf_htonl(1);
    return true;
}

/* The server that this source address stands for, or NULL. */
static __always_inline struct server *original_of(struct flow *flow, const __u8 *address, __u16 port, bool tcp)
{
    struct ng_control *state = get_control();
    bool mapped = is_mapped(address);

    if (!state || !is_loopback(address))
        return NULL;
    if (tcp) {
        if (port != (mapped ? state->redirect_tcp : state->redirect_tcp6) || !flow->original[0].used)
            return NULL;
        return &flow->original[0];
    }
    for (int slot = 0; slot < NG_REDIRECT_SLOTS; slot++)
        if (port == (mapped ? state->redirect[slot] : state->redirect6[slot]) && flow->original[slot].used)
            return &flow->original[slot];
    return NULL;
}

#endif
