// SPDX-License-Identifier: BSD-2-Clause
/* What an asker is given. Before anybody is told anything, the kernel has it and the keeper has heard of it. */
#include "serving.h"

#include "tell.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define STALE_TTL 30U     /* s: of a stale answer (RFC 8767 section 5.2) */
#define RECALLED_MAX 64   /* names to which an answer leads by what is in the cache; beyond it is not learnt */
#define OTHERS_MAX 100    /* resolutions a second that others were told first and the keeper puts on record */
#define REFUSED_TTL 5U    /* s: of what an asker is refused by policy */

void ng_engine_trouble(struct ng_engine *engine, enum ng_trouble what, int error, const struct ng_name *name,
                       const uint8_t *address)
{
    struct ng_message_trouble message;

    ng_tell_trouble(&message, what, error, name, address);
    engine->ops.tell(engine->ops.arg, &message, sizeof(message));
}

void ng_engine_announce(struct ng_engine *engine, struct ng_tracked *tracked)
{
    if (tracked->announced == tracked->version)
        return;
    ng_learn_announce(engine->learn, tracked, engine->ops.tell, engine->ops.arg);
    tracked->announced = tracked->version;
}

/* A write, or keeping what it is for, failed: the answer is withheld, and the keeper hears of it. */
void ng_engine_report_failure(struct ng_engine *engine, int error, const struct ng_name *name)
{
    enum ng_trouble what = error == -E2BIG    ? NG_TROUBLE_MAP_FULL
                           : error == -ENOSPC ? NG_TROUBLE_TRACKED_FULL
                                              : NG_TROUBLE_MAP_WRITE;

    if (what != NG_TROUBLE_MAP_FULL || !engine->full)
        ng_engine_trouble(engine, what, -error, name, NULL);
    engine->full |= what == NG_TROUBLE_MAP_FULL;
}

void ng_engine_write_failed(struct ng_engine *engine, int error)
{
    ng_learn_doubt(engine->learn);
    ng_engine_report_failure(engine, error, NULL);
}

void ng_engine_report_success(struct ng_engine *engine)
{
    if (!engine->full)
        return;
    engine->full = false;
    ng_engine_trouble(engine, NG_TROUBLE_RECOVERED, 0, NULL, NULL);
}

void ng_engine_report_restored(struct ng_engine *engine, size_t count, const struct ng_name *name)
{
    struct ng_message_trouble message;

    if (count == 0)
        return;
    ng_tell_trouble(&message, NG_TROUBLE_RESTORED, 0, name, NULL);
    message.count = (uint32_t)count;
    engine->ops.tell(engine->ops.arg, &message, sizeof(message));
}

void ng_engine_fail(struct ng_engine *engine, const struct ng_client *client, const struct ng_query *query,
                    uint8_t rcode, uint16_t code)
{
    struct ng_ede ede = {.code = code};
    uint8_t wire[NG_WIRE_QUERY_MAX];

    engine->ops.reply(engine->ops.arg, client, wire, ng_wire_failure(query, rcode, code ? &ede : NULL, wire));
}

static void reply(struct ng_engine *engine, const struct ng_client *client, const struct ng_query *query,
                  const struct ng_wire_answer *answer, const struct ng_ede *ede)
{
    static uint8_t wire[NG_WIRE_MAX]; /* used under the engine's turn, by one thread at a time */
    size_t max = query->udp_max < NG_WIRE_UDP_MAX ? query->udp_max : NG_WIRE_UDP_MAX;
    size_t size = ng_wire_reply(query, answer, ede, client->tcp ? NG_WIRE_MAX : max, wire, sizeof(wire));

    if (size)
        engine->ops.reply(engine->ops.arg, client, wire, size);
    else
        ng_engine_fail(engine, client, query, NG_RCODE_SERVFAIL, 0);
}

/* Why a name is denied, in the words of the rule. */
static void explain(const struct ng_engine *engine, const struct ng_name *name, uint32_t policy, struct ng_ede *ede)
{
    const struct ng_snapshot *snapshot = ng_learn_policy(engine->learn);
    int p = ng_snapshot_find_scope(snapshot, policy);
    struct ng_rule_info rule;

    if (p < 0 || ng_explain_name(snapshot, (unsigned)p, name, 0, 0, &rule) < 0)
        return;
    (void)snprintf(ede->text, sizeof(ede->text), "%s%s%s", rule.reason, *rule.instead ? "; instead: " : "",
                   rule.instead);
    for (size_t end = strlen(ede->text); end == sizeof(ede->text) - 1 && end > 0 && ede->text[end - 1] & 0x80;)
        ede->text[--end] = '\0'; /* no half of a character */
}

/* The answer that a policy wants instead of the truth. Returns -errno when that cannot be given. */
static int give_other(struct ng_engine *engine, const struct ng_client *client, const struct ng_query *query,
                      struct ng_tracked *tracked, uint8_t kind, const struct ng_ede *ede)
{
    bool v4 = query->question.type == NG_TYPE_A;
    uint8_t wire[NG_WIRE_QUERY_MAX], address[16];
    size_t size;
    int r;

    if (kind == NG_ANSWER_REFUSE) {
        size = ng_wire_nothing(query, NG_RCODE_NXDOMAIN, REFUSED_TTL, ede, wire);
    } else if (!v4 && query->question.type != NG_TYPE_AAAA) {
        size = ng_wire_nothing(query, NG_RCODE_NOERROR, REFUSED_TTL, ede, wire);
    } else {
        r = ng_learn_decoy(engine->learn, tracked, v4, address);
        if (r < 0)
            return r;
        ng_engine_announce(engine, tracked);
        size = ng_wire_address(query, v4 ? address + 12 : address, v4 ? 4 : 16, REFUSED_TTL, ede, wire);
    }
    engine->ops.reply(engine->ops.arg, client, wire, size);
    return 0;
}

static void tell_told(struct ng_engine *engine, const struct ng_tracked *tracked, uint8_t kind,
                      const struct ng_asker *asker)
{
    struct ng_message_told message;

    ng_tell_told(&message, tracked, kind, asker, engine->ops.now(engine->ops.arg));
    engine->ops.tell(engine->ops.arg, &message, sizeof(message));
}

void ng_engine_give(struct ng_engine *engine, const struct ng_client *client, const struct ng_query *query,
                    const struct ng_asker *asker, struct ng_tracked *tracked, const struct ng_wire_answer *answer)
{
    bool judged = asker && asker->mode != NG_MODE_AUDIT, tell = false;
    const struct ng_tracked *denied = NULL;
    uint8_t kind = NG_ANSWER_REAL; /* in mode audit, what it would be */
    struct ng_ede ede = {.code = answer->ttl ? NG_EDE_STALE : 0};
    int r = 0;

    if (tracked && asker)
        kind = ng_learn_answer_kind(engine->learn, tracked, asker->scope, asker->policy, &denied);
    if (denied && judged && query->edns) {
        ede.code = kind == NG_ANSWER_REFUSE  ? NG_EDE_BLOCKED
                   : kind == NG_ANSWER_DECOY ? NG_EDE_FORGED
                                             : NG_EDE_FILTERED;
        explain(engine, &denied->name, asker->policy, &ede);
    }
    if (tracked && asker)
        r = ng_learn_told(engine->learn, tracked, asker, kind != NG_ANSWER_REAL, &tell);
    if (r == 0 && tracked && (asker || tracked->ruled))
        ng_engine_announce(engine, tracked);
    /* A deployment may end by it at once, and then its report is made: this must be in it. */
    if (r == 0 && tell && kind != NG_ANSWER_REAL) {
        tell_told(engine, tracked, kind, asker);
        tell = false;
    }
    if (r == 0 && judged && kind != NG_ANSWER_REAL)
        r = give_other(engine, client, query, tracked, kind, ede.code ? &ede : NULL);
    else if (r == 0)
        reply(engine, client, query, answer, ede.code ? &ede : NULL);
    if (r < 0) {
        ng_engine_report_failure(engine, r, &query->question.name);
        ng_engine_fail(engine, client, query, NG_RCODE_SERVFAIL, 0);
        return;
    }
    if (tracked && !asker && tracked->ruled && !tracked->told_others) {
        tracked->told_others = true;
        tell = engine->others++ < OTHERS_MAX;
    }
    if (!tell)
        return;
    engine->ops.flush(engine->ops.arg, client);
    tell_told(engine, tracked, kind, asker);
}

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

/* What is done with each answer that the cache has for a name and that is not learnt. */
typedef int (*recalled_fn)(struct ng_engine *engine, const struct ng_question *question, const struct ng_answer *answer,
                           struct recalled *recalled);

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

static int recall_one(struct ng_engine *engine, const struct ng_name *name, recalled_fn each, struct recalled *recalled)
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
        r = each(engine, &question, &answer, recalled);
        ng_answer_release(&answer);
    }
    return r;
}

static int collect_leads(struct ng_engine *engine, const struct ng_question *question, const struct ng_answer *answer,
                         struct recalled *recalled)
{
    (void)engine;
    (void)question;
    return add_leads(recalled, answer);
}

static int learn_recalled(struct ng_engine *engine, const struct ng_question *question, const struct ng_answer *answer,
                          struct recalled *recalled)
{
    struct ng_tracked *tracked;
    int r;

    (void)recalled;
    if (!leads_anywhere(answer))
        return 0;
    r = learn(engine, answer, &tracked);
    if (r == 0 && !tracked)
        r = -ENOSPC;
    if (r == 0)
        ng_cache_track(engine->cache, question, tracked->id);
    return r;
}

static void unlearn_recalled(struct ng_engine *engine, const struct ng_name *name)
{
    struct ng_question question;

    for (unsigned i = 0; next_question(name, i, &question); i++)
        ng_cache_track(engine->cache, &question, 0);
}

/* Learns what the cache knows of names, and of those to which they lead. Whoever owns names can have them lead to each
 * other, in circles and without end: each is gone through once. The farthest come first, so that what is learnt leads
 * nowhere that is not; when that fails, the next question begins anew. */
static int recall(struct ng_engine *engine, struct recalled *recalled)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < recalled->names.count; i++) {
        struct ng_name name = recalled->names.items[i]; /* the list may move */

        r = recall_one(engine, &name, collect_leads, recalled);
    }
    for (size_t i = recalled->names.count; r == 0 && i-- > 0;)
        r = recall_one(engine, &recalled->names.items[i], learn_recalled, recalled);
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

int ng_engine_learn_whole(struct ng_engine *engine, const struct ng_answer *answer, bool needed, size_t max,
                          struct ng_tracked **ret_tracked)
{
    struct recalled recalled = {.max = max};
    int r = add_leads(&recalled, answer);

    *ret_tracked = NULL;
    if (r == 0)
        r = recall(engine, &recalled);
    if (r == 0)
        r = learn(engine, answer, ret_tracked);
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

/* Learns an answer of the cache, which no rule and no deployment needed before. ttl: its TTL from now on, 0: what it
 * has. */
static int learn_cached(struct ng_engine *engine, const struct ng_question *question, const struct ng_cached *cached,
                        uint32_t ttl, bool deployment, struct ng_tracked **ret_tracked)
{
    struct ng_answer answer;
    int r = ng_answer_parse(question, cached->answer.wire, cached->answer.size, &answer);

    *ret_tracked = NULL;
    if (r < 0)
        return r;
    if (ttl)
        answer.ttl = ttl;
    r = ng_engine_learn_answer(engine, &answer, deployment, ret_tracked);
    if (r == 0 && *ret_tracked)
        ng_cache_track(engine->cache, question, (*ret_tracked)->id);
    ng_answer_release(&answer);
    return r;
}

/* What is told from memory must still be in the kernel. Returns -errno when it cannot be written again. */
static int make_intact(struct ng_engine *engine, const struct ng_question *question, const struct ng_asker *asker,
                       struct ng_tracked *tracked)
{
    int r = tracked ? ng_learn_intact(engine->learn, tracked, asker ? asker->scope : 0) : 0;

    if (r > 0)
        ng_engine_report_restored(engine, (size_t)r, &question->name);
    return r < 0 ? r : 0;
}

int ng_engine_give_cached(struct ng_engine *engine, const struct ng_client *client, const struct ng_query *query,
                          const struct ng_asker *asker, struct ng_cached *cached, enum ng_given how)
{
    struct ng_tracked *tracked = ng_learn_find(engine->learn, &query->question.name, cached->resolution);
    int r = 0;

    /* A resolution that was let go is learnt anew, as what a deployment is told for the first time; what is stale is in
     * force for a while again. */
    if (cached->learnable && ((!tracked && (cached->resolution || asker)) || (how == NG_STALE && tracked)))
        r = learn_cached(engine, &query->question, cached, how == NG_FRESH ? 0 : STALE_TTL, asker != NULL, &tracked);
    if (r == 0)
        r = make_intact(engine, &query->question, asker, tracked);
    if (r < 0)
        ng_engine_report_failure(engine, r, &query->question.name);
    if (!client)
        return r;
    cached->answer.ttl = how == NG_FRESH ? 0 : STALE_TTL;
    if (r < 0)
        ng_engine_fail(engine, client, query, NG_RCODE_SERVFAIL, 0);
    else
        ng_engine_give(engine, client, query, asker, tracked, &cached->answer);
    return r;
}
