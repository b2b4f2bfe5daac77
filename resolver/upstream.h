/* SPDX-License-Identifier: BSD-2-Clause */
/* Asking upstreams. The only user of c-ares, which retries, fails over to the next server, turns to TCP for a truncated
 * answer, and takes answers only from the server that was asked. */
#ifndef NAMEGATE_UPSTREAM_H
#define NAMEGATE_UPSTREAM_H

#include "poll.h"

#include <namegate/channel.h>

#include <stddef.h>

struct ng_upstream;

/* Called exactly once for each question, never from within ng_upstream_ask(). wire is NULL when nobody answered. */
typedef void (*ng_upstream_fn)(void *arg, void *question, const uint8_t *wire, size_t size);

int ng_upstream_new(struct ng_poll *poll, const struct ng_endpoint *servers, unsigned count, ng_upstream_fn answered,
                    void *arg, struct ng_upstream **ret_upstream);
/* Answers all open questions with NULL. */
void ng_upstream_free(struct ng_upstream *upstream);

/* Sends a query as it is. Returns 0, or -ENOMEM: it will not be answered. */
int ng_upstream_ask(struct ng_upstream *upstream, const uint8_t *wire, size_t size, void *question);

/* ms until ng_upstream_process() must be called, at most `max`. */
int ng_upstream_timeout(struct ng_upstream *upstream, int max);
void ng_upstream_process(struct ng_upstream *upstream);

#endif
