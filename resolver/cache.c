// SPDX-License-Identifier: BSD-2-Clause
#include "cache.h"

#include "random.h"
#include "table.h"

#include <namegate/clock.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct entry {
    struct ng_link link;
    TAILQ_ENTRY(entry) used; /* the one used last is the first */
    struct ng_question question;
    uint64_t stored_at, expires_at; /* ns */
    uint64_t resolution;
    size_t size, ttl_count;
    uint8_t *wire;
    uint16_t ttls[];
};

struct ng_cache {
    struct ng_table table;
    TAILQ_HEAD(entries, entry) used;
    size_t max;
    uint64_t key;
};

uint64_t ng_question_hash(const struct ng_question *question, uint64_t key)
{
    uint64_t flags = (uint64_t)question->type << 2 | (question->dnssec ? 2U : 0U) |
                     (question->checking_disabled ? 1U : 0U);

    return ng_name_hash(&question->name, key) ^ flags * 0x9e3779b97f4a7c15ULL;
}

bool ng_question_equal(const struct ng_question *a, const struct ng_question *b)
{
    return a->type == b->type && a->dnssec == b->dnssec && a->checking_disabled == b->checking_disabled &&
           ng_name_equal(&a->name, &b->name);
}

int ng_cache_new(size_t entries, struct ng_cache **ret_cache)
{
    struct ng_cache *cache = calloc(1, sizeof(*cache));

    if (!cache)
        return -ENOMEM;
    cache->max = entries;
    cache->key = ng_random();
    TAILQ_INIT(&cache->used);
    *ret_cache = cache;
    return 0;
}

static void forget(struct ng_cache *cache, struct entry *entry)
{
    ng_table_remove(&cache->table, &entry->link);
    TAILQ_REMOVE(&cache->used, entry, used);
    free(entry->wire);
    free(entry);
}

void ng_cache_free(struct ng_cache *cache)
{
    if (!cache)
        return;
    while (!TAILQ_EMPTY(&cache->used))
        forget(cache, TAILQ_FIRST(&cache->used));
    ng_table_release(&cache->table);
    free(cache);
}

static struct entry *find(const struct ng_cache *cache, const struct ng_question *question)
{
    struct ng_link *link = ng_table_first(&cache->table, ng_question_hash(question, cache->key));

    while (link && !ng_question_equal(&ng_record(link, struct entry, link)->question, question))
        link = ng_table_next(link);
    return ng_record(link, struct entry, link);
}

void ng_cache_put(struct ng_cache *cache, const struct ng_question *question, const struct ng_answer *answer,
                  uint64_t resolution, uint64_t now)
{
    struct entry *entry;

    ng_cache_drop(cache, question);
    if (answer->ttl == 0 || cache->max == 0)
        return;
    while (cache->table.count >= cache->max)
        forget(cache, TAILQ_LAST(&cache->used, entries));
    entry = calloc(1, sizeof(*entry) + answer->ttl_count * sizeof(entry->ttls[0]));
    if (!entry)
        return;
    entry->wire = malloc(answer->size);
    entry->question = *question;
    if (!entry->wire || ng_table_add(&cache->table, &entry->link, ng_question_hash(question, cache->key)) < 0) {
        free(entry->wire);
        free(entry);
        return;
    }
    TAILQ_INSERT_HEAD(&cache->used, entry, used);
    entry->stored_at = now;
    entry->expires_at = now + answer->ttl * NG_SECOND;
    entry->resolution = resolution;
    entry->size = answer->size;
    entry->ttl_count = answer->ttl_count;
    memcpy(entry->wire, answer->wire, answer->size);
    memcpy(entry->ttls, answer->ttls, answer->ttl_count * sizeof(entry->ttls[0]));
}

bool ng_cache_get(struct ng_cache *cache, const struct ng_question *question, uint64_t now,
                  struct ng_wire_answer *ret_answer, uint64_t *ret_resolution)
{
    struct entry *entry = find(cache, question);

    if (!entry)
        return false;
    if (entry->expires_at <= now) {
        forget(cache, entry);
        return false;
    }
    TAILQ_REMOVE(&cache->used, entry, used);
    TAILQ_INSERT_HEAD(&cache->used, entry, used);
    *ret_answer = (struct ng_wire_answer){.wire = entry->wire,
                                          .size = entry->size,
                                          .ttls = entry->ttls,
                                          .ttl_count = entry->ttl_count,
                                          .age = (uint32_t)((now - entry->stored_at) / NG_SECOND)};
    *ret_resolution = entry->resolution;
    return true;
}

void ng_cache_drop(struct ng_cache *cache, const struct ng_question *question)
{
    struct entry *entry = find(cache, question);

    if (entry)
        forget(cache, entry);
}

size_t ng_cache_count(const struct ng_cache *cache)
{
    return cache->table.count;
}
