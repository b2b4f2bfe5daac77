/* SPDX-License-Identifier: BSD-2-Clause */
/* Two runs beside each other: for `diff-runs` and `report --against`. */
#ifndef NAMEGATE_CLI_RUNS_H
#define NAMEGATE_CLI_RUNS_H

#include "options.h"

#include <jansson.h>
#include <stdio.h>

/* What one run depended on and the other did not, of two documents (ledger/reader.h), as a new object; NULL: out of
 * memory. A dependency is a name, or an address where no name was asked for, with a port and a protocol; also what was
 * denied is one. Probes are not, nor is what stays on the host.
 *
 * {"before", "after": {"deployment", "tag", "started", "outcome"},
 *  "new", "vanished": [{"name": ..|null, "address", "port", "proto", "verdict": the last one, "commands": [..],
 *                       "count", "first", "last"}], by destination,
 *  "same": N} */
json_t *ng_runs_compare(const json_t *before, const json_t *after);

/* Finds a run by its name, or (NULL) the last one with that tag (NULL: any), and the one with the same tag that began
 * last before it. New references. What goes wrong is on stderr, also that there are no two; returns the exit status. */
int ng_runs_last(const struct ng_cli *cli, const char *deployment, const char *tag, json_t **ret_before,
                 json_t **ret_after);

/* Prints the differences for people. */
void ng_runs_put(FILE *out, const json_t *comparison);

/* The name of one of `new` and `vanished`, or its address. */
const char *ng_runs_destination(const json_t *dependency);

#endif
