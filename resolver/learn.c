// SPDX-License-Identifier: BSD-2-Clause
#include "learning.h"

#include <namegate/canary.h>
#include <namegate/clock.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COLLECT_BUCKETS 8192
#define RENEW_MIN (30 * NG_SECOND) /* how often a name is asked for anew, at most */

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
    ng_vector_free(&learn->live);
    ng_vector_free(&learn->grants);
    ng_vector_free(&learn->canaries);
    ng_vector_free(&learn->reached);
    ng_vector_free(&learn->leading);
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

struct ng_tracked *ng_learn_find(const struct ng_learn *learn, const struct ng_name *name, uint64_t id)
{
    struct ng_tracked *tracked = id ? ng_tracks_find(&learn->tracks, name) : NULL;

    return tracked && tracked->id == id ? tracked : NULL;
}

size_t ng_learn_tracked(const struct ng_learn *learn)
{
    return learn->tracks.names.count;
}

uint64_t ng_learn_drops(const struct ng_learn *learn)
{
    return learn->tracks.drops;
}

size_t ng_learn_destinations(const struct ng_learn *learn)
{
    return ng_claims_count(learn->claims);
}

int ng_learn_canary(struct ng_learn *learn, uint32_t scope, uint64_t number, uint64_t until)
{
    ng_claims_turn(learn->claims);
    ng_claims_revoke(learn->claims, scope, NG_CANARY_PROFILE);
    if (ng_canaries_set(&learn->canaries, scope, number, until) < 0)
        return -ENOMEM;
    return ng_canaries_put(&learn->canaries, learn->claims, learn->snapshot, scope, ng_claims_add);
}

const ng_canaries *ng_learn_canaries(const struct ng_learn *learn)
{
    return &learn->canaries;
}

void ng_learn_turn(struct ng_learn *learn)
{
    learn->tracks.turn++;
    ng_claims_turn(learn->claims);
}

void ng_learn_announce(struct ng_learn *learn, struct ng_tracked *tracked, ng_tell_fn tell, void *arg)
{
    ng_tell_resolution(&learn->tracks, tracked, tell, arg);
}

/* What is done with each destination of a name. */
struct visit {
    int (*fn)(struct ng_learn *learn, const struct ng_destination_key *key, const struct visit *visit);
    const struct ng_name *name;
};

static int expect(struct ng_learn *learn, const struct ng_destination_key *key, const struct visit *visit)
{
    return ng_claims_expect(learn->claims, key, visit->name);
}

static int foresee(struct ng_learn *learn, const struct ng_destination_key *key, const struct visit *visit)
{
    (void)visit;
    return ng_claims_foresee(learn->claims, key);
}

static int check(struct ng_learn *learn, const struct ng_destination_key *key, const struct visit *visit)
{
    (void)visit;
    return ng_claims_check(learn->claims, key);
}

/* Visits all destinations of one address. Returns the sum, or the first error. */
static int each_of(struct ng_learn *learn, const uint8_t address[16], uint32_t scope, const struct visit *visit)
{
    int sum = 0;

    for (unsigned p = 0; p <= ng_snapshot_policies(learn->snapshot); p++) {
        struct ng_policy_info policy = {.scope = scope};
        struct ng_destination_key key;
        int r;

        if (p < ng_snapshot_policies(learn->snapshot))
            ng_snapshot_policy(learn->snapshot, p, &policy);
        key = ng_learn_key(policy.scope, address);
        r = policy.scope ? visit->fn(learn, &key, visit) : 0;
        if (r < 0)
            return r;
        sum += r;
    }
    return sum;
}

/* The same of all that stands for a name. */
static int each_behind(struct ng_learn *learn, struct ng_tracked *tracked, uint32_t scope, const struct visit *visit)
{
    int sum = 0, r;

    learn->reached.count = 0;
    r = ng_tracks_down(&learn->tracks, tracked, NULL, NULL, &learn->reached);
    for (size_t h = 0; r >= 0 && h < learn->reached.count; h++) {
        const struct ng_tracked *holder = learn->reached.items[h];

        for (size_t i = 0; r >= 0 && holder->required && i < holder->addresses.count; i++) {
            r = each_of(learn, holder->addresses.items[i].address, scope, visit);
            sum += r > 0 ? r : 0;
        }
    }
    return r < 0 ? r : sum;
}

void ng_learn_gather(struct ng_learn *learn, struct ng_expectations *expectations)
{
    ng_claims_gather(learn->claims, expectations);
}

int ng_learn_expect(struct ng_learn *learn, struct ng_tracked *tracked, uint32_t scope, const struct ng_name *name)
{
    return each_behind(learn, tracked, scope, &(struct visit){expect, name});
}

int ng_learn_intact(struct ng_learn *learn, struct ng_tracked *tracked, uint32_t scope)
{
    int r = each_behind(learn, tracked, scope, &(struct visit){.fn = foresee});

    if (r < 0)
        return r;
    ng_claims_verify(learn->claims);
    return each_behind(learn, tracked, scope, &(struct visit){.fn = check});
}

int ng_learn_meet(struct ng_learn *learn, const struct ng_expectations *expectations, uint64_t differ,
                  const struct ng_name **ret_name)
{
    int error = 0, restored = 0;

    *ret_name = NULL;
    for (unsigned i = 0; i < expectations->count; i++)
        if (differ >> i & 1)
            (void)ng_claims_foresee(learn->claims, &expectations->item[i].key);
    ng_claims_verify(learn->claims);
    for (unsigned i = 0; i < expectations->count; i++) {
        int r = differ >> i & 1 ? ng_claims_check(learn->claims, &expectations->item[i].key) : 0;

        if (r != 0 && !*ret_name)
            *ret_name = expectations->name[i];
        restored += r > 0;
        error = r < 0 ? r : error;
    }
    return error < 0 ? error : restored;
}

int ng_learn_check(struct ng_learn *learn, size_t max, size_t *restored, bool *ret_all)
{
    return ng_claims_check_some(learn->claims, max, restored, ret_all);
}

/* A walk over all that is tracked. */
struct walk {
    struct ng_learn *learn;
    const struct ng_snapshot *snapshot;
    uint32_t scope;
    int error;
};

static void want_leases(void *arg, struct ng_link *link)
{
    struct walk *walk = arg;
    struct ng_tracked *tracked = ng_record(link, struct ng_tracked, by_name);

    for (size_t i = 0; walk->error == 0 && i < tracked->told.count; i++)
        walk->error = ng_lease_put(walk->learn, walk->snapshot, tracked, &tracked->told.items[i], ng_claims_want);
}

static void require_one(void *arg, struct ng_link *link)
{
    const struct walk *walk = arg;
    struct ng_tracked *tracked = ng_record(link, struct ng_tracked, by_name);

    if (!tracked->required && ng_learn_ruled(walk->snapshot, &tracked->name))
        ng_tracks_require(&walk->learn->tracks, tracked);
}

static void rule_one(void *arg, struct ng_link *link)
{
    const struct walk *walk = arg;
    struct ng_tracked *tracked = ng_record(link, struct ng_tracked, by_name);
    bool before = tracked->ruled;

    tracked->ruled = tracked->required && ng_learn_ruled(walk->snapshot, &tracked->name);
    ng_tracks_acquit(&walk->learn->tracks, tracked);
    if (!tracked->ruled || before)
        return;
    tracked->wrote_at = walk->learn->now;
    if (tracked->asked)
        walk->learn->ops.changed(walk->learn->ops.arg, tracked);
}

static void require_ruled(void *arg, struct ng_link *link)
{
    const struct walk *walk = arg;
    struct ng_tracked *tracked = ng_record(link, struct ng_tracked, by_name);

    if (tracked->ruled)
        ng_tracks_require(&walk->learn->tracks, tracked);
}

void ng_learn_coming(struct ng_learn *learn, const struct ng_snapshot *snapshot)
{
    struct walk walk = {.learn = learn, .snapshot = snapshot};

    learn->coming = snapshot;
    if (snapshot)
        ng_table_each(&learn->tracks.names, require_one, &walk);
}

int ng_learn_snapshot(struct ng_learn *learn, struct ng_snapshot *snapshot)
{
    struct walk walk = {.learn = learn, .snapshot = snapshot};
    int r = ng_claims_begin(learn->claims);

    if (r == 0) {
        ng_table_each(&learn->tracks.names, require_one, &walk);
        ng_table_each(&learn->tracks.names, want_leases, &walk);
        r = walk.error ? walk.error : ng_want_addresses(learn, snapshot);
        if (r == 0)
            r = ng_lease_put_grants(learn, snapshot, 0, ng_claims_want);
        if (r == 0)
            r = ng_canaries_put(&learn->canaries, learn->claims, snapshot, 0, ng_claims_want);
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
    learn->version++;
    learn->now = learn->ops.now(learn->ops.arg);
    ng_table_each(&learn->tracks.names, rule_one, &walk);
    ng_table_each(&learn->tracks.names, require_ruled, &walk);
    ng_lease_require_grants(learn);
    return 0;
}

static void end_one(void *arg, struct ng_link *link)
{
    const struct walk *walk = arg;
    struct ng_tracked *tracked = ng_record(link, struct ng_tracked, by_name);
    struct ng_told *told = ng_lease_told(tracked, walk->scope);

    if (told)
        *told = tracked->told.items[--tracked->told.count];
}

bool ng_learn_lives(const struct ng_learn *learn)
{
    return learn->live.count > 0;
}

void ng_learn_deployment(struct ng_learn *learn, uint32_t scope, bool ended, uint64_t oldest)
{
    struct walk walk = {.learn = learn, .scope = scope};

    learn->oldest = oldest;
    if (!ended) {
        /* Without it the deployment has no leases: at worst something allowed is refused. */
        if (!ng_lease_live(learn, scope))
            (void)ng_vector_add(&learn->live, scope);
        return;
    }
    for (size_t i = 0; i < learn->live.count; i++)
        if (learn->live.items[i] == scope)
            learn->live.items[i] = learn->live.items[--learn->live.count];
    ng_lease_drop_grants(learn, scope, NULL);
    (void)ng_canaries_set(&learn->canaries, scope, 0, 0);
    (void)ng_claims_end(learn->claims, scope);
    ng_table_each(&learn->tracks.names, end_one, &walk);
}

static bool over(const struct ng_learn *learn, uint64_t end)
{
    return end <= learn->now && end <= learn->oldest;
}

/* Names move: one that a live deployment was told, and that has rules, is followed to where it moves. */
static void renew(struct ng_learn *learn, struct ng_tracked *tracked)
{
    bool empty = tracked->addresses.count == 0 && LIST_EMPTY(&tracked->targets);

    if (empty || !tracked->told.count || !tracked->ruled || tracked->fresh_until > learn->now ||
        learn->now - tracked->renewed_at < RENEW_MIN)
        return;
    tracked->renewed_at = learn->now;
    learn->ops.expired(learn->ops.arg, &tracked->name);
}

static void collect_leads(struct ng_learn *learn, struct ng_targets *list)
{
    struct ng_lead *next;

    for (struct ng_lead *lead = LIST_FIRST(list); lead; lead = next) {
        next = LIST_NEXT(lead, targets);
        if (over(learn, ng_learn_lead_end(learn, lead)))
            ng_tracks_unlead(&learn->tracks, lead);
    }
}

static void collect_one(void *arg, struct ng_link *link)
{
    struct ng_learn *learn = arg;
    struct ng_tracked *tracked = ng_record(link, struct ng_tracked, by_name);

    renew(learn, tracked);
    for (size_t i = 0; i < tracked->addresses.count;) {
        if (!over(learn, ng_judge_end(&learn->start, &tracked->addresses.items[i]))) {
            i++;
            continue;
        }
        tracked->addresses.items[i] = tracked->addresses.items[--tracked->addresses.count];
        learn->tracks.addresses--;
    }
    collect_leads(learn, &tracked->targets);
    collect_leads(learn, &tracked->asides);
    if (tracked->addresses.count == 0 && LIST_EMPTY(&tracked->targets) && LIST_EMPTY(&tracked->sources) &&
        over(learn, tracked->expires_at))
        ng_tracks_drop(&learn->tracks, tracked);
}

size_t ng_learn_collect(struct ng_learn *learn)
{
    size_t size = learn->tracks.names.size;

    learn->now = learn->ops.now(learn->ops.arg);
    ng_table_walk(&learn->tracks.names, &learn->tracks.cursor, size < COLLECT_BUCKETS ? size : COLLECT_BUCKETS,
                  collect_one, learn);
    return ng_claims_collect(learn->claims, learn->now, learn->oldest);
}
