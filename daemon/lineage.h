/* SPDX-License-Identifier: BSD-2-Clause */
/* The processes of deployments as the kernel tells of them: who started whom, and what each executed. Kept for as long
 * as the deployment lives, so that a process that is gone before anybody can ask /proc is still known. */
#ifndef NAMEGATE_LINEAGE_H
#define NAMEGATE_LINEAGE_H

#include <namegate/abi.h>

#include <jansson.h>
#include <stdint.h>

struct ng_lineage; /* of one deployment */

/* Number of the row of the ledger's `lineage` that a process stands at, 0 where it is not known. */
uint32_t ng_lineage_of(const struct ng_lineage *lineage, uint32_t tgid);

/* The way from the deployment's first command to the process, the first one first: a list of objects with `pid`,
 * `comm` and `argv` (list). New reference; an empty list where it is not known. */
json_t *ng_lineage_json(const struct ng_lineage *lineage, uint32_t tgid);

#endif
