// SPDX-License-Identifier: BSD-2-Clause
/* Two threads: the caller's fills `filling`, the writer takes that as a whole and writes it. The lock is held for
 * moments only, never while SQLite works. */
#include "ledger.h"

#include "database.h"
#include "schema.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <pthread.h>
#include <string.h>

#define MS (NG_SECOND / 1000)
#define RETRY (1000 * MS)
#define RETAIN (NG_LEDGER_SEEN_S * NG_SECOND)
#define CLOSE_MAX (2 * NG_SECOND)

struct ng_ledger {
    struct ng_ledger_limits limits;
    pthread_t thread;
    pthread_mutex_t file; /* of the database */
    struct ng_database *database;
    uint64_t retain_at; /* ns; the writer's alone, as the next */
    bool overfull;      /* what lives is larger than the limit already */

    pthread_mutex_t lock; /* of all that follows */
    pthread_cond_t wake, wrote;
    struct ng_rows filling;
    unsigned writing; /* rows that the writer has */
    unsigned left;    /* rows that it could not write before it had to stop */
    uint64_t handed;  /* rows, in all */
    bool urgent; /* a begin or an end is among them: somebody may ask for a report next */
    bool stopping;
    struct ng_ledger_state state;
};

static int64_t now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Called with the lock. */
static void lose(struct ng_ledger *ledger, uint64_t count, const char *because)
{
    ledger->state.lost += count;
    ledger->state.because = because;
    ledger->state.lost_at = ng_now();
}

static void note_result(struct ng_ledger *ledger, uint64_t lost)
{
    struct ng_ledger_state *state = &ledger->state;

    (void)pthread_mutex_lock(&ledger->lock);
    state->trouble = ng_database_trouble(ledger->database);
    state->set_aside = ng_database_set_aside(ledger->database);
    if (lost)
        lose(ledger, lost, "their deployment was deleted from the ledger");
    (void)pthread_mutex_unlock(&ledger->lock);
}

static int write_rows(struct ng_ledger *ledger, const struct ng_rows *rows)
{
    uint64_t lost = 0;
    int r;

    (void)pthread_mutex_lock(&ledger->file);
    r = ng_database_write(ledger->database, rows, &lost);
    note_result(ledger, lost);
    (void)pthread_mutex_unlock(&ledger->file);
    return r;
}

static void retain(struct ng_ledger *ledger)
{
    uint64_t now = ng_now();

    (void)pthread_mutex_lock(&ledger->file);
    if (now >= ledger->retain_at ||
        (!ledger->overfull && ng_database_exceeds(ledger->database, ledger->limits.bytes))) {
        (void)ng_database_retain(ledger->database, &ledger->limits, now_us());
        note_result(ledger, 0);
        ledger->overfull = ng_database_exceeds(ledger->database, ledger->limits.bytes);
        ledger->retain_at = now + RETAIN;
    }
    (void)pthread_mutex_unlock(&ledger->file);
}

/* `until` (ns of ng_now()) as the conditions have it. */
static struct timespec monotonic(uint64_t until)
{
    struct timespec at;
    uint64_t now = ng_now();

    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    if (until > now) {
        at.tv_sec += (time_t)((until - now) / NG_SECOND);
        at.tv_nsec += (long)((until - now) % NG_SECOND);
        if (at.tv_nsec >= (long)NG_SECOND) {
            at.tv_nsec -= (long)NG_SECOND;
            at.tv_sec++;
        }
    }
    return at;
}

enum wait { WAIT_FOR_STOP, WAIT_FOR_HURRY, WAIT_FOR_ROWS };

static bool is_over(const struct ng_ledger *ledger, enum wait what)
{
    return ledger->stopping || (what == WAIT_FOR_HURRY && ledger->urgent) ||
           (what == WAIT_FOR_ROWS && ledger->filling.count);
}

/* Until that time (ns), or until what is waited for. Called with the lock. */
static void wait_until(struct ng_ledger *ledger, uint64_t until, enum wait what)
{
    struct timespec at = monotonic(until);

    while (!is_over(ledger, what))
        if (pthread_cond_timedwait(&ledger->wake, &ledger->lock, &at) != 0)
            break;
}

/* Waits for rows, gives others a while to come, and takes them all. Returns whether it goes on. */
static bool take(struct ng_ledger *ledger, struct ng_rows *rows)
{
    bool go_on;

    (void)pthread_mutex_lock(&ledger->lock);
    wait_until(ledger, ledger->retain_at, WAIT_FOR_ROWS);
    if (ledger->filling.count)
        wait_until(ledger, ng_now() + NG_LEDGER_DELAY_MS * MS, WAIT_FOR_HURRY);
    ledger->urgent = false;
    *rows = ledger->filling;
    ledger->filling = (struct ng_rows){0};
    ledger->writing = rows->count;
    go_on = !ledger->stopping;
    (void)pthread_mutex_unlock(&ledger->lock);
    return go_on;
}

/* Returns whether it is to be tried again. */
static bool wait_for_retry(struct ng_ledger *ledger)
{
    bool again;

    (void)pthread_mutex_lock(&ledger->lock);
    again = !ledger->stopping;
    wait_until(ledger, ng_now() + RETRY, WAIT_FOR_STOP);
    (void)pthread_mutex_unlock(&ledger->lock);
    return again;
}

static void *write_all(void *arg)
{
    struct ng_ledger *ledger = arg;
    bool go_on = true;

    while (go_on) {
        struct ng_rows rows;
        int r;

        go_on = take(ledger, &rows);
        do {
            r = rows.count ? write_rows(ledger, &rows) : 0;
        } while (r < 0 && wait_for_retry(ledger));
        ng_rows_clear(&rows);
        (void)pthread_mutex_lock(&ledger->lock);
        if (r < 0)
            ledger->left += ledger->writing;
        ledger->writing = 0;
        (void)pthread_cond_broadcast(&ledger->wrote);
        (void)pthread_mutex_unlock(&ledger->lock);
        if (go_on)
            retain(ledger);
    }
    return NULL;
}

int ng_ledger_open(const char *state_dir, const struct ng_ledger_limits *limits, struct ng_ledger **ret_ledger)
{
    struct ng_ledger *ledger = calloc(1, sizeof(*ledger));
    pthread_condattr_t attributes;
    int r = ledger ? ng_database_new(state_dir, &ledger->database) : -ENOMEM;

    if (r < 0) {
        free(ledger);
        return r;
    }
    ledger->limits = *limits;
    (void)pthread_mutex_init(&ledger->file, NULL);
    (void)pthread_mutex_init(&ledger->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&ledger->wake, &attributes);
    (void)pthread_cond_init(&ledger->wrote, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)ng_database_open(ledger->database);
    note_result(ledger, 0);
    r = -pthread_create(&ledger->thread, NULL, write_all, ledger);
    if (r < 0) {
        ng_database_free(ledger->database);
        free(ledger);
        return r;
    }
    *ret_ledger = ledger;
    return 0;
}

unsigned ng_ledger_free(struct ng_ledger *ledger)
{
    unsigned left;

    if (!ledger)
        return 0;
    ng_database_hurry(ledger->database, ng_now() + CLOSE_MAX);
    (void)pthread_mutex_lock(&ledger->lock);
    ledger->stopping = true;
    (void)pthread_cond_signal(&ledger->wake);
    (void)pthread_mutex_unlock(&ledger->lock);
    (void)pthread_join(ledger->thread, NULL);
    left = ledger->left;
    ng_rows_clear(&ledger->filling);
    ng_database_free(ledger->database);
    (void)pthread_cond_destroy(&ledger->wake);
    (void)pthread_cond_destroy(&ledger->wrote);
    (void)pthread_mutex_destroy(&ledger->lock);
    (void)pthread_mutex_destroy(&ledger->file);
    free(ledger);
    return left;
}

void ng_ledger_state(struct ng_ledger *ledger, struct ng_ledger_state *ret_state)
{
    (void)pthread_mutex_lock(&ledger->lock);
    *ret_state = ledger->state;
    ret_state->waiting = ledger->filling.count + ledger->writing;
    (void)pthread_mutex_unlock(&ledger->lock);
}

uint64_t ng_ledger_handed(struct ng_ledger *ledger)
{
    uint64_t handed;

    (void)pthread_mutex_lock(&ledger->lock);
    handed = ledger->handed;
    (void)pthread_mutex_unlock(&ledger->lock);
    return handed;
}

/* Called with the lock. */
static bool is_written(const struct ng_ledger *ledger, uint64_t handed)
{
    return ledger->state.trouble || ledger->handed - ledger->filling.count - ledger->writing >= handed;
}

bool ng_ledger_written(struct ng_ledger *ledger, uint64_t handed)
{
    bool written;

    (void)pthread_mutex_lock(&ledger->lock);
    written = is_written(ledger, handed);
    (void)pthread_mutex_unlock(&ledger->lock);
    return written;
}

void ng_ledger_sync(struct ng_ledger *ledger, uint64_t timeout)
{
    struct timespec at = monotonic(ng_now() + timeout);
    uint64_t wanted;

    (void)pthread_mutex_lock(&ledger->lock);
    wanted = ledger->handed;
    ledger->urgent = ledger->urgent || ledger->filling.count;
    (void)pthread_cond_broadcast(&ledger->wake);
    while (!is_written(ledger, wanted) && pthread_cond_timedwait(&ledger->wrote, &ledger->lock, &at) == 0)
        ;
    (void)pthread_mutex_unlock(&ledger->lock);
}

int ng_ledger_adopt(struct ng_ledger *ledger, const char *name, struct ng_ledger_adopted *ret_adopted)
{
    int r;

    (void)pthread_mutex_lock(&ledger->file);
    r = ng_database_adopt(ledger->database, name, ret_adopted);
    (void)pthread_mutex_unlock(&ledger->file);
    return r;
}

/* Begins and ends come even then: without them, what has room later would belong to nothing. Called with the lock. */
static void append(struct ng_ledger *ledger, enum ng_row_kind kind, const int64_t *numbers, const char *const *texts,
                   uint64_t count)
{
    bool urgent = kind == NG_ROW_START || kind == NG_ROW_FINISH;
    unsigned max = urgent ? 2 * NG_LEDGER_QUEUE_MAX : NG_LEDGER_QUEUE_MAX;

    if (ledger->filling.count + ledger->writing >= max)
        lose(ledger, count, ledger->state.trouble ? ledger->state.trouble : "there was too much at once");
    else if (ng_rows_add(&ledger->filling, kind, numbers, texts) < 0)
        lose(ledger, count, "out of memory");
    else
        ledger->handed++;
    ledger->urgent = ledger->urgent || urgent;
    if (urgent || ledger->filling.count == 1)
        (void)pthread_cond_signal(&ledger->wake);
}

/* Text of JSON; of what there is none of, `none`. */
static char *dump(const json_t *json, const char *none)
{
    if (json)
        return json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_ENCODE_ANY);
    return none ? strdup(none) : NULL;
}

void ng_ledger_start(struct ng_ledger *ledger, const struct ng_ledger_deployment *deployment)
{
    _cleanup_free_ char *argv = dump(deployment->argv, NULL);
    const int64_t numbers[] = {[NG_START_ID] = deployment->id,
                               [NG_START_UID] = deployment->uid,
                               [NG_START_STARTED] = deployment->started_us};
    const char *const texts[] = {[NG_START_NAME] = deployment->name,     [NG_START_TAG] = deployment->tag,
                                 [NG_START_POLICY] = deployment->policy, [NG_START_MODE] = deployment->mode,
                                 [NG_START_ARGV] = argv,                 [NG_START_CWD] = deployment->cwd};

    (void)pthread_mutex_lock(&ledger->lock);
    append(ledger, NG_ROW_START, numbers, texts, 1);
    (void)pthread_mutex_unlock(&ledger->lock);
}

void ng_ledger_finish(struct ng_ledger *ledger, const struct ng_ledger_end *end)
{
    const int64_t numbers[] = {[NG_FINISH_ID] = end->deployment,
                               [NG_FINISH_ENDED] = end->ended_us,
                               [NG_FINISH_STATUS] = end->has_status ? end->status : NG_ROW_NULL,
                               [NG_FINISH_DENIED] = (int64_t)end->denied,
                               [NG_FINISH_WOULD] = (int64_t)end->would,
                               [NG_FINISH_PROBES] = (int64_t)end->probes,
                               [NG_FINISH_LOST] = (int64_t)end->lost,
                               [NG_FINISH_LEFT_OUT] = (int64_t)end->left_out};

    (void)pthread_mutex_lock(&ledger->lock);
    append(ledger, NG_ROW_FINISH, numbers, NULL, 1);
    (void)pthread_mutex_unlock(&ledger->lock);
}

void ng_ledger_add_lineage(struct ng_ledger *ledger, const struct ng_ledger_lineage *lineage)
{
    _cleanup_free_ char *argv = dump(lineage->argv, NULL);
    const int64_t numbers[] = {[NG_LINEAGE_DEPLOYMENT] = lineage->deployment,
                               [NG_LINEAGE_NUMBER] = lineage->number,
                               [NG_LINEAGE_PARENT] = lineage->parent,
                               [NG_LINEAGE_PROCESSES] = lineage->processes};
    const char *const texts[] = {[NG_LINEAGE_ARGV] = argv,
                                 [NG_LINEAGE_PATH] = lineage->path ? lineage->path : "",
                                 [NG_LINEAGE_COMM] = lineage->comm ? lineage->comm : ""};
    struct ng_row *row;

    (void)pthread_mutex_lock(&ledger->lock);
    row = ng_rows_find(&ledger->filling, NG_ROW_LINEAGE, numbers, texts);
    if (row && (!argv || row->text[NG_LINEAGE_ARGV]))
        row->number[NG_LINEAGE_PROCESSES] += lineage->processes;
    else
        append(ledger, NG_ROW_LINEAGE, numbers, texts, 1);
    (void)pthread_mutex_unlock(&ledger->lock);
}

void ng_ledger_add_process(struct ng_ledger *ledger, const struct ng_ledger_process *process)
{
    bool ended = process->ended_us != 0;
    const int64_t numbers[] = {[NG_PROCESS_DEPLOYMENT] = process->deployment,
                               [NG_PROCESS_NUMBER] = process->number,
                               [NG_PROCESS_PARENT] = process->parent,
                               [NG_PROCESS_LINEAGE] = process->lineage,
                               [NG_PROCESS_PID] = process->pid,
                               [NG_PROCESS_UID] = process->uid,
                               [NG_PROCESS_STARTED] = process->started_us,
                               [NG_PROCESS_ENDED] = ended ? process->ended_us : NG_ROW_NULL,
                               [NG_PROCESS_STATUS] = ended ? process->status : NG_ROW_NULL};
    struct ng_row *row;

    (void)pthread_mutex_lock(&ledger->lock);
    row = ng_rows_find(&ledger->filling, NG_ROW_PROCESS, numbers, NULL);
    if (row) {
        row->number[NG_PROCESS_LINEAGE] = numbers[NG_PROCESS_LINEAGE];
        row->number[NG_PROCESS_ENDED] = numbers[NG_PROCESS_ENDED];
        row->number[NG_PROCESS_STATUS] = numbers[NG_PROCESS_STATUS];
    } else {
        append(ledger, NG_ROW_PROCESS, numbers, NULL, 1);
    }
    (void)pthread_mutex_unlock(&ledger->lock);
}

void ng_ledger_add_resolution(struct ng_ledger *ledger, const struct ng_ledger_resolution *resolution)
{
    _cleanup_free_ char *chain = dump(resolution->chain, "[]");
    _cleanup_free_ char *addresses = dump(resolution->addresses, "[]");
    const int64_t numbers[] = {[NG_RESOLUTION_DEPLOYMENT] = resolution->deployment,
                               [NG_RESOLUTION_LINEAGE] = resolution->lineage,
                               [NG_RESOLUTION_COUNT] = 1,
                               [NG_RESOLUTION_FIRST] = resolution->time_us,
                               [NG_RESOLUTION_LAST] = resolution->time_us};
    const char *const texts[] = {[NG_RESOLUTION_NAME] = resolution->name,
                                 [NG_RESOLUTION_CHAIN] = chain,
                                 [NG_RESOLUTION_ADDRESSES] = addresses};
    struct ng_row *row;

    (void)pthread_mutex_lock(&ledger->lock);
    row = ng_rows_find(&ledger->filling, NG_ROW_RESOLUTION, numbers, texts);
    if (row) {
        row->number[NG_RESOLUTION_COUNT]++;
        row->number[NG_RESOLUTION_LAST] = resolution->time_us;
    } else {
        append(ledger, NG_ROW_RESOLUTION, numbers, texts, 1);
    }
    (void)pthread_mutex_unlock(&ledger->lock);
}

struct flow_row {
    enum ng_row_kind kind;
    int64_t numbers[NG_ROW_NUMBERS_MAX];
    const char *texts[NG_ROW_TEXTS_MAX];
};

/* All but the JSON. */
static void fill_flow(const struct ng_ledger_flow *flow, struct flow_row *row)
{
    *row = (struct flow_row){
        .kind = flow->shadow_verdict ? NG_ROW_SHADOW : NG_ROW_FLOW,
        .numbers = {[NG_FLOW_DEPLOYMENT] = flow->deployment,
                    [NG_FLOW_LINEAGE] = flow->lineage,
                    [NG_FLOW_PORT] = flow->port,
                    [NG_FLOW_PROBE] = flow->probe,
                    [NG_FLOW_INCIDENT] = flow->incident,
                    [NG_FLOW_PID] = flow->pid,
                    [NG_FLOW_UID] = flow->uid,
                    [NG_FLOW_COUNT] = flow->count,
                    [NG_FLOW_FIRST] = flow->time_us,
                    [NG_FLOW_LAST] = flow->time_us},
        .texts = {[NG_FLOW_NAME] = flow->name,
                  [NG_FLOW_ADDRESS] = flow->address,
                  [NG_FLOW_PROTO] = flow->proto,
                  [NG_FLOW_VERDICT] = flow->verdict,
                  [NG_FLOW_EVIDENCE] = flow->evidence,
                  [NG_FLOW_COMM] = flow->comm,
                  [NG_FLOW_HOOK] = flow->hook,
                  [NG_FLOW_ERRNO] = flow->error,
                  [NG_FLOW_REASON] = flow->reason ? flow->reason : "",
                  [NG_FLOW_INSTEAD] = flow->instead ? flow->instead : "",
                  [NG_FLOW_SHADOW_VERDICT] = flow->shadow_verdict},
    };
}

bool ng_ledger_count_flow(struct ng_ledger *ledger, const struct ng_ledger_flow *flow)
{
    struct flow_row new;
    struct ng_row *row;

    fill_flow(flow, &new);
    (void)pthread_mutex_lock(&ledger->lock);
    row = ng_rows_find(&ledger->filling, new.kind, new.numbers, new.texts);
    if (row) {
        row->number[NG_FLOW_COUNT] += flow->count;
        row->number[NG_FLOW_PID] = flow->pid;
        row->number[NG_FLOW_UID] = flow->uid;
        row->number[NG_FLOW_LAST] = flow->time_us;
    }
    (void)pthread_mutex_unlock(&ledger->lock);
    return row != NULL;
}

void ng_ledger_add_flow(struct ng_ledger *ledger, const struct ng_ledger_flow *flow)
{
    _cleanup_free_ char *chain = NULL, *names = NULL, *rule = NULL, *shadow_rule = NULL;
    struct flow_row row;

    if (ng_ledger_count_flow(ledger, flow))
        return;
    chain = dump(flow->chain, "[]");
    names = dump(flow->names, "[]");
    rule = json_is_null(flow->rule) ? NULL : dump(flow->rule, NULL);
    shadow_rule = json_is_null(flow->shadow_rule) ? NULL : dump(flow->shadow_rule, NULL);
    fill_flow(flow, &row);
    row.texts[NG_FLOW_CHAIN] = chain;
    row.texts[NG_FLOW_NAMES] = names;
    row.texts[NG_FLOW_RULE] = rule;
    row.texts[NG_FLOW_SHADOW_RULE] = shadow_rule;
    (void)pthread_mutex_lock(&ledger->lock);
    append(ledger, row.kind, row.numbers, row.texts, flow->count);
    (void)pthread_mutex_unlock(&ledger->lock);
}
