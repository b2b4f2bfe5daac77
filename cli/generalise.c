// SPDX-License-Identifier: BSD-2-Clause
/* From what was needed to rules. Each protocol and port is looked at by itself, so that a wildcard opens no port that
 * was not used below it by as many names. */
#include "learned.h"

#include "../policy/suffix.h"

#include <namegate/cleanup.h>

#include <string.h>

NG_DEFINE_CLEANUP(json, json_t, json_decref)
NG_DEFINE_CLEANUP(suffixes, struct ng_suffixes, ng_suffixes_free)

/* A use of a port by a name that can stand in a rule. */
struct use {
    struct ng_cell cell;
    const struct ng_dependency *by;
    const char *text; /* of the name */
};

/* A name, or a wildcard that stands for some, with the same cell. */
struct item {
    const struct use *use; /* NULL: a wildcard */
    const char *text;
    unsigned labels;
    unsigned registered;   /* labels that were registered: no wildcard above them */
    size_t wildcard;       /* the item that stands for it, or NONE */
};

#define NONE SIZE_MAX

struct generalising {
    struct ng_dependencies *rules;
    const struct ng_suffixes *suffixes;
    NG_VECTOR(struct use) uses;
    NG_VECTOR(struct item) items; /* of the cell in work */
    json_t *texts;                /* keeps those of wildcards */
};

static int by_cell(const void *a, const void *b)
{
    const struct use *x = a, *y = b;

    if (x->cell.proto != y->cell.proto)
        return x->cell.proto - y->cell.proto;
    return x->cell.port != y->cell.port ? x->cell.port - y->cell.port : strcmp(x->text, y->text);
}

static unsigned labels_of(const char *text)
{
    unsigned labels = text ? 1 : 0;

    for (; text && (text = strchr(text, '.')); text++)
        labels++;
    return labels;
}

/* What is left of a name with so many labels when only its last ones are taken. */
static const char *last_labels(const struct item *item, unsigned labels)
{
    const char *text = item->text;

    for (unsigned i = item->labels; i > labels; i--)
        text = strchr(text, '.') + 1;
    return text;
}

/* Whether a wildcard of so many labels could stand for it. */
static bool is_below(const struct item *item, unsigned labels)
{
    return item->wildcard == NONE && item->labels > labels && item->registered && item->registered <= labels;
}

static int add_wildcard(struct generalising *generalising, const char *base, unsigned labels)
{
    struct item item = {.labels = labels, .wildcard = NONE};
    json_t *text = json_string(base);

    if (json_array_append_new(generalising->texts, text) < 0)
        return -ENOMEM;
    item.text = json_string_value(text);
    item.registered = labels_of(ng_suffix_registered(generalising->suffixes, item.text));
    return ng_vector_add(&generalising->items, item) ? 0 : -ENOMEM;
}

/* Wildcards with that number of labels, for what none stands for yet. */
static int generalise_at(struct generalising *generalising, unsigned labels)
{
    _cleanup_(ng_cleanup_json) json_t *counts = json_object();
    size_t count = generalising->items.count;
    const char *base;
    json_t *number;
    int r = counts ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < count; i++)
        if (is_below(&generalising->items.items[i], labels))
            r = ng_count_key(counts, last_labels(&generalising->items.items[i], labels), 1);
    json_object_foreach(counts, base, number)
    {
        bool many = json_integer_value(number) >= NG_LEARNED_MANY;

        (void)json_integer_set(number, many ? (json_int_t)generalising->items.count : -1);
        if (many && r == 0)
            r = add_wildcard(generalising, base, labels);
    }
    for (size_t i = 0; r == 0 && i < count; i++) {
        struct item *item = &generalising->items.items[i];
        json_int_t wildcard = is_below(item, labels)
                                  ? json_integer_value(json_object_get(counts, last_labels(item, labels)))
                                  : -1;

        if (wildcard >= 0)
            item->wildcard = (size_t)wildcard;
    }
    return r;
}

static struct ng_dependency *get_rule(struct ng_dependencies *rules, const char *text)
{
    struct ng_dependency *rule = ng_dependencies_get(rules, text);
    const char *base = text + strspn(text, "*.");

    if (rule && !rule->named)
        rule->named = ng_name_from_text(base, strlen(base), &rule->name) == 0;
    return rule;
}

static int allow(struct ng_dependency *rule, const struct ng_dependency *by, const struct ng_cell *cell)
{
    int r = rule ? ng_dependency_use(rule, cell->proto, cell->port, cell->count) : -ENOMEM;

    return r < 0 ? r : ng_dependency_join(rule, by, cell->count);
}

/* The rules for one cell: for the widest that stands for each name. */
static int add_rules(struct generalising *generalising)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < generalising->items.count; i++) {
        const struct item *item = &generalising->items.items[i], *top = item;
        char text[NG_NAME_TEXT_MAX + 2];

        if (!item->use)
            continue;
        while (top->wildcard != NONE)
            top = &generalising->items.items[top->wildcard];
        (void)snprintf(text, sizeof(text), "%s%s", top->use ? "" : "*.", top->text);
        r = allow(get_rule(generalising->rules, text), item->use->by, &item->use->cell);
    }
    return r;
}

static int generalise(struct generalising *generalising, const struct use *uses, size_t count)
{
    unsigned most = 0;
    int r = 0;

    generalising->items.count = 0;
    for (size_t i = 0; r == 0 && i < count; i++) {
        struct item item = {.use = &uses[i], .text = uses[i].text, .labels = labels_of(uses[i].text),
                            .registered = labels_of(ng_suffix_registered(generalising->suffixes, uses[i].text)),
                            .wildcard = NONE};

        most = item.labels > most ? item.labels : most;
        r = ng_vector_add(&generalising->items, item) ? 0 : -ENOMEM;
    }
    for (unsigned labels = most; r == 0 && count >= NG_LEARNED_MANY && labels > 1;)
        r = generalise_at(generalising, --labels);
    return r < 0 ? r : add_rules(generalising);
}

static int generalise_all(struct generalising *generalising)
{
    const struct use *uses = generalising->uses.items;
    size_t count = generalising->uses.count, end;
    int r = 0;

    if (count)
        qsort(generalising->uses.items, count, sizeof(*uses), by_cell);
    for (size_t first = 0; r == 0 && first < count; first = end) {
        for (end = first; end < count && uses[end].cell.proto == uses[first].cell.proto &&
                          uses[end].cell.port == uses[first].cell.port;)
            end++;
        r = generalise(generalising, uses + first, end - first);
    }
    return r;
}

/* Addresses stand for those that were reached without a name, and for names that no rule can name. */
static int add_addresses(struct ng_dependencies *rules, const struct ng_dependency *needed)
{
    const char *address;
    json_t *count;
    int r = 0;

    json_object_foreach(needed->addresses, address, count)
        for (size_t i = 0; r == 0 && i < needed->cells.count; i++)
            r = allow(ng_dependencies_get(rules, address), needed, &needed->cells.items[i]);
    return r;
}

static bool same_cells(const struct ng_dependency *a, const struct ng_dependency *b)
{
    bool same = a->cells.count == b->cells.count;

    for (size_t i = 0; same && i < a->cells.count; i++)
        same = a->cells.items[i].proto == b->cells.items[i].proto && a->cells.items[i].port == b->cells.items[i].port;
    return same;
}

/* ".example.org" is what both allow. The rule of the apex loses its ports, and is none any more. */
static int join_apex(const struct ng_dependencies *rules)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < rules->list.count; i++) {
        struct ng_dependency *rule = rules->list.items[i], *apex;

        if (strncmp(rule->text, "*.", 2) != 0)
            continue;
        apex = ng_dependencies_find(rules, rule->text + 2);
        if (!apex || !same_cells(rule, apex))
            continue;
        for (size_t c = 0; c < apex->cells.count; c++)
            rule->cells.items[c].count += apex->cells.items[c].count;
        r = ng_dependency_join(rule, apex, ng_dependency_count(apex));
        apex->cells.count = 0;
        memmove(rule->text, rule->text + 1, strlen(rule->text));
    }
    return r;
}

int ng_learned_rules(const struct ng_learned *learned, struct ng_dependencies *ret_rules)
{
    _cleanup_(ng_cleanup_suffixes) struct ng_suffixes *suffixes = ng_suffixes_new();
    struct generalising generalising = {.rules = ret_rules, .suffixes = suffixes, .texts = json_array()};
    int r = suffixes && generalising.texts ? ng_dependencies_init(ret_rules) : -ENOMEM;

    for (size_t i = 0; r == 0 && i < learned->needed.list.count; i++) {
        const struct ng_dependency *needed = learned->needed.list.items[i];

        if (!needed->named || needed->unfit)
            r = add_addresses(ret_rules, needed);
        for (size_t c = 0; r == 0 && needed->named && !needed->unfit && c < needed->cells.count; c++) {
            struct use use = {needed->cells.items[c], needed, needed->text};

            r = ng_vector_add(&generalising.uses, use) ? 0 : -ENOMEM;
        }
    }
    if (r == 0)
        r = generalise_all(&generalising);
    if (r == 0)
        ng_dependencies_sort(ret_rules);
    if (r == 0)
        r = join_apex(ret_rules);
    ng_vector_free(&generalising.uses);
    ng_vector_free(&generalising.items);
    json_decref(generalising.texts);
    if (r < 0)
        ng_dependencies_release(ret_rules);
    return r;
}
