/* SPDX-License-Identifier: BSD-2-Clause */
/* The rules of a snapshot that the kernel judges by itself: those for addresses, and the port lists of all. */
#ifndef NAMEGATE_RULES_H
#define NAMEGATE_RULES_H

#include "log.h"

#include "../policy/snapshot.h"

/* Descriptors of the maps of these names (bpf/maps.bpf.h). They stay the caller's, who advances the epoch afterwards,
 * whatever became of it. */
struct ng_rule_maps {
    int networks, profiles;
};

/* Writes the profiles that a snapshot needs; those that are there stay. -E2BIG, -ENOMEM: some may be missing. */
int ng_rules_add_profiles(struct ng_rule_maps maps, const struct ng_snapshot *snapshot, struct ng_error *error);

/* Makes networks and profiles those of the snapshot alone, whose profiles are there already. When that fails, they are
 * made those of the one in force (NULL: there is none) again. */
int ng_rules_switch(struct ng_rule_maps maps, const struct ng_snapshot *snapshot, const struct ng_snapshot *in_force,
                    struct ng_error *error);

#endif
