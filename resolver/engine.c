// SPDX-License-Identifier: BSD-2-Clause
#include "engine.h"

#include "cache.h"
#include "prewarm.h"
#include "random.h"
#include "tell.h"
#include "tracked.h"

#include <namegate/clock.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_MAX (7 * 86400)
#define CHECKED_MAX 65536 /* destinations that are looked at in one tick */

/* An asker that waits. */
struct waiter {
    struct waiter *next;
    struct ng_client client;
    struct ng_query query;
    struct ng_asker asker; /* scope 0: none */
    struct ng_prewarm *prewarm; /* set: nobody waits but a prewarming */
};

/* A question that is with an upstream. */
struct ng_pending {
    struct ng_link link;
    struct ng_question question;
    struct waiter *waiters, **end; /* in the order in which they came */
};

struct ng_engine {
    struct ng_engine_ops ops;
    struct ng_learn *learn;
    struct ng_cache *cache;
    struct ng_table pending;
    size_t waiting;
    uint64_t key;
    struct ng_prewarm *prewarms;
    uint64_t guarded_at; /* ns: what was last told of guarded addresses */
    struct ng_name guarded_name;
    uint8_t guarded_address[16];
    bool full; /* a write found destinations full, and the keeper was told */
};

static uint64_t now_of(void *arg)
{
    const struct ng_engine *engine = arg;

    return engine->ops.now(engine->ops.arg);
}

static void trouble(struct ng_engine *engine, enum ng_trouble what, int error, const struct ng_name *name,
                    const uint8_t *address)
{
    struct ng_message_trouble message;

    ng_tell_trouble(&message, what, error, name, address);
    engine->ops.tell(engine->ops.arg, &message, sizeof(message));
}

/* One answer can bring this several times: once is enough. */
static void on_guarded(void *arg, const struct ng_name *name, const uint8_t address[16])
{
    struct ng_engine *engine = arg;
    uint64_t now = engine->ops.now(engine->ops.arg);

    if (now - engine->guarded_at < NG_SECOND && ng_name_equal(name, &engine->guarded_name) &&
        memcmp(address, engine->guarded_address, sizeof(engine->guarded_address)) == 0)
        return;
    engine->guarded_at = now;
    engine->guarded_name = *name;
    memcpy(engine->guarded_address, address, sizeof(engine->guarded_address));
    trouble(engine, NG_TROUBLE_GUARDED, 0, name, address);
}

static void announce(struct ng_engine *engine, struct ng_tracked *tracked)
{
    if (tracked->announced == tracked->version)
        return;
    ng_learn_announce(engine->learn, tracked, engine->ops.tell, engine->ops.arg);
    tracked->announced = tracked->version;
}

static void on_changed(void *arg, struct ng_tracked *tracked)
{
    announce(arg, tracked);
}

static bool sane(const struct ng_message_start *start)
{
    if (start->upstreams == 0 || start->upstreams > NG_UPSTREAMS_MAX || start->guarded > NG_GUARDED_MAX ||
        start->floor_s > SECONDS_MAX || start->grace_s > SECONDS_MAX || start->tracked_max == 0)
        return false;
    for (uint32_t i = 0; i < start->guarded; i++)
        if (start->guard[i].prefix > 128)
            return false;
    return true;
}

int ng_engine_new(const struct ng_message_start *start, const struct ng_engine_ops *ops, struct ng_engine **ret_engine)
{
    struct ng_learn_ops learn_ops = {
        .claims = ops->claims, .now = now_of, .changed = on_changed, .guarded = on_guarded};
    struct ng_engine *engine;
    int r;

    if (!sane(start))
        return -EBADMSG;
    engine = calloc(1, sizeof(*engine));
    if (!engine)
        return -ENOMEM;
    engine->ops = *ops;
    engine->key = ng_random();
    learn_ops.arg = engine;
    r = ng_learn_new(start, &learn_ops, &engine->learn);
    if (r == 0)
        r = ng_cache_new(start->cache_entries, &engine->cache);
    if (r < 0) {
        ng_engine_free(engine);
        return r;
    }
    *ret_engine = engine;
    return 0;
}

void ng_engine_free(struct ng_engine *engine)
{
    if (!engine)
        return;
    while (engine->prewarms) {
        struct ng_prewarm *prewarm = engine->prewarms;

        engine->prewarms = prewarm->next;
        ng_prewarm_free(prewarm);
    }
    ng_table_release(&engine->pending);
    ng_cache_free(engine->cache);
    ng_learn_free(engine->learn);
    free(engine);
}

const struct ng_learn *ng_engine_learn(const struct ng_engine *engine)
{
    return engine->learn;
}

int ng_engine_adopt(struct ng_engine *engine, const struct ng_destination_key *key, const struct ng_destination *value)
{
    return ng_learn_adopt(engine->learn, key, value);
}

/* A write, or keeping what it is for, failed: the answer is withheld, and the keeper hears of it. */
static void report_failure(struct ng_engine *engine, int error, const struct ng_name *name)
{
    enum ng_trouble what = error == -E2BIG    ? NG_TROUBLE_MAP_FULL
                           : error == -ENOSPC ? NG_TROUBLE_TRACKED_FULL
                                              : NG_TROUBLE_MAP_WRITE;

    if (what != NG_TROUBLE_MAP_FULL || !engine->full)
        trouble(engine, what, -error, name, NULL);
    engine->full |= what == NG_TROUBLE_MAP_FULL;
}

static void report_success(struct ng_engine *engine)
{
    if (!engine->full)
        return;
    engine->full = false;
    trouble(engine, NG_TROUBLE_RECOVERED, 0, NULL, NULL);
}

static void report_restored(struct ng_engine *engine, size_t count, const struct ng_name *name)
{
    struct ng_message_trouble message;

    if (count == 0)
        return;
    ng_tell_trouble(&message, NG_TROUBLE_RESTORED, 0, name, NULL);
    message.count = (uint32_t)count;
    engine->ops.tell(engine->ops.arg, &message, sizeof(message));
}

static void fail(struct ng_engine *engine, const struct ng_client *client, const struct ng_query *query, uint8_t rcode)
{
    uint8_t wire[NG_WIRE_QUERY_MAX];

    engine->ops.reply(engine->ops.arg, client, wire, ng_wire_failure(query, rcode, wire));
}

static void reply(struct ng_engine *engine, const struct ng_client *client, const struct ng_query *query,
                  const struct ng_wire_answer *answer)
{
    static uint8_t wire[NG_WIRE_MAX]; /* the engine is one thread */
    size_t max = query->udp_max < NG_WIRE_UDP_MAX ? query->udp_max : NG_WIRE_UDP_MAX;
    size_t size = ng_wire_reply(query, answer, client->tcp ? NG_WIRE_MAX : max, wire, sizeof(wire));

    if (size)
        engine->ops.reply(engine->ops.arg, client, wire, size);
    else
        fail(engine, client, query, NG_RCODE_SERVFAIL);
}

/* Gives an answer to one asker. tracked: what stands for its addresses, NULL when it has none. */
static void give(struct ng_engine *engine, const struct ng_client *client, const struct ng_query *query,
                 const struct ng_asker *asker, struct ng_tracked *tracked, const struct ng_wire_answer *answer)
{
    struct ng_message_told message;
    bool tell = false;
    int r = 0;

    if (tracked && asker)
        r = ng_learn_told(engine->learn, tracked, asker->scope, asker->policy, &tell);
    if (r < 0) {
        report_failure(engine, r, &query->question.name);
        fail(engine, client, query, NG_RCODE_SERVFAIL);
        return;
    }
    if (tracked && (asker || tracked->ruled))
        announce(engine, tracked);
    reply(engine, client, query, answer);
    if (tracked && !asker && tracked->ruled && !tracked->told_others)
        tell = tracked->told_others = true;
    if (!tell)
        return;
    ng_tell_told(&message, tracked, asker, engine->ops.now(engine->ops.arg));
    engine->ops.tell(engine->ops.arg, &message, sizeof(message));
}

/* What is told from memory must still be in the kernel. False: it could not be written again, and the answer failed. */
static bool give_intact(struct ng_engine *engine, const struct ng_client *client, const struct ng_query *query,
                        const struct ng_asker *asker, struct ng_tracked *tracked)
{
    int r = tracked && (tracked->ruled || asker)
                ? ng_learn_intact(engine->learn, tracked, asker ? asker->scope : 0)
                : 0;

    if (r < 0) {
        report_failure(engine, r, &query->question.name);
        fail(engine, client, query, NG_RCODE_SERVFAIL);
        return false;
    }
    report_restored(engine, (size_t)r, &query->question.name);
    return true;
}

static bool give_cached(struct ng_engine *engine, const struct ng_client *client, const struct ng_query *query,
                        const struct ng_asker *asker)
{
    struct ng_wire_answer answer;
    struct ng_tracked *tracked;
    uint64_t id;

    if (!ng_cache_get(engine->cache, &query->question, engine->ops.now(engine->ops.arg), &answer, &id))
        return false;
    tracked = id ? ng_learn_find(engine->learn, id) : NULL;
    if (id && !tracked)
        return false; /* let go: it could not be judged by a new policy, so it is learnt anew */
    if (client && give_intact(engine, client, query, asker, tracked))
        give(engine, client, query, asker, tracked, &answer);
    return true;
}

static struct ng_pending *find_pending(struct ng_engine *engine, const struct ng_question *question)
{
    struct ng_link *link = ng_table_first(&engine->pending, ng_question_hash(question, engine->key));

    while (link && !ng_question_equal(&ng_record(link, struct ng_pending, link)->question, question))
        link = ng_table_next(link);
    return ng_record(link, struct ng_pending, link);
}

static struct ng_pending *begin_pending(struct ng_engine *engine, const struct ng_question *question)
{
    struct ng_pending *pending;

    if (engine->pending.count >= NG_PENDING_MAX)
        return NULL;
    pending = calloc(1, sizeof(*pending));
    if (!pending)
        return NULL;
    pending->question = *question;
    pending->end = &pending->waiters;
    if (ng_table_add(&engine->pending, &pending->link, ng_question_hash(question, engine->key)) < 0) {
        free(pending);
        return NULL;
    }
    return pending;
}

/* Joins those who wait for the question, and asks an upstream when it is the first. False when there are too many. */
static bool wait_for(struct ng_engine *engine, const struct waiter *like)
{
    struct ng_pending *pending = find_pending(engine, &like->query.question);
    struct waiter *waiter;
    uint8_t wire[NG_WIRE_QUERY_MAX];
    bool first = !pending;

    if (engine->waiting >= NG_WAITING_MAX)
        return false;
    waiter = malloc(sizeof(*waiter));
    if (waiter && first)
        pending = begin_pending(engine, &like->query.question);
    if (!waiter || !pending) {
        free(waiter);
        return false;
    }
    if (first && engine->ops.ask(engine->ops.arg, &pending->question, wire, ng_wire_ask(&pending->question, 0, wire),
                                 pending) < 0) {
        ng_table_remove(&engine->pending, &pending->link);
        free(pending);
        free(waiter);
        return false;
    }
    *waiter = *like;
    waiter->next = NULL;
    *pending->end = waiter;
    pending->end = &waiter->next;
    engine->waiting++;
    return true;
}

void ng_engine_query(struct ng_engine *engine, const struct ng_client *client, const uint8_t *wire, size_t size,
                     const struct ng_asker *asker)
{
    struct waiter waiter = {.client = *client};
    uint8_t rcode;

    switch (ng_wire_query(wire, size, &waiter.query, &rcode)) {
    case NG_QUERY_SILENT:
        return;
    case NG_QUERY_BAD:
        fail(engine, client, &waiter.query, rcode);
        return;
    case NG_QUERY_GOOD:
        break;
    }
    if (give_cached(engine, client, &waiter.query, asker))
        return;
    if (asker)
        waiter.asker = *asker;
    if (!wait_for(engine, &waiter))
        fail(engine, client, &waiter.query, NG_RCODE_SERVFAIL);
}

/* Understands and learns an upstream's message. Returns 0 when it may be given. */
static int take_in(struct ng_engine *engine, const struct ng_question *question, const uint8_t *wire, size_t size,
                   struct ng_answer *ret_answer, struct ng_tracked **ret_tracked)
{
    struct ng_answer answer;
    struct ng_tracked *tracked = NULL;
    int r;

    if (!wire) {
        ng_learn_failed(engine->learn, &question->name);
        trouble(engine, NG_TROUBLE_UPSTREAM, 0, &question->name, NULL);
        return -ETIMEDOUT;
    }
    r = ng_answer_parse(question, wire, size, &answer);
    if (r < 0) {
        ng_learn_failed(engine->learn, &question->name);
        if (r != -ENOTSUP)
            trouble(engine, NG_TROUBLE_MALFORMED, -r, &question->name, NULL);
        return r;
    }
    if (answer.addresses || answer.links > 1 || answer.services) {
        size_t destinations = ng_learn_destinations(engine->learn);

        r = ng_learn_answer(engine->learn, &answer, &tracked);
        if (r < 0) {
            report_failure(engine, r, &question->name);
            ng_answer_release(&answer);
            return r;
        }
        if (ng_learn_destinations(engine->learn) > destinations)
            report_success(engine); /* there was room for another one */
    }
    /* An answer with addresses that is not tracked could not be judged by a new policy: it is not kept. */
    if (tracked || !(answer.addresses || answer.links > 1 || answer.services))
        ng_cache_put(engine->cache, question, &answer, tracked ? tracked->id : 0, engine->ops.now(engine->ops.arg));
    *ret_answer = answer;
    *ret_tracked = tracked;
    return 0;
}

static void advance(struct ng_engine *engine);

void ng_engine_answer(struct ng_engine *engine, struct ng_pending *pending, const uint8_t *wire, size_t size)
{
    struct ng_answer answer = {0};
    struct ng_tracked *tracked = NULL;
    struct waiter *waiters = pending->waiters;
    int r = take_in(engine, &pending->question, wire, size, &answer, &tracked);
    struct ng_wire_answer out = {.wire = answer.wire, .size = answer.size, .ttls = answer.ttls,
                                 .ttl_count = answer.ttl_count};

    ng_table_remove(&engine->pending, &pending->link);
    free(pending);
    while (waiters) {
        struct waiter *waiter = waiters;

        waiters = waiter->next;
        engine->waiting--;
        if (waiter->prewarm) {
            waiter->prewarm->outstanding--;
            if (tracked && tracked->ruled)
                announce(engine, tracked);
        } else if (r < 0) {
            fail(engine, &waiter->client, &waiter->query, NG_RCODE_SERVFAIL);
        } else {
            give(engine, &waiter->client, &waiter->query, waiter->asker.scope ? &waiter->asker : NULL, tracked, &out);
        }
        free(waiter);
    }
    ng_answer_release(&answer);
    advance(engine);
}

/* Asks what prewarmings still have to ask, as far as there is room, and tells the keeper of those that are done. */
static void advance(struct ng_engine *engine)
{
    struct ng_prewarm **at = &engine->prewarms;

    while (*at) {
        struct ng_prewarm *prewarm = *at;
        struct waiter waiter = {.prewarm = prewarm};

        while (ng_prewarm_next(prewarm, &waiter.query.question)) {
            if (give_cached(engine, NULL, &waiter.query, NULL))
                continue;
            prewarm->outstanding++;
            if (wait_for(engine, &waiter))
                continue;
            prewarm->outstanding--;
            ng_prewarm_again(prewarm);
            break;
        }
        if (!ng_prewarm_done(prewarm)) {
            at = &prewarm->next;
            continue;
        }
        *at = prewarm->next;
        engine->ops.tell(engine->ops.arg, &prewarm->message, sizeof(prewarm->message));
        ng_prewarm_free(prewarm);
    }
}

void ng_engine_prewarm(struct ng_engine *engine, const struct ng_message_prewarm *message)
{
    struct ng_prewarm *prewarm;

    if (ng_prewarm_new(message, ng_learn_policy(engine->learn), &prewarm) < 0)
        return; /* the keeper does not wait forever */
    prewarm->next = engine->prewarms;
    engine->prewarms = prewarm;
    advance(engine);
}

void ng_engine_snapshot(struct ng_engine *engine, struct ng_snapshot *snapshot, uint64_t generation)
{
    int r = ng_learn_snapshot(engine->learn, snapshot);
    struct ng_message_ready message = {
        .type = NG_MESSAGE_READY, .error = (uint32_t)-r, .generation = generation};

    if (r < 0)
        ng_snapshot_free(snapshot);
    engine->ops.tell(engine->ops.arg, &message, sizeof(message));
}

void ng_engine_deployment(struct ng_engine *engine, const struct ng_message_deployment *message)
{
    ng_learn_deployment(engine->learn, message->scope, message->ended, message->oldest);
}

void ng_engine_tick(struct ng_engine *engine)
{
    if (ng_learn_policy(engine->learn)) {
        report_restored(engine, ng_learn_check(engine->learn, CHECKED_MAX), NULL);
        if (ng_learn_collect(engine->learn) > 0)
            report_success(engine);
    }
    advance(engine);
}
