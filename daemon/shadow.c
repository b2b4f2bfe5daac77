// SPDX-License-Identifier: BSD-2-Clause
/* STATE-DIR/shadow is one line of JSON, the setting, and behind it the snapshot. A later release that cannot read the
 * snapshot compiles the setting again. */
#include "shadow.h"

#include "account.h"
#include "evidence.h"
#include "host.h"
#include "keeper.h"
#include "replace.h"
#include "text.h"

#include "../policy/bits.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#define FILE_NAME "shadow"
#define POLICY_NAME "the shadow" /* of a file's; no policy of a set can have it */
#define RETRY_UNTIL (60 * NG_SECOND)

NG_DEFINE_CLEANUP(json, json_t, json_decref)
#define _cleanup_json_ _cleanup_(ng_cleanup_json)
NG_DEFINE_CLEANUP(shadow, struct ng_shadow, ng_shadow_free)
#define _cleanup_shadow_ _cleanup_(ng_cleanup_shadow)

struct ng_shadow {
    json_t *setting;
    int fd;
    struct ng_snapshot *snapshot;
    struct ng_message_start guard; /* of which the never-deny set counts */
    uint64_t differences;
    uint64_t until_tried_at;       /* ns */
    struct ng_case judged;         /* the one in work */
};

static const char *text_of(const json_t *setting, const char *key)
{
    return json_string_value(json_object_get(setting, key));
}

void ng_shadow_free(struct ng_shadow *shadow)
{
    if (!shadow)
        return;
    json_decref(shadow->setting);
    ng_snapshot_free(shadow->snapshot);
    (void)ng_close(shadow->fd);
    free(shadow);
}

/* --- compiling */

static int compile(const json_t *setting, const char *policies, struct ng_diag *diag, int *ret_fd)
{
    const char *path = text_of(setting, "path"), *text = text_of(setting, "text");
    struct ng_source source = {.path = path, .text = text, .length = text ? strlen(text) : 0, .as = POLICY_NAME};

    return text ? ng_policy_compile_dir(policies, &source, 1, diag, ret_fd)
                : ng_policy_compile_dir(path, NULL, 0, diag, ret_fd);
}

/* From a snapshot, which is taken over also when it cannot be read. */
static int make(const json_t *setting, int fd, struct ng_shadow **ret_shadow)
{
    _cleanup_shadow_ struct ng_shadow *shadow = calloc(1, sizeof(*shadow));
    int r;

    if (!shadow) {
        (void)ng_close(fd);
        return -ENOMEM;
    }
    shadow->fd = fd;
    shadow->setting = json_deep_copy(setting);
    r = shadow->setting ? ng_snapshot_open(fd, &shadow->snapshot) : -ENOMEM;
    if (r < 0)
        return r;
    *ret_shadow = TAKE_PTR(shadow);
    return 0;
}

int ng_shadow_new(const json_t *setting, const char *policies, struct ng_error *error, struct ng_shadow **ret_shadow,
                  char **ret_warnings)
{
    struct ng_diag *diag = ng_diag_new();
    _cleanup_free_ char *text = NULL;
    int fd = -1, r = diag ? compile(setting, policies, diag, &fd) : -ENOMEM;

    if (r == 0)
        r = make(setting, fd, ret_shadow);
    text = diag ? ng_diag_text(diag) : NULL;
    ng_diag_free(diag);
    if (r < 0)
        return ng_error_set(error, -r, NULL, "%s", text && *text ? text : strerror(-r));
    *ret_warnings = TAKE_PTR(text);
    return 0;
}

/* --- the file */

struct mapped {
    char *block;
    size_t size;
};

static int map(int fd, struct mapped *ret_mapped)
{
    struct stat info;
    void *block;

    if (fstat(fd, &info) < 0)
        return -errno;
    if (info.st_size <= 0)
        return -EBADMSG;
    block = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (block == MAP_FAILED)
        return -errno;
    *ret_mapped = (struct mapped){block, (size_t)info.st_size};
    return 0;
}

static void unmap(struct mapped *mapped)
{
    if (mapped->block)
        (void)munmap(mapped->block, mapped->size);
}

/* A private daemon judges by what was set when it started; what is set is the host's. */
static int save(const struct ng_keeper *keeper, const struct ng_shadow *shadow)
{
    _cleanup_(unmap) struct mapped mapped = {0};
    _cleanup_free_ char *line = json_dumps(shadow->setting, JSON_COMPACT);
    struct ng_replace replace;
    int r = line ? map(shadow->fd, &mapped) : -ENOMEM;

    if (r < 0 || keeper->options.private)
        return r;
    r = ng_replace_begin(keeper->options.state_dir, FILE_NAME, &replace);
    if (r < 0)
        return r;
    (void)fprintf(replace.file, "%s\n", line);
    (void)fwrite(mapped.block, 1, mapped.size, replace.file);
    return ng_replace_end(&replace);
}

/* The same of one that is in force already. */
static void keep(const struct ng_keeper *keeper, const struct ng_shadow *shadow)
{
    int r = save(keeper, shadow);

    if (r < 0)
        ng_log(NG_LOG_ERROR, "cannot write %s/" FILE_NAME ": %s", keeper->options.state_dir, strerror(-r));
}

static int forget(const struct ng_keeper *keeper)
{
    _cleanup_free_ char *path = NULL;

    if (keeper->options.private)
        return 0;
    if (asprintf(&path, "%s/" FILE_NAME, keeper->options.state_dir) < 0)
        return -ENOMEM;
    return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

/* The setting, and a descriptor of what is behind it. */
static int read_file(const char *path, json_t **ret_setting, int *ret_fd)
{
    _cleanup_(unmap) struct mapped mapped = {0};
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    _cleanup_json_ json_t *setting = NULL;
    const char *end;
    int r = fd < 0 ? -errno : map(fd, &mapped);

    if (r < 0)
        return r;
    end = memchr(mapped.block, '\n', mapped.size);
    setting = end ? json_loadb(mapped.block, (size_t)(end - mapped.block), 0, NULL) : NULL;
    if (!text_of(setting, "path"))
        return -EBADMSG;
    r = ng_seal(end + 1, mapped.size - (size_t)(end + 1 - mapped.block), ret_fd);
    if (r == 0)
        *ret_setting = TAKE_PTR(setting);
    return r;
}

static void guard(struct ng_keeper *keeper, struct ng_shadow *shadow)
{
    (void)ng_host_guard(&keeper->config, &shadow->guard);
    keeper->shadow = shadow;
}

void ng_shadow_load(struct ng_keeper *keeper)
{
    _cleanup_free_ char *path = NULL, *warnings = NULL;
    _cleanup_json_ json_t *setting = NULL;
    struct ng_shadow *shadow = NULL;
    struct ng_error error = {.text = "it makes no sense"};
    int fd = -1, r = asprintf(&path, "%s/" FILE_NAME, keeper->options.state_dir) < 0 ? -ENOMEM : 0;

    if (r == 0)
        r = read_file(path, &setting, &fd);
    if (r == -ENOENT)
        return;
    if (r == 0 && make(setting, fd, &shadow) < 0) { /* of another release */
        r = ng_shadow_new(setting, keeper->options.policies, &error, &shadow, &warnings);
        if (r == 0)
            keep(keeper, shadow);
    }
    if (r == 0) {
        guard(keeper, shadow);
        return;
    }
    ng_log(NG_LOG_WARNING, "there is no shadow policy any more: %s", error.text);
    ng_records_add(keeper->records, ng_evidence_trouble("shadow", error.text, NULL, NULL), 0);
}

void ng_shadow_tick(struct ng_keeper *keeper)
{
    struct ng_shadow *shadow = keeper->shadow, *new = NULL;
    uint64_t at = shadow ? ng_snapshot_changes_at(shadow->snapshot) : 0, now = ng_now();
    _cleanup_free_ char *warnings = NULL;
    struct ng_error error;

    if (!at || (uint64_t)time(NULL) < at || (shadow->until_tried_at && now - shadow->until_tried_at < RETRY_UNTIL))
        return;
    shadow->until_tried_at = now;
    if (ng_shadow_new(shadow->setting, keeper->options.policies, &error, &new, &warnings) < 0) {
        ng_log(NG_LOG_ERROR, "a rule of the shadow policy has ended, but it cannot be read, so it goes on:\n%s",
               error.text);
        return;
    }
    new->differences = shadow->differences;
    ng_shadow_free(shadow);
    guard(keeper, new);
    keep(keeper, new);
}

/* --- judging */

struct adding {
    struct ng_case *it;
    const struct ng_live *live;
    uint64_t now;
};

/* What is in force of a name, as claims are: denials that were so at the deployment's start or since; what it asked for
 * itself to its end, what others asked for until it is over. */
static void add_resolution(void *arg, const struct ng_resolution *resolution)
{
    const struct adding *adding = arg;
    bool told = ng_resolution_asked_by(resolution, adding->live->kernel.scope);
    bool fresh = resolution->replied_at && resolution->expires_at > adding->now;

    if (!told && resolution->expires_at <= adding->live->kernel.started_at)
        return;
    for (unsigned i = 0; i < resolution->links; i++)
        (void)ng_case_add(adding->it, &resolution->chain[i], i == 0 && (told || fresh));
}

/* The policy that a deployment is judged by; <0: none. */
static int policy_of(const struct ng_shadow *shadow, const struct ng_live *live)
{
    const char *tag = text_of(shadow->setting, "tag");

    if (tag && strcmp(tag, live->kernel.tag) != 0)
        return -ENOENT;
    return ng_snapshot_find(shadow->snapshot, text_of(shadow->setting, "text") ? POLICY_NAME : live->kernel.name);
}

const char *ng_shadow_judge(struct ng_shadow *shadow, const struct ng_live *live, const struct ng_event *event,
                            struct ng_track *track, const struct ng_shadow_facts *facts,
                            struct ng_opinion *ret_opinion)
{
    struct ng_case *it = &shadow->judged;
    struct adding adding = {.it = it, .live = live, .now = event->time};
    int policy = policy_of(shadow, live);
    struct ng_policy_info info;

    if (policy < 0)
        return NULL;
    ng_case_make_address(shadow->snapshot, (unsigned)policy, event->address, it);
    ng_snapshot_policy(shadow->snapshot, (unsigned)policy, &info);
    if (live->kernel.mode_fixed)
        it->mode = live->kernel.mode;
    if (facts->incident || (facts->escalated && it->mode != NG_MODE_AUDIT))
        it->mode = NG_MODE_STRICT;
    it->guarded = facts->guarded;
    it->granted = facts->granted;
    it->raw = event->evidence == NG_EVIDENCE_RAW;
    it->bypassing = event->evidence == NG_EVIDENCE_RESOLVER && event->port != NG_DOT_PORT;
    it->abandoned = event->evidence == NG_EVIDENCE_ABANDONED && info.on_loss == NG_ON_LOSS_CLOSED;
    if (event->hook == NG_HOOK_DNS) {
        for (unsigned i = 0; facts->asked && i < facts->asked->links; i++)
            (void)ng_case_add(it, &facts->asked->chain[i], i == 0);
        (void)ng_case_answer(it, ret_opinion);
    } else {
        ng_track_each(track, event->address, add_resolution, &adding);
        ng_case_judge(it, event->proto, event->port, ret_opinion);
    }
    if (ret_opinion->verdict != NG_VERDICT_DENY)
        return "allow";
    return it->mode == NG_MODE_AUDIT ? "would-deny" : "deny";
}

/* --- what comes of it */

static bool is_guarded(const struct ng_message_start *guard, const uint8_t address[16])
{
    for (uint32_t i = 0; i < guard->guarded; i++)
        if (ng_inside(address, guard->guard[i].address, guard->guard[i].prefix))
            return true;
    return false;
}

static bool is_granted(const struct ng_keeper *keeper, const struct ng_live *live, const struct ng_blame *blame)
{
    bool granted = false;

    for (unsigned i = 0; live->kernel.flags & NG_DEPLOYMENT_GRANTS && i < blame->holders; i++)
        granted |= ng_grants_name(keeper->grants, live->kernel.tag, &blame->holder[i]->chain[0]);
    return granted;
}

static json_t *rule_json(const struct ng_opinion *opinion)
{
    struct ng_blame blame = {.has_rule = opinion->has_rule};

    if (opinion->has_rule)
        blame.rule = opinion->rule;
    return ng_evidence_rule(&blame);
}

static json_t *reason_json(const struct ng_opinion *opinion)
{
    const struct ng_rule_info *rule = &opinion->rule;
    char text[2 * NG_REASON_MAX];

    if (!opinion->has_rule)
        return json_string(ng_opinion_text(opinion));
    (void)snprintf(text, sizeof(text), "%s%s%s", rule->path, *rule->path && *rule->reason ? ": " : "", rule->reason);
    return ng_json_text(text, strlen(text));
}

static json_t *record_json(const struct ng_shadow *shadow, const struct ng_live *live, const struct ng_blame *blame,
                           const char *verdict, const char *judged, const struct ng_opinion *opinion, json_t *rule)
{
    json_t *record = ng_evidence_denial(blame, live);
    const char *instead = opinion->has_rule ? opinion->rule.instead : "";
    json_t *more = json_pack("{s:s, s:s, s:s, s:O, s:O, s:o, s:o}", "type", "shadow", "verdict", verdict,
                             "shadow_verdict", judged, "shadow_path", json_object_get(shadow->setting, "path"),
                             "shadow_rule", rule, "shadow_reason", reason_json(opinion), "shadow_instead",
                             ng_json_text(instead, strlen(instead)));

    if (!record || !more || json_object_update(record, more) < 0) {
        json_decref(record);
        record = NULL;
    }
    json_decref(more);
    return record;
}

void ng_shadow_event(struct ng_keeper *keeper, const struct ng_live *live, const struct ng_blame *blame,
                     const char *verdict)
{
    struct ng_shadow *shadow = keeper->shadow;
    struct ng_shadow_facts facts = {.escalated = keeper->state.escalated};
    _cleanup_json_ json_t *rule = NULL;
    struct ng_opinion opinion;
    const char *judged;

    if (!shadow)
        return;
    facts.incident = keeper->state.incident || live->kernel.flags & NG_DEPLOYMENT_INCIDENT;
    facts.guarded = is_guarded(&shadow->guard, blame->event->address);
    facts.granted = is_granted(keeper, live, blame);
    facts.asked = blame->guilty;
    judged = ng_shadow_judge(shadow, live, blame->event, keeper->track, &facts, &opinion);
    if (!judged || strcmp(judged, verdict) == 0)
        return;
    shadow->differences++;
    rule = rule_json(&opinion);
    ng_records_add(keeper->records, record_json(shadow, live, blame, verdict, judged, &opinion, rule),
                   blame->event->time);
    ng_account_shadow(keeper, live, blame, verdict, judged, rule);
}

/* --- the command */

json_t *ng_shadow_json(const struct ng_shadow *shadow)
{
    if (!shadow)
        return json_null();
    return json_pack("{s:O, s:b, s:O, s:o, s:O, s:I}", "path", json_object_get(shadow->setting, "path"), "directory",
                     text_of(shadow->setting, "text") == NULL, "tag", json_object_get(shadow->setting, "tag"), "since",
                     ng_json_seconds(json_integer_value(json_object_get(shadow->setting, "since"))), "uid",
                     json_object_get(shadow->setting, "uid"), "differences", (json_int_t)shadow->differences);
}

static void record(struct ng_keeper *keeper, const char *event, struct ng_connection *connection)
{
    json_t *line = json_pack("{s:s, s:n, s:s, s:o, s:o}", "type", "policy", "time", "event", event, "shadow",
                             ng_shadow_json(keeper->shadow), "by", ng_evidence_peer(ng_connection_peer(connection)));

    ng_records_add(keeper->records, line, 0);
}

static void reply(struct ng_keeper *keeper, struct ng_connection *connection, const char *warnings)
{
    ng_connection_reply(connection, json_pack("{s:o, s:o}", "shadow", ng_shadow_json(keeper->shadow), "warnings",
                                              ng_json_text(warnings, strlen(warnings))));
}

static void begin(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request)
{
    const char *path = text_of(request, "path"), *text = text_of(request, "text"), *tag = text_of(request, "tag");
    _cleanup_json_ json_t *setting =
        json_pack("{s:s, s:s?, s:s?, s:I, s:I}", "path", path, "text", text, "tag", tag, "since",
                  (json_int_t)time(NULL), "uid", (json_int_t)ng_connection_peer(connection)->uid);
    _cleanup_free_ char *warnings = NULL;
    struct ng_shadow *shadow = NULL;
    struct ng_error error;
    int r = setting ? ng_shadow_new(setting, keeper->options.policies, &error, &shadow, &warnings)
                    : ng_error_set(&error, ENOMEM, NULL, "out of memory");

    if (r == 0) {
        r = save(keeper, shadow);
        if (r < 0)
            (void)ng_error_set(&error, -r, NULL, "cannot write %s/" FILE_NAME ": %s", keeper->options.state_dir,
                               strerror(-r));
    }
    if (r < 0) {
        ng_shadow_free(shadow);
        ng_connection_fail(connection, error.text, error.remedy);
        return;
    }
    ng_shadow_free(keeper->shadow);
    guard(keeper, shadow);
    record(keeper, "shadow-on", connection);
    reply(keeper, connection, warnings);
}

static void end(struct ng_keeper *keeper, struct ng_connection *connection)
{
    int r = forget(keeper);

    if (!keeper->shadow) {
        ng_connection_fail(connection, "there is no shadow policy", "namegate policy shadow FILE|DIR sets one");
        return;
    }
    if (r < 0) {
        ng_connection_fail(connection, strerror(-r), "its file in the state directory cannot be removed");
        return;
    }
    record(keeper, "shadow-off", connection);
    ng_shadow_free(keeper->shadow);
    keeper->shadow = NULL;
    reply(keeper, connection, "");
}

void ng_shadow_request(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request)
{
    const char *action = text_of(request, "action"), *path = text_of(request, "path"), *tag = text_of(request, "tag");

    if (action && strcmp(action, "status") == 0)
        reply(keeper, connection, "");
    else if (action && strcmp(action, "off") == 0)
        end(keeper, connection);
    else if (!action || strcmp(action, "on") != 0)
        ng_connection_fail(connection, "a shadow is 'on', 'off' or 'status'", NULL);
    else if (!path || (*path != '/' && !text_of(request, "text")))
        ng_connection_fail(connection, "the path of a directory of policies begins with '/'", NULL);
    else if (tag && !ng_tag_valid(tag))
        ng_connection_fail(connection, "that is no tag", NULL);
    else
        begin(keeper, connection, request);
}
