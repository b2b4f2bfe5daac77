// SPDX-License-Identifier: BSD-2-Clause
/* The tables say what is exposed of the resolver and of the keeper, but for what has a label for each of many things.
 * The bounds of times are powers of two ns, which are bounds of buckets as well, so that each count is exact. Tags and
 * addresses have nothing in them that would have to be escaped. */
#include "openmetrics.h"

#include "config.h"
#include "gate.h"

#include <namegate/clock.h>

#include <stdio.h>
#include <stdlib.h>

#define FIRST_BITS 8 /* 256 ns */
#define LAST_BITS 34 /* 17 s */
#define SAMPLES_MAX 2

struct sample {
    const char *label; /* NULL: none */
    unsigned which;    /* enum ng_count, ng_gauge, ng_tally_count or ng_tally_gauge */
};

struct family {
    const char *name, *type, *help;
    unsigned samples;
    struct sample sample[SAMPLES_MAX];
};

static const struct family of_resolver[] = {
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
    {"namegate_destinations", "gauge", "Entries in the map of addresses in the kernel.", 1,
     {{NULL, NG_GAUGE_DESTINATIONS}}},
};

static const struct family of_keeper[] = {
    {"namegate_destinations_max", "gauge", "Entries that the map of addresses has room for.", 1,
     {{NULL, NG_TALLY_DESTINATIONS_MAX}}},
    {"namegate_probes", "counter", "Recorded denials of UDP sockets that were connected and had sent nothing.", 1,
     {{NULL, NG_TALLY_PROBES}}},
    {"namegate_lost_records", "counter", "What deployments were denied, and what they did, without a record of it.", 2,
     {{"kind=\"denial\"", NG_TALLY_LOST_EVENTS}, {"kind=\"deed\"", NG_TALLY_LOST_DEEDS}}},
    {"namegate_lost_messages", "counter", "Messages of the resolver that the keeper did not get: records lack names.",
     1, {{NULL, NG_TALLY_LOST_MESSAGES}}},
    {"namegate_ledger_lost_events", "counter", "Events that are not in the ledger.", 1,
     {{NULL, NG_TALLY_LEDGER_LOST}}},
    {"namegate_ledger_waiting_rows", "gauge", "Rows that wait to be written to the ledger.", 1,
     {{NULL, NG_TALLY_LEDGER_WAITING}}},
    {"namegate_ledger_trouble", "gauge", "1: the ledger cannot be written.", 1, {{NULL, NG_TALLY_LEDGER_TROUBLE}}},
    {"namegate_resolver_restarts", "counter", "Resolvers that ended and were replaced.", 1,
     {{NULL, NG_TALLY_RESTARTS}}},
    {"namegate_resolver_up", "gauge", "1: the resolver answers.", 1, {{NULL, NG_TALLY_RESOLVER_RUNS}}},
    {"namegate_incidents", "gauge", "Incidents in force: for all, and for one tag each.", 2,
     {{"scope=\"all\"", NG_TALLY_INCIDENT}, {"scope=\"tag\"", NG_TALLY_INCIDENTS}}},
    {"namegate_grants", "gauge", "Grants in force.", 1, {{NULL, NG_TALLY_GRANTS}}},
    {"namegate_escalated", "gauge", "1: the map of addresses was full, and whatever blocks is strict.", 1,
     {{NULL, NG_TALLY_ESCALATED}}},
};

static void put_head(FILE *out, const char *name, const char *type, const char *help)
{
    (void)fprintf(out, "# TYPE %s %s\n# HELP %s %s\n", name, type, name, help);
}

static void put_families(FILE *out, const struct family *families, size_t count, const uint64_t *counts,
                         const uint64_t *gauges)
{
    for (const struct family *family = families; family < families + count; family++) {
        bool counter = family->type[0] == 'c';

        put_head(out, family->name, family->type, family->help);
        for (unsigned i = 0; i < family->samples; i++) {
            const struct sample *sample = &family->sample[i];
            uint64_t value = (counter ? counts : gauges)[sample->which];

            (void)fprintf(out, "%s%s%s%s%s %llu\n", family->name, counter ? "_total" : "", sample->label ? "{" : "",
                          sample->label ? sample->label : "", sample->label ? "}" : "", (unsigned long long)value);
        }
    }
}

/* A row for each verdict. */
static void put_verdicts(FILE *out, const char *name, const char *label, const char *value,
                         const uint64_t counts[static NG_TALLY_VERDICTS])
{
    for (unsigned verdict = 0; verdict < NG_TALLY_VERDICTS; verdict++)
        (void)fprintf(out, "%s_total{%s=\"%s\",verdict=\"%s\"} %llu\n", name, label, value,
                      ng_tally_verdict_name(verdict), (unsigned long long)counts[verdict]);
}

static const char *name_of(const struct ng_tally_copy *tally, unsigned slot)
{
    return slot < tally->tags ? tally->tag[slot].name : NG_TALLY_OTHER_NAME;
}

static const struct ng_tally_tag *tag_of(const struct ng_tally_copy *tally, unsigned slot)
{
    return &tally->tag[slot < tally->tags ? slot : NG_TALLY_OTHER];
}

static void put_denials(FILE *out, const struct ng_tally_copy *tally)
{
    static const char by_hook[] = "namegate_hook_denials", by_evidence[] = "namegate_evidence_denials",
                      by_tag[] = "namegate_denials";

    put_head(out, by_hook, "counter", "What each hook denied, or would have, also probes and what has no record.");
    for (unsigned hook = 0; hook < NG_HOOK_MAX; hook++)
        put_verdicts(out, by_hook, "hook", ng_hook_name(hook), tally->hook[hook]);
    put_head(out, by_evidence, "counter", "Recorded denials without probes, by what they rest on.");
    for (unsigned evidence = 0; evidence < NG_TALLY_EVIDENCES; evidence++)
        put_verdicts(out, by_evidence, "evidence", ng_tally_evidence_name(evidence), tally->evidence[evidence]);
    put_head(out, by_tag, "counter", "The same by tag.");
    for (unsigned slot = 0; slot <= tally->tags; slot++)
        put_verdicts(out, by_tag, "tag", name_of(tally, slot), tag_of(tally, slot)->denials);
}

static void put_deployments(FILE *out, const struct ng_tally_copy *tally)
{
    put_head(out, "namegate_deployments", "gauge", "Deployments that live, by tag.");
    for (unsigned slot = 0; slot <= tally->tags; slot++)
        (void)fprintf(out, "namegate_deployments{tag=\"%s\"} %llu\n", name_of(tally, slot),
                      (unsigned long long)tag_of(tally, slot)->live);
    put_head(out, "namegate_deployments_started", "counter", "Deployments that began, by tag.");
    for (unsigned slot = 0; slot <= tally->tags; slot++)
        (void)fprintf(out, "namegate_deployments_started_total{tag=\"%s\"} %llu\n", name_of(tally, slot),
                      (unsigned long long)tag_of(tally, slot)->started);
    put_head(out, "namegate_deployments_ended", "counter", "Deployments that ended, by tag and outcome.");
    for (unsigned slot = 0; slot <= tally->tags; slot++)
        for (unsigned outcome = 0; outcome < NG_TALLY_OUTCOMES; outcome++)
            (void)fprintf(out, "namegate_deployments_ended_total{tag=\"%s\",outcome=\"%s\"} %llu\n",
                          name_of(tally, slot), ng_tally_outcome_name(outcome),
                          (unsigned long long)tag_of(tally, slot)->ended[outcome]);
}

static void put_seconds(FILE *out, uint64_t ns)
{
    (void)fprintf(out, " %llu.%09llu\n", (unsigned long long)(ns / NG_SECOND), (unsigned long long)(ns % NG_SECOND));
}

/* How old what the keeper has copied together is: more than some seconds, and the keeper hangs. */
static void put_age(FILE *out, const struct ng_tally_copy *tally, uint64_t now)
{
    static const char name[] = "namegate_sample_age_seconds";

    put_head(out, name, "gauge", "How long ago the keeper has copied what kernel and ledger count; it does every 3 s.");
    (void)fprintf(out, "# UNIT %s seconds\n%s", name, name);
    put_seconds(out, now > tally->written_at ? now - tally->written_at : 0);
}

/* The number keeps them apart whatever the addresses are. */
static void put_server(FILE *out, const char *name, unsigned number, const struct ng_stats_server *server)
{
    struct ng_endpoint endpoint = server->endpoint;
    char text[NG_ENDPOINT_TEXT_MAX];

    endpoint.scope_id = 0; /* a name of an interface can have any characters */
    (void)fprintf(out, "%s{upstream=\"%u\",address=\"%s\"}", name, number + 1, ng_endpoint_text(&endpoint, text));
}

static void put_upstreams(FILE *out, const struct ng_stats_copy *stats)
{
    static const char up[] = "namegate_upstream_up", rtt[] = "namegate_upstream_rtt_seconds";

    if (!stats->server[0].endpoint.port) /* no resolver has begun yet */
        return;
    put_head(out, up, "gauge", "1: the upstream is asked; 0: it was silent, and is only tried now and then.");
    for (unsigned i = 0; i < NG_STATS_SERVERS && stats->server[i].endpoint.port; i++) {
        put_server(out, up, i, &stats->server[i]);
        (void)fprintf(out, " %d\n", stats->server[i].up);
    }
    put_head(out, rtt, "gauge", "How long the upstream takes to answer, smoothed; 0: not known yet.");
    (void)fprintf(out, "# UNIT %s seconds\n", rtt);
    for (unsigned i = 0; i < NG_STATS_SERVERS && stats->server[i].endpoint.port; i++) {
        put_server(out, rtt, i, &stats->server[i]);
        put_seconds(out, stats->server[i].rtt);
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
    (void)fprintf(out, "%s_sum{stage=\"%s\"}", name, stage);
    put_seconds(out, times->sum);
}

static void put_stages(FILE *out, const struct ng_stats_copy *copy)
{
    static const char name[] = "namegate_stage_duration_seconds";

    put_head(out, name, "histogram", "How long the stages of a query took: see namegate(1), stats.");
    (void)fprintf(out, "# UNIT %s seconds\n", name);
    for (unsigned i = 0; i < NG_STAGES; i++)
        put_stage(out, name, ng_stage_name(i), &copy->stage[i]);
}

char *ng_openmetrics(const struct ng_stats_copy *stats, const struct ng_tally_copy *tally, uint64_t now,
                     size_t *ret_length)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    if (!out)
        return NULL;
    put_head(out, "namegate", "info", "The version of namegate.");
    (void)fputs("namegate_info{version=\"" NG_VERSION "\"} 1\n", out);
    put_families(out, of_resolver, sizeof(of_resolver) / sizeof(of_resolver[0]), stats->count, stats->gauge);
    put_families(out, of_keeper, sizeof(of_keeper) / sizeof(of_keeper[0]), tally->count, tally->gauge);
    put_denials(out, tally);
    put_deployments(out, tally);
    put_age(out, tally, now);
    put_upstreams(out, stats);
    put_answers(out, stats);
    put_stages(out, stats);
    (void)fputs("# EOF\n", out);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    *ret_length = length;
    return text;
}
