// SPDX-License-Identifier: BSD-2-Clause
#include "table.h"

#include <namegate/cleanup.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define COLUMNS_MAX 16
#define ESCAPED_MAX 4 /* octets that one octet becomes at most: as \xHH, or as a third of \u{202e} */

struct cell {
    char *text;
    bool number;
};

struct ng_cli_table {
    const char *const *heads;
    unsigned columns;
    struct cell *cells;
    size_t count, room;
    bool incomplete; /* out of memory */
};

/* Length of the UTF-8 character at text, 0 when there is none. RFC 3629: no overlong forms, no surrogates. */
static unsigned decode(const char *text, uint32_t *ret_code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)text[0];
    unsigned length = first < 0x80 ? 1 : (first & 0xe0) == 0xc0 ? 2 : (first & 0xf0) == 0xe0 ? 3 : 4;
    uint32_t code = first;

    if (length == 4 && (first & 0xf8) != 0xf0)
        return 0;
    if (length > 1)
        code = first & (0xffu >> (length + 1));
    for (unsigned i = 1; i < length; i++) {
        unsigned char next = (unsigned char)text[i];

        if ((next & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (next & 0x3f);
    }
    if (code < least[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return 0;
    *ret_code = code;
    return length;
}

static bool harmless(uint32_t code)
{
    if (code < 0x20 || (code >= 0x7f && code < 0xa0))
        return false;
    if (code >= 0x200b && code <= 0x200f) /* zero width, marks of direction */
        return false;
    if (code >= 0x2028 && code <= 0x202e) /* separators, embeddings and overrides */
        return false;
    return !(code >= 0x2060 && code <= 0x206f) && code != 0xfeff;
}

char *ng_cli_escape(const char *text)
{
    char *escaped = malloc(strlen(text) * ESCAPED_MAX + 1);
    char *to = escaped;

    while (escaped && *text) {
        uint32_t code = 0;
        unsigned length = decode(text, &code);

        if (length == 0) {
            to += sprintf(to, "\\x%02x", (unsigned char)*text++);
            continue;
        }
        if (harmless(code)) {
            memcpy(to, text, length);
            to += length;
        } else if (code == '\n' || code == '\t') {
            *to++ = '\\';
            *to++ = code == '\n' ? 'n' : 't';
        } else {
            to += sprintf(to, code < 0x80 ? "\\x%02x" : "\\u{%x}", code);
        }
        text += length;
    }
    if (escaped)
        *to = '\0';
    return escaped;
}

void ng_cli_put(FILE *out, const char *text)
{
    _cleanup_free_ char *escaped = ng_cli_escape(text ? text : "");

    (void)fputs(escaped ? escaped : "?", out);
}

void ng_cli_put_lines(FILE *out, const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");
        _cleanup_free_ char *line = strndup(text, length);

        ng_cli_put(out, line);
        (void)fputc('\n', out);
        text += length + (text[length] == '\n');
    }
}

static bool colours(FILE *out)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    int fd = fileno(out);

    return (!no || !*no) && term && strcmp(term, "dumb") != 0 && fd >= 0 && isatty(fd);
}

void ng_cli_put_colour(FILE *out, enum ng_cli_colour colour, const char *text)
{
    static const char *const codes[] = {"0", "1;31", "33", "32", "2"};
    bool coloured = colour != NG_CLI_PLAIN && colours(out);

    if (coloured)
        (void)fprintf(out, "\033[%sm", codes[colour]);
    ng_cli_put(out, text);
    if (coloured)
        (void)fputs("\033[0m", out);
}

struct ng_cli_table *ng_cli_table_new(const char *const *heads, unsigned columns)
{
    struct ng_cli_table *table = columns <= COLUMNS_MAX ? calloc(1, sizeof(*table)) : NULL;

    if (table) {
        table->heads = heads;
        table->columns = columns;
    }
    return table;
}

void ng_cli_table_free(struct ng_cli_table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i].text);
    free(table->cells);
    free(table);
}

/* Takes the text. */
static void add(struct ng_cli_table *table, char *text, bool number)
{
    if (table->count == table->room) {
        size_t room = table->room ? 2 * table->room : 64;
        struct cell *cells = reallocarray(table->cells, room, sizeof(*cells));

        if (!cells) {
            table->incomplete = true;
            free(text);
            return;
        }
        table->cells = cells;
        table->room = room;
    }
    table->incomplete = table->incomplete || !text;
    table->cells[table->count++] = (struct cell){.text = text, .number = number};
}

void ng_cli_table_add(struct ng_cli_table *table, const char *text)
{
    add(table, ng_cli_escape(text ? text : ""), false);
}

void ng_cli_table_add_number(struct ng_cli_table *table, long long number)
{
    char *text = NULL;

    if (asprintf(&text, "%lld", number) < 0)
        text = NULL;
    add(table, text, true);
}

/* In characters: names and paths of other scripts stay aligned as far as each is one column wide. */
static size_t width(const char *text)
{
    size_t count = 0;

    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static void print_cell(FILE *out, const char *text, size_t room, bool right, bool last)
{
    int padding = (int)(room - width(text));

    if (right)
        (void)fprintf(out, "%*s", padding, "");
    (void)fputs(text, out);
    if (!right && !last)
        (void)fprintf(out, "%*s", padding, "");
    (void)fputs(last ? "\n" : "  ", out);
}

int ng_cli_table_print(const struct ng_cli_table *table, FILE *out)
{
    size_t widths[COLUMNS_MAX] = {0};
    bool numbers[COLUMNS_MAX] = {0};

    if (table->incomplete)
        return -ENOMEM;
    for (unsigned column = 0; column < table->columns; column++)
        widths[column] = width(table->heads[column]);
    for (size_t i = 0; i < table->count; i++) {
        size_t wide = width(table->cells[i].text);
        unsigned column = (unsigned)(i % table->columns);

        if (wide > widths[column])
            widths[column] = wide;
        numbers[column] = table->cells[i].number;
    }
    for (unsigned column = 0; column < table->columns; column++)
        print_cell(out, table->heads[column], widths[column], numbers[column], column + 1 == table->columns);
    for (size_t i = 0; i < table->count; i++)
        print_cell(out, table->cells[i].text, widths[i % table->columns], table->cells[i].number,
                   (i + 1) % table->columns == 0);
    return 0;
}
