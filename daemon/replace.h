/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that are replaced whole: who reads one sees the old content or the new, also after a crash. */
#ifndef NAMEGATE_REPLACE_H
#define NAMEGATE_REPLACE_H

#include <stdio.h>

struct ng_replace {
    FILE *file; /* to be written to */
    char *path, *temporary;
};

/* Begins to replace DIR/NAME, readable for root alone. Returns 0 or -errno. */
int ng_replace_begin(const char *dir, const char *name, struct ng_replace *ret_replace);

/* Puts what was written in place, on the disk. Ends the replacement also when it fails: the old content stays then.
 * Returns 0 or -errno. */
int ng_replace_end(struct ng_replace *replace);

#endif
