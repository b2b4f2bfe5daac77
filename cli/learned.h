/* SPDX-License-Identifier: BSD-2-Clause */
/* From what deployments did (ledger/reader.h) to the policy that allows just that, or to what a service depends on.
 *
 * What happened, and no rule has to allow, is left out: what stays on the host, and DNS. What was denied did not
 * happen. Where NG_LEARNED_MANY names below one registered domain were reached on the same port, a wildcard stands for
 * them: the longest that so many are below. Where no name was asked for, or one that cannot be written in a policy so
 * that nothing is to be said against it, addresses stand for it. */
#ifndef NAMEGATE_CLI_LEARNED_H
#define NAMEGATE_CLI_LEARNED_H

#include "dependency.h"

#include "../policy/snapshot.h"

#define NG_LEARNED_MANY 4

struct ng_learned {
    struct ng_dependencies needed;  /* happened */
    struct ng_dependencies refused; /* was denied */
    struct ng_dependencies barred;  /* would have been denied, and no rule can allow it */
    struct ng_snapshot *bare;       /* a strict policy without rules */
    json_t *tags;                   /* tag -> deployments */
    unsigned deployments;
    char *first, *last;             /* RFC 3339: when they started */
};

int ng_learned_new(struct ng_learned **ret_learned);
void ng_learned_free(struct ng_learned *learned);

/* Takes in one deployment. 0 or -ENOMEM. */
int ng_learned_add(struct ng_learned *learned, const json_t *deployment);

/* The rules for all that is needed, in their order: texts are names, wildcards and addresses (generalise.c). */
int ng_learned_rules(const struct ng_learned *learned, struct ng_dependencies *ret_rules);

/* A policy that passes `policy check --strict` and is laid out as `policy fmt` does it, and what it allows as JSON; the
 * caller's both (learned_policy.c). -EINVAL: it cannot be written so. */
int ng_learned_policy(struct ng_learned *learned, const char *name, char **ret_text, json_t **ret_rules);

/* The same for the dependencies of a service: names alone, whether they were denied or not. */
int ng_learned_manifest(const struct ng_learned *learned, const char *service, char **ret_text, json_t **ret_rules);

#endif
