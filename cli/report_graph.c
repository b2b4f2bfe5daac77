// SPDX-License-Identifier: BSD-2-Clause
/* Four columns: the deployment, its commands, the names, their addresses. What is forbidden comes first; what does not
 * fit is counted. Order in the columns: the names as the findings are, the others in the middle of what they are joined
 * to, so that few lines cross. */
#include "client.h"
#include "html.h"
#include "report.h"
#include "table.h"

#include <string.h>

#define FINDINGS_MAX 48
#define WAYS_MAX 6      /* of a finding */
#define ADDRESSES_MAX 4 /* of a name */
#define NODES_MAX 512
#define EDGES_MAX 1024

#define PITCH 38
#define HEIGHT 28
#define HEAD 34

enum column { DEPLOYMENT, COMMANDS, NAMES, ADDRESSES, COLUMNS };

static const struct {
    int x, width;
    size_t characters;
    const char *head;
} columns[COLUMNS] = {
    {8, 160, 19, "deployment"}, {212, 290, 37, "command"}, {550, 250, 32, "name"}, {848, 228, 28, "address"}};
#define WIDTH 1084

enum verdict { ALLOW, WOULD, DENY };

static const char *const verdicts[] = {"allow", "would-deny", "deny"};

struct node {
    enum column column;
    const char *key; /* NULL: it is known by its lineage */
    json_int_t lineage;
    char *text;
    enum verdict verdict;
    bool by_dependency; /* is no address, but what the name depends on */
    double sum, weight; /* of what it is joined to */
    double y;
    json_t *findings;
};

struct edge {
    size_t from, to;
    enum verdict verdict;
    bool by_dependency;
    json_t *findings;
};

struct graph {
    struct node nodes[NODES_MAX];
    size_t node_count, left_out;
    struct edge edges[EDGES_MAX];
    size_t edge_count;
    size_t rows[COLUMNS];
};

static enum verdict verdict_of(const struct ng_report_finding *finding)
{
    return strcmp(finding->verdict, "deny") == 0 ? DENY : strcmp(finding->verdict, "allow") == 0 ? ALLOW : WOULD;
}

static void note(json_t *findings, size_t finding)
{
    size_t count = json_array_size(findings);

    if (count == 0 || json_integer_value(json_array_get(findings, count - 1)) != (json_int_t)finding)
        (void)json_array_append_new(findings, json_integer((json_int_t)finding));
}

static struct node *find_node(struct graph *graph, enum column column, const char *key, json_int_t lineage)
{
    for (size_t i = 0; i < graph->node_count; i++) {
        struct node *node = &graph->nodes[i];

        if (node->column == column && (key ? node->key && strcmp(node->key, key) == 0 : node->lineage == lineage))
            return node;
    }
    return NULL;
}

/* NULL: there are too many. */
static struct node *add_node(struct graph *graph, enum column column, const char *key, json_int_t lineage,
                             enum verdict verdict)
{
    struct node *node = find_node(graph, column, key, lineage);

    if (!node && graph->node_count == NODES_MAX)
        return NULL;
    if (!node) {
        node = &graph->nodes[graph->node_count++];
        *node = (struct node){.column = column, .key = key, .lineage = lineage, .findings = json_array()};
        graph->rows[column]++;
    }
    if (verdict > node->verdict)
        node->verdict = verdict;
    return node;
}

static void add_edge(struct graph *graph, const struct node *from, const struct node *to, enum verdict verdict,
                     size_t finding)
{
    size_t a = (size_t)(from - graph->nodes), b = (size_t)(to - graph->nodes), i;

    for (i = 0; i < graph->edge_count; i++)
        if (graph->edges[i].from == a && graph->edges[i].to == b)
            break;
    if (i == EDGES_MAX)
        return;
    if (i == graph->edge_count)
        graph->edges[graph->edge_count++] = (struct edge){a, b, verdict, to->by_dependency, json_array()};
    if (verdict > graph->edges[i].verdict)
        graph->edges[i].verdict = verdict;
    note(graph->edges[i].findings, finding);
}

/* The command that one would change stands for those below it. */
static void add_command(struct graph *graph, const struct ng_report *report, const struct ng_report_finding *finding,
                        const struct ng_report_way *way, struct node *name, size_t number)
{
    enum verdict verdict = verdict_of(finding);
    struct ng_report_trace trace;
    struct node *node;

    ng_report_trace(report, finding, way, &trace);
    node =
        add_node(graph, COMMANDS, trace.culprit ? NULL : way->comm, ng_cli_integer(trace.culprit, "number"), verdict);
    if (!node)
        return;
    if (!node->text)
        node->text = trace.culprit ? ng_report_command(json_object_get(trace.culprit, "argv"), 0)
                                   : ng_cli_escape(*way->comm ? way->comm : "?");
    note(node->findings, number);
    add_edge(graph, &graph->nodes[0], node, verdict, number);
    add_edge(graph, node, name, verdict, number);
}

static void add_target(struct graph *graph, struct node *name, const char *text, bool by_dependency,
                       enum verdict verdict, size_t finding)
{
    struct node *node = add_node(graph, ADDRESSES, text, 0, verdict);

    if (!node)
        return;
    node->by_dependency = by_dependency;
    if (!node->text)
        node->text = ng_cli_escape(text);
    note(node->findings, finding);
    add_edge(graph, name, node, verdict, finding);
}

/* The path goes out from the destination itself, which is drawn already. */
static const char *behind(const char *path, const char *destination)
{
    static const char arrow[] = " -> ";
    size_t length = strlen(destination);

    if (strncmp(path, destination, length) != 0 || strncmp(path + length, arrow, strlen(arrow)) != 0)
        return path;
    return path + length + strlen(arrow);
}

static void add_finding(struct graph *graph, const struct ng_report *report, const struct ng_report_finding *finding,
                        size_t number)
{
    enum verdict verdict = verdict_of(finding);
    struct node *name = add_node(graph, NAMES, finding->destination, 0, verdict);
    const char *depends = ng_cli_string(json_object_get(finding->flow, "rule"), "depends");

    if (!name)
        return;
    if (!name->text)
        name->text = ng_cli_escape(finding->destination);
    note(name->findings, number);
    for (size_t i = 0; i < finding->way_count && i < WAYS_MAX; i++)
        add_command(graph, report, finding, &finding->ways[i], name, number);
    if (*depends)
        add_target(graph, name, behind(depends, finding->destination), true, verdict, number);
    for (size_t i = 0; i < json_array_size(finding->others) && i < ADDRESSES_MAX; i++)
        add_target(graph, name, json_string_value(json_array_get(finding->others, i)), false, verdict, number);
}

/* --- places */

static double middle(const struct node *node)
{
    return node->y + HEIGHT / 2.0;
}

/* Names stand in the order in which they came. */
static void place_names(struct graph *graph, double height)
{
    double y = HEAD + (height - (double)graph->rows[NAMES] * PITCH) / 2;

    for (size_t i = 0; i < graph->node_count; i++) {
        if (graph->nodes[i].column != NAMES)
            continue;
        graph->nodes[i].y = y;
        y += PITCH;
    }
}

static int compare_weights(const void *one, const void *other)
{
    const struct node *a = *(struct node *const *)one, *b = *(struct node *const *)other;
    double mine = a->weight > 0 ? a->sum / a->weight : 0, theirs = b->weight > 0 ? b->sum / b->weight : 0;

    return mine < theirs ? -1 : mine > theirs;
}

static void place_beside(struct graph *graph, enum column column, double height)
{
    struct node *ordered[NODES_MAX];
    size_t count = 0;
    double y = HEAD + (height - (double)graph->rows[column] * PITCH) / 2;

    for (size_t i = 0; i < graph->edge_count; i++) {
        struct node *from = &graph->nodes[graph->edges[i].from], *to = &graph->nodes[graph->edges[i].to];
        struct node *mine = from->column == column ? from : to, *other = from->column == column ? to : from;

        if (mine->column != column || other->column != NAMES)
            continue;
        mine->sum += middle(other);
        mine->weight++;
    }
    for (size_t i = 0; i < graph->node_count; i++)
        if (graph->nodes[i].column == column)
            ordered[count++] = &graph->nodes[i];
    qsort(ordered, count, sizeof(struct node *), compare_weights);
    for (size_t i = 0; i < count; i++, y += PITCH)
        ordered[i]->y = y;
}

static double place(struct graph *graph)
{
    size_t rows = 1;

    for (enum column column = 0; column < COLUMNS; column++)
        if (graph->rows[column] > rows)
            rows = graph->rows[column];
    graph->nodes[0].y = HEAD + ((double)rows * PITCH - PITCH) / 2;
    place_names(graph, (double)rows * PITCH);
    place_beside(graph, COMMANDS, (double)rows * PITCH);
    place_beside(graph, ADDRESSES, (double)rows * PITCH);
    return HEAD + (double)rows * PITCH;
}

/* --- drawing */

static void put_findings(FILE *out, const json_t *findings)
{
    const json_t *finding;
    size_t i;

    (void)fputs(" data-f=\"", out);
    json_array_foreach(findings, i, finding)(void)
        fprintf(out, "%s%lld", i ? " " : "", (long long)json_integer_value(finding));
    (void)fputc('"', out);
}

static void put_edge(FILE *out, const struct graph *graph, const struct edge *edge)
{
    const struct node *from = &graph->nodes[edge->from], *to = &graph->nodes[edge->to];
    int x1 = columns[from->column].x + columns[from->column].width, x2 = columns[to->column].x;
    int bend = (x2 - x1) / 2;

    (void)fprintf(out, "<path class=\"edge %s%s\"", verdicts[edge->verdict], edge->by_dependency ? " depends" : "");
    put_findings(out, edge->findings);
    (void)fprintf(out, " d=\"M%d %.1fC%d %.1f %d %.1f %d %.1f\"/>\n", x1, middle(from), x1 + bend, middle(from),
                  x2 - bend, middle(to), x2, middle(to));
}

static void put_node(FILE *out, const struct node *node)
{
    _cleanup_free_ char *cut = ng_report_cut(node->text ? node->text : "?", columns[node->column].characters);

    (void)fprintf(out, "<g class=\"node %s%s\"", node->column == DEPLOYMENT ? "root" : verdicts[node->verdict],
                  node->by_dependency ? " depends" : "");
    if (node->column != DEPLOYMENT)
        put_findings(out, node->findings);
    (void)fputs("><title>", out);
    ng_html_put(out, node->by_dependency ? "depends: " : "");
    ng_html_put(out, node->text);
    (void)fprintf(out,
                  "</title><rect x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%d\" rx=\"7\"/><text x=\"%d\" y=\"%.1f\">",
                  columns[node->column].x, node->y, columns[node->column].width, HEIGHT, columns[node->column].x + 10,
                  middle(node) + 4);
    ng_html_put(out, cut ? cut : "?");
    (void)fputs("</text></g>\n", out);
}

static void draw(FILE *out, struct graph *graph, size_t number)
{
    double height = place(graph) + 4;

    (void)fprintf(out,
                  "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"d%zu-graph\">\n"
                  "<svg class=\"graph\" viewBox=\"0 0 %d %.0f\" width=\"%d\" height=\"%.0f\" role=\"img\" "
                  "aria-label=\"Lines from the deployment to its commands, the names that they asked for, and their "
                  "addresses. The same is in the lists above.\">\n",
                  number, WIDTH, height, WIDTH, height);
    for (enum column column = 0; column < COLUMNS; column++)
        (void)fprintf(out, "<text class=\"head\" x=\"%d\" y=\"16\">%s</text>\n", columns[column].x,
                      columns[column].head);
    for (enum verdict verdict = ALLOW; verdict <= DENY; verdict++) /* what is denied on top */
        for (size_t i = 0; i < graph->edge_count; i++)
            if (graph->edges[i].verdict == verdict)
                put_edge(out, graph, &graph->edges[i]);
    for (size_t i = 0; i < graph->node_count; i++)
        put_node(out, &graph->nodes[i]);
    (void)fputs("</svg></div>\n", out);
    if (graph->left_out)
        (void)fprintf(out, "<p class=\"note\">%zu more destinations are not drawn.</p>\n", graph->left_out);
}

void ng_report_put_graph(FILE *out, const struct ng_report *report, size_t number)
{
    struct graph *graph = calloc(1, sizeof(*graph));
    size_t count = ng_report_count(report);
    struct node *root = graph ? add_node(graph, DEPLOYMENT, "", 0, ALLOW) : NULL;

    if (!root)
        return;
    root->text = ng_cli_escape(ng_cli_string(report->document, "deployment"));
    for (size_t i = 0; i < count && i < FINDINGS_MAX; i++)
        add_finding(graph, report, ng_report_at(report, i), i);
    graph->left_out = count > FINDINGS_MAX ? count - FINDINGS_MAX : 0;
    draw(out, graph, number);
    for (size_t i = 0; i < graph->node_count; i++) {
        free(graph->nodes[i].text);
        json_decref(graph->nodes[i].findings);
    }
    for (size_t i = 0; i < graph->edge_count; i++)
        json_decref(graph->edges[i].findings);
    free(graph);
}
