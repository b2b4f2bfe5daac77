// SPDX-License-Identifier: BSD-2-Clause
/* What helps those who write policies: warnings, tests in policies, comparison, layout. */
#include "support.h"

#include "../../policy/case.h"
#include "../../policy/compare.h"
#include "../../policy/expect.h"
#include "../../policy/format.h"
#include "../../policy/lint.h"

#include <errno.h>
#include <netinet/in.h>
#include <time.h>

struct compiled {
    struct ng_set *set;
    struct ng_snapshot *snapshot;
    struct ng_diag *diag;
};

static struct compiled compile(const char *text)
{
    struct ng_source source = {.path = "t", .text = text, .length = strlen(text)};
    struct compiled compiled = {.diag = ng_diag_new()};
    int fd = -1;

    if (ng_set_load(&source, 1, compiled.diag, &compiled.set) < 0 ||
        ng_set_compile(compiled.set, compiled.diag, &fd) < 0)
        fail_msg("%s", ng_diag_text(compiled.diag));
    assert_int_equal(ng_snapshot_open(fd, &compiled.snapshot), 0);
    (void)close(fd);
    return compiled;
}

static void release(struct compiled *compiled)
{
    ng_snapshot_free(compiled->snapshot);
    ng_set_free(compiled->set);
    ng_diag_free(compiled->diag);
}

/* --- warnings */

struct warned {
    const char *rules; /* of policy p, and what follows it */
    const char *said;  /* NULL: nothing at all */
};

static const struct warned warnings[] = {
    {"deny *.example.org }", "*.example.org does not hold example.org itself"},
    {"deny *.example.org }", "write .example.org for both"},
    {"deny *.example.org, example.org }", NULL},
    {"deny *.example.org allow example.org }", NULL},
    {"deny .example.org, *.b.example.org }", NULL},
    {"allow *.example.org }", NULL},
    {"deny *.com }", "'com' is a public suffix: this denies the domains of everybody"},
    {"deny .co.uk }", "'co.uk' is a public suffix"},
    {"allow *.com }", "this allows the domains of everybody"},
    {"deny com }", "a name without a dot"},
    {"deny *.com.example, com.example }", NULL},
    {"deny .github.io }", NULL}, /* somebody's own list of suffixes, not a registry's */
    {"deny a.example, a.example }", "it is a duplicate of t:1"},
    {"allow a.example deny a.example }", "it contradicts t:1"},
    {"deny a.example port 80 allow a.example port 80-81 }", NULL},
    {"deny a.invalid }", "'a.invalid' never exists"},
    {"deny -a.example }", "'-a.example' cannot be the name of a host"},
    {"deny xn--a.example }", "nothing stands behind its xn--"},
    {"deny xn--bcher-kva.example }", NULL},
    {"deny github.con }", "did you mean github.com?"},
    {"deny git.corp, db.internal, x.prod }", NULL},
    {"deny a.example proto tcp, udp }", "'udp' is the name of a host here"},
    {"deny a.example port 443,http }", "'http' is the name of a host here"},
    {"deny any }", "a name without a dot"},
    {"deny a.example } test q { expect deny a.example }", "there is no policy 'q'"},
    {"deny a.example } policy deploy { } test depoy { expect deny a.example }", "did you mean 'deploy'?"},
    {"deny @g } group @g { }", "'@g' is empty: this denies nothing"},
    {"deny a.example depends b.example on github.com } policy other { deny github.com }", NULL},
    {"deny @g } group @g { a.example } policy q extends p { } test q { expect deny a.example }", NULL},
    {"deny localhost }", "loopback addresses, which no name can deny"},
    {"deny 127.0.0.0/8 }", "this denies 127.0.0.1, which is guarded"},
    {"deny ::1 }", "this denies ::1, which is guarded"},
    {"deny ::/0 }", "this denies ::1"},
    {"allow 127.0.0.1 deny 192.0.2.1 }", NULL},
    {"deny @g } group @g { a.example }", "no test expects that '@g' is denied"},
    {"deny @g } group @g { a.example } test p { expect deny b.example }", "no test expects"},
    {"deny @g } group @g { a.example } test p { expect deny a.example }", NULL},
    {"deny @g } group @g { 192.0.2.0/24 } test p { expect deny 192.0.2.9 }", NULL},
    {"deny @g port 80 } group @g { a.example port 443 } test p { expect deny a.example }", "this can never match"},
    {"depends a.example on b.example }", "no policy says anything of 'b.example'"},
    {"deny github.com depends a.example on githib.com }", "did you mean 'github.com'?"},
    {"deny c.example depends a.example on b.example depends b.example on c.example }", NULL},
    {"deny .c.example depends a.example on x.c.example }", NULL},
};

static struct ng_guarded guarded_of(const char *text)
{
    struct ng_guarded guarded = {.what = "which is guarded"};

    test_address(text, guarded.address);
    return guarded;
}

static void what_is_hardly_meant_is_warned_of(void **state)
{
    struct ng_guarded guarded[2] = {guarded_of("127.0.0.1"), guarded_of("::1")};

    (void)state;
    for (size_t i = 0; i < sizeof(warnings) / sizeof(*warnings); i++) {
        char text[500], *said;
        struct compiled it;

        (void)snprintf(text, sizeof(text), "policy p { %s", warnings[i].rules);
        it = compile(text);
        assert_int_equal(ng_lint(it.set, it.snapshot, guarded, 2, it.diag), 0);
        assert_int_equal(ng_diag_errors(it.diag), 0);
        said = ng_diag_text(it.diag);
        if (warnings[i].said ? !strstr(said, warnings[i].said) : *said != '\0')
            fail_msg("%s\nsays\n%s\ninstead of %s", text, said, warnings[i].said ? warnings[i].said : "nothing");
        free(said);
        release(&it);
    }
}

/* What many policies share is judged for each, and told once; a remedy is looked for while there is room to tell it. */
static void what_is_shared_is_warned_of_once(void **state)
{
    enum { DEPENDENCIES = 1000 };
    char *text = malloc(DEPENDENCIES * 64), *at = text;
    struct compiled it;

    (void)state;
    it = compile("policy a { deny github.com } policy b { deny github.io } depends x.example on githb.com\n"
                 "policy c { depends y.example on z.example depends z.example on github.com }");
    assert_int_equal(ng_lint(it.set, it.snapshot, NULL, 0, it.diag), 0);
    assert_int_equal(ng_diag_warnings(it.diag), 1);
    release(&it);
    at += sprintf(at, "policy p { deny github.com\n");
    for (int i = 0; i < DEPENDENCIES; i++)
        at += sprintf(at, "depends n%d.example on .y%d.example\n", i, i);
    (void)strcpy(at, "}");
    it = compile(text);
    assert_int_equal(ng_lint(it.set, it.snapshot, NULL, 0, it.diag), 0);
    assert_true(ng_diag_full(it.diag));
    release(&it);
    free(text);
}

static void an_end_is_announced(void **state)
{
    static const int days[] = {-1, 0, 3, 13, 20};
    static const char *const said[] = {"has ended", "ends with this day", "ends in 3 days", "ends in 13 days", NULL};

    (void)state;
    for (int i = 0; i < 5; i++) {
        char text[200], date[16], *got;
        time_t day = time(NULL) + days[i] * 86400;
        struct compiled it;

        (void)strftime(date, sizeof(date), "%Y-%m-%d", gmtime(&day));
        (void)snprintf(text, sizeof(text), "policy p { deny a.example { until %s } }", date);
        it = compile(text);
        assert_int_equal(ng_lint(it.set, it.snapshot, NULL, 0, it.diag), 0);
        got = ng_diag_text(it.diag);
        if (said[i] ? !strstr(got, said[i]) : *got != '\0')
            fail_msg("%s: %s", text, got);
        free(got);
        release(&it);
    }
}

/* --- tests in policies */

struct outcomes {
    char met[64];
    char trouble[64][200];
    size_t count;
};

static int take(void *arg, const struct ng_expectation *it)
{
    struct outcomes *outcomes = arg;

    outcomes->met[outcomes->count] = it->met ? '+' : '-';
    (void)snprintf(outcomes->trouble[outcomes->count++], 200, "%s", it->trouble);
    return 0;
}

static void tests_in_policies_are_run(void **state)
{
    struct compiled it = compile("policy p { deny a.example port 443 deny b.example allow 192.0.2.1 deny 192.0.2.0/24 }\n"
                                 "policy s extends p { mode strict }\n"
                                 "policy u { mode audit deny a.example }\n"
                                 "test p {\n expect deny a.example:443\n expect allow a.example:80\n"
                                 " expect deny a.example\n expect deny b.example/udp\n expect allow c.example\n"
                                 " expect deny 192.0.2.2:1\n expect allow 192.0.2.1\n expect deny b.example:53\n"
                                 " expect deny [2001:db8::1]:53\n}\n"
                                 "test s { expect deny c.example expect allow 127.0.0.1:80 expect deny 198.51.100.1 }\n"
                                 "test u { expect deny a.example }\ntest none { expect deny a.example }");
    struct outcomes outcomes = {.count = 0};

    (void)state;
    assert_int_equal(ng_expect(it.set, it.snapshot, take, &outcomes), 0);
    assert_string_equal(outcomes.met, "++-++++--++++-");
    assert_string_equal(outcomes.trouble[0], "");
    assert_string_equal(outcomes.trouble[2], "it is allowed on port 0-52, by no rule");
    assert_string_equal(outcomes.trouble[7], "it is allowed: DNS goes to the gate's resolver");
    assert_string_equal(outcomes.trouble[8], "it is allowed: DNS goes to the gate's resolver");
    assert_string_equal(outcomes.trouble[13], "there is no policy 'none'");
    release(&it);
}

/* --- cases */

static void an_alias_decides_like_the_kernel_does(void **state)
{
    struct compiled it = compile("policy p { allow a.example deny c.example deny 192.0.2.0/24 allow 192.0.2.7 port 80 }");
    struct ng_probe probe = {.named = true, .name = test_name("a.example")};
    struct ng_case *judged = malloc(sizeof(*judged));
    struct ng_opinion opinion;
    struct ng_name name;

    (void)state;
    ng_case_make(it.snapshot, 0, &probe, judged);
    ng_case_judge(judged, IPPROTO_TCP, 80, &opinion);
    assert_int_equal(opinion.verdict, NG_VERDICT_ALLOW);
    assert_string_equal(opinion.rule.pattern, "a.example");
    judged->addressed = true;
    test_address("192.0.2.9", judged->address);
    ng_case_judge(judged, IPPROTO_TCP, 80, &opinion); /* a name comes before a network */
    assert_int_equal(opinion.verdict, NG_VERDICT_ALLOW);
    name = test_name("c.example");
    assert_true(ng_case_add(judged, &name, false));
    ng_case_judge(judged, IPPROTO_TCP, 80, &opinion);
    assert_int_equal(opinion.verdict, NG_VERDICT_DENY);
    assert_int_equal(opinion.evidence, NG_EVIDENCE_SHARED);
    assert_string_equal(opinion.rule.pattern, "c.example");
    test_address("192.0.2.7", judged->address);
    ng_case_judge(judged, IPPROTO_TCP, 80, &opinion); /* an address comes before names */
    assert_int_equal(opinion.verdict, NG_VERDICT_ALLOW);
    assert_int_equal(opinion.evidence, NG_EVIDENCE_ADDRESS);
    ng_case_judge(judged, IPPROTO_TCP, 853, &opinion);
    assert_int_equal(opinion.verdict, NG_VERDICT_DENY);
    judged->names = 0;
    test_address("198.51.100.1", judged->address);
    ng_case_judge(judged, IPPROTO_TCP, 853, &opinion);
    assert_int_equal(opinion.evidence, NG_EVIDENCE_RESOLVER);
    assert_false(opinion.has_rule);
    free(judged);
    release(&it);
}

static uint8_t verdict_of(const struct ng_case *it, uint16_t port, uint8_t evidence)
{
    struct ng_opinion opinion;

    ng_case_judge(it, IPPROTO_TCP, port, &opinion);
    assert_int_equal(opinion.evidence, evidence);
    return opinion.verdict;
}

/* All that the kernel's hooks know besides the rules. */
static void what_shares_an_address_is_judged_together(void **state)
{
    struct compiled it = compile("policy p { mode strict allow b.example deny c.example { shared allow } }");
    struct ng_probe probe = {.address = {[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 9}};
    struct ng_name a = test_name("a.example"), b = test_name("b.example"), c = test_name("c.example");
    struct ng_case *judged = malloc(sizeof(*judged));

    (void)state;
    ng_case_make(it.snapshot, 0, &probe, judged);
    assert_int_equal(verdict_of(judged, 80, NG_EVIDENCE_STRICT), NG_VERDICT_DENY);
    assert_true(ng_case_add(judged, &a, true));
    assert_true(ng_case_add(judged, &b, false)); /* an alias: what allows it does not count */
    assert_int_equal(verdict_of(judged, 80, NG_EVIDENCE_STRICT), NG_VERDICT_DENY);
    assert_true(ng_case_add(judged, &b, true));
    assert_int_equal(judged->names, 2);
    assert_int_equal(verdict_of(judged, 80, NG_EVIDENCE_NAME), NG_VERDICT_ALLOW);
    assert_true(ng_case_add(judged, &c, true));
    assert_int_equal(verdict_of(judged, 80, NG_EVIDENCE_SHARED), NG_VERDICT_ALLOW);
    judged->asked[1] = false;
    assert_int_equal(verdict_of(judged, 80, NG_EVIDENCE_NAME), NG_VERDICT_DENY);
    judged->guarded = true;
    assert_int_equal(verdict_of(judged, 80, NG_EVIDENCE_STRICT), NG_VERDICT_DENY);
    judged->granted = true;
    assert_int_equal(verdict_of(judged, 80, NG_EVIDENCE_NAME), NG_VERDICT_ALLOW);
    judged->abandoned = true;
    assert_int_equal(verdict_of(judged, 80, NG_EVIDENCE_ABANDONED), NG_VERDICT_DENY);
    assert_int_equal(verdict_of(judged, 53, NG_EVIDENCE_NONE), NG_VERDICT_ALLOW);
    judged->bypassing = true;
    assert_int_equal(verdict_of(judged, 53, NG_EVIDENCE_RESOLVER), NG_VERDICT_DENY);
    judged->raw = true;
    assert_int_equal(verdict_of(judged, 80, NG_EVIDENCE_RAW), NG_VERDICT_DENY);
    free(judged);
    release(&it);
}

/* DNS is the resolver's on every server; DNS over TLS or QUIC is refused where no rule allows it. */
static void ports_that_the_gate_decides_are_told_apart(void **state)
{
    static const struct {
        const char *name, *spans;
    } cases[] = {{"x.example", "0-52 allow, 53 dns, 54-852 allow, 853 deny, 854-65535 allow, "},
                 {"a.example", "0-52 deny, 53 dns, 54-65535 deny, "},
                 {"b.example", "0-52 allow, 53 dns, 54-65535 allow, "},
                 {"c.example", "0-52 allow, 53 dns, 54-852 allow, 853 allow, 854-65535 allow, "}};
    struct compiled it = compile("policy p { deny a.example allow b.example, c.example port 853 }");
    struct ng_case *judged = malloc(sizeof(*judged));

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct ng_probe probe = {.named = true, .name = test_name(cases[i].name)};
        char got[200] = "";
        ng_spans spans;

        ng_case_make(it.snapshot, 0, &probe, judged);
        assert_int_equal(ng_case_spans(judged, &spans), 0);
        for (size_t s = 0; s < spans.count; s++) {
            struct ng_opinion opinion;
            char ports[NG_SPAN_TEXT_MAX];

            ng_case_judge(judged, IPPROTO_TCP, spans.items[s].low, &opinion);
            (void)sprintf(got + strlen(got), "%s %s, ", ng_span_text(&spans.items[s], ports) + strlen(" port "),
                          opinion.dns                              ? "dns"
                          : opinion.verdict == NG_VERDICT_DENY ? "deny"
                                                                   : "allow");
        }
        assert_string_equal(got, cases[i].spans);
        ng_vector_free(&spans);
    }
    free(judged);
    release(&it);
}

/* --- comparison */

static void expect_difference(const char *before, const char *after, const char *wanted)
{
    struct compiled a = compile(before), b = compile(after);
    struct ng_comparison comparison;

    assert_int_equal(ng_compare(a.snapshot, b.snapshot, 100, &comparison), 0);
    assert_string_equal(comparison.text, wanted);
    free(comparison.text);
    release(&a);
    release(&b);
}

static void meanings_are_compared(void **state)
{
    (void)state;
    expect_difference("policy p { deny a.example, *.b.example port 80-90 }",
                      "policy p { deny *.b.example port 80-85 # x\n deny *.b.example port 86-90 deny A.EXAMPLE }", "");
    expect_difference("policy p { }", "policy p { deny a.example }", "p: a.example: no rule -> denied (t:1)\n");
    expect_difference("policy p { deny a.example }", "policy p { }", "p: a.example: denied -> no rule (t:1)\n");
    expect_difference("policy p { deny .a.example }", "policy p { deny .a.example allow b.a.example port 80 }",
                      "p: b.a.example port 80: denied -> allowed (t:1)\n");
    expect_difference("policy p { deny .a.example }", "policy p { deny a.example deny *.a.example proto tcp }",
                      "p: *.a.example proto udp: denied -> no rule (t:1)\n");
    expect_difference("policy p { deny 192.0.2.0/24 }", "policy p { deny 192.0.2.0/24 allow 192.0.2.7 }",
                      "p: 192.0.2.7: denied -> allowed (t:1)\n");
    expect_difference("policy p { deny 192.0.2.0/24 }", "policy p { deny 192.0.2.0/25 }",
                      "p: 192.0.2.0/24: denied -> no rule (t:1)\n");
    expect_difference("policy p { mode audit } policy q { }", "policy p { on-agent-loss closed } policy r { }",
                      "p: mode audit -> block\np: on-agent-loss freeze -> closed\nq: gone\nr: new, mode block\n");
    expect_difference("policy p { deny g.example depends a.example on h.example }",
                      "policy p { deny g.example depends a.example on g.example }",
                      "p: a.example: no rule -> denied (t:1)\n");
}

/* What does not change a verdict on its own, and regions that are written in another way. */
static void more_than_verdicts_is_compared(void **state)
{
    (void)state;
    expect_difference("policy p { allow a.example deny 10.0.0.0/31, 10.0.0.0 }",
                      "policy p { allow a.example deny 10.0.0.0/31 }",
                      "p: 10.0.0.0: by address, before names -> by network, after names (t:1)\n");
    expect_difference("policy p { deny a.example { shared allow } }", "policy p { deny a.example }",
                      "p: a.example: shared allow -> deny (t:1)\n");
    expect_difference("policy p { deny a.example { respond refused } }", "policy p { deny a.example }",
                      "p: a.example: respond refused -> eperm (t:1)\n");
    expect_difference("policy p { deny a.example }", "policy p { deny a.example { answer decoy } }",
                      "p: a.example: answer real -> decoy (t:1)\n");
    expect_difference("policy p { deny a.example { until 2999-06-30 } }",
                      "policy p { deny a.example { until 2999-01-31 } }",
                      "p: a.example: until 2999-06-30 -> 2999-01-31 (t:1)\n");
    expect_difference("policy p { deny a.example { until 2999-06-30 } deny b.example }",
                      "policy p { deny a.example deny b.example }", "p: a.example: until 2999-06-30 -> for ever (t:1)\n");
    expect_difference("policy p { deny a.example { until 2999-06-30 respond refused answer decoy shared allow } }",
                      "policy p { deny a.example }",
                      "p: a.example: respond refused -> eperm (t:1)\np: a.example: shared allow -> deny (t:1)\n"
                      "p: a.example: answer decoy -> real (t:1)\np: a.example: until 2999-06-30 -> for ever (t:1)\n");
    expect_difference("policy p { deny a.example port 1-10 deny a.example port 11-20 { until 2999-06-30 } }",
                      "policy p { deny a.example port 1-20 }",
                      "p: a.example port 11-20: until 2999-06-30 -> for ever (t:1)\n");
    expect_difference("policy p { }", "policy p { deny a.example proto tcp deny a.example proto udp }",
                      "p: a.example: no rule -> denied (t:1)\n");
    expect_difference("policy p { deny *.a.example deny *.a.example port 80 { until 2999-06-30 } }",
                      "policy p { deny *.a.example }", "");
    expect_difference("policy p { deny 10.0.0.0/24 deny 10.0.0.1 port 80 allow 10.0.0.1 port 22 }",
                      "policy p { deny 10.0.0.0/24 allow 10.0.0.1 port 22 }", "");
    expect_difference("policy p { allow a.example deny 10.0.0.0/24 deny 10.0.0.1 port 80 allow 10.0.0.1 port 22 }",
                      "policy p { allow a.example deny 10.0.0.0/24 allow 10.0.0.1 port 22 }",
                      "p: 10.0.0.1 port 80: by address, before names -> by network, after names (t:1)\n");
    expect_difference("policy p { deny 10.0.0.0/24 }", "policy p { deny 10.0.0.0/24 allow 10.0.0.1 port 22 }",
                      "p: 10.0.0.1 port 22: denied -> allowed (t:1)\n");
    expect_difference("policy p { deny 10.0.0.0/8 }", "policy p { deny 10.0.0.0/9, 10.128.0.0/9 }", "");
    expect_difference("policy p { deny ::/0 }", "policy p { deny ::/1, 8000::/1 }", "");
    expect_difference("policy p { deny 10.0.0.0/30 }",
                      "policy p { deny 10.0.0.0/31, 10.0.0.2/31 allow 10.0.0.3 }",
                      "p: 10.0.0.3: denied -> allowed (t:1)\n");
}

static void long_comparisons_are_cut(void **state)
{
    struct compiled a = compile("policy p { }"), b = compile("policy p { deny a.example, b.example, c.example }");
    struct ng_comparison comparison;

    (void)state;
    assert_int_equal(ng_compare(a.snapshot, b.snapshot, 1, &comparison), 0);
    assert_int_equal(comparison.count, 3);
    assert_non_null(strstr(comparison.text, "\nand 2 more\n"));
    free(comparison.text);
    release(&a);
    release(&b);
}

/* --- layout */

static void expect_layout(const char *text, const char *wanted)
{
    struct ng_diag *diag = ng_diag_new();
    char *once = NULL, *twice = NULL;
    size_t length;

    if (ng_format("t", text, strlen(text), diag, &once, &length) < 0)
        fail_msg("%s", ng_diag_text(diag));
    assert_int_equal(strlen(once), length);
    assert_string_equal(once, wanted);
    assert_int_equal(ng_format("t", once, length, diag, &twice, &length), 0);
    assert_string_equal(twice, wanted);
    free(once);
    free(twice);
    ng_diag_free(diag);
}

static void texts_are_laid_out(void **state)
{
    (void)state;
    expect_layout("", "");
    expect_layout("# only\r\n\n\n# comments", "# only\n\n# comments\n");
    expect_layout("policy p{mode   block\n\n\n\ndeny a , b port 1 ,2-3 proto tcp{reason \"x\"}}",
                  "policy p {\n    mode block\n\n    deny a, b port 1,2-3 proto tcp {\n        reason \"x\"\n    }\n}\n");
    expect_layout("policy p extends q { # why\n# own\n deny a, # first\n # then\n b }\npolicy q { }",
                  "policy p extends q {  # why\n    # own\n    deny a,  # first\n         # then\n         b\n}\n\n"
                  "policy q {\n}\n");
    expect_layout("group @g { a,b port 1\n\n c # x\n } test p { expect deny a:1 expect allow \"b\" }",
                  "group @g {\n    a\n    b port 1\n\n    c  # x\n}\n\ntest p {\n    expect deny a:1\n    expect allow \"b\"\n}\n");
    expect_layout("group @g { a # c1\n , # c2\n b }", "group @g {\n    a  # c1\n    # c2\n    b\n}\n");
    expect_layout("policy p { deny host1.example.org, host2.example.org, host3.example.org, host4.example.org, "
                  "b.example.com\n port 22 proto tcp }",
                  "policy p {\n    deny host1.example.org, host2.example.org, host3.example.org, host4.example.org,\n"
                  "         b.example.com port 22 proto tcp\n}\n");
    expect_layout("policy p { deny a { shared allow until 2999-01-01 } depends a on b, c }",
                  "policy p {\n    deny a {\n        shared allow\n        until 2999-01-01\n    }\n"
                  "    depends a on b, c\n}\n");
}

static void long_lists_are_broken(void **state)
{
    char text[4000] = "policy p { deny a0.example.org", *once = NULL;
    struct ng_diag *diag = ng_diag_new();
    size_t length;

    (void)state;
    for (int i = 1; i < 60; i++)
        (void)sprintf(text + strlen(text), ", a%d.example.org port %d", i, i);
    (void)strcat(text, " }");
    assert_int_equal(ng_format("t", text, strlen(text), diag, &once, &length), 0);
    for (char *save = NULL, *line = strtok_r(once, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        assert_true(strlen(line) <= 101);
    free(once);
    ng_diag_free(diag);
}

static void broken_texts_are_not_laid_out(void **state)
{
    struct ng_diag *diag = ng_diag_new();
    char *once = NULL;
    size_t length;

    (void)state;
    assert_int_equal(ng_format("t", "policy { }", 10, diag, &once, &length), -EINVAL);
    assert_null(once);
    assert_int_equal(ng_diag_errors(diag), 1);
    ng_diag_free(diag);
}

/* Loopback is reached by them: the rules for both count, and a denial of either stands. */
static void no_address_is_judged_as_loopback_too(void **state)
{
    static const struct {
        const char *address, *pattern; /* NULL: allowed */
        uint16_t port;
    } rows[] = {{"0.0.0.0", "0.0.0.0/8", 80},  {"0.0.0.0", "127.0.0.1", 22}, {"0.0.0.0", "127.0.0.0/8", 25},
                {"0.0.0.0", NULL, 443},        {"127.0.0.1", NULL, 80},      {"127.0.0.1", "127.0.0.1", 22},
                {"::", "::1", 22},             {"::", NULL, 80},             {"0.0.0.1", "0.0.0.0/8", 80}};
    struct compiled it = compile("policy p { deny 0.0.0.0/8 port 80 allow 0.0.0.0 port 22 deny 127.0.0.1 port 22 "
                                 "deny 127.0.0.0/8 port 25 deny ::1 port 22 }");
    struct ng_case *judged = malloc(sizeof(*judged));
    uint8_t address[16];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct ng_opinion opinion;

        test_address(rows[i].address, address);
        ng_case_make_address(it.snapshot, 0, address, judged);
        ng_case_judge(judged, IPPROTO_TCP, rows[i].port, &opinion);
        if ((opinion.verdict == NG_VERDICT_DENY) != (rows[i].pattern != NULL))
            fail_msg("%s port %u", rows[i].address, rows[i].port);
        if (rows[i].pattern)
            assert_string_equal(opinion.has_rule ? opinion.rule.pattern : "no rule", rows[i].pattern);
    }
    free(judged);
    release(&it);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_hardly_meant_is_warned_of),
        cmocka_unit_test(what_is_shared_is_warned_of_once),
        cmocka_unit_test(an_end_is_announced),
        cmocka_unit_test(tests_in_policies_are_run),
        cmocka_unit_test(an_alias_decides_like_the_kernel_does),
        cmocka_unit_test(what_shares_an_address_is_judged_together),
        cmocka_unit_test(no_address_is_judged_as_loopback_too),
        cmocka_unit_test(ports_that_the_gate_decides_are_told_apart),
        cmocka_unit_test(meanings_are_compared),
        cmocka_unit_test(more_than_verdicts_is_compared), cmocka_unit_test(long_comparisons_are_cut),
        cmocka_unit_test(texts_are_laid_out),
        cmocka_unit_test(long_lists_are_broken),
        cmocka_unit_test(broken_texts_are_not_laid_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
