/* SPDX-License-Identifier: BSD-2-Clause */
/* The resolver's statistics (resolver/stats.h), as the keeper keeps them over its resolvers and tells them. */
#ifndef NAMEGATE_STATISTICS_H
#define NAMEGATE_STATISTICS_H

#include "log.h"
#include "tally.h"

#include "../resolver/stats.h"

#include <jansson.h>

struct ng_statistics;

int ng_statistics_new(struct ng_error *error, struct ng_statistics **ret_statistics);
void ng_statistics_free(struct ng_statistics *statistics);

/* The memory, for the resolver to write. */
int ng_statistics_fd(const struct ng_statistics *statistics);

/* The answer to `stats` of docs/protocol.md; NULL: out of memory. */
json_t *ng_statistics_json(const struct ng_statistics *statistics, const struct ng_tally *tally);
/* The same of numbers that were read before, without "since". */
json_t *ng_statistics_json_of(const struct ng_stats_copy *stats, const struct ng_tally_copy *tally);

#endif
