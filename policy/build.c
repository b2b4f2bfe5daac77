// SPDX-License-Identifier: BSD-2-Clause
/* Second half of building: nodes get their order, parents and profiles; then all is laid out. */
#include "build.h"

#include "profile.h"
#include "tables.h"

#include <namegate/cleanup.h>

#include <errno.h>

#define FULL_LENGTH (32 + 128) /* prefixlen of a single address */

static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff};

static bool is_v4(const struct ng_layout_network *network)
{
    return network->key.prefixlen >= 32 + 96 && ng_inside(network->key.address, mapped, 96);
}

/* By policy, IPv6 first, a network before those that it holds. */
static int by_key(const void *a, const void *b)
{
    const struct ng_layout_network *x = a, *y = b;
    int d;

    if (x->policy != y->policy)
        return x->policy < y->policy ? -1 : 1;
    if (is_v4(x) != is_v4(y))
        return is_v4(x) ? 1 : -1;
    d = memcmp(x->key.address, y->key.address, sizeof(x->key.address));
    if (d)
        return d;
    if (x->key.prefixlen != y->key.prefixlen)
        return x->key.prefixlen < y->key.prefixlen ? -1 : 1;
    return x->own < y->own ? -1 : x->own > y->own;
}

/* An IPv6 network such as ::/0 holds all mapped IPv4 addresses by its bits, but nobody means them: a network of all
 * IPv4 addresses that says nothing keeps them apart. */
static int add_barriers(struct ng_tables *tables)
{
    size_t count = tables->networks.count;
    uint32_t done = UINT32_MAX;

    for (size_t i = 0; i < count; i++) {
        struct ng_layout_network barrier = tables->networks.items[i];

        if (barrier.policy == done || barrier.key.prefixlen >= 32 + 96 ||
            !ng_inside(mapped, barrier.key.address, barrier.key.prefixlen - 32))
            continue;
        done = barrier.policy; /* the rules of a policy are collected in a row */
        barrier.key.prefixlen = 32 + 96;
        memcpy(barrier.key.address, mapped, sizeof(mapped));
        barrier.own = 0;
        if (!ng_vector_add(&tables->networks, barrier))
            return -ENOMEM;
    }
    return 0;
}

/* Sorts the networks and joins those with the same key; `joined` gets for every raw node the one that stands for it. */
static int join_networks(struct ng_tables *tables, uint32_t *joined)
{
    struct ng_layout_network *it = tables->networks.items;
    size_t kept = 0;
    int r = add_barriers(tables);

    if (r < 0)
        return r;
    it = tables->networks.items;
    for (uint32_t i = 0; i < tables->raw_nodes.count; i++)
        joined[i] = i;
    if (tables->networks.count)
        qsort(it, tables->networks.count, sizeof(*it), by_key);
    for (size_t i = 0; i < tables->networks.count; i++) {
        struct ng_layout_network *last = kept ? &it[kept - 1] : NULL;

        if (!last || last->policy != it[i].policy || memcmp(&last->key, &it[i].key, sizeof(last->key)) != 0)
            it[kept++] = it[i];
        else if (!last->own)
            last->own = it[i].own;
        else
            joined[it[i].own - 1] = last->own - 1;
    }
    tables->networks.count = kept;
    return 0;
}

/* The node of the rules for the names below the nearest ancestor that has any; plus 1. */
static uint32_t parent_of_name(const struct ng_tables *tables, uint32_t slot)
{
    const uint8_t *name = tables->names.items + tables->slots[slot].name - 1;
    struct ng_name whole;

    (void)ng_name_from_wire(name, tables->names.count - (size_t)(name - tables->names.items), &whole);
    for (size_t at = 1U + whole.wire[0]; whole.wire[at]; at += 1U + whole.wire[at]) {
        uint32_t i = ng_tables_slot(tables, tables->slots[slot].policy, whole.wire + at, whole.length - at);

        if (tables->slots[i].name && tables->slots[i].below)
            return tables->slots[i].below;
    }
    return 0;
}

/* Nodes of names: those of fewer labels first, so that a parent comes before its children. */
static int order_names(struct ng_tables *tables, uint32_t *final)
{
    for (unsigned labels = 1; labels <= NG_LABELS_MAX; labels++) {
        for (uint32_t i = 0; i < tables->raw_nodes.count; i++) {
            const struct ng_collected_node *raw = &tables->raw_nodes.items[i];
            struct ng_layout_node node = {.parent = 0};

            if (raw->network || raw->labels != labels)
                continue;
            final[i] = (uint32_t)tables->nodes.count;
            node.parent = parent_of_name(tables, raw->slot);
            if (!ng_vector_add(&tables->nodes, node))
                return -ENOMEM;
            /* Deeper names look this one up by the number that it has in the end. */
            if (raw->below)
                tables->slots[raw->slot].below = final[i] + 1;
            else
                tables->slots[raw->slot].exact = final[i] + 1;
        }
    }
    return 0;
}

/* Nodes of networks, with the enclosing networks on a stack. */
static int order_networks(struct ng_tables *tables, uint32_t *final)
{
    size_t stack[129], depth = 0;

    for (size_t i = 0; i < tables->networks.count; i++) {
        struct ng_layout_network *it = &tables->networks.items[i], *outer;
        struct ng_layout_node node = {.parent = 0};
        uint32_t raw = it->own, held;

        for (; depth > 0; depth--) {
            outer = &tables->networks.items[stack[depth - 1]];
            if (outer->policy == it->policy && is_v4(outer) == is_v4(it) &&
                ng_inside(it->key.address, outer->key.address, outer->key.prefixlen - 32))
                break;
        }
        held = depth > 0 ? tables->networks.items[stack[depth - 1]].below : 0;
        stack[depth++] = i;
        it->own = 0;
        it->below = held;
        if (!raw)
            continue;
        if (it->key.prefixlen < FULL_LENGTH)
            node.parent = held;
        final[raw - 1] = (uint32_t)tables->nodes.count;
        if (!ng_vector_add(&tables->nodes, node))
            return -ENOMEM;
        if (it->key.prefixlen == FULL_LENGTH)
            it->own = final[raw - 1] + 1;
        else
            it->below = final[raw - 1] + 1;
    }
    return 0;
}

static int by_precedence(const void *a, const void *b)
{
    const struct ng_collected_item *x = a, *y = b;

    if (x->node != y->node)
        return x->node < y->node ? -1 : 1;
    if (x->verdict != y->verdict)
        return x->verdict == NG_VERDICT_DENY ? -1 : 1;
    return x->sequence < y->sequence ? -1 : 1;
}

static int order_items(struct ng_tables *tables, const uint32_t *joined, const uint32_t *final)
{
    struct ng_collected_item *it = tables->raw_items.items;

    for (size_t i = 0; i < tables->raw_items.count; i++)
        it[i].node = final[joined[it[i].node]];
    if (tables->raw_items.count)
        qsort(it, tables->raw_items.count, sizeof(*it), by_precedence);
    for (size_t i = 0; i < tables->raw_items.count; i++) {
        struct ng_layout_node *node = &tables->nodes.items[it[i].node];

        if (!ng_vector_add(&tables->items, it[i].item))
            return -ENOMEM;
        if (node->items++ == 0)
            node->item = (uint32_t)i;
    }
    return 0;
}

static void say(struct ng_tables *tables, enum ng_severity severity, const struct ng_collected_item *item,
                const char *remedy, const char *text, const struct ng_collected_item *other)
{
    if (other)
        ng_diag_add(tables->diag, severity, item->ast->path, item->item.line, item->item.column, item->ast->text,
                    item->ast->length, remedy, "%s %s:%u", text, other->ast->path, other->item.line);
    else
        ng_diag_add(tables->diag, severity, item->ast->path, item->item.line, item->item.column, item->ast->text,
                    item->ast->length, remedy, "%s", text);
}

/* Adds the segments of a node's own items, and tells which items can never decide. */
static void add_own(struct ng_tables *tables, const struct ng_layout_node *node, struct ng_profile *profile)
{
    for (uint32_t i = node->item; i < node->item + node->items; i++) {
        const struct ng_collected_item *item = &tables->raw_items.items[i];
        bool decides = false;

        for (uint32_t s = 0; s < item->item.segments; s++) {
            int r = ng_profile_add(profile, &tables->segments.items[item->item.segment + s]);

            if (r < 0) {
                say(tables, NG_ERROR, item, "join ranges of ports",
                "too many different ports for one destination", NULL);
                return;
            }
            decides |= r > 0;
        }
        if (!decides)
            say(tables, NG_WARNING, item, "the most specific rule decides, and on a tie deny",
                "this has no effect: the same destination is decided by", &tables->raw_items.items[node->item]);
    }
}

static int find_profile(struct ng_tables *tables, const struct ng_profile *content, uint32_t *ret_profile)
{
    struct ng_layout_profile profile = {.id = ng_profile_id(content), .content = *content};
    struct ng_layout_profile *known = tables->profiles.items;

    for (size_t i = 0; i < tables->profiles.count; i++) {
        if (known[i].id != profile.id)
            continue;
        *ret_profile = (uint32_t)i;
        return memcmp(&known[i].content, content, sizeof(*content)) == 0 ? 0 : -EEXIST;
    }
    *ret_profile = (uint32_t)tables->profiles.count;
    return ng_vector_add(&tables->profiles, profile) ? 0 : -ENOMEM;
}

static int make_profiles(struct ng_tables *tables)
{
    for (size_t i = 0; i < tables->nodes.count; i++) {
        struct ng_layout_node *node = &tables->nodes.items[i];
        struct ng_profile profile = {.count = 0};
        int r;

        add_own(tables, node, &profile);
        if (node->parent) {
            const struct ng_profile *parent =
                &tables->profiles.items[tables->nodes.items[node->parent - 1].profile].content;

            for (uint32_t s = 0; s < parent->count; s++)
                if (ng_profile_add(&profile, &parent->segment[s]) < 0) {
                    say(tables, NG_ERROR, &tables->raw_items.items[node->item], "join ranges of ports",
                        "too many different ports for one destination, with the rules that hold it", NULL);
                    break;
                }
        }
        r = find_profile(tables, &profile, &node->profile);
        if (r == -EEXIST) /* two contents with one 64-bit hash */
            say(tables, NG_ERROR, &tables->raw_items.items[node->item], "change the order of the ports",
                "these ports cannot be told from others", NULL);
        else if (r < 0)
            return r;
    }
    return ng_diag_errors(tables->diag) ? -EINVAL : 0;
}

static int by_id(const void *a, const void *b)
{
    const struct ng_layout_profile *x = a, *y = b;

    return x->id < y->id ? -1 : x->id > y->id;
}

/* Readers look profiles up by id: sorts them and renumbers the nodes. */
static int sort_profiles(struct ng_tables *tables)
{
    size_t count = tables->profiles.count;
    _cleanup_free_ uint64_t *ids = calloc(count + 1, sizeof(*ids));

    if (!ids)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        ids[i] = tables->profiles.items[i].id;
    if (count)
        qsort(tables->profiles.items, count, sizeof(*tables->profiles.items), by_id);
    for (size_t i = 0; i < tables->nodes.count; i++) {
        struct ng_layout_profile key = {.id = ids[tables->nodes.items[i].profile]};
        const struct ng_layout_profile *found =
            bsearch(&key, tables->profiles.items, count, sizeof(key), by_id);

        tables->nodes.items[i].profile = (uint32_t)(found - tables->profiles.items);
    }
    return 0;
}

static int lay_out(const struct ng_tables *tables, void **ret_block, size_t *ret_size)
{
    const struct {
        const void *items;
        size_t count;
    } source[NG_SECTIONS] = {
        {tables->policies.items, tables->policies.count}, {tables->slots, tables->slot_count},
        {tables->nodes.items, tables->nodes.count},       {tables->networks.items, tables->networks.count},
        {tables->profiles.items, tables->profiles.count}, {tables->items.items, tables->items.count},
        {tables->rules.items, tables->rules.count},       {tables->segments.items, tables->segments.count},
        {tables->names.items, tables->names.count},       {tables->strings.items, tables->strings.count}};
    struct ng_layout_header header = {.magic = NG_LAYOUT_MAGIC};
    uint64_t size = sizeof(header);
    uint8_t *block;

    for (int s = 0; s < NG_SECTIONS; s++) {
        if (size > UINT32_MAX || source[s].count > UINT32_MAX)
            return -EFBIG;
        header.section[s].offset = (uint32_t)size;
        header.section[s].count = (uint32_t)source[s].count;
        size = (size + (uint64_t)source[s].count * ng_section_size[s] + 7) / 8 * 8;
    }
    header.size = size;
    block = calloc(1, size);
    if (!block)
        return -ENOMEM;
    memcpy(block, &header, sizeof(header));
    for (int s = 0; s < NG_SECTIONS; s++)
        if (source[s].count)
            memcpy(block + header.section[s].offset, source[s].items, source[s].count * ng_section_size[s]);
    *ret_block = block;
    *ret_size = size;
    return 0;
}

static int finish(struct ng_tables *tables, void **ret_block, size_t *ret_size)
{
    _cleanup_free_ uint32_t *joined = calloc(tables->raw_nodes.count + 1, sizeof(*joined));
    _cleanup_free_ uint32_t *final = calloc(tables->raw_nodes.count + 1, sizeof(*final));
    int r;

    if (!joined || !final)
        return -ENOMEM;
    r = join_networks(tables, joined);
    if (r == 0)
        r = order_names(tables, final);
    if (r == 0)
        r = order_networks(tables, final);
    if (r == 0)
        r = order_items(tables, joined, final);
    if (r == 0)
        r = make_profiles(tables);
    if (r == 0)
        r = sort_profiles(tables);
    return r == 0 ? lay_out(tables, ret_block, ret_size) : r;
}

int ng_build(const struct ng_build_source *sources, size_t count, struct ng_diag *diag, void **ret_block,
             size_t *ret_size)
{
    struct ng_tables tables = {.diag = diag};
    int r = ng_collect(&tables, sources, count);

    if (r == 0)
        r = finish(&tables, ret_block, ret_size);
    ng_vector_free(&tables.collected);
    ng_vector_free(&tables.raw_items);
    ng_vector_free(&tables.raw_nodes);
    ng_vector_free(&tables.policies);
    free(tables.slots);
    ng_vector_free(&tables.nodes);
    ng_vector_free(&tables.networks);
    ng_vector_free(&tables.profiles);
    ng_vector_free(&tables.items);
    ng_vector_free(&tables.rules);
    ng_vector_free(&tables.segments);
    ng_vector_free(&tables.names);
    ng_vector_free(&tables.strings);
    return r;
}
