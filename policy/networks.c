// SPDX-License-Identifier: BSD-2-Clause
/* Networks of one policy: in the order in which each comes after those that hold it. */
#include "tables.h"

#include <errno.h>

#define FULL_LENGTH (32 + 128) /* prefixlen of a single address */

static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff};

static bool is_v4(const struct ng_prefix *prefix)
{
    return prefix->bits >= 96 && ng_inside(prefix->address, mapped, 96);
}

/* IPv6 first, a network before those that it holds, denies first, then as written. */
static int by_address(const void *a, const void *b)
{
    const struct ng_raw_network *x = a, *y = b;
    int d;

    if (is_v4(&x->prefix) != is_v4(&y->prefix))
        return is_v4(&x->prefix) ? 1 : -1;
    d = memcmp(x->prefix.address, y->prefix.address, sizeof(x->prefix.address));
    if (d)
        return d;
    if (x->prefix.bits != y->prefix.bits)
        return x->prefix.bits < y->prefix.bits ? -1 : 1;
    if (x->deny != y->deny)
        return x->deny ? -1 : 1;
    return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

static bool same_prefix(const struct ng_prefix *a, const struct ng_prefix *b)
{
    return a->bits == b->bits && memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

static int add_network(struct ng_tables *tables, const struct ng_prefix *prefix, struct ng_layout_network *network)
{
    struct ng_layout_policy *policy = &tables->policies.items[tables->policies.count - 1];

    network->key = (struct ng_network_key){.prefixlen = 32U + prefix->bits, .scope = policy->scope};
    memcpy(network->key.address, prefix->address, sizeof(network->key.address));
    network->policy = (uint32_t)tables->policies.count - 1;
    policy->networks = 1;
    return ng_vector_add(&tables->networks, *network) ? 0 : -ENOMEM;
}

static const struct ng_layout_node none = {.rule = NG_NODE_NONE};

/* An IPv6 network such as ::/0 holds all mapped IPv4 addresses by its bits, but nobody means them: a network of all
 * IPv4 addresses that says nothing keeps them apart. */
static int add_barrier(struct ng_tables *tables)
{
    struct ng_prefix all = {.bits = 96};
    bool needed = false;

    memcpy(all.address, mapped, sizeof(mapped));
    for (size_t i = 0; i < tables->raw_networks.count; i++) {
        const struct ng_prefix *prefix = &tables->raw_networks.items[i].prefix;

        if (same_prefix(prefix, &all))
            return 0;
        needed |= prefix->bits < 96 && ng_inside(mapped, prefix->address, prefix->bits);
    }
    return needed ? add_network(tables, &all, &(struct ng_layout_network){.own = none, .below = none}) : 0;
}

/* The networks around the one in work, and where their profiles are. */
struct outer {
    struct ng_prefix prefix;
    uint32_t profile;
};

static int join(struct ng_tables *tables, const struct ng_raw_network *raw, size_t count, const struct outer *outer,
                struct outer *ret_own)
{
    struct ng_layout_network network = {.own = none, .below = none};
    struct ng_contender *list = calloc(count, sizeof(*list));
    struct ng_layout_node node;
    int r;

    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        list[i] = (struct ng_contender){raw[i].rule, raw[i].line,
                                        ng_tables_origin(tables, raw[i].file, raw[i].destination)};
    *ret_own = (struct outer){.prefix = raw->prefix};
    /* The rules for one address come before names, and networks after them, so they do not add up. */
    r = ng_tables_profile(tables, list, count,
                          raw->prefix.bits < 128 && outer ? ng_tables_content(tables, outer->profile) : NULL,
                          &ret_own->profile);
    if (r == 0)
        r = ng_tables_node(tables, list, count, ret_own->profile, &node);
    free(list);
    if (r < 0)
        return r;
    if (raw->prefix.bits < 128) {
        network.below = node;
    } else {
        network.own = node;
        network.inherited = outer != NULL;
        if (outer)
            network.below = (struct ng_layout_node){.profile = outer->profile, .rule = NG_NODE_NONE};
    }
    return add_network(tables, &raw->prefix, &network);
}

static int by_place(const void *a, const void *b)
{
    return ng_layout_compare(a, b);
}

int ng_build_networks(struct ng_tables *tables)
{
    const struct ng_raw_network *it;
    size_t first = tables->networks.count;
    struct outer stack[129];
    size_t depth = 0, count = tables->raw_networks.count;
    int r;

    if (count == 0)
        return 0;
    qsort(tables->raw_networks.items, count, sizeof(*tables->raw_networks.items), by_address);
    r = add_barrier(tables);
    it = tables->raw_networks.items;
    for (size_t i = 0, end; r == 0 && i < count; i = end) {
        for (end = i + 1; end < count && same_prefix(&it[end].prefix, &it[i].prefix);)
            end++;
        while (depth > 0 && (is_v4(&stack[depth - 1].prefix) != is_v4(&it[i].prefix) ||
                             !ng_inside(it[i].prefix.address, stack[depth - 1].prefix.address,
                                        stack[depth - 1].prefix.bits)))
            depth--;
        r = join(tables, &it[i], end - i, depth ? &stack[depth - 1] : NULL, &stack[depth]);
        if (it[i].prefix.bits < 128)
            depth++;
    }
    if (r == 0)
        qsort(tables->networks.items + first, tables->networks.count - first, sizeof(struct ng_layout_network),
              by_place);
    return r;
}
