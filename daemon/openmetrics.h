/* SPDX-License-Identifier: BSD-2-Clause */
/* Statistics as OpenMetrics text, version 1.0.0. */
#ifndef NAMEGATE_OPENMETRICS_H
#define NAMEGATE_OPENMETRICS_H

#include "tally.h"

#include "../resolver/stats.h"

#define NG_OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* The text, which the caller frees, and its length. now: ns. NULL: out of memory. */
char *ng_openmetrics(const struct ng_stats_copy *stats, const struct ng_tally_copy *tally, uint64_t now,
                     size_t *ret_length);

#endif
