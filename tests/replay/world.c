// SPDX-License-Identifier: BSD-2-Clause
#include "check.h"
#include "notes.h"

#include "../../bpf/decide.h"
#include "../../resolver/cache.h"
#include "../../policy/compile.h"

#include <namegate/clock.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BEGIN_S 1000000

void world_breaks(struct world *world, const char *format, ...)
{
    va_list arguments;

    if (*world->broken)
        return;
    va_start(arguments, format);
    (void)vsnprintf(world->broken, sizeof(world->broken), format, arguments);
    va_end(arguments);
}

static struct cell *find_cell(const struct world *world, const struct ng_destination_key *key)
{
    for (size_t i = 0; i < world->map.count; i++)
        if (memcmp(&world->map.items[i].key, key, sizeof(*key)) == 0)
            return &world->map.items[i];
    return NULL;
}

static int write_cell(void *arg, const struct ng_destination_key *key, const struct ng_destination *value)
{
    struct world *world = arg;
    struct cell *cell = find_cell(world, key), made = {.key = *key, .value = *value};

    if (world->write_error)
        return world->write_error;
    if (cell) {
        cell->value = *value;
        return 0;
    }
    if (world->map.count >= world->map_max)
        return -E2BIG;
    return ng_vector_add(&world->map, made) ? 0 : -ENOMEM;
}

static int read_cell(void *arg, const struct ng_destination_key *key, struct ng_destination *ret_value)
{
    struct world *world = arg;
    const struct cell *cell = find_cell(world, key);

    world->single_reads++;
    if (!cell)
        return -ENOENT;
    *ret_value = cell->value;
    return 0;
}

static int verify_cells(void *arg, const struct ng_expected *expected, unsigned count, uint64_t *ret_differ)
{
    const struct world *world = arg;

    if (world->no_verifier)
        return -EOPNOTSUPP;
    *ret_differ = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct cell *cell = find_cell(world, &expected[i].key);

        if (!cell || memcmp(&cell->value, &expected[i].value, sizeof(cell->value)) != 0)
            *ret_differ |= 1ULL << i;
    }
    return 0;
}

static int erase_cells(void *arg, const struct ng_destination_key *keys, size_t count)
{
    struct world *world = arg;

    for (size_t i = 0; i < count; i++) {
        struct cell *cell = find_cell(world, &keys[i]);

        if (cell)
            *cell = world->map.items[--world->map.count];
    }
    return 0;
}

void world_lose(struct world *world, uint32_t scope, const uint8_t address[16])
{
    struct ng_destination_key key = {.scope = scope};

    memcpy(key.address, address, 16);
    world->lost = true;
    (void)erase_cells(world, &key, 1);
}

void world_spoil(struct world *world, uint32_t scope, const uint8_t address[16])
{
    struct ng_destination_key key = {.scope = scope};
    struct cell *cell;

    memcpy(key.address, address, 16);
    world->lost = true;
    cell = find_cell(world, &key);
    if (!cell)
        world_breaks(world, "there is nothing to change");
    else
        cell->value.claim[0].expires_at--;
}

static uint64_t now_of(void *arg)
{
    return ++((struct world *)arg)->now; /* no two moments are the same */
}

static int ask(void *arg, const struct ng_question *question, const uint8_t *wire, size_t size,
               struct ng_pending *pending)
{
    struct world *world = arg;
    struct asked asked = {.pending = pending};
    struct ng_query query;

    if (world->ask_error)
        return world->ask_error;
    if (ng_wire_query(wire, size, &query) != NG_QUERY_GOOD ||
        !ng_question_equal(&query.question, question))
        world_breaks(world, "the engine asked an upstream something malformed");
    asked.question = query.question;
    return ng_vector_add(&world->asked, asked) ? 0 : -ENOMEM;
}

#define GATHERED_MAX 8

/* Queries of one turn, and what they are answered, until it leaves. */
struct gathered {
    unsigned count;
    struct {
        struct ng_client client;
        struct ng_query query;
        struct ng_asker asker;
    } item[GATHERED_MAX];
    struct ng_expected expected[NG_EXPECTED_MAX];
    struct ng_expectations expectations;
    unsigned held;
    struct {
        struct reply reply;
        struct ng_client client;
    } reply[GATHERED_MAX];
};

static void leave(struct world *world, const struct ng_client *client, struct reply reply)
{
    world->now++; /* so that what comes before it and what comes after can be told apart */
    check_reply(world, client, reply.wire, reply.size);
    (void)ng_vector_add(&world->replies, reply);
}

/* As the hook and udp.c do it. */
static void leave_all(struct world *world)
{
    struct gathered *gathered = world->gathered;
    uint64_t differ = 0;
    bool unmet;

    for (unsigned i = 0; i < gathered->expectations.count; i++) {
        const struct cell *cell = find_cell(world, &gathered->expected[i].key);

        if (!cell || memcmp(&cell->value, &gathered->expected[i].value, sizeof(cell->value)) != 0)
            differ |= 1ULL << i;
    }
    world->held_up += differ != 0;
    unmet = differ && ng_engine_meet(world->engine, &gathered->expectations, differ) < 0;
    for (unsigned i = 0; i < gathered->held; i++) {
        struct reply reply = gathered->reply[i].reply;

        if (unmet)
            reply.size = ng_wire_spoil(reply.wire, reply.size);
        leave(world, &gathered->reply[i].client, reply);
    }
    gathered->held = gathered->expectations.count = 0;
}

static void take_reply(void *arg, const struct ng_client *client, const uint8_t *wire, size_t size)
{
    struct world *world = arg;
    struct gathered *gathered = world->gathered;
    struct reply reply = {.wire = malloc(size), .size = size};
    unsigned at;

    memcpy(reply.wire, wire, size);
    if (!gathered) {
        leave(world, client, reply);
        return;
    }
    if (gathered->held == GATHERED_MAX)
        world_breaks(world, "there are more replies than queries");
    at = gathered->held++;
    gathered->reply[at].reply = reply;
    gathered->reply[at].client = *client;
}

static void flush(void *arg, const struct ng_client *client)
{
    struct world *world = arg;

    (void)client;
    if (world->gathered)
        leave_all(world);
}

void world_init(struct world *world)
{
    *world = (struct world){.now = BEGIN_S * NG_SECOND, .map_max = 1000};
    world->start = (struct ng_message_start){.type = NG_MESSAGE_START,
                                             .upstreams = 1,
                                             .floor_s = 60,
                                             .grace_s = 300,
                                             .cache_entries = 100,
                                             .tracked_max = 100,
                                             .guarded = 1,
                                             .guard = {{{[10] = 0xff, [11] = 0xff, [12] = 127}, 104}}};
}

void world_begin(struct world *world)
{
    struct ng_engine_ops ops = {.claims = {read_cell, verify_cells, write_cell, erase_cells, world},
                                .now = now_of,
                                .ask = ask,
                                .reply = take_reply,
                                .flush = flush,
                                .tell = notes_take,
                                .arg = world};

    if (ng_engine_new(&world->start, &ops, &world->engine) < 0)
        world_breaks(world, "the engine refuses its configuration");
}

int world_policy(struct world *world, const char *text)
{
    struct ng_source source = {.path = "policy", .text = text, .length = strlen(text)};
    struct ng_diag *diag = ng_diag_new();
    struct ng_snapshot *snapshot;
    unsigned error = 0;
    int fd;

    if (ng_policy_compile(&source, 1, diag, &fd) < 0 || ng_snapshot_open(fd, &snapshot) < 0) {
        (void)fputs(ng_diag_text(diag), stderr);
        exit(1);
    }
    (void)close(fd);
    ng_diag_free(diag);
    ng_engine_snapshot(world->engine, snapshot, ++world->generation);
    world->snapshot = ng_learn_policy(ng_engine_learn(world->engine));
    (void)sscanf(world->notes.items[world->notes.count - 1].text, "ready %u", &error);
    return -(int)error;
}

static uint64_t oldest(const struct world *world)
{
    uint64_t time = NG_FOREVER;

    for (size_t i = 0; i < world->deployments.count; i++)
        if (!world->deployments.items[i].ended && world->deployments.items[i].kernel.started_at < time)
            time = world->deployments.items[i].kernel.started_at;
    return time;
}

static void tell_deployment(struct world *world, const struct deployment *deployment)
{
    struct ng_message_deployment message = {.type = NG_MESSAGE_DEPLOYMENT,
                                            .scope = deployment->kernel.scope,
                                            .policy = deployment->kernel.policy,
                                            .ended = deployment->ended,
                                            .oldest = oldest(world)};

    ng_engine_deployment(world->engine, &message);
}

void world_deployment(struct world *world, const char *name, const char *policy, uint8_t mode)
{
    struct deployment made = {.kernel = {.mode = mode, .policy = world_scope(world, policy)}};

    (void)snprintf(made.name, sizeof(made.name), "%s", name);
    made.kernel.scope = NG_SCOPE_DEPLOYMENT | (uint32_t)(world->deployments.count + 1);
    made.kernel.started_at = ++world->now;
    (void)ng_vector_add(&world->deployments, made);
    tell_deployment(world, &world->deployments.items[world->deployments.count - 1]);
}

struct deployment *world_find(struct world *world, const char *name)
{
    for (size_t i = 0; i < world->deployments.count; i++)
        if (strcmp(world->deployments.items[i].name, name) == 0)
            return &world->deployments.items[i];
    return NULL;
}

void world_end_deployment(struct world *world, const char *name)
{
    struct deployment *deployment = world_find(world, name);

    deployment->ended = true;
    tell_deployment(world, deployment);
}

static void gather(struct world *world, bool hook)
{
    world->gathered = calloc(1, sizeof(*world->gathered));
    world->gathered->expectations.item = world->gathered->expected;
    ng_engine_gather(world->engine, hook ? &world->gathered->expectations : NULL);
}

void world_gather(struct world *world)
{
    gather(world, !world->no_hook);
}

void world_conclude(struct world *world)
{
    if (!world->gathered)
        return;
    ng_engine_conclude(world->engine);
    leave_all(world);
    free(world->gathered);
    world->gathered = NULL;
}

void world_query(struct world *world, struct deployment *deployment, const uint8_t *wire, size_t size, bool tcp)
{
    struct query query = {.size = size, .tcp = tcp, .deployment = deployment};
    bool alone = !world->gathered;
    struct ng_client *client;
    struct ng_query *asked;
    struct ng_asker *asker;
    unsigned i;

    if (!alone && world->gathered->count == GATHERED_MAX)
        world_conclude(world);
    if (!world->gathered)
        gather(world, !world->no_hook && !tcp);
    i = world->gathered->count++;
    client = &world->gathered->item[i].client;
    asked = &world->gathered->item[i].query;
    asker = &world->gathered->item[i].asker;
    *client = (struct ng_client){.tcp = tcp, .connection = world->queries.count};
    asker->time = world->now;
    if (deployment) {
        asker->scope = deployment->kernel.scope;
        asker->policy = deployment->kernel.policy;
        asker->mode = deployment->kernel.mode;
        (void)snprintf(asker->comm, sizeof(asker->comm), "%.15s", deployment->name);
    }
    memcpy(query.wire, wire, size);
    (void)ng_vector_add(&world->queries, query);
    (void)ng_wire_query(wire, size, asked);
    ng_engine_query(world->engine, client, asked, deployment ? asker : NULL);
    if (alone)
        world_conclude(world);
}

void world_sleep(struct world *world, unsigned seconds)
{
    for (; seconds > 0; seconds--) {
        world->now += NG_SECOND;
        ng_engine_tick(world->engine);
        while (ng_engine_patrol(world->engine)) {
        }
        world->lost &= world->write_error || world->map.count >= world->map_max; /* it could not be restored */
    }
}

uint32_t world_scope(struct world *world, const char *name)
{
    int policy = ng_snapshot_find(world->snapshot, name);
    const struct deployment *deployment = world_find(world, name);
    struct ng_policy_info info;

    if (policy < 0)
        return deployment ? deployment->kernel.scope : 0;
    ng_snapshot_policy(world->snapshot, (unsigned)policy, &info);
    return info.scope;
}

void world_adopt(struct world *world, uint32_t scope, const uint8_t address[16], unsigned seconds)
{
    struct ng_destination_key key = {.scope = scope};
    struct ng_destination value = {
        .claim = {{.profile = NG_PROFILE_DENY, .expires_at = world->now + seconds * NG_SECOND, .allow = 1}}};

    memcpy(key.address, address, 16);
    (void)write_cell(world, &key, &value);
    if (ng_engine_adopt(world->engine, &key, &value) < 0)
        world_breaks(world, "the engine does not adopt");
}

const struct ng_destination *world_entry(const struct world *world, uint32_t scope, const uint8_t address[16])
{
    struct ng_destination_key key = {.scope = scope};
    const struct cell *cell;

    memcpy(key.address, address, 16);
    cell = find_cell(world, &key);
    return cell ? &cell->value : NULL;
}

bool world_has(const struct world *world, uint32_t scope, const uint8_t address[16])
{
    return world_entry(world, scope, address) != NULL;
}

/* As the kernel gathers its facts: the deployment's own entry, then its policy's. */
uint8_t world_verdict(struct world *world, struct deployment *deployment, const uint8_t address[16], uint16_t port)
{
    const uint32_t scopes[] = {deployment->kernel.scope, deployment->kernel.policy};
    struct ng_facts facts = {.mode = NG_MODE_STRICT, .port = port};

    for (int s = 0; s < 2; s++) {
        struct ng_destination_key key = {.scope = scopes[s]};
        const struct cell *cell;

        memcpy(key.address, address, 16);
        cell = find_cell(world, &key);
        for (int i = 0; cell && i < NG_CLAIMS_MAX && cell->value.claim[i].profile; i++) {
            const struct ng_claim *claim = &cell->value.claim[i];
            bool grant = claim->profile == NG_PROFILE_GRANT && claim->expires_at > world->now;
            uint8_t verdict = ng_snapshot_verdict(world->snapshot, claim->profile, IPPROTO_TCP, port);

            facts.name_granted |= grant;
            if (!verdict || !ng_claim_in_force(claim->expires_at, verdict, deployment->kernel.started_at, world->now,
                                               world->now))
                continue;
            facts.name_denied |= verdict == NG_VERDICT_DENY;
            facts.name_allowed |= verdict == NG_VERDICT_ALLOW && claim->allow;
        }
    }
    if (!facts.name_denied && !facts.name_allowed)
        return NG_VERDICT_NONE;
    return ng_decide(&facts).verdict;
}

void world_release(struct world *world)
{
    while (world->asked.count)
        ng_engine_answer(world->engine, world->asked.items[--world->asked.count].pending, NULL, 0);
    ng_engine_free(world->engine);
    for (size_t i = 0; i < world->replies.count; i++)
        free(world->replies.items[i].wire);
    ng_vector_free(&world->map);
    ng_vector_free(&world->asked);
    ng_vector_free(&world->queries);
    ng_vector_free(&world->told);
    ng_vector_free(&world->announced);
    ng_vector_free(&world->replies);
    ng_vector_free(&world->notes);
    ng_vector_free(&world->deployments);
}
