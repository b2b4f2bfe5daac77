/* SPDX-License-Identifier: BSD-2-Clause */
/* From a linked set to the block of a snapshot; private to compile.c. */
#ifndef NAMEGATE_BUILD_H
#define NAMEGATE_BUILD_H

#include "link.h"

/* Returns 0 and a block for the caller to free, -EINVAL with errors in diag, -EFBIG, or -ENOMEM. */
int ng_build(const struct ng_set *set, struct ng_diag *diag, void **ret_block, size_t *ret_size);

#endif
