// SPDX-License-Identifier: BSD-2-Clause
#include "report.h"

#include "client.h"
#include "table.h"

#include <string.h>
#include <time.h>

#define OTHERS_MAX 32 /* addresses of a name that are shown */

static const struct {
    const char *word, *meaning;
} outcomes[] = {{"clean", "clean"},
                {"blocked-failed", "blocked and failed"},
                {"blocked-recovered", "blocked, but recovered"},
                {"would-block", "would have been blocked"},
                {"running", "running"}},
  classes[] = {{"direct", "the script asks for it"},
               {"hidden", "a tool's own doing"},
               {"transient", "it depends on what is forbidden"}},
  evidences[] = {{"address", "a rule forbids the address itself"},
                 {"asked", "the deployment had asked for the name"},
                 {"prewarmed", "the gate had looked the name up, the deployment had not"},
                 {"decoy", "exact: the address was made up for this name and this deployment"},
                 {"shared", "other names have the same address"},
                 {"network", "a rule forbids the network"},
                 {"strict", "no rule allows it"},
                 {"resolver", "around the resolver"},
                 {"raw", "a way that evades the gate"},
                 {"abandoned", "no daemon lived"}};

#define MEANING(table, searched, otherwise)                            \
    ({                                                                 \
        const char *_meaning = (otherwise);                            \
        for (size_t _i = 0; _i < sizeof(table) / sizeof(*table); _i++) \
            if (strcmp(table[_i].word, (searched)) == 0)               \
                _meaning = table[_i].meaning;                          \
        _meaning;                                                      \
    })

const char *ng_report_outcome(const json_t *document)
{
    return MEANING(outcomes, ng_cli_string(document, "outcome"), "outcome unknown");
}

const char *ng_report_class(const char *class)
{
    return MEANING(classes, class, "");
}

const char *ng_report_evidence(const char *evidence)
{
    return MEANING(evidences, evidence, "");
}

const char *ng_report_status(const json_t *document, char text[static NG_REPORT_STATUS_MAX])
{
    const json_t *status = json_object_get(document, "status"), *exit = json_object_get(status, "exit");

    *text = '\0';
    if (json_is_object(status))
        (void)snprintf(text, NG_REPORT_STATUS_MAX, "%s %lld", exit ? "exit status" : "killed by signal",
                       ng_cli_integer(status, exit ? "exit" : "signal"));
    return text;
}

const char *ng_report_clock(const char *time, char text[static NG_REPORT_CLOCK_MAX])
{
    const char *clock = strchrnul(time, 'T');

    *text = '\0';
    if (*clock && strspn(clock + 1, "0123456789:") == NG_REPORT_CLOCK_MAX - 1)
        (void)snprintf(text, NG_REPORT_CLOCK_MAX, "%.8s", clock + 1);
    return text;
}

long long ng_report_time(const char *time)
{
    struct tm tm = {0};
    const char *end = strptime(time, "%Y-%m-%dT%H:%M:%S.", &tm);

    return end ? (long long)timegm(&tm) * 1000000 + strtoll(end, NULL, 10) : 0;
}

void ng_report_put_duration(FILE *out, const json_t *document)
{
    double seconds = json_number_value(json_object_get(document, "duration_s"));

    if (seconds < 1)
        (void)fprintf(out, "%.0f ms", 1e3 * seconds);
    else if (seconds < 60)
        (void)fprintf(out, "%.1f s", seconds);
    else
        (void)fprintf(out, "%lld min %lld s", (long long)seconds / 60, (long long)seconds % 60);
}

/* --- findings */

struct list {
    struct ng_report_finding *findings;
    size_t count, room;
    json_t *places; /* key -> place in the list */
};

static const char *destination_of(const json_t *flow)
{
    const char *evidence = ng_cli_string(flow, "evidence"), *name = ng_cli_string(flow, "name");
    bool by_address = strcmp(evidence, "address") == 0 || strcmp(evidence, "network") == 0;

    return *name && !by_address ? name : ng_cli_string(flow, "address");
}

/* Adds a text once. */
static int add_text(json_t *list, const char *text)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        if (strcmp(json_string_value(item), text) == 0)
            return 0;
    }
    return json_array_size(list) < OTHERS_MAX && json_array_append_new(list, json_string(text)) < 0 ? -ENOMEM : 0;
}

static int add_others(struct ng_report_finding *finding, const json_t *flow)
{
    const char *address = ng_cli_string(flow, "address");
    const json_t *name;
    size_t i;
    int r = 0;

    if (!*address)
        return 0; /* it was not told one */
    if (strcmp(finding->destination, address) != 0)
        return add_text(finding->others, address);
    json_array_foreach(json_object_get(flow, "names"), i, name)
    {
        if (r == 0 && json_is_string(name))
            r = add_text(finding->others, json_string_value(name));
    }
    return r;
}

static void widen(const char **first, const char **last, const json_t *flow)
{
    if (strcmp(ng_cli_string(flow, "first"), *first) < 0)
        *first = ng_cli_string(flow, "first");
    if (strcmp(ng_cli_string(flow, "last"), *last) > 0)
        *last = ng_cli_string(flow, "last");
}

static int add_way(struct ng_report_finding *finding, const json_t *flow)
{
    json_int_t lineage = ng_cli_integer(flow, "lineage");
    const char *comm = ng_cli_string(flow, "comm");
    struct ng_report_way *ways;

    for (size_t i = 0; i < finding->way_count; i++) {
        if (finding->ways[i].lineage != lineage || (lineage == 0 && strcmp(finding->ways[i].comm, comm) != 0))
            continue;
        finding->ways[i].count += ng_cli_integer(flow, "count");
        widen(&finding->ways[i].first, &finding->ways[i].last, flow);
        return 0;
    }
    ways = reallocarray(finding->ways, finding->way_count + 1, sizeof(*ways));
    if (!ways)
        return -ENOMEM;
    ways[finding->way_count++] = (struct ng_report_way){.lineage = lineage,
                                                        .comm = comm,
                                                        .count = ng_cli_integer(flow, "count"),
                                                        .first = ng_cli_string(flow, "first"),
                                                        .last = ng_cli_string(flow, "last")};
    finding->ways = ways;
    return 0;
}

static int add_flow(struct ng_report_finding *finding, const json_t *flow)
{
    char port[64];
    int r;

    if (ng_cli_integer(flow, "port"))
        (void)snprintf(port, sizeof(port), "%lld/%s", ng_cli_integer(flow, "port"), ng_cli_string(flow, "proto"));
    else
        (void)snprintf(port, sizeof(port), "%s", ng_cli_string(flow, "proto"));
    finding->count += ng_cli_integer(flow, "count");
    widen(&finding->first, &finding->last, flow);
    r = add_text(finding->ports, port);
    if (r == 0)
        r = add_text(finding->evidences, ng_cli_string(flow, "evidence"));
    if (r == 0)
        r = add_others(finding, flow);
    return r == 0 ? add_way(finding, flow) : r;
}

static int begin_finding(struct list *list, const json_t *flow)
{
    struct ng_report_finding *finding;

    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 64;
        struct ng_report_finding *findings = reallocarray(list->findings, room, sizeof(*findings));

        if (!findings)
            return -ENOMEM;
        list->findings = findings;
        list->room = room;
    }
    finding = &list->findings[list->count++];
    *finding = (struct ng_report_finding){
        .flow = flow,
        .destination = destination_of(flow),
        .verdict = ng_cli_string(flow, "verdict"),
        .class = ng_cli_string(flow, "class"),
        .first = ng_cli_string(flow, "first"),
        .last = ng_cli_string(flow, "last"),
        .ports = json_array(),
        .others = json_array(),
        .evidences = json_array(),
    };
    return finding->ports && finding->others && finding->evidences ? 0 : -ENOMEM;
}

/* What is to be dealt with in the same way is one finding. */
static int add(struct list *list, const json_t *flow)
{
    const json_t *rule = json_object_get(flow, "rule"), *place;
    _cleanup_free_ char *key = NULL;
    int r;

    if (asprintf(&key, "%s|%s|%s:%lld|%s|%s", ng_cli_string(flow, "verdict"), ng_cli_string(flow, "class"),
                 ng_cli_string(rule, "file"), ng_cli_integer(rule, "line"), ng_cli_string(flow, "reason"),
                 destination_of(flow)) < 0)
        return -ENOMEM;
    place = json_object_get(list->places, key);
    if (place)
        return add_flow(&list->findings[json_integer_value(place)], flow);
    if (json_object_set_new(list->places, key, json_integer((json_int_t)list->count)) < 0)
        return -ENOMEM;
    r = begin_finding(list, flow);
    return r == 0 ? add_flow(&list->findings[list->count - 1], flow) : r;
}

static int compare_ways(const void *one, const void *other)
{
    const struct ng_report_way *a = one, *b = other;

    return a->count != b->count ? (a->count < b->count ? 1 : -1)
                                : (a->lineage > b->lineage) - (a->lineage < b->lineage);
}

static int compare_findings(const void *one, const void *other)
{
    const struct ng_report_finding *a = one, *b = other;

    if (strcmp(a->verdict, b->verdict) != 0)
        return strcmp(a->verdict, b->verdict); /* deny, would-deny */
    if (a->count != b->count)
        return a->count < b->count ? 1 : -1;
    return strcmp(a->first, b->first) != 0 ? strcmp(a->first, b->first) : strcmp(a->destination, b->destination);
}

static void sort(struct list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->findings[i].way_count)
            qsort(list->findings[i].ways, list->findings[i].way_count, sizeof(struct ng_report_way), compare_ways);
    if (list->count)
        qsort(list->findings, list->count, sizeof(struct ng_report_finding), compare_findings);
}

static int add_flows(const json_t *document, struct list *forbidden, struct list *allowed)
{
    const json_t *flow;
    int r = 0;
    size_t i;

    json_array_foreach(json_object_get(document, "flows"), i, flow)
    {
        bool allow = strcmp(ng_cli_string(flow, "verdict"), "allow") == 0;

        if (r == 0 && !json_is_true(json_object_get(flow, "probe")))
            r = add(allow ? allowed : forbidden, flow);
    }
    sort(forbidden);
    sort(allowed);
    return r;
}

int ng_report_make(const json_t *document, struct ng_report **ret_report)
{
    struct ng_report *report = calloc(1, sizeof(*report));
    struct list forbidden = {.places = json_object()}, allowed = {.places = json_object()};
    int r = report && forbidden.places && allowed.places ? 0 : -ENOMEM;

    if (r == 0)
        r = add_flows(document, &forbidden, &allowed);
    json_decref(forbidden.places);
    json_decref(allowed.places);
    if (report)
        *report = (struct ng_report){.document = document,
                                     .forbidden = forbidden.findings,
                                     .forbidden_count = forbidden.count,
                                     .allowed = allowed.findings,
                                     .allowed_count = allowed.count};
    if (r == 0)
        r = ng_report_settle(report);
    if (r == 0)
        *ret_report = report;
    else
        ng_report_free(report);
    return r;
}

size_t ng_report_count(const struct ng_report *report)
{
    return report->forbidden_count + report->allowed_count;
}

const struct ng_report_finding *ng_report_at(const struct ng_report *report, size_t number)
{
    return number < report->forbidden_count ? &report->forbidden[number]
                                            : &report->allowed[number - report->forbidden_count];
}

static void free_findings(struct ng_report_finding *findings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        json_decref(findings[i].ports);
        json_decref(findings[i].others);
        json_decref(findings[i].evidences);
        free(findings[i].ways);
    }
    free(findings);
}

void ng_report_free(struct ng_report *report)
{
    if (!report)
        return;
    free_findings(report->forbidden, report->forbidden_count);
    free_findings(report->allowed, report->allowed_count);
    free(report->settled);
    free(report);
}
