/* SPDX-License-Identifier: BSD-2-Clause */
/* The files with local records (`hosts`, `local-zone`): opened here, since they may be readable for root alone, and
 * parsed by the resolver, since it has no privileges that an error there could give away. */
#ifndef NAMEGATE_DAEMON_LOCAL_H
#define NAMEGATE_DAEMON_LOCAL_H

#include "config.h"
#include "log.h"

struct ng_keeper;
struct ng_message_loaded;

/* For --check-config: reads all of them. Returns 0, or -EINVAL with file and line in *error. */
int ng_local_files_check(const struct ng_config *config, struct ng_error *error);

/* Sends them to a new resolver. One that cannot be read is left out, with a warning. */
void ng_local_files_send(struct ng_keeper *keeper);
/* To be called regularly: sends them when one has changed. */
void ng_local_files_watch(struct ng_keeper *keeper);
/* What became of them. */
void ng_local_files_loaded(struct ng_keeper *keeper, const struct ng_message_loaded *message);

#endif
