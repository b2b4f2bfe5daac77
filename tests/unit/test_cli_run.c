// SPDX-License-Identifier: BSD-2-Clause
/* What `namegate run` makes of its command line, and which signals it passes on. */
#include "../../cli/job.h"
#include "../../cli/options.h"
#include "../../cli/request.h"
#include "../../cli/words.h"
#include "../../daemon/deployment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const struct {
    const char *command, *tag;
} tags[] = {
    {"./deploy.sh", "deploy.sh"},
    {"/usr/bin/env", "env"},
    {"make", "make"},
    {"a b;c", "a_b_c"},
    {".hidden", "_hidden"},
    {"--help", "_-help"},
    {"...", "_.."},
    {"dir/", "command"},
    {"", "command"},
    {"b\xc3\xbc", "b__"},
    {"0123456789012345678901234567890123456789012345678901234567890123456789",
     "012345678901234567890123456789012345678901234567890123456789012"},
};

static void test_tag(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        char tag[NG_TAG_LEN];

        ng_cli_tag_of(tags[i].command, tag);
        assert_string_equal(tag, tags[i].tag);
        assert_true(ng_tag_valid(tag)); /* in the daemon's eyes */
    }
}

static void test_policy_is_file(void **state)
{
    (void)state;
    assert_true(ng_cli_policy_is_file("./deploy"));
    assert_true(ng_cli_policy_is_file("deploy.policy"));
    assert_false(ng_cli_policy_is_file("deploy-that-is-no-file"));
    assert_false(ng_cli_policy_is_file(".policy"));
    assert_false(ng_cli_policy_is_file(""));
}

static void write_file(const char *path, const char *text, size_t length)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static void expect_text(const json_t *object, const char *key, const char *text)
{
    assert_string_equal(json_string_value(json_object_get(object, key)), text);
}

static void test_request(void **state)
{
    char command[] = "./deploy.sh", argument[] = "caf\xe9", *argv[] = {command, argument, NULL};
    json_t *request = NULL;

    (void)state;
    assert_int_equal(ng_cli_run_request("run", NULL, "strict-one", "audit", argv, &request), 0);
    assert_int_equal(json_integer_value(json_object_get(request, "v")), 1);
    expect_text(request, "command", "run");
    expect_text(request, "tag", "deploy.sh");
    expect_text(request, "policy", "strict-one");
    expect_text(request, "mode", "audit");
    assert_string_equal(json_string_value(json_array_get(json_object_get(request, "argv"), 1)), "caf\\xe9");
    assert_int_equal(json_object_size(request), 6);
    json_decref(request);
}

static void test_request_with_file(void **state)
{
    char path[] = "/tmp/namegate-test.XXXXXX", command[] = "x", *argv[] = {command, NULL};
    json_t *request = NULL;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    (void)close(fd);
    write_file(path, "policy p {}\n", 12);
    assert_int_equal(ng_cli_run_request("run", "t", path, NULL, argv, &request), 0);
    expect_text(request, "tag", "t");
    expect_text(request, "policy_text", "policy p {}\n");
    expect_text(request, "policy_path", path);
    assert_null(json_object_get(request, "policy"));
    json_decref(request);
    request = NULL;
    write_file(path, "a\0b", 3);
    assert_true(ng_cli_run_request("run", "t", path, NULL, argv, &request) < 0);
    write_file(path, "\xff", 1);
    assert_true(ng_cli_run_request("run", "t", path, NULL, argv, &request) < 0);
    (void)unlink(path);
    assert_true(ng_cli_run_request("run", "t", path, NULL, argv, &request) < 0);
    assert_null(request);
}

static void test_passes(void **state)
{
    siginfo_t info = {.si_signo = SIGINT, .si_code = SI_KERNEL};

    (void)state;
    assert_false(ng_cli_job_passes(&info, 5)); /* from the terminal: the child has it as well */
    info.si_code = SI_USER;
    info.si_pid = 4;
    assert_true(ng_cli_job_passes(&info, 5));
    info.si_pid = 5;
    assert_false(ng_cli_job_passes(&info, 5)); /* its own `kill 0` */
    info = (siginfo_t){.si_signo = SIGHUP, .si_code = SI_KERNEL};
    assert_true(ng_cli_job_passes(&info, 5)); /* may have reached the session's leader only */
}

/* A real child: what it does is what comes back, and a signal sent to the parent reaches it. */
static void expect_status(const char *script, int expected)
{
    struct ng_cli_job job;
    int status = 0;
    pid_t child;

    assert_int_equal(ng_cli_job_begin(&job), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        ng_cli_job_restore(&job);
        (void)execl("/bin/sh", "sh", "-c", script, (char *)NULL);
        _exit(99);
    }
    assert_int_equal(ng_cli_job_wait(&job, child, &status), 0);
    ng_cli_job_restore(&job);
    assert_int_equal(ng_cli_job_status(status), expected);
}

static void test_job(void **state)
{
    (void)state;
    expect_status("exit 0", 0);
    expect_status("exit 42", 42);
    expect_status("kill -9 $$", 128 + SIGKILL);
    /* The signal comes from a grandchild to the parent alone; without passing on, the child would wait forever. */
    expect_status("trap 'kill $!; exit 7' USR1; parent=$PPID; (kill -USR1 $parent) & sleep 60 & wait; wait", 7);
}

static void test_number(void **state)
{
    size_t number = 7;

    (void)state;
    assert_int_equal(ng_cli_number("0", 10, &number), 0);
    assert_int_equal(number, 0);
    assert_int_equal(ng_cli_number("10", 10, &number), 0);
    assert_int_equal(number, 10);
    assert_true(ng_cli_number("11", 10, &number) < 0);
    assert_true(ng_cli_number("-1", 10, &number) < 0);
    assert_true(ng_cli_number(" 1", 10, &number) < 0);
    assert_true(ng_cli_number("1x", 10, &number) < 0);
    assert_true(ng_cli_number("", 10, &number) < 0);
    assert_true(ng_cli_number("99999999999999999999999", 10, &number) < 0);
    assert_int_equal(number, 10);
}

static void test_options(void **state)
{
    char name[] = "namegate run", dir[] = "--run-dir=/r", json[] = "-j", tag[] = "--tag", t[] = "t", command[] = "ls",
         after[] = "--json";
    char *argv[] = {name, dir, json, tag, t, command, after, NULL};
    const char *value = NULL;
    const struct ng_cli_option own[] = {{"tag", 0, &value, NULL}, {0}};
    struct ng_cli cli;
    int first = 0;

    (void)state;
    ng_cli_defaults(&cli);
    assert_int_equal(ng_cli_parse(&cli, own, "", true, 7, argv, &first), -1);
    assert_int_equal(first, 5); /* what is behind the command belongs to it */
    assert_string_equal(cli.run_dir, "/r");
    assert_string_equal(value, "t");
    assert_true(cli.json);
    assert_null(cli.policies);
    assert_int_equal(ng_cli_parse(&cli, NULL, "", true, 7, argv, &first), NG_CLI_USAGE); /* --tag is run's own */
}

static bool has_word(const struct ng_cli_words *words, const char *word)
{
    for (size_t i = 0; i < words->count; i++)
        if (strcmp(words->word[i], word) == 0)
            return true;
    return false;
}

static void test_words(void **state)
{
    struct ng_cli cli = {.state_dir = "/s", .policies = "/p", .cgroup_root = "/c"};
    struct ng_cli_words words;

    (void)state;
    assert_int_equal(ng_cli_words_make(&cli, "/run/namegate-private-abc", true, &words), 0);
    assert_string_equal(words.word[0], "namegated");
    assert_null(words.word[words.count]);
    assert_true(has_word(&words, "--private"));
    assert_true(has_word(&words, "--run-dir=/run/namegate-private-abc"));
    assert_true(has_word(&words, "--state-dir=/s"));
    assert_true(has_word(&words, "--policies=/p"));
    assert_true(has_word(&words, "--cgroup-root=/c"));
    assert_true(has_word(&words, "--pin-root=/sys/fs/bpf/namegate-private-abc"));
    ng_cli_words_free(&words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tag),     cmocka_unit_test(test_policy_is_file),    cmocka_unit_test(test_request),
        cmocka_unit_test(test_passes),  cmocka_unit_test(test_request_with_file), cmocka_unit_test(test_job),
        cmocka_unit_test(test_number),  cmocka_unit_test(test_options),           cmocka_unit_test(test_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
