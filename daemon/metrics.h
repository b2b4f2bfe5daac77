/* SPDX-License-Identifier: BSD-2-Clause */
/* The keeper's side of the metrics: the socket, and the process (exporter.h) that serves it. */
#ifndef NAMEGATE_METRICS_H
#define NAMEGATE_METRICS_H

#include "config.h"
#include "log.h"

struct ng_metrics;

/* Listens and starts the process; stats, tally: the memories of resolver/stats.h and tally.h, which stay the caller's.
 * Returns when it serves. */
int ng_metrics_new(const struct ng_config *config, int stats, int tally, struct ng_error *error,
                   struct ng_metrics **ret_metrics);
/* Ends the process. */
void ng_metrics_free(struct ng_metrics *metrics);

/* To be called regularly: starts the process again when it has ended. */
void ng_metrics_check(struct ng_metrics *metrics);

#endif
