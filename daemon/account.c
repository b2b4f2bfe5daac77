// SPDX-License-Identifier: BSD-2-Clause
/* Called for each event: what waits to be written already is only counted, and no JSON is made for it. */
#include "account.h"

#include "evidence.h"
#include "shadow.h"
#include "text.h"

#include "../ledger/reader.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <string.h>
#include <sys/random.h>

#define MEGABYTE (1ULL << 20)
#define LOSS_SHOWN (60 * NG_SECOND)

/* Microseconds since 1970. */
static int64_t us_of(uint64_t boottime)
{
    struct timespec real;
    uint64_t now = ng_now();
    int64_t us;

    (void)clock_gettime(CLOCK_REALTIME, &real);
    us = (int64_t)real.tv_sec * 1000000 + real.tv_nsec / 1000;
    return boottime && boottime < now ? us - (int64_t)((now - boottime) / 1000) : us;
}

/* Text that strangers chose, as valid UTF-8. *hold owns it where it had to be changed. */
static const char *clean(const char *text, size_t size, char *copy, json_t **hold)
{
    size_t length = strnlen(text, size);

    memcpy(copy, text, length);
    copy[length] = '\0';
    for (size_t i = 0; i < length; i++) {
        if (text[i] >= ' ' && text[i] < 0x7f)
            continue;
        *hold = ng_json_text(text, length);
        return *hold ? json_string_value(*hold) : "";
    }
    return copy;
}

static uint32_t lineage_of(const struct ng_live *live, uint32_t tgid)
{
    const struct ng_process *process = ng_lineage_process(live->lineage, (pid_t)tgid);

    return process ? process->command : 0;
}

int ng_account_open(struct ng_keeper *keeper, struct ng_error *error)
{
    struct ng_ledger_limits limits = {.days = keeper->config.ledger_days,
                                      .bytes = keeper->config.ledger_size * MEGABYTE};
    int r = keeper->config.ledger ? ng_ledger_open(keeper->options.state_dir, &limits, &keeper->ledger) : 0;

    return r < 0 ? ng_error_set(error, -r, NULL, "cannot start the writer of the ledger: %s", strerror(-r)) : 0;
}

/* Where the command was started. It waits for its answer meanwhile, so that it is there. */
static json_t *directory_of(uint32_t pid)
{
    char link[64], path[4096];
    ssize_t length;

    (void)snprintf(link, sizeof(link), "/proc/%u/cwd", pid);
    length = pid ? readlink(link, path, sizeof(path)) : -1;
    return length < 0 ? NULL : ng_json_text(path, (size_t)length);
}

void ng_account_start(struct ng_keeper *keeper, struct ng_live *live)
{
    const struct ng_adhoc *adhoc = ng_adhoc_find(&keeper->adhocs, live->kernel.name);
    json_t *cwd = directory_of(live->first), *file = adhoc ? ng_json_text(adhoc->path, strlen(adhoc->path)) : NULL;
    struct ng_ledger_deployment deployment = {.name = live->id,
                                              .tag = live->kernel.tag,
                                              .policy = file ? json_string_value(file) : live->kernel.name,
                                              .mode = ng_mode_name(live->kernel.mode),
                                              .uid = live->kernel.uid,
                                              .argv = live->argv,
                                              .cwd = cwd ? json_string_value(cwd) : NULL,
                                              .started_us = us_of(live->kernel.started_at)};

    if (getrandom(&live->ledger, sizeof(live->ledger), 0) != (ssize_t)sizeof(live->ledger))
        live->ledger = (int64_t)(ng_now() ^ (uint64_t)live->kernel.scope << 32);
    live->ledger &= INT64_MAX;
    deployment.id = live->ledger;
    if (keeper->ledger)
        ng_ledger_start(keeper->ledger, &deployment);
    json_decref(cwd);
    json_decref(file);
}

static int recall(void *arg, const json_t *document)
{
    ng_lineage_recall(arg, document);
    return 0;
}

int ng_account_adopt(struct ng_keeper *keeper, struct ng_live *live)
{
    struct ng_ledger_query query = {.deployment = live->id, .last = 1};
    struct ng_ledger_adopted adopted = {0};
    _cleanup_free_ char *reason = NULL;
    bool known = keeper->ledger && ng_ledger_adopt(keeper->ledger, live->id, &adopted) == 0;
    int r = ng_lineage_new(adopted.processes, &live->lineage);

    if (r < 0)
        return r;
    if (!known) {
        ng_account_start(keeper, live);
        return 0;
    }
    live->ledger = adopted.id;
    if (ng_ledger_read(keeper->options.state_dir, &query, recall, live->lineage, &reason) < 0)
        ng_log(NG_LOG_WARNING, "what processes of %s did before is not known: %s, ignoring", live->id,
               reason ? reason : "the ledger cannot be read");
    return 0;
}

void ng_account_finish(struct ng_keeper *keeper, struct ng_live *live)
{
    struct ng_ledger_end end = {.deployment = live->ledger,
                                .has_status = live->has_status,
                                .status = live->status,
                                .denied = live->denied,
                                .would = live->would,
                                .probes = live->probes};

    if (!live->ended_us) {
        live->ended_us = us_of(0);
        /* Of these the ledger makes sums. */
        end.lost = ng_keeper_lost(keeper) - live->lost_before;
        end.left_out = ng_lineage_left_out(live->lineage);
    }
    live->late = false;
    end.ended_us = live->ended_us;
    if (keeper->ledger)
        ng_ledger_finish(keeper->ledger, &end);
}

/* Each once: a name that was resolved again by another resolver is known twice. */
static json_t *names_json(const struct ng_blame *blame)
{
    json_t *names = json_array();

    for (unsigned i = 0; i < blame->holders; i++) {
        const struct ng_name *name = &blame->holder[i]->chain[0];
        unsigned k = 0;

        while (k < i && !ng_name_equal(name, &blame->holder[k]->chain[0]))
            k++;
        if (k == i)
            (void)json_array_append_new(names, ng_json_name(name));
    }
    return names;
}

/* The JSON of one that is not waiting yet. */
static void add_flow(struct ng_keeper *keeper, const struct ng_blame *blame, struct ng_ledger_flow *flow)
{
    const struct ng_resolution *named = ng_blame_named(blame);
    json_t *chain = named ? ng_evidence_chain(named) : NULL;
    json_t *names = names_json(blame), *rule = ng_evidence_rule(blame);
    json_t *instead = blame->has_rule ? ng_json_text(blame->rule.instead, strlen(blame->rule.instead)) : NULL;

    flow->chain = chain;
    flow->names = names;
    flow->rule = rule;
    flow->instead = instead ? json_string_value(instead) : "";
    ng_ledger_add_flow(keeper->ledger, flow);
    json_decref(chain);
    json_decref(names);
    json_decref(rule);
    json_decref(instead);
}

static void account(struct ng_keeper *keeper, const struct ng_live *live, const struct ng_blame *blame,
                    const char *verdict, const char *shadow_verdict, const json_t *shadow_rule)
{
    const struct ng_event *event = blame->event;
    const struct ng_resolution *named = ng_blame_named(blame);
    char name[NG_NAME_TEXT_MAX], address[INET6_ADDRSTRLEN], proto[NG_PROTO_TEXT_MAX], comm[NG_COMM_LEN + 1];
    char reason[sizeof(blame->reason)];
    json_t *hold_comm = NULL, *hold_reason = NULL;
    struct ng_ledger_flow flow = {
        .deployment = live->ledger,
        .lineage = lineage_of(live, event->tgid),
        .name = named ? ng_name_to_text(&named->chain[0], name) : NULL,
        .address = event->hook == NG_HOOK_DNS ? "" : ng_address_text(event->address, address),
        .proto = ng_event_proto(event, proto),
        .verdict = verdict,
        .evidence = blame->evidence,
        .hook = ng_hook_name(event->hook),
        .error = event->error ? strerrorname_np(-event->error) : NULL,
        .port = event->port,
        .pid = (pid_t)event->tgid,
        .uid = event->uid,
        .comm = clean(event->comm, NG_COMM_LEN, comm, &hold_comm),
        .reason = clean(blame->reason, sizeof(reason) - 1, reason, &hold_reason),
        .probe = event->flags & NG_EVENT_PROBE,
        .incident = event->flags & NG_EVENT_INCIDENT,
        .count = 1,
        .time_us = us_of(event->time),
        .shadow_verdict = shadow_verdict,
        .shadow_rule = shadow_rule,
    };

    if (!ng_ledger_count_flow(keeper->ledger, &flow))
        add_flow(keeper, blame, &flow);
    json_decref(hold_comm);
    json_decref(hold_reason);
}

void ng_account_denial(struct ng_keeper *keeper, const struct ng_live *live, const struct ng_blame *blame)
{
    if (keeper->ledger)
        account(keeper, live, blame, blame->event->flags & NG_EVENT_WOULD ? "would-deny" : "deny", NULL, NULL);
}

void ng_account_reach(struct ng_keeper *keeper, const struct ng_live *live, const struct ng_event *event)
{
    struct ng_event own = *event;
    struct ng_blame blame;

    if (!keeper->ledger && !keeper->shadow)
        return;
    own.scope = live->kernel.scope;
    own.policy = live->kernel.policy;
    own.flags = 0;
    own.error = 0;
    ng_blame_reach(&own, keeper->snapshot, keeper->track, &blame);
    if (keeper->ledger)
        account(keeper, live, &blame, "allow", NULL, NULL);
    ng_shadow_event(keeper, live, &blame, "allow");
}

void ng_account_shadow(struct ng_keeper *keeper, const struct ng_live *live, const struct ng_blame *blame,
                       const char *verdict, const char *shadow_verdict, const json_t *shadow_rule)
{
    if (keeper->ledger)
        account(keeper, live, blame, verdict, shadow_verdict, shadow_rule);
}

void ng_account_resolution(struct ng_keeper *keeper, const struct ng_live *live,
                           const struct ng_resolution *resolution, const struct ng_message_told *told)
{
    char name[NG_NAME_TEXT_MAX];
    json_t *chain = keeper->ledger ? ng_evidence_chain(resolution) : NULL;
    json_t *addresses = keeper->ledger ? ng_evidence_addresses(resolution) : NULL;
    struct ng_ledger_resolution row = {.deployment = live->ledger,
                                       .lineage = lineage_of(live, told->asker.pid),
                                       .name = ng_name_to_text(&resolution->chain[0], name),
                                       .chain = chain,
                                       .addresses = addresses,
                                       .time_us = us_of(told->replied_at)};

    if (keeper->ledger)
        ng_ledger_add_resolution(keeper->ledger, &row);
    json_decref(chain);
    json_decref(addresses);
}

void ng_account_command(struct ng_keeper *keeper, const struct ng_live *live, const struct ng_command *command,
                        bool first)
{
    char comm[NG_COMM_LEN + 1];
    json_t *hold_comm = NULL, *hold_path = first ? ng_json_text(command->path, strlen(command->path)) : NULL;
    struct ng_ledger_lineage row = {.deployment = live->ledger,
                                    .number = command->number,
                                    .parent = command->parent,
                                    .argv = first ? command->argv : NULL,
                                    .path = first ? json_string_value(hold_path) : NULL,
                                    .comm = first ? clean(command->comm, NG_COMM_LEN, comm, &hold_comm) : NULL,
                                    .processes = first ? command->processes : 1};

    if (keeper->ledger)
        ng_ledger_add_lineage(keeper->ledger, &row);
    json_decref(hold_comm);
    json_decref(hold_path);
}

void ng_account_process(struct ng_keeper *keeper, const struct ng_live *live, const struct ng_process *process)
{
    struct ng_ledger_process row = {.deployment = live->ledger,
                                    .number = process->number,
                                    .parent = process->parent,
                                    .lineage = process->command,
                                    .pid = process->pid,
                                    .uid = process->uid,
                                    .started_us = us_of(process->started_at),
                                    .ended_us = process->ended_at ? us_of(process->ended_at) : 0,
                                    .status = process->status};

    if (keeper->ledger)
        ng_ledger_add_process(keeper->ledger, &row);
}

json_t *ng_account_json(const struct ng_keeper *keeper)
{
    struct ng_ledger_state state;

    if (!keeper->ledger)
        return json_null();
    ng_ledger_state(keeper->ledger, &state);
    return json_pack("{s:I, s:s?, s:s?, s:i, s:i}", "lost", (json_int_t)state.lost, "lost_because", state.because,
                     "trouble", state.trouble, "waiting", (int)state.waiting, "set_aside", (int)state.set_aside);
}

void ng_account_problems(const struct ng_keeper *keeper, json_t *problems)
{
    struct ng_ledger_state state;

    if (!keeper->ledger)
        return;
    ng_ledger_state(keeper->ledger, &state);
    if (state.trouble)
        (void)json_array_append_new(problems, json_sprintf("the ledger cannot be written: %s", state.trouble));
    if (state.lost && ng_now() - state.lost_at < LOSS_SHOWN)
        (void)json_array_append_new(problems, json_sprintf("the ledger lost events in the last minute: %s",
                                                           state.because));
}

void ng_account_tick(struct ng_keeper *keeper)
{
    struct ng_ledger_state state = {0};
    char text[256] = "the ledger is written again";

    if (keeper->ledger)
        ng_ledger_state(keeper->ledger, &state);
    if (state.trouble != keeper->ledger_trouble) {
        if (state.trouble)
            (void)snprintf(text, sizeof(text), "the ledger cannot be written: %s", state.trouble);
        ng_log(NG_LOG_WARNING, "%s", text);
        ng_records_add(keeper->records, ng_evidence_trouble("ledger", text, NULL, NULL), 0);
        keeper->ledger_trouble = state.trouble;
    }
    if (state.set_aside != keeper->ledger_set_aside) {
        ng_log(NG_LOG_WARNING, "the ledger was corrupt: it is ledger.db.corrupt now, and a new one is begun");
        ng_records_add(keeper->records,
                       ng_evidence_trouble("ledger", "the ledger was corrupt: it is ledger.db.corrupt now, and a new "
                                           "one is begun", NULL, NULL), 0);
        keeper->ledger_set_aside = state.set_aside;
    }
}
