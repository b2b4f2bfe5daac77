/* SPDX-License-Identifier: BSD-2-Clause */
/* Statistics of the resolver: memory that one thread writes and anybody reads, without locks or system calls. The
 * keeper makes it, so that it outlives a resolver. A reader gets numbers and nothing that it would have to trust:
 * whatever stands there, reading it is safe.
 *
 * Times go into log2-linear buckets, NG_BUCKETS_OCTAVE to each power of two: what is read from them is at most 1/16 too
 * long. Bucket i holds the ns above ng_stats_bound(i - 1), up to and with ng_stats_bound(i). */
#ifndef NAMEGATE_STATS_H
#define NAMEGATE_STATS_H

#include <namegate/channel.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ng_count {
    NG_COUNT_STARTS,            /* of resolvers: all others go on counting over them */
    NG_COUNT_UDP,               /* queries */
    NG_COUNT_TCP,
    NG_COUNT_HITS,              /* queries answered from the cache, and those that were not */
    NG_COUNT_MISSES,
    NG_COUNT_UPSTREAM_QUERIES,
    NG_COUNT_UPSTREAM_TIMEOUTS, /* of those, the ones that nobody answered in time */
    NG_COUNT_UPSTREAM_FAILURES, /* and those that failed otherwise */
    NG_COUNT_LEARNT,            /* upstreams' answers that were judged, written and may be given */
    NG_COUNT_WRITES,            /* to destinations, those that failed included */
    NG_COUNT_WRITE_FAILURES,
    NG_COUNTS,
};

enum ng_gauge { NG_GAUGE_TRACKED, NG_GAUGE_CACHED, NG_GAUGE_PENDING, NG_GAUGE_DESTINATIONS, NG_GAUGES };

enum ng_stage {
    NG_STAGE_QUEUE,     /* from when a query was read to when its turn came */
    NG_STAGE_POLICY,    /* an upstream's answer: judging and learning, without the writes to the kernel */
    NG_STAGE_UPSTREAM,  /* from the question to what became of it */
    NG_STAGE_MAP_WRITE, /* one write to destinations */
    NG_STAGE_TOTAL,     /* from when a query was read to when its answer was handed to the kernel */
    NG_STAGES,
};

#define NG_RCODES 17 /* 0 to 15 and BADVERS; an answer with a higher one is not given */
#define NG_BUCKETS_OCTAVE 16
#define NG_BUCKETS_BITS 36 /* 2^36 ns, 69 s; what takes longer counts as that in the buckets */
#define NG_BUCKETS ((NG_BUCKETS_BITS - 4 + 1) * NG_BUCKETS_OCTAVE)

#define NG_STATS_SERVERS 16 /* upstreams that are shown; those of the configuration's first lines */

/* What a reader gets. */
struct ng_histogram {
    uint64_t count;
    uint64_t sum, max; /* ns */
    uint64_t bucket[NG_BUCKETS];
};

struct ng_stats_server {
    struct ng_endpoint endpoint; /* port 0: none */
    bool up;                     /* it is asked; else it stayed silent, and is left out */
    uint64_t rtt;                /* ns, smoothed; 0: not known */
};

struct ng_stats_copy {
    uint64_t count[NG_COUNTS];
    uint64_t answers[NG_RCODES]; /* by response code */
    uint64_t gauge[NG_GAUGES];
    struct ng_stats_server server[NG_STATS_SERVERS];
    struct ng_histogram stage[NG_STAGES];
};

/* --- the memory */

/* Makes it: a memfd of fixed size, for root to open. Returns the descriptor or -errno. */
int ng_stats_create(void);

struct ng_stats_memory;

/* Maps it, if it has the right size. 0, -EBADMSG or another -errno. */
int ng_stats_map(int fd, bool writable, struct ng_stats_memory **ret_memory);
void ng_stats_unmap(struct ng_stats_memory *memory);

/* --- reading */

/* Not a moment's: what is written meanwhile may be in it or not. */
void ng_stats_read(const struct ng_stats_memory *memory, struct ng_stats_copy *ret_copy);

/* ns that `share` (0 to 1) of the values do not exceed; 0 where there are none. */
uint64_t ng_histogram_quantile(const struct ng_histogram *histogram, double share);
/* "noerror", "queue". */
const char *ng_rcode_name(unsigned rcode);
const char *ng_stage_name(enum ng_stage stage);

unsigned ng_stats_bucket(uint64_t ns);
uint64_t ng_stats_bound(unsigned bucket);

/* --- writing: one thread. Everywhere stats may be NULL, and nothing is counted. Times are ns of one clock. */

struct ng_stats;

/* Begins another resolver's part: its gauges are 0, all else goes on. The memory stays the caller's. */
int ng_stats_new(struct ng_stats_memory *memory, struct ng_stats **ret_stats);
void ng_stats_free(struct ng_stats *stats);

void ng_stats_count(struct ng_stats *stats, enum ng_count what);

struct ng_stats_gauges {
    size_t tracked, cached, pending, destinations;
};
void ng_stats_gauges(struct ng_stats *stats, const struct ng_stats_gauges *gauges);

/* How an upstream does. Those beyond NG_STATS_SERVERS are not kept. */
void ng_stats_server(struct ng_stats *stats, size_t number, const struct ng_endpoint *endpoint, bool up, uint64_t rtt);

/* A query's turn has come: by the clock as it was last read, so that it need not be read for it. received_at 0: no
 * time is known of this query. */
void ng_stats_asked(struct ng_stats *stats, bool tcp, uint64_t received_at);
/* It was answered, and the answer is to leave, most times together with others ... */
void ng_stats_answered(struct ng_stats *stats, const uint8_t *wire, size_t size, uint64_t received_at);
/* ... which is now: for all that were answered one reading of the clock is enough. */
bool ng_stats_leaving(const struct ng_stats *stats);
void ng_stats_leave(struct ng_stats *stats, uint64_t now);

/* An upstream is asked, and something has become of it. */
void ng_stats_asks(struct ng_stats *stats, uint64_t now);
void ng_stats_upstream(struct ng_stats *stats, uint64_t asked_at, uint64_t now);
void ng_stats_wrote(struct ng_stats *stats, uint64_t began_at, uint64_t now, unsigned count, int error);

/* Around learning; the writes between the two are left out. */
void ng_stats_learns(struct ng_stats *stats, uint64_t now);
void ng_stats_learnt(struct ng_stats *stats, uint64_t now, int error);

#endif
