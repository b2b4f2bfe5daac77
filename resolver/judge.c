// SPDX-License-Identifier: BSD-2-Clause
#include "judge.h"

#include "../policy/bits.h"

#include <namegate/clock.h>

bool ng_judge_guarded(const struct ng_message_start *start, const uint8_t address[16])
{
    for (uint32_t i = 0; i < start->guarded; i++)
        if (ng_inside(address, start->guard[i].address, start->guard[i].prefix))
            return true;
    return false;
}

uint64_t ng_judge_lifetime(const struct ng_message_start *start, uint32_t ttl, bool denies)
{
    if (denies && ttl < start->floor_s)
        ttl = start->floor_s;
    return ((uint64_t)ttl + start->grace_s) * NG_SECOND;
}

uint64_t ng_judge_end(const struct ng_message_start *start, const struct ng_tracked_address *address)
{
    uint64_t end = address->learnt_at + ng_judge_lifetime(start, address->ttl, true);
    uint64_t extended = address->extended_at ? address->extended_at + ng_judge_lifetime(start, 0, true) : 0;

    return extended > end ? extended : end;
}

void ng_judge(const struct ng_snapshot *snapshot, unsigned policy, const ng_tracked_list *names,
              struct ng_judgement *judgement)
{
    judgement->count = 0;
    for (size_t n = 0; n < names->count; n++) {
        uint64_t profile = ng_match_name(snapshot, policy, &names->items[n]->name);
        bool denies = ng_snapshot_denies(snapshot, profile), allow = names->items[n]->asked, known = false;

        if (profile == NG_PROFILE_NONE || (!denies && !allow))
            continue;
        for (unsigned i = 0; i < judgement->count; i++)
            known |= judgement->claim[i].profile == profile && judgement->claim[i].allow == allow;
        if (known)
            continue;
        if (judgement->count < NG_JUDGED_MAX) {
            judgement->claim[judgement->count].profile = profile;
            judgement->claim[judgement->count].denies = denies;
            judgement->claim[judgement->count++].allow = allow;
        } else if (denies) {
            judgement->claim[0].profile = NG_PROFILE_DENY;
            judgement->claim[0].denies = true;
        }
    }
}

unsigned ng_judge_claims(const struct ng_message_start *start, const struct ng_judgement *judgement,
                         const struct ng_tracked_address *address, bool denies_only,
                         struct ng_claim claims[NG_JUDGED_MAX], bool *ret_spared)
{
    bool safe = !ng_judge_guarded(start, address->address);
    unsigned count = 0;

    for (unsigned i = 0; i < judgement->count; i++) {
        bool denies = judgement->claim[i].denies;

        if (denies && !safe)
            *ret_spared = true;
        if ((denies && !safe) || (!denies && (denies_only || address->hint)))
            continue;
        claims[count++] =
            (struct ng_claim){.profile = judgement->claim[i].profile,
                              .expires_at = denies ? ng_judge_end(start, address)
                                                   : address->learnt_at + ng_judge_lifetime(start, address->ttl, false),
                              .allow = judgement->claim[i].allow && !address->hint};
    }
    return count;
}
