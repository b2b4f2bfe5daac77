// SPDX-License-Identifier: BSD-2-Clause
/* The processes of a deployment as a tree, whatever the kernel tells, in whatever order. */
#include "support.h"

#include "../../daemon/lineage.h"

#define S 1000000000ULL

static struct ng_lineage *made(void)
{
    struct ng_lineage *lineage = NULL;

    assert_int_equal(ng_lineage_new(0, &lineage), 0);
    return lineage;
}

static const struct ng_process *fork_of(struct ng_lineage *lineage, uint32_t parent, uint32_t tgid, uint64_t time)
{
    const struct ng_fork record = {.time = time, .tgid = tgid, .parent = parent, .uid = 7};

    return ng_lineage_forked(lineage, &record);
}

/* argv: words separated by NUL. */
static const struct ng_process *exec_of(struct ng_lineage *lineage, uint32_t tgid, const char *argv, size_t length,
                                        uint64_t time)
{
    struct ng_exec record = {.time = time, .tgid = tgid, .parent = 1, .argv_len = (uint16_t)length, .comm = "comm",
                             .path = "/bin/x"};

    memcpy(record.argv, argv, length);
    return ng_lineage_executed(lineage, &record);
}

static const struct ng_process *exit_of(struct ng_lineage *lineage, uint32_t tgid, int status, uint64_t time)
{
    const struct ng_exit record = {.time = time, .tgid = tgid, .status = status};

    return ng_lineage_exited(lineage, &record);
}

static const struct ng_process *join(struct ng_lineage *lineage, uint32_t tgid, uint64_t time)
{
    const struct ng_move record = {.time = time, .tgid = tgid, .parent = 1};

    return ng_lineage_joined(lineage, &record);
}

static void way(const struct ng_lineage *lineage, pid_t pid, const char *expected)
{
    json_t *list = ng_lineage_json(lineage, pid), *each;
    char text[512] = "";
    size_t i;

    json_array_foreach(list, i, each)
    {
        const char *word = json_string_value(json_array_get(json_object_get(each, "argv"), 0));

        strcat(strcat(text, i ? " > " : ""), word ? word : "-");
    }
    json_decref(list);
    assert_string_equal(text, expected);
}

static void test_tree(void **state)
{
    struct ng_lineage *lineage = made();
    const struct ng_process *process;

    (void)state;
    assert_int_equal(join(lineage, 10, S)->command, 0);
    way(lineage, 10, "");
    assert_int_equal(exec_of(lineage, 10, "script", 7, 2 * S)->command, 1);
    process = fork_of(lineage, 10, 11, 3 * S);
    assert_int_equal(process->parent, 1);
    way(lineage, 11, "script"); /* it has executed nothing yet */
    (void)exec_of(lineage, 11, "tool", 5, 4 * S);
    way(lineage, 11, "script > tool");
    (void)exec_of(lineage, 11, "other", 6, 5 * S); /* in place of it */
    way(lineage, 11, "script > tool > other");
    way(lineage, 12, "");
    ng_lineage_free(lineage);
}

static void test_same_command_is_one(void **state)
{
    struct ng_lineage *lineage = made();

    (void)state;
    (void)join(lineage, 10, S);
    (void)exec_of(lineage, 10, "script", 7, 2 * S);
    for (uint32_t i = 0; i < 1000; i++) {
        (void)fork_of(lineage, 10, 100 + i, 3 * S + i);
        assert_int_equal(exec_of(lineage, 100 + i, "curl\0x", 7, 4 * S + i)->command, 2);
        (void)exit_of(lineage, 100 + i, 0, 5 * S + i);
    }
    assert_int_equal(ng_lineage_command(lineage, 2)->processes, 1000);
    assert_null(ng_lineage_command(lineage, 3));
    (void)fork_of(lineage, 10, 50, 6 * S);
    assert_int_equal(exec_of(lineage, 50, "curl\0y", 7, 7 * S)->command, 3);
    ng_lineage_free(lineage);
}

static void test_pid_of_another(void **state)
{
    struct ng_lineage *lineage = made();
    const struct ng_process *process;

    (void)state;
    (void)join(lineage, 10, S);
    (void)exec_of(lineage, 10, "script", 7, 2 * S);
    (void)fork_of(lineage, 10, 11, 3 * S);
    (void)exec_of(lineage, 11, "first", 6, 4 * S);
    process = exit_of(lineage, 11, 256, 5 * S);
    assert_int_equal(process->status, 256);
    assert_int_equal(process->ended_at, 5 * S);
    assert_false(ng_lineage_holds(lineage, 11));
    way(lineage, 11, "script > first"); /* who sent the last packet is still known */
    assert_null(exit_of(lineage, 11, 0, 6 * S));
    process = fork_of(lineage, 10, 11, 7 * S);
    assert_int_equal(process->number, 3);
    assert_true(ng_lineage_holds(lineage, 11));
    way(lineage, 11, "script");
    /* The end was lost, the number is somebody's again. */
    assert_int_equal(fork_of(lineage, 10, 11, 9 * S)->number, 4);
    ng_lineage_free(lineage);
}

static void test_bounds(void **state)
{
    struct ng_lineage *lineage = made();

    (void)state;
    (void)join(lineage, 1000000, S);
    (void)exec_of(lineage, 1000000, "script", 7, S);
    for (uint32_t i = 1; i < NG_LINEAGE_PROCESSES_MAX; i++)
        assert_non_null(fork_of(lineage, 1000000, i, 2 * S));
    assert_null(fork_of(lineage, 1000000, 500000, 3 * S));
    assert_int_equal(ng_lineage_left_out(lineage), 1);
    /* What has ended makes room, and is forgotten. */
    (void)exit_of(lineage, 77, 0, 4 * S);
    assert_int_equal(fork_of(lineage, 1000000, 500000, 5 * S)->number, NG_LINEAGE_PROCESSES_MAX + 1);
    assert_null(ng_lineage_process(lineage, 77));
    ng_lineage_free(lineage);

    lineage = made();
    (void)join(lineage, 10, S);
    for (uint32_t i = 0; i < NG_LINEAGE_COMMANDS_MAX + 10; i++) {
        char word[16];

        (void)snprintf(word, sizeof(word), "%u", i);
        (void)fork_of(lineage, 10, 1000 + i, S);
        (void)exec_of(lineage, 1000 + i, word, strlen(word) + 1, S);
    }
    assert_int_equal(ng_lineage_left_out(lineage), 10);
    ng_lineage_free(lineage);
}

/* What an earlier daemon knew goes on: nodes, processes, and their numbers. */
static void test_recall(void **state)
{
    struct ng_lineage *lineage = NULL;
    json_t *document = json_loads(
        "{\"lineage\": [{\"number\": 1, \"parent\": 0, \"argv\": [\"script\"], \"path\": \"/bin/x\", \"comm\": \"s\","
        " \"processes\": 3}, {\"number\": 3, \"parent\": 1, \"argv\": [\"tool\"], \"path\": \"/bin/x\"},"
        " {\"number\": 2, \"parent\": 2, \"argv\": []}, {\"number\": -1}, {\"number\": 99999999}, 7],"
        " \"processes\": [{\"number\": 1, \"parent\": 0, \"pid\": 10, \"lineage\": 1, \"ended\": null},"
        " {\"number\": 2, \"parent\": 1, \"pid\": 11, \"lineage\": 3, \"ended\": null},"
        " {\"number\": 3, \"pid\": 12, \"lineage\": 3, \"ended\": \"2026-01-01T00:00:00Z\"}, {\"number\": 99, \"pid\": 13}]}",
        0, NULL);

    (void)state;
    assert_non_null(document);
    assert_int_equal(ng_lineage_new(9, &lineage), 0);
    ng_lineage_recall(lineage, document);
    way(lineage, 11, "script > tool");
    way(lineage, 12, ""); /* that one has ended */
    assert_null(ng_lineage_command(lineage, 2));
    assert_int_equal(fork_of(lineage, 11, 20, S)->number, 10);
    assert_int_equal(ng_lineage_process(lineage, 20)->parent, 2);
    assert_int_equal(exec_of(lineage, 20, "curl", 5, 2 * S)->command, 4);
    way(lineage, 20, "script > tool > curl");
    (void)fork_of(lineage, 10, 21, 3 * S);
    assert_int_equal(exec_of(lineage, 21, "tool", 5, 4 * S)->command, 3); /* the same as before */
    assert_int_equal(exit_of(lineage, 11, 0, 5 * S)->number, 2);
    json_decref(document);
    ng_lineage_free(lineage);
}

/* /proc of the test's own cgroup would be anybody's; a directory that looks like one is as good. */
static void test_scan(void **state)
{
    char dir[] = "/tmp/namegate-lineage-XXXXXX", path[64];
    struct ng_lineage *lineage = made();
    FILE *file;

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(ng_lineage_scan(lineage, dir, 0), 0); /* nobody is there */
    (void)snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
    file = fopen(path, "w");
    (void)fprintf(file, "%d\n%d\n0\n", getpid(), getppid());
    (void)fclose(file);
    assert_int_equal(ng_lineage_scan(lineage, dir, 0), 0);
    assert_int_equal(ng_lineage_process(lineage, getpid())->parent, ng_lineage_process(lineage, getppid())->number);
    assert_non_null(strstr(ng_lineage_command(lineage, ng_lineage_process(lineage, getpid())->command)->path,
                           "test_lineage"));
    assert_int_equal(ng_lineage_scan(lineage, dir, 0), 0); /* they are known */
    assert_int_equal(ng_lineage_process(lineage, getpid())->number, 2);
    ng_lineage_free(lineage);
    lineage = made();
    assert_int_equal(ng_lineage_scan(lineage, dir, getpid()), 0);
    assert_int_equal(ng_lineage_process(lineage, getpid())->command,
                     ng_lineage_process(lineage, getppid())->command); /* its own does not count */
    ng_lineage_free(lineage);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

/* One that executes itself makes no record larger than any other. */
static void test_long_way(void **state)
{
    struct ng_lineage *lineage = made();
    char word[16];
    json_t *list;

    (void)state;
    (void)join(lineage, 10, S);
    for (unsigned i = 1; i <= 1000; i++)
        (void)exec_of(lineage, 10, word, (size_t)snprintf(word, sizeof(word), "again%u", i), (i + 1) * S);
    list = ng_lineage_json(lineage, 10);
    assert_int_equal(json_array_size(list), NG_LINEAGE_WAY_MAX);
    for (size_t i = 0; i < NG_LINEAGE_WAY_MAX; i++) {
        (void)snprintf(word, sizeof(word), "again%zu", i ? 1000 - (NG_LINEAGE_WAY_MAX - 1) + i : 1);
        assert_string_equal(
            json_string_value(json_array_get(json_object_get(json_array_get(list, i), "argv"), 0)), word);
    }
    json_decref(list);
    ng_lineage_free(lineage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree),        cmocka_unit_test(test_same_command_is_one),
        cmocka_unit_test(test_pid_of_another), cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_recall),         cmocka_unit_test(test_scan),
        cmocka_unit_test(test_long_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
