// SPDX-License-Identifier: BSD-2-Clause
/* The resolver, which is not trusted, writes what is read here: numbers, every value of which is fine. */
#include "statistics.h"

#include "gate.h"
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

static json_t *hooks_json(const struct ng_tally_copy *tally, enum ng_tally_verdict verdict)
{
    json_t *hooks = json_object();

    for (unsigned hook = 0; hooks && hook < NG_HOOK_MAX; hook++)
        (void)json_object_set_new(hooks, ng_hook_name(hook), number(tally->hook[hook][verdict]));
    return hooks;
}

static json_t *evidence_json(const struct ng_tally_copy *tally, enum ng_tally_verdict verdict)
{
    json_t *all = json_object();

    for (unsigned i = 0; all && i < NG_TALLY_EVIDENCES; i++)
        (void)json_object_set_new(all, ng_tally_evidence_name(i), number(tally->evidence[i][verdict]));
    return all;
}

/* Of all tags: which there are is not everybody's business. */
static json_t *deployments_json(const struct ng_tally_copy *tally)
{
    json_t *deployments = json_object();
    uint64_t live = 0, started = 0, ended[NG_TALLY_OUTCOMES] = {0};

    for (unsigned slot = 0; slot <= NG_TALLY_OTHER; slot++) {
        live += tally->tag[slot].live;
        started += tally->tag[slot].started;
        for (unsigned i = 0; i < NG_TALLY_OUTCOMES; i++)
            ended[i] += tally->tag[slot].ended[i];
    }
    (void)json_object_set_new(deployments, "live", number(live));
    (void)json_object_set_new(deployments, "started", number(started));
    for (unsigned i = 0; i < NG_TALLY_OUTCOMES; i++)
        (void)json_object_set_new(deployments, ng_tally_outcome_name(i), number(ended[i]));
    return deployments;
}

static json_t *keeper_json(const struct ng_stats_copy *stats, const struct ng_tally_copy *tally)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:{s:o, s:o}}",
                     "denied_by_hook", hooks_json(tally, NG_TALLY_DENY),
                     "would_by_hook", hooks_json(tally, NG_TALLY_WOULD),
                     "denied_by_evidence", evidence_json(tally, NG_TALLY_DENY),
                     "would_by_evidence", evidence_json(tally, NG_TALLY_WOULD),
                     "probes", number(tally->count[NG_TALLY_PROBES]),
                     "deployments", deployments_json(tally),
                     "destinations", "used", number(stats->gauge[NG_GAUGE_DESTINATIONS]),
                     "max", number(tally->gauge[NG_TALLY_DESTINATIONS_MAX]));
}

json_t *ng_statistics_json_of(const struct ng_stats_copy *stats, const struct ng_tally_copy *tally)
{
    json_t *json = counts_json(stats), *keeper = keeper_json(stats, tally);

    if (json && (!keeper || json_object_update(json, keeper) < 0 ||
                 json_object_set_new(json, "answers", answers_json(stats)) < 0 ||
                 json_object_set_new(json, "stages", stages_json(stats)) < 0)) {
        json_decref(json);
        json = NULL;
    }
    json_decref(keeper);
    return json;
}

json_t *ng_statistics_json(const struct ng_statistics *statistics, const struct ng_tally *tally)
{
    struct ng_stats_copy copy;
    struct ng_tally_copy counted;
    json_t *json, *whole;

    ng_stats_read(statistics->memory, &copy);
    ng_tally_read(ng_tally_memory(tally), &counted);
    json = ng_statistics_json_of(&copy, &counted);
    whole = json_pack("{s:o}", "since", ng_json_time(statistics->since));
    if (!json || !whole || json_object_update(whole, json) < 0) {
        json_decref(whole);
        whole = NULL;
    }
    json_decref(json);
    return whole;
}
