// SPDX-License-Identifier: BSD-2-Clause
/* When it happened, and who started whom. */
#include "client.h"
#include "html.h"
#include "report.h"

#include <string.h>

#define LANES_MAX 60
#define ROWS_MAX 2000
#define NESTING_MAX 32 /* deeper commands stand beside their parents */

static size_t findings_of(const struct ng_report *report)
{
    return report->forbidden_count + report->allowed_count;
}

/* In the order of the numbers in data-f. */
static const struct ng_report_finding *finding_at(const struct ng_report *report, size_t number)
{
    return number < report->forbidden_count ? &report->forbidden[number]
                                            : &report->allowed[number - report->forbidden_count];
}

/* --- timeline */

struct span {
    long long begin, end; /* microseconds */
};

static struct span whole(const struct ng_report *report)
{
    struct span span = {ng_report_time(ng_cli_string(report->document, "started")),
                        ng_report_time(ng_cli_string(report->document, "ended"))};

    for (size_t i = 0; i < findings_of(report); i++) {
        long long last = ng_report_time(finding_at(report, i)->last);

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

static void put_lane(FILE *out, const struct ng_report *report, const struct span *span, size_t number)
{
    const struct ng_report_finding *finding = finding_at(report, number);
    const char *verdict = number >= report->forbidden_count             ? "allow"
                          : strcmp(finding->verdict, "would-deny") == 0 ? "would-deny"
                                                                        : "deny";
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
    double seconds = (double)(span->end - span->begin) / 1e6;

    (void)fputs("<div class=\"axis\" aria-hidden=\"true\"><span></span><span class=\"track\">", out);
    for (int i = 0; i <= 4; i++)
        (void)fprintf(out, "<span style=\"left:%d%%\">%.*f s</span>", 25 * i, seconds < 10 ? 1 : 0, seconds * i / 4);
    (void)fputs("</span></div>\n", out);
}

void ng_report_put_timeline(FILE *out, const struct ng_report *report)
{
    struct span span = whole(report);
    size_t count = findings_of(report);

    (void)fputs("<div class=\"timeline\">\n", out);
    put_axis(out, &span);
    (void)fputs("<ul>\n", out);
    for (size_t i = 0; i < count && i < LANES_MAX; i++)
        put_lane(out, report, &span, i);
    (void)fputs("</ul></div>\n", out);
    if (count > LANES_MAX)
        (void)fprintf(out, "<p class=\"note\">%zu more destinations are not drawn.</p>\n", count - LANES_MAX);
}

/* --- tree */

/* A row of `lineage` and where it hangs, by places from 1; 0: none. */
struct leaf {
    size_t up, child, next, last; /* parent, first child, next sibling, last child */
    unsigned depth;
};

struct tree {
    const struct ng_report *report;
    const json_t *lineage;
    struct leaf *leaves; /* the first stands for the tree as a whole */
};

static size_t place_of(const json_t *lineage, const json_t *row)
{
    const json_t *other;
    size_t i;

    json_array_foreach(lineage, i, other)
    {
        if (other == row)
            return i + 1;
    }
    return 0;
}

/* A parent stands before its children. */
static void hang(struct tree *tree, size_t place)
{
    const json_t *parent = ng_ledger_parent(tree->lineage, json_array_get(tree->lineage, place - 1));
    size_t up = parent ? place_of(tree->lineage, parent) : 0;
    struct leaf *leaf;

    if (tree->leaves[up].depth == NESTING_MAX)
        up = tree->leaves[up].up;
    leaf = &tree->leaves[up];
    tree->leaves[place].up = up;
    tree->leaves[place].depth = leaf->depth + 1;
    if (leaf->last)
        tree->leaves[leaf->last].next = place;
    else
        leaf->child = place;
    leaf->last = place;
}

/* What a command itself did. */
static void put_deeds(FILE *out, const struct ng_report *report, json_int_t number)
{
    static const char *const kinds[] = {"deny", "would-deny", "allow"}, *const words[] = {"denied", "would be",
                                                                                          "allowed"};

    for (size_t kind = 0; kind < sizeof(kinds) / sizeof(*kinds); kind++) {
        long long count = 0;

        for (size_t i = 0; i < findings_of(report); i++) {
            const struct ng_report_finding *finding = finding_at(report, i);

            for (size_t k = 0; strcmp(finding->verdict, kinds[kind]) == 0 && k < finding->way_count; k++)
                count += finding->ways[k].lineage == number ? finding->ways[k].count : 0;
        }
        if (count)
            (void)fprintf(out, " <span class=\"badge %s\">%s %lld&times;</span>", kinds[kind], words[kind], count);
    }
}

static void put_findings_of(FILE *out, const struct ng_report *report, json_int_t number)
{
    bool some = false;

    for (size_t i = 0; i < findings_of(report); i++) {
        const struct ng_report_finding *finding = finding_at(report, i);

        for (size_t k = 0; k < finding->way_count; k++) {
            if (finding->ways[k].lineage != number)
                continue;
            (void)fprintf(out, "%s%zu", some ? " " : " data-f=\"", i);
            some = true;
        }
    }
    (void)fputs(some ? "\"" : "", out);
}

static void put_siblings(FILE *out, const struct tree *tree, size_t place, size_t *left)
{
    (void)fputs("<ul>\n", out);
    for (; place && *left; place = tree->leaves[place].next) {
        const json_t *row = json_array_get(tree->lineage, place - 1);
        _cleanup_free_ char *command = ng_report_command(json_object_get(row, "argv"), 0);
        json_int_t number = ng_cli_integer(row, "number");

        --*left;
        (void)fputs("<li", out);
        put_findings_of(out, tree->report, number);
        (void)fputs("><p><code>", out);
        ng_html_put(out, command);
        (void)fputs("</code>", out);
        if (ng_cli_integer(row, "processes") > 1)
            (void)fprintf(out, " <span class=\"times\">%lld processes</span>", ng_cli_integer(row, "processes"));
        put_deeds(out, tree->report, number);
        (void)fputs("</p>", out);
        if (tree->leaves[place].child)
            put_siblings(out, tree, tree->leaves[place].child, left);
        (void)fputs("</li>\n", out);
    }
    (void)fputs("</ul>", out);
}

void ng_report_put_tree(FILE *out, const struct ng_report *report)
{
    struct tree tree = {.report = report, .lineage = json_object_get(report->document, "lineage")};
    size_t count = json_array_size(tree.lineage), left = ROWS_MAX;

    tree.leaves = calloc(count + 1, sizeof(struct leaf));
    if (!tree.leaves)
        return;
    for (size_t place = 1; place <= count; place++)
        hang(&tree, place);
    (void)fputs("<div class=\"tree\">", out);
    if (count)
        put_siblings(out, &tree, tree.leaves[0].child, &left);
    (void)fputs("</div>\n", out);
    if (count > ROWS_MAX)
        (void)fprintf(out, "<p class=\"note\">%zu more commands are not shown; <code>--json</code> has all.</p>\n",
                      count - ROWS_MAX);
    free(tree.leaves);
}
