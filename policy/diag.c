// SPDX-License-Identifier: BSD-2-Clause
#include "diag.h"

#include <namegate/cleanup.h>

#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#define LINE_MAX_SHOWN 160

struct message {
    enum ng_severity severity;
    unsigned line, column;
    size_t caret;  /* column in the shown line, which is escaped and cut; 0: none */
    char *file, *shown, *remedy, *text;
};

struct ng_diag {
    size_t errors, warnings, kept;
    struct message message[NG_DIAG_MAX];
};

struct ng_diag *ng_diag_new(void)
{
    return calloc(1, sizeof(struct ng_diag));
}

static void release(struct message *message)
{
    free(message->file);
    free(message->shown);
    free(message->remedy);
    free(message->text);
}

void ng_diag_free(struct ng_diag *diag)
{
    if (!diag)
        return;
    for (size_t i = 0; i < diag->kept; i++)
        release(&diag->message[i]);
    free(diag);
}

bool ng_diag_full(const struct ng_diag *diag)
{
    return diag->kept == NG_DIAG_MAX;
}

static void count(struct ng_diag *diag, enum ng_severity severity)
{
    if (severity == NG_ERROR)
        diag->errors++;
    else
        diag->warnings++;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Whether the same was said of the same place. */
static bool is_kept(const struct ng_diag *diag, const struct message *message)
{
    for (size_t i = 0; i < diag->kept; i++) {
        const struct message *it = &diag->message[i];

        if (it->severity == message->severity && it->line == message->line && it->column == message->column &&
            same_text(it->file, message->file) && same_text(it->text, message->text))
            return true;
    }
    return false;
}

/* Octets of a well-formed UTF-8 sequence at `text` (RFC 3629 §4), 0 when there is none. */
static size_t utf8(const uint8_t *text, size_t length)
{
    static const struct {
        uint8_t lo, hi, second_lo, second_hi, size;
    } forms[] = {{0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
                 {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
                 {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};

    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
        if (*text < forms[i].lo || *text > forms[i].hi)
            continue;
        if (length < forms[i].size || text[1] < forms[i].second_lo || text[1] > forms[i].second_hi)
            return 0;
        for (size_t k = 2; k < forms[i].size; k++)
            if ((text[k] & 0xc0) != 0x80)
                return 0;
        return forms[i].size;
    }
    return 0;
}

/* Writes text so that no terminal can be fooled by it: control characters (also C1) and what is not UTF-8 as \xHH, tabs
 * as a space. *ret_caret: where the octet number `column` (from 1) went, counted in characters. */
static void escape(FILE *out, const char *text, size_t length, size_t column, size_t *ret_caret)
{
    const uint8_t *octets = (const uint8_t *)text;
    size_t shown = 0;

    for (size_t i = 0; i < length;) {
        size_t size = octets[i] >= 0x80 ? utf8(octets + i, length - i) : 0;
        bool c1 = size == 2 && octets[i] == 0xc2 && octets[i + 1] < 0xa0;

        if (ret_caret && column == i + 1)
            *ret_caret = shown + 1;
        if (octets[i] == '\t') {
            (void)fputc(' ', out);
            shown++;
            i++;
        } else if ((octets[i] >= 0x20 && octets[i] < 0x7f) || (size > 0 && !c1)) {
            size = size ? size : 1;
            (void)fwrite(octets + i, 1, size, out);
            shown++;
            i += size;
        } else {
            (void)fprintf(out, "\\x%02x", octets[i]);
            shown += 4;
            i++;
        }
    }
    if (ret_caret && column > length)
        *ret_caret = shown + 1;
}

static char *escaped(const char *text, size_t length, size_t column, size_t *ret_caret)
{
    char *result = NULL;
    size_t size;
    FILE *out = open_memstream(&result, &size);

    if (!out)
        return NULL;
    escape(out, text, length, column, ret_caret);
    if (fclose(out) != 0) {
        free(result);
        return NULL;
    }
    return result;
}

/* The line of the source that holds the place, cut to a window around the column when it is long. */
static char *show_line(const char *text, size_t length, unsigned line, unsigned column, size_t *ret_caret)
{
    const char *end = text + length, *start = text, *stop;
    size_t skip = 0, size;

    for (unsigned i = 1; i < line; i++) {
        start = memchr(start, '\n', (size_t)(end - start));
        if (!start)
            return NULL;
        start++;
    }
    stop = memchr(start, '\n', (size_t)(end - start));
    size = (size_t)((stop ? stop : end) - start);
    if (column > LINE_MAX_SHOWN / 2 && size > LINE_MAX_SHOWN)
        skip = column - LINE_MAX_SHOWN / 2;
    if (skip > size)
        return NULL;
    size -= skip;
    if (size > LINE_MAX_SHOWN)
        size = LINE_MAX_SHOWN;
    return escaped(start + skip, size, column - skip, ret_caret);
}

void ng_diag_add(struct ng_diag *diag, enum ng_severity severity, const char *file, unsigned line, unsigned column,
                 const char *text, size_t length, const char *remedy, const char *format, ...)
{
    struct message *message;
    _cleanup_free_ char *words = NULL;
    va_list arguments;
    int size;

    if (ng_diag_full(diag)) {
        count(diag, severity);
        return;
    }
    va_start(arguments, format);
    size = vasprintf(&words, format, arguments);
    va_end(arguments);
    if (size < 0) {
        words = NULL;
        count(diag, severity);
        return;
    }
    message = &diag->message[diag->kept];
    *message = (struct message){.severity = severity, .line = line, .column = column};
    message->file = file ? escaped(file, strlen(file), 0, NULL) : NULL;
    message->text = escaped(words, (size_t)size, 0, NULL);
    if (is_kept(diag, message)) {
        release(message);
        return;
    }
    message->remedy = remedy ? escaped(remedy, strlen(remedy), 0, NULL) : NULL;
    if (text && line > 0 && column > 0)
        message->shown = show_line(text, length, line, column, &message->caret);
    count(diag, severity);
    diag->kept++;
}

size_t ng_diag_errors(const struct ng_diag *diag)
{
    return diag->errors;
}

size_t ng_diag_warnings(const struct ng_diag *diag)
{
    return diag->warnings;
}

size_t ng_diag_count(const struct ng_diag *diag)
{
    return diag->kept;
}

struct ng_diag_message ng_diag_get(const struct ng_diag *diag, size_t i)
{
    const struct message *it = &diag->message[i];

    return (struct ng_diag_message){it->severity, it->line, it->column, it->file, it->text, it->remedy};
}

static void print(FILE *out, const struct message *message)
{
    if (message->file)
        (void)fprintf(out, "%s:", message->file);
    if (message->line)
        (void)fprintf(out, "%u:", message->line);
    if (message->line && message->column)
        (void)fprintf(out, "%u:", message->column);
    (void)fprintf(out, "%s%s: %s\n", message->file ? " " : "", message->severity == NG_ERROR ? "error" : "warning",
                  message->text ? message->text : "out of memory");
    if (message->shown) {
        (void)fprintf(out, "    %s\n", message->shown);
        if (message->caret)
            (void)fprintf(out, "    %*s\n", (int)message->caret, "^");
    }
    if (message->remedy)
        (void)fprintf(out, "    %s\n", message->remedy);
}

char *ng_diag_text(const struct ng_diag *diag)
{
    size_t hidden = diag->errors + diag->warnings - diag->kept, size;
    char *text = NULL;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return NULL;
    for (size_t i = 0; i < diag->kept; i++)
        print(out, &diag->message[i]);
    if (hidden)
        (void)fprintf(out, "%zu further messages are not shown\n", hidden);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
