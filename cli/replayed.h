/* SPDX-License-Identifier: BSD-2-Clause */
/* What policies would have denied in recorded deployments. */
#ifndef NAMEGATE_CLI_REPLAYED_H
#define NAMEGATE_CLI_REPLAYED_H

#include "../policy/snapshot.h"

#include <jansson.h>

struct ng_replay {
    const struct ng_snapshot *snapshot;
    int policy;        /* that all stand under; <0: each under the one that it had, by name */
    const char *label; /* what that one policy is called; NULL: by its name */
    int mode;          /* enum ng_mode that all are judged in; <0: that of the policy */
};

/* What becomes of a deployment (ledger/reader.h), as a new object:
 * {"deployment", "tag", "started": as recorded, "policy", "mode": that it is judged by, both null where that policy is
 *  not there, "checked", "denied": how often something was reached, or tried, and would be denied now,
 *  "denied_then": how much of it was,
 *  "flows": [{"name": ..|null, "addresses": [..], "port", "proto", "was": "allow"|"would-deny"|"deny", "evidence",
 *             "rule": {..}|null, "reason", "instead", "commands": [..], "count", "first", "last"}]}
 * worst first. Probes do not count. 0 or -ENOMEM. */
int ng_replay_judge(const struct ng_replay *replay, const json_t *deployment, json_t **ret_result);

#endif
