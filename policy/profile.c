// SPDX-License-Identifier: BSD-2-Clause
#include "profile.h"

#include "layout.h"

#include <errno.h>
#include <netinet/in.h>

/* Whether all ports of the segment are those of earlier ones, for that protocol. One alone need not have them all. */
static bool covered_for(const struct ng_profile *profile, const struct ng_segment *segment, uint8_t proto)
{
    unsigned port = segment->port_lo, before;

    do {
        before = port;
        for (uint32_t i = 0; i < profile->count; i++) {
            const struct ng_segment *it = &profile->segment[i];

            if ((!it->proto || it->proto == proto) && it->port_lo <= port && it->port_hi >= port)
                port = it->port_hi + 1U;
        }
    } while (port != before && port <= segment->port_hi);
    return port > segment->port_hi;
}

static bool covered(const struct ng_profile *profile, const struct ng_segment *segment)
{
    if (segment->proto)
        return covered_for(profile, segment, segment->proto);
    return covered_for(profile, segment, IPPROTO_TCP) && covered_for(profile, segment, IPPROTO_UDP) &&
           covered_for(profile, segment, 0); /* 0: what is neither, which rules without a protocol are for */
}

static bool everything(const struct ng_segment *segment)
{
    return !segment->proto && segment->port_lo == 0 && segment->port_hi == 65535 && !segment->respond &&
           !segment->flags;
}

int ng_profile_add(struct ng_profile *profile, const struct ng_segment *segment)
{
    if (covered(profile, segment))
        return 0;
    if (profile->count == NG_SEGMENTS_MAX)
        return -E2BIG;
    profile->segment[profile->count++] = *segment;
    return 1;
}

static uint64_t rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static void sip_rounds(uint64_t v[static 4], unsigned rounds)
{
    for (; rounds; rounds--) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
    }
}

static void sip_word(uint64_t v[static 4], uint64_t word)
{
    v[3] ^= word;
    sip_rounds(v, 2);
    v[0] ^= word;
}

/* SipHash-2-4 with the key 0: users bring policies along, and nobody is to find ports with the id of somebody
 * else's. */
uint64_t ng_profile_id(const struct ng_profile *profile)
{
    uint64_t v[4] = {0x736f6d6570736575ULL, 0x646f72616e646f6dULL, 0x6c7967656e657261ULL, 0x7465646279746573ULL}, hash;

    if (profile->count == 0)
        return NG_PROFILE_NONE;
    if (profile->count == 1 && everything(&profile->segment[0]))
        return profile->segment[0].verdict == NG_VERDICT_DENY ? NG_PROFILE_DENY : NG_PROFILE_ALLOW;
    for (uint32_t i = 0; i < profile->count; i++) {
        const struct ng_segment *s = &profile->segment[i];

        sip_word(v, ((uint64_t)s->flags << 56) | ((uint64_t)s->respond << 48) | ((uint64_t)s->port_lo << 32) |
                        ((uint64_t)s->port_hi << 16) | ((uint64_t)s->proto << 8) | s->verdict);
    }
    sip_word(v, (uint64_t)profile->count * 8 << 56);
    v[2] ^= 0xff;
    sip_rounds(v, 4);
    hash = v[0] ^ v[1] ^ v[2] ^ v[3];
    return hash > NG_PROFILE_GRANT ? hash : hash + NG_PROFILE_GRANT + 1;
}

bool ng_profile_has(const struct ng_profile *profile, uint8_t verdict)
{
    for (uint32_t i = 0; i < profile->count; i++)
        if (profile->segment[i].verdict == verdict)
            return true;
    return false;
}
