// SPDX-License-Identifier: BSD-2-Clause
#include "listener.h"

#include "departure.h"
#include "keeper.h"
#include "upstream.h"
#include "worker.h"

#include "../policy/bits.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define BATCH 64
#define TURN 8 /* queries that are taken in one turn: who waits for a turn spins for so long, rather than sleep */
#define DATAGRAM_MAX NG_WIRE_UDP_MAX /* octets of a query: as many as our answers say (RFC 6891 section 6.2.3) */

union control {
    struct cmsghdr align;
    char space[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

/* A query, who sent it, and what becomes of it. */
enum fate { SILENCE, REFUSAL, QUESTION };

struct received {
    struct ng_client client;
    struct ng_asker asker; /* scope 0: nobody of a deployment */
    struct ng_query query;
    enum fate fate;
};

/* What recvmmsg() fills. */
struct batch {
    struct mmsghdr message[BATCH];
    struct iovec part[BATCH];
    struct sockaddr_storage peer[BATCH];
    union control control[BATCH];
    uint8_t datagram[BATCH][DATAGRAM_MAX];
    struct received received[BATCH];
    unsigned used; /* messages that were filled, and must be prepared again */
};

/* What sendmmsg() sends: the replies to what was read at once, and to who has waited. */
struct replies {
    struct mmsghdr message[BATCH];
    struct iovec part[BATCH];
    union {
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } peer[BATCH];
    union control control[BATCH];
    uint8_t datagram[BATCH][NG_WIRE_UDP_MAX];
    unsigned count;
};

/* What each thread has of its own. */
struct side {
    struct batch batch;
    struct replies replies;
    struct ng_expectations expectations; /* what the replies rest on */
    struct ng_departures *departures; /* in which that is; NULL: it is looked for before */
    bool looked; /* the hook has, the last time; else it is looked for before, too */
};

struct udp {
    struct ng_listener base;
    bool anywhere; /* bound to no address of its own: each query says which one it came to */
    struct side side[];
};

static void prepare(const struct udp *udp, struct batch *batch)
{
    for (unsigned i = 0; i < batch->used; i++) {
        batch->part[i] = (struct iovec){batch->datagram[i], DATAGRAM_MAX};
        batch->message[i].msg_hdr = (struct msghdr){.msg_name = &batch->peer[i],
                                                    .msg_namelen = sizeof(batch->peer[i]),
                                                    .msg_iov = &batch->part[i],
                                                    .msg_iovlen = 1};
        if (!udp->anywhere)
            continue;
        batch->message[i].msg_hdr.msg_control = &batch->control[i];
        batch->message[i].msg_hdr.msg_controllen = sizeof(batch->control[i]);
    }
}

/* The address that was asked: the answer must come from it. */
static void read_local(struct msghdr *header, struct ng_client *client)
{
    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(header); cmsg; cmsg = CMSG_NXTHDR(header, cmsg)) {
        struct in_pktinfo v4;
        struct in6_pktinfo v6;

        if (cmsg->cmsg_level == IPPROTO_IP && cmsg->cmsg_type == IP_PKTINFO) {
            memcpy(&v4, CMSG_DATA(cmsg), sizeof(v4));
            memset(client->local + 10, 0xff, 2);
            memcpy(client->local + 12, &v4.ipi_addr, 4);
        } else if (cmsg->cmsg_level == IPPROTO_IPV6 && cmsg->cmsg_type == IPV6_PKTINFO) {
            memcpy(&v6, CMSG_DATA(cmsg), sizeof(v6));
            memcpy(client->local, &v6.ipi6_addr, 16);
            client->interface = v6.ipi6_ifindex;
        }
    }
}

/* All that can be said of a query without the turn. */
static void understand(const struct udp *udp, struct batch *batch, int i, uint64_t now)
{
    struct received *it = &batch->received[i];

    it->client = (struct ng_client){.listener = (void *)(uintptr_t)udp, .received_at = now};
    it->fate = SILENCE;
    ng_endpoint_from(&batch->peer[i], &it->client.peer);
    if (it->client.peer.port == 0 || batch->message[i].msg_hdr.msg_flags & MSG_TRUNC)
        return;
    (void)ng_wire_query(batch->datagram[i], batch->message[i].msg_len, &it->query);
    if (udp->anywhere)
        read_local(&batch->message[i].msg_hdr, &it->client);
    else
        memcpy(it->client.local, udp->base.local.address, sizeof(it->client.local));
    if (!ng_listener_admits(&udp->base, &it->client.peer, it->client.local))
        it->fate = REFUSAL;
    else if (ng_listener_asker(&udp->base, &it->client.peer, IPPROTO_UDP, &it->asker))
        it->fate = QUESTION;
}

static void spoil(struct replies *replies)
{
    for (unsigned i = 0; i < replies->count; i++)
        replies->part[i].iov_len = ng_wire_spoil(replies->datagram[i], replies->part[i].iov_len);
}

/* What the replies are about is in the kernel, and the keeper knows of it; or they say failure. */
static void settle(const struct udp *udp, struct replies *replies)
{
    if (!replies->count)
        return;
    ng_keeper_link_settle(udp->base.link);
    if (*udp->base.failed)
        spoil(replies);
}

/* Has what the replies rest on written again, where `differ` has a bit; or they say failure. To be called in turn. */
static void meet(const struct udp *udp, struct side *side, uint64_t differ)
{
    if (ng_engine_meet(udp->base.engine, &side->expectations, differ) < 0)
        spoil(&side->replies);
    settle(udp, &side->replies);
}

/* Sends until the hook has looked at what the replies rest on. Returns how many have left, or were lost. */
static unsigned depart(const struct udp *udp, struct side *side, uint64_t *ret_differ)
{
    struct replies *replies = &side->replies;
    unsigned sent = 0;
    int r = 0;

    side->looked = false;
    while (r <= 0 && sent < replies->count && !side->looked) {
        ng_departure_begin(side->departures, ng_worker, side->expectations.count);
        r = sendmmsg(udp->base.source.fd, replies->message + sent, replies->count - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        side->looked = ng_departure_end(side->departures, ng_worker, ret_differ);
        if (r > 0)
            sent += (unsigned)r;
        else
            sent += !side->looked && errno != EINTR; /* one that cannot be sent is lost, as any datagram may be */
    }
    /* The hook is gone since the last time: what is lost must come back at once, and the rest does not leave before. */
    if (!side->looked)
        *ret_differ = ~0ULL;
    return sent;
}

static void transmit(const struct udp *udp, struct replies *replies, unsigned sent)
{
    while (sent < replies->count) {
        int r = sendmmsg(udp->base.source.fd, replies->message + sent, replies->count - sent,
                         MSG_DONTWAIT | MSG_NOSIGNAL);

        if (r < 0 && errno == EINTR)
            continue;
        sent += r > 0 ? (unsigned)r : 1U;
    }
    replies->count = 0;
}

/* It is nobody's turn. */
static void send_all(const struct udp *udp, struct side *side)
{
    unsigned sent = 0;
    uint64_t differ = 0;

    if (side->departures && side->replies.count && (side->expectations.count || !side->looked))
        sent = depart(udp, side, &differ);
    if (differ && side->expectations.count) {
        (void)pthread_mutex_lock(udp->base.turn);
        meet(udp, side, differ);
        (void)pthread_mutex_unlock(udp->base.turn);
    }
    transmit(udp, &side->replies, sent);
    side->expectations.count = 0;
}

/* In turn: what the replies rest on is looked for at once. */
static void udp_flush(struct ng_listener *listener)
{
    const struct udp *udp = (const struct udp *)listener;
    struct side *side = &((struct udp *)listener)->side[ng_worker];

    if (!side->replies.count)
        return;
    if (side->expectations.count)
        meet(udp, side, ~0ULL);
    else
        settle(udp, &side->replies);
    transmit(udp, &side->replies, 0);
    side->expectations.count = 0;
}

static void take(struct udp *udp, const struct received *received)
{
    /* Room first: were the others sent as its reply comes, what that rests on would be met with theirs, and what cannot
     * be met would fail theirs, and not this one. */
    if (udp->side[ng_worker].replies.count == BATCH)
        udp_flush(&udp->base);
    if (received->fate == REFUSAL)
        ng_engine_refuse(udp->base.engine, &received->client, &received->query);
    else if (received->fate == QUESTION)
        ng_engine_query(udp->base.engine, &received->client, &received->query,
                        received->asker.scope ? &received->asker : NULL);
}

/* What must have left before the replies. */
static void conclude(const struct udp *udp, struct replies *replies)
{
    ng_upstream_send(udp->base.upstream);
    settle(udp, replies);
    if (ng_stats_leaving(udp->base.stats))
        ng_stats_leave(udp->base.stats, ng_now());
}

/* Where the answers of a turn may have what they rest on: with the hook, if that looks. In turn. */
static struct ng_expectations *expectations_of(const struct udp *udp, struct side *side)
{
    side->departures = *udp->base.departures;
    if (!side->departures || !side->looked)
        return NULL;
    side->expectations.item = side->departures->of[ng_worker].expected;
    return &side->expectations;
}

/* It is nobody's turn but for what the engine does. */
static void on_ready(struct ng_source *source, uint32_t events)
{
    struct udp *udp = (struct udp *)source;
    struct side *side = &udp->side[ng_worker];
    uint64_t now;
    int count;

    (void)events;
    prepare(udp, &side->batch);
    count = recvmmsg(source->fd, side->batch.message, BATCH, MSG_DONTWAIT, NULL);
    side->batch.used = count > 0 ? (unsigned)count : 0;
    if (count <= 0)
        return;
    now = ng_now();
    for (int i = 0; i < count; i++)
        understand(udp, &side->batch, i, now);
    for (int i = 0; i < count; i += TURN) {
        (void)pthread_mutex_lock(udp->base.turn);
        if (i > 0)
            ng_stats_leave(udp->base.stats, ng_now());
        for (int j = i; j < count && j < i + TURN; j++)
            if (side->batch.received[j].fate == QUESTION)
                ng_engine_foresee(udp->base.engine, &side->batch.received[j].query);
        ng_engine_gather(udp->base.engine, expectations_of(udp, side));
        for (int j = i; j < count && j < i + TURN; j++)
            take(udp, &side->batch.received[j]);
        ng_engine_conclude(udp->base.engine);
        if (i + TURN >= count)
            conclude(udp, &side->replies);
        else
            settle(udp, &side->replies);
        (void)pthread_mutex_unlock(udp->base.turn);
    }
    send_all(udp, side);
}

static void *put_control(struct msghdr *header, union control *control, int level, int type, size_t size)
{
    struct cmsghdr *cmsg;

    memset(control, 0, sizeof(*control));
    header->msg_control = control;
    header->msg_controllen = CMSG_SPACE(size);
    cmsg = CMSG_FIRSTHDR(header);
    cmsg->cmsg_level = level;
    cmsg->cmsg_type = type;
    cmsg->cmsg_len = CMSG_LEN(size);
    return CMSG_DATA(cmsg);
}

/* Where it goes, and from which address: the one that was asked. */
static void address(const struct udp *udp, const struct ng_client *client, struct replies *replies, unsigned i)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct msghdr *header = &replies->message[i].msg_hdr;

    *header = (struct msghdr){.msg_name = &replies->peer[i], .msg_iov = &replies->part[i], .msg_iovlen = 1};
    if (memcmp(client->peer.address, mapped, sizeof(mapped)) == 0) {
        struct sockaddr_in *v4 = &replies->peer[i].v4;
        struct in_pktinfo from = {.ipi_ifindex = 0};

        *v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(client->peer.port)};
        memcpy(&v4->sin_addr, client->peer.address + 12, 4);
        header->msg_namelen = sizeof(*v4);
        if (!udp->anywhere)
            return;
        memcpy(&from.ipi_spec_dst, client->local + 12, 4);
        memcpy(put_control(header, &replies->control[i], IPPROTO_IP, IP_PKTINFO, sizeof(from)), &from, sizeof(from));
    } else {
        struct sockaddr_in6 *v6 = &replies->peer[i].v6;
        struct in6_pktinfo from = {.ipi6_ifindex = client->interface};

        *v6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
                                    .sin6_port = htons(client->peer.port),
                                    .sin6_scope_id = client->peer.scope_id};
        memcpy(&v6->sin6_addr, client->peer.address, 16);
        header->msg_namelen = sizeof(*v6);
        if (!udp->anywhere)
            return;
        memcpy(&from.ipi6_addr, client->local, 16);
        memcpy(put_control(header, &replies->control[i], IPPROTO_IPV6, IPV6_PKTINFO, sizeof(from)), &from,
               sizeof(from));
    }
}

static void reply(struct ng_listener *listener, const struct ng_client *client, const uint8_t *wire, size_t size)
{
    struct replies *replies = &((struct udp *)listener)->side[ng_worker].replies;
    unsigned i;

    if (replies->count == BATCH)
        udp_flush(listener);
    i = replies->count++;
    memcpy(replies->datagram[i], wire, size);
    replies->part[i] = (struct iovec){replies->datagram[i], size};
    address((const struct udp *)listener, client, replies, i);
}

static void udp_tick(struct ng_listener *listener, uint64_t now)
{
    (void)listener;
    (void)now;
}

static void udp_close(struct ng_listener *listener)
{
    (void)listener; /* replies that are still to come are lost, as any datagram may be */
}

static void udp_free(struct ng_listener *listener)
{
    (void)ng_close(listener->source.fd);
    free(listener);
}

int ng_udp_new(const struct ng_listener *like, struct ng_listener **ret_listener)
{
    struct udp *udp = calloc(1, sizeof(*udp) + like->start->workers * sizeof(udp->side[0]));

    if (!udp)
        return -ENOMEM;
    for (unsigned i = 0; i < like->start->workers; i++)
        udp->side[i].batch.used = BATCH;
    udp->base = *like;
    udp->anywhere = ng_unspecified(like->local.address);
    udp->base.source.ready = on_ready;
    udp->base.source.concurrent = true;
    udp->base.reply = reply;
    udp->base.flush = udp_flush;
    udp->base.tick = udp_tick;
    udp->base.close = udp_close;
    udp->base.free = udp_free;
    *ret_listener = &udp->base;
    return 0;
}
