// SPDX-License-Identifier: BSD-2-Clause
/* Any text either gives an error or compiles to a snapshot that opens and answers, is laid out by `policy fmt` without a
 * change of its meaning, and once only. */
#include "../../policy/compare.h"
#include "../../policy/compile.h"
#include "../../policy/expect.h"
#include "../../policy/format.h"
#include "../../policy/lint.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct compiled {
    struct ng_set *set;
    struct ng_snapshot *snapshot;
};

static bool compile(const char *text, size_t length, struct ng_diag *diag, struct compiled *compiled)
{
    /* As one that was brought along: it reads no other file. */
    struct ng_source source = {.path = "fuzz", .text = text, .length = length, .as = "p"};
    int fd = -1;

    if (ng_set_load(&source, 1, diag, &compiled->set) < 0 || ng_set_compile(compiled->set, diag, &fd) < 0) {
        if (!ng_diag_errors(diag))
            abort();
        return false;
    }
    if (ng_snapshot_open(fd, &compiled->snapshot) < 0)
        abort();
    (void)close(fd);
    return true;
}

static void release(struct compiled *compiled)
{
    ng_snapshot_free(compiled->snapshot);
    ng_set_free(compiled->set);
}

static int ignore(void *arg, const struct ng_expectation *expectation)
{
    (void)arg;
    (void)expectation;
    return 0;
}

static void answer(const struct ng_snapshot *snapshot)
{
    struct ng_rule_info rule;
    struct ng_name name;

    (void)ng_name_from_text("a.b.example", 11, &name);
    for (unsigned i = 0; i < ng_snapshot_policies(snapshot); i++) {
        uint64_t profile = ng_match_name(snapshot, i, &name);
        bool ruled = ng_explain_name(snapshot, i, &name, 6, 443, &rule) == 0;

        /* Matcher and explanation are one. */
        if (ng_snapshot_verdict(snapshot, profile, 6, 443) != (ruled ? rule.verdict : NG_VERDICT_NONE))
            abort();
    }
}

static void lay_out(const char *text, size_t length, const struct compiled *before)
{
    struct ng_diag *diag = ng_diag_new();
    char *once = NULL, *twice = NULL;
    size_t once_length, twice_length;
    struct ng_comparison comparison;
    struct compiled after = {0};

    if (!diag || ng_format("fuzz", text, length, diag, &once, &once_length) < 0 ||
        ng_format("fuzz", once, once_length, diag, &twice, &twice_length) < 0 || once_length != twice_length ||
        memcmp(once, twice, once_length) != 0 || !compile(once, once_length, diag, &after) ||
        ng_compare(before->snapshot, after.snapshot, 10, &comparison) < 0 || comparison.count)
        abort();
    free(comparison.text);
    release(&after);
    free(once);
    free(twice);
    ng_diag_free(diag);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ng_diag *diag = ng_diag_new();
    struct compiled compiled = {0};

    if (!diag)
        return 0;
    if (compile((const char *)data, size, diag, &compiled)) {
        answer(compiled.snapshot);
        if (ng_expect(compiled.set, compiled.snapshot, ignore, NULL) < 0 ||
            ng_lint(compiled.set, compiled.snapshot, NULL, 0, diag) < 0)
            abort();
        lay_out((const char *)data, size, &compiled);
    }
    free(ng_diag_text(diag));
    release(&compiled);
    ng_diag_free(diag);
    return 0;
}
