/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The maps. Each says its key, value, writer, and what happens when it is full. Sizes marked (config) are set by the
 * keeper before loading; abi.h describes the keys and values. */
#ifndef NAMEGATE_MAPS_BPF_H
#define NAMEGATE_MAPS_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include <namegate/abi.h>

#define MAPPED_PREFIX bpf_htonl(0xffff) /* third word of ::ffff:a.b.c.d, RFC 4291 section 2.5.5.2 */

/* Which cgroups are deployments. cgroup id -> ng_deployment; keeper; full: `run` is refused. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __type(key, __u64);
    __type(value, struct ng_deployment);
} deployments SEC(".maps");

/* What is known of an address. Resolver; full: SERVFAIL, and every deployment that blocks turns strict. Never an LRU:
 * eviction would open a silent hole. Preallocated, so that a write cannot fail for lack of memory. (config) */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 65536);
    __type(key, struct ng_destination_key);
    __type(value, struct ng_destination);
} destinations SEC(".maps");

/* Address rules. Keeper; full: the policy is refused. */
struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 65536);
    __type(key, struct ng_network_key);
    __type(value, struct ng_network);
} networks SEC(".maps");

/* Port lists with verdicts, by content hash. Keeper; full: the policy is refused. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 16384);
    __type(key, __u64);
    __type(value, struct ng_profile);
} profiles SEC(".maps");

/* Switches. Keeper. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct ng_control);
} control SEC(".maps");

/* Verdicts that last, so that what was let through once is let through fast. Sets of two, at places that the keys
 * give (permit.bpf.h). All hooks; full: one of two goes, and is judged again. */
#define PERMIT_BITS 15

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1 << PERMIT_BITS);
    __type(key, __u32);
    __type(value, struct ng_permits);
} permits SEC(".maps");

/* See abi.h. Who writes them maps them into memory: `epoch` keeper and resolver, `additions` the keeper alone, since
 * what makes deployments is nothing that the resolver can say. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} epoch SEC(".maps"), additions SEC(".maps");

/* What the resolver's replies rest on as they leave. Resolver, which maps it into memory. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct ng_departures);
} departures SEC(".maps");

/* Which sockets these leave by, and of which worker. Keeper; one that is not here is not held up. */
struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, __u32);
} listeners SEC(".maps");

/* Who sent a redirected DNS query. Egress program; an LRU on purpose: a lost record leaves a query unanswered, and the
 * client sends it again. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 16384);
    __type(key, struct ng_asker_key);
    __type(value, struct ng_asker);
} askers SEC(".maps");

/* Network namespaces that deployments use. Keeper, and the programs; full: a further one is not served. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, __u64);
    __type(value, struct ng_namespace);
} namespaces SEC(".maps");

/* Records of denials. All hooks; full: the record is lost and counted. */
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1 << 24); /* twenty thousand */
} events SEC(".maps");

/* How many events a deployment has made in this second, so that one that is denied without end takes no other's room.
 * By scope and kind. An LRU on purpose: what is evicted begins anew. */
struct budget {
    __u64 second; /* ns: when it began */
    __u64 spent;
};

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 16384);
    __type(key, __u64);
    __type(value, struct budget);
} budgets SEC(".maps");

/* Outcomes by hook, see NG_COUNTER. All hooks. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, NG_COUNTERS);
    __type(key, __u32);
    __type(value, __u64);
} counters SEC(".maps");

struct server {
    __u8 address[16];
    __u16 port; /* network order, as the context has it */
    __u8 used;
    __u8 pad;
};

/* What a deployment's socket did. Lives as long as the socket. Slot 0 is the server that it connected to, the others
 * those that it sent to unconnected. */
struct flow {
    __u64 netns; /* cookie */
    struct ng_asker opener;
    struct server original[NG_REDIRECT_SLOTS];
    __u32 next;
    struct server reported; /* last denied at egress (port in host order): retransmits are not reported again */
    __u64 reported_to;      /* cgroup id of the deployment */
    struct server permitted; /* to which connect() was let go (port in host order): what `established keep` is about */
};

struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct flow);
} flows SEC(".maps");

/* Reads a field of a context once: clang forms ctx+offset pointers for repeated reads, which the verifier refuses. */
#define READ_FIELD(ctx, field) (*(volatile __u32 *)&(ctx)->field)

static __always_inline struct ng_control *get_control(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&control, &zero);
}

/* Read with a full barrier: what is judged after it is at least as new. */
static __always_inline __u64 get_epoch(void *map)
{
    __u32 zero = 0;
    __u64 *value = bpf_map_lookup_elem(map, &zero);

    return value ? __sync_fetch_and_add(value, 0) : 0;
}

static __always_inline void count(__u32 slot)
{
    __u64 *value = bpf_map_lookup_elem(&counters, &slot);

    if (value)
        (*value)++;
}

#endif
