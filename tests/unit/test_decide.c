// SPDX-License-Identifier: BSD-2-Clause
/* The verdict, as a table in the words of namegate.policy(5). */
#include "../../bpf/decide.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NONE NG_VERDICT_NONE
#define ALLOW NG_VERDICT_ALLOW
#define DENY NG_VERDICT_DENY

struct row {
    const char *what;
    struct ng_facts facts;
    __u8 verdict, would, evidence;
};

#define AUDIT .mode = NG_MODE_AUDIT
#define BLOCK .mode = NG_MODE_BLOCK
#define STRICT .mode = NG_MODE_STRICT

static const struct row rows[] = {
    {"nothing known, block", {BLOCK, .port = 443}, ALLOW, 0, NG_EVIDENCE_NONE},
    {"nothing known, strict", {STRICT, .port = 443}, DENY, 0, NG_EVIDENCE_STRICT},
    {"nothing known, audit", {AUDIT, .port = 443}, ALLOW, 0, NG_EVIDENCE_NONE},
    {"loopback in strict", {STRICT, .port = 443, .loopback = 1}, ALLOW, 0, NG_EVIDENCE_NONE},
    {"denied loopback", {BLOCK, .port = 80, .loopback = 1, .network_rule = DENY}, DENY, 0, NG_EVIDENCE_NETWORK},
    {"denied name", {BLOCK, .port = 443, .name_denied = 1}, DENY, 0, NG_EVIDENCE_NAME},
    {"denied name, audit", {AUDIT, .port = 443, .name_denied = 1}, ALLOW, 1, NG_EVIDENCE_NAME},
    {"denied and allowed name at one address", {BLOCK, .port = 443, .name_denied = 1, .name_allowed = 1}, DENY, 0,
     NG_EVIDENCE_SHARED},
    {"allowed name, strict", {STRICT, .port = 443, .name_allowed = 1}, ALLOW, 0, NG_EVIDENCE_NAME},
    {"address over name", {BLOCK, .port = 443, .name_denied = 1, .address_rule = ALLOW}, ALLOW, 0,
     NG_EVIDENCE_ADDRESS},
    {"denied address over allowed name", {STRICT, .port = 443, .name_allowed = 1, .address_rule = DENY}, DENY, 0,
     NG_EVIDENCE_ADDRESS},
    {"name over network", {BLOCK, .port = 443, .name_allowed = 1, .network_rule = DENY}, ALLOW, 0, NG_EVIDENCE_NAME},
    {"denied name over allowed network", {BLOCK, .port = 443, .name_denied = 1, .network_rule = ALLOW}, DENY, 0,
     NG_EVIDENCE_NAME},
    {"allowed network, strict", {STRICT, .port = 443, .network_rule = ALLOW}, ALLOW, 0, NG_EVIDENCE_NETWORK},
    {"DNS goes to the resolver", {STRICT, .port = 53, .dns = 1}, ALLOW, 0, NG_EVIDENCE_NONE},
    {"DNS to a denied server goes there too", {BLOCK, .port = 53, .dns = 1, .name_denied = 1}, ALLOW, 0,
     NG_EVIDENCE_NONE},
    {"DNS over TLS", {BLOCK, .port = 853}, DENY, 0, NG_EVIDENCE_RESOLVER},
    {"DNS over TLS, audit", {AUDIT, .port = 853}, ALLOW, 1, NG_EVIDENCE_RESOLVER},
    {"DNS over TLS that a rule allows", {BLOCK, .port = 853, .name_allowed = 1}, ALLOW, 0, NG_EVIDENCE_NAME},
    {"DNS over TLS on loopback", {BLOCK, .port = 853, .loopback = 1}, ALLOW, 0, NG_EVIDENCE_NONE},
    {"the resolver's own port", {BLOCK, .port = 4000, .loopback = 1, .redirect_port = 1}, DENY, 0,
     NG_EVIDENCE_RESOLVER},
    {"raw", {BLOCK, .raw = 1, .address_rule = ALLOW}, DENY, 0, NG_EVIDENCE_RAW},
    {"raw, audit", {AUDIT, .raw = 1}, ALLOW, 1, NG_EVIDENCE_RAW},
    {"incident makes audit strict", {AUDIT, .incident = 1, .port = 443}, DENY, 0, NG_EVIDENCE_STRICT},
    {"incident keeps what is allowed", {BLOCK, .incident = 1, .port = 443, .name_allowed = 1}, ALLOW, 0,
     NG_EVIDENCE_NAME},
    {"escalation makes block strict", {BLOCK, .escalated = 1, .port = 443}, DENY, 0, NG_EVIDENCE_STRICT},
    {"escalation leaves audit alone", {AUDIT, .escalated = 1, .port = 443}, ALLOW, 0, NG_EVIDENCE_NONE},
};

static void test_decide(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ng_decision decision = ng_decide(&rows[i].facts);

        if (decision.verdict != rows[i].verdict || decision.would != rows[i].would ||
            decision.evidence != rows[i].evidence)
            fail_msg("%s: verdict %u would %u evidence %u", rows[i].what, decision.verdict, decision.would,
                     decision.evidence);
    }
}

static void test_mode_in_force(void **state)
{
    struct ng_facts facts = {AUDIT};

    (void)state;
    assert_int_equal(ng_decide(&facts).mode, NG_MODE_AUDIT);
    facts.incident = 1;
    assert_int_equal(ng_decide(&facts).mode, NG_MODE_STRICT);
}

static void test_profile(void **state)
{
    struct ng_profile profile = {
        .count = 3,
        .segment = {{.port_lo = 443, .port_hi = 443, .proto = IPPROTO_TCP, .verdict = ALLOW},
                    {.port_lo = 8000, .port_hi = 8999, .proto = 0, .verdict = DENY},
                    {.port_lo = 400, .port_hi = 500, .proto = IPPROTO_TCP, .verdict = DENY}},
    };

    (void)state;
    assert_int_equal((__u8)ng_profile_word(&profile, IPPROTO_TCP, 443), ALLOW); /* the first that matches */
    assert_int_equal((__u8)ng_profile_word(&profile, IPPROTO_TCP, 444), DENY);
    assert_int_equal((__u8)ng_profile_word(&profile, IPPROTO_UDP, 443), NONE);
    assert_int_equal((__u8)ng_profile_word(&profile, IPPROTO_UDP, 8000), DENY);
    assert_int_equal((__u8)ng_profile_word(&profile, IPPROTO_UDP, 8999), DENY);
    assert_int_equal((__u8)ng_profile_word(&profile, IPPROTO_UDP, 9000), NONE);
    profile.count = 0;
    assert_int_equal((__u8)ng_profile_word(&profile, IPPROTO_TCP, 443), NONE);
    profile.count = 1000; /* a broken one is not read beyond its end */
    profile.segment[NG_SEGMENTS_MAX - 1] = (struct ng_segment){.port_lo = 7, .port_hi = 7, .verdict = DENY};
    assert_int_equal((__u8)ng_profile_word(&profile, IPPROTO_TCP, 7), DENY);
}

static void test_claim(void **state)
{
    const __u64 started = 1000, second = 1000000000ULL;

    (void)state;
    /* A deny that was in force when the deployment started, or since, stays. */
    assert_true(ng_claim_in_force(started + 1, DENY, started, started + 100 * second, started + 100 * second));
    assert_false(ng_claim_in_force(started, DENY, started, started + 1, started + 1));
    /* An allow ends with its time, */
    assert_true(ng_claim_in_force(501, ALLOW, 0, 500, 500));
    assert_false(ng_claim_in_force(500, ALLOW, 0, 500, 500));
    /* but not while the keeper is silent, if it was in force when it fell silent. */
    assert_true(ng_claim_in_force(5 * second, ALLOW, 0, 100 * second, 4 * second));
    assert_false(ng_claim_in_force(3 * second, ALLOW, 0, 100 * second, 4 * second));
    assert_false(ng_claim_in_force(5 * second, ALLOW, 0, 6 * second, 4 * second));
    assert_true(ng_claim_in_force(NG_FOREVER, ALLOW, 0, 100 * second, 100 * second));
}

static void a_deny_that_yields(void **state)
{
    struct ng_facts facts = {.mode = NG_MODE_BLOCK, .name_yields = 1, .name_respond = NG_RESPOND_REFUSED};
    struct ng_decision decision = ng_decide(&facts);

    (void)state;
    assert_int_equal(decision.verdict, NG_VERDICT_DENY);
    assert_int_equal(decision.respond, NG_RESPOND_REFUSED);
    facts.name_allowed = 1;
    decision = ng_decide(&facts);
    assert_int_equal(decision.verdict, NG_VERDICT_ALLOW);
    assert_int_equal(decision.evidence, NG_EVIDENCE_SHARED);
    facts.name_denied = 1;
    assert_int_equal(ng_decide(&facts).verdict, NG_VERDICT_DENY);
}

static void without_a_keeper(void **state)
{
    struct ng_facts facts = {.mode = NG_MODE_BLOCK, .abandoned = 1, .address_rule = NG_VERDICT_ALLOW};
    struct ng_decision decision = ng_decide(&facts);

    (void)state;
    assert_int_equal(decision.verdict, NG_VERDICT_DENY);
    assert_int_equal(decision.evidence, NG_EVIDENCE_ABANDONED);
    facts.loopback = 1;
    facts.address_rule = NG_VERDICT_NONE;
    assert_int_equal(ng_decide(&facts).verdict, NG_VERDICT_ALLOW);
    facts = (struct ng_facts){.mode = NG_MODE_AUDIT, .abandoned = 1};
    assert_int_equal(ng_decide(&facts).would, 1);
}

static void granted(void **state)
{
    struct ng_facts facts = {.mode = NG_MODE_STRICT, .incident = 1, .name_granted = 1, .name_denied = 1};

    (void)state;
    facts.address_rule = facts.network_rule = NG_VERDICT_DENY;
    assert_int_equal(ng_decide(&facts).verdict, NG_VERDICT_ALLOW);
    facts.raw = 1;
    assert_int_equal(ng_decide(&facts).verdict, NG_VERDICT_DENY);
    facts = (struct ng_facts){.mode = NG_MODE_BLOCK, .name_granted = 1, .abandoned = 1};
    assert_int_equal(ng_decide(&facts).verdict, NG_VERDICT_DENY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deny_that_yields), cmocka_unit_test(without_a_keeper), cmocka_unit_test(granted),
        cmocka_unit_test(test_decide),
        cmocka_unit_test(test_mode_in_force),
        cmocka_unit_test(test_profile),
        cmocka_unit_test(test_claim),
    };

    return cmocka_run_group_tests_name("decide", tests, NULL, NULL);
}
