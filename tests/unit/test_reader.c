// SPDX-License-Identifier: BSD-2-Clause
/* Ledgers that are made of SQL, read as documents. */
#include "support.h"

#include "../report/fixture.h"

#include "../../ledger/classify.h"
#include "../../ledger/reader.h"

#include <errno.h>
#include <jansson.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <time.h>

struct ledger {
    char dir[64];
    json_t *read; /* list of what was read last */
    char *reason;
};

static int set_up(void **state)
{
    struct ledger *ledger = calloc(1, sizeof(*ledger));

    assert_non_null(ledger);
    strcpy(ledger->dir, "/tmp/namegate-unit-XXXXXX");
    assert_non_null(mkdtemp(ledger->dir));
    *state = ledger;
    return 0;
}

static int tear_down(void **state)
{
    static const char *const files[] = {"ledger.db", "ledger.db-wal", "ledger.db-shm"};
    struct ledger *ledger = *state;

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/%s", ledger->dir, files[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(ledger->dir), 0);
    json_decref(ledger->read);
    free(ledger->reason);
    free(ledger);
    return 0;
}

static int keep(void *arg, const json_t *deployment)
{
    return json_array_append_new(arg, json_deep_copy(deployment));
}

static int read_query(struct ledger *ledger, const struct ng_ledger_query *query)
{
    json_decref(ledger->read);
    free(ledger->reason);
    ledger->reason = NULL;
    ledger->read = json_array();
    return ng_ledger_read(ledger->dir, query, keep, ledger->read, &ledger->reason);
}

static const json_t *read_first(struct ledger *ledger)
{
    const struct ng_ledger_query all = {0};

    assert_int_equal(read_query(ledger, &all), 0);
    return json_array_get(ledger->read, 0);
}

#define DEPLOYMENT                                                                                        \
    "INSERT INTO deployment (id, name, tag, policy, mode, uid, argv, cwd, started_us, ended_us, seen_us," \
    " status, denied, would, probes, lost, left_out) VALUES "
#define FLOW                                                                                                    \
    "INSERT INTO flow (deployment, lineage, name, chain, names, address, port, proto, verdict, evidence, hook," \
    " errno, pid, uid, comm, rule, reason, instead, probe, incident, count, first_us, last_us) VALUES "
#define START "1714564801000000" /* 2024-05-01T12:00:01Z */
#define END "1714564803500000"

static const char one[] = DEPLOYMENT
    "(7, 'deploy.1a', 'deploy', 'p', 'block', 1000, '[\"./deploy.sh\",\"prod\"]', '/srv', " START ", " END ", " END
    ", 256, 5, 0, 2, 1, 3);"
    "INSERT INTO lineage VALUES (7, 1, 0, '[\"sh\",\"./deploy.sh\"]', '/bin/sh', 'sh', 1),"
    " (7, 2, 1, '[\"curl\",\"https://api.github.com/x\"]', '/usr/bin/curl', 'curl', 4);"
    "INSERT INTO process VALUES (7, 1, 0, 100, 1000, 1, " START ", " END ", 256), (7, 2, 1, 101, 1000, 2, " START
    ", NULL, NULL);"
    "INSERT INTO resolution VALUES (7, 2, 'api.github.com', '[\"api.github.com\"]', '[\"192.0.2.1\"]', 2, " START
    ", " END ");" FLOW
    "(7, 2, 'api.github.com', '[\"api.github.com\"]', '[\"api.github.com\"]', '192.0.2.1', 443, 'tcp', 'deny',"
    " 'asked', 'connect4', 'EPERM', 101, 1000, 'curl', '{\"file\":\"p.policy\",\"line\":3,\"depends\":\"\"}', 'why', "
    "'m',"
    " 0, 0, 5, " START ", " END "),"
    "(7, 0, NULL, '[]', '[]', '192.0.2.9', 80, 'tcp', 'allow', 'none', 'connect4', NULL, 101, 1000, 'curl', NULL,"
    " '', '', 0, 0, 1, " START ", " START ");";

static void test_document(void **state)
{
    struct ledger *ledger = *state;
    json_t *expected = json_loads(
        "{\"deployment\":\"deploy.1a\",\"tag\":\"deploy\",\"policy\":\"p\",\"mode\":\"block\",\"uid\":1000,"
        "\"argv\":[\"./deploy.sh\",\"prod\"],\"cwd\":\"/srv\",\"started\":\"2024-05-01T12:00:01.000000Z\","
        "\"ended\":\"2024-05-01T12:00:03.500000Z\",\"duration_s\":2.5,\"status\":{\"exit\":1},"
        "\"outcome\":\"blocked-failed\",\"denied\":5,\"would\":0,\"probes\":2,\"lost\":1,\"left_out\":3,"
        "\"lineage\":[{\"number\":1,\"parent\":0,\"argv\":[\"sh\",\"./deploy.sh\"],\"path\":\"/bin/"
        "sh\",\"comm\":\"sh\","
        "\"processes\":1},{\"number\":2,\"parent\":1,\"argv\":[\"curl\",\"https://api.github.com/x\"],"
        "\"path\":\"/usr/bin/curl\",\"comm\":\"curl\",\"processes\":4}],"
        "\"processes\":[{\"number\":1,\"parent\":0,\"pid\":100,\"uid\":1000,\"lineage\":1,"
        "\"started\":\"2024-05-01T12:00:01.000000Z\",\"ended\":\"2024-05-01T12:00:03.500000Z\",\"status\":{\"exit\":1}}"
        ","
        "{\"number\":2,\"parent\":1,\"pid\":101,\"uid\":1000,\"lineage\":2,\"started\":\"2024-05-01T12:00:01.000000Z\","
        "\"ended\":null,\"status\":null}],"
        "\"resolutions\":[{\"lineage\":2,\"name\":\"api.github.com\",\"chain\":[\"api.github.com\"],"
        "\"addresses\":[\"192.0.2.1\"],\"count\":2,\"first\":\"2024-05-01T12:00:01.000000Z\","
        "\"last\":\"2024-05-01T12:00:03.500000Z\"}],"
        "\"flows\":[{\"lineage\":0,\"name\":null,\"chain\":[],\"names\":[],\"address\":\"192.0.2.9\",\"port\":80,"
        "\"proto\":\"tcp\",\"verdict\":\"allow\",\"evidence\":\"none\",\"hook\":\"connect4\",\"errno\":null,\"pid\":"
        "101,"
        "\"uid\":1000,\"comm\":\"curl\",\"rule\":null,\"reason\":\"\",\"instead\":\"\",\"probe\":false,\"incident\":"
        "false,"
        "\"count\":1,\"first\":\"2024-05-01T12:00:01.000000Z\",\"last\":\"2024-05-01T12:00:01.000000Z\",\"class\":null}"
        ","
        "{\"lineage\":2,\"name\":\"api.github.com\",\"chain\":[\"api.github.com\"],\"names\":[\"api.github.com\"],"
        "\"address\":\"192.0.2.1\",\"port\":443,\"proto\":\"tcp\",\"verdict\":\"deny\",\"evidence\":\"asked\","
        "\"hook\":\"connect4\",\"errno\":\"EPERM\",\"pid\":101,\"uid\":1000,\"comm\":\"curl\","
        "\"rule\":{\"file\":\"p.policy\",\"line\":3,\"depends\":\"\"},\"reason\":\"why\",\"instead\":\"m\",\"probe\":"
        "false,"
        "\"incident\":false,\"count\":5,\"first\":\"2024-05-01T12:00:01.000000Z\","
        "\"last\":\"2024-05-01T12:00:03.500000Z\",\"class\":\"direct\"}],\"shadow\":[]}",
        0, NULL);
    const json_t *document;
    char *text;

    assert_non_null(expected);
    assert_int_equal(fixture_make(ledger->dir, one), 0);
    document = read_first(ledger);
    text = json_dumps(document, JSON_INDENT(1));
    if (!json_equal(document, expected))
        fail_msg("%s", text);
    free(text);
    json_decref(expected);
}

static void expect_read(struct ledger *ledger, const struct ng_ledger_query *query, const char *names)
{
    char found[256] = "";
    const json_t *document;
    size_t i;

    assert_int_equal(read_query(ledger, query), 0);
    json_array_foreach(ledger->read, i, document)
    {
        strcat(found, i ? " " : "");
        strcat(found, json_string_value(json_object_get(document, "deployment")));
    }
    assert_string_equal(found, names);
}

static void test_query(void **state)
{
    struct ledger *ledger = *state;

    assert_int_equal(fixture_make(ledger->dir, DEPLOYMENT
                                  "(9, 'a.1', 'a', 'p', 'block', 0, NULL, NULL, 1000, 2000, 2000, 0, 0, 0, 0, 0, 0),"
                                  "(8, 'b.2', 'b', 'p', 'block', 0, NULL, NULL, 2000, 3000, 3000, 0, 0, 0, 0, 0, 0),"
                                  "(7, 'a.3', 'a', 'p', 'block', 0, NULL, NULL, 3000, 4000, 4000, 0, 0, 0, 0, 0, 0)"),
                     0);
    expect_read(ledger, &(struct ng_ledger_query){0}, "a.1 b.2 a.3");
    expect_read(ledger, &(struct ng_ledger_query){.tag = "a"}, "a.1 a.3");
    expect_read(ledger, &(struct ng_ledger_query){.tag = "a", .last = 1}, "a.3");
    expect_read(ledger, &(struct ng_ledger_query){.last = 2}, "b.2 a.3");
    expect_read(ledger, &(struct ng_ledger_query){.since_us = 2000}, "b.2 a.3");
    expect_read(ledger, &(struct ng_ledger_query){.deployment = "b.2"}, "b.2");
    expect_read(ledger, &(struct ng_ledger_query){.deployment = "b"}, "");
    expect_read(ledger, &(struct ng_ledger_query){.tag = "' OR 1 --"}, "");
    expect_read(ledger, &(struct ng_ledger_query){.last = 1, .outline = true}, "a.3");
    assert_null(json_object_get(json_array_get(ledger->read, 0), "flows"));
}

/* While somebody looks at one, others write, cut the journal, and delete what comes next. */
static int meanwhile(void *arg, const json_t *deployment)
{
    const char *path = arg;
    sqlite3_stmt *statement = NULL;
    sqlite3 *db = NULL;

    assert_string_equal(json_string_value(json_object_get(deployment, "deployment")), "a.1");
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DELETE FROM deployment WHERE name = 'b.2'", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA wal_checkpoint(TRUNCATE)", -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(statement, 0), 0); /* nobody was in the way */
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return 0;
}

static void test_slow_reader(void **state)
{
    struct ledger *ledger = *state;
    const struct ng_ledger_query all = {0};
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/ledger.db", ledger->dir);
    assert_int_equal(fixture_make(ledger->dir, DEPLOYMENT
                                  "(9, 'a.1', 'a', 'p', 'block', 0, NULL, NULL, 1000, 2000, 2000, 0, 0, 0, 0, 0, 0),"
                                  "(8, 'b.2', 'b', 'p', 'block', 0, NULL, NULL, 2000, 3000, 3000, 0, 0, 0, 0, 0, 0)"),
                     0);
    assert_int_equal(ng_ledger_read(ledger->dir, &all, meanwhile, path, &ledger->reason), 0);
}

static void test_outcome(void **state)
{
    static const struct {
        struct ng_ledger_facts facts;
        const char *outcome;
    } rows[] = {
        {{.lives = true, .denied = 3}, "running"},
        {{.denied = 3}, "unknown"},
        {{.ended = true, .has_status = true, .status = 256}, "clean"},
        {{.ended = true}, "clean"},
        {{.ended = true, .has_status = true, .would = 1}, "would-block"},
        {{.ended = true, .has_status = true, .denied = 1, .would = 1}, "blocked-recovered"},
        {{.ended = true, .has_status = true, .denied = 1, .status = 256}, "blocked-failed"},
        {{.ended = true, .has_status = true, .denied = 1, .status = 9}, "blocked-failed"},
        {{.ended = true, .denied = 1}, "unknown"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(ng_ledger_outcome(&rows[i].facts), rows[i].outcome);
}

/* One that was seen just now lives; its counts are those of its flows, without probes. */
static void test_running(void **state)
{
    struct ledger *ledger = *state;
    char sql[4096];
    const json_t *document;

    (void)snprintf(sql, sizeof(sql),
                   DEPLOYMENT
                   "(1, 'now.1', 'now', 'p', 'block', 0, NULL, NULL, 1000, NULL, %lld, NULL, 0, 0, 0, 0, 0),"
                   "(2, 'left.2', 'left', 'p', 'block', 0, NULL, NULL, 2000, NULL, %lld, NULL, 0, 0, 0, 0, 0);" FLOW
                   "(1, 0, 'a', '[]', '[]', '192.0.2.1', 1, 'tcp', 'deny', 'asked', '', NULL, 1, 0, '', NULL, '', '',"
                   " 0, 0, 4, 1, 1),"
                   "(1, 0, 'a', '[]', '[]', '192.0.2.1', 2, 'udp', 'deny', 'asked', '', NULL, 1, 0, '', NULL, '', '',"
                   " 1, 0, 3, 1, 1)",
                   (long long)time(NULL) * 1000000, ((long long)time(NULL) - 300) * 1000000);
    assert_int_equal(fixture_make(ledger->dir, sql), 0);
    document = read_first(ledger);
    assert_string_equal(json_string_value(json_object_get(document, "outcome")), "running");
    assert_int_equal(json_integer_value(json_object_get(document, "denied")), 4);
    assert_int_equal(json_integer_value(json_object_get(document, "probes")), 3);
    assert_true(json_is_null(json_object_get(document, "duration_s")));
    document = json_array_get(ledger->read, 1);
    assert_string_equal(json_string_value(json_object_get(document, "outcome")), "unknown");
}

static void test_mentions(void **state)
{
    static const struct {
        const char *text, *destination;
        bool found;
    } rows[] = {
        {"https://github.com/x", "github.com", true},
        {"git@GitHub.com:x", "github.com", true},
        {"github.com.", "github.com", true},
        {"github.com:443", "github.com", true},
        {"--host=github.com", "github.com", true},
        {"see github.com. Then", "github.com", true},
        {"api.github.com", "github.com", false},
        {"notgithub.com", "github.com", false},
        {"github.community", "github.com", false},
        {"github.com.evil.example", "github.com", false},
        {"my-github.com", "github.com", false},
        {"notgithub.com github.com", "github.com", true},
        {"http://192.0.2.1:80/", "192.0.2.1", true},
        {"192.0.2.11", "192.0.2.1", false},
        {"[2001:db8::1]:443", "2001:db8::1", true},
        {"2001:db8::1:2", "2001:db8::1", false},
        {"anything", "", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (ng_ledger_mentions(rows[i].text, rows[i].destination) != rows[i].found)
            fail_msg("'%s' in '%s'", rows[i].destination, rows[i].text);
}

/* Rows: sh deploy.sh > curl https://a.test (2); sh deploy.sh > npm install (3) > git clone https://b.test (4). */
static const char tree[] = "[{\"number\":1,\"parent\":0,\"argv\":[\"sh\",\"deploy.sh\"]},"
                           "{\"number\":2,\"parent\":1,\"argv\":[\"curl\",\"https://a.test/\"]},"
                           "{\"number\":3,\"parent\":1,\"argv\":[\"npm\",\"install\"]},"
                           "{\"number\":4,\"parent\":3,\"argv\":[\"git\",\"clone\",\"https://b.test/\"]},"
                           "{\"number\":5,\"parent\":5,\"argv\":[\"loop\"]},"
                           "{\"number\":6,\"parent\":9,\"argv\":7},"
                           "{\"number\":7,\"parent\":1,\"argv\":[\"python3\",\"deploy.py\"]},"
                           "{\"number\":8,\"parent\":7,\"argv\":[\"tool\"]}]";

static void expect_class(const json_t *document, const char *text, const char *wanted)
{
    json_t *flow = json_loads(text, 0, NULL);
    const char *class;

    assert_non_null(flow);
    class = ng_ledger_class(document, flow);
    if (strcmp(class ? class : "none", wanted ? wanted : "none") != 0)
        fail_msg("%s is %s", text, class ? class : "none");
    json_decref(flow);
}

static void test_class(void **state)
{
    static const struct {
        const char *flow, *class;
    } rows[] = {
        {"{\"verdict\":\"allow\",\"lineage\":2,\"name\":\"a.test\"}", NULL},
        {"{\"verdict\":\"deny\",\"lineage\":2,\"name\":\"a.test\"}", "direct"},
        {"{\"verdict\":\"would-deny\",\"lineage\":2,\"name\":\"a.test\"}", "direct"},
        {"{\"verdict\":\"deny\",\"lineage\":2,\"name\":\"c.test\",\"chain\":[\"c.test\",\"a.test\"]}", "direct"},
        {"{\"verdict\":\"deny\",\"lineage\":2,\"name\":\"c.test\",\"names\":[\"a.test\"]}", "hidden"},
        {"{\"verdict\":\"deny\",\"lineage\":2,\"name\":\"c.test\",\"names\":[\"a.test\"],\"evidence\":\"shared\"}",
         "direct"},
        {"{\"verdict\":\"deny\",\"lineage\":2,\"name\":null,\"address\":\"192.0.2.1\",\"names\":[\"a.test\"]}",
         "direct"},
        {"{\"verdict\":\"deny\",\"lineage\":3,\"name\":\"c.test\"}", "hidden"},
        {"{\"verdict\":\"deny\",\"lineage\":4,\"name\":\"b.test\"}", "hidden"}, /* npm has git do it */
        {"{\"verdict\":\"deny\",\"lineage\":4,\"name\":\"a.test\"}", "hidden"},
        {"{\"verdict\":\"deny\",\"lineage\":1,\"name\":\"c.test\"}", "direct"},
        {"{\"verdict\":\"deny\",\"lineage\":0,\"name\":\"c.test\"}", NULL},
        {"{\"verdict\":\"deny\",\"lineage\":5,\"name\":\"c.test\"}", "direct"},
        {"{\"verdict\":\"deny\",\"lineage\":7,\"name\":\"c.test\"}", "direct"}, /* what the first process became */
        {"{\"verdict\":\"deny\",\"lineage\":8,\"name\":\"c.test\"}", "hidden"},
        {"{\"verdict\":\"deny\",\"lineage\":6,\"name\":\"c.test\"}", "direct"},
        {"{\"verdict\":\"deny\",\"lineage\":2,\"name\":\"a.test\",\"rule\":{\"depends\":\"a -> b\"}}", "transient"},
    };
    json_t *document = json_pack("{s:o, s:[{s:i, s:i}, {s:i, s:i}]}", "lineage", json_loads(tree, 0, NULL), "processes",
                                 "number", 1, "lineage", 7, "number", 2, "lineage", 8);

    (void)state;
    assert_non_null(document);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect_class(document, rows[i].flow, rows[i].class);
    json_decref(document);
    /* bash -c './deploy.sh; true' > deploy.sh > curl > helper: a shell that is all that a shell starts is the script. */
    document = json_pack("{s:o, s:[{s:i, s:i}]}", "lineage",
                         json_loads("[{\"number\":1,\"parent\":0,\"path\":\"/bin/bash\",\"argv\":[\"bash\"]},"
                                    "{\"number\":2,\"parent\":1,\"path\":\"./deploy.sh\",\"argv\":[\"/bin/sh\"]},"
                                    "{\"number\":3,\"parent\":2,\"argv\":[\"curl\",\"https://a.test/\"]},"
                                    "{\"number\":4,\"parent\":3,\"argv\":[\"helper\",\"b.test\"]}]", 0, NULL),
                         "processes", "number", 1, "lineage", 1);
    expect_class(document, "{\"verdict\":\"deny\",\"lineage\":2,\"name\":\"c.test\"}", "direct");
    expect_class(document, "{\"verdict\":\"deny\",\"lineage\":4,\"name\":\"a.test\"}", "direct");
    expect_class(document, "{\"verdict\":\"deny\",\"lineage\":4,\"name\":\"b.test\"}", "hidden");
    json_decref(document);
}

/* Columns that hold no JSON, no UTF-8 or no time. */
static void test_nonsense(void **state)
{
    struct ledger *ledger = *state;
    const json_t *document, *flow;

    assert_int_equal(
        fixture_make(ledger->dir, DEPLOYMENT
                     "(1, CAST(x'61ff1b' AS TEXT), 't', 'p', 'block', 0, '{', NULL, -5, 99999999999999999,"
                     " 0, 127, 1, 0, 0, 0, 0);" FLOW
                     "(1, 77, CAST(x'c328' AS TEXT), '7', '', 'x', -1, 'tcp', 'deny', 'asked', '', NULL, 1, 0, '',"
                     " '[]', '', '', 0, 0, 4, 1, 1)"),
        0);
    document = read_first(ledger);
    assert_string_equal(json_string_value(json_object_get(document, "deployment")), "a\\xff\\x1b");
    assert_true(json_is_null(json_object_get(document, "argv")));
    assert_true(json_is_null(json_object_get(document, "started")));
    assert_true(json_is_null(json_object_get(document, "status")));

    flow = json_array_get(json_object_get(document, "flows"), 0);
    assert_string_equal(json_string_value(json_object_get(flow, "name")), "\\xc3(");
    assert_true(json_is_array(json_object_get(flow, "chain")));
    assert_true(json_is_null(json_object_get(flow, "rule")));
    assert_true(json_is_null(json_object_get(flow, "class")));
}

static void test_no_ledger(void **state)
{
    struct ledger *ledger = *state;
    const struct ng_ledger_query all = {0};
    char path[128];
    FILE *file;

    assert_int_equal(read_query(ledger, &all), -ENOENT);
    assert_int_equal(fixture_make(ledger->dir, "PRAGMA user_version = 1000"), 0);
    assert_int_equal(read_query(ledger, &all), -EPROTO);
    (void)snprintf(path, sizeof(path), "%s/ledger.db", ledger->dir);
    (void)unlink(path);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("this is no database, and has never been one of them", file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(read_query(ledger, &all), -EIO);
    assert_non_null(ledger->reason);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_document, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_query, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_slow_reader, set_up, tear_down),
        cmocka_unit_test(test_outcome),
        cmocka_unit_test_setup_teardown(test_running, set_up, tear_down),
        cmocka_unit_test(test_mentions),
        cmocka_unit_test(test_class),
        cmocka_unit_test_setup_teardown(test_nonsense, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_ledger, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
