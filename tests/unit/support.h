/* SPDX-License-Identifier: BSD-2-Clause */
/* What unit tests share. Included first: cmocka needs these headers before its own. */
#ifndef NAMEGATE_TESTS_SUPPORT_H
#define NAMEGATE_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../policy/compile.h"

#include <arpa/inet.h>
#include <unistd.h>

static inline struct ng_name test_name(const char *text)
{
    struct ng_name name = {0};

    if (ng_name_from_text(text, strlen(text), &name) < 0)
        fail_msg("'%s' is no name", text);
    return name;
}

/* Into 16 octets, v4-mapped. */
static inline void test_address(const char *text, uint8_t address[16])
{
    memset(address, 0, 16);
    if (inet_pton(AF_INET, text, address + 12) == 1)
        memset(address + 10, 0xff, 2);
    else
        assert_int_equal(inet_pton(AF_INET6, text, address), 1);
}

/* The snapshot of a policy text that must be right; the caller frees it. */
static inline struct ng_snapshot *test_snapshot(const char *text)
{
    struct ng_source source = {.path = "test.policy", .text = text, .length = strlen(text)};
    struct ng_diag *diag = ng_diag_new();
    struct ng_snapshot *snapshot = NULL;
    int fd = -1;

    assert_non_null(diag);
    if (ng_policy_compile(&source, 1, diag, &fd) < 0)
        fail_msg("%s", ng_diag_text(diag));
    assert_int_equal(ng_snapshot_open(fd, &snapshot), 0);
    (void)close(fd);
    ng_diag_free(diag);
    return snapshot;
}

#endif
