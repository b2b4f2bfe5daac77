// SPDX-License-Identifier: BSD-2-Clause
#include "classify.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>

static json_int_t number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

const json_t *ng_ledger_row(const json_t *lineage, json_int_t number)
{
    size_t low = 0, high = json_array_size(lineage);

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const json_t *row = json_array_get(lineage, middle);
        json_int_t found = number_of(row, "number");

        if (found == number)
            return row;
        if (found < number)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const json_t *ng_ledger_parent(const json_t *lineage, const json_t *row)
{
    json_int_t parent = number_of(row, "parent");

    return parent > 0 && parent < number_of(row, "number") ? ng_ledger_row(lineage, parent) : NULL;
}

unsigned ng_ledger_way(const json_t *lineage, json_int_t number, const json_t *ret_way[static NG_LEDGER_DEPTH_MAX])
{
    const json_t *row = ng_ledger_row(lineage, number);
    unsigned count = 0;

    for (; row && count < NG_LEDGER_DEPTH_MAX; row = ng_ledger_parent(lineage, row))
        ret_way[count++] = row;
    for (unsigned i = 0; i < count / 2; i++) {
        const json_t *last = ret_way[count - 1 - i];

        ret_way[count - 1 - i] = ret_way[i];
        ret_way[i] = last;
    }
    return count;
}

/* What a name or an address goes on with. An address of IPv6 goes on with colons as well. */
static bool goes_on(char c, bool colons)
{
    return isalnum((unsigned char)c) || c == '-' || c == '_' || (c == ':' && colons) || (unsigned char)c >= 0x80;
}

bool ng_ledger_mentions(const char *text, const char *destination)
{
    size_t length = strlen(destination);
    bool colons = strchr(destination, ':');

    if (length == 0)
        return false;
    for (const char *at = text; (at = strcasestr(at, destination)); at++) {
        const char *end = at + length;

        if (at > text && (at[-1] == '.' || goes_on(at[-1], colons)))
            continue;
        if (goes_on(*end, colons) || (*end == '.' && goes_on(end[1], colons)))
            continue;
        return true;
    }
    return false;
}

static bool mentions_any(const char *text, const json_t *names)
{
    const json_t *name;
    size_t i;

    json_array_foreach(names, i, name)
    {
        if (json_is_string(name) && ng_ledger_mentions(text, json_string_value(name)))
            return true;
    }
    return false;
}

bool ng_ledger_names(const json_t *row, const json_t *flow)
{
    const char *name = text_of(flow, "name");
    bool by_address = !*name || strcmp(text_of(flow, "evidence"), "shared") == 0;
    const json_t *word;
    size_t i;

    json_array_foreach(json_object_get(row, "argv"), i, word)
    {
        const char *text = json_string_value(word);

        if (!text)
            continue;
        if (ng_ledger_mentions(text, name) || ng_ledger_mentions(text, text_of(flow, "address")) ||
            mentions_any(text, json_object_get(flow, "chain")))
            return true;
        if (by_address && mentions_any(text, json_object_get(flow, "names")))
            return true;
    }
    return false;
}

/* Whether the first process of the deployment was at it. */
static bool is_first(const json_t *document, const json_t *row)
{
    const json_t *lineage = json_object_get(document, "lineage");
    const json_t *first = json_array_get(json_object_get(document, "processes"), 0), *way[NG_LEDGER_DEPTH_MAX];
    unsigned count = number_of(first, "number") == 1 ? ng_ledger_way(lineage, number_of(first, "lineage"), way) : 0;

    for (unsigned i = 0; i < count; i++)
        if (way[i] == row)
            return true;
    return !ng_ledger_parent(lineage, row);
}

/* Of a script with `#!` it is the first argument that says so. */
static bool is_shell(const json_t *row)
{
    static const char *const shells[] = {"sh", "bash", "dash", "ksh", "zsh", "busybox"};
    const char *path = text_of(row, "path"), *word = json_string_value(json_array_get(json_object_get(row, "argv"), 0));

    for (unsigned i = 0; i < sizeof(shells) / sizeof(*shells); i++)
        if (strcmp(basename(path), shells[i]) == 0 || (word && strcmp(basename(word), shells[i]) == 0))
            return true;
    return false;
}

static bool is_only_child(const json_t *document, const json_t *row)
{
    json_int_t parent = number_of(row, "parent");
    const json_t *other;
    size_t count = 0, i;

    json_array_foreach(json_object_get(document, "lineage"), i, other) count += number_of(other, "parent") == parent;
    return count == 1;
}

unsigned ng_ledger_script(const json_t *document, const json_t *const *way, unsigned count)
{
    unsigned script = 0;

    while (script < count && is_first(document, way[script]))
        script++;
    while (script > 0 && script < count && is_shell(way[script]) && is_shell(way[script - 1]) &&
           is_only_child(document, way[script]))
        script++;
    return script;
}

const char *ng_ledger_class(const json_t *document, const json_t *flow)
{
    const json_t *lineage = json_object_get(document, "lineage");
    const json_t *way[NG_LEDGER_DEPTH_MAX];
    unsigned count, script;

    if (strcmp(text_of(flow, "verdict"), "deny") != 0 && strcmp(text_of(flow, "verdict"), "would-deny") != 0)
        return NULL;
    if (*text_of(json_object_get(flow, "rule"), "depends"))
        return "transient";
    count = ng_ledger_way(lineage, number_of(flow, "lineage"), way);
    if (count == 0)
        return NULL;
    script = ng_ledger_script(document, way, count);
    if (script == count)
        return "direct";
    for (unsigned i = 0; i <= script; i++) /* what a tool starts is the tool's doing, also where it names the host */
        if (ng_ledger_names(way[i], flow))
            return "direct";
    return "hidden";
}

const char *ng_ledger_outcome(const struct ng_ledger_facts *facts)
{
    if (facts->lives)
        return "running";
    if (!facts->ended)
        return "unknown";
    if (facts->denied == 0)
        return facts->would == 0 ? "clean" : "would-block";
    if (!facts->has_status)
        return "unknown";
    return WIFEXITED(facts->status) && WEXITSTATUS(facts->status) == 0 ? "blocked-recovered" : "blocked-failed";
}
