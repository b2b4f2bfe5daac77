// SPDX-License-Identifier: BSD-2-Clause
/* Which numbers and texts of a kind make two rows one is said in one table. No SQLite here. */
#include "rows.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 256
#define BIT(n) (1u << (n))

/* The key of what is added up before it is written is finer than that of the table: a row keeps what its first one had
 * of the rest. */
struct shape {
    unsigned numbers, texts;
    uint32_t key_numbers, key_texts; /* none: each is a row */
};

#define FLOW_NUMBERS                                                                                           \
    (BIT(NG_FLOW_DEPLOYMENT) | BIT(NG_FLOW_LINEAGE) | BIT(NG_FLOW_PORT) | BIT(NG_FLOW_PROBE) | BIT(NG_FLOW_INCIDENT))
#define FLOW_TEXTS                                                                                                   \
    (BIT(NG_FLOW_NAME) | BIT(NG_FLOW_ADDRESS) | BIT(NG_FLOW_PROTO) | BIT(NG_FLOW_VERDICT) | BIT(NG_FLOW_EVIDENCE) | \
     BIT(NG_FLOW_COMM) | BIT(NG_FLOW_HOOK) | BIT(NG_FLOW_ERRNO) | BIT(NG_FLOW_REASON))

static const struct shape shapes[NG_ROW_KINDS] = {
    [NG_ROW_START] = {3, 6, 0, 0},
    [NG_ROW_FINISH] = {8, 0, 0, 0},
    [NG_ROW_LINEAGE] = {4, 3, BIT(NG_LINEAGE_DEPLOYMENT) | BIT(NG_LINEAGE_NUMBER), 0},
    [NG_ROW_PROCESS] = {9, 0, BIT(NG_PROCESS_DEPLOYMENT) | BIT(NG_PROCESS_NUMBER), 0},
    [NG_ROW_RESOLUTION] = {5, 3, BIT(NG_RESOLUTION_DEPLOYMENT) | BIT(NG_RESOLUTION_LINEAGE),
                           BIT(NG_RESOLUTION_NAME) | BIT(NG_RESOLUTION_CHAIN) | BIT(NG_RESOLUTION_ADDRESSES)},
    [NG_ROW_FLOW] = {10, 13, FLOW_NUMBERS, FLOW_TEXTS},
    [NG_ROW_SHADOW] = {10, 15, FLOW_NUMBERS, FLOW_TEXTS | BIT(NG_FLOW_SHADOW_VERDICT)},
};

unsigned ng_row_numbers(enum ng_row_kind kind)
{
    return shapes[kind].numbers;
}

unsigned ng_row_texts(enum ng_row_kind kind)
{
    return shapes[kind].texts;
}

/* FNV-1a */
static uint64_t mix(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *octet = data;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ octet[i]) * 0x100000001b3ULL;
    return hash;
}

static uint64_t hash_of(const struct shape *shape, const int64_t *numbers, const char *const *texts)
{
    uint64_t hash = 0xcbf29ce484222325ULL;

    for (unsigned i = 0; i < shape->numbers; i++)
        if (shape->key_numbers & BIT(i))
            hash = (hash ^ (uint64_t)numbers[i]) * 0x9e3779b97f4a7c15ULL;
    for (unsigned i = 0; i < shape->texts; i++)
        if (shape->key_texts & BIT(i) && texts[i])
            hash = mix(hash, texts[i], strlen(texts[i]) + 1);
    return hash ^ hash >> 32;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same(const struct shape *shape, const struct ng_row *row, const int64_t *numbers, const char *const *texts)
{
    for (unsigned i = 0; i < shape->numbers; i++)
        if (shape->key_numbers & BIT(i) && row->number[i] != numbers[i])
            return false;
    for (unsigned i = 0; i < shape->texts; i++)
        if (shape->key_texts & BIT(i) && !same_text(row->text[i], texts[i]))
            return false;
    return true;
}

struct ng_row *ng_rows_find(const struct ng_rows *rows, enum ng_row_kind kind, const int64_t *numbers,
                            const char *const *texts)
{
    const struct shape *shape = &shapes[kind];
    uint64_t hash;

    if (!shape->key_numbers || !rows->slots)
        return NULL;
    hash = hash_of(shape, numbers, texts);
    for (struct ng_row *row = rows->table[hash & (rows->slots - 1)]; row; row = row->same)
        if (row->hash == hash && row->kind == kind && same(shape, row, numbers, texts))
            return row;
    return NULL;
}

static void enter(struct ng_rows *rows, struct ng_row *row)
{
    struct ng_row **slot = &rows->table[row->hash & (rows->slots - 1)];

    row->same = *slot;
    *slot = row;
}

static int grow(struct ng_rows *rows)
{
    unsigned slots = rows->slots ? 2 * rows->slots : SLOTS_MIN;
    struct ng_row **table = calloc(slots, sizeof(struct ng_row *));

    if (!table)
        return -ENOMEM;
    free(rows->table);
    rows->table = table;
    rows->slots = slots;
    for (struct ng_row *row = rows->first; row; row = row->next)
        if (shapes[row->kind].key_numbers)
            enter(rows, row);
    return 0;
}

struct ng_row *ng_row_copy(enum ng_row_kind kind, const int64_t *numbers, const char *const *texts)
{
    const struct shape *shape = &shapes[kind];
    size_t size[NG_ROW_TEXTS_MAX], all = 0;
    struct ng_row *row;
    char *at;

    for (unsigned i = 0; i < shape->texts; i++) {
        size[i] = texts[i] ? strlen(texts[i]) + 1 : 0;
        all += size[i];
    }
    row = malloc(sizeof(*row) + all);
    if (!row)
        return NULL;
    *row = (struct ng_row){.kind = kind};
    memcpy(row->number, numbers, shape->numbers * sizeof(*numbers));
    at = (char *)(row + 1);
    for (unsigned i = 0; i < shape->texts; i++) {
        if (texts[i])
            row->text[i] = memcpy(at, texts[i], size[i]);
        at += size[i];
    }
    return row;
}

int ng_rows_add(struct ng_rows *rows, enum ng_row_kind kind, const int64_t *numbers, const char *const *texts)
{
    struct ng_row *row;

    if (rows->count >= rows->slots / 2 && grow(rows) < 0)
        return -ENOMEM;
    row = ng_row_copy(kind, numbers, texts);
    if (!row)
        return -ENOMEM;
    if (rows->last)
        rows->last->next = row;
    else
        rows->first = row;
    rows->last = row;
    rows->count++;
    if (shapes[kind].key_numbers) {
        row->hash = hash_of(&shapes[kind], numbers, texts);
        enter(rows, row);
    }
    return 0;
}

void ng_rows_clear(struct ng_rows *rows)
{
    while (rows->first) {
        struct ng_row *next = rows->first->next;

        free(rows->first);
        rows->first = next;
    }
    free(rows->table);
    *rows = (struct ng_rows){0};
}
