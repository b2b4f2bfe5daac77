// SPDX-License-Identifier: BSD-2-Clause
/* Wires the engine to sockets, maps and the keeper: one loop, which workers help to read and send. The process that
 * parses what strangers send, and holds nothing but what it was given. */
#include "resolver.h"

#include "departure.h"
#include "destinations.h"
#include "keeper.h"
#include "listener.h"
#include "upstream.h"
#include "worker.h"

#include <namegate/cleanup.h>
#include <namegate/epoch.h>
#include <namegate/clock.h>

#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>

#define LISTENERS_MAX 4096
#define RETIRED_FOR (60 * NG_SECOND) /* longer than any question is open */
#define TICK_MS 1000
#define ORDERS_PER_TURN 16

struct resolver {
    struct ng_source keeper; /* first: on_keeper() is called with it */
    struct ng_source alarm;  /* an eventfd that wakes the loop */
    pthread_mutex_t turn;    /* what is below is used by the thread that has it */
    bool idle;               /* the loop waits, and not for upstreams */
    struct ng_workers *workers;
    struct ng_keeper_link *link;
    struct ng_poll *poll;
    struct ng_engine *engine;
    struct ng_upstream *upstream;
    struct ng_message_start start;
    struct ng_local *loading; /* local records, while their files come */
    uint32_t loaded;          /* files of them; UINT32_MAX: one had an error */
    struct ng_stats_memory *memory;
    struct ng_stats *stats;
    uint64_t *epoch;
    struct ng_destinations *destinations;
    struct ng_departures *departures; /* NULL: not yet */
    int askers;
    bool failed; /* a write that had to be done before replies leave, in this turn */
    struct ng_listener *listener[LISTENERS_MAX];
    struct ng_message_listener pending[LISTENERS_MAX]; /* until the first snapshot */
    int pending_fd[LISTENERS_MAX];
    unsigned listeners, waiting;
    int error; /* ends the loop */
};

/* Before anything leaves. */
static void write_all(void *arg)
{
    ng_destinations_flush(((struct resolver *)arg)->destinations);
}

static void write_failed(void *arg, int error)
{
    struct resolver *resolver = arg;

    resolver->failed = true;
    ng_engine_write_failed(resolver->engine, error);
}

static uint64_t now_of(void *arg)
{
    (void)arg;
    return ng_now();
}

static int ask(void *arg, const struct ng_question *question, const uint8_t *wire, size_t size,
               struct ng_pending *pending)
{
    struct resolver *resolver = arg;

    /* At the end open questions are answered with nothing; that must not make new ones. */
    if (resolver->error)
        return -ECANCELED;
    if (ng_worker != 0 && resolver->idle) {
        resolver->idle = false;
        (void)eventfd_write(resolver->alarm.fd, 1); /* for timeouts */
    }
    return ng_upstream_ask(resolver->upstream, &question->name, wire, size, pending);
}

static void on_alarm(struct ng_source *source, uint32_t events)
{
    eventfd_t value;

    (void)events;
    (void)eventfd_read(source->fd, &value);
}

static void answered(void *arg, void *question, const uint8_t *wire, size_t size)
{
    struct resolver *resolver = arg;

    ng_destinations_gather(resolver->destinations, ng_learn_destinations(ng_engine_learn(resolver->engine)));
    ng_engine_answer(resolver->engine, question, wire, size);
    ng_destinations_direct(resolver->destinations);
}

static void reply(void *arg, const struct ng_client *client, const uint8_t *wire, size_t size)
{
    struct ng_listener *listener = client->listener;

    listener->reply(listener, client, wire, size);
    ng_stats_answered(((struct resolver *)arg)->stats, wire, size, client->received_at);
}

static void flush(void *arg, const struct ng_client *client)
{
    struct ng_listener *listener = client->listener;

    ng_stats_leave(((struct resolver *)arg)->stats, ng_now());
    listener->flush(listener);
}

static void tell(void *arg, const void *message, size_t size)
{
    ng_keeper_link_send(((struct resolver *)arg)->link, message, size);
}

static int adopt(void *arg, const struct ng_destination_key *key, const struct ng_destination *value)
{
    return ng_engine_adopt(arg, key, value);
}

static int on_memory(struct resolver *resolver, int fds[2])
{
    int r = resolver->engine || resolver->memory ? -EBADMSG : ng_stats_map(fds[0], true, &resolver->memory);

    if (r == 0)
        r = ng_epoch_map(fds[1], &resolver->epoch);
    return r == 0 ? ng_stats_new(resolver->memory, &resolver->stats) : r;
}

static int on_start(struct resolver *resolver, const struct ng_message_start *start, int fds[2])
{
    struct ng_engine_ops ops = {.now = now_of,
                                .ask = ask,
                                .reply = reply,
                                .flush = flush,
                                .tell = tell,
                                .stats = resolver->stats,
                                .arg = resolver};
    int r;

    if (resolver->engine || !resolver->epoch || fds[0] < 0 || fds[1] < 0 || start->workers == 0 ||
        start->workers > NG_WORKERS_MAX)
        return -EBADMSG;
    r = ng_destinations_new(fds[0], resolver->epoch, resolver->stats, write_failed, resolver, &resolver->destinations);
    if (r < 0)
        return r;
    fds[0] = -1;
    resolver->askers = TAKE_FD(fds[1]);
    resolver->start = *start;
    ops.claims = ng_destinations_ops(resolver->destinations);
    r = ng_engine_new(start, &ops, &resolver->engine);
    if (r == 0)
        r = ng_upstream_new(resolver->poll, start->upstream, start->upstreams, answered, resolver,
                            resolver->stats, &resolver->upstream);
    return r == 0 ? ng_destinations_each(resolver->destinations, adopt, resolver->engine) : r;
}

static int on_enforced(struct resolver *resolver, int fds[2])
{
    if (!resolver->destinations || resolver->departures || fds[0] < 0)
        return -EBADMSG;
    if (fds[1] >= 0)
        ng_destinations_verifier(resolver->destinations, TAKE_FD(fds[1]));
    (void)ng_departures_map(fds[0], &resolver->departures); /* without, answers of the cache cost more */
    return 0;
}

static int on_forward(struct resolver *resolver, const struct ng_message_forward *message)
{
    struct ng_name zone;

    if (!resolver->upstream || message->servers == 0 || message->servers > NG_UPSTREAMS_MAX ||
        ng_name_from_wire(message->zone.wire, message->zone.length, &zone) != message->zone.length)
        return -EBADMSG;
    return ng_upstream_forward(resolver->upstream, &zone, message->server, message->servers);
}

static int on_local(struct resolver *resolver, const struct ng_message_local *message, int fds[2])
{
    struct ng_message_loaded loaded = {.type = NG_MESSAGE_LOADED, .number = message->number};
    struct ng_local_error error = {.line = 0};
    int r = 0;

    if (!resolver->engine || message->number >= message->count || message->count > NG_LOCAL_FILES_MAX || fds[0] < 0)
        return -EBADMSG;
    if (message->number == 0) {
        ng_local_free(resolver->loading);
        resolver->loading = NULL;
        resolver->loaded = 0;
        r = ng_local_new(&resolver->loading);
    }
    if (r < 0 || message->number != resolver->loaded)
        return r; /* an earlier one had an error, and that was told */
    r = ng_local_load(resolver->loading, message->kind, fds[0], &error);
    resolver->loaded++;
    if (r == 0 && resolver->loaded < message->count)
        return 0;
    if (r == 0)
        r = ng_local_check(resolver->loading, &error);
    if (r == 0) {
        ng_engine_local(resolver->engine, resolver->loading);
        resolver->loading = NULL;
    }
    if (r < 0)
        resolver->loaded = UINT32_MAX;
    loaded.error = (uint32_t)-r;
    loaded.line = error.line;
    memcpy(loaded.text, error.text, sizeof(loaded.text));
    tell(resolver, &loaded, sizeof(loaded));
    return 0;
}

static int start_workers(struct resolver *resolver)
{
    struct ng_source *sources[LISTENERS_MAX];
    unsigned count = 0;

    for (unsigned i = 0; i < resolver->listeners; i++)
        if (resolver->listener[i]->source.concurrent)
            sources[count++] = &resolver->listener[i]->source;
    return ng_workers_start(resolver->start.workers, &resolver->turn, sources, count, &resolver->workers);
}

/* Nothing is answered before there is a policy to judge it by. */
static int open_listeners(struct resolver *resolver)
{
    while (resolver->waiting > 0) {
        unsigned last = resolver->waiting - 1;
        struct ng_listener_config config = {.start = &resolver->start,
                                            .poll = resolver->poll,
                                            .engine = resolver->engine,
                                            .link = resolver->link,
                                            .failed = &resolver->failed,
                                            .departures = &resolver->departures,
                                            .upstream = resolver->upstream,
                                            .stats = resolver->stats,
                                            .turn = &resolver->turn,
                                            .message = &resolver->pending[last],
                                            .askers = resolver->askers,
                                            .fd = resolver->pending_fd[last]};
        int r = ng_listener_new(&config, &resolver->listener[resolver->listeners]);

        if (r < 0)
            return r;
        resolver->listeners++;
        resolver->waiting--;
    }
    return !resolver->workers && resolver->start.workers > 1 ? start_workers(resolver) : 0;
}

static int on_listener(struct resolver *resolver, const struct ng_message_listener *message, int fds[2])
{
    if (!resolver->engine || fds[0] < 0 || resolver->listeners + resolver->waiting == LISTENERS_MAX ||
        (resolver->listeners && message->worker) ||
        message->worker >= (message->flags & NG_LISTENER_TCP ? 1 : resolver->start.workers))
        return -EBADMSG;
    resolver->pending[resolver->waiting] = *message;
    resolver->pending_fd[resolver->waiting++] = TAKE_FD(fds[0]);
    return resolver->listeners ? open_listeners(resolver) : 0;
}

static void on_unlisten(struct resolver *resolver, const struct ng_message_unlisten *message)
{
    for (unsigned i = 0; i < resolver->listeners; i++) {
        struct ng_listener *it = resolver->listener[i];

        if (it->netns != message->netns || it->retired_at)
            continue;
        ng_poll_remove(resolver->poll, &it->source);
        it->close(it);
        it->source.fd = ng_close(it->source.fd);
        it->retired_at = ng_now();
    }
}

/* A listener stays for as long as a question that came by it can be open. */
static void free_retired(struct resolver *resolver, uint64_t now)
{
    for (unsigned i = resolver->listeners; i-- > 0;) {
        struct ng_listener *it = resolver->listener[i];

        if (!it->retired_at || now - it->retired_at < RETIRED_FOR)
            continue;
        it->free(it);
        resolver->listener[i] = resolver->listener[--resolver->listeners];
    }
}

static int on_snapshot(struct resolver *resolver, const struct ng_message_snapshot *message, int fds[2])
{
    struct ng_message_ready ready = {.type = NG_MESSAGE_READY, .generation = message->generation};
    struct ng_snapshot *snapshot;
    int r = resolver->engine ? ng_snapshot_open(fds[0], &snapshot) : -EBADMSG;

    if (r < 0) {
        ready.error = (uint32_t)-r;
        tell(resolver, &ready, sizeof(ready));
        return 0;
    }
    ng_engine_snapshot(resolver->engine, snapshot, message->generation);
    return ng_learn_policy(ng_engine_learn(resolver->engine)) ? open_listeners(resolver) : 0;
}

static int obey(struct resolver *resolver, const union ng_order *order, int fds[2])
{
    switch (order->type) {
    case NG_MESSAGE_START:
        return on_start(resolver, &order->start, fds);
    case NG_MESSAGE_ENFORCED:
        return on_enforced(resolver, fds);
    case NG_MESSAGE_FORWARD:
        return on_forward(resolver, &order->forward);
    case NG_MESSAGE_LOCAL:
        return on_local(resolver, &order->local, fds);
    case NG_MESSAGE_LISTENER:
        return on_listener(resolver, &order->listener, fds);
    case NG_MESSAGE_UNLISTEN:
        on_unlisten(resolver, &order->unlisten);
        return 0;
    case NG_MESSAGE_SNAPSHOT:
        return on_snapshot(resolver, &order->snapshot, fds);
    case NG_MESSAGE_DEPLOYMENT:
        if (!resolver->engine)
            return -EBADMSG;
        ng_engine_deployment(resolver->engine, &order->deployment);
        ng_keeper_link_lives(resolver->link, ng_engine_lives(resolver->engine));
        return 0;
    case NG_MESSAGE_PREWARM:
        if (!resolver->engine)
            return -EBADMSG;
        ng_engine_prewarm(resolver->engine, &order->prewarm);
        return 0;
    case NG_MESSAGE_GRANT:
        return resolver->engine ? ng_engine_grant(resolver->engine, &order->grant) : -EBADMSG;
    case NG_MESSAGE_CANARY:
        return resolver->engine ? ng_engine_canary(resolver->engine, &order->canary) : -EBADMSG;
    case NG_MESSAGE_KNOWN:
        return resolver->engine ? ng_engine_known(resolver->engine, &order->known) : -EBADMSG;
    case NG_MESSAGE_MEMORY:
        return on_memory(resolver, fds);
    case NG_MESSAGE_PING:
        tell(resolver, &(struct ng_message_ping){.type = NG_MESSAGE_PONG}, sizeof(struct ng_message_ping));
        return 0;
    default:
        return -EBADMSG;
    }
}

static void on_keeper(struct ng_source *source, uint32_t events)
{
    struct resolver *resolver = (struct resolver *)source;
    static union ng_order order;

    (void)events;
    for (int i = 0; i < ORDERS_PER_TURN && resolver->error == 0; i++) {
        int fds[2] = {-1, -1};
        int r = ng_keeper_link_receive(resolver->link, &order, fds);

        if (r == -EAGAIN)
            return;
        if (r == 0)
            r = obey(resolver, &order, fds);
        (void)ng_close(fds[0]);
        (void)ng_close(fds[1]);
        resolver->error = r;
    }
}

static void tick(struct resolver *resolver, uint64_t now)
{
    if (resolver->engine)
        ng_engine_tick(resolver->engine);
    if (resolver->upstream)
        ng_upstream_health(resolver->upstream);
    for (unsigned i = 0; i < resolver->listeners; i++)
        resolver->listener[i]->tick(resolver->listener[i], now);
    free_retired(resolver, now);
}

/* What is due, and how long the loop may wait then, in ms. */
static int take_turn(struct resolver *resolver, uint64_t *next_tick)
{
    uint64_t now = ng_now();
    int timeout = TICK_MS;
    bool ticked = now >= *next_tick;

    ng_poll_release(resolver->poll);
    if (ticked) {
        tick(resolver, now);
        *next_tick = now + TICK_MS * (NG_SECOND / 1000);
    }
    if (resolver->upstream) {
        ng_upstream_process(resolver->upstream);
        ng_upstream_send(resolver->upstream);
        timeout = ng_upstream_timeout(resolver->upstream, timeout);
    }
    if (resolver->engine && ng_engine_patrol(resolver->engine))
        timeout = 0; /* what is left comes when those who ask meanwhile have had their turn */
    if (timeout == TICK_MS || ticked)
        ng_keeper_link_flush(resolver->link);
    else
        ng_keeper_link_settle(resolver->link);
    if (ng_stats_leaving(resolver->stats))
        ng_stats_leave(resolver->stats, ng_now());
    for (unsigned i = 0; i < resolver->listeners; i++)
        resolver->listener[i]->flush(resolver->listener[i]);
    resolver->failed = false;
    resolver->idle = timeout == TICK_MS;
    return timeout;
}

static int serve(struct resolver *resolver)
{
    uint64_t next_tick = ng_now();
    int r = ng_keeper_link_new(NG_CHANNEL_FD, write_all, resolver, &resolver->link);

    if (r == 0)
        r = ng_poll_new(&resolver->turn, &resolver->poll);
    if (r == 0)
        r = ng_poll_add(resolver->poll, &resolver->keeper, EPOLLIN);
    if (r == 0)
        r = ng_poll_add(resolver->poll, &resolver->alarm, EPOLLIN);
    while (r == 0 && resolver->error == 0) {
        int timeout;

        (void)pthread_mutex_lock(&resolver->turn);
        timeout = take_turn(resolver, &next_tick);
        (void)pthread_mutex_unlock(&resolver->turn);
        ng_poll_wait(resolver->poll, timeout);
    }
    ng_workers_end(resolver->workers);
    if (r < 0)
        return r;
    return resolver->error == -ECONNRESET ? 0 : resolver->error; /* the keeper has ended: so does this */
}

/* Turns are short, shorter than going to sleep and being woken: who waits for one spins a little first. */
static void init_turn(pthread_mutex_t *turn)
{
    pthread_mutexattr_t attributes;

    (void)pthread_mutexattr_init(&attributes);
    (void)pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
    (void)pthread_mutex_init(turn, &attributes);
    (void)pthread_mutexattr_destroy(&attributes);
}

int ng_resolver_main(void)
{
    struct resolver *resolver = calloc(1, sizeof(*resolver));
    int r;

    if (!resolver)
        return -ENOMEM;
    resolver->keeper = (struct ng_source){.ready = on_keeper, .fd = NG_CHANNEL_FD};
    resolver->alarm = (struct ng_source){.ready = on_alarm, .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    resolver->askers = -1;
    init_turn(&resolver->turn);
    (void)signal(SIGPIPE, SIG_IGN); /* c-ares writes to connections that may have gone */
    r = serve(resolver);
    ng_upstream_free(resolver->upstream);
    for (unsigned i = 0; i < resolver->listeners; i++)
        resolver->listener[i]->free(resolver->listener[i]);
    while (resolver->waiting > 0)
        (void)ng_close(resolver->pending_fd[--resolver->waiting]);
    ng_local_free(resolver->loading);
    ng_engine_free(resolver->engine);
    ng_destinations_free(resolver->destinations);
    ng_poll_free(resolver->poll);
    ng_keeper_link_free(resolver->link);
    (void)ng_close(resolver->alarm.fd);
    (void)pthread_mutex_destroy(&resolver->turn);
    (void)ng_close(resolver->askers);
    ng_stats_free(resolver->stats);
    ng_stats_unmap(resolver->memory);
    ng_epoch_unmap(resolver->epoch);
    ng_departures_unmap(resolver->departures);
    free(resolver);
    return r;
}
