// SPDX-License-Identifier: BSD-2-Clause
#include "attribute.h"

#include <namegate/cleanup.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#define SLACK_S 1 /* a reply is on record when it has left: who gets it may be faster */

NG_DEFINE_CLEANUP(json, json_t, json_decref)
#define _cleanup_json_ _cleanup_(ng_cleanup_json)

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

/* Address -> list of the resolutions that have it. */
static json_t *index_of(const json_t *resolutions)
{
    _cleanup_json_ json_t *index = json_object();
    const json_t *resolution, *address;
    size_t i, k;

    json_array_foreach(resolutions, i, resolution)
        json_array_foreach(json_object_get(resolution, "addresses"), k, address)
        {
            const char *text = json_string_value(address);
            json_t *list = text ? json_object_get(index, text) : NULL;

            if (text && !list) {
                list = json_array();
                if (json_object_set_new(index, text, list) < 0)
                    return NULL;
            }
            if (text && json_array_append(list, (json_t *)(uintptr_t)resolution) < 0)
                return NULL;
        }
    return TAKE_PTR(index);
}

static bool by_same(const json_t *resolution, const json_t *flow)
{
    json_int_t lineage = json_integer_value(json_object_get(flow, "lineage"));

    return lineage && json_integer_value(json_object_get(resolution, "lineage")) == lineage;
}

/* Rather what the same command was told; rather the last before it was reached first, than what was told since. */
static bool is_better(const json_t *resolution, const json_t *best, const json_t *flow)
{
    const char *first = text_of(resolution, "first"), *other = text_of(best, "first");
    bool before = strcmp(first, text_of(flow, "first")) <= 0;

    if (by_same(resolution, flow) != by_same(best, flow))
        return by_same(resolution, flow);
    if (before != (strcmp(other, text_of(flow, "first")) <= 0))
        return before;
    return (strcmp(first, other) > 0) == before;
}

/* Seconds since 1970 of a time of the ledger; 0 where it is none. */
static time_t seconds_of(const char *text)
{
    struct tm tm = {0};

    return strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) ? timegm(&tm) : 0;
}

/* What was told before the flow and it was meant for, with that name (NULL: any); NULL: none. */
static const json_t *told(const json_t *list, const json_t *flow, const char *name)
{
    const json_t *resolution, *found = NULL;
    size_t i;

    json_array_foreach(list, i, resolution)
    {
        if ((name && strcmp(text_of(resolution, "name"), name) != 0) ||
            seconds_of(text_of(resolution, "first")) > seconds_of(text_of(flow, "last")) + SLACK_S)
            continue;
        if (!found || is_better(resolution, found, flow))
            found = resolution;
    }
    return found;
}

static int add_name(json_t *names, const json_t *name)
{
    const json_t *known;
    size_t i;

    json_array_foreach(names, i, known)
        if (json_equal(known, name))
            return 0;
    return json_array_append(names, (json_t *)(uintptr_t)name) < 0 ? -ENOMEM : 0;
}

static int attribute(const json_t *index, json_t *flow)
{
    const char *name = json_string_value(json_object_get(flow, "name"));
    const json_t *resolution = told(json_object_get(index, text_of(flow, "address")), flow, name);
    json_t *meant = json_object_get(resolution, "name"), *chain = json_object_get(resolution, "chain");

    if (!meant)
        return 0;
    if (strcmp(text_of(flow, "evidence"), "prewarmed") == 0)
        return json_object_set_new(flow, "evidence", json_string("asked")) < 0 ? -ENOMEM : 0;
    if (name)
        return 0;
    if (json_object_set(flow, "name", meant) < 0 || (chain && json_object_set(flow, "chain", chain) < 0))
        return -ENOMEM;
    return add_name(json_object_get(flow, "names"), meant);
}

int ng_ledger_attribute(const json_t *resolutions, json_t *flows)
{
    _cleanup_json_ json_t *index = index_of(resolutions);
    json_t *flow;
    size_t i;
    int r = index ? 0 : -ENOMEM;

    json_array_foreach(flows, i, flow)
        if (r == 0)
            r = attribute(index, flow);
    return r;
}
