// SPDX-License-Identifier: BSD-2-Clause
/* When it happened: destinations, and the commands that asked for them. */
#include "client.h"
#include "html.h"
#include "report.h"

#include <string.h>

#define LANES_MAX 60
#define WAYS_MAX 8 /* of a finding */

struct span {
    long long begin, end; /* microseconds */
};

static size_t lanes_of(const struct ng_report *report)
{
    return ng_report_count(report) < LANES_MAX ? ng_report_count(report) : LANES_MAX;
}

static struct span whole(const struct ng_report *report)
{
    struct span span = {ng_report_time(ng_cli_string(report->document, "started")),
                        ng_report_time(ng_cli_string(report->document, "ended"))};

    for (size_t i = 0; i < ng_report_count(report); i++) {
        long long last = ng_report_time(ng_report_at(report, i)->last);

        if (last > span.end)
            span.end = last;
    }
    if (span.end <= span.begin)
        span.end = span.begin + 1;
    return span;
}

static double percent(const struct span *span, long long at)
{
    double part = 100.0 * (double)(at - span->begin) / (double)(span->end - span->begin);

    return part < 0 ? 0 : part > 100 ? 100 : part;
}

static void put_bar(FILE *out, const struct span *span, const char *verdict, const struct ng_report_way *way)
{
    double from = percent(span, ng_report_time(way->first)), to = percent(span, ng_report_time(way->last));
    char first[NG_REPORT_CLOCK_MAX], last[NG_REPORT_CLOCK_MAX];

    (void)fprintf(out, "<span class=\"bar %s\" style=\"left:%.2f%%;width:%.2f%%\" title=\"%lld times, ", verdict, from,
                  to - from, way->count);
    ng_html_put(out, ng_report_clock(way->first, first));
    (void)fputs(" to ", out);
    ng_html_put(out, ng_report_clock(way->last, last));
    (void)fputs("\"></span>", out);
}

/* One of the words for a verdict, whatever the ledger says. */
static const char *verdict_at(const struct ng_report *report, size_t number)
{
    if (number >= report->forbidden_count)
        return "allow";
    return strcmp(report->forbidden[number].verdict, "would-deny") == 0 ? "would-deny" : "deny";
}

static void put_lane(FILE *out, const struct ng_report *report, const struct span *span, size_t number)
{
    const struct ng_report_finding *finding = ng_report_at(report, number);
    const char *verdict = verdict_at(report, number);
    char first[NG_REPORT_CLOCK_MAX], last[NG_REPORT_CLOCK_MAX];

    (void)fprintf(out, "<li data-f=\"%zu\"><span class=\"lane\"><code>", number);
    ng_html_put(out, finding->destination);
    (void)fputs("</code> <small>", out);
    ng_html_put(out, ng_report_clock(finding->first, first));
    if (strcmp(first, ng_report_clock(finding->last, last)) != 0) {
        (void)fputs("&ndash;", out);
        ng_html_put(out, last);
    }
    (void)fputs("</small></span><span class=\"track\">", out);
    for (size_t i = 0; i < finding->way_count; i++)
        put_bar(out, span, verdict, &finding->ways[i]);
    (void)fputs("</span></li>\n", out);
}

static void put_axis(FILE *out, const struct span *span)
{
    double ms = (double)(span->end - span->begin) / 1e3;
    bool brief = ms < 2000;

    (void)fputs("<div class=\"axis\" aria-hidden=\"true\"><span></span><span class=\"track\">", out);
    for (int i = 0; i <= 4; i++)
        (void)fprintf(out, "<span style=\"left:%d%%\">%.*f %s</span>", 25 * i, !brief && ms < 10000 ? 1 : 0,
                      (brief ? ms : ms / 1e3) * i / 4, brief ? "ms" : "s");
    (void)fputs("</span></div>\n", out);
}

/* --- commands */

/* When processes stayed at a command: the first begin, the last end; 0: never. By its number. */
struct lives {
    struct span at[NG_LEDGER_LINEAGES_MAX + 1];
};

static struct lives *read_lives(const struct ng_report *report, const struct span *span)
{
    struct lives *lives = calloc(1, sizeof(*lives));
    const json_t *process;
    size_t i;

    json_array_foreach(json_object_get(report->document, "processes"), i, process)
    {
        json_int_t number = ng_cli_integer(process, "lineage");
        long long begin = ng_report_time(ng_cli_string(process, "started"));
        long long end = ng_report_time(ng_cli_string(process, "ended"));
        struct span *life = lives && number > 0 && number <= NG_LEDGER_LINEAGES_MAX ? &lives->at[number] : NULL;

        if (!life || !begin)
            continue;
        if (!life->begin || begin < life->begin)
            life->begin = begin;
        if ((end ? end : span->end) > life->end)
            life->end = end ? end : span->end;
    }
    return lives;
}

struct command {
    const json_t *row;
    struct span life;
};

static void widen(struct span *span, const struct span *other)
{
    if (other->begin && (!span->begin || other->begin < span->begin))
        span->begin = other->begin;
    if (other->end > span->end)
        span->end = other->end;
}

/* What belongs to a command is what leads to it in a report: the command that one would change. */
static const json_t *command_of(const struct ng_report *report, const struct ng_report_finding *finding,
                                const struct ng_report_way *way)
{
    struct ng_report_trace trace;

    ng_report_trace(report, finding, way, &trace);
    return trace.culprit;
}

static const struct span *life_of(const struct lives *lives, json_int_t number)
{
    static const struct span none;

    return number > 0 && number <= NG_LEDGER_LINEAGES_MAX ? &lives->at[number] : &none;
}

static size_t collect(const struct ng_report *report, const struct lives *lives, struct command *commands)
{
    size_t count = 0, k;

    for (size_t i = 0; i < lanes_of(report); i++) {
        const struct ng_report_finding *finding = ng_report_at(report, i);

        for (size_t w = 0; w < finding->way_count && w < WAYS_MAX; w++) {
            const json_t *row = command_of(report, finding, &finding->ways[w]);

            for (k = 0; k < count && commands[k].row != row; k++)
                ;
            if (!row || k == LANES_MAX)
                continue;
            if (k == count)
                commands[count++] = (struct command){.row = row};
            widen(&commands[k].life, life_of(lives, ng_cli_integer(row, "number")));
            widen(&commands[k].life, life_of(lives, finding->ways[w].lineage));
        }
    }
    return count;
}

static int compare_commands(const void *one, const void *other)
{
    const struct command *a = one, *b = other;

    if (a->life.begin != b->life.begin)
        return a->life.begin < b->life.begin ? -1 : 1;
    return ng_cli_integer(a->row, "number") < ng_cli_integer(b->row, "number") ? -1 : 1;
}

/* Its life, and on it what it tried, what was denied on top. */
static void put_command(FILE *out, const struct ng_report *report, const struct span *span,
                        const struct command *command)
{
    _cleanup_free_ char *text = ng_report_command(json_object_get(command->row, "argv"), 0);
    _cleanup_free_ char *bars = NULL;
    size_t size = 0;
    FILE *held = open_memstream(&bars, &size);
    const char *space = "";

    if (!held)
        return;
    (void)fputs("<li data-f=\"", out);
    for (size_t i = lanes_of(report); i-- > 0;) {
        const struct ng_report_finding *finding = ng_report_at(report, i);
        bool mine = false;

        for (size_t w = 0; w < finding->way_count && w < WAYS_MAX; w++) {
            if (command_of(report, finding, &finding->ways[w]) != command->row)
                continue;
            put_bar(held, span, verdict_at(report, i), &finding->ways[w]);
            mine = true;
        }
        if (mine)
            (void)fprintf(out, "%s%zu", space, i);
        space = mine ? " " : space;
    }
    (void)fclose(held);
    (void)fputs("\"><span class=\"lane\"><code>", out);
    ng_html_put(out, text);
    (void)fputs("</code></span><span class=\"track\">", out);
    if (command->life.end >= command->life.begin && command->life.begin)
        (void)fprintf(out, "<span class=\"life\" style=\"left:%.2f%%;width:%.2f%%\"></span>",
                      percent(span, command->life.begin),
                      percent(span, command->life.end) - percent(span, command->life.begin));
    (void)fprintf(out, "%s</span></li>\n", bars ? bars : "");
}

static void put_commands(FILE *out, const struct ng_report *report, const struct span *span)
{
    struct command commands[LANES_MAX];
    struct lives *lives = read_lives(report, span);
    size_t count = lives ? collect(report, lives, commands) : 0;

    if (count)
        qsort(commands, count, sizeof(*commands), compare_commands);
    for (size_t i = 0; i < count; i++)
        put_command(out, report, span, &commands[i]);
    free(lives);
}

void ng_report_put_timeline(FILE *out, const struct ng_report *report)
{
    struct span span = whole(report);
    size_t count = ng_report_count(report);

    (void)fputs("<div class=\"timeline\">\n", out);
    put_axis(out, &span);
    (void)fputs("<h4>Destinations</h4>\n<ul>\n", out);
    for (size_t i = 0; i < lanes_of(report); i++)
        put_lane(out, report, &span, i);
    (void)fputs("</ul>\n<h4>Commands, for as long as they ran</h4>\n<ul>\n", out);
    put_commands(out, report, &span);
    (void)fputs("</ul></div>\n", out);
    if (count > LANES_MAX)
        (void)fprintf(out, "<p class=\"note\">%zu more destinations are not drawn.</p>\n", count - LANES_MAX);
}
