// SPDX-License-Identifier: BSD-2-Clause
#include "grant.h"

#include "await.h"
#include "evidence.h"
#include "keeper.h"
#include "replace.h"
#include "text.h"

#include "../policy/vector.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <string.h>
#include <time.h>

#define FILE_NAME "grants"
#define REASON_MAX 400
#define SECONDS_MAX 86400LL
#define GRANTS_MAX 64
#define PATIENCE (2 * NG_SECOND) /* for upstreams, before whoever asked is answered */

NG_DEFINE_CLEANUP(json, json_t, json_decref)

struct grant {
    char tag[NG_TAG_LEN];
    struct ng_name name;
    long long since, until; /* s of CLOCK_REALTIME, which goes on while the host is down */
    uint64_t ends_at;       /* ns of CLOCK_BOOTTIME, which nobody can set back */
    char reason[REASON_MAX + 1];
    uid_t uid; /* who gave it */
};

/* Whoever asked for one waits until its addresses are known. */
struct waiting {
    struct ng_keeper *keeper;
    struct ng_connection *connection;
    struct ng_await *await;
};

struct ng_grants {
    NG_VECTOR(struct grant) list;
};

static struct grant *find(const struct ng_grants *grants, const char *tag, const struct ng_name *name)
{
    for (size_t i = 0; i < grants->list.count; i++) {
        struct grant *it = &grants->list.items[i];

        if (strcmp(it->tag, tag) == 0 && (!name || ng_name_equal(&it->name, name)))
            return it;
    }
    return NULL;
}

bool ng_grants_tag(const struct ng_grants *grants, const char *tag)
{
    return find(grants, tag, NULL) != NULL;
}

bool ng_grants_name(const struct ng_grants *grants, const char *tag, const struct ng_name *name)
{
    return find(grants, tag, name) != NULL;
}

void ng_grants_free(struct ng_grants *grants)
{
    if (!grants)
        return;
    ng_vector_free(&grants->list);
    free(grants);
}

static json_t *grant_json(const struct grant *grant)
{
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:I}", "tag", grant->tag, "name", ng_json_name(&grant->name), "since",
                     ng_json_seconds(grant->since), "until", ng_json_seconds(grant->until), "reason",
                     ng_json_text(grant->reason, strlen(grant->reason)), "uid", (json_int_t)grant->uid);
}

unsigned ng_grants_count(const struct ng_grants *grants)
{
    return (unsigned)grants->list.count;
}

json_t *ng_grants_json(const struct ng_grants *grants)
{
    json_t *list = json_array();

    for (size_t i = 0; i < grants->list.count; i++)
        (void)json_array_append_new(list, grant_json(&grants->list.items[i]));
    return list;
}

/* --- the file: a line for each */

static int save(const struct ng_keeper *keeper)
{
    const struct ng_grants *grants = keeper->grants;
    struct ng_replace replace;
    int r;

    if (keeper->options.private)
        return 0;
    r = ng_replace_begin(keeper->options.state_dir, FILE_NAME, &replace);
    if (r < 0)
        return r;
    for (size_t i = 0; i < grants->list.count; i++) {
        const struct grant *it = &grants->list.items[i];
        _cleanup_(ng_cleanup_json) json_t *line = json_pack(
            "{s:s, s:o, s:I, s:I, s:o, s:I}", "tag", it->tag, "name", ng_json_name(&it->name), "since",
            (json_int_t)it->since, "until", (json_int_t)it->until, "reason",
            ng_json_text(it->reason, strlen(it->reason)), "uid", (json_int_t)it->uid);

        if (line)
            (void)json_dumpf(line, replace.file, JSON_COMPACT);
        (void)fputc('\n', replace.file);
    }
    return ng_replace_end(&replace);
}

static bool read_line(const char *line, struct grant *ret_grant)
{
    _cleanup_(ng_cleanup_json) json_t *json = json_loads(line, 0, NULL);
    const char *tag = json_string_value(json_object_get(json, "tag"));
    const char *name = json_string_value(json_object_get(json, "name"));
    const char *reason = json_string_value(json_object_get(json, "reason"));
    json_int_t uid = 0, since = 0, until = 0;
    long long left;

    if (!tag || !name || !reason || !ng_tag_valid(tag) ||
        json_unpack(json, "{s:I, s:I, s:I}", "since", &since, "until", &until, "uid", &uid) < 0 ||
        ng_name_from_text(name, strlen(name), &ret_grant->name) < 0)
        return false;
    ret_grant->since = since;
    ret_grant->until = until;
    ret_grant->uid = (uid_t)uid;
    (void)snprintf(ret_grant->tag, sizeof(ret_grant->tag), "%s", tag);
    (void)snprintf(ret_grant->reason, sizeof(ret_grant->reason), "%s", reason);
    left = until - (long long)time(NULL);
    if (left > SECONDS_MAX)
        left = SECONDS_MAX;
    ret_grant->ends_at = ng_now() + (left > 0 ? (uint64_t)left * NG_SECOND : 0);
    return true;
}

int ng_grants_load(const char *state_dir, struct ng_grants **ret_grants)
{
    struct ng_grants *grants = calloc(1, sizeof(*grants));
    _cleanup_free_ char *path = NULL, *line = NULL;
    _cleanup_file_ FILE *file = NULL;
    size_t room = 0;

    if (!grants || asprintf(&path, "%s/" FILE_NAME, state_dir) < 0) {
        free(grants);
        return -ENOMEM;
    }
    file = fopen(path, "re");
    if (!file && errno != ENOENT)
        ng_log(NG_LOG_WARNING, "cannot read %s, so that nothing of it is granted: %m", path);
    while (file && getline(&line, &room, file) > 0) {
        struct grant grant = {.since = 0};

        if (!read_line(line, &grant))
            ng_log(NG_LOG_WARNING, "%s: a line makes no sense, and is not granted", path);
        else if (grants->list.count < GRANTS_MAX && !ng_vector_add(&grants->list, grant)) {
            ng_grants_free(grants);
            return -ENOMEM;
        }
    }
    *ret_grants = grants;
    return 0;
}

/* --- in force: in the kernel whether grants count at all, at the resolver which */

/* 0 or -errno: a resolver that cannot be reached is followed by another, which is told anew. */
static int send_one(struct ng_keeper *keeper, const struct ng_live *live, const struct grant *grant, uint64_t token)
{
    struct ng_message_grant message = {.type = NG_MESSAGE_GRANT,
                                       .scope = live->kernel.scope,
                                       .until = grant->ends_at,
                                       .token = token,
                                       .name = {.length = grant->name.length}};

    memcpy(message.name.wire, grant->name.wire, grant->name.length);
    return ng_child_send(keeper->child, &message, sizeof(message), -1, -1);
}

void ng_grants_send(struct ng_keeper *keeper, const struct ng_live *live)
{
    const struct ng_grants *grants = keeper->grants;

    for (size_t i = 0; i < grants->list.count; i++)
        if (strcmp(grants->list.items[i].tag, live->kernel.tag) == 0)
            (void)send_one(keeper, live, &grants->list.items[i], 0);
}

/* Tells of one grant, or of its end. Returns for how many deployments. */
static unsigned send_to_all(struct ng_keeper *keeper, const struct grant *grant, uint64_t token)
{
    unsigned count = 0;

    for (const struct ng_live *live = keeper->lives; live && keeper->child_ready; live = live->next)
        if (strcmp(live->kernel.tag, grant->tag) == 0)
            count += send_one(keeper, live, grant, token) == 0;
    return count;
}

static int set_flags(struct ng_keeper *keeper)
{
    int r = 0;

    for (struct ng_live *live = keeper->lives; live; live = live->next) {
        uint8_t on = ng_grants_tag(keeper->grants, live->kernel.tag) ? NG_DEPLOYMENT_GRANTS : 0;
        struct ng_deployment changed = live->kernel;
        int s;

        if ((live->kernel.flags & NG_DEPLOYMENT_GRANTS) == on)
            continue;
        changed.flags = (uint8_t)((changed.flags & ~NG_DEPLOYMENT_GRANTS) | on);
        s = ng_gate_update_deployment(keeper->gate, live->cgroup, &changed);
        if (s == 0)
            live->kernel = changed; /* else the next tick tries again */
        r = s < 0 ? s : r;
    }
    return r;
}

static void record(struct ng_keeper *keeper, const char *event, const struct grant *grant, json_t *by)
{
    char name[NG_NAME_TEXT_MAX];

    (void)ng_name_to_text(&grant->name, name);
    ng_log(NG_LOG_WARNING, "grant %s: %s for tag %s: %s", event, name, grant->tag, grant->reason);
    ng_records_add(keeper->records,
                   json_pack("{s:s, s:n, s:s, s:o, s:o}", "type", "grant", "time", "event", event, "grant",
                             grant_json(grant), "by", by ? by : json_null()),
                   0);
}

/* Takes it off the list, and away from who has it. */
static void take_away(struct ng_keeper *keeper, struct grant *grant, const char *event, json_t *by)
{
    struct grant over = *grant;

    *grant = keeper->grants->list.items[--keeper->grants->list.count];
    if (set_flags(keeper) < 0)
        ng_log(NG_LOG_ERROR, "cannot change the deployments in the kernel");
    over.ends_at = 0;
    (void)send_to_all(keeper, &over, 0);
    ng_lives_denied_more(keeper, true);
    record(keeper, event, &over, by);
}

/* --- the command */

static void reply(struct ng_keeper *keeper, struct ng_connection *connection, bool resolved)
{
    int r = save(keeper);
    json_t *answer = json_pack("{s:b, s:o}", "resolved", resolved, "grants", ng_grants_json(keeper->grants));

    if (r < 0 && answer)
        (void)json_object_set_new(answer, "warning",
                                  json_sprintf("it is in force, but a restart of the daemon forgets it: cannot write "
                                               "%s/" FILE_NAME ": %s", keeper->options.state_dir, strerror(-r)));
    ng_connection_reply(connection, answer);
}

static void resolved(void *arg, bool done)
{
    struct waiting *waiting = arg;
    struct ng_connection *connection = waiting->connection;
    struct ng_keeper *keeper = waiting->keeper;

    free(waiting);
    ng_connection_keep(connection, NULL, NULL);
    reply(keeper, connection, done);
}

void ng_grants_tick(struct ng_keeper *keeper)
{
    struct ng_grants *grants = keeper->grants;
    bool over = false;

    for (size_t i = grants->list.count; i-- > 0;)
        if (grants->list.items[i].ends_at <= ng_now()) {
            take_away(keeper, &grants->list.items[i], "over", NULL);
            over = true;
        }
    if (set_flags(keeper) < 0)
        ng_log(NG_LOG_ERROR, "cannot change the deployments in the kernel");
    if (over && save(keeper) < 0)
        ng_log(NG_LOG_ERROR, "cannot write %s/" FILE_NAME ": %m", keeper->options.state_dir);
}

static void gone(void *arg, void *data)
{
    struct waiting *waiting = data;

    (void)arg;
    ng_await_cancel(waiting->await);
    free(waiting);
}

static const char *check_request(const json_t *request, struct grant *ret_grant)
{
    const char *reason = json_string_value(json_object_get(request, "reason"));
    json_int_t seconds = json_integer_value(json_object_get(request, "seconds"));

    if (seconds <= 0 || seconds > SECONDS_MAX)
        return "a grant lasts a day at most, and its time must be given";
    if (!reason || !*reason || strlen(reason) > REASON_MAX)
        return "the reason must be given, in 400 octets at most";
    (void)snprintf(ret_grant->reason, sizeof(ret_grant->reason), "%s", reason);
    ret_grant->since = time(NULL);
    ret_grant->until = ret_grant->since + seconds;
    ret_grant->ends_at = ng_now() + (uint64_t)seconds * NG_SECOND;
    return NULL;
}

static void begin(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request,
                  struct grant *grant)
{
    struct ng_grants *grants = keeper->grants;
    struct grant *before = find(grants, grant->tag, &grant->name);
    struct waiting *waiting = malloc(sizeof(*waiting));
    struct ng_await *await = waiting ? ng_await_new(keeper, PATIENCE, resolved, waiting) : NULL;
    const char *wrong = check_request(request, grant);
    unsigned sent;

    if (!wrong && !before && grants->list.count == GRANTS_MAX)
        wrong = "there are 64 grants already";
    if (wrong || !await || (!before && !ng_vector_add(&grants->list, *grant))) {
        ng_await_cancel(await);
        free(waiting);
        ng_connection_fail(connection, wrong ? wrong : "out of memory", NULL);
        return;
    }
    if (before)
        *before = *grant;
    if (set_flags(keeper) < 0)
        ng_log(NG_LOG_ERROR, "cannot change the deployments in the kernel"); /* the next tick tries again */
    record(keeper, "on", grant, ng_evidence_peer(ng_connection_peer(connection)));
    *waiting = (struct waiting){.keeper = keeper, .connection = connection, .await = await};
    ng_connection_keep(connection, waiting, gone);
    sent = send_to_all(keeper, grant, ng_await_token(await));
    if (sent > 0) {
        ng_await_answers(await, sent);
        return;
    }
    ng_await_cancel(await);
    resolved(waiting, false); /* those that come are told then */
}

static void end(struct ng_keeper *keeper, struct ng_connection *connection, const struct grant *named)
{
    struct grant *grant = find(keeper->grants, named->tag, &named->name);

    if (!grant) {
        ng_connection_fail(connection, "there is no such grant", "namegate allow --status shows those that there are");
        return;
    }
    take_away(keeper, grant, "off", ng_evidence_peer(ng_connection_peer(connection)));
    reply(keeper, connection, false);
}

void ng_grants_request(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request)
{
    const char *action = json_string_value(json_object_get(request, "action"));
    const char *tag = json_string_value(json_object_get(request, "tag"));
    const char *name = json_string_value(json_object_get(request, "name"));
    bool on = action && strcmp(action, "on") == 0, off = action && strcmp(action, "off") == 0;
    struct grant grant = {.uid = ng_connection_peer(connection)->uid};

    if (action && strcmp(action, "status") == 0) {
        ng_connection_reply(connection, json_pack("{s:o}", "grants", ng_grants_json(keeper->grants)));
        return;
    }
    if (!on && !off) {
        ng_connection_fail(connection, "a grant is 'on', 'off' or 'status'", NULL);
    } else if (grant.uid != 0) {
        ng_connection_fail(connection, "only root may do this", NULL);
    } else if (ng_lives_hold(keeper, ng_connection_peer(connection)->pid)) {
        ng_connection_fail(connection, "a deployment cannot grant itself anything", "do it outside of deployments");
    } else if (!tag || !ng_tag_valid(tag)) {
        ng_connection_fail(connection, "a tag is needed: of which deployments?", "namegate list shows them");
    } else if (!name || ng_name_from_text(name, strlen(name), &grant.name) < 0) {
        ng_connection_fail(connection, "that is no name", "a name such as github.com; a grant is for no more than one");
    } else {
        (void)snprintf(grant.tag, sizeof(grant.tag), "%s", tag);
        if (on)
            begin(keeper, connection, request, &grant);
        else
            end(keeper, connection, &grant);
    }
}
