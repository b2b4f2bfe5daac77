/* SPDX-License-Identifier: BSD-2-Clause */
/* What deployments did, as the ledger tells it (ledger/reader.h), judged under any policy: with the function that
 * enforces. What root granted for a while, incidents, and the addresses that no name can make denied (but loopback) are
 * not on record, so that they are judged as if there were none. */
#ifndef NAMEGATE_CLI_RECORDED_H
#define NAMEGATE_CLI_RECORDED_H

#include "../policy/case.h"

#include <jansson.h>

/* The names that led to each address of a deployment. */
struct ng_recorded;

/* The document must live as long. -ENOMEM. */
int ng_recorded_new(const json_t *deployment, struct ng_recorded **ret_recorded);
void ng_recorded_free(struct ng_recorded *recorded);

/* Whether the deployment itself was told this name, and the address for it. */
bool ng_recorded_told(const struct ng_recorded *recorded, const char *name, const char *address);

/* A flow of that deployment under a policy, in that policy's mode. -EBADMSG: it makes no sense. */
int ng_recorded_case(const struct ng_recorded *recorded, const json_t *flow, const struct ng_snapshot *snapshot,
                     unsigned policy, struct ng_case *ret_case);

/* A look-up of that deployment: a resolution, or a flow of protocol "dns". */
void ng_recorded_look_up(const json_t *resolution, const struct ng_snapshot *snapshot, unsigned policy,
                         struct ng_case *ret_case);
bool ng_recorded_is_look_up(const json_t *flow);

/* The same, judged; not for look-ups. */
int ng_recorded_judge(const struct ng_case *it, const json_t *flow, struct ng_opinion *ret_opinion);

/* The protocol (IPPROTO_*) of a flow, 0 of a look-up, -EBADMSG. */
int ng_recorded_proto(const json_t *flow);

/* Whether it stayed on the host: loopback. */
bool ng_recorded_local(const json_t *flow);

/* Whether it says that something happened, or was tried: probes send nothing. */
bool ng_recorded_counts(const json_t *flow);

#endif
