// SPDX-License-Identifier: BSD-2-Clause
/* Text for a terminal: what may steer it is written out, columns are aligned. */
#include "../../cli/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *what, *in, *out;
} escapes[] = {
    {"nothing", "", ""},
    {"plain text", "api.github.com:443 \\x", "api.github.com:443 \\x"},
    {"a sequence that clears the screen", "a\033[2Jb", "a\\x1b[2Jb"},
    {"newline, tab and return", "a\nb\tc\r", "a\\nb\\tc\\x0d"},
    {"delete", "\x7f", "\\x7f"},
    {"letters of other scripts", "bücher.例え", "bücher.例え"},
    {"C1 control in UTF-8", "\xc2\x9b" "2J", "\\u{9b}2J"},
    {"override of the direction", "a\xe2\x80\xae" "b", "a\\u{202e}b"},
    {"zero width", "a\xe2\x80\x8b" "b", "a\\u{200b}b"},
    {"Latin-1", "caf\xe9", "caf\\xe9"},
    {"C1 control as one octet", "\x9b" "2J", "\\x9b2J"},
    {"overlong escape", "\xc0\x9b", "\\xc0\\x9b"},
    {"surrogate", "\xed\xa0\x80", "\\xed\\xa0\\x80"},
    {"cut off character", "\xe4\xbe", "\\xe4\\xbe"},
    {"beyond Unicode", "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
    {"four octets", "\xf0\x9f\x9a\xab", "\xf0\x9f\x9a\xab"},
};

static void test_escape(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
        char *escaped = ng_cli_escape(escapes[i].in);

        assert_non_null(escaped);
        if (strcmp(escaped, escapes[i].out) != 0)
            fail_msg("%s: '%s' instead of '%s'", escapes[i].what, escaped, escapes[i].out);
        free(escaped);
    }
}

/* An octet of any value, alone and many times over, fits into what was allocated (under ASan). */
static void test_escape_room(void **state)
{
    char text[257];

    (void)state;
    for (int octet = 1; octet < 256; octet++) {
        char *escaped;

        memset(text, octet, sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        escaped = ng_cli_escape(text);
        assert_non_null(escaped);
        assert_true(strlen(escaped) <= 4 * (sizeof(text) - 1));
        free(escaped);
    }
}

static void test_lines(void **state)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    assert_non_null(out);
    ng_cli_put_lines(out, "a\n  b\033\n\nlast");
    ng_cli_put_lines(out, "");
    ng_cli_put(out, NULL);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "a\n  b\\x1b\n\nlast\n");
    free(text);
}

/* What is no terminal gets no colours. */
static void test_colour(void **state)
{
    FILE *out = tmpfile();
    char text[32] = "";

    (void)state;
    assert_non_null(out);
    ng_cli_put_colour(out, NG_CLI_BAD, "denied");
    rewind(out);
    assert_non_null(fgets(text, sizeof(text), out));
    assert_string_equal(text, "denied");
    (void)fclose(out);
}

static void test_table(void **state)
{
    static const char *const heads[] = {"NAME", "COUNT", "MODE"};
    struct ng_cli_table *table = ng_cli_table_new(heads, 3);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    assert_non_null(table);
    assert_non_null(out);
    ng_cli_table_add(table, "bücher");
    ng_cli_table_add_number(table, 7);
    ng_cli_table_add(table, "block");
    ng_cli_table_add(table, NULL);
    ng_cli_table_add_number(table, 1234567);
    ng_cli_table_add(table, "a\nb");
    assert_int_equal(ng_cli_table_print(table, out), 0);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "NAME      COUNT  MODE\n"
                              "bücher        7  block\n"
                              "        1234567  a\\nb\n");
    free(text);
    ng_cli_table_free(table);
    ng_cli_table_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escape), cmocka_unit_test(test_escape_room), cmocka_unit_test(test_lines),
        cmocka_unit_test(test_colour), cmocka_unit_test(test_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
