/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of a set mean together: policies with the statements that belong to them, groups with their members;
 * private to the compiler. */
#ifndef NAMEGATE_LINK_H
#define NAMEGATE_LINK_H

#include "files.h"

#define NG_MEMBERS_MAX (16U << 20)       /* destinations of a whole set, groups expanded */
#define NG_MEMBERS_OWN_MAX (64U << 10)   /* of a policy that was brought along */

/* Statements that belong to a policy: those of one of its file's policies; of number 0 the statements outside. */
struct ng_part {
    const struct ng_file *file;
    uint32_t policy;
    bool depends_only; /* of the statements outside only the dependencies */
    const char *owner; /* "": none */
};

/* A policy of the set. */
struct ng_linked {
    const char *name;
    const struct ng_file *file;
    const struct ng_ast_policy *ast;
    struct ng_linked *base; /* NULL: none */
    bool entered;           /* while bases are followed */
    uint8_t mode, established, on_loss;
    NG_VECTOR(struct ng_part) parts;
};

struct ng_group {
    const char *name;
    const struct ng_file *file;
    const struct ng_ast_group *ast;
    bool entered, checked;
};

struct ng_set {
    struct ng_files files;
    NG_VECTOR(struct ng_linked *) policies; /* in the order of their names */
    NG_VECTOR(struct ng_group) groups;      /* in the order of their names */
};

/* Resolves all names. Errors go to diag; returns 0 also then, else -ENOMEM. */
int ng_link(struct ng_set *set, struct ng_diag *diag);
void ng_link_release(struct ng_set *set);

/* A destination that is no group. */
struct ng_member {
    const struct ng_file *file;
    const struct ng_ast_destination *destination;
    const char *group;                 /* the group that the rule names, or "" */
    const struct ng_segment *segments; /* ports and protocols that rule and groups leave; none: nothing is left */
    size_t count;
};

typedef int (*ng_member_fn)(void *arg, const struct ng_member *member);

/* Calls `each` for the destination, or for all members of the group that it is. Stops at the first error. -E2BIG after
 * more than *left members, which it counts down. */
int ng_link_expand(const struct ng_set *set, const struct ng_file *file, const struct ng_ast_destination *destination,
                   uint32_t *left, ng_member_fn each, void *arg);

/* The group of that name that a file sees: its own before those of the whole set. NULL: none. */
struct ng_group *ng_link_group(const struct ng_set *set, const struct ng_file *file, const char *name);

/* The policy of that name; NULL: none. */
struct ng_linked *ng_link_policy(const struct ng_set *set, const char *name);

/* The canonical octets of a destination's name. */
static inline const uint8_t *ng_link_name(const struct ng_file *file, const struct ng_ast_destination *destination)
{
    return file->ast.octets.items + destination->content;
}

#endif
