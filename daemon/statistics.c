// SPDX-License-Identifier: BSD-2-Clause
/* The resolver, which is not trusted, writes what is read here: numbers, every value of which is fine. */
#include "statistics.h"

#include "text.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <string.h>

struct ng_statistics {
    int fd;
    struct ng_stats_memory *memory;
    uint64_t since; /* ns */
};

int ng_statistics_new(struct ng_error *error, struct ng_statistics **ret_statistics)
{
    struct ng_statistics *statistics = calloc(1, sizeof(*statistics));
    int r;

    if (!statistics)
        return ng_error_set(error, ENOMEM, NULL, "out of memory");
    statistics->since = ng_now();
    statistics->fd = ng_stats_create();
    r = statistics->fd < 0 ? statistics->fd : ng_stats_map(statistics->fd, false, &statistics->memory);
    if (r < 0) {
        ng_statistics_free(statistics);
        return ng_error_set(error, -r, NULL, "cannot make the memory of the statistics: %s", strerror(-r));
    }
    *ret_statistics = statistics;
    return 0;
}

void ng_statistics_free(struct ng_statistics *statistics)
{
    if (!statistics)
        return;
    ng_stats_unmap(statistics->memory);
    (void)ng_close(statistics->fd);
    free(statistics);
}

int ng_statistics_fd(const struct ng_statistics *statistics)
{
    return statistics->fd;
}

/* JSON's integers have a sign. */
static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)(value > INT64_MAX ? INT64_MAX : value));
}

static json_t *counts_json(const struct ng_stats_copy *copy)
{
    const uint64_t *count = copy->count, *gauge = copy->gauge;

    return json_pack("{s:o, s:{s:o, s:o}, s:{s:o, s:o, s:o}, s:{s:o, s:o, s:o}, s:o, s:{s:o, s:o}, s:o, s:o}",
                     "resolver_starts", number(count[NG_COUNT_STARTS]),
                     "queries", "udp", number(count[NG_COUNT_UDP]), "tcp", number(count[NG_COUNT_TCP]),
                     "cache", "hits", number(count[NG_COUNT_HITS]), "misses", number(count[NG_COUNT_MISSES]),
                     "entries", number(gauge[NG_GAUGE_CACHED]),
                     "upstream", "queries", number(count[NG_COUNT_UPSTREAM_QUERIES]),
                     "timeouts", number(count[NG_COUNT_UPSTREAM_TIMEOUTS]),
                     "failures", number(count[NG_COUNT_UPSTREAM_FAILURES]),
                     "learnt", number(count[NG_COUNT_LEARNT]),
                     "map", "writes", number(count[NG_COUNT_WRITES]),
                     "failures", number(count[NG_COUNT_WRITE_FAILURES]),
                     "tracked_names", number(gauge[NG_GAUGE_TRACKED]), "pending", number(gauge[NG_GAUGE_PENDING]));
}

static json_t *answers_json(const struct ng_stats_copy *copy)
{
    json_t *answers = json_object();

    for (unsigned rcode = 0; answers && rcode < NG_RCODES; rcode++)
        (void)json_object_set_new(answers, ng_rcode_name(rcode), number(copy->answers[rcode]));
    return answers;
}

static json_t *stages_json(const struct ng_stats_copy *copy)
{
    json_t *stages = json_object();

    for (unsigned i = 0; stages && i < NG_STAGES; i++) {
        const struct ng_histogram *times = &copy->stage[i];

        (void)json_object_set_new(
            stages, ng_stage_name(i),
            json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "count", number(times->count),
                      "mean_ns", number(times->count ? times->sum / times->count : 0),
                      "p50_ns", number(ng_histogram_quantile(times, 0.5)),
                      "p90_ns", number(ng_histogram_quantile(times, 0.9)),
                      "p99_ns", number(ng_histogram_quantile(times, 0.99)), "max_ns", number(times->max)));
    }
    return stages;
}

json_t *ng_statistics_json_of(const struct ng_stats_copy *copy)
{
    json_t *json = counts_json(copy);

    if (json && (json_object_set_new(json, "answers", answers_json(copy)) < 0 ||
                 json_object_set_new(json, "stages", stages_json(copy)) < 0)) {
        json_decref(json);
        return NULL;
    }
    return json;
}

json_t *ng_statistics_json(const struct ng_statistics *statistics)
{
    struct ng_stats_copy copy;
    json_t *json, *whole;

    ng_stats_read(statistics->memory, &copy);
    json = ng_statistics_json_of(&copy);
    whole = json_pack("{s:o}", "since", ng_json_time(statistics->since));
    if (!json || !whole || json_object_update(whole, json) < 0) {
        json_decref(whole);
        whole = NULL;
    }
    json_decref(json);
    return whole;
}
