// SPDX-License-Identifier: BSD-2-Clause
#include "support.h"

#include "../../daemon/openmetrics.h"
#include "../../daemon/statistics.h"
#include "../../resolver/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

struct fixture {
    int fd;
    struct ng_stats_memory *memory;
    const struct ng_stats_memory *seen; /* mapped to be read, as the keeper does */
    struct ng_stats *stats;
    struct ng_stats_copy copy;
};

static void begin(struct fixture *f)
{
    struct ng_stats_memory *seen;

    f->fd = ng_stats_create();
    assert_true(f->fd >= 0);
    assert_int_equal(ng_stats_map(f->fd, true, &f->memory), 0);
    assert_int_equal(ng_stats_map(f->fd, false, &seen), 0);
    f->seen = seen;
    assert_int_equal(ng_stats_new(f->memory, &f->stats), 0);
}

static void end(struct fixture *f)
{
    ng_stats_free(f->stats);
    ng_stats_unmap(f->memory);
    ng_stats_unmap((struct ng_stats_memory *)(uintptr_t)f->seen);
    (void)close(f->fd);
}

static void buckets_join_without_gaps(void **state)
{
    uint64_t below = 0;

    (void)state;
    for (unsigned i = 0; i < NG_BUCKETS; i++) {
        uint64_t bound = ng_stats_bound(i);

        assert_true(bound > below);
        assert_int_equal(ng_stats_bucket(below + 1), i);
        assert_int_equal(ng_stats_bucket(bound), i);
        /* no wider than a sixteenth */
        assert_true((bound - below - 1) * NG_BUCKETS_OCTAVE <= bound);
        below = bound;
    }
    assert_int_equal(below, 1ULL << NG_BUCKETS_BITS);
    assert_int_equal(ng_stats_bucket(0), 0);
    assert_int_equal(ng_stats_bucket(below + 1), NG_BUCKETS - 1);
    assert_int_equal(ng_stats_bucket(UINT64_MAX), NG_BUCKETS - 1);
    for (unsigned bits = 0; bits <= NG_BUCKETS_BITS; bits++) /* the bounds of the OpenMetrics text */
        assert_int_equal(ng_stats_bound(ng_stats_bucket(1ULL << bits)), 1ULL << bits);
}

static void near_above(uint64_t got, uint64_t exact)
{
    if (got < exact || got > exact + exact / NG_BUCKETS_OCTAVE)
        fail_msg("%llu is not %llu", (unsigned long long)got, (unsigned long long)exact);
}

static void quantiles_are_those_of_the_values(void **state)
{
    struct fixture f;
    const struct ng_histogram *times = &f.copy.stage[NG_STAGE_UPSTREAM];

    (void)state;
    begin(&f);
    ng_stats_read(f.seen, &f.copy);
    assert_int_equal(times->count, 0);
    assert_int_equal(ng_histogram_quantile(times, 0.99), 0);
    for (uint64_t us = 1; us <= 1000; us++)
        ng_stats_upstream(f.stats, 5000, 5000 + us * 1000);
    ng_stats_read(f.seen, &f.copy);
    assert_int_equal(times->count, 1000);
    assert_int_equal(times->max, 1000000);
    assert_int_equal(times->sum, 500500000);
    near_above(ng_histogram_quantile(times, 0.5), 500000);
    near_above(ng_histogram_quantile(times, 0.9), 900000);
    near_above(ng_histogram_quantile(times, 0.99), 990000);
    assert_int_equal(ng_histogram_quantile(times, 1), 1000000);
    near_above(ng_histogram_quantile(times, 0), 1000);
    ng_stats_upstream(f.stats, 5000, 5000);
    ng_stats_read(f.seen, &f.copy);
    assert_int_equal(ng_histogram_quantile(times, 0), 0);
    end(&f);
}

static const struct ng_tally_copy nothing;

static void any_numbers_are_read(void **state)
{
    static struct ng_histogram times;
    struct fixture f;
    void *all;

    (void)state;
    times = (struct ng_histogram){.count = 1, .max = 7}; /* and no bucket that holds it */
    assert_int_equal(ng_histogram_quantile(&times, 0.5), 7);
    memset(&times, 0xff, sizeof(times));
    assert_true(ng_histogram_quantile(&times, 0.5) <= ng_stats_bound(NG_BUCKETS - 1));
    begin(&f);
    all = f.memory;
    memset(all, 0xff, (size_t)lseek(f.fd, 0, SEEK_END));
    ng_stats_read(f.seen, &f.copy);
    assert_true(f.copy.count[NG_COUNT_UDP] == UINT64_MAX);
    json_decref(ng_statistics_json_of(&f.copy, &nothing));
    end(&f);
}

static void memory_keeps_its_size_and_is_closed_to_others(void **state)
{
    struct ng_stats_memory *memory;
    struct fixture f;
    int other = memfd_create("other", MFD_CLOEXEC);

    (void)state;
    begin(&f);
    assert_int_equal(ftruncate(f.fd, 0), -1);
    assert_int_equal(fcntl(f.fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
    assert_int_equal(ng_stats_map(other, true, &memory), -EBADMSG);
    assert_int_equal(ng_stats_map(-1, true, &memory), -EBADF);
    (void)close(other);
    end(&f);
}

static void a_query_is_followed_to_its_answer(void **state)
{
    static const uint8_t nxdomain[NG_WIRE_HEADER] = {[3] = 0x83};
    static const uint8_t badvers[NG_WIRE_HEADER + 11] = {[3] = 0x80, [11] = 1, [14] = 41, [17] = 1};
    struct fixture f;

    (void)state;
    begin(&f);
    ng_stats_asked(f.stats, false, 1000); /* the first of a batch */
    ng_stats_count(f.stats, NG_COUNT_HITS);
    ng_stats_answered(f.stats, nxdomain, sizeof(nxdomain), 1000);
    assert_true(ng_stats_leaving(f.stats));
    ng_stats_leave(f.stats, 4000);
    assert_false(ng_stats_leaving(f.stats));
    ng_stats_asked(f.stats, false, 1000); /* the second waited for the first */
    ng_stats_answered(f.stats, badvers, sizeof(badvers), 1000);
    ng_stats_leave(f.stats, 6000);
    ng_stats_asked(f.stats, true, 0);
    ng_stats_read(f.seen, &f.copy);
    assert_int_equal(f.copy.count[NG_COUNT_UDP], 2);
    assert_int_equal(f.copy.count[NG_COUNT_TCP], 1);
    assert_int_equal(f.copy.answers[NG_RCODE_NXDOMAIN], 1);
    assert_int_equal(f.copy.answers[NG_RCODE_BADVERS], 1);
    assert_int_equal(f.copy.stage[NG_STAGE_QUEUE].count, 2);
    assert_int_equal(f.copy.stage[NG_STAGE_QUEUE].max, 3000);
    assert_int_equal(f.copy.stage[NG_STAGE_TOTAL].sum, 8000);
    end(&f);
}

static void answers_that_leave_together_are_counted_each(void **state)
{
    static const uint8_t noerror[NG_WIRE_HEADER] = {[2] = 0x80};
    struct fixture f;

    (void)state;
    begin(&f);
    for (unsigned i = 0; i < 300; i++) /* of 100 times, of which not all have room */
        ng_stats_answered(f.stats, noerror, sizeof(noerror), 1000 + i / 3);
    ng_stats_leave(f.stats, 2000);
    ng_stats_leave(f.stats, 9000);
    ng_stats_read(f.seen, &f.copy);
    assert_int_equal(f.copy.answers[NG_RCODE_NOERROR], 300);
    assert_int_equal(f.copy.stage[NG_STAGE_TOTAL].count, 300);
    assert_in_range(f.copy.stage[NG_STAGE_TOTAL].max, 901, 1000);
    end(&f);
}

static void learning_is_without_its_writes(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    ng_stats_wrote(f.stats, 100, 900, 1, 0); /* not of this answer */
    ng_stats_learns(f.stats, 10000);
    ng_stats_wrote(f.stats, 11000, 14000, 1, 0);
    ng_stats_wrote(f.stats, 15000, 16000, 1, -E2BIG);
    ng_stats_learnt(f.stats, 20000, -E2BIG);
    ng_stats_read(f.seen, &f.copy);
    assert_int_equal(f.copy.stage[NG_STAGE_POLICY].sum, 6000);
    assert_int_equal(f.copy.stage[NG_STAGE_MAP_WRITE].sum, 4800);
    assert_int_equal(f.copy.count[NG_COUNT_WRITES], 3);
    assert_int_equal(f.copy.count[NG_COUNT_WRITE_FAILURES], 1);
    assert_int_equal(f.copy.count[NG_COUNT_LEARNT], 0);
    end(&f);
}

static void another_resolver_goes_on_counting(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    ng_stats_count(f.stats, NG_COUNT_MISSES);
    ng_stats_gauges(f.stats, &(struct ng_stats_gauges){3, 2, 1, 4});
    ng_stats_read(f.seen, &f.copy);
    assert_int_equal(f.copy.gauge[NG_GAUGE_TRACKED], 3);
    ng_stats_free(f.stats);
    assert_int_equal(ng_stats_new(f.memory, &f.stats), 0);
    ng_stats_count(f.stats, NG_COUNT_MISSES);
    ng_stats_read(f.seen, &f.copy);
    assert_int_equal(f.copy.count[NG_COUNT_MISSES], 2);
    assert_int_equal(f.copy.count[NG_COUNT_STARTS], 2);
    assert_int_equal(f.copy.gauge[NG_GAUGE_TRACKED], 0);
    end(&f);
}

static void without_memory_nothing_is_counted(void **state)
{
    (void)state;
    ng_stats_count(NULL, NG_COUNT_HITS);
    ng_stats_asked(NULL, false, 1);
    ng_stats_answered(NULL, NULL, 0, 1);
    assert_false(ng_stats_leaving(NULL));
    ng_stats_leave(NULL, 1);
    ng_stats_asks(NULL, 1);
    ng_stats_upstream(NULL, 1, 2);
    ng_stats_wrote(NULL, 1, 2, 1, 0);
    ng_stats_learns(NULL, 1);
    ng_stats_learnt(NULL, 1, 0);
    ng_stats_gauges(NULL, &(struct ng_stats_gauges){0});
    ng_stats_server(NULL, 0, NULL, false, 0);
    ng_stats_free(NULL);
    ng_stats_unmap(NULL);
}

static void json_has_its_keys(void **state)
{
    static const char *const keys[] = {
        "resolver_starts", "queries",        "cache",         "upstream",           "learnt",            "map",
        "answers",         "stages",         "tracked_names", "pending",            "denied_by_hook",    "would_by_hook",
        "probes",          "deployments",    "destinations",  "denied_by_evidence", "would_by_evidence"};
    static const char *const fields[] = {"count", "mean_ns", "p50_ns", "p90_ns", "p99_ns", "max_ns"};
    static const struct ng_stats_copy none;
    json_t *json = ng_statistics_json_of(&none, &nothing);

    (void)state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        assert_non_null(json_object_get(json, keys[i]));
    assert_int_equal(json_object_size(json), sizeof(keys) / sizeof(keys[0]));
    for (unsigned i = 0; i < NG_STAGES; i++) {
        const json_t *stage = json_object_get(json_object_get(json, "stages"), ng_stage_name(i));

        for (size_t k = 0; k < sizeof(fields) / sizeof(fields[0]); k++)
            assert_true(json_is_integer(json_object_get(stage, fields[k])));
    }
    assert_int_equal(json_object_size(json_object_get(json, "answers")), NG_RCODES);
    json_decref(json);
}

static void has(const char *text, const char *line)
{
    if (!strstr(text, line))
        fail_msg("no '%s' in: %s", line, text);
}

static void openmetrics_is_as_its_standard_says(void **state)
{
    struct fixture f;
    size_t length = 0;
    char *text;

    (void)state;
    begin(&f);
    ng_stats_asked(f.stats, true, 0);
    ng_stats_gauges(f.stats, &(struct ng_stats_gauges){3, 2, 1, 4});
    ng_stats_upstream(f.stats, 0, 1024);         /* the last of its bucket */
    ng_stats_upstream(f.stats, 0, 1025);         /* the first of the next */
    ng_stats_upstream(f.stats, 0, 90000000000U); /* beyond all */
    ng_stats_read(f.seen, &f.copy);
    text = ng_openmetrics(&f.copy, &nothing, 0, &length);
    assert_int_equal(length, strlen(text));
    assert_string_equal(text + length - 7, "\n# EOF\n");
    has(text, "\n# TYPE namegate_queries counter\n# HELP namegate_queries Queries of clients, by transport.\n"
              "namegate_queries_total{transport=\"udp\"} 0\nnamegate_queries_total{transport=\"tcp\"} 1\n");
    has(text, "\n# TYPE namegate_tracked_names gauge\n");
    has(text, "\nnamegate_tracked_names 3\n");
    has(text, "\nnamegate_info{version=\"" NG_VERSION "\"} 1\n");
    has(text, "\n# TYPE namegate_stage_duration_seconds histogram\n");
    has(text, "\n# UNIT namegate_stage_duration_seconds seconds\n");
    has(text, "_bucket{stage=\"upstream\",le=\"5.12e-07\"} 0\n");
    has(text, "_bucket{stage=\"upstream\",le=\"1.024e-06\"} 1\n");
    has(text, "_bucket{stage=\"upstream\",le=\"2.048e-06\"} 2\n");
    has(text, "_bucket{stage=\"upstream\",le=\"17.179869184\"} 2\n");
    has(text, "_bucket{stage=\"upstream\",le=\"+Inf\"} 3\n");
    has(text, "_count{stage=\"upstream\"} 3\n");
    has(text, "_sum{stage=\"upstream\"} 90.000002049\n");
    has(text, "\nnamegate_destinations 4\n");
    assert_null(strstr(text, "namegate_upstream_up"));
    free(text);
    end(&f);
}

static void upstreams_are_shown_as_they_do(void **state)
{
    struct ng_endpoint endpoint = {.address = {[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 53}, .port = 53};
    struct fixture f;
    size_t length = 0;
    char *text;

    (void)state;
    begin(&f);
    ng_stats_server(f.stats, 0, &endpoint, true, 1500000);
    endpoint = (struct ng_endpoint){.address = {0xfe, 0x80, [15] = 1}, .port = 5353, .scope_id = 1};
    ng_stats_server(f.stats, 1, &endpoint, false, 0);
    ng_stats_server(f.stats, NG_STATS_SERVERS, &endpoint, false, 0);
    ng_stats_read(f.seen, &f.copy);
    text = ng_openmetrics(&f.copy, &nothing, 0, &length);
    has(text, "\nnamegate_upstream_up{upstream=\"1\",address=\"192.0.2.53:53\"} 1\n"
              "namegate_upstream_up{upstream=\"2\",address=\"[fe80::1]:5353\"} 0\n# TYPE");
    has(text, "\nnamegate_upstream_rtt_seconds{upstream=\"1\",address=\"192.0.2.53:53\"} 0.001500000\n");
    free(text);
    ng_stats_free(f.stats);
    assert_int_equal(ng_stats_new(f.memory, &f.stats), 0); /* another resolver may have others */
    ng_stats_read(f.seen, &f.copy);
    assert_int_equal(f.copy.server[0].endpoint.port, 0);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_join_without_gaps),
        cmocka_unit_test(quantiles_are_those_of_the_values),
        cmocka_unit_test(any_numbers_are_read),
        cmocka_unit_test(memory_keeps_its_size_and_is_closed_to_others),
        cmocka_unit_test(a_query_is_followed_to_its_answer),
        cmocka_unit_test(answers_that_leave_together_are_counted_each),
        cmocka_unit_test(learning_is_without_its_writes),
        cmocka_unit_test(another_resolver_goes_on_counting),
        cmocka_unit_test(without_memory_nothing_is_counted),
        cmocka_unit_test(json_has_its_keys),
        cmocka_unit_test(openmetrics_is_as_its_standard_says),
        cmocka_unit_test(upstreams_are_shown_as_they_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
