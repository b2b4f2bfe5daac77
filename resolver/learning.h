/* SPDX-License-Identifier: BSD-2-Clause */
/* What learn.c, take.c, want.c and lease.c share, and nobody else: what is known (learn.c), how an answer is taken in
 * (take.c), what a policy wants of all that is known (want.c), and what single deployments were told and granted
 * (lease.c). */
#ifndef NAMEGATE_LEARNING_H
#define NAMEGATE_LEARNING_H

#include "judge.h"
#include "learn.h"

#include <string.h>

struct grant {
    uint32_t scope;
    uint64_t until;
    struct ng_name name;
};

struct ng_learn {
    struct ng_learn_ops ops;
    struct ng_message_start start;
    struct ng_claims *claims;
    struct ng_tracks tracks;
    struct ng_snapshot *snapshot; /* NULL before the first */
    const struct ng_snapshot *coming; /* which is about to follow it; NULL: none */
    uint64_t oldest;              /* ns: start of the oldest deployment */
    uint64_t now;                 /* ns: when the call that is under way began */
    uint64_t version;             /* counts changes of all that is known */
    NG_VECTOR(uint32_t) live;     /* scopes of deployments */
    NG_VECTOR(struct grant) grants;
    ng_canaries canaries;
    ng_tracked_list reached;      /* scratch of ng_learn_intact() and spread(), which so do not allocate each time */
    ng_tracked_list leading;      /* scratch of spread() */
};

static inline uint64_t ng_learn_lead_end(const struct ng_learn *learn, const struct ng_lead *lead)
{
    return lead->learnt_at + ng_judge_lifetime(&learn->start, lead->ttl, true);
}

static inline struct ng_destination_key ng_learn_key(uint32_t scope, const uint8_t address[16])
{
    struct ng_destination_key key = {.scope = scope};

    memcpy(key.address, address, sizeof(key.address));
    return key;
}

/* Whether some policy has a rule for the name. */
static inline bool ng_learn_ruled(const struct ng_snapshot *snapshot, const struct ng_name *name)
{
    for (unsigned p = 0; p < ng_snapshot_policies(snapshot); p++)
        if (ng_match_name(snapshot, p, name) != NG_PROFILE_NONE)
            return true;
    return false;
}

/* ng_claims_add(), or ng_claims_want(). */
typedef int (*ng_claim_fn)(struct ng_claims *claims, const struct ng_snapshot *snapshot,
                           const struct ng_destination_key *key, const struct ng_claim *list, unsigned count);

/* Says what a policy wants of all addresses of names that it has rules for, or that such names lead to. 0 or
 * -ENOMEM. */
int ng_want_addresses(struct ng_learn *learn, const struct ng_snapshot *snapshot);

/* Grants of one deployment, or of all: 0. name NULL: all of its. */
int ng_lease_put_grants(struct ng_learn *learn, const struct ng_snapshot *snapshot, uint32_t scope, ng_claim_fn put);
/* The names of grants are required. */
void ng_lease_require_grants(struct ng_learn *learn);
void ng_lease_drop_grants(struct ng_learn *learn, uint32_t scope, const struct ng_name *name);

/* All leases that a deployment has by one name; `put` writes them, or says that they are wanted. */
int ng_lease_put(struct ng_learn *learn, const struct ng_snapshot *snapshot, struct ng_tracked *tracked,
                 const struct ng_told *told, ng_claim_fn put);
/* NULL: that deployment was not told the name. */
struct ng_told *ng_lease_told(struct ng_tracked *tracked, uint32_t scope);
bool ng_lease_live(const struct ng_learn *learn, uint32_t scope);

#endif
