/* SPDX-License-Identifier: BSD-2-Clause */
/* Asking upstreams: which server is asked, and how, when the next one is, and what an answer must look like. That it
 * comes from the server that was asked, for the question that was asked, path.h sees to. */
#ifndef NAMEGATE_UPSTREAM_H
#define NAMEGATE_UPSTREAM_H

#include "poll.h"
#include "stats.h"
#include "wire.h"

#include <namegate/channel.h>

#include <stddef.h>

#define NG_UPSTREAM_GIVEN_UP_MS 4000 /* after which a question that nobody answered fails: before its asker gives up */

struct ng_upstream;

/* Called exactly once for each question, never from within ng_upstream_ask(). wire is NULL when nobody answered; one
 * that says failure is given when no server gave a better one. */
typedef void (*ng_upstream_fn)(void *arg, void *question, const uint8_t *wire, size_t size);

/* servers: for all names without a forward zone. */
int ng_upstream_new(struct ng_poll *poll, const struct ng_endpoint *servers, unsigned count, ng_upstream_fn answered,
                    void *arg, struct ng_stats *stats, struct ng_upstream **ret_upstream);
/* Answers all open questions with NULL. */
void ng_upstream_free(struct ng_upstream *upstream);

/* A name, and all below it, is asked of these servers instead; of several such zones the longest counts. -ENOMEM. */
int ng_upstream_forward(struct ng_upstream *upstream, const struct ng_name *zone, const struct ng_endpoint *servers,
                        unsigned count);

/* Asks with a query as ng_wire_ask() writes it; its id, and the case of its name, are chosen here. Returns 0, or
 * -ENOMEM: it will not be answered. */
int ng_upstream_ask(struct ng_upstream *upstream, const struct ng_name *name, const uint8_t *wire, size_t size,
                    void *question);

/* Sends what was asked, at the end of each turn in which something was. */
void ng_upstream_send(struct ng_upstream *upstream);

/* ms until ng_upstream_process() must be called, at most `max`. Nothing needs it while no question is open. */
int ng_upstream_timeout(struct ng_upstream *upstream, int max);
void ng_upstream_process(struct ng_upstream *upstream);

/* Puts how the servers do into the statistics. To be called regularly. */
void ng_upstream_health(const struct ng_upstream *upstream);

#endif
