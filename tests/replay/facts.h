/* SPDX-License-Identifier: BSD-2-Clause */
/* What follows from all that names were said to lead to: judged anew and whole after each step, where the engine adds
 * what each answer changes. */
#ifndef NAMEGATE_FACTS_H
#define NAMEGATE_FACTS_H

#include "world.h"

/* A deployment is given this: it counts until its time is over. */
void facts_told(struct world *world, const struct query *query, const uint8_t *wire, size_t size);

/* Notes in the world what is denied by what deployments were told, or by an answer in the cache that counts as learnt,
 * and not in the map. Not while writes fail, or find no room, nor before what somebody
 * took out of the map is looked for. */
void facts_check(struct world *world);

#endif
