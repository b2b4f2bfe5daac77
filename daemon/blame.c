// SPDX-License-Identifier: BSD-2-Clause
#include "blame.h"

#include "config.h"

#include <errno.h>
#include <string.h>

static void add_holder(void *arg, const struct ng_resolution *resolution)
{
    struct ng_blame *blame = arg;
    bool asked = ng_resolution_asked_by(resolution, blame->event->scope);

    if (blame->holders == NG_HOLDERS_MAX && !asked)
        return;
    if (blame->holders == NG_HOLDERS_MAX)
        blame->holders--;
    /* Those that the deployment asked for come first. */
    if (asked) {
        memmove(&blame->holder[1], &blame->holder[0], blame->holders * sizeof(blame->holder[0]));
        blame->holder[0] = resolution;
    } else {
        blame->holder[blame->holders] = resolution;
    }
    blame->holders++;
}

static void begin(struct ng_blame *blame, const struct ng_event *event, const struct ng_snapshot *snapshot)
{
    *blame = (struct ng_blame){.event = event, .snapshot = snapshot, .policy = -ENOENT};
    if (snapshot)
        blame->policy = ng_snapshot_find_scope(snapshot, event->policy);
}

static bool denied_by_name(struct ng_blame *blame, const struct ng_resolution *resolution)
{
    for (unsigned i = 0; i < resolution->links; i++) {
        struct ng_rule_info rule;

        if (ng_explain_name(blame->snapshot, (unsigned)blame->policy, &resolution->chain[i], blame->event->proto,
                            blame->event->port, &rule) < 0 ||
            rule.verdict != NG_VERDICT_DENY)
            continue;
        blame->rule = rule;
        blame->has_rule = true;
        blame->guilty = resolution;
        return true;
    }
    return false;
}

static const char *reason_of_evidence(const struct ng_event *event, bool named)
{
    switch (event->evidence) {
    case NG_EVIDENCE_STRICT:
        if (event->flags & NG_EVENT_INCIDENT)
            return "incident: only what the policy allows is reachable, and no rule allows this";
        return named ? "strict: no rule allows this" : "strict: no rule allows this, and no name was asked for";
    case NG_EVIDENCE_RESOLVER:
        if (event->port == NG_DNS_PORT)
            return "this DNS query cannot be sent to the resolver: it has no listener there";
        return event->port == NG_DOT_PORT ? "names must be resolved through the gate: no DNS over TLS or QUIC"
                                          : "the resolver's own ports are not to be used directly";
    case NG_EVIDENCE_RAW:
        return "raw sockets, UDP-Lite, IP options and routing headers evade the gate";
    case NG_EVIDENCE_ABANDONED:
        return "no daemon lived, and the policy says: on-agent-loss closed";
    case NG_EVIDENCE_NAME:
    case NG_EVIDENCE_SHARED:
        return "learnt for a name that this daemon does not know any more";
    default:
        return "";
    }
}

static void find_rule(struct ng_blame *blame)
{
    const struct ng_event *event = blame->event;

    if (blame->policy >= 0 &&
        (event->evidence == NG_EVIDENCE_ADDRESS || event->evidence == NG_EVIDENCE_NETWORK))
        blame->has_rule = ng_explain_address(blame->snapshot, (unsigned)blame->policy, event->address, event->evidence,
                                            event->proto, event->port, &blame->rule) == 0;
    if (blame->policy >= 0 && (event->evidence == NG_EVIDENCE_NAME || event->evidence == NG_EVIDENCE_SHARED))
        for (unsigned i = 0; i < blame->holders && !blame->guilty; i++)
            (void)denied_by_name(blame, blame->holder[i]);
    if (!blame->guilty && event->evidence == NG_EVIDENCE_STRICT && blame->holders)
        blame->guilty = blame->holder[0];
}

static void find_reason(struct ng_blame *blame)
{
    /* What denies a dependency is said with the way to it. */
    if (blame->has_rule)
        (void)snprintf(blame->reason, sizeof(blame->reason), "%s%s%s", blame->rule.path,
                       *blame->rule.path && *blame->rule.reason ? ": " : "", blame->rule.reason);
    else
        (void)snprintf(blame->reason, sizeof(blame->reason), "%s",
                       reason_of_evidence(blame->event, blame->holders > 0));
}

static bool is_decoy(const uint8_t address[16])
{
    static const uint8_t none[10];

    return ng_address_is_v4(address) ? (address[12] & 0xf0) == NG_DECOY4_PREFIX
                                     : address[0] == NG_DECOY6_PREFIX && memcmp(address + 1, none, 7) == 0;
}

static const char *grade(const struct ng_blame *blame)
{
    switch (blame->event->evidence) {
    case NG_EVIDENCE_ADDRESS:
        return "address";
    case NG_EVIDENCE_NAME:
        if (is_decoy(blame->event->address))
            return "decoy";
        return blame->guilty && ng_resolution_asked_by(blame->guilty, blame->event->scope) ? "asked" : "prewarmed";
    case NG_EVIDENCE_SHARED:
        return "shared";
    case NG_EVIDENCE_NETWORK:
        return "network";
    case NG_EVIDENCE_STRICT:
        return "strict";
    case NG_EVIDENCE_RESOLVER:
        return "resolver";
    case NG_EVIDENCE_RAW:
        return "raw";
    case NG_EVIDENCE_ABANDONED:
        return "abandoned";
    default:
        return "none";
    }
}

void ng_blame_denial(const struct ng_event *event, const struct ng_snapshot *snapshot, struct ng_track *track,
                     struct ng_blame *ret_blame)
{
    struct ng_blame *blame = ret_blame;

    begin(blame, event, snapshot);
    ng_track_each(track, event->address, add_holder, blame);
    find_rule(blame);
    find_reason(blame);
    blame->evidence = grade(blame);
}

void ng_blame_answer(const struct ng_event *event, const struct ng_snapshot *snapshot,
                     const struct ng_resolution *resolution, uint8_t answer, struct ng_blame *ret_blame)
{
    struct ng_blame *blame = ret_blame;

    begin(blame, event, snapshot);
    add_holder(blame, resolution);
    if (blame->policy >= 0 && answer != NG_ANSWER_REAL)
        (void)denied_by_name(blame, resolution);
    blame->guilty = resolution;
    find_reason(blame);
    blame->evidence = answer == NG_ANSWER_DECOY ? "decoy" : "asked";
}

/* An allow of a name follows the name that was asked for. */
static bool allowed_by_name(struct ng_blame *blame, const struct ng_resolution *resolution)
{
    struct ng_rule_info rule;

    if (ng_explain_name(blame->snapshot, (unsigned)blame->policy, &resolution->chain[0], blame->event->proto,
                        blame->event->port, &rule) < 0 ||
        rule.verdict != NG_VERDICT_ALLOW)
        return false;
    blame->rule = rule;
    blame->guilty = resolution;
    blame->evidence = ng_resolution_asked_by(resolution, blame->event->scope) ? "asked" : "prewarmed";
    return true;
}

static bool allowed_by_address(struct ng_blame *blame, uint8_t evidence)
{
    struct ng_rule_info rule;

    if (ng_explain_address(blame->snapshot, (unsigned)blame->policy, blame->event->address, evidence,
                           blame->event->proto, blame->event->port, &rule) < 0 ||
        rule.verdict != NG_VERDICT_ALLOW)
        return false;
    blame->rule = rule;
    blame->evidence = evidence == NG_EVIDENCE_ADDRESS ? "address" : "network";
    return true;
}

void ng_blame_reach(const struct ng_event *event, const struct ng_snapshot *snapshot, struct ng_track *track,
                    struct ng_blame *ret_blame)
{
    struct ng_blame *blame = ret_blame;

    begin(blame, event, snapshot);
    ng_track_each(track, event->address, add_holder, blame);
    blame->evidence = "none";
    if (blame->policy < 0)
        return;
    blame->has_rule = allowed_by_address(blame, NG_EVIDENCE_ADDRESS);
    for (unsigned i = 0; i < blame->holders && !blame->has_rule; i++)
        blame->has_rule = allowed_by_name(blame, blame->holder[i]);
    blame->has_rule = blame->has_rule || allowed_by_address(blame, NG_EVIDENCE_NETWORK);
    if (blame->has_rule)
        (void)snprintf(blame->reason, sizeof(blame->reason), "%s", blame->rule.reason);
}

const struct ng_resolution *ng_blame_named(const struct ng_blame *blame)
{
    if (blame->guilty)
        return blame->guilty;
    return blame->holders && ng_resolution_asked_by(blame->holder[0], blame->event->scope) ? blame->holder[0] : NULL;
}
