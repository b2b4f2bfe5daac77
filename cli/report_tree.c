// SPDX-License-Identifier: BSD-2-Clause
/* Who started whom. */
#include "client.h"
#include "html.h"
#include "report.h"

#include <string.h>

#define ROWS_MAX 2000
#define NESTING_MAX 32 /* deeper commands stand beside their parents */

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

        for (size_t i = 0; i < ng_report_count(report); i++) {
            const struct ng_report_finding *finding = ng_report_at(report, i);

            for (size_t k = 0; strcmp(finding->verdict, kinds[kind]) == 0 && k < finding->way_count; k++)
                count += finding->ways[k].lineage == number ? finding->ways[k].count : 0;
        }
        if (count)
            (void)fprintf(out, " <span class=\"badge %s\">%s %lld&times;</span>", kinds[kind], words[kind], count);
    }
}

static void put_ng_report_count(FILE *out, const struct ng_report *report, json_int_t number)
{
    bool some = false;

    for (size_t i = 0; i < ng_report_count(report); i++) {
        const struct ng_report_finding *finding = ng_report_at(report, i);

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
        put_ng_report_count(out, tree->report, number);
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
