// SPDX-License-Identifier: BSD-2-Clause
#include "evidence.h"

#include "config.h"
#include "gate.h"
#include "lineage.h"
#include "text.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <string.h>

json_t *ng_evidence_chain(const struct ng_resolution *resolution)
{
    json_t *chain = json_array();

    for (unsigned i = 0; i < resolution->links; i++)
        (void)json_array_append_new(chain, ng_json_name(&resolution->chain[i]));
    return chain;
}

/* Whose record it is may see it; the processes of other users are not its business. */
static json_t *asker_json(const struct ng_resolution *resolution, uid_t uid)
{
    const struct ng_asker *asker = resolution->askers ? &resolution->askers->last : NULL;

    if (!asker || (uid != 0 && uid != asker->uid))
        return json_null();
    return json_pack("{s:i, s:o}", "pid", (int)asker->pid, "comm", ng_json_field(asker->comm, NG_COMM_LEN));
}

static json_t *holder_json(const struct ng_resolution *resolution, const struct ng_event *event)
{
    double ago = resolution->replied_at && event->time > resolution->replied_at
                     ? (double)(event->time - resolution->replied_at) / (double)NG_SECOND
                     : 0;

    return json_pack("{s:o, s:o, s:I, s:I, s:o, s:o}", "name", ng_json_name(&resolution->chain[0]), "chain",
                     ng_evidence_chain(resolution), "wrote_at_ns", (json_int_t)resolution->wrote_at, "replied_at_ns",
                     (json_int_t)resolution->replied_at, "asked_by", asker_json(resolution, event->uid),
                     "asked_seconds_ago", resolution->replied_at ? json_real(ago) : json_null());
}

static json_t *names_json(const struct ng_blame *blame)
{
    json_t *names = json_array();

    if (blame->guilty)
        (void)json_array_append_new(names, holder_json(blame->guilty, blame->event));
    for (unsigned i = 0; i < blame->holders; i++)
        if (blame->holder[i] != blame->guilty)
            (void)json_array_append_new(names, holder_json(blame->holder[i], blame->event));
    return names;
}

json_t *ng_evidence_rule(const struct ng_blame *blame)
{
    const struct ng_rule_info *rule = &blame->rule;

    if (!blame->has_rule)
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

/* Where the kernel could not read it, as of packets that it sends by itself: what the process executed last. */
static json_t *argv_json(const struct ng_event *event, const json_t *lineage)
{
    const json_t *last = json_array_get(lineage, json_array_size(lineage) - 1);
    size_t length = event->argv_len < NG_ARGV_LEN ? event->argv_len : NG_ARGV_LEN;

    return length || !last ? ng_json_argv(event->argv, length) : json_incref(json_object_get(last, "argv"));
}

static int add_process(json_t *record, const struct ng_event *event, const struct ng_live *live)
{
    json_t *lineage = live ? ng_lineage_json(live->lineage, (pid_t)event->tgid) : json_array();
    json_t *gid = event->hook == NG_HOOK_DNS ? json_null() : json_integer((json_int_t)event->gid);
    json_t *process = json_pack("{s:i, s:i, s:I, s:o, s:o, s:o, s:o, s:o}", "pid", (int)event->tgid, "tid",
                                (int)event->pid, "uid", (json_int_t)event->uid, "gid", gid, "comm",
                                ng_json_field(event->comm, NG_COMM_LEN), "argv", argv_json(event, lineage),
                                "ancestors", ancestors_json(event, live), "lineage", lineage);
    int r = process ? json_object_update(record, process) : -1;

    json_decref(process);
    return r;
}

json_t *ng_evidence_denial(const struct ng_blame *blame, const struct ng_live *live)
{
    const char *instead = blame->has_rule ? blame->rule.instead : "";
    const struct ng_event *event = blame->event;
    char proto[NG_PROTO_TEXT_MAX];
    bool dns = event->hook == NG_HOOK_DNS;
    json_t *record = json_pack(
        "{s:s, s:o, s:s, s:s?, s:s?, s:s, s:s, s:s, s:s?, s:s, s:o, s:i, s:o, s:o, s:o, s:o, s:s, s:b, s:b, s:b}",
        "type", "denial", "time", json_null(), "deployment", live ? live->id : "", "tag",
        live ? live->kernel.tag : NULL, "policy", live ? live->kernel.name : NULL, "mode", ng_mode_name(event->mode),
        "verdict", event->flags & NG_EVENT_WOULD ? "would-deny" : "deny", "hook", ng_hook_name(event->hook), "errno",
        event->error ? strerrorname_np(-event->error) : NULL, "proto", ng_event_proto(event, proto), "address",
        dns ? json_string("") : ng_json_address(event->address), "port", (int)event->port, "names", names_json(blame),
        "rule", ng_evidence_rule(blame), "reason", ng_json_text(blame->reason, strlen(blame->reason)), "instead",
        ng_json_text(instead, strlen(instead)), "evidence", blame->evidence, "probe",
        (event->flags & NG_EVENT_PROBE) != 0, "incident", (event->flags & NG_EVENT_INCIDENT) != 0, "kernel",
        (event->flags & NG_EVENT_SOFTIRQ) != 0);

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

json_t *ng_evidence_addresses(const struct ng_resolution *resolution)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < resolution->addresses; i++)
        (void)json_array_append_new(list, ng_json_address(resolution->address[i]));
    return list;
}

json_t *ng_evidence_resolution(const struct ng_resolution *resolution, const char *deployment)
{
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:I, s:I, s:s?, s:o}", "type", "resolution", "time", json_null(),
                     "name", ng_json_name(&resolution->chain[0]), "chain", ng_evidence_chain(resolution), "addresses",
                     ng_evidence_addresses(resolution), "wrote_at_ns", (json_int_t)resolution->wrote_at,
                     "replied_at_ns", (json_int_t)resolution->replied_at, "deployment", deployment, "asked_by",
                     asker_json(resolution, 0));
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
                     ng_evidence_chain(resolution), "addresses", ng_evidence_addresses(resolution), "expires_in_s",
                     left, "verdicts", verdicts, "asked_by", askers, "wrote_at_ns",
                     (json_int_t)resolution->wrote_at);
}
