// SPDX-License-Identifier: BSD-2-Clause
#include "rules.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <search.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef int (*compare_fn)(const void *a, const void *b);

/* A map, and the keys that shall stay in it: a tree of tsearch(3). */
struct install {
    int map;
    void *wanted;
};

static int compare_profiles(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(uint64_t));
}

static int compare_networks(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct ng_network_key));
}

static int want(struct install *install, const void *key, size_t size, compare_fn compare)
{
    void *copy = malloc(size);
    void **node;

    if (!copy)
        return -ENOMEM;
    memcpy(copy, key, size);
    node = tsearch(copy, &install->wanted, compare);
    if (!node || *node != copy)
        free(copy);
    return node ? 0 : -ENOMEM;
}

static int want_profile(void *arg, uint64_t id, const struct ng_profile *profile)
{
    (void)profile;
    return want(arg, &id, sizeof(id), compare_profiles);
}

static int want_network(void *arg, const struct ng_network_key *key, const struct ng_network *network)
{
    (void)network;
    return want(arg, key, sizeof(*key), compare_networks);
}

static int put_profile(void *arg, uint64_t id, const struct ng_profile *profile)
{
    const int *map = arg;

    return bpf_map_update_elem(*map, &id, profile, BPF_ANY);
}

static int put_network(void *arg, const struct ng_network_key *key, const struct ng_network *network)
{
    const int *map = arg;

    return bpf_map_update_elem(*map, key, network, BPF_ANY);
}

/* Deletes the keys of a map that are not wanted. A trie that changes under get_next_key may start over: each round
 * deletes, so that it ends. */
static void prune(const struct install *install, size_t size, compare_fn compare)
{
    char next[sizeof(struct ng_network_key)], at[sizeof(struct ng_network_key)];
    bool first = true;

    while (bpf_map_get_next_key(install->map, first ? NULL : at, next) == 0) {
        void *const *found = tfind(next, &install->wanted, compare);

        if (found) {
            memcpy(at, next, size);
            first = false;
            continue;
        }
        if (bpf_map_delete_elem(install->map, next) < 0)
            return;
    }
}

int ng_rules_add_profiles(struct ng_rule_maps maps, const struct ng_snapshot *snapshot, struct ng_error *error)
{
    int r = ng_snapshot_each_profile(snapshot, put_profile, &maps.profiles);

    return r < 0 ? ng_error_set(error, -r, "use fewer different port lists",
                                "cannot install the policy's port lists: %s", strerror(-r))
                 : 0;
}

/* Deletes first: a full trie does not even replace what is in it before Linux 6.13. */
static void restore_networks(int map, const struct ng_snapshot *in_force)
{
    struct install networks = {.map = map};
    int r = ng_snapshot_each_network(in_force, want_network, &networks);

    if (r == 0)
        prune(&networks, sizeof(struct ng_network_key), compare_networks);
    r = ng_snapshot_each_network(in_force, put_network, &map);
    if (r < 0)
        ng_log(NG_LOG_ERROR, "not all address rules that were in force can be installed again: %s", strerror(-r));
    tdestroy(networks.wanted, free);
}

int ng_rules_switch(struct ng_rule_maps maps, const struct ng_snapshot *snapshot, const struct ng_snapshot *in_force,
                    struct ng_error *error)
{
    struct install networks = {.map = maps.networks}, profiles = {.map = maps.profiles};
    int r = ng_snapshot_each_network(snapshot, want_network, &networks);

    if (r == 0)
        r = ng_snapshot_each_profile(snapshot, want_profile, &profiles);
    if (r == 0) {
        r = ng_snapshot_each_network(snapshot, put_network, &maps.networks);
        if (r < 0 && in_force)
            restore_networks(maps.networks, in_force);
    }
    if (r == 0) {
        prune(&networks, sizeof(struct ng_network_key), compare_networks);
        prune(&profiles, sizeof(uint64_t), compare_profiles);
    }
    tdestroy(networks.wanted, free);
    tdestroy(profiles.wanted, free);
    return r < 0 ? ng_error_set(error, -r, "use fewer address rules", "cannot install the policy's networks: %s",
                                strerror(-r))
                 : 0;
}
