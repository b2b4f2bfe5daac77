/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Who is in no deployment: most of a host. A cgroup that was found to lie in none is noted, so that the next call from
 * it costs no lookup in a hash. Nothing here decides: a note only repeats what cgroup_deployment() said of a socket
 * that was made there, and none counts once a deployment was added. */
#ifndef NAMEGATE_BYSTANDER_BPF_H
#define NAMEGATE_BYSTANDER_BPF_H

#include "permit.bpf.h"

#define BYSTANDERS 1024 /* a power of two */

const volatile __u64 bystander_secret; /* its own, as how long a call takes tells of places; set as permit_secret */

/* Notes, at a place that the cgroup's id gives; zero: none. All hooks; two that meet replace each other. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, BYSTANDERS);
    __type(key, __u32);
    __type(value, __u64);
} bystanders SEC(".maps");

/* One word says of which cgroup, and at which epoch, a note is, because others read and write it meanwhile. */
static __always_inline __u64 *bystander_note(__u64 cgroup, __u64 *ret_mark)
{
    __u64 mark = (bystander_secret ^ cgroup) * 0x9e3779b97f4a7c15ULL; /* 2^64 over the golden ratio */
    __u32 place = mark >> 32 & (BYSTANDERS - 1);

    *ret_mark = mark;
    return bpf_map_lookup_elem(&bystanders, &place);
}

static __always_inline bool is_bystander(__u64 cgroup)
{
    __u32 zero = 0;
    __u64 *added = bpf_map_lookup_elem(&additions, &zero);
    __u64 mark, *note = bystander_note(cgroup, &mark);

    return added && note && *(volatile __u64 *)note == (mark ^ *(volatile __u64 *)added);
}

/* added_at: the word in `additions` as it was before anything else was read. */
static __always_inline void note_bystander(__u64 cgroup, __u64 added_at)
{
    __u64 mark, *note = bystander_note(cgroup, &mark);

    if (note)
        *(volatile __u64 *)note = mark ^ added_at;
}

#endif
