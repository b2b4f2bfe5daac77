/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Reading a packet on its way out: RFC 791 section 3.1, RFC 8200 section 4. */
#ifndef NAMEGATE_EGRESS_BPF_H
#define NAMEGATE_EGRESS_BPF_H

#include "judge.bpf.h"

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define IP_OFFSET_MASK 0x1fff
#define NEXTHDR_HOP 0
#define NEXTHDR_ROUTING 43
#define NEXTHDR_FRAGMENT 44
#define NEXTHDR_DEST 60
#define EXTENSIONS_MAX 6

struct packet {
    __u8 source[16] __attribute__((aligned(8))); /* v4-mapped */
    __u16 source_port;
    __u16 pad;
    __u32 transport; /* where its header begins */
};

static __always_inline __u8 tcp_flags(struct __sk_buff *skb, const struct packet *packet)
{
    __u8 flags = 0;

    (void)bpf_skb_load_bytes(skb, packet->transport + 13, &flags, 1);
    return flags;
}

/* Whether this TCP segment opens a connection. */
static __always_inline bool opens(struct __sk_buff *skb, const struct packet *packet)
{
    return (tcp_flags(skb, packet) & 0x12) == 0x02;
}

/* Whether it ends one at once. */
static __always_inline bool resets(struct __sk_buff *skb, const struct packet *packet)
{
    return tcp_flags(skb, packet) & 0x04;
}

/* What nearly every packet is: IPv4 without options, UDP or TCP in one piece, its headers in one piece of memory. Read
 * in place. False: it is something else, to be read as below. */
static __always_inline bool read_usual(struct __sk_buff *skb, struct question *question, struct packet *packet)
{
    const struct iphdr *ip = (void *)(long)skb->data;
    const struct udphdr *ports = (void *)(ip + 1); /* TCP begins with the same */

    if ((void *)(ports + 1) > (void *)(long)skb->data_end || ip->ihl != 5 || ip->frag_off & bpf_htons(IP_OFFSET_MASK))
        return false;
    if (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP)
        return false;
    question->proto = ip->protocol;
    map_v4(packet->source, ip->saddr);
    map_v4(question->address, ip->daddr);
    question->port = bpf_ntohs(ports->dest);
    packet->source_port = bpf_ntohs(ports->source);
    packet->transport = sizeof(*ip);
    return true;
}

/* Of those whose header begins with the two ports: a rule for a port is one for them as well. */
static __always_inline bool has_ports(__u8 proto)
{
    return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP || proto == IPPROTO_DCCP ||
           proto == IPPROTO_UDPLITE;
}

static __always_inline bool read_ports(struct __sk_buff *skb, __u32 at, struct question *question,
                                       struct packet *packet)
{
    struct {
        __be16 source, dest;
    } ports;

    if (!has_ports(question->proto))
        return true;
    if (bpf_skb_load_bytes(skb, at, &ports, sizeof(ports)))
        return false;
    question->port = bpf_ntohs(ports.dest);
    packet->source_port = bpf_ntohs(ports.source);
    packet->transport = at;
    return true;
}

static __always_inline bool read_ipv4(struct __sk_buff *skb, struct question *question, struct packet *packet)
{
    struct iphdr ip;
    __u32 header;

    if (read_usual(skb, question, packet))
        return true;
    if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)))
        return false;
    header = ip.ihl * 4;
    map_v4(packet->source, ip.saddr);
    map_v4(question->address, ip.daddr);
    question->proto = ip.protocol;
    if (header > sizeof(ip))
        question->raw = 1; /* options can route the packet elsewhere (RFC 791 section 3.1); nothing honest needs them */
    if (bpf_ntohs(ip.frag_off) & IP_OFFSET_MASK) {
        question->raw = 1; /* the hook sees whole datagrams: a later fragment was made by hand */
        return true;
    }
    return read_ports(skb, header, question, packet);
}

/* Walks the extension headers. A routing header makes the packet go elsewhere than it says: never let through. */
static __always_inline bool read_ipv6(struct __sk_buff *skb, struct question *question, struct packet *packet)
{
    struct ipv6hdr ip;
    __u32 at = sizeof(ip);
    __u8 next;

    if (bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)))
        return false;
    __builtin_memcpy(packet->source, &ip.saddr, 16);
    __builtin_memcpy(question->address, &ip.daddr, 16);
    next = ip.nexthdr;
    for (int i = 0; i < EXTENSIONS_MAX; i++) {
        __u8 extension[2];

        question->proto = next;
        if (next == NEXTHDR_ROUTING || next == NEXTHDR_FRAGMENT) {
            question->raw = 1;
            return true;
        }
        if (next != NEXTHDR_HOP && next != NEXTHDR_DEST)
            return read_ports(skb, at, question, packet);
        if (bpf_skb_load_bytes(skb, at, extension, sizeof(extension)))
            return false;
        next = extension[0];
        at += (extension[1] + 1u) * 8;
    }
    question->raw = 1; /* more headers than anything honest has */
    return true;
}

#endif
