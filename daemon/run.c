// SPDX-License-Identifier: BSD-2-Clause
/* `run`: the peer asks to become a deployment; or something else is to become one (attach.c). In this order, so that
 * nothing runs ungated: policy in force, cgroup tagged, forbidden names learnt (for a bounded time), process moved in,
 * answer sent. */
#include "keeper.h"

#include "await.h"
#include "cgroup.h"
#include "evidence.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#define USER_DEPLOYMENTS_MAX 256 /* of one user but root: all share the kernel's maps */
#define PLANT_TIMEOUT 5          /* s, for the resolver to forbid canaries */
#define ARGV_TEXT_MAX 4096       /* octets that are kept; they only serve the records */

struct ng_run {
    struct ng_run *next;
    struct ng_keeper *keeper;
    struct ng_connection *connection;
    char tag[NG_TAG_LEN];
    char policy[NG_TAG_LEN];
    uint32_t scope;
    int mode;      /* or -1: the policy's */
    uint8_t flags; /* NG_DEPLOYMENT_*, besides the policy's */
    bool adhoc; /* the policy came with it */
    struct ng_target target;
    json_t *argv;
    struct ng_live *live;
    struct ng_await *await; /* NULL: the resolver is asked for nothing now */
    uint64_t canary;        /* number; 0: no selftest */
};

void ng_target_release(struct ng_target *target)
{
    target->pidfd = ng_close(target->pidfd);
    free(target->cgroup);
    target->cgroup = NULL;
}

static void free_run(struct ng_run *run)
{
    struct ng_run **at = &run->keeper->runs;

    while (*at && *at != run)
        at = &(*at)->next;
    if (*at)
        *at = run->next;
    ng_await_cancel(run->await);
    json_decref(run->argv);
    ng_target_release(&run->target);
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
        ng_adhoc_forget(&run->keeper->adhocs, run->policy);
    free_run(run);
}

static int move_in(const struct ng_run *run, const char *path)
{
    const struct ng_target *target = &run->target;

    if (!target->pid)
        return 0;
    if (target->tree)
        return ng_cgroup_move_tree(run->keeper->cgroup_mount, path, target->cgroup, target->pid, target->pidfd);
    return ng_cgroup_move(path, target->cgroup, target->pid, target->pidfd);
}

static void complete(struct ng_run *run)
{
    const struct ng_target *target = &run->target;
    struct ng_live *live = run->live;
    _cleanup_free_ char *now = NULL;
    json_t *reply;
    int r = target->pid ? ng_cgroup_of(run->keeper->cgroup_mount, target->pid, &now) : 0;

    /* It waited, and may have been moved: into another deployment, which it must not leave by this. */
    if (r == 0 && now && strcmp(now, target->cgroup) != 0) {
        fail(run, "the process was moved to another cgroup meanwhile", "start one deployment after the other");
        return;
    }
    r = move_in(run, live->path);
    if (r < 0) {
        (void)ng_cgroup_empty_into(live->path, target->cgroup); /* all of them or none */
        fail(run, r == -ESRCH ? "the process has ended" : "cannot move the process into its cgroup", NULL);
        return;
    }
    ng_namespaces_of_cgroup(run->keeper, live->path);
    live->argv = json_incref(run->argv);
    live->first = (uint32_t)target->pid;
    if (run->canary)
        ng_selftest_begin(live, run->canary);
    ng_lives_started(run->keeper, live);
    ng_connection_keep(run->connection, NULL, NULL);
    reply = ng_live_json(live);
    if (reply && target->tree)
        (void)json_object_set_new(reply, "left", ng_attach_left(run->keeper, target));
    ng_connection_reply(run->connection, reply);
    free_run(run);
}

static void planted(void *arg, bool done)
{
    struct ng_run *run = arg;

    run->await = NULL;
    if (done)
        complete(run);
    else
        fail(run, "the resolver does not answer, so that the gate cannot be tested", "namegate status");
}

/* The names are known, as far as they can be: what else is to be there before the command starts. */
static void prepared(struct ng_run *run)
{
    if (!run->canary) {
        complete(run);
        return;
    }
    run->await = ng_await_new(run->keeper, PLANT_TIMEOUT * NG_SECOND, planted, run);
    if (run->await && ng_selftest_plant(run->keeper, run->live, run->canary, ng_await_token(run->await)) == 0) {
        ng_await_answers(run->await, 1);
        return;
    }
    ng_await_cancel(run->await);
    planted(run, false);
}

static void named(void *arg, bool done)
{
    struct ng_run *run = arg;

    run->await = NULL;
    if (!done)
        ng_records_add(run->keeper->records,
                       ng_evidence_trouble("prewarm",
                                           "not all denied names could be resolved in time; the command starts with "
                                           "the last known addresses",
                                           NULL, NULL),
                       0);
    prepared(run);
}

static void prewarm(struct ng_run *run)
{
    struct ng_keeper *keeper = run->keeper;

    if (keeper->config.prewarm_timeout == 0) {
        prepared(run);
        return;
    }
    run->await = ng_await_new(keeper, keeper->config.prewarm_timeout * NG_SECOND, named, run);
    if (ng_supervise_prewarm(keeper, run->live->kernel.policy, ng_await_token(run->await)) == 0 && run->await) {
        ng_await_answers(run->await, 1);
        return;
    }
    ng_await_cancel(run->await);
    named(run, false); /* what was asked for becomes known, but nobody hears when */
}

static unsigned nesting(struct ng_keeper *keeper, const struct ng_live *live)
{
    unsigned depth = 0;

    for (; live; live = ng_lives_by_cgroup(keeper, live->kernel.outer))
        depth++;
    return depth;
}

/* Whether it, those around it, and those inside of it would be more than the kernel looks at. */
static bool too_deep(const struct ng_run *run, const struct ng_live *outer)
{
    size_t length = strlen(run->target.cgroup);
    unsigned depth = nesting(run->keeper, outer);

    for (const struct ng_live *live = run->keeper->lives; live; live = live->next)
        if (run->flags & NG_DEPLOYMENT_BORROWED && strncmp(live->path, run->target.cgroup, length) == 0 &&
            live->path[length] == '/' && nesting(run->keeper, live) > depth)
            depth = nesting(run->keeper, live);
    return depth >= NG_NESTING_MAX;
}

static void make(struct ng_run *run)
{
    struct ng_keeper *keeper = run->keeper;
    const struct ng_peer *peer = ng_connection_peer(run->connection);
    struct ng_deployment kernel = {.scope = run->scope, .started_at = ng_now(), .uid = peer->uid};
    struct ng_policy_info info;
    struct ng_error error;
    struct ng_live *outer;
    const char *parent;
    int policy = keeper->snapshot ? ng_snapshot_find(keeper->snapshot, run->policy) : -ENOENT;

    /* What one deployment brought along is nobody else's: it goes with that deployment. */
    if (policy < 0 || (!run->adhoc && ng_adhoc_find(&keeper->adhocs, run->policy))) {
        char text[256], remedy[512];

        (void)snprintf(text, sizeof(text), "there is no policy '%s'", run->policy);
        (void)snprintf(remedy, sizeof(remedy), "write it in %s%s, or give another, or a file, with --policy",
                       keeper->options.policies,
                       keeper->options.private ? "" : " (and have it read: namegate policy reload)");
        fail(run, text, remedy);
        return;
    }
    if (run->target.pid && ng_cgroup_process_ended(run->target.pidfd)) {
        fail(run, "the process has ended", NULL);
        return;
    }
    /* The new one goes inside, and the outer verdicts hold as well. */
    outer = ng_lives_around(keeper, run->target.cgroup);
    if (too_deep(run, outer)) {
        fail(run, "too many deployments inside each other", "start it outside of them");
        return;
    }
    ng_snapshot_policy(keeper->snapshot, (unsigned)policy, &info);
    kernel.policy = info.scope;
    kernel.mode = run->mode < 0 ? info.mode : (uint8_t)run->mode;
    kernel.mode_fixed = run->mode >= 0;
    kernel.networks = info.networks;
    kernel.flags = (uint8_t)(ng_lives_flags(&info) | run->flags);
    if (ng_incidents_tag(keeper->incidents, run->tag))
        kernel.flags |= NG_DEPLOYMENT_INCIDENT;
    if (ng_grants_tag(keeper->grants, run->tag))
        kernel.flags |= NG_DEPLOYMENT_GRANTS;
    kernel.outer = outer ? outer->cgroup : 0;
    memcpy(kernel.tag, run->tag, sizeof(kernel.tag));
    memcpy(kernel.name, run->policy, sizeof(kernel.name));
    parent = outer ? outer->path : keeper->cgroup_root;
    /* What another instance denies stays denied: the new cgroup lies inside of that deployment's. What is attached
     * stays where those find it who count and limit it. */
    if (run->flags & NG_DEPLOYMENT_ATTACHED ||
        (!outer && ng_cgroup_foreign(keeper->cgroup_mount, run->target.cgroup, keeper->options.pin_root)))
        parent = run->target.cgroup;
    if (ng_lives_make(keeper, &kernel, parent, &error, &run->live) < 0)
        fail(run, error.text, error.remedy);
    else
        prewarm(run);
}

static void on_changed(void *arg, const struct ng_error *error, const char *warnings, const char *changes)
{
    struct ng_run *run = arg;

    (void)warnings;
    (void)changes;
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

/* The first words, as far as they go. */
static json_t *shortened(const json_t *argv)
{
    json_t *kept = json_array();
    size_t left = ARGV_TEXT_MAX, i;
    json_t *word;

    json_array_foreach(argv, i, word)
    {
        size_t length = json_string_length(word) + 1;

        if (!json_is_string(word) || length > left) {
            (void)json_array_append_new(kept, json_string("..."));
            break;
        }
        left -= length;
        (void)json_array_append(kept, word);
    }
    return kept;
}

static const char *check_request(const json_t *request, struct ng_run *run)
{
    const char *tag = string(request, "tag"), *policy = string(request, "policy"), *mode = string(request, "mode");
    const char *canary = string(request, "canary");
    int end = 0;

    if (!tag || !ng_tag_valid(tag))
        return "the tag must be 1 to 63 letters, digits, '.', '_' or '-', and begin with none of '.', '-'";
    if (policy && (strlen(policy) >= NG_TAG_LEN || string(request, "policy_text")))
        return "the policy is given by a name of at most 63 octets, or by its text";
    strcpy(run->tag, tag);
    strcpy(run->policy, policy ? policy : run->keeper->config.default_policy);
    run->mode = mode ? ng_mode_parse(mode) : -1;
    if (mode && run->mode < 0)
        return "the mode is audit, block or strict";
    if (run->flags & NG_DEPLOYMENT_ATTACHED)
        return NULL;
    if (canary && (sscanf(canary, "%16" SCNx64 "%n", &run->canary, &end) != 1 || canary[end] || !run->canary))
        return "a canary is a number of up to 16 hexadecimal digits";
    if (!json_is_array(json_object_get(request, "argv")))
        return "argv is missing";
    run->argv = shortened(json_object_get(request, "argv"));
    return NULL;
}

/* Returns whether it was refused. */
static bool refuse_user(struct ng_run *run)
{
    uid_t uid = ng_connection_peer(run->connection)->uid;

    if (uid == ng_child_uid(run->keeper->child)) {
        fail(run, "this user is the account that the resolver runs as: the command could stop it",
             "run it as another user, or give the resolver an account of its own ('user' in namegate.conf)");
        return true;
    }
    if (uid != 0 && ng_lives_of(run->keeper, uid) >= USER_DEPLOYMENTS_MAX) {
        fail(run, "this user has 256 deployments already", "end some: namegate list");
        return true;
    }
    return false;
}

void ng_run_target(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request,
                   struct ng_target *target)
{
    const char *text = string(request, "policy_text"), *path = string(request, "policy_path");
    struct ng_run *run = calloc(1, sizeof(*run));
    struct ng_error error;
    const char *wrong;

    if (!run) {
        ng_target_release(target);
        ng_connection_fail(connection, "out of memory", NULL);
        return;
    }
    run->keeper = keeper;
    run->connection = connection;
    run->target = *target;
    run->flags = target->pid && !target->tree ? 0 : NG_DEPLOYMENT_ATTACHED;
    run->flags |= target->pid ? 0 : NG_DEPLOYMENT_BORROWED;
    run->scope = fresh_scope(keeper);
    run->next = keeper->runs;
    keeper->runs = run;
    ng_connection_keep(connection, run, gone);
    wrong = check_request(request, run);
    if (wrong) {
        fail(run, wrong, NULL);
        return;
    }
    if (refuse_user(run))
        return;
    if (!text) {
        make(run);
        return;
    }
    /* It joins the set under a name that nothing else has. */
    ng_adhoc_name(run->scope, run->policy);
    run->adhoc = ng_adhoc_add(&keeper->adhocs, run->policy, path ? path : "policy",
                              text, ng_connection_peer(connection)->uid, &error) == 0;
    if (!run->adhoc)
        fail(run, error.text, error.remedy);
    else
        ng_change_start(keeper, false, on_changed, run);
}

void ng_run_start(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request)
{
    const struct ng_peer *peer = ng_connection_peer(connection);
    struct ng_target target = {.pid = peer->pid, .pidfd = fcntl(peer->pidfd, F_DUPFD_CLOEXEC, 0)};

    if (target.pidfd < 0 || ng_cgroup_of(keeper->cgroup_mount, peer->pid, &target.cgroup) < 0) {
        ng_target_release(&target);
        ng_connection_fail(connection, "the process cannot be held on to", NULL);
        return;
    }
    ng_run_target(keeper, connection, request, &target);
}
