/* SPDX-License-Identifier: BSD-2-Clause */
/* Tracked resolutions: every name that was resolved, with its chains, its addresses and whom it was told. What a new
 * policy is judged by, and where names in records come from. */
#ifndef NAMEGATE_TRACKED_H
#define NAMEGATE_TRACKED_H

#include "answer.h"
#include "table.h"

#include "../policy/vector.h"

#include <sys/queue.h>

#define NG_TRACKED_ADDRESSES_MAX 1024 /* of one name; then those that end first are let go */

/* Names one after the other, the one asked for first. */
struct ng_chain {
    struct ng_chain *next;
    unsigned links;
    size_t size;
    uint8_t wire[];
};

struct ng_tracked_address {
    uint8_t address[16];
    uint64_t learnt_at; /* ns */
    uint32_t ttl;       /* s */
    const struct ng_chain *chain;
};

/* A deployment that was told this resolution. */
struct ng_told {
    uint32_t scope, policy;
    uint64_t version; /* of the resolution for which it has its leases */
    uint64_t at;      /* ns: when the keeper was informed last */
};

struct ng_tracked {
    struct ng_link by_name, by_id;
    TAILQ_ENTRY(ng_tracked) idle; /* when listed: no rule matches and no deployment was told, so it may be let go */
    bool listed;
    bool ruled;                   /* some policy has a rule for a name of its chains */
    bool told_others;             /* the keeper knows that somebody outside of deployments was told */
    struct ng_name name;
    uint64_t id;
    uint64_t version;             /* counts changes of chain and addresses */
    uint64_t announced;           /* version that the keeper knows */
    uint64_t wrote_at;            /* ns: last map write for it, 0: none */
    uint64_t expires_at;          /* ns */
    uint64_t round;               /* marks those that were visited */
    struct ng_chain *chains;      /* the latest first */
    NG_VECTOR(struct ng_tracked_address) addresses;
    NG_VECTOR(struct ng_told) told;
    struct ng_alias *aliases;
};

/* A name that stands in the chain of a tracked one, after the first. */
struct ng_alias {
    struct ng_link link;
    struct ng_alias *next; /* of the same tracked one */
    struct ng_tracked *tracked;
    const struct ng_chain *chain;
    size_t offset;         /* of the name in the chain */
};

struct ng_tracks {
    struct ng_table names, ids, aliases;
    TAILQ_HEAD(ng_idle, ng_tracked) idle; /* the one used longest ago is the first */
    size_t max;
    uint64_t key, last_id;
    size_t cursor;
};

void ng_tracks_init(struct ng_tracks *tracks, size_t max);
void ng_tracks_release(struct ng_tracks *tracks);

struct ng_tracked *ng_tracks_find(const struct ng_tracks *tracks, const struct ng_name *name);
struct ng_tracked *ng_tracks_by_id(const struct ng_tracks *tracks, uint64_t id);

/* Finds or makes. When there are `max`, one that may be let go makes room. -ENOSPC, -ENOMEM. */
int ng_tracks_get(struct ng_tracks *tracks, const struct ng_name *name, struct ng_tracked **ret_tracked);
void ng_tracks_drop(struct ng_tracks *tracks, struct ng_tracked *tracked);

/* Puts the tracked one last among those that may be let go, or takes it away from them. */
void ng_tracks_touch(struct ng_tracks *tracks, struct ng_tracked *tracked);

/* Makes this the latest chain. -ENOMEM: as it was. */
int ng_tracks_chain(struct ng_tracks *tracks, struct ng_tracked *tracked, const struct ng_name *names,
                    unsigned links, const struct ng_chain **ret_chain);

/* Takes away chains, other than the latest, that no address refers to. */
void ng_tracks_trim(struct ng_tracks *tracks, struct ng_tracked *tracked);

/* The next name of a chain from *offset on, which it moves; false at the end. */
bool ng_chain_next(const struct ng_chain *chain, size_t *offset, struct ng_name *ret_name);

/* Each alias with that name: start with NULL. */
struct ng_alias *ng_tracks_alias(const struct ng_tracks *tracks, const struct ng_name *name,
                                 const struct ng_alias *after);

#endif
