/* SPDX-License-Identifier: BSD-2-Clause */
/* The keeper: what the parts of the daemon share. One thread; every part is called from the loop. */
#ifndef NAMEGATE_KEEPER_H
#define NAMEGATE_KEEPER_H

#include "adhoc.h"
#include "child.h"
#include "config.h"
#include "control.h"
#include "cut.h"
#include "deployment.h"
#include "gate.h"
#include "grant.h"
#include "incident.h"
#include "listen.h"
#include "loop.h"
#include "metrics.h"
#include "namespace.h"
#include "options.h"
#include "records.h"
#include "statistics.h"
#include "tally.h"
#include "track.h"

#include "../ledger/ledger.h"
#include "../policy/compile.h"
#include "../policy/vector.h"

struct ng_change;
struct ng_reload;
struct ng_report_job;
struct ng_run;
struct ng_shadow;

#define NG_ENDED_MAX 1024

/* A file as it was when it was sent. */
struct ng_local_seen {
    dev_t device;
    ino_t inode;
    off_t size; /* -1: there was none */
    struct timespec changed;
};

typedef NG_VECTOR(struct ng_message_told) ng_told_list;

struct ng_keeper {
    struct ng_options options;
    struct ng_config config;
    struct ng_loop *loop;
    char *cgroup_mount;
    char *cgroup_root;
    int lock;
    int signals, heartbeat, restart, lull; /* descriptors of the loop */
    int ready_fd;
    uint64_t started_at;
    bool stopping;

    struct ng_gate *gate;
    struct ng_control state;        /* as in the kernel */
    struct ng_incidents *incidents;
    struct ng_grants *grants;
    struct ng_store *store;        /* NULL: a private daemon, or it is open already */
    struct ng_listeners listeners;
    struct ng_namespaces *namespaces;
    struct ng_child *child;
    uint64_t child_started_at;
    uint64_t heard_at;              /* ns: all that it said before was read */
    unsigned child_silent;          /* pings without an answer */
    unsigned restarts;
    unsigned crashes;               /* in a row */
    bool child_ready, restart_due;
    struct ng_cutter *cutter;
    struct ng_track *track;
    ng_told_list told;              /* and not accounted for yet */
    struct ng_records *records;
    struct ng_ledger *ledger;       /* NULL: switched off */
    const char *ledger_trouble;     /* as put on record */
    unsigned ledger_set_aside;
    struct ng_statistics *statistics;
    struct ng_tally *tally;
    struct ng_metrics *metrics;     /* NULL: not served */
    struct ng_control_socket *control;

    struct ng_snapshot *snapshot;   /* in force */
    int snapshot_fd;
    struct ng_change *changes;      /* the first is under way */
    struct ng_adhocs adhocs;
    struct ng_shadow *shadow;       /* NULL: none */

    struct ng_live *lives;
    struct ng_live *ended;          /* the last NG_ENDED_MAX, newest first: their summaries are asked for */
    bool summary_given;
    int linger;                     /* timer of a private daemon that nobody uses any more */
    struct ng_run *runs;            /* under way */
    struct ng_report_job *reports;  /* under way */
    struct ng_await *awaits;        /* for the resolver */
    uint64_t next_token;            /* of the last one */
    uint64_t refreshed_at;          /* ns: when names were asked for anew */
    uint64_t until_tried_at;        /* ns: when a rule's end was last to be put in force */
    struct ng_local_seen local_seen[NG_LOCAL_FILES_MAX];
    unsigned local_sent[NG_LOCAL_FILES_MAX]; /* which of the configuration's, by number of the message */
    uint64_t known_saved_at;        /* ns */
    bool known_sent;                /* to the resolver that runs */
    uint64_t lost_messages;
    uint64_t lost_events, lost_at; /* as counted last, and when (ns) there were more than before */
    bool upstream_silent;
};

/* keeper.c */
int ng_keeper_new(const struct ng_options *options, const struct ng_config *config, struct ng_keeper **ret_keeper,
                  struct ng_error *error);
void ng_keeper_free(struct ng_keeper *keeper);
int ng_keeper_run(struct ng_keeper *keeper);
/* A private daemon ends when nothing needs it any more. arg is the keeper. */
void ng_keeper_idle(void *arg);
int ng_keeper_set_state(struct ng_keeper *keeper);
/* Events of the kernel and messages of the resolver that never came: what deployments were denied may be among them. */
uint64_t ng_keeper_lost(const struct ng_keeper *keeper);

/* resolver side (supervise.c): starts the resolver, feeds it, hears it */
int ng_supervise_start(struct ng_keeper *keeper, struct ng_error *error);
void ng_supervise_message(void *arg, const void *message, size_t size);
/* Reads what it had to say at that time (ns): it speaks before it replies, so that names of what was reached then are
 * known after this. */
void ng_supervise_hear(struct ng_keeper *keeper, uint64_t until);
/* Puts on record what deployments were told, once the kernel has said who it is that asked. more: it has not yet. */
void ng_supervise_account(struct ng_keeper *keeper, bool more);
/* All that kernel and resolver know by now is on record after this. */
void ng_supervise_settle(struct ng_keeper *keeper);
void ng_supervise_deployment(struct ng_keeper *keeper, const struct ng_live *live, bool ended);
/* Has the resolver ask for all names that a policy denies exactly; `token` comes back when it is done. */
int ng_supervise_prewarm(struct ng_keeper *keeper, uint32_t policy, uint64_t token);
/* The same for each policy that a live deployment stands under. Returns for how many, which is how often `token` comes
 * back unless the resolver is gone. */
unsigned ng_supervise_prewarm_live(struct ng_keeper *keeper, uint64_t token);
/* The same for all policies in force, or those of live deployments alone; nobody waits for it. */
void ng_supervise_refresh(struct ng_keeper *keeper, bool live_only);
/* Waits for READY at startup, when there is no loop yet. */
int ng_supervise_wait_ready(struct ng_keeper *keeper, struct ng_error *error);
void ng_supervise_exited(struct ng_keeper *keeper);
/* To be called regularly: one that is alive but says nothing, because it was stopped or loops, is replaced. */
void ng_supervise_ping(struct ng_keeper *keeper);
/* Once the programs are in force: gives the resolver what it can spare its own looks into the kernel by. */
void ng_supervise_enforced(struct ng_keeper *keeper);

/* policy changes (change.c): one at a time, each all or nothing */
/* error NULL: done. warnings: of the compiler. changes: a line each for what means something else now, as ng_compare()
 * writes them, if that was asked for. */
typedef void (*ng_changed_fn)(void *arg, const struct ng_error *error, const char *warnings, const char *changes);
/* Compiles what is on disk (and the ad-hoc policies) and puts it in force. done is called once, perhaps at once.
 * `compare`: tell the changes. */
void ng_change_start(struct ng_keeper *keeper, bool compare, ng_changed_fn done, void *arg);
/* To be called regularly: rules end with their last day. */
void ng_change_until(struct ng_keeper *keeper);
void ng_change_cancel(struct ng_keeper *keeper, const void *arg); /* done is not called any more */
void ng_change_ready(struct ng_keeper *keeper, uint64_t generation, uint32_t error);
/* Sends the snapshot in force, or under way, to a new resolver. */
void ng_change_resend(struct ng_keeper *keeper);
int ng_change_first(struct ng_keeper *keeper, struct ng_error *error);
void ng_change_free(struct ng_keeper *keeper);
json_t *ng_change_policies(const struct ng_keeper *keeper);

/* policy reload (reload.c) */
void ng_reload_request(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request);

/* deployments (lives.c) */
/* Also those that ended lately. */
struct ng_live *ng_lives_known(struct ng_keeper *keeper, const char *id);
struct ng_live *ng_lives_by_cgroup(struct ng_keeper *keeper, uint64_t cgroup);
struct ng_live *ng_lives_by_scope(struct ng_keeper *keeper, uint32_t scope);
/* Makes the cgroup below parent, or takes parent itself where that is to be borrowed; tags it and watches it. */
int ng_lives_make(struct ng_keeper *keeper, const struct ng_deployment *kernel, const char *parent,
                  struct ng_error *error, struct ng_live **ret_live);
/* Puts the start on record: its command runs from here. */
void ng_lives_started(struct ng_keeper *keeper, struct ng_live *live);
void ng_lives_end(struct ng_keeper *keeper, struct ng_live *live);
/* Ends it if its last process is gone, and nobody has told yet. It stays known. */
void ng_lives_settle(struct ng_keeper *keeper, struct ng_live *live);
/* To be called regularly: ends those whose cgroup is gone or empty though nobody told, as when another instance removed
 * the one around it. */
void ng_lives_check(struct ng_keeper *keeper);
/* To be called regularly: corrects the sums of those whose denials came so fast that some were read after their end. */
void ng_lives_late(struct ng_keeper *keeper);
int ng_lives_adopt(struct ng_keeper *keeper, struct ng_error *error);
/* When the programs tell what happens: at what runs in those that were adopted, and at what they are connected to. */
void ng_lives_look(struct ng_keeper *keeper);
/* The innermost deployment that a cgroup lies in, or NULL. */
struct ng_live *ng_lives_around(const struct ng_keeper *keeper, const char *path);
/* Whether a process is in one, or cannot be shown not to be. */
bool ng_lives_hold(const struct ng_keeper *keeper, pid_t pid);
unsigned ng_lives_of(const struct ng_keeper *keeper, uid_t uid);
/* Brings mode and networks of all into line with the snapshot. One whose policy is gone turns strict, unless it is
 * audited: there is nothing left to judge by. */
void ng_lives_follow(struct ng_keeper *keeper);
/* NG_DEPLOYMENT_* that a policy asks for. */
uint8_t ng_lives_flags(const struct ng_policy_info *policy);
uint64_t ng_lives_oldest(const struct ng_keeper *keeper);
void ng_lives_event(void *arg, const struct ng_event *event);
/* A deployment was told a name: what it has, or something else, which is a denial. */
void ng_lives_told(struct ng_keeper *keeper, const struct ng_resolution *resolution,
                   const struct ng_message_told *told);
/* What was not denied before may be now: connections to it end. Without news it is looked for as time permits. */
void ng_lives_denied_more(struct ng_keeper *keeper, bool news);
void ng_lives_cut(void *arg, const struct ng_socket *cut);

/* run (run.c) */
/* What becomes a deployment. */
struct ng_target {
    pid_t pid;    /* a process, by itself or (tree) with all below it; 0: the cgroup as it is */
    int pidfd;
    bool tree;
    char *cgroup; /* the process', or the one itself */
};

void ng_run_start(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request);
/* The same for any target, whose contents are taken over. */
void ng_run_target(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request,
                   struct ng_target *target);
void ng_target_release(struct ng_target *target);

/* selftest (selftest.c): a deployment tries what is forbidden to it before its command starts */
/* Has the resolver forbid the canaries; `token` comes back as of a prewarming. 0 or -errno. */
int ng_selftest_plant(struct ng_keeper *keeper, const struct ng_live *live, uint64_t number, uint64_t token);
void ng_selftest_begin(struct ng_live *live, uint64_t number);
/* Whether a denial is the selftest's: it is noted there, and is on record no further. */
bool ng_selftest_takes(struct ng_live *live, const struct ng_event *event);
/* The request with its findings, which ends it. */
void ng_selftest_request(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request);

/* attach and detach (attach.c) */
void ng_attach(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request);
/* What is still where a process was that has become a deployment with its tree, was started later, and has lost its
 * parent: it may have come from it. A list of `pid` and `comm`. */
json_t *ng_attach_left(const struct ng_keeper *keeper, const struct ng_target *target);
void ng_detach(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request);

/* summary (summary.c): answers with that of a deployment */
void ng_summary(struct ng_keeper *keeper, struct ng_connection *connection, struct ng_live *live);

/* the other commands (commands.c) */
void ng_commands_request(void *arg, struct ng_connection *connection, const json_t *request);
void ng_commands_record(void *arg, const json_t *record, const char *line);

#endif
