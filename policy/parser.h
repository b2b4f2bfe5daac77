/* SPDX-License-Identifier: BSD-2-Clause */
/* What scanner, grammar, ast.c and format.c share; private to them. */
#ifndef NAMEGATE_PARSER_H
#define NAMEGATE_PARSER_H

#include "ast.h"

/* Where a token, or a group of them, stands. */
struct ng_location {
    struct ng_place place;
    size_t offset, length; /* in the text */
};

#define YYLLOC_DEFAULT(current, rhs, n)                                                                  \
    do {                                                                                                 \
        if (n) {                                                                                         \
            (current) = YYRHSLOC(rhs, 1);                                                                \
            (current).length = YYRHSLOC(rhs, n).offset + YYRHSLOC(rhs, n).length - (current).offset;      \
        } else {                                                                                         \
            (current) = YYRHSLOC(rhs, 0);                                                                \
            (current).length = 0;                                                                        \
        }                                                                                                \
    } while (0)

/* The state of one parse. */
struct ng_parser {
    struct ng_ast *ast;
    struct ng_diag *diag;
    size_t offset, line_start; /* where the scanner stands */
    uint32_t line;
    uint32_t policy; /* the one being read; 0: outside of all */
    bool no_memory;
    struct ng_target target;   /* the destination being read: large, so made once */

    NG_VECTOR(struct ng_segment) ports; /* of the destination being read */
    uint8_t proto;
    bool ports_given, proto_given;
};

/* Parses the whole text of parser->ast. Returns 0, 1 after errors, which are in diag, 2 when out of memory. */
int ng_parser_run(struct ng_parser *parser);

/* The scanner alone: every token but white space and comments. Returns the token, 0 at the end of the text. */
struct ng_tokens;
int ng_tokens_new(struct ng_parser *parser, struct ng_tokens **ret_tokens);
int ng_tokens_next(struct ng_tokens *tokens, struct ng_location *ret_location);
void ng_tokens_free(struct ng_tokens *tokens);

/* Whether the comma that ends at `offset` goes on with a port list: a port follows, not a destination. */
bool ng_parser_port_follows(const struct ng_parser *parser, size_t offset);

__attribute__((format(printf, 4, 5))) void ng_parser_error(struct ng_parser *parser,
                                                           const struct ng_location *location, const char *remedy,
                                                           const char *format, ...);

/* The actions of the grammar. Each works on what was begun last. */
void ng_parser_policy(struct ng_parser *parser, const struct ng_location *name, const struct ng_location *base);
void ng_parser_policy_end(struct ng_parser *parser);
void ng_parser_setting(struct ng_parser *parser, const struct ng_location *keyword, const struct ng_location *word);
void ng_parser_owner(struct ng_parser *parser, const struct ng_location *keyword, const struct ng_location *string);
void ng_parser_rule(struct ng_parser *parser, uint8_t verdict);
void ng_parser_on(struct ng_parser *parser);
void ng_parser_rule_end(struct ng_parser *parser);
void ng_parser_destination(struct ng_parser *parser, const struct ng_location *target, bool quoted);
void ng_parser_ports_begin(struct ng_parser *parser, const struct ng_location *keyword);
void ng_parser_ports(struct ng_parser *parser, const struct ng_location *range);
void ng_parser_proto(struct ng_parser *parser, const struct ng_location *word);
void ng_parser_options(struct ng_parser *parser);
void ng_parser_text(struct ng_parser *parser, const struct ng_location *keyword, const struct ng_location *string);
void ng_parser_choice(struct ng_parser *parser, const struct ng_location *keyword, const struct ng_location *word);
void ng_parser_until(struct ng_parser *parser, const struct ng_location *keyword, const struct ng_location *date);
void ng_parser_group(struct ng_parser *parser, const struct ng_location *name);
void ng_parser_group_end(struct ng_parser *parser);
void ng_parser_include(struct ng_parser *parser, const struct ng_location *string);
void ng_parser_test(struct ng_parser *parser, const struct ng_location *name);
void ng_parser_test_end(struct ng_parser *parser);
void ng_parser_expect(struct ng_parser *parser, uint8_t verdict, const struct ng_location *destination, bool quoted);

#endif
