// SPDX-License-Identifier: BSD-2-Clause
#include "table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SIZE_MIN 64
#define HUGE_PAGE (2U << 20) /* octets */
#define GROWTH 4 /* each time all that is there is touched, which costs more than room does */

/* Strangers' names lie all over a table: where it is large, in pages that are large too each costs less to get at. */
static struct ng_link **make_buckets(size_t size)
{
    size_t octets = size * sizeof(struct ng_link *);
    void *buckets;

    if (octets < HUGE_PAGE)
        return calloc(size, sizeof(struct ng_link *));
    buckets = aligned_alloc(HUGE_PAGE, octets);
    if (!buckets)
        return NULL;
    (void)madvise(buckets, octets, MADV_HUGEPAGE);
    return memset(buckets, 0, octets);
}

static void grow(struct ng_table *table, size_t size)
{
    struct ng_link **buckets = make_buckets(size);

    if (!buckets)
        return; /* longer chains, nothing worse */
    for (size_t i = 0; i < table->size; i++) {
        for (struct ng_link *link = table->buckets[i], *next; link; link = next) {
            struct ng_link **head = &buckets[link->hash & (size - 1)];

            next = link->next;
            link->next = *head;
            *head = link;
        }
    }
    free(table->buckets);
    table->buckets = buckets;
    table->size = size;
}

int ng_table_add(struct ng_table *table, struct ng_link *link, uint64_t hash)
{
    struct ng_link **head;

    if (table->count >= table->size / 2) /* short chains: what is not found costs a look at each of their links */
        grow(table, table->size ? table->size * GROWTH : SIZE_MIN);
    if (!table->size)
        return -ENOMEM;
    head = &table->buckets[hash & (table->size - 1)];
    *link = (struct ng_link){.next = *head, .hash = hash};
    *head = link;
    table->count++;
    return 0;
}

void ng_table_remove(struct ng_table *table, struct ng_link *link)
{
    struct ng_link **at = &table->buckets[link->hash & (table->size - 1)];

    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    table->count--;
}

static struct ng_link *same(struct ng_link *link, uint64_t hash)
{
    while (link && link->hash != hash)
        link = link->next;
    return link;
}

struct ng_link *ng_table_first(const struct ng_table *table, uint64_t hash)
{
    return table->size ? same(table->buckets[hash & (table->size - 1)], hash) : NULL;
}

struct ng_link *ng_table_next(const struct ng_link *link)
{
    return same(link->next, link->hash);
}

void ng_table_each(struct ng_table *table, ng_link_fn each, void *arg)
{
    size_t cursor = 0;

    ng_table_walk(table, &cursor, table->size, each, arg);
}

void ng_table_walk(struct ng_table *table, size_t *cursor, size_t buckets, ng_link_fn each, void *arg)
{
    for (; buckets > 0 && table->size; buckets--) {
        *cursor &= table->size - 1;
        for (struct ng_link *link = table->buckets[*cursor], *next; link; link = next) {
            next = link->next;
            each(arg, link);
        }
        ++*cursor;
    }
}

void ng_table_release(struct ng_table *table)
{
    free(table->buckets);
    *table = (struct ng_table){0};
}
