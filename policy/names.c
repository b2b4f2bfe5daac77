// SPDX-License-Identifier: BSD-2-Clause
/* Names: those of one policy in the order of their hashes, so that equal ones meet and the table is written front
 * to back; then their profiles, ancestors first. */
#include "tables.h"

#include <namegate/cleanup.h>

#include <errno.h>

#define RADIX_BITS 11
#define RADIX (1U << RADIX_BITS)
#define FETCH_AHEAD 16

/* A record whose profile is still to be made. */
struct pending {
    uint32_t record;
    uint32_t first, count; /* of raw_names: its name's */
    uint8_t kind;
    uint8_t labels;
};

typedef NG_VECTOR(struct pending) pending_vector;

/* Stable, by hash. */
static int sort(struct ng_tables *tables)
{
    size_t count = tables->raw_names.count;
    struct ng_raw_name *from = tables->raw_names.items;
    struct ng_raw_name *to = malloc((count + 1) * sizeof(*to)), *buffer = to;

    if (!to)
        return -ENOMEM;
    for (unsigned shift = 0; shift < 32; shift += RADIX_BITS) {
        size_t at[RADIX] = {0}, sum = 0;
        struct ng_raw_name *swap;

        for (size_t i = 0; i < count; i++)
            at[(from[i].hash >> shift) & (RADIX - 1)]++;
        for (unsigned i = 0; i < RADIX; i++) {
            size_t here = at[i];

            at[i] = sum;
            sum += here;
        }
        for (size_t i = 0; i < count; i++)
            to[at[(from[i].hash >> shift) & (RADIX - 1)]++] = from[i];
        swap = from;
        from = to;
        to = swap;
    }
    /* Three passes: the result lies in the buffer. */
    tables->raw_names.items = from;
    tables->raw_names.room = count + 1;
    free(from == buffer ? to : buffer);
    return 0;
}

static bool same_name(const uint8_t *x, const uint8_t *y)
{
    for (;; x += 1U + *x, y += 1U + *y) {
        if (memcmp(x, y, 1U + *x) != 0)
            return false;
        if (!*x)
            return true;
    }
}

/* Among names with one hash brings those that equal the first together, in their order; the number of them. */
static uint32_t gather(struct ng_tables *tables, uint32_t first, uint32_t end)
{
    struct ng_raw_name *it = tables->raw_names.items;
    uint32_t count = 1;

    for (uint32_t i = first + 1; i < end; i++) {
        struct ng_raw_name found = it[i];

        if (!same_name(it[first].octets, found.octets))
            continue;
        memmove(&it[first + count + 1], &it[first + count], (i - first - count) * sizeof(*it));
        it[first + count++] = found;
    }
    return count;
}

static size_t octets_of(const uint8_t *name)
{
    size_t at = 0;

    while (name[at])
        at += 1U + name[at];
    return at + 1;
}

static struct ng_layout_policy *policy_in_work(const struct ng_tables *tables)
{
    return &tables->policies.items[tables->policies.count - 1];
}

/* Puts a name into the table: in the order of hashes, so that its place, or the next free one, is behind all others. */
static int add_place(struct ng_tables *tables, uint32_t hash, uint32_t offset)
{
    const struct ng_layout_policy *policy = policy_in_work(tables);
    size_t at = policy->table + ng_hash_place(hash, policy->room), more;

    if (at < tables->tags.count)
        at = tables->tags.count;
    more = at + 1 - tables->tags.count;
    if (at >= UINT32_MAX - NG_TAGS_SLACK)
        return -EFBIG;
    if (!ng_vector_reserve(&tables->tags, more) || !ng_vector_reserve(&tables->offsets, more))
        return -ENOMEM;
    memset(tables->tags.items + tables->tags.count, 0, more);
    memset(tables->offsets.items + tables->tags.count, 0, more * sizeof(*tables->offsets.items));
    tables->tags.items[at] = ng_hash_tag(hash);
    tables->offsets.items[at] = offset;
    tables->tags.count = tables->offsets.count = at + 1;
    return 0;
}

/* Writes a record without its node. */
static int add_record(struct ng_tables *tables, uint32_t first, uint32_t count, uint8_t kind, pending_vector *pending)
{
    const struct ng_raw_name *raw = &tables->raw_names.items[first];
    struct ng_layout_policy *policy = policy_in_work(tables);
    size_t octets = octets_of(raw->octets), offset = tables->records.count;
    size_t size = (sizeof(struct ng_layout_record) + octets + 3) / 4 * 4;
    struct pending record = {(uint32_t)offset, first, count, kind, raw->labels};
    struct ng_layout_node node = {0};
    int r = add_place(tables, raw->hash, (uint32_t)offset);

    if (r < 0)
        return r;
    if (offset + size >= UINT32_MAX - NG_RECORDS_SLACK)
        return -EFBIG;
    if (!ng_vector_reserve(&tables->records, size + NG_RECORDS_SLACK) || !ng_vector_add(pending, record))
        return -ENOMEM;
    memset(tables->records.items + offset, 0, size);
    /* Which kind it is decides whether it is found; the rest of the node comes when all records are there. */
    node.profile = (kind & NG_RAW_EXACT ? NG_RECORD_EXACT : 0) | (kind & NG_RAW_BELOW ? NG_RECORD_BELOW : 0);
    memcpy(tables->records.items + offset, &node, sizeof(node));
    memcpy(tables->records.items + offset + sizeof(node), raw->octets, octets);
    tables->records.count += size;
    if (kind & NG_RAW_EXACT)
        policy->exact[raw->labels / 64] |= 1ULL << (raw->labels % 64);
    if (kind & NG_RAW_BELOW)
        policy->below[raw->labels / 64] |= 1ULL << (raw->labels % 64);
    return 0;
}

/* One record where all rules of a name are for it and for what lies below, else one for each. */
static int add_records(struct ng_tables *tables, uint32_t first, uint32_t count, pending_vector *pending)
{
    uint8_t all = NG_RAW_EXACT | NG_RAW_BELOW, any = 0;
    int r = 0;

    for (uint32_t i = first; i < first + count; i++) {
        all &= tables->raw_names.items[i].kind;
        any |= tables->raw_names.items[i].kind;
    }
    if (all == any)
        return add_record(tables, first, count, any, pending);
    if (any & NG_RAW_EXACT)
        r = add_record(tables, first, count, NG_RAW_EXACT, pending);
    if (r == 0 && any & NG_RAW_BELOW)
        r = add_record(tables, first, count, NG_RAW_BELOW, pending);
    return r;
}

static int write_records(struct ng_tables *tables, pending_vector *pending)
{
    struct ng_layout_policy *policy = policy_in_work(tables);
    const struct ng_raw_name *it = tables->raw_names.items;
    size_t count = tables->raw_names.count;
    int r = 0;

    policy->table = (uint32_t)tables->tags.count;
    policy->room = (uint32_t)(count + count / 3 + 1);
    for (uint32_t i = 0; r == 0 && i < count;) {
        uint32_t end = i + 1;

        while (end < count && it[end].hash == it[i].hash)
            end++;
        /* In the order of hashes names lie anywhere: fetching them ahead halves the time. */
        if (i + FETCH_AHEAD < count)
            __builtin_prefetch(it[i + FETCH_AHEAD].octets);
        while (r == 0 && i < end) {
            uint32_t same = gather(tables, i, end);

            r = add_records(tables, i, same, pending);
            i += same;
        }
    }
    /* A free place ends the search of the largest hash, and of every one that has a place behind. */
    for (uint32_t more = 0; r == 0 && (more == 0 || tables->tags.count <= policy->table + policy->room); more++)
        if (!ng_vector_add(&tables->tags, 0) || !ng_vector_add(&tables->offsets, 0))
            r = -ENOMEM;
    policy->all = (uint32_t)tables->tags.count - policy->table;
    return r;
}

/* The profile of the nearest ancestor's rules for what lies below it; NULL: there are none. */
static const struct ng_profile *outer_profile(const struct ng_tables *tables, const uint8_t *name)
{
    const struct ng_layout_policy *policy = policy_in_work(tables);
    const struct ng_layout_names names = {tables->tags.items + policy->table, tables->offsets.items + policy->table,
                                          policy->room, tables->records.items};
    uint32_t hash[NG_LABELS_MAX + 1];
    uint8_t label[NG_LABELS_MAX + 1];
    uint64_t whole = NG_HASH_BEGIN;
    unsigned labels = 0;

    for (size_t at = 0; name[at]; at += 1U + name[at])
        label[labels++] = (uint8_t)at;
    for (unsigned i = labels; i-- > 1;) {
        whole = ng_hash_label(whole, name + label[i]);
        hash[i] = ng_hash_short(whole);
    }
    for (unsigned i = 1; i < labels; i++) {
        const struct ng_layout_record *record =
            ng_layout_has_labels(policy->below, labels - i)
                ? ng_layout_find(&names, name + label[i], octets_of(name + label[i]), hash[i], NG_RECORD_BELOW)
                : NULL;

        if (record)
            return ng_tables_content(tables, record->node.profile & NG_RECORD_PROFILE);
    }
    return NULL;
}

/* The rules of a record: denies first, then as written. */
static size_t contenders_of(const struct ng_tables *tables, const struct pending *pending, struct ng_contender *list)
{
    size_t count = 0;

    for (int deny = 1; deny >= 0; deny--) {
        for (uint32_t i = pending->first; i < pending->first + pending->count; i++) {
            const struct ng_raw_name *raw = &tables->raw_names.items[i];

            if (raw->deny == deny && raw->kind & pending->kind)
                list[count++] = (struct ng_contender){raw->rule, raw->line,
                                                      ng_tables_origin(tables, raw->file, raw->destination)};
        }
    }
    return count;
}

static int finish_record(struct ng_tables *tables, const struct pending *pending)
{
    struct ng_contender few[8], *list = few;
    const struct ng_profile *outer;
    struct ng_layout_node node;
    uint32_t profile = 0, kind;
    size_t count;
    int r;

    if (pending->count > sizeof(few) / sizeof(*few)) {
        list = calloc(pending->count, sizeof(*list));
        if (!list)
            return -ENOMEM;
    }
    count = contenders_of(tables, pending, list);
    outer = outer_profile(tables, tables->records.items + pending->record + sizeof(struct ng_layout_record));
    r = ng_tables_profile(tables, list, count, outer, &profile);
    if (r == 0)
        r = ng_tables_node(tables, list, count, profile, &node);
    if (list != few)
        free(list);
    if (r < 0)
        return r;
    memcpy(&kind, tables->records.items + pending->record, sizeof(kind));
    node.profile |= kind;
    memcpy(tables->records.items + pending->record, &node, sizeof(node));
    return 0;
}

int ng_build_names(struct ng_tables *tables)
{
    const struct ng_layout_policy *policy = policy_in_work(tables);
    pending_vector pending = {0};
    int r = sort(tables);

    if (r == 0)
        r = write_records(tables, &pending);
    if (r == 0 && !ng_vector_reserve(&tables->tags, NG_TAGS_SLACK))
        r = -ENOMEM;
    for (unsigned labels = 0; r == 0 && labels <= NG_LABELS_MAX; labels++) {
        if (!ng_layout_has_labels(policy->exact, labels) && !ng_layout_has_labels(policy->below, labels))
            continue;
        for (size_t i = 0; r == 0 && i < pending.count; i++)
            if (pending.items[i].labels == labels)
                r = finish_record(tables, &pending.items[i]);
    }
    ng_vector_free(&pending);
    return r;
}
