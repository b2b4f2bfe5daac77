// SPDX-License-Identifier: BSD-2-Clause
/* Documents of the ledger, put together for people. The texts that are expected of report.sql stand beside it. */
#include "support.h"

#include "../report/fixture.h"

#include "../../cli/html.h"
#include "../../cli/ledger.h"
#include "../../cli/report.h"
#include "../../ledger/reader.h"

#include <errno.h>
#include <time.h>

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t room = 0;

    if (!file || getdelim(&text, &room, '\0', file) < 0)
        fail_msg("cannot read %s", path);
    (void)fclose(file);
    return text;
}

static char *render(const json_t *document, void (*put)(FILE *out, const struct ng_report *report))
{
    struct ng_report *report = NULL;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    assert_int_equal(ng_report_make(document, &report), 0);
    put(out, report);
    assert_int_equal(fclose(out), 0);
    ng_report_free(report);
    return text;
}

static void put_text(FILE *out, const struct ng_report *report)
{
    ng_report_put_text(out, report, 120);
}

static void put_page(FILE *out, const struct ng_report *report)
{
    struct ng_report copy = *report, *reports[] = {&copy};

    ng_report_put_html(out, reports, 1);
}

static const struct golden {
    const char *tag, *path;
    void (*put)(FILE *out, const struct ng_report *report);
} goldens[] = {{"deploy", "tests/report/deploy.txt", put_text},
               {"hostile", "tests/report/hostile.txt", put_text},
               {"deploy", "tests/report/deploy.md", ng_report_put_markdown},
               {"hostile", "tests/report/hostile.md", ng_report_put_markdown}};

static int compare(void *arg, const json_t *document)
{
    const struct golden *golden = arg;
    char *text = render(document, golden->put), *expected = read_file(golden->path);

    assert_string_equal(text, expected);
    free(text);
    free(expected);
    return 0;
}

static void test_goldens(void **state)
{
    char dir[] = "/tmp/namegate-unit-XXXXXX", path[64], *sql = read_file("tests/report/report.sql"), *reason;

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(fixture_make(dir, sql), 0);
    for (size_t i = 0; i < sizeof(goldens) / sizeof(*goldens); i++) {
        const struct ng_ledger_query query = {.tag = goldens[i].tag, .last = 1};
        struct golden golden = goldens[i];

        assert_int_equal(ng_ledger_read(dir, &query, compare, &golden, &reason), 0);
    }
    (void)snprintf(path, sizeof(path), "%s/ledger.db", dir);
    assert_int_equal(unlink(path), 0);
    (void)snprintf(path, sizeof(path), "%s/ledger.db-wal", dir);
    (void)unlink(path);
    (void)snprintf(path, sizeof(path), "%s/ledger.db-shm", dir);
    (void)unlink(path);
    assert_int_equal(rmdir(dir), 0);
    free(sql);
}

static json_t *parse(const char *text)
{
    json_error_t error;
    json_t *json = json_loads(text, 0, &error);

    if (!json)
        fail_msg("%s in %s", error.text, text);
    return json;
}

/* Whatever a document lacks or has instead: it is shown somehow. */
static void test_strange_documents(void **state)
{
    static const char *const documents[] = {
        "{}",
        "{\"flows\":7,\"lineage\":\"x\",\"argv\":{},\"status\":[],\"duration_s\":\"y\",\"started\":\"2024\"}",
        "{\"flows\":[7,null,{},{\"verdict\":\"deny\"},{\"verdict\":\"allow\",\"lineage\":3,\"first\":\"x\",\"last\":"
        "\"\"}],"
        "\"lineage\":[null,{\"number\":3,\"argv\":[1,null]},{\"number\":3,\"parent\":3}]}",
        "{\"flows\":[{\"verdict\":\"deny\",\"class\":\"<b>\",\"rule\":{},\"names\":[1],\"evidence\":null,\"port\":"
        "\"x\"}],"
        "\"started\":\"T\",\"ended\":\"9999999999999\"}",
    };
    void (*const puts[])(FILE *, const struct ng_report *) = {put_text, ng_report_put_markdown, put_page};

    (void)state;
    for (size_t i = 0; i < sizeof(documents) / sizeof(*documents); i++) {
        json_t *document = parse(documents[i]);

        for (size_t k = 0; k < sizeof(puts) / sizeof(*puts); k++) {
            char *text = render(document, puts[k]);

            assert_true(strlen(text) > 0);
            assert_null(strstr(text, "<b>"));
            free(text);
        }
        json_decref(document);
    }
}

#define FLOW(verdict, name, count, more)                                   \
    "{\"verdict\":\"" verdict "\",\"name\":\"" name                        \
    "\",\"address\":\"192.0.2.1\",\"evidence\":\"asked\",\"count\":" count \
    ",\"port\":80,\"proto\":\"tcp\",\"first\":\"2024-05-01T12:00:01.0Z\",\"last\":\"2024-05-01T12:00:01.0Z\"" more "}"

static void test_findings(void **state)
{
    json_t *document =
        parse("{\"flows\":[" FLOW("deny", "few.test", "1", "") "," FLOW("would-deny", "would.test", "9", "") "," FLOW(
            "deny", "many.test", "3",
            ",\"lineage\":1") "," FLOW("deny", "many.test", "4",
                                       ",\"lineage\":2") "," FLOW("deny", "many.test", "1",
                                                                  ",\"class\":\"hidden\"") "," FLOW("deny",
                                                                                                    "probe.test", "5",
                                                                                                    ",\"probe\":"
                                                                                                    "true") "," FLOW("a"
                                                                                                                     "l"
                                                                                                                     "l"
                                                                                                                     "o"
                                                                                                                     "w",
                                                                                                                     "a"
                                                                                                                     "."
                                                                                                                     "t"
                                                                                                                     "e"
                                                                                                                     "s"
                                                                                                                     "t",
                                                                                                                     "1",
                                                                                                                     "") "]}");
    struct ng_report *report = NULL;

    (void)state;
    assert_int_equal(ng_report_make(document, &report), 0);
    assert_int_equal(report->forbidden_count, 4);
    assert_string_equal(report->forbidden[0].destination, "many.test");
    assert_int_equal(report->forbidden[0].count, 7);
    assert_int_equal(report->forbidden[0].way_count, 2);
    assert_int_equal(report->forbidden[0].ways[0].lineage, 2);
    assert_string_equal(report->forbidden[1].destination, "few.test");
    assert_string_equal(report->forbidden[2].class, "hidden");
    assert_string_equal(report->forbidden[3].destination, "would.test");
    assert_int_equal(report->allowed_count, 1);
    ng_report_free(report);
    json_decref(document);
}

/* Rows: sh -c > (exec) sh deploy.sh > ls, git clone > git remote > git-remote, env tool > (exec) tool > curl. */
static const char commands[] =
    "{\"number\":1,\"parent\":0,\"argv\":[\"sh\",\"-c\",\"x script.test\"],\"path\":\"/bin/sh\"},"
    "{\"number\":2,\"parent\":1,\"argv\":[\"sh\",\"deploy.sh\"],\"path\":\"/bin/sh\"},"
    "{\"number\":3,\"parent\":2,\"argv\":[\"ls\"]},"
    "{\"number\":4,\"parent\":2,\"argv\":[\"git\",\"clone\",\"https://a.test\"]},"
    "{\"number\":5,\"parent\":4,\"argv\":[\"git\",\"remote\",\"https://a.test\"]},"
    "{\"number\":6,\"parent\":5,\"argv\":[\"git-remote\",\"https://a.test\"]},"
    "{\"number\":7,\"parent\":2,\"argv\":[\"env\",\"tool\"]},"
    "{\"number\":8,\"parent\":7,\"argv\":[\"tool\"]},"
    "{\"number\":9,\"parent\":8,\"argv\":[\"curl\"]}";
static const char processes[] = "{\"number\":1,\"lineage\":2},{\"number\":2,\"lineage\":3},{\"number\":3,\"lineage\":4}"
                                ",{\"number\":4,\"lineage\":6},"
                                "{\"number\":5,\"lineage\":8},{\"number\":6,\"lineage\":9}";

/* Which commands are shown, and which of them is to be changed, by their numbers. */
static void test_trace(void **state)
{
    static const struct {
        const char *flow, *processes, *shown;
        json_int_t culprit;
        bool named;
    } rows[] = {
        {FLOW("deny", "a.test", "1", ",\"lineage\":6"), processes, "1 2 4 6", 4, true},
        {FLOW("deny", "b.test", "1", ",\"lineage\":6"), processes, "1 2 4 6", 4, false},
        {FLOW("deny", "b.test", "1", ",\"lineage\":9"), processes, "1 2 7 8 9", 7, false},
        {FLOW("deny", "b.test", "1", ",\"lineage\":9"), "", "1 2 7 8 9", 7, false},
        {FLOW("deny", "a.test", "1", ",\"lineage\":6"), "", "1 2 4 5 6", 4, true},
        {FLOW("deny", "b.test", "1", ",\"lineage\":3"), processes, "1 2 3", 3, false},
        {FLOW("deny", "script.test", "1", ",\"lineage\":6"), processes, "1 2 4 6", 1, true},
        {FLOW("deny", "b.test", "1", ",\"lineage\":2"), processes, "1 2", 2, false},
        {FLOW("deny", "b.test", "1", ",\"lineage\":1"), processes, "1", 1, false},
        {FLOW("deny", "b.test", "1", ""), processes, "", 0, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char text[4096], shown[64] = "";
        json_t *document;
        struct ng_report *report = NULL;
        struct ng_report_trace trace;

        (void)snprintf(text, sizeof(text), "{\"lineage\":[%s],\"processes\":[%s],\"flows\":[%s]}", commands,
                       rows[i].processes, rows[i].flow);
        document = parse(text);
        assert_int_equal(ng_report_make(document, &report), 0);
        ng_report_trace(report, &report->forbidden[0], &report->forbidden[0].ways[0], &trace);
        for (unsigned k = 0; k < trace.count; k++)
            (void)sprintf(shown + strlen(shown), "%s%d", k ? " " : "",
                          (int)json_integer_value(json_object_get(trace.row[k], "number")));
        if (strcmp(shown, rows[i].shown) != 0)
            fail_msg("row %zu: %s", i, shown);
        assert_int_equal(json_integer_value(json_object_get(trace.culprit, "number")), rows[i].culprit);
        assert_int_equal(trace.named, rows[i].named);
        ng_report_free(report);
        json_decref(document);
    }
}

static void test_command(void **state)
{
    static const struct {
        const char *argv;
        size_t max;
        const char *text;
    } rows[] = {
        {"[]", 0, ""},
        {"[\"curl\",\"-fsS\",\"https://a.test/x?y=1\"]", 0, "curl -fsS 'https://a.test/x?y=1'"},
        {"[\"a b\",\"\",\"it's\",\"$x\",\"\\n\"]", 0, "'a b' '' 'it'\\''s' '$x' '\\n'"},
        {"[\"0123456789\"]", 10, "0123456789"},
        {"[\"0123456789a\"]", 10, "0123456..."},
        {"[\"\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc\"]", 6, "'\xc3\xa4\xc3\xb6..."},
        {"[1,null]", 0, "'?' '?'"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        json_t *argv = parse(rows[i].argv);
        char *text = ng_report_command(argv, rows[i].max);

        assert_non_null(text);
        assert_string_equal(text, rows[i].text);
        free(text);
        json_decref(argv);
    }
}

static void test_html(void **state)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    assert_non_null(out);
    ng_html_put(out, "<a href=\"x\" id='y'>`&amp;\033\xe2\x80\xae\xff</a>");
    ng_html_put(out, NULL);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text,
                        "&#60;a href=&#34;x&#34; id=&#39;y&#39;&#62;&#96;&#38;amp;\\x1b\\u{202e}\\xff&#60;/a&#62;");
    free(text);
}

static void test_since(void **state)
{
    static const struct {
        const char *text;
        int64_t us;
    } rows[] = {{"2024-05-01", 1714521600000000},           {"2024-05-01 12:00", 1714564800000000},
                {"2024-05-01T12:00", 1714564800000000},     {"2024-05-01T12:00:01", 1714564801000000},
                {"2024-05-01T12:00:01Z", 1714564801000000}, {"2024-05-01T12:00:01.123456Z", 1714564801000000}};
    static const char *const wrong[] = {"", "yesterday", "2024-05-01x", "2024-13-01", "2h ago", "-1", "2024-05-01T12"};
    int64_t us, now = (int64_t)time(NULL) * 1000000;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        assert_int_equal(ng_cli_since(rows[i].text, &us), 0);
        assert_int_equal(us, rows[i].us);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        if (ng_cli_since(wrong[i], &us) != -EINVAL)
            fail_msg("'%s' is taken for a time", wrong[i]);
    assert_int_equal(ng_cli_since("2h", &us), 0);
    assert_true(us >= now - 7200 * 1000000LL && us <= now - 7195 * 1000000LL);
}

/* --- whatever the ledger holds, only the page's own markup is markup */

static uint64_t seed = 1;

static unsigned chance(unsigned below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % below;
}

/* Pieces of what means something in HTML, Markdown, JavaScript or a terminal. */
static json_t *random_text(void)
{
    static const char *const pieces[] = {
        "<",     ">",       "\"",     "'",   "&",     "`",       "``",       "|",   "\\",
        "\n",    "</code>", "<b>",    "-->", "@all",  "[x](y)",  "<script>", "]]>", "\x1b[",
        "&#60;", "=",       "github", ".",   " ",     "/",       "\u202e",   "{",   "}",
        "#",     "*",       "_",      "!",   "</td>", "onload=", "https:",   "~~",  "\xc3\xa4"};
    char text[256] = "";

    for (unsigned i = chance(8); i > 0; i--)
        strcat(text, pieces[chance(sizeof(pieces) / sizeof(*pieces))]);
    return json_string(text);
}

static json_t *random_texts(void)
{
    json_t *list = json_array();

    for (unsigned i = chance(4); i > 0; i--)
        (void)json_array_append_new(list, random_text());
    return list;
}

static json_t *random_flow(void)
{
    static const char *const verdicts[] = {"deny", "would-deny", "allow"};

    return json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:i, s:o, s:o, s:i, s:o, s:{s:o, s:i, s:o, s:o}, s:o, s:o, s:o, s:o, s:o}",
        "verdict", verdicts[chance(3)], "name", random_text(), "chain", random_texts(), "names", random_texts(),
        "address", random_text(), "port", (int)chance(3), "proto", random_text(), "class", random_text(), "lineage",
        (int)chance(5), "evidence", random_text(), "rule", "file", random_text(), "line", 7, "pattern", random_text(),
        "depends", random_text(), "reason", random_text(), "instead", random_text(), "comm", random_text(), "first",
        random_text(), "last", random_text());
}

static json_t *random_dependencies(void)
{
    return json_pack("[{s:o, s:o, s:o, s:o, s:o}]", "name", random_text(), "address", random_text(), "proto",
                     random_text(), "verdict", random_text(), "commands", random_texts());
}

static json_t *random_document(void)
{
    json_t *flows = json_array(), *lineage = json_array();

    for (unsigned i = 0; i < 6; i++)
        (void)json_array_append_new(flows, random_flow());
    for (unsigned i = 1; i < 5; i++)
        (void)json_array_append_new(lineage, json_pack("{s:i, s:i, s:o, s:o}", "number", (int)i, "parent",
                                                       (int)chance(i), "argv", random_texts(), "path", random_text()));
    return json_pack("{s:{s:{s:o}, s:o}, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "against", "before",
                     "deployment", random_text(), "new", random_dependencies(), "deployment", random_text(), "tag",
                     random_text(), "policy", random_text(), "mode", random_text(), "argv", random_texts(), "cwd",
                     random_text(), "started", random_text(), "ended", random_text(), "outcome", random_text(), "flows",
                     flows, "lineage", lineage);
}

static bool is_one_of(const char *text, size_t length, const char *const *words)
{
    for (; *words; words++)
        if (strlen(*words) == length && strncmp(*words, text, length) == 0)
            return true;
    return false;
}

/* The attributes up to the end of a tag. Returns the end. */
static const char *check_attributes(const char *at)
{
    static const char *const names[] = {
        "class",     "id",          "style",        "title",      "href",       "lang",
        "role",      "tabindex",    "hidden",       "open",       "scope",      "type",
        "name",      "value",       "placeholder",  "d",          "x",          "y",
        "rx",        "width",       "height",       "viewBox",    "datetime",   "data-f",
        "data-n",    "data-v",      "data-c",       "data-l",     "aria-label", "aria-labelledby",
        "aria-live", "aria-hidden", "autocomplete", "spellcheck", NULL};

    while (*at == ' ' || *at == '\n') {
        size_t length = strcspn(++at, " =>\n");

        if (!is_one_of(at, length, names))
            fail_msg("an attribute: %.40s", at);
        at += length;
        if (*at == '=') {
            assert_int_equal(at[1], '"');
            at = strchr(at + 2, '"');
            assert_non_null(at);
            at++;
        }
    }
    if (*at == '/')
        at++;
    assert_int_equal(*at, '>');
    return at;
}

static void check_page(const char *page)
{
    static const char *const tags[] = {
        "body",   "a",    "header",  "h1",   "h2",      "h3",      "h4",     "span",  "button",  "form",  "label",
        "output", "main", "section", "p",    "dl",      "dt",      "dd",     "div",   "ul",      "ol",    "li",
        "strong", "code", "small",   "time", "svg",     "g",       "text",   "title", "article", "table", "thead",
        "tbody",  "tr",   "th",      "td",   "details", "summary", "footer", NULL};
    static const char *const empty[] = {"input", "path", "rect", NULL};
    const char *open[256], *end = strstr(page, "<script>");
    size_t depth = 0;

    page = strstr(page, "<body>");
    assert_non_null(page);
    assert_null(strstr(end + 1, "<script"));
    while ((page = strchr(page, '<')) && page < end) {
        bool closing = page[1] == '/';
        size_t length = strcspn(page + 1 + closing, " >\n");
        const char *name = page + 1 + closing;

        if (!is_one_of(name, length, tags) && (closing || !is_one_of(name, length, empty)))
            fail_msg("a tag: %.40s", page);
        page = check_attributes(name + length);
        if (is_one_of(name, length, empty) || (strncmp(name, "dd", 2) == 0 || strncmp(name, "dt", 2) == 0))
            continue; /* the ends of these are optional */
        if (!closing) {
            assert_true(depth < sizeof(open) / sizeof(*open));
            open[depth++] = name;
        } else if (depth == 0 || strncmp(open[--depth], name, length) != 0) {
            fail_msg("%.40s ends %.40s", name, open[depth]);
        }
    }
    assert_int_equal(depth, 1); /* body */
}

/* Of a code span, or of <code>, the end; else NULL. */
static const char *skip_code(const char *at)
{
    const char *end = NULL;

    if (*at == '`') {
        assert_int_not_equal(at[1], '`');
        end = strchr(at + 1, '`');
        assert_non_null(end);
        assert_null(memchr(at, '|', (size_t)(end - at)));
        assert_null(memchr(at, '\n', (size_t)(end - at)));
        return end + 1;
    }
    if (strncmp(at, "<code>", 6) == 0) {
        for (at += 6; *at != '<'; at++)
            if (strchr("\"'`|\\[]()*_~@!>:\n", *at))
                fail_msg("in <code>: %.40s", at);
        assert_int_equal(strncmp(at, "</code>", 7), 0);
        return at + 7;
    }
    return NULL;
}

static void check_markdown(const char *text)
{
    static const char *const own[] = {"<details>", "</details>", "<summary>", "</summary>", "<br>"};

    while (*text) {
        const char *after = skip_code(text);
        bool known = false;

        for (size_t i = 0; !after && i < sizeof(own) / sizeof(*own); i++)
            known |= strncmp(text, own[i], strlen(own[i])) == 0;
        if (!after && strchr(known ? "" : "<>[]\\@_~!&{}\"", *text) && !(*text == '>' && text[-1] != ' '))
            fail_msg("outside of code: %.40s", text);
        text = after ? after : text + 1;
    }
}

static void test_random_documents(void **state)
{
    (void)state;
    for (int i = 0; i < 400; i++) {
        json_t *document = random_document();
        char *page, *markdown, *text;

        assert_non_null(document);
        page = render(document, put_page);
        check_page(page);
        markdown = render(document, ng_report_put_markdown);
        check_markdown(markdown);
        text = render(document, put_text);
        for (const char *at = text; *at; at++)
            assert_true((unsigned char)*at >= ' ' || *at == '\n');
        free(page);
        free(markdown);
        free(text);
        json_decref(document);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_goldens), cmocka_unit_test(test_strange_documents), cmocka_unit_test(test_findings),
        cmocka_unit_test(test_trace),   cmocka_unit_test(test_command),           cmocka_unit_test(test_html),
        cmocka_unit_test(test_since),   cmocka_unit_test(test_random_documents),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
