/* SPDX-License-Identifier: BSD-2-Clause */
/* A chained hash table of records that embed a struct ng_link. The hash is the caller's; it is keyed where strangers
 * choose what goes in. */
#ifndef NAMEGATE_TABLE_H
#define NAMEGATE_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct ng_link {
    struct ng_link *next;
    uint64_t hash;
};

struct ng_table {
    struct ng_link **buckets;
    size_t size; /* a power of two, or 0 */
    size_t count;
};

/* The record of which `member` is the link; NULL for NULL. */
#define ng_record(link, type, member)                                                         \
    ({                                                                                        \
        struct ng_link *_link = (link);                                                       \
        _link ? (type *)(void *)((char *)_link - offsetof(type, member)) : (type *)NULL;      \
    })

/* Returns 0 or -ENOMEM. */
int ng_table_add(struct ng_table *table, struct ng_link *link, uint64_t hash);
void ng_table_remove(struct ng_table *table, struct ng_link *link);

/* The first link with that hash, then the next; NULL at the end. */
struct ng_link *ng_table_first(const struct ng_table *table, uint64_t hash);
struct ng_link *ng_table_next(const struct ng_link *link);

/* What stands where a link with that hash would, without a look at it; NULL: nothing. */
static inline const void *ng_table_near(const struct ng_table *table, uint64_t hash)
{
    return table->size ? table->buckets[hash & (table->size - 1)] : NULL;
}

/* Calls each link; the callback may remove the one that it is given. */
typedef void (*ng_link_fn)(void *arg, struct ng_link *link);
void ng_table_each(struct ng_table *table, ng_link_fn each, void *arg);
/* The same for at most `buckets` buckets from *cursor on, which it moves on and wraps. */
void ng_table_walk(struct ng_table *table, size_t *cursor, size_t buckets, ng_link_fn each, void *arg);

/* Forgets all links without touching them, and frees the table's own memory. */
void ng_table_release(struct ng_table *table);

#endif
