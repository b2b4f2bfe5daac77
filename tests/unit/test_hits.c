// SPDX-License-Identifier: BSD-2-Clause
/* Cached answers allocate nothing, whoever asks: this is linked so that the program's allocations come by here. */
#include "support.h"

#include "../../policy/vector.h"
#include "../../resolver/engine.h"

#include <namegate/clock.h>

#include <errno.h>

#define SCOPE (NG_SCOPE_DEPLOYMENT | 7)
#define HITS 200

static unsigned allocations;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

void *__wrap_malloc(size_t size)
{
    allocations++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    allocations++;
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    allocations++;
    return __real_realloc(memory, size);
}

/* --- what is around an engine */

struct cell {
    struct ng_destination_key key;
    struct ng_destination value;
};

struct fixture {
    struct ng_engine *engine;
    struct ng_stats *stats;
    struct ng_stats_memory *memory;
    struct cell map[64];
    unsigned used, reads, expected, replies, told, announced;
    struct ng_pending *pending;
    uint64_t now;
    uint8_t last[NG_WIRE_UDP_MAX];
    size_t last_size;
};

static int find_cell(const struct fixture *f, const struct ng_destination_key *key, struct ng_destination *ret_value)
{
    for (unsigned i = 0; i < f->used; i++) {
        if (memcmp(&f->map[i].key, key, sizeof(*key)) == 0) {
            *ret_value = f->map[i].value;
            return 0;
        }
    }
    return -ENOENT;
}

static int read_cell(void *arg, const struct ng_destination_key *key, struct ng_destination *ret_value)
{
    struct fixture *f = arg;

    f->reads++;
    return find_cell(f, key, ret_value);
}

static int verify_cells(void *arg, const struct ng_expected *expected, unsigned count, uint64_t *ret_differ)
{
    struct fixture *f = arg;
    struct ng_destination value;

    *ret_differ = 0;
    for (unsigned i = 0; i < count; i++)
        if (find_cell(f, &expected[i].key, &value) < 0 || memcmp(&value, &expected[i].value, sizeof(value)) != 0)
            *ret_differ |= 1ULL << i;
    return 0;
}

static int write_cell(void *arg, const struct ng_destination_key *key, const struct ng_destination *value)
{
    struct fixture *f = arg;
    unsigned i = 0;

    while (i < f->used && memcmp(&f->map[i].key, key, sizeof(*key)) != 0)
        i++;
    assert_in_range(i, 0, 63);
    f->map[i] = (struct cell){*key, *value};
    f->used += i == f->used;
    return 0;
}

static int erase_cells(void *arg, const struct ng_destination_key *keys, size_t count)
{
    (void)arg;
    (void)keys;
    (void)count;
    return 0;
}

static uint64_t now_of(void *arg)
{
    return ((const struct fixture *)arg)->now;
}

static int ask(void *arg, const struct ng_question *question, const uint8_t *wire, size_t size,
               struct ng_pending *pending)
{
    (void)question;
    (void)wire;
    (void)size;
    ((struct fixture *)arg)->pending = pending;
    return 0;
}

static void reply(void *arg, const struct ng_client *client, const uint8_t *wire, size_t size)
{
    struct fixture *f = arg;

    (void)client;
    assert_in_range(size, NG_WIRE_HEADER, sizeof(f->last));
    memcpy(f->last, wire, size);
    f->last_size = size;
    f->replies++;
    ng_stats_answered(f->stats, wire, size, client->received_at);
}

static void flush(void *arg, const struct ng_client *client)
{
    (void)client;
    ng_stats_leave(((struct fixture *)arg)->stats, ((struct fixture *)arg)->now);
}

static void tell(void *arg, const void *message, size_t size)
{
    struct fixture *f = arg;
    uint32_t type;

    memcpy(&type, message, sizeof(type));
    assert_true(size > sizeof(type));
    f->told += type == NG_MESSAGE_TOLD;
    f->announced += type == NG_MESSAGE_RESOLUTION;
}

static void begin(struct fixture *f)
{
    struct ng_message_start start = {
        .upstreams = 1, .floor_s = 60, .grace_s = 60, .cache_entries = 100, .tracked_max = 100, .stale_s = 60, .workers = 1};
    struct ng_engine_ops ops = {.claims = {read_cell, verify_cells, write_cell, erase_cells, f},
                                .now = now_of,
                                .ask = ask,
                                .reply = reply,
                                .flush = flush,
                                .tell = tell,
                                .arg = f};
    int fd = ng_stats_create();

    *f = (struct fixture){.now = 1000 * NG_SECOND};
    assert_int_equal(ng_stats_map(fd, true, &f->memory), 0);
    (void)close(fd);
    assert_int_equal(ng_stats_new(f->memory, &f->stats), 0);
    ops.stats = f->stats;
    assert_int_equal(ng_engine_new(&start, &ops, &f->engine), 0);
    ng_engine_snapshot(f->engine, test_snapshot("policy deploy { deny *.denied.test\n"
                                                "deny refused.test { answer refuse }\n"
                                                "deny decoy.test { answer decoy }\n"
                                                "allow allowed.test }"), 1);
    ng_engine_deployment(f->engine, &(struct ng_message_deployment){
        .type = NG_MESSAGE_DEPLOYMENT, .scope = SCOPE, .policy = 1, .oldest = f->now});
}

static void end(struct fixture *f)
{
    ng_engine_free(f->engine);
    ng_stats_free(f->stats);
    ng_stats_unmap(f->memory);
}

static void query(struct fixture *f, const char *name, const struct ng_asker *asker)
{
    struct ng_question question = {.name = test_name(name), .type = NG_TYPE_A};
    struct ng_client client = {.received_at = f->now};
    struct ng_expected expected[NG_EXPECTED_MAX];
    struct ng_expectations expectations = {.item = expected};
    uint8_t wire[NG_WIRE_QUERY_MAX];
    struct ng_query parsed;

    assert_int_equal(ng_wire_query(wire, ng_wire_ask(&question, 7, wire), &parsed), NG_QUERY_GOOD);
    ng_engine_gather(f->engine, &expectations);
    ng_engine_query(f->engine, &client, &parsed, asker);
    ng_engine_conclude(f->engine);
    f->expected += expectations.count;
    if (f->pending) { /* with an upstream now, which answers at once */
        struct ng_pending *pending = f->pending;
        size_t size;

        parsed.edns = false;
        size = ng_wire_address(&parsed, (const uint8_t[4]){198, 51, 100, 9}, 4, 3600, NULL, wire);
        f->pending = NULL;
        ng_engine_answer(f->engine, pending, wire, size);
    }
}

static void expect_hits(struct fixture *f, const char *name, const struct ng_asker *asker)
{
    struct ng_stats_copy copy;
    uint64_t hits;
    unsigned before;

    query(f, name, asker); /* from the upstream, and the first hit, which may be the first to tell somebody something */
    query(f, name, asker);
    ng_stats_read(f->memory, &copy);
    hits = copy.count[NG_COUNT_HITS];
    f->replies = 0;
    before = allocations;
    for (unsigned i = 0; i < HITS; i++) {
        f->now += NG_SECOND / 10; /* so that the keeper is told again */
        query(f, name, asker);
    }
    assert_int_equal(allocations - before, 0);
    assert_int_equal(f->replies, HITS);
    ng_stats_read(f->memory, &copy);
    assert_int_equal(copy.count[NG_COUNT_HITS] - hits, HITS);
}

static void hits_allocate_nothing(void **state)
{
    static const char *const names[] = {"other.test", "allowed.test", "www.denied.test", "refused.test", "decoy.test"};
    struct fixture f;
    struct ng_policy_info policy;
    struct ng_asker asker = {.scope = SCOPE, .mode = NG_MODE_BLOCK};
    struct ng_snapshot *snapshot = test_snapshot("policy deploy { deny *.denied.test }");

    (void)state;
    ng_snapshot_policy(snapshot, 0, &policy);
    asker.policy = policy.scope; /* the same for all policies of that name */
    ng_snapshot_free(snapshot);
    begin(&f);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        expect_hits(&f, names[i], NULL);
        expect_hits(&f, names[i], &asker);
        assert_int_equal(f.last[3] & 15, i == 3 ? NG_RCODE_NXDOMAIN : NG_RCODE_NOERROR);
    }
    assert_true(f.expected > 0 && f.used > 0 && f.told > 0 && f.announced > 0); /* of those that are denied */
    assert_int_equal(f.reads, 0);
    end(&f);
}

/* So that the counting is known to count. */
static void allocations_are_seen(void **state)
{
    NG_VECTOR(uint8_t) vector = {0};
    unsigned before = allocations;

    (void)state;
    assert_true(ng_vector_add(&vector, (uint8_t)1));
    ng_vector_free(&vector);
    assert_true(allocations > before);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_seen),
        cmocka_unit_test(hits_allocate_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
