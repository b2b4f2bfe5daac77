// SPDX-License-Identifier: BSD-2-Clause
#include "facts.h"

#include "check.h"

#include "../../resolver/serving.h"

#include <namegate/clock.h>

#include <string.h>

#define ROOM 20 /* names and answers: where there is room for fewer, what was told may be forgotten */

static void add(fact_list *facts, const struct fact *fact)
{
    for (size_t i = 0; i < facts->count; i++) {
        struct fact *it = &facts->items[i];

        if (it->lead != fact->lead || !ng_name_equal(&it->from, &fact->from) ||
            (it->lead ? !ng_name_equal(&it->to, &fact->to) : memcmp(it->address, fact->address, 16) != 0))
            continue;
        if (it->end < fact->end)
            it->end = fact->end;
        return;
    }
    (void)ng_vector_add(facts, *fact);
}

static void add_lead(fact_list *facts, const struct ng_name *from, const struct ng_name *to, uint64_t end)
{
    add(facts, &(struct fact){.from = *from, .to = *to, .lead = true, .end = end});
}

static void add_answer(fact_list *facts, const struct ng_answer *answer, uint64_t end)
{
    const struct ng_name *last = &answer->chain[answer->links - 1], *prefixed = NULL;

    for (unsigned i = 0; i + 1 < answer->links; i++)
        add_lead(facts, &answer->chain[i], &answer->chain[i + 1], end);
    for (unsigned i = 0; i < answer->services; i++) {
        const struct ng_answer_service *service = &answer->service[i];

        if (service->prefixed) {
            prefixed = &service->name;
            continue;
        }
        add_lead(facts, last, &service->name, end);
        if (prefixed)
            add_lead(facts, prefixed, &service->name, end);
    }
    for (unsigned i = 0; i < answer->addresses; i++) {
        const struct ng_answer_address *it = &answer->address[i];
        struct fact fact = {.from = it->service ? answer->service[it->service - 1].name : *last, .end = end};

        memcpy(fact.address, it->address, sizeof(fact.address));
        add(facts, &fact);
    }
}

void facts_told(struct world *world, const struct query *query, const uint8_t *wire, size_t size)
{
    struct ng_query asked;
    struct ng_answer answer;
    uint32_t ttl;

    if (!query->deployment || ng_wire_query(query->wire, query->size, &asked) != NG_QUERY_GOOD ||
        ng_answer_parse(&asked.question, wire, size, &answer) < 0)
        return;
    ttl = answer.ttl < world->start.floor_s ? world->start.floor_s : answer.ttl;
    add_answer(&world->told, &answer, world->now + (ttl + world->start.grace_s) * NG_SECOND);
    ng_answer_release(&answer);
}

struct caching {
    const struct world *world;
    fact_list facts;
};

static void add_cached(void *arg, const struct ng_question *question, const struct ng_cached *cached)
{
    struct caching *caching = arg;
    const struct ng_engine *engine = caching->world->engine;
    struct ng_answer answer;
    struct ng_cached now;

    if (!ng_learn_find(engine->learn, &question->name, cached->resolution) ||
        ng_cache_peek(engine->cache, question, caching->world->now, &now) != NG_CACHED_FRESH ||
        ng_answer_parse(question, cached->answer.wire, cached->answer.size, &answer) < 0)
        return;
    add_answer(&caching->facts, &answer, NG_FOREVER);
    ng_answer_release(&answer);
}

/* Marks all that the name of `first` leads to. */
static void reach(const struct world *world, const fact_list *facts, const struct fact *first, bool *reached)
{
    bool more = true;

    for (size_t i = 0; i < facts->count; i++)
        reached[i] = facts->items[i].end > world->now && ng_name_equal(&facts->items[i].from, &first->from);
    while (more) {
        more = false;
        for (size_t i = 0; i < facts->count; i++) {
            for (size_t j = 0; reached[i] && facts->items[i].lead && j < facts->count; j++) {
                if (reached[j] || facts->items[j].end <= world->now ||
                    !ng_name_equal(&facts->items[j].from, &facts->items[i].to))
                    continue;
                reached[j] = more = true;
            }
        }
    }
}

static void check_policy(struct world *world, const fact_list *facts, unsigned policy, bool *reached)
{
    for (size_t f = 0; f < facts->count; f++) {
        const struct fact *first = &facts->items[f];

        if (first->end <= world->now ||
            !ng_snapshot_denies(world->snapshot, ng_match_name(world->snapshot, policy, &first->from)))
            continue;
        reach(world, facts, first, reached);
        for (size_t i = 0; i < facts->count; i++)
            if (reached[i] && !facts->items[i].lead)
                check_denied(world, policy, &first->from, facts->items[i].address);
    }
}

static void check_all(struct world *world, const fact_list *facts)
{
    bool *reached = calloc(facts->count + 1, sizeof(*reached));

    for (unsigned p = 0; p < ng_snapshot_policies(world->snapshot); p++)
        check_policy(world, facts, p, reached);
    free(reached);
}

void facts_check(struct world *world)
{
    struct caching caching = {.world = world};

    if (!world->engine || !world->snapshot || world->write_error || world->gathered ||
        world->lost || world->map.count >= world->map_max)
        return;
    ng_cache_each(world->engine->cache, add_cached, &caching);
    check_all(world, &caching.facts);
    ng_vector_free(&caching.facts);
    if (world->start.tracked_max >= ROOM && world->start.cache_entries >= ROOM)
        check_all(world, &world->told);
}
