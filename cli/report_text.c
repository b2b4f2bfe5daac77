// SPDX-License-Identifier: BSD-2-Clause
/* One screen for whoever reviews a deployment. */
#include "client.h"
#include "format.h"
#include "report.h"
#include "table.h"

#include <string.h>

#define FORBIDDEN_MAX 20
#define WAYS_MAX 3     /* of a finding that are shown */
#define ALLOWED_MAX 12 /* destinations */

static void put_heading(FILE *out, const char *text)
{
    (void)fputs("   ", out);
    ng_cli_put_colour(out, NG_CLI_FAINT, text);
    (void)fprintf(out, "%*s", (int)(10 - strlen(text)), "");
}

static void put_argv(FILE *out, const json_t *argv, size_t max)
{
    _cleanup_free_ char *command = ng_report_command(argv, max);

    (void)fputs(command ? command : "?", out);
}

static enum ng_cli_colour colour_of(const char *outcome)
{
    if (strcmp(outcome, "clean") == 0)
        return NG_CLI_GOOD;
    return strcmp(outcome, "blocked-failed") == 0 ? NG_CLI_BAD : NG_CLI_WARN;
}

static void put_counts(FILE *out, const struct ng_report *report)
{
    const json_t *document = report->document;
    long long denied = ng_cli_integer(document, "denied"), would = ng_cli_integer(document, "would");

    (void)fprintf(out, "  %zu forbidden destination%s", report->forbidden_count,
                  report->forbidden_count == 1 ? "" : "s");
    if (denied)
        (void)fprintf(out, ", %lld attempt%s denied", denied, denied == 1 ? "" : "s");
    if (would)
        (void)fprintf(out, ", %lld would have been denied", would);
    (void)fprintf(out, "; %zu allowed\n", report->allowed_count);
    if (ng_cli_integer(document, "lost") || ng_cli_integer(document, "left_out"))
        (void)fprintf(out, "  incomplete: %lld events were lost, %lld rows are only counted\n",
                      ng_cli_integer(document, "lost"), ng_cli_integer(document, "left_out"));
}

static void put_head(FILE *out, const struct ng_report *report, size_t columns)
{
    const json_t *document = report->document, *argv = json_object_get(document, "argv");
    const char *started = ng_cli_string(document, "started");
    _cleanup_free_ char *date = strndup(started, strlen("2024-01-31"));
    char status[NG_REPORT_STATUS_MAX], clock[NG_REPORT_CLOCK_MAX];

    ng_cli_put(out, ng_cli_string(document, "deployment"));
    (void)fputs(": ", out);
    ng_cli_put_colour(out, colour_of(ng_cli_string(document, "outcome")), ng_report_outcome(document));
    if (*ng_report_status(document, status))
        (void)fprintf(out, " (%s)", status);
    (void)fputs("\n  ", out);
    if (json_is_array(argv))
        put_argv(out, argv, columns - 2);
    else
        (void)fputs("(attached)", out);
    (void)fputs("\n  ", out);
    ng_cli_put(out, date);
    (void)fprintf(out, " %s UTC, ", ng_report_clock(started, clock));
    if (json_is_number(json_object_get(document, "duration_s"))) {
        ng_report_put_duration(out, document);
        (void)fputs(", ", out);
    }
    (void)fputs("policy ", out);
    ng_cli_put(out, ng_cli_string(document, "policy"));
    (void)fputs(", mode ", out);
    ng_cli_put(out, ng_cli_string(document, "mode"));
    (void)fprintf(out, ", uid %lld\n", ng_cli_integer(document, "uid"));
    put_counts(out, report);
}

/* The command to change stands out, and is not cut: it may be the end of it that matters. */
static void put_command(FILE *out, const json_t *row, const struct ng_report_trace *trace, size_t columns)
{
    bool culprit = row == trace->culprit;
    _cleanup_free_ char *command = ng_report_command(json_object_get(row, "argv"), culprit ? 0 : columns);

    ng_cli_put_colour(out, culprit ? NG_CLI_GOOD : NG_CLI_PLAIN, command ? command : "?");
    if (culprit)
        (void)fputs(trace->named ? "  <- change this" : "  <- look at this", out);
}

static void put_way(FILE *out, const struct ng_report *report, const struct ng_report_finding *finding,
                    const struct ng_report_way *way, size_t columns)
{
    struct ng_report_trace trace;

    ng_report_trace(report, finding, way, &trace);
    put_heading(out, "by");
    if (trace.count == 0)
        ng_cli_put(out, *way->comm ? way->comm : "?");
    for (unsigned i = 0; i < trace.count; i++) {
        size_t indent = 13 + 2 * i < columns - 40 ? 13 + 2 * i : columns - 40;

        if (i > 0)
            (void)fprintf(out, "\n%*s> ", (int)indent - 2, "");
        put_command(out, trace.row[i], &trace, columns - indent - 8);
    }
    if (finding->way_count > 1)
        (void)fprintf(out, "  %lldx", way->count);
    (void)fputc('\n', out);
}

static void put_rule(FILE *out, const json_t *flow)
{
    const json_t *rule = json_object_get(flow, "rule");
    const char *reason = ng_cli_string(flow, "reason"), *instead = ng_cli_string(flow, "instead");

    if (json_is_object(rule)) {
        put_heading(out, "rule");
        ng_cli_put(out, ng_cli_string(rule, "file"));
        (void)fprintf(out, ":%lld  ", ng_cli_integer(rule, "line"));
        ng_cli_put(out, ng_cli_string(rule, "pattern"));
        (void)fputc('\n', out);
    }
    if (!*reason && !*instead)
        return;
    put_heading(out, "reason");
    ng_cli_put(out, reason);
    (void)fputs(*reason && *instead ? "; instead: " : *instead ? "instead: " : "", out);
    ng_cli_put(out, instead);
    (void)fputc('\n', out);
}

static void put_evidence(FILE *out, const struct ng_report_finding *finding)
{
    const json_t *evidence;
    size_t i;

    put_heading(out, "evidence");
    json_array_foreach(finding->evidences, i, evidence)
    {
        const char *word = json_string_value(evidence);

        (void)fputs(i ? "; " : "", out);
        ng_cli_put(out, word);
        (void)fprintf(out, "%s%s", *ng_report_evidence(word) ? ": " : "", ng_report_evidence(word));
    }
    if (json_array_size(finding->others)) {
        (void)fputs(" (", out);
        ng_cli_format_list(out, finding->others);
        (void)fputc(')', out);
    }
    (void)fputc('\n', out);
}

static void put_destination(FILE *out, const struct ng_report_finding *finding, enum ng_cli_colour colour,
                            size_t columns)
{
    _cleanup_free_ char *cut = ng_report_cut(finding->destination, columns / 2);

    ng_cli_put_colour(out, colour, cut ? cut : "?");
    (void)fputc(' ', out);
    ng_cli_format_list(out, finding->ports);
}

static void put_forbidden(FILE *out, const struct ng_report *report, size_t number, size_t columns)
{
    const struct ng_report_finding *finding = &report->forbidden[number];
    bool would = strcmp(finding->verdict, "would-deny") == 0;
    char first[NG_REPORT_CLOCK_MAX], last[NG_REPORT_CLOCK_MAX];

    (void)fprintf(out, "\n%zu. ", number + 1);
    put_destination(out, finding, would ? NG_CLI_WARN : NG_CLI_BAD, columns);
    (void)fprintf(out, "  %s %lldx  %s", would ? "would be denied" : "denied", finding->count,
                  ng_report_clock(finding->first, first));
    if (strcmp(ng_report_clock(finding->last, last), first) != 0)
        (void)fprintf(out, " to %s", last);
    if (*ng_report_class(finding->class))
        (void)fprintf(out, "  %s: %s", finding->class, ng_report_class(finding->class));
    (void)fputs(json_is_true(json_object_get(finding->flow, "incident")) ? "  (incident)\n" : "\n", out);
    for (size_t i = 0; i < finding->way_count && i < WAYS_MAX; i++)
        put_way(out, report, finding, &finding->ways[i], columns);
    if (finding->way_count > WAYS_MAX)
        (void)fprintf(out, "   %*s... and by %zu other commands\n", 10, "", finding->way_count - WAYS_MAX);
    put_rule(out, finding->flow);
    put_evidence(out, finding);
}

static void put_allowed(FILE *out, const struct ng_report *report, size_t columns)
{
    if (report->allowed_count)
        (void)fputs("\nDepends on:\n", out);
    for (size_t i = 0; i < report->allowed_count && i < ALLOWED_MAX; i++) {
        const struct ng_report_finding *finding = &report->allowed[i];

        (void)fputs("   ", out);
        put_destination(out, finding, NG_CLI_PLAIN, columns);
        (void)fprintf(out, "  %lldx  by ", finding->count);
        ng_cli_put(out, ng_cli_string(finding->flow, "comm"));
        (void)fputc('\n', out);
    }
    if (report->allowed_count > ALLOWED_MAX)
        (void)fprintf(out, "   ... and %zu more (--json, --html)\n", report->allowed_count - ALLOWED_MAX);
}

void ng_report_put_text(FILE *out, const struct ng_report *report, size_t columns)
{
    put_head(out, report, columns);
    for (size_t i = 0; i < report->forbidden_count && i < FORBIDDEN_MAX; i++)
        put_forbidden(out, report, i, columns);
    if (report->forbidden_count > FORBIDDEN_MAX)
        (void)fprintf(out, "\n... and %zu more (--json, --html)\n", report->forbidden_count - FORBIDDEN_MAX);
    put_allowed(out, report, columns);
}
