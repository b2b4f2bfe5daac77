/* SPDX-License-Identifier: BSD-2-Clause */
/* The sections of a snapshot while they are filled; private to collect.c and build.c. */
#ifndef NAMEGATE_TABLES_H
#define NAMEGATE_TABLES_H

#include "build.h"
#include "layout.h"

/* A policy of one of the sources. */
struct ng_collected_policy {
    const struct ng_ast *ast;
    const struct ng_ast_policy *policy;
    const char *name;
};

/* A destination that belongs to a node. Sorted by node, deny first, as written. */
struct ng_collected_item {
    uint32_t node;
    uint32_t sequence;
    uint8_t verdict;
    struct ng_layout_item item;
    const struct ng_ast *ast; /* for messages */
};

/* What nodes hang on: a name itself, the names below a name, or a network. */
struct ng_collected_node {
    uint32_t slot;    /* of a name */
    bool network;
    uint8_t labels;   /* of the name: ancestors have fewer */
    bool below;
};

struct ng_tables {
    struct ng_diag *diag;
    NG_VECTOR(struct ng_collected_policy) collected;
    NG_VECTOR(struct ng_collected_item) raw_items;
    NG_VECTOR(struct ng_collected_node) raw_nodes;

    NG_VECTOR(struct ng_layout_policy) policies;
    struct ng_layout_slot *slots; /* slot_count, at most three quarters in use */
    uint32_t slot_count;
    NG_VECTOR(struct ng_layout_node) nodes;
    NG_VECTOR(struct ng_layout_network) networks;
    NG_VECTOR(struct ng_layout_profile) profiles;
    NG_VECTOR(struct ng_layout_item) items;
    NG_VECTOR(struct ng_layout_rule) rules;
    NG_VECTOR(struct ng_segment) segments;
    NG_VECTOR(uint8_t) names;
    NG_VECTOR(char) strings;
};

/* Fills policies, slots, networks, rules, segments, names, strings and the raw vectors. Slots and networks name raw
 * nodes then: networks one each, in `own`. */
int ng_collect(struct ng_tables *tables, const struct ng_build_source *sources, size_t count);

/* The slot of a name (wire form, `length` octets), or the empty one where it belongs. */
uint32_t ng_tables_slot(const struct ng_tables *tables, uint32_t policy, const uint8_t *name, size_t length);

#endif
