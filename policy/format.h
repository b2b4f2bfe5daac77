/* SPDX-License-Identifier: BSD-2-Clause */
/* The canonical layout of a policy text: one statement a line, four columns a level, comments where they were. */
#ifndef NAMEGATE_FORMAT_H
#define NAMEGATE_FORMAT_H

#include "diag.h"

/* Lays a text out anew; what is laid out already stays as it is. Returns 0 and a text for the caller to free, -EINVAL
 * with errors in diag, or -ENOMEM. */
int ng_format(const char *path, const char *text, size_t length, struct ng_diag *diag, char **ret_text,
              size_t *ret_length);

#endif
