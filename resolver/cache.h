/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers by question, until their TTL is over and for some time after it, for when upstreams fail (RFC 8767); and
 * failures, so that they are not asked for again at once (RFC 9520). An answer enters only after the addresses in it
 * were written to the kernel (claims.h). Full: one of those that were used longest ago goes. */
#ifndef NAMEGATE_CACHE_H
#define NAMEGATE_CACHE_H

#include "answer.h"

#define NG_FAILURE_S 5 /* for how long a failure is kept */
#define NG_UNLEARNT UINT64_MAX /* resolution of an answer that was learnt, and that is to be learnt anew */

struct ng_cache;

enum ng_cached_kind {
    NG_CACHED_NOTHING,
    NG_CACHED_FRESH,
    NG_CACHED_STALE,  /* its TTL is over */
    NG_CACHED_FAILURE /* there is no answer, and it was asked for just now */
};

struct ng_cached {
    struct ng_wire_answer answer; /* valid until the next call that changes the cache */
    uint64_t resolution;          /* the tracked one (ng_tracked) that stands for its addresses; 0: it has none */
    bool learnable;               /* it says something of addresses or names */
    bool aging;                   /* fresh, but not for long any more */
    bool failed;                  /* stale, and it was asked for anew just now, in vain */
};

#define NG_CACHE_OCTETS 2048 /* of an answer, on average: a few large ones are no reason to keep fewer */

/* At most `entries` answers and NG_CACHE_OCTETS for each, for stale_s seconds longer than their TTL. */
int ng_cache_new(size_t entries, uint32_t stale_s, struct ng_cache **ret_cache);
void ng_cache_free(struct ng_cache *cache);

/* Keeps a copy of the answer. resolution: as above. Running out of memory keeps nothing. */
void ng_cache_put(struct ng_cache *cache, const struct ng_question *question, const struct ng_answer *answer,
                  uint64_t resolution, uint64_t now);

/* Remembers that the question could not be answered; an answer that is there stays, to be given as a stale one. */
void ng_cache_fail(struct ng_cache *cache, const struct ng_question *question, uint64_t now);

/* What there is for a question. */
enum ng_cached_kind ng_cache_get(struct ng_cache *cache, const struct ng_question *question, uint64_t now,
                                 struct ng_cached *ret_cached);
/* The same, and nothing changes: what others were given of the cache stays as it is. */
enum ng_cached_kind ng_cache_peek(const struct ng_cache *cache, const struct ng_question *question, uint64_t now,
                                  struct ng_cached *ret_cached);

/* Such a question comes soon: what there is for it comes from memory meanwhile, beside that for others. */
void ng_cache_foresee(const struct ng_cache *cache, const struct ng_question *question);

/* From now on that resolution stands for the addresses of the answer. */
void ng_cache_track(struct ng_cache *cache, const struct ng_question *question, uint64_t resolution);

/* Calls each answer, stale ones too. The callback may use ng_cache_track() alone. */
typedef void (*ng_cached_fn)(void *arg, const struct ng_question *question, const struct ng_cached *cached);
void ng_cache_each(struct ng_cache *cache, ng_cached_fn each, void *arg);

/* Forgets what is kept for that question. */
void ng_cache_drop(struct ng_cache *cache, const struct ng_question *question);
/* Forgets everything. */
void ng_cache_clear(struct ng_cache *cache);

size_t ng_cache_count(const struct ng_cache *cache);

uint64_t ng_question_hash(const struct ng_question *question, uint64_t key);
bool ng_question_equal(const struct ng_question *a, const struct ng_question *b);

#endif
