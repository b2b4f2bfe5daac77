// SPDX-License-Identifier: BSD-2-Clause
/* `run`: the peer asks to become a deployment. In this order, so that nothing runs ungated: policy in force, cgroup
 * tagged, forbidden names learnt (for a bounded time), peer moved in, answer sent. */
#include "keeper.h"

#include "cgroup.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>

#define POLICY_TEXT_MAX (1u << 20)

struct ng_run {
    struct ng_run *next;
    struct ng_keeper *keeper;
    struct ng_connection *connection;
    char tag[NG_TAG_LEN];
    char policy[NG_TAG_LEN];
    uint32_t scope;
    int mode;   /* or -1: the policy's */
    bool adhoc; /* the policy came with it */
    json_t *argv;
    struct ng_live *live;
    uint64_t token;
    int timer;
};

static void free_run(struct ng_run *run)
{
    struct ng_run **at = &run->keeper->runs;

    while (*at && *at != run)
        at = &(*at)->next;
    if (*at)
        *at = run->next;
    if (run->timer >= 0)
        ng_loop_remove(run->keeper->loop, run->timer);
    (void)ng_close(run->timer);
    json_decref(run->argv);
    free(run);
}

/* Ends it without a deployment. */
static void fail(struct ng_run *run, const char *text, const char *remedy)
{
    if (run->connection) {
        ng_connection_keep(run->connection, NULL, NULL);
        ng_connection_fail(run->connection, text, remedy);
    }
    if (run->live)
        ng_lives_end(run->keeper, run->live);
    else if (run->adhoc)
        ng_change_forget_adhoc(run->keeper, run->policy);
    free_run(run);
}

static void complete(struct ng_run *run)
{
    const struct ng_peer *peer = ng_connection_peer(run->connection);
    struct ng_live *live = run->live;
    int r = ng_cgroup_move(live->path, peer->pid, peer->pidfd);

    if (r < 0) {
        fail(run, "cannot move the process into its cgroup", NULL);
        return;
    }
    live->argv = json_incref(run->argv);
    live->first = (uint32_t)peer->pid;
    ng_lives_started(run->keeper, live);
    ng_connection_keep(run->connection, NULL, NULL);
    ng_connection_reply(run->connection, ng_live_json(live));
    free_run(run);
}

static void on_timeout(void *arg, uint32_t events)
{
    struct ng_run *run = arg;

    (void)events;
    ng_records_add(run->keeper->records,
                   json_pack("{s:s, s:n, s:s, s:s, s:n, s:n}", "type", "trouble", "time", "trouble", "prewarm", "text",
                             "not all denied names could be resolved in time; the command starts with the last known "
                             "addresses",
                             "name", "address"),
                   0);
    complete(run);
}

static void prewarm(struct ng_run *run)
{
    struct ng_keeper *keeper = run->keeper;

    run->token = ++keeper->next_token;
    if (keeper->config.prewarm_timeout == 0 ||
        ng_supervise_prewarm(keeper, run->live->kernel.policy, run->token) < 0) {
        complete(run);
        return;
    }
    run->timer = ng_timer_new(keeper->config.prewarm_timeout * NG_SECOND, 1);
    if (run->timer < 0 || ng_loop_add(keeper->loop, run->timer, EPOLLIN, on_timeout, run) < 0)
        complete(run);
}

void ng_run_prewarmed(struct ng_keeper *keeper, uint64_t token)
{
    for (struct ng_run *run = keeper->runs; run; run = run->next)
        if (run->live && run->token == token) {
            complete(run);
            return;
        }
}

/* The deployment that the peer is in already, if any: the new one goes inside, and the outer verdicts hold as well. */
static struct ng_live *outer_of(struct ng_keeper *keeper, const char *path)
{
    struct ng_live *outer = NULL;

    for (struct ng_live *live = keeper->lives; live; live = live->next) {
        size_t length = strlen(live->path);

        if (strncmp(path, live->path, length) == 0 && (path[length] == '/' || path[length] == '\0') &&
            (!outer || length > strlen(outer->path)))
            outer = live;
    }
    return outer;
}

static unsigned nesting(struct ng_keeper *keeper, const struct ng_live *live)
{
    unsigned depth = 0;

    for (; live; live = ng_lives_by_cgroup(keeper, live->kernel.outer))
        depth++;
    return depth;
}

static void make(struct ng_run *run)
{
    struct ng_keeper *keeper = run->keeper;
    const struct ng_peer *peer = ng_connection_peer(run->connection);
    struct ng_deployment kernel = {.scope = run->scope, .started_at = ng_now(), .uid = peer->uid};
    _cleanup_free_ char *path = NULL;
    struct ng_policy_info info;
    struct ng_error error;
    struct ng_live *outer;
    int policy = keeper->snapshot ? ng_snapshot_find(keeper->snapshot, run->policy) : -ENOENT;

    if (policy < 0) {
        char text[256];

        (void)snprintf(text, sizeof(text), "there is no policy '%s'", run->policy);
        fail(run, text, "write it in the policies directory and reload, or name another with --policy");
        return;
    }
    if (ng_cgroup_of(keeper->cgroup_mount, peer->pid, &path) < 0) {
        fail(run, "the process has ended", NULL);
        return;
    }
    outer = outer_of(keeper, path);
    if (nesting(keeper, outer) >= NG_NESTING_MAX) {
        fail(run, "too many deployments inside each other", "start it outside of them");
        return;
    }
    ng_snapshot_policy(keeper->snapshot, (unsigned)policy, &info);
    kernel.policy = info.scope;
    kernel.mode = run->mode < 0 ? info.mode : (uint8_t)run->mode;
    kernel.mode_fixed = run->mode >= 0;
    kernel.networks = info.networks;
    kernel.outer = outer ? outer->cgroup : 0;
    memcpy(kernel.tag, run->tag, sizeof(kernel.tag));
    memcpy(kernel.name, run->policy, sizeof(kernel.name));
    if (ng_lives_make(keeper, &kernel, outer ? outer->path : keeper->cgroup_root, &error, &run->live) < 0)
        fail(run, error.text, error.remedy);
    else
        prewarm(run);
}

static void on_changed(void *arg, const struct ng_error *error, const char *warnings)
{
    struct ng_run *run = arg;

    (void)warnings;
    if (error)
        fail(run, error->text, error->remedy);
    else
        make(run);
}

/* The peer left before it was answered. */
static void gone(void *arg, void *data)
{
    struct ng_run *run = data;

    ng_change_cancel(arg, run);
    run->connection = NULL;
    fail(run, "", NULL);
}

static uint32_t fresh_scope(struct ng_keeper *keeper)
{
    uint32_t scope;

    do {
        if (getrandom(&scope, sizeof(scope), 0) != (ssize_t)sizeof(scope))
            scope = (uint32_t)ng_now();
        scope |= NG_SCOPE_DEPLOYMENT;
    } while (ng_lives_by_scope(keeper, scope));
    return scope;
}

static const char *string(const json_t *request, const char *key)
{
    return json_string_value(json_object_get(request, key));
}

static const char *check_request(const json_t *request, struct ng_run *run)
{
    const char *tag = string(request, "tag"), *policy = string(request, "policy"), *mode = string(request, "mode");

    if (!tag || !ng_tag_valid(tag))
        return "the tag must be 1 to 63 letters, digits, '.', '_' or '-', and begin with none of '.', '-'";
    if (policy && (strlen(policy) >= NG_TAG_LEN || string(request, "policy_text")))
        return "the policy is given by a name of at most 63 octets, or by its text";
    strcpy(run->tag, tag);
    strcpy(run->policy, policy ? policy : run->keeper->config.default_policy);
    run->mode = mode ? ng_mode_parse(mode) : -1;
    if (mode && run->mode < 0)
        return "the mode is audit, block or strict";
    if (!json_is_array(json_object_get(request, "argv")))
        return "argv is missing";
    run->argv = json_incref(json_object_get(request, "argv"));
    return NULL;
}

void ng_run_start(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request)
{
    const char *text = string(request, "policy_text"), *path = string(request, "policy_path");
    struct ng_run *run = calloc(1, sizeof(*run));
    const char *wrong;

    if (!run || ng_connection_peer(connection)->pidfd < 0) {
        free(run);
        ng_connection_fail(connection, "the process cannot be held on to", NULL);
        return;
    }
    run->keeper = keeper;
    run->connection = connection;
    run->timer = -1;
    run->scope = fresh_scope(keeper);
    run->next = keeper->runs;
    keeper->runs = run;
    ng_connection_keep(connection, run, gone);
    wrong = check_request(request, run);
    if (wrong || (text && strlen(text) > POLICY_TEXT_MAX)) {
        fail(run, wrong ? wrong : "the policy is larger than 1 MiB", NULL);
        return;
    }
    if (!text) {
        make(run);
        return;
    }
    /* It joins the set under a name that nothing else has. */
    (void)snprintf(run->policy, sizeof(run->policy), "file-%08x", run->scope & ~NG_SCOPE_DEPLOYMENT);
    run->adhoc = ng_change_add_adhoc(keeper, run->policy, path ? path : "policy", text) == 0;
    if (!run->adhoc)
        fail(run, "out of memory", NULL);
    else
        ng_change_start(keeper, on_changed, run);
}
