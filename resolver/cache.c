// SPDX-License-Identifier: BSD-2-Clause
#include "cache.h"

#include "random.h"
#include "table.h"

#include <namegate/clock.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define AGING 10            /* the last tenth of the TTL ... */
#define AGING_TTL_MIN 10U   /* s: ... of answers that are kept for so long at least */

#define FORESEEN 192 /* octets of an entry: most are no longer */

#define ENTRY_DNSSEC (1u << 0)
#define ENTRY_CHECKING_DISABLED (1u << 1)
#define ENTRY_LEARNABLE (1u << 2)
#define ENTRY_ANSWER (1u << 3) /* else only a failure */

/* One allocation, as there are many: the offsets of the TTLs, the name and the wire follow. */
struct entry {
    struct ng_link link;
    TAILQ_ENTRY(entry) used; /* the one used last is among the first */
    uint64_t moved;          /* the cache's count of moves when it was put first */
    uint64_t stored_at, expires_at, failed_until; /* ns */
    uint64_t resolution;
    uint16_t type, size, ttl_count;
    uint8_t name_length, flags;
    uint16_t ttls[];
};

struct ng_cache {
    struct ng_table table;
    TAILQ_HEAD(entries, entry) used;
    size_t max, octets;
    uint64_t moves; /* to the front of `used` */
    uint64_t stale; /* ns */
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

static uint8_t *name_of(const struct entry *entry)
{
    return (uint8_t *)(uintptr_t)&entry->ttls[entry->ttl_count];
}

static uint8_t *wire_of(const struct entry *entry)
{
    return name_of(entry) + entry->name_length;
}

static uint8_t flags_of(const struct ng_question *question)
{
    return (uint8_t)((question->dnssec ? ENTRY_DNSSEC : 0U) |
                     (question->checking_disabled ? ENTRY_CHECKING_DISABLED : 0U));
}

static bool is_for(const struct entry *entry, const struct ng_question *question)
{
    return entry->type == question->type && entry->name_length == question->name.length &&
           (entry->flags & (ENTRY_DNSSEC | ENTRY_CHECKING_DISABLED)) == flags_of(question) &&
           memcmp(name_of(entry), question->name.wire, entry->name_length) == 0;
}

int ng_cache_new(size_t entries, uint32_t stale_s, struct ng_cache **ret_cache)
{
    struct ng_cache *cache = calloc(1, sizeof(*cache));

    if (!cache)
        return -ENOMEM;
    cache->max = entries;
    cache->stale = stale_s * NG_SECOND;
    cache->key = ng_random();
    TAILQ_INIT(&cache->used);
    *ret_cache = cache;
    return 0;
}

/* An entry that fewer than half as many have passed as may be there is far from the end, and stays where it is: most
 * hits so write nothing, which another worker's would have to wait for. */
static void use(struct ng_cache *cache, struct entry *entry)
{
    bool crowded = cache->octets > cache->max * NG_CACHE_OCTETS / 2;

    if (cache->moves - entry->moved < (crowded ? cache->table.count : cache->max) / 2)
        return;
    TAILQ_REMOVE(&cache->used, entry, used);
    TAILQ_INSERT_HEAD(&cache->used, entry, used);
    entry->moved = ++cache->moves;
}

static size_t octets_of(const struct entry *entry)
{
    return sizeof(*entry) + entry->ttl_count * sizeof(entry->ttls[0]) + entry->name_length + entry->size;
}

static void forget(struct ng_cache *cache, struct entry *entry)
{
    cache->octets -= octets_of(entry);
    ng_table_remove(&cache->table, &entry->link);
    TAILQ_REMOVE(&cache->used, entry, used);
    free(entry);
}

void ng_cache_clear(struct ng_cache *cache)
{
    while (!TAILQ_EMPTY(&cache->used))
        forget(cache, TAILQ_FIRST(&cache->used));
}

void ng_cache_free(struct ng_cache *cache)
{
    if (!cache)
        return;
    ng_cache_clear(cache);
    ng_table_release(&cache->table);
    free(cache);
}

static struct entry *find(const struct ng_cache *cache, const struct ng_question *question)
{
    struct ng_link *link = ng_table_first(&cache->table, ng_question_hash(question, cache->key));

    while (link && !is_for(ng_record(link, struct entry, link), question))
        link = ng_table_next(link);
    return ng_record(link, struct entry, link);
}

void ng_cache_foresee(const struct ng_cache *cache, const struct ng_question *question)
{
    const uint8_t *entry = ng_table_near(&cache->table, ng_question_hash(question, cache->key));

    for (size_t at = 0; entry && at < FORESEEN; at += 64)
        __builtin_prefetch(entry + at);
}

/* An entry for a question that has none, with room for an answer; NULL: there is no memory, or no room. */
static struct entry *make(struct ng_cache *cache, const struct ng_question *question, size_t size, size_t ttl_count)
{
    size_t octets = sizeof(struct entry) + ttl_count * sizeof(uint16_t) + question->name.length + size;
    struct entry *entry;

    if (cache->max == 0)
        return NULL;
    while (cache->table.count > 0 &&
           (cache->table.count >= cache->max || cache->octets + octets > cache->max * NG_CACHE_OCTETS))
        forget(cache, TAILQ_LAST(&cache->used, entries));
    entry = calloc(1, octets);
    if (!entry)
        return NULL;
    entry->type = question->type;
    entry->flags = flags_of(question);
    entry->size = (uint16_t)size;
    entry->ttl_count = (uint16_t)ttl_count;
    entry->name_length = question->name.length;
    memcpy(name_of(entry), question->name.wire, question->name.length);
    if (ng_table_add(&cache->table, &entry->link, ng_question_hash(question, cache->key)) < 0) {
        free(entry);
        return NULL;
    }
    cache->octets += octets;
    TAILQ_INSERT_HEAD(&cache->used, entry, used);
    entry->moved = ++cache->moves;
    return entry;
}

void ng_cache_put(struct ng_cache *cache, const struct ng_question *question, const struct ng_answer *answer,
                  uint64_t resolution, uint64_t now)
{
    struct entry *entry;

    ng_cache_drop(cache, question);
    entry = answer->ttl ? make(cache, question, answer->size, answer->ttl_count) : NULL;
    if (!entry)
        return;
    entry->stored_at = now;
    entry->expires_at = now + answer->ttl * NG_SECOND;
    entry->resolution = resolution;
    entry->flags |= ENTRY_ANSWER;
    if (answer->addresses || answer->links > 1 || answer->services)
        entry->flags |= ENTRY_LEARNABLE;
    memcpy(wire_of(entry), answer->wire, answer->size);
    memcpy(entry->ttls, answer->ttls, answer->ttl_count * sizeof(entry->ttls[0]));
}

void ng_cache_fail(struct ng_cache *cache, const struct ng_question *question, uint64_t now)
{
    struct entry *entry = find(cache, question);

    if (!entry)
        entry = make(cache, question, 0, 0);
    if (entry)
        entry->failed_until = now + NG_FAILURE_S * NG_SECOND;
}

static void describe(const struct entry *entry, uint64_t now, struct ng_cached *ret_cached)
{
    uint64_t whole = entry->expires_at - entry->stored_at;

    *ret_cached = (struct ng_cached){
        .answer = {.wire = wire_of(entry),
                   .size = entry->size,
                   .ttls = entry->ttls,
                   .ttl_count = entry->ttl_count,
                   .age = (uint32_t)((now - entry->stored_at) / NG_SECOND)},
        .resolution = entry->resolution,
        .learnable = entry->flags & ENTRY_LEARNABLE,
        .aging = whole >= AGING_TTL_MIN * NG_SECOND && now + whole / AGING >= entry->expires_at,
        .failed = entry->failed_until > now};
}

static enum ng_cached_kind look_at(const struct ng_cache *cache, const struct entry *entry, uint64_t now,
                                   struct ng_cached *ret_cached)
{
    if (!entry || !(entry->flags & ENTRY_ANSWER) || now >= entry->expires_at + cache->stale)
        return entry && entry->failed_until > now ? NG_CACHED_FAILURE : NG_CACHED_NOTHING;
    describe(entry, now, ret_cached);
    return now < entry->expires_at ? NG_CACHED_FRESH : NG_CACHED_STALE;
}

enum ng_cached_kind ng_cache_get(struct ng_cache *cache, const struct ng_question *question, uint64_t now,
                                 struct ng_cached *ret_cached)
{
    struct entry *entry = find(cache, question);
    enum ng_cached_kind kind = look_at(cache, entry, now, ret_cached);

    if (kind != NG_CACHED_NOTHING)
        use(cache, entry);
    else if (entry)
        forget(cache, entry);
    return kind;
}

enum ng_cached_kind ng_cache_peek(const struct ng_cache *cache, const struct ng_question *question, uint64_t now,
                                  struct ng_cached *ret_cached)
{
    return look_at(cache, find(cache, question), now, ret_cached);
}

void ng_cache_track(struct ng_cache *cache, const struct ng_question *question, uint64_t resolution)
{
    struct entry *entry = find(cache, question);

    if (entry)
        entry->resolution = resolution;
}

void ng_cache_each(struct ng_cache *cache, ng_cached_fn each, void *arg)
{
    struct entry *entry;

    TAILQ_FOREACH(entry, &cache->used, used)
    {
        struct ng_question question = {.type = entry->type,
                                       .dnssec = entry->flags & ENTRY_DNSSEC,
                                       .checking_disabled = entry->flags & ENTRY_CHECKING_DISABLED};
        struct ng_cached cached;

        if (!(entry->flags & ENTRY_ANSWER))
            continue;
        question.name.length = entry->name_length;
        memcpy(question.name.wire, name_of(entry), entry->name_length);
        describe(entry, entry->stored_at, &cached);
        each(arg, &question, &cached);
    }
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
