// SPDX-License-Identifier: BSD-2-Clause
#include "tracked.h"

#include "random.h"

#include <namegate/clock.h>

#include <errno.h>
#include <string.h>

#define LEADS_MIN 1024 /* so many have room, however few names do */

void ng_tracks_init(struct ng_tracks *tracks, size_t max)
{
    *tracks = (struct ng_tracks){.max = max, .key = ng_random(), .last_id = ng_random() >> 8};
    TAILQ_INIT(&tracks->idle);
}

static void free_leads(struct ng_targets *list)
{
    while (!LIST_EMPTY(list)) {
        struct ng_lead *lead = LIST_FIRST(list);

        LIST_REMOVE(lead, targets);
        free(lead);
    }
}

static void free_any(void *arg, struct ng_link *link)
{
    struct ng_tracked *tracked = ng_record(link, struct ng_tracked, by_name);

    (void)arg;
    free_leads(&tracked->targets);
    free_leads(&tracked->asides);
    ng_vector_free(&tracked->addresses);
    ng_vector_free(&tracked->told);
    free(tracked);
}

void ng_tracks_release(struct ng_tracks *tracks)
{
    ng_table_each(&tracks->names, free_any, NULL);
    ng_table_release(&tracks->names);
}

struct ng_tracked *ng_tracks_find(const struct ng_tracks *tracks, const struct ng_name *name)
{
    struct ng_link *link = ng_table_first(&tracks->names, ng_name_hash(name, tracks->key));

    while (link && !ng_name_equal(&ng_record(link, struct ng_tracked, by_name)->name, name))
        link = ng_table_next(link);
    return ng_record(link, struct ng_tracked, by_name);
}

static bool let_one_go(struct ng_tracks *tracks)
{
    struct ng_tracked *oldest = TAILQ_FIRST(&tracks->idle);

    if (!oldest || oldest->turn == tracks->turn) /* then all are */
        return false;
    ng_tracks_drop(tracks, oldest);
    return true;
}

bool ng_tracks_room_for_address(struct ng_tracks *tracks)
{
    while (tracks->addresses >= 4 * tracks->max + NG_TRACKED_ADDRESSES_MAX)
        if (!let_one_go(tracks))
            return false;
    return true;
}

/* Puts the name last among those that may be let go, if it is one. */
static void touch(struct ng_tracks *tracks, struct ng_tracked *tracked)
{
    if (tracked->listed)
        TAILQ_REMOVE(&tracks->idle, tracked, idle);
    tracked->listed = !tracked->required;
    if (tracked->listed)
        TAILQ_INSERT_TAIL(&tracks->idle, tracked, idle);
}

void ng_tracks_need(struct ng_tracks *tracks, struct ng_tracked *tracked)
{
    tracked->turn = tracks->turn;
    touch(tracks, tracked);
}

int ng_tracks_get(struct ng_tracks *tracks, const struct ng_name *name, struct ng_tracked **ret_tracked)
{
    struct ng_tracked *tracked = ng_tracks_find(tracks, name);

    if (tracked) {
        ng_tracks_need(tracks, tracked);
        *ret_tracked = tracked;
        return 0;
    }
    if (tracks->names.count >= tracks->max && !let_one_go(tracks))
        return -ENOSPC;
    tracked = calloc(1, offsetof(struct ng_tracked, name) + ng_name_kept(name->length));
    if (!tracked)
        return -ENOMEM;
    ng_name_copy(&tracked->name, name);
    tracked->id = ++tracks->last_id;
    tracked->announced = UINT64_MAX; /* none: what it leads to may be learnt without a change of its own */
    LIST_INIT(&tracked->targets);
    LIST_INIT(&tracked->asides);
    LIST_INIT(&tracked->sources);
    if (ng_table_add(&tracks->names, &tracked->by_name, ng_name_hash(name, tracks->key)) < 0) {
        free(tracked);
        return -ENOMEM;
    }
    ng_tracks_need(tracks, tracked);
    *ret_tracked = tracked;
    return 0;
}

static void lose(struct ng_tracks *tracks, struct ng_tracked *tracked, struct ng_tracked **lost)
{
    if (tracked->lossy)
        return;
    tracked->lossy = true;
    tracked->id = ++tracks->last_id;
    tracked->announced = UINT64_MAX;
    tracked->next_lost = *lost;
    *lost = tracked;
}

static void lose_sources(struct ng_tracks *tracks, const struct ng_tracked *tracked, struct ng_tracked **lost)
{
    struct ng_lead *lead;

    LIST_FOREACH(lead, &tracked->sources, sources)
    {
        lose(tracks, lead->from, lost);
    }
}

/* All that lead to those that are lost already. */
static void lose_all(struct ng_tracks *tracks, struct ng_tracked *lost)
{
    while (lost) {
        struct ng_tracked *first = lost;

        lost = first->next_lost;
        lose_sources(tracks, first, &lost);
    }
}

void ng_tracks_lose(struct ng_tracks *tracks, struct ng_tracked *tracked)
{
    struct ng_tracked *lost = NULL;

    lose(tracks, tracked, &lost);
    lose_all(tracks, lost);
}

void ng_tracks_drop(struct ng_tracks *tracks, struct ng_tracked *tracked)
{
    struct ng_tracked *lost = NULL;

    lose_sources(tracks, tracked, &lost);
    lose_all(tracks, lost);
    tracks->drops++;
    while (!LIST_EMPTY(&tracked->sources))
        ng_tracks_unlead(tracks, LIST_FIRST(&tracked->sources));
    while (!LIST_EMPTY(&tracked->targets))
        ng_tracks_unlead(tracks, LIST_FIRST(&tracked->targets));
    while (!LIST_EMPTY(&tracked->asides))
        ng_tracks_unlead(tracks, LIST_FIRST(&tracked->asides));
    if (tracked->listed)
        TAILQ_REMOVE(&tracks->idle, tracked, idle);
    ng_table_remove(&tracks->names, &tracked->by_name);
    tracks->addresses -= tracked->addresses.count;
    ng_vector_free(&tracked->addresses);
    ng_vector_free(&tracked->told);
    free(tracked);
}

/* From the list of those that may be let go to that of those to be looked at, which has the same links. */
static void require(struct ng_tracks *tracks, struct ng_tracked *tracked, struct ng_idle *looked_at)
{
    if (tracked->required)
        return;
    if (tracked->listed)
        TAILQ_REMOVE(&tracks->idle, tracked, idle);
    tracked->listed = false;
    tracked->required = true;
    TAILQ_INSERT_TAIL(looked_at, tracked, idle);
}

void ng_tracks_require(struct ng_tracks *tracks, struct ng_tracked *tracked)
{
    struct ng_idle looked_at = TAILQ_HEAD_INITIALIZER(looked_at);

    require(tracks, tracked, &looked_at);
    while (!TAILQ_EMPTY(&looked_at)) {
        struct ng_tracked *first = TAILQ_FIRST(&looked_at);
        struct ng_lead *lead;

        TAILQ_REMOVE(&looked_at, first, idle);
        LIST_FOREACH(lead, &first->targets, targets)
        {
            require(tracks, lead->to, &looked_at);
        }
    }
}

void ng_tracks_acquit(struct ng_tracks *tracks, struct ng_tracked *tracked)
{
    tracked->required = false;
    if (!tracked->listed)
        touch(tracks, tracked);
}

uint32_t ng_tracks_ttl(uint64_t learnt_at, uint32_t before, uint64_t now, uint32_t ttl)
{
    uint64_t end = learnt_at + before * NG_SECOND;
    uint64_t left = end > now ? (end - now + NG_SECOND - 1) / NG_SECOND : 0;

    return left > ttl ? (uint32_t)left : ttl;
}

static struct ng_lead *find_lead(const struct ng_targets *list, const struct ng_tracked *to)
{
    struct ng_lead *lead;

    LIST_FOREACH(lead, list, targets)
    {
        if (lead->to == to)
            break;
    }
    return lead;
}

struct ng_lead *ng_tracks_lead_to(struct ng_tracked *from, const struct ng_tracked *to)
{
    return find_lead(&from->targets, to);
}

static bool room_for_lead(struct ng_tracks *tracks)
{
    while (tracks->leads >= 8 * tracks->max + LEADS_MIN)
        if (!let_one_go(tracks))
            return false;
    return true;
}

/* In the list of leads that `from` has. Returns 1 when it is new, 0 when it was known, -ENOMEM, -ENOSPC. */
static int add_lead(struct ng_tracks *tracks, struct ng_targets *list, struct ng_tracked *from,
                    struct ng_tracked *to, uint64_t now, uint32_t ttl)
{
    struct ng_lead *lead = find_lead(list, to);
    bool known = lead;

    if (known) {
        LIST_REMOVE(lead, targets);
        lead->ttl = ng_tracks_ttl(lead->learnt_at, lead->ttl, now, ttl);
    } else {
        if (!room_for_lead(tracks))
            return -ENOSPC;
        lead = calloc(1, sizeof(*lead));
        if (!lead)
            return -ENOMEM;
        tracks->leads++;
        lead->from = from;
        lead->to = to;
        lead->ttl = ttl;
        lead->aside = list == &from->asides;
        LIST_INSERT_HEAD(&to->sources, lead, sources);
    }
    LIST_INSERT_HEAD(list, lead, targets);
    lead->learnt_at = now;
    return !known;
}

int ng_tracks_lead(struct ng_tracks *tracks, struct ng_tracked *from, struct ng_tracked *to, uint64_t now,
                   uint32_t ttl)
{
    int r = add_lead(tracks, &from->targets, from, to, now, ttl);

    if (r >= 0 && from->required)
        ng_tracks_require(tracks, to);
    return r;
}

int ng_tracks_aside(struct ng_tracks *tracks, struct ng_tracked *from, struct ng_tracked *to, uint64_t now,
                    uint32_t ttl)
{
    return add_lead(tracks, &from->asides, from, to, now, ttl);
}

void ng_tracks_unlead(struct ng_tracks *tracks, struct ng_lead *lead)
{
    tracks->leads--;
    LIST_REMOVE(lead, targets);
    LIST_REMOVE(lead, sources);
    free(lead);
}

/* Appends a name that this walk has not visited yet. */
static int visit(struct ng_tracks *tracks, struct ng_tracked *tracked, ng_tracked_list *list)
{
    if (tracked->round == tracks->round)
        return 0;
    tracked->round = tracks->round;
    tracks->visits++;
    return ng_vector_add(list, tracked) ? 0 : -ENOMEM;
}

int ng_tracks_up(struct ng_tracks *tracks, struct ng_tracked *tracked, ng_lead_fn follow, const void *arg,
                 ng_tracked_list *list)
{
    size_t at = list->count;
    int r;

    tracks->round++;
    r = visit(tracks, tracked, list);
    for (; r == 0 && at < list->count; at++) {
        struct ng_lead *lead;

        LIST_FOREACH(lead, &list->items[at]->sources, sources)
        {
            if (r == 0 && !lead->aside && (!follow || follow(arg, lead)))
                r = visit(tracks, lead->from, list);
        }
    }
    return r;
}

int ng_tracks_down(struct ng_tracks *tracks, struct ng_tracked *tracked, ng_lead_fn follow, const void *arg,
                   ng_tracked_list *list)
{
    size_t at = list->count;
    int r;

    tracks->round++;
    r = visit(tracks, tracked, list);
    for (; r == 0 && at < list->count; at++) {
        struct ng_lead *lead;

        LIST_FOREACH(lead, &list->items[at]->targets, targets)
        {
            if (r == 0 && (!follow || follow(arg, lead)))
                r = visit(tracks, lead->to, list);
        }
    }
    return r;
}

unsigned ng_tracks_chain(struct ng_tracks *tracks, struct ng_tracked *tracked,
                         const struct ng_tracked *chain[NG_CHAIN_MAX])
{
    unsigned links = 0;

    tracks->round++;
    while (tracked && tracked->round != tracks->round && links < NG_CHAIN_MAX) {
        tracked->round = tracks->round;
        chain[links++] = tracked;
        tracked = LIST_EMPTY(&tracked->targets) ? NULL : LIST_FIRST(&tracked->targets)->to;
    }
    return links;
}
