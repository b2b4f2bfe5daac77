// SPDX-License-Identifier: BSD-2-Clause
/* What a new policy wants to have in the kernel. Rules are handed down from name to name, all at once: to look for each
 * address which names lead to it would cost as much as there are pairs of both, and whoever owns a name chooses how
 * many lead to it, and to how many it leads. */
#include "learning.h"

#include <errno.h>

#define RULES 64 /* bits of ng_tracked.rules */

/* Names that a judgement does not tell apart. */
struct rule {
    uint64_t profile;
    bool asked;
    ng_tracked_list names; /* one; of the last rule, which stands for all that no other does, all */
};

struct wanting {
    struct ng_learn *learn;
    const struct ng_snapshot *snapshot;
    unsigned policy, rules;
    struct rule rule[RULES];
    ng_tracked_list changed, names; /* what has rules that it has not handed down yet; what is judged */
    int error;
};

static void forget_rules(void *arg, struct ng_link *link)
{
    (void)arg;
    ng_record(link, struct ng_tracked, by_name)->rules = 0;
}

/* The bit of the name's rule. */
static uint64_t rule_of(struct wanting *wanting, struct ng_tracked *tracked, uint64_t profile)
{
    unsigned i = 0;

    while (i < wanting->rules && i < RULES - 1 &&
           (wanting->rule[i].profile != profile || wanting->rule[i].asked != tracked->asked))
        i++;
    if (i == wanting->rules)
        wanting->rule[wanting->rules++] = (struct rule){.profile = profile, .asked = tracked->asked};
    if ((wanting->rule[i].names.count == 0 || i == RULES - 1) && !ng_vector_add(&wanting->rule[i].names, tracked))
        wanting->error = -ENOMEM;
    return 1ULL << i;
}

static void begin_with(void *arg, struct ng_link *link)
{
    struct wanting *wanting = arg;
    struct ng_tracked *tracked = ng_record(link, struct ng_tracked, by_name);
    uint64_t profile = ng_match_name(wanting->snapshot, wanting->policy, &tracked->name);

    if (profile == NG_PROFILE_NONE)
        return;
    tracked->rules = rule_of(wanting, tracked, profile);
    if (!ng_vector_add(&wanting->changed, tracked))
        wanting->error = -ENOMEM;
}

static void hand_down(struct wanting *wanting)
{
    while (wanting->error == 0 && wanting->changed.count) {
        const struct ng_tracked *from = wanting->changed.items[--wanting->changed.count];
        struct ng_lead *lead;

        LIST_FOREACH(lead, &from->targets, targets)
        {
            if (!(from->rules & ~lead->to->rules))
                continue;
            lead->to->rules |= from->rules;
            if (!ng_vector_add(&wanting->changed, lead->to))
                wanting->error = -ENOMEM;
        }
    }
}

static void want(void *arg, struct ng_link *link)
{
    struct wanting *wanting = arg;
    const struct ng_tracked *holder = ng_record(link, struct ng_tracked, by_name);
    struct ng_learn *learn = wanting->learn;
    struct ng_judgement judgement;
    struct ng_policy_info policy;

    if (wanting->error || !holder->rules || holder->addresses.count == 0)
        return;
    wanting->names.count = 0;
    for (unsigned i = 0; i < wanting->rules; i++)
        if (holder->rules >> i & 1 && !ng_vector_append(&wanting->names, wanting->rule[i].names.items,
                                                        wanting->rule[i].names.count))
            wanting->error = -ENOMEM;
    ng_judge(wanting->snapshot, wanting->policy, &wanting->names, &judgement);
    ng_snapshot_policy(wanting->snapshot, wanting->policy, &policy);
    for (size_t i = 0; wanting->error == 0 && judgement.count && i < holder->addresses.count; i++) {
        const struct ng_tracked_address *it = &holder->addresses.items[i];
        struct ng_destination_key key = ng_learn_key(policy.scope, it->address);
        struct ng_claim claims[NG_JUDGED_MAX];
        bool spared;
        unsigned count = ng_judge_claims(&learn->start, &judgement, it, false, claims, &spared);

        if (count)
            wanting->error = ng_claims_want(learn->claims, wanting->snapshot, &key, claims, count);
    }
}

int ng_want_addresses(struct ng_learn *learn, const struct ng_snapshot *snapshot)
{
    struct wanting wanting = {.learn = learn, .snapshot = snapshot};

    for (unsigned p = 0; wanting.error == 0 && p < ng_snapshot_policies(snapshot); p++) {
        wanting.policy = p;
        ng_table_each(&learn->tracks.names, forget_rules, NULL);
        ng_table_each(&learn->tracks.names, begin_with, &wanting);
        hand_down(&wanting);
        ng_table_each(&learn->tracks.names, want, &wanting);
        for (unsigned i = 0; i < wanting.rules; i++)
            ng_vector_free(&wanting.rule[i].names);
        wanting.rules = 0;
    }
    ng_vector_free(&wanting.changed);
    ng_vector_free(&wanting.names);
    return wanting.error;
}
