/* SPDX-License-Identifier: BSD-2-Clause */
/* A daemon of one's own for one run, where none runs: `namegated --private`. It ends with its last deployment. */
#ifndef NAMEGATE_CLI_PRIVATE_H
#define NAMEGATE_CLI_PRIVATE_H

#include "job.h"
#include "options.h"

struct ng_cli_private;

/* Starts one and waits until its gate is in force. With `bare`, a policies directory that nobody named and that does
 * not exist is no error. What goes wrong is on stderr; returns the exit status for it, or 0. */
int ng_cli_private_start(const struct ng_cli *cli, const struct ng_cli_job *job, bool bare,
                         struct ng_cli_private **ret_private);

const char *ng_cli_private_run_dir(const struct ng_cli_private *daemon);

/* Ends it when it has nothing to do: at once when there never was a deployment, and, when no process of one is left, by
 * waiting for its end. Otherwise it goes on by itself, and ends by itself. Prints its warnings, and frees. */
void ng_cli_private_finish(struct ng_cli_private *daemon, bool had_deployment);

#endif
