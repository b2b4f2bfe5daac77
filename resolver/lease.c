// SPDX-License-Identifier: BSD-2-Clause
/* What is so for single deployments: leases of what they were told, grants, and what they are answered. */
#include "learning.h"

#include <namegate/clock.h>

#include <errno.h>

#define TELL_AGAIN NG_SECOND         /* how often the keeper hears of the same name and process */
#define TELL_OTHER (NG_SECOND / 100) /* and of the same name and deployment, unless an answer is withheld */

/* What service bindings say of another name is no address of this one. */
static int put_grant(struct ng_learn *learn, const struct ng_snapshot *snapshot, const struct grant *grant,
                     ng_claim_fn put)
{
    struct ng_claim claim = {.profile = NG_PROFILE_GRANT, .expires_at = grant->until, .allow = 1};
    struct ng_tracked *tracked = ng_tracks_find(&learn->tracks, &grant->name);
    ng_tracked_list holders = {0};
    int r = tracked ? ng_tracks_down(&learn->tracks, tracked, NULL, NULL, &holders) : 0;

    if (tracked)
        ng_tracks_require(&learn->tracks, tracked);
    for (size_t h = 0; h < holders.count; h++) {
        const struct ng_tracked *holder = holders.items[h];

        for (size_t i = 0; r == 0 && i < holder->addresses.count; i++) {
            struct ng_destination_key key = ng_learn_key(grant->scope, holder->addresses.items[i].address);

            if (!holder->addresses.items[i].hint)
                r = put(learn->claims, snapshot, &key, &claim, 1);
        }
    }
    ng_vector_free(&holders);
    return r;
}

int ng_lease_put_grants(struct ng_learn *learn, const struct ng_snapshot *snapshot, uint32_t scope, ng_claim_fn put)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < learn->grants.count; i++)
        if (!scope || learn->grants.items[i].scope == scope)
            r = put_grant(learn, snapshot, &learn->grants.items[i], put);
    return r;
}

void ng_lease_require_grants(struct ng_learn *learn)
{
    for (size_t i = 0; i < learn->grants.count; i++) {
        struct ng_tracked *tracked = ng_tracks_find(&learn->tracks, &learn->grants.items[i].name);

        if (tracked)
            ng_tracks_require(&learn->tracks, tracked);
    }
}

void ng_lease_drop_grants(struct ng_learn *learn, uint32_t scope, const struct ng_name *name)
{
    size_t kept = 0;

    for (size_t i = 0; i < learn->grants.count; i++) {
        const struct grant *it = &learn->grants.items[i];

        if (it->scope != scope || (name && !ng_name_equal(&it->name, name)))
            learn->grants.items[kept++] = *it;
    }
    learn->grants.count = kept;
}

int ng_learn_grant(struct ng_learn *learn, uint32_t scope, const struct ng_name *name, uint64_t until)
{
    struct grant grant = {.scope = scope, .until = until, .name = *name};

    ng_claims_turn(learn->claims);
    ng_lease_drop_grants(learn, scope, name);
    ng_claims_revoke(learn->claims, scope, NG_PROFILE_GRANT);
    if (until && !ng_vector_add(&learn->grants, grant))
        return -ENOMEM;
    return ng_lease_put_grants(learn, learn->snapshot, scope, ng_claims_add);
}

struct ng_told *ng_lease_told(struct ng_tracked *tracked, uint32_t scope)
{
    for (size_t i = 0; i < tracked->told.count; i++)
        if (tracked->told.items[i].scope == scope)
            return &tracked->told.items[i];
    return NULL;
}

/* The lease of one address: what the name asked for allows, to the deployment's end. */
static bool lease(const struct ng_learn *learn, const struct ng_snapshot *snapshot, const struct ng_tracked *tracked,
                  uint32_t policy, const uint8_t address[16], struct ng_claim *ret_claim)
{
    int p = ng_snapshot_find_scope(snapshot, policy);
    uint64_t profile = p < 0 ? NG_PROFILE_NONE : ng_match_name(snapshot, (unsigned)p, &tracked->name);

    if (!ng_snapshot_allows(snapshot, profile) ||
        (ng_snapshot_denies(snapshot, profile) && ng_judge_guarded(&learn->start, address)))
        return false;
    *ret_claim = (struct ng_claim){.profile = profile, .expires_at = NG_FOREVER, .allow = 1};
    return true;
}

int ng_lease_put(struct ng_learn *learn, const struct ng_snapshot *snapshot, struct ng_tracked *tracked,
                 const struct ng_told *told, ng_claim_fn put)
{
    ng_tracked_list holders = {0};
    int r = ng_tracks_down(&learn->tracks, tracked, NULL, NULL, &holders);

    for (size_t h = 0; r == 0 && h < holders.count; h++) {
        const struct ng_tracked *holder = holders.items[h];

        for (size_t i = 0; r == 0 && i < holder->addresses.count; i++) {
            struct ng_destination_key key = ng_learn_key(told->scope, holder->addresses.items[i].address);
            struct ng_claim claim;

            if (holder->addresses.items[i].hint || !lease(learn, snapshot, tracked, told->policy, key.address, &claim))
                continue;
            r = put(learn->claims, snapshot, &key, &claim, 1);
            tracked->wrote_at = r == 0 ? learn->ops.now(learn->ops.arg) : tracked->wrote_at;
        }
    }
    ng_vector_free(&holders);
    return r;
}

bool ng_lease_live(const struct ng_learn *learn, uint32_t scope)
{
    for (size_t i = 0; i < learn->live.count; i++)
        if (learn->live.items[i] == scope)
            return true;
    return false;
}

/* Whether the keeper is to hear of it. */
static bool is_news(struct ng_told *told, uint32_t pid, bool withheld, uint64_t now)
{
    unsigned kept = told->pids < NG_TOLD_PIDS ? told->pids : NG_TOLD_PIDS;

    if (told->at == 0 || now - told->at >= TELL_AGAIN) {
        told->pids = 0;
        return true;
    }
    for (unsigned i = 0; i < kept; i++)
        if (told->pid[i] == pid)
            return false;
    return withheld || now - told->at >= TELL_OTHER;
}

int ng_learn_told(struct ng_learn *learn, struct ng_tracked *tracked, const struct ng_asker *asker, bool withheld,
                  bool *ret_tell)
{
    struct ng_told *told = ng_lease_told(tracked, asker->scope);
    uint64_t now = learn->ops.now(learn->ops.arg);

    *ret_tell = false;
    if (!ng_lease_live(learn, asker->scope))
        return 0; /* it ended while its question was under way */
    if (!told) {
        struct ng_told made = {.scope = asker->scope, .policy = asker->policy, .version = UINT64_MAX};

        if (!ng_vector_add(&tracked->told, made))
            return -ENOMEM;
        told = &tracked->told.items[tracked->told.count - 1];
    }
    *ret_tell = is_news(told, asker->pid, withheld, now);
    if (told->version != learn->version) {
        int r = ng_lease_put(learn, learn->snapshot, tracked, told, ng_claims_add);

        if (r < 0)
            return r;
        *ret_tell = true;
    }
    told->version = learn->version;
    if (*ret_tell) {
        told->at = now;
        told->pid[told->pids++ % NG_TOLD_PIDS] = asker->pid;
    }
    return 0;
}

static bool has_grant(const struct ng_learn *learn, const struct ng_tracked *tracked, uint32_t scope)
{
    for (size_t i = 0; i < learn->grants.count; i++)
        if (learn->grants.items[i].scope == scope && ng_name_equal(&learn->grants.items[i].name, &tracked->name))
            return learn->grants.items[i].until > learn->ops.now(learn->ops.arg);
    return false;
}

uint8_t ng_learn_answer_kind(struct ng_learn *learn, struct ng_tracked *tracked, uint32_t scope, uint32_t policy,
                             const struct ng_tracked **ret_denied)
{
    int p = has_grant(learn, tracked, scope) ? -ENOENT : ng_snapshot_find_scope(learn->snapshot, policy);
    const struct ng_tracked *chain[NG_CHAIN_MAX];
    unsigned links = p < 0 ? 0 : ng_tracks_chain(&learn->tracks, tracked, chain);

    *ret_denied = NULL;
    for (unsigned i = 0; i < links; i++) {
        uint64_t profile = ng_match_name(learn->snapshot, (unsigned)p, &chain[i]->name);
        uint8_t kind = ng_snapshot_answer(learn->snapshot, profile);

        if (!*ret_denied && ng_snapshot_denies(learn->snapshot, profile))
            *ret_denied = chain[i];
        if (kind == NG_ANSWER_REAL)
            continue;
        *ret_denied = chain[i];
        return kind;
    }
    return NG_ANSWER_REAL;
}
