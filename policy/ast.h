/* SPDX-License-Identifier: BSD-2-Clause */
/* A policy text, parsed and checked on its own: what the compiler works on. */
#ifndef NAMEGATE_AST_H
#define NAMEGATE_AST_H

#include "diag.h"
#include "name.h"
#include "vector.h"

#include <namegate/abi.h>

#define NG_TEXT_MAX 400   /* octets of a reason or of an instead */

enum ng_target_kind {
    NG_TARGET_EXACT,    /* x: that name alone */
    NG_TARGET_WILDCARD, /* *.x: what lies below it */
    NG_TARGET_BOTH,     /* .x */
    NG_TARGET_NETWORK,  /* an address, or a network */
};

struct ng_place {
    unsigned line, column; /* from 1 */
};

/* A destination without its ports. */
struct ng_target {
    enum ng_target_kind kind;
    struct ng_name name;
    uint8_t address[16]; /* network order, v4-mapped */
    uint8_t prefix;      /* bits of address, 0 to 128 */
};

struct ng_ast_destination {
    struct ng_place place;
    char *text; /* as written */
    struct ng_target target;
    NG_VECTOR(struct ng_segment) segments; /* at least one; their verdict is the rule's */
};

struct ng_ast_rule {
    uint8_t verdict;
    NG_VECTOR(struct ng_ast_destination) destinations;
    char *reason, *instead; /* NULL: none */
};

struct ng_ast_policy {
    char *name;
    struct ng_place place;
    uint8_t mode;
    bool mode_given;
    NG_VECTOR(struct ng_ast_rule) rules;
};

struct ng_ast {
    const char *path, *text; /* the caller's, for messages */
    size_t length;
    NG_VECTOR(struct ng_ast_policy) policies;
};

/* Parses a text and reports all errors that it finds. The result is complete only when diag has got no error. Returns 0
 * or -ENOMEM or -EFBIG. path and text must outlive the result. */
int ng_ast_parse(const char *path, const char *text, size_t length, struct ng_diag *diag, struct ng_ast *ret_ast);
void ng_ast_release(struct ng_ast *ast);

/* Understands a destination as written. On failure -EINVAL; *ret_error and *ret_remedy are texts for people (remedy may
 * be NULL) that the caller frees. */
int ng_target_parse(const char *text, size_t length, struct ng_target *ret_target, char **ret_error,
                    char **ret_remedy);

#endif
