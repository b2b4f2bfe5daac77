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
    const uint8_t *tags;
    const uint32_t *offsets;
    const uint8_t *records;
    const struct ng_layout_network *networks;
    const struct ng_layout_profile *profiles;
    const struct ng_layout_item *items;
    const struct ng_layout_rule *rules;
    const struct ng_segment *segments;
    const char *strings;
    uint32_t count[NG_SECTIONS];
};

static inline struct ng_layout_names ng_view_names(const struct ng_snapshot *snapshot, uint32_t policy)
{
    const struct ng_layout_policy *it = &snapshot->policies[policy];

    return (struct ng_layout_names){snapshot->tags + it->table, snapshot->offsets + it->table, it->room,
                                    snapshot->records};
}

static inline uint64_t ng_view_profile(const struct ng_snapshot *snapshot, const struct ng_layout_node *node)
{
    return snapshot->profiles[node->profile & NG_RECORD_PROFILE].id;
}

/* The record that decides for a name: its own, or that of the nearest ancestor with rules for what lies below it. NULL:
 * there is none. *ret_own says which. */
const struct ng_layout_record *ng_view_name(const struct ng_snapshot *snapshot, uint32_t policy,
                                            const struct ng_name *name, bool *ret_own);

/* The record for what lies below a name, and for the name itself when `own`; NULL: none. */
const struct ng_layout_record *ng_view_find(const struct ng_snapshot *snapshot, uint32_t policy,
                                            const uint8_t *name, size_t length, bool own);

#endif
