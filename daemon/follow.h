/* SPDX-License-Identifier: BSD-2-Clause */
/* Follows the processes of deployments: what the kernel tells of them goes into their lineage, and from there into the
 * ledger. What a process of a deployment inside of another does, it does in both. */
#ifndef NAMEGATE_FOLLOW_H
#define NAMEGATE_FOLLOW_H

#include "keeper.h"
#include "lineage.h"

/* It is in the ledger from now on, with the processes that it has by now. */
void ng_follow_started(struct ng_keeper *keeper, struct ng_live *live);
/* The same for one that an earlier daemon had put there. */
void ng_follow_adopted(struct ng_keeper *keeper, struct ng_live *live);

/* For struct ng_gate_ops; arg is the keeper. */
void ng_follow_forked(void *arg, const struct ng_fork *made);
void ng_follow_executed(void *arg, const struct ng_exec *executed);
void ng_follow_exited(void *arg, const struct ng_exit *ended);
void ng_follow_moved(void *arg, const struct ng_move *moved);
void ng_follow_reached(void *arg, const struct ng_reach *reach);
/* Goes on record where it is a service that is known to work for others. */
void ng_follow_asked(void *arg, const struct ng_delegation *asked);

#endif
