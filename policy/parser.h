/* SPDX-License-Identifier: BSD-2-Clause */
/* What scanner, grammar and ast.c share; private to them. */
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
    struct ng_location next; /* where the scanner stands */
    bool no_memory;

    /* The destination being read. */
    NG_VECTOR(struct ng_segment) ports;
    uint8_t proto;
    bool ports_given, proto_given;
};

/* Parses the whole text of parser->ast. Returns 0, 1 after errors, which are in diag, 2 when out of memory. */
int ng_parser_run(struct ng_parser *parser);

/* Whether the comma that ends at `offset` goes on with a port list: a port follows, not a destination. */
bool ng_parser_port_follows(const struct ng_parser *parser, size_t offset);

__attribute__((format(printf, 4, 5))) void ng_parser_error(struct ng_parser *parser,
                                                           const struct ng_location *location, const char *remedy,
                                                           const char *format, ...);

/* The actions of the grammar. Each works on what was begun last. */
void ng_parser_policy(struct ng_parser *parser, const struct ng_location *name);
void ng_parser_mode(struct ng_parser *parser, const struct ng_location *word);
void ng_parser_rule(struct ng_parser *parser, uint8_t verdict);
void ng_parser_destination(struct ng_parser *parser, const struct ng_location *target, bool quoted);
void ng_parser_ports_begin(struct ng_parser *parser, const struct ng_location *keyword);
void ng_parser_ports(struct ng_parser *parser, const struct ng_location *range);
void ng_parser_proto(struct ng_parser *parser, const struct ng_location *word);
void ng_parser_option(struct ng_parser *parser, bool reason, const struct ng_location *keyword,
                      const struct ng_location *string);

#endif
