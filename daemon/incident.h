/* SPDX-License-Identifier: BSD-2-Clause */
/* Incidents: from one moment to the next every deployment, or each of one tag, is strict, whatever its policy and mode
 * say. The kernel's switch comes first, the file that outlives a restart of the host second; neither needs a living
 * keeper once it is set. */
#ifndef NAMEGATE_INCIDENT_H
#define NAMEGATE_INCIDENT_H

#include "control.h"

#include <stdbool.h>

struct ng_keeper;
struct ng_incidents;

/* Reads STATE-DIR/incidents. One that cannot be read, or makes no sense, counts as an incident for all: whoever wrote
 * it meant one. To be called before the gate is opened. Returns 0 or -ENOMEM. */
int ng_incidents_load(const char *state_dir, struct ng_incidents **ret_incidents);
void ng_incidents_free(struct ng_incidents *incidents);

/* How many there are for one tag alone. */
unsigned ng_incidents_tags(const struct ng_incidents *incidents);

/* Brings the switch in keeper->state, as it was in a gate that was taken over, into line. An incident that only the
 * kernel knows of stays. Returns 0 or -ENOMEM, when the gate must be left as it is. */
int ng_incidents_adopt(struct ng_keeper *keeper);

/* Whether there is one for all, or for that tag alone. */
bool ng_incidents_all(const struct ng_incidents *incidents);
bool ng_incidents_tag(const struct ng_incidents *incidents, const char *tag);

/* To be called about every second, and when deployments were taken over: those whose time is over end, and what is on
 * is in force. */
void ng_incidents_tick(struct ng_keeper *keeper);

/* A list of those that are on: a new reference. */
json_t *ng_incidents_json(const struct ng_incidents *incidents);

/* The command `incident`. */
void ng_incidents_request(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request);

#endif
