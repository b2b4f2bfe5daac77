// SPDX-License-Identifier: BSD-2-Clause
/* The last records in memory: a flood of one deployment leaves what others have. */
#include "support.h"

#include "../../daemon/recall.h"

struct seen {
    unsigned all, quiet, flood;
    char first[512];
};

static bool look(void *arg, const struct ng_record_info *info, const char *line)
{
    struct seen *seen = arg;

    if (!seen->all++)
        (void)snprintf(seen->first, sizeof(seen->first), "%s", line);
    seen->quiet += strcmp(info->deployment, "quiet.1") == 0 && strcmp(info->tag, "quiet") == 0;
    seen->flood += strcmp(info->deployment, "flood.2") == 0;
    return true;
}

static void add(struct ng_recall *recall, const char *deployment, const char *tag, unsigned number, const char *rest)
{
    char *line = NULL;

    assert_true(asprintf(&line, "{\"type\":\"denial\",\"deployment\":\"%s\",\"tag\":\"%s\",\"n\":%u%s}", deployment, tag,
                         number, rest) > 0);
    ng_recall_add(recall, line);
}

static void test_share(void **state)
{
    struct ng_recall *recall = ng_recall_new();
    struct seen seen = {0};

    (void)state;
    for (unsigned i = 0; i < 10; i++)
        add(recall, "quiet.1", "quiet", i, "");
    for (unsigned i = 0; i < 5 * NG_RECALL_MAX; i++)
        add(recall, "flood.2", "flood", i, ",\"argv\":[\"\\\"deployment\\\":\\\"quiet.1\\\"\"]");
    ng_recall_each(recall, look, &seen);
    assert_int_equal(seen.quiet, 10);
    assert_int_equal(seen.flood, NG_RECALL_SHARE);
    assert_non_null(strstr(seen.first, "\"n\":49999,")); /* the newest first */
    ng_recall_free(recall);
}

static void test_bounds(void **state)
{
    struct ng_recall *recall = ng_recall_new();
    struct seen seen = {0};
    char *large = calloc(1, (1 << 20) + 1), id[32];

    (void)state;
    for (unsigned i = 0; i < NG_RECALL_MAX + 100; i++) {
        (void)snprintf(id, sizeof(id), "d.%u", i % 100);
        add(recall, id, "d", i, "");
    }
    ng_recall_each(recall, look, &seen);
    assert_int_equal(seen.all, NG_RECALL_MAX);
    memset(large, ' ', 1 << 20);
    for (unsigned i = 0; i < 40; i++)
        add(recall, "large.3", "large", i, large);
    seen = (struct seen){0};
    ng_recall_each(recall, look, &seen);
    assert_int_equal(seen.all, 31); /* of a megabyte and a little each */
    ng_recall_add(recall, strdup("{}"));
    ng_recall_add(recall, strdup("{\"deployment\":null}"));
    free(large);
    ng_recall_free(recall);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_share), cmocka_unit_test(test_bounds)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
