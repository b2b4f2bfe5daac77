// SPDX-License-Identifier: BSD-2-Clause
#include "learn.h"

#include "tracked.h"

#include "../policy/bits.h"

#include <namegate/clock.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COLLECT_BUCKETS 8192
#define TELL_AGAIN NG_SECOND /* how often the keeper hears of the same name and deployment */

struct ng_learn {
    struct ng_learn_ops ops;
    struct ng_message_start start;
    struct ng_claims *claims;
    struct ng_tracks tracks;
    struct ng_snapshot *snapshot; /* NULL before the first */
    uint64_t oldest;              /* ns: start of the oldest deployment */
    uint64_t round;
};

/* What the names of one chain say under one policy. */
struct judgement {
    struct ng_claim claim[NG_CHAIN_MAX];
    unsigned count;
};

int ng_learn_new(const struct ng_message_start *start, const struct ng_learn_ops *ops, struct ng_learn **ret_learn)
{
    struct ng_learn *learn = calloc(1, sizeof(*learn));
    int r;

    if (!learn)
        return -ENOMEM;
    learn->ops = *ops;
    learn->start = *start;
    learn->oldest = NG_FOREVER;
    ng_tracks_init(&learn->tracks, start->tracked_max);
    r = ng_claims_new(&ops->claims, &learn->claims);
    if (r < 0) {
        free(learn);
        return r;
    }
    *ret_learn = learn;
    return 0;
}

void ng_learn_free(struct ng_learn *learn)
{
    if (!learn)
        return;
    ng_tracks_release(&learn->tracks);
    ng_claims_free(learn->claims);
    ng_snapshot_free(learn->snapshot);
    free(learn);
}

int ng_learn_adopt(struct ng_learn *learn, const struct ng_destination_key *key, const struct ng_destination *value)
{
    return ng_claims_adopt(learn->claims, key, value);
}

const struct ng_snapshot *ng_learn_policy(const struct ng_learn *learn)
{
    return learn->snapshot;
}

struct ng_tracked *ng_learn_find(const struct ng_learn *learn, uint64_t id)
{
    return ng_tracks_by_id(&learn->tracks, id);
}

size_t ng_learn_tracked(const struct ng_learn *learn)
{
    return learn->tracks.names.count;
}

size_t ng_learn_destinations(const struct ng_learn *learn)
{
    return ng_claims_count(learn->claims);
}

static bool guarded(const struct ng_learn *learn, const uint8_t address[16])
{
    for (uint32_t i = 0; i < learn->start.guarded; i++)
        if (ng_inside(address, learn->start.guard[i].address, learn->start.guard[i].prefix))
            return true;
    return false;
}

static uint64_t lifetime(const struct ng_learn *learn, uint32_t ttl, bool denies)
{
    if (denies && ttl < learn->start.floor_s)
        ttl = learn->start.floor_s;
    return ((uint64_t)ttl + learn->start.grace_s) * NG_SECOND;
}

/* The name asked for speaks with its allows and its denies, the links behind it with their denies alone. */
static void judge(const struct ng_learn *learn, const struct ng_snapshot *snapshot, unsigned policy,
                  const struct ng_chain *chain, uint64_t learnt_at, uint32_t ttl, struct judgement *judgement)
{
    struct ng_name name;
    size_t offset = 0;

    judgement->count = 0;
    for (bool first = true; ng_chain_next(chain, &offset, &name); first = false) {
        uint64_t profile = ng_match_name(snapshot, policy, &name);
        bool denies = ng_snapshot_denies(snapshot, profile), known = false;

        if (profile == NG_PROFILE_NONE || (!first && !denies))
            continue;
        for (unsigned i = 0; i < judgement->count; i++)
            known |= judgement->claim[i].profile == profile;
        if (!known && judgement->count < NG_CHAIN_MAX)
            judgement->claim[judgement->count++] =
                (struct ng_claim){.profile = profile,
                                  .expires_at = learnt_at + lifetime(learn, ttl, denies),
                                  .allow = first};
    }
}

/* Leaves only what a DNS answer may say of a guarded address. Whether something was left out. */
static bool spare(const struct ng_snapshot *snapshot, struct judgement *judgement)
{
    unsigned kept = 0, count = judgement->count;

    for (unsigned i = 0; i < count; i++)
        if (!ng_snapshot_denies(snapshot, judgement->claim[i].profile))
            judgement->claim[kept++] = judgement->claim[i];
    judgement->count = kept;
    return kept < count;
}

static struct ng_destination_key key_of(uint32_t scope, const uint8_t address[16])
{
    struct ng_destination_key key = {.scope = scope};

    memcpy(key.address, address, sizeof(key.address));
    return key;
}

/* Writes what all policies say of one address. `denies_only`: leaves allows as they are. */
static int write_address(struct ng_learn *learn, struct ng_tracked *tracked, const struct ng_chain *chain,
                         const uint8_t address[16], uint64_t learnt_at, uint32_t ttl, bool denies_only)
{
    bool safe = !guarded(learn, address), reported = false;

    for (unsigned p = 0; p < ng_snapshot_policies(learn->snapshot); p++) {
        struct ng_policy_info policy;
        struct ng_destination_key key;
        struct judgement judgement;
        int r;

        judge(learn, learn->snapshot, p, chain, learnt_at, ttl, &judgement);
        if (judgement.count == 0)
            continue;
        tracked->ruled = true;
        if (!safe && spare(learn->snapshot, &judgement) && !reported) {
            learn->ops.guarded(learn->ops.arg, &tracked->name, address);
            reported = true;
        }
        if (denies_only) {
            struct judgement all = judgement;

            judgement.count = 0;
            for (unsigned i = 0; i < all.count; i++)
                if (ng_snapshot_denies(learn->snapshot, all.claim[i].profile))
                    judgement.claim[judgement.count++] = all.claim[i];
        }
        if (judgement.count == 0)
            continue;
        ng_snapshot_policy(learn->snapshot, p, &policy);
        key = key_of(policy.scope, address);
        r = ng_claims_add(learn->claims, learn->snapshot, &key, judgement.claim, judgement.count);
        if (r < 0)
            return r;
        tracked->wrote_at = learn->ops.now(learn->ops.arg);
    }
    return 0;
}

/* What is let go here stays in the kernel to its end: nothing becomes reachable. */
static void forget_address(struct ng_learn *learn, struct ng_tracked *tracked, size_t index)
{
    struct ng_tracked_address *it = &tracked->addresses.items[index];

    for (unsigned p = 0; p < ng_snapshot_policies(learn->snapshot); p++) {
        struct ng_policy_info policy;
        struct ng_destination_key key;

        ng_snapshot_policy(learn->snapshot, p, &policy);
        key = key_of(policy.scope, it->address);
        ng_claims_orphan(learn->claims, &key);
    }
    *it = tracked->addresses.items[--tracked->addresses.count];
}

static int remember_address(struct ng_learn *learn, struct ng_tracked *tracked, const struct ng_chain *chain,
                            const uint8_t address[16], uint64_t learnt_at, uint32_t ttl)
{
    struct ng_tracked_address made = {.learnt_at = learnt_at, .ttl = ttl, .chain = chain};
    size_t oldest = 0;

    memcpy(made.address, address, sizeof(made.address));
    for (size_t i = 0; i < tracked->addresses.count; i++) {
        struct ng_tracked_address *it = &tracked->addresses.items[i];

        if (it->chain == chain && memcmp(it->address, address, sizeof(it->address)) == 0) {
            *it = made;
            return 0;
        }
        if (it->learnt_at < tracked->addresses.items[oldest].learnt_at)
            oldest = i;
    }
    if (tracked->addresses.count == NG_TRACKED_ADDRESSES_MAX)
        forget_address(learn, tracked, oldest);
    tracked->version++;
    return ng_vector_add(&tracked->addresses, made) ? 0 : -ENOMEM;
}

static int learn_addresses(struct ng_learn *learn, struct ng_tracked *tracked, const struct ng_chain *chain,
                           const struct ng_answer *answer)
{
    uint64_t now = learn->ops.now(learn->ops.arg), end = now + lifetime(learn, answer->ttl, true);
    struct judgement judgement;

    for (unsigned i = 0; i < answer->addresses; i++) {
        int r = write_address(learn, tracked, chain, answer->address[i], now, answer->ttl, false);

        if (r == 0)
            r = remember_address(learn, tracked, chain, answer->address[i], now, answer->ttl);
        if (r < 0)
            return r;
    }
    /* A chain without addresses is ruled too: its addresses may come by another question. */
    for (unsigned p = 0; !tracked->ruled && p < ng_snapshot_policies(learn->snapshot); p++) {
        judge(learn, learn->snapshot, p, chain, now, answer->ttl, &judgement);
        tracked->ruled = judgement.count > 0;
    }
    if (end > tracked->expires_at)
        tracked->expires_at = end;
    ng_tracks_touch(&learn->tracks, tracked);
    return 0;
}

/* The chain of a tracked one up to the name that was asked for now, then that name's own. */
static unsigned join_chains(const struct ng_alias *alias, const struct ng_answer *answer,
                            struct ng_name names[NG_CHAIN_MAX])
{
    unsigned links = 0;
    size_t offset = 0;

    while (offset < alias->offset && links < NG_CHAIN_MAX && ng_chain_next(alias->chain, &offset, &names[links]))
        links++;
    for (unsigned i = 0; i < answer->links && links < NG_CHAIN_MAX; i++)
        names[links++] = answer->chain[i];
    return links;
}

/* A name can be an alias of others that were asked for before, alone or for another type: its addresses are theirs. */
static int learn_aliases(struct ng_learn *learn, const struct ng_tracked *asked, const struct ng_answer *answer)
{
    struct ng_alias *alias = NULL;

    learn->round++;
    while ((alias = ng_tracks_alias(&learn->tracks, &asked->name, alias))) {
        struct ng_tracked *tracked = alias->tracked;
        struct ng_name names[NG_CHAIN_MAX];
        const struct ng_chain *chain = alias->chain;
        uint64_t version = tracked->version;
        unsigned links;
        int r;

        if (tracked == asked || tracked->round == learn->round || !tracked->ruled)
            continue;
        tracked->round = learn->round;
        links = join_chains(alias, answer, names);
        r = ng_tracks_chain(&learn->tracks, tracked, names, links, &chain);
        if (r == 0)
            r = learn_addresses(learn, tracked, chain, answer);
        if (r < 0)
            return r;
        if (tracked->version != version)
            learn->ops.changed(learn->ops.arg, tracked);
        /* The table may have changed under the walk: begin again, those done are marked. */
        alias = NULL;
    }
    return 0;
}

/* Whether some policy has a rule for a name of the answer's chain. */
static bool ruled(const struct ng_learn *learn, const struct ng_answer *answer)
{
    for (unsigned p = 0; p < ng_snapshot_policies(learn->snapshot); p++)
        for (unsigned i = 0; i < answer->links; i++)
            if (ng_match_name(learn->snapshot, p, &answer->chain[i]) != NG_PROFILE_NONE)
                return true;
    return false;
}

int ng_learn_answer(struct ng_learn *learn, const struct ng_name *name, const struct ng_answer *answer,
                    struct ng_tracked **ret_tracked)
{
    const struct ng_chain *chain;
    struct ng_tracked *tracked;
    int r = ng_tracks_get(&learn->tracks, name, &tracked);

    if (r == -ENOSPC && !ruled(learn, answer)) {
        *ret_tracked = NULL;
        return 0;
    }
    if (r == 0)
        r = ng_tracks_chain(&learn->tracks, tracked, answer->chain, answer->links, &chain);
    if (r == 0)
        r = learn_addresses(learn, tracked, chain, answer);
    if (r == 0)
        r = learn_aliases(learn, tracked, answer);
    if (r < 0)
        return r;
    *ret_tracked = tracked;
    return 0;
}

void ng_learn_failed(struct ng_learn *learn, const struct ng_name *name)
{
    struct ng_tracked *tracked = ng_tracks_find(&learn->tracks, name);
    uint64_t now = learn->ops.now(learn->ops.arg);

    for (size_t i = 0; tracked && tracked->ruled && i < tracked->addresses.count; i++) {
        struct ng_tracked_address *it = &tracked->addresses.items[i];

        /* An entry that is there can be written anew; if not, it lives to the end that it has. */
        if (write_address(learn, tracked, it->chain, it->address, now, 0, true) == 0 &&
            it->learnt_at + lifetime(learn, it->ttl, true) < now + lifetime(learn, 0, true)) {
            it->learnt_at = now;
            it->ttl = 0;
        }
    }
}

static struct ng_told *told_of(struct ng_tracked *tracked, uint32_t scope)
{
    for (size_t i = 0; i < tracked->told.count; i++)
        if (tracked->told.items[i].scope == scope)
            return &tracked->told.items[i];
    return NULL;
}

/* The lease of one address: what its own name allows, to the deployment's end. */
static bool lease(const struct ng_learn *learn, const struct ng_snapshot *snapshot, const struct ng_tracked *tracked,
                  uint32_t policy, const uint8_t address[16], struct ng_claim *ret_claim)
{
    int p = ng_snapshot_find_scope(snapshot, policy);
    uint64_t profile = p < 0 ? NG_PROFILE_NONE : ng_match_name(snapshot, (unsigned)p, &tracked->name);

    if (!ng_snapshot_allows(snapshot, profile) ||
        (ng_snapshot_denies(snapshot, profile) && guarded(learn, address)))
        return false;
    *ret_claim = (struct ng_claim){.profile = profile, .expires_at = NG_FOREVER, .allow = 1};
    return true;
}

int ng_learn_told(struct ng_learn *learn, struct ng_tracked *tracked, uint32_t scope, uint32_t policy,
                  bool *ret_tell)
{
    struct ng_told *told = told_of(tracked, scope);
    uint64_t now = learn->ops.now(learn->ops.arg);

    if (!told) {
        struct ng_told made = {.scope = scope, .policy = policy, .version = UINT64_MAX};

        if (!ng_vector_add(&tracked->told, made))
            return -ENOMEM;
        told = &tracked->told.items[tracked->told.count - 1];
        ng_tracks_touch(&learn->tracks, tracked);
    }
    for (size_t i = 0; told->version != tracked->version && i < tracked->addresses.count; i++) {
        const uint8_t *address = tracked->addresses.items[i].address;
        struct ng_destination_key key = key_of(scope, address);
        struct ng_claim claim;
        int r;

        if (!lease(learn, learn->snapshot, tracked, policy, address, &claim))
            continue;
        r = ng_claims_add(learn->claims, learn->snapshot, &key, &claim, 1);
        if (r < 0)
            return r;
        tracked->wrote_at = learn->ops.now(learn->ops.arg);
    }
    *ret_tell = told->at == 0 || told->version != tracked->version || now - told->at >= TELL_AGAIN;
    told->version = tracked->version;
    if (*ret_tell)
        told->at = now;
    return 0;
}

/* A walk over all that is tracked. */
struct walk {
    struct ng_learn *learn;
    const struct ng_snapshot *snapshot;
    uint64_t now;
    uint32_t scope;
    int error;
};

static int want_address(const struct walk *walk, const struct ng_tracked *tracked,
                        const struct ng_tracked_address *it)
{
    const struct ng_learn *learn = walk->learn;
    bool safe = !guarded(learn, it->address);
    int r = 0;

    for (unsigned p = 0; r == 0 && p < ng_snapshot_policies(walk->snapshot); p++) {
        struct ng_policy_info policy;
        struct ng_destination_key key;
        struct judgement judgement;

        judge(learn, walk->snapshot, p, it->chain, it->learnt_at, it->ttl, &judgement);
        if (!safe)
            (void)spare(walk->snapshot, &judgement);
        if (judgement.count == 0)
            continue;
        ng_snapshot_policy(walk->snapshot, p, &policy);
        key = key_of(policy.scope, it->address);
        r = ng_claims_want(learn->claims, walk->snapshot, &key, judgement.claim, judgement.count);
    }
    for (size_t i = 0; r == 0 && i < tracked->told.count; i++) {
        struct ng_destination_key key = key_of(tracked->told.items[i].scope, it->address);
        struct ng_claim claim;

        if (lease(learn, walk->snapshot, tracked, tracked->told.items[i].policy, it->address, &claim))
            r = ng_claims_want(learn->claims, walk->snapshot, &key, &claim, 1);
    }
    return r;
}

static void want_one(void *arg, struct ng_link *link)
{
    struct walk *walk = arg;
    struct ng_tracked *tracked = ng_record(link, struct ng_tracked, by_name);

    for (size_t i = 0; walk->error == 0 && i < tracked->addresses.count; i++)
        walk->error = want_address(walk, tracked, &tracked->addresses.items[i]);
}

static void rule_one(void *arg, struct ng_link *link)
{
    struct walk *walk = arg;
    struct ng_tracked *tracked = ng_record(link, struct ng_tracked, by_name);
    bool matched = false;

    for (const struct ng_chain *chain = tracked->chains; chain; chain = chain->next) {
        for (unsigned p = 0; !matched && p < ng_snapshot_policies(walk->snapshot); p++) {
            struct judgement judgement;

            judge(walk->learn, walk->snapshot, p, chain, 0, 0, &judgement);
            matched = judgement.count > 0;
        }
    }
    if (matched && !tracked->ruled)
        tracked->wrote_at = walk->now;
    if (matched != tracked->ruled) {
        tracked->ruled = matched;
        ng_tracks_touch(&walk->learn->tracks, tracked);
        if (matched)
            walk->learn->ops.changed(walk->learn->ops.arg, tracked);
    }
}

int ng_learn_snapshot(struct ng_learn *learn, struct ng_snapshot *snapshot)
{
    struct walk walk = {.learn = learn, .snapshot = snapshot};
    int r = ng_claims_begin(learn->claims);

    if (r == 0) {
        ng_table_each(&learn->tracks.names, want_one, &walk);
        r = walk.error;
    }
    if (r < 0) {
        ng_claims_abort(learn->claims);
        return r;
    }
    r = ng_claims_commit(learn->claims, snapshot);
    if (r < 0)
        return r;
    ng_snapshot_free(learn->snapshot);
    learn->snapshot = snapshot;
    walk.now = learn->ops.now(learn->ops.arg);
    ng_table_each(&learn->tracks.names, rule_one, &walk);
    return 0;
}

static void end_one(void *arg, struct ng_link *link)
{
    struct walk *walk = arg;
    struct ng_tracked *tracked = ng_record(link, struct ng_tracked, by_name);
    struct ng_told *told = told_of(tracked, walk->scope);

    if (!told)
        return;
    *told = tracked->told.items[--tracked->told.count];
    ng_tracks_touch(&walk->learn->tracks, tracked);
}

void ng_learn_deployment(struct ng_learn *learn, uint32_t scope, bool ended, uint64_t oldest)
{
    struct walk walk = {.learn = learn, .scope = scope};

    learn->oldest = oldest;
    if (!ended)
        return;
    (void)ng_claims_end(learn->claims, scope);
    ng_table_each(&learn->tracks.names, end_one, &walk);
}

static void collect_one(void *arg, struct ng_link *link)
{
    const struct walk *walk = arg;
    struct ng_learn *learn = walk->learn;
    struct ng_tracked *tracked = ng_record(link, struct ng_tracked, by_name);

    /* Whoever was told may need its lease written anew after a change of policy. */
    if (tracked->told.count)
        return;
    for (size_t i = 0; i < tracked->addresses.count;) {
        const struct ng_tracked_address *it = &tracked->addresses.items[i];
        uint64_t end = it->learnt_at + lifetime(learn, it->ttl, true);

        if (end <= walk->now && end <= learn->oldest)
            tracked->addresses.items[i] = tracked->addresses.items[--tracked->addresses.count];
        else
            i++;
    }
    if (tracked->addresses.count == 0 && tracked->expires_at <= walk->now &&
        tracked->expires_at <= learn->oldest)
        ng_tracks_drop(&learn->tracks, tracked);
    else
        ng_tracks_trim(&learn->tracks, tracked);
}

size_t ng_learn_collect(struct ng_learn *learn)
{
    struct walk walk = {.learn = learn, .now = learn->ops.now(learn->ops.arg)};
    size_t size = learn->tracks.names.size;

    ng_table_walk(&learn->tracks.names, &learn->tracks.cursor, size < COLLECT_BUCKETS ? size : COLLECT_BUCKETS,
                  collect_one, &walk);
    return ng_claims_collect(learn->claims, walk.now, learn->oldest);
}
