// SPDX-License-Identifier: BSD-2-Clause
#include "learn.h"

#include "judge.h"

#include <namegate/canary.h>
#include <namegate/clock.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COLLECT_BUCKETS 8192
#define CHANGED_MAX 64  /* names that the keeper is told of when an address of theirs comes by another name */
#define RENEW_MIN (30 * NG_SECOND) /* how often a name is asked for anew, at most */
#define DECOY_TTL 60U   /* s: the least; it is in force as long as other addresses that deployments were told */
#define TELL_AGAIN NG_SECOND /* how often the keeper hears of the same name and deployment */

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
    uint64_t oldest;              /* ns: start of the oldest deployment */
    uint64_t now;                 /* ns: when the call that is under way began */
    uint64_t version;             /* counts changes of all that is known */
    NG_VECTOR(uint32_t) live;     /* scopes of deployments */
    NG_VECTOR(struct grant) grants;
    ng_canaries canaries;
    ng_tracked_list reached;      /* scratch of ng_learn_intact() and spread(), which so do not allocate each time */
    ng_tracked_list leading;      /* scratch of spread() */
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

static uint64_t lead_end(const struct ng_learn *learn, const struct ng_lead *lead)
{
    return lead->learnt_at + ng_judge_lifetime(&learn->start, lead->ttl, true);
}

static bool in_force(const void *arg, const struct ng_lead *lead)
{
    const struct ng_learn *learn = arg;

    return lead_end(learn, lead) > learn->now;
}

static struct ng_destination_key key_of(uint32_t scope, const uint8_t address[16])
{
    struct ng_destination_key key = {.scope = scope};

    memcpy(key.address, address, sizeof(key.address));
    return key;
}

static void rule(const struct ng_snapshot *snapshot, struct ng_tracked *tracked)
{
    tracked->ruled = false;
    for (unsigned p = 0; !tracked->ruled && p < ng_snapshot_policies(snapshot); p++)
        tracked->ruled = ng_match_name(snapshot, p, &tracked->name) != NG_PROFILE_NONE;
}

/* Writes what the names say of the addresses of `holder`, or of `only` that one. */
static int apply(struct ng_learn *learn, const ng_tracked_list *names, struct ng_tracked *holder,
                 const struct ng_tracked_address *only, bool denies_only)
{
    bool wrote = false;

    for (unsigned p = 0; p < ng_snapshot_policies(learn->snapshot); p++) {
        struct ng_policy_info policy;
        struct ng_judgement judgement;

        ng_judge(learn->snapshot, p, names, &judgement);
        ng_snapshot_policy(learn->snapshot, p, &policy);
        for (size_t i = 0; judgement.count && i < holder->addresses.count; i++) {
            const struct ng_tracked_address *it = &holder->addresses.items[i];
            struct ng_destination_key key = key_of(policy.scope, it->address);
            struct ng_claim claims[NG_JUDGED_MAX];
            bool spared = false;
            unsigned count;
            int r = 0;

            if (only && it != only)
                continue;
            count = ng_judge_claims(&learn->start, &judgement, it, denies_only, claims, &spared);
            if (spared)
                learn->ops.guarded(learn->ops.arg, &names->items[0]->name, it->address);
            if (count)
                r = ng_claims_add(learn->claims, learn->snapshot, &key, claims, count);
            if (r < 0)
                return r;
            wrote |= count > 0;
        }
    }
    for (size_t n = 0; wrote && n < names->count; n++)
        names->items[n]->wrote_at = learn->ops.now(learn->ops.arg);
    return 0;
}

/* The names that lead to this one, itself included, as far as some rule is for them. */
static int speakers(struct ng_learn *learn, struct ng_tracked *tracked, ng_tracked_list *names)
{
    int r = ng_tracks_up(&learn->tracks, tracked, in_force, learn, names);
    size_t kept = 0;

    for (size_t i = 0; i < names->count; i++)
        if (names->items[i]->ruled)
            names->items[kept++] = names->items[i];
    names->count = kept;
    return r;
}

/* What all names that lead to `source` say is so for all addresses that `target` leads to. */
static int spread(struct ng_learn *learn, struct ng_tracked *source, struct ng_tracked *target, bool denies_only)
{
    ng_tracked_list *names = &learn->leading, *holders = &learn->reached;
    int r;

    names->count = holders->count = 0;
    r = speakers(learn, source, names);
    if (r == 0 && names->count)
        r = ng_tracks_down(&learn->tracks, target, in_force, learn, holders);
    for (size_t i = 0; r == 0 && i < holders->count; i++)
        r = apply(learn, names, holders->items[i], NULL, denies_only);
    return r;
}

/* Lets the keeper know that names lead to more than before. */
static void tell_sources(struct ng_learn *learn, struct ng_tracked *tracked, const struct ng_tracked *asked)
{
    ng_tracked_list names = {0};
    unsigned told = 0;

    (void)ng_tracks_up(&learn->tracks, tracked, in_force, learn, &names);
    for (size_t i = 0; i < names.count; i++) {
        struct ng_tracked *it = names.items[i];

        it->version++;
        if (it != asked && it->asked && (it->ruled || it->told.count) && told++ < CHANGED_MAX)
            learn->ops.changed(learn->ops.arg, it);
    }
    ng_vector_free(&names);
}

/* What is let go here stays in the kernel to its end: nothing becomes reachable. */
static void forget_oldest(struct ng_learn *learn, struct ng_tracked *tracked)
{
    struct ng_tracked_address *first = tracked->addresses.items, *oldest = first;

    for (size_t i = 1; i < tracked->addresses.count; i++)
        if (first[i].learnt_at < oldest->learnt_at)
            oldest = &first[i];
    for (unsigned p = 0; p < ng_snapshot_policies(learn->snapshot); p++) {
        struct ng_policy_info policy;
        struct ng_destination_key key;

        ng_snapshot_policy(learn->snapshot, p, &policy);
        key = key_of(policy.scope, oldest->address);
        ng_claims_orphan(learn->claims, &key);
    }
    tracked->addresses.count--; /* the order stays: new ones are the last */
    memmove(oldest, oldest + 1, (size_t)(first + tracked->addresses.count - oldest) * sizeof(*oldest));
}

/* Returns 1 when the address is new, 0 when it was known, -ENOMEM. */
static int remember(struct ng_learn *learn, struct ng_tracked *tracked, const uint8_t address[16], uint32_t ttl,
                    bool hint)
{
    struct ng_tracked_address made = {.learnt_at = learn->now, .ttl = ttl, .hint = hint};

    for (size_t i = 0; i < tracked->addresses.count; i++) {
        struct ng_tracked_address *it = &tracked->addresses.items[i];

        if (memcmp(it->address, address, sizeof(it->address)) != 0)
            continue;
        it->hint &= hint;
        it->learnt_at = learn->now;
        it->ttl = ttl;
        return 0;
    }
    memcpy(made.address, address, sizeof(made.address));
    if (tracked->addresses.count == NG_TRACKED_ADDRESSES_MAX)
        forget_oldest(learn, tracked);
    return ng_vector_add(&tracked->addresses, made) ? 1 : -ENOMEM;
}

/* An answer while it is taken in: the names of its chain, and what of it is new. */
struct taking {
    struct ng_tracked *name[NG_CHAIN_MAX];
    unsigned names;
    bool new_lead[NG_CHAIN_MAX]; /* from name i to name i + 1 */
    size_t new_addresses;        /* the last ones of the last name */

    /* What service bindings of the last name speak of. */
    struct ng_tracked *service[NG_ANSWER_SERVICES_MAX];
    unsigned services;
    bool led[NG_ANSWER_SERVICES_MAX];          /* a new lead from the last name */
    bool led_prefixed[NG_ANSWER_SERVICES_MAX]; /* a new lead from the name without its port labels */
    size_t new_hints[NG_ANSWER_SERVICES_MAX];  /* the last ones of the service's addresses */
};

static int take_names(struct ng_learn *learn, const struct ng_answer *answer, struct taking *taking)
{
    for (unsigned i = 0; i < answer->links; i++) {
        struct ng_tracked *tracked;
        int r = ng_tracks_get(&learn->tracks, &answer->chain[i], i > 0 ? taking->name[0] : NULL, &tracked);

        if (r < 0)
            return r;
        taking->name[taking->names++] = tracked;
        rule(learn->snapshot, tracked);
        if (i > 0) {
            r = ng_tracks_lead(&learn->tracks, taking->name[i - 1], tracked, learn->now, answer->ttl);
            if (r < 0)
                return r;
            taking->new_lead[i - 1] = r > 0;
        }
        ng_tracks_touch(&learn->tracks, tracked);
        if (tracked->expires_at < learn->now + ng_judge_lifetime(&learn->start, answer->ttl, true))
            tracked->expires_at = learn->now + ng_judge_lifetime(&learn->start, answer->ttl, true);
    }
    taking->name[0]->asked |= !answer->remembered;
    return 0;
}

/* The last name leads to each target of its own, never one target to another: they are alternatives. */
static int take_services(struct ng_learn *learn, const struct ng_answer *answer, struct taking *taking)
{
    struct ng_tracked *last = taking->name[taking->names - 1], *prefixed = NULL;
    uint64_t end = learn->now + ng_judge_lifetime(&learn->start, answer->ttl, true);

    for (unsigned i = 0; i < answer->services; i++) {
        struct ng_tracked *tracked;
        int r = ng_tracks_get(&learn->tracks, &answer->service[i].name, taking->name[0], &tracked);

        if (r < 0)
            return r;
        taking->service[taking->services++] = tracked;
        rule(learn->snapshot, tracked);
        if (tracked->expires_at < end)
            tracked->expires_at = end;
        if (answer->service[i].prefixed) {
            prefixed = tracked;
            continue;
        }
        r = ng_tracks_lead(&learn->tracks, last, tracked, learn->now, answer->ttl);
        taking->led[i] = r > 0;
        if (r >= 0 && prefixed) {
            r = ng_tracks_lead(&learn->tracks, prefixed, tracked, learn->now, answer->ttl);
            taking->led_prefixed[i] = r > 0;
        }
        if (r < 0)
            return r;
        ng_tracks_touch(&learn->tracks, tracked);
    }
    if (prefixed)
        ng_tracks_touch(&learn->tracks, prefixed);
    return 0;
}

static int take_addresses(struct ng_learn *learn, const struct ng_answer *answer, struct taking *taking)
{
    for (unsigned i = 0; i < answer->addresses; i++) {
        const struct ng_answer_address *it = &answer->address[i];
        struct ng_tracked *holder = it->service ? taking->service[it->service - 1] : taking->name[taking->names - 1];
        int r = remember(learn, holder, it->address, answer->ttl, it->service > 0 || answer->remembered);

        if (r < 0)
            return r;
        *(it->service ? &taking->new_hints[it->service - 1] : &taking->new_addresses) += (size_t)r;
    }
    return 0;
}

/* What the names that lead to a service say of its hints, and what leads to it newly of all that it leads to. */
static int conclude_service(struct ng_learn *learn, const struct taking *taking, unsigned number)
{
    struct ng_tracked *service = taking->service[number];
    int r = spread(learn, service, service, false);

    if (r == 0 && taking->led[number])
        r = spread(learn, taking->name[taking->names - 1], service, false);
    for (unsigned i = 0; r == 0 && taking->led_prefixed[number] && i < taking->services; i++)
        if (i != number && !taking->led[i])
            r = spread(learn, taking->service[i], service, false);
    return r;
}

/* Everything that follows from the new facts, and longer lives for what follows from the known ones. */
static int conclude(struct ng_learn *learn, const struct taking *taking)
{
    struct ng_tracked *first = taking->name[0], *last = taking->name[taking->names - 1];
    ng_tracked_list names = {0};
    int r = spread(learn, first, first, false);

    for (unsigned i = 1; r == 0 && i + 1 < taking->names; i++)
        if (taking->new_lead[i])
            r = spread(learn, taking->name[i], taking->name[i + 1], false);
    for (unsigned i = 1; r == 0 && i < taking->names; i++) {
        struct ng_tracked *own[] = {taking->name[i]};
        ng_tracked_list one = {.items = own, .count = 1};

        if (own[0]->ruled)
            r = apply(learn, &one, last, NULL, false);
    }
    if (r == 0 && taking->new_addresses)
        r = speakers(learn, last, &names);
    for (size_t i = 1; r == 0 && names.count && i <= taking->new_addresses; i++)
        r = apply(learn, &names, last, &last->addresses.items[last->addresses.count - i], false);
    ng_vector_free(&names);
    for (unsigned i = 0; r == 0 && i < taking->services; i++)
        r = conclude_service(learn, taking, i);
    return r;
}

static void undo_leads(struct ng_learn *learn, const struct taking *taking, unsigned number)
{
    struct ng_lead *lead, *next;

    for (lead = LIST_FIRST(&taking->service[number]->sources); lead; lead = next) {
        bool own = lead->from == taking->name[taking->names - 1];

        next = LIST_NEXT(lead, sources);
        if (lead->learnt_at == learn->now && (own ? taking->led[number] : taking->led_prefixed[number]))
            ng_tracks_unlead(&learn->tracks, lead);
    }
}

/* So that the same answer, when it comes again, finds the same things new. */
static void undo(struct ng_learn *learn, const struct taking *taking)
{
    for (unsigned i = 0; i + 1 < taking->names; i++)
        if (taking->new_lead[i])
            ng_tracks_unlead(&learn->tracks, LIST_FIRST(&taking->name[i]->targets));
    for (unsigned i = taking->services; i-- > 0;) {
        taking->service[i]->addresses.count -= taking->new_hints[i];
        if (taking->led[i] || taking->led_prefixed[i])
            undo_leads(learn, taking, i);
    }
    if (taking->names)
        taking->name[taking->names - 1]->addresses.count -= taking->new_addresses;
}

bool ng_learn_matters(const struct ng_learn *learn, const struct ng_answer *answer, const struct ng_snapshot *snapshot)
{
    if (!snapshot)
        snapshot = learn->snapshot;
    for (size_t i = 0; i < learn->grants.count; i++)
        if (ng_name_equal(&learn->grants.items[i].name, &answer->chain[0]))
            return true;
    for (unsigned i = 0; i < answer->links + answer->services; i++) {
        const struct ng_name *name =
            i < answer->links ? &answer->chain[i] : &answer->service[i - answer->links].name;
        const struct ng_tracked *known = ng_tracks_find(&learn->tracks, name);

        if (known && (known->ruled || !LIST_EMPTY(&known->sources)))
            return true;
        for (unsigned p = 0; p < ng_snapshot_policies(snapshot); p++)
            if (ng_match_name(snapshot, p, name) != NG_PROFILE_NONE)
                return true;
    }
    return false;
}

typedef int (*claim_fn)(struct ng_claims *claims, const struct ng_snapshot *snapshot,
                        const struct ng_destination_key *key, const struct ng_claim *list, unsigned count);

/* What service bindings say of another name is no address of this one. */
static int put_grant(struct ng_learn *learn, const struct ng_snapshot *snapshot, const struct grant *grant,
                     claim_fn put)
{
    struct ng_claim claim = {.profile = NG_PROFILE_GRANT, .expires_at = grant->until, .allow = 1};
    struct ng_tracked *tracked = ng_tracks_find(&learn->tracks, &grant->name);
    ng_tracked_list holders = {0};
    int r = tracked ? ng_tracks_down(&learn->tracks, tracked, NULL, NULL, &holders) : 0;

    for (size_t h = 0; h < holders.count; h++) {
        const struct ng_tracked *holder = holders.items[h];

        for (size_t i = 0; r == 0 && i < holder->addresses.count; i++) {
            struct ng_destination_key key = key_of(grant->scope, holder->addresses.items[i].address);

            if (!holder->addresses.items[i].hint)
                r = put(learn->claims, snapshot, &key, &claim, 1);
        }
    }
    ng_vector_free(&holders);
    return r;
}

/* Those of one deployment, or of all: 0. */
static int put_grants(struct ng_learn *learn, const struct ng_snapshot *snapshot, uint32_t scope, claim_fn put)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < learn->grants.count; i++)
        if (!scope || learn->grants.items[i].scope == scope)
            r = put_grant(learn, snapshot, &learn->grants.items[i], put);
    return r;
}

static void drop_grants(struct ng_learn *learn, uint32_t scope, const struct ng_name *name)
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

    drop_grants(learn, scope, name);
    ng_claims_revoke(learn->claims, scope, NG_PROFILE_GRANT);
    if (until && !ng_vector_add(&learn->grants, grant))
        return -ENOMEM;
    return put_grants(learn, learn->snapshot, scope, ng_claims_add);
}

int ng_learn_canary(struct ng_learn *learn, uint32_t scope, uint64_t number, uint64_t until)
{
    ng_claims_revoke(learn->claims, scope, NG_CANARY_PROFILE);
    if (ng_canaries_set(&learn->canaries, scope, number, until) < 0)
        return -ENOMEM;
    return ng_canaries_put(&learn->canaries, learn->claims, learn->snapshot, scope, ng_claims_add);
}

const ng_canaries *ng_learn_canaries(const struct ng_learn *learn)
{
    return &learn->canaries;
}

int ng_learn_answer(struct ng_learn *learn, const struct ng_answer *answer, struct ng_tracked **ret_tracked)
{
    struct taking taking = {.names = 0};
    bool news = false;
    int r;

    learn->now = learn->ops.now(learn->ops.arg);
    r = take_names(learn, answer, &taking);
    if (r == 0)
        r = take_services(learn, answer, &taking);
    if (r == -ENOSPC && !ng_learn_matters(learn, answer, NULL)) {
        undo(learn, &taking);
        *ret_tracked = NULL;
        return 0;
    }
    if (r == 0)
        r = take_addresses(learn, answer, &taking);
    if (r == 0)
        r = conclude(learn, &taking);
    if (r == 0)
        r = put_grants(learn, learn->snapshot, 0, ng_claims_add);
    if (r < 0) {
        undo(learn, &taking);
        return r;
    }
    news = taking.new_addresses > 0;
    for (unsigned i = 0; i + 1 < taking.names; i++)
        news |= taking.new_lead[i];
    for (unsigned i = 0; i < taking.services; i++)
        news |= taking.led[i] || taking.led_prefixed[i] || taking.new_hints[i] > 0;
    if (news) {
        learn->version++;
        tell_sources(learn, taking.name[taking.names - 1], taking.name[0]);
    }
    *ret_tracked = taking.name[0];
    return 0;
}

void ng_learn_failed(struct ng_learn *learn, const struct ng_name *name)
{
    struct ng_tracked *tracked = ng_tracks_find(&learn->tracks, name);
    ng_tracked_list holders = {0};
    int r = 0;

    learn->now = learn->ops.now(learn->ops.arg);
    if (tracked)
        r = ng_tracks_down(&learn->tracks, tracked, in_force, learn, &holders);
    for (size_t h = 0; r == 0 && h < holders.count; h++) {
        struct ng_tracked *holder = holders.items[h];

        for (size_t i = 0; i < holder->addresses.count; i++)
            if (ng_judge_end(&learn->start, &holder->addresses.items[i]) > learn->now)
                holder->addresses.items[i].extended_at = learn->now;
        /* An entry that is there can be written anew; if not, it lives to the end that it has. */
        (void)spread(learn, holder, holder, true);
    }
    ng_vector_free(&holders);
}

void ng_learn_announce(struct ng_learn *learn, struct ng_tracked *tracked, ng_tell_fn tell, void *arg)
{
    ng_tell_resolution(&learn->tracks, tracked, tell, arg);
}

static struct ng_told *told_of(struct ng_tracked *tracked, uint32_t scope)
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

/* All leases that a deployment has by one name; `put` writes them, or says that they are wanted. */
static int put_leases(struct ng_learn *learn, const struct ng_snapshot *snapshot, struct ng_tracked *tracked,
                      const struct ng_told *told, claim_fn put)
{
    ng_tracked_list holders = {0};
    int r = ng_tracks_down(&learn->tracks, tracked, NULL, NULL, &holders);

    for (size_t h = 0; r == 0 && h < holders.count; h++) {
        const struct ng_tracked *holder = holders.items[h];

        for (size_t i = 0; r == 0 && i < holder->addresses.count; i++) {
            struct ng_destination_key key = key_of(told->scope, holder->addresses.items[i].address);
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

static bool is_live(const struct ng_learn *learn, uint32_t scope)
{
    for (size_t i = 0; i < learn->live.count; i++)
        if (learn->live.items[i] == scope)
            return true;
    return false;
}

int ng_learn_told(struct ng_learn *learn, struct ng_tracked *tracked, uint32_t scope, uint32_t policy,
                  bool *ret_tell)
{
    struct ng_told *told = told_of(tracked, scope);
    uint64_t now = learn->ops.now(learn->ops.arg);

    *ret_tell = false;
    if (!is_live(learn, scope))
        return 0; /* it ended while its question was under way */
    if (!told) {
        struct ng_told made = {.scope = scope, .policy = policy, .version = UINT64_MAX};

        if (!ng_vector_add(&tracked->told, made))
            return -ENOMEM;
        told = &tracked->told.items[tracked->told.count - 1];
    }
    *ret_tell = told->at == 0 || now - told->at >= TELL_AGAIN;
    if (told->version != learn->version) {
        int r = put_leases(learn, learn->snapshot, tracked, told, ng_claims_add);

        if (r < 0)
            return r;
        *ret_tell = true;
    }
    told->version = learn->version;
    if (*ret_tell)
        told->at = now;
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

int ng_learn_decoy(struct ng_learn *learn, struct ng_tracked *tracked, bool v4, uint8_t ret_address[16])
{
    uint64_t id = tracked->id;
    int r;

    memset(ret_address, 0, 16);
    for (unsigned i = 15; i >= 8; i--, id >>= 8)
        ret_address[i] = (uint8_t)id;
    if (v4) {
        memset(ret_address + 8, 0, 2);
        memset(ret_address + 10, 0xff, 2);
        ret_address[12] |= NG_DECOY4_PREFIX;
    } else {
        ret_address[0] = NG_DECOY6_PREFIX;
    }
    learn->now = learn->ops.now(learn->ops.arg);
    r = remember(learn, tracked, ret_address, DECOY_TTL, true);
    if (r < 0)
        return r;
    tracked->version += (uint64_t)r;
    return spread(learn, tracked, tracked, true);
}

/* All destinations of one address. */
static int intact(struct ng_learn *learn, const uint8_t address[16], uint32_t scope)
{
    int restored = 0;

    for (unsigned p = 0; p <= ng_snapshot_policies(learn->snapshot); p++) {
        struct ng_policy_info policy = {.scope = scope};
        struct ng_destination_key key;
        int r;

        if (p < ng_snapshot_policies(learn->snapshot))
            ng_snapshot_policy(learn->snapshot, p, &policy);
        key = key_of(policy.scope, address);
        r = policy.scope ? ng_claims_check(learn->claims, &key) : 0;
        if (r < 0)
            return r;
        restored += r;
    }
    return restored;
}

int ng_learn_intact(struct ng_learn *learn, struct ng_tracked *tracked, uint32_t scope)
{
    int restored = 0, r;

    learn->reached.count = 0;
    r = ng_tracks_down(&learn->tracks, tracked, NULL, NULL, &learn->reached);
    for (size_t h = 0; r >= 0 && h < learn->reached.count; h++) {
        const struct ng_tracked *holder = learn->reached.items[h];

        for (size_t i = 0; r >= 0 && i < holder->addresses.count; i++) {
            r = intact(learn, holder->addresses.items[i].address, scope);
            restored += r > 0 ? r : 0;
        }
    }
    return r < 0 ? r : restored;
}

size_t ng_learn_check(struct ng_learn *learn, size_t max)
{
    return ng_claims_check_some(learn->claims, max);
}

/* A walk over all that is tracked. */
struct walk {
    struct ng_learn *learn;
    const struct ng_snapshot *snapshot;
    ng_tracked_list names;
    uint32_t scope;
    int error;
};

static int want_addresses(struct walk *walk, struct ng_tracked *holder)
{
    struct ng_learn *learn = walk->learn;
    int r;

    walk->names.count = 0;
    r = ng_tracks_up(&learn->tracks, holder, NULL, NULL, &walk->names);
    for (unsigned p = 0; r == 0 && p < ng_snapshot_policies(walk->snapshot); p++) {
        struct ng_policy_info policy;
        struct ng_judgement judgement;

        ng_judge(walk->snapshot, p, &walk->names, &judgement);
        ng_snapshot_policy(walk->snapshot, p, &policy);
        for (size_t i = 0; r == 0 && judgement.count && i < holder->addresses.count; i++) {
            const struct ng_tracked_address *it = &holder->addresses.items[i];
            struct ng_destination_key key = key_of(policy.scope, it->address);
            struct ng_claim claims[NG_JUDGED_MAX];
            bool spared;
            unsigned count = ng_judge_claims(&learn->start, &judgement, it, false, claims, &spared);

            if (count)
                r = ng_claims_want(learn->claims, walk->snapshot, &key, claims, count);
        }
    }
    return r;
}

static void want_one(void *arg, struct ng_link *link)
{
    struct walk *walk = arg;
    struct ng_tracked *tracked = ng_record(link, struct ng_tracked, by_name);

    if (walk->error == 0 && tracked->addresses.count)
        walk->error = want_addresses(walk, tracked);
    for (size_t i = 0; walk->error == 0 && i < tracked->told.count; i++)
        walk->error = put_leases(walk->learn, walk->snapshot, tracked, &tracked->told.items[i], ng_claims_want);
}

static void rule_one(void *arg, struct ng_link *link)
{
    const struct walk *walk = arg;
    struct ng_tracked *tracked = ng_record(link, struct ng_tracked, by_name);
    bool before = tracked->ruled;

    rule(walk->snapshot, tracked);
    if (tracked->ruled == before)
        return;
    ng_tracks_touch(&walk->learn->tracks, tracked);
    if (!tracked->ruled)
        return;
    tracked->wrote_at = walk->learn->now;
    if (tracked->asked)
        walk->learn->ops.changed(walk->learn->ops.arg, tracked);
}

int ng_learn_snapshot(struct ng_learn *learn, struct ng_snapshot *snapshot)
{
    struct walk walk = {.learn = learn, .snapshot = snapshot};
    int r = ng_claims_begin(learn->claims);

    if (r == 0) {
        ng_table_each(&learn->tracks.names, want_one, &walk);
        r = walk.error ? walk.error : put_grants(learn, snapshot, 0, ng_claims_want);
        if (r == 0)
            r = ng_canaries_put(&learn->canaries, learn->claims, snapshot, 0, ng_claims_want);
    }
    ng_vector_free(&walk.names);
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
    return 0;
}

static void end_one(void *arg, struct ng_link *link)
{
    const struct walk *walk = arg;
    struct ng_tracked *tracked = ng_record(link, struct ng_tracked, by_name);
    struct ng_told *told = told_of(tracked, walk->scope);

    if (told)
        *told = tracked->told.items[--tracked->told.count];
}

void ng_learn_deployment(struct ng_learn *learn, uint32_t scope, bool ended, uint64_t oldest)
{
    struct walk walk = {.learn = learn, .scope = scope};

    learn->oldest = oldest;
    if (!ended) {
        /* Without it the deployment has no leases: at worst something allowed is refused. */
        if (!is_live(learn, scope))
            (void)ng_vector_add(&learn->live, scope);
        return;
    }
    for (size_t i = 0; i < learn->live.count; i++)
        if (learn->live.items[i] == scope)
            learn->live.items[i] = learn->live.items[--learn->live.count];
    drop_grants(learn, scope, NULL);
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
    bool fresh = tracked->addresses.count == 0 && LIST_EMPTY(&tracked->targets);

    if (!tracked->told.count || !tracked->ruled || learn->now - tracked->renewed_at < RENEW_MIN)
        return;
    for (size_t i = 0; i < tracked->addresses.count; i++)
        fresh |= !tracked->addresses.items[i].hint &&
                 tracked->addresses.items[i].learnt_at + tracked->addresses.items[i].ttl * NG_SECOND > learn->now;
    if (!LIST_EMPTY(&tracked->targets))
        fresh |= LIST_FIRST(&tracked->targets)->learnt_at + LIST_FIRST(&tracked->targets)->ttl * NG_SECOND > learn->now;
    if (fresh)
        return;
    tracked->renewed_at = learn->now;
    learn->ops.expired(learn->ops.arg, &tracked->name);
}

static void collect_one(void *arg, struct ng_link *link)
{
    struct ng_learn *learn = arg;
    struct ng_tracked *tracked = ng_record(link, struct ng_tracked, by_name);
    struct ng_lead *lead = LIST_FIRST(&tracked->targets), *next;

    renew(learn, tracked);

    for (size_t i = 0; i < tracked->addresses.count;) {
        if (over(learn, ng_judge_end(&learn->start, &tracked->addresses.items[i])))
            tracked->addresses.items[i] = tracked->addresses.items[--tracked->addresses.count];
        else
            i++;
    }
    for (; lead; lead = next) {
        next = LIST_NEXT(lead, targets);
        if (over(learn, lead_end(learn, lead)))
            ng_tracks_unlead(&learn->tracks, lead);
    }
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
