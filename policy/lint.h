/* SPDX-License-Identifier: BSD-2-Clause */
/* What is no error, and yet hardly meant: warnings for those who write policies. */
#ifndef NAMEGATE_LINT_H
#define NAMEGATE_LINT_H

#include "compile.h"
#include "target.h"

/* An address that must stay reachable, and what it is ("an address of this host"). */
struct ng_guarded {
    uint8_t address[16];
    const char *what;
};

/* Adds warnings to diag: a wildcard without its apex; names that cannot exist, or that are hardly meant; public
 * suffixes as a whole; rules that can never match, and rules that end soon or have ended; denied addresses that the
 * host needs; dependencies on what no rule is for; denied groups that no test expects. `snapshot` is the set's own.
 * Returns 0 or -ENOMEM. */
int ng_lint(const struct ng_set *set, const struct ng_snapshot *snapshot, const struct ng_guarded *guarded,
            size_t count, struct ng_diag *diag);

#endif
