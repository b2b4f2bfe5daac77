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
    snapshot->policies = start[NG_SECTION_POLICIES];
    snapshot->slots = start[NG_SECTION_SLOTS];
    snapshot->nodes = start[NG_SECTION_NODES];
    snapshot->networks = start[NG_SECTION_NETWORKS];
    snapshot->profiles = start[NG_SECTION_PROFILES];
    snapshot->items = start[NG_SECTION_ITEMS];
    snapshot->rules = start[NG_SECTION_RULES];
    snapshot->segments = start[NG_SECTION_SEGMENTS];
    snapshot->names = start[NG_SECTION_NAMES];
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
            policy->scope & NG_SCOPE_DEPLOYMENT)
            return false;
    }
    for (uint32_t i = 0; i < snapshot->count[NG_SECTION_RULES]; i++) {
        const struct ng_layout_rule *rule = &snapshot->rules[i];

        if (rule->file >= count || rule->reason >= count || rule->instead >= count ||
            (rule->verdict != NG_VERDICT_ALLOW && rule->verdict != NG_VERDICT_DENY))
            return false;
    }
    return true;
}

static bool nodes_hold(const struct ng_snapshot *snapshot)
{
    const uint32_t *count = snapshot->count;

    for (uint32_t i = 0; i < count[NG_SECTION_ITEMS]; i++) {
        const struct ng_layout_item *item = &snapshot->items[i];

        if (item->rule >= count[NG_SECTION_RULES] || item->pattern >= count[NG_SECTION_STRINGS] ||
            !within(item->segment, item->segments, count[NG_SECTION_SEGMENTS]))
            return false;
    }
    for (uint32_t i = 0; i < count[NG_SECTION_NODES]; i++) {
        const struct ng_layout_node *node = &snapshot->nodes[i];

        if (node->profile >= count[NG_SECTION_PROFILES] || node->parent > i ||
            !within(node->item, node->items, count[NG_SECTION_ITEMS]))
            return false;
    }
    for (uint32_t i = 0; i < count[NG_SECTION_PROFILES]; i++) {
        const struct ng_layout_profile *profile = &snapshot->profiles[i];

        if (profile->content.count > NG_SEGMENTS_MAX || profile->id == NG_PROFILE_NONE ||
            profile->id != ng_profile_id(&profile->content) || (i > 0 && profile->id <= profile[-1].id))
            return false;
    }
    return true;
}

static bool tables_hold(const struct ng_snapshot *snapshot)
{
    const uint32_t *count = snapshot->count;
    bool room = false; /* an empty slot ends every search */

    for (uint32_t i = 0; i < count[NG_SECTION_SLOTS]; i++) {
        const struct ng_layout_slot *slot = &snapshot->slots[i];
        struct ng_name name;

        room |= slot->name == 0;
        if (slot->name == 0)
            continue;
        if (slot->policy >= count[NG_SECTION_POLICIES] || slot->exact > count[NG_SECTION_NODES] ||
            slot->below > count[NG_SECTION_NODES] || slot->name > count[NG_SECTION_NAMES] ||
            ng_name_from_wire(snapshot->names + slot->name - 1, count[NG_SECTION_NAMES] - slot->name + 1, &name) < 0)
            return false;
    }
    for (uint32_t i = 0; i < count[NG_SECTION_NETWORKS]; i++) {
        const struct ng_layout_network *network = &snapshot->networks[i];

        if (network->key.prefixlen < 32 || network->key.prefixlen > 32 + 128 ||
            network->policy >= count[NG_SECTION_POLICIES] || network->own > count[NG_SECTION_NODES] ||
            network->below > count[NG_SECTION_NODES])
            return false;
    }
    return room;
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
    if (!sections_fit(snapshot) || !strings_hold(snapshot) || !nodes_hold(snapshot) || !tables_hold(snapshot)) {
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
        .name = snapshot->strings + it->name, .scope = it->scope, .mode = it->mode, .networks = it->networks != 0};
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

static const struct ng_layout_slot *find_slot(const struct ng_snapshot *snapshot, uint32_t policy,
                                              const uint8_t *name, size_t length, uint64_t hash)
{
    uint32_t count = snapshot->count[NG_SECTION_SLOTS], i = ng_hash_slot(hash, count);

    for (;; i = i + 1 == count ? 0 : i + 1) {
        const struct ng_layout_slot *slot = &snapshot->slots[i];

        if (!slot->name)
            return NULL;
        if (slot->policy == policy && ng_layout_same(snapshot->names, snapshot->count[NG_SECTION_NAMES],
                                                     slot->name - 1, name, length))
            return slot;
    }
}

uint32_t ng_view_node(const struct ng_snapshot *snapshot, uint32_t policy, const struct ng_name *name)
{
    uint64_t hash[NG_LABELS_MAX + 1];
    uint8_t label[NG_LABELS_MAX + 1];
    unsigned labels = 0;

    for (size_t at = 0; name->wire[at]; at += 1U + name->wire[at])
        label[labels++] = (uint8_t)at;
    for (unsigned i = labels; i-- > 0;)
        hash[i] = ng_hash_label(i + 1 == labels ? ng_hash_begin(policy) : hash[i + 1], name->wire + label[i]);
    /* From the longest name to the shortest: the first that has rules decides. */
    for (unsigned i = 0; i < labels; i++) {
        const struct ng_layout_slot *slot =
            find_slot(snapshot, policy, name->wire + label[i], (size_t)name->length - label[i], hash[i]);
        uint32_t node = !slot ? 0 : i == 0 ? slot->exact : slot->below;

        if (node)
            return node;
    }
    return 0;
}

uint64_t ng_match_name(const struct ng_snapshot *snapshot, unsigned policy, const struct ng_name *name)
{
    uint32_t node = ng_view_node(snapshot, policy, name);

    return node ? snapshot->profiles[snapshot->nodes[node - 1].profile].id : NG_PROFILE_NONE;
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

uint8_t ng_snapshot_verdict(const struct ng_snapshot *snapshot, uint64_t profile, uint8_t proto, uint16_t port)
{
    const struct ng_profile *content;

    if (profile <= NG_PROFILE_ALLOW)
        return (uint8_t)(profile == NG_PROFILE_NONE   ? NG_VERDICT_NONE
                         : profile == NG_PROFILE_DENY ? NG_VERDICT_DENY
                                                      : NG_VERDICT_ALLOW);
    content = find_profile(snapshot, profile);
    return content ? ng_profile_verdict(content, proto, port) : NG_VERDICT_DENY;
}

static bool profile_has(const struct ng_snapshot *snapshot, uint64_t id, uint8_t verdict)
{
    const struct ng_profile *content;

    if (id <= NG_PROFILE_ALLOW)
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

int ng_snapshot_each_profile(const struct ng_snapshot *snapshot, ng_profile_fn each, void *arg)
{
    for (uint32_t i = 0; i < snapshot->count[NG_SECTION_PROFILES]; i++) {
        const struct ng_layout_profile *profile = &snapshot->profiles[i];
        int r = profile->id > NG_PROFILE_ALLOW ? each(arg, profile->id, &profile->content) : 0;

        if (r)
            return r;
    }
    return 0;
}

static uint64_t profile_of(const struct ng_snapshot *snapshot, uint32_t node)
{
    return node ? snapshot->profiles[snapshot->nodes[node - 1].profile].id : NG_PROFILE_NONE;
}

int ng_snapshot_each_network(const struct ng_snapshot *snapshot, ng_network_fn each, void *arg)
{
    for (uint32_t i = 0; i < snapshot->count[NG_SECTION_NETWORKS]; i++) {
        const struct ng_layout_network *it = &snapshot->networks[i];
        struct ng_network network = {profile_of(snapshot, it->own), profile_of(snapshot, it->below)};
        int r = each(arg, &it->key, &network);

        if (r)
            return r;
    }
    return 0;
}

int ng_snapshot_each_exact_deny(const struct ng_snapshot *snapshot, unsigned policy, ng_name_fn each, void *arg)
{
    for (uint32_t i = 0; i < snapshot->count[NG_SECTION_SLOTS]; i++) {
        const struct ng_layout_slot *slot = &snapshot->slots[i];
        struct ng_name name;
        int r;

        if (!slot->name || slot->policy != policy || !slot->exact ||
            !ng_snapshot_denies(snapshot, profile_of(snapshot, slot->exact)))
            continue;
        (void)ng_name_from_wire(snapshot->names + slot->name - 1, snapshot->count[NG_SECTION_NAMES] - slot->name + 1,
                                &name);
        r = each(arg, &name);
        if (r)
            return r;
    }
    return 0;
}
