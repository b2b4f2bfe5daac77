// SPDX-License-Identifier: BSD-2-Clause
/* The texts. Names, commands and places come from strangers: in a comment they are escaped, and a rule holds only what
 * was parsed as a name or an address. What is written is read again, as `policy check --strict` would. */
#include "learned.h"

#include "client.h"
#include "policy.h"
#include "table.h"

#include "../policy/format.h"
#include "../policy/lint.h"

#include <netinet/in.h>
#include <string.h>

#define RANGES_MAX 7    /* of ports, for one protocol; rules that hold a destination together have room for 32 */
#define TOLD_MAX 20     /* names and commands in a comment */
#define ATTEMPTS_MAX 50 /* at a text against which nothing is to be said */
#define PATH "the learnt policy"

/* Ports of one protocol. */
struct range {
    uint8_t proto; /* IPPROTO_TCP, IPPROTO_UDP; 0: another one */
    uint16_t low, high;
};

typedef NG_VECTOR(struct range) ranges_vector;

/* --- ports */

static uint8_t proto_of(const struct ng_cell *cell)
{
    return cell->proto == IPPROTO_TCP || cell->proto == IPPROTO_UDP ? cell->proto : 0;
}

static int by_range(const void *a, const void *b)
{
    const struct range *x = a, *y = b;
    int p = x->proto ? x->proto : 256, q = y->proto ? y->proto : 256;

    return p != q ? p - q : x->low - y->low;
}

/* The widest gaps first. */
static int by_gap(const void *a, const void *b)
{
    const struct range *x = a, *y = b;
    int p = x->high - x->low, q = y->high - y->low;

    return p != q ? q - p : x->low - y->low;
}

/* How wide a gap between ports must be so that no more than `most` ranges remain of one protocol. */
static int least_gap(const struct range *ranges, size_t count, unsigned most, int *ret_gap)
{
    ranges_vector gaps = {0};

    *ret_gap = 1;
    if (count <= most)
        return 0;
    for (size_t i = 1; i < count; i++)
        if (!ng_vector_add(&gaps, ((struct range){0, ranges[i - 1].high, ranges[i].low}))) {
            ng_vector_free(&gaps);
            return -ENOMEM;
        }
    qsort(gaps.items, gaps.count, sizeof(*gaps.items), by_gap);
    /* The first that is closed, and all that are no wider. */
    *ret_gap = gaps.items[most - 1].high - gaps.items[most - 1].low + 1;
    ng_vector_free(&gaps);
    return 0;
}

/* Joins neighbours, and what lies closest where there are too many. */
static int join_ranges(ranges_vector *ranges, unsigned most)
{
    size_t kept = 0, end;

    for (size_t first = 0; first < ranges->count; first = end) {
        size_t begin = kept;
        int gap, r;

        for (end = first; end < ranges->count && ranges->items[end].proto == ranges->items[first].proto;)
            end++;
        r = least_gap(ranges->items + first, end - first, most, &gap);
        if (r < 0)
            return r;
        for (size_t i = first; i < end; i++) {
            struct range *last = kept > begin ? &ranges->items[kept - 1] : NULL;

            if (last && (ranges->items[i].low <= last->high + 1 || ranges->items[i].low - last->high < gap))
                last->high = ranges->items[i].high;
            else
                ranges->items[kept++] = ranges->items[i];
        }
    }
    ranges->count = kept;
    return 0;
}

static int make_ranges(const struct ng_dependency *rule, unsigned most, ranges_vector *ret_ranges)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < rule->cells.count; i++) {
        const struct ng_cell *cell = &rule->cells.items[i];

        r = ng_vector_add(ret_ranges, ((struct range){proto_of(cell), cell->port, cell->port})) ? 0 : -ENOMEM;
    }
    if (r == 0 && ret_ranges->count)
        qsort(ret_ranges->items, ret_ranges->count, sizeof(*ret_ranges->items), by_range);
    return r < 0 ? r : join_ranges(ret_ranges, most);
}

/* --- what is said of a rule */

static void put_destinations(FILE *out, const char *text, const ranges_vector *ranges)
{
    for (size_t i = 0; i < ranges->count; i++) {
        const struct range *it = &ranges->items[i];
        bool first = i == 0 || it->proto != ranges->items[i - 1].proto;
        bool last = i + 1 == ranges->count || it->proto != ranges->items[i + 1].proto;

        if (first)
            (void)fprintf(out, "%s%s port ", i ? ", " : "", text);
        (void)fprintf(out, it->low == it->high ? "%s%u" : "%s%u-%u", first ? "" : ",", it->low, it->high);
        if (last && it->proto)
            (void)fprintf(out, " proto %s", it->proto == IPPROTO_TCP ? "tcp" : "udp");
    }
}

/* "a (3), b (1)", or without the numbers where there are none. */
static void put_counts(FILE *out, const json_t *counts, bool numbers)
{
    size_t told = 0, all = json_object_size(counts);
    const char *key;
    json_t *count;

    json_object_foreach((json_t *)(uintptr_t)counts, key, count)
    {
        if (told == TOLD_MAX)
            break;
        (void)fputs(told++ ? ", " : "", out);
        ng_cli_put(out, key);
        if (numbers)
            (void)fprintf(out, " (%lld)", (long long)json_integer_value(count));
    }
    if (all > told)
        (void)fprintf(out, " and %zu more", all - told);
}

static void put_times(FILE *out, const char *first, const char *last)
{
    int day = (int)strlen("2026-01-31");

    if (!first || !last)
        return;
    (void)fprintf(out, ", %.*s", day, first);
    if (strncmp(first, last, (size_t)day) != 0)
        (void)fprintf(out, " to %.*s", day, last);
}

static void put_uses(FILE *out, const struct ng_dependency *dependency)
{
    long long count = ng_dependency_count(dependency);

    if (count == 1)
        (void)fputs("once", out);
    else
        (void)fprintf(out, "%lld times", count);
    if (json_object_size(dependency->commands)) {
        (void)fputs(" by ", out);
        put_counts(out, dependency->commands, false);
    }
    put_times(out, dependency->first, dependency->last);
}

static void put_evidence(FILE *out, const struct ng_dependency *rule, const ranges_vector *ranges)
{
    size_t members = json_object_size(rule->members), ports = 0;

    (void)fputs("\n    # ", out);
    put_uses(out, rule);
    if (members) {
        (void)fprintf(out, "\n    # %zu name%s: ", members, members == 1 ? "" : "s");
        put_counts(out, rule->members, true);
    }
    for (size_t i = 0; i < ranges->count; i++)
        ports += ranges->items[i].high - ranges->items[i].low + 1U;
    if (ports > rule->cells.count)
        (void)fprintf(out, "\n    # %zu ports, and those between them", rule->cells.count);
    if (rule->objection) {
        (void)fputs("\n    # ", out);
        ng_cli_put(out, rule->objection);
        (void)fputs(" would have denied it", out);
    }
    (void)fputc('\n', out);
}

static json_t *rule_json(const struct ng_dependency *rule, const ranges_vector *ranges)
{
    json_t *ports = json_array(), *commands = json_array(), *unused;
    const char *command;

    for (size_t i = 0; i < ranges->count; i++) {
        const struct range *it = &ranges->items[i];

        (void)json_array_append_new(ports, json_pack("{s:s, s:i, s:i}", "proto",
                                                     it->proto == IPPROTO_TCP   ? "tcp"
                                                     : it->proto == IPPROTO_UDP ? "udp"
                                                                                : "any",
                                                     "low", (int)it->low, "high", (int)it->high));
    }
    json_object_foreach(rule->commands, command, unused)
        (void)json_array_append_new(commands, json_string(command));
    return json_pack("{s:s, s:o, s:I, s:s?, s:s?, s:o, s:O, s:s?}", "destination", rule->text, "ports", ports, "count",
                     ng_dependency_count(rule), "first", rule->first, "last", rule->last, "commands", commands, "names",
                     rule->members, "would_deny", rule->objection);
}

/* --- the policy */

static void put_head(FILE *out, const struct ng_learned *learned, const char *what)
{
    (void)fprintf(out, "%s %u deployment%s", what, learned->deployments, learned->deployments == 1 ? "" : "s");
    if (json_object_size(learned->tags)) {
        (void)fputs(" with tag ", out);
        put_counts(out, learned->tags, false);
    }
    put_times(out, learned->first, learned->last);
    (void)fputs(", by namegate learn\n", out);
}

/* What is not allowed, as comments. */
static int put_rest(FILE *out, const struct ng_dependencies *rest, const char *heading)
{
    bool told = false;
    int r = 0;

    for (size_t i = 0; r == 0 && i < rest->list.count; i++) {
        const struct ng_dependency *it = rest->list.items[i];
        _cleanup_free_ char *text = ng_cli_escape(it->text);
        ranges_vector ranges = {0};

        if (it->cells.count == 0)
            continue;
        if (!told)
            (void)fprintf(out, "\n    # %s\n", heading);
        told = true;
        r = text ? make_ranges(it, RANGES_MAX, &ranges) : -ENOMEM;
        if (r == 0) {
            const struct range *last = &ranges.items[ranges.count - 1];

            ranges.count -= last->high == 0; /* neither a look-up nor ICMP has ports */
            (void)fputs("    #   ", out);
            if (ranges.count)
                put_destinations(out, text, &ranges);
            else
                (void)fputs(text, out);
            (void)fputs(": ", out);
            put_uses(out, it);
            (void)fputc('\n', out);
        }
        ng_vector_free(&ranges);
    }
    return r;
}

static int put_rule(FILE *out, const struct ng_dependency *rule, unsigned most, json_t *list)
{
    ranges_vector ranges = {0};
    int r = make_ranges(rule, most, &ranges);

    if (r == 0 && ranges.count) {
        put_evidence(out, rule, &ranges);
        (void)fputs("    allow ", out);
        put_destinations(out, rule->text, &ranges);
        (void)fputc('\n', out);
        r = json_array_append_new(list, rule_json(rule, &ranges)) < 0 ? -ENOMEM : 0;
    }
    ng_vector_free(&ranges);
    return r;
}

static int put_policy(FILE *out, struct ng_learned *learned, const struct ng_dependencies *rules, const char *name,
                      unsigned most, json_t *list)
{
    int r = 0;

    put_head(out, learned, "# What happened in");
    (void)fputs("# Look at each rule before it is put in force: what happened is not always what may happen.\n", out);
    (void)fprintf(out, "policy %s {\n    mode strict\n", name);
    for (size_t i = 0; r == 0 && i < rules->list.count; i++)
        r = put_rule(out, rules->list.items[i], most, list);
    ng_dependencies_sort(&learned->refused);
    ng_dependencies_sort(&learned->barred);
    if (r == 0)
        r = put_rest(out, &learned->refused, "Was denied, and is not allowed:");
    if (r == 0)
        r = put_rest(out, &learned->barred, "Happened, but evades the gate, which no rule can allow:");
    (void)fputs("}\n", out);
    return r;
}

/* What was denied and yet happened, in another deployment or before, is allowed. */
static void forget_needed(const struct ng_dependencies *needed, struct ng_dependencies *refused)
{
    for (size_t i = 0; i < refused->list.count; i++) {
        struct ng_dependency *it = refused->list.items[i];
        const struct ng_dependency *also = ng_dependencies_find(needed, it->text);
        size_t kept = 0;

        for (size_t c = 0; also && c < it->cells.count; c++) {
            bool happened = it->cells.items[c].proto == 0; /* it was looked up */

            for (size_t k = 0; k < also->cells.count; k++)
                happened |= also->cells.items[k].proto == it->cells.items[c].proto &&
                            also->cells.items[k].port == it->cells.items[c].port;
            if (!happened)
                it->cells.items[kept++] = it->cells.items[c];
        }
        if (also)
            it->cells.count = kept;
    }
}

/* Lays the text out, and reads it as `policy check` does. */
static int check(const char *text, size_t length, struct ng_diag *diag, char **ret_text)
{
    _cleanup_free_ char *canonical = NULL;
    _cleanup_set_ struct ng_cli_set set = {0};
    _cleanup_fd_ int fd = -1;
    struct ng_source source = {.path = PATH};
    int r = ng_format(PATH, text, length, diag, &canonical, &source.length);

    source.text = canonical;
    if (r == 0)
        r = ng_set_load(&source, 1, diag, &set.set);
    if (r == 0)
        r = ng_set_compile(set.set, diag, &fd);
    if (r == 0)
        r = ng_snapshot_open(fd, &set.snapshot);
    if (r == 0)
        r = ng_lint(set.set, set.snapshot, NULL, 0, diag);
    *ret_text = TAKE_PTR(canonical); /* also where something is to be said against it */
    return r;
}

static bool mark_unfit(struct ng_learned *learned, const char *name)
{
    struct ng_dependency *needed = ng_dependencies_find(&learned->needed, name);
    bool news = needed && needed->named && !needed->unfit;

    if (news)
        needed->unfit = true;
    return news;
}

/* The names of the rule in that line cannot stand in a policy. False: they did not before. */
static bool mark_line(struct ng_learned *learned, const char *text, unsigned line, const json_t *list)
{
    static const char statement[] = "    allow ";
    const json_t *rule;
    const char *name;
    size_t number = 0;
    json_t *unused;
    bool news;

    for (unsigned i = 1; text && i <= line; i++) {
        number += strncmp(text, statement, sizeof(statement) - 1) == 0;
        text = strchr(text, '\n');
        text = text ? text + 1 : NULL;
    }
    rule = number ? json_array_get(list, number - 1) : NULL;
    news = mark_unfit(learned, ng_cli_string(rule, "destination"));
    json_object_foreach(json_object_get(rule, "names"), name, unused) news |= mark_unfit(learned, name);
    return news;
}

/* 0: it is good; 1: another attempt may be better; or -errno. */
static int attempt(struct ng_learned *learned, const char *name, unsigned *most, char **ret_text, json_t *list)
{
    _cleanup_diag_ struct ng_diag *diag = ng_diag_new();
    _cleanup_free_ char *text = NULL, *canonical = NULL;
    struct ng_dependencies rules = {0};
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    bool better = false;
    int r = diag && out ? ng_learned_rules(learned, &rules) : -ENOMEM;

    if (r == 0)
        r = put_policy(out, learned, &rules, name, *most, list);
    ng_dependencies_release(&rules);
    if (out && fclose(out) != 0)
        r = -ENOMEM;
    if (r < 0)
        return r;
    r = check(text, length, diag, &canonical);
    if (r < 0 && r != -EINVAL)
        return r;
    if (r == 0 && ng_diag_count(diag) == 0) {
        *ret_text = TAKE_PTR(canonical);
        return 0;
    }
    if (r < 0 && *most > 1) { /* too many ranges meet at one destination */
        *most /= 2;
        return 1;
    }
    for (size_t i = 0; i < ng_diag_count(diag); i++)
        better |= mark_line(learned, canonical, ng_diag_get(diag, i).line, list);
    if (!better)
        ng_cli_put_diag(diag);
    return better ? 1 : -EINVAL;
}

int ng_learned_policy(struct ng_learned *learned, const char *name, char **ret_text, json_t **ret_rules)
{
    _cleanup_json_ json_t *list = json_array();
    unsigned most = RANGES_MAX;
    int r = list ? 1 : -ENOMEM;

    forget_needed(&learned->needed, &learned->refused);
    for (unsigned i = 0; r == 1 && i < ATTEMPTS_MAX; i++) {
        (void)json_array_clear(list);
        r = attempt(learned, name, &most, ret_text, list);
    }
    if (r == 0)
        *ret_rules = TAKE_PTR(list);
    return r == 1 ? -EINVAL : r;
}

/* --- the manifest */

/* Merges what was needed with what was denied: a service depends on both. */
static int join_all(const struct ng_dependencies *from, struct ng_dependencies *all)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < from->list.count; i++) {
        const struct ng_dependency *it = from->list.items[i];
        struct ng_dependency *joined;

        if (!it->named || it->unfit)
            continue;
        joined = ng_dependencies_get(all, it->text);
        if (!joined)
            return -ENOMEM;
        joined->named = true;
        joined->name = it->name;
        for (size_t c = 0; r == 0 && c < it->cells.count; c++)
            r = ng_dependency_use(joined, it->cells.items[c].proto, it->cells.items[c].port, it->cells.items[c].count);
        if (r == 0)
            r = ng_dependency_join(joined, it, 0);
    }
    return r;
}

static size_t count_nameless(const struct ng_dependencies *from)
{
    size_t count = 0;

    for (size_t i = 0; i < from->list.count; i++)
        count += !from->list.items[i]->named || from->list.items[i]->unfit;
    return count;
}

static int put_manifest(FILE *out, const struct ng_learned *learned, const struct ng_dependencies *all,
                        const char *service, json_t *list)
{
    size_t nameless = count_nameless(&learned->needed) + count_nameless(&learned->refused);
    const char *quote = strchr(service, '.') ? "" : "\""; /* or it may be a word of the language */
    int r = 0;

    (void)fprintf(out, "# What %s depends on, seen", service);
    put_head(out, learned, " in");
    if (nameless)
        (void)fprintf(out, "# Left out, because dependencies are names: %zu without one that can be written.\n",
                      nameless);
    for (size_t i = 0; r == 0 && i < all->list.count; i++) {
        const struct ng_dependency *it = all->list.items[i];
        const ranges_vector none = {0};

        if (strcmp(it->text, service) == 0)
            continue;
        (void)fputs("\n# ", out);
        put_uses(out, it);
        (void)fprintf(out, "\ndepends %s%s%s on %s\n", quote, service, quote, it->text);
        r = json_array_append_new(list, rule_json(it, &none)) < 0 ? -ENOMEM : 0;
    }
    return r;
}

int ng_learned_manifest(const struct ng_learned *learned, const char *service, char **ret_text, json_t **ret_rules)
{
    _cleanup_json_ json_t *list = json_array();
    _cleanup_diag_ struct ng_diag *diag = ng_diag_new();
    _cleanup_free_ char *text = NULL;
    struct ng_dependencies all = {0};
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    int r = list && diag && out ? ng_dependencies_init(&all) : -ENOMEM;

    if (r == 0)
        r = join_all(&learned->needed, &all);
    if (r == 0)
        r = join_all(&learned->refused, &all);
    if (r == 0) {
        ng_dependencies_sort(&all);
        r = put_manifest(out, learned, &all, service, list);
    }
    ng_dependencies_release(&all);
    if (out && fclose(out) != 0)
        r = -ENOMEM;
    if (r == 0)
        r = ng_format(PATH, text, length, diag, ret_text, &length);
    if (r == 0)
        *ret_rules = TAKE_PTR(list);
    return r;
}
