// SPDX-License-Identifier: BSD-2-Clause
/* Validates a snapshot once, then trusts it: no reader checks an index again. */
#include "snapshot.h"

#include "../bpf/decide.h"
#include "profile.h"
#include "view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static bool within(uint32_t first, uint32_t count, uint32_t all)
{
    return first <= all && count <= all - first;
}

static bool sections_fit(struct ng_snapshot *snapshot)
{
    const struct ng_layout_header *header = snapshot->block;
    const void *start[NG_SECTIONS];

    if (snapshot->size < sizeof(*header) || header->magic != NG_LAYOUT_MAGIC || header->size != snapshot->size)
        return false;
    for (int s = 0; s < NG_SECTIONS; s++) {
        uint64_t end = header->section[s].offset + (uint64_t)header->section[s].count * ng_section_size[s];

        if (header->section[s].offset % 8 || header->section[s].offset < sizeof(*header) || end > snapshot->size)
            return false;
        start[s] = (const char *)snapshot->block + header->section[s].offset;
        snapshot->count[s] = header->section[s].count;
    }
    if (snapshot->count[NG_SECTION_RECORDS] < NG_RECORDS_SLACK ||
        snapshot->count[NG_SECTION_TAGS] != snapshot->count[NG_SECTION_OFFSETS] + NG_TAGS_SLACK)
        return false;
    snapshot->policies = start[NG_SECTION_POLICIES];
    snapshot->tags = start[NG_SECTION_TAGS];
    snapshot->offsets = start[NG_SECTION_OFFSETS];
    snapshot->records = start[NG_SECTION_RECORDS];
    snapshot->networks = start[NG_SECTION_NETWORKS];
    snapshot->profiles = start[NG_SECTION_PROFILES];
    snapshot->items = start[NG_SECTION_ITEMS];
    snapshot->rules = start[NG_SECTION_RULES];
    snapshot->segments = start[NG_SECTION_SEGMENTS];
    snapshot->strings = start[NG_SECTION_STRINGS];
    return true;
}

static bool strings_hold(const struct ng_snapshot *snapshot)
{
    uint32_t count = snapshot->count[NG_SECTION_STRINGS];

    if (count == 0 || snapshot->strings[0] != '\0' || snapshot->strings[count - 1] != '\0')
        return false;
    for (uint32_t i = 0; i < snapshot->count[NG_SECTION_POLICIES]; i++) {
        const struct ng_layout_policy *policy = &snapshot->policies[i];

        if (policy->name >= count || policy->mode > NG_MODE_STRICT || policy->scope == 0 ||
            policy->scope & NG_SCOPE_DEPLOYMENT || policy->established > NG_ESTABLISHED_KEEP ||
            policy->on_loss > NG_ON_LOSS_CLOSED)
            return false;
    }
    for (uint32_t i = 0; i < snapshot->count[NG_SECTION_RULES]; i++) {
        const struct ng_layout_rule *rule = &snapshot->rules[i];

        if (rule->file >= count || rule->reason >= count || rule->instead >= count || rule->owner >= count ||
            rule->group >= count || rule->path >= count ||
            !within(rule->segment, rule->segments, snapshot->count[NG_SECTION_SEGMENTS]) ||
            (rule->verdict != NG_VERDICT_ALLOW && rule->verdict != NG_VERDICT_DENY))
            return false;
    }
    return true;
}

static bool profiles_hold(const struct ng_snapshot *snapshot)
{
    for (uint32_t i = 0; i < snapshot->count[NG_SECTION_ITEMS]; i++)
        if (snapshot->items[i].rule >= snapshot->count[NG_SECTION_RULES])
            return false;
    for (uint32_t i = 0; i < snapshot->count[NG_SECTION_PROFILES]; i++) {
        const struct ng_layout_profile *profile = &snapshot->profiles[i];

        if (profile->content.count > NG_SEGMENTS_MAX || profile->id == NG_PROFILE_NONE ||
            profile->id != ng_profile_id(&profile->content) || (i > 0 && profile->id <= profile[-1].id))
            return false;
    }
    return true;
}

static bool node_holds(const struct ng_snapshot *snapshot, const struct ng_layout_node *node)
{
    if ((node->profile & NG_RECORD_PROFILE) >= snapshot->count[NG_SECTION_PROFILES])
        return false;
    if (node->rule & NG_NODE_MANY)
        return within(node->line, node->rule & ~NG_NODE_MANY, snapshot->count[NG_SECTION_ITEMS]);
    return node->rule < snapshot->count[NG_SECTION_RULES];
}

/* A wire name that ends within `size` octets. */
static bool name_holds(const uint8_t *name, size_t size)
{
    size_t at = 0;

    while (at < size && at < NG_NAME_MAX && name[at]) {
        if (name[at] > 63)
            return false;
        at += 1U + name[at];
    }
    return at < size && at < NG_NAME_MAX;
}

static bool record_holds(const struct ng_snapshot *snapshot, uint32_t offset)
{
    uint32_t size = snapshot->count[NG_SECTION_RECORDS] - NG_RECORDS_SLACK;
    const struct ng_layout_record *record = (const void *)(snapshot->records + offset);

    return offset % 4 == 0 && size > sizeof(*record) && offset < size - sizeof(*record) &&
           node_holds(snapshot, &record->node) &&
           record->node.profile & (NG_RECORD_EXACT | NG_RECORD_BELOW) &&
           name_holds(record->name, size - offset - sizeof(*record));
}

/* Within a policy's table every search ends: the last place is free. */
static bool names_hold(const struct ng_snapshot *snapshot)
{
    for (uint32_t p = 0; p < snapshot->count[NG_SECTION_POLICIES]; p++) {
        const struct ng_layout_policy *policy = &snapshot->policies[p];
        const uint8_t *tags = snapshot->tags + policy->table;

        if (policy->room == 0 || policy->all <= policy->room ||
            !within(policy->table, policy->all, snapshot->count[NG_SECTION_OFFSETS]) || tags[policy->all - 1] != 0)
            return false;
        for (uint32_t i = 0; i < policy->all; i++)
            if (tags[i] && !record_holds(snapshot, snapshot->offsets[policy->table + i]))
                return false;
    }
    return true;
}

static bool networks_hold(const struct ng_snapshot *snapshot)
{
    for (uint32_t i = 0; i < snapshot->count[NG_SECTION_NETWORKS]; i++) {
        const struct ng_layout_network *network = &snapshot->networks[i];

        if (network->key.prefixlen < 32 || network->key.prefixlen > 32 + 128 ||
            network->policy >= snapshot->count[NG_SECTION_POLICIES] ||
            (i > 0 && ng_layout_compare(network - 1, network) >= 0) ||
            (network->own.rule != NG_NODE_NONE && !node_holds(snapshot, &network->own)) ||
            (network->below.rule != NG_NODE_NONE && !node_holds(snapshot, &network->below)) ||
            (network->inherited && network->below.profile >= snapshot->count[NG_SECTION_PROFILES]))
            return false;
    }
    return true;
}

int ng_snapshot_open(int fd, struct ng_snapshot **ret_snapshot)
{
    struct ng_snapshot *snapshot;
    struct stat info;
    int seals = fcntl(fd, F_GET_SEALS), needed = F_SEAL_WRITE | F_SEAL_SHRINK;
    void *block;

    /* Without the seals its owner could change it after the checks. */
    if (seals < 0 || (seals & needed) != needed)
        return -EBADMSG;
    if (fstat(fd, &info) < 0)
        return -errno;
    if (info.st_size < (off_t)sizeof(struct ng_layout_header))
        return -EBADMSG;
    snapshot = calloc(1, sizeof(*snapshot));
    if (!snapshot)
        return -ENOMEM;
    block = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (block == MAP_FAILED) {
        free(snapshot);
        return -ENOMEM;
    }
    snapshot->block = block;
    snapshot->size = (size_t)info.st_size;
    if (!sections_fit(snapshot) || !strings_hold(snapshot) || !profiles_hold(snapshot) || !names_hold(snapshot) ||
        !networks_hold(snapshot)) {
        ng_snapshot_free(snapshot);
        return -EBADMSG;
    }
    *ret_snapshot = snapshot;
    return 0;
}

void ng_snapshot_free(struct ng_snapshot *snapshot)
{
    if (!snapshot)
        return;
    (void)munmap((void *)(uintptr_t)snapshot->block, snapshot->size);
    free(snapshot);
}

unsigned ng_snapshot_policies(const struct ng_snapshot *snapshot)
{
    return snapshot->count[NG_SECTION_POLICIES];
}

void ng_snapshot_policy(const struct ng_snapshot *snapshot, unsigned policy, struct ng_policy_info *ret_info)
{
    const struct ng_layout_policy *it = &snapshot->policies[policy];

    *ret_info = (struct ng_policy_info){
        .name = snapshot->strings + it->name,
        .scope = it->scope,
        .mode = it->mode,
        .established = it->established,
        .on_loss = it->on_loss,
        .networks = it->networks != 0};
}

int ng_snapshot_find(const struct ng_snapshot *snapshot, const char *name)
{
    for (unsigned i = 0; i < ng_snapshot_policies(snapshot); i++)
        if (strcmp(snapshot->strings + snapshot->policies[i].name, name) == 0)
            return (int)i;
    return -ENOENT;
}

int ng_snapshot_find_scope(const struct ng_snapshot *snapshot, uint32_t scope)
{
    for (unsigned i = 0; i < ng_snapshot_policies(snapshot); i++)
        if (snapshot->policies[i].scope == scope)
            return (int)i;
    return -ENOENT;
}

const struct ng_layout_record *ng_view_find(const struct ng_snapshot *snapshot, uint32_t policy, const uint8_t *name,
                                            size_t length, bool own)
{
    uint8_t label[NG_LABELS_MAX + 1];
    struct ng_layout_names names = ng_view_names(snapshot, policy);
    unsigned labels = 0;
    uint64_t hash = NG_HASH_BEGIN;

    for (size_t at = 0; name[at]; at += 1U + name[at])
        label[labels++] = (uint8_t)at;
    while (labels > 0)
        hash = ng_hash_label(hash, name + label[--labels]);
    return ng_layout_find(&names, name, length, ng_hash_short(hash), own ? NG_RECORD_EXACT : NG_RECORD_BELOW);
}

/* From the longest name to the shortest: the first that has rules decides. Ancestors of so many labels as no rule has
 * are not looked up. */
const struct ng_layout_record *ng_view_name(const struct ng_snapshot *snapshot, uint32_t policy,
                                            const struct ng_name *name, bool *ret_own)
{
    const struct ng_layout_policy *rules = &snapshot->policies[policy];
    struct ng_layout_names names = ng_view_names(snapshot, policy);
    uint32_t hash[NG_LABELS_MAX + 1]; /* of the name's last n labels */
    uint8_t label[NG_LABELS_MAX + 1];
    const struct ng_layout_record *record;
    uint64_t whole = NG_HASH_BEGIN;
    unsigned labels = 0, deepest;
    bool exact;

    for (size_t at = 0; name->wire[at]; at += 1U + name->wire[at])
        label[labels++] = (uint8_t)at;
    exact = ng_layout_has_labels(rules->exact, labels);
    if (rules->below[1])
        deepest = 127 - (unsigned)__builtin_clzll(rules->below[1]);
    else
        deepest = rules->below[0] ? 63 - (unsigned)__builtin_clzll(rules->below[0]) : 0;
    if (exact || deepest >= labels)
        deepest = labels;
    for (unsigned n = 1; n <= deepest; n++) {
        whole = ng_hash_label(whole, name->wire + label[labels - n]);
        hash[n] = ng_hash_short(whole);
        if (n == labels ? exact : ng_layout_has_labels(rules->below, n))
            ng_layout_prefetch(&names, hash[n]); /* all are waited for at once */
    }
    record = exact && labels ? ng_layout_find(&names, name->wire, name->length, hash[labels], NG_RECORD_EXACT) : NULL;
    *ret_own = record != NULL;
    for (unsigned n = deepest < labels ? deepest : labels - 1; !record && n >= 1 && n < labels; n--)
        if (ng_layout_has_labels(rules->below, n))
            record = ng_layout_find(&names, name->wire + label[labels - n],
                                    (size_t)name->length - label[labels - n], hash[n], NG_RECORD_BELOW);
    return record;
}

uint64_t ng_match_name(const struct ng_snapshot *snapshot, unsigned policy, const struct ng_name *name)
{
    bool own;
    const struct ng_layout_record *record = ng_view_name(snapshot, policy, name, &own);

    return record ? ng_view_profile(snapshot, &record->node) : NG_PROFILE_NONE;
}

uint64_t ng_match_below(const struct ng_snapshot *snapshot, unsigned policy, const struct ng_name *name)
{
    for (size_t at = 0; at < name->length; at += 1U + name->wire[at]) {
        const struct ng_layout_record *record =
            ng_view_find(snapshot, policy, name->wire + at, name->length - at, false);

        if (record)
            return ng_view_profile(snapshot, &record->node);
        if (!name->wire[at])
            break;
    }
    return NG_PROFILE_NONE;
}

bool ng_snapshot_has(const struct ng_snapshot *snapshot, unsigned policy, const struct ng_name *name, bool below)
{
    return ng_view_find(snapshot, policy, name->wire, name->length, !below) != NULL;
}

static int by_id(const void *key, const void *item)
{
    uint64_t id = *(const uint64_t *)key;
    const struct ng_layout_profile *profile = item;

    return id < profile->id ? -1 : id > profile->id;
}

static const struct ng_profile *find_profile(const struct ng_snapshot *snapshot, uint64_t id)
{
    const struct ng_layout_profile *found = bsearch(&id, snapshot->profiles, snapshot->count[NG_SECTION_PROFILES],
                                                    sizeof(*snapshot->profiles), by_id);

    return found ? &found->content : NULL;
}

const struct ng_profile *ng_snapshot_profile(const struct ng_snapshot *snapshot, uint64_t profile)
{
    static const struct ng_profile none,
        deny = {.count = 1, .segment = {{.port_hi = 65535, .verdict = NG_VERDICT_DENY}}},
        allow = {.count = 1, .segment = {{.port_hi = 65535, .verdict = NG_VERDICT_ALLOW}}};

    if (profile <= NG_PROFILE_GRANT)
        return profile == NG_PROFILE_NONE ? &none : profile == NG_PROFILE_DENY ? &deny : &allow;
    return find_profile(snapshot, profile);
}

uint32_t ng_snapshot_word(const struct ng_snapshot *snapshot, uint64_t profile, uint8_t proto, uint16_t port)
{
    const struct ng_profile *content;

    if (profile <= NG_PROFILE_GRANT)
        return profile == NG_PROFILE_NONE   ? NG_VERDICT_NONE
               : profile == NG_PROFILE_DENY ? NG_VERDICT_DENY
                                            : NG_VERDICT_ALLOW;
    content = find_profile(snapshot, profile);
    return content ? ng_profile_word(content, proto, port) : NG_VERDICT_DENY;
}

uint8_t ng_snapshot_verdict(const struct ng_snapshot *snapshot, uint64_t profile, uint8_t proto, uint16_t port)
{
    return (uint8_t)ng_snapshot_word(snapshot, profile, proto, port);
}

static bool profile_has(const struct ng_snapshot *snapshot, uint64_t id, uint8_t verdict)
{
    const struct ng_profile *content;

    if (id <= NG_PROFILE_GRANT)
        return ng_snapshot_verdict(snapshot, id, 0, 0) == verdict;
    content = find_profile(snapshot, id);
    return content ? ng_profile_has(content, verdict) : verdict == NG_VERDICT_DENY;
}

bool ng_snapshot_denies(const struct ng_snapshot *snapshot, uint64_t profile)
{
    return profile_has(snapshot, profile, NG_VERDICT_DENY);
}

bool ng_snapshot_allows(const struct ng_snapshot *snapshot, uint64_t profile)
{
    return profile_has(snapshot, profile, NG_VERDICT_ALLOW);
}

uint8_t ng_snapshot_answer(const struct ng_snapshot *snapshot, uint64_t profile)
{
    const struct ng_profile *content = ng_snapshot_profile(snapshot, profile);
    const struct ng_segment *first = content && content->count ? &content->segment[0] : NULL;

    if (!first || first->verdict != NG_VERDICT_DENY || first->proto || first->port_lo > 0 ||
        first->port_hi < UINT16_MAX)
        return NG_ANSWER_REAL;
    return first->flags & NG_SEGMENT_REFUSE  ? NG_ANSWER_REFUSE
           : first->flags & NG_SEGMENT_DECOY ? NG_ANSWER_DECOY
                                             : NG_ANSWER_REAL;
}

int ng_snapshot_each_profile(const struct ng_snapshot *snapshot, ng_profile_fn each, void *arg)
{
    for (uint32_t i = 0; i < snapshot->count[NG_SECTION_PROFILES]; i++) {
        const struct ng_layout_profile *profile = &snapshot->profiles[i];
        int r = profile->id > NG_PROFILE_GRANT ? each(arg, profile->id, &profile->content) : 0;

        if (r)
            return r;
    }
    return 0;
}

static uint64_t profile_of(const struct ng_snapshot *snapshot, const struct ng_layout_node *node)
{
    return node->rule == NG_NODE_NONE ? NG_PROFILE_NONE : ng_view_profile(snapshot, node);
}

int ng_snapshot_each_network(const struct ng_snapshot *snapshot, bool inner_first, ng_network_fn each, void *arg)
{
    uint32_t count = snapshot->count[NG_SECTION_NETWORKS];

    for (uint32_t i = 0; i < count; i++) {
        const struct ng_layout_network *it = &snapshot->networks[inner_first ? count - 1 - i : i];
        struct ng_network network = {profile_of(snapshot, &it->own),
                                     it->inherited ? ng_view_profile(snapshot, &it->below)
                                                   : profile_of(snapshot, &it->below)};
        int r = each(arg, &it->key, &network);

        if (r)
            return r;
    }
    return 0;
}

int ng_snapshot_each_name(const struct ng_snapshot *snapshot, unsigned policy, ng_name_fn each, void *arg)
{
    const struct ng_layout_names names = ng_view_names(snapshot, policy);

    for (uint32_t i = 0; i < snapshot->policies[policy].all; i++) {
        const struct ng_layout_record *record = (const void *)(names.records + names.offsets[i]);
        struct ng_name name;
        int r = 0;

        if (!names.tags[i])
            continue;
        (void)ng_name_from_wire(record->name, NG_NAME_MAX, &name);
        if (record->node.profile & NG_RECORD_EXACT)
            r = each(arg, &name, false, ng_view_profile(snapshot, &record->node));
        if (r == 0 && record->node.profile & NG_RECORD_BELOW)
            r = each(arg, &name, true, ng_view_profile(snapshot, &record->node));
        if (r)
            return r;
    }
    return 0;
}

uint64_t ng_snapshot_changes_at(const struct ng_snapshot *snapshot)
{
    return ((const struct ng_layout_header *)snapshot->block)->changes_at;
}
