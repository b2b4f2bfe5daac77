// SPDX-License-Identifier: BSD-2-Clause
/* DNS over TCP (RFC 7766): many queries on one connection, answers in the order in which they come. */
#include "listener.h"

#include "keeper.h"

#include "table.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#define QUERY_MAX 4096 /* octets of a query */

struct tcp;

struct connection {
    struct ng_source source;
    struct ng_link link; /* by number, which is its own hash */
    TAILQ_ENTRY(connection) used;
    struct tcp *tcp;
    struct ng_endpoint peer;
    struct ng_asker asker;
    uint64_t used_at, received_at;
    unsigned under_way;
    bool broken;         /* to be closed when its turn comes */
    bool reading;        /* within take(): replies only queue */
    size_t have, unsent, room;
    uint8_t *out;        /* unsent octets */
    uint8_t in[2 + QUERY_MAX];
};

struct tcp {
    struct ng_listener base;
    struct ng_table connections;
    TAILQ_HEAD(used, connection) used; /* the one used longest ago is the first */
    uint64_t last_number;
    bool paused; /* there was no descriptor for one more */
};

static void release(struct ng_source *source)
{
    struct connection *connection = (struct connection *)source;

    (void)ng_close(source->fd);
    free(connection->out);
    free(connection);
}

static void end(struct connection *connection)
{
    if (connection->source.gone)
        return;
    ng_table_remove(&connection->tcp->connections, &connection->link);
    TAILQ_REMOVE(&connection->tcp->used, connection, used);
    ng_poll_remove(connection->tcp->base.poll, &connection->source);
}

static void touch(struct connection *connection)
{
    connection->used_at = ng_now();
    TAILQ_REMOVE(&connection->tcp->used, connection, used);
    TAILQ_INSERT_TAIL(&connection->tcp->used, connection, used);
}

/* Octets of the query at the beginning of the buffer, with its length; 0 when it is not whole. */
static size_t frame(const struct connection *connection, size_t at)
{
    size_t size;

    if (connection->have - at < 2)
        return 0;
    size = 2 + ((size_t)connection->in[at] << 8 | connection->in[at + 1]);
    return connection->have - at >= size || size > sizeof(connection->in) ? size : 0;
}

static void watch(struct connection *connection)
{
    bool ready = connection->under_way < NG_TCP_PIPELINED_MAX && !connection->unsent;
    /* Queries that waited in the buffer make no event of their own; that the socket can be written to does. */
    bool waiting = ready && frame(connection, 0);

    ng_poll_change(connection->tcp->base.poll, &connection->source,
                   (ready ? (uint32_t)EPOLLIN : 0U) | (connection->unsent || waiting ? (uint32_t)EPOLLOUT : 0U));
}

/* Sends what it can. */
static void drain(struct connection *connection)
{
    size_t sent = 0;

    while (sent < connection->unsent) {
        ssize_t r = send(connection->source.fd, connection->out + sent, connection->unsent - sent,
                         MSG_DONTWAIT | MSG_NOSIGNAL);

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0) {
            connection->broken |= errno != EAGAIN;
            break;
        }
        sent += (size_t)r;
        touch(connection);
    }
    connection->unsent -= sent;
    if (sent)
        memmove(connection->out, connection->out + sent, connection->unsent);
}

static bool append(struct connection *connection, const uint8_t *wire, size_t size)
{
    size_t needed = connection->unsent + 2 + size;

    if (needed > NG_TCP_UNSENT_MAX)
        return false;
    if (needed > connection->room) {
        uint8_t *out = realloc(connection->out, needed * 2);

        if (!out)
            return false;
        connection->out = out;
        connection->room = needed * 2;
    }
    connection->out[connection->unsent] = (uint8_t)(size >> 8);
    connection->out[connection->unsent + 1] = (uint8_t)size;
    memcpy(connection->out + connection->unsent + 2, wire, size);
    connection->unsent = needed;
    return true;
}

/* The answer that was appended last, of so many octets, must not be given. */
static void spoil_last(struct connection *connection, size_t size)
{
    uint8_t *wire = connection->out + connection->unsent - size;
    size_t left = ng_wire_spoil(wire, size);

    wire[-2] = (uint8_t)(left >> 8);
    wire[-1] = (uint8_t)left;
    connection->unsent -= size - left;
}

static void reply(struct ng_listener *listener, const struct ng_client *client, const uint8_t *wire, size_t size)
{
    struct tcp *tcp = (struct tcp *)listener;
    struct connection *connection =
        ng_record(ng_table_first(&tcp->connections, client->connection), struct connection, link);

    if (!connection)
        return; /* it has gone */
    if (connection->under_way)
        connection->under_way--;
    ng_keeper_link_settle(listener->link);
    if (!append(connection, wire, size)) {
        connection->broken = true;
    } else {
        if (*listener->failed)
            spoil_last(connection, size);
        drain(connection);
    }
    if (connection->reading)
        return;
    if (connection->broken)
        end(connection);
    else
        watch(connection);
}

/* Hands on the whole queries in the buffer. */
static void take(struct connection *connection)
{
    struct ng_client client = {.listener = connection->tcp,
                               .connection = connection->link.hash,
                               .peer = connection->peer,
                               .received_at = connection->received_at,
                               .tcp = true};
    const struct ng_asker *asker = connection->asker.scope ? &connection->asker : NULL;
    size_t at = 0;

    connection->reading = true;
    while (!connection->broken && connection->under_way < NG_TCP_PIPELINED_MAX) {
        size_t size = frame(connection, at);
        struct ng_query query;

        if (size == 0)
            break;
        if (size < 2 + NG_WIRE_HEADER || size > sizeof(connection->in)) {
            connection->broken = true;
            break;
        }
        connection->under_way++;
        (void)ng_wire_query(connection->in + at + 2, size - 2, &query);
        ng_engine_query(connection->tcp->base.engine, &client, &query, asker);
        at += size;
    }
    connection->reading = false;
    connection->have -= at;
    memmove(connection->in, connection->in + at, connection->have);
}

static void on_ready(struct ng_source *source, uint32_t events)
{
    struct connection *connection = (struct connection *)source;
    ssize_t got = 0;

    if (events & EPOLLOUT)
        drain(connection);
    if (connection->unsent == 0 && connection->under_way < NG_TCP_PIPELINED_MAX) {
        got = recv(source->fd, connection->in + connection->have, sizeof(connection->in) - connection->have,
                   MSG_DONTWAIT);
        if (got > 0) {
            connection->have += (size_t)got;
            touch(connection);
            connection->received_at = connection->used_at;
        }
        /* Without new octets too: a full buffer may have waited for answers to leave. */
        take(connection);
    }
    if (got == 0 && connection->have < sizeof(connection->in) && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        connection->broken = true;
    if (got < 0 && errno != EAGAIN && errno != EINTR)
        connection->broken = true;
    if (connection->broken)
        end(connection);
    else
        watch(connection);
}

static bool same_client(const struct connection *a, const struct connection *b)
{
    return a->asker.scope || b->asker.scope ? a->asker.scope == b->asker.scope
                                            : memcmp(a->peer.address, b->peer.address, sizeof(a->peer.address)) == 0;
}

/* Of a client's connections, or of all (NULL), the one to end for a further one: the one used longest ago, but one that
 * waits for an answer only when all do. Counts them. */
static struct connection *least_needed(struct tcp *tcp, const struct connection *client, unsigned *ret_count)
{
    struct connection *it, *idle = NULL, *waits = NULL;

    *ret_count = 0;
    TAILQ_FOREACH(it, &tcp->used, used)
    {
        if (client && !same_client(it, client))
            continue;
        if (it->under_way)
            waits = waits ? waits : it;
        else
            idle = idle ? idle : it;
        ++*ret_count;
    }
    return idle ? idle : waits;
}

/* Ends one of them when there are `max`. */
static void make_room(struct tcp *tcp, const struct connection *client, unsigned max)
{
    unsigned count;
    struct connection *least = least_needed(tcp, client, &count);

    if (least && count >= max)
        end(least);
}

static void welcome(struct tcp *tcp, int fd, const struct sockaddr_storage *address)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    struct sockaddr_storage own = {0};
    socklen_t length = sizeof(own);
    struct ng_endpoint local;
    int on = 1;

    if (!connection) {
        (void)ng_close(fd);
        return;
    }
    connection->source = (struct ng_source){.ready = on_ready, .release = release, .fd = fd};
    connection->tcp = tcp;
    connection->used_at = ng_now();
    ng_endpoint_from(address, &connection->peer);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)getsockname(fd, (struct sockaddr *)&own, &length);
    ng_endpoint_from(&own, &local);
    if (!ng_listener_admits(&tcp->base, &connection->peer, local.address) ||
        !ng_listener_asker(&tcp->base, &connection->peer, IPPROTO_TCP, &connection->asker) ||
        ng_table_add(&tcp->connections, &connection->link, ++tcp->last_number) < 0) {
        release(&connection->source);
        return;
    }
    make_room(tcp, connection, NG_TCP_CLIENT_MAX);
    TAILQ_INSERT_TAIL(&tcp->used, connection, used);
    if (ng_poll_add(tcp->base.poll, &connection->source, EPOLLIN) < 0)
        end(connection);
}

static void on_accept(struct ng_source *source, uint32_t events)
{
    struct tcp *tcp = (struct tcp *)source;
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    bool crowded = tcp->connections.count >= NG_TCP_MAX;
    int fd = accept4(source->fd, (struct sockaddr *)&address, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)events;
    if (fd < 0 && errno != EMFILE && errno != ENFILE)
        return;
    if ((fd < 0 || crowded) && !TAILQ_EMPTY(&tcp->used))
        make_room(tcp, NULL, 1);
    else if (fd < 0)
        ng_poll_change(tcp->base.poll, source, 0); /* none to end: whoever waits is looked at in a second */
    tcp->paused |= fd < 0;
    if (fd >= 0)
        welcome(tcp, fd, &address);
}

static void tcp_flush(struct ng_listener *listener)
{
    (void)listener; /* nothing waits */
}

static void tcp_tick(struct ng_listener *listener, uint64_t now)
{
    struct tcp *tcp = (struct tcp *)listener;
    struct connection *connection;

    if (tcp->paused)
        ng_poll_change(tcp->base.poll, &tcp->base.source, EPOLLIN);
    tcp->paused = false;
    while ((connection = TAILQ_FIRST(&tcp->used)) && now - connection->used_at > NG_TCP_IDLE_S * NG_SECOND)
        end(connection);
}

static void tcp_close(struct ng_listener *listener)
{
    struct tcp *tcp = (struct tcp *)listener;

    while (!TAILQ_EMPTY(&tcp->used))
        end(TAILQ_FIRST(&tcp->used));
}

static void tcp_free(struct ng_listener *listener)
{
    struct tcp *tcp = (struct tcp *)listener;

    tcp_close(listener);
    ng_table_release(&tcp->connections);
    (void)ng_close(listener->source.fd);
    free(tcp);
}

int ng_tcp_new(const struct ng_listener *like, struct ng_listener **ret_listener)
{
    struct tcp *tcp = calloc(1, sizeof(*tcp));

    if (!tcp)
        return -ENOMEM;
    tcp->base = *like;
    tcp->base.source.ready = on_accept;
    tcp->base.reply = reply;
    tcp->base.flush = tcp_flush;
    tcp->base.tick = tcp_tick;
    tcp->base.close = tcp_close;
    tcp->base.free = tcp_free;
    TAILQ_INIT(&tcp->used);
    *ret_listener = &tcp->base;
    return 0;
}
