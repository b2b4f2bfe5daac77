// SPDX-License-Identifier: BSD-2-Clause
#include "support.h"

#include "../../policy/nearest.h"

static void message_shows_place_line_and_remedy(void **state)
{
    static const char source[] = "first\n\tb\xc3\xbc""cher \x1b[31m here\n";
    struct ng_diag *diag = ng_diag_new();
    char *text;

    (void)state;
    ng_diag_add(diag, NG_ERROR, "a.policy", 2, 16, source, sizeof(source) - 1, "write this", "bad \x1b%s", "word");
    ng_diag_add(diag, NG_WARNING, "a.policy", 0, 0, NULL, 0, NULL, "only a warning");
    assert_int_equal(ng_diag_errors(diag), 1);
    assert_int_equal(ng_diag_warnings(diag), 1);
    text = ng_diag_text(diag);
    assert_string_equal(text, "a.policy:2:16: error: bad \\x1bword\n"
                              "     b\xc3\xbc""cher \\x1b[31m here\n"
                              "                     ^\n"
                              "    write this\n"
                              "a.policy: warning: only a warning\n");
    free(text);
    ng_diag_free(diag);
}

static void what_is_not_utf8_is_escaped(void **state)
{
    struct ng_diag *diag = ng_diag_new();
    char *text;

    (void)state;
    /* a lone continuation, an overlong form, a surrogate, a C1 control, a cut sequence */
    ng_diag_add(diag, NG_ERROR, NULL, 0, 0, NULL, 0, NULL, "%s",
                "\x80 \xc0\xaf \xed\xa0\x80 \xc2\x9b \xf0\x9f\x98\x80 \xe2\x82");
    text = ng_diag_text(diag);
    assert_string_equal(text, "error: \\x80 \\xc0\\xaf \\xed\\xa0\\x80 \\xc2\\x9b \xf0\x9f\x98\x80 \\xe2\\x82\n");
    free(text);
    ng_diag_free(diag);
}

static void long_lines_and_many_messages_are_cut(void **state)
{
    struct ng_diag *diag = ng_diag_new();
    char line[2000];
    char *text;

    (void)state;
    memset(line, 'x', sizeof(line));
    line[1500] = 'Y';
    for (int i = 0; i < NG_DIAG_MAX + 5; i++)
        ng_diag_add(diag, NG_ERROR, "f", 1, 1501, line, sizeof(line), NULL, "m%d", i);
    ng_diag_add(diag, NG_ERROR, "f", 9, 1, line, sizeof(line), NULL, "a line that is not there");
    assert_int_equal(ng_diag_errors(diag), NG_DIAG_MAX + 6);
    text = ng_diag_text(diag);
    assert_true(strlen(text) < NG_DIAG_MAX * 400);
    assert_non_null(strchr(text, 'Y'));
    assert_non_null(strstr(text, "6 further messages"));
    free(text);
    ng_diag_free(diag);
    ng_diag_free(NULL);
}

static void the_same_is_told_once(void **state)
{
    struct ng_diag *diag = ng_diag_new();

    (void)state;
    for (int i = 0; i < 3; i++) {
        ng_diag_add(diag, NG_WARNING, "f", 1, 2, NULL, 0, NULL, "m");
        ng_diag_add(diag, NG_WARNING, "f", 1, 3, NULL, 0, NULL, "m");
        ng_diag_add(diag, NG_ERROR, NULL, 0, 0, NULL, 0, NULL, "m");
    }
    assert_int_equal(ng_diag_count(diag), 3);
    assert_int_equal(ng_diag_warnings(diag), 2);
    assert_int_equal(ng_diag_errors(diag), 1);
    ng_diag_free(diag);
}

static void nearest_word(void **state)
{
    static const char *const words[] = {"audit", "block", "strict", NULL};

    (void)state;
    assert_string_equal(ng_nearest("blok", 4, words), "block");
    assert_string_equal(ng_nearest("stritc", 6, words), "strict");
    assert_null(ng_nearest("xyzzy", 5, words));
    assert_null(ng_nearest("", 0, words));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_shows_place_line_and_remedy),
        cmocka_unit_test(what_is_not_utf8_is_escaped),
        cmocka_unit_test(long_lines_and_many_messages_are_cut),
        cmocka_unit_test(the_same_is_told_once),
        cmocka_unit_test(nearest_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
