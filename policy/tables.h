/* SPDX-License-Identifier: BSD-2-Clause */
/* The sections of a snapshot while they are filled; private to the compiler. */
#ifndef NAMEGATE_TABLES_H
#define NAMEGATE_TABLES_H

#include "intern.h"
#include "layout.h"
#include "link.h"

/* What a message about a destination needs. */
struct ng_origin {
    const struct ng_file *file;
    const struct ng_ast_destination *destination;
};

/* A name, or what lies below it, that a rule of the policy in work is for. */
struct ng_raw_name {
    const uint8_t *octets; /* canonical wire form, the tree's */
    uint32_t hash;
    uint32_t rule;
    uint32_t line;
    uint32_t file;        /* with `destination`: its origin */
    uint32_t destination;
    uint8_t kind;         /* NG_RAW_* bits */
    uint8_t labels;
    uint8_t deny;
    uint8_t pad;
};

#define NG_RAW_EXACT 1
#define NG_RAW_BELOW 2

struct ng_raw_network {
    struct ng_prefix prefix;
    uint32_t rule;
    uint32_t line;
    uint32_t sequence; /* as written */
    uint32_t file, destination;
    uint8_t deny;
};

/* By what the record of a rule is known again without a look at its texts; no padding. */
struct ng_rule_key {
    const struct ng_file *file;
    const struct ng_ast_options *options;
    const char *owner, *path, *group;
    const struct ng_segment *segments;
    size_t count;
    uint64_t verdict;
};

struct ng_tables {
    const struct ng_set *set;
    struct ng_diag *diag;
    uint32_t today;   /* days since 1970-01-01 */
    uint32_t ends;    /* the first day on which a rule ends; 0: none */

    /* Of the policy in work. */
    NG_VECTOR(struct ng_raw_name) raw_names;
    NG_VECTOR(struct ng_raw_network) raw_networks;

    NG_VECTOR(struct ng_layout_policy) policies;
    NG_VECTOR(uint8_t) tags;
    NG_VECTOR(uint32_t) offsets;
    NG_VECTOR(uint8_t) records;
    NG_VECTOR(struct ng_layout_network) networks;
    NG_VECTOR(struct ng_layout_item) items;
    struct ng_intern profiles; /* struct ng_profile */
    struct ng_intern rules;    /* struct ng_layout_rule */
    struct ng_intern segments; /* lists of struct ng_segment */
    struct ng_intern strings;
    struct ng_rule_key last_key;
    uint32_t last_rule;
    uint32_t plain_rule, plain_profile; /* the profile, plus 1, that this rule alone makes */
};

static inline struct ng_origin ng_tables_origin(const struct ng_tables *tables, uint32_t file, uint32_t destination)
{
    const struct ng_file *it = tables->set->files.list.items[file];

    return (struct ng_origin){it, &it->ast.destinations.items[destination]};
}

static inline const struct ng_layout_rule *ng_tables_rule(const struct ng_tables *tables, uint32_t rule)
{
    return (const struct ng_layout_rule *)(const void *)tables->rules.octets.items + rule;
}

static inline const struct ng_segment *ng_tables_segments(const struct ng_tables *tables,
                                                          const struct ng_layout_rule *rule)
{
    return (const struct ng_segment *)(const void *)tables->segments.octets.items + rule->segment;
}

static inline const char *ng_tables_string(const struct ng_tables *tables, uint32_t offset)
{
    return (const char *)tables->strings.octets.items + offset;
}

/* Scope of a policy: a hash of its name. */
uint32_t ng_scope_of(const char *name);

/* What a statement says, besides its destinations. Texts: "" for none. */
struct ng_statement {
    const struct ng_file *file;
    uint8_t verdict;
    const struct ng_ast_options *options;
    const char *reason, *instead, *owner, *path;
    struct ng_place place; /* of the destination as the rule names it */
};

/* Whether a statement is in force today; the day on which it ends is noted. */
bool ng_tables_in_force(struct ng_tables *tables, const struct ng_ast_options *options);

/* Adds a member of a destination to the raw vectors. Returns 0, or -errno. */
int ng_collect_member(struct ng_tables *tables, const struct ng_statement *statement, const struct ng_member *member);

/* Fills the raw vectors with all that the rules of a policy say, and then its dependencies. */
int ng_collect(struct ng_tables *tables, const struct ng_linked *policy, uint32_t *left);
int ng_depends(struct ng_tables *tables, const struct ng_linked *policy, uint32_t *left);

/* From the raw vectors to records and networks. `policy` is the last of tables->policies. */
int ng_build_names(struct ng_tables *tables);
int ng_build_networks(struct ng_tables *tables);

/* The rules that are for the same destination, denies first, then as written. */
struct ng_contender {
    uint32_t rule, line;
    struct ng_origin origin;
};

/* Joins the rules of a node with the profile of what holds it (NULL: nothing does): the node's profile, kept once.
 * Warns of what has no effect. */
int ng_tables_profile(struct ng_tables *tables, const struct ng_contender *contenders, size_t count,
                      const struct ng_profile *outer, uint32_t *ret_profile);

/* Makes a node: the rules themselves, or where they stand in `items`. */
int ng_tables_node(struct ng_tables *tables, const struct ng_contender *contenders, size_t count, uint32_t profile,
                   struct ng_layout_node *ret_node);

static inline const struct ng_profile *ng_tables_content(const struct ng_tables *tables, uint32_t profile)
{
    return (const struct ng_profile *)(const void *)tables->profiles.octets.items + profile;
}

#endif
