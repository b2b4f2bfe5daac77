// SPDX-License-Identifier: BSD-2-Clause
#include "upstream.h"

#include <ares.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 2000 /* for the first answer; c-ares doubles it with each round */
#define TRIES 2

struct ng_upstream {
    struct ng_poll *poll;
    ares_channel channel;
    ng_upstream_fn answered;
    void *arg;
    bool asking;              /* within ares_send(): failures wait in `failed` */
    struct ticket *failed;
    struct sock *socks;
};

/* A socket of c-ares. */
struct sock {
    struct ng_source source;
    struct ng_upstream *upstream;
    struct sock *next;
};

/* Travels through c-ares with a question. */
struct ticket {
    struct ticket *next; /* of the failed ones */
    struct ng_upstream *upstream;
    void *question;
};

static void on_ready(struct ng_source *source, uint32_t events)
{
    struct sock *sock = (struct sock *)source;
    bool in = events & (EPOLLIN | EPOLLERR | EPOLLHUP), out = events & (EPOLLOUT | EPOLLERR | EPOLLHUP);

    ares_process_fd(sock->upstream->channel, in ? source->fd : ARES_SOCKET_BAD, out ? source->fd : ARES_SOCKET_BAD);
}

static void release_sock(struct ng_source *source)
{
    free(source);
}

static void forget_sock(struct ng_upstream *upstream, struct sock *sock)
{
    struct sock **at = &upstream->socks;

    while (*at != sock)
        at = &(*at)->next;
    *at = sock->next;
    ng_poll_remove(upstream->poll, &sock->source);
}

static void on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct ng_upstream *upstream = arg;
    uint32_t events = (readable ? (uint32_t)EPOLLIN : 0U) | (writable ? (uint32_t)EPOLLOUT : 0U);
    struct sock *sock = upstream->socks;

    while (sock && sock->source.fd != fd)
        sock = sock->next;
    if (sock && !events) {
        forget_sock(upstream, sock);
    } else if (sock) {
        ng_poll_change(upstream->poll, &sock->source, events);
    } else if (events) {
        sock = calloc(1, sizeof(*sock));
        if (!sock)
            return; /* unseen answers end in c-ares' timeout */
        sock->source = (struct ng_source){.ready = on_ready, .release = release_sock, .fd = fd};
        sock->upstream = upstream;
        if (ng_poll_add(upstream->poll, &sock->source, events) < 0) {
            free(sock);
            return;
        }
        sock->next = upstream->socks;
        upstream->socks = sock;
    }
}

static int set_servers(struct ng_upstream *upstream, const struct ng_endpoint *servers, unsigned count)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct ares_addr_port_node nodes[NG_UPSTREAMS_MAX] = {0};

    for (unsigned i = 0; i < count; i++) {
        bool v4 = memcmp(servers[i].address, mapped, sizeof(mapped)) == 0;

        nodes[i].next = i + 1 < count ? &nodes[i + 1] : NULL;
        nodes[i].family = v4 ? AF_INET : AF_INET6;
        if (v4)
            memcpy(&nodes[i].addr.addr4, servers[i].address + 12, 4);
        else
            memcpy(&nodes[i].addr.addr6, servers[i].address, 16);
        nodes[i].udp_port = nodes[i].tcp_port = servers[i].port;
    }
    return ares_set_servers_ports(upstream->channel, nodes) == ARES_SUCCESS ? 0 : -ENOMEM;
}

int ng_upstream_new(struct ng_poll *poll, const struct ng_endpoint *servers, unsigned count, ng_upstream_fn answered,
                    void *arg, struct ng_upstream **ret_upstream)
{
    struct ares_options options = {.flags = ARES_FLAG_EDNS | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
                                   .timeout = TIMEOUT_MS,
                                   .tries = TRIES,
                                   .sock_state_cb = on_socket};
    struct ng_upstream *upstream = calloc(1, sizeof(*upstream));
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
    int r = upstream ? 0 : -ENOMEM;

    if (r < 0)
        return r;
    *upstream = (struct ng_upstream){.poll = poll, .answered = answered, .arg = arg};
    options.sock_state_cb_data = upstream;
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS ||
        ares_init_options(&upstream->channel, &options, mask) != ARES_SUCCESS) {
        free(upstream);
        return -ENOMEM;
    }
    r = set_servers(upstream, servers, count);
    if (r < 0) {
        ng_upstream_free(upstream);
        return r;
    }
    *ret_upstream = upstream;
    return 0;
}

static void deliver_failed(struct ng_upstream *upstream)
{
    while (upstream->failed) {
        struct ticket *ticket = upstream->failed;
        void *question = ticket->question;

        upstream->failed = ticket->next;
        free(ticket);
        upstream->answered(upstream->arg, question, NULL, 0);
    }
}

void ng_upstream_free(struct ng_upstream *upstream)
{
    if (!upstream)
        return;
    ares_destroy(upstream->channel);
    deliver_failed(upstream);
    while (upstream->socks)
        forget_sock(upstream, upstream->socks);
    free(upstream);
}

static void on_answer(void *arg, int status, int timeouts, unsigned char *wire, int size)
{
    struct ticket *ticket = arg;
    struct ng_upstream *upstream = ticket->upstream;
    void *question = ticket->question;
    bool good = status == ARES_SUCCESS && wire && size > 0;

    (void)timeouts;
    if (upstream->asking) { /* ares_send() reports at once what it cannot send */
        ticket->next = upstream->failed;
        upstream->failed = ticket;
        return;
    }
    free(ticket);
    upstream->answered(upstream->arg, question, good ? wire : NULL, good ? (size_t)size : 0);
}

int ng_upstream_ask(struct ng_upstream *upstream, const uint8_t *wire, size_t size, void *question)
{
    struct ticket *ticket = malloc(sizeof(*ticket));

    if (!ticket)
        return -ENOMEM;
    *ticket = (struct ticket){.upstream = upstream, .question = question};
    upstream->asking = true;
    ares_send(upstream->channel, wire, (int)size, on_answer, ticket);
    upstream->asking = false;
    return 0;
}

int ng_upstream_timeout(struct ng_upstream *upstream, int max)
{
    struct timeval limit = {.tv_sec = max / 1000, .tv_usec = max % 1000 * 1000}, value, *wait;

    if (upstream->failed)
        return 0;
    wait = ares_timeout(upstream->channel, &limit, &value);
    return wait ? (int)(wait->tv_sec * 1000 + (wait->tv_usec + 999) / 1000) : max;
}

void ng_upstream_process(struct ng_upstream *upstream)
{
    deliver_failed(upstream);
    ares_process_fd(upstream->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}
