// SPDX-License-Identifier: BSD-2-Clause
#include "follow.h"

#include "account.h"
#include "evidence.h"
#include "text.h"

#include <namegate/delegates.h>

#include <string.h>

struct walk {
    struct ng_keeper *keeper;
    struct ng_live *live;
    uint32_t known; /* commands that are in the ledger */
};

static void account_command(void *arg, const struct ng_command *command)
{
    const struct walk *walk = arg;

    if (command->number > walk->known)
        ng_account_command(walk->keeper, walk->live, command, true);
}

static void account_process(void *arg, const struct ng_process *process)
{
    const struct walk *walk = arg;

    ng_account_process(walk->keeper, walk->live, process);
}

void ng_follow_started(struct ng_keeper *keeper, struct ng_live *live)
{
    struct walk walk = {.keeper = keeper, .live = live};

    /* Who asked for it becomes its command only now. */
    (void)ng_lineage_scan(live->lineage, live->path,
                          live->kernel.flags & NG_DEPLOYMENT_ATTACHED ? 0 : (pid_t)live->first);
    ng_lineage_each(live->lineage, account_command, account_process, &walk);
}

void ng_follow_adopted(struct ng_keeper *keeper, struct ng_live *live)
{
    struct walk walk = {.keeper = keeper, .live = live, .known = ng_lineage_commands(live->lineage)};

    (void)ng_lineage_scan(live->lineage, live->path, 0);
    ng_lineage_each(live->lineage, account_command, account_process, &walk);
}

/* The deployment around one, for which the same holds. */
static struct ng_live *around(struct ng_keeper *keeper, const struct ng_live *live)
{
    return live->kernel.outer ? ng_lives_by_cgroup(keeper, live->kernel.outer) : NULL;
}

/* What is told before the deployment is in the ledger comes there with ng_follow_started(). */
static void account(struct ng_keeper *keeper, struct ng_live *live, const struct ng_process *process)
{
    if (process && live->started)
        ng_account_process(keeper, live, process);
}

void ng_follow_forked(void *arg, const struct ng_fork *made)
{
    struct ng_keeper *keeper = arg;

    for (struct ng_live *live = ng_lives_by_scope(keeper, made->scope); live; live = around(keeper, live))
        account(keeper, live, ng_lineage_forked(live->lineage, made));
}

void ng_follow_executed(void *arg, const struct ng_exec *executed)
{
    struct ng_keeper *keeper = arg;

    for (struct ng_live *live = ng_lives_by_scope(keeper, executed->scope); live; live = around(keeper, live)) {
        const struct ng_process *process = ng_lineage_executed(live->lineage, executed);
        const struct ng_command *command = process ? ng_lineage_command(live->lineage, process->command) : NULL;

        if (command && live->started)
            ng_account_command(keeper, live, command, command->processes == 1);
        account(keeper, live, process);
    }
}

void ng_follow_exited(void *arg, const struct ng_exit *ended)
{
    struct ng_keeper *keeper = arg;

    for (struct ng_live *live = ng_lives_by_scope(keeper, ended->scope); live; live = around(keeper, live)) {
        if (live->first == ended->tgid && !live->has_status) {
            live->has_status = true;
            live->status = ended->status;
        }
        account(keeper, live, ng_lineage_exited(live->lineage, ended));
    }
}

static bool lies_in(struct ng_keeper *keeper, const struct ng_live *live, const struct ng_live *outer)
{
    while (live && live != outer)
        live = around(keeper, live);
    return live;
}

/* Nobody in a deployment can do this without rights that it should not have; where somebody does, it is told. */
static void tell_escape(struct ng_keeper *keeper, const struct ng_live *live, const struct ng_move *moved)
{
    char text[256];
    json_t *record;

    (void)snprintf(text, sizeof(text),
                   "process %u was moved out of deployment %s by process %u of user %u: the gate does not hold for it "
                   "any more, but for its open sockets",
                   moved->tgid, live->id, moved->mover, moved->mover_uid);
    record = ng_evidence_trouble("left", text, NULL, NULL);
    if (record) {
        (void)json_object_set_new(record, "deployment", json_string(live->id));
        (void)json_object_set_new(record, "tag", json_string(live->kernel.tag));
        (void)json_object_set_new(record, "pid", json_integer(moved->tgid));
        (void)json_object_set_new(record, "comm", ng_json_field(moved->comm, NG_COMM_LEN));
        (void)json_object_set_new(record, "lineage", ng_lineage_json(live->lineage, (pid_t)moved->tgid));
        (void)json_object_set_new(record, "by", json_pack("{s:i, s:I, s:o}", "pid", (int)moved->mover, "uid",
                                                          (json_int_t)moved->mover_uid, "comm",
                                                          ng_json_field(moved->mover_comm, NG_COMM_LEN)));
    }
    ng_records_add(keeper->records, record, moved->time);
}

void ng_follow_moved(void *arg, const struct ng_move *moved)
{
    struct ng_keeper *keeper = arg;
    struct ng_live *into = moved->scope ? ng_lives_by_scope(keeper, moved->scope) : NULL;

    for (struct ng_live *live = keeper->lives; live; live = live->next) {
        if (lies_in(keeper, into, live) || !ng_lineage_holds(live->lineage, (pid_t)moved->tgid))
            continue;
        tell_escape(keeper, live, moved);
        account(keeper, live, ng_lineage_left(live->lineage, moved));
    }
    for (struct ng_live *live = into; live; live = around(keeper, live))
        account(keeper, live, ng_lineage_joined(live->lineage, moved));
}

void ng_follow_reached(void *arg, const struct ng_reach *reach)
{
    struct ng_keeper *keeper = arg;
    struct ng_event event = {.time = reach->time,
                             .port = reach->port,
                             .proto = reach->proto,
                             .hook = reach->hook,
                             .evidence = reach->evidence,
                             .pid = reach->tgid,
                             .tgid = reach->tgid,
                             .uid = reach->uid};

    ng_supervise_hear(keeper, reach->time);
    memcpy(event.address, reach->address, sizeof(event.address));
    memcpy(event.comm, reach->comm, sizeof(event.comm));
    for (struct ng_live *live = ng_lives_by_scope(keeper, reach->scope); live; live = around(keeper, live))
        ng_account_reach(keeper, live, &event);
}

void ng_follow_asked(void *arg, const struct ng_delegation *asked)
{
    struct ng_keeper *keeper = arg;
    const struct ng_delegate *delegate;
    char path[NG_UNIX_PATH_LEN + 1];

    memcpy(path, asked->path, NG_UNIX_PATH_LEN);
    path[NG_UNIX_PATH_LEN] = '\0';
    delegate = ng_delegate_of(path);
    if (!delegate)
        return;
    for (struct ng_live *live = ng_lives_by_scope(keeper, asked->scope); live; live = around(keeper, live)) {
        const struct ng_process *process = ng_lineage_process(live->lineage, (pid_t)asked->tgid);

        if (process && !process->command && live->first == asked->tgid)
            continue; /* `run --selftest`: it is not the command yet */
        ng_records_add(keeper->records,
                       json_pack("{s:s, s:n, s:s, s:s, s:s, s:o, s:i, s:I, s:o, s:o}", "type", "delegation", "time",
                                 "deployment", live->id, "tag", live->kernel.tag, "to", delegate->name, "path",
                                 ng_json_text(path, strlen(path)), "pid", (int)asked->tgid, "uid",
                                 (json_int_t)asked->uid, "comm", ng_json_field(asked->comm, NG_COMM_LEN), "lineage",
                                 ng_lineage_json(live->lineage, (pid_t)asked->tgid)),
                       asked->time);
    }
}
