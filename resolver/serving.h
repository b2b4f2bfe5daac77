/* SPDX-License-Identifier: BSD-2-Clause */
/* What engine.c, give.c and orders.c share, and nobody else: questions from their coming to their answer (engine.c),
 * what an asker is given and what must be so before (give.c), and what the keeper orders (orders.c). */
#ifndef NAMEGATE_SERVING_H
#define NAMEGATE_SERVING_H

#include "cache.h"
#include "engine.h"
#include "tracked.h"

#define CLIENTS 1024      /* counters of what clients have under way; who shares one shares its bound */
#define NG_RENEWED_MAX 64 /* names asked for anew in one tick */

struct ng_engine {
    struct ng_engine_ops ops;
    struct ng_learn *learn;
    struct ng_cache *cache;
    struct ng_local *local; /* NULL: none */
    struct ng_table pending;
    size_t waiting;
    uint16_t under_way[CLIENTS]; /* questions that a client was the first to ask, */
    uint16_t waits[CLIENTS];     /* and replies that it waits for */
    struct ng_name renewed[NG_RENEWED_MAX];
    unsigned renewing, others;   /* of those; resolutions that others were told first: in this tick */
    uint64_t key;
    struct ng_prewarm *prewarms;
    uint64_t guarded_at; /* ns: what was last told of guarded addresses */
    struct ng_name guarded_name;
    uint8_t guarded_address[16];
    size_t restored; /* by the patrol that is under way, */
    int unrestored;  /* and why something could not be; 0 */
    bool patrolling;
    bool gathering; /* what was seen in the kernel since that began need not be looked for again */
    bool full; /* a write found destinations full, and the keeper was told */
};

/* --- to the keeper */

void ng_engine_trouble(struct ng_engine *engine, enum ng_trouble what, int error, const struct ng_name *name,
                       const uint8_t *address);
/* What the name leads to, unless the keeper knows. */
void ng_engine_announce(struct ng_engine *engine, struct ng_tracked *tracked);
/* Of writes to the kernel. */
void ng_engine_report_failure(struct ng_engine *engine, int error, const struct ng_name *name);
void ng_engine_report_success(struct ng_engine *engine);
void ng_engine_report_restored(struct ng_engine *engine, size_t count, const struct ng_name *name);

/* --- to askers */

/* An answer without records; code: an extended error, or 0. */
void ng_engine_fail(struct ng_engine *engine, const struct ng_client *client, const struct ng_query *query,
                    uint8_t rcode, uint16_t code);
/* Gives an answer to one asker. tracked: what stands for its addresses, NULL when it has none. */
void ng_engine_give(struct ng_engine *engine, const struct ng_client *client, const struct ng_query *query,
                    const struct ng_asker *asker, struct ng_tracked *tracked, const struct ng_wire_answer *answer);
/* How an answer of the cache is given: its TTL is over, and others were given it just now, so that it is learnt. */
enum ng_given { NG_FRESH, NG_STALE, NG_GIVEN_STALE };

/* Gives what the cache has; client NULL: to nobody. Returns 0, or -errno when it cannot be known to the kernel: then
 * the client was told of a failure. */
int ng_engine_give_cached(struct ng_engine *engine, const struct ng_client *client, const struct ng_query *query,
                          const struct ng_asker *asker, struct ng_cached *cached, enum ng_given how);

/* --- learning */

/* Learns an answer if a rule, or a deployment, needs it. Others wait in the cache until one does: there are many. */
int ng_engine_learn_answer(struct ng_engine *engine, const struct ng_answer *answer, bool deployment,
                           struct ng_tracked **ret_tracked);
/* The same without that condition, and first what the cache knows of the names to which it leads, at most `max`. Where
 * there is no room for them, an answer that is not needed is not learnt: 0, and *ret_tracked is NULL; one that is
 * needed: -ENOSPC. */
int ng_engine_learn_whole(struct ng_engine *engine, const struct ng_answer *answer, bool needed, size_t max,
                          struct ng_tracked **ret_tracked);
/* What the cache knows of a name that another one leads to now: all questions whose answers have addresses, or aliases
 * for their own sake. */
int ng_engine_recall(struct ng_engine *engine, const struct ng_name *name);

/* Asks what prewarmings still have to ask, as far as there is room, and tells the keeper of those that are done. */
void ng_engine_advance(struct ng_engine *engine);

#endif
