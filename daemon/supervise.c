// SPDX-License-Identifier: BSD-2-Clause
/* Starts the resolver, again when it dies, and hears what it says. Enforcement does not depend on it living. */
#include "keeper.h"

#include "account.h"
#include "await.h"
#include "evidence.h"
#include "host.h"
#include "known.h"
#include "local.h"
#include "text.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#define LULL (NG_SECOND / 500)
#define LULL_BUSY (NG_SECOND / 100)
#define BUSY 4096 /* octets that were read at once */
#define READY_TIMEOUT_MS 10000
#define SILENCE_MAX 3           /* pings; counted, because a clock also runs while the host sleeps */
#define RESTART_DELAY NG_SECOND /* of one that could not be started, or died soon; doubled each time */
#define RESTART_DELAY_MAX (16 * NG_SECOND)
#define STEADY (10 * NG_SECOND) /* who has lived for so long did not die soon */
#define TOLD_MAX 65536          /* look-ups that wait for the kernel to have said who asks */
#define CRASHES_TOLD 3          /* in a row, and it is on record */

/* The keeper reads the channel, and then not for a while, because to be woken costs more than what the messages ask
 * for. They wait in the channel, which is read before any denial is put on record. */
static void on_channel(void *arg, uint32_t events)
{
    struct ng_keeper *keeper = arg;
    ssize_t got = ng_child_receive(keeper->child, NG_CHILD_TURN);

    (void)events;
    ng_supervise_account(keeper, ng_gate_consume(keeper->gate));
    if (got < 0) {
        ng_supervise_exited(keeper);
        return;
    }
    (void)ng_loop_change(keeper->loop, ng_child_fd(keeper->child), 0);
    ng_timer_again(keeper->lull, got < BUSY ? LULL : LULL_BUSY);
}

void ng_supervise_hear(struct ng_keeper *keeper, uint64_t until)
{
    uint64_t now = ng_now();

    if (ng_child_fd(keeper->child) >= 0 && until >= keeper->heard_at &&
        ng_child_receive(keeper->child, NG_CHILD_ALL) >= 0)
        keeper->heard_at = now;
}

static void on_lull(void *arg, uint32_t events)
{
    struct ng_keeper *keeper = arg;

    (void)events;
    ng_timer_clear(keeper->lull);
    if (ng_child_fd(keeper->child) >= 0)
        (void)ng_loop_change(keeper->loop, ng_child_fd(keeper->child), EPOLLIN);
}

static void on_restart(void *arg, uint32_t events);

static int watch_channel(struct ng_keeper *keeper)
{
    int r = 0;

    /* Both are there before they are needed: there may be no descriptor left then. */
    if (keeper->restart < 0) {
        keeper->restart = ng_timer_new(NG_FOREVER / 4, 1);
        r = keeper->restart < 0 ? keeper->restart
                                : ng_loop_add(keeper->loop, keeper->restart, EPOLLIN, on_restart, keeper);
    }
    if (r == 0 && keeper->lull < 0) {
        keeper->lull = ng_timer_new(LULL, 1);
        r = keeper->lull < 0 ? keeper->lull : ng_loop_add(keeper->loop, keeper->lull, EPOLLIN, on_lull, keeper);
    }
    return r < 0 ? r : ng_loop_add(keeper->loop, ng_child_fd(keeper->child), EPOLLIN, on_channel, keeper);
}

static struct ng_message_start start_message(const struct ng_keeper *keeper)
{
    struct ng_message_start start = {.type = NG_MESSAGE_START,
                                     .upstreams = keeper->config.upstreams,
                                     .floor_s = keeper->config.floor,
                                     .grace_s = keeper->config.grace,
                                     .cache_entries = keeper->config.cache_size,
                                     .tracked_max = ng_gate_destinations_max(keeper->gate),
                                     .stale_s = keeper->config.serve_stale,
                                     .workers = keeper->config.workers};
    unsigned left = ng_host_guard(&keeper->config, &start);

    memcpy(start.upstream, keeper->config.upstream, sizeof(start.upstream));
    start.clients = keeper->config.clients;
    for (unsigned i = 0; i < start.clients; i++) {
        memcpy(start.client[i].address, keeper->config.client[i].address, sizeof(start.client[i].address));
        start.client[i].prefix = keeper->config.client[i].prefix;
    }
    if (left)
        ng_log(NG_LOG_WARNING, "%u addresses of this host do not fit into the never-deny set, ignoring", left);
    return start;
}

static int send_forwards(const struct ng_keeper *keeper)
{
    int r = 0;

    for (unsigned i = 0; r == 0 && i < keeper->config.forwards; i++) {
        const struct ng_forward_setting *forward = &keeper->config.forward[i];
        struct ng_message_forward message = {.type = NG_MESSAGE_FORWARD, .servers = forward->servers};

        message.zone.length = forward->zone.length;
        memcpy(message.zone.wire, forward->zone.wire, forward->zone.length);
        memcpy(message.server, forward->server, sizeof(message.server));
        r = ng_child_send(keeper->child, &message, sizeof(message), -1, -1);
    }
    return r;
}

void ng_supervise_enforced(struct ng_keeper *keeper)
{
    static const struct ng_message_enforced message = {.type = NG_MESSAGE_ENFORCED};
    int departures = ng_gate_departures(keeper->gate);

    if (departures < 0)
        return;
    ng_gate_mark(keeper->gate, &keeper->listeners);
    ng_namespaces_mark_all(keeper);
    /* A resolver that has not heard of it is slower, no more. */
    (void)ng_child_send(keeper->child, &message, sizeof(message), departures, ng_gate_verifier(keeper->gate));
}

int ng_supervise_start(struct ng_keeper *keeper, struct ng_error *error)
{
    struct ng_message_start start = start_message(keeper);
    int r = ng_child_start(keeper->child, &start, ng_gate_destinations(keeper->gate), ng_gate_askers(keeper->gate),
                           ng_statistics_fd(keeper->statistics), ng_gate_epoch(keeper->gate), &keeper->listeners,
                           error);

    if (r < 0)
        return r;
    r = ng_namespaces_send(keeper);
    if (r == 0)
        r = send_forwards(keeper);
    if (r < 0)
        return ng_error_set(error, -r, NULL, "cannot talk to the resolver: %s", strerror(-r));
    ng_supervise_enforced(keeper);
    ng_local_files_send(keeper);
    keeper->child_ready = keeper->known_sent = false;
    keeper->child_started_at = ng_now();
    keeper->child_silent = 0;
    ng_track_new_resolver(keeper->track);
    /* The leases of live deployments must be known before the first snapshot is ready. */
    for (const struct ng_live *live = keeper->lives; live; live = live->next)
        ng_supervise_deployment(keeper, live, false);
    r = watch_channel(keeper);
    return r < 0 ? ng_error_set(error, -r, NULL, "cannot watch the resolver: %s", strerror(-r)) : 0;
}

static void on_restart(void *arg, uint32_t events)
{
    struct ng_keeper *keeper = arg;
    struct ng_error error;

    (void)events;
    ng_timer_clear(keeper->restart);
    keeper->restart_due = false;
    if (ng_supervise_start(keeper, &error) == 0) {
        ng_change_resend(keeper);
        return;
    }
    ng_log(NG_LOG_ERROR, "%s", error.text);
    ng_supervise_exited(keeper);
}

/* The first one is replaced at once, further ones ever later. */
static uint64_t restart_delay(struct ng_keeper *keeper)
{
    uint64_t delay = RESTART_DELAY;

    if (ng_now() - keeper->child_started_at >= STEADY && keeper->child_ready)
        keeper->crashes = 0;
    for (unsigned i = 1; i < keeper->crashes && delay < RESTART_DELAY_MAX; i++)
        delay *= 2;
    return keeper->crashes++ ? delay : 1;
}

void ng_supervise_exited(struct ng_keeper *keeper)
{
    uint64_t delay;

    if (ng_child_fd(keeper->child) >= 0)
        ng_loop_remove(keeper->loop, ng_child_fd(keeper->child));
    ng_child_reap(keeper->child);
    if (keeper->stopping || keeper->restart_due)
        return;
    delay = restart_delay(keeper);
    keeper->restarts++;
    keeper->child_ready = false;
    (void)ng_keeper_set_state(keeper); /* it may have written, and not said so to the programs any more */
    keeper->restart_due = true;
    ng_timer_again(keeper->restart, delay);
    ng_log(NG_LOG_WARNING, "the resolver ended, starting another%s; enforcement is not affected",
           delay > 1 ? " in a while, because it does so again and again" : "");
    if (keeper->crashes == CRASHES_TOLD)
        ng_records_add(keeper->records,
                       ng_evidence_trouble("crashing", "the resolver ends again and again: names do not resolve for "
                                           "deployments, and what is denied stays denied", NULL, NULL), 0);
}

void ng_supervise_ping(struct ng_keeper *keeper)
{
    static const struct ng_message_ping ping = {.type = NG_MESSAGE_PING};

    if (ng_child_fd(keeper->child) < 0)
        return;
    if (keeper->child_silent++ < SILENCE_MAX) {
        (void)ng_child_send(keeper->child, &ping, sizeof(ping), -1, -1);
        return;
    }
    ng_records_add(keeper->records,
                   ng_evidence_trouble("silent", "the resolver was stopped or hung, and is replaced", NULL, NULL), 0);
    ng_supervise_exited(keeper);
}

void ng_supervise_deployment(struct ng_keeper *keeper, const struct ng_live *live, bool ended)
{
    struct ng_message_deployment message = {.type = NG_MESSAGE_DEPLOYMENT,
                                            .scope = live->kernel.scope,
                                            .policy = live->kernel.policy,
                                            .ended = ended,
                                            .oldest = ng_lives_oldest(keeper)};

    if (ng_child_send(keeper->child, &message, sizeof(message), -1, -1) == -EAGAIN)
        ng_supervise_exited(keeper); /* it reads nothing: a new one is told everything */
    else if (!ended && keeper->child_ready)
        ng_grants_send(keeper, live);
}

int ng_supervise_prewarm(struct ng_keeper *keeper, uint32_t policy, uint64_t token)
{
    struct ng_message_prewarm message = {.type = NG_MESSAGE_PREWARM, .policy = policy, .token = token};

    return ng_child_send(keeper->child, &message, sizeof(message), -1, -1);
}

static bool stood_under(const struct ng_keeper *keeper, uint32_t policy)
{
    for (const struct ng_live *live = keeper->lives; live; live = live->next)
        if (live->kernel.policy == policy)
            return true;
    return false;
}

static unsigned prewarm_all(struct ng_keeper *keeper, bool live_only, uint64_t token)
{
    unsigned asked = 0;

    for (unsigned i = 0; keeper->snapshot && i < ng_snapshot_policies(keeper->snapshot); i++) {
        struct ng_policy_info policy;

        ng_snapshot_policy(keeper->snapshot, i, &policy);
        if (live_only && !stood_under(keeper, policy.scope))
            continue;
        /* A resolver that cannot be reached is followed by another, which is told anew: without the token, so that who
         * waits for it is told that the names are not known. */
        (void)ng_supervise_prewarm(keeper, policy.scope, token);
        asked++;
    }
    return asked;
}

unsigned ng_supervise_prewarm_live(struct ng_keeper *keeper, uint64_t token)
{
    return prewarm_all(keeper, true, token);
}

void ng_supervise_refresh(struct ng_keeper *keeper, bool live_only)
{
    (void)prewarm_all(keeper, live_only, 0);
    for (const struct ng_live *live = keeper->lives; live; live = live->next)
        ng_grants_send(keeper, live);
    keeper->refreshed_at = ng_now();
}

static void told(struct ng_keeper *keeper, const struct ng_message_told *message)
{
    const struct ng_live *live = ng_lives_by_scope(keeper, message->asker.scope);
    const struct ng_resolution *resolution;
    bool first = false;

    if (message->answer > NG_ANSWER_DECOY || ng_track_told(keeper->track, message, &first) < 0)
        return;
    resolution = ng_track_find(keeper->track, message->resolution);
    if (first || !message->asker.scope)
        ng_records_add(keeper->records, ng_evidence_resolution(resolution, live ? live->id : NULL),
                       message->replied_at);
    if (message->asker.scope && !ng_vector_add(&keeper->told, *message))
        keeper->lost_messages++;
}

void ng_supervise_account(struct ng_keeper *keeper, bool more)
{
    ng_told_list list = keeper->told;

    if (more && list.count < TOLD_MAX)
        return;
    keeper->told = (ng_told_list){0}; /* who follows the records may go, and much may end by that */
    for (size_t i = 0; i < list.count; i++) {
        const struct ng_message_told *message = &list.items[i];
        const struct ng_resolution *resolution = ng_track_find(keeper->track, message->resolution);

        if (resolution)
            ng_lives_told(keeper, resolution, message);
        else
            keeper->lost_messages++;
    }
    ng_vector_free(&list);
}

void ng_supervise_settle(struct ng_keeper *keeper)
{
    ng_supervise_hear(keeper, ng_now());
    ng_gate_drain(keeper->gate);
    ng_supervise_account(keeper, false);
}

static const char *trouble_text(uint32_t trouble)
{
    static const char *const texts[] = {
        [NG_TROUBLE_MAP_FULL] = "destinations is full: answers fail and what blocks is strict; raise "
                                "max-destinations",
        [NG_TROUBLE_MAP_WRITE] = "an address could not be written to the kernel, the answer failed",
        [NG_TROUBLE_TRACKED_FULL] = "too many names are tracked, the answer failed; raise max-destinations",
        [NG_TROUBLE_GUARDED] = "a denied name resolved to an address of the never-deny set, which was not denied",
        [NG_TROUBLE_UPSTREAM] = "no upstream answered",
        [NG_TROUBLE_MALFORMED] = "a malformed answer was refused",
        [NG_TROUBLE_LOST] = "messages of the resolver were lost: records lack names",
        [NG_TROUBLE_RECOVERED] = "addresses can be written again",
        [NG_TROUBLE_RESTORED] = "somebody else took entries out of the kernel, or changed them; they are back",
    };

    return trouble > 0 && trouble < NG_TROUBLE_MAX ? texts[trouble] : "unknown trouble";
}

static const char *trouble_name(uint32_t trouble)
{
    static const char *const names[] = {
        [NG_TROUBLE_MAP_FULL] = "map-full", [NG_TROUBLE_MAP_WRITE] = "map-write",
        [NG_TROUBLE_TRACKED_FULL] = "tracked-full", [NG_TROUBLE_GUARDED] = "guarded",
        [NG_TROUBLE_UPSTREAM] = "upstream", [NG_TROUBLE_MALFORMED] = "malformed", [NG_TROUBLE_LOST] = "lost",
        [NG_TROUBLE_RECOVERED] = "recovered", [NG_TROUBLE_RESTORED] = "restored",
    };

    return trouble > 0 && trouble < NG_TROUBLE_MAX ? names[trouble] : "unknown";
}

static void trouble(struct ng_keeper *keeper, const struct ng_message_trouble *message)
{
    static const uint8_t none[16];
    struct ng_name name;
    bool named = message->name.length &&
                 ng_name_from_wire(message->name.wire, message->name.length, &name) == message->name.length;
    bool full = message->trouble == NG_TROUBLE_MAP_FULL;

    if (message->trouble == NG_TROUBLE_LOST)
        keeper->lost_messages += message->count;
    if (full || message->trouble == NG_TROUBLE_RECOVERED) {
        keeper->state.escalated = full;
        if (ng_keeper_set_state(keeper) < 0)
            ng_log(NG_LOG_ERROR, "cannot change the switches in the kernel");
        ng_log(NG_LOG_WARNING, "%s", trouble_text(message->trouble));
    }
    if (full || message->trouble == NG_TROUBLE_LOST) /* all that is not allowed, or what was learnt unheard */
        ng_lives_denied_more(keeper, true);
    ng_records_add(keeper->records,
                   ng_evidence_trouble(trouble_name(message->trouble), trouble_text(message->trouble),
                                       named ? ng_json_name(&name) : NULL,
                                       memcmp(message->address, none, 16) ? ng_json_address(message->address) : NULL),
                   0);
}

void ng_supervise_message(void *arg, const void *message, size_t size)
{
    struct ng_keeper *keeper = arg;
    const union ng_message *any = message;

    (void)size;
    keeper->child_silent = 0;
    switch (any->type) {
    case NG_MESSAGE_READY:
        keeper->child_ready = keeper->child_ready || any->ready.error == 0;
        ng_change_ready(keeper, any->ready.generation, any->ready.error);
        if (any->ready.error == 0 && !keeper->known_sent)
            ng_known_send(keeper);
        for (const struct ng_live *live = keeper->lives; live && !keeper->known_sent; live = live->next)
            ng_grants_send(keeper, live);
        keeper->known_sent |= any->ready.error == 0;
        if (any->ready.error == 0)
            ng_supervise_refresh(keeper, false);
        break;
    case NG_MESSAGE_RESOLUTION:
        if (ng_track_resolution(keeper->track, &any->resolution) < 0)
            keeper->lost_messages++;
        if (any->resolution.wrote_at)
            ng_lives_denied_more(keeper, true);
        break;
    case NG_MESSAGE_TOLD:
        told(keeper, &any->told);
        break;
    case NG_MESSAGE_TROUBLE:
        trouble(keeper, &any->trouble);
        break;
    case NG_MESSAGE_PREWARMED:
        ng_await_heard(keeper, any->prewarmed.token, any->prewarmed.failed);
        break;
    case NG_MESSAGE_LOADED:
        ng_local_files_loaded(keeper, &any->loaded);
        break;
    case NG_MESSAGE_PONG:
    default:
        break;
    }
}

int ng_supervise_wait_ready(struct ng_keeper *keeper, struct ng_error *error)
{
    uint64_t until = ng_now() + READY_TIMEOUT_MS * (NG_SECOND / 1000);

    while (!keeper->child_ready && ng_now() < until) {
        struct pollfd fd = {.fd = ng_child_fd(keeper->child), .events = POLLIN};

        if (poll(&fd, 1, 100) > 0 && ng_child_receive(keeper->child, NG_CHILD_TURN) < 0)
            break;
    }
    if (keeper->child_ready)
        return 0;
    return ng_error_set(error, EPIPE, "-v shows more", "the resolver does not start");
}
