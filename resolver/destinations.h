/* SPDX-License-Identifier: BSD-2-Clause */
/* The map `destinations` of the kernel, as claims.h writes it. A system call for each address would cost more than all
 * else that learning it costs the resolver; so what the answers of upstreams make it write in one turn waits, and goes
 * together before anybody hears of it. */
#ifndef NAMEGATE_DESTINATIONS_H
#define NAMEGATE_DESTINATIONS_H

#include "claims.h"
#include "stats.h"

struct ng_destinations;

/* fd: of the map; owned on success. epoch: see namegate/epoch.h. failed is called when a write that waited failed:
 * what was answered in this turn must not be told. */
int ng_destinations_new(int fd, uint64_t *epoch, struct ng_stats *stats, void (*failed)(void *arg, int error),
                        void *arg, struct ng_destinations **ret_destinations);
void ng_destinations_free(struct ng_destinations *destinations);

struct ng_claims_ops ng_destinations_ops(struct ng_destinations *destinations);

/* The program that verifies many at once; owned. */
void ng_destinations_verifier(struct ng_destinations *destinations, int program);

/* From now on writes wait, as far as there must be room for them beside `used` entries: what is not certain to succeed
 * is written at once. */
void ng_destinations_gather(struct ng_destinations *destinations, size_t used);
/* Writes are done at once again. */
void ng_destinations_direct(struct ng_destinations *destinations);

/* Writes what waits. To be called before anything leaves that could lead somebody to those addresses. */
void ng_destinations_flush(struct ng_destinations *destinations);

int ng_destinations_each(struct ng_destinations *destinations, ng_destination_fn each, void *arg);

#endif
