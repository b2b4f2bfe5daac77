/* SPDX-License-Identifier: BSD-2-Clause */
/* Which name and which rule a connection is due to. Judges again with the policy's own matcher, so that what is
 * reported is what was enforced. */
#ifndef NAMEGATE_BLAME_H
#define NAMEGATE_BLAME_H

#include "track.h"

#include "../policy/snapshot.h"

#include <namegate/abi.h>

#define NG_HOLDERS_MAX 16 /* names of one address that are told */
#define NG_REASON_MAX 512 /* octets of a reason and of a path, each */

/* Points into the event, the snapshot and the track: valid until one of them changes. */
struct ng_blame {
    const struct ng_event *event;
    const struct ng_snapshot *snapshot;
    int policy;                                          /* number in the snapshot, or <0 */
    const struct ng_resolution *holder[NG_HOLDERS_MAX]; /* who has the address; those it asked for itself first */
    unsigned holders;
    const struct ng_resolution *guilty; /* the one that is to blame, or that allows it; NULL: the address itself */
    struct ng_rule_info rule;
    bool has_rule;
    const char *evidence; /* its grade, as in records */
    char reason[2 * NG_REASON_MAX];
};

/* Of a denial, or what would have been one. */
void ng_blame_denial(const struct ng_event *event, const struct ng_snapshot *snapshot, struct ng_track *track,
                     struct ng_blame *ret_blame);

/* Of an answer that was withheld (NG_HOOK_DNS), or would have been. */
void ng_blame_answer(const struct ng_event *event, const struct ng_snapshot *snapshot,
                     const struct ng_resolution *resolution, uint8_t answer, struct ng_blame *ret_blame);

/* Of a connection that was allowed: of the event only scope, policy, address, port and proto count. */
void ng_blame_reach(const struct ng_event *event, const struct ng_snapshot *snapshot, struct ng_track *track,
                    struct ng_blame *ret_blame);

/* The name that is to blame, or else one that the deployment asked for; NULL: there is none. */
const struct ng_resolution *ng_blame_named(const struct ng_blame *blame);

#endif
