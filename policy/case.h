/* SPDX-License-Identifier: BSD-2-Clause */
/* One destination judged as the kernel would judge it: with the snapshot's matcher and ng_decide(). For `policy
 * explain`, the tests in policies, and whoever wants to know before something happens. */
#ifndef NAMEGATE_CASE_H
#define NAMEGATE_CASE_H

#include "snapshot.h"
#include "spans.h"

struct ng_probe;

#define NG_CASE_NAMES_MAX 64

/* What is known of the destination: its name with what that is an alias of, an address with the names that share it, or
 * both. */
struct ng_case {
    const struct ng_snapshot *snapshot;
    unsigned policy;
    uint8_t mode; /* enum ng_mode */
    struct ng_name name[NG_CASE_NAMES_MAX]; /* the one asked for first */
    bool asked[NG_CASE_NAMES_MAX]; /* somebody asked for this one itself: what allows it counts */
    unsigned names;
    bool addressed;
    bool guarded;   /* an address that no name can make denied */
    bool granted;   /* `allow` lets it through */
    bool raw;       /* it evades the other hooks: denied whatever the rules say */
    bool bypassing; /* another way to resolve names than the gate's, that no rule can allow */
    bool abandoned; /* no keeper lives, and the policy says that nothing may be reached then */
    uint8_t address[16];
};

/* Adds a name, of which no more octets than it has are read; one that is there already may have been asked for as well.
 * False: there are too many. */
bool ng_case_add(struct ng_case *it, const struct ng_name *name, bool asked);

/* A case of a probe under a policy, in that policy's mode. */
void ng_case_make(const struct ng_snapshot *snapshot, unsigned policy, const struct ng_probe *probe,
                  struct ng_case *ret_case);

/* The same of an address. */
void ng_case_make_address(const struct ng_snapshot *snapshot, unsigned policy, const uint8_t address[16],
                          struct ng_case *ret_case);

struct ng_opinion {
    uint8_t verdict;  /* NG_VERDICT_ALLOW or NG_VERDICT_DENY; in audit what it would be */
    uint8_t evidence; /* enum ng_evidence */
    bool dns;         /* it goes to the gate's resolver, whichever server was meant */
    bool own;         /* the gate itself decided, no rule: DNS, and DNS over TLS or QUIC that no rule allows */
    bool has_rule;
    struct ng_rule_info rule; /* the one that decided */
};

/* What decided where no rule did: for people. */
const char *ng_opinion_text(const struct ng_opinion *opinion);

/* proto may be 0: a protocol that no rule names. */
void ng_case_judge(const struct ng_case *it, uint8_t proto, uint16_t port, struct ng_opinion *ret_opinion);

/* Judges the look-up of a case that is one name with its chain: NG_VERDICT_DENY where a rule has it answered other than
 * with the truth, as the resolver does it. Returns what it is answered, enum ng_answer_kind. */
uint8_t ng_case_answer(const struct ng_case *it, struct ng_opinion *ret_opinion);

/* The ports of a case by what decides there: verdict, evidence and rule. What is the same has the same value. */
int ng_case_spans(struct ng_case *it, ng_spans *ret_spans);

/* All rules that have to do with the case, in the order of precedence. As ng_explain_name_rules(). */
int ng_case_rules(const struct ng_case *it, ng_rule_fn each, void *arg);

#endif
