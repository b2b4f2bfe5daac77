// SPDX-License-Identifier: BSD-2-Clause
#include "case.h"

#include "target.h"

#include "../bpf/decide.h"

#include <arpa/inet.h>
#include <errno.h>

static void make(const struct ng_snapshot *snapshot, unsigned policy, struct ng_case *ret_case)
{
    struct ng_policy_info info;

    ng_snapshot_policy(snapshot, policy, &info);
    memset(ret_case, 0, sizeof(*ret_case));
    ret_case->snapshot = snapshot;
    ret_case->policy = policy;
    ret_case->mode = info.mode;
}

void ng_case_make(const struct ng_snapshot *snapshot, unsigned policy, const struct ng_probe *probe,
                  struct ng_case *ret_case)
{
    if (!probe->named) {
        ng_case_make_address(snapshot, policy, probe->address, ret_case);
        return;
    }
    make(snapshot, policy, ret_case);
    (void)ng_case_add(ret_case, &probe->name, true);
}

void ng_case_make_address(const struct ng_snapshot *snapshot, unsigned policy, const uint8_t address[16],
                          struct ng_case *ret_case)
{
    make(snapshot, policy, ret_case);
    ret_case->addressed = true;
    memcpy(ret_case->address, address, sizeof(ret_case->address));
}

bool ng_case_add(struct ng_case *it, const struct ng_name *name, bool asked)
{
    for (unsigned i = 0; i < it->names; i++) {
        if (!ng_name_equal(&it->name[i], name))
            continue;
        it->asked[i] |= asked;
        return true;
    }
    if (it->names == NG_CASE_NAMES_MAX)
        return false;
    it->asked[it->names] = asked;
    it->name[it->names].length = name->length;
    memcpy(it->name[it->names++].wire, name->wire, name->length);
    return true;
}

/* As the kernel's hooks see it: 127/8, ::1, and the unspecified addresses. */
static bool is_loopback(const uint8_t address[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}, zero[16];

    if (memcmp(address, mapped, sizeof(mapped)) == 0)
        return address[12] == 127 || memcmp(address + 12, zero, 4) == 0;
    return memcmp(address, zero, 15) == 0 && address[15] <= 1;
}

const char *ng_opinion_text(const struct ng_opinion *opinion)
{
    if (opinion->dns)
        return "no rule decides: DNS goes to the gate's resolver, whichever server is meant";
    switch (opinion->evidence) {
    case NG_EVIDENCE_STRICT:
        return "strict: no rule allows it";
    case NG_EVIDENCE_RESOLVER:
        return "names must be resolved through the gate: no DNS over TLS or QUIC where no rule allows it";
    case NG_EVIDENCE_RAW:
        return "raw sockets, UDP-Lite, IP options and routing headers evade the gate";
    case NG_EVIDENCE_ABANDONED:
        return "no daemon lived, and the policy says: on-agent-loss closed";
    default:
        return "no rule is for it";
    }
}

/* What the names say, and which of them decide: the first that is denied, and the first that is allowed. */
static void judge_names(const struct ng_case *it, uint8_t proto, uint16_t port, struct ng_facts *facts,
                        unsigned *ret_denied, unsigned *ret_allowed)
{
    for (unsigned i = it->names; i-- > 0;) {
        uint64_t profile = ng_match_name(it->snapshot, it->policy, &it->name[i]);
        uint32_t word = ng_snapshot_word(it->snapshot, profile, proto, port);

        if ((uint8_t)word == NG_VERDICT_DENY && !it->guarded) {
            if (NG_WORD_FLAGS(word) & NG_SEGMENT_SHARED)
                facts->name_yields = 1;
            else
                facts->name_denied = 1;
            *ret_denied = i;
        }
        if ((uint8_t)word == NG_VERDICT_ALLOW && it->asked[i]) {
            facts->name_allowed = 1;
            *ret_allowed = i;
        }
    }
}

/* What rules say of an address. What denies already, stays. */
static void judge_address(const struct ng_case *it, const uint8_t address[16], uint8_t proto, uint16_t port,
                          struct ng_facts *facts)
{
    struct ng_network network = {NG_PROFILE_NONE, NG_PROFILE_NONE};

    ng_match_address(it->snapshot, it->policy, address, &network);
    if (facts->address_rule != NG_VERDICT_DENY)
        facts->address_rule = ng_snapshot_verdict(it->snapshot, network.own, proto, port);
    if (facts->network_rule != NG_VERDICT_DENY)
        facts->network_rule = ng_snapshot_verdict(it->snapshot, network.below, proto, port);
}

void ng_case_judge(const struct ng_case *it, uint8_t proto, uint16_t port, struct ng_opinion *ret_opinion)
{
    struct ng_facts facts = {.mode = it->mode == NG_MODE_AUDIT ? NG_MODE_BLOCK : it->mode,
                             .port = port,
                             .raw = it->raw,
                             .redirect_port = it->bypassing,
                             .dns = port == NG_DNS_PORT,
                             .abandoned = it->abandoned,
                             .name_granted = it->granted};
    struct ng_decision decision;
    unsigned denied = 0, allowed = 0;
    uint8_t loopback[16];

    judge_names(it, proto, port, &facts, &denied, &allowed);
    if (it->addressed) {
        facts.loopback = is_loopback(it->address);
        judge_address(it, it->address, proto, port, &facts);
        if (ng_reaches_loopback(it->address, loopback))
            judge_address(it, loopback, proto, port, &facts);
    }
    decision = ng_decide(&facts);
    *ret_opinion = (struct ng_opinion){.verdict = decision.verdict,
                                       .evidence = decision.evidence,
                                       .dns = facts.dns && decision.verdict == NG_VERDICT_ALLOW,
                                       .own = facts.dns || decision.evidence == NG_EVIDENCE_RESOLVER};
    if (decision.evidence == NG_EVIDENCE_ADDRESS || decision.evidence == NG_EVIDENCE_NETWORK)
        ret_opinion->has_rule = ng_explain_address(it->snapshot, it->policy, it->address, decision.evidence, proto,
                                                   port, &ret_opinion->rule) == 0;
    else if (!it->granted && (decision.evidence == NG_EVIDENCE_NAME || decision.evidence == NG_EVIDENCE_SHARED))
        ret_opinion->has_rule =
            ng_explain_name(it->snapshot, it->policy,
                            &it->name[decision.verdict == NG_VERDICT_DENY ? denied : allowed], proto, port,
                            &ret_opinion->rule) == 0;
}

uint8_t ng_case_answer(const struct ng_case *it, struct ng_opinion *ret_opinion)
{
    *ret_opinion = (struct ng_opinion){.verdict = NG_VERDICT_ALLOW};
    for (unsigned i = 0; i < it->names && !it->granted; i++) {
        uint64_t profile = ng_match_name(it->snapshot, it->policy, &it->name[i]);
        uint8_t kind = ng_snapshot_answer(it->snapshot, profile);

        if (kind == NG_ANSWER_REAL)
            continue;
        *ret_opinion = (struct ng_opinion){.verdict = NG_VERDICT_DENY, .evidence = NG_EVIDENCE_NAME};
        ret_opinion->has_rule =
            ng_explain_name(it->snapshot, it->policy, &it->name[i], 0, 0, &ret_opinion->rule) == 0;
        return kind;
    }
    return NG_ANSWER_REAL;
}

/* A number for each outcome that differs: the verdict, and which of the case's rules decided. */
struct numbering {
    struct ng_case *it;
    const struct ng_rule_info *wanted;
    uint64_t number, found;
};

static bool same_rule(const struct ng_rule_info *a, const struct ng_rule_info *b)
{
    return a->file == b->file && a->line == b->line && a->segments == b->segments &&
           strcmp(a->pattern, b->pattern) == 0;
}

static int number_rule(void *arg, const struct ng_rule_info *rule)
{
    struct numbering *numbering = arg;

    numbering->number++;
    if (!numbering->found && same_rule(rule, numbering->wanted))
        numbering->found = numbering->number;
    return 0;
}

static uint64_t value_of(void *arg, uint8_t proto, uint16_t port)
{
    struct numbering numbering = {.it = arg};
    struct ng_opinion opinion;

    ng_case_judge(numbering.it, proto, port, &opinion);
    numbering.wanted = &opinion.rule;
    if (opinion.has_rule)
        (void)ng_case_rules(numbering.it, number_rule, &numbering);
    return numbering.found << 17 | (uint64_t)opinion.dns << 16 | (uint64_t)opinion.evidence << 8 | opinion.verdict;
}

static int add_segments(void *arg, const struct ng_rule_info *rule)
{
    ng_segments *segments = arg;

    return ng_vector_append(segments, rule->segments, rule->count) ? 0 : -ENOMEM;
}

int ng_case_spans(struct ng_case *it, ng_spans *ret_spans)
{
    static const struct ng_segment own[] = {{.port_lo = NG_DNS_PORT, .port_hi = NG_DNS_PORT},
                                            {.port_lo = NG_DOT_PORT, .port_hi = NG_DOT_PORT}};
    ng_segments segments = {0};
    int r = ng_vector_append(&segments, own, sizeof(own) / sizeof(*own)) ? 0 : -ENOMEM;

    if (r == 0)
        r = ng_case_rules(it, add_segments, &segments);
    if (r == 0)
        r = ng_spans_make(&segments, value_of, it, ret_spans);
    ng_vector_free(&segments);
    return r;
}

int ng_case_rules(const struct ng_case *it, ng_rule_fn each, void *arg)
{
    int r = 0;

    if (it->addressed)
        r = ng_explain_address_rules(it->snapshot, it->policy, it->address, NG_EVIDENCE_ADDRESS, each, arg);
    for (unsigned i = 0; r == 0 && i < it->names; i++)
        r = ng_explain_name_rules(it->snapshot, it->policy, &it->name[i], each, arg);
    if (r == 0 && it->addressed)
        r = ng_explain_address_rules(it->snapshot, it->policy, it->address, NG_EVIDENCE_NETWORK, each, arg);
    return r;
}
