// SPDX-License-Identifier: BSD-2-Clause
#include "engine.h"

#include "cache.h"
#include "prewarm.h"
#include "random.h"
#include "tell.h"
#include "tracked.h"

#include "../policy/bits.h"

#include <namegate/clock.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_MAX (7 * 86400)
#define CHECKED_MAX 65536 /* destinations that are looked at in one tick */
#define STALE_TTL 30U     /* s: of a stale answer (RFC 8767 section 5.2) */
#define STALE_AFTER (1800 * (NG_SECOND / 1000)) /* so long an asker waits for something better (there too) */
#define OTHERS_MAX 100    /* resolutions a second that others were told first and the keeper puts on record */
#define REFUSED_TTL 5U    /* s: of what an asker is refused by policy */
#define RENEWED_MAX 64    /* names asked for anew in one tick */
#define CLIENTS 1024      /* counters of what clients have under way; who shares one shares its bound */
#define CLIENT_PENDING_MAX (NG_PENDING_MAX / 2)

/* An asker that waits. */
struct waiter {
    struct waiter *next;
    struct ng_client client;
    struct ng_query query;
    struct ng_asker asker; /* scope 0: none */
    struct ng_prewarm *prewarm; /* set: nobody waits but a prewarming */
    bool nobody;                /* asked to be known anew */
};

/* A question that is with an upstream. */
struct ng_pending {
    struct ng_link link;
    struct ng_question question;
    struct waiter *waiters, **end; /* in the order in which they came */
    uint64_t begun_at;
    uint16_t *of_client; /* counter of the client that asked first */
};

struct ng_engine {
    struct ng_engine_ops ops;
    struct ng_learn *learn;
    struct ng_cache *cache;
    struct ng_local *local; /* NULL: none */
    struct ng_table pending;
    size_t waiting;
    uint16_t under_way[CLIENTS]; /* questions that a client was the first to ask */
    unsigned renewed, others;    /* in this tick */
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
    ng_name_copy(&engine->guarded_name, name);
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

static void renew(struct ng_engine *engine, const struct ng_name *name, uint16_t type);

static void on_expired(void *arg, const struct ng_name *name)
{
    struct ng_engine *engine = arg;

    if (engine->renewed++ >= RENEWED_MAX)
        return; /* in a later round */
    renew(engine, name, NG_TYPE_A);
    renew(engine, name, NG_TYPE_AAAA);
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

static void fail(struct ng_engine *engine, const struct ng_client *client, const struct ng_query *query, uint8_t rcode,
                 uint16_t code)
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
        fail(engine, client, query, NG_RCODE_SERVFAIL, 0);
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
        announce(engine, tracked);
        size = ng_wire_address(query, v4 ? address + 12 : address, v4 ? 4 : 16, REFUSED_TTL, ede, wire);
    }
    engine->ops.reply(engine->ops.arg, client, wire, size);
    return 0;
}

/* Gives an answer to one asker. tracked: what stands for its addresses, NULL when it has none. */
static void give(struct ng_engine *engine, const struct ng_client *client, const struct ng_query *query,
                 const struct ng_asker *asker, struct ng_tracked *tracked, const struct ng_wire_answer *answer)
{
    bool judged = tracked && asker && asker->mode != NG_MODE_AUDIT, tell = false;
    const struct ng_tracked *denied = NULL;
    uint8_t kind = NG_ANSWER_REAL;
    struct ng_ede ede = {.code = answer->ttl ? NG_EDE_STALE : 0};
    struct ng_message_told message;
    int r = 0;

    if (judged)
        kind = ng_learn_answer_kind(engine->learn, tracked, asker->scope, asker->policy, &denied);
    if (denied && query->edns) {
        ede.code = kind == NG_ANSWER_REFUSE  ? NG_EDE_BLOCKED
                   : kind == NG_ANSWER_DECOY ? NG_EDE_FORGED
                                             : NG_EDE_FILTERED;
        explain(engine, &denied->name, asker->policy, &ede);
    }
    if (tracked && asker)
        r = ng_learn_told(engine->learn, tracked, asker->scope, asker->policy, &tell);
    if (r == 0 && tracked && (asker || tracked->ruled))
        announce(engine, tracked);
    if (r == 0 && kind != NG_ANSWER_REAL)
        r = give_other(engine, client, query, tracked, kind, ede.code ? &ede : NULL);
    else if (r == 0)
        reply(engine, client, query, answer, ede.code ? &ede : NULL);
    if (r < 0) {
        report_failure(engine, r, &query->question.name);
        fail(engine, client, query, NG_RCODE_SERVFAIL, 0);
        return;
    }
    if (tracked && !asker && tracked->ruled && !tracked->told_others) {
        tracked->told_others = true;
        tell = engine->others++ < OTHERS_MAX;
    }
    if (!tell)
        return;
    engine->ops.flush(engine->ops.arg, client);
    ng_tell_told(&message, tracked, asker, engine->ops.now(engine->ops.arg));
    engine->ops.tell(engine->ops.arg, &message, sizeof(message));
}

static int learn(struct ng_engine *engine, const struct ng_answer *answer, bool deployment,
                 struct ng_tracked **ret_tracked);

/* Learns an answer of the cache, which no rule and no deployment needed before. ttl: its TTL from now on. */
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
    r = learn(engine, &answer, deployment, ret_tracked);
    if (r == 0 && *ret_tracked)
        ng_cache_track(engine->cache, question, (*ret_tracked)->id);
    ng_answer_release(&answer);
    return r;
}

/* What the cache knows of a name that another one leads to now: all questions whose answers have addresses, or aliases
 * for their own sake. */
static int recall_one(struct ng_engine *engine, const struct ng_name *name)
{
    static const uint16_t types[] = {NG_TYPE_A, NG_TYPE_AAAA, NG_TYPE_CNAME, NG_TYPE_HTTPS, NG_TYPE_SVCB};
    int r = 0;

    for (unsigned i = 0; r == 0 && i < 4 * sizeof(types) / sizeof(types[0]); i++) {
        struct ng_question question = {
            .name = *name, .type = types[i / 4], .dnssec = i & 1, .checking_disabled = i & 2};
        struct ng_tracked *tracked;
        struct ng_cached cached;
        enum ng_cached_kind kind =
            ng_cache_get(engine->cache, &question, engine->ops.now(engine->ops.arg), &cached);

        if ((kind != NG_CACHED_FRESH && kind != NG_CACHED_STALE) || !cached.learnable ||
            (cached.resolution && ng_learn_find(engine->learn, cached.resolution)))
            continue;
        ng_cache_track(engine->cache, &question, UINT64_MAX); /* so that a circle ends */
        r = learn_cached(engine, &question, &cached, 0, true, &tracked);
    }
    return r;
}

/* Learns an answer if a rule, or a deployment, needs it. Others wait in the cache until one does: there are many. */
static int learn(struct ng_engine *engine, const struct ng_answer *answer, bool deployment,
                 struct ng_tracked **ret_tracked)
{
    size_t destinations = ng_learn_destinations(engine->learn);
    int r = 0;

    *ret_tracked = NULL;
    if (!answer->addresses && answer->links < 2 && !answer->services)
        return 0;
    if (!deployment && !ng_learn_matters(engine->learn, answer, NULL))
        return 0;
    for (unsigned i = 1; r == 0 && i < answer->links; i++)
        r = recall_one(engine, &answer->chain[i]);
    for (unsigned i = 0; r == 0 && i < answer->services; i++)
        r = recall_one(engine, &answer->service[i].name);
    ng_stats_learns(engine->ops.stats, engine->ops.now(engine->ops.arg));
    if (r == 0)
        r = ng_learn_answer(engine->learn, answer, ret_tracked);
    ng_stats_learnt(engine->ops.stats, engine->ops.now(engine->ops.arg), r);
    if (r == 0 && ng_learn_destinations(engine->learn) > destinations)
        report_success(engine); /* there was room for another one */
    return r;
}

/* What is told from memory must still be in the kernel. Returns -errno when it cannot be written again. */
static int make_intact(struct ng_engine *engine, const struct ng_question *question, const struct ng_asker *asker,
                       struct ng_tracked *tracked)
{
    int r = tracked ? ng_learn_intact(engine->learn, tracked, asker ? asker->scope : 0) : 0;

    if (r > 0)
        report_restored(engine, (size_t)r, &question->name);
    return r < 0 ? r : 0;
}

/* Gives what the cache has; client NULL: to nobody. stale: its TTL is over. */
static void give_from_cache(struct ng_engine *engine, const struct ng_client *client, const struct ng_query *query,
                            const struct ng_asker *asker, struct ng_cached *cached, bool stale)
{
    struct ng_tracked *tracked = cached->resolution ? ng_learn_find(engine->learn, cached->resolution) : NULL;
    int r = 0;

    /* A resolution that was let go is learnt anew, as what a deployment is told for the first time; what is stale is in
     * force for a while again. */
    if (cached->learnable && ((!tracked && (cached->resolution || asker)) || (stale && tracked)))
        r = learn_cached(engine, &query->question, cached, stale ? STALE_TTL : 0, asker != NULL, &tracked);
    if (r == 0)
        r = make_intact(engine, &query->question, asker, tracked);
    if (r < 0)
        report_failure(engine, r, &query->question.name);
    if (!client)
        return;
    cached->answer.ttl = stale ? STALE_TTL : 0;
    if (r < 0)
        fail(engine, client, query, NG_RCODE_SERVFAIL, 0);
    else
        give(engine, client, query, asker, tracked, &cached->answer);
}

/* False: an upstream must be asked. client NULL: nobody asks but a prewarming. */
static bool give_cached(struct ng_engine *engine, const struct ng_client *client, const struct ng_query *query,
                        const struct ng_asker *asker)
{
    struct ng_cached cached;
    /* The clock need not be read again for a query that was read a moment ago. */
    uint64_t now = client && client->received_at ? client->received_at : engine->ops.now(engine->ops.arg);

    switch (ng_cache_get(engine->cache, &query->question, now, &cached)) {
    case NG_CACHED_FRESH:
        give_from_cache(engine, client, query, asker, &cached, false);
        if (client && cached.aging)
            renew(engine, &query->question.name, query->question.type);
        return true;
    case NG_CACHED_STALE:
        if (cached.failed)
            give_from_cache(engine, client, query, asker, &cached, true);
        return cached.failed;
    case NG_CACHED_FAILURE:
        if (client)
            fail(engine, client, query, NG_RCODE_SERVFAIL, NG_EDE_CACHED_ERROR);
        return true;
    case NG_CACHED_NOTHING:
    default:
        return false;
    }
}

/* A stale answer, if there is one, to those who wait for a better one. */
static bool give_stale(struct ng_engine *engine, const struct waiter *waiter)
{
    const struct ng_asker *asker = waiter->asker.scope ? &waiter->asker : NULL;
    struct ng_cached cached;

    if (ng_cache_get(engine->cache, &waiter->query.question, engine->ops.now(engine->ops.arg), &cached) !=
        NG_CACHED_STALE)
        return false;
    give_from_cache(engine, &waiter->client, &waiter->query, asker, &cached, true);
    return true;
}

static struct ng_pending *find_pending(struct ng_engine *engine, const struct ng_question *question)
{
    struct ng_link *link = ng_table_first(&engine->pending, ng_question_hash(question, engine->key));

    while (link && !ng_question_equal(&ng_record(link, struct ng_pending, link)->question, question))
        link = ng_table_next(link);
    return ng_record(link, struct ng_pending, link);
}

/* The counter of a client: deployments, and addresses, have their own, so that none keeps all others from asking. */
static uint16_t *counter_of(struct ng_engine *engine, const struct waiter *waiter)
{
    uint64_t own = waiter->asker.scope, half;

    if (!own && !waiter->prewarm && !waiter->nobody) {
        memcpy(&own, waiter->client.peer.address + 8, sizeof(own));
        memcpy(&half, waiter->client.peer.address, sizeof(half));
        own ^= half;
    }
    return &engine->under_way[ng_fold(own ^ engine->key, 0x9e3779b97f4a7c15ULL) % CLIENTS];
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
    bool first = !pending;

    if (engine->waiting >= NG_WAITING_MAX)
        return false;
    waiter = malloc(sizeof(*waiter));
    if (waiter && first)
        pending = begin_pending(engine, &like->query.question, counter_of(engine, like));
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
    *pending->end = waiter;
    pending->end = &waiter->next;
    engine->waiting++;
    return true;
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

void ng_engine_query(struct ng_engine *engine, const struct ng_client *client, const uint8_t *wire, size_t size,
                     const struct ng_asker *asker)
{
    struct waiter waiter = {.client = *client};
    uint8_t rcode;

    ng_stats_asked(engine->ops.stats, client->tcp, client->received_at);
    switch (ng_wire_query(wire, size, &waiter.query, &rcode)) {
    case NG_QUERY_SILENT:
        return;
    case NG_QUERY_BAD:
        fail(engine, client, &waiter.query, rcode, 0);
        return;
    case NG_QUERY_GOOD:
        break;
    }
    if (give_cached(engine, client, &waiter.query, asker)) {
        ng_stats_count(engine->ops.stats, NG_COUNT_HITS);
        return;
    }
    ng_stats_count(engine->ops.stats, NG_COUNT_MISSES);
    if (give_canary(engine, client, &waiter.query, asker) || give_local(engine, client, &waiter.query, asker))
        return;
    if (asker)
        waiter.asker = *asker;
    if (!wait_for(engine, &waiter))
        fail(engine, client, &waiter.query, NG_RCODE_SERVFAIL, 0);
}

void ng_engine_refuse(struct ng_engine *engine, const struct ng_client *client, const uint8_t *wire, size_t size)
{
    struct ng_query query;
    uint8_t rcode;
    enum ng_query_kind kind = ng_wire_query(wire, size, &query, &rcode);

    if (kind != NG_QUERY_SILENT)
        fail(engine, client, &query, kind == NG_QUERY_BAD ? rcode : NG_RCODE_REFUSED, NG_EDE_PROHIBITED);
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
            trouble(engine, NG_TROUBLE_UPSTREAM, 0, &question->name, NULL);
        else if (r != -ENOTSUP)
            trouble(engine, NG_TROUBLE_MALFORMED, -r, &question->name, NULL);
        ng_cache_fail(engine->cache, question, now);
        return r;
    }
    r = learn(engine, ret_answer, deployment, ret_tracked);
    if (r < 0) {
        report_failure(engine, r, &question->name);
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
            fail(engine, client, query, NG_RCODE_SERVFAIL, 0);
        return true;
    }
    if (client)
        give(engine, client, query, asker, tracked,
             &(struct ng_wire_answer){
                 .wire = answer.wire, .size = answer.size, .ttls = answer.ttls, .ttl_count = answer.ttl_count});
    else if (tracked && tracked->ruled)
        announce(engine, tracked);
    ng_answer_release(&answer);
    return true;
}

int ng_engine_known(struct ng_engine *engine, const struct ng_message_resolution *message)
{
    struct ng_answer_address addresses[NG_ADDRESSES_MAX];
    struct ng_answer answer = {.remembered = true, .address = addresses};
    struct ng_tracked *tracked = NULL;
    int r;

    if (message->links == 0 || message->links > NG_CHAIN_MAX || message->addresses > NG_ADDRESSES_MAX ||
        !ng_learn_policy(engine->learn))
        return -EBADMSG;
    for (; answer.links < message->links; answer.links++) {
        const struct ng_wire_name *name = &message->chain[answer.links];

        if (ng_name_from_wire(name->wire, name->length, &answer.chain[answer.links]) != name->length)
            return -EBADMSG;
    }
    for (; answer.addresses < message->addresses; answer.addresses++) {
        memcpy(addresses[answer.addresses].address, message->address[answer.addresses], 16);
        addresses[answer.addresses].service = 0;
    }
    r = learn(engine, &answer, false, &tracked);
    if (r < 0)
        report_failure(engine, r, &answer.chain[0]);
    else if (tracked)
        announce(engine, tracked);
    return 0;
}

void ng_engine_local(struct ng_engine *engine, struct ng_local *local)
{
    ng_local_free(engine->local);
    engine->local = local;
    ng_cache_clear(engine->cache); /* what it has may come from the old ones, or be covered by the new */
}

static void advance(struct ng_engine *engine);

static bool for_deployment(const struct ng_pending *pending)
{
    for (const struct waiter *it = pending->waiters; it; it = it->next)
        if (it->asker.scope)
            return true;
    return false;
}

static void conclude(struct ng_engine *engine, const struct waiter *waiter, int result, struct ng_tracked *tracked,
                     const struct ng_wire_answer *answer)
{
    if (waiter->prewarm)
        waiter->prewarm->outstanding--;
    if (waiter->prewarm || waiter->nobody) {
        if (tracked && tracked->ruled)
            announce(engine, tracked);
    } else if (result == 0) {
        give(engine, &waiter->client, &waiter->query, waiter->asker.scope ? &waiter->asker : NULL, tracked, answer);
    } else if (!give_stale(engine, waiter)) {
        fail(engine, &waiter->client, &waiter->query, NG_RCODE_SERVFAIL,
             result == -ETIMEDOUT ? NG_EDE_NO_REACHABLE_AUTHORITY : 0);
    }
}

void ng_engine_answer(struct ng_engine *engine, struct ng_pending *pending, const uint8_t *wire, size_t size)
{
    struct ng_answer answer;
    struct ng_tracked *tracked = NULL;
    struct waiter *waiters = pending->waiters;
    struct ng_wire_answer out = {.size = 0};
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
        engine->waiting--;
        conclude(engine, waiter, r, tracked, &out);
        free(waiter);
    }
    if (r == 0)
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

/* Should this fail, the keeper does not wait forever. */
static void begin_prewarm(struct ng_engine *engine, struct ng_prewarm *prewarm)
{
    prewarm->next = engine->prewarms;
    engine->prewarms = prewarm;
    advance(engine);
}

void ng_engine_prewarm(struct ng_engine *engine, const struct ng_message_prewarm *message)
{
    struct ng_prewarm *prewarm;

    if (ng_prewarm_new(message, ng_learn_policy(engine->learn), &prewarm) == 0)
        begin_prewarm(engine, prewarm);
}

int ng_engine_grant(struct ng_engine *engine, const struct ng_message_grant *message)
{
    struct ng_message_prewarm prewarming = {.token = message->token};
    struct ng_prewarm *prewarm;
    struct ng_name name;
    int r;

    if (!ng_learn_policy(engine->learn) ||
        ng_name_from_wire(message->name.wire, message->name.length, &name) != message->name.length)
        return -EBADMSG;
    r = ng_learn_grant(engine->learn, message->scope, &name, message->until);
    if (r == 0)
        r = recall_one(engine, &name); /* what no rule needed is in the cache alone */
    if (r < 0)
        report_failure(engine, r, &name);
    if (message->until && ng_prewarm_name(&prewarming, &name, &prewarm) == 0)
        begin_prewarm(engine, prewarm);
    return 0;
}

int ng_engine_canary(struct ng_engine *engine, const struct ng_message_canary *message)
{
    struct ng_message_prewarm done = {.type = NG_MESSAGE_PREWARMED, .token = message->token};
    int r;

    if (!ng_learn_policy(engine->learn))
        return -EBADMSG;
    r = ng_learn_canary(engine->learn, message->scope, message->number, message->until);
    if (r < 0)
        trouble(engine, r == -E2BIG ? NG_TROUBLE_MAP_FULL : NG_TROUBLE_MAP_WRITE, -r, NULL, NULL);
    else if (message->token)
        engine->ops.tell(engine->ops.arg, &done, sizeof(done));
    return 0;
}

struct recalling {
    struct ng_engine *engine;
    const struct ng_snapshot *snapshot;
    int error;
};

static void recall_for_policy(void *arg, const struct ng_question *question, const struct ng_cached *cached)
{
    struct recalling *recalling = arg;
    struct ng_engine *engine = recalling->engine;
    struct ng_tracked *tracked;
    struct ng_answer answer;

    if (recalling->error || !cached->learnable ||
        (cached->resolution && ng_learn_find(engine->learn, cached->resolution)) ||
        ng_answer_parse(question, cached->answer.wire, cached->answer.size, &answer) < 0)
        return;
    if (ng_learn_matters(engine->learn, &answer, recalling->snapshot)) {
        recalling->error = ng_learn_answer(engine->learn, &answer, &tracked);
        if (recalling->error == 0 && tracked)
            ng_cache_track(engine->cache, question, tracked->id);
    }
    ng_answer_release(&answer);
}

/* What no rule needed may be needed by the new ones: it is learnt from the cache before they are put in force. */
static int put_in_force(struct ng_engine *engine, struct ng_snapshot *snapshot)
{
    struct recalling recalling = {.engine = engine, .snapshot = snapshot};

    if (ng_learn_policy(engine->learn))
        ng_cache_each(engine->cache, recall_for_policy, &recalling);
    return recalling.error ? recalling.error : ng_learn_snapshot(engine->learn, snapshot);
}

void ng_engine_snapshot(struct ng_engine *engine, struct ng_snapshot *snapshot, uint64_t generation)
{
    int r = put_in_force(engine, snapshot);
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

/* Who has waited for long is given what there is; the question stays open. */
static void relieve(void *arg, struct ng_link *link)
{
    struct ng_engine *engine = arg;
    struct ng_pending *pending = ng_record(link, struct ng_pending, link);
    struct waiter **at = &pending->waiters;

    if (engine->ops.now(engine->ops.arg) - pending->begun_at < STALE_AFTER)
        return;
    while (*at) {
        struct waiter *waiter = *at;

        if (waiter->prewarm || waiter->nobody || !give_stale(engine, waiter)) {
            at = &waiter->next;
            continue;
        }
        *at = waiter->next;
        engine->waiting--;
        free(waiter);
    }
    pending->end = at;
}

void ng_engine_tick(struct ng_engine *engine)
{
    engine->renewed = engine->others = 0;
    ng_table_each(&engine->pending, relieve, engine);
    if (ng_learn_policy(engine->learn)) {
        report_restored(engine, ng_learn_check(engine->learn, CHECKED_MAX), NULL);
        if (ng_learn_collect(engine->learn) > 0)
            report_success(engine);
    }
    advance(engine);
    ng_stats_gauges(engine->ops.stats,
                    &(struct ng_stats_gauges){.tracked = ng_learn_tracked(engine->learn),
                                              .cached = ng_cache_count(engine->cache),
                                              .pending = engine->pending.count,
                                              .destinations = ng_learn_destinations(engine->learn)});
}
