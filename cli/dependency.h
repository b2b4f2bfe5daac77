/* SPDX-License-Identifier: BSD-2-Clause */
/* What deployments reached, or tried to, with all that speaks for it. */
#ifndef NAMEGATE_CLI_DEPENDENCY_H
#define NAMEGATE_CLI_DEPENDENCY_H

#include "../policy/name.h"
#include "../policy/vector.h"

#include <jansson.h>

/* How often a protocol and port were used. */
struct ng_cell {
    uint8_t proto; /* IPPROTO_* */
    uint16_t port;
    json_int_t count;
};

struct ng_dependency {
    char *text;         /* a name, an address; of a rule also a wildcard */
    bool named;         /* `name` is the text's, without what makes it a wildcard */
    bool unfit;         /* the name cannot stand in a policy */
    struct ng_name name;
    NG_VECTOR(struct ng_cell) cells; /* by protocol and port */
    json_t *commands;   /* comm -> count */
    json_t *members;    /* name -> count: what a rule stands for, where it is not the name itself */
    json_t *addresses;  /* address -> count */
    char *first, *last; /* RFC 3339 */
    char *objection;    /* the place of a rule that would have denied it, or NULL */
};

/* Found by their texts. */
struct ng_dependencies {
    json_t *index; /* text -> number */
    NG_VECTOR(struct ng_dependency *) list;
};

/* 0 or -ENOMEM. */
int ng_dependencies_init(struct ng_dependencies *dependencies);
void ng_dependencies_release(struct ng_dependencies *dependencies);

/* The one with that text, made when it is not there; NULL: out of memory. */
struct ng_dependency *ng_dependencies_get(struct ng_dependencies *dependencies, const char *text);
/* NULL: it is not there. */
struct ng_dependency *ng_dependencies_find(const struct ng_dependencies *dependencies, const char *text);

/* By name from the right, each before what is below it, then by address. */
void ng_dependencies_sort(struct ng_dependencies *dependencies);

/* Adds a recorded flow. -EBADMSG: it makes no sense. */
int ng_dependency_add(struct ng_dependency *dependency, const json_t *flow);

/* Adds uses of a port, and then all that speaks for them: of another one, `count` of whose uses these are. */
int ng_dependency_use(struct ng_dependency *dependency, uint8_t proto, uint16_t port, json_int_t count);
int ng_dependency_join(struct ng_dependency *dependency, const struct ng_dependency *other, json_int_t count);

/* All uses. */
json_int_t ng_dependency_count(const struct ng_dependency *dependency);

/* Adds to the number of a key. */
int ng_count_key(json_t *object, const char *key, json_int_t count);

/* Makes *earlier the earlier and *later the later of themselves and the given times (RFC 3339, or NULL). */
int ng_span_times(char **earlier, char **later, const char *first, const char *last);

#endif
