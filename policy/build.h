/* SPDX-License-Identifier: BSD-2-Clause */
/* From parsed policies to the block of memory that is a snapshot. */
#ifndef NAMEGATE_BUILD_H
#define NAMEGATE_BUILD_H

#include "ast.h"

struct ng_build_source {
    const struct ng_ast *ast;
    const char *as; /* name of its only policy, or NULL: as written */
};

/* Returns 0 and a block for the caller to free, -EINVAL with errors in diag, -EFBIG, or -ENOMEM. */
int ng_build(const struct ng_build_source *sources, size_t count, struct ng_diag *diag, void **ret_block,
             size_t *ret_size);

#endif
