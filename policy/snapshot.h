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
    uint8_t established;  /* enum ng_established */
    uint8_t on_loss;      /* enum ng_on_loss */
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

/* The same with how it is denied, as ng_profile_word() of decide.h. */
uint32_t ng_snapshot_word(const struct ng_snapshot *snapshot, uint64_t profile, uint8_t proto, uint16_t port);

/* Whether a profile denies, or allows, at least one port. */
bool ng_snapshot_denies(const struct ng_snapshot *snapshot, uint64_t profile);
bool ng_snapshot_allows(const struct ng_snapshot *snapshot, uint64_t profile);

/* What a name with that profile is answered, enum ng_answer_kind: other than the truth only where all of it is denied.
 */
uint8_t ng_snapshot_answer(const struct ng_snapshot *snapshot, uint64_t profile);

/* The content of a profile, also of NG_PROFILE_*; NULL: there is none. */
const struct ng_profile *ng_snapshot_profile(const struct ng_snapshot *snapshot, uint64_t profile);

/* The profile of names below a name that no more specific rule is for. */
uint64_t ng_match_below(const struct ng_snapshot *snapshot, unsigned policy, const struct ng_name *name);

/* Whether rules are for exactly this: a name, or what lies below it. */
bool ng_snapshot_has(const struct ng_snapshot *snapshot, unsigned policy, const struct ng_name *name, bool below);

/* What the kernel must hold: every profile that needs an entry, every network of every policy. */
typedef int (*ng_profile_fn)(void *arg, uint64_t id, const struct ng_profile *profile);
typedef int (*ng_network_fn)(void *arg, const struct ng_network_key *key, const struct ng_network *network);
int ng_snapshot_each_profile(const struct ng_snapshot *snapshot, ng_profile_fn each, void *arg);
/* In the order of their addresses; inner_first: each before those that hold it, the other way round. */
int ng_snapshot_each_network(const struct ng_snapshot *snapshot, bool inner_first, ng_network_fn each, void *arg);

/* All names with rules of a policy, in no order that means anything: a name itself, or what lies below it, with the
 * profile that decides there. */
typedef int (*ng_name_fn)(void *arg, const struct ng_name *name, bool below, uint64_t profile);
int ng_snapshot_each_name(const struct ng_snapshot *snapshot, unsigned policy, ng_name_fn each, void *arg);

/* When the policies mean something else than what was compiled, because a rule's last day is over: seconds since 1970,
 * 0 for never. */
uint64_t ng_snapshot_changes_at(const struct ng_snapshot *snapshot);

#define NG_PATTERN_MAX (NG_NAME_TEXT_MAX + 2)

/* A rule with the destination of it that matched. Strings live as long as the snapshot; absent ones are "". */
struct ng_rule_info {
    uint8_t verdict;      /* enum ng_verdict */
    uint8_t respond;      /* enum ng_respond */
    uint8_t flags;        /* NG_SEGMENT_* */
    const char *file;
    uint32_t line;
    char pattern[NG_PATTERN_MAX]; /* the name, wildcard, address or network, in canonical form */
    const char *group;    /* that the rule names, without '@' */
    const char *path;     /* of a dependency: "this -> what it depends on -> ..." */
    const char *reason;
    const char *instead;
    const char *owner;
    uint32_t until;       /* the last day in force, counted from 1970-01-01; 0: for ever */
    const struct ng_segment *segments; /* the ports and protocols that it is for */
    uint32_t count;
};

/* Whether a rule is for a protocol (0: any) and port. */
bool ng_rule_covers(const struct ng_rule_info *rule, uint8_t proto, uint16_t port);

/* All rules for a name, or an address, in the order of precedence: the first that covers a protocol and port decides
 * there. Stops when `each` returns other than 0, and returns that. Not for hot paths. */
typedef int (*ng_rule_fn)(void *arg, const struct ng_rule_info *rule);

/* For those below: stops at the first rule that covers a protocol and port, with 1, and copies it. arg: the struct. */
struct ng_rule_search {
    uint8_t proto;
    uint16_t port;
    struct ng_rule_info *found;
};
int ng_rule_search(void *arg, const struct ng_rule_info *rule);

int ng_explain_name_rules(const struct ng_snapshot *snapshot, unsigned policy, const struct ng_name *name,
                          ng_rule_fn each, void *arg);
int ng_explain_below_rules(const struct ng_snapshot *snapshot, unsigned policy, const struct ng_name *name,
                           ng_rule_fn each, void *arg);
/* evidence: NG_EVIDENCE_ADDRESS looks at rules for exactly this address, NG_EVIDENCE_NETWORK at networks. */
int ng_explain_address_rules(const struct ng_snapshot *snapshot, unsigned policy, const uint8_t address[16],
                             uint8_t evidence, ng_rule_fn each, void *arg);

/* The rule that decides for a name, or an address, on a protocol and port. Fills *ret_rule and returns 0, or returns
 * -ENOENT when no rule matches. */
int ng_explain_name(const struct ng_snapshot *snapshot, unsigned policy, const struct ng_name *name, uint8_t proto,
                    uint16_t port, struct ng_rule_info *ret_rule);
int ng_explain_below(const struct ng_snapshot *snapshot, unsigned policy, const struct ng_name *name, uint8_t proto,
                     uint16_t port, struct ng_rule_info *ret_rule);
int ng_explain_address(const struct ng_snapshot *snapshot, unsigned policy, const uint8_t address[16],
                       uint8_t evidence, uint8_t proto, uint16_t port, struct ng_rule_info *ret_rule);

/* Who connects to no address (0.0.0.0, ::, ::ffff:0.0.0.0) gets loopback, so that the rules for that count, too: which
 * address that is. False: this is an address. */
bool ng_reaches_loopback(const uint8_t address[16], uint8_t ret_loopback[16]);

/* The profile of the rules for exactly an address, and of those for the networks that hold it. */
void ng_match_address(const struct ng_snapshot *snapshot, unsigned policy, const uint8_t address[16],
                      struct ng_network *ret_network);

/* The same for a network as a whole, its rules included. Returns whether some are for exactly this network. */
bool ng_match_network(const struct ng_snapshot *snapshot, unsigned policy, const struct ng_network_key *key,
                      struct ng_network *ret_network);

#endif
