// SPDX-License-Identifier: BSD-2-Clause
#include "replayed.h"

#include "client.h"
#include "dependency.h"
#include "policy.h"
#include "recorded.h"
#include "report.h"

#include <string.h>

struct judging {
    const struct ng_replay *replay;
    unsigned policy;
    struct ng_recorded *recorded;
    struct ng_case *judged;
    json_t *found; /* key -> object of the answer, with sets instead of lists */
    json_t *looked_up; /* key -> flow of a look-up */
    json_int_t checked, denied, denied_then;
};

static const char *const modes[] = {"audit", "block", "strict"};
static const char *const evidence[NG_EVIDENCE_MAX] = {"none",   "address",  "name", "shared",   "network",
                                                      "strict", "resolver", "raw",  "abandoned"};

/* What is told on one line: the same destination, judged by the same rule, that fared alike. */
static char *key_of(const json_t *flow, const struct ng_opinion *opinion)
{
    const char *name = json_string_value(json_object_get(flow, "name"));
    char *key = NULL;

    if (asprintf(&key, "%s %lld/%s %s %s:%u %s", name ? name : ng_cli_string(flow, "address"),
                 ng_cli_integer(flow, "port"), ng_cli_string(flow, "proto"), ng_cli_string(flow, "verdict"),
                 opinion->has_rule ? opinion->rule.file : evidence[opinion->evidence % NG_EVIDENCE_MAX],
                 opinion->has_rule ? opinion->rule.line : 0, opinion->has_rule ? opinion->rule.pattern : "") < 0)
        return NULL;
    return key;
}

static json_t *reason_json(const struct ng_opinion *opinion)
{
    const struct ng_rule_info *rule = &opinion->rule;

    if (!opinion->has_rule)
        return json_string(ng_opinion_text(opinion));
    return json_sprintf("%s%s%s", rule->path, *rule->path && *rule->reason ? ": " : "", rule->reason);
}

static json_t *find(struct judging *judging, const json_t *flow, const struct ng_opinion *opinion)
{
    _cleanup_free_ char *key = key_of(flow, opinion);
    json_t *found = key ? json_object_get(judging->found, key) : NULL;

    if (found || !key)
        return found;
    found = json_pack("{s:O?, s:{}, s:I, s:s, s:s, s:s, s:o, s:o, s:s, s:{}, s:I, s:s, s:s}", "name",
                      json_object_get(flow, "name"), "addresses", "port", (json_int_t)ng_cli_integer(flow, "port"),
                      "proto", ng_cli_string(flow, "proto"), "was", ng_cli_string(flow, "verdict"), "evidence",
                      evidence[opinion->evidence % NG_EVIDENCE_MAX], "rule",
                      opinion->has_rule ? ng_cli_rule_json(&opinion->rule) : json_null(), "reason",
                      reason_json(opinion), "instead", opinion->has_rule ? opinion->rule.instead : "", "commands",
                      "count", (json_int_t)0, "first", ng_cli_string(flow, "first"), "last",
                      ng_cli_string(flow, "last"));
    return json_object_set_new(judging->found, key, found) < 0 ? NULL : found;
}

static int add(struct judging *judging, const json_t *flow, const struct ng_opinion *opinion)
{
    json_t *found = find(judging, flow, opinion);
    json_int_t count = ng_cli_integer(flow, "count");
    const char *address = ng_cli_string(flow, "address");

    if (!found || ng_count_key(found, "count", count) < 0 ||
        (*address && ng_count_key(json_object_get(found, "addresses"), address, count) < 0) ||
        ng_count_key(json_object_get(found, "commands"), ng_cli_string(flow, "comm"), count) < 0)
        return -ENOMEM;
    if (strcmp(ng_cli_string(flow, "first"), ng_cli_string(found, "first")) < 0)
        (void)json_object_set(found, "first", json_object_get(flow, "first"));
    if (strcmp(ng_cli_string(flow, "last"), ng_cli_string(found, "last")) > 0)
        (void)json_object_set(found, "last", json_object_get(flow, "last"));
    return 0;
}

static int conclude(struct judging *judging, const json_t *flow, const struct ng_opinion *opinion)
{
    json_int_t count = ng_cli_integer(flow, "count");

    judging->checked += count;
    if (opinion->verdict != NG_VERDICT_DENY)
        return 0;
    judging->denied += count;
    if (strcmp(ng_cli_string(flow, "verdict"), "deny") == 0)
        judging->denied_then += count;
    return add(judging, flow, opinion);
}

static int judge(struct judging *judging, const json_t *flow)
{
    struct ng_opinion opinion;

    if (!ng_recorded_counts(flow) || ng_recorded_case(judging->recorded, flow, judging->replay->snapshot,
                                                      judging->policy, judging->judged) < 0)
        return 0;
    if (judging->replay->mode >= 0)
        judging->judged->mode = (uint8_t)judging->replay->mode;
    return ng_recorded_judge(judging->judged, flow, &opinion) < 0 ? 0 : conclude(judging, flow, &opinion);
}

/* By whom what was looked up: the same of a resolution and of its flow. */
static char *key_of_look_up(const json_t *it)
{
    char *key = NULL;

    return asprintf(&key, "%lld %s", ng_cli_integer(it, "lineage"), ng_cli_string(it, "name")) < 0 ? NULL : key;
}

static int note_look_up(struct judging *judging, const json_t *flow)
{
    _cleanup_free_ char *key = key_of_look_up(flow);

    return key && json_object_set(judging->looked_up, key, (json_t *)(uintptr_t)flow) == 0 ? 0 : -ENOMEM;
}

/* What a policy would have had answered otherwise. Each answer that was withheld is among the resolutions, too. */
static int judge_look_up(struct judging *judging, const json_t *deployment, const json_t *resolution)
{
    _cleanup_json_ json_t *flow = NULL;
    struct ng_opinion opinion;
    _cleanup_free_ char *key = NULL;
    const json_t *known;
    const char *comm;

    ng_recorded_look_up(resolution, judging->replay->snapshot, judging->policy, judging->judged);
    if (ng_case_answer(judging->judged, &opinion) == NG_ANSWER_REAL)
        return 0;
    key = key_of_look_up(resolution);
    known = key ? json_object_get(judging->looked_up, key) : NULL; /* how it fared */
    comm = ng_cli_string(ng_ledger_row(json_object_get(deployment, "lineage"), ng_cli_integer(resolution, "lineage")),
                         "comm");
    flow = json_pack("{s:O?, s:s, s:i, s:s, s:s, s:s, s:O?, s:O?, s:O?}", "name", json_object_get(resolution, "name"),
                     "address", "", "port", 0, "proto", "dns", "verdict",
                     known ? ng_cli_string(known, "verdict") : "allow", "comm",
                     known ? ng_cli_string(known, "comm") : comm, "count", json_object_get(resolution, "count"),
                     "first", json_object_get(resolution, "first"), "last", json_object_get(resolution, "last"));
    return flow ? conclude(judging, flow, &opinion) : -ENOMEM;
}

static int worst_first(const void *a, const void *b)
{
    long long x = ng_cli_integer(*(json_t *const *)a, "count"), y = ng_cli_integer(*(json_t *const *)b, "count");

    return x < y ? 1 : x > y ? -1 : strcmp(ng_cli_string(*(json_t *const *)a, "first"),
                                           ng_cli_string(*(json_t *const *)b, "first"));
}

static int list_keys(json_t *object, const char *member)
{
    json_t *list = json_array(), *unused;
    const char *key;

    json_object_foreach(json_object_get(object, member), key, unused)
        (void)json_array_append_new(list, json_string(key));
    return json_object_set_new(object, member, list) < 0 ? -ENOMEM : 0;
}

static int make_list(const struct judging *judging, json_t **ret_list)
{
    _cleanup_free_ json_t **sorted = calloc(json_object_size(judging->found) + 1, sizeof(*sorted));
    _cleanup_json_ json_t *list = json_array();
    size_t count = 0;
    const char *key;
    json_t *found;
    int r = sorted && list ? 0 : -ENOMEM;

    json_object_foreach(judging->found, key, found)
        if (r == 0)
            sorted[count++] = found;
    if (count)
        qsort(sorted, count, sizeof(*sorted), worst_first);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = list_keys(sorted[i], "addresses") < 0 || list_keys(sorted[i], "commands") < 0 ||
                    json_array_append(list, sorted[i]) < 0
                ? -ENOMEM
                : 0;
    if (r == 0)
        *ret_list = TAKE_PTR(list);
    return r;
}

/* The policy that a deployment is judged by; <0: it is not there. */
static int policy_of(const struct ng_replay *replay, const json_t *deployment)
{
    return replay->policy >= 0 ? replay->policy
                               : ng_snapshot_find(replay->snapshot, ng_cli_string(deployment, "policy"));
}

static int judge_all(struct judging *judging, const json_t *deployment, json_t **ret_list)
{
    const json_t *flow, *resolution;
    size_t i;
    int r = ng_recorded_new(deployment, &judging->recorded);

    json_array_foreach(json_object_get(deployment, "flows"), i, flow)
        if (r == 0)
            r = ng_recorded_is_look_up(flow) ? note_look_up(judging, flow) : judge(judging, flow);
    json_array_foreach(json_object_get(deployment, "resolutions"), i, resolution)
        if (r == 0)
            r = judge_look_up(judging, deployment, resolution);
    return r < 0 ? r : make_list(judging, ret_list);
}

int ng_replay_judge(const struct ng_replay *replay, const json_t *deployment, json_t **ret_result)
{
    _cleanup_free_ struct ng_case *judged = malloc(sizeof(*judged));
    _cleanup_json_ json_t *found = json_object(), *looked_up = json_object(), *list = NULL;
    struct judging judging = {.replay = replay, .judged = judged, .found = found, .looked_up = looked_up};
    struct ng_policy_info info = {.name = NULL};
    int policy = policy_of(replay, deployment), r = judged && found && looked_up ? 0 : -ENOMEM;

    if (policy >= 0) {
        judging.policy = (unsigned)policy;
        ng_snapshot_policy(replay->snapshot, judging.policy, &info);
        info.name = replay->label ? replay->label : info.name;
        if (replay->mode >= 0)
            info.mode = (uint8_t)replay->mode;
    }
    if (r == 0 && policy >= 0)
        r = judge_all(&judging, deployment, &list);
    ng_recorded_free(judging.recorded);
    if (r < 0)
        return r;
    *ret_result = json_pack("{s:O?, s:O?, s:O?, s:s?, s:s?, s:I, s:I, s:I, s:o}", "deployment",
                            json_object_get(deployment, "deployment"), "tag", json_object_get(deployment, "tag"),
                            "started", json_object_get(deployment, "started"), "policy", info.name, "mode",
                            info.name ? modes[info.mode % 3] : NULL, "checked", judging.checked, "denied",
                            judging.denied, "denied_then", judging.denied_then, "flows",
                            list ? TAKE_PTR(list) : json_array());
    return *ret_result ? 0 : -ENOMEM;
}
