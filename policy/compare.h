/* SPDX-License-Identifier: BSD-2-Clause */
/* What two snapshots say differently: by name and address, not by text. */
#ifndef NAMEGATE_COMPARE_H
#define NAMEGATE_COMPARE_H

#include "snapshot.h"

#define NG_DIFFERENCE_MAX (NG_PATTERN_MAX + 200)

/* How many differences there are, and the text of the first ones, a line each:
 *   POLICY: DESTINATION [port ...] [proto ...]: no rule|allowed|denied -> ... (FILE:LINE)
 * and for policies: new, gone, or a setting that changed. A wildcard stands for the names below it that no more
 * specific rule is for. */
struct ng_comparison {
    size_t count;
    char *text; /* "" when there are none; the caller's */
};

/* Returns 0 or -ENOMEM. `lines`: of the text. */
int ng_compare(const struct ng_snapshot *before, const struct ng_snapshot *after, size_t lines,
               struct ng_comparison *ret_comparison);

#endif
