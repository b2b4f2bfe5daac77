// SPDX-License-Identifier: BSD-2-Clause
/* First half of building: every policy, rule and destination gets its record, every name and network its node. */
#include "tables.h"

#include <errno.h>
#include <stdio.h>

static int add_string(struct ng_tables *tables, const char *text, uint32_t *ret_offset)
{
    size_t size = text ? strlen(text) + 1 : 0, offset = tables->strings.count;

    if (size <= 1) {
        *ret_offset = 0;
        return 0;
    }
    if (offset + size > UINT32_MAX)
        return -EFBIG;
    for (size_t i = 0; i < size; i++)
        if (!ng_vector_add(&tables->strings, text[i]))
            return -ENOMEM;
    *ret_offset = (uint32_t)offset;
    return 0;
}

static uint32_t scope_of(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325ULL;
    uint32_t scope;

    for (; *name; name++)
        hash = ng_fold(hash ^ (uint8_t)*name, 0x9e3779b97f4a7c15ULL);
    scope = (uint32_t)hash & ~NG_SCOPE_DEPLOYMENT;
    return scope ? scope : 1;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct ng_collected_policy *)a)->name, ((const struct ng_collected_policy *)b)->name);
}

/* All policies in the order of their names; each name, and each scope, once. */
static int collect_policies(struct ng_tables *tables, const struct ng_build_source *sources, size_t count)
{
    for (size_t s = 0; s < count; s++) {
        const struct ng_ast *ast = sources[s].ast;

        if (sources[s].as && ast->policies.count != 1) {
            ng_diag_add(tables->diag, NG_ERROR, ast->path, 0, 0, NULL, 0, NULL,
                        "this file has %zu policies, expected one", ast->policies.count);
            continue;
        }
        for (size_t p = 0; p < ast->policies.count; p++) {
            const struct ng_ast_policy *policy = &ast->policies.items[p];
            struct ng_collected_policy collected = {ast, policy, sources[s].as ? sources[s].as : policy->name};

            if (!ng_vector_add(&tables->collected, collected))
                return -ENOMEM;
        }
    }
    if (tables->collected.count)
        qsort(tables->collected.items, tables->collected.count, sizeof(*tables->collected.items), by_name);
    for (size_t i = 0; i < tables->collected.count; i++) {
        const struct ng_collected_policy *it = &tables->collected.items[i];

        for (size_t k = 0; k < i; k++) {
            const struct ng_collected_policy *other = &tables->collected.items[k];

            if (scope_of(other->name) != scope_of(it->name))
                continue;
            ng_diag_add(tables->diag, NG_ERROR, it->ast->path, it->policy->place.line, it->policy->place.column,
                        it->ast->text, it->ast->length, "give it another name", "policy '%s' %s '%s', at %s:%u",
                        it->name, strcmp(it->name, other->name) ? "cannot live beside" : "is also defined as",
                        other->name, other->ast->path, other->policy->place.line);
        }
    }
    return ng_diag_errors(tables->diag) ? -EINVAL : 0;
}

uint32_t ng_tables_slot(const struct ng_tables *tables, uint32_t policy, const uint8_t *name, size_t length)
{
    size_t label[NG_LABELS_MAX + 1], labels = 0;
    uint64_t hash = ng_hash_begin(policy);
    uint32_t i;

    for (size_t at = 0; name[at]; at += 1U + name[at])
        label[labels++] = at;
    while (labels > 0)
        hash = ng_hash_label(hash, name + label[--labels]);
    i = ng_hash_slot(hash, tables->slot_count);
    while (tables->slots[i].name && !(tables->slots[i].policy == policy &&
                                      ng_layout_same(tables->names.items, tables->names.count,
                                                     tables->slots[i].name - 1, name, length)))
        i = i + 1 == tables->slot_count ? 0 : i + 1;
    return i;
}

static int make_slots(struct ng_tables *tables)
{
    uint64_t count = 0;

    for (size_t p = 0; p < tables->collected.count; p++)
        for (size_t r = 0; r < tables->collected.items[p].policy->rules.count; r++)
            count += tables->collected.items[p].policy->rules.items[r].destinations.count;
    count = count + count / 3 + 1;
    if (count > UINT32_MAX / 2)
        return -EFBIG;
    tables->slots = calloc(count, sizeof(*tables->slots));
    tables->slot_count = (uint32_t)count;
    return tables->slots ? 0 : -ENOMEM;
}

static int name_node(struct ng_tables *tables, uint32_t policy, const struct ng_name *name, bool below,
                     uint32_t *ret_node)
{
    uint32_t index = ng_tables_slot(tables, policy, name->wire, name->length);
    struct ng_layout_slot *slot = &tables->slots[index];
    uint32_t *node;

    if (!slot->name) {
        size_t offset = tables->names.count;

        for (size_t i = 0; i < name->length; i++)
            if (!ng_vector_add(&tables->names, name->wire[i]))
                return -ENOMEM;
        *slot = (struct ng_layout_slot){.name = (uint32_t)offset + 1, .policy = policy};
    }
    node = below ? &slot->below : &slot->exact;
    if (!*node) {
        struct ng_collected_node raw = {.slot = index, .labels = (uint8_t)ng_name_labels(name), .below = below};

        if (!ng_vector_add(&tables->raw_nodes, raw))
            return -ENOMEM;
        *node = (uint32_t)tables->raw_nodes.count;
    }
    *ret_node = *node - 1;
    return 0;
}

/* Every network rule gets a network and a node of its own; build.c joins those with the same key. */
static int network_node(struct ng_tables *tables, uint32_t policy, const struct ng_target *target, uint32_t *ret_node)
{
    struct ng_layout_network network = {.policy = policy,
                                        .key = {.prefixlen = 32U + target->prefix,
                                                .scope = tables->policies.items[policy].scope}};
    struct ng_collected_node raw = {.network = true};

    memcpy(network.key.address, target->address, sizeof(network.key.address));
    if (!ng_vector_add(&tables->raw_nodes, raw))
        return -ENOMEM;
    *ret_node = (uint32_t)tables->raw_nodes.count - 1;
    network.own = (uint32_t)tables->raw_nodes.count;
    if (!ng_vector_add(&tables->networks, network))
        return -ENOMEM;
    tables->policies.items[policy].networks = 1;
    return 0;
}

static int collect_destination(struct ng_tables *tables, const struct ng_ast *ast, uint32_t policy, uint8_t verdict,
                               const struct ng_ast_destination *destination)
{
    struct ng_collected_item raw = {.verdict = verdict, .ast = ast};
    enum ng_target_kind kind = destination->target.kind;
    int r;

    raw.item = (struct ng_layout_item){.rule = (uint32_t)tables->rules.count - 1,
                                       .line = destination->place.line,
                                       .column = destination->place.column,
                                       .segment = (uint32_t)tables->segments.count,
                                       .segments = (uint32_t)destination->segments.count};
    r = add_string(tables, destination->text, &raw.item.pattern);
    for (size_t i = 0; r == 0 && i < destination->segments.count; i++)
        if (!ng_vector_add(&tables->segments, destination->segments.items[i]))
            r = -ENOMEM;
    for (int below = 0; r == 0 && below < 2; below++) {
        bool network = kind == NG_TARGET_NETWORK;

        if (below ? (kind == NG_TARGET_EXACT || network) : kind == NG_TARGET_WILDCARD)
            continue;
        raw.sequence = (uint32_t)tables->raw_items.count;
        r = network ? network_node(tables, policy, &destination->target, &raw.node)
                    : name_node(tables, policy, &destination->target.name, below, &raw.node);
        if (r == 0 && !ng_vector_add(&tables->raw_items, raw))
            r = -ENOMEM;
    }
    return r;
}

static int collect_rule(struct ng_tables *tables, const struct ng_ast *ast, uint32_t policy, uint32_t file,
                        const struct ng_ast_rule *rule)
{
    struct ng_layout_rule out = {.file = file, .verdict = rule->verdict};
    int r = add_string(tables, rule->reason, &out.reason);

    if (r == 0)
        r = add_string(tables, rule->instead, &out.instead);
    if (r < 0)
        return r;
    if (!ng_vector_add(&tables->rules, out))
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < rule->destinations.count; i++)
        r = collect_destination(tables, ast, policy, rule->verdict, &rule->destinations.items[i]);
    return r;
}

int ng_collect(struct ng_tables *tables, const struct ng_build_source *sources, size_t count)
{
    int r = collect_policies(tables, sources, count);

    if (r == 0 && !ng_vector_add(&tables->strings, '\0'))
        r = -ENOMEM;
    if (r == 0)
        r = make_slots(tables);
    for (uint32_t p = 0; r == 0 && p < tables->collected.count; p++) {
        const struct ng_collected_policy *collected = &tables->collected.items[p];
        struct ng_layout_policy policy = {.scope = scope_of(collected->name), .mode = collected->policy->mode};
        uint32_t file = 0;

        r = add_string(tables, collected->name, &policy.name);
        if (r == 0)
            r = add_string(tables, collected->ast->path, &file);
        if (r == 0 && !ng_vector_add(&tables->policies, policy))
            r = -ENOMEM;
        for (size_t i = 0; r == 0 && i < collected->policy->rules.count; i++)
            r = collect_rule(tables, collected->ast, p, file, &collected->policy->rules.items[i]);
    }
    return r;
}
