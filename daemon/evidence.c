// SPDX-License-Identifier: BSD-2-Clause
#include "evidence.h"

#include "config.h"
#include "gate.h"
#include "text.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <string.h>

#define HOLDERS_MAX 16 /* names of one address that a record lists */

#define NG_REASON_MAX 512 /* octets of a reason and of a path, each */

struct case_file {
    const struct ng_event *event;
    const struct ng_snapshot *snapshot;
    int policy; /* number in the snapshot, or <0 */
    const struct ng_resolution *holder[HOLDERS_MAX];
    unsigned holders;
    const struct ng_resolution *guilty; /* whose name is denied */
    struct ng_rule_info rule;
    bool has_rule;
    char reason[2 * NG_REASON_MAX];
};

static void add_holder(void *arg, const struct ng_resolution *resolution)
{
    struct case_file *file = arg;
    bool asked = ng_resolution_asked_by(resolution, file->event->scope);

    if (file->holders == HOLDERS_MAX && !asked)
        return;
    if (file->holders == HOLDERS_MAX)
        file->holders--;
    /* Those that the deployment asked for come first. */
    if (asked) {
        memmove(&file->holder[1], &file->holder[0], file->holders * sizeof(file->holder[0]));
        file->holder[0] = resolution;
    } else {
        file->holder[file->holders] = resolution;
    }
    file->holders++;
}

static bool denied_by_name(struct case_file *file, const struct ng_resolution *resolution)
{
    for (unsigned i = 0; i < resolution->links; i++) {
        struct ng_rule_info rule;

        if (ng_explain_name(file->snapshot, (unsigned)file->policy, &resolution->chain[i], file->event->proto,
                            file->event->port, &rule) < 0 ||
            rule.verdict != NG_VERDICT_DENY)
            continue;
        file->rule = rule;
        file->has_rule = true;
        file->guilty = resolution;
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

static void find_rule(struct case_file *file)
{
    const struct ng_event *event = file->event;

    if (file->policy >= 0 &&
        (event->evidence == NG_EVIDENCE_ADDRESS || event->evidence == NG_EVIDENCE_NETWORK))
        file->has_rule = ng_explain_address(file->snapshot, (unsigned)file->policy, event->address, event->evidence,
                                            event->proto, event->port, &file->rule) == 0;
    if (file->policy >= 0 && (event->evidence == NG_EVIDENCE_NAME || event->evidence == NG_EVIDENCE_SHARED))
        for (unsigned i = 0; i < file->holders && !file->guilty; i++)
            (void)denied_by_name(file, file->holder[i]);
    if (!file->guilty && event->evidence == NG_EVIDENCE_STRICT && file->holders)
        file->guilty = file->holder[0];
    /* What denies a dependency is said with the way to it. */
    if (file->has_rule)
        (void)snprintf(file->reason, sizeof(file->reason), "%s%s%s", file->rule.path,
                       *file->rule.path && *file->rule.reason ? ": " : "", file->rule.reason);
    else
        (void)snprintf(file->reason, sizeof(file->reason), "%s", reason_of_evidence(event, file->holders > 0));
}

static json_t *chain_json(const struct ng_resolution *resolution)
{
    json_t *chain = json_array();

    for (unsigned i = 0; i < resolution->links; i++)
        (void)json_array_append_new(chain, ng_json_name(&resolution->chain[i]));
    return chain;
}

/* Whose record it is may see it; the processes of other users are not its business. */
static json_t *asker_json(const struct ng_asker *asker, uid_t uid)
{
    if (!asker->scope || (uid != 0 && uid != asker->uid))
        return json_null();
    return json_pack("{s:i, s:o}", "pid", (int)asker->pid, "comm", ng_json_field(asker->comm, NG_COMM_LEN));
}

static json_t *holder_json(const struct ng_resolution *resolution, const struct ng_event *event)
{
    double ago = resolution->replied_at && event->time > resolution->replied_at
                     ? (double)(event->time - resolution->replied_at) / (double)NG_SECOND
                     : 0;

    return json_pack("{s:o, s:o, s:I, s:I, s:o, s:o}", "name", ng_json_name(&resolution->chain[0]), "chain",
                     chain_json(resolution), "wrote_at_ns", (json_int_t)resolution->wrote_at, "replied_at_ns",
                     (json_int_t)resolution->replied_at, "asked_by", asker_json(&resolution->asker, event->uid),
                     "asked_seconds_ago", resolution->replied_at ? json_real(ago) : json_null());
}

static json_t *names_json(const struct case_file *file)
{
    json_t *names = json_array();

    if (file->guilty)
        (void)json_array_append_new(names, holder_json(file->guilty, file->event));
    for (unsigned i = 0; i < file->holders; i++)
        if (file->holder[i] != file->guilty)
            (void)json_array_append_new(names, holder_json(file->holder[i], file->event));
    return names;
}

static bool is_decoy(const uint8_t address[16])
{
    static const uint8_t none[10];

    return ng_address_is_v4(address) ? (address[12] & 0xf0) == NG_DECOY4_PREFIX
                                     : address[0] == NG_DECOY6_PREFIX && memcmp(address + 1, none, 7) == 0;
}

static const char *evidence_name(const struct case_file *file)
{
    switch (file->event->evidence) {
    case NG_EVIDENCE_ADDRESS:
        return "address";
    case NG_EVIDENCE_NAME:
        if (is_decoy(file->event->address))
            return "decoy";
        return file->guilty && ng_resolution_asked_by(file->guilty, file->event->scope) ? "asked" : "prewarmed";
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

static json_t *rule_json(const struct case_file *file)
{
    const struct ng_rule_info *rule = &file->rule;

    if (!file->has_rule)
        return json_null();
    return json_pack("{s:o, s:i, s:o, s:s, s:o, s:o}", "file", ng_json_text(rule->file, strlen(rule->file)), "line",
                     (int)rule->line, "pattern", ng_json_text(rule->pattern, strlen(rule->pattern)), "group",
                     rule->group, "depends", ng_json_text(rule->path, strlen(rule->path)), "owner",
                     ng_json_text(rule->owner, strlen(rule->owner)));
}

/* Up to the deployment's first process, where it is known. */
static json_t *ancestors_json(const struct ng_event *event, const struct ng_live *live)
{
    json_t *list = json_array();

    uint32_t first = live ? live->first : 0, last = event->tgid;

    for (unsigned i = 0; i < event->ancestors && i < NG_ANCESTORS_MAX && (!first || last != first); i++) {
        last = event->ancestor[i].pid;
        (void)json_array_append_new(list, json_pack("{s:i, s:o}", "pid", (int)event->ancestor[i].pid, "comm",
                                                    ng_json_field(event->ancestor[i].comm, NG_COMM_LEN)));
    }
    return list;
}

static int add_process(json_t *record, const struct ng_event *event, const struct ng_live *live)
{
    size_t length = event->argv_len < NG_ARGV_LEN ? event->argv_len : NG_ARGV_LEN;
    json_t *process = json_pack("{s:i, s:i, s:I, s:I, s:o, s:o, s:o}", "pid", (int)event->tgid, "tid",
                                (int)event->pid, "uid", (json_int_t)event->uid, "gid", (json_int_t)event->gid, "comm",
                                ng_json_field(event->comm, NG_COMM_LEN), "argv", ng_json_argv(event->argv, length),
                                "ancestors", ancestors_json(event, live));
    int r = process ? json_object_update(record, process) : -1;

    json_decref(process);
    return r;
}

static void fill_finding(const struct case_file *file, struct ng_finding *finding)
{
    const struct ng_event *event = file->event;
    char name[NG_NAME_TEXT_MAX], address[INET6_ADDRSTRLEN];

    *finding = (struct ng_finding){.port = event->port,
                                   .proto = event->proto,
                                   .would = event->flags & NG_EVENT_WOULD,
                                   .reason = strdup(file->reason),
                                   .instead = strdup(file->has_rule ? file->rule.instead : "")};
    memcpy(finding->comm, event->comm, sizeof(finding->comm));
    finding->destination = strdup(file->guilty ? ng_name_to_text(&file->guilty->chain[0], name)
                                               : ng_address_text(event->address, address));
    if (!file->has_rule)
        finding->rule = strdup("");
    else if (asprintf(&finding->rule, "%s:%u", file->rule.file, file->rule.line) < 0)
        finding->rule = NULL;
}

json_t *ng_evidence_denial(const struct ng_event *event, const struct ng_live *live,
                           const struct ng_snapshot *snapshot, const struct ng_track *track,
                           struct ng_finding *ret_finding)
{
    struct case_file file = {.event = event, .snapshot = snapshot, .policy = -ENOENT};
    const char *instead;
    char proto[8];
    json_t *record;

    if (snapshot)
        file.policy = ng_snapshot_find_scope(snapshot, event->policy);
    ng_track_each(track, event->address, add_holder, &file);
    find_rule(&file);
    instead = file.has_rule ? file.rule.instead : "";
    fill_finding(&file, ret_finding);
    record = json_pack(
        "{s:s, s:o, s:s, s:s?, s:s?, s:s, s:s, s:s, s:s?, s:s, s:o, s:i, s:o, s:o, s:o, s:o, s:s, s:b, s:b}", "type",
        "denial", "time", json_null(), "deployment", live ? live->id : "", "tag", live ? live->kernel.tag : NULL,
        "policy", live ? live->kernel.name : NULL, "mode", ng_mode_name(event->mode), "verdict",
        event->flags & NG_EVENT_WOULD ? "would-deny" : "deny", "hook", ng_hook_name(event->hook), "errno",
        event->error ? strerrorname_np(-event->error) : NULL, "proto", ng_proto_name(event->proto, proto), "address",
        ng_json_address(event->address), "port", (int)event->port, "names", names_json(&file), "rule",
        rule_json(&file), "reason", ng_json_text(file.reason, strlen(file.reason)), "instead",
        ng_json_text(instead, strlen(instead)), "evidence",
        evidence_name(&file), "probe", (event->flags & NG_EVENT_PROBE) != 0, "incident",
        (event->flags & NG_EVENT_INCIDENT) != 0);
    if (record && add_process(record, event, live) < 0) {
        json_decref(record);
        record = NULL;
    }
    return record;
}

json_t *ng_evidence_peer(const struct ng_peer *peer)
{
    char path[64], comm[NG_COMM_LEN] = "";
    _cleanup_file_ FILE *file = NULL;

    (void)snprintf(path, sizeof(path), "/proc/%d/comm", peer->pid);
    file = fopen(path, "re");
    if (file && fgets(comm, sizeof(comm), file))
        comm[strcspn(comm, "\n")] = '\0';
    return json_pack("{s:i, s:I, s:o}", "pid", (int)peer->pid, "uid", (json_int_t)peer->uid, "comm",
                     ng_json_text(comm, strlen(comm)));
}

json_t *ng_evidence_trouble(const char *trouble, const char *text, json_t *name, json_t *address)
{
    return json_pack("{s:s, s:n, s:s, s:s, s:o, s:o}", "type", "trouble", "time", "trouble", trouble, "text", text,
                     "name", name ? name : json_null(), "address", address ? address : json_null());
}

static json_t *addresses_json(const struct ng_resolution *resolution)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < resolution->addresses; i++)
        (void)json_array_append_new(list, ng_json_address(resolution->address[i]));
    return list;
}

json_t *ng_evidence_resolution(const struct ng_resolution *resolution, const char *deployment)
{
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:I, s:I, s:s?, s:o}", "type", "resolution", "time", json_null(),
                     "name", ng_json_name(&resolution->chain[0]), "chain", chain_json(resolution), "addresses",
                     addresses_json(resolution), "wrote_at_ns", (json_int_t)resolution->wrote_at, "replied_at_ns",
                     (json_int_t)resolution->replied_at, "deployment", deployment, "asked_by",
                     asker_json(&resolution->asker, 0));
}

/* The rule of a policy that counts for this chain on any port: a denial of any link, else what the name itself has. */
static json_t *verdict_json(const struct ng_resolution *resolution, const struct ng_snapshot *snapshot, unsigned policy)
{
    static const char *const words[] = {"none", "allow", "deny"};
    struct ng_rule_info rule, best = {0};
    struct ng_policy_info info;
    char place[512] = "";

    for (unsigned i = 0; i < resolution->links; i++) {
        uint64_t profile = ng_match_name(snapshot, policy, &resolution->chain[i]);

        if (profile == NG_PROFILE_NONE || (i > 0 && !ng_snapshot_denies(snapshot, profile)))
            continue;
        if (ng_explain_name(snapshot, policy, &resolution->chain[i], 0, 0, &rule) < 0 &&
            ng_explain_name(snapshot, policy, &resolution->chain[i], IPPROTO_TCP, 443, &rule) < 0)
            rule = (struct ng_rule_info){.verdict = ng_snapshot_denies(snapshot, profile) ? NG_VERDICT_DENY
                                                                                          : NG_VERDICT_ALLOW};
        if (rule.verdict > best.verdict)
            best = rule;
    }
    if (best.verdict == NG_VERDICT_NONE)
        return NULL;
    ng_snapshot_policy(snapshot, policy, &info);
    if (best.file)
        (void)snprintf(place, sizeof(place), "%s:%u", best.file, best.line);
    return json_pack("{s:s, s:s, s:o}", "policy", info.name, "verdict", words[best.verdict], "rule",
                     ng_json_text(place, strlen(place)));
}

json_t *ng_evidence_name(const struct ng_resolution *resolution, const struct ng_snapshot *snapshot,
                         const struct ng_live *deployments, uid_t uid)
{
    json_t *verdicts = json_array(), *askers = json_array();
    uint64_t now = ng_now();
    json_int_t left = resolution->expires_at > now ? (json_int_t)((resolution->expires_at - now) / NG_SECOND)
                                                   : -(json_int_t)((now - resolution->expires_at) / NG_SECOND);

    for (unsigned policy = 0; snapshot && policy < ng_snapshot_policies(snapshot); policy++) {
        json_t *verdict = verdict_json(resolution, snapshot, policy);

        if (verdict)
            (void)json_array_append_new(verdicts, verdict);
    }
    for (const struct ng_live *live = deployments; live; live = live->next)
        if ((uid == 0 || live->kernel.uid == uid) && ng_resolution_asked_by(resolution, live->kernel.scope))
            (void)json_array_append_new(askers, json_string(live->id));
    return json_pack("{s:o, s:o, s:o, s:I, s:o, s:o, s:I}", "name", ng_json_name(&resolution->chain[0]), "chain",
                     chain_json(resolution), "addresses", addresses_json(resolution), "expires_in_s", left, "verdicts",
                     verdicts, "asked_by", askers, "wrote_at_ns", (json_int_t)resolution->wrote_at);
}
