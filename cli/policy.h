/* SPDX-License-Identifier: BSD-2-Clause */
/* `namegate policy`: its commands, and the sets that they work on. */
#ifndef NAMEGATE_CLI_POLICY_H
#define NAMEGATE_CLI_POLICY_H

#include "../policy/compile.h"
#include "options.h"

#include <namegate/cleanup.h>

#include <jansson.h>

/* Each gets its own words, the first of which says who speaks; each returns the exit status. */
int ng_cli_policy_check(struct ng_cli *cli, int argc, char **argv);
int ng_cli_policy_test(struct ng_cli *cli, int argc, char **argv);
int ng_cli_policy_explain(struct ng_cli *cli, int argc, char **argv);
int ng_cli_policy_diff(struct ng_cli *cli, int argc, char **argv);
int ng_cli_policy_shadow(struct ng_cli *cli, int argc, char **argv);
int ng_cli_policy_fmt(struct ng_cli *cli, int argc, char **argv);

/* A set with its snapshot, as the daemon would make it. */
struct ng_cli_set {
    struct ng_set *set;
    struct ng_snapshot *snapshot;
};

void ng_cli_set_release(struct ng_cli_set *set);
#define _cleanup_set_ _cleanup_(ng_cli_set_release)

/* Loads a directory of policies, or a file; `extra` comes with it (NULL: nothing). Errors and warnings go to diag.
 * Returns 0 or -errno. */
int ng_cli_set_load(const char *path, const struct ng_source *extra, struct ng_diag *diag, struct ng_cli_set *ret_set);

bool ng_cli_is_directory(const char *path);

/* The directory that is meant when none is named. */
const char *ng_cli_policies(const struct ng_cli *cli);

NG_DEFINE_CLEANUP(diag, struct ng_diag, ng_diag_free)
#define _cleanup_diag_ _cleanup_(ng_cleanup_diag)

/* Prints the messages to stderr. */
void ng_cli_put_diag(const struct ng_diag *diag);

/* A rule, and a list of messages, as JSON. NULL: out of memory. */
json_t *ng_cli_rule_json(const struct ng_rule_info *rule);
json_t *ng_cli_diag_json(const struct ng_diag *diag);

#endif
