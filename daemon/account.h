/* SPDX-License-Identifier: BSD-2-Clause */
/* What happens to deployments, as rows of the ledger. */
#ifndef NAMEGATE_ACCOUNT_H
#define NAMEGATE_ACCOUNT_H

#include "blame.h"
#include "keeper.h"
#include "lineage.h"

/* Opens the ledger, unless it is switched off. It is no reason not to start that there can be none. */
int ng_account_open(struct ng_keeper *keeper, struct ng_error *error);

/* A deployment begins; or goes on, after a restart of the daemon: in its row, where there is one, and with the lineage
 * that it has there. */
void ng_account_start(struct ng_keeper *keeper, struct ng_live *live);
int ng_account_adopt(struct ng_keeper *keeper, struct ng_live *live);
/* Again, when more of it becomes known after its end: the end stays. */
void ng_account_finish(struct ng_keeper *keeper, struct ng_live *live);

/* It was denied something, or would have been. */
void ng_account_denial(struct ng_keeper *keeper, const struct ng_live *live, const struct ng_blame *blame);

/* It was let through. Of the event count time, tgid, uid, comm, address, port, proto and hook. */
void ng_account_reach(struct ng_keeper *keeper, const struct ng_live *live, const struct ng_event *event);

/* A command that was executed, for the first time there or again; a process that came to be, changed or ended. */
void ng_account_command(struct ng_keeper *keeper, const struct ng_live *live, const struct ng_command *command,
                        bool first);
void ng_account_process(struct ng_keeper *keeper, const struct ng_live *live, const struct ng_process *process);

/* A shadow judged otherwise than the verdict in force; the rule may be NULL. */
void ng_account_shadow(struct ng_keeper *keeper, const struct ng_live *live, const struct ng_blame *blame,
                       const char *verdict, const char *shadow_verdict, const json_t *shadow_rule);

/* It was told a name. */
void ng_account_resolution(struct ng_keeper *keeper, const struct ng_live *live,
                           const struct ng_resolution *resolution, const struct ng_message_told *told);

/* What `status` says of the ledger: a new reference; and of what is wrong with it. */
json_t *ng_account_json(const struct ng_keeper *keeper);
void ng_account_problems(const struct ng_keeper *keeper, json_t *problems);

/* To be called regularly: what goes wrong, and that it is over, is put on record once. */
void ng_account_tick(struct ng_keeper *keeper);

#endif
