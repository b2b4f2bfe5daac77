// SPDX-License-Identifier: BSD-2-Clause
#include "profile.h"

#include "layout.h"

#include <errno.h>

static bool covers(const struct ng_segment *a, const struct ng_segment *b)
{
    return (!a->proto || a->proto == b->proto) && a->port_lo <= b->port_lo && a->port_hi >= b->port_hi;
}

static bool everything(const struct ng_segment *segment)
{
    return !segment->proto && segment->port_lo == 0 && segment->port_hi == 65535 && !segment->respond &&
           !segment->flags;
}

int ng_profile_add(struct ng_profile *profile, const struct ng_segment *segment)
{
    for (uint32_t i = 0; i < profile->count; i++)
        if (covers(&profile->segment[i], segment))
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
    return hash > NG_PROFILE_ALLOW ? hash : hash + NG_PROFILE_ALLOW + 1;
}

bool ng_profile_has(const struct ng_profile *profile, uint8_t verdict)
{
    for (uint32_t i = 0; i < profile->count; i++)
        if (profile->segment[i].verdict == verdict)
            return true;
    return false;
}
