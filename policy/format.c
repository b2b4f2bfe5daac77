// SPDX-License-Identifier: BSD-2-Clause
/* Works on tokens, not on the tree, because comments belong to places in the text. What was parsed without an error has
 * only known words, so that a statement's first word says all that the layout needs. */
#include "format.h"

#include "parser.h"
#include "parse.h"
#include "vector.h"

#include <errno.h>
#include <stdio.h>

#define INDENT 4
#define WIDTH 100
#define DEPTH_MAX 4

struct token {
    int kind;
    struct ng_location at;
};

struct layout {
    FILE *out;
    NG_VECTOR(struct token) tokens;
    size_t number;     /* of the token being written */
    const char *text;
    size_t column;     /* of the line being written */
    unsigned blank;    /* line ends written since the last word: 0, 1 or 2 */
    int open[DEPTH_MAX]; /* the first word of the statement that each brace belongs to */
    unsigned depth;
    int first;         /* the first word of the statement being written */
    size_t margin;     /* where its lines go on */
    int before;        /* the last token; 0: none */
    bool top_closed;   /* a block has just ended that others are kept apart from */
};

static void end_line(struct layout *layout, unsigned lines)
{
    for (; layout->blank < lines; layout->blank++)
        (void)fputc('\n', layout->out);
    layout->column = 0;
}

static void put(struct layout *layout, const char *text, size_t length)
{
    (void)fwrite(text, 1, length, layout->out);
    layout->column += length;
    layout->blank = 0;
}

static void indent(struct layout *layout, size_t column)
{
    for (; layout->column < column; layout->column++)
        (void)fputc(' ', layout->out);
}

static bool in_group(const struct layout *layout)
{
    return layout->depth > 0 && layout->open[layout->depth - 1] == GROUP;
}

/* Whether a token begins a statement, an option or a member. */
static bool begins(const struct layout *layout, int token)
{
    switch (token) {
    case POLICY:
    case GROUP:
    case TEST:
    case MODE:
    case ESTABLISHED:
    case ON_LOSS:
    case OWNER:
    case INCLUDE:
    case DEPENDS:
    case REASON:
    case INSTEAD:
    case RESPOND:
    case ANSWER:
    case SHARED:
    case UNTIL:
    case EXPECT:
        return true;
    case DENY:
    case ALLOW:
        return layout->before != EXPECT && layout->before != SHARED;
    case WORD:
    case STRING:
        return in_group(layout) && layout->before != PROTO;
    default:
        return false;
    }
}

/* The comments between two tokens, each on a line of its own but one that follows a token on its line. `lines` is how
 * many line ends the text has before the next token. */
static void put_gap(struct layout *layout, const char *gap, size_t length, unsigned *ret_lines)
{
    const char *end = gap + length;
    unsigned lines = 0;

    while (gap < end) {
        const char *stop;

        if (*gap == '\n') {
            lines++;
            gap++;
            continue;
        }
        if (*gap != '#') {
            gap++;
            continue;
        }
        for (stop = gap; stop < end && *stop != '\n';)
            stop++;
        length = (size_t)(stop - gap);
        while (length > 0 && strchr(" \t\r", gap[length - 1]))
            length--;
        if (lines == 0 && layout->before && layout->column > 0) {
            put(layout, "  ", 2);
        } else {
            bool inside = layout->before == ','; /* in the middle of a list */

            if (layout->before || lines)
                end_line(layout, (lines > 1 || layout->top_closed) && layout->before != '{' ? 2 : 1);
            layout->top_closed = false;
            indent(layout, inside ? layout->margin : layout->depth * INDENT);
        }
        put(layout, gap, length);
        end_line(layout, 1);
        lines = 1;
        gap = stop < end ? stop + 1 : end;
    }
    *ret_lines = lines;
}

/* Columns of the destination that begins at the token being written, with its ports and protocol. */
static size_t destination_width(const struct layout *layout)
{
    const struct token *tokens = layout->tokens.items;
    size_t width = tokens[layout->number].at.length;
    int before = 0;

    for (size_t i = layout->number + 1; i < layout->tokens.count; i++) {
        int kind = tokens[i].kind;

        if (kind != PORT && kind != PROTO && kind != NUMBERS && kind != PORT_COMMA && before != PROTO)
            break;
        width += tokens[i].at.length + (kind != PORT_COMMA && before != PORT_COMMA);
        before = kind;
    }
    /* A comma belongs to it. */
    return width + 1;
}

static void start_line(struct layout *layout, unsigned lines)
{
    if (layout->before || layout->blank) {
        bool apart = (lines > 1 || layout->top_closed) && layout->before != '{';

        end_line(layout, apart ? 2 : 1);
    }
    layout->top_closed = false;
    indent(layout, layout->depth * INDENT);
}

/* A token within a statement: on this line, or on the next. */
static void go_on(struct layout *layout, int token, unsigned lines)
{
    bool listed = layout->before == ',';

    if (token == ',' || token == PORT_COMMA || layout->before == PORT_COMMA)
        return;
    if (layout->column == 0 || (listed && (lines > 0 || layout->column + 1 + destination_width(layout) > WIDTH))) {
        end_line(layout, 1);
        indent(layout, token == '{' ? layout->depth * INDENT : layout->margin);
        return;
    }
    put(layout, " ", 1);
}

static void put_token(struct layout *layout, int token, const struct ng_location *at, unsigned lines)
{
    if (token == ',' && in_group(layout))
        return; /* members need no mark */
    if (token == '}') {
        layout->depth -= layout->depth > 0;
        end_line(layout, 1);
        indent(layout, layout->depth * INDENT);
    } else if (begins(layout, token)) {
        start_line(layout, lines);
        layout->first = token;
        layout->margin = layout->column + at->length + 1;
        if (in_group(layout))
            layout->margin = layout->column + INDENT;
    } else {
        go_on(layout, token, lines);
    }
    put(layout, layout->text + at->offset, at->length);
    if (token == '{') {
        if (layout->depth < DEPTH_MAX)
            layout->open[layout->depth++] = layout->first;
        layout->margin = 0;
    } else if (token == '}') {
        layout->top_closed = layout->depth == 0;
        layout->margin = 0;
    }
    layout->before = token;
}

static int lay_out(struct ng_parser *parser, FILE *out)
{
    struct layout layout = {.out = out, .text = parser->ast->text};
    size_t length = parser->ast->length, end = 0;
    struct ng_tokens *tokens = NULL;
    struct token token;
    unsigned lines = 0;
    int r = ng_tokens_new(parser, &tokens);

    if (r < 0)
        return r;
    while (r == 0 && (token.kind = ng_tokens_next(tokens, &token.at)) != 0)
        r = ng_vector_add(&layout.tokens, token) ? 0 : -ENOMEM;
    ng_tokens_free(tokens);
    for (; r == 0 && layout.number < layout.tokens.count; layout.number++) {
        const struct ng_location *at = &layout.tokens.items[layout.number].at;

        put_gap(&layout, layout.text + end, at->offset - end, &lines);
        put_token(&layout, layout.tokens.items[layout.number].kind, at, lines);
        end = at->offset + at->length;
    }
    put_gap(&layout, layout.text + end, length - end, &lines);
    if (layout.before)
        end_line(&layout, 1);
    ng_vector_free(&layout.tokens);
    return r;
}

int ng_format(const char *path, const char *text, size_t length, struct ng_diag *diag, char **ret_text,
              size_t *ret_length)
{
    struct ng_ast ast = {0};
    struct ng_parser parser = {.ast = &ast, .diag = diag};
    size_t errors = ng_diag_errors(diag), size = 0;
    char *laid_out = NULL;
    FILE *out;
    int r = ng_ast_parse(path, text, length, diag, &ast);

    if (r < 0)
        return r;
    if (ng_diag_errors(diag) > errors) {
        ng_ast_release(&ast);
        return -EINVAL;
    }
    out = open_memstream(&laid_out, &size);
    r = out ? lay_out(&parser, out) : -ENOMEM;
    if (out && fclose(out) != 0)
        r = -ENOMEM;
    ng_ast_release(&ast);
    if (r < 0) {
        free(laid_out);
        return r;
    }
    *ret_text = laid_out;
    *ret_length = size;
    return 0;
}
