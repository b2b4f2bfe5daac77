// SPDX-License-Identifier: BSD-2-Clause
#include "support.h"

#include "../../daemon/journal.h"

static void expect(const char *record, const char *sentence)
{
    json_t *json = json_loads(record, 0, NULL);
    char *text;

    assert_non_null(json);
    text = ng_journal_sentence(json);
    assert_string_equal(text, sentence);
    free(text);
    json_decref(json);
}

static void each_kind_is_a_sentence(void **state)
{
    (void)state;
    expect("{\"type\":\"denial\",\"deployment\":\"web.1\",\"comm\":\"curl\",\"pid\":7,\"verdict\":\"deny\",\"address\":"
           "\"192.0.2.1\",\"port\":443,\"proto\":\"tcp\",\"names\":[{\"name\":\"github.com\"}],\"evidence\":\"asked\","
           "\"rule\":{\"file\":\"a.policy\",\"line\":3},\"reason\":\"it may be down\",\"instead\":\"mirror\"}",
           "curl[7] of web.1 was denied github.com port 443/tcp by a.policy:3: it may be down; instead: mirror");
    expect("{\"type\":\"denial\",\"deployment\":\"web.1\",\"comm\":\"curl\",\"pid\":7,\"verdict\":\"would-deny\","
           "\"address\":\"192.0.2.1\",\"port\":443,\"proto\":\"tcp\",\"names\":[{\"name\":\"other.test\"}],\"evidence\":"
           "\"network\",\"rule\":null,\"reason\":\"\",\"instead\":\"\"}",
           "curl[7] of web.1 would have been denied 192.0.2.1 port 443/tcp");
    expect("{\"type\":\"deployment\",\"event\":\"started\",\"deployment\":\"web.1\",\"policy\":\"deploy\",\"mode\":"
           "\"block\",\"argv\":[\"sh\",\"deploy.sh\"]}",
           "deployment web.1 started under policy deploy (block): sh deploy.sh");
    expect("{\"type\":\"deployment\",\"event\":\"ended\",\"deployment\":\"web.1\",\"policy\":\"deploy\",\"mode\":"
           "\"block\",\"argv\":[\"sh\",\"deploy.sh\"],\"denied\":3,\"would\":0}",
           "deployment web.1 ended under policy deploy (block): 3 denied, 0 would have been");
    expect("{\"type\":\"resolution\",\"name\":\"a.test\",\"deployment\":\"web.1\",\"asked_by\":{\"pid\":7,\"comm\":\"dig\"}}",
           "a.test was looked up by dig[7] of web.1");
    expect("{\"type\":\"trouble\",\"text\":\"no upstream answered\"}", "no upstream answered");
    expect("{\"type\":\"incident\",\"event\":\"on\",\"incident\":{\"reason\":\"outage\"}}", "incident on: outage");
    expect("{\"type\":\"policy\",\"generation\":4,\"policies\":[]}", "policy: generation 4");
    expect("{\"type\":\"policy\",\"generation\":4,\"error\":\"bad\"}", "policy: bad");
    expect("{\"type\":\"policy\",\"event\":\"shadow-on\",\"shadow\":{\"path\":\"/p\"}}", "shadow-on: /p");
    expect("{\"type\":\"shadow\",\"deployment\":\"web.1\",\"verdict\":\"allow\",\"shadow_verdict\":\"deny\","
           "\"shadow_path\":\"/p\",\"shadow_reason\":\"strict\",\"address\":\"192.0.2.1\",\"port\":443,\"proto\":\"tcp\","
           "\"names\":[{\"name\":\"a.test\"}],\"evidence\":\"none\"}",
           "/p would deny a.test port 443/tcp of web.1, which was let through: strict");
}

static void it_is_one_line(void **state)
{
    (void)state;
    expect("{\"type\":\"trouble\",\"text\":\"a\\nb\\u001b[1m\\u007f\xc3\xa4\"}", "a?b?[1m?\xc3\xa4");
    expect("{}", ": generation 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_is_a_sentence),
        cmocka_unit_test(it_is_one_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
