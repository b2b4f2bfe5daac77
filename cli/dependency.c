// SPDX-License-Identifier: BSD-2-Clause
#include "dependency.h"

#include "client.h"
#include "recorded.h"

#include <arpa/inet.h>
#include <string.h>

int ng_dependencies_init(struct ng_dependencies *dependencies)
{
    dependencies->index = json_object();
    return dependencies->index ? 0 : -ENOMEM;
}

static void free_dependency(struct ng_dependency *dependency)
{
    free(dependency->text);
    ng_vector_free(&dependency->cells);
    json_decref(dependency->commands);
    json_decref(dependency->members);
    json_decref(dependency->addresses);
    free(dependency->first);
    free(dependency->last);
    free(dependency->objection);
    free(dependency);
}

void ng_dependencies_release(struct ng_dependencies *dependencies)
{
    for (size_t i = 0; i < dependencies->list.count; i++)
        free_dependency(dependencies->list.items[i]);
    ng_vector_free(&dependencies->list);
    json_decref(dependencies->index);
    dependencies->index = NULL;
}

struct ng_dependency *ng_dependencies_find(const struct ng_dependencies *dependencies, const char *text)
{
    const json_t *number = json_object_get(dependencies->index, text);

    return number ? dependencies->list.items[json_integer_value(number)] : NULL;
}

static struct ng_dependency *make(const char *text)
{
    struct ng_dependency *dependency = calloc(1, sizeof(*dependency));

    if (!dependency)
        return NULL;
    dependency->text = strdup(text);
    dependency->commands = json_object();
    dependency->members = json_object();
    dependency->addresses = json_object();
    if (dependency->text && dependency->commands && dependency->members && dependency->addresses)
        return dependency;
    free_dependency(dependency);
    return NULL;
}

struct ng_dependency *ng_dependencies_get(struct ng_dependencies *dependencies, const char *text)
{
    struct ng_dependency *dependency = ng_dependencies_find(dependencies, text);
    size_t number = dependencies->list.count;

    if (dependency)
        return dependency;
    dependency = make(text);
    if (!dependency)
        return NULL;
    if (ng_vector_add(&dependencies->list, dependency)) {
        if (json_object_set_new(dependencies->index, text, json_integer((json_int_t)number)) == 0)
            return dependency;
        dependencies->list.count--;
    }
    free_dependency(dependency);
    return NULL;
}

/* --- order */

static int compare_names(const struct ng_name *a, const struct ng_name *b)
{
    const uint8_t *x[NG_LABELS_MAX], *y[NG_LABELS_MAX];
    unsigned m = 0, n = 0;

    for (const uint8_t *at = a->wire; *at; at += 1U + *at)
        x[m++] = at;
    for (const uint8_t *at = b->wire; *at; at += 1U + *at)
        y[n++] = at;
    while (m > 0 && n > 0) {
        const uint8_t *s = x[--m], *t = y[--n];
        int order = memcmp(s + 1, t + 1, *s < *t ? *s : *t);

        if (order || *s != *t)
            return order ? order : *s - *t;
    }
    return (int)m - (int)n;
}

static int compare(const void *a, const void *b)
{
    const struct ng_dependency *x = *(const struct ng_dependency *const *)a;
    const struct ng_dependency *y = *(const struct ng_dependency *const *)b;
    uint8_t p[16], q[16];
    int order;

    if (x->named != y->named)
        return x->named ? -1 : 1;
    if (x->named) {
        order = compare_names(&x->name, &y->name);
        return order ? order : strcmp(x->text, y->text);
    }
    if (strchr(x->text, ':') || strchr(y->text, ':') || inet_pton(AF_INET, x->text, p) != 1 ||
        inet_pton(AF_INET, y->text, q) != 1)
        return strcmp(x->text, y->text);
    return memcmp(p, q, 4);
}

void ng_dependencies_sort(struct ng_dependencies *dependencies)
{
    if (dependencies->list.count)
        qsort(dependencies->list.items, dependencies->list.count, sizeof(*dependencies->list.items), compare);
    for (size_t i = 0; i < dependencies->list.count; i++)
        (void)json_integer_set(json_object_get(dependencies->index, dependencies->list.items[i]->text), (json_int_t)i);
}

/* --- what speaks for them */

int ng_count_key(json_t *object, const char *key, json_int_t count)
{
    json_t *number = json_object_get(object, key);

    if (number)
        return json_integer_set(number, json_integer_value(number) + count) < 0 ? -ENOMEM : 0;
    return json_object_set_new(object, key, json_integer(count)) < 0 ? -ENOMEM : 0;
}

static int keep_time(char **kept, const char *time, int sign)
{
    char *copy;

    if (!time || !*time || (*kept && sign * strcmp(time, *kept) <= 0))
        return 0;
    copy = strdup(time);
    if (!copy)
        return -ENOMEM;
    free(*kept);
    *kept = copy;
    return 0;
}

int ng_span_times(char **earlier, char **later, const char *first, const char *last)
{
    int r = keep_time(earlier, first, -1);

    return r < 0 ? r : keep_time(later, last, 1);
}

int ng_dependency_use(struct ng_dependency *dependency, uint8_t proto, uint16_t port, json_int_t count)
{
    size_t at = 0, end = dependency->cells.count;

    while (at < end) { /* the first that is not before it */
        size_t middle = at + (end - at) / 2;
        const struct ng_cell *cell = &dependency->cells.items[middle];

        if (cell->proto < proto || (cell->proto == proto && cell->port < port))
            at = middle + 1;
        else
            end = middle;
    }
    if (at < dependency->cells.count && dependency->cells.items[at].proto == proto &&
        dependency->cells.items[at].port == port) {
        dependency->cells.items[at].count += count;
        return 0;
    }
    if (!ng_vector_reserve(&dependency->cells, 1))
        return -ENOMEM;
    memmove(&dependency->cells.items[at + 1], &dependency->cells.items[at],
            (dependency->cells.count++ - at) * sizeof(struct ng_cell));
    dependency->cells.items[at] = (struct ng_cell){proto, port, count};
    return 0;
}

json_int_t ng_dependency_count(const struct ng_dependency *dependency)
{
    json_int_t sum = 0;

    for (size_t i = 0; i < dependency->cells.count; i++)
        sum += dependency->cells.items[i].count;
    return sum;
}

static int note_objection(struct ng_dependency *dependency, const json_t *flow)
{
    const json_t *rule = json_object_get(flow, "rule");

    if (dependency->objection || strcmp(ng_cli_string(flow, "verdict"), "would-deny") != 0 || !json_is_object(rule))
        return 0;
    if (asprintf(&dependency->objection, "%s:%lld", ng_cli_string(rule, "file"), ng_cli_integer(rule, "line")) < 0) {
        dependency->objection = NULL;
        return -ENOMEM;
    }
    return 0;
}

int ng_dependency_add(struct ng_dependency *dependency, const json_t *flow)
{
    long long port = ng_cli_integer(flow, "port"), count = ng_cli_integer(flow, "count");
    int proto = ng_recorded_proto(flow), r;

    if (proto < 0 || port < 0 || port > 65535)
        return -EBADMSG;
    r = ng_dependency_use(dependency, (uint8_t)proto, (uint16_t)port, count);
    if (r == 0 && *ng_cli_string(flow, "comm"))
        r = ng_count_key(dependency->commands, ng_cli_string(flow, "comm"), count);
    if (r == 0)
        r = ng_count_key(dependency->addresses, ng_cli_string(flow, "address"), count);
    if (r == 0)
        r = ng_span_times(&dependency->first, &dependency->last, ng_cli_string(flow, "first"),
                          ng_cli_string(flow, "last"));
    return r < 0 ? r : note_objection(dependency, flow);
}

int ng_dependency_join(struct ng_dependency *dependency, const struct ng_dependency *other, json_int_t count)
{
    const char *command;
    json_t *times;
    int r = 0;

    json_object_foreach(other->commands, command, times)
        if (r == 0)
            r = ng_count_key(dependency->commands, command, 0);
    if (r == 0 && strcmp(dependency->text, other->text) != 0)
        r = ng_count_key(dependency->members, other->text, count);
    if (r == 0)
        r = ng_span_times(&dependency->first, &dependency->last, other->first, other->last);
    if (r == 0 && !dependency->objection && other->objection) {
        dependency->objection = strdup(other->objection);
        r = dependency->objection ? 0 : -ENOMEM;
    }
    return r;
}
