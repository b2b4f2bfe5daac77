// SPDX-License-Identifier: BSD-2-Clause
/* Wires the parts of the keeper together, in the order in which each may rely on the ones before. */
#include "keeper.h"

#include "account.h"
#include "follow.h"
#include "known.h"
#include "local.h"
#include "report.h"
#include "sample.h"
#include "shadow.h"

#include "cgroup.h"
#include "host.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define HEARTBEAT (3 * NG_SECOND)
#define LINGER (3 * NG_SECOND) /* for whoever started a private daemon to come, or to fetch the summary */
#define FILES_MAX 65536

int ng_keeper_set_state(struct ng_keeper *keeper)
{
    keeper->state.heartbeat = ng_now();
    return ng_gate_set_control(keeper->gate, &keeper->state);
}

uint64_t ng_keeper_lost(const struct ng_keeper *keeper)
{
    return ng_gate_counter(keeper->gate, NG_COUNTER_LOST) + keeper->lost_messages;
}

static void watch_losses(struct ng_keeper *keeper)
{
    uint64_t lost = ng_keeper_lost(keeper);

    if (lost != keeper->lost_events)
        keeper->lost_at = ng_now();
    keeper->lost_events = lost;
}

static void on_heartbeat(void *arg, uint32_t events)
{
    struct ng_keeper *keeper = arg;

    (void)events;
    ng_timer_clear(keeper->heartbeat);
    if (ng_keeper_set_state(keeper) < 0)
        ng_log(NG_LOG_ERROR, "cannot write the heartbeat: nothing expires until it works again");
    ng_supervise_ping(keeper);
    ng_metrics_check(keeper->metrics);
    ng_control_tick(keeper->control);
    ng_change_until(keeper);
    ng_incidents_tick(keeper);
    ng_grants_tick(keeper);
    ng_local_files_watch(keeper);
    ng_known_tick(keeper);
    ng_shadow_tick(keeper);
    watch_losses(keeper);
    ng_account_tick(keeper);
    ng_sample_tick(keeper);
    ng_lives_check(keeper);
    ng_lives_late(keeper);
    ng_namespaces_tick(keeper);
    ng_lives_denied_more(keeper, false); /* to those who were given a socket, or moved in, since */
    /* Names move: what a deployment is denied is looked up again while it lives. */
    if (ng_now() - keeper->refreshed_at >= keeper->config.floor * NG_SECOND)
        ng_supervise_refresh(keeper, true);
}

static void on_events(void *arg, uint32_t events)
{
    struct ng_keeper *keeper = arg;

    (void)events;
    /* What is left makes the descriptor ready again. */
    ng_supervise_account(keeper, ng_gate_consume(keeper->gate));
}

static void hup_done(void *arg, const struct ng_error *error, const char *warnings, const char *changes)
{
    struct ng_keeper *keeper = arg;

    if (error)
        ng_log(NG_LOG_ERROR, "the old policies stay in force:\n%s", error->text);
    else
        ng_log(NG_LOG_INFO, "policies reloaded, generation %llu%s%s%s", (unsigned long long)keeper->state.generation,
               *warnings || *changes ? "\n" : "", warnings, changes);
}

static void on_signal(void *arg, uint32_t events)
{
    struct ng_keeper *keeper = arg;
    struct signalfd_siginfo info;

    (void)events;
    while (read(keeper->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGHUP) {
            ng_change_start(keeper, true, hup_done, keeper);
        } else if (info.ssi_signo == SIGCHLD) {
            if (ng_child_pid(keeper->child) > 0 && waitpid(ng_child_pid(keeper->child), NULL, WNOHANG) > 0)
                ng_supervise_exited(keeper);
        } else {
            keeper->stopping = true;
            ng_loop_stop(keeper->loop);
        }
    }
}

/* Whether nobody needs a private daemon at this moment. */
static bool idle(const struct ng_keeper *keeper)
{
    return keeper->options.private && !keeper->lives && !keeper->runs && !ng_control_connections(keeper->control);
}

static void stop(struct ng_keeper *keeper)
{
    keeper->stopping = true;
    ng_loop_stop(keeper->loop);
}

static void on_linger(void *arg, uint32_t events)
{
    struct ng_keeper *keeper = arg;

    (void)events;
    ng_timer_clear(keeper->linger);
    ng_loop_remove(keeper->loop, keeper->linger);
    keeper->linger = ng_close(keeper->linger);
    if (idle(keeper))
        stop(keeper);
}

void ng_keeper_idle(void *arg)
{
    struct ng_keeper *keeper = arg;

    if (!idle(keeper))
        return;
    if (keeper->summary_given) {
        stop(keeper);
        return;
    }
    if (keeper->linger >= 0)
        return;
    keeper->linger = ng_timer_new(LINGER, 1);
    if (keeper->linger < 0 || ng_loop_add(keeper->loop, keeper->linger, EPOLLIN, on_linger, keeper) < 0)
        ng_loop_stop(keeper->loop);
}

static int make_dir(const char *path, mode_t mode, struct ng_error *error)
{
    if (mkdir(path, mode) < 0 && errno != EEXIST)
        return ng_error_set(error, errno, "make its parent, or choose another directory by option",
                            "cannot make %s: %m", path);
    return 0;
}

static int lock_run_dir(struct ng_keeper *keeper, struct ng_error *error)
{
    _cleanup_free_ char *path = NULL;
    int r = make_dir(keeper->options.run_dir, 0755, error);

    if (r < 0)
        return r;
    if (asprintf(&path, "%s/lock", keeper->options.run_dir) < 0)
        return ng_error_set(error, ENOMEM, NULL, "out of memory");
    keeper->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (keeper->lock < 0)
        return ng_error_set(error, errno, NULL, "cannot open %s: %m", path);
    if (flock(keeper->lock, LOCK_EX | LOCK_NB) < 0)
        return ng_error_set(error, EBUSY, "end it, or give this one other directories (--run-dir, --pin-root, …)",
                            "another namegated runs in %s", keeper->options.run_dir);
    return 0;
}

static int find_cgroups(struct ng_keeper *keeper, struct ng_error *error)
{
    size_t length;
    int r = ng_cgroup_mount(error, &keeper->cgroup_mount);

    if (r < 0)
        return r;
    length = strlen(keeper->cgroup_mount);
    if (!keeper->options.cgroup_root)
        r = asprintf(&keeper->cgroup_root, "%s/namegate", keeper->cgroup_mount) < 0 ? -ENOMEM : 0;
    else
        r = (keeper->cgroup_root = strdup(keeper->options.cgroup_root)) ? 0 : -ENOMEM;
    if (r < 0)
        return ng_error_set(error, ENOMEM, NULL, "out of memory");
    if (strncmp(keeper->cgroup_root, keeper->cgroup_mount, length) != 0 || keeper->cgroup_root[length] != '/')
        return ng_error_set(error, EINVAL, "choose a --cgroup-root below it", "%s is not below %s, where cgroup2 is",
                            keeper->cgroup_root, keeper->cgroup_mount);
    r = ng_cgroup_make(keeper->cgroup_root);
    return r < 0 ? ng_error_set(error, -r, NULL, "cannot make %s: %s", keeper->cgroup_root, strerror(-r)) : 0;
}

static int open_kernel(struct ng_keeper *keeper, struct ng_error *error)
{
    const struct ng_gate_ops ops = {.denial = ng_lives_event,
                                    .sighting = ng_namespaces_sighted,
                                    .reach = ng_follow_reached,
                                    .fork = ng_follow_forked,
                                    .exec = ng_follow_executed,
                                    .exit = ng_follow_exited,
                                    .move = ng_follow_moved,
                                    .delegation = ng_follow_asked,
                                    .arg = keeper};
    int r = ng_gate_open(keeper->options.pin_root, keeper->cgroup_mount, keeper->config.max_destinations, &ops, error,
                         &keeper->gate);

    if (r < 0)
        return r;
    keeper->state = ng_gate_control(keeper->gate);
    if (ng_gate_adopted(keeper->gate))
        ng_log(NG_LOG_INFO, "took over the gate pinned in %s", keeper->options.pin_root);
    if (ng_incidents_adopt(keeper) < 0)
        return ng_error_set(error, ENOMEM, NULL, "out of memory");
    r = ng_listeners_open(&keeper->config, keeper->store, &keeper->state, error, &keeper->listeners);
    if (r == 0)
        r = ng_namespaces_new(keeper, error, &keeper->namespaces);
    if (r < 0)
        return r;
    r = ng_keeper_set_state(keeper);
    return r < 0 ? ng_error_set(error, -r, NULL, "cannot set the switches in the kernel: %s", strerror(-r)) : 0;
}

static int open_loop(struct ng_keeper *keeper, struct ng_error *error)
{
    struct rlimit files = {FILES_MAX, FILES_MAX};
    sigset_t signals;
    int r;

    (void)setrlimit(RLIMIT_NOFILE, &files);
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGHUP);
    (void)sigaddset(&signals, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return ng_error_set(error, errno, NULL, "cannot block signals: %m");
    keeper->signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    keeper->heartbeat = ng_timer_new(HEARTBEAT, 0);
    r = ng_loop_new(&keeper->loop);
    if (r == 0)
        r = ng_loop_add(keeper->loop, keeper->signals, EPOLLIN, on_signal, keeper);
    if (r == 0)
        r = ng_loop_add(keeper->loop, keeper->heartbeat, EPOLLIN, on_heartbeat, keeper);
    return r < 0 ? ng_error_set(error, -r, NULL, "cannot make the event loop: %s", strerror(-r)) : 0;
}

static int open_evidence(struct ng_keeper *keeper, struct ng_error *error)
{
    struct ng_record_outputs outputs = {.file = keeper->config.records_file,
                                        .out = keeper->config.records_stdout,
                                        .journal = keeper->config.records_journal};
    int r = make_dir(keeper->options.state_dir, 0700, error);

    if (r == 0)
        r = ng_records_open(keeper->options.state_dir, &outputs, ng_commands_record, keeper, error, &keeper->records);
    if (r == 0)
        r = ng_account_open(keeper, error);
    if (r == 0 && ng_track_new(&keeper->track) < 0)
        r = ng_error_set(error, ENOMEM, NULL, "out of memory");
    if (r == 0 && ng_incidents_load(keeper->options.state_dir, &keeper->incidents) < 0)
        r = ng_error_set(error, ENOMEM, NULL, "out of memory");
    if (r == 0 && ng_grants_load(keeper->options.state_dir, &keeper->grants) < 0)
        r = ng_error_set(error, ENOMEM, NULL, "out of memory");
    if (r == 0) {
        ng_known_load(keeper);
        ng_shadow_load(keeper);
    }
    if (r == 0)
        r = ng_statistics_new(error, &keeper->statistics);
    return r == 0 ? ng_tally_new(error, &keeper->tally) : r;
}

static int open_policies(struct ng_keeper *keeper, struct ng_error *error)
{
    int r = ng_child_new(keeper->config.user, ng_supervise_message, keeper, error, &keeper->child);

    if (r == 0)
        r = ng_adhocs_open(&keeper->adhocs, keeper->options.run_dir, error);
    if (r == 0)
        r = ng_lives_adopt(keeper, error);
    if (r == 0) {
        ng_incidents_tick(keeper);
        ng_grants_tick(keeper);
        ng_namespaces_adopt(keeper);
    }
    if (r == 0)
        r = ng_supervise_start(keeper, error);
    if (r == 0)
        r = ng_change_first(keeper, error);
    return r;
}

/* While names resolve again already: for as long as this takes, what was pinned is judged by what was pinned. */
static int open_programs(struct ng_keeper *keeper, struct ng_error *error)
{
    bool told = ng_gate_departures(keeper->gate) >= 0; /* the resolver, as it was started */
    int r = ng_gate_enforce(keeper->gate, keeper->cgroup_mount, error);

    if (r == 0)
        r = ng_cutter_new(keeper->loop, keeper->gate, ng_lives_cut, keeper, error, &keeper->cutter);
    if (r == 0 && !told)
        ng_supervise_enforced(keeper);
    if (r == 0)
        ng_lives_look(keeper);
    return r;
}

static int open_control(struct ng_keeper *keeper, struct ng_error *error)
{
    _cleanup_free_ char *path = NULL;
    int r = ng_loop_add(keeper->loop, ng_gate_events_fd(keeper->gate), EPOLLIN, on_events, keeper);

    if (r < 0)
        return ng_error_set(error, -r, NULL, "cannot watch events: %s", strerror(-r));
    if (asprintf(&path, "%s/control.sock", keeper->options.run_dir) < 0)
        return ng_error_set(error, ENOMEM, NULL, "out of memory");
    r = ng_control_open(keeper->loop, path, keeper->config.group, ng_commands_request, keeper, error,
                        &keeper->control);
    if (r == 0)
        ng_control_on_closed(keeper->control, ng_keeper_idle);
    return r;
}

int ng_keeper_new(const struct ng_options *options, const struct ng_config *config, struct ng_keeper **ret_keeper,
                  struct ng_error *error)
{
    struct ng_keeper *keeper = calloc(1, sizeof(*keeper));
    int r;

    if (!keeper)
        return ng_error_set(error, ENOMEM, NULL, "out of memory");
    keeper->options = *options;
    keeper->config = *config;
    keeper->lock = keeper->signals = keeper->heartbeat = keeper->restart = keeper->lull = keeper->linger = -1;
    keeper->snapshot_fd = -1;
    keeper->ready_fd = options->ready_fd;
    keeper->started_at = ng_now();
    r = options->private || ng_store_new(&keeper->store) == 0
            ? ng_host_check(options->pin_root, error)
            : ng_error_set(error, ENOMEM, NULL, "out of memory");
    if (r == 0)
        r = ng_host_check_upstreams(config, error);
    if (r == 0)
        r = find_cgroups(keeper, error);
    if (r == 0)
        r = lock_run_dir(keeper, error);
    if (r == 0)
        r = open_loop(keeper, error);
    if (r == 0)
        r = open_evidence(keeper, error);
    if (r == 0)
        r = open_kernel(keeper, error);
    if (r == 0)
        r = open_policies(keeper, error);
    if (r == 0)
        r = open_programs(keeper, error);
    if (r == 0)
        r = open_control(keeper, error);
    /* Private daemons would be in each other's way, and in that of the one of the host. */
    if (r == 0 && config->metrics.port && !options->private) {
        ng_sample_tick(keeper);
        r = ng_metrics_new(config, ng_statistics_fd(keeper->statistics), ng_tally_fd(keeper->tally), error,
                           &keeper->metrics);
    }
    if (r < 0) {
        ng_keeper_free(keeper);
        return r;
    }
    *ret_keeper = keeper;
    return 0;
}

/* What nobody needs any more goes; what a deployment still stands under stays pinned. */
static void leave(struct ng_keeper *keeper)
{
    if (keeper->lives) {
        ng_log(NG_LOG_INFO, "deployments still run: the gate stays in force without a resolver until namegated is "
                            "started again");
        return;
    }
    if (keeper->gate)
        (void)ng_gate_remove(keeper->gate);
    if (keeper->cgroup_root)
        (void)ng_cgroup_remove(keeper->cgroup_root);
}

static void remove_run_dir(struct ng_keeper *keeper)
{
    _cleanup_free_ char *path = NULL;

    if (keeper->lock < 0 || asprintf(&path, "%s/lock", keeper->options.run_dir) < 0)
        return;
    (void)unlink(path);
    if (keeper->options.private)
        (void)rmdir(keeper->options.run_dir);
}

static void free_lives(struct ng_live *list)
{
    while (list) {
        struct ng_live *next = list->next;

        free(list->context);
        ng_live_free(list);
        list = next;
    }
}

static void close_ledger(struct ng_keeper *keeper)
{
    unsigned left = ng_ledger_free(keeper->ledger);

    if (left)
        ng_log(NG_LOG_WARNING, "the ledger cannot be written: %u rows of it are lost", left);
}

void ng_keeper_free(struct ng_keeper *keeper)
{
    if (!keeper)
        return;
    keeper->stopping = true;
    if (keeper->child && keeper->gate && keeper->track)
        ng_supervise_settle(keeper); /* what the resolver says is heard by nobody after this one */
    if (keeper->track && !keeper->options.private)
        ng_known_save(keeper);
    ng_cutter_free(keeper->cutter);
    keeper->cutter = NULL;
    ng_control_free(keeper->control);
    ng_reports_free(keeper);
    ng_change_free(keeper);
    ng_child_free(keeper->child);
    ng_metrics_free(keeper->metrics);
    leave(keeper);
    ng_adhocs_close(&keeper->adhocs);
    remove_run_dir(keeper);
    free_lives(keeper->lives);
    free_lives(keeper->ended);
    ng_gate_free(keeper->gate);
    close_ledger(keeper);
    ng_records_free(keeper->records);
    ng_statistics_free(keeper->statistics);
    ng_tally_free(keeper->tally);
    ng_track_free(keeper->track);
    ng_vector_free(&keeper->told);
    ng_incidents_free(keeper->incidents);
    ng_grants_free(keeper->grants);
    ng_shadow_free(keeper->shadow);
    ng_store_free(keeper->store);
    ng_namespaces_free(keeper->namespaces);
    ng_listeners_close(&keeper->listeners);
    ng_snapshot_free(keeper->snapshot);
    (void)ng_close(keeper->snapshot_fd);
    ng_loop_free(keeper->loop);
    (void)ng_close(keeper->signals);
    (void)ng_close(keeper->heartbeat);
    (void)ng_close(keeper->restart);
    (void)ng_close(keeper->lull);
    (void)ng_close(keeper->linger);
    (void)ng_close(keeper->lock);
    free(keeper->cgroup_mount);
    free(keeper->cgroup_root);
    free(keeper);
}

int ng_keeper_run(struct ng_keeper *keeper)
{
    static const char ready[] = "READY\n";

    ng_store_forget(keeper->store); /* what is still in it, nobody needs */
    ng_store_free(keeper->store);
    keeper->store = NULL;
    if (!keeper->options.private)
        ng_store_ready();
    if (keeper->ready_fd >= 0) {
        if (write(keeper->ready_fd, ready, sizeof(ready) - 1) < 0)
            ng_log(NG_LOG_WARNING, "cannot say READY: %m, ignoring");
        keeper->ready_fd = ng_close(keeper->ready_fd);
    }
    ng_log(NG_LOG_INFO, "the gate is in force");
    ng_keeper_idle(keeper);
    return ng_loop_run(keeper->loop);
}
