/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The verdict. Pure C without helpers, maps or context: compiled into the BPF programs and into the unit tests, so that
 * what the tests prove is what the kernel runs. A hook collects facts, ng_decide() judges them.
 *
 * Precedence, as namegate.policy(5) words it: address > name > network > mode. Among the names that share an address
 * deny wins. In doubt (an unknown profile) deny. A grant (namegate allow) goes before all of them.
 */
#ifndef NAMEGATE_DECIDE_H
#define NAMEGATE_DECIDE_H

#include "../include/namegate/abi.h"

struct ng_facts {
    __u8 mode;            /* enum ng_mode of the deployment */
    __u8 incident;        /* every deployment is strict */
    __u8 escalated;       /* learning failed: what blocks is strict; who is audited is not punished for it */
    __u8 loopback;        /* the destination is the host itself: 127/8, ::1, or unspecified */
    __u8 redirect_port;   /* loopback and one of the resolver's own listener ports, addressed directly */
    __u8 dns;             /* port 53: goes to the resolver instead */
    __u8 raw;             /* the packet or socket evades the other hooks */
    __u8 address_rule;    /* enum ng_verdict of a rule for exactly this address */
    __u8 name_denied;     /* a claim in force denies */
    __u8 name_yields;     /* a claim in force denies, but not where another name allows */
    __u8 name_allowed;    /* a claim in force allows */
    __u8 name_granted;    /* root lets this deployment reach it for a while */
    __u8 network_rule;    /* enum ng_verdict of the network rules */
    __u8 abandoned;       /* no keeper lives, and the policy says that nothing may be reached then */
    __u8 address_respond; /* enum ng_respond of what denies */
    __u8 name_respond;
    __u8 network_respond;
    __u16 port;
};

struct ng_decision {
    __u8 verdict;   /* NG_VERDICT_ALLOW or NG_VERDICT_DENY: what becomes of the call */
    __u8 would;     /* 1: audit, it would have been denied */
    __u8 evidence;  /* enum ng_evidence */
    __u8 mode;      /* mode in force */
    __u8 respond;   /* enum ng_respond of a denial */
};

/* What a segment says, in one register: the verdict is the lowest octet. */
#define NG_WORD(segment) \
    ((__u32)(segment)->verdict | (__u32)(segment)->respond << 8 | (__u32)(segment)->flags << 16)
#define NG_WORD_RESPOND(word) ((__u8)((word) >> 8))
#define NG_WORD_FLAGS(word) ((__u8)((word) >> 16))

/* What an ordered list of segments says of a protocol and a port: the first that matches. NG_VERDICT_NONE when none. */
static __attribute__((always_inline)) inline __u32 ng_profile_word(const struct ng_profile *profile, __u8 proto,
                                                                   __u16 port)
{
    for (__u32 i = 0; i < NG_SEGMENTS_MAX; i++) {
        const struct ng_segment *segment = &profile->segment[i];

        if (i >= profile->count)
            break;
        if (segment->proto && segment->proto != proto)
            continue;
        if (port >= segment->port_lo && port <= segment->port_hi)
            return NG_WORD(segment);
    }
    return NG_VERDICT_NONE;
}

/* Whether a claim is in force for a deployment. A deny that was in force when the deployment started, or at any time
 * since, stays in force to the deployment's end: programs keep addresses far longer than a TTL. An allow ends with its
 * expiry, except while the keeper is silent: then nobody can renew it, and the world stays as last known. */
static __attribute__((always_inline)) inline int ng_claim_in_force(__u64 expires_at, __u8 verdict, __u64 started_at,
                                                                   __u64 now, __u64 heartbeat)
{
    if (verdict == NG_VERDICT_DENY)
        return expires_at > started_at;

    return expires_at > now ||
           (now > heartbeat && now - heartbeat > NG_HEARTBEAT_STALE_NS && expires_at > heartbeat);
}

static __attribute__((always_inline)) inline struct ng_decision ng_decide(const struct ng_facts *facts)
{
    struct ng_decision decision = {.verdict = NG_VERDICT_ALLOW, .mode = facts->mode};
    __u8 deny = 0;

    if (facts->incident || (facts->escalated && facts->mode != NG_MODE_AUDIT))
        decision.mode = NG_MODE_STRICT;

    if (facts->raw) {
        deny = 1;
        decision.evidence = NG_EVIDENCE_RAW;
    } else if (facts->redirect_port) {
        deny = 1;
        decision.evidence = NG_EVIDENCE_RESOLVER;
    } else if (facts->dns) {
        /* Answered by the resolver, whichever server was meant. */
    } else if (facts->abandoned && !facts->loopback) {
        deny = 1;
        decision.evidence = NG_EVIDENCE_ABANDONED;
    } else if (facts->name_granted) {
        decision.evidence = NG_EVIDENCE_NAME;
    } else if (facts->address_rule) {
        deny = facts->address_rule == NG_VERDICT_DENY;
        decision.evidence = NG_EVIDENCE_ADDRESS;
        decision.respond = facts->address_respond;
    } else if (facts->name_denied || (facts->name_yields && !facts->name_allowed)) {
        deny = 1;
        decision.evidence = facts->name_allowed ? NG_EVIDENCE_SHARED : NG_EVIDENCE_NAME;
        decision.respond = facts->name_respond;
    } else if (facts->name_allowed) {
        decision.evidence = facts->name_yields ? NG_EVIDENCE_SHARED : NG_EVIDENCE_NAME;
    } else if (facts->network_rule) {
        deny = facts->network_rule == NG_VERDICT_DENY;
        decision.evidence = NG_EVIDENCE_NETWORK;
        decision.respond = facts->network_respond;
    } else if (facts->port == NG_DOT_PORT && !facts->loopback) {
        deny = 1;
        decision.evidence = NG_EVIDENCE_RESOLVER;
    } else if (decision.mode == NG_MODE_STRICT && !facts->loopback) {
        deny = 1;
        decision.evidence = NG_EVIDENCE_STRICT;
    }

    if (deny && decision.mode == NG_MODE_AUDIT)
        decision.would = 1;
    else if (deny)
        decision.verdict = NG_VERDICT_DENY;
    return decision;
}

#endif
