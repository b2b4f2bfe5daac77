/* SPDX-License-Identifier: BSD-2-Clause */
/* What this host is and has: whether it can carry the gate, and the addresses that must never become denied. */
#ifndef NAMEGATE_HOST_H
#define NAMEGATE_HOST_H

#include "config.h"
#include "log.h"

/* Capabilities, BTF, a bpffs at pin_root, the initial cgroup namespace: what is missing, and the remedy. */
int ng_host_check(const char *pin_root, struct ng_error *error);

/* Whether a configured upstream is the gate's own listener. */
int ng_host_check_upstreams(const struct ng_config *config, struct ng_error *error);

/* Whether each address to listen at is one of this host's. */
int ng_host_check_listen(const struct ng_config *config, struct ng_error *error);

/* Fills the guard of a START message: the host's own addresses, its upstreams and gateways, and the configured ones.
 * Returns how many did not fit. */
unsigned ng_host_guard(const struct ng_config *config, struct ng_message_start *start);

#endif
