/* SPDX-License-Identifier: BSD-2-Clause */
/* What names say of an address, and for how long. */
#ifndef NAMEGATE_JUDGE_H
#define NAMEGATE_JUDGE_H

#include "tracked.h"

#include "../policy/snapshot.h"

#define NG_JUDGED_MAX 16 /* different profiles of the names that lead to one address, under one policy */

/* What names say under one policy. */
struct ng_judgement {
    struct {
        uint64_t profile;
        bool denies, allow;
    } claim[NG_JUDGED_MAX];
    unsigned count;
};

/* ns that an answer with that TTL (s) counts: a deny for max(TTL, floor) + grace, an allow for TTL + grace. */
uint64_t ng_judge_lifetime(const struct ng_message_start *start, uint32_t ttl, bool denies);

/* ns: when an address stops being denied because of its name. */
uint64_t ng_judge_end(const struct ng_message_start *start, const struct ng_tracked_address *address);

/* Whether a DNS answer cannot make that address denied. */
bool ng_judge_guarded(const struct ng_message_start *start, const uint8_t address[16]);

/* The names that were asked for speak with their allows and their denies, others with their denies alone. What does not
 * fit becomes a denial of everything, if it denies anything. */
void ng_judge(const struct ng_snapshot *snapshot, unsigned policy, const ng_tracked_list *names,
              struct ng_judgement *judgement);

/* The claims that follow for one address. A guarded one gets none that denies; *ret_spared becomes true when there was
 * one. Returns their number. */
unsigned ng_judge_claims(const struct ng_message_start *start, const struct ng_judgement *judgement,
                         const struct ng_tracked_address *address, bool denies_only,
                         struct ng_claim claims[NG_JUDGED_MAX], bool *ret_spared);

#endif
