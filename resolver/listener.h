/* SPDX-License-Identifier: BSD-2-Clause */
/* Where queries come in, over UDP (udp.c) and TCP (tcp.c). A redirect listener gets only the queries of deployments:
 * who sent one is looked up, and one that nobody is known for is not answered. */
#ifndef NAMEGATE_LISTENER_H
#define NAMEGATE_LISTENER_H

#include "engine.h"
#include "poll.h"

#define NG_TCP_MAX 512           /* connections of one listener; a further one replaces the one idle longest */
#define NG_TCP_CLIENT_MAX (NG_TCP_MAX / 2) /* of one client: a deployment, or an address */
#define NG_TCP_PIPELINED_MAX 64  /* queries of one connection under way; then it is not read */
#define NG_TCP_UNSENT_MAX (1 << 20) /* octets of answers that one connection does not take; then it is closed */
#define NG_TCP_IDLE_S 15         /* RFC 7766 section 6.2.3 */

struct ng_listener {
    struct ng_source source;
    struct ng_poll *poll;
    struct ng_engine *engine;
    struct ng_keeper_link *link; /* flushed before replies leave */
    const bool *failed;          /* after that: the kernel has not all that it must have before they do */
    struct ng_departures *const *departures; /* a pointer to NULL: no hook looks at what replies rest on */
    struct ng_upstream *upstream; /* sends what a batch of queries asked for */
    struct ng_stats *stats;      /* or NULL */
    pthread_mutex_t *turn;
    struct ng_endpoint local;
    const struct ng_message_start *start;
    uint64_t netns;      /* cookie of the network namespace */
    int askers;          /* map of askers; -1: not a redirect listener */
    void (*reply)(struct ng_listener *listener, const struct ng_client *client, const uint8_t *wire, size_t size);
    void (*flush)(struct ng_listener *listener); /* sends this thread's replies that wait for others to leave with */
    void (*tick)(struct ng_listener *listener, uint64_t now);
    void (*close)(struct ng_listener *listener); /* what depends on its descriptor, which is closed then */
    void (*free)(struct ng_listener *listener);
    uint64_t retired_at; /* ns: when it was closed; 0: not */
};

struct ng_listener_config {
    const struct ng_message_start *start; /* who may ask; outlives the listener */
    struct ng_poll *poll;
    struct ng_engine *engine;
    struct ng_keeper_link *link;
    const bool *failed;
    struct ng_departures *const *departures;
    struct ng_upstream *upstream;
    struct ng_stats *stats;
    pthread_mutex_t *turn;
    const struct ng_message_listener *message;
    int askers;
    int fd; /* the listener's from then on */
};

int ng_listener_new(const struct ng_listener_config *config, struct ng_listener **ret_listener);

/* The kinds. `listener` is filled in already; each adds its part. */
int ng_udp_new(const struct ng_listener *like, struct ng_listener **ret_listener);
int ng_tcp_new(const struct ng_listener *like, struct ng_listener **ret_listener);

/* Whether that peer is one whose questions are answered at all: of this host (local: the address that it asked), or of
 * the networks that are named. What others ask is refused, so that this is no open resolver. */
bool ng_listener_admits(const struct ng_listener *listener, const struct ng_endpoint *peer, const uint8_t local[16]);

/* Whether a query from that peer may be answered; on redirect listeners *ret_asker is its sender, else its scope is 0.
 */
bool ng_listener_asker(const struct ng_listener *listener, const struct ng_endpoint *peer, uint8_t proto,
                       struct ng_asker *ret_asker);

/* From a socket address to the form used here. */
void ng_endpoint_from(const void *address, struct ng_endpoint *ret_endpoint);

#endif
