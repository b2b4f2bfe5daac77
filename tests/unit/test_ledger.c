// SPDX-License-Identifier: BSD-2-Clause
#include "support.h"

#include "../../ledger/ledger.h"
#include "../../ledger/schema.h"

#include <namegate/clock.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define DAY_US (86400LL * 1000000)
#define PATIENCE_MS 20000
#define KEPT "SELECT group_concat(id) FROM (SELECT id FROM deployment ORDER BY id)"

static const struct ng_ledger_limits wide = {.days = 90, .bytes = 1ULL << 30};

struct fixture {
    char dir[64];
    char path[96];
    struct ng_ledger *ledger;
};

static void setup(struct fixture *f)
{
    f->ledger = NULL;
    strcpy(f->dir, "/tmp/namegate-ledger-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->path, sizeof(f->path), "%s/ledger.db", f->dir);
}

static void begin(struct fixture *f)
{
    setup(f);
    assert_int_equal(ng_ledger_open(f->dir, &wide, &f->ledger), 0);
}

static void finish(struct fixture *f)
{
    char command[128];

    (void)ng_ledger_free(f->ledger);
    (void)snprintf(command, sizeof(command), "rm -rf %s", f->dir);
    assert_int_equal(system(command), 0);
}

static void close_ledger(struct fixture *f)
{
    (void)ng_ledger_free(f->ledger);
    f->ledger = NULL;
}

static sqlite3 *open_database(const struct fixture *f)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    (void)sqlite3_busy_timeout(db, PATIENCE_MS);
    return db;
}

static void change(const struct fixture *f, const char *sql)
{
    sqlite3 *db = open_database(f);

    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(db));
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* The first value of the first row, as text. */
static const char *query(const struct fixture *f, const char *sql)
{
    static char text[4096];
    sqlite3 *db = open_database(f);
    sqlite3_stmt *statement = NULL;
    const unsigned char *value;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK || sqlite3_step(statement) != SQLITE_ROW)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    value = sqlite3_column_text(statement, 0);
    (void)snprintf(text, sizeof(text), "%s", value ? (const char *)value : "NULL");
    (void)sqlite3_finalize(statement);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return text;
}

static struct ng_ledger_state state_of(const struct fixture *f)
{
    struct ng_ledger_state state;

    ng_ledger_state(f->ledger, &state);
    return state;
}

static void nap(void)
{
    (void)usleep(5000);
}

static void wait_written(const struct fixture *f)
{
    for (unsigned i = 0; state_of(f).waiting; i++) {
        assert_true(i < PATIENCE_MS / 5);
        nap();
    }
}

static void wait_trouble(const struct fixture *f, const char *trouble)
{
    for (unsigned i = 0; !state_of(f).trouble || strcmp(state_of(f).trouble, trouble) != 0; i++) {
        if (i == PATIENCE_MS / 5)
            fail_msg("%s", state_of(f).trouble ? state_of(f).trouble : "no trouble");
        nap();
    }
}

static int64_t now_us(void)
{
    return (int64_t)time(NULL) * 1000000;
}

static void start(struct ng_ledger *ledger, int64_t id)
{
    struct ng_ledger_deployment deployment = {.id = id,
                                              .name = "web.0badcafe",
                                              .tag = "web",
                                              .policy = "deploy",
                                              .mode = "block",
                                              .uid = 1000,
                                              .argv = json_pack("[s, s]", "sh", "deploy.sh"),
                                              .cwd = "/srv",
                                              .started_us = now_us()};

    ng_ledger_start(ledger, &deployment);
    json_decref((json_t *)(uintptr_t)deployment.argv);
}

static void end(struct ng_ledger *ledger, int64_t id)
{
    struct ng_ledger_end over = {.deployment = id, .ended_us = now_us(), .has_status = true, .status = 256, .denied = 3, .lost = 2};

    ng_ledger_finish(ledger, &over);
}

static struct ng_ledger_flow flow_of(int64_t id, const char *address)
{
    return (struct ng_ledger_flow){.deployment = id,
                                   .lineage = 1,
                                   .name = "github.com",
                                   .address = address,
                                   .port = 443,
                                   .proto = "tcp",
                                   .verdict = "deny",
                                   .evidence = "asked",
                                   .hook = "connect4",
                                   .error = "EPERM",
                                   .pid = 7,
                                   .uid = 1000,
                                   .comm = "curl",
                                   .reason = "it may be down",
                                   .instead = "mirror",
                                   .count = 1,
                                   .time_us = 1000};
}

static void add_flows(struct ng_ledger *ledger, int64_t id, unsigned count)
{
    char address[32];

    for (unsigned i = 0; i < count; i++) {
        struct ng_ledger_flow flow = flow_of(id, address);

        (void)snprintf(address, sizeof(address), "10.%u.%u.%u", i >> 16 & 255, i >> 8 & 255, i & 255);
        ng_ledger_add_flow(ledger, &flow);
    }
}

static void a_deployment_stands_in_it(void **unused)
{
    struct fixture f;
    struct stat st;

    (void)unused;
    begin(&f);
    assert_int_equal(stat(f.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    start(f.ledger, 5);
    add_flows(f.ledger, 5, 3);
    end(f.ledger, 5);
    close_ledger(&f);
    assert_string_equal(query(&f, "SELECT name || ' ' || tag || ' ' || policy || ' ' || mode || ' ' || uid || ' ' || "
                                  "argv || ' ' || cwd || ' ' || status || ' ' || denied || ' ' || lost FROM deployment WHERE id = 5"),
                        "web.0badcafe web deploy block 1000 [\"sh\",\"deploy.sh\"] /srv 256 3 2");
    assert_string_equal(query(&f, "SELECT ended_us >= started_us AND seen_us = ended_us FROM deployment"), "1");
    finish(&f);
}

static void what_is_the_same_is_added_up(void **unused)
{
    struct ng_ledger_flow flow, probe;
    struct fixture f;

    (void)unused;
    begin(&f);
    start(f.ledger, 5);
    flow = flow_of(5, "192.0.2.1");
    probe = flow;
    probe.proto = "udp";
    probe.probe = true;
    for (unsigned i = 0; i < 100000; i++) {
        flow.time_us = 1000 + i;
        flow.pid = (pid_t)i;
        ng_ledger_add_flow(f.ledger, &flow);
        if (i == 50000)
            wait_written(&f); /* also with what is in the file already */
    }
    ng_ledger_add_flow(f.ledger, &probe);
    flow.verdict = "would-deny";
    flow.name = NULL;
    ng_ledger_add_flow(f.ledger, &flow);
    ng_ledger_add_flow(f.ledger, &flow);
    close_ledger(&f);
    assert_string_equal(query(&f, "SELECT group_concat(verdict || ' ' || ifnull(name, '-') || ' ' || probe || ' ' || "
                                  "count || ' ' || first_us || ' ' || last_us || ' ' || pid, ', ') FROM flow"),
                        "deny github.com 0 100000 1000 100999 99999, deny github.com 1 1 1000 1000 7, "
                        "would-deny - 0 2 100999 100999 99999");
    assert_string_equal(query(&f, "SELECT denied || ' ' || would || ' ' || probes FROM deployment"), "100000 2 1");
    finish(&f);
}

static int64_t monotonic_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Whoever asks for a report when a command has ended sees its end. */
static void begins_and_ends_are_written_at_once(void **unused)
{
    int64_t fastest = INT64_MAX;
    struct fixture f;

    (void)unused;
    begin(&f);
    /* The best of some: a busy machine lets everybody wait. */
    for (int64_t id = 1; id <= 20; id++) {
        int64_t began = monotonic_ms();

        start(f.ledger, id);
        add_flows(f.ledger, id, 3);
        end(f.ledger, id);
        wait_written(&f);
        if (monotonic_ms() - began < fastest)
            fastest = monotonic_ms() - began;
    }
    assert_true(fastest < NG_LEDGER_DELAY_MS / 2);
    finish(&f);
}

static void processes_and_lineages(void **unused)
{
    struct ng_ledger_process process = {
        .deployment = 5, .number = 1, .lineage = 1, .pid = 100, .uid = 1000, .started_us = 10};
    struct ng_ledger_lineage lineage = {.deployment = 5, .number = 1, .path = "/bin/sh", .comm = "sh", .processes = 1};
    struct ng_ledger_resolution resolution = {.deployment = 5, .lineage = 1, .name = "a.example", .time_us = 10};
    struct fixture f;

    (void)unused;
    begin(&f);
    start(f.ledger, 5);
    lineage.argv = json_pack("[s]", "sh");
    ng_ledger_add_lineage(f.ledger, &lineage);
    json_decref((json_t *)(uintptr_t)lineage.argv);
    lineage.argv = NULL;
    ng_ledger_add_lineage(f.ledger, &lineage);
    ng_ledger_add_process(f.ledger, &process);
    process.lineage = 2;
    ng_ledger_add_process(f.ledger, &process);
    resolution.chain = json_pack("[s, s]", "a.example", "b.example");
    ng_ledger_add_resolution(f.ledger, &resolution);
    wait_written(&f);
    ng_ledger_add_lineage(f.ledger, &lineage);
    process.ended_us = 20;
    process.status = 9;
    ng_ledger_add_process(f.ledger, &process);
    resolution.addresses = json_pack("[s]", "192.0.2.1");
    resolution.time_us = 30;
    ng_ledger_add_resolution(f.ledger, &resolution);
    json_decref((json_t *)(uintptr_t)resolution.addresses);
    json_decref((json_t *)(uintptr_t)resolution.chain);
    close_ledger(&f);
    assert_string_equal(query(&f, "SELECT number || argv || path || comm || processes FROM lineage"), "1[\"sh\"]/bin/shsh3");
    assert_string_equal(query(&f, "SELECT number || ' ' || pid || ' ' || lineage || ' ' || started_us || ' ' || "
                                  "ended_us || ' ' || status FROM process"),
                        "1 100 2 10 20 9");
    assert_string_equal(query(&f, "SELECT name || chain || addresses || count || ' ' || first_us || ' ' || last_us "
                                  "FROM resolution"),
                        "a.example[\"a.example\",\"b.example\"][\"192.0.2.1\"]2 10 30");
    finish(&f);
}

static void a_shadow_is_apart(void **unused)
{
    struct ng_ledger_flow flow = flow_of(5, "192.0.2.1");
    struct fixture f;

    (void)unused;
    begin(&f);
    start(f.ledger, 5);
    flow.verdict = "allow";
    flow.shadow_verdict = "deny";
    flow.shadow_rule = json_pack("{s:s}", "file", "new.policy");
    ng_ledger_add_flow(f.ledger, &flow);
    json_decref((json_t *)(uintptr_t)flow.shadow_rule);
    close_ledger(&f);
    assert_string_equal(query(&f, "SELECT verdict || shadow_verdict || shadow_rule FROM shadow"),
                        "allowdeny{\"file\":\"new.policy\"}");
    assert_string_equal(query(&f, "SELECT count(*) FROM flow"), "0");
    finish(&f);
}

static void one_deployment_is_bounded(void **unused)
{
    char wanted[32];
    struct fixture f;

    (void)unused;
    begin(&f);
    start(f.ledger, 5);
    add_flows(f.ledger, 5, NG_LEDGER_FLOWS_MAX + 7);
    wait_written(&f);
    add_flows(f.ledger, 5, 3); /* of those that are there */
    close_ledger(&f);
    (void)snprintf(wanted, sizeof(wanted), "%d 7 %d", NG_LEDGER_FLOWS_MAX, NG_LEDGER_FLOWS_MAX + 10);
    assert_string_equal(query(&f, "SELECT (SELECT count(*) FROM flow) || ' ' || left_out || ' ' || denied "
                                  "FROM deployment"),
                        wanted);
    finish(&f);
}

static void what_does_not_fit_is_counted(void **unused)
{
    struct fixture f;
    sqlite3 *db;

    (void)unused;
    begin(&f);
    start(f.ledger, 5);
    wait_written(&f);
    db = open_database(&f);
    assert_int_equal(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    add_flows(f.ledger, 5, 100);
    wait_trouble(&f, "another process keeps it locked");
    assert_int_equal(state_of(&f).lost, 0);
    add_flows(f.ledger, 5, NG_LEDGER_QUEUE_MAX + 23); /* the first hundred are with the writer */
    assert_int_equal(state_of(&f).waiting, NG_LEDGER_QUEUE_MAX);
    assert_int_equal(state_of(&f).lost, 123);
    assert_string_equal(state_of(&f).because, "another process keeps it locked");
    start(f.ledger, 6);
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    wait_written(&f);
    assert_null(state_of(&f).trouble);
    assert_int_equal(state_of(&f).lost, 123);
    assert_string_equal(query(&f, "SELECT count(*) FROM deployment"), "2");
    assert_string_equal(query(&f, "SELECT count(*) || ' ' || sum(count) FROM flow"), "20000 20100");
    finish(&f);
}

static void rows_of_nothing_are_lost(void **unused)
{
    struct fixture f;

    (void)unused;
    begin(&f);
    add_flows(f.ledger, 99, 3);
    start(f.ledger, 5);
    add_flows(f.ledger, 5, 2);
    wait_written(&f);
    assert_int_equal(state_of(&f).lost, 3);
    assert_null(state_of(&f).trouble);
    assert_string_equal(query(&f, "SELECT count(*) FROM flow"), "2");
    finish(&f);
}

static void write_garbage(const char *path)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    for (unsigned i = 0; i < 5000; i++)
        (void)fputs("this is no database\n", file);
    assert_int_equal(fclose(file), 0);
}

static void a_corrupt_one_is_set_aside(void **unused)
{
    char aside[128];
    struct fixture f;

    (void)unused;
    setup(&f);
    (void)snprintf(aside, sizeof(aside), "%s.corrupt", f.path);
    write_garbage(f.path);
    assert_int_equal(ng_ledger_open(f.dir, &wide, &f.ledger), 0);
    assert_int_equal(state_of(&f).set_aside, 1);
    assert_int_equal(access(aside, F_OK), 0);
    assert_int_equal(unlink(aside), 0);
    start(f.ledger, 5);
    wait_written(&f);
    assert_null(state_of(&f).trouble);
    /* Also while it is in use: what goes on is begun anew in the next one. */
    for (unsigned i = 0; strcmp(query(&f, "PRAGMA wal_checkpoint(TRUNCATE)"), "0") != 0; i++) {
        assert_true(i < PATIENCE_MS / 5); /* the writer is at it itself */
        nap();
    }
    write_garbage(f.path);
    add_flows(f.ledger, 5, 4);
    wait_written(&f);
    assert_int_equal(state_of(&f).set_aside, 2);
    assert_int_equal(state_of(&f).lost, 0);
    assert_int_equal(access(aside, F_OK), 0);
    close_ledger(&f);
    assert_string_equal(query(&f, "SELECT name || denied FROM deployment"), "web.0badcafe4");
    finish(&f);
}

static void a_deleted_one_is_begun_anew(void **unused)
{
    struct fixture f;

    (void)unused;
    begin(&f);
    start(f.ledger, 5);
    wait_written(&f);
    assert_int_equal(unlink(f.path), 0);
    add_flows(f.ledger, 5, 4);
    wait_written(&f);
    assert_int_equal(state_of(&f).set_aside, 0);
    assert_string_equal(query(&f, "SELECT name || denied FROM deployment"), "web.0badcafe4");
    change(&f, "PRAGMA foreign_keys = ON; DELETE FROM deployment");
    add_flows(f.ledger, 5, 2); /* the first is the one that finds out */
    wait_written(&f);
    add_flows(f.ledger, 5, 3);
    wait_written(&f);
    assert_string_equal(query(&f, "SELECT count(*) FROM deployment"), "1");
    finish(&f);
}

static void read_file(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    memset(text, 0, size);
    assert_true(read(fd, text, size) > 0);
    (void)close(fd);
}

static void a_newer_one_is_left_alone(void **unused)
{
    static char before[65536], after[65536];
    struct fixture f;

    (void)unused;
    begin(&f);
    close_ledger(&f);
    change(&f, "PRAGMA user_version = 99; PRAGMA journal_mode = DELETE");
    read_file(f.path, before, sizeof(before));
    assert_int_equal(ng_ledger_open(f.dir, &wide, &f.ledger), 0);
    assert_string_equal(state_of(&f).trouble, "it is of a newer namegate");
    start(f.ledger, 5);
    close_ledger(&f);
    read_file(f.path, after, sizeof(after));
    assert_memory_equal(before, after, sizeof(before));
    finish(&f);
}

static void it_comes_when_there_is_room(void **unused)
{
    struct fixture f;
    char away[96];

    (void)unused;
    setup(&f);
    (void)snprintf(away, sizeof(away), "%s.away", f.dir);
    assert_int_equal(rename(f.dir, away), 0);
    assert_int_equal(ng_ledger_open(f.dir, &wide, &f.ledger), 0);
    assert_string_equal(state_of(&f).trouble, "No such file or directory");
    start(f.ledger, 5);
    add_flows(f.ledger, 5, 4);
    assert_int_equal(rename(away, f.dir), 0);
    wait_written(&f);
    assert_null(state_of(&f).trouble);
    assert_int_equal(state_of(&f).lost, 0);
    assert_string_equal(query(&f, "SELECT denied FROM deployment"), "4");
    finish(&f);
}

static void what_it_leaves_is_told(void **unused)
{
    struct fixture f;

    (void)unused;
    setup(&f);
    assert_int_equal(rmdir(f.dir), 0);
    assert_int_equal(ng_ledger_open(f.dir, &wide, &f.ledger), 0);
    start(f.ledger, 5);
    (void)usleep(20000); /* the writer tries it perhaps, perhaps not */
    add_flows(f.ledger, 5, 4);
    assert_int_equal(ng_ledger_free(f.ledger), 5);
    assert_int_equal(mkdir(f.dir, 0700), 0);
    assert_int_equal(ng_ledger_open(f.dir, &wide, &f.ledger), 0);
    start(f.ledger, 5);
    assert_int_equal(ng_ledger_free(f.ledger), 0);
    f.ledger = NULL;
    finish(&f);
}

static void adoption_goes_on(void **unused)
{
    struct ng_ledger_lineage lineage = {.deployment = 5, .number = 3, .processes = 1};
    struct ng_ledger_adopted adopted;
    struct fixture f;

    (void)unused;
    begin(&f);
    start(f.ledger, 5);
    lineage.argv = json_array();
    ng_ledger_add_lineage(f.ledger, &lineage);
    json_decref((json_t *)(uintptr_t)lineage.argv);
    add_flows(f.ledger, 5, 1);
    close_ledger(&f);
    assert_int_equal(ng_ledger_open(f.dir, &wide, &f.ledger), 0);
    assert_int_equal(ng_ledger_adopt(f.ledger, "web.deadbeef", &adopted), -ENOENT);
    assert_int_equal(ng_ledger_adopt(f.ledger, "web.0badcafe", &adopted), 0);
    assert_int_equal(adopted.id, 5);
    assert_int_equal(adopted.lineages, 3);
    assert_int_equal(adopted.processes, 0);
    add_flows(f.ledger, 5, 2);
    end(f.ledger, 5);
    close_ledger(&f);
    assert_string_equal(query(&f, "SELECT count(*) || ' ' || sum(denied) FROM deployment"), "1 3");
    assert_int_equal(ng_ledger_open(f.dir, &wide, &f.ledger), 0);
    assert_int_equal(ng_ledger_adopt(f.ledger, "web.0badcafe", &adopted), -ENOENT); /* it has ended */
    finish(&f);
}

/* Inserts a deployment that ended, and one that nobody saw the end of, so many days ago. */
static void insert_old(const struct fixture *f, int64_t id, unsigned days)
{
    char sql[512];
    long long at = now_us() - days * DAY_US;

    (void)snprintf(sql, sizeof(sql),
                   "INSERT INTO deployment (id, name, tag, policy, mode, uid, started_us, ended_us, seen_us) VALUES "
                   "(%lld, 'a', 'a', 'p', 'block', 0, %lld, %lld, %lld), (%lld, 'b', 'b', 'p', 'block', 0, %lld, NULL, "
                   "%lld)",
                   (long long)id, at, at, at, (long long)id + 1, at, at);
    change(f, sql);
}

static void what_is_too_old_goes(void **unused)
{
    struct ng_ledger_limits limits = {.days = 30, .bytes = 1ULL << 30};
    struct ng_ledger_adopted adopted;
    struct fixture f;

    (void)unused;
    begin(&f);
    start(f.ledger, 5);
    close_ledger(&f);
    insert_old(&f, 10, 31);
    insert_old(&f, 20, 29);
    change(&f, "UPDATE deployment SET started_us = 0 WHERE id = 5");
    assert_int_equal(ng_ledger_open(f.dir, &limits, &f.ledger), 0);
    for (unsigned i = 0; strcmp(query(&f, KEPT), "5,20,21") != 0; i++) {
        if (i == PATIENCE_MS / 5)
            fail_msg("%s", query(&f, KEPT));
        nap();
    }
    /* One that lives stays, however old. */
    assert_int_equal(ng_ledger_adopt(f.ledger, "web.0badcafe", &adopted), 0);
    finish(&f);
}

static void it_stays_small(void **unused)
{
    struct ng_ledger_limits limits = {.days = 30, .bytes = 2u << 20};
    struct fixture f;
    struct stat st;

    (void)unused;
    setup(&f);
    assert_int_equal(ng_ledger_open(f.dir, &limits, &f.ledger), 0);
    start(f.ledger, 1000); /* it lives: it stays, though it is the oldest */
    for (int64_t id = 1; id <= 20; id++) {
        start(f.ledger, id);
        add_flows(f.ledger, id, 2000);
        end(f.ledger, id);
        wait_written(&f);
    }
    for (unsigned i = 0; stat(f.path, &st) == 0 && (uint64_t)st.st_size > limits.bytes; i++) {
        if (i == PATIENCE_MS / 5)
            fail_msg("%lld octets", (long long)st.st_size);
        if (i % 100 == 99)
            start(f.ledger, 2000 + i); /* so that it is looked at */
        nap();
    }
    assert_string_equal(query(&f, "SELECT count(*) FROM deployment WHERE id IN (20, 1000)"), "2");
    assert_string_equal(query(&f, "SELECT count(*) FROM deployment WHERE id = 1"), "0");
    assert_string_equal(query(&f, "SELECT count(*) FROM flow WHERE deployment NOT IN (SELECT id FROM deployment)"), "0");
    assert_null(state_of(&f).trouble);
    finish(&f);
}

static void write_for_ever(const char *dir, int64_t id)
{
    struct ng_ledger_limits limits = {.days = 30, .bytes = 4u << 20};
    struct ng_ledger *ledger;

    if (ng_ledger_open(dir, &limits, &ledger) < 0)
        _exit(1);
    for (;; id++) {
        start(ledger, id);
        add_flows(ledger, id, 500);
        end(ledger, id);
        (void)usleep(20000);
    }
}

static void it_survives_a_crash_at_any_point(void **unused)
{
    unsigned seed = (unsigned)time(NULL);
    struct fixture f;

    (void)unused;
    print_message("seed %u\n", seed);
    srand(seed);
    setup(&f);
    for (int i = 0; i < 30; i++) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0)
            write_for_ever(f.dir, 1 + i * 1000000);
        (void)usleep((unsigned)rand() % 300000);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        if (access(f.path, F_OK) == 0) {
            assert_string_equal(query(&f, "PRAGMA integrity_check"), "ok");
            assert_string_equal(query(&f, "SELECT count(*) FROM pragma_foreign_key_check"), "0");
        }
    }
    assert_int_equal(ng_ledger_open(f.dir, &wide, &f.ledger), 0); /* it goes on in the same one */
    assert_int_equal(state_of(&f).set_aside, 0);
    finish(&f);
}

static void many_processes_write_it(void **unused)
{
    struct fixture f;
    pid_t pid[4];

    (void)unused;
    setup(&f);
    for (int i = 0; i < 4; i++) {
        pid[i] = fork();
        assert_true(pid[i] >= 0);
        if (pid[i] == 0) {
            struct ng_ledger *ledger;
            struct ng_ledger_state state;

            if (ng_ledger_open(f.dir, &wide, &ledger) < 0)
                _exit(1);
            for (int64_t id = 1; id <= 20; id++) {
                start(ledger, 1000 * i + id);
                add_flows(ledger, 1000 * i + id, 100);
                end(ledger, 1000 * i + id);
                (void)usleep(20000);
            }
            for (unsigned k = 0; ng_ledger_state(ledger, &state), state.waiting && k < PATIENCE_MS / 5; k++)
                nap();
            ng_ledger_free(ledger);
            _exit(state.lost || state.waiting);
        }
    }
    for (int i = 0; i < 4; i++) {
        int status;

        assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
        assert_int_equal(status, 0);
    }
    assert_string_equal(query(&f, "SELECT count(*) || ' ' || sum(denied) FROM deployment WHERE ended_us IS NOT NULL"),
                        "80 8000");
    assert_string_equal(query(&f, "SELECT sum(count) FROM flow"), "8000");
    finish(&f);
}

static int64_t ms(void)
{
    return (int64_t)(ng_now() / 1000000);
}

/* What was handed over is there, long before the writer would have come to it; nobody waits longer than he wants to. */
static void who_reads_it_need_not_wait(void **state)
{
    struct fixture f;
    int64_t began;
    int soon = 0;
    sqlite3 *db;

    (void)state;
    begin(&f);
    ng_ledger_sync(f.ledger, PATIENCE_MS * 1000000ULL); /* nothing */
    for (int id = 1; id <= 40; id++) {
        char count[16];

        (void)snprintf(count, sizeof(count), "%d", id);
        start(f.ledger, id);
        began = ms();
        ng_ledger_sync(f.ledger, PATIENCE_MS * 1000000ULL);
        soon += ms() - began < NG_LEDGER_DELAY_MS / 2;
        assert_string_equal(query(&f, "SELECT count(*) FROM deployment"), count);
    }
    assert_true(soon > 20);
    db = open_database(&f);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    start(f.ledger, 41);
    began = ms();
    ng_ledger_sync(f.ledger, NG_SECOND / 10);
    assert_in_range(ms() - began, 100, PATIENCE_MS / 4);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* First those that fork, while there is no thread beside them. */
        cmocka_unit_test(it_survives_a_crash_at_any_point),
        cmocka_unit_test(many_processes_write_it),
        cmocka_unit_test(a_deployment_stands_in_it),
        cmocka_unit_test(who_reads_it_need_not_wait),
        cmocka_unit_test(what_is_the_same_is_added_up),
        cmocka_unit_test(begins_and_ends_are_written_at_once),
        cmocka_unit_test(processes_and_lineages),
        cmocka_unit_test(a_shadow_is_apart),
        cmocka_unit_test(one_deployment_is_bounded),
        cmocka_unit_test(what_does_not_fit_is_counted),
        cmocka_unit_test(rows_of_nothing_are_lost),
        cmocka_unit_test(a_corrupt_one_is_set_aside),
        cmocka_unit_test(a_deleted_one_is_begun_anew),
        cmocka_unit_test(a_newer_one_is_left_alone),
        cmocka_unit_test(it_comes_when_there_is_room),
        cmocka_unit_test(what_it_leaves_is_told),
        cmocka_unit_test(adoption_goes_on),
        cmocka_unit_test(what_is_too_old_goes),
        cmocka_unit_test(it_stays_small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
