// SPDX-License-Identifier: BSD-2-Clause
/* Builds policy after policy, then lays all out in one block. */
#include "build.h"

#include "profile.h"
#include "tables.h"

#include <namegate/cleanup.h>

#include <errno.h>
#include <time.h>

#define SECONDS_PER_DAY 86400

static void say(struct ng_tables *tables, enum ng_severity severity, const struct ng_contender *contender,
                const char *remedy, const char *text)
{
    ng_ast_say(&contender->origin.file->ast, tables->diag, severity, contender->origin.destination->place, remedy,
               "%s", text);
}

/* A rule that can never decide: given before, or against a deny of the same destination. */
static void say_useless(struct ng_tables *tables, const struct ng_contender *useless,
                        const struct ng_contender *first)
{
    bool deny = ng_tables_rule(tables, useless->rule)->verdict == NG_VERDICT_DENY;
    bool against = !deny && ng_tables_rule(tables, first->rule)->verdict == NG_VERDICT_DENY;
    const struct ng_ast_destination *at = useless->origin.destination;

    ng_ast_say(&useless->origin.file->ast, tables->diag, NG_WARNING, at->place,
               against ? "for the same destination deny decides: leave one out, or make this more specific"
                       : "leave one out",
               against ? "this has no effect: it contradicts %s:%u" : "this has no effect: it is a duplicate of %s:%u",
               ng_tables_string(tables, ng_tables_rule(tables, first->rule)->file), first->line);
}

static int add_segments(struct ng_tables *tables, const struct ng_contender *contenders, size_t count,
                        struct ng_profile *profile)
{
    for (size_t i = 0; i < count; i++) {
        const struct ng_layout_rule *rule = ng_tables_rule(tables, contenders[i].rule);
        const struct ng_segment *segments = ng_tables_segments(tables, rule);
        bool decides = false;

        for (uint32_t s = 0; s < rule->segments; s++) {
            int r = ng_profile_add(profile, &segments[s]);

            if (r < 0) {
                say(tables, NG_ERROR, &contenders[i], "join ranges of ports",
                    "too many different ports for one destination");
                return -EINVAL;
            }
            decides |= r > 0;
        }
        if (!decides && i > 0)
            say_useless(tables, &contenders[i], &contenders[0]);
    }
    return 0;
}

int ng_tables_profile(struct ng_tables *tables, const struct ng_contender *contenders, size_t count,
                      const struct ng_profile *outer, uint32_t *ret_profile)
{
    struct ng_profile profile = {0};
    uint32_t offset = 0;
    int r;

    /* Long lists are of one kind. */
    if (count == 1 && !outer && tables->plain_profile && tables->plain_rule == contenders->rule) {
        *ret_profile = tables->plain_profile - 1;
        return 0;
    }
    if (add_segments(tables, contenders, count, &profile) < 0) {
        *ret_profile = 0;
        return ng_intern(&tables->profiles, &profile, sizeof(profile), &offset); /* told; the others come too */
    }
    for (uint32_t s = 0; outer && s < outer->count; s++) {
        if (ng_profile_add(&profile, &outer->segment[s]) < 0) {
            say(tables, NG_ERROR, contenders, "join ranges of ports",
                "too many different ports for one destination, with the rules that hold it");
            break;
        }
    }
    r = ng_intern(&tables->profiles, &profile, sizeof(profile), &offset);
    *ret_profile = offset / (uint32_t)sizeof(profile);
    if (r == 0 && count == 1 && !outer) {
        tables->plain_rule = contenders->rule;
        tables->plain_profile = *ret_profile + 1;
    }
    return *ret_profile < NG_RECORD_PROFILE ? r : -EFBIG;
}

int ng_tables_node(struct ng_tables *tables, const struct ng_contender *contenders, size_t count, uint32_t profile,
                   struct ng_layout_node *ret_node)
{
    *ret_node = (struct ng_layout_node){profile, contenders->rule, contenders->line};
    if (count == 1)
        return 0;
    ret_node->rule = NG_NODE_MANY | (uint32_t)count;
    ret_node->line = (uint32_t)tables->items.count;
    for (size_t i = 0; i < count; i++)
        if (!ng_vector_add(&tables->items, ((struct ng_layout_item){contenders[i].rule, contenders[i].line})))
            return -ENOMEM;
    return 0;
}

static int build_policy(struct ng_tables *tables, const struct ng_linked *policy)
{
    struct ng_layout_policy out = {.scope = ng_scope_of(policy->name),
                                   .mode = policy->mode,
                                   .established = policy->established,
                                   .on_loss = policy->on_loss};
    uint32_t left = policy->file->as ? NG_MEMBERS_OWN_MAX : NG_MEMBERS_MAX;
    int r;

    for (size_t i = 0; i < tables->policies.count; i++)
        if (tables->policies.items[i].scope == out.scope)
            ng_ast_say(&policy->file->ast, tables->diag, NG_ERROR, policy->ast->place, "give it another name",
                       "policy '%s' cannot live beside '%s'", policy->name,
                       ng_tables_string(tables, tables->policies.items[i].name));
    tables->raw_names.count = tables->raw_networks.count = 0;
    r = ng_intern(&tables->strings, policy->name, strlen(policy->name) + 1, &out.name);
    if (r == 0 && !ng_vector_add(&tables->policies, out))
        r = -ENOMEM;
    if (r == 0)
        r = ng_collect(tables, policy, &left);
    if (r == 0)
        r = ng_depends(tables, policy, &left);
    if (r == -E2BIG) {
        ng_ast_say(&policy->file->ast, tables->diag, NG_ERROR, policy->ast->place, NULL,
                   "policy '%s' has too many destinations", policy->name);
        return 0;
    }
    if (r == 0)
        r = ng_build_names(tables);
    return r < 0 ? r : ng_build_networks(tables);
}

/* --- profiles: readers look them up by id */

struct profiles {
    struct ng_layout_profile *items;
    size_t count;
    uint32_t *final; /* where a profile of tables->profiles came to stand */
};

static int by_id(const void *a, const void *b)
{
    const struct ng_layout_profile *x = a, *y = b;

    return x->id < y->id ? -1 : x->id > y->id;
}

static int sort_profiles(struct ng_tables *tables, struct profiles *profiles)
{
    size_t count = tables->profiles.octets.count / sizeof(struct ng_profile);

    profiles->items = calloc(count + 1, sizeof(*profiles->items));
    profiles->final = calloc(count + 1, sizeof(*profiles->final));
    if (!profiles->items || !profiles->final)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        profiles->items[i].content = *ng_tables_content(tables, (uint32_t)i);
        profiles->items[i].id = ng_profile_id(&profiles->items[i].content);
    }
    if (count)
        qsort(profiles->items, count, sizeof(*profiles->items), by_id);
    for (size_t i = 1; i < count; i++) {
        if (profiles->items[i].id != profiles->items[i - 1].id)
            continue;
        /* Two contents with one 64-bit hash. */
        ng_diag_add(tables->diag, NG_ERROR, NULL, 0, 0, NULL, 0, "change the order of some ports",
                    "two sets of ports cannot be told from each other");
        return -EINVAL;
    }
    for (size_t i = 0; i < count; i++) {
        struct ng_layout_profile key = {.id = ng_profile_id(ng_tables_content(tables, (uint32_t)i))};
        const struct ng_layout_profile *found = bsearch(&key, profiles->items, count, sizeof(key), by_id);

        profiles->final[i] = (uint32_t)(found - profiles->items);
    }
    profiles->count = count;
    return 0;
}

static void renumber(const struct profiles *profiles, struct ng_layout_node *node)
{
    node->profile = (node->profile & ~NG_RECORD_PROFILE) | profiles->final[node->profile & NG_RECORD_PROFILE];
}

static void renumber_all(struct ng_tables *tables, const struct profiles *profiles)
{
    for (size_t i = 0; i < tables->offsets.count; i++) {
        uint8_t *record = tables->records.items + tables->offsets.items[i];
        struct ng_layout_node node;

        if (!tables->tags.items[i])
            continue;
        memcpy(&node, record, sizeof(node));
        renumber(profiles, &node);
        memcpy(record, &node, sizeof(node));
    }
    for (size_t i = 0; i < tables->networks.count; i++) {
        struct ng_layout_network *network = &tables->networks.items[i];

        if (network->own.rule != NG_NODE_NONE)
            renumber(profiles, &network->own);
        if (network->below.rule != NG_NODE_NONE || network->inherited)
            renumber(profiles, &network->below);
    }
}

static int lay_out(const struct ng_tables *tables, const struct profiles *profiles, void **ret_block,
                   size_t *ret_size)
{
    const struct {
        const void *items;
        size_t count;
    } source[NG_SECTIONS] = {
        {tables->policies.items, tables->policies.count},
        {tables->tags.items, tables->tags.count},
        {tables->offsets.items, tables->offsets.count},
        {tables->records.items, tables->records.count},
        {tables->networks.items, tables->networks.count},
        {profiles->items, profiles->count},
        {tables->items.items, tables->items.count},
        {tables->rules.octets.items, tables->rules.octets.count / sizeof(struct ng_layout_rule)},
        {tables->segments.octets.items, tables->segments.octets.count / sizeof(struct ng_segment)},
        {tables->strings.octets.items, tables->strings.octets.count}};
    struct ng_layout_header header = {.magic = NG_LAYOUT_MAGIC};
    uint64_t size = sizeof(header);
    uint8_t *block;

    if (tables->ends)
        header.changes_at = ((uint64_t)tables->ends + 1) * SECONDS_PER_DAY;
    for (int s = 0; s < NG_SECTIONS; s++) {
        if (size > UINT32_MAX || source[s].count > UINT32_MAX)
            return -EFBIG;
        header.section[s].offset = (uint32_t)size;
        header.section[s].count = (uint32_t)source[s].count;
        size = (size + (uint64_t)source[s].count * ng_section_size[s] + 7) / 8 * 8;
    }
    header.size = size;
    block = malloc(size);
    if (!block)
        return -ENOMEM;
    memcpy(block, &header, sizeof(header));
    for (int s = 0; s < NG_SECTIONS; s++) {
        size_t used = source[s].count * ng_section_size[s];

        if (used)
            memcpy(block + header.section[s].offset, source[s].items, used);
        memset(block + header.section[s].offset + used, 0, (8 - used % 8) % 8);
    }
    *ret_block = block;
    *ret_size = size;
    return 0;
}

static int finish(struct ng_tables *tables, void **ret_block, size_t *ret_size)
{
    static const uint8_t slack[NG_RECORDS_SLACK];
    struct profiles profiles = {0};
    int r = ng_diag_errors(tables->diag) ? -EINVAL : sort_profiles(tables, &profiles);

    if (r == 0 && (!ng_vector_append(&tables->records, slack, NG_RECORDS_SLACK) ||
                   !ng_vector_append(&tables->tags, slack, NG_TAGS_SLACK)))
        r = -ENOMEM;
    if (r == 0) {
        renumber_all(tables, &profiles);
        r = lay_out(tables, &profiles, ret_block, ret_size);
    }
    free(profiles.items);
    free(profiles.final);
    return r;
}

int ng_build(const struct ng_set *set, struct ng_diag *diag, void **ret_block, size_t *ret_size)
{
    struct ng_tables tables = {.set = set, .diag = diag, .today = (uint32_t)(time(NULL) / SECONDS_PER_DAY)};
    uint32_t empty;
    int r = ng_intern(&tables.strings, "", 1, &empty);

    for (size_t i = 0; r == 0 && i < set->policies.count; i++)
        r = build_policy(&tables, set->policies.items[i]);
    if (r == 0)
        r = finish(&tables, ret_block, ret_size);
    ng_vector_free(&tables.raw_names);
    ng_vector_free(&tables.raw_networks);
    ng_vector_free(&tables.policies);
    ng_vector_free(&tables.tags);
    ng_vector_free(&tables.offsets);
    ng_vector_free(&tables.records);
    ng_vector_free(&tables.networks);
    ng_vector_free(&tables.items);
    ng_intern_release(&tables.profiles);
    ng_intern_release(&tables.rules);
    ng_intern_release(&tables.segments);
    ng_intern_release(&tables.strings);
    return r;
}
