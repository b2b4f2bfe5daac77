/* SPDX-License-Identifier: BSD-2-Clause */
/* One policy text, parsed and checked on its own: what the compiler and the formatter work on.
 *
 * A text may hold millions of destinations, so all is kept in flat arrays: a statement names a range of destinations, a
 * destination names its content in `octets`. An offset of 0 in `octets` stands for "not given". */
#ifndef NAMEGATE_AST_H
#define NAMEGATE_AST_H

#include "diag.h"
#include "target.h"
#include "vector.h"

#include <namegate/abi.h>

#define NG_TEXT_MAX 400 /* octets of a reason, an instead or an owner */

struct ng_place {
    uint32_t line, column; /* from 1 */
};

struct ng_range {
    uint32_t first, end;
};

struct ng_ast_destination {
    struct ng_place place;
    uint32_t offset;  /* in the text, as written, without quotes */
    uint16_t length;
    uint8_t kind;     /* enum ng_target_kind */
    uint8_t pad;
    uint32_t content; /* in octets. A name in wire form; for networks their number (uint16_t), then each (struct
                         ng_prefix); for a group its name, NUL-terminated */
    uint32_t ports;   /* which of port_sets; 0: all ports, all protocols */
};

/* What stands between the braces behind a rule. Number 0 is that of rules without. */
struct ng_ast_options {
    uint32_t reason, instead, owner; /* in octets */
    uint32_t until;                  /* the last day in force, counted from 1970-01-01; 0: none */
    struct ng_place until_place;
    uint8_t respond; /* enum ng_respond */
    uint8_t answer;  /* enum ng_answer_kind */
    uint8_t shared;  /* NG_SEGMENT_SHARED, or 0 */
    uint8_t given;   /* bits: which option was given */
};

struct ng_ast_rule {
    uint8_t verdict; /* NG_VERDICT_NONE: a dependency */
    uint32_t policy; /* which of policies it stands in */
    uint32_t options;
    struct ng_range destinations;
    struct ng_range on; /* of a dependency: what it depends on */
};

/* Number 0 is what stands outside of every policy. */
struct ng_ast_policy {
    struct ng_place place;
    uint32_t name; /* in octets */
    uint32_t base; /* the policy that it extends */
    struct ng_place base_place;
    uint32_t owner;
    uint8_t mode, established, on_loss; /* enum ng_mode, ng_established, ng_on_loss */
    uint8_t given;                      /* bits: which setting was given */
    struct ng_range rules, includes;    /* meaningless for number 0 */
};

struct ng_ast_group {
    struct ng_place place;
    uint32_t name; /* without '@' */
    struct ng_range destinations;
};

struct ng_ast_include {
    struct ng_place place;
    uint32_t policy;
    uint32_t pattern;
};

struct ng_ast_expect {
    struct ng_place place;
    uint32_t offset; /* of the destination in the text */
    uint16_t length;
    uint8_t verdict;
};

struct ng_ast_test {
    struct ng_place place;
    uint32_t policy; /* its name */
    struct ng_range expects;
};

struct ng_ast {
    const char *path, *text; /* the caller's, for messages */
    size_t length;
    bool quiet; /* nobody asked about it: its warnings are not told, its tests not run */
    NG_VECTOR(struct ng_ast_policy) policies; /* at least one: what stands outside */
    NG_VECTOR(struct ng_ast_rule) rules;
    NG_VECTOR(struct ng_ast_options) options; /* at least one: none */
    NG_VECTOR(struct ng_ast_destination) destinations;
    NG_VECTOR(struct ng_ast_group) groups;
    NG_VECTOR(struct ng_ast_include) includes;
    NG_VECTOR(struct ng_ast_test) tests;
    NG_VECTOR(struct ng_ast_expect) expects;
    NG_VECTOR(struct ng_range) port_sets; /* of segments; number 0 is everything */
    NG_VECTOR(struct ng_segment) segments; /* ports and protocols; their verdict is the rule's */
    NG_VECTOR(uint8_t) octets;
};

#define NG_GIVEN_MODE (1u << 0)
#define NG_GIVEN_ESTABLISHED (1u << 1)
#define NG_GIVEN_ON_LOSS (1u << 2)

/* Parses a text and reports all errors that it finds. The result is complete only when diag has got no error. Returns 0
 * or -ENOMEM or -EFBIG. path and text must outlive the result. */
int ng_ast_parse(const char *path, const char *text, size_t length, struct ng_diag *diag, struct ng_ast *ret_ast);
void ng_ast_release(struct ng_ast *ast);

/* A text in octets. */
const char *ng_ast_string(const struct ng_ast *ast, uint32_t offset);

/* Adds a message about a place in the text. */
__attribute__((format(printf, 6, 7))) void ng_ast_say(const struct ng_ast *ast, struct ng_diag *diag,
                                                      enum ng_severity severity, struct ng_place place,
                                                      const char *remedy, const char *format, ...);

#endif
