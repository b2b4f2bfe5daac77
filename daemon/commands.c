// SPDX-License-Identifier: BSD-2-Clause
/* The commands of docs/protocol.md but `run`: one table says who may ask what. */
#include "keeper.h"

#include "../policy/vector.h"
#include "account.h"
#include "evidence.h"
#include "report.h"
#include "sample.h"
#include "shadow.h"
#include "text.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <string.h>

#define KEYS_MAX 8
#define LOST_SHOWN (60 * NG_SECOND)

typedef void (*command_fn)(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request);

struct command {
    const char *name;
    command_fn fn;
    bool root;
    const char *keys[KEYS_MAX]; /* besides v and command */
};

/* A follower's filter, kept with its connection. */
struct filter {
    char *deployment;
    char *tag;
    bool follow;
};

static bool may_see(const struct ng_peer *peer, const struct ng_live *live)
{
    return peer->uid == 0 || (live && live->kernel.uid == peer->uid);
}

static json_t *attached_json(const struct ng_keeper *keeper, bool *all)
{
    json_t *attached = json_object();

    for (unsigned hook = 0; hook < NG_HOOK_DNS; hook++) { /* which is none of the kernel */
        bool yes = ng_gate_attached(keeper->gate, hook);

        *all = *all && yes;
        (void)json_object_set_new(attached, ng_hook_name(hook), json_boolean(yes));
    }
    return attached;
}

static json_t *endpoints_json(const struct ng_endpoint *endpoints, unsigned count)
{
    json_t *list = json_array();
    char text[NG_ENDPOINT_TEXT_MAX];

    for (unsigned i = 0; i < count; i++)
        (void)json_array_append_new(list, json_string(ng_endpoint_text(&endpoints[i], text)));
    return list;
}

static uint64_t outcome(const struct ng_keeper *keeper, enum ng_tally_verdict verdict)
{
    unsigned slot = verdict == NG_TALLY_DENY ? NG_OUTCOME_DENY : NG_OUTCOME_WOULD;
    uint64_t sum = 0;

    for (unsigned hook = 0; hook < NG_HOOK_MAX; hook++)
        sum += hook < NG_HOOK_CUT ? ng_gate_counter(keeper->gate, NG_COUNTER(hook, slot))
                                  : ng_tally_hooked(keeper->tally, hook, verdict);
    return sum;
}

static json_t *problems_json(const struct ng_keeper *keeper, bool attached)
{
    json_t *problems = json_array();

    if (!attached)
        (void)json_array_append_new(problems, json_string("a hook is not attached: restart namegated"));
    if (!keeper->child_ready && keeper->crashes > 1)
        (void)json_array_append_new(problems, json_sprintf("the resolver ended %u times in a row, and is started ever "
                                                           "later: names are not resolved", keeper->crashes));
    else if (!keeper->child_ready)
        (void)json_array_append_new(problems, json_string("the resolver does not run: names are not resolved"));
    if (keeper->state.escalated)
        (void)json_array_append_new(problems,
                                    json_string("destinations is full: every deployment that blocks is strict"));
    if (keeper->listeners.count && !keeper->state.redirect_tcp6)
        (void)json_array_append_new(problems, json_string("no IPv6 loopback: DNS over IPv6 is refused"));
    for (const struct ng_live *live = keeper->lives; live; live = live->next)
        if (live->orphaned)
            (void)json_array_append_new(problems, json_sprintf("policy '%s' is gone, and deployment %s is %s until it "
                                                               "is back", live->kernel.name, live->id,
                                                               ng_mode_name(live->kernel.mode)));
    if (ng_keeper_lost(keeper) != keeper->lost_events ||
        (keeper->lost_at && ng_now() - keeper->lost_at < LOST_SHOWN))
        (void)json_array_append_new(
            problems, json_string("denials were not recorded in the last minute, because there were too many: see "
                                  "lost_events"));
    ng_account_problems(keeper, problems);
    if (ng_records_trouble(keeper->records))
        (void)json_array_append_new(problems, json_sprintf("records could not be written in the last minute: %s",
                                                           ng_records_trouble(keeper->records)));
    return problems;
}

static void status(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request)
{
    bool attached = true;
    json_t *hooks = attached_json(keeper, &attached);
    json_t *problems = problems_json(keeper, attached);
    size_t problem_count = json_array_size(problems);
    json_int_t count = 0;
    json_t *reply;

    (void)request;
    for (const struct ng_live *live = keeper->lives; live; live = live->next)
        count++;
    reply = json_pack("{s:s, s:i, s:s, s:I, s:o, s:{s:i, s:b, s:i}, s:o, s:o, s:o, s:I, s:I, s:{s:i, s:i}}", "version",
                      NG_VERSION, "pid", (int)getpid(), "instance", keeper->options.private ? "private" : "system",
                      "uptime_s", (json_int_t)((ng_now() - keeper->started_at) / NG_SECOND), "attached", hooks,
                      "resolver", "pid", (int)ng_child_pid(keeper->child), "running", (int)keeper->child_ready,
                      "restarts", (int)keeper->restarts, "listen",
                      endpoints_json(keeper->config.listen, keeper->config.listens), "upstreams",
                      endpoints_json(keeper->config.upstream, keeper->config.upstreams), "policies",
                      ng_change_policies(keeper), "generation", (json_int_t)keeper->state.generation, "deployments",
                      count, "destinations", "used", (int)ng_gate_destinations_used(keeper->gate), "max",
                      (int)ng_gate_destinations_max(keeper->gate));
    if (reply) {
        json_t *rest = json_pack(
            "{s:o, s:b, s:o, s:o, s:b, s:I, s:I, s:I, s:I, s:I, s:o, s:b, s:o}", "shadow",
            ng_shadow_json(keeper->shadow), "incident", keeper->state.incident != 0, "incidents",
            ng_incidents_json(keeper->incidents), "grants", ng_grants_json(keeper->grants), "escalated",
            keeper->state.escalated != 0, "denied", (json_int_t)outcome(keeper, NG_TALLY_DENY), "would",
            (json_int_t)outcome(keeper, NG_TALLY_WOULD), "probes", (json_int_t)ng_tally_probes(keeper->tally),
            "lost_events",
            (json_int_t)(ng_keeper_lost(keeper) + ng_records_lost(keeper->records)),
            "lost_deeds", (json_int_t)ng_gate_counter(keeper->gate, NG_COUNTER_LOST_DEEDS), "ledger",
            ng_account_json(keeper), "healthy", problem_count == 0, "problems", problems);

        (void)json_object_update(reply, rest);
        json_decref(rest);
    }
    ng_connection_reply(connection, reply);
}

static void stats(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request)
{
    (void)request;
    ng_sample_tick(keeper);
    ng_connection_reply(connection, ng_statistics_json(keeper->statistics, keeper->tally));
}

static void list(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request)
{
    json_t *deployments = json_array();

    (void)request;
    for (const struct ng_live *live = keeper->lives; live; live = live->next)
        if (may_see(ng_connection_peer(connection), live))
            (void)json_array_append_new(deployments, ng_live_json(live));
    ng_connection_reply(connection, json_pack("{s:o}", "deployments", deployments));
}

struct names_query {
    struct ng_keeper *keeper;
    const struct ng_peer *peer;
    struct ng_name name;
    bool named;
    json_t *names;
};

static bool name_visible(const struct names_query *query, const struct ng_resolution *resolution)
{
    if (query->peer->uid == 0)
        return true;
    for (const struct ng_live *live = query->keeper->lives; live; live = live->next)
        if (live->kernel.uid == query->peer->uid && ng_resolution_asked_by(resolution, live->kernel.scope))
            return true;
    return false;
}

static void add_name(void *arg, const struct ng_resolution *resolution)
{
    struct names_query *query = arg;

    if ((query->named && !ng_name_equal(&query->name, &resolution->chain[0])) || !name_visible(query, resolution))
        return;
    (void)json_array_append_new(query->names,
                                ng_evidence_name(resolution, query->keeper->snapshot, query->keeper->lives,
                                                 query->peer->uid));
}

static void names(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request)
{
    const char *text = json_string_value(json_object_get(request, "name"));
    struct names_query query = {.keeper = keeper, .peer = ng_connection_peer(connection), .named = text != NULL};

    if (text && ng_name_from_text(text, strlen(text), &query.name) < 0) {
        ng_connection_fail(connection, "that is no name", NULL);
        return;
    }
    query.names = json_array();
    ng_track_each(keeper->track, NULL, add_name, &query);
    ng_connection_reply(connection, json_pack("{s:o}", "names", query.names));
}

/* The lines to be sent, newest first. */
struct events_query {
    struct ng_keeper *keeper;
    const struct ng_peer *peer;
    const struct filter *filter;
    size_t limit;
    NG_VECTOR(const char *) lines;
};

static bool record_visible(struct ng_keeper *keeper, const struct ng_peer *peer, const struct filter *filter,
                           const struct ng_record_info *info)
{
    if (filter->deployment && strcmp(info->deployment, filter->deployment) != 0)
        return false;
    if (filter->tag && strcmp(info->tag, filter->tag) != 0)
        return false;
    /* Others see only what belongs to a deployment of theirs that the daemon remembers; the rest is in the file, for
     * root. */
    return peer->uid == 0 || (*info->deployment && may_see(peer, ng_lives_known(keeper, info->deployment)));
}

static bool take_record(void *arg, const struct ng_record_info *info, const char *line)
{
    struct events_query *query = arg;

    if (query->lines.count == query->limit)
        return false;
    if (record_visible(query->keeper, query->peer, query->filter, info))
        (void)ng_vector_add(&query->lines, line);
    return true;
}

static void free_filter(struct filter *filter)
{
    free(filter->deployment);
    free(filter->tag);
    free(filter);
}

static void follower_gone(void *arg, void *data)
{
    (void)arg;
    free_filter(data);
}

static struct filter *filter_of(const json_t *request)
{
    const char *deployment = json_string_value(json_object_get(request, "deployment"));
    const char *tag = json_string_value(json_object_get(request, "tag"));
    struct filter *filter = calloc(1, sizeof(*filter));

    if (!filter)
        return NULL;
    filter->follow = json_is_true(json_object_get(request, "follow"));
    filter->deployment = deployment ? strdup(deployment) : NULL;
    filter->tag = tag ? strdup(tag) : NULL;
    if ((deployment && !filter->deployment) || (tag && !filter->tag)) {
        free_filter(filter);
        return NULL;
    }
    return filter;
}

static bool stop_at_first(void *arg, const struct ng_record_info *info, const char *line)
{
    struct events_query *query = arg;

    (void)line;
    query->limit += record_visible(query->keeper, query->peer, query->filter, info);
    return query->limit == 0;
}

/* Whether the deployment that is asked for is known, or was when something was recorded. */
static bool heard_of(struct ng_keeper *keeper, const struct ng_peer *peer, const struct filter *filter)
{
    struct events_query query = {.keeper = keeper, .peer = peer, .filter = filter};
    const struct ng_live *live = ng_lives_known(keeper, filter->deployment);

    if (live)
        return may_see(peer, live);
    ng_records_each(keeper->records, stop_at_first, &query);
    return query.limit > 0;
}

static void events(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request)
{
    const json_t *limit = json_object_get(request, "limit");
    struct filter *filter = filter_of(request);
    struct events_query query = {
        .keeper = keeper, .peer = ng_connection_peer(connection), .filter = filter, .limit = SIZE_MAX};

    if (!filter) {
        ng_connection_fail(connection, "out of memory", NULL);
        return;
    }
    if (filter->deployment && !heard_of(keeper, query.peer, filter)) {
        free_filter(filter);
        ng_connection_fail(connection, "no deployment of that id is known, nor on record",
                           "namegate list, or namegate events --all");
        return;
    }
    if (json_is_integer(limit) && json_integer_value(limit) >= 0)
        query.limit = (size_t)json_integer_value(limit);
    ng_records_each(keeper->records, take_record, &query);
    for (size_t i = query.lines.count; i-- > 0;)
        ng_connection_line(connection, query.lines.items[i]);
    ng_vector_free(&query.lines);
    if (filter->follow) {
        ng_connection_keep(connection, filter, follower_gone);
        return;
    }
    free_filter(filter);
    ng_connection_reply(connection, json_pack("{s:b}", "end", 1));
}

static void summary(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request)
{
    const char *id = json_string_value(json_object_get(request, "deployment"));
    struct ng_live *live;

    ng_supervise_settle(keeper); /* so that what the command met last is in it */
    live = id ? ng_lives_known(keeper, id) : NULL;
    if (!live || !may_see(ng_connection_peer(connection), live))
        ng_connection_fail(connection, "there is no such deployment", "namegate list");
    else
        ng_summary(keeper, connection, live);
    keeper->summary_given = true;
}

struct following {
    struct ng_keeper *keeper;
    struct ng_record_info info;
    const char *line;
};

static const struct command commands[] = {
    {"run", ng_run_start, false, {"tag", "policy", "policy_text", "policy_path", "mode", "argv", "canary"}},
    {"selftest", ng_selftest_request, false, {"deployment", "channels"}},
    {"attach", ng_attach, true, {"tag", "policy", "policy_text", "policy_path", "mode", "cgroup", "pid", "unit"}},
    {"detach", ng_detach, true, {"deployment"}},
    {"status", status, false, {0}},
    {"stats", stats, false, {0}},
    {"list", list, false, {0}},
    {"names", names, false, {"name"}},
    {"events", events, false, {"follow", "deployment", "tag", "limit"}},
    {"summary", summary, false, {"deployment"}},
    {"report", ng_report_request, false, {"state_dir", "deployment", "tag", "since_us", "last", "outline", "sync"}},
    {"reload", ng_reload_request, true, {0}},
    {"shadow", ng_shadow_request, true, {"action", "path", "text", "tag"}},
    {"allow", ng_grants_request, false, {"action", "tag", "name", "reason", "seconds"}},
    {"incident", ng_incidents_request, false, {"action", "tag", "reason", "seconds"}},
};

static bool known_key(const struct command *command, const char *key)
{
    if (strcmp(key, "v") == 0 || strcmp(key, "command") == 0)
        return true;
    for (unsigned i = 0; i < KEYS_MAX && command->keys[i]; i++)
        if (strcmp(key, command->keys[i]) == 0)
            return true;
    return false;
}

void ng_commands_request(void *arg, struct ng_connection *connection, const json_t *request)
{
    const char *name = json_string_value(json_object_get(request, "command"));
    const struct command *command = NULL;
    const char *key;
    json_t *value;

    for (size_t i = 0; name && i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(name, commands[i].name) == 0)
            command = &commands[i];
    if (json_integer_value(json_object_get(request, "v")) != 1) {
        ng_connection_fail(connection, "this daemon speaks version 1 of the protocol",
                           "use the namegate of its release");
        return;
    }
    if (!command) {
        ng_connection_fail(connection, "unknown command", NULL);
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)request, key, value)
    {
        if (!known_key(command, key)) {
            ng_connection_fail(connection, "the request has a key that is not known", NULL);
            return;
        }
    }
    if (command->root && ng_connection_peer(connection)->uid != 0) {
        ng_connection_fail(connection, "only root may do this", NULL);
        return;
    }
    command->fn(arg, connection, request);
}

static void follow_one(void *arg, struct ng_connection *connection)
{
    const struct following *following = arg;
    const struct filter *filter = ng_connection_kept(connection, follower_gone);

    if (filter && record_visible(following->keeper, ng_connection_peer(connection), filter, &following->info))
        ng_connection_line(connection, following->line);
}

void ng_commands_record(void *arg, const json_t *record, const char *line)
{
    struct following following = {.keeper = arg, .line = line};

    ng_record_read(record, &following.info);
    if (following.keeper->control)
        ng_control_each(following.keeper->control, follow_one, &following);
}
