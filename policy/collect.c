// SPDX-License-Identifier: BSD-2-Clause
/* First step of building: the rules of a policy, each with its destinations, groups expanded. */
#include "tables.h"

#include <errno.h>

uint32_t ng_scope_of(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325ULL;
    uint32_t scope;

    for (; *name; name++)
        hash = ng_fold(hash ^ (uint8_t)*name, 0x9e3779b97f4a7c15ULL);
    scope = (uint32_t)hash & ~NG_SCOPE_DEPLOYMENT;
    return scope ? scope : 1;
}

static int add_string(struct ng_tables *tables, const char *text, uint32_t *ret_offset)
{
    return ng_intern(&tables->strings, text, strlen(text) + 1, ret_offset);
}

/* The member's ports with what the rule says of them. */
static int add_segments(struct ng_tables *tables, const struct ng_statement *statement,
                        const struct ng_member *member, struct ng_layout_rule *rule)
{
    struct ng_segment few[NG_SEGMENTS_MAX] = {0}, *list = few;
    uint32_t offset = 0;
    int r;

    if (member->count > NG_SEGMENTS_MAX) {
        list = calloc(member->count, sizeof(*list));
        if (!list)
            return -ENOMEM;
    }
    for (size_t i = 0; i < member->count; i++) {
        list[i] = member->segments[i];
        list[i].verdict = statement->verdict;
        list[i].respond = statement->options->respond;
        list[i].flags = statement->options->shared;
        if (statement->options->answer == NG_ANSWER_REFUSE)
            list[i].flags |= NG_SEGMENT_REFUSE;
        else if (statement->options->answer == NG_ANSWER_DECOY)
            list[i].flags |= NG_SEGMENT_DECOY;
    }
    r = ng_intern(&tables->segments, list, member->count * sizeof(*list), &offset);
    if (list != few)
        free(list);
    rule->segment = offset / (uint32_t)sizeof(*list);
    rule->segments = (uint32_t)member->count;
    return r;
}

static int add_rule(struct ng_tables *tables, const struct ng_statement *statement, const struct ng_member *member,
                    uint32_t *ret_rule)
{
    struct ng_layout_rule rule = {.verdict = statement->verdict, .until = statement->options->until};
    struct ng_rule_key key = {statement->file, statement->options, statement->owner, statement->path, member->group,
                              member->segments, member->count, statement->verdict};
    uint32_t offset = 0;
    int r;

    /* Long lists are of one kind. */
    if (memcmp(&key, &tables->last_key, sizeof(key)) == 0) {
        *ret_rule = tables->last_rule;
        return 0;
    }
    r = add_segments(tables, statement, member, &rule);

    if (r == 0)
        r = add_string(tables, statement->file->path, &rule.file);
    if (r == 0)
        r = add_string(tables, statement->reason, &rule.reason);
    if (r == 0)
        r = add_string(tables, statement->instead, &rule.instead);
    if (r == 0)
        r = add_string(tables, statement->owner, &rule.owner);
    if (r == 0)
        r = add_string(tables, member->group, &rule.group);
    if (r == 0)
        r = add_string(tables, statement->path, &rule.path);
    if (r == 0)
        r = ng_intern(&tables->rules, &rule, sizeof(rule), &offset);
    *ret_rule = offset / (uint32_t)sizeof(rule);
    if (r == 0) {
        tables->last_key = key;
        tables->last_rule = *ret_rule;
    }
    return r;
}

static uint32_t hash_of(const uint8_t *name, uint8_t *ret_labels)
{
    uint8_t label[NG_LABELS_MAX];
    unsigned labels = 0;
    uint64_t hash = NG_HASH_BEGIN;

    for (size_t at = 0; name[at]; at += 1U + name[at])
        label[labels++] = (uint8_t)at;
    *ret_labels = (uint8_t)labels;
    while (labels > 0)
        hash = ng_hash_label(hash, name + label[--labels]);
    return ng_hash_short(hash);
}

static int add_networks(struct ng_tables *tables, const struct ng_statement *statement,
                        const struct ng_member *member, uint32_t rule)
{
    const uint8_t *content = ng_link_name(member->file, member->destination);
    struct ng_raw_network raw = {.rule = rule,
                                 .line = statement->place.line,
                                 .file = member->file->number,
                                 .deny = statement->verdict == NG_VERDICT_DENY};
    uint16_t count;

    raw.destination = (uint32_t)(member->destination - member->file->ast.destinations.items);
    memcpy(&count, content, sizeof(count));
    for (uint16_t i = 0; i < count; i++) {
        memcpy(&raw.prefix, content + sizeof(count) + i * sizeof(raw.prefix), sizeof(raw.prefix));
        raw.sequence = (uint32_t)tables->raw_networks.count;
        if (!ng_vector_add(&tables->raw_networks, raw))
            return -ENOMEM;
    }
    return 0;
}

int ng_collect_member(struct ng_tables *tables, const struct ng_statement *statement, const struct ng_member *member)
{
    struct ng_raw_name raw = {.line = statement->place.line,
                              .file = member->file->number,
                              .deny = statement->verdict == NG_VERDICT_DENY};
    int r;

    if (member->count == 0)
        return 0; /* the group leaves nothing of the rule's ports */
    r = add_rule(tables, statement, member, &raw.rule);
    if (r < 0)
        return r;
    if (member->destination->kind == NG_TARGET_NETWORKS)
        return add_networks(tables, statement, member, raw.rule);
    raw.kind = member->destination->kind == NG_TARGET_EXACT      ? NG_RAW_EXACT
               : member->destination->kind == NG_TARGET_WILDCARD ? NG_RAW_BELOW
                                                                 : NG_RAW_EXACT | NG_RAW_BELOW;
    raw.destination = (uint32_t)(member->destination - member->file->ast.destinations.items);
    raw.octets = ng_link_name(member->file, member->destination);
    raw.hash = hash_of(raw.octets, &raw.labels);
    return ng_vector_add(&tables->raw_names, raw) ? 0 : -ENOMEM;
}

struct collecting {
    struct ng_tables *tables;
    struct ng_statement statement;
};

static int collect_member(void *arg, const struct ng_member *member)
{
    struct collecting *collecting = arg;

    return ng_collect_member(collecting->tables, &collecting->statement, member);
}

bool ng_tables_in_force(struct ng_tables *tables, const struct ng_ast_options *options)
{
    if (!options->until)
        return true;
    if (options->until < tables->today)
        return false;
    if (!tables->ends || options->until < tables->ends)
        tables->ends = options->until;
    return true;
}

static int collect_rule(struct ng_tables *tables, const struct ng_part *part, const struct ng_ast_rule *rule,
                        uint32_t *left)
{
    const struct ng_ast *ast = &part->file->ast;
    const struct ng_ast_options *options = &ast->options.items[rule->options];
    struct collecting collecting = {
        tables,
        {.file = part->file,
         .verdict = rule->verdict,
         .options = options,
         .reason = ng_ast_string(ast, options->reason),
         .instead = ng_ast_string(ast, options->instead),
         .owner = options->owner ? ng_ast_string(ast, options->owner) : part->owner,
         .path = ""}};
    int r = 0;

    if (rule->verdict == NG_VERDICT_NONE || !ng_tables_in_force(tables, options))
        return 0;
    for (uint32_t i = rule->destinations.first; options->answer != NG_ANSWER_REAL && i < rule->destinations.end; i++)
        if (ast->destinations.items[i].ports)
            ng_ast_say(ast, tables->diag, NG_WARNING, ast->destinations.items[i].place,
                       "leave 'answer' out, or the ports: a name is answered in one way for all of them",
                       "a name of which only some ports are denied is answered as it is");
    for (uint32_t i = rule->destinations.first; r == 0 && i < rule->destinations.end; i++) {
        collecting.statement.place = ast->destinations.items[i].place;
        r = ng_link_expand(tables->set, part->file, &ast->destinations.items[i], left, collect_member, &collecting);
    }
    return r;
}

int ng_collect(struct ng_tables *tables, const struct ng_linked *policy, uint32_t *left)
{
    int r = 0;

    for (size_t p = 0; r == 0 && p < policy->parts.count; p++) {
        const struct ng_part *part = &policy->parts.items[p];
        const struct ng_ast *ast = &part->file->ast;
        struct ng_range rules = {0, (uint32_t)ast->rules.count};

        if (part->policy)
            rules = ast->policies.items[part->policy].rules;
        for (uint32_t i = rules.first; r == 0 && !part->depends_only && i < rules.end; i++)
            if (ast->rules.items[i].policy == part->policy)
                r = collect_rule(tables, part, &ast->rules.items[i], left);
    }
    return r;
}
