// SPDX-License-Identifier: BSD-2-Clause
/* Making, watching, adopting and ending deployments. */
#include "keeper.h"

#include "account.h"
#include "cgroup.h"
#include "evidence.h"
#include "follow.h"
#include "shadow.h"

#include "../ledger/classify.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <limits.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>

#define ATTEMPT_MAX (NG_SECOND / 1000) /* how long the kernel takes to ask all deployments about one */

struct ng_live *ng_lives_known(struct ng_keeper *keeper, const char *id)
{
    for (struct ng_live *live = keeper->lives; live; live = live->next)
        if (strcmp(live->id, id) == 0)
            return live;
    for (struct ng_live *live = keeper->ended; live; live = live->next)
        if (strcmp(live->id, id) == 0)
            return live;
    return NULL;
}

struct ng_live *ng_lives_by_cgroup(struct ng_keeper *keeper, uint64_t cgroup)
{
    for (struct ng_live *live = keeper->lives; live; live = live->next)
        if (live->cgroup == cgroup)
            return live;
    return NULL;
}

struct ng_live *ng_lives_by_scope(struct ng_keeper *keeper, uint32_t scope)
{
    for (struct ng_live *live = keeper->lives; live; live = live->next)
        if (live->kernel.scope == scope)
            return live;
    return NULL;
}

uint64_t ng_lives_oldest(const struct ng_keeper *keeper)
{
    uint64_t oldest = NG_FOREVER;

    for (const struct ng_live *live = keeper->lives; live; live = live->next)
        if (live->kernel.started_at < oldest)
            oldest = live->kernel.started_at;
    return oldest;
}

/* Which depths the kernel must look at. */
static int update_levels(struct ng_keeper *keeper)
{
    uint32_t levels = 0;

    for (const struct ng_live *live = keeper->lives; live; live = live->next) {
        unsigned level;
        uint64_t id;

        if (ng_cgroup_identify(keeper->cgroup_mount, live->path, &level, &id) == 0 && level < NG_LEVELS_MAX)
            levels |= 1u << level;
    }
    keeper->state.levels = levels;
    return ng_keeper_set_state(keeper);
}

static void record(struct ng_keeper *keeper, const struct ng_live *live, bool started)
{
    json_t *record = json_pack("{s:s, s:n, s:s, s:s, s:s, s:s, s:s, s:I, s:O?}", "type", "deployment", "time", "event",
                               started ? "started" : "ended", "deployment", live->id, "tag", live->kernel.tag,
                               "policy", live->kernel.name, "mode", ng_mode_name(live->kernel.mode), "uid",
                               (json_int_t)live->kernel.uid, "argv", live->argv);

    if (record && !started) {
        (void)json_object_set_new(record, "denied", json_integer((json_int_t)live->denied));
        (void)json_object_set_new(record, "would", json_integer((json_int_t)live->would));
        (void)json_object_set_new(record, "probes", json_integer((json_int_t)live->probes));
    }
    ng_records_add(keeper->records, record, 0);
}

struct watch {
    struct ng_keeper *keeper;
    uint64_t cgroup;
};

/* Whether nothing is left of it. A cgroup that is only borrowed may be empty for a while, as that of a service. */
static bool is_over(const struct ng_keeper *keeper, const struct ng_live *live)
{
    unsigned level;
    uint64_t id;

    if (live->kernel.flags & NG_DEPLOYMENT_BORROWED)
        return ng_cgroup_identify(keeper->cgroup_mount, live->path, &level, &id) < 0 || id != live->cgroup;
    return !ng_cgroup_populated(live->watch);
}

static void on_populated(void *arg, uint32_t events)
{
    const struct watch *watch = arg;
    struct ng_keeper *keeper = watch->keeper; /* the watch ends with the deployment */
    struct ng_live *live = ng_lives_by_cgroup(keeper, watch->cgroup);

    (void)events;
    if (!live || !live->started || !is_over(keeper, live))
        return;
    ng_lives_end(keeper, live);
    ng_keeper_idle(keeper);
}

void ng_lives_settle(struct ng_keeper *keeper, struct ng_live *live)
{
    if (live->started && live->watch >= 0 && is_over(keeper, live))
        ng_lives_end(keeper, live);
}

void ng_lives_check(struct ng_keeper *keeper)
{
    struct ng_live *live = keeper->lives;

    while (live) {
        bool over = live->started && live->watch >= 0 && is_over(keeper, live);

        if (over)
            ng_lives_end(keeper, live);
        live = over ? keeper->lives : live->next;
    }
    ng_keeper_idle(keeper);
}

static int watch_live(struct ng_keeper *keeper, struct ng_live *live)
{
    int r;

    live->context = malloc(sizeof(struct watch));
    if (!live->context)
        return -ENOMEM;
    *(struct watch *)live->context = (struct watch){.keeper = keeper, .cgroup = live->cgroup};
    live->watch = ng_cgroup_watch(live->path);
    if (live->watch < 0)
        return live->watch;
    r = ng_loop_add(keeper->loop, live->watch, EPOLLPRI, on_populated, live->context);
    return r;
}

static void enlist(struct ng_keeper *keeper, struct ng_live *live)
{
    live->tally = ng_tally_slot(keeper->tally, live->kernel.tag);
    ng_tally_live(keeper->tally, live->tally, true);
    live->lost_before = ng_keeper_lost(keeper);
    live->next = keeper->lives;
    keeper->lives = live;
}

static void delist(struct ng_keeper *keeper, struct ng_live *live)
{
    struct ng_live **at = &keeper->lives;

    while (*at && *at != live)
        at = &(*at)->next;
    if (*at)
        *at = live->next;
}

/* One whose cgroup lies in that of another. */
static struct ng_live *inside_of(const struct ng_keeper *keeper, const struct ng_live *live)
{
    size_t length = strlen(live->path);

    for (struct ng_live *it = keeper->lives; it; it = it->next)
        if (strncmp(it->path, live->path, length) == 0 && it->path[length] == '/')
            return it;
    return NULL;
}

/* A cgroup around others came, or goes: each is to know the next one around it. */
static void find_outers(struct ng_keeper *keeper)
{
    for (struct ng_live *live = keeper->lives; live; live = live->next) {
        _cleanup_free_ char *above = strdup(live->path);
        char *slash = above ? strrchr(above, '/') : NULL;
        const struct ng_live *outer;
        uint64_t before = live->kernel.outer;

        if (!slash)
            continue;
        *slash = '\0';
        outer = ng_lives_around(keeper, above);
        live->kernel.outer = outer ? outer->cgroup : 0;
        if (live->kernel.outer != before &&
            ng_gate_update_deployment(keeper->gate, live->cgroup, &live->kernel) < 0)
            ng_log(NG_LOG_ERROR, "cannot update deployment %s", live->id);
    }
}

int ng_lives_make(struct ng_keeper *keeper, const struct ng_deployment *kernel, const char *parent,
                  struct ng_error *error, struct ng_live **ret_live)
{
    bool borrowed = kernel->flags & NG_DEPLOYMENT_BORROWED;
    _cleanup_free_ char *path = NULL;
    struct ng_live *live = NULL;
    uint64_t cgroup = 0;
    unsigned level = 0;
    int r = 0;

    if (borrowed)
        path = strdup(parent);
    else if (asprintf(&path, "%s/%s.%08x", parent, kernel->tag, kernel->scope & ~NG_SCOPE_DEPLOYMENT) < 0)
        path = NULL;
    if (!path)
        return ng_error_set(error, ENOMEM, NULL, "out of memory");
    if (!borrowed)
        r = ng_cgroup_make(path);
    if (r == 0)
        r = ng_cgroup_identify(keeper->cgroup_mount, path, &level, &cgroup);
    if (r == 0 && level >= NG_LEVELS_MAX)
        r = -ELOOP;
    if (r < 0)
        return ng_error_set(error, -r, NULL, "cannot %s the cgroup %s: %s", borrowed ? "attach" : "make", path,
                            strerror(-r));
    if (!ng_cgroup_foreign(keeper->cgroup_mount, path, keeper->options.pin_root))
        ng_cgroup_mark(path, keeper->options.pin_root);
    live = ng_live_new(cgroup, kernel, path);
    if (live && ng_lineage_new(0, &live->lineage) < 0) {
        ng_live_free(live);
        live = NULL;
    }
    r = live ? ng_gate_add_deployment(keeper->gate, path, cgroup, kernel, error)
             : ng_error_set(error, ENOMEM, NULL, "out of memory");
    if (r == 0) {
        enlist(keeper, live);
        r = update_levels(keeper);
        if (r == 0)
            r = watch_live(keeper, live);
        if (r < 0) {
            ng_lives_end(keeper, live);
            return ng_error_set(error, -r, NULL, "cannot watch the cgroup %s: %s", path, strerror(-r));
        }
        if (borrowed)
            find_outers(keeper);
        ng_supervise_deployment(keeper, live, false);
        *ret_live = live;
        return 0;
    }
    ng_live_free(live);
    if (borrowed)
        ng_cgroup_unmark(path, keeper->options.pin_root);
    else
        (void)ng_cgroup_remove(path);
    return r;
}

/* Its summary may be asked for when its last process is gone. */
static void remember(struct ng_keeper *keeper, struct ng_live *live)
{
    struct ng_live **at = &keeper->ended;
    unsigned count = 0;

    free(live->context);
    live->context = NULL;
    live->watch = ng_close(live->watch);
    live->next = keeper->ended;
    keeper->ended = live;
    while (*at && count++ < NG_ENDED_MAX)
        at = &(*at)->next;
    if (*at) {
        ng_live_free(*at);
        *at = NULL;
    }
}

static void count_end(struct ng_keeper *keeper, const struct ng_live *live)
{
    const struct ng_ledger_facts facts = {.ended = true,
                                          .has_status = live->has_status,
                                          .status = live->status,
                                          .denied = (int64_t)live->denied,
                                          .would = (int64_t)live->would};

    ng_tally_ended(keeper->tally, live->tally, ng_ledger_outcome(&facts));
}

void ng_lives_end(struct ng_keeper *keeper, struct ng_live *live)
{
    bool borrowed = live->kernel.flags & NG_DEPLOYMENT_BORROWED;
    struct ng_live *inside;

    /* Their cgroups go with this one, and nobody would be told. */
    while (!borrowed && (inside = inside_of(keeper, live)))
        ng_lives_end(keeper, inside);
    if (live->started)
        ng_supervise_settle(keeper); /* what it did last */
    if (live->started) {
        record(keeper, live, false);
        ng_account_finish(keeper, live);
        count_end(keeper, live);
    }
    delist(keeper, live);
    ng_tally_live(keeper->tally, live->tally, false);
    if (live->watch >= 0)
        ng_loop_remove(keeper->loop, live->watch);
    /* The cgroup goes first: while it exists, the gate holds. */
    if (borrowed)
        ng_cgroup_unmark(live->path, keeper->options.pin_root);
    else
        (void)ng_cgroup_remove(live->path);
    ng_gate_remove_deployment(keeper->gate, live->cgroup);
    if (borrowed)
        find_outers(keeper);
    if (update_levels(keeper) < 0)
        ng_log(NG_LOG_ERROR, "cannot change the switches in the kernel");
    ng_supervise_deployment(keeper, live, true);
    ng_track_forget_deployment(keeper->track, live->kernel.scope);
    ng_adhoc_forget(&keeper->adhocs, live->kernel.name);
    remember(keeper, live);
}

void ng_lives_started(struct ng_keeper *keeper, struct ng_live *live)
{
    live->started = true;
    ng_tally_started(keeper->tally, live->tally);
    record(keeper, live, true);
    ng_account_start(keeper, live);
    ng_follow_started(keeper, live);
    ng_lives_denied_more(keeper, true); /* to it: it may have brought connections along */
}

struct adoption {
    struct ng_keeper *keeper;
    uint64_t cgroup;
    char *path;
};

static int match_path(void *arg, const char *path, uint64_t id)
{
    struct adoption *adoption = arg;

    if (id != adoption->cgroup)
        return 0;
    adoption->path = strdup(path);
    return -ECANCELED; /* found */
}

static int adopt(void *arg, uint64_t cgroup, const struct ng_deployment *kernel)
{
    struct ng_keeper *keeper = arg;
    struct adoption adoption = {.keeper = keeper, .cgroup = cgroup};
    struct ng_live *live;

    (void)ng_cgroup_walk(keeper->cgroup_root, match_path, &adoption);
    if (!adoption.path) /* inside of another instance's, perhaps */
        (void)ng_cgroup_walk(keeper->cgroup_mount, match_path, &adoption);
    if (!adoption.path) {
        ng_gate_remove_deployment(keeper->gate, cgroup); /* it ended while no daemon ran */
        return 0;
    }
    live = ng_live_new(cgroup, kernel, adoption.path);
    free(adoption.path);
    if (!live)
        return -ENOMEM;
    live->started = true;
    if (ng_account_adopt(keeper, live) < 0) {
        ng_live_free(live);
        return -ENOMEM;
    }
    enlist(keeper, live);
    return watch_live(keeper, live);
}

static void forget_unused_policies(struct ng_keeper *keeper)
{
    const struct ng_adhoc *next;

    for (const struct ng_adhoc *adhoc = keeper->adhocs.list; adhoc; adhoc = next) {
        const struct ng_live *live = keeper->lives;

        next = adhoc->next;
        while (live && strcmp(live->kernel.name, adhoc->name) != 0)
            live = live->next;
        if (!live)
            ng_adhoc_forget(&keeper->adhocs, adhoc->name);
    }
}

int ng_lives_adopt(struct ng_keeper *keeper, struct ng_error *error)
{
    int r = ng_gate_each_deployment(keeper->gate, adopt, keeper);
    struct ng_live *next;

    for (struct ng_live *live = keeper->lives; r == 0 && live; live = next) {
        next = live->next;
        if (!is_over(keeper, live))
            continue;
        ng_follow_adopted(keeper, live);
        ng_lives_end(keeper, live);
    }
    forget_unused_policies(keeper);
    if (r == 0)
        r = update_levels(keeper);
    return r < 0 ? ng_error_set(error, -r, NULL, "cannot take over the deployments: %s", strerror(-r)) : 0;
}

void ng_lives_look(struct ng_keeper *keeper)
{
    for (struct ng_live *live = keeper->lives; live; live = live->next)
        ng_follow_adopted(keeper, live);
    ng_lives_denied_more(keeper, true);
}

struct ng_live *ng_lives_around(const struct ng_keeper *keeper, const char *path)
{
    struct ng_live *innermost = NULL;

    for (struct ng_live *live = keeper->lives; live; live = live->next) {
        size_t length = strlen(live->path);

        if (strncmp(path, live->path, length) == 0 && (path[length] == '/' || path[length] == '\0') &&
            (!innermost || length > strlen(innermost->path)))
            innermost = live;
    }
    return innermost;
}

bool ng_lives_hold(const struct ng_keeper *keeper, pid_t pid)
{
    _cleanup_free_ char *path = NULL;

    return ng_cgroup_of(keeper->cgroup_mount, pid, &path) < 0 || ng_lives_around(keeper, path);
}

unsigned ng_lives_of(const struct ng_keeper *keeper, uid_t uid)
{
    unsigned count = 0;

    for (const struct ng_live *live = keeper->lives; live; live = live->next)
        count += live->kernel.uid == uid;
    return count;
}

uint8_t ng_lives_flags(const struct ng_policy_info *policy)
{
    return (uint8_t)((policy->on_loss == NG_ON_LOSS_CLOSED ? NG_DEPLOYMENT_CLOSED : 0) |
                     (policy->established == NG_ESTABLISHED_KEEP ? NG_DEPLOYMENT_KEEP : 0));
}

static void orphan(struct ng_keeper *keeper, struct ng_live *live)
{
    char text[512];

    if (live->kernel.mode == NG_MODE_BLOCK)
        live->kernel.mode = NG_MODE_STRICT;
    live->kernel.networks = 0;
    (void)snprintf(text, sizeof(text), "policy '%s' is gone, but deployment %s stands under it: it is %s until the "
                   "policy is back", live->kernel.name, live->id, ng_mode_name(live->kernel.mode));
    ng_log(NG_LOG_WARNING, "%s", text);
    ng_records_add(keeper->records, ng_evidence_trouble("policy-gone", text, NULL, NULL), 0);
}

void ng_lives_follow(struct ng_keeper *keeper)
{
    for (struct ng_live *live = keeper->lives; live; live = live->next) {
        int policy = ng_snapshot_find_scope(keeper->snapshot, live->kernel.policy);
        struct ng_policy_info info;

        if (policy < 0 && live->orphaned)
            continue;
        live->orphaned = policy < 0;
        if (policy < 0) {
            orphan(keeper, live);
        } else {
            ng_snapshot_policy(keeper->snapshot, (unsigned)policy, &info);
            live->kernel.networks = info.networks;
            live->kernel.flags = (uint8_t)((live->kernel.flags & ~(NG_DEPLOYMENT_CLOSED | NG_DEPLOYMENT_KEEP)) |
                                           ng_lives_flags(&info));
            if (!live->kernel.mode_fixed)
                live->kernel.mode = info.mode;
        }
        if (ng_gate_update_deployment(keeper->gate, live->cgroup, &live->kernel) < 0)
            ng_log(NG_LOG_ERROR, "cannot update deployment %s", live->id);
    }
    ng_lives_denied_more(keeper, true);
}

static void found(struct ng_live *live, const struct ng_blame *blame)
{
    const struct ng_event *event = blame->event;
    char name[NG_NAME_TEXT_MAX], address[INET6_ADDRSTRLEN], proto[NG_PROTO_TEXT_MAX], rule[PATH_MAX + 16] = "";
    struct ng_finding finding = {.port = event->port,
                                 .proto = ng_event_proto(event, proto),
                                 .would = event->flags & NG_EVENT_WOULD,
                                 .destination = blame->guilty ? ng_name_to_text(&blame->guilty->chain[0], name)
                                                              : ng_address_text(event->address, address),
                                 .rule = rule,
                                 .reason = blame->reason,
                                 .instead = blame->has_rule ? blame->rule.instead : ""};

    memcpy(finding.comm, event->comm, sizeof(finding.comm));
    if (blame->has_rule)
        (void)snprintf(rule, sizeof(rule), "%s:%u", blame->rule.file, blame->rule.line);
    ng_live_found(live, &finding, event->flags & NG_EVENT_PROBE);
}

static void account(struct ng_keeper *keeper, struct ng_live *live, const struct ng_blame *blame)
{
    found(live, blame);
    live->late = live->ended_us != 0;
    ng_account_denial(keeper, live, blame);
}

static bool lies_in(struct ng_keeper *keeper, const struct ng_live *live, const struct ng_live *outer)
{
    for (int i = 0; i < NG_NESTING_MAX && live && live != outer; i++)
        live = ng_lives_by_cgroup(keeper, live->kernel.outer);
    return live == outer;
}

/* Whether its own policy has just denied it the same: the kernel asks from the inside out. */
static bool denied_itself(const struct ng_live *live, const struct ng_event *event)
{
    const struct ng_attempt *last = &live->last;

    return last->tgid == event->tgid && last->hook == event->hook && last->port == event->port &&
           memcmp(last->address, event->address, sizeof(last->address)) == 0 &&
           event->time - last->time < ATTEMPT_MAX;
}

/* What a deployment around denies, it denies to those inside as well: they are not clean. */
static void account_inside(struct ng_keeper *keeper, struct ng_live *live, const struct ng_blame *blame)
{
    const struct ng_event *event = blame->event;

    for (struct ng_live *it = keeper->lives; it; it = it->next)
        if (it != live && it->kernel.outer && lies_in(keeper, it, live) &&
            ng_lineage_process(it->lineage, (pid_t)event->tgid) && !denied_itself(it, event))
            account(keeper, it, blame);
}

/* live NULL: it ended long ago. */
static void denied(struct ng_keeper *keeper, struct ng_live *live, const struct ng_blame *blame)
{
    const struct ng_event *event = blame->event;

    ng_records_add(keeper->records, ng_evidence_denial(blame, live), event->time);
    ng_tally_denial(keeper->tally, live ? live->tally : NG_TALLY_OTHER, event, blame->evidence);
    if (!live)
        return;
    account(keeper, live, blame);
    if (!(event->flags & NG_EVENT_WOULD)) {
        live->last = (struct ng_attempt){
            .time = event->time, .tgid = event->tgid, .port = event->port, .hook = event->hook};
        memcpy(live->last.address, event->address, sizeof(live->last.address));
        account_inside(keeper, live, blame);
    }
    ng_shadow_event(keeper, live, blame, event->flags & NG_EVENT_WOULD ? "would-deny" : "deny");
}

/* Whose denial that is: of one that lives, or that has ended a moment ago, before they could all be read. */
static struct ng_live *culprit(struct ng_keeper *keeper, uint32_t scope)
{
    struct ng_live *live = ng_lives_by_scope(keeper, scope);

    if (live)
        return live;
    live = keeper->ended;
    while (live && live->kernel.scope != scope)
        live = live->next;
    return live;
}

void ng_lives_event(void *arg, const struct ng_event *event)
{
    struct ng_keeper *keeper = arg;
    struct ng_live *live = culprit(keeper, event->scope);
    struct ng_blame blame;

    ng_supervise_hear(keeper, event->time);
    if (live && ng_selftest_takes(live, event))
        return;
    ng_blame_denial(event, keeper->snapshot, keeper->track, &blame);
    denied(keeper, live, &blame);
}

void ng_lives_told(struct ng_keeper *keeper, const struct ng_resolution *resolution,
                   const struct ng_message_told *told)
{
    const struct ng_asker *asker = &told->asker;
    struct ng_live *live = culprit(keeper, asker->scope);
    struct ng_event event = {.time = told->replied_at,
                             .generation = keeper->state.generation,
                             .cgroup = live ? live->cgroup : 0,
                             .scope = asker->scope,
                             .policy = asker->policy,
                             .flags = asker->mode == NG_MODE_AUDIT ? NG_EVENT_WOULD : 0,
                             .hook = NG_HOOK_DNS,
                             .evidence = NG_EVIDENCE_NAME,
                             .mode = asker->mode,
                             .pid = asker->pid,
                             .tgid = asker->pid,
                             .uid = asker->uid};
    struct ng_blame blame;

    if (live)
        ng_account_resolution(keeper, live, resolution, told);
    if (told->answer == NG_ANSWER_REAL && (!live || !keeper->shadow))
        return;
    memcpy(event.comm, asker->comm, sizeof(event.comm));
    ng_blame_answer(&event, keeper->snapshot, resolution, (uint8_t)told->answer, &blame);
    if (told->answer == NG_ANSWER_REAL)
        ng_shadow_event(keeper, live, &blame, "allow");
    else
        denied(keeper, live, &blame);
}

void ng_lives_late(struct ng_keeper *keeper)
{
    for (struct ng_live *live = keeper->ended; live; live = live->next)
        if (live->late)
            ng_account_finish(keeper, live);
}

void ng_lives_denied_more(struct ng_keeper *keeper, bool news)
{
    if (keeper->lives && keeper->cutter)
        ng_cutter_wake(keeper->cutter, news);
}

void ng_lives_cut(void *arg, const struct ng_socket *cut)
{
    struct ng_keeper *keeper = arg;
    struct ng_event event = {.time = ng_now(),
                             .generation = keeper->state.generation,
                             .cgroup = cut->cgroup,
                             .scope = cut->scope,
                             .policy = cut->policy,
                             .flags = cut->flags,
                             .error = cut->protocol == IPPROTO_MPTCP ? 0 : -ECONNABORTED,
                             .port = cut->port,
                             .proto = cut->protocol == IPPROTO_MPTCP ? IPPROTO_TCP : (uint8_t)cut->protocol,
                             .hook = NG_HOOK_CUT,
                             .evidence = cut->evidence,
                             .mode = cut->mode,
                             .pid = cut->pid,
                             .tgid = cut->tgid,
                             .uid = cut->uid,
                             .gid = cut->gid};

    memcpy(event.address, cut->address, sizeof(event.address));
    memcpy(event.comm, cut->comm, sizeof(event.comm));
    ng_lives_event(keeper, &event);
}
