/* SPDX-License-Identifier: BSD-2-Clause */
/* Records on their way to standard output and the journal. A thread writes them, so that a reader that is slow, or
 * reads nothing, holds nobody up. Bounded: what comes while NG_OUTLET_MAX wait is lost and counted. */
#ifndef NAMEGATE_OUTLET_H
#define NAMEGATE_OUTLET_H

#include <stdbool.h>
#include <stdint.h>

#define NG_OUTLET_MAX 16384

struct ng_outlet;

int ng_outlet_new(bool out, bool journal, struct ng_outlet **ret_outlet);

/* Writes what waits, for at most two seconds. NULL is fine. */
void ng_outlet_free(struct ng_outlet *outlet);

/* Takes a copy of a record's line. */
void ng_outlet_put(struct ng_outlet *outlet, const char *line);

/* Lines that were lost, or could not be written. */
uint64_t ng_outlet_lost(struct ng_outlet *outlet);

#endif
