// SPDX-License-Identifier: BSD-2-Clause
/* An answer is learnt whole: with what the cache knows of the names to which it leads. */
#include "serving.h"

#include <errno.h>

#define ATTEMPTS 8       /* to learn an answer whose names let each other go: there is too little room then */
#define RECALLED_MAX 64 /* names to which an answer leads by what is in the cache; beyond it is not learnt */

static bool leads_anywhere(const struct ng_answer *answer)
{
    return answer->addresses || answer->links > 1 || answer->services;
}

static int learn(struct ng_engine *engine, const struct ng_answer *answer, struct ng_tracked **ret_tracked)
{
    size_t destinations = ng_learn_destinations(engine->learn);
    int r;

    ng_stats_learns(engine->ops.stats, engine->ops.now(engine->ops.arg));
    r = ng_learn_answer(engine->learn, answer, ret_tracked);
    ng_stats_learnt(engine->ops.stats, engine->ops.now(engine->ops.arg), r);
    if (r == 0 && ng_learn_destinations(engine->learn) > destinations)
        ng_engine_report_success(engine); /* there was room for another one */
    return r;
}

struct recalled {
    NG_VECTOR(struct ng_name) names;
    size_t max;
};

static int add_name(struct recalled *recalled, const struct ng_name *name)
{
    for (size_t i = 0; i < recalled->names.count; i++)
        if (ng_name_equal(&recalled->names.items[i], name))
            return 0;
    if (recalled->names.count == recalled->max)
        return -ENOSPC;
    return ng_vector_add(&recalled->names, *name) ? 0 : -ENOMEM;
}

/* The names to which an answer leads. */
static int add_leads(struct recalled *recalled, const struct ng_answer *answer)
{
    int r = 0;

    for (unsigned i = 1; r == 0 && i < answer->links; i++)
        r = add_name(recalled, &answer->chain[i]);
    for (unsigned i = 0; r == 0 && i < answer->services; i++)
        r = add_name(recalled, &answer->service[i].name);
    return r;
}

/* All questions for a name whose answers have addresses or lead to names, one by one. */
static bool next_question(const struct ng_name *name, unsigned number, struct ng_question *ret_question)
{
    static const uint16_t types[] = {NG_TYPE_A, NG_TYPE_AAAA, NG_TYPE_CNAME, NG_TYPE_HTTPS, NG_TYPE_SVCB};

    if (number == 4 * sizeof(types) / sizeof(types[0]))
        return false;
    *ret_question = (struct ng_question){
        .name = *name, .type = types[number / 4], .dnssec = number & 1, .checking_disabled = number & 2};
    return true;
}

static int learn_recalled(struct ng_engine *engine, const struct ng_question *question, const struct ng_answer *answer)
{
    struct ng_tracked *tracked;
    int r;

    if (!leads_anywhere(answer))
        return 0;
    r = learn(engine, answer, &tracked);
    if (r == 0 && !tracked)
        r = -ENOSPC;
    if (r == 0)
        ng_cache_track(engine->cache, question, tracked->id);
    return r;
}

/* Of the answers that the cache has for a name and that are not learnt yet: adds where they lead, or learns them. */
static int recall_one(struct ng_engine *engine, const struct ng_name *name, struct recalled *recalled, bool learns)
{
    struct ng_question question;
    int r = 0;

    for (unsigned i = 0; r == 0 && next_question(name, i, &question); i++) {
        struct ng_answer answer;
        struct ng_cached cached;
        enum ng_cached_kind kind =
            ng_cache_peek(engine->cache, &question, engine->ops.now(engine->ops.arg), &cached);

        if ((kind != NG_CACHED_FRESH && kind != NG_CACHED_STALE) || !cached.learnable ||
            ng_learn_find(engine->learn, name, cached.resolution))
            continue;
        r = ng_answer_parse(&question, cached.answer.wire, cached.answer.size, &answer);
        if (r < 0)
            break;
        r = learns ? learn_recalled(engine, &question, &answer) : add_leads(recalled, &answer);
        ng_answer_release(&answer);
    }
    return r;
}

static void unlearn_recalled(struct ng_engine *engine, const struct ng_name *name)
{
    struct ng_question question;

    for (unsigned i = 0; next_question(name, i, &question); i++)
        ng_cache_track(engine->cache, &question, NG_UNLEARNT);
}

/* Learns what the cache knows of names, and of those to which they lead. Whoever owns names can have them lead to each
 * other, in circles and without end: each is gone through once. The farthest come first, so that what is learnt leads
 * nowhere that is not; when that fails, the next question begins anew. */
static int recall(struct ng_engine *engine, struct recalled *recalled)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < recalled->names.count; i++) {
        struct ng_name name = recalled->names.items[i]; /* the list may move */

        r = recall_one(engine, &name, recalled, false);
    }
    for (size_t i = recalled->names.count; r == 0 && i-- > 0;)
        r = recall_one(engine, &recalled->names.items[i], recalled, true);
    for (size_t i = 0; r < 0 && i < recalled->names.count; i++)
        unlearn_recalled(engine, &recalled->names.items[i]);
    return r;
}

int ng_engine_recall(struct ng_engine *engine, const struct ng_name *name)
{
    struct recalled recalled = {.max = RECALLED_MAX};
    int r = add_name(&recalled, name);

    ng_learn_turn(engine->learn);
    if (r == 0)
        r = recall(engine, &recalled);
    ng_vector_free(&recalled.names);
    return r;
}

/* What it leads to may be learnt already, and be let go while the rest is learnt: then all is gone through again, in
 * which nothing goes that was learnt the time before. */
static int learn_all(struct ng_engine *engine, const struct ng_answer *answer, struct recalled *recalled,
                     struct ng_tracked **ret_tracked)
{
    uint64_t drops;
    int r;

    for (unsigned i = 0; i < ATTEMPTS; i++) {
        drops = ng_learn_drops(engine->learn);
        r = recall(engine, recalled);
        if (r == 0)
            r = learn(engine, answer, ret_tracked);
        if (r < 0 || recalled->names.count == 0 || ng_learn_drops(engine->learn) == drops)
            return r;
    }
    return -ENOSPC;
}

int ng_engine_learn_whole(struct ng_engine *engine, const struct ng_answer *answer, bool needed, size_t max,
                          struct ng_tracked **ret_tracked)
{
    struct recalled recalled = {.max = max};
    int r = add_leads(&recalled, answer);

    *ret_tracked = NULL;
    if (r == 0)
        r = learn_all(engine, answer, &recalled, ret_tracked);
    if (r == -ENOSPC)
        *ret_tracked = NULL;
    if (r == 0 && needed && !*ret_tracked)
        r = -ENOSPC;
    ng_vector_free(&recalled.names);
    return r == -ENOSPC && !needed ? 0 : r;
}

int ng_engine_learn_answer(struct ng_engine *engine, const struct ng_answer *answer, bool deployment,
                           struct ng_tracked **ret_tracked)
{
    bool needed;

    *ret_tracked = NULL;
    if (!leads_anywhere(answer))
        return 0;
    ng_learn_turn(engine->learn);
    needed = ng_learn_matters(engine->learn, answer, NULL);
    return needed || deployment ? ng_engine_learn_whole(engine, answer, needed, RECALLED_MAX, ret_tracked) : 0;
}
