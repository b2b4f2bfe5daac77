// SPDX-License-Identifier: BSD-2-Clause
/* Which rule decided: the segments of a profile again, with the rules that they came from. */
#include "view.h"

#include <errno.h>

static bool matches(const struct ng_segment *segment, uint8_t proto, uint16_t port)
{
    return (!segment->proto || segment->proto == proto) && port >= segment->port_lo && port <= segment->port_hi;
}

static bool item_matches(const struct ng_snapshot *snapshot, const struct ng_layout_item *item, uint8_t proto,
                         uint16_t port)
{
    for (uint32_t i = item->segment; i < item->segment + item->segments; i++)
        if (matches(&snapshot->segments[i], proto, port))
            return true;
    return false;
}

static int explain_node(const struct ng_snapshot *snapshot, uint32_t node, uint8_t proto, uint16_t port,
                        struct ng_rule_info *ret_rule)
{
    while (node) {
        const struct ng_layout_node *it = &snapshot->nodes[node - 1];

        for (uint32_t i = it->item; i < it->item + it->items; i++) {
            const struct ng_layout_item *item = &snapshot->items[i];
            const struct ng_layout_rule *rule = &snapshot->rules[item->rule];

            if (!item_matches(snapshot, item, proto, port))
                continue;
            *ret_rule = (struct ng_rule_info){.verdict = rule->verdict,
                                              .file = snapshot->strings + rule->file,
                                              .line = item->line,
                                              .column = item->column,
                                              .pattern = snapshot->strings + item->pattern,
                                              .reason = snapshot->strings + rule->reason,
                                              .instead = snapshot->strings + rule->instead};
            return 0;
        }
        node = it->parent;
    }
    return -ENOENT;
}

int ng_explain_name(const struct ng_snapshot *snapshot, unsigned policy, const struct ng_name *name, uint8_t proto,
                    uint16_t port, struct ng_rule_info *ret_rule)
{
    return explain_node(snapshot, ng_view_node(snapshot, policy, name), proto, port, ret_rule);
}

int ng_explain_address(const struct ng_snapshot *snapshot, unsigned policy, const uint8_t address[16],
                       uint8_t evidence, uint8_t proto, uint16_t port, struct ng_rule_info *ret_rule)
{
    const struct ng_layout_network *longest = NULL;

    for (uint32_t i = 0; i < snapshot->count[NG_SECTION_NETWORKS]; i++) {
        const struct ng_layout_network *it = &snapshot->networks[i];

        if (it->policy == policy && ng_inside(address, it->key.address, it->key.prefixlen - 32) &&
            (!longest || it->key.prefixlen > longest->key.prefixlen))
            longest = it;
    }
    if (!longest)
        return -ENOENT;
    return explain_node(snapshot, evidence == NG_EVIDENCE_ADDRESS ? longest->own : longest->below, proto, port,
                        ret_rule);
}
