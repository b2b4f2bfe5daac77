/* SPDX-License-Identifier: BSD-2-Clause */
/* The ledger, for sub-commands that read it. */
#ifndef NAMEGATE_CLI_LEDGER_H
#define NAMEGATE_CLI_LEDGER_H

#include "../ledger/reader.h"
#include "options.h"

/* How long ago ("2h", "7d"), or when: 2024-05-01, with T or a space also the time, HH:MM or HH:MM:SS, in UTC.
 * -EINVAL. */
int ng_cli_since(const char *text, int64_t *ret_us);

/* ng_ledger_read() of --state-dir, after what happened just now has been written; whoever may not read it gets his own
 * deployments from the daemon. What goes wrong is on stderr, with what to do; `each` says itself what it has to say.
 * Returns the exit status. */
int ng_cli_ledger_read(const struct ng_cli *cli, const struct ng_ledger_query *query, ng_ledger_fn each, void *arg);

#endif
