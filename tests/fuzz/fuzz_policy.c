// SPDX-License-Identifier: BSD-2-Clause
/* Any text either compiles to a snapshot that opens and answers, or gives an error. */
#include "../../policy/compile.h"

#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ng_source source = {.path = "fuzz", .text = (const char *)data, .length = size};
    struct ng_diag *diag = ng_diag_new();
    struct ng_snapshot *snapshot = NULL;
    struct ng_rule_info rule;
    struct ng_name name;
    int fd = -1;

    if (!diag)
        return 0;
    if (ng_policy_compile(&source, 1, diag, &fd) < 0) {
        if (!ng_diag_errors(diag))
            abort();
        free(ng_diag_text(diag));
        ng_diag_free(diag);
        return 0;
    }
    if (ng_snapshot_open(fd, &snapshot) < 0)
        abort();
    (void)close(fd);
    (void)ng_name_from_text("a.b.example", 11, &name);
    for (unsigned i = 0; i < ng_snapshot_policies(snapshot); i++) {
        uint64_t profile = ng_match_name(snapshot, i, &name);
        bool ruled = ng_explain_name(snapshot, i, &name, 6, 443, &rule) == 0;

        /* Matcher and explanation are one. */
        if (ng_snapshot_verdict(snapshot, profile, 6, 443) != (ruled ? rule.verdict : NG_VERDICT_NONE))
            abort();
    }
    ng_snapshot_free(snapshot);
    ng_diag_free(diag);
    return 0;
}
