// SPDX-License-Identifier: BSD-2-Clause
/* Which rule decided: the segments of a profile again, with the rules that they came from. */
#include "view.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

static bool matches(const struct ng_segment *segment, uint8_t proto, uint16_t port)
{
    return (!segment->proto || segment->proto == proto) && port >= segment->port_lo && port <= segment->port_hi;
}

bool ng_rule_covers(const struct ng_rule_info *rule, uint8_t proto, uint16_t port)
{
    for (uint32_t i = 0; i < rule->count; i++)
        if (matches(&rule->segments[i], proto, port))
            return true;
    return false;
}

/* Tells of one rule; info has its pattern. */
static int tell(const struct ng_snapshot *snapshot, uint32_t number, uint32_t line, struct ng_rule_info *info,
                ng_rule_fn each, void *arg)
{
    const struct ng_layout_rule *rule = &snapshot->rules[number];
    const struct ng_segment *first = &snapshot->segments[rule->segment];

    info->verdict = rule->verdict;
    info->respond = rule->segments ? first->respond : NG_RESPOND_EPERM;
    info->flags = rule->segments ? first->flags : 0;
    info->file = snapshot->strings + rule->file;
    info->line = line;
    info->group = snapshot->strings + rule->group;
    info->path = snapshot->strings + rule->path;
    info->reason = snapshot->strings + rule->reason;
    info->instead = snapshot->strings + rule->instead;
    info->owner = snapshot->strings + rule->owner;
    info->until = rule->until;
    info->segments = first;
    info->count = rule->segments;
    return each(arg, info);
}

/* The rules of one node, in their order. */
static int tell_node(const struct ng_snapshot *snapshot, const struct ng_layout_node *node, struct ng_rule_info *info,
                     ng_rule_fn each, void *arg)
{
    int r = 0;

    if (node->rule == NG_NODE_NONE)
        return 0;
    if (!(node->rule & NG_NODE_MANY))
        return tell(snapshot, node->rule, node->line, info, each, arg);
    for (uint32_t i = 0; r == 0 && i < (node->rule & ~NG_NODE_MANY); i++)
        r = tell(snapshot, snapshot->items[node->line + i].rule, snapshot->items[node->line + i].line, info, each,
                 arg);
    return r;
}

/* The rules of a record, and of those for what lies below its ancestors. */
static int tell_records(const struct ng_snapshot *snapshot, unsigned policy, const struct ng_layout_record *record,
                        bool own, ng_rule_fn each, void *arg)
{
    struct ng_rule_info info = {0};
    char text[NG_NAME_TEXT_MAX];
    int r = 0;

    while (record && r == 0) {
        const uint8_t *wire = record->name, *at = wire;
        struct ng_name pattern;
        bool both = (record->node.profile & NG_RECORD_EXACT) && (record->node.profile & NG_RECORD_BELOW);

        (void)ng_name_from_wire(record->name, NG_NAME_MAX, &pattern);
        (void)snprintf(info.pattern, sizeof(info.pattern), "%s%s", both ? "." : own ? "" : "*.",
                       ng_name_to_text(&pattern, text));
        r = tell_node(snapshot, &record->node, &info, each, arg);
        record = NULL;
        /* The next is for what lies below a proper ancestor. A name's own record is not behind that of its apex. */
        for (at += 1U + *at; r == 0 && !record && *at; at += 1U + *at)
            record = ng_view_find(snapshot, policy, at, pattern.length - (size_t)(at - wire), false);
        own = false;
    }
    return r;
}

int ng_explain_name_rules(const struct ng_snapshot *snapshot, unsigned policy, const struct ng_name *name,
                          ng_rule_fn each, void *arg)
{
    bool own;
    const struct ng_layout_record *record = ng_view_name(snapshot, policy, name, &own);

    return tell_records(snapshot, policy, record, own, each, arg);
}

int ng_explain_below_rules(const struct ng_snapshot *snapshot, unsigned policy, const struct ng_name *name,
                           ng_rule_fn each, void *arg)
{
    const struct ng_layout_record *record = NULL;

    for (size_t at = 0; !record && name->wire[at]; at += 1U + name->wire[at])
        record = ng_view_find(snapshot, policy, name->wire + at, name->length - at, false);
    return tell_records(snapshot, policy, record, false, each, arg);
}

/* Whether network b lies within a, or is it. */
static bool holds(const struct ng_layout_network *a, const uint8_t address[16])
{
    return ng_inside(address, a->key.address, a->key.prefixlen - 32);
}

static bool mapped(const uint8_t address[16])
{
    static const uint8_t v4[16] = {[10] = 0xff, [11] = 0xff};

    return ng_inside(address, v4, 96);
}

/* The last network of the policy that stands where this one would, or before it; NULL: there is none. */
static const struct ng_layout_network *last_until(const struct ng_snapshot *snapshot,
                                                  const struct ng_layout_network *place)
{
    size_t low = 0, high = snapshot->count[NG_SECTION_NETWORKS];

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (ng_layout_compare(&snapshot->networks[middle], place) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && snapshot->networks[low - 1].policy == place->policy ? &snapshot->networks[low - 1] : NULL;
}

/* The longest network that holds an address and is shorter than `below` (prefixlen, as in the key). The last one that
 * stands where the longest possible would is it, or lies within it: then it has no more bits than the two share. */
static const struct ng_layout_network *longest(const struct ng_snapshot *snapshot, uint32_t policy,
                                               const uint8_t address[16], uint32_t below)
{
    unsigned bits = below > 32 + 128 ? 128 : below - 33;

    if (below <= 32)
        return NULL;
    for (;;) {
        struct ng_layout_network place = {.key.prefixlen = 32 + bits, .policy = policy};
        const struct ng_layout_network *it;

        memcpy(place.key.address, address, sizeof(place.key.address));
        (void)ng_clear_after(place.key.address, bits);
        it = last_until(snapshot, &place);
        if (!it || holds(it, address))
            return it;
        bits = ng_shared(it->key.address, place.key.address);
    }
}

static void write_network(const struct ng_layout_network *network, char *text, size_t size)
{
    unsigned bits = network->key.prefixlen - 32;
    bool v4 = mapped(network->key.address) && bits >= 96;
    char address[INET6_ADDRSTRLEN];

    (void)inet_ntop(v4 ? AF_INET : AF_INET6, network->key.address + (v4 ? 12 : 0), address, sizeof(address));
    if (bits == 128)
        (void)snprintf(text, size, "%s", address);
    else
        (void)snprintf(text, size, "%s/%u", address, v4 ? bits - 96 : bits);
}

int ng_explain_address_rules(const struct ng_snapshot *snapshot, unsigned policy, const uint8_t address[16],
                             uint8_t evidence, ng_rule_fn each, void *arg)
{
    const struct ng_layout_network *network;
    struct ng_rule_info info = {0};
    bool exactly = evidence == NG_EVIDENCE_ADDRESS;
    int r = 0;

    for (uint32_t below = UINT32_MAX; r == 0; below = network->key.prefixlen) {
        network = longest(snapshot, policy, address, below);
        if (!network)
            break;
        /* All IPv4 addresses are apart from the IPv6 networks that hold them by their bits. */
        if (mapped(address) && network->key.prefixlen < 32 + 96)
            break;
        write_network(network, info.pattern, sizeof(info.pattern));
        r = tell_node(snapshot, exactly ? &network->own : &network->below, &info, each, arg);
        if (exactly)
            break;
    }
    return r;
}

bool ng_match_network(const struct ng_snapshot *snapshot, unsigned policy, const struct ng_network_key *key,
                      struct ng_network *ret_network)
{
    const struct ng_layout_network *network = longest(snapshot, policy, key->address, key->prefixlen + 1);

    *ret_network = (struct ng_network){NG_PROFILE_NONE, NG_PROFILE_NONE};
    if (network && network->own.rule != NG_NODE_NONE)
        ret_network->own = ng_view_profile(snapshot, &network->own);
    if (network && (network->below.rule != NG_NODE_NONE || network->inherited))
        ret_network->below = ng_view_profile(snapshot, &network->below);
    return network && network->key.prefixlen == key->prefixlen;
}

void ng_match_address(const struct ng_snapshot *snapshot, unsigned policy, const uint8_t address[16],
                      struct ng_network *ret_network)
{
    struct ng_network_key key = {.prefixlen = 32 + 128};

    memcpy(key.address, address, sizeof(key.address));
    (void)ng_match_network(snapshot, policy, &key, ret_network);
}

int ng_rule_search(void *arg, const struct ng_rule_info *rule)
{
    struct ng_rule_search *search = arg;

    if (!ng_rule_covers(rule, search->proto, search->port))
        return 0;
    *search->found = *rule;
    return 1;
}

int ng_explain_name(const struct ng_snapshot *snapshot, unsigned policy, const struct ng_name *name, uint8_t proto,
                    uint16_t port, struct ng_rule_info *ret_rule)
{
    struct ng_rule_search search = {proto, port, ret_rule};

    return ng_explain_name_rules(snapshot, policy, name, ng_rule_search, &search) ? 0 : -ENOENT;
}

int ng_explain_below(const struct ng_snapshot *snapshot, unsigned policy, const struct ng_name *name, uint8_t proto,
                     uint16_t port, struct ng_rule_info *ret_rule)
{
    struct ng_rule_search search = {proto, port, ret_rule};

    return ng_explain_below_rules(snapshot, policy, name, ng_rule_search, &search) ? 0 : -ENOENT;
}

bool ng_reaches_loopback(const uint8_t address[16], uint8_t ret_loopback[16])
{
    static const uint8_t v6[16] = {[15] = 1}, v4[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};

    memcpy(ret_loopback, mapped(address) ? v4 : v6, sizeof(v6));
    return ng_unspecified(address);
}

int ng_explain_address(const struct ng_snapshot *snapshot, unsigned policy, const uint8_t address[16],
                       uint8_t evidence, uint8_t proto, uint16_t port, struct ng_rule_info *ret_rule)
{
    struct ng_rule_search search = {proto, port, ret_rule};
    struct ng_rule_info other;
    uint8_t loopback[16];
    bool found = ng_explain_address_rules(snapshot, policy, address, evidence, ng_rule_search, &search);

    if ((!found || ret_rule->verdict != NG_VERDICT_DENY) && ng_reaches_loopback(address, loopback)) {
        search.found = &other;
        if (ng_explain_address_rules(snapshot, policy, loopback, evidence, ng_rule_search, &search) &&
            (!found || other.verdict == NG_VERDICT_DENY)) {
            *ret_rule = other;
            found = true;
        }
    }
    return found ? 0 : -ENOENT;
}
