/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers by question, until their TTL is over. An answer enters only after the addresses in it are in the kernel, so a
 * hit needs no write. Full: the one that was used longest ago goes. */
#ifndef NAMEGATE_CACHE_H
#define NAMEGATE_CACHE_H

#include "answer.h"

struct ng_cache;

/* At most `entries` answers. */
int ng_cache_new(size_t entries, struct ng_cache **ret_cache);
void ng_cache_free(struct ng_cache *cache);

/* Keeps a copy of the answer; resolution: the tracked one (ng_tracked) that stands for its addresses, 0 when it has
 * none. Running out of memory keeps nothing. */
void ng_cache_put(struct ng_cache *cache, const struct ng_question *question, const struct ng_answer *answer,
                  uint64_t resolution, uint64_t now);

/* Whether there is an answer that still holds. What *ret_answer points to is valid until the next call that changes the
 * cache. */
bool ng_cache_get(struct ng_cache *cache, const struct ng_question *question, uint64_t now,
                  struct ng_wire_answer *ret_answer, uint64_t *ret_resolution);

/* Forgets what is kept for that question. */
void ng_cache_drop(struct ng_cache *cache, const struct ng_question *question);

size_t ng_cache_count(const struct ng_cache *cache);

uint64_t ng_question_hash(const struct ng_question *question, uint64_t key);
bool ng_question_equal(const struct ng_question *a, const struct ng_question *b);

#endif
