// SPDX-License-Identifier: BSD-2-Clause
/* Records and summaries in words. The records are as docs/protocol.md has them. */
#include "../../cli/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "\"time\":\"2024-05-01T12:00:01.123456Z\",\"boottime_ns\":1,"

static json_t *parse(const char *text)
{
    json_error_t error;
    json_t *json = json_loads(text, 0, &error);

    if (!json)
        fail_msg("%s in %s", error.text, text);
    return json;
}

static void expect_record(const char *record, const char *expected)
{
    json_t *json = parse(record);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    ng_cli_format_record(out, json);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, expected);
    free(text);
    json_decref(json);
}

static void expect_summary(const char *summary, const char *expected)
{
    json_t *json = parse(summary);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    ng_cli_format_summary(out, json, "deploy.1a2b3c4d", "deploy");
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, expected);
    free(text);
    json_decref(json);
}

static void test_denial(void **state)
{
    (void)state;
    expect_record("{\"type\":\"denial\"," HEAD "\"deployment\":\"deploy.1a2b3c4d\",\"verdict\":\"deny\","
                  "\"proto\":\"tcp\","
                  "\"address\":\"192.0.2.1\",\"port\":443,\"names\":[{\"name\":\"api.github.com\"}],"
                  "\"rule\":{\"file\":\"deploy.policy\",\"line\":4,\"column\":5,\"pattern\":\"*.github.com\"},"
                  "\"reason\":\"it may be down\",\"instead\":\"mirror.internal\",\"evidence\":\"asked\","
                  "\"probe\":false,"
                  "\"pid\":12,\"comm\":\"curl\",\"ancestors\":[{\"pid\":11,\"comm\":\"deploy.sh\"}]}",
                  "2024-05-01T12:00:01Z denied api.github.com:443/tcp (192.0.2.1)  to deploy.1a2b3c4d\n"
                  "    by curl[12] < deploy.sh[11]\n"
                  "    deploy.policy:4: *.github.com  it may be down; instead: mirror.internal\n");
}

static void test_denial_of_an_address(void **state)
{
    (void)state;
    expect_record("{\"type\":\"denial\"," HEAD "\"deployment\":\"x.1\",\"verdict\":\"would-deny\",\"proto\":\"icmp\","
                  "\"address\":\"2001:db8::1\",\"port\":0,\"names\":[{\"name\":\"a.test\"}],\"rule\":null,"
                  "\"reason\":\"\",\"instead\":\"b.test\",\"evidence\":\"network\",\"probe\":true,"
                  "\"pid\":12,\"comm\":\"ping\\u001b\",\"ancestors\":[]}",
                  "2024-05-01T12:00:01Z would be denied [2001:db8::1]/icmp (a.test)  to x.1  (probe)\n"
                  "    by ping\\x1b[12]\n"
                  "    instead: b.test\n");
}

static void test_other_records(void **state)
{
    (void)state;
    expect_record("{\"type\":\"resolution\"," HEAD "\"name\":\"a.test\",\"chain\":[\"a.test\",\"b.test\"],"
                  "\"addresses\":[\"192.0.2.1\",\"192.0.2.2\"],\"deployment\":\"x.1\","
                  "\"asked_by\":{\"pid\":7,\"comm\":\"dig\"}}",
                  "2024-05-01T12:00:01Z resolved a.test -> b.test: 192.0.2.1, 192.0.2.2  for x.1  by dig[7]\n");
    expect_record("{\"type\":\"resolution\"," HEAD "\"name\":\"a.test\",\"chain\":[\"a.test\"],"
                  "\"addresses\":[],\"deployment\":null,\"asked_by\":null}",
                  "2024-05-01T12:00:01Z resolved a.test: \n");
    expect_record("{\"type\":\"deployment\"," HEAD "\"event\":\"started\",\"deployment\":\"x.1\",\"policy\":\"p\","
                  "\"mode\":\"block\",\"uid\":1000,\"argv\":[\"sh\",\"-c\"]}",
                  "2024-05-01T12:00:01Z started x.1  policy p, block, uid 1000\n    sh -c\n");
    expect_record("{\"type\":\"deployment\"," HEAD "\"event\":\"ended\",\"deployment\":\"x.1\",\"policy\":\"p\","
                  "\"mode\":\"block\",\"uid\":0,\"argv\":null,\"denied\":2,\"would\":0,\"probes\":1}",
                  "2024-05-01T12:00:01Z ended x.1  policy p, block, uid 0: 2 denied, 0 would be, 1 probes\n");
    expect_record("{\"type\":\"trouble\"," HEAD "\"trouble\":\"prewarm\",\"text\":\"late\",\"name\":\"a.test\","
                  "\"address\":null}",
                  "2024-05-01T12:00:01Z trouble prewarm: late  a.test\n");
    expect_record("{\"type\":\"policy\"," HEAD "\"generation\":3,\"policies\":[{\"name\":\"p\",\"mode\":\"audit\"}]}",
                  "2024-05-01T12:00:01Z policies generation 3: p (audit)\n");
    expect_record("{\"type\":\"policy\"," HEAD "\"error\":\"a.policy:1:1: error: no\"}",
                  "2024-05-01T12:00:01Z policies refused a.policy:1:1: error: no\n");
}

/* Whatever stands in the file is shown somehow, and nothing is relied on. */
static void test_strange_records(void **state)
{
    (void)state;
    expect_record("{}", "Z  \n");
    expect_record("{\"type\":\"future\"," HEAD "\"x\":1}", "2024-05-01T12:00:01Z future \n");
    expect_record("{\"type\":\"denial\",\"names\":7,\"rule\":[],\"ancestors\":\"x\",\"port\":\"y\"}",
                  "Z denied /  to \n    by ?\n    \n");
}

#define LINE                                                                                                      \
    "{\"destination\":\"api.github.com\",\"port\":443,\"proto\":\"tcp\",\"count\":2,\"verdict\":\"deny\","           \
    "\"comm\":\"curl\",\"rule\":\"deploy.policy:4\",\"reason\":\"reason text\",\"instead\":\"mirror.internal\"}"
#define SHOWN "  api.github.com:443/tcp  2x  by curl  deploy.policy:4  reason text; instead: mirror.internal\n"
#define SHOWN_3 SHOWN SHOWN SHOWN
#define REPORT "namegate report --deployment deploy.1a2b3c4d\n"

static void test_summary(void **state)
{
    (void)state;
    expect_summary("{\"denied\":0,\"would\":0,\"probes\":3,\"lines\":[]}", "");
    expect_summary("{\"denied\":3,\"would\":0,\"lines\":[" LINE "]}",
                   "namegate: 3 attempts denied (deploy.1a2b3c4d, policy deploy)\n" SHOWN
                   "  by which commands, and why: " REPORT);
    expect_summary("{\"denied\":0,\"would\":1,\"lines\":[{\"destination\":\"2001:db8::1\",\"port\":53,"
                   "\"proto\":\"udp\","
                   "\"count\":1,\"comm\":\"dig\",\"rule\":\"\",\"reason\":\"strict\",\"instead\":\"\"}]}",
                   "namegate: 1 attempt would have been denied (deploy.1a2b3c4d, policy deploy)\n"
                   "  [2001:db8::1]:53/udp  1x  by dig  strict\n"
                   "  by which commands, and why: " REPORT);
    expect_summary("{\"denied\":2,\"would\":1,\"lines\":[]}",
                   "namegate: 2 attempts denied, 1 would have been (deploy.1a2b3c4d, policy deploy)\n"
                   "  by which commands, and why: " REPORT);
}

static void test_long_summary(void **state)
{
    (void)state;
    expect_summary("{\"denied\":9,\"would\":0,\"lines\":[" LINE "," LINE "," LINE "," LINE "," LINE "]}",
                   "namegate: 9 attempts denied (deploy.1a2b3c4d, policy deploy)\n" SHOWN_3 "  ... and 2 more: " REPORT);
}

static void test_duration(void **state)
{
    static const struct {
        long long seconds;
        const char *text;
    } rows[] = {{0, "0s"}, {59, "59s"}, {60, "1m"}, {61, "1m 1s"}, {3600, "1h"}, {12345, "3h 25m"}, {90000, "1d 1h"}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);

        assert_non_null(out);
        ng_cli_format_duration(out, rows[i].seconds);
        assert_int_equal(fclose(out), 0);
        assert_string_equal(text, rows[i].text);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_denial),          cmocka_unit_test(test_denial_of_an_address),
        cmocka_unit_test(test_other_records),   cmocka_unit_test(test_strange_records),
        cmocka_unit_test(test_summary),         cmocka_unit_test(test_long_summary),
        cmocka_unit_test(test_duration),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
