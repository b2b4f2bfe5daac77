// SPDX-License-Identifier: BSD-2-Clause
/* A policy change: compile, let the resolver judge everything it knows again, switch the kernel, then let go of the
 * old. Each step can fail only before the next begins, so that a bad policy never replaces a good one. */
#include "keeper.h"

#include "../policy/compare.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <string.h>
#include <time.h>

#define CHANGES_TOLD 50                /* lines */
#define RETRY_UNTIL (60 * NG_SECOND)   /* policies that cannot be read are read again then */

struct ng_change {
    struct ng_change *next;
    ng_changed_fn done;
    void *arg;
    int fd;
    struct ng_snapshot *snapshot;
    uint64_t generation;
    char *warnings;
    bool compare;
    char *changes;
};

static void free_change(struct ng_change *change)
{
    ng_snapshot_free(change->snapshot);
    (void)ng_close(change->fd);
    free(change->warnings);
    free(change->changes);
    free(change);
}

static int compile(struct ng_keeper *keeper, struct ng_change *change, struct ng_error *error)
{
    struct ng_diag *diag = ng_diag_new();
    struct ng_source *sources = NULL;
    size_t count = 0, i = 0;
    char *text;
    int r = diag ? 0 : -ENOMEM;

    for (const struct ng_adhoc *at = keeper->adhocs.list; at; at = at->next)
        count++;
    sources = calloc(count + 1, sizeof(*sources));
    if (!sources)
        r = -ENOMEM;
    for (const struct ng_adhoc *at = keeper->adhocs.list; r == 0 && at; at = at->next)
        sources[i++] = (struct ng_source){.path = at->path, .text = at->text, .length = at->length, .as = at->name};
    if (r == 0)
        r = ng_policy_compile_dir(keeper->options.policies, sources, count, diag, &change->fd);
    if (r == 0)
        r = ng_snapshot_open(change->fd, &change->snapshot);
    text = diag ? ng_diag_text(diag) : NULL;
    if (r < 0)
        (void)ng_error_set(error, -r, NULL, "%s", text && *text ? text : strerror(-r));
    else
        change->warnings = TAKE_PTR(text);
    free(text);
    free(sources);
    ng_diag_free(diag);
    return r;
}

/* A policy that a live deployment stands under cannot go: the deployment would be left without a verdict. */
static int check_in_use(struct ng_keeper *keeper, const struct ng_change *change, struct ng_error *error)
{
    if (!keeper->snapshot)
        return 0; /* at the start everything must come up: ng_lives_follow() deals with those */
    for (const struct ng_live *live = keeper->lives; live; live = live->next)
        if (!live->orphaned && ng_snapshot_find_scope(change->snapshot, live->kernel.policy) < 0)
            return ng_error_set(error, EBUSY, "keep the policy until that deployment has ended",
                                "policy '%s' is gone, but deployment %s stands under it", live->kernel.name,
                                live->id);
    return 0;
}

static int send_snapshot(struct ng_keeper *keeper, uint64_t generation, int fd)
{
    const struct ng_message_snapshot message = {.type = NG_MESSAGE_SNAPSHOT, .generation = generation};

    return ng_child_send(keeper->child, &message, sizeof(message), fd, -1);
}

static int send_in_force(struct ng_keeper *keeper)
{
    return keeper->snapshot_fd < 0 ? 0 : send_snapshot(keeper, keeper->state.generation, keeper->snapshot_fd);
}

static int begin(struct ng_keeper *keeper, struct ng_change *change, struct ng_error *error)
{
    int r = compile(keeper, change, error);

    if (r == 0)
        r = check_in_use(keeper, change, error);
    if (r < 0)
        return r;
    r = ng_gate_add_profiles(keeper->gate, change->snapshot, error);
    /* One that found no room has left what it had added by then: only what is in force stays. */
    if (r < 0 && keeper->snapshot && ng_gate_switch(keeper->gate, keeper->snapshot, keeper->snapshot, error) == 0)
        r = ng_gate_add_profiles(keeper->gate, change->snapshot, error);
    if (r < 0)
        return r;
    change->generation = keeper->state.generation + 1;
    r = send_snapshot(keeper, change->generation, change->fd);
    if (r == -EPIPE || r == -ECONNRESET)
        return 0; /* its successor gets the snapshot: ng_change_resend() */
    return r < 0 ? ng_error_set(error, -r, NULL, "cannot reach the resolver: %s", strerror(-r)) : 0;
}

static void record(struct ng_keeper *keeper, const struct ng_error *error)
{
    json_t *record = error ? json_pack("{s:s, s:n, s:I, s:s}", "type", "policy", "time", "generation",
                                       (json_int_t)keeper->state.generation, "error", error->text)
                           : json_pack("{s:s, s:n, s:I, s:o}", "type", "policy", "time", "generation",
                                       (json_int_t)keeper->state.generation, "policies", ng_change_policies(keeper));

    ng_records_add(keeper->records, record, 0);
}

/* Ends the first change and begins the next that can be begun. */
static void finish(struct ng_keeper *keeper, const struct ng_error *error)
{
    struct ng_change *change = keeper->changes;
    struct ng_error next_error;

    record(keeper, error);
    for (;;) {
        keeper->changes = change->next;
        if (change->done)
            change->done(change->arg, error, change->warnings ? change->warnings : "",
                         change->changes ? change->changes : "");
        free_change(change);
        change = keeper->changes;
        if (!change || begin(keeper, change, &next_error) == 0)
            return;
        error = &next_error;
        record(keeper, error);
    }
}

void ng_change_start(struct ng_keeper *keeper, bool compare, ng_changed_fn done, void *arg)
{
    struct ng_change *change = calloc(1, sizeof(*change));
    struct ng_change **end = &keeper->changes;
    struct ng_error error;

    if (!change) {
        (void)ng_error_set(&error, ENOMEM, NULL, "out of memory");
        done(arg, &error, "", "");
        return;
    }
    *change = (struct ng_change){.done = done, .arg = arg, .fd = -1, .compare = compare};
    while (*end)
        end = &(*end)->next;
    *end = change;
    if (change == keeper->changes && begin(keeper, change, &error) < 0)
        finish(keeper, &error);
}

void ng_change_cancel(struct ng_keeper *keeper, const void *arg)
{
    for (struct ng_change *change = keeper->changes; change; change = change->next)
        if (change->arg == arg)
            change->done = NULL;
}

static int put_in_force(struct ng_keeper *keeper, struct ng_change *change, struct ng_error *error)
{
    struct ng_comparison comparison;
    int r = ng_gate_switch(keeper->gate, change->snapshot, keeper->snapshot, error);

    if (r < 0) {
        (void)send_in_force(keeper); /* the resolver has taken the other; one that cannot be reached starts with this */
        return r;
    }
    /* What cannot be told for want of memory is in force nevertheless. */
    if (change->compare && keeper->snapshot &&
        ng_compare(keeper->snapshot, change->snapshot, CHANGES_TOLD, &comparison) == 0)
        change->changes = comparison.text;
    ng_snapshot_free(keeper->snapshot);
    (void)ng_close(keeper->snapshot_fd);
    keeper->snapshot = TAKE_PTR(change->snapshot);
    keeper->snapshot_fd = TAKE_FD(change->fd);
    keeper->state.generation = change->generation;
    r = ng_keeper_set_state(keeper);
    ng_lives_follow(keeper);
    return r < 0 ? ng_error_set(error, -r, NULL, "cannot change the switches in the kernel") : 0;
}

void ng_change_ready(struct ng_keeper *keeper, uint64_t generation, uint32_t error_code)
{
    struct ng_change *change = keeper->changes;
    struct ng_error error;

    if (!change || change->generation != generation)
        return; /* a resolver that was started again and has the snapshot in force */
    if (error_code) {
        (void)ng_error_set(&error, (int)error_code, NULL, "the resolver refused the policy: %s",
                           strerror((int)error_code));
        finish(keeper, &error);
        return;
    }
    finish(keeper, put_in_force(keeper, change, &error) < 0 ? &error : NULL);
}

void ng_change_resend(struct ng_keeper *keeper)
{
    if (send_in_force(keeper) == 0 && keeper->changes)
        (void)send_snapshot(keeper, keeper->changes->generation, keeper->changes->fd);
}

static void until_done(void *arg, const struct ng_error *error, const char *warnings, const char *changes)
{
    (void)arg;
    (void)warnings;
    if (error)
        ng_log(NG_LOG_ERROR, "a rule has ended, but the policies cannot be read, so it stays in force:\n%s",
               error->text);
    else
        ng_log(NG_LOG_INFO, "a rule has ended\n%s", changes);
}

void ng_change_until(struct ng_keeper *keeper)
{
    uint64_t at = keeper->snapshot ? ng_snapshot_changes_at(keeper->snapshot) : 0, now = ng_now();

    if (!at || (uint64_t)time(NULL) < at || keeper->changes ||
        (keeper->until_tried_at && now - keeper->until_tried_at < RETRY_UNTIL))
        return;
    keeper->until_tried_at = now;
    ng_change_start(keeper, true, until_done, NULL);
}

static void first_done(void *arg, const struct ng_error *error, const char *warnings, const char *changes)
{
    struct ng_error *result = arg;

    (void)changes;
    if (error)
        *result = *error;
    if (*warnings)
        ng_log(NG_LOG_WARNING, "%s", warnings);
}

static int try_first(struct ng_keeper *keeper, struct ng_error *error)
{
    struct ng_error result = {0};

    ng_change_start(keeper, false, first_done, &result);
    if (!*result.text && ng_supervise_wait_ready(keeper, &result) < 0)
        ng_change_cancel(keeper, &result);
    if (!*result.text)
        return 0;
    *error = result;
    return -EINVAL;
}

int ng_change_first(struct ng_keeper *keeper, struct ng_error *error)
{
    int r = try_first(keeper, error);

    if (r == 0 || !keeper->adhocs.list)
        return r;
    /* What a user once brought along, for an earlier release, must not keep the daemon from starting. */
    ng_log(NG_LOG_WARNING, "starting without the policies that deployments brought along: %s", error->text);
    while (keeper->adhocs.list)
        ng_adhoc_forget(&keeper->adhocs, keeper->adhocs.list->name);
    return try_first(keeper, error);
}

json_t *ng_change_policies(const struct ng_keeper *keeper)
{
    json_t *list = json_array();

    for (unsigned i = 0; keeper->snapshot && i < ng_snapshot_policies(keeper->snapshot); i++) {
        struct ng_policy_info info;

        ng_snapshot_policy(keeper->snapshot, i, &info);
        (void)json_array_append_new(
            list, json_pack("{s:s, s:s}", "name", info.name, "mode", ng_mode_name(info.mode)));
    }
    return list;
}

void ng_change_free(struct ng_keeper *keeper)
{
    while (keeper->changes) {
        struct ng_change *change = keeper->changes;

        keeper->changes = change->next;
        free_change(change);
    }
}
