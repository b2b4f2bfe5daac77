// SPDX-License-Identifier: BSD-2-Clause
/* What the language means: a table of policies with verdicts, and the parts that span statements and files. */
#include "support.h"

#include "../../policy/expect.h"
#include "../../policy/lint.h"

#include <namegate/abi.h>

#include <netinet/in.h>
#include <sys/stat.h>
#include <time.h>

static uint8_t verdict(const struct ng_snapshot *snapshot, const char *policy, const char *host, uint8_t proto,
                       uint16_t port)
{
    int number = ng_snapshot_find(snapshot, policy);
    struct ng_name name = test_name(host);

    assert_true(number >= 0);
    return ng_snapshot_verdict(snapshot, ng_match_name(snapshot, (unsigned)number, &name), proto, port);
}

/* A policy "p" and what it says of one name: '-' nothing, 'a' allow, 'd' deny. */
struct row {
    const char *rules;
    const char *name;
    uint16_t port; /* TCP */
    char said;
};

static const struct row rows[] = {
    /* specificity */
    {"deny github.com", "github.com", 443, 'd'},
    {"deny github.com", "api.github.com", 443, '-'},
    {"deny github.com", "notgithub.com", 443, '-'},
    {"deny *.github.com", "github.com", 443, '-'},
    {"deny *.github.com", "a.b.github.com", 443, 'd'},
    {"deny .github.com", "github.com", 443, 'd'},
    {"deny .github.com", "x.github.com", 443, 'd'},
    {"deny *.github.com allow status.github.com", "status.github.com", 443, 'a'},
    {"deny *.github.com allow status.github.com", "x.status.github.com", 443, 'd'},
    {"allow *.a.example deny *.example", "x.a.example", 1, 'a'},
    {"allow *.example deny *.a.example", "x.a.example", 1, 'd'},
    {"allow *.example deny *.a.example", "a.example", 1, 'a'},
    /* ties */
    {"allow a.example deny a.example", "a.example", 1, 'd'},
    {"deny *.example allow *.example", "a.example", 1, 'd'},
    {"allow .a.example deny a.example", "a.example", 1, 'd'},
    {"allow .a.example deny a.example", "b.a.example", 1, 'a'},
    /* ports: what a rule does not cover is left to less specific ones */
    {"deny a.example port 22", "a.example", 22, 'd'},
    {"deny a.example port 22", "a.example", 443, '-'},
    {"deny *.example allow a.example port 443", "a.example", 443, 'a'},
    {"deny *.example allow a.example port 443", "a.example", 22, 'd'},
    {"deny a.example port 1-10,20", "a.example", 10, 'd'},
    {"deny a.example port 1-10,20", "a.example", 11, '-'},
    {"deny a.example proto udp", "a.example", 443, '-'},
    {"deny a.example proto tcp", "a.example", 443, 'd'},
    /* canonical names */
    {"deny GitHub.COM.", "github.com", 1, 'd'},
    {"deny b\xc3\xbc"
     "cher.example",
     "xn--bcher-kva.example", 1, 'd'},
    {"deny *.B\xc3\x9c"
     "CHER.example",
     "a.xn--bcher-kva.example", 1, 'd'},
    {"deny fa\xc3\x9f.example", "xn--fa-hia.example", 1, 'd'}, /* non-transitional */
    /* groups */
    {"deny @g group @g { a.example *.b.example, c.example port 22 }", "a.example", 1, 'd'},
    {"deny @g group @g { a.example *.b.example, c.example port 22 }", "x.b.example", 1, 'd'},
    {"deny @g group @g { a.example *.b.example, c.example port 22 }", "c.example", 22, 'd'},
    {"deny @g group @g { a.example *.b.example, c.example port 22 }", "c.example", 1, '-'},
    {"deny @g port 22-23 group @g { a.example port 23-24 }", "a.example", 23, 'd'},
    {"deny @g port 22-23 group @g { a.example port 23-24 }", "a.example", 22, '-'},
    {"deny @g port 22-23 group @g { a.example port 23-24 }", "a.example", 24, '-'},
    {"deny @g proto udp group @g { a.example proto tcp }", "a.example", 24, '-'},
    {"deny @g group @g { @h } group @h { a.example }", "a.example", 1, 'd'},
    {"deny @g allow a.example port 80 group @g { .example }", "a.example", 80, 'a'},
    /* dependencies */
    {"deny x.example depends a.example on x.example", "a.example", 1, 'd'},
    {"deny y.example depends a.example on x.example", "a.example", 1, '-'},
    {"deny y.example depends a.example on x.example, y.example", "a.example", 1, 'd'},
    {"depends a.example on b.example depends b.example on c.example deny c.example", "a.example", 1, 'd'},
    {"depends b.example on c.example depends a.example on b.example deny c.example", "a.example", 1, 'd'},
    {"depends a.example on b.example depends b.example on a.example", "a.example", 1, '-'},
    {"depends a.example on b.example depends b.example on a.example deny b.example", "a.example", 1, 'd'},
    {"depends a.example on b.example depends b.example on a.example deny a.example", "b.example", 1, 'd'},
    {"deny *.x.example depends a.example on api.x.example", "a.example", 1, 'd'},
    /* Two rules together allow what a third would deny. */
    {"depends a.example on b.y.x.example allow *.y.x.example port 0-6 allow .y.x.example port 7 "
     "deny .x.example port 6-7 proto udp", "a.example", 1, '-'},
    {"depends a.example on b.y.x.example allow *.y.x.example port 0-6 allow .y.x.example port 7 "
     "deny .x.example port 6-8 proto udp", "a.example", 1, 'd'},
    {"deny *.x.example depends a.example on x.example", "a.example", 1, '-'},
    {"deny *.x.example allow api.x.example depends a.example on api.x.example", "a.example", 1, '-'},
    {"deny *.x.example depends a.example on *.y.x.example", "a.example", 1, 'd'},
    {"deny x.example port 22 depends a.example on x.example", "a.example", 443, 'd'},
    {"deny x.example depends a.example port 80 on x.example", "a.example", 443, '-'},
    {"deny x.example depends a.example port 80 on x.example", "a.example", 80, 'd'},
    {"deny x.example depends *.in.example on x.example", "a.in.example", 80, 'd'},
    {"deny x.example depends *.in.example on x.example allow a.in.example", "a.in.example", 80, 'a'},
    {"deny x.example depends *.in.example on x.example depends z.example on b.in.example", "z.example", 80, 'd'},
    {"deny x.example depends a.example on x.example allow a.example", "a.example", 80, 'd'},
    {"deny @g group @g { x.example } depends a.example on @g", "a.example", 80, 'd'},
    {"deny x.example depends @g on x.example group @g { a.example }", "a.example", 80, 'd'},
    /* modes change nothing about rules */
    {"mode strict allow a.example", "a.example", 1, 'a'},
    {"mode strict allow a.example", "b.example", 1, '-'},
    {"mode audit deny a.example", "a.example", 1, 'd'},
};

static void the_table_holds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char text[1000];
        struct ng_snapshot *snapshot;
        uint8_t said;

        (void)snprintf(text, sizeof(text), "policy p { %s }", rows[i].rules);
        snapshot = test_snapshot(text);
        said = verdict(snapshot, "p", rows[i].name, IPPROTO_TCP, rows[i].port);
        if ("-ad"[said] != rows[i].said)
            fail_msg("%s: %s port %u is '%c'", rows[i].rules, rows[i].name, rows[i].port, "-ad"[said]);
        ng_snapshot_free(snapshot);
    }
}

static void the_reason_names_the_path(void **state)
{
    struct ng_snapshot *snapshot = test_snapshot(
        "policy p {\n deny .github.com { reason \"why\" instead \"that\" }\n"
        " depends migrations.internal on artifacts.internal\n depends artifacts.internal on api.github.com\n"
        " depends wiki.internal on migrations.internal { reason \"own\" owner \"docs\" }\n}");
    struct ng_name name = test_name("migrations.internal");
    struct ng_rule_info rule;

    (void)state;
    assert_int_equal(ng_explain_name(snapshot, 0, &name, IPPROTO_TCP, 443, &rule), 0);
    assert_string_equal(rule.path, "migrations.internal -> artifacts.internal -> api.github.com");
    assert_string_equal(rule.reason, "why");
    assert_string_equal(rule.instead, "that");
    assert_int_equal(rule.line, 3);
    name = test_name("wiki.internal");
    assert_int_equal(ng_explain_name(snapshot, 0, &name, IPPROTO_TCP, 443, &rule), 0);
    assert_string_equal(rule.path, "wiki.internal -> migrations.internal -> artifacts.internal -> api.github.com");
    assert_string_equal(rule.reason, "own");
    assert_string_equal(rule.owner, "docs");
    ng_snapshot_free(snapshot);
}

static void long_chains_end(void **state)
{
    size_t room = 400000, used;
    char *text = malloc(room);
    struct ng_snapshot *snapshot;
    struct ng_name name = test_name("n0.example");
    struct ng_rule_info rule;

    (void)state;
    assert_non_null(text);
    used = (size_t)sprintf(text, "policy p { deny n5000.example\n");
    for (int i = 0; i < 5000; i++)
        used += (size_t)snprintf(text + used, room - used, "depends n%d.example on n%d.example\n", i, i + 1);
    (void)snprintf(text + used, room - used, "}");
    snapshot = test_snapshot(text);
    assert_int_equal(ng_explain_name(snapshot, 0, &name, IPPROTO_TCP, 443, &rule), 0);
    assert_true(strlen(rule.path) <= 400);
    assert_int_equal(strncmp(rule.path, "n0.example -> n1.example -> ", 28), 0);
    assert_non_null(strstr(rule.path, " -> ... -> n5000.example"));
    ng_snapshot_free(snapshot);
    free(text);
}

static void policies_extend_each_other(void **state)
{
    struct ng_snapshot *snapshot = test_snapshot(
        "policy prod extends deploy { deny c.example }\n"
        "policy deploy extends base { mode strict on-agent-loss closed deny b.example }\n"
        "policy base { mode audit established keep owner \"core\" deny a.example depends z.example on c.example }\n"
        "depends y.example on a.example");
    int prod = ng_snapshot_find(snapshot, "prod"), base = ng_snapshot_find(snapshot, "base");
    struct ng_name name = test_name("a.example");
    struct ng_policy_info info;
    struct ng_rule_info rule;

    (void)state;
    for (const char *host = "abc"; *host; host++) {
        char text[] = "?.example";

        *text = *host;
        assert_int_equal(verdict(snapshot, "prod", text, IPPROTO_TCP, 1), NG_VERDICT_DENY);
    }
    assert_int_equal(verdict(snapshot, "deploy", "c.example", IPPROTO_TCP, 1), NG_VERDICT_NONE);
    /* An inherited dependency is judged where it has come to. */
    assert_int_equal(verdict(snapshot, "prod", "z.example", IPPROTO_TCP, 1), NG_VERDICT_DENY);
    assert_int_equal(verdict(snapshot, "base", "z.example", IPPROTO_TCP, 1), NG_VERDICT_NONE);
    /* One outside of all policies is known to each. */
    assert_int_equal(verdict(snapshot, "base", "y.example", IPPROTO_TCP, 1), NG_VERDICT_DENY);
    assert_int_equal(verdict(snapshot, "prod", "y.example", IPPROTO_TCP, 1), NG_VERDICT_DENY);
    ng_snapshot_policy(snapshot, (unsigned)prod, &info);
    assert_int_equal(info.mode, NG_MODE_STRICT);
    assert_int_equal(info.on_loss, NG_ON_LOSS_CLOSED);
    assert_int_equal(info.established, NG_ESTABLISHED_KEEP);
    ng_snapshot_policy(snapshot, (unsigned)base, &info);
    assert_int_equal(info.mode, NG_MODE_AUDIT);
    assert_int_equal(info.on_loss, NG_ON_LOSS_FREEZE);
    assert_int_equal(ng_explain_name(snapshot, (unsigned)prod, &name, IPPROTO_TCP, 1, &rule), 0);
    assert_string_equal(rule.owner, "core");
    ng_snapshot_free(snapshot);
}

static void options_reach_the_profile(void **state)
{
    struct ng_snapshot *snapshot = test_snapshot(
        "policy p { deny a.example { respond refused answer decoy shared allow }\n deny b.example { answer refuse }\n"
        " deny c.example { respond eperm shared deny answer real } }");
    struct ng_name name = test_name("a.example");
    struct ng_rule_info rule;

    (void)state;
    assert_int_equal(ng_explain_name(snapshot, 0, &name, 0, 1, &rule), 0);
    assert_int_equal(rule.respond, NG_RESPOND_REFUSED);
    assert_int_equal(rule.flags, NG_SEGMENT_SHARED | NG_SEGMENT_DECOY);
    assert_true(ng_match_name(snapshot, 0, &name) > NG_PROFILE_ALLOW);
    name = test_name("b.example");
    assert_int_equal(ng_explain_name(snapshot, 0, &name, 0, 1, &rule), 0);
    assert_int_equal(rule.flags, NG_SEGMENT_REFUSE);
    name = test_name("c.example"); /* all as by default: no profile of its own */
    assert_true(ng_match_name(snapshot, 0, &name) == NG_PROFILE_DENY);
    ng_snapshot_free(snapshot);
}

static void day_text(char text[static 16], int from_today)
{
    time_t day = time(NULL) + from_today * 86400;

    assert_true(strftime(text, 16, "%Y-%m-%d", gmtime(&day)) == 10);
}

static void rules_end_with_their_last_day(void **state)
{
    char yesterday[16], today[16], later[16], text[400];
    struct ng_snapshot *snapshot;
    struct ng_name name = test_name("b.example");
    struct ng_rule_info rule;
    time_t now = time(NULL);

    (void)state;
    day_text(yesterday, -1);
    day_text(today, 0);
    day_text(later, 9);
    (void)snprintf(text, sizeof(text), "policy p { deny a.example { until %s } deny b.example { until %s }\n"
                                       "deny c.example { until %s } depends d.example on c.example { until %s } }",
                   yesterday, today, later, yesterday);
    snapshot = test_snapshot(text);
    assert_int_equal(verdict(snapshot, "p", "a.example", 0, 1), NG_VERDICT_NONE);
    assert_int_equal(verdict(snapshot, "p", "b.example", 0, 1), NG_VERDICT_DENY);
    assert_int_equal(verdict(snapshot, "p", "c.example", 0, 1), NG_VERDICT_DENY);
    assert_int_equal(verdict(snapshot, "p", "d.example", 0, 1), NG_VERDICT_NONE);
    assert_true(ng_snapshot_changes_at(snapshot) == ((uint64_t)now / 86400 + 1) * 86400);
    assert_int_equal(ng_explain_name(snapshot, 0, &name, 0, 1, &rule), 0);
    assert_int_equal(rule.until, now / 86400);
    ng_snapshot_free(snapshot);
    snapshot = test_snapshot("policy p { deny a.example }");
    assert_true(ng_snapshot_changes_at(snapshot) == 0);
    ng_snapshot_free(snapshot);
}

static uint8_t address_verdict(const struct ng_snapshot *snapshot, const char *text, bool own)
{
    uint8_t address[16];
    struct ng_network network;

    test_address(text, address);
    ng_match_address(snapshot, 0, address, &network);
    return ng_snapshot_verdict(snapshot, own ? network.own : network.below, IPPROTO_TCP, 1);
}

static void ranges_are_the_networks_they_fall_into(void **state)
{
    struct ng_snapshot *snapshot = test_snapshot(
        "policy p { deny 192.0.2.10-192.0.2.20 allow 2001:db8::5-2001:db8::1:0 deny 0.0.0.0-255.255.255.255 port 9 }");

    (void)state;
    for (int i = 0; i < 30; i++) {
        char text[32];
        uint8_t said;

        (void)snprintf(text, sizeof(text), "192.0.2.%d", i);
        said = address_verdict(snapshot, text, i == 20); /* 10/31, 12/30, 16/30, 20 */
        assert_int_equal(said, i >= 10 && i <= 20 ? NG_VERDICT_DENY : NG_VERDICT_NONE);
    }
    assert_int_equal(address_verdict(snapshot, "2001:db8::4", false), NG_VERDICT_NONE);
    assert_int_equal(address_verdict(snapshot, "2001:db8::5", true), NG_VERDICT_ALLOW);
    assert_int_equal(address_verdict(snapshot, "2001:db8::ffff", false), NG_VERDICT_ALLOW);
    assert_int_equal(address_verdict(snapshot, "2001:db8::1:0", true), NG_VERDICT_ALLOW);
    assert_int_equal(address_verdict(snapshot, "2001:db8::1:1", true), NG_VERDICT_NONE);
    ng_snapshot_free(snapshot);
}

/* --- files */

struct tree {
    char dir[32];
};

static void put(const struct tree *tree, const char *name, const char *text)
{
    char path[128];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", tree->dir, name);
    file = fopen(path, "we");
    assert_non_null(file);
    (void)fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static struct tree tree_new(void)
{
    struct tree tree = {"/tmp/namegate-test.XXXXXX"};
    char path[64];

    assert_non_null(mkdtemp(tree.dir));
    (void)snprintf(path, sizeof(path), "%s/sub", tree.dir);
    assert_int_equal(mkdir(path, 0700), 0);
    return tree;
}

static void tree_free(const struct tree *tree)
{
    char command[64];

    (void)snprintf(command, sizeof(command), "rm -r '%s'", tree->dir);
    assert_int_equal(system(command), 0);
}

/* Compiles the directory: the snapshot, or NULL with what was said. */
static struct ng_snapshot *compile(const struct tree *tree, const struct ng_source *extra, size_t count, char **said)
{
    struct ng_diag *diag = ng_diag_new();
    struct ng_snapshot *snapshot = NULL;
    int fd = -1;

    if (ng_policy_compile_dir(tree->dir, extra, count, diag, &fd) == 0)
        assert_int_equal(ng_snapshot_open(fd, &snapshot), 0);
    if (fd >= 0)
        (void)close(fd);
    *said = ng_diag_text(diag);
    ng_diag_free(diag);
    return snapshot;
}

static void files_include_files(void **state)
{
    struct tree tree = tree_new();
    struct ng_snapshot *snapshot;
    char *said;

    (void)state;
    put(&tree, "deploy.policy", "policy deploy { include \"sub/*.rules\" deny @g }\ninclude \"sub/*.group\"");
    put(&tree, "other.policy", "policy other { include \"sub/a.rules\" }");
    put(&tree, "sub/a.rules", "deny a.example { reason \"in a\" } include \"b.inner\"");
    put(&tree, "sub/b.inner", "owner \"b team\" deny b.example");
    put(&tree, "sub/c.rules", "depends c.example on a.example");
    put(&tree, "sub/x.group", "group @g { g.example }\ndepends s.example on b.example");
    snapshot = compile(&tree, NULL, 0, &said);
    assert_string_equal(said, "");
    for (const char *host = "abcgs"; *host; host++) {
        char text[] = "?.example";

        *text = *host;
        assert_int_equal(verdict(snapshot, "deploy", text, IPPROTO_TCP, 1), NG_VERDICT_DENY);
        assert_int_equal(verdict(snapshot, "other", text, IPPROTO_TCP, 1),
                         *host == 'c' || *host == 'g' ? NG_VERDICT_NONE : NG_VERDICT_DENY);
    }
    ng_snapshot_free(snapshot);
    free(said);
    tree_free(&tree);
}

static void expect_error(const char *const files[][2], size_t count, const char *wanted)
{
    struct tree tree = tree_new();
    char *said;

    for (size_t i = 0; i < count; i++)
        put(&tree, files[i][0], files[i][1]);
    assert_null(compile(&tree, NULL, 0, &said));
    if (!strstr(said, wanted))
        fail_msg("%s\nwithout\n%s", said, wanted);
    free(said);
    tree_free(&tree);
}

#define EXPECT_ERROR(wanted, ...)                                                    \
    do {                                                                             \
        static const char *const files[][2] = {__VA_ARGS__};                         \
        expect_error(files, sizeof(files) / sizeof(*files), wanted);                 \
    } while (0)

static void broken_trees_are_told(void **state)
{
    (void)state;
    EXPECT_ERROR("a.policy, which includes", {"a.policy", "include \"b.policy\""},
                 {"b.policy", "include \"a.policy\""});
    EXPECT_ERROR("files include each other", {"a.policy", "include \"a.policy\""});
    EXPECT_ERROR("a.policy:1:9: error: there is no file", {"a.policy", "include \"c.policy\""});
    EXPECT_ERROR("this stands outside of a policy", {"a.policy", "deny x.example"});
    EXPECT_ERROR("this stands outside of a policy", {"a.policy", "mode strict"});
    EXPECT_ERROR("a policy within policy 'p'", {"a.policy", "policy p { include \"sub/x\" }"},
                 {"sub/x", "policy q { }"});
    EXPECT_ERROR("a setting in a file that policy 'p' includes", {"a.policy", "policy p { include \"sub/x\" }"},
                 {"sub/x", "mode audit"});
    EXPECT_ERROR("sub/x:2:6: error: unexpected", {"a.policy", "policy p { include \"sub/x\" }"},
                 {"sub/x", "deny a.example\ndeny }"});
    EXPECT_ERROR("policy 'p' is also defined at", {"a.policy", "policy p { }"}, {"b.policy", "policy p { }"});
    EXPECT_ERROR("group '@g' is also defined at", {"a.policy", "group @g { }"}, {"b.policy", "group @g { }"});
    EXPECT_ERROR("did you mean '@public-doh'?",
                 {"a.policy", "group @public-doh { x.example } policy p { deny @public-dho }"});
    EXPECT_ERROR("group '@g' is a member of itself", {"a.policy", "group @g { @h } group @h { a.example @g }"});
    EXPECT_ERROR("did you mean 'deploy'?", {"a.policy", "policy deploy { } policy prod extends deplyo { }"});
    EXPECT_ERROR("there are: deploy, other", {"a.policy", "policy deploy { } policy other { } policy x extends zzzzz { }"});
    EXPECT_ERROR("extends itself", {"a.policy", "policy a extends b { } policy b extends a { }"});
    EXPECT_ERROR("only names", {"a.policy", "policy a { depends a.example on 192.0.2.1 }"});
}

static void groups_that_multiply_are_refused(void **state)
{
    char text[4000] = "policy p { deny @g0 }\n";
    struct ng_source source = {.path = "t", .text = text};
    struct ng_diag *diag = ng_diag_new();
    char *said;
    int fd = -1;

    (void)state;
    for (int i = 0; i < 30; i++)
        (void)sprintf(text + strlen(text), "group @g%d { @g%d @g%d }\n", i, i + 1, i + 1);
    (void)strcat(text, "group @g30 { a.example }");
    source.length = strlen(text);
    source.as = "own";
    assert_true(ng_policy_compile(&source, 1, diag, &fd) < 0);
    said = ng_diag_text(diag);
    assert_non_null(strstr(said, "too many destinations"));
    free(said);
    ng_diag_free(diag);
}

/* A policy that was brought along sees what the others define; they see nothing of it. */
static void those_brought_along_stay_apart(void **state)
{
    static const char own[] = "group @g { own.example }\npolicy x extends deploy { deny @g, @h }\n"
                              "depends d.example on own.example";
    static const char more[] = "policy y { deny @g }";
    static const char twice[] = "policy p { deny a.example } policy p { deny b.example }";
    static const char greedy[] = "policy z { include \"/etc/passwd\" }";
    struct tree tree = tree_new();
    struct ng_source extra[2] = {{.path = "own", .text = own, .length = sizeof(own) - 1, .as = "run.1"},
                                 {.path = "more", .text = more, .length = sizeof(more) - 1, .as = "run.2"}};
    struct ng_source several = {.path = "several", .text = twice, .length = sizeof(twice) - 1, .as = "run.4"};
    struct ng_source bad = {.path = "greedy", .text = greedy, .length = sizeof(greedy) - 1, .as = "run.3"};
    struct ng_snapshot *snapshot;
    char *said;

    (void)state;
    put(&tree, "a.policy", "group @g { shared.example } group @h { h.example } policy deploy { deny a.example, @g }");
    snapshot = compile(&tree, extra, 2, &said);
    assert_string_equal(said, "");
    free(said);
    assert_int_equal(verdict(snapshot, "run.1", "own.example", 0, 1), NG_VERDICT_DENY);
    assert_int_equal(verdict(snapshot, "run.1", "d.example", 0, 1), NG_VERDICT_DENY);
    assert_int_equal(verdict(snapshot, "run.1", "h.example", 0, 1), NG_VERDICT_DENY);
    assert_int_equal(verdict(snapshot, "run.1", "a.example", 0, 1), NG_VERDICT_DENY);
    assert_int_equal(verdict(snapshot, "run.1", "shared.example", 0, 1), NG_VERDICT_DENY); /* as deploy means @g */
    assert_int_equal(verdict(snapshot, "deploy", "own.example", 0, 1), NG_VERDICT_NONE);
    assert_int_equal(verdict(snapshot, "deploy", "d.example", 0, 1), NG_VERDICT_NONE);
    assert_int_equal(verdict(snapshot, "run.2", "shared.example", 0, 1), NG_VERDICT_DENY);
    assert_int_equal(verdict(snapshot, "run.2", "own.example", 0, 1), NG_VERDICT_NONE);
    ng_snapshot_free(snapshot);
    assert_null(compile(&tree, &several, 1, &said));
    assert_string_equal(said, "several: error: this file has 2 policies, expected one\n"
                              "    a policy to bring along is one in a file of its own\n");
    free(said);
    assert_null(compile(&tree, &bad, 1, &said));
    assert_non_null(strstr(said, "includes no files"));
    assert_null(strstr(said, "root:"));
    free(said);
    tree_free(&tree);
}

/* Of what only comes along, errors are told, and neither warnings nor the outcome of tests. */
static int count_expectation(void *arg, const struct ng_expectation *it)
{
    assert_string_equal(it->policy, "mine");
    ++*(int *)arg;
    return 0;
}

static void subjects_are_what_is_told_of(void **state)
{
    struct tree tree = tree_new();
    char *path = NULL, *said;
    struct ng_source source = {.subject = true};
    struct ng_diag *diag = ng_diag_new();
    struct ng_set *set = NULL;
    struct ng_snapshot *snapshot;
    int fd = -1, count = 0;

    (void)state;
    put(&tree, "base.policy", "include \"sub/nothing.*\" include \"sub/shared\" group @g { g.example }\n"
                              "policy base { deny *.b.example, x.example, x.example } test base { expect deny a.example }");
    put(&tree, "mine.policy", "include \"sub/shared\" policy mine extends base { deny @g, *.m.example }\n"
                              "test mine { expect deny g.example }");
    put(&tree, "sub/shared", "policy both { deny *.s.example }");
    assert_true(asprintf(&path, "%s/mine.policy", tree.dir) > 0);
    source.path = path;
    if (ng_set_load_dir(tree.dir, &source, 1, diag, &set) < 0)
        fail_msg("%s", ng_diag_text(diag));
    assert_int_equal(ng_set_compile(set, diag, &fd), 0);
    assert_int_equal(ng_snapshot_open(fd, &snapshot), 0);
    assert_int_equal(ng_lint(set, snapshot, NULL, 0, diag), 0);
    said = ng_diag_text(diag);
    assert_int_equal(ng_diag_warnings(diag), 2);
    assert_non_null(strstr(said, "*.m.example does not hold"));
    assert_non_null(strstr(said, "*.s.example does not hold"));
    assert_int_equal(ng_expect(set, snapshot, count_expectation, &count), 0);
    assert_int_equal(count, 1);
    (void)close(fd);
    free(said);
    free(path);
    ng_snapshot_free(snapshot);
    ng_set_free(set);
    ng_diag_free(diag);
    tree_free(&tree);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_holds),
        cmocka_unit_test(the_reason_names_the_path),
        cmocka_unit_test(long_chains_end),
        cmocka_unit_test(policies_extend_each_other),
        cmocka_unit_test(options_reach_the_profile),
        cmocka_unit_test(rules_end_with_their_last_day),
        cmocka_unit_test(ranges_are_the_networks_they_fall_into),
        cmocka_unit_test(files_include_files),
        cmocka_unit_test(broken_trees_are_told),
        cmocka_unit_test(groups_that_multiply_are_refused),
        cmocka_unit_test(those_brought_along_stay_apart),
        cmocka_unit_test(subjects_are_what_is_told_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
