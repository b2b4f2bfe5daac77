/* SPDX-License-Identifier: BSD-2-Clause */
/* Grants, the way to break the glass: for a while the deployments of one tag may reach what one name leads to, whatever
 * their policy or an incident says. Their ends are in the kernel, so that no grant outlives a keeper that died. */
#ifndef NAMEGATE_GRANT_H
#define NAMEGATE_GRANT_H

#include "control.h"

#include "../policy/name.h"

#include <stdbool.h>

struct ng_keeper;
struct ng_grants;
struct ng_live;

/* Reads STATE-DIR/grants. What cannot be read, or is over, is not granted. Returns 0 or -ENOMEM. */
int ng_grants_load(const char *state_dir, struct ng_grants **ret_grants);
void ng_grants_free(struct ng_grants *grants);

/* How many there are. */
unsigned ng_grants_count(const struct ng_grants *grants);

/* Whether the deployments of a tag have any. */
bool ng_grants_tag(const struct ng_grants *grants, const char *tag);

/* Whether they may reach what this name leads to. */
bool ng_grants_name(const struct ng_grants *grants, const char *tag, const struct ng_name *name);

/* Tells the resolver, which must have a policy, of what a deployment is granted. */
void ng_grants_send(struct ng_keeper *keeper, const struct ng_live *live);

/* To be called about every second, and when deployments were taken over: those whose time is over end. */
void ng_grants_tick(struct ng_keeper *keeper);

/* A list of those that are on: a new reference. */
json_t *ng_grants_json(const struct ng_grants *grants);

/* The command `allow`. */
void ng_grants_request(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request);

#endif
