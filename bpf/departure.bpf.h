/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The resolver's replies, as they leave: those from its cache rest on destinations that others may have taken out of
 * the map since. To look for these by a call of its own would cost the resolver a quarter of such an answer; the
 * kernel looks as it sends, and refuses to send where something is not so. */
#ifndef NAMEGATE_DEPARTURE_BPF_H
#define NAMEGATE_DEPARTURE_BPF_H

#include "maps.bpf.h"

/* Whether all is there. Global, so that the verifier proves it once. */
__noinline __u32 departure_holds(__u32 worker)
{
    __u32 zero = 0, count;
    struct ng_departures *all = bpf_map_lookup_elem(&departures, &zero);
    struct ng_departure *departure;

    if (!all)
        return 1;
    asm volatile("" : "+r"(worker)); /* so that the verifier sees the bound on what is used */
    departure = &all->of[worker % NG_WORKERS_MAX];
    if (departure->sender != (__u32)bpf_get_current_pid_tgid())
        return 1;
    if (departure->looked)
        return !departure->differ;
    count = departure->count;
    for (__u32 i = 0; i < NG_EXPECTED_MAX && i < count; i++) {
        struct ng_destination_key key = departure->expected[i].key;
        const __u64 *wanted = (const __u64 *)&departure->expected[i].value;
        const __u64 *found = bpf_map_lookup_elem(&destinations, &key);
        __u64 unlike = !found;

        for (__u32 word = 0; found && word < sizeof(struct ng_destination) / sizeof(*found); word++)
            unlike |= found[word] ^ wanted[word];
        /* Kept in the map, where it is nothing that the verifier tells states by. */
        if (unlike)
            departure->differ |= 1ULL << i;
    }
    departure->looked = 1;
    return !departure->differ;
}

/* Whether a datagram may leave by this socket, as far as this goes. Nothing that the resolver writes holds up those of
 * others: the keeper says which sockets are meant. */
static __always_inline bool may_depart(struct bpf_sock *sk)
{
    __u32 zero = 0, *worker;
    struct ng_departures *all = bpf_map_lookup_elem(&departures, &zero);

    if (!all || !*(volatile __u64 *)&all->under_way)
        return true;
    worker = bpf_sk_storage_get(&listeners, sk, NULL, 0);
    return !worker || departure_holds(*worker);
}

#endif
