// SPDX-License-Identifier: BSD-2-Clause
/* The table `families` is what is exposed but the times. The bounds of these are powers of two ns, which are bounds of
 * buckets as well, so that each count is exact. */
#include "openmetrics.h"

#include <namegate/clock.h>

#include <stdio.h>
#include <stdlib.h>

#define FIRST_BITS 8 /* 256 ns */
#define LAST_BITS 34 /* 17 s */
#define SAMPLES_MAX 2

struct sample {
    const char *label; /* NULL: none */
    unsigned which;    /* enum ng_count or ng_gauge */
};

struct family {
    const char *name, *type, *help;
    unsigned samples;
    struct sample sample[SAMPLES_MAX];
};

static const struct family families[] = {
    {"namegate_resolver_starts", "counter", "Resolvers that were started; what the others count goes on over them.", 1,
     {{NULL, NG_COUNT_STARTS}}},
    {"namegate_queries", "counter", "Queries of clients, by transport.", 2,
     {{"transport=\"udp\"", NG_COUNT_UDP}, {"transport=\"tcp\"", NG_COUNT_TCP}}},
    {"namegate_cache_lookups", "counter", "Queries that were, or were not, answered from the cache.", 2,
     {{"result=\"hit\"", NG_COUNT_HITS}, {"result=\"miss\"", NG_COUNT_MISSES}}},
    {"namegate_upstream_queries", "counter", "Questions to upstreams.", 1, {{NULL, NG_COUNT_UPSTREAM_QUERIES}}},
    {"namegate_upstream_failures", "counter", "Questions that no upstream answered, in time or otherwise.", 2,
     {{"reason=\"timeout\"", NG_COUNT_UPSTREAM_TIMEOUTS}, {"reason=\"other\"", NG_COUNT_UPSTREAM_FAILURES}}},
    {"namegate_learnt_answers", "counter", "Answers of upstreams that were judged and learnt.", 1,
     {{NULL, NG_COUNT_LEARNT}}},
    {"namegate_map_writes", "counter", "Writes to the map of addresses in the kernel.", 1, {{NULL, NG_COUNT_WRITES}}},
    {"namegate_map_write_failures", "counter", "Of those, the ones that failed.", 1,
     {{NULL, NG_COUNT_WRITE_FAILURES}}},
    {"namegate_tracked_names", "gauge", "Names of which is known what they lead to.", 1, {{NULL, NG_GAUGE_TRACKED}}},
    {"namegate_cache_entries", "gauge", "Answers in the cache.", 1, {{NULL, NG_GAUGE_CACHED}}},
    {"namegate_pending_questions", "gauge", "Questions that are with upstreams.", 1, {{NULL, NG_GAUGE_PENDING}}},
};

static void put_head(FILE *out, const char *name, const char *type, const char *help)
{
    (void)fprintf(out, "# TYPE %s %s\n# HELP %s %s\n", name, type, name, help);
}

static void put_family(FILE *out, const struct family *family, const struct ng_stats_copy *copy)
{
    bool counter = family->type[0] == 'c';

    put_head(out, family->name, family->type, family->help);
    for (unsigned i = 0; i < family->samples; i++) {
        const struct sample *sample = &family->sample[i];
        uint64_t value = counter ? copy->count[sample->which] : copy->gauge[sample->which];

        (void)fprintf(out, "%s%s%s%s%s %llu\n", family->name, counter ? "_total" : "", sample->label ? "{" : "",
                      sample->label ? sample->label : "", sample->label ? "}" : "", (unsigned long long)value);
    }
}

static void put_answers(FILE *out, const struct ng_stats_copy *copy)
{
    put_head(out, "namegate_answers", "counter", "Answers to clients, by response code.");
    for (unsigned rcode = 0; rcode < NG_RCODES; rcode++)
        (void)fprintf(out, "namegate_answers_total{rcode=\"%s\"} %llu\n", ng_rcode_name(rcode),
                      (unsigned long long)copy->answers[rcode]);
}

static void put_stage(FILE *out, const char *name, const char *stage, const struct ng_histogram *times)
{
    uint64_t below = 0;
    unsigned bucket = 0;

    for (unsigned bits = FIRST_BITS; bits <= LAST_BITS; bits++) {
        for (; bucket < NG_BUCKETS && ng_stats_bound(bucket) <= 1ULL << bits; bucket++)
            below += times->bucket[bucket];
        (void)fprintf(out, "%s_bucket{stage=\"%s\",le=\"%.12g\"} %llu\n", name, stage,
                      (double)(1ULL << bits) / (double)NG_SECOND, (unsigned long long)below);
    }
    (void)fprintf(out, "%s_bucket{stage=\"%s\",le=\"+Inf\"} %llu\n%s_count{stage=\"%s\"} %llu\n", name, stage,
                  (unsigned long long)times->count, name, stage, (unsigned long long)times->count);
    (void)fprintf(out, "%s_sum{stage=\"%s\"} %llu.%09llu\n", name, stage,
                  (unsigned long long)(times->sum / NG_SECOND), (unsigned long long)(times->sum % NG_SECOND));
}

static void put_stages(FILE *out, const struct ng_stats_copy *copy)
{
    static const char name[] = "namegate_stage_duration_seconds";

    put_head(out, name, "histogram", "How long the stages of a query took: see namegate(1), stats.");
    (void)fprintf(out, "# UNIT %s seconds\n", name);
    for (unsigned i = 0; i < NG_STAGES; i++)
        put_stage(out, name, ng_stage_name(i), &copy->stage[i]);
}

char *ng_openmetrics(const struct ng_stats_copy *copy, size_t *ret_length)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    if (!out)
        return NULL;
    put_head(out, "namegate", "info", "The version of namegate.");
    (void)fputs("namegate_info{version=\"" NG_VERSION "\"} 1\n", out);
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
        put_family(out, &families[i], copy);
    put_answers(out, copy);
    put_stages(out, copy);
    (void)fputs("# EOF\n", out);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    *ret_length = length;
    return text;
}
