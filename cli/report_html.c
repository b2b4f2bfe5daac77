// SPDX-License-Identifier: BSD-2-Clause
/* The page. Style and script are report.css and report.js, the only ones that its Content-Security-Policy lets in; text
 * from the ledger goes out through ng_html_put() alone. Without its script it can be read as well. */
#include "client.h"
#include "html.h"
#include "report.h"
#include "runs.h"

#include <string.h>

static const char style[] =
#include <report.css.inc>
    ;
static const char script[] =
#include <report.js.inc>
    ;
static const char script_hash[] =
#include <report.js.hash.inc>
    ;

#define FORBIDDEN_MAX 300
#define ALLOWED_MAX 500
#define WAYS_MAX 8
#define DEPTH_MAX 12 /* steps of indentation */

static void put_code(FILE *out, const char *text)
{
    (void)fputs("<code>", out);
    ng_html_put(out, text);
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

static void put_command(FILE *out, const json_t *argv)
{
    _cleanup_free_ char *command = ng_report_command(argv, 0);

    put_code(out, command ? command : "?");
}

static void put_time(FILE *out, const char *time)
{
    char clock[NG_REPORT_CLOCK_MAX];

    (void)fputs("<time datetime=\"", out);
    ng_html_put(out, time);
    (void)fputs("\">", out);
    ng_html_put(out, ng_report_clock(time, clock));
    (void)fputs("</time>", out);
}

/* "2024-05-01 12:00:01 UTC" */
static void put_date(FILE *out, const char *time)
{
    _cleanup_free_ char *date = strndup(time, strlen("2024-01-31"));

    ng_html_put(out, date);
    (void)fputc(' ', out);
    put_time(out, time);
    (void)fputs(" UTC", out);
}

static const char *outcome_kind(const json_t *document)
{
    const char *outcome = ng_cli_string(document, "outcome");

    if (strcmp(outcome, "clean") == 0)
        return "allow";
    return strcmp(outcome, "blocked-failed") == 0 ? "deny" : "would-deny";
}

/* --- one deployment */

static void put_tile(FILE *out, const char *kind, long long number, const char *what)
{
    (void)fprintf(out, "<li class=\"%s\"><strong>%lld</strong> %s</li>\n", number ? kind : "", number, what);
}

static void put_fact(FILE *out, const char *name)
{
    (void)fprintf(out, "<dt>%s</dt><dd>", name);
}

static void begin_fact(FILE *out, const char *name)
{
    (void)fputs("<div>", out);
    put_fact(out, name);
}

static void end_fact(FILE *out)
{
    (void)fputs("</dd></div>\n", out);
}

static void put_facts(FILE *out, const struct ng_report *report)
{
    const json_t *document = report->document;
    char status[NG_REPORT_STATUS_MAX];

    (void)fputs("<dl class=\"facts\">\n", out);
    begin_fact(out, "started");
    put_date(out, ng_cli_string(document, "started"));
    end_fact(out);
    if (json_is_number(json_object_get(document, "duration_s"))) {
        begin_fact(out, "took");
        ng_report_put_duration(out, document);
        end_fact(out);
    }
    if (*ng_report_status(document, status)) {
        begin_fact(out, "ended with");
        (void)fputs(status, out);
        end_fact(out);
    }
    begin_fact(out, "policy");
    put_code(out, ng_cli_string(document, "policy"));
    (void)fputs(", mode ", out);
    put_code(out, ng_cli_string(document, "mode"));
    end_fact(out);
    begin_fact(out, "user");
    (void)fprintf(out, "uid %lld", ng_cli_integer(document, "uid"));
    end_fact(out);
    if (*ng_cli_string(document, "cwd")) {
        begin_fact(out, "in");
        put_code(out, ng_cli_string(document, "cwd"));
        end_fact(out);
    }
    (void)fputs("</dl>\n<ul class=\"tiles\">\n", out);
    put_tile(out, "deny", (long long)report->forbidden_count, "forbidden destinations");
    put_tile(out, "deny", ng_cli_integer(document, "denied"), "attempts denied");
    put_tile(out, "would-deny", ng_cli_integer(document, "would"), "would have been denied");
    put_tile(out, "allow", (long long)report->allowed_count, "allowed destinations");
    (void)fputs("</ul>\n", out);
    if (ng_cli_integer(document, "lost") || ng_cli_integer(document, "left_out"))
        (void)fprintf(out, "<p class=\"note\">Incomplete: %lld events were lost, %lld rows are only counted.</p>\n",
                      ng_cli_integer(document, "lost"), ng_cli_integer(document, "left_out"));
}

static void put_step(FILE *out, const json_t *row, unsigned depth, const struct ng_report_trace *trace)
{
    bool culprit = row == trace->culprit;

    (void)fprintf(out, "<li style=\"--d:%u\"%s>", depth < DEPTH_MAX ? depth : DEPTH_MAX,
                  culprit ? " class=\"culprit\"" : "");
    put_command(out, json_object_get(row, "argv"));
    if (culprit)
        (void)fprintf(out, " <span class=\"mark\">%s</span>", trace->named ? "change this" : "look at this");
}

static void put_way(FILE *out, const struct ng_report *report, const struct ng_report_finding *finding,
                    const struct ng_report_way *way)
{
    struct ng_report_trace trace;

    ng_report_trace(report, finding, way, &trace);
    (void)fputs("<ol class=\"way\">\n", out);
    if (trace.count == 0) {
        (void)fputs("<li style=\"--d:0\">", out);
        put_code(out, *way->comm ? way->comm : "?");
    }
    for (unsigned i = 0; i < trace.count; i++) {
        put_step(out, trace.row[i], i, &trace);
        if (i + 1 < trace.count)
            (void)fputs("</li>\n", out);
    }
    if (finding->way_count > 1)
        (void)fprintf(out, " <span class=\"times\">%lld&times;</span>", way->count);
    (void)fputs("</li>\n</ol>\n", out);
}

static void put_rule(FILE *out, const json_t *rule)
{
    put_fact(out, "rule");
    (void)fputs("<code>", out);
    ng_html_put(out, ng_cli_string(rule, "file"));
    (void)fprintf(out, ":%lld</code> ", ng_cli_integer(rule, "line"));
    put_code(out, ng_cli_string(rule, "pattern"));
    if (*ng_cli_string(rule, "depends")) {
        put_fact(out, "depends");
        put_code(out, ng_cli_string(rule, "depends"));
    }
}

static void put_why(FILE *out, const struct ng_report_finding *finding)
{
    const json_t *flow = finding->flow, *rule = json_object_get(flow, "rule"), *evidence;
    size_t i;

    (void)fputs("<dl class=\"why\">\n", out);
    if (json_is_object(rule))
        put_rule(out, rule);
    if (*ng_cli_string(flow, "reason")) {
        put_fact(out, "reason");
        (void)fputs("<span class=\"text\">", out);
        ng_html_put(out, ng_cli_string(flow, "reason"));
        (void)fputs("</span>", out);
    }
    if (*ng_cli_string(flow, "instead")) {
        put_fact(out, "instead");
        put_code(out, ng_cli_string(flow, "instead"));
    }
    put_fact(out, "evidence");
    json_array_foreach(finding->evidences, i, evidence)
    {
        const char *meaning = ng_report_evidence(json_string_value(evidence));

        (void)fputs(i ? "; " : "", out);
        put_code(out, json_string_value(evidence));
        (void)fprintf(out, "%s%s", *meaning ? ": " : "", meaning);
    }
    if (json_array_size(finding->others)) {
        put_fact(out, strcmp(finding->destination, ng_cli_string(flow, "address")) == 0 ? "names" : "addresses");
        put_codes(out, finding->others);
    }
    (void)fputs("</dl>\n", out);
}

static void put_when(FILE *out, const struct ng_report_finding *finding)
{
    char first[NG_REPORT_CLOCK_MAX], last[NG_REPORT_CLOCK_MAX];

    (void)fputs(" <span class=\"when\">", out);
    put_time(out, finding->first);
    if (strcmp(ng_report_clock(finding->first, first), ng_report_clock(finding->last, last)) != 0) {
        (void)fputs("&ndash;", out);
        put_time(out, finding->last);
    }
    (void)fputs("</span>", out);
}

static void put_forbidden(FILE *out, const struct ng_report *report, size_t number)
{
    const struct ng_report_finding *finding = &report->forbidden[number];
    bool would = strcmp(finding->verdict, "would-deny") == 0;
    const char *kind = would ? "would-deny" : "deny", *class = *ng_report_class(finding->class) ? finding->class : "";

    (void)fprintf(out, "<article class=\"finding %s\" data-n=\"%zu\" data-v=\"%s\" data-c=\"%s\">\n<h4>", kind, number,
                  kind, class);
    put_code(out, finding->destination);
    (void)fputs(" <small>", out);
    put_codes(out, finding->ports);
    (void)fprintf(out, "</small></h4>\n<p class=\"badges\"><span class=\"badge %s\">%s %lld&times;</span>", kind,
                  would ? "would be denied" : "denied", finding->count);
    if (*class)
        (void)fprintf(out, " <span class=\"badge\">%s</span> <span class=\"meaning\">%s</span>", class,
                      ng_report_class(class));
    if (json_is_true(json_object_get(finding->flow, "incident")))
        (void)fputs(" <span class=\"badge\">incident</span>", out);
    put_when(out, finding);
    (void)fputs("</p>\n", out);
    for (size_t i = 0; i < finding->way_count && i < WAYS_MAX; i++)
        put_way(out, report, finding, &finding->ways[i]);
    if (finding->way_count > WAYS_MAX)
        (void)fprintf(out, "<p class=\"note\">and by %zu other commands</p>\n", finding->way_count - WAYS_MAX);
    put_why(out, finding);
    (void)fputs("</article>\n", out);
}

static void put_allowed(FILE *out, const struct ng_report *report, size_t number)
{
    const struct ng_report_finding *finding = &report->allowed[number];
    struct ng_report_trace trace = {0};

    if (finding->way_count)
        ng_report_trace(report, finding, &finding->ways[0], &trace);
    (void)fprintf(out, "<tr data-n=\"%zu\" data-v=\"allow\" data-c=\"\"><th scope=\"row\">",
                  report->forbidden_count + number);
    put_code(out, finding->destination);
    (void)fputs("</th><td data-l=\"port\">", out);
    put_codes(out, finding->ports);
    (void)fprintf(out, "</td><td class=\"number\" data-l=\"seen\">%lld&times;</td><td data-l=\"by\">", finding->count);
    if (trace.culprit)
        put_command(out, json_object_get(trace.culprit, "argv"));
    else
        put_code(out, ng_cli_string(finding->flow, "comm"));
    if (finding->way_count > 1)
        (void)fprintf(out, " <small>and %zu more</small>", finding->way_count - 1);
    (void)fputs("</td><td data-l=\"addresses\">", out);
    put_codes(out, finding->others);
    (void)fputs("</td></tr>\n", out);
}

static void put_findings(FILE *out, const struct ng_report *report)
{
    (void)fputs("<h3>Forbidden</h3>\n", out);
    if (report->forbidden_count == 0)
        (void)fputs("<p class=\"note\">Nothing was denied, nor would have been.</p>\n", out);
    for (size_t i = 0; i < report->forbidden_count && i < FORBIDDEN_MAX; i++)
        put_forbidden(out, report, i);
    if (report->forbidden_count > FORBIDDEN_MAX)
        (void)fprintf(out, "<p class=\"note\">%zu more are not shown; <code>--json</code> has all.</p>\n",
                      report->forbidden_count - FORBIDDEN_MAX);
    if (report->allowed_count == 0)
        return;
    (void)fputs("<h3>Depends on</h3>\n<table class=\"allowed\"><thead><tr><th scope=\"col\">destination</th>"
                "<th scope=\"col\">port</th><th scope=\"col\" class=\"number\">seen</th><th scope=\"col\">by</th>"
                "<th scope=\"col\">addresses</th></tr></thead><tbody>\n",
                out);
    for (size_t i = 0; i < report->allowed_count && i < ALLOWED_MAX; i++)
        put_allowed(out, report, i);
    (void)fputs("</tbody></table>\n", out);
    if (report->allowed_count > ALLOWED_MAX)
        (void)fprintf(out, "<p class=\"note\">%zu more are not shown; <code>--json</code> has all.</p>\n",
                      report->allowed_count - ALLOWED_MAX);
}

static void put_changed(FILE *out, const json_t *dependencies, const char *class, const char *mark)
{
    const json_t *dependency;
    size_t i;

    json_array_foreach(dependencies, i, dependency)
    {
        const char *verdict = ng_cli_string(dependency, "verdict");

        (void)fprintf(out, "<li class=\"%s\"><strong>%s</strong> ", class, mark);
        put_code(out, ng_runs_destination(dependency));
        (void)fputs(" <small>", out);
        if (ng_cli_integer(dependency, "port"))
            (void)fprintf(out, "%lld/", ng_cli_integer(dependency, "port"));
        put_code(out, ng_cli_string(dependency, "proto"));
        (void)fprintf(out, "</small> %lld&times; by ", ng_cli_integer(dependency, "count"));
        put_codes(out, json_object_get(dependency, "commands"));
        if (strcmp(verdict, "allow") != 0)
            (void)fprintf(out, " <span class=\"badge %s\">%s</span>",
                          strcmp(verdict, "deny") == 0 ? "deny" : "would-deny",
                          strcmp(verdict, "deny") == 0 ? "denied" : "would be denied");
        (void)fputs("</li>\n", out);
    }
}

/* Since the run before, if it was compared with that. */
static void put_changes(FILE *out, const json_t *comparison)
{
    const json_t *added = json_object_get(comparison, "new"), *vanished = json_object_get(comparison, "vanished");

    if (!comparison)
        return;
    (void)fputs("<h3>Since the run before</h3>\n<p>Compared with ", out);
    put_code(out, ng_cli_string(json_object_get(comparison, "before"), "deployment"));
    (void)fprintf(out, ": <strong>%zu new</strong>, %zu vanished, %lld as before.</p>\n", json_array_size(added),
                  json_array_size(vanished), ng_cli_integer(comparison, "same"));
    if (json_array_size(added) + json_array_size(vanished) == 0)
        return;
    (void)fputs("<ul class=\"changes\">\n", out);
    put_changed(out, added, "new", "new");
    put_changed(out, vanished, "vanished", "vanished");
    (void)fputs("</ul>\n", out);
}

/* Several deployments: what is long is folded up. */
static void put_drawings(FILE *out, const struct ng_report *report, size_t number, bool open)
{
    (void)fprintf(out, "<details%s><summary><h3 id=\"d%zu-graph\">Dependencies</h3></summary>\n", open ? " open" : "",
                  number);
    ng_report_put_graph(out, report, number);
    (void)fprintf(out, "</details>\n<details%s><summary><h3>Timeline</h3></summary>\n", open ? " open" : "");
    ng_report_put_timeline(out, report);
    (void)fprintf(out, "</details>\n<details%s><summary><h3>Process tree</h3></summary>\n", open ? " open" : "");
    ng_report_put_tree(out, report);
    (void)fputs("</details>\n", out);
}

static void put_deployment(FILE *out, const struct ng_report *report, size_t number, bool alone)
{
    const json_t *document = report->document;

    (void)fprintf(out,
                  "<section class=\"deployment\" id=\"d%zu\" aria-labelledby=\"d%zu-head\">\n"
                  "<h2 id=\"d%zu-head\"><code>",
                  number, number, number);
    ng_html_put(out, ng_cli_string(document, "deployment"));
    (void)fprintf(out, "</code> <span class=\"badge %s\">%s</span></h2>\n<p class=\"command\">", outcome_kind(document),
                  ng_report_outcome(document));
    if (json_is_array(json_object_get(document, "argv")))
        put_command(out, json_object_get(document, "argv"));
    else
        (void)fputs("attached, not started by <code>run</code>", out);
    (void)fputs("</p>\n", out);
    put_facts(out, report);
    put_changes(out, json_object_get(document, "against"));
    put_findings(out, report);
    put_drawings(out, report, number, alone);
    (void)fputs("</section>\n", out);
}

/* --- the page */

static void put_overview(FILE *out, struct ng_report *const *reports, size_t count)
{
    (void)fputs(
        "<section aria-labelledby=\"overview\"><h2 id=\"overview\">Overview</h2>\n<table class=\"overview\"><thead>"
        "<tr><th scope=\"col\">deployment</th><th scope=\"col\">started</th><th scope=\"col\">outcome</th>"
        "<th scope=\"col\" class=\"number\">denied</th><th scope=\"col\" class=\"number\">would be</th>"
        "<th scope=\"col\">worst</th></tr></thead><tbody>\n",
        out);
    for (size_t i = count; i-- > 0;) { /* the last one first */
        const json_t *document = reports[i]->document;

        (void)fprintf(out, "<tr><th scope=\"row\"><a href=\"#d%zu\"><code>", i + 1);
        ng_html_put(out, ng_cli_string(document, "deployment"));
        (void)fputs("</code></a></th><td data-l=\"started\">", out);
        put_date(out, ng_cli_string(document, "started"));
        (void)fprintf(out, "</td><td data-l=\"outcome\"><span class=\"badge %s\">%s</span></td>",
                      outcome_kind(document), ng_report_outcome(document));
        (void)fprintf(out,
                      "<td class=\"number\" data-l=\"denied\">%lld</td><td class=\"number\" data-l=\"would be\">%lld"
                      "</td><td data-l=\"worst\">",
                      ng_cli_integer(document, "denied"), ng_cli_integer(document, "would"));
        if (reports[i]->forbidden_count)
            put_code(out, reports[i]->forbidden[0].destination);
        (void)fputs("</td></tr>\n", out);
    }
    (void)fputs("</tbody></table></section>\n", out);
}

static void put_head(FILE *out, struct ng_report *const *reports, size_t count)
{
    (void)fprintf(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        "script-src 'sha256-%s'; base-uri 'none'; form-action 'none'\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n"
        "<title>namegate: ",
        script_hash);
    ng_html_put(out, ng_cli_string(reports[count - 1]->document, count > 1 ? "tag" : "deployment"));
    (void)fprintf(out, "</title>\n<style>\n%s</style>\n</head>\n<body>\n", style);
}

static void put_filter(FILE *out)
{
    static const struct {
        const char *kind, *word, *label;
    } chips[] = {{"v", "deny", "denied"},   {"v", "would-deny", "would be denied"},
                 {"v", "allow", "allowed"}, {"c", "direct", "direct"},
                 {"c", "hidden", "hidden"}, {"c", "transient", "transient"}};

    (void)fputs("<form id=\"filter\" role=\"search\" aria-label=\"Filter\" hidden>\n"
                "<input id=\"q\" type=\"search\" placeholder=\"Filter: name, command, rule\" aria-label=\"Text\" "
                "autocomplete=\"off\" spellcheck=\"false\">\n",
                out);
    for (size_t i = 0; i < sizeof(chips) / sizeof(*chips); i++)
        (void)fprintf(
            out, "<label class=\"chip\"><input type=\"checkbox\" name=\"%s\" value=\"%s\"><span>%s</span></label>\n",
            chips[i].kind, chips[i].word, chips[i].label);
    (void)fputs("<output id=\"shown\" aria-live=\"polite\"></output>\n</form>\n", out);
}

void ng_report_put_html(FILE *out, struct ng_report *const *reports, size_t count)
{
    put_head(out, reports, count);
    (void)fputs("<a class=\"skip\" href=\"#main\">Skip to the report</a>\n<header><h1>namegate <span>report</span></h1>"
                "<button id=\"theme\" type=\"button\" hidden>Dark</button></header>\n",
                out);
    put_filter(out);
    (void)fputs("<main id=\"main\">\n", out);
    if (count > 1)
        put_overview(out, reports, count);
    for (size_t i = count; i-- > 0;)
        put_deployment(out, reports[i], i + 1, count == 1);
    (void)fprintf(out, "</main>\n<footer>namegate " NG_VERSION "</footer>\n<script>%s</script>\n</body>\n</html>\n",
                  script);
}
