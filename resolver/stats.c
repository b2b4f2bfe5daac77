// SPDX-License-Identifier: BSD-2-Clause
/* Each number is an atomic of its own, written by one thread with plain loads and stores: no order among them is
 * promised, and none is needed. */
#include "stats.h"

#include "wire.h"

#include <namegate/cleanup.h>

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define OPT_SIZE 11 /* octets, without options */

typedef _Atomic uint64_t number;

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && sizeof(number) == 8, "the memory is shared between processes");

struct times {
    number sum, max;
    number bucket[NG_BUCKETS];
};

struct ng_stats_memory {
    number count[NG_COUNTS];
    number answers[NG_RCODES];
    number gauge[NG_GAUGES];
    struct times stage[NG_STAGES];
};

struct ng_stats {
    struct ng_stats_memory *memory;
    uint64_t clock;             /* as it was read last */
    uint64_t began_at, writing; /* learning: when it began, and what of it were writes */
};

/* --- the memory */

int ng_stats_create(void)
{
    _cleanup_fd_ int fd = memfd_create("namegate-stats", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -errno;
    /* Who gets a descriptor to read must not open it again to write; nobody may change its size, for then those who
     * read would die, or keep the next resolver from writing. */
    if (fchmod(fd, 0600) < 0 || ftruncate(fd, sizeof(struct ng_stats_memory)) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return -errno;
    return TAKE_FD(fd);
}

int ng_stats_map(int fd, bool writable, struct ng_stats_memory **ret_memory)
{
    struct stat st;
    void *memory;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_size != sizeof(struct ng_stats_memory))
        return -EBADMSG;
    memory = mmap(NULL, sizeof(struct ng_stats_memory), PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return -errno;
    *ret_memory = memory;
    return 0;
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

static uint64_t get(const number *at)
{
    return atomic_load_explicit((number *)(uintptr_t)at, memory_order_relaxed);
}

static void read_times(const struct times *times, struct ng_histogram *ret_histogram)
{
    ret_histogram->sum = get(&times->sum);
    ret_histogram->max = get(&times->max);
    ret_histogram->count = 0;
    for (unsigned i = 0; i < NG_BUCKETS; i++) {
        ret_histogram->bucket[i] = get(&times->bucket[i]);
        ret_histogram->count += ret_histogram->bucket[i]; /* not a number of its own, which could differ */
    }
}

void ng_stats_read(const struct ng_stats_memory *memory, struct ng_stats_copy *ret_copy)
{
    for (unsigned i = 0; i < NG_COUNTS; i++)
        ret_copy->count[i] = get(&memory->count[i]);
    for (unsigned i = 0; i < NG_RCODES; i++)
        ret_copy->answers[i] = get(&memory->answers[i]);
    for (unsigned i = 0; i < NG_GAUGES; i++)
        ret_copy->gauge[i] = get(&memory->gauge[i]);
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

static void add(number *at, uint64_t value)
{
    atomic_store_explicit(at, get(at) + value, memory_order_relaxed);
}

static void take(struct ng_stats *stats, enum ng_stage stage, uint64_t from, uint64_t to)
{
    struct times *times = &stats->memory->stage[stage];
    uint64_t ns = to > from ? to - from : 0;

    add(&times->sum, ns);
    add(&times->bucket[ng_stats_bucket(ns)], 1);
    if (ns > get(&times->max))
        atomic_store_explicit(&times->max, ns, memory_order_relaxed);
}

int ng_stats_new(struct ng_stats_memory *memory, struct ng_stats **ret_stats)
{
    struct ng_stats *stats = calloc(1, sizeof(*stats));

    if (!stats)
        return -ENOMEM;
    stats->memory = memory;
    ng_stats_gauges(stats, 0, 0, 0);
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
        add(&stats->memory->count[what], 1);
}

void ng_stats_gauges(struct ng_stats *stats, size_t tracked, size_t cached, size_t pending)
{
    if (!stats)
        return;
    atomic_store_explicit(&stats->memory->gauge[NG_GAUGE_TRACKED], tracked, memory_order_relaxed);
    atomic_store_explicit(&stats->memory->gauge[NG_GAUGE_CACHED], cached, memory_order_relaxed);
    atomic_store_explicit(&stats->memory->gauge[NG_GAUGE_PENDING], pending, memory_order_relaxed);
}

void ng_stats_asked(struct ng_stats *stats, bool tcp, uint64_t received_at)
{
    if (!stats)
        return;
    add(&stats->memory->count[tcp ? NG_COUNT_TCP : NG_COUNT_UDP], 1);
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

void ng_stats_answered(struct ng_stats *stats, const uint8_t *wire, size_t size, uint64_t received_at, uint64_t now)
{
    unsigned rcode;

    if (!stats)
        return;
    rcode = rcode_of(wire, size);
    stats->clock = now;
    if (rcode < NG_RCODES)
        add(&stats->memory->answers[rcode], 1);
    if (received_at)
        take(stats, NG_STAGE_TOTAL, received_at, now);
}

void ng_stats_asks(struct ng_stats *stats, uint64_t now)
{
    if (!stats)
        return;
    stats->clock = now;
    add(&stats->memory->count[NG_COUNT_UPSTREAM_QUERIES], 1);
}

void ng_stats_upstream(struct ng_stats *stats, uint64_t asked_at, uint64_t now)
{
    if (!stats)
        return;
    stats->clock = now;
    take(stats, NG_STAGE_UPSTREAM, asked_at, now);
}

void ng_stats_wrote(struct ng_stats *stats, uint64_t began_at, uint64_t now, int error)
{
    if (!stats)
        return;
    stats->clock = now;
    stats->writing += now - began_at;
    add(&stats->memory->count[NG_COUNT_WRITES], 1);
    if (error < 0)
        add(&stats->memory->count[NG_COUNT_WRITE_FAILURES], 1);
    take(stats, NG_STAGE_MAP_WRITE, began_at, now);
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
        add(&stats->memory->count[NG_COUNT_LEARNT], 1);
    take(stats, NG_STAGE_POLICY, stats->began_at + stats->writing, now);
}
