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

uint64_t ng_profile_id(const struct ng_profile *profile)
{
    uint64_t hash = profile->count;

    if (profile->count == 0)
        return NG_PROFILE_NONE;
    if (profile->count == 1 && everything(&profile->segment[0]))
        return profile->segment[0].verdict == NG_VERDICT_DENY ? NG_PROFILE_DENY : NG_PROFILE_ALLOW;
    for (uint32_t i = 0; i < profile->count; i++) {
        const struct ng_segment *s = &profile->segment[i];
        uint64_t word = ((uint64_t)s->flags << 56) | ((uint64_t)s->respond << 48) | ((uint64_t)s->port_lo << 32) |
                        ((uint64_t)s->port_hi << 16) | ((uint64_t)s->proto << 8) | s->verdict;

        hash = ng_fold(hash ^ word ^ 0x9e3779b97f4a7c15ULL, 0xe7037ed1a0b428dbULL);
    }
    return hash > NG_PROFILE_GRANT ? hash : hash + NG_PROFILE_GRANT + 1;
}

bool ng_profile_has(const struct ng_profile *profile, uint8_t verdict)
{
    for (uint32_t i = 0; i < profile->count; i++)
        if (profile->segment[i].verdict == verdict)
            return true;
    return false;
}
