/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* From a question (may a deployment reach this address?) through the maps to the facts that ng_decide() judges. */
#ifndef NAMEGATE_JUDGE_BPF_H
#define NAMEGATE_JUDGE_BPF_H

#include "decide.h"
#include "deployment.bpf.h"

#include <bpf/bpf_endian.h>

struct question {
    __u8 address[16] __attribute__((aligned(8))); /* v4-mapped */
    __u16 port;       /* host order */
    __u8 proto;
    __u8 hook;        /* enum ng_hook */
    __u8 raw;
    __u8 resumed;     /* the socket is connected through the redirect already: its own packets to the resolver */
    __u8 probe;       /* connect() of a UDP socket */
    __u8 silent;      /* its denial is on record already */
    __u8 established; /* over a connection that was let go when it was made */
    __u8 pad[3];
    __s32 error;      /* what a denial looks like to user space; 0: the packet is dropped */
};

/* A decision in one register, because global functions return scalars. */
#define PACK(d) ((__u64)(d).verdict | (__u64)(d).would << 8 | (__u64)(d).evidence << 16 | (__u64)(d).mode << 24 | \
                 (__u64)(d).respond << 32)
#define PACKED_LASTS (1ULL << 40) /* allowed, until something is written that the epoch counts */
#define PACKED_VERDICT(p) ((__u8)(p))
#define PACKED_WOULD(p) ((__u8)((p) >> 8))
#define PACKED_EVIDENCE(p) ((__u8)((p) >> 16))
#define PACKED_MODE(p) ((__u8)((p) >> 24))
#define PACKED_RESPOND(p) ((__u8)((p) >> 32))

static __always_inline bool is_loopback(const __u8 *address)
{
    const __u32 *word = (const __u32 *)address;
    __u32 first;

    if (word[0] || word[1])
        return false;
    if (word[2] == 0)
        return word[3] == 0 || word[3] == bpf_htonl(1);
    first = bpf_ntohl(word[3]);
    /* 0.0.0.0 connects to loopback; the rest of 0/8 goes nowhere. */
    return word[2] == MAPPED_PREFIX && (first >> 24 == 127 || first == 0);
}

static __always_inline void map_v4(__u8 *address, __u32 v4)
{
    __u64 *half = (__u64 *)address;

    /* In the pieces in which it is read: a load waits for octets that were stored apart. */
    _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the last word is the upper one");
    half[0] = 0;
    half[1] = (__u64)v4 << 32 | MAPPED_PREFIX;
}

static __always_inline bool is_mapped(const __u8 *address)
{
    const __u32 *word = (const __u32 *)address;

    return !word[0] && !word[1] && word[2] == MAPPED_PREFIX;
}

static __always_inline bool is_redirect_port(const struct ng_control *state, const struct question *question)
{
    bool mapped = is_mapped(question->address);

    if (question->proto == IPPROTO_TCP)
        return question->port == (mapped ? state->redirect_tcp : state->redirect_tcp6);
    for (int i = 0; i < NG_REDIRECT_SLOTS; i++)
        if (question->port == (mapped ? state->redirect[i] : state->redirect6[i]))
            return true;
    return false;
}

/* As ng_profile_word(). Global, so that the verifier proves it once. An id without an entry denies: it can only be
 * missing by fault. */
__noinline __u32 profile_word(__u64 id, __u32 proto, __u32 port)
{
    struct ng_profile *profile;

    if (id == NG_PROFILE_NONE)
        return NG_VERDICT_NONE;
    if (id == NG_PROFILE_DENY)
        return NG_VERDICT_DENY;
    if (id == NG_PROFILE_ALLOW)
        return NG_VERDICT_ALLOW;
    profile = bpf_map_lookup_elem(&profiles, &id);
    if (!profile)
        return NG_VERDICT_DENY;
    return ng_profile_word(profile, (__u8)proto, (__u16)port);
}

#define NAMES_DENIED 1u
#define NAMES_ALLOWED 2u
#define NAMES_YIELDS 4u
#define NAMES_GRANTED 8u
#define NAMES_KEPT 16u /* one that allows has no end */
#define NAMES_SHAPE(respond) (256u << ((respond) & 7)) /* one that denies has this shape */

/* The first in order of the shapes with which names deny. Without branches, of which the verifier would follow both
 * sides for each number that it knows. */
static __always_inline __u8 names_respond(__u32 bits)
{
    __u32 shapes = bits >> 8 & 255, first = shapes & -shapes;

    return ((first & 0xaa) + 255) >> 8 | ((first & 0xcc) + 255) >> 8 << 1 | ((first & 0xf0) + 255) >> 8 << 2;
}

/* Global, so that the verifier proves it once. */
__noinline __u32 claims_verdict(struct ng_destination *destination, struct question *question, __u64 started_at,
                                __u64 heartbeat)
{
    __u64 now = bpf_ktime_get_boot_ns();
    __u32 bits = 0;

    if (!destination || !question)
        return NAMES_DENIED;
    for (int i = 0; i < NG_CLAIMS_MAX; i++) {
        struct ng_claim *claim = &destination->claim[i];
        __u32 word;

        if (claim->profile == NG_PROFILE_NONE)
            break;
        if (claim->profile == NG_PROFILE_GRANT) { /* nobody prolongs it: not even a keeper that is silent */
            if (claim->expires_at > now)
                bits |= NAMES_GRANTED;
            continue;
        }
        word = profile_word(claim->profile, question->proto, question->port);
        if (!ng_claim_in_force(claim->expires_at, (__u8)word, started_at, now, heartbeat))
            continue;
        if ((__u8)word == NG_VERDICT_DENY)
            bits |= (NG_WORD_FLAGS(word) & NG_SEGMENT_SHARED ? NAMES_YIELDS : NAMES_DENIED) |
                    NAMES_SHAPE(NG_WORD_RESPOND(word));
        else if ((__u8)word == NG_VERDICT_ALLOW && claim->allow)
            bits |= claim->expires_at == NG_FOREVER ? NAMES_ALLOWED | NAMES_KEPT : NAMES_ALLOWED;
    }
    return bits;
}

/* What the names of an address say, as NAMES_* bits. An entry that is replaced or removed while it is read may be
 * another address' already: what was read counts if the entry is there after. In doubt denies. Global, so that the
 * verifier proves it once. */
__noinline __u32 names_verdict(struct question *question, __u32 scope, __u64 started_at, __u64 heartbeat)
{
    struct ng_destination_key key = {.scope = scope};

    if (!question)
        return NAMES_DENIED;
    __builtin_memcpy(key.address, question->address, sizeof(key.address));
    for (int attempt = 0; attempt < 3; attempt++) {
        struct ng_destination *destination = bpf_map_lookup_elem(&destinations, &key);
        __u32 bits;

        if (!destination)
            return 0;
        bits = claims_verdict(destination, question, started_at, heartbeat);
        if (bpf_map_lookup_elem(&destinations, &key) == destination)
            return bits;
    }
    return NAMES_DENIED;
}

/* Returns whether a name allows this without an end. */
static __always_inline bool names_facts(struct ng_facts *facts, struct question *question,
                                        const struct ng_deployment *deployment, const struct ng_control *state)
{
    __u32 bits = names_verdict(question, deployment->policy, deployment->started_at, state->heartbeat);

    bits |= names_verdict(question, deployment->scope, deployment->started_at, state->heartbeat);
    if (!(deployment->flags & NG_DEPLOYMENT_GRANTS))
        bits &= ~NAMES_GRANTED;
    facts->name_denied = bits / NAMES_DENIED & 1;
    facts->name_yields = bits / NAMES_YIELDS & 1;
    facts->name_respond = names_respond(bits);
    facts->name_allowed = bits / NAMES_ALLOWED & 1;
    facts->name_granted = bits / NAMES_GRANTED & 1;
    return bits & NAMES_KEPT;
}

/* What rules say of an address. What denies already, stays. Global, so that the verifier proves it once. */
__noinline int address_facts(struct ng_facts *facts, struct ng_network_key *key, struct question *question)
{
    struct ng_network *network;
    __u32 own, below;

    if (!facts || !key || !question)
        return 0;
    network = bpf_map_lookup_elem(&networks, key);
    if (!network)
        return 0;
    own = profile_word(network->own, question->proto, question->port);
    below = profile_word(network->below, question->proto, question->port);
    if (facts->address_rule != NG_VERDICT_DENY) {
        facts->address_rule = (__u8)own;
        facts->address_respond = NG_WORD_RESPOND(own);
    }
    if (facts->network_rule != NG_VERDICT_DENY) {
        facts->network_rule = (__u8)below;
        facts->network_respond = NG_WORD_RESPOND(below);
    }
    return 0;
}

/* Who asks for no address (0.0.0.0, ::, ::ffff:0.0.0.0) gets loopback, unless the socket is bound elsewhere: then
 * egress sees where. The rules for both count. */
static __always_inline void networks_facts(struct ng_facts *facts, struct question *question, __u32 policy)
{
    struct ng_network_key key = {.prefixlen = 32 + 128, .scope = policy};
    __u32 *word = (__u32 *)key.address;

    __builtin_memcpy(key.address, question->address, sizeof(key.address));
    address_facts(facts, &key, question);
    if (word[0] || word[1] || word[3] || (word[2] && word[2] != MAPPED_PREFIX))
        return;
    word[3] = word[2] ? bpf_htonl(0x7f000001) : bpf_htonl(1);
    address_facts(facts, &key, question);
}

static __always_inline bool is_incident(const struct ng_control *state, const struct ng_deployment *deployment)
{
    return state->incident != 0 || deployment->flags & NG_DEPLOYMENT_INCIDENT;
}

/* ng_decide(), packed. Global, so that the verifier proves it once. */
__noinline __u64 decide(struct ng_facts *facts)
{
    struct ng_decision decision = {.verdict = NG_VERDICT_DENY, .evidence = NG_EVIDENCE_STRICT, .mode = NG_MODE_STRICT};

    if (facts)
        decision = ng_decide(facts);
    return PACK(decision);
}

/* Whether an allowed verdict rests on nothing that time alone can end. */
static __always_inline bool lasts(struct ng_facts *facts, __u64 packed, const struct ng_deployment *deployment,
                                  bool kept)
{
    if (PACKED_VERDICT(packed) != NG_VERDICT_ALLOW || PACKED_WOULD(packed) || facts->dns || facts->name_granted ||
        deployment->flags & (NG_DEPLOYMENT_CLOSED | NG_DEPLOYMENT_KEEP))
        return false;
    if (!facts->name_allowed || kept)
        return true;
    facts->name_allowed = 0;
    packed = decide(facts);
    return PACKED_VERDICT(packed) == NG_VERDICT_ALLOW && !PACKED_WOULD(packed);
}

/* Global, so that the verifier proves it once. In doubt denies. */
__noinline __u64 judge(struct ng_deployment *deployment, struct question *question)
{
    struct ng_decision deny = {.verdict = NG_VERDICT_DENY, .evidence = NG_EVIDENCE_STRICT, .mode = NG_MODE_STRICT};
    struct ng_control *state = get_control();
    struct ng_facts facts = {};
    bool kept = false;
    __u64 packed;

    if (!deployment || !question || !state)
        return PACK(deny);
    if (question->established && deployment->flags & NG_DEPLOYMENT_KEEP && !is_incident(state, deployment))
        return NG_VERDICT_ALLOW;
    facts.mode = deployment->mode;
    facts.incident = is_incident(state, deployment);
    facts.escalated = state->escalated != 0;
    facts.port = question->port;
    facts.raw = question->raw;
    facts.loopback = is_loopback(question->address);
    if (deployment->flags & NG_DEPLOYMENT_CLOSED) {
        __u64 now = bpf_ktime_get_boot_ns();

        facts.abandoned = now > state->heartbeat && now - state->heartbeat > NG_HEARTBEAT_STALE_NS;
    }
    if (facts.loopback && is_redirect_port(state, question)) {
        /* The socket's own packets to the resolver, after the redirect, are what `dns` means. */
        facts.redirect_port = !question->resumed;
        facts.dns = question->resumed;
    } else {
        facts.dns = question->port == NG_DNS_PORT && question->hook <= NG_HOOK_SENDMSG6;
        kept = names_facts(&facts, question, deployment, state);
        if (deployment->networks)
            networks_facts(&facts, question, deployment->policy);
    }
    packed = decide(&facts);
    return packed | (lasts(&facts, packed, deployment, kept) ? PACKED_LASTS : 0);
}

#endif
