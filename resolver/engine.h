/* SPDX-License-Identifier: BSD-2-Clause */
/* The resolver without its sockets: queries and upstreams' answers go in, replies and messages to the keeper come out.
 * The order is here and nowhere else: write to the kernel, keep in the cache, tell the keeper, reply. A write
 * may wait until something leaves the process (claims.h). */
#ifndef NAMEGATE_ENGINE_H
#define NAMEGATE_ENGINE_H

#include "learn.h"
#include "local.h"
#include "stats.h"

#define NG_PENDING_MAX 16384 /* questions that are with upstreams at once, half of them one client's; more fail */
#define NG_WAITING_MAX 32768 /* askers that wait for them, half of them one client's */

struct ng_engine;
struct ng_pending;

/* Where a reply goes; what it says is the listener's business. */
struct ng_client {
    void *listener;
    uint64_t connection;      /* TCP: number of the connection */
    struct ng_endpoint peer;  /* UDP */
    uint8_t local[16];        /* UDP: the address that was asked */
    uint32_t interface;
    bool tcp;
    uint64_t received_at;     /* ns: when it was read; 0: not known */
};

struct ng_engine_ops {
    struct ng_claims_ops claims;
    uint64_t (*now)(void *arg);
    /* Sends a query to an upstream. Returns 0, and ng_engine_answer() must be called for it exactly once, later; or
     * -errno, and it must not. */
    int (*ask)(void *arg, const struct ng_question *question, const uint8_t *wire, size_t size,
               struct ng_pending *pending);
    void (*reply)(void *arg, const struct ng_client *client, const uint8_t *wire, size_t size);
    /* Has the replies to that client, which may be sent together with others, leave now. */
    void (*flush)(void *arg, const struct ng_client *client);
    /* Hands a message of channel.h to the keeper. */
    void (*tell)(void *arg, const void *message, size_t size);
    struct ng_stats *stats; /* or NULL */
    void *arg;
};

/* start is checked here: -EBADMSG when a number in it is impossible. */
int ng_engine_new(const struct ng_message_start *start, const struct ng_engine_ops *ops,
                  struct ng_engine **ret_engine);
/* Questions that are still with upstreams must have been answered before. */
void ng_engine_free(struct ng_engine *engine);

/* See ng_claims_adopt(). */
int ng_engine_adopt(struct ng_engine *engine, const struct ng_destination_key *key,
                    const struct ng_destination *value);

/* A query of a client, of any kind. asker: the deployment's process that sent it, NULL for others. */
void ng_engine_query(struct ng_engine *engine, const struct ng_client *client, const struct ng_query *query,
                     const struct ng_asker *asker);

/* Until ng_engine_conclude() what was seen in the kernel need not be looked for again, and what answers of the cache
 * rest on is appended to the expectations (NULL: is looked for at once), with names that point into the queries: before
 * they leave, who sends them sees to it that it is so, or calls ng_engine_meet(). */
void ng_engine_gather(struct ng_engine *engine, struct ng_expectations *expectations);
void ng_engine_conclude(struct ng_engine *engine);

/* Has those of the expectations met that have a bit in `differ`. Returns 0, or -errno: answers that rest on them must
 * not be given. The keeper hears of either. */
int ng_engine_meet(struct ng_engine *engine, const struct ng_expectations *expectations, uint64_t differ);

/* That query comes next, or soon. */
void ng_engine_foresee(const struct ng_engine *engine, const struct ng_query *query);

/* The same, of one who may not ask: REFUSED. */
void ng_engine_refuse(struct ng_engine *engine, const struct ng_client *client, const struct ng_query *query);

/* What became of a query to an upstream: its message, or, with wire NULL, that none came. */
void ng_engine_answer(struct ng_engine *engine, struct ng_pending *pending, const uint8_t *wire, size_t size);

/* A write that waited failed, and the replies that waited for it say SERVFAIL: tells the keeper. */
void ng_engine_write_failed(struct ng_engine *engine, int error);

/* A new policy; tells the keeper READY. Owns the snapshot. */
void ng_engine_snapshot(struct ng_engine *engine, struct ng_snapshot *snapshot, uint64_t generation);
/* Whether deployments live. */
bool ng_engine_lives(const struct ng_engine *engine);
void ng_engine_deployment(struct ng_engine *engine, const struct ng_message_deployment *message);
void ng_engine_prewarm(struct ng_engine *engine, const struct ng_message_prewarm *message);
/* -EBADMSG when it makes no sense, or comes before there is a policy. */
int ng_engine_grant(struct ng_engine *engine, const struct ng_message_grant *message);

/* The same for a deployment's canaries. */
int ng_engine_canary(struct ng_engine *engine, const struct ng_message_canary *message);

/* What a denied name led to when it was known last: its addresses are denied for floor and grace from now on, and
 * longer while upstreams fail. Returns -EBADMSG for a message that is impossible. */
int ng_engine_known(struct ng_engine *engine, const struct ng_message_resolution *message);

/* The records that no upstream is asked for; owns them. */
void ng_engine_local(struct ng_engine *engine, struct ng_local *local);

/* To be called about every second, and then ng_engine_patrol(). */
void ng_engine_tick(struct ng_engine *engine);
/* Looks whether the kernel still has some of what was written, and writes again what is missing. True: more is to be
 * looked for; queries may be answered before. */
bool ng_engine_patrol(struct ng_engine *engine);

const struct ng_learn *ng_engine_learn(const struct ng_engine *engine);

#endif
