// SPDX-License-Identifier: BSD-2-Clause
/* The language: what it accepts, and what it says of what it does not. */
#include "support.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/stat.h>

static char *messages(const char *text, size_t length, const char *as)
{
    struct ng_source source = {.path = "t", .text = text, .length = length, .as = as};
    struct ng_diag *diag = ng_diag_new();
    int fd = -1;
    int r = ng_policy_compile(&source, 1, diag, &fd);
    char *said = ng_diag_text(diag);

    assert_int_equal(r < 0, ng_diag_errors(diag) > 0);
    assert_int_equal(r < 0, fd < 0);
    if (fd >= 0)
        (void)close(fd);
    ng_diag_free(diag);
    return said;
}

struct bad {
    const char *text;
    const char *said; /* must be in the messages */
};

static const struct bad bads[] = {
    {"policy p { mode blok }", "t:1:17: error: unknown mode, expected 'audit', 'block' or 'strict'\n"
                               "    policy p { mode blok }\n"
                               "                    ^\n"
                               "    did you mean 'block'?"},
    {"policy p { mode xyzzy }", "audit records only"},
    {"policy p { mode block mode audit }", "1:28: error: a second 'mode'"},
    {"polcy p { }", "t:1:1: error: unexpected 'polcy', expected a statement"},
    {"polcy p { }", "did you mean 'policy'?"},
    {"policy p {\n  deny a.example b.example\n}", "t:2:18: error: unexpected 'b.example'"},
    {"policy p {\n  dney a.example\n}", "did you mean 'deny'?"},
    {"policy p { deny a.example; }", "leave it out"},
    {"policy p { deny a.example", "the file ends here"},
    {"policy p { deny }", "unexpected '}', expected a name or a text in double quotes"},
    {"policy p { deny mode }", "in quotes it would be one: \"mode\""},
    {"policy p { deny a$b.example }", "unexpected character"},
    {"policy p { deny a.example { reason \"x } }", "this text has no end"},
    {"policy p { deny a.example { reason \"\\n\" } }", "unknown escape"},
    {"policy p { deny a.example { reason \"a\tb\" } }", "control character"},
    {"policy p { deny a.example { reason \"a\" reason \"b\" } }", "a second 'reason'"},
    {"policy p { deny a.example { instead \"a\" instead \"b\" } }", "a second 'instead'"},
    {"policy p { deny a.example { reasn \"a\" } }", "did you mean 'reason'?"},
    {"policy p { deny https://a.example/x }", "write: a.example"},
    {"policy p { deny a.example:443 }", "write: a.example port 443"},
    {"policy p { deny a.*.example }", "'*' can only stand"},
    {"policy p { deny \xe2\x98\x83\xe2\x80\x8b.example }", "is no international name"},
    {"policy p { deny \xff.example }", "or write its ASCII form (xn--...)"},
    {"policy p { allow evil\xef\xbc\x8f" "corp.example }", "is no international name"}, /* a fullwidth slash */
    {"policy p { allow evil\xe2\x80\x8b" "corp.example }", "is no international name"}, /* a space without width */
    {"policy p { allow evil\xc2\xa0" "corp.example }", "is no international name"},
    {"policy p { allow a\xe2\x84\x80" "b.example }", "is no international name"}, /* a/c as one sign */
    {"policy p { deny [::1]:443 }", "write: ::1 port 443"},
    {"policy p { deny http://[::1]:80/ }", "write: ::1 port 80"},
    {"policy p { deny 10.0.0.1:443 }", "write: 10.0.0.1 port 443"},
    {"policy p { deny dead.beef:443 }", "write: dead.beef port 443"},
    {"policy p { deny http://u@h.example/ }", "write: h.example"},
    {"policy p { deny 10.0.0.256 }", "go up to 255"},
    {"policy p { deny 10.0.0.0/8:443 }", "write: 10.0.0.0/8 port 443"},
    {"policy p { deny a.example:99999 }", "ports go from 0 to 65535"},
    {"policy p { deny ::1:443x }", "examples: "},
    {"policy p { deny http:// }", "examples: "},
    {"policy p { deny [fe80::1%eth0]:80 }", "write the address without '%'"},
    {"policy p { deny a.example/%20 }", "write: a.example"},
    {"policy p { deny @g:443 }", "write: @g port 443"},
    {"policy p { deny fe80::1%eth0 }", "rules are for all interfaces"},
    {"\xef\xbb\xbfpolicy p { }", "a byte order mark"},
    {"policy p { deny a.example until 2026-12-31 }", "stands in braces"},
    {"policy p { deny a.example b.example }", "separated by ','"},
    {"policy p { block a.example }", "did you mean 'deny'?"},
    {"policy p { deny a.example port https }", "ports are numbers"},
    {"policy p { deny a.example { reason \"x\", instead \"y\" } }", "options need no mark"},
    {"policy p { depends a.example on b.example port 443 }", "a dependency has no ports"},
    {"policy p { depends a.example on @g } group @g { 192.0.2.1 192.0.2.2 b.example }", "t:1:33: error: only names"},
    {"test p { deny a.example }", "write: expect deny NAME:PORT"},
    {"test p { expect deny a.example port 443 }", "NAME:443"},
    {"policy p { deny a { until 2026-12 } }", "a date is written YYYY-MM-DD"},
    {"policy p { deny a { until \"2026-12-31\" } }", "a date is written YYYY-MM-DD"},
    {"policy p { deny a { until 2026-+1-+2 } }", "a date is written YYYY-MM-DD"},
    {"policy P { }", "is no policy name"},
    {"policy p { deny * }", "strict allows only what is allowed"},
    {"policy p { deny 10.0.0.9-10.0.0.1 }", "ends before it begins"},
    {"policy p { deny 10.0.0.1-2001:db8::1 }", "is no range of addresses"},
    {"policy p { deny @ }", "is no group"},
    {"policy p { deny a { respond refuse } }", "did you mean 'refused'?"},
    {"policy p { deny a { answer fake } }", "expected 'real', 'refuse' or 'decoy'"},
    {"policy p { deny a { shared maybe } }", "expected 'deny' or 'allow'"},
    {"policy p { allow a { respond eperm } }", "'respond' belongs to what denies"},
    {"policy p { deny a { until 2026-13-01 } }", "there is no such day"},
    {"policy p { deny a { until tomorrow } }", "a date is written YYYY-MM-DD"},
    {"policy p { deny a { until 2026-01-01 until 2026-01-02 } }", "a second 'until'"},
    {"policy p { established maybe }", "expected 'cut' or 'keep'"},
    {"policy p { on-agent-loss open }", "expected 'freeze' or 'closed'"},
    {"policy p { owner \"a\" owner \"b\" }", "a second 'owner'"},
    {"policy p { depends a.example }", "expected"},
    {"policy p { include \"\" }", "this names no file"},
    {"group g { a.example }", "the name of a group is '@'"},
    {"test p { expect dney a.example }", "did you mean 'deny'?"},
    {"test p { expect deny *.example }", "is not one name or address"},
    {"test p { expect deny a.example:http }", "is no port"},
    {"test p { expect deny a.example/icmp }", "expected '/tcp' or '/udp'"},
    {"test p { expect deny [2001:db8::1 }", "has no right ']'"},
    {"policy p { deny 10.0.0.1/8 }", "write 10.0.0.0/8"},
    {"policy p { deny 2001:db8::1/32 }", "write 2001:db8::/32"},
    {"policy p { deny 10.0.0.0/33 }", "no number from 0 to 32"},
    {"policy p { deny 2001:db8::/129 }", "no number from 0 to 128"},
    {"policy p { deny 10.0.0.0/ }", "no number from 0 to 32"},
    {"policy p { deny 1.2.3 }", "no name ends in a number"},
    {"policy p { deny 10.0.0/8 }", "is no address and no network"},
    {"policy p { deny a..example }", "is no name, address or network"},
    {"policy p { deny a.example port 70000 }", "ports go from 0 to 65535"},
    {"policy p { deny a.example port 22- }", "unexpected"},
    {"policy p { deny a.example port 90-80 }", "ends before it begins"},
    {"policy p { deny a.example port 1 port 2 }", "a second list of ports"},
    {"policy p { deny a.example proto icmp }", "expected 'tcp' or 'udp'"},
    {"policy p { deny a.example proto tcp proto udp }", "a second protocol"},
    {"policy Pa { }", "is no policy name"},
    {"policy p { } policy p { }", "policy 'p' is also defined at t:1"},
    {"policy p { deny \"\" }", "this is no name"},
    {"policy p { } }", "unexpected '}'"},
};

static void errors_say_place_and_remedy(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bads) / sizeof(*bads); i++) {
        char *said = messages(bads[i].text, strlen(bads[i].text), NULL);

        if (!strstr(said, bads[i].said) || !strstr(said, "error:"))
            fail_msg("'%s' gives\n%s\nwithout\n%s", bads[i].text, said, bads[i].said);
        free(said);
    }
}

static void all_errors_are_told_at_once(void **state)
{
    static const char text[] = "policy p {\n mode blok\n deny 1.2.3, a.b:1\n deny x y\n allow z.example port 70000\n}\n"
                               "policy q { dney a }\n";
    char *said = messages(text, sizeof(text) - 1, NULL);

    (void)state;
    assert_non_null(strstr(said, "t:2:7:"));
    assert_non_null(strstr(said, "t:3:7:"));
    assert_non_null(strstr(said, "t:3:14:"));
    assert_non_null(strstr(said, "t:4:9:"));
    assert_non_null(strstr(said, "t:5:23:"));
    assert_non_null(strstr(said, "t:7:12:"));
    free(said);
}

static void octets_of_any_kind_are_survived(void **state)
{
    char text[512];
    unsigned seed = 1;

    (void)state;
    for (int round = 0; round < 2000; round++) {
        size_t length = (size_t)rand_r(&seed) % sizeof(text);

        for (size_t i = 0; i < length; i++)
            text[i] = (char)rand_r(&seed);
        free(messages(text, length, NULL));
    }
}

static void too_many_ports(void **state)
{
    char text[600] = "policy p { deny a.example port 1";
    char *said;

    (void)state;
    for (int i = 1; i <= NG_SEGMENTS_MAX; i++)
        (void)sprintf(text + strlen(text), ",%d", 1 + 2 * i);
    said = messages(text, strlen(strcat(text, " }")), NULL);
    assert_non_null(strstr(said, "too many different ports"));
    free(said);
    (void)strcpy(text, "policy p { deny *.example port 2 deny a.example port 1");
    for (int i = 1; i < NG_SEGMENTS_MAX; i++)
        (void)sprintf(text + strlen(text), ",%d", 1 + 2 * i);
    said = messages(text, strlen(strcat(text, " }")), NULL);
    assert_non_null(strstr(said, "with the rules that hold it"));
    free(said);
}

static void rules_without_effect_are_warned_of(void **state)
{
    static const char text[] = "policy p { allow a.example\n deny a.example }";
    char *said = messages(text, sizeof(text) - 1, NULL);

    (void)state;
    assert_non_null(strstr(said, "t:1:18: warning: this has no effect: it contradicts t:2"));
    free(said);
}

static void the_language_is_understood(void **state)
{
    static const char text[] =
        "# a comment\n"
        "policy other{}policy deploy {\n"
        "    mode strict\n"
        "    deny github.com, *.github.com { reason \"this \\\"host\\\"\" instead \"mirror.internal\" }\n"
        "    allow status.github.com port 443, 8000-8999 proto tcp, 10.1.0.0/16 port 22 , 2001:DB8::1\n"
        "    deny .both.example \"mode\" }\n";
    static const char good[] = "policy p { deny .both.example, \"mode\" mode audit allow a port 1 # x\n , b }";
    char *said = messages(text, sizeof(text) - 1, NULL);
    struct ng_snapshot *snapshot;
    struct ng_name name = test_name("mode");
    struct ng_policy_info info;

    (void)state;
    assert_non_null(strstr(said, "t:6:24: error: unexpected '\"mode\"', expected"));
    free(said);
    snapshot = test_snapshot(good);
    assert_int_equal(ng_snapshot_policies(snapshot), 1);
    ng_snapshot_policy(snapshot, 0, &info);
    assert_string_equal(info.name, "p");
    assert_int_equal(info.mode, NG_MODE_AUDIT);
    assert_false(info.networks);
    assert_true(ng_match_name(snapshot, 0, &name) == NG_PROFILE_DENY);
    name = test_name("both.example");
    assert_true(ng_match_name(snapshot, 0, &name) == NG_PROFILE_DENY);
    name = test_name("x.both.example");
    assert_true(ng_match_name(snapshot, 0, &name) == NG_PROFILE_DENY);
    name = test_name("b");
    assert_true(ng_match_name(snapshot, 0, &name) == NG_PROFILE_ALLOW);
    name = test_name("a");
    assert_int_equal(ng_snapshot_verdict(snapshot, ng_match_name(snapshot, 0, &name), IPPROTO_TCP, 1),
                     NG_VERDICT_ALLOW);
    assert_int_equal(ng_snapshot_verdict(snapshot, ng_match_name(snapshot, 0, &name), IPPROTO_TCP, 2),
                     NG_VERDICT_NONE);
    ng_snapshot_free(snapshot);
}

static void a_file_under_another_name(void **state)
{
    struct ng_source one = {.path = "t", .text = "policy p {}", .length = 11, .as = "file-1"};
    struct ng_diag *diag = ng_diag_new();
    struct ng_snapshot *snapshot;
    int fd = -1;
    char *said;

    (void)state;
    assert_int_equal(ng_policy_compile(&one, 1, diag, &fd), 0);
    assert_int_equal(ng_snapshot_open(fd, &snapshot), 0);
    assert_int_equal(ng_snapshot_find(snapshot, "file-1"), 0);
    assert_int_equal(ng_snapshot_find(snapshot, "p"), -ENOENT);
    assert_int_equal(ng_snapshot_find_scope(snapshot, 0), -ENOENT);
    ng_snapshot_free(snapshot);
    (void)close(fd);
    ng_diag_free(diag);
    said = messages("policy p {} policy q {}", 23, "file-1");
    assert_non_null(strstr(said, "has 2 policies, expected one"));
    free(said);
    said = messages("", 0, "file-1");
    assert_non_null(strstr(said, "has 0 policies"));
    free(said);
}

static void put(const char *dir, const char *name, const char *text)
{
    char path[256];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    file = fopen(path, "we");
    assert_non_null(file);
    (void)fputs(text, file);
    (void)fclose(file);
}

static void a_directory_is_compiled_whole(void **state)
{
    char dir[] = "/tmp/namegate-test.XXXXXX", command[64];
    struct ng_source extra = {.path = "x", .text = "policy c {}", .length = 11};
    struct ng_diag *diag = ng_diag_new();
    struct ng_snapshot *snapshot;
    int fd = -1;
    char *said;

    (void)state;
    assert_non_null(mkdtemp(dir));
    put(dir, "b.policy", "policy b { deny b.example }");
    put(dir, "a.policy", "policy a { deny a.example }");
    put(dir, ".hidden.policy", "nonsense");
    put(dir, "notes.txt", "nonsense");
    assert_int_equal(ng_policy_compile_dir(dir, &extra, 1, diag, &fd), 0);
    assert_int_equal(ng_snapshot_open(fd, &snapshot), 0);
    assert_int_equal(ng_snapshot_policies(snapshot), 3);
    assert_int_equal(ng_snapshot_find(snapshot, "b"), 1);
    ng_snapshot_free(snapshot);
    (void)close(fd);
    fd = -1;
    put(dir, "b.policy", "policy a { }");
    assert_int_equal(ng_policy_compile_dir(dir, NULL, 0, diag, &fd), -EINVAL);
    (void)snprintf(command, sizeof(command), "%s/missing", dir);
    assert_int_equal(ng_policy_compile_dir(command, NULL, 0, diag, &fd), -ENOENT);
    assert_int_equal(fd, -1);
    said = ng_diag_text(diag);
    assert_non_null(strstr(said, "make the directory"));
    free(said);
    ng_diag_free(diag);
    for (size_t i = 0; i < 4; i++) {
        static const char *const names[] = {"a.policy", "b.policy", ".hidden.policy", "notes.txt"};

        (void)snprintf(command, sizeof(command), "%s/%s", dir, names[i]);
        (void)unlink(command);
    }
    (void)rmdir(dir);
}

static void a_file_that_is_not_there(void **state)
{
    struct ng_source source = {.path = "/nonexistent/x.policy"};
    struct ng_diag *diag = ng_diag_new();
    int fd = -1;

    (void)state;
    assert_int_equal(ng_policy_compile(&source, 1, diag, &fd), -EINVAL);
    assert_int_equal(ng_diag_errors(diag), 1);
    source.path = "/";
    assert_int_equal(ng_policy_compile(&source, 1, diag, &fd), -EINVAL);
    ng_diag_free(diag);
}

/* With these ports a multiplication, folded, had the id of port 443: seconds of trying were enough to find them. */
static void nobody_finds_ports_that_keep_others_out(void **state)
{
    static const char text[] = "policy mine { mode block deny github.com port 443 }\n"
                               "policy theirs { mode block allow x.test port 54425,12-375,13968-26178 proto tcp }\n";
    char *said = messages(text, strlen(text), NULL);

    (void)state;
    assert_string_equal(said, "");
    free(said);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_say_place_and_remedy),
        cmocka_unit_test(all_errors_are_told_at_once),
        cmocka_unit_test(octets_of_any_kind_are_survived),
        cmocka_unit_test(too_many_ports),
        cmocka_unit_test(rules_without_effect_are_warned_of),
        cmocka_unit_test(the_language_is_understood),
        cmocka_unit_test(a_file_under_another_name),
        cmocka_unit_test(a_directory_is_compiled_whole),
        cmocka_unit_test(a_file_that_is_not_there),
        cmocka_unit_test(nobody_finds_ports_that_keep_others_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
