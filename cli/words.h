/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line of a private daemon. */
#ifndef NAMEGATE_CLI_WORDS_H
#define NAMEGATE_CLI_WORDS_H

#include "options.h"

#define NG_CLI_WORDS_MAX 16
#define NG_CLI_READY_FD "3" /* what it is told to write READY to */

struct ng_cli_words {
    char *word[NG_CLI_WORDS_MAX + 1]; /* ends with NULL */
    size_t count;
    bool incomplete; /* out of memory, while it is made */
};

/* Another program of namegate's, beside this one, where both were built; else in the directory where it was installed.
 * NULL: out of memory. */
char *ng_cli_find_program(const char *name, const char *directory);

/* What was given to this program is passed on. Pin root and cgroup are the daemon's own, named like its run directory,
 * when they were not given. With `bare`, a default policies directory that does not exist is replaced. 0 or -ENOMEM. */
int ng_cli_words_make(const struct ng_cli *cli, const char *run_dir, bool bare, struct ng_cli_words *ret_words);
void ng_cli_words_free(struct ng_cli_words *words);

#endif
