/* SPDX-License-Identifier: BSD-2-Clause */
/* What happened, as records for people and programs. */
#ifndef NAMEGATE_EVIDENCE_H
#define NAMEGATE_EVIDENCE_H

#include "blame.h"
#include "control.h"
#include "deployment.h"

/* All return a new reference, or NULL when out of memory. */

/* The record of a denial. live may be NULL (it has ended already). */
json_t *ng_evidence_denial(const struct ng_blame *blame, const struct ng_live *live);

/* Parts of it: the rule (null: there is none), the chain and the addresses of a name. */
json_t *ng_evidence_rule(const struct ng_blame *blame);
json_t *ng_evidence_chain(const struct ng_resolution *resolution);
json_t *ng_evidence_addresses(const struct ng_resolution *resolution);

/* The record of a resolution that somebody was told. deployment: its id, or NULL. */
json_t *ng_evidence_resolution(const struct ng_resolution *resolution, const char *deployment);

/* A resolution as `names` shows it to a user. */
json_t *ng_evidence_name(const struct ng_resolution *resolution, const struct ng_snapshot *snapshot,
                         const struct ng_live *deployments, uid_t uid);

/* Who made a change. */
json_t *ng_evidence_peer(const struct ng_peer *peer);

/* The record that something went wrong. name and address are taken over; NULL: none. */
json_t *ng_evidence_trouble(const char *trouble, const char *text, json_t *name, json_t *address);

#endif
