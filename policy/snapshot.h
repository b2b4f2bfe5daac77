/* SPDX-License-Identifier: BSD-2-Clause */
/* A compiled policy set: one flat, position-independent block in a sealed memfd that keeper, resolver and command map
 * read-only. This is the one matcher: what it says of a name or an address is what is enforced and what is explained.
 *
 * A profile (abi.h) is the ordered list of port ranges with verdicts that all rules for a destination add up to; its id
 * is a hash of its content, the same in every snapshot.
 */
#ifndef NAMEGATE_SNAPSHOT_H
#define NAMEGATE_SNAPSHOT_H

#include "name.h"

#include <namegate/abi.h>

struct ng_snapshot;

/* Maps and validates a snapshot: every offset in it is checked, so that a broken one is refused (-EBADMSG) and never
 * read out of bounds. The descriptor may be closed afterwards. */
int ng_snapshot_open(int fd, struct ng_snapshot **ret_snapshot);
void ng_snapshot_free(struct ng_snapshot *snapshot);

/* Policies are numbered 0 to count-1 within one snapshot, in the order of their names. */
unsigned ng_snapshot_policies(const struct ng_snapshot *snapshot);

struct ng_policy_info {
    const char *name;     /* lives as long as the snapshot */
    uint32_t scope;       /* stable id of that name: high bit clear, never 0 */
    uint8_t mode;         /* enum ng_mode */
    bool networks;        /* it has address rules */
};

void ng_snapshot_policy(const struct ng_snapshot *snapshot, unsigned policy, struct ng_policy_info *ret_info);

/* Number of the policy with that name, or that scope; -ENOENT. */
int ng_snapshot_find(const struct ng_snapshot *snapshot, const char *name);
int ng_snapshot_find_scope(const struct ng_snapshot *snapshot, uint32_t scope);

/* Profile of a name in a policy, NG_PROFILE_NONE when no rule matches. Exact rules come before wildcards, a wildcard
 * with more labels before one with fewer, on a tie deny first. Allocates nothing. */
uint64_t ng_match_name(const struct ng_snapshot *snapshot, unsigned policy, const struct ng_name *name);

/* Verdict that a profile gives to a protocol (IPPROTO_*, 0 for "any") and port. An unknown profile denies. */
uint8_t ng_snapshot_verdict(const struct ng_snapshot *snapshot, uint64_t profile, uint8_t proto, uint16_t port);

/* Whether a profile denies, or allows, at least one port. */
bool ng_snapshot_denies(const struct ng_snapshot *snapshot, uint64_t profile);
bool ng_snapshot_allows(const struct ng_snapshot *snapshot, uint64_t profile);

/* What the kernel must hold: every profile that needs an entry, every network of every policy. */
typedef int (*ng_profile_fn)(void *arg, uint64_t id, const struct ng_profile *profile);
typedef int (*ng_network_fn)(void *arg, const struct ng_network_key *key, const struct ng_network *network);
int ng_snapshot_each_profile(const struct ng_snapshot *snapshot, ng_profile_fn each, void *arg);
int ng_snapshot_each_network(const struct ng_snapshot *snapshot, ng_network_fn each, void *arg);

/* The exact (not wildcard) names that a policy denies on any port. */
typedef int (*ng_name_fn)(void *arg, const struct ng_name *name);
int ng_snapshot_each_exact_deny(const struct ng_snapshot *snapshot, unsigned policy, ng_name_fn each, void *arg);

/* A rule as written. Strings live as long as the snapshot; absent ones are "". */
struct ng_rule_info {
    uint8_t verdict;      /* enum ng_verdict */
    const char *file;
    uint32_t line;
    uint32_t column;
    const char *pattern;  /* the name, wildcard, address or network that matched, as written */
    const char *reason;
    const char *instead;
};

/* The rule that decides for a name, or an address, on a protocol and port: the one whose segment wins in the profile.
 * Fills *ret_rule and returns 0, or returns -ENOENT when no rule matches. Not for hot paths. */
int ng_explain_name(const struct ng_snapshot *snapshot, unsigned policy, const struct ng_name *name, uint8_t proto,
                    uint16_t port, struct ng_rule_info *ret_rule);
/* evidence: NG_EVIDENCE_ADDRESS looks at rules for exactly this address, NG_EVIDENCE_NETWORK at networks. */
int ng_explain_address(const struct ng_snapshot *snapshot, unsigned policy, const uint8_t address[16],
                       uint8_t evidence, uint8_t proto, uint16_t port, struct ng_rule_info *ret_rule);

#endif
