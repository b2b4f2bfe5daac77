/* SPDX-License-Identifier: BSD-2-Clause */
/* The `test` blocks of a policy set. */
#ifndef NAMEGATE_EXPECT_H
#define NAMEGATE_EXPECT_H

#include "case.h"
#include "compile.h"

struct ng_expectation {
    const char *policy;
    const char *file;
    uint32_t line;
    const char *destination; /* as written */
    uint8_t expected;        /* NG_VERDICT_ALLOW or NG_VERDICT_DENY */
    bool met;
    const char *trouble;     /* when it was not met: why, "" when it was */
};

typedef int (*ng_expectation_fn)(void *arg, const struct ng_expectation *expectation);

/* Judges every expectation of a set against its snapshot, in the order in which they are written. One without a port,
 * or without a protocol, is met when all ports, or both protocols, have that verdict. What `each` returns other than 0
 * stops, and is returned; -ENOMEM. */
int ng_expect(const struct ng_set *set, const struct ng_snapshot *snapshot, ng_expectation_fn each, void *arg);

#endif
