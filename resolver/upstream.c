// SPDX-License-Identifier: BSD-2-Clause
/* A question goes to the server that answered fastest of late. One that is slower than it used to be is not waited for:
 * the next is asked as well, and the first answer counts. A server that stays silent is left out, and tried again with
 * a copy of a question that another one answers, so that nobody waits for it.
 *
 * What a forger would have to guess: the id, the port (sockets are used for a while only) and the case of the name. */
#include "upstream.h"

#include "path.h"
#include "random.h"

#include "../policy/vector.h"

#include <namegate/clock.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define MS (NG_SECOND / 1000)
#define ATTEMPTS_MAX 6         /* queries for one question */
#define FAILURES_MAX 4         /* of them that were answered by a failure */
#define PATIENCE_MIN (100 * MS)
#define PATIENCE_MAX (1500 * MS)
#define PATIENCE_UNKNOWN (400 * MS) /* of a server that has not answered yet */
#define SILENT_MAX 3           /* so many unanswered queries in a row, and the server is left out */
#define RETRY_MIN (1 * NG_SECOND)  /* until it is tried again; doubles up to ... */
#define RETRY_MAX (60 * NG_SECOND)
#define KNOWN_FOR (900 * NG_SECOND) /* what a server cannot do; then it is tried again */
#define LOOK (25 * MS)         /* how often open questions are looked at */
#define FLAG_TC 0x02           /* in the third octet of a message */
#define OPT_OCTETS 11          /* that ng_wire_ask() ends with */

struct server {
    struct ng_endpoint endpoint;
    struct ng_path *path[2];   /* by UDP, by TCP */
    uint64_t rtt;              /* ns, smoothed; 0: unknown */
    unsigned silent;           /* queries in a row without an answer */
    uint64_t retry_at, retry;  /* ns: when, after how long, one that is left out is tried again */
    uint64_t lowers_until;     /* ns: it does not repeat names as they were asked, */
    uint64_t plain_until;      /* and does not understand EDNS, as far as is known */
};

struct zone {
    struct ng_name name; /* length 0: all others */
    unsigned server[NG_UPSTREAMS_MAX], servers;
};

struct attempt {
    struct ng_path_query query; /* first: answered() is called with it */
    struct question *question;
    unsigned server;
    uint64_t sent_at, patience;
    bool open, tcp, late; /* late: it was given up, though an answer would still count */
};

struct question {
    TAILQ_ENTRY(question) open;
    struct ng_upstream *upstream;
    void *arg;
    const struct zone *zone;
    uint64_t begun_at, next_at; /* ns: when the next server is asked */
    unsigned attempts, under_way, failures;
    bool done, over_tcp; /* over_tcp: an answer was cut, or repeats the name in another case */
    unsigned cut_by;     /* the server of that answer is asked first */
    uint8_t *failure;    /* the last answer that says failure */
    size_t failure_size, size;
    struct attempt attempt[ATTEMPTS_MAX];
    uint8_t wire[NG_WIRE_QUERY_MAX];
};

struct ng_upstream {
    struct ng_paths *paths;
    ng_upstream_fn answered;
    void *arg;
    struct ng_stats *stats;
    NG_VECTOR(struct server) servers;
    NG_VECTOR(struct zone *) zones; /* the first is for all names without one of their own */
    TAILQ_HEAD(, question) open;
    uint64_t looked_at;
    bool ending;
};

/* --- servers */

static bool left_out(const struct server *server)
{
    return server->silent >= SILENT_MAX;
}

/* before: how often it was asked the same already. Ever longer, so that a pause of the network is outlasted. */
static uint64_t patience(const struct server *server, unsigned before)
{
    uint64_t wait = server->rtt ? 4 * server->rtt : PATIENCE_UNKNOWN;

    wait = (wait < PATIENCE_MIN ? PATIENCE_MIN : wait) << before;
    return wait > PATIENCE_MAX ? PATIENCE_MAX : wait;
}

static void heard(struct server *server, uint64_t took)
{
    server->rtt = server->rtt ? (7 * server->rtt + took) / 8 : took;
    server->silent = 0;
}

static void missed(struct server *server, uint64_t now)
{
    if (server->silent == SILENT_MAX || ++server->silent < SILENT_MAX)
        return;
    server->retry = RETRY_MIN;
    server->retry_at = now + server->retry;
}

static unsigned tried(const struct question *question, unsigned server)
{
    unsigned times = 0;

    for (unsigned i = 0; i < question->attempts; i++)
        times += question->attempt[i].server == server;
    return times;
}

/* The fastest of those that are not left out and were not asked yet; else one that was asked, or is left out. One whose
 * time is unknown comes first, in the order of the configuration, so that it becomes known. */
static unsigned choose(const struct ng_upstream *upstream, const struct question *question)
{
    const struct zone *zone = question->zone;
    unsigned best = zone->server[0];
    uint64_t cost = UINT64_MAX;

    for (unsigned i = 0; i < zone->servers; i++) {
        const struct server *server = &upstream->servers.items[zone->server[i]];
        uint64_t own = server->rtt + tried(question, zone->server[i]) * (UINT64_MAX / 16) +
                       (left_out(server) ? UINT64_MAX / 2 : 0);

        if (own < cost) {
            cost = own;
            best = zone->server[i];
        }
    }
    return best;
}

/* A server that may be tried again, or, now and then, one that is not the fastest: it may have become so. */
static int worth_a_try(struct ng_upstream *upstream, const struct question *question, uint64_t now)
{
    const struct zone *zone = question->zone;

    for (unsigned i = 0; i < zone->servers; i++) {
        struct server *server = &upstream->servers.items[zone->server[i]];

        if (left_out(server) && now >= server->retry_at && !tried(question, zone->server[i])) {
            /* One question tries it, not all that come now. */
            server->retry = server->retry * 2 > RETRY_MAX ? RETRY_MAX : server->retry * 2;
            server->retry_at = now + server->retry;
            return (int)zone->server[i];
        }
    }
    if (zone->servers > 1 && ng_random() % 64 == 0) {
        unsigned any = zone->server[ng_random() % zone->servers];

        if (!tried(question, any) && !left_out(&upstream->servers.items[any]))
            return (int)any;
    }
    return -1;
}

/* --- questions */

static void put_id(uint8_t *wire)
{
    uint16_t id = (uint16_t)ng_random();

    memcpy(wire, &id, sizeof(id));
}

/* draft-vixie-dnsext-dns0x20: a bit for each letter. */
static void mix_case(uint8_t *wire, size_t length)
{
    uint64_t bits = 0;

    for (size_t i = 0; i < length; i++) {
        if (i % 64 == 0)
            bits = ng_random();
        if (wire[i] >= 'a' && wire[i] <= 'z' && bits >> (i % 64) & 1)
            wire[i] = (uint8_t)(wire[i] - 'a' + 'A');
    }
}

static void lower(uint8_t *wire, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (wire[i] >= 'A' && wire[i] <= 'Z')
            wire[i] = (uint8_t)(wire[i] - 'A' + 'a');
}

static size_t name_length(const struct question *question)
{
    return question->size - NG_WIRE_HEADER - 4U - OPT_OCTETS;
}

/* Whether the answer repeats the name as it was asked. */
static bool same_case(const struct question *question, const uint8_t *wire, size_t size)
{
    size_t length = name_length(question);

    return size >= NG_WIRE_HEADER + length &&
           memcmp(wire + NG_WIRE_HEADER, question->wire + NG_WIRE_HEADER, length) == 0;
}

static void release(struct question *question)
{
    if (question->under_way > 0 || !question->done)
        return;
    free(question->failure);
    free(question);
}

static void finish(struct question *question, const uint8_t *wire, size_t size, uint64_t now)
{
    struct ng_upstream *upstream = question->upstream;
    uint8_t *failure = question->failure;

    ng_stats_upstream(upstream->stats, question->begun_at, now);
    if (!wire && !failure)
        ng_stats_count(upstream->stats, now - question->begun_at >= NG_UPSTREAM_GIVEN_UP_MS * MS
                                            ? NG_COUNT_UPSTREAM_TIMEOUTS
                                            : NG_COUNT_UPSTREAM_FAILURES);
    question->done = true;
    question->failure = NULL;
    TAILQ_REMOVE(&upstream->open, question, open);
    if (!wire && failure)
        upstream->answered(upstream->arg, question->arg, failure, question->failure_size);
    else
        upstream->answered(upstream->arg, question->arg, wire, size);
    free(failure);
}

static void on_answer(struct ng_path_query *query, const uint8_t *wire, size_t size);

static void send_to(struct question *question, unsigned number, bool tcp, uint64_t now)
{
    struct ng_upstream *upstream = question->upstream;
    struct server *server = &upstream->servers.items[number];
    struct ng_path *path = ng_path_to(upstream->paths, &server->path[tcp], &server->endpoint, tcp, now);
    uint64_t wait = patience(server, tried(question, number));
    struct attempt *attempt = &question->attempt[question->attempts++];
    uint8_t wire[NG_WIRE_QUERY_MAX];
    size_t length = question->size;

    *attempt = (struct attempt){.query = {.answered = on_answer}, .question = question, .server = number,
                                .sent_at = now, .patience = wait, .tcp = tcp};
    question->next_at = now + wait;
    if (!path)
        return;
    memcpy(wire, question->wire, length);
    if (now < server->lowers_until)
        lower(wire + NG_WIRE_HEADER, name_length(question));
    if (now < server->plain_until) {
        length -= OPT_OCTETS;
        memset(wire + 10, 0, 2);
    }
    attempt->open = true;
    question->under_way++;
    ng_path_ask(path, wire, length, &attempt->query);
}

static bool asked_over_tcp(const struct question *question)
{
    for (unsigned i = 0; i < question->attempts; i++)
        if (question->attempt[i].tcp)
            return true;
    return false;
}

/* Asks the next server; the question fails when there were enough. */
static void proceed(struct question *question, uint64_t now)
{
    struct ng_upstream *upstream = question->upstream;
    int also;

    if (question->attempts == ATTEMPTS_MAX || question->failures >= FAILURES_MAX || upstream->ending) {
        question->next_at = UINT64_MAX;
        if (question->under_way == 0 || upstream->ending)
            finish(question, NULL, 0, now);
        return;
    }
    also = question->attempts == 0 ? worth_a_try(upstream, question, now) : -1;
    if (question->over_tcp && !asked_over_tcp(question))
        send_to(question, question->cut_by, true, now);
    else
        send_to(question, choose(upstream, question), question->over_tcp, now);
    if (also >= 0 && !tried(question, (unsigned)also)) {
        uint64_t next = question->next_at;

        send_to(question, (unsigned)also, false, now);
        question->next_at = next;
    }
}

/* An answer that came. False: it does not count. */
static bool accept_answer(struct question *question, struct attempt *attempt, const uint8_t *wire, size_t size,
                          uint64_t now)
{
    struct server *server = &question->upstream->servers.items[attempt->server];
    unsigned rcode = size >= NG_WIRE_HEADER ? wire[3] & 15U : NG_RCODE_FORMERR;

    if (size < NG_WIRE_HEADER)
        return false;
    if (rcode == NG_RCODE_FORMERR && now >= server->plain_until) {
        server->plain_until = now + KNOWN_FOR; /* RFC 6891 section 7; the next attempt goes without */
        return false;
    }
    if (rcode != NG_RCODE_NOERROR && rcode != NG_RCODE_NXDOMAIN) {
        uint8_t *copy = malloc(size);

        if (copy) {
            memcpy(copy, wire, size);
            free(question->failure);
            question->failure = copy;
            question->failure_size = size;
        }
        return false;
    }
    if (!(wire[2] & FLAG_TC) && (now < server->lowers_until || same_case(question, wire, size)))
        return true;
    /* Cut; or forged, or by a server that lowers names: TCP shows which, as that cannot be forged so. */
    if (attempt->tcp && !(wire[2] & FLAG_TC))
        server->lowers_until = now + KNOWN_FOR;
    if (!question->over_tcp)
        question->cut_by = attempt->server;
    question->over_tcp = true;
    return attempt->tcp;
}

static void on_answer(struct ng_path_query *query, const uint8_t *wire, size_t size)
{
    struct attempt *attempt = (struct attempt *)query;
    struct question *question = attempt->question;
    struct server *server = &question->upstream->servers.items[attempt->server];
    uint64_t now = wire ? ng_paths_read_at(question->upstream->paths) : ng_now();

    attempt->open = false;
    question->under_way--;
    if (wire)
        heard(server, now > attempt->sent_at ? now - attempt->sent_at : 1);
    else if (!attempt->late && !question->upstream->ending)
        missed(server, now);
    if (question->done)
        release(question);
    else if (wire && accept_answer(question, attempt, wire, size, now)) {
        finish(question, wire, size, now);
        release(question);
    } else if (!attempt->late || question->under_way == 0) {
        question->failures++;
        question->next_at = 0; /* at the next look: this may be called from within ng_path_ask() */
        question->upstream->looked_at = 0;
    }
}

static const struct zone *zone_of(const struct ng_upstream *upstream, const struct ng_name *name)
{
    const struct zone *best = upstream->zones.items[0];

    for (size_t i = 1; i < upstream->zones.count; i++) {
        const struct zone *zone = upstream->zones.items[i];

        if (zone->name.length > best->name.length &&
            (ng_name_equal(name, &zone->name) || ng_name_below(name, &zone->name)))
            best = zone;
    }
    return best;
}

int ng_upstream_ask(struct ng_upstream *upstream, const struct ng_name *name, const uint8_t *wire, size_t size,
                    void *arg)
{
    struct question *question = malloc(sizeof(*question));
    uint64_t now = ng_now();

    if (!question)
        return -ENOMEM;
    memset(question, 0, offsetof(struct question, attempt));
    question->upstream = upstream;
    question->arg = arg;
    question->zone = zone_of(upstream, name);
    question->begun_at = now;
    ng_stats_asks(upstream->stats, now);
    question->size = size;
    memcpy(question->wire, wire, size);
    put_id(question->wire); /* one for all attempts: each further one could be guessed as well */
    mix_case(question->wire + NG_WIRE_HEADER, name_length(question));
    TAILQ_INSERT_TAIL(&upstream->open, question, open);
    proceed(question, now);
    return 0;
}

int ng_upstream_timeout(struct ng_upstream *upstream, int max)
{
    uint64_t now, next = upstream->looked_at + LOOK;

    if (TAILQ_EMPTY(&upstream->open) && !ng_paths_leaving(upstream->paths))
        return max;
    now = ng_now();
    return next <= now ? 0 : (int)((next - now) / MS) + 1;
}

static void look_at(struct question *question, uint64_t now)
{
    if (now - question->begun_at >= NG_UPSTREAM_GIVEN_UP_MS * MS) {
        finish(question, NULL, 0, now);
        release(question);
        return;
    }
    if (now < question->next_at)
        return;
    for (unsigned i = 0; i < question->attempts; i++) {
        struct attempt *attempt = &question->attempt[i];

        if (attempt->open && !attempt->late && now - attempt->sent_at >= attempt->patience) {
            attempt->late = true;
            missed(&question->upstream->servers.items[attempt->server], now);
        }
    }
    proceed(question, now);
    release(question);
}

void ng_upstream_process(struct ng_upstream *upstream)
{
    struct question *question, *next;
    uint64_t now;

    if (TAILQ_EMPTY(&upstream->open) && !ng_paths_leaving(upstream->paths))
        return;
    now = ng_now();
    if (now - upstream->looked_at < LOOK)
        return;
    upstream->looked_at = now;
    for (question = TAILQ_FIRST(&upstream->open); question; question = next) {
        next = TAILQ_NEXT(question, open);
        look_at(question, now);
    }
    ng_paths_process(upstream->paths);
}

void ng_upstream_send(struct ng_upstream *upstream)
{
    ng_paths_send(upstream->paths);
}

void ng_upstream_health(const struct ng_upstream *upstream)
{
    for (size_t i = 0; i < upstream->servers.count && i < NG_STATS_SERVERS; i++) {
        const struct server *server = &upstream->servers.items[i];

        ng_stats_server(upstream->stats, i, &server->endpoint, !left_out(server), server->rtt);
    }
}

/* --- making and ending */

static int add_server(struct ng_upstream *upstream, const struct ng_endpoint *endpoint, unsigned *ret_number)
{
    struct server made = {.endpoint = *endpoint};

    for (size_t i = 0; i < upstream->servers.count; i++) {
        if (memcmp(&upstream->servers.items[i].endpoint, endpoint, sizeof(*endpoint)) == 0) {
            *ret_number = (unsigned)i;
            return 0;
        }
    }
    *ret_number = (unsigned)upstream->servers.count;
    return ng_vector_add(&upstream->servers, made) ? 0 : -ENOMEM;
}

static int add_zone(struct ng_upstream *upstream, const struct ng_name *name, const struct ng_endpoint *servers,
                    unsigned count)
{
    struct zone *zone = calloc(1, sizeof(*zone));
    int r = zone ? 0 : -ENOMEM;

    for (unsigned i = 0; r == 0 && i < count && i < NG_UPSTREAMS_MAX; i++)
        r = add_server(upstream, &servers[i], &zone->server[zone->servers++]);
    if (r == 0 && name)
        zone->name = *name;
    if (r == 0 && !ng_vector_add(&upstream->zones, zone))
        r = -ENOMEM;
    if (r < 0)
        free(zone);
    return r;
}

int ng_upstream_new(struct ng_poll *poll, const struct ng_endpoint *servers, unsigned count, ng_upstream_fn answered,
                    void *arg, struct ng_stats *stats, struct ng_upstream **ret_upstream)
{
    struct ng_upstream *upstream = calloc(1, sizeof(*upstream));
    int r = upstream ? 0 : -ENOMEM;

    if (r < 0)
        return r;
    *upstream = (struct ng_upstream){.answered = answered, .arg = arg, .stats = stats};
    TAILQ_INIT(&upstream->open);
    r = ng_paths_new(poll, &upstream->paths);
    if (r == 0)
        r = add_zone(upstream, NULL, servers, count);
    if (r < 0) {
        ng_upstream_free(upstream);
        return r;
    }
    *ret_upstream = upstream;
    return 0;
}

int ng_upstream_forward(struct ng_upstream *upstream, const struct ng_name *zone, const struct ng_endpoint *servers,
                        unsigned count)
{
    return add_zone(upstream, zone, servers, count);
}

void ng_upstream_free(struct ng_upstream *upstream)
{
    uint64_t now = ng_now();

    if (!upstream)
        return;
    upstream->ending = true;
    while (!TAILQ_EMPTY(&upstream->open)) {
        struct question *question = TAILQ_FIRST(&upstream->open);

        finish(question, NULL, 0, now);
        release(question);
    }
    ng_paths_free(upstream->paths); /* with what is under way on them */
    for (size_t i = 0; i < upstream->zones.count; i++)
        free(upstream->zones.items[i]);
    ng_vector_free(&upstream->zones);
    ng_vector_free(&upstream->servers);
    free(upstream);
}
