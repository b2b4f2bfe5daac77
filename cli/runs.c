// SPDX-License-Identifier: BSD-2-Clause
#include "runs.h"

#include "client.h"
#include "dependency.h"
#include "format.h"
#include "ledger.h"
#include "recorded.h"
#include "table.h"

#include <string.h>

/* --- comparing */

static int add_command(json_t *found, const char *command)
{
    json_t *list = json_object_get(found, "commands");
    const json_t *known;
    size_t i;

    json_array_foreach(list, i, known)
        if (strcmp(json_string_value(known), command) == 0)
            return 0;
    return json_array_append_new(list, json_string(command)) < 0 ? -ENOMEM : 0;
}

static int add(json_t *dependencies, const char *key, const json_t *flow)
{
    json_t *found = json_object_get(dependencies, key);

    if (!found) {
        found = json_pack("{s:O?, s:O?, s:O?, s:O?, s:O?, s:[], s:I, s:O?, s:O?}", "name",
                          json_object_get(flow, "name"), "address", json_object_get(flow, "address"), "port",
                          json_object_get(flow, "port"), "proto", json_object_get(flow, "proto"), "verdict",
                          json_object_get(flow, "verdict"), "commands", "count", (json_int_t)0, "first",
                          json_object_get(flow, "first"), "last", json_object_get(flow, "last"));
        if (json_object_set_new(dependencies, key, found) < 0)
            return -ENOMEM;
    }
    if (strcmp(ng_cli_string(flow, "first"), ng_cli_string(found, "first")) < 0)
        (void)json_object_set(found, "first", json_object_get(flow, "first"));
    if (strcmp(ng_cli_string(flow, "last"), ng_cli_string(found, "last")) > 0) {
        (void)json_object_set(found, "last", json_object_get(flow, "last"));
        (void)json_object_set(found, "address", json_object_get(flow, "address"));
        (void)json_object_set(found, "verdict", json_object_get(flow, "verdict"));
    }
    if (add_command(found, ng_cli_string(flow, "comm")) < 0)
        return -ENOMEM;
    return ng_count_key(found, "count", ng_cli_integer(flow, "count"));
}

/* What a run depends on, by destination; NULL: out of memory. */
static json_t *dependencies_of(const json_t *deployment)
{
    _cleanup_json_ json_t *dependencies = json_object();
    const json_t *flow;
    size_t i;

    json_array_foreach(json_object_get(deployment, "flows"), i, flow)
    {
        const char *name = json_string_value(json_object_get(flow, "name"));
        _cleanup_free_ char *key = NULL;

        if (!ng_recorded_counts(flow) || ng_recorded_local(flow))
            continue;
        if (asprintf(&key, "%s %05lld/%s", name ? name : ng_cli_string(flow, "address"), ng_cli_integer(flow, "port"),
                     ng_cli_string(flow, "proto")) < 0) {
            key = NULL;
            return NULL;
        }
        if (add(dependencies, key, flow) < 0)
            return NULL;
    }
    return TAKE_PTR(dependencies);
}

static int by_key(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Those that the other run does not have. */
static json_t *without(json_t *dependencies, const json_t *other, size_t *ret_same)
{
    _cleanup_free_ const char **keys = calloc(json_object_size(dependencies) + 1, sizeof(*keys));
    _cleanup_json_ json_t *list = json_array();
    size_t count = 0;
    const char *key;
    json_t *found;

    if (!keys || !list)
        return NULL;
    json_object_foreach(dependencies, key, found)
        if (!json_object_get(other, key))
            keys[count++] = key;
    *ret_same = json_object_size(dependencies) - count;
    if (count)
        qsort(keys, count, sizeof(*keys), by_key);
    for (size_t i = 0; i < count; i++)
        if (json_array_append(list, json_object_get(dependencies, keys[i])) < 0)
            return NULL;
    return TAKE_PTR(list);
}

static json_t *run_json(const json_t *deployment)
{
    return json_pack("{s:O?, s:O?, s:O?, s:O?}", "deployment", json_object_get(deployment, "deployment"), "tag",
                     json_object_get(deployment, "tag"), "started", json_object_get(deployment, "started"), "outcome",
                     json_object_get(deployment, "outcome"));
}

json_t *ng_runs_compare(const json_t *before, const json_t *after)
{
    _cleanup_json_ json_t *old = dependencies_of(before), *young = dependencies_of(after);
    size_t same = 0;
    json_t *vanished = old && young ? without(old, young, &same) : NULL;
    json_t *added = vanished ? without(young, old, &same) : NULL;

    return json_pack("{s:o, s:o, s:o, s:o, s:I}", "before", run_json(before), "after", run_json(after), "new", added,
                     "vanished", vanished, "same", (json_int_t)same);
}

/* --- finding */

static int keep_last(void *arg, const json_t *deployment)
{
    json_t **last = arg;

    json_decref(*last);
    *last = json_incref((json_t *)(uintptr_t)deployment);
    return 0;
}

/* The last one that a query finds; NULL: none. */
static int read_last(const struct ng_cli *cli, const struct ng_ledger_query *query, json_t **ret_run)
{
    json_t *run = NULL;
    int status = ng_cli_ledger_read(cli, query, keep_last, &run);

    if (status == NG_CLI_OK)
        *ret_run = run;
    else
        json_decref(run);
    return status;
}

struct search {
    const json_t *run;
    char *name; /* of the last one before it */
};

static int find_before(void *arg, const json_t *deployment)
{
    struct search *search = arg;
    const char *name = ng_cli_string(deployment, "deployment");

    if (strcmp(name, ng_cli_string(search->run, "deployment")) == 0 ||
        strcmp(ng_cli_string(deployment, "started"), ng_cli_string(search->run, "started")) > 0)
        return 0;
    free(search->name);
    search->name = strdup(name);
    return search->name ? 0 : -ENOMEM;
}

static int none(const char *text, const char *which)
{
    (void)fprintf(stderr, "namegate: %s", text);
    ng_cli_put(stderr, which);
    (void)fputs("\n  namegate report shows those that there are\n", stderr);
    return NG_CLI_FAILED;
}

int ng_runs_last(const struct ng_cli *cli, const char *deployment, const char *tag, json_t **ret_before,
                 json_t **ret_after)
{
    const struct ng_ledger_query last = {.deployment = deployment, .tag = tag, .last = 1};
    struct ng_ledger_query query = {.outline = true};
    _cleanup_json_ json_t *after = NULL, *before = NULL;
    struct search search = {.name = NULL};
    int status = read_last(cli, &last, &after);

    if (status != NG_CLI_OK)
        return status;
    if (!after)
        return none("there is no run on record", deployment || tag ? " that fits" : "");
    search.run = after;
    query.tag = ng_cli_string(after, "tag");
    status = ng_cli_ledger_read(cli, &query, find_before, &search);
    if (status == NG_CLI_OK && !search.name)
        status = none("there is no run before this one with the tag ", query.tag);
    query = (struct ng_ledger_query){.deployment = search.name};
    if (status == NG_CLI_OK)
        status = read_last(cli, &query, &before);
    free(search.name);
    if (status != NG_CLI_OK)
        return status;
    *ret_after = TAKE_PTR(after);
    *ret_before = TAKE_PTR(before);
    return NG_CLI_OK;
}

/* --- for people */

const char *ng_runs_destination(const json_t *dependency)
{
    const char *name = json_string_value(json_object_get(dependency, "name"));

    return name ? name : ng_cli_string(dependency, "address");
}

static void put_list(FILE *out, const json_t *list, enum ng_cli_colour colour, const char *mark)
{
    const json_t *it;
    size_t i;

    json_array_foreach(list, i, it)
    {
        const char *verdict = ng_cli_string(it, "verdict");

        ng_cli_put_colour(out, colour, mark);
        (void)fputc(' ', out);
        ng_cli_format_destination(out, ng_runs_destination(it), it);
        (void)fprintf(out, "  %lldx  by ", ng_cli_integer(it, "count"));
        ng_cli_format_list(out, json_object_get(it, "commands"));
        if (strcmp(verdict, "allow") != 0)
            (void)fputs(strcmp(verdict, "deny") == 0 ? "  (denied)" : "  (would be denied)", out);
        (void)fputc('\n', out);
    }
}

static void put_run(FILE *out, const json_t *run)
{
    ng_cli_put(out, ng_cli_string(run, "deployment"));
    (void)fprintf(out, " (%.19sZ)", ng_cli_string(run, "started"));
}

void ng_runs_put(FILE *out, const json_t *comparison)
{
    const json_t *added = json_object_get(comparison, "new"), *vanished = json_object_get(comparison, "vanished");

    put_run(out, json_object_get(comparison, "before"));
    (void)fputs(" -> ", out);
    put_run(out, json_object_get(comparison, "after"));
    (void)fprintf(out, ": %zu new, %zu vanished, %lld as before\n", json_array_size(added), json_array_size(vanished),
                  ng_cli_integer(comparison, "same"));
    put_list(out, added, NG_CLI_WARN, "+");
    put_list(out, vanished, NG_CLI_FAINT, "-");
}
