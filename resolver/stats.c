// SPDX-License-Identifier: BSD-2-Clause
#include "stats.h"

#include "shared.h"
#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define OPT_SIZE 11 /* octets, without options */
#define LEAVING_MAX 64

struct times {
    ng_shared_number sum, max;
    ng_shared_number bucket[NG_BUCKETS];
};

/* An upstream; with port 0: none. */
struct server {
    ng_shared_number address[2]; /* its 16 octets */
    ng_shared_number port;
    ng_shared_number up, rtt;
};

struct ng_stats_memory {
    ng_shared_number count[NG_COUNTS];
    ng_shared_number answers[NG_RCODES];
    ng_shared_number gauge[NG_GAUGES];
    struct server server[NG_STATS_SERVERS];
    struct times stage[NG_STAGES];
};

/* Answers to queries that were read together. */
struct leaving {
    uint64_t received_at;
    unsigned count;
};

struct ng_stats {
    struct ng_stats_memory *memory;
    struct leaving leaving[LEAVING_MAX];
    unsigned kinds; /* of those */
    uint64_t clock;             /* as it was read last */
    uint64_t began_at, writing; /* learning: when it began, and what of it were writes */
};

/* --- the memory */

int ng_stats_create(void)
{
    return ng_shared_create("namegate-stats", sizeof(struct ng_stats_memory));
}

int ng_stats_map(int fd, bool writable, struct ng_stats_memory **ret_memory)
{
    void *memory = NULL;
    int r = ng_shared_map(fd, sizeof(struct ng_stats_memory), writable, &memory);

    if (r == 0)
        *ret_memory = memory;
    return r;
}

void ng_stats_unmap(struct ng_stats_memory *memory)
{
    if (memory)
        (void)munmap(memory, sizeof(*memory));
}

/* --- buckets */

unsigned ng_stats_bucket(uint64_t ns)
{
    uint64_t value = ns ? ns - 1 : 0; /* so that a power of two is the last of its bucket */
    unsigned bits;

    if (value >> NG_BUCKETS_BITS)
        return NG_BUCKETS - 1;
    if (value < NG_BUCKETS_OCTAVE)
        return (unsigned)value;
    bits = 63U - (unsigned)__builtin_clzll(value) - 4U; /* below the 5 that tell octave and bucket */
    return bits * NG_BUCKETS_OCTAVE + (unsigned)(value >> bits);
}

uint64_t ng_stats_bound(unsigned bucket)
{
    unsigned bits = bucket < NG_BUCKETS_OCTAVE ? 0 : bucket / NG_BUCKETS_OCTAVE - 1;

    return (uint64_t)(bucket - bits * NG_BUCKETS_OCTAVE + 1) << bits;
}

/* --- reading */

static void read_times(const struct times *times, struct ng_histogram *ret_histogram)
{
    ret_histogram->sum = ng_shared_get(&times->sum);
    ret_histogram->max = ng_shared_get(&times->max);
    ret_histogram->count = 0;
    for (unsigned i = 0; i < NG_BUCKETS; i++) {
        ret_histogram->bucket[i] = ng_shared_get(&times->bucket[i]);
        ret_histogram->count += ret_histogram->bucket[i]; /* not a number of its own, which could differ */
    }
}

static void read_server(const struct server *server, struct ng_stats_server *ret_server)
{
    const uint64_t address[2] = {ng_shared_get(&server->address[0]), ng_shared_get(&server->address[1])};

    *ret_server = (struct ng_stats_server){.endpoint.port = (uint16_t)ng_shared_get(&server->port),
                                           .up = ng_shared_get(&server->up) != 0,
                                           .rtt = ng_shared_get(&server->rtt)};
    memcpy(ret_server->endpoint.address, address, sizeof(address));
}

void ng_stats_read(const struct ng_stats_memory *memory, struct ng_stats_copy *ret_copy)
{
    for (unsigned i = 0; i < NG_COUNTS; i++)
        ret_copy->count[i] = ng_shared_get(&memory->count[i]);
    for (unsigned i = 0; i < NG_RCODES; i++)
        ret_copy->answers[i] = ng_shared_get(&memory->answers[i]);
    for (unsigned i = 0; i < NG_GAUGES; i++)
        ret_copy->gauge[i] = ng_shared_get(&memory->gauge[i]);
    for (unsigned i = 0; i < NG_STATS_SERVERS; i++)
        read_server(&memory->server[i], &ret_copy->server[i]);
    for (unsigned i = 0; i < NG_STAGES; i++)
        read_times(&memory->stage[i], &ret_copy->stage[i]);
}

uint64_t ng_histogram_quantile(const struct ng_histogram *histogram, double share)
{
    double rank = share * (double)histogram->count, sum = 0;
    unsigned i = 0;

    if (histogram->count == 0)
        return 0;
    for (; i < NG_BUCKETS - 1; i++) {
        sum += (double)histogram->bucket[i];
        if (sum > 0 && sum >= rank)
            break;
    }
    if (i == 0) /* what took no time by the clock that was read, not one ns */
        return 0;
    return ng_stats_bound(i) < histogram->max ? ng_stats_bound(i) : histogram->max;
}

const char *ng_rcode_name(unsigned rcode)
{
    static const char *const names[NG_RCODES] = {"noerror",  "formerr", "servfail", "nxdomain", "notimp",   "refused",
                                                 "yxdomain", "yxrrset", "nxrrset",  "notauth",  "notzone",  "dsotypeni",
                                                 "rcode12",  "rcode13", "rcode14",  "rcode15",  "badvers"};

    return rcode < NG_RCODES ? names[rcode] : "unknown";
}

const char *ng_stage_name(enum ng_stage stage)
{
    static const char *const names[NG_STAGES] = {"queue", "policy", "upstream", "map_write", "total"};

    return stage < NG_STAGES ? names[stage] : "unknown";
}

/* --- writing */

static void take_some(struct ng_stats *stats, enum ng_stage stage, uint64_t from, uint64_t to, unsigned count)
{
    struct times *times = &stats->memory->stage[stage];
    uint64_t ns = to > from ? to - from : 0;

    ng_shared_add(&times->sum, count * ns);
    ng_shared_add(&times->bucket[ng_stats_bucket(ns)], count);
    if (ns > ng_shared_get(&times->max))
        ng_shared_set(&times->max, ns);
}

static void take(struct ng_stats *stats, enum ng_stage stage, uint64_t from, uint64_t to)
{
    take_some(stats, stage, from, to, 1);
}

int ng_stats_new(struct ng_stats_memory *memory, struct ng_stats **ret_stats)
{
    struct ng_stats *stats = calloc(1, sizeof(*stats));

    if (!stats)
        return -ENOMEM;
    stats->memory = memory;
    ng_stats_gauges(stats, &(struct ng_stats_gauges){0});
    for (unsigned i = 0; i < NG_STATS_SERVERS; i++)
        ng_shared_set(&memory->server[i].port, 0);
    ng_stats_count(stats, NG_COUNT_STARTS);
    *ret_stats = stats;
    return 0;
}

void ng_stats_free(struct ng_stats *stats)
{
    free(stats);
}

void ng_stats_count(struct ng_stats *stats, enum ng_count what)
{
    if (stats)
        ng_shared_add(&stats->memory->count[what], 1);
}

void ng_stats_gauges(struct ng_stats *stats, const struct ng_stats_gauges *gauges)
{
    if (!stats)
        return;
    ng_shared_set(&stats->memory->gauge[NG_GAUGE_TRACKED], gauges->tracked);
    ng_shared_set(&stats->memory->gauge[NG_GAUGE_CACHED], gauges->cached);
    ng_shared_set(&stats->memory->gauge[NG_GAUGE_PENDING], gauges->pending);
    ng_shared_set(&stats->memory->gauge[NG_GAUGE_DESTINATIONS], gauges->destinations);
}

void ng_stats_server(struct ng_stats *stats, size_t number, const struct ng_endpoint *endpoint, bool up, uint64_t rtt)
{
    struct server *server;
    uint64_t address[2];

    if (!stats || number >= NG_STATS_SERVERS)
        return;
    server = &stats->memory->server[number];
    memcpy(address, endpoint->address, sizeof(address));
    ng_shared_set(&server->address[0], address[0]);
    ng_shared_set(&server->address[1], address[1]);
    ng_shared_set(&server->up, up);
    ng_shared_set(&server->rtt, rtt);
    ng_shared_set(&server->port, endpoint->port);
}

void ng_stats_asked(struct ng_stats *stats, bool tcp, uint64_t received_at)
{
    if (!stats)
        return;
    ng_shared_add(&stats->memory->count[tcp ? NG_COUNT_TCP : NG_COUNT_UDP], 1);
    if (received_at)
        take(stats, NG_STAGE_QUEUE, received_at, stats->clock);
}

/* The four bits of the header and, where the message ends with an OPT record, the eight above (RFC 6891). */
static unsigned rcode_of(const uint8_t *wire, size_t size)
{
    static const uint8_t opt[3] = {0, 0, 41};
    unsigned low = wire[3] & 15U;

    if (size < NG_WIRE_HEADER + OPT_SIZE || !(wire[10] | wire[11]) ||
        memcmp(wire + size - OPT_SIZE, opt, sizeof(opt)) != 0)
        return low;
    return (unsigned)wire[size - OPT_SIZE + 5] << 4 | low;
}

void ng_stats_answered(struct ng_stats *stats, const uint8_t *wire, size_t size, uint64_t received_at)
{
    unsigned rcode;

    if (!stats)
        return;
    rcode = rcode_of(wire, size);
    if (rcode < NG_RCODES)
        ng_shared_add(&stats->memory->answers[rcode], 1);
    if (!received_at)
        return;
    if (stats->kinds > 0 && stats->leaving[stats->kinds - 1].received_at == received_at) {
        stats->leaving[stats->kinds - 1].count++;
        return;
    }
    if (stats->kinds == LEAVING_MAX)
        ng_stats_leave(stats, stats->clock);
    stats->leaving[stats->kinds++] = (struct leaving){received_at, 1};
}

bool ng_stats_leaving(const struct ng_stats *stats)
{
    return stats && stats->kinds > 0;
}

void ng_stats_leave(struct ng_stats *stats, uint64_t now)
{
    if (!stats)
        return;
    stats->clock = now;
    for (unsigned i = 0; i < stats->kinds; i++)
        take_some(stats, NG_STAGE_TOTAL, stats->leaving[i].received_at, now, stats->leaving[i].count);
    stats->kinds = 0;
}

void ng_stats_asks(struct ng_stats *stats, uint64_t now)
{
    if (!stats)
        return;
    stats->clock = now;
    ng_shared_add(&stats->memory->count[NG_COUNT_UPSTREAM_QUERIES], 1);
}

void ng_stats_upstream(struct ng_stats *stats, uint64_t asked_at, uint64_t now)
{
    if (!stats)
        return;
    stats->clock = now;
    take(stats, NG_STAGE_UPSTREAM, asked_at, now);
}

void ng_stats_wrote(struct ng_stats *stats, uint64_t began_at, uint64_t now, unsigned count, int error)
{
    if (!stats)
        return;
    stats->clock = now;
    stats->writing += now - began_at;
    ng_shared_add(&stats->memory->count[NG_COUNT_WRITES], count);
    if (error < 0)
        ng_shared_add(&stats->memory->count[NG_COUNT_WRITE_FAILURES], 1);
    for (unsigned i = 0; i < count; i++)
        take(stats, NG_STAGE_MAP_WRITE, began_at, began_at + (now - began_at) / count);
}

void ng_stats_learns(struct ng_stats *stats, uint64_t now)
{
    if (!stats)
        return;
    stats->began_at = now;
    stats->writing = 0;
}

void ng_stats_learnt(struct ng_stats *stats, uint64_t now, int error)
{
    if (!stats)
        return;
    stats->clock = now;
    if (error == 0)
        ng_shared_add(&stats->memory->count[NG_COUNT_LEARNT], 1);
    take(stats, NG_STAGE_POLICY, stats->began_at + stats->writing, now);
}
