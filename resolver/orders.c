// SPDX-License-Identifier: BSD-2-Clause
/* What the keeper orders: policies, deployments, grants, names to be resolved beforehand. */
#include "serving.h"

#include "prewarm.h"

#include <errno.h>
#include <string.h>

#define PASSES 4          /* over the cache, for a new policy */
#define RELOADED_MAX 4096 /* names to which an answer leads by what is in the cache; beyond it a policy is refused */

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
    r = ng_engine_learn_answer(engine, &answer, false, &tracked);
    if (r < 0)
        ng_engine_report_failure(engine, r, &answer.chain[0]);
    else if (tracked)
        ng_engine_announce(engine, tracked);
    return 0;
}

void ng_engine_local(struct ng_engine *engine, struct ng_local *local)
{
    ng_local_free(engine->local);
    engine->local = local;
    ng_cache_clear(engine->cache); /* what it has may come from the old ones, or be covered by the new */
}

/* Should this fail, the keeper does not wait forever. */
static void begin_prewarm(struct ng_engine *engine, struct ng_prewarm *prewarm)
{
    prewarm->next = engine->prewarms;
    engine->prewarms = prewarm;
    ng_engine_advance(engine);
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
        r = ng_engine_recall(engine, &name); /* what no rule needed is in the cache alone */
    if (r < 0)
        ng_engine_report_failure(engine, r, &name);
    if (message->until && ng_prewarm_name(&prewarming, &name, &prewarm) == 0)
        begin_prewarm(engine, prewarm);
    return 0;
}

int ng_engine_canary(struct ng_engine *engine, const struct ng_message_canary *message)
{
    struct ng_message_prewarmed done = {.type = NG_MESSAGE_PREWARMED, .token = message->token};
    int r;

    if (!ng_learn_policy(engine->learn))
        return -EBADMSG;
    r = ng_learn_canary(engine->learn, message->scope, message->number, message->until);
    if (r < 0)
        ng_engine_trouble(engine, r == -E2BIG ? NG_TROUBLE_MAP_FULL : NG_TROUBLE_MAP_WRITE, -r, NULL, NULL);
    else if (message->token)
        engine->ops.tell(engine->ops.arg, &done, sizeof(done));
    return 0;
}

struct recalling {
    struct ng_engine *engine;
    const struct ng_snapshot *snapshot;
    bool learnt;
    int error;
};

static void recall_for_policy(void *arg, const struct ng_question *question, const struct ng_cached *cached)
{
    struct recalling *recalling = arg;
    struct ng_engine *engine = recalling->engine;
    struct ng_tracked *tracked;
    struct ng_answer answer;

    if (recalling->error || !cached->learnable ||
        ng_learn_find(engine->learn, &question->name, cached->resolution) ||
        ng_answer_parse(question, cached->answer.wire, cached->answer.size, &answer) < 0)
        return;
    if (ng_learn_matters(engine->learn, &answer, recalling->snapshot)) {
        recalling->error = ng_engine_learn_whole(engine, &answer, true, RELOADED_MAX, &tracked);
        recalling->learnt = true;
        if (recalling->error == 0)
            ng_cache_track(engine->cache, question, tracked->id);
    }
    ng_answer_release(&answer);
}

/* What no rule needed may be needed by the new ones: it is learnt from the cache before they are put in force. What is
 * learnt may lead to what was passed over just before. */
static int put_in_force(struct ng_engine *engine, struct ng_snapshot *snapshot)
{
    struct recalling recalling = {.engine = engine, .snapshot = snapshot, .learnt = true};

    if (!ng_learn_policy(engine->learn))
        return ng_learn_snapshot(engine->learn, snapshot);
    ng_learn_turn(engine->learn);
    ng_learn_coming(engine->learn, snapshot);
    for (unsigned i = 0; i < PASSES && recalling.learnt && recalling.error == 0; i++) {
        recalling.learnt = false;
        ng_cache_each(engine->cache, recall_for_policy, &recalling);
    }
    ng_learn_coming(engine->learn, NULL);
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

bool ng_engine_lives(const struct ng_engine *engine)
{
    return ng_learn_lives(engine->learn);
}

void ng_engine_deployment(struct ng_engine *engine, const struct ng_message_deployment *message)
{
    ng_learn_deployment(engine->learn, message->scope, message->ended, message->oldest);
}
