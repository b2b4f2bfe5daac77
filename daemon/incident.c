// SPDX-License-Identifier: BSD-2-Clause
#include "incident.h"

#include "evidence.h"
#include "keeper.h"
#include "replace.h"
#include "text.h"

#include "../policy/vector.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <string.h>
#include <time.h>

#define FILE_NAME "incidents"
#define REASON_MAX 400
#define SECONDS_MAX (366LL * 86400)
#define INCIDENTS_MAX 256

NG_DEFINE_CLEANUP(json, json_t, json_decref)

struct incident {
    char tag[NG_TAG_LEN]; /* "": all deployments */
    long long since, until; /* s of CLOCK_REALTIME, which goes on while the host is down; until 0: no end */
    uint64_t ends_at; /* ns of CLOCK_BOOTTIME, which nobody can set forward, by which it does end; 0: not */
    char reason[REASON_MAX + 1];
    uid_t uid; /* who began it */
};

struct ng_incidents {
    NG_VECTOR(struct incident) list;
};

static struct incident *find(const struct ng_incidents *incidents, const char *tag)
{
    for (size_t i = 0; i < incidents->list.count; i++)
        if (strcmp(incidents->list.items[i].tag, tag) == 0)
            return &incidents->list.items[i];
    return NULL;
}

bool ng_incidents_all(const struct ng_incidents *incidents)
{
    return find(incidents, "") != NULL;
}

bool ng_incidents_tag(const struct ng_incidents *incidents, const char *tag)
{
    return find(incidents, tag) != NULL;
}

unsigned ng_incidents_tags(const struct ng_incidents *incidents)
{
    return (unsigned)incidents->list.count - ng_incidents_all(incidents);
}

void ng_incidents_free(struct ng_incidents *incidents)
{
    if (!incidents)
        return;
    ng_vector_free(&incidents->list);
    free(incidents);
}

static json_t *incident_json(const struct incident *incident)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:I}", "tag", *incident->tag ? json_string(incident->tag) : json_null(),
                     "since", ng_json_seconds(incident->since), "until", ng_json_seconds(incident->until), "reason",
                     ng_json_text(incident->reason, strlen(incident->reason)), "uid", (json_int_t)incident->uid);
}

json_t *ng_incidents_json(const struct ng_incidents *incidents)
{
    json_t *list = json_array();

    for (size_t i = 0; i < incidents->list.count; i++)
        (void)json_array_append_new(list, incident_json(&incidents->list.items[i]));
    return list;
}

/* --- the file: a line for each */

static int save(const struct ng_keeper *keeper)
{
    const struct ng_incidents *incidents = keeper->incidents;
    struct ng_replace replace;
    int r;

    /* A private daemon stands under what was on record when it started; the record is that of the host. */
    if (keeper->options.private)
        return 0;
    r = ng_replace_begin(keeper->options.state_dir, FILE_NAME, &replace);
    if (r < 0)
        return r;
    for (size_t i = 0; i < incidents->list.count; i++) {
        const struct incident *it = &incidents->list.items[i];
        _cleanup_(ng_cleanup_json) json_t *line =
            json_pack("{s:s, s:I, s:I, s:o, s:I}", "tag", it->tag, "since", (json_int_t)it->since, "until",
                      (json_int_t)it->until, "reason", ng_json_text(it->reason, strlen(it->reason)), "uid",
                      (json_int_t)it->uid);

        if (!line || json_dumpf(line, replace.file, JSON_COMPACT) < 0)
            (void)fputs("out of memory", replace.file); /* makes no sense, and so counts as one for all */
        (void)fputc('\n', replace.file);
    }
    return ng_replace_end(&replace);
}

static bool read_line(const char *line, struct incident *ret_incident)
{
    _cleanup_(ng_cleanup_json) json_t *json = json_loads(line, 0, NULL);
    const char *tag = json_string_value(json_object_get(json, "tag"));
    const char *reason = json_string_value(json_object_get(json, "reason"));
    json_int_t uid = 0, since = 0, until = 0;

    if (!tag || !reason || (*tag && !ng_tag_valid(tag)) ||
        json_unpack(json, "{s:I, s:I, s:I}", "since", &since, "until", &until, "uid", &uid) < 0)
        return false;
    *ret_incident = (struct incident){.since = since, .until = until, .uid = (uid_t)uid};
    (void)snprintf(ret_incident->tag, sizeof(ret_incident->tag), "%s", tag);
    (void)snprintf(ret_incident->reason, sizeof(ret_incident->reason), "%s", reason);
    return true;
}

/* There is always room for the one for all. */
static int add(struct ng_incidents *incidents, const struct incident *incident)
{
    struct incident *old = find(incidents, incident->tag), added = *incident;
    long long left = incident->until - (long long)time(NULL);

    if (incident->until && !incident->ends_at)
        added.ends_at = ng_now() + (left > 0 ? (uint64_t)left * NG_SECOND : 0);
    if (old) {
        *old = added;
        return 0;
    }
    if (*incident->tag && incidents->list.count >= INCIDENTS_MAX)
        return -ENOSPC;
    return ng_vector_add(&incidents->list, added) ? 0 : -ENOMEM;
}

static int add_unknown(struct ng_incidents *incidents, const char *reason)
{
    struct incident incident = {.since = time(NULL)};

    (void)snprintf(incident.reason, sizeof(incident.reason), "%s", reason);
    ng_log(NG_LOG_WARNING, "incident: %s: every deployment is strict until `namegate incident off`", reason);
    return add(incidents, &incident);
}

static int read_file(struct ng_incidents *incidents, FILE *file)
{
    _cleanup_free_ char *line = NULL;
    size_t room = 0;
    int r = 0;

    while (r == 0 && getline(&line, &room, file) > 0) {
        struct incident incident;

        r = read_line(line, &incident) ? add(incidents, &incident)
                                       : add_unknown(incidents, "the record of incidents makes no sense");
    }
    return r;
}

int ng_incidents_load(const char *state_dir, struct ng_incidents **ret_incidents)
{
    struct ng_incidents *incidents = calloc(1, sizeof(*incidents));
    _cleanup_free_ char *path = NULL;
    _cleanup_file_ FILE *file = NULL;
    int r = 0;

    if (!incidents || asprintf(&path, "%s/" FILE_NAME, state_dir) < 0) {
        free(incidents);
        return -ENOMEM;
    }
    file = fopen(path, "re");
    if (file)
        r = read_file(incidents, file);
    else if (errno != ENOENT)
        r = add_unknown(incidents, "the record of incidents cannot be read");
    if (r < 0) {
        ng_incidents_free(incidents);
        return r;
    }
    *ret_incidents = incidents;
    return 0;
}

/* --- the switches */

static int set_tags(struct ng_keeper *keeper)
{
    int r = 0;

    for (struct ng_live *live = keeper->lives; live; live = live->next) {
        uint8_t on = ng_incidents_tag(keeper->incidents, live->kernel.tag) ? NG_DEPLOYMENT_INCIDENT : 0;
        struct ng_deployment changed = live->kernel;
        int s;

        if ((live->kernel.flags & NG_DEPLOYMENT_INCIDENT) == on)
            continue;
        changed.flags = (uint8_t)((changed.flags & ~NG_DEPLOYMENT_INCIDENT) | on);
        s = ng_gate_update_deployment(keeper->gate, live->cgroup, &changed);
        if (s == 0)
            live->kernel = changed; /* else the next tick tries again */
        ng_lives_denied_more(keeper, true);
        r = s < 0 ? s : r;
    }
    return r;
}

static int put_in_force(struct ng_keeper *keeper)
{
    int r = 0;

    if (keeper->state.incident != ng_incidents_all(keeper->incidents)) {
        keeper->state.incident = ng_incidents_all(keeper->incidents);
        r = ng_keeper_set_state(keeper);
        ng_lives_denied_more(keeper, true);
    }
    return r < 0 ? r : set_tags(keeper);
}

int ng_incidents_adopt(struct ng_keeper *keeper)
{
    int r = 0;

    if (keeper->state.incident && !ng_incidents_all(keeper->incidents))
        r = add_unknown(keeper->incidents, "it was on in the kernel, and is not on record");
    if (r == 0)
        keeper->state.incident = ng_incidents_all(keeper->incidents);
    return r;
}

/* --- what happens, on record */

static void record(struct ng_keeper *keeper, const char *event, const struct incident *incident, json_t *by)
{
    json_t *line = json_pack("{s:s, s:n, s:s, s:o, s:o}", "type", "incident", "time", "event", event, "incident",
                             incident_json(incident), "by", by ? by : json_null());

    ng_log(NG_LOG_WARNING, "incident %s: %s%s%s%s", event, *incident->tag ? "tag " : "every deployment",
           incident->tag, *incident->reason ? ": " : "", incident->reason);
    ng_records_add(keeper->records, line, 0);
}

void ng_incidents_tick(struct ng_keeper *keeper)
{
    struct ng_incidents *incidents = keeper->incidents;
    uint64_t now = ng_now();
    bool over_now = false;

    for (size_t i = incidents->list.count; i-- > 0;) {
        struct incident over = incidents->list.items[i];

        if (!over.ends_at || over.ends_at > now)
            continue;
        incidents->list.items[i] = incidents->list.items[--incidents->list.count];
        record(keeper, "over", &over, NULL);
        over_now = true;
    }
    if (put_in_force(keeper) < 0)
        ng_log(NG_LOG_ERROR, "cannot change the switches in the kernel");
    if (over_now && save(keeper) < 0)
        ng_log(NG_LOG_ERROR, "cannot write %s/" FILE_NAME ": %m", keeper->options.state_dir);
}

/* --- the command */

static void reply_done(struct ng_keeper *keeper, struct ng_connection *connection, uint64_t asked_at, uint64_t done_at)
{
    int r = save(keeper);
    json_t *reply = json_pack("{s:I, s:o}", "in_force_us", (json_int_t)((done_at - asked_at) / 1000), "incidents",
                              ng_incidents_json(keeper->incidents));

    if (r < 0 && reply)
        (void)json_object_set_new(reply, "warning",
                                  json_sprintf("it is in force, but a restart of the host forgets it: cannot write "
                                               "%s/" FILE_NAME ": %s", keeper->options.state_dir, strerror(-r)));
    ng_connection_reply(connection, reply);
}

/* All or nothing: what could not be put in force everywhere is not. */
static void take_back(struct ng_keeper *keeper, const struct incident *old, const char *tag)
{
    if (old->since)
        (void)add(keeper->incidents, old);
    else
        *find(keeper->incidents, tag) = keeper->incidents->list.items[--keeper->incidents->list.count];
    (void)put_in_force(keeper);
}

static void begin(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request, const char *tag)
{
    const char *reason = json_string_value(json_object_get(request, "reason"));
    json_int_t seconds = json_integer_value(json_object_get(request, "seconds"));
    struct incident incident = {.since = time(NULL), .uid = ng_connection_peer(connection)->uid};
    const struct incident *before = find(keeper->incidents, tag);
    struct incident old = before ? *before : (struct incident){.since = 0};
    uint64_t asked_at = ng_now(), done_at;
    int r;

    if (seconds < 0 || seconds > SECONDS_MAX) {
        ng_connection_fail(connection, "an incident lasts a year at most", NULL);
        return;
    }
    if (reason && strlen(reason) > REASON_MAX) {
        ng_connection_fail(connection, "the reason is too long: 400 octets at most", NULL);
        return;
    }
    (void)snprintf(incident.tag, sizeof(incident.tag), "%s", tag);
    (void)snprintf(incident.reason, sizeof(incident.reason), "%s", reason ? reason : "");
    incident.until = seconds ? incident.since + seconds : 0;
    r = add(keeper->incidents, &incident);
    if (r == 0) {
        r = put_in_force(keeper);
        if (r < 0)
            take_back(keeper, &old, tag);
    }
    if (r < 0) {
        ng_connection_fail(connection, r == -ENOSPC ? "there are too many incidents" : strerror(-r),
                           "namegate incident status shows what is in force");
        return;
    }
    done_at = ng_now();
    record(keeper, "on", &incident, ng_evidence_peer(ng_connection_peer(connection)));
    reply_done(keeper, connection, asked_at, done_at);
}

static void end(struct ng_keeper *keeper, struct ng_connection *connection, const char *tag)
{
    struct incident *incident = find(keeper->incidents, tag);
    uint64_t asked_at = ng_now(), done_at;
    struct incident over;

    if (!incident) {
        ng_connection_fail(connection, *tag ? "there is no incident for that tag" : "there is no incident for all",
                           "namegate incident status shows those that there are");
        return;
    }
    over = *incident;
    *incident = keeper->incidents->list.items[--keeper->incidents->list.count];
    if (put_in_force(keeper) < 0)
        ng_log(NG_LOG_ERROR, "cannot change the switches in the kernel");
    done_at = ng_now();
    record(keeper, "off", &over, ng_evidence_peer(ng_connection_peer(connection)));
    reply_done(keeper, connection, asked_at, done_at);
}

void ng_incidents_request(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request)
{
    const char *action = json_string_value(json_object_get(request, "action"));
    const char *tag = json_string_value(json_object_get(request, "tag"));
    bool on = action && strcmp(action, "on") == 0, off = action && strcmp(action, "off") == 0;

    if (action && strcmp(action, "status") == 0)
        ng_connection_reply(connection, json_pack("{s:o}", "incidents", ng_incidents_json(keeper->incidents)));
    else if (!on && !off)
        ng_connection_fail(connection, "an incident is 'on', 'off' or 'status'", NULL);
    else if (ng_connection_peer(connection)->uid != 0)
        ng_connection_fail(connection, "only root may do this", NULL);
    else if (tag && !ng_tag_valid(tag))
        ng_connection_fail(connection, "that is no tag", NULL);
    /* Whom it makes strict must not end it, nor put a shorter one in its place. */
    else if ((off || find(keeper->incidents, tag ? tag : "")) &&
             ng_lives_hold(keeper, ng_connection_peer(connection)->pid))
        ng_connection_fail(connection, "a deployment cannot end or change an incident", "do it outside of deployments");
    else if (on)
        begin(keeper, connection, request, tag ? tag : "");
    else
        end(keeper, connection, tag ? tag : "");
}
