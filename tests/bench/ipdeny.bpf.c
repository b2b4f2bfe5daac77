// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* What systemd's IPAddressDeny= does to packets of a cgroup, as far as it costs: both ways, the peer's address is looked
 * up in a trie of what is allowed, then in one of what is denied. And programs that do nothing: less than they cost the
 * same hooks cannot. */
#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct peer {
    __u32 prefixlen;
    __u32 address;
};

struct peers {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1000001);
    __type(key, struct peer);
    __type(value, __u64);
};

struct peers allow SEC(".maps");
struct peers deny SEC(".maps");

static __always_inline int verdict(struct __sk_buff *skb, __u32 offset)
{
    struct peer peer = {.prefixlen = 32};

    if (skb->protocol != bpf_htons(0x0800))
        return 1;
    if (bpf_skb_load_bytes(skb, offset, &peer.address, sizeof(peer.address)) < 0)
        return 1;
    if (bpf_map_lookup_elem(&allow, &peer))
        return 1;
    return bpf_map_lookup_elem(&deny, &peer) ? 0 : 1;
}

SEC("cgroup_skb/egress") int deny_egress(struct __sk_buff *skb)
{
    return verdict(skb, 16);
}

SEC("cgroup_skb/ingress") int deny_ingress(struct __sk_buff *skb)
{
    return verdict(skb, 12);
}

#define PASS(section, function, context)     \
    SEC(section) int function(context *ctx)  \
    {                                        \
        (void)ctx;                           \
        return 1;                            \
    }

PASS("cgroup/connect4", pass_connect4, struct bpf_sock_addr)
PASS("cgroup/sendmsg4", pass_sendmsg4, struct bpf_sock_addr)
PASS("cgroup_skb/egress", pass_egress, struct __sk_buff)
