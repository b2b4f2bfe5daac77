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

/* A map, the keys that shall stay in it (a tree of tsearch(3)), and those that shall not. */
struct install {
    int map;
    size_t size; /* of a key */
    compare_fn compare;
    void *wanted;
    NG_VECTOR(uint8_t) unwanted;
};

static int compare_profiles(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(uint64_t));
}

static int compare_networks(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct ng_network_key));
}

static int want(struct install *install, const void *key)
{
    void *copy = malloc(install->size);
    void **node;

    if (!copy)
        return -ENOMEM;
    memcpy(copy, key, install->size);
    node = tsearch(copy, &install->wanted, install->compare);
    if (!node || *node != copy)
        free(copy);
    return node ? 0 : -ENOMEM;
}

static int want_profile(void *arg, uint64_t id, const struct ng_profile *profile)
{
    (void)profile;
    return want(arg, &id);
}

static int want_network(void *arg, const struct ng_network_key *key, const struct ng_network *network)
{
    (void)network;
    return want(arg, key);
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

static int by_length(const void *a, const void *b)
{
    const struct ng_network_key *x = a, *y = b;

    return x->prefixlen < y->prefixlen ? -1 : x->prefixlen > y->prefixlen;
}

static int find_unwanted(struct install *install)
{
    char next[sizeof(struct ng_network_key)], at[sizeof(struct ng_network_key)];
    bool first = true;

    for (; bpf_map_get_next_key(install->map, first ? NULL : at, next) == 0; first = false) {
        memcpy(at, next, install->size);
        if (!tfind(next, &install->wanted, install->compare) &&
            !ng_vector_append(&install->unwanted, (uint8_t *)next, install->size))
            return -ENOMEM;
    }
    return errno == ENOENT ? 0 : -errno;
}

/* Deletes what was found: networks before those that they hold, so that no address meets an outer one alone that goes
 * as well. */
static int prune(struct install *install)
{
    if (install->compare == compare_networks && install->unwanted.count)
        qsort(install->unwanted.items, install->unwanted.count / install->size, install->size, by_length);
    for (size_t at = 0; at < install->unwanted.count; at += install->size)
        if (bpf_map_delete_elem(install->map, install->unwanted.items + at) < 0 && errno != ENOENT)
            return -errno;
    return 0;
}

static void release(struct install *install)
{
    tdestroy(install->wanted, free);
    ng_vector_free(&install->unwanted);
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
    struct install networks = {.map = map, .size = sizeof(struct ng_network_key), .compare = compare_networks};
    int r = ng_snapshot_each_network(in_force, false, want_network, &networks), put;

    if (r == 0)
        r = find_unwanted(&networks);
    if (r == 0)
        r = prune(&networks);
    put = ng_snapshot_each_network(in_force, true, put_network, &map);
    if (r < 0 || put < 0)
        ng_log(NG_LOG_ERROR, "the address rules that were in force cannot all be installed again: %s",
               strerror(r < 0 ? -r : -put));
    release(&networks);
}

int ng_rules_switch(struct ng_rule_maps maps, const struct ng_snapshot *snapshot, const struct ng_snapshot *in_force,
                    struct ng_error *error)
{
    struct install networks = {
        .map = maps.networks, .size = sizeof(struct ng_network_key), .compare = compare_networks};
    struct install profiles = {.map = maps.profiles, .size = sizeof(uint64_t), .compare = compare_profiles};
    int r = ng_snapshot_each_network(snapshot, false, want_network, &networks);

    if (r == 0)
        r = ng_snapshot_each_profile(snapshot, want_profile, &profiles);
    if (r == 0)
        r = find_unwanted(&networks);
    if (r == 0)
        r = find_unwanted(&profiles);
    /* Until here nothing has changed. */
    if (r == 0) {
        r = ng_snapshot_each_network(snapshot, true, put_network, &maps.networks);
        if (r == 0)
            r = prune(&networks);
        if (r < 0 && in_force)
            restore_networks(maps.networks, in_force);
    }
    if (r == 0)
        (void)prune(&profiles); /* one that stays is nobody's */
    release(&networks);
    release(&profiles);
    return r < 0 ? ng_error_set(error, -r, "use fewer address rules", "cannot install the policy's networks: %s",
                                strerror(-r))
                 : 0;
}
