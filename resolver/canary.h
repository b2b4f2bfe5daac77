/* SPDX-License-Identifier: BSD-2-Clause */
/* The canaries of deployments that test themselves (namegate/canary.h): denied in the kernel, and answered to those
 * deployments alone. */
#ifndef NAMEGATE_RESOLVER_CANARY_H
#define NAMEGATE_RESOLVER_CANARY_H

#include "claims.h"
#include "wire.h"

#include "../policy/vector.h"

struct ng_canary {
    uint32_t scope; /* of the deployment */
    uint64_t number;
    uint64_t until; /* ns */
};

typedef NG_VECTOR(struct ng_canary) ng_canaries;

/* ng_claims_add() or ng_claims_want(). */
typedef int (*ng_canary_put_fn)(struct ng_claims *claims, const struct ng_snapshot *snapshot,
                                const struct ng_destination_key *key, const struct ng_claim *list, unsigned count);

/* Writes those of one deployment (scope), or of all: 0. 0 or -errno of the writer. */
int ng_canaries_put(const ng_canaries *canaries, struct ng_claims *claims, const struct ng_snapshot *snapshot,
                    uint32_t scope, ng_canary_put_fn put);

/* The deployment's own, in place of any before; number 0: none. */
int ng_canaries_set(ng_canaries *canaries, uint32_t scope, uint64_t number, uint64_t until);

/* If a deployment asks for its canary, writes the answer and returns its size; else 0. `wire` has room for
 * NG_WIRE_QUERY_MAX. */
size_t ng_canaries_answer(const ng_canaries *canaries, uint32_t scope, const struct ng_query *query, uint8_t *wire);

#endif
