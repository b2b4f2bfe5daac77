// SPDX-License-Identifier: BSD-2-Clause
#include "serving.h"

#include "prewarm.h"
#include "random.h"

#include "../policy/bits.h"

#include <namegate/clock.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_MAX (7 * 86400)
#define PATROL_MAX 512 /* destinations that are looked at while queries wait */
#define STALE_AFTER (1800 * (NG_SECOND / 1000)) /* so long an asker waits for something better (there too) */
#define CLIENT_PENDING_MAX (NG_PENDING_MAX / 2)
#define CLIENT_WAITS_MAX (NG_WAITING_MAX / 2)

/* An asker that waits. */
struct waiter {
    struct waiter *next;
    struct ng_client client;
    struct ng_query query;
    struct ng_asker asker; /* scope 0: none */
    struct ng_prewarm *prewarm; /* set: nobody waits but a prewarming */
    bool nobody;                /* asked to be known anew */
    size_t counters;            /* the client's */
};

/* A question that is with an upstream. */
struct ng_pending {
    struct ng_link link;
    struct ng_question question;
    struct waiter *waiters, **end; /* in the order in which they came */
    uint64_t begun_at;
    uint16_t *of_client; /* counter of the client that asked first */
};

static uint64_t now_of(void *arg)
{
    const struct ng_engine *engine = arg;

    return engine->ops.now(engine->ops.arg);
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
    ng_name_copy(&engine->guarded_name, name);
    memcpy(engine->guarded_address, address, sizeof(engine->guarded_address));
    ng_engine_trouble(engine, NG_TROUBLE_GUARDED, 0, name, address);
}

static void on_changed(void *arg, struct ng_tracked *tracked)
{
    ng_engine_announce(arg, tracked);
}

/* To be asked for anew when the walk that found it is over, because what comes of that may be learnt at once. */
static void on_expired(void *arg, const struct ng_name *name)
{
    struct ng_engine *engine = arg;

    if (engine->renewing < NG_RENEWED_MAX) /* else in a later round */
        ng_name_copy(&engine->renewed[engine->renewing++], name);
}

static bool sane(const struct ng_message_start *start)
{
    if (start->upstreams == 0 || start->upstreams > NG_UPSTREAMS_MAX || start->guarded > NG_GUARDED_MAX ||
        start->clients > NG_CLIENTS_MAX || start->tracked_max == 0)
        return false;
    if (start->floor_s > SECONDS_MAX || start->grace_s > SECONDS_MAX || start->stale_s > SECONDS_MAX)
        return false;
    for (uint32_t i = 0; i < start->guarded; i++)
        if (start->guard[i].prefix > 128)
            return false;
    for (uint32_t i = 0; i < start->clients; i++)
        if (start->client[i].prefix > 128)
            return false;
    return true;
}

int ng_engine_new(const struct ng_message_start *start, const struct ng_engine_ops *ops, struct ng_engine **ret_engine)
{
    struct ng_learn_ops learn_ops = {
        .claims = ops->claims, .now = now_of, .changed = on_changed, .expired = on_expired, .guarded = on_guarded};
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
        r = ng_cache_new(start->cache_entries, start->stale_s, &engine->cache);
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
    ng_local_free(engine->local);
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

static void renew(struct ng_engine *engine, const struct ng_name *name, uint16_t type);

/* False: an upstream must be asked. client NULL: nobody asks but a prewarming. */
static bool give_cached(struct ng_engine *engine, const struct ng_client *client, const struct ng_query *query,
                        const struct ng_asker *asker)
{
    struct ng_cached cached;
    /* The clock need not be read again for a query that was read a moment ago. */
    uint64_t now = client && client->received_at ? client->received_at : engine->ops.now(engine->ops.arg);

    switch (ng_cache_get(engine->cache, &query->question, now, &cached)) {
    case NG_CACHED_FRESH:
        (void)ng_engine_give_cached(engine, client, query, asker, &cached, NG_FRESH);
        if (client && cached.aging)
            renew(engine, &query->question.name, query->question.type);
        return true;
    case NG_CACHED_STALE:
        if (cached.failed)
            (void)ng_engine_give_cached(engine, client, query, asker, &cached, NG_STALE);
        return cached.failed;
    case NG_CACHED_FAILURE:
        if (client)
            ng_engine_fail(engine, client, query, NG_RCODE_SERVFAIL, NG_EDE_CACHED_ERROR);
        return true;
    case NG_CACHED_NOTHING:
    default:
        return false;
    }
}

/* To whom of those who wait for the same a stale answer was given: what others need of it is not all that deployments
 * need. */
enum given { GIVEN_NOBODY, GIVEN_OTHERS, GIVEN_DEPLOYMENT };

/* A stale answer, if there is one, to those who wait for a better one, one after the other. */
static bool give_stale(struct ng_engine *engine, const struct waiter *waiter, enum given *given)
{
    const struct ng_asker *asker = waiter->asker.scope ? &waiter->asker : NULL;
    enum given own = asker ? GIVEN_DEPLOYMENT : GIVEN_OTHERS;
    struct ng_cached cached;

    if (ng_cache_get(engine->cache, &waiter->query.question, engine->ops.now(engine->ops.arg), &cached) !=
        NG_CACHED_STALE)
        return false;
    if (ng_engine_give_cached(engine, &waiter->client, &waiter->query, asker, &cached,
                              *given >= own ? NG_GIVEN_STALE : NG_STALE) == 0 &&
        *given < own)
        *given = own;
    return true;
}

static struct ng_pending *find_pending(struct ng_engine *engine, const struct ng_question *question)
{
    struct ng_link *link = ng_table_first(&engine->pending, ng_question_hash(question, engine->key));

    while (link && !ng_question_equal(&ng_record(link, struct ng_pending, link)->question, question))
        link = ng_table_next(link);
    return ng_record(link, struct ng_pending, link);
}

/* Where a client's counters are: deployments, and addresses, have their own, so that none keeps all others from
 * asking. */
static size_t counters_of(const struct ng_engine *engine, const struct waiter *waiter)
{
    uint64_t own = waiter->asker.scope, half;

    if (!own && !waiter->prewarm && !waiter->nobody) {
        memcpy(&own, waiter->client.peer.address + 8, sizeof(own));
        memcpy(&half, waiter->client.peer.address, sizeof(half));
        own ^= half;
    }
    return ng_fold(own ^ engine->key, 0x9e3779b97f4a7c15ULL) % CLIENTS;
}

static struct ng_pending *begin_pending(struct ng_engine *engine, const struct ng_question *question,
                                        uint16_t *of_client)
{
    struct ng_pending *pending;

    if (engine->pending.count >= NG_PENDING_MAX || *of_client >= CLIENT_PENDING_MAX)
        return NULL;
    pending = calloc(1, sizeof(*pending));
    if (!pending)
        return NULL;
    pending->question = *question;
    pending->end = &pending->waiters;
    pending->of_client = of_client;
    pending->begun_at = engine->ops.now(engine->ops.arg);
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
    size_t counters = counters_of(engine, like);
    bool first = !pending;

    if (engine->waiting >= NG_WAITING_MAX || engine->waits[counters] >= CLIENT_WAITS_MAX)
        return false;
    waiter = malloc(sizeof(*waiter));
    if (waiter && first)
        pending = begin_pending(engine, &like->query.question, &engine->under_way[counters]);
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
    *pending->of_client += first;
    *waiter = *like;
    waiter->next = NULL;
    waiter->counters = counters;
    *pending->end = waiter;
    pending->end = &waiter->next;
    engine->waiting++;
    engine->waits[counters]++;
    return true;
}

static void end_wait(struct ng_engine *engine, struct waiter *waiter)
{
    engine->waiting--;
    engine->waits[waiter->counters]--;
    free(waiter);
}

static bool give_local(struct ng_engine *engine, const struct ng_client *client, const struct ng_query *query,
                       const struct ng_asker *asker);

/* Asks for a question again for nobody, so that its answer is at hand. */
static void renew(struct ng_engine *engine, const struct ng_name *name, uint16_t type)
{
    struct waiter waiter = {.query = {.question = {.type = type}}, .nobody = true};

    ng_name_copy(&waiter.query.question.name, name);
    if (!find_pending(engine, &waiter.query.question) && !give_local(engine, NULL, &waiter.query, NULL))
        (void)wait_for(engine, &waiter);
}

static bool give_canary(struct ng_engine *engine, const struct ng_client *client, const struct ng_query *query,
                        const struct ng_asker *asker)
{
    uint8_t wire[NG_WIRE_QUERY_MAX];
    size_t size = asker ? ng_canaries_answer(ng_learn_canaries(engine->learn), asker->scope, query, wire) : 0;

    if (size)
        engine->ops.reply(engine->ops.arg, client, wire, size);
    return size > 0;
}

/* What the cache has no answer for. */
static void miss(struct ng_engine *engine, const struct ng_client *client, const struct ng_query *query,
                 const struct ng_asker *asker)
{
    struct waiter waiter = {.client = *client, .query = *query};

    ng_stats_count(engine->ops.stats, NG_COUNT_MISSES);
    if (give_canary(engine, client, query, asker) || give_local(engine, client, query, asker))
        return;
    if (asker)
        waiter.asker = *asker;
    if (!wait_for(engine, &waiter))
        ng_engine_fail(engine, client, query, NG_RCODE_SERVFAIL, 0);
}

void ng_engine_query(struct ng_engine *engine, const struct ng_client *client, const struct ng_query *query,
                     const struct ng_asker *asker)
{
    ng_stats_asked(engine->ops.stats, client->tcp, client->received_at);
    if (query->kind == NG_QUERY_SILENT)
        return;
    if (query->kind == NG_QUERY_BAD)
        ng_engine_fail(engine, client, query, query->rcode, 0);
    else if (give_cached(engine, client, query, asker))
        ng_stats_count(engine->ops.stats, NG_COUNT_HITS);
    else
        miss(engine, client, query, asker);
}

void ng_engine_gather(struct ng_engine *engine, struct ng_expectations *expectations)
{
    engine->gathering = true;
    ng_learn_gather(engine->learn, expectations);
    ng_learn_turn(engine->learn);
}

void ng_engine_conclude(struct ng_engine *engine)
{
    engine->gathering = false;
    ng_learn_gather(engine->learn, NULL);
}

void ng_engine_foresee(const struct ng_engine *engine, const struct ng_query *query)
{
    if (query->kind == NG_QUERY_GOOD)
        ng_cache_foresee(engine->cache, &query->question);
}

void ng_engine_refuse(struct ng_engine *engine, const struct ng_client *client, const struct ng_query *query)
{
    if (query->kind != NG_QUERY_SILENT)
        ng_engine_fail(engine, client, query, query->kind == NG_QUERY_BAD ? query->rcode : NG_RCODE_REFUSED,
                       NG_EDE_PROHIBITED);
}

/* Understands and learns an upstream's message; deployment: one waits for it. Returns 0 when it may be given. */
static int take_in(struct ng_engine *engine, const struct ng_question *question, const uint8_t *wire, size_t size,
                   bool deployment, struct ng_answer *ret_answer, struct ng_tracked **ret_tracked)
{
    uint64_t now = engine->ops.now(engine->ops.arg);
    int r = wire ? ng_answer_parse(question, wire, size, ret_answer) : -ETIMEDOUT;

    if (r < 0) {
        ng_learn_failed(engine->learn, &question->name);
        if (r == -ETIMEDOUT)
            ng_engine_trouble(engine, NG_TROUBLE_UPSTREAM, 0, &question->name, NULL);
        else if (r != -ENOTSUP)
            ng_engine_trouble(engine, NG_TROUBLE_MALFORMED, -r, &question->name, NULL);
        ng_cache_fail(engine->cache, question, now);
        return r;
    }
    r = ng_engine_learn_answer(engine, ret_answer, deployment, ret_tracked);
    if (r < 0) {
        ng_engine_report_failure(engine, r, &question->name);
        ng_answer_release(ret_answer);
        return r;
    }
    ng_cache_put(engine->cache, question, ret_answer, *ret_tracked ? (*ret_tracked)->id : 0, now);
    return 0;
}

/* An answer of the local records, if they have one; client NULL: to nobody. */
static bool give_local(struct ng_engine *engine, const struct ng_client *client, const struct ng_query *query,
                       const struct ng_asker *asker)
{
    struct ng_answer answer;
    struct ng_tracked *tracked = NULL;
    uint8_t *wire = NULL;
    size_t size = 0;
    int r = engine->local ? ng_local_answer(engine->local, &query->question, &wire, &size) : -ENOENT;

    if (r == -ENOENT)
        return false;
    if (r == 0)
        r = take_in(engine, &query->question, wire, size, asker != NULL, &answer, &tracked);
    free(wire);
    if (r < 0) {
        if (client)
            ng_engine_fail(engine, client, query, NG_RCODE_SERVFAIL, 0);
        return true;
    }
    if (client)
        ng_engine_give(engine, client, query, asker, tracked,
                       &(struct ng_wire_answer){
                 .wire = answer.wire, .size = answer.size, .ttls = answer.ttls, .ttl_count = answer.ttl_count});
    else if (tracked && tracked->ruled)
        ng_engine_announce(engine, tracked);
    ng_answer_release(&answer);
    return true;
}

static bool for_deployment(const struct ng_pending *pending)
{
    for (const struct waiter *it = pending->waiters; it; it = it->next)
        if (it->asker.scope)
            return true;
    return false;
}

static void conclude(struct ng_engine *engine, const struct waiter *waiter, int result, struct ng_tracked *tracked,
                     const struct ng_wire_answer *answer, enum given *stale)
{
    if (waiter->prewarm) {
        waiter->prewarm->outstanding--;
        waiter->prewarm->message.failed += result < 0;
    }
    if (waiter->prewarm || waiter->nobody) {
        if (tracked && tracked->ruled)
            ng_engine_announce(engine, tracked);
    } else if (result == 0) {
        ng_engine_give(engine, &waiter->client, &waiter->query, waiter->asker.scope ? &waiter->asker : NULL, tracked,
                       answer);
    } else if (!give_stale(engine, waiter, stale)) {
        ng_engine_fail(engine, &waiter->client, &waiter->query, NG_RCODE_SERVFAIL,
                       result == -ETIMEDOUT ? NG_EDE_NO_REACHABLE_AUTHORITY : 0);
    }
}

void ng_engine_answer(struct ng_engine *engine, struct ng_pending *pending, const uint8_t *wire, size_t size)
{
    struct ng_answer answer;
    struct ng_tracked *tracked = NULL;
    struct waiter *waiters = pending->waiters;
    struct ng_wire_answer out = {.size = 0};
    enum given stale = GIVEN_NOBODY;
    int r = take_in(engine, &pending->question, wire, size, for_deployment(pending), &answer, &tracked);

    if (r == 0)
        out = (struct ng_wire_answer){
            .wire = answer.wire, .size = answer.size, .ttls = answer.ttls, .ttl_count = answer.ttl_count};

    ng_table_remove(&engine->pending, &pending->link);
    --*pending->of_client;
    free(pending);
    while (waiters) {
        struct waiter *waiter = waiters;

        waiters = waiter->next;
        conclude(engine, waiter, r, tracked, &out, &stale);
        end_wait(engine, waiter);
    }
    if (r == 0)
        ng_answer_release(&answer);
    ng_engine_advance(engine);
}

static bool has_failed(const struct ng_engine *engine, const struct ng_question *question)
{
    struct ng_cached cached;

    return ng_cache_get(engine->cache, question, engine->ops.now(engine->ops.arg), &cached) == NG_CACHED_FAILURE;
}

void ng_engine_advance(struct ng_engine *engine)
{
    struct ng_prewarm **at = &engine->prewarms;

    while (*at) {
        struct ng_prewarm *prewarm = *at;
        struct waiter waiter = {.prewarm = prewarm};

        while (ng_prewarm_next(prewarm, &waiter.query.question)) {
            prewarm->message.failed += has_failed(engine, &waiter.query.question);
            if (give_cached(engine, NULL, &waiter.query, NULL) || give_local(engine, NULL, &waiter.query, NULL))
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

/* Who has waited for long is given what there is; the question stays open. */
static void relieve(void *arg, struct ng_link *link)
{
    struct ng_engine *engine = arg;
    struct ng_pending *pending = ng_record(link, struct ng_pending, link);
    struct waiter **at = &pending->waiters;
    enum given given = GIVEN_NOBODY;

    if (engine->ops.now(engine->ops.arg) - pending->begun_at < STALE_AFTER)
        return;
    while (*at) {
        struct waiter *waiter = *at;

        if (waiter->prewarm || waiter->nobody || !give_stale(engine, waiter, &given)) {
            at = &waiter->next;
            continue;
        }
        *at = waiter->next;
        end_wait(engine, waiter);
    }
    pending->end = at;
}

static void renew_expired(struct ng_engine *engine)
{
    while (engine->renewing > 0) {
        const struct ng_name *name = &engine->renewed[--engine->renewing];

        renew(engine, name, NG_TYPE_A);
        renew(engine, name, NG_TYPE_AAAA);
    }
}

bool ng_engine_patrol(struct ng_engine *engine)
{
    bool all;
    int r;

    if (!engine->patrolling)
        return false;
    r = ng_learn_check(engine->learn, PATROL_MAX, &engine->restored, &all);
    engine->unrestored = engine->unrestored ? engine->unrestored : r;
    engine->patrolling = !all;
    if (engine->patrolling)
        return true;
    ng_engine_report_restored(engine, engine->restored, NULL);
    if (engine->unrestored) /* what is missing is not denied */
        ng_engine_report_failure(engine, engine->unrestored, NULL);
    else if (engine->restored)
        ng_engine_report_success(engine);
    engine->restored = 0;
    engine->unrestored = 0;
    return false;
}

void ng_engine_tick(struct ng_engine *engine)
{
    engine->others = 0;
    ng_table_each(&engine->pending, relieve, engine);
    if (ng_learn_policy(engine->learn)) {
        engine->patrolling = true;
        if (ng_learn_collect(engine->learn) > 0)
            ng_engine_report_success(engine);
        renew_expired(engine);
    }
    ng_engine_advance(engine);
    ng_stats_gauges(engine->ops.stats,
                    &(struct ng_stats_gauges){.tracked = ng_learn_tracked(engine->learn),
                                              .cached = ng_cache_count(engine->cache),
                                              .pending = engine->pending.count,
                                              .destinations = ng_learn_destinations(engine->learn)});
}
