// SPDX-License-Identifier: BSD-2-Clause
/* For a comment on a pull request. Whatever comes from the ledger stands in code, where neither mentions nor links nor
 * Markdown mean anything, and is cut so that the whole stays below what such a comment may hold. */
#include "client.h"
#include "format.h"
#include "report.h"
#include "runs.h"
#include "table.h"

#include <ctype.h>
#include <string.h>

#define TEXT_MAX 160
#define FORBIDDEN_MAX 25 /* in the table; of these the details of DETAILS_MAX */
#define DETAILS_MAX 10
#define ALLOWED_MAX 30
#define WAYS_MAX 3

/* A code span cannot hold what ends it or a cell of a table: then as HTML, in which no character is Markdown. */
static void put_code(FILE *out, const char *text)
{
    _cleanup_free_ char *escaped = ng_cli_escape(text);
    _cleanup_free_ char *cut = escaped ? ng_report_cut(escaped, TEXT_MAX) : NULL;

    if (!cut || !*cut)
        return;
    if (!strpbrk(cut, "`|\\") && cut[strspn(cut, " ")]) {
        (void)fprintf(out, "`%s`", cut);
        return;
    }
    (void)fputs("<code>", out);
    for (const char *at = cut; *at; at++) {
        if (isalnum((unsigned char)*at) || *at == ' ' || (unsigned char)*at >= 0x80)
            (void)fputc(*at, out);
        else
            (void)fprintf(out, "&#%d;", *at);
    }
    (void)fputs("</code>", out);
}

static void put_codes(FILE *out, const json_t *list)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        (void)fputs(i ? ", " : "", out);
        put_code(out, json_string_value(item));
    }
}

static void put_command(FILE *out, const json_t *row)
{
    _cleanup_free_ char *command = ng_report_command(json_object_get(row, "argv"), TEXT_MAX);

    put_code(out, command ? command : "?");
}

static void put_place(FILE *out, const json_t *flow)
{
    const json_t *rule = json_object_get(flow, "rule");
    _cleanup_free_ char *place = NULL;

    if (json_is_object(rule) &&
        asprintf(&place, "%s:%lld", ng_cli_string(rule, "file"), ng_cli_integer(rule, "line")) >= 0)
        put_code(out, place);
}

static void put_head(FILE *out, const struct ng_report *report)
{
    const json_t *document = report->document;
    char status[NG_REPORT_STATUS_MAX];
    _cleanup_free_ char *command = ng_report_command(json_object_get(document, "argv"), TEXT_MAX);

    (void)fprintf(out, "## namegate: %s\n\n", ng_report_outcome(document));
    put_code(out, ng_cli_string(document, "deployment"));
    if (command && *command) {
        (void)fputs(", command ", out);
        put_code(out, command);
    }
    if (*ng_report_status(document, status))
        (void)fprintf(out, ", %s", status);
    if (json_is_number(json_object_get(document, "duration_s"))) {
        (void)fputs(", ", out);
        ng_report_put_duration(out, document);
    }
    (void)fputs(", policy ", out);
    put_code(out, ng_cli_string(document, "policy"));
    (void)fputs(" in mode ", out);
    put_code(out, ng_cli_string(document, "mode"));
    (void)fprintf(out, ". **%zu forbidden** destination%s, %zu allowed.\n", report->forbidden_count,
                  report->forbidden_count == 1 ? "" : "s", report->allowed_count);
    if (ng_cli_integer(document, "lost") || ng_cli_integer(document, "left_out"))
        (void)fprintf(out, "\nIncomplete: %lld events were lost, %lld rows are only counted.\n",
                      ng_cli_integer(document, "lost"), ng_cli_integer(document, "left_out"));
}

static void put_row(FILE *out, const struct ng_report *report, const struct ng_report_finding *finding)
{
    struct ng_report_trace trace;

    (void)fputs("| ", out);
    put_code(out, finding->destination);
    (void)fputc(' ', out);
    put_codes(out, finding->ports);
    (void)fprintf(out, " | %lld%s | %s | ", finding->count,
                  strcmp(finding->verdict, "would-deny") == 0 ? " (would be)" : "",
                  *ng_report_class(finding->class) ? finding->class : "");
    for (size_t i = 0; i < finding->way_count && i < WAYS_MAX; i++) {
        ng_report_trace(report, finding, &finding->ways[i], &trace);
        (void)fputs(trace.culprit && i ? "<br>" : "", out);
        if (trace.culprit)
            put_command(out, trace.culprit);
    }
    (void)fputs(" | ", out);
    put_code(out, ng_cli_string(finding->flow, "instead"));
    (void)fputs(" | ", out);
    put_place(out, finding->flow);
    (void)fputs(" |\n", out);
}

static void put_table(FILE *out, const struct ng_report *report)
{
    (void)fputs("\n| forbidden | denied | class | the command to change | instead | rule |\n"
                "|---|--:|---|---|---|---|\n",
                out);
    for (size_t i = 0; i < report->forbidden_count && i < FORBIDDEN_MAX; i++)
        put_row(out, report, &report->forbidden[i]);
    if (report->forbidden_count > FORBIDDEN_MAX)
        (void)fprintf(out, "\n... and %zu more.\n", report->forbidden_count - FORBIDDEN_MAX);
}

static void put_way(FILE *out, const struct ng_report *report, const struct ng_report_finding *finding,
                    const struct ng_report_way *way)
{
    struct ng_report_trace trace;

    ng_report_trace(report, finding, way, &trace);
    (void)fprintf(out, "- %lldx by ", way->count);
    if (trace.count == 0)
        put_code(out, *way->comm ? way->comm : "?");
    for (unsigned i = 0; i < trace.count; i++) {
        (void)fputs(i ? " → " : "", out);
        put_command(out, trace.row[i]);
    }
    (void)fputc('\n', out);
}

static void put_detail(FILE *out, const struct ng_report *report, const struct ng_report_finding *finding)
{
    char first[NG_REPORT_CLOCK_MAX], last[NG_REPORT_CLOCK_MAX];
    const json_t *evidence;
    size_t i;

    (void)fputs("\n**", out);
    put_code(out, finding->destination);
    (void)fprintf(out, "** at %s", ng_report_clock(finding->first, first));
    if (strcmp(first, ng_report_clock(finding->last, last)) != 0)
        (void)fprintf(out, " to %s", last);
    (void)fputs(" UTC", out);
    if (*ng_report_class(finding->class))
        (void)fprintf(out, "; %s: %s", finding->class, ng_report_class(finding->class));
    (void)fputs("\n\n", out);
    for (i = 0; i < finding->way_count && i < WAYS_MAX; i++)
        put_way(out, report, finding, &finding->ways[i]);
    if (*ng_cli_string(finding->flow, "reason")) {
        (void)fputs("- reason: ", out);
        put_code(out, ng_cli_string(finding->flow, "reason"));
        (void)fputc('\n', out);
    }
    (void)fputs("- evidence: ", out);
    json_array_foreach(finding->evidences, i, evidence)
    {
        (void)fputs(i ? "; " : "", out);
        put_code(out, json_string_value(evidence));
        (void)fprintf(out, " %s", ng_report_evidence(json_string_value(evidence)));
    }
    (void)fputs(json_array_size(finding->others) ? ": " : "", out);
    put_codes(out, finding->others);
    (void)fputc('\n', out);
}

static void put_allowed(FILE *out, const struct ng_report *report)
{
    (void)fprintf(out, "\n<details><summary>Depends on (%zu)</summary>\n\n", report->allowed_count);
    for (size_t i = 0; i < report->allowed_count && i < ALLOWED_MAX; i++) {
        (void)fputs("- ", out);
        put_code(out, report->allowed[i].destination);
        (void)fputc(' ', out);
        put_codes(out, report->allowed[i].ports);
        (void)fputc('\n', out);
    }
    if (report->allowed_count > ALLOWED_MAX)
        (void)fprintf(out, "- ... and %zu more\n", report->allowed_count - ALLOWED_MAX);
    (void)fputs("\n</details>\n", out);
}

void ng_report_put_markdown(FILE *out, const struct ng_report *report)
{
    put_head(out, report);
    if (report->forbidden_count) {
        put_table(out, report);
        (void)fputs("\n<details><summary>By which commands, and why</summary>\n", out);
        for (size_t i = 0; i < report->forbidden_count && i < DETAILS_MAX; i++)
            put_detail(out, report, &report->forbidden[i]);
        (void)fputs("\n</details>\n", out);
    }
    if (report->allowed_count)
        put_allowed(out, report);
}

static void put_changes(FILE *out, const json_t *list, const char *word)
{
    const json_t *it;
    size_t i;

    json_array_foreach(list, i, it)
    {
        _cleanup_free_ char *text = NULL;
        size_t length = 0;
        FILE *destination = i < ALLOWED_MAX ? open_memstream(&text, &length) : NULL;

        if (!destination)
            break;
        ng_cli_format_destination(destination, ng_runs_destination(it), it);
        if (fclose(destination) != 0)
            break;
        (void)fprintf(out, "- %s: ", word);
        put_code(out, text);
        (void)fprintf(out, ", %lldx by ", ng_cli_integer(it, "count"));
        put_codes(out, json_object_get(it, "commands"));
        (void)fputc('\n', out);
    }
    if (json_array_size(list) > ALLOWED_MAX)
        (void)fprintf(out, "- and %zu more that are %s\n", json_array_size(list) - ALLOWED_MAX, word);
}

void ng_report_put_markdown_changes(FILE *out, const json_t *comparison)
{
    const json_t *added = json_object_get(comparison, "new"), *vanished = json_object_get(comparison, "vanished");

    (void)fputs("\nSince the run before, ", out);
    put_code(out, ng_cli_string(json_object_get(comparison, "before"), "deployment"));
    (void)fprintf(out, ": **%zu new**, %zu vanished, %lld as before.\n\n", json_array_size(added),
                  json_array_size(vanished), ng_cli_integer(comparison, "same"));
    put_changes(out, added, "new");
    put_changes(out, vanished, "vanished");
}
