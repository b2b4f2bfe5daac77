/* SPDX-License-Identifier: BSD-2-Clause */
/* What all sub-commands have in common: the options, and their help. */
#ifndef NAMEGATE_CLI_OPTIONS_H
#define NAMEGATE_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#define NG_CLI_RUN_DIR "/run/namegate"

/* Exit statuses; docs/namegate.1.scd says when. */
enum {
    NG_CLI_OK = 0,
    NG_CLI_FAILED = 1,
    NG_CLI_USAGE = 2,
    NG_CLI_NO_DAEMON = 3,
    NG_CLI_RUN_FAILED = 125,
    NG_CLI_CANNOT_EXECUTE = 126,
    NG_CLI_NOT_FOUND = 127,
    NG_CLI_SIGNALLED = 128, /* and the number of the signal */
};

/* The strings belong to argv or the environment; NULL where not given, unless there is a default. */
struct ng_cli {
    const char *run_dir;
    const char *state_dir;
    const char *policies;
    const char *config;
    const char *pin_root;
    const char *cgroup_root;
    const char *resolv_conf;
    bool json;
};

/* An option of one sub-command: it takes a value when `value` is set, and sets *flag otherwise. A list ends with a NULL
 * name. */
struct ng_cli_option {
    const char *name;
    char letter; /* or 0 */
    const char **value;
    bool *flag;
};

void ng_cli_defaults(struct ng_cli *ret_cli);

/* Parses the common options and `own` (or NULL) from argv, whose first word is who speaks in messages. With `in_order`
 * it stops at the first word that is no option. `usage` is printed for --help. Returns -1 and the index of the first
 * word to *ret_first (argv may have been sorted); or the exit status with which to end. */
int ng_cli_parse(struct ng_cli *cli, const struct ng_cli_option *own, const char *usage, bool in_order, int argc,
                 char **argv, int *ret_first);

/* Says what is wrong with the command line, and returns the exit status for it. */
int ng_cli_usage(const char *command, const char *text, const char *word);

/* A number from 0 to max; -EINVAL for anything else. */
int ng_cli_number(const char *text, size_t max, size_t *ret_number);

#endif
