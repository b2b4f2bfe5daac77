// SPDX-License-Identifier: BSD-2-Clause
/* What an asker is given. Before anybody is told anything, the kernel has it and the keeper has heard of it. */
#include "serving.h"

#include "tell.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define STALE_TTL 30U     /* s: of a stale answer (RFC 8767 section 5.2) */
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
    ng_learn_turn(engine->learn);
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
    uint32_t scope = asker ? asker->scope : 0;
    int r;

    if (!tracked)
        return 0;
    if (!engine->gathering)
        ng_learn_turn(engine->learn);
    if (ng_learn_expect(engine->learn, tracked, scope, &question->name) == 0)
        return 0;
    r = ng_learn_intact(engine->learn, tracked, scope);
    if (r > 0)
        ng_engine_report_restored(engine, (size_t)r, &question->name);
    return r < 0 ? r : 0;
}

int ng_engine_meet(struct ng_engine *engine, const struct ng_expectations *expectations, uint64_t differ)
{
    const struct ng_name *name;
    int r;

    ng_learn_turn(engine->learn);
    r = ng_learn_meet(engine->learn, expectations, differ, &name);
    if (r > 0)
        ng_engine_report_restored(engine, (size_t)r, name);
    else if (r < 0)
        ng_engine_report_failure(engine, r, name);
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
