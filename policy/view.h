/* SPDX-License-Identifier: BSD-2-Clause */
/* A snapshot as its readers see it; private to snapshot.c and explain.c. */
#ifndef NAMEGATE_VIEW_H
#define NAMEGATE_VIEW_H

#include "layout.h"
#include "snapshot.h"

struct ng_snapshot {
    const void *block;
    size_t size;
    const struct ng_layout_policy *policies;
    const struct ng_layout_slot *slots;
    const struct ng_layout_node *nodes;
    const struct ng_layout_network *networks;
    const struct ng_layout_profile *profiles;
    const struct ng_layout_item *items;
    const struct ng_layout_rule *rules;
    const struct ng_segment *segments;
    const uint8_t *names;
    const char *strings;
    uint32_t count[NG_SECTIONS];
};

/* The node that decides for a name, plus 1; 0: no rule matches. */
uint32_t ng_view_node(const struct ng_snapshot *snapshot, uint32_t policy, const struct ng_name *name);

#endif
