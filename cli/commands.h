/* SPDX-License-Identifier: BSD-2-Clause */
/* The sub-commands. Each gets the common options as they stood before its name, and its own words with a first one that
 * says who speaks in messages ("namegate run"); each returns the exit status. */
#ifndef NAMEGATE_CLI_COMMANDS_H
#define NAMEGATE_CLI_COMMANDS_H

#include "options.h"

int ng_cli_run(struct ng_cli *cli, int argc, char **argv);
int ng_cli_status(struct ng_cli *cli, int argc, char **argv);
int ng_cli_stats(struct ng_cli *cli, int argc, char **argv);
int ng_cli_list(struct ng_cli *cli, int argc, char **argv);
int ng_cli_names(struct ng_cli *cli, int argc, char **argv);
int ng_cli_events(struct ng_cli *cli, int argc, char **argv);
int ng_cli_report(struct ng_cli *cli, int argc, char **argv);
int ng_cli_attach(struct ng_cli *cli, int argc, char **argv);
int ng_cli_detach(struct ng_cli *cli, int argc, char **argv);
int ng_cli_doctor(struct ng_cli *cli, int argc, char **argv);
int ng_cli_allow(struct ng_cli *cli, int argc, char **argv);
int ng_cli_incident(struct ng_cli *cli, int argc, char **argv);
int ng_cli_learn(struct ng_cli *cli, int argc, char **argv);
int ng_cli_replay(struct ng_cli *cli, int argc, char **argv);
int ng_cli_diff_runs(struct ng_cli *cli, int argc, char **argv);
int ng_cli_policy(struct ng_cli *cli, int argc, char **argv);

#endif
