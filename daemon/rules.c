// SPDX-License-Identifier: BSD-2-Clause
#include "rules.h"

#include "../policy/vector.h"

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

/* The keys of a map that are not wanted, to be deleted. */
struct unwanted {
    const struct install *install;
    size_t size; /* of a key */
    NG_VECTOR(uint8_t) keys;
};

static int find_unwanted(struct unwanted *unwanted, compare_fn compare)
{
    char next[sizeof(struct ng_network_key)], at[sizeof(struct ng_network_key)];
    bool first = true;

    for (; bpf_map_get_next_key(unwanted->install->map, first ? NULL : at, next) == 0; first = false) {
        memcpy(at, next, unwanted->size);
        if (!tfind(next, &unwanted->install->wanted, compare) &&
            !ng_vector_append(&unwanted->keys, (uint8_t *)next, unwanted->size))
            return -ENOMEM;
    }
    return 0;
}

static int by_length(const void *a, const void *b)
{
    const struct ng_network_key *x = a, *y = b;

    return x->prefixlen < y->prefixlen ? -1 : x->prefixlen > y->prefixlen;
}

/* Deletes the keys of a map that are not wanted: networks before those that they hold, so that no address meets an
 * outer one alone that goes as well. What is left when memory runs out is deleted with the next policy. */
static void prune(const struct install *install, size_t size, compare_fn compare)
{
    struct unwanted unwanted = {.install = install, .size = size};

    (void)find_unwanted(&unwanted, compare);
    if (compare == compare_networks && unwanted.keys.count)
        qsort(unwanted.keys.items, unwanted.keys.count / size, size, by_length);
    for (size_t at = 0; at < unwanted.keys.count; at += size)
        if (bpf_map_delete_elem(install->map, unwanted.keys.items + at) < 0)
            break;
    ng_vector_free(&unwanted.keys);
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
    int r = ng_snapshot_each_network(in_force, false, want_network, &networks);

    if (r == 0)
        prune(&networks, sizeof(struct ng_network_key), compare_networks);
    r = ng_snapshot_each_network(in_force, true, put_network, &map);
    if (r < 0)
        ng_log(NG_LOG_ERROR, "not all address rules that were in force can be installed again: %s", strerror(-r));
    tdestroy(networks.wanted, free);
}

int ng_rules_switch(struct ng_rule_maps maps, const struct ng_snapshot *snapshot, const struct ng_snapshot *in_force,
                    struct ng_error *error)
{
    struct install networks = {.map = maps.networks}, profiles = {.map = maps.profiles};
    int r = ng_snapshot_each_network(snapshot, false, want_network, &networks);

    if (r == 0)
        r = ng_snapshot_each_profile(snapshot, want_profile, &profiles);
    if (r == 0) {
        r = ng_snapshot_each_network(snapshot, true, put_network, &maps.networks);
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
