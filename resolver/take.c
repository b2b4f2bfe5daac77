// SPDX-License-Identifier: BSD-2-Clause
/* An answer is taken in: what is new of it, and what follows from that, is written before anybody may be told. */
#include "learning.h"

#include <namegate/clock.h>

#include <errno.h>
#include <string.h>

#define CHANGED_MAX 64  /* names that the keeper is told of when an address of theirs comes by another name */
#define EXTENDED_MAX 16384 /* names that are gone through so that what is denied by a failed one lasts longer */
#define DECOY_TTL 60U   /* s: the least; it is in force as long as other addresses that deployments were told */

static bool in_force(const void *arg, const struct ng_lead *lead)
{
    const struct ng_learn *learn = arg;

    return ng_learn_lead_end(learn, lead) > learn->now;
}

/* Writes what is judged of the last `count` addresses of a holder. Returns 1 when anything was, 0, or -errno. */
static int apply_to(struct ng_learn *learn, uint32_t scope, const struct ng_judgement *judgement,
                    const struct ng_tracked *about, const struct ng_tracked *holder, size_t count, bool denies_only)
{
    size_t first = holder->addresses.count > count ? holder->addresses.count - count : 0;
    int wrote = 0;

    for (size_t i = first; i < holder->addresses.count; i++) {
        const struct ng_tracked_address *it = &holder->addresses.items[i];
        struct ng_destination_key key = ng_learn_key(scope, it->address);
        struct ng_claim claims[NG_JUDGED_MAX];
        bool spared = false;
        unsigned claimed = ng_judge_claims(&learn->start, judgement, it, denies_only, claims, &spared);
        int r = claimed ? ng_claims_add(learn->claims, learn->snapshot, &key, claims, claimed) : 0;

        if (spared)
            learn->ops.guarded(learn->ops.arg, &about->name, it->address);
        if (r < 0)
            return r;
        wrote |= claimed > 0;
    }
    return wrote;
}

/* Writes what the names say of the last `count` addresses of each holder. */
static int apply(struct ng_learn *learn, const ng_tracked_list *names, const ng_tracked_list *holders, size_t count,
                 bool denies_only)
{
    bool wrote = false;

    for (unsigned p = 0; p < ng_snapshot_policies(learn->snapshot); p++) {
        struct ng_policy_info policy;
        struct ng_judgement judgement;

        ng_judge(learn->snapshot, p, names, &judgement); /* once: both lists may be long */
        ng_snapshot_policy(learn->snapshot, p, &policy);
        for (size_t h = 0; judgement.count && h < holders->count; h++) {
            int r = apply_to(learn, policy.scope, &judgement, names->items[0], holders->items[h], count, denies_only);

            if (r < 0)
                return r;
            wrote |= r > 0;
        }
    }
    for (size_t n = 0; wrote && n < names->count; n++)
        names->items[n]->wrote_at = learn->ops.now(learn->ops.arg);
    return 0;
}

/* The names that lead to this one, itself included, as far as some rule is for them. */
static int speakers(struct ng_learn *learn, struct ng_tracked *tracked, ng_tracked_list *names)
{
    int r = tracked->required ? ng_tracks_up(&learn->tracks, tracked, in_force, learn, names) : 0;
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
    return r == 0 ? apply(learn, names, holders, SIZE_MAX, denies_only) : r;
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
        key = ng_learn_key(policy.scope, oldest->address);
        ng_claims_orphan(learn->claims, &key);
    }
    tracked->addresses.count--; /* the order stays: new ones are the last */
    learn->tracks.addresses--;
    memmove(oldest, oldest + 1, (size_t)(first + tracked->addresses.count - oldest) * sizeof(*oldest));
    ng_tracks_lose(&learn->tracks, tracked);
}

/* Returns 1 when the address is new, 0 when it was known, -ENOSPC, -ENOMEM. */
static int remember(struct ng_learn *learn, struct ng_tracked *tracked, const uint8_t address[16], uint32_t ttl,
                    bool hint)
{
    struct ng_tracked_address made = {.learnt_at = learn->now, .ttl = ttl, .hint = hint};

    for (size_t i = 0; i < tracked->addresses.count; i++) {
        struct ng_tracked_address *it = &tracked->addresses.items[i];

        if (memcmp(it->address, address, sizeof(it->address)) != 0)
            continue;
        it->hint &= hint;
        it->ttl = ng_tracks_ttl(it->learnt_at, it->ttl, learn->now, ttl);
        it->learnt_at = learn->now;
        return 0;
    }
    memcpy(made.address, address, sizeof(made.address));
    if (tracked->addresses.count == NG_TRACKED_ADDRESSES_MAX)
        forget_oldest(learn, tracked);
    if (!ng_tracks_room_for_address(&learn->tracks))
        return -ENOSPC;
    if (!ng_vector_add(&tracked->addresses, made))
        return -ENOMEM;
    learn->tracks.addresses++;
    return 1;
}

/* An answer while it is taken in: the names of its chain, and what of it is new. */
struct taking {
    struct ng_tracked *name[NG_CHAIN_MAX];
    unsigned names;
    bool new_lead[NG_CHAIN_MAX]; /* from name i to name i + 1; one that was over is new again */
    size_t new_addresses;        /* the last ones of the last name */

    /* What service bindings of the last name speak of. */
    struct ng_tracked *service[NG_ANSWER_SERVICES_MAX];
    struct ng_tracked *prefixed; /* NULL, or the one of them that is the last name without its port labels */
    unsigned services;
    bool led[NG_ANSWER_SERVICES_MAX];          /* a new lead from the last name */
    bool led_prefixed[NG_ANSWER_SERVICES_MAX]; /* a new lead from the name without its port labels */
    size_t new_hints[NG_ANSWER_SERVICES_MAX];  /* the last ones of the service's addresses */
};

static void learn_rule(struct ng_learn *learn, struct ng_tracked *tracked)
{
    tracked->ruled = ng_learn_ruled(learn->snapshot, &tracked->name);
    if (tracked->ruled || (learn->coming && ng_learn_ruled(learn->coming, &tracked->name)))
        ng_tracks_require(&learn->tracks, tracked);
}

/* Returns 1 when the lead is new, or was over, 0 when it was known, or -ENOMEM. */
static int lead(struct ng_learn *learn, struct ng_tracked *from, struct ng_tracked *to, uint32_t ttl)
{
    const struct ng_lead *known = ng_tracks_lead_to(from, to);
    bool over = known && ng_learn_lead_end(learn, known) <= learn->now;
    int r = ng_tracks_lead(&learn->tracks, from, to, learn->now, ttl);

    return r < 0 ? r : r > 0 || over;
}

static int take_names(struct ng_learn *learn, const struct ng_answer *answer, struct taking *taking)
{
    uint64_t fresh_until = learn->now + answer->ttl * NG_SECOND;

    for (unsigned i = 0; i < answer->links; i++) {
        struct ng_tracked *tracked;
        int r = ng_tracks_get(&learn->tracks, &answer->chain[i], &tracked);

        if (r < 0)
            return r;
        taking->name[taking->names++] = tracked;
        learn_rule(learn, tracked);
        if (i > 0) {
            r = lead(learn, taking->name[i - 1], tracked, answer->ttl);
            if (r < 0)
                return r;
            taking->new_lead[i - 1] = r > 0;
        }
        if (tracked->fresh_until <= learn->now || tracked->fresh_until > fresh_until)
            tracked->fresh_until = fresh_until;
        if (tracked->expires_at < learn->now + ng_judge_lifetime(&learn->start, answer->ttl, true))
            tracked->expires_at = learn->now + ng_judge_lifetime(&learn->start, answer->ttl, true);
    }
    taking->name[0]->asked |= !answer->remembered;
    return 0;
}

/* The last name leads to each target of its own, never one target to another: they are alternatives. */
static int take_services(struct ng_learn *learn, const struct ng_answer *answer, struct taking *taking)
{
    struct ng_tracked *last = taking->name[taking->names - 1];
    uint64_t end = learn->now + ng_judge_lifetime(&learn->start, answer->ttl, true);

    for (unsigned i = 0; i < answer->services; i++) {
        struct ng_tracked *tracked;
        int r = ng_tracks_get(&learn->tracks, &answer->service[i].name, &tracked);

        if (r < 0)
            return r;
        taking->service[taking->services++] = tracked;
        learn_rule(learn, tracked);
        if (tracked->expires_at < end)
            tracked->expires_at = end;
        if (answer->service[i].prefixed) {
            taking->prefixed = tracked;
            r = ng_tracks_aside(&learn->tracks, last, tracked, learn->now, answer->ttl);
            if (r < 0)
                return r;
            continue;
        }
        r = lead(learn, last, tracked, answer->ttl);
        taking->led[i] = r > 0;
        if (r >= 0 && taking->prefixed) {
            r = lead(learn, taking->prefixed, tracked, answer->ttl);
            taking->led_prefixed[i] = r > 0;
        }
        if (r < 0)
            return r;
    }
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
    struct ng_tracked *ends[] = {last};
    ng_tracked_list names = {0}, end = {.items = ends, .count = 1};
    int r = spread(learn, first, first, false);

    for (unsigned i = 1; r == 0 && i + 1 < taking->names; i++)
        if (taking->new_lead[i])
            r = spread(learn, taking->name[i], taking->name[i + 1], false);
    if (r == 0 && last != first) /* else said already */
        r = speakers(learn, last, &names);
    if (r == 0 && names.count)
        r = apply(learn, &names, &end, SIZE_MAX, false);
    ng_vector_free(&names);
    for (unsigned i = 0; r == 0 && i < taking->services; i++)
        r = conclude_service(learn, taking, i);
    return r;
}

static void undo_leads(struct ng_learn *learn, const struct taking *taking, unsigned number)
{
    const struct ng_tracked *service = taking->service[number];

    if (taking->led[number])
        ng_tracks_unlead(&learn->tracks, ng_tracks_lead_to(taking->name[taking->names - 1], service));
    if (taking->led_prefixed[number])
        ng_tracks_unlead(&learn->tracks, ng_tracks_lead_to(taking->prefixed, service));
}

static void forget_last(struct ng_learn *learn, struct ng_tracked *tracked, size_t count)
{
    tracked->addresses.count -= count;
    learn->tracks.addresses -= count;
}

/* So that the same answer, when it comes again, finds the same things new. */
static void undo(struct ng_learn *learn, const struct taking *taking)
{
    for (unsigned i = 0; i + 1 < taking->names; i++)
        if (taking->new_lead[i])
            ng_tracks_unlead(&learn->tracks, ng_tracks_lead_to(taking->name[i], taking->name[i + 1]));
    for (unsigned i = taking->services; i-- > 0;) {
        forget_last(learn, taking->service[i], taking->new_hints[i]);
        undo_leads(learn, taking, i);
    }
    if (taking->names)
        forget_last(learn, taking->name[taking->names - 1], taking->new_addresses);
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

        if ((known && (known->ruled || !LIST_EMPTY(&known->sources))) || ng_learn_ruled(snapshot, name))
            return true;
    }
    return false;
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
    if (r == 0)
        r = take_addresses(learn, answer, &taking);
    if (r == -ENOSPC && !ng_learn_matters(learn, answer, NULL)) {
        undo(learn, &taking);
        *ret_tracked = NULL;
        return 0;
    }
    if (r == 0)
        r = conclude(learn, &taking);
    if (r == 0)
        r = ng_lease_put_grants(learn, learn->snapshot, 0, ng_claims_add);
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
    for (unsigned i = 0; i < taking.names; i++)
        taking.name[i]->lossy = false;
    for (unsigned i = 0; i < taking.services; i++)
        taking.service[i]->lossy = false;
    *ret_tracked = taking.name[0];
    return 0;
}

void ng_learn_failed(struct ng_learn *learn, const struct ng_name *name)
{
    struct ng_tracked *tracked = ng_tracks_find(&learn->tracks, name);
    uint64_t visits = learn->tracks.visits;
    ng_tracked_list holders = {0};
    int r = 0;

    if (!tracked)
        return;
    learn->now = learn->ops.now(learn->ops.arg);
    ng_claims_turn(learn->claims);
    r = ng_tracks_down(&learn->tracks, tracked, in_force, learn, &holders);
    for (size_t h = 0; r == 0 && h < holders.count; h++) {
        struct ng_tracked *holder = holders.items[h];

        for (size_t i = 0; i < holder->addresses.count; i++)
            if (ng_judge_end(&learn->start, &holder->addresses.items[i]) > learn->now)
                holder->addresses.items[i].extended_at = learn->now;
    }
    /* An entry that is there can be written anew; if not, it lives to the end that it has. */
    (void)spread(learn, tracked, tracked, true);
    for (size_t h = 1; r == 0 && h < holders.count && learn->tracks.visits - visits < EXTENDED_MAX; h++)
        if (holders.items[h]->ruled)
            (void)spread(learn, holders.items[h], holders.items[h], true);
    ng_vector_free(&holders);
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
    ng_tracks_need(&learn->tracks, tracked);
    r = remember(learn, tracked, ret_address, DECOY_TTL, true);
    if (r < 0)
        return r;
    tracked->version += (uint64_t)r;
    return spread(learn, tracked, tracked, true);
}
