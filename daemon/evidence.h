/* SPDX-License-Identifier: BSD-2-Clause */
/* From a kernel event to a record that says who was denied what, by which rule, and why. Judges again with the policy's
 * own matcher, so that what is reported is what was enforced. */
#ifndef NAMEGATE_EVIDENCE_H
#define NAMEGATE_EVIDENCE_H

#include "control.h"
#include "deployment.h"
#include "track.h"

#include "../policy/snapshot.h"

/* The record of a denial: a new reference, NULL when out of memory. live may be NULL (it has ended already).
 * *ret_finding gets the summary's line; the caller owns what it holds. */
json_t *ng_evidence_denial(const struct ng_event *event, const struct ng_live *live,
                           const struct ng_snapshot *snapshot, const struct ng_track *track,
                           struct ng_finding *ret_finding);

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
