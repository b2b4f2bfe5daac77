// SPDX-License-Identifier: BSD-2-Clause
#include "link.h"

#include "nearest.h"

#include <namegate/cleanup.h>

#define LISTED_MAX 10 /* policies that a remedy names */
#define DEPTH_MAX 64 /* of groups within groups, and of policies that extend each other */

typedef NG_VECTOR(struct ng_segment) segments_vector;

/* --- policies */

static int by_policy_name(const void *a, const void *b)
{
    return strcmp((*(struct ng_linked *const *)a)->name, (*(struct ng_linked *const *)b)->name);
}

struct ng_linked *ng_link_policy(const struct ng_set *set, const char *name)
{
    struct ng_linked key = {.name = name}, *wanted = &key;
    struct ng_linked **found = set->policies.count ? bsearch(&wanted, set->policies.items, set->policies.count,
                                                             sizeof(wanted), by_policy_name)
                                                   : NULL;

    return found ? *found : NULL;
}

static int add_policy(struct ng_set *set, const struct ng_file *file, uint32_t number)
{
    const struct ng_ast_policy *ast = &file->ast.policies.items[number];
    struct ng_linked *linked = calloc(1, sizeof(*linked));

    if (!linked || !ng_vector_add(&set->policies, linked)) {
        free(linked);
        return -ENOMEM;
    }
    linked->name = file->as ? file->as : ng_ast_string(&file->ast, ast->name);
    linked->file = file;
    linked->ast = ast;
    linked->mode = ast->mode;
    linked->established = ast->established;
    linked->on_loss = ast->on_loss;
    return 0;
}

/* As its author knows it. */
static const char *written_name(const struct ng_linked *linked)
{
    return ng_ast_string(&linked->file->ast, linked->ast->name);
}

/* Says of a statement outside of a policy that it should be in one. */
static void outside(const struct ng_file *file, struct ng_place place, struct ng_diag *diag)
{
    ng_ast_say(&file->ast, diag, NG_ERROR, place,
               "write: policy NAME { ... } around it, or include this file from within a policy",
               "this stands outside of a policy");
}

/* A file whose policies stand for themselves. What it has outside of them can only be dependencies. */
static int take_top(struct ng_set *set, const struct ng_file *file, bool *taken, struct ng_diag *diag)
{
    int r = 0;

    if (taken[file->number])
        return 0;
    taken[file->number] = true;
    if (file->as && file->ast.policies.count != 2)
        ng_diag_add(diag, NG_ERROR, file->path, 0, 0, NULL, 0, "a policy to bring along is one in a file of its own",
                    "this file has %zu policies, expected one", file->ast.policies.count - 1);
    for (uint32_t i = 1; r == 0 && i < file->ast.policies.count; i++)
        r = add_policy(set, file, i);
    for (size_t i = 0; i < file->ast.rules.count; i++) {
        const struct ng_ast_rule *rule = &file->ast.rules.items[i];

        if (rule->policy == 0 && rule->verdict != NG_VERDICT_NONE)
            outside(file, file->ast.destinations.items[rule->destinations.first].place, diag);
    }
    if (file->ast.policies.items[0].given)
        outside(file, file->ast.policies.items[0].place, diag);
    for (size_t i = 0; r == 0 && i < file->included.count; i++)
        if (file->ast.includes.items[file->included.items[i].include].policy == 0)
            r = take_top(set, file->included.items[i].file, taken, diag);
    return r;
}

/* All statements of a file that a policy includes. */
static int add_fragment(struct ng_linked *linked, const struct ng_file *file, const char *owner, struct ng_diag *diag)
{
    const struct ng_ast_policy *all = &file->ast.policies.items[0];
    struct ng_part part = {.file = file, .owner = all->owner ? ng_ast_string(&file->ast, all->owner) : owner};

    for (size_t i = 0; i < linked->parts.count; i++)
        if (linked->parts.items[i].file == file && linked->parts.items[i].policy == 0)
            return 0; /* included twice */
    if (file->ast.policies.count > 1)
        ng_ast_say(&file->ast, diag, NG_ERROR, file->ast.policies.items[1].place,
                   "include this file outside of policies, or write its statements alone",
                   "a policy within policy '%s', at %s:%u", written_name(linked), linked->file->path,
                   linked->ast->place.line);
    if (all->given)
        ng_ast_say(&file->ast, diag, NG_ERROR, all->place, "write it in the policy itself",
                   "a setting in a file that policy '%s' includes", written_name(linked));
    if (!ng_vector_add(&linked->parts, part))
        return -ENOMEM;
    for (size_t i = 0; i < file->included.count; i++) {
        int r = add_fragment(linked, file->included.items[i].file, part.owner, diag);

        if (r < 0)
            return r;
    }
    return 0;
}

static int add_own_parts(struct ng_linked *linked, struct ng_diag *diag)
{
    const struct ng_file *file = linked->file;
    uint32_t number = (uint32_t)(linked->ast - file->ast.policies.items);
    struct ng_part part = {.file = file, .policy = number, .owner = ng_ast_string(&file->ast, linked->ast->owner)};

    if (!ng_vector_add(&linked->parts, part))
        return -ENOMEM;
    for (size_t i = 0; i < file->included.count; i++) {
        int r = file->ast.includes.items[file->included.items[i].include].policy == number
                    ? add_fragment(linked, file->included.items[i].file, part.owner, diag)
                    : 0;

        if (r < 0)
            return r;
    }
    return 0;
}

/* Dependencies outside of policies are facts about services, so they hold in every policy that may see them. */
static int add_common_parts(struct ng_linked *linked, const struct ng_set *set, const bool *taken)
{
    for (size_t i = 0; i < set->files.list.count; i++) {
        const struct ng_file *file = set->files.list.items[i];
        uint32_t own = file->ast.policies.items[0].owner;
        struct ng_part part = {.file = file,
                               .depends_only = true,
                               .owner = own ? ng_ast_string(&file->ast, own)
                                            : ng_ast_string(&linked->file->ast, linked->ast->owner)};

        if (taken[i] && (!file->as || file == linked->file) && !ng_vector_add(&linked->parts, part))
            return -ENOMEM;
    }
    return 0;
}

/* What may have been meant by the name of a policy that there is not: the nearest, or a list. NULL: out of memory. */
static char *suggest_base(const struct ng_set *set, const struct ng_linked *of, const char *name)
{
    _cleanup_free_ const char **names = calloc(set->policies.count + 1, sizeof(*names));
    size_t count = 0, size;
    const char *near;
    char *text = NULL;
    FILE *out;

    if (!names)
        return NULL;
    for (size_t i = 0; i < set->policies.count; i++)
        if (!set->policies.items[i]->file->as && set->policies.items[i] != of)
            names[count++] = set->policies.items[i]->name;
    near = ng_nearest(name, strlen(name), names);
    out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    if (near)
        (void)fprintf(out, "did you mean '%s'?", near);
    for (size_t i = 0; !near && i < count && i < LISTED_MAX; i++)
        (void)fprintf(out, "%s%s", i == 0 ? "there are: " : ", ", names[i]);
    if (!near && count > LISTED_MAX)
        (void)fputs(", ...", out);
    return fclose(out) == 0 ? text : NULL;
}

static void find_base(struct ng_set *set, struct ng_linked *linked, struct ng_diag *diag)
{
    const struct ng_ast *ast = &linked->file->ast;
    const char *name = ng_ast_string(ast, linked->ast->base);
    _cleanup_free_ char *remedy = NULL;

    linked->base = ng_link_policy(set, name);
    if (linked->base && !linked->base->file->as)
        return;
    linked->base = NULL;
    if (!ng_diag_full(diag))
        remedy = suggest_base(set, linked, name);
    ng_ast_say(ast, diag, NG_ERROR, linked->ast->base_place, remedy, "there is no policy '%s'", name);
}

/* Takes over what the base says, and first what its base says. */
static int inherit(struct ng_linked *linked, unsigned depth, struct ng_diag *diag)
{
    struct ng_linked *base = linked->base;
    int r;

    if (!base)
        return 0;
    if (linked->entered || depth == DEPTH_MAX) {
        ng_ast_say(&linked->file->ast, diag, NG_ERROR, linked->ast->base_place, "leave one of them out",
                   linked->entered ? "policy '%s' extends itself" : "policy '%s' extends too many others in a row",
                   written_name(linked));
        return 0;
    }
    linked->entered = true;
    r = inherit(base, depth + 1, diag);
    linked->entered = false;
    linked->base = NULL; /* done */
    if (!(linked->ast->given & NG_GIVEN_MODE))
        linked->mode = base->mode;
    if (!(linked->ast->given & NG_GIVEN_ESTABLISHED))
        linked->established = base->established;
    if (!(linked->ast->given & NG_GIVEN_ON_LOSS))
        linked->on_loss = base->on_loss;
    for (size_t i = 0; r == 0 && i < base->parts.count; i++) {
        const struct ng_part *part = &base->parts.items[i];
        bool known = false;

        for (size_t k = 0; k < linked->parts.count; k++)
            known |= linked->parts.items[k].file == part->file && linked->parts.items[k].policy == part->policy;
        if (!known && !ng_vector_add(&linked->parts, *part))
            r = -ENOMEM;
    }
    return r;
}

static int link_policies(struct ng_set *set, struct ng_diag *diag)
{
    _cleanup_free_ bool *taken = calloc(set->files.list.count + 1, sizeof(*taken));
    int r = taken ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < set->files.list.count; i++)
        if (set->files.list.items[i]->source)
            r = take_top(set, set->files.list.items[i], taken, diag);
    if (set->policies.count)
        qsort(set->policies.items, set->policies.count, sizeof(*set->policies.items), by_policy_name);
    for (size_t i = 0; r == 0 && i < set->policies.count; i++) {
        struct ng_linked *linked = set->policies.items[i], *other = i > 0 ? set->policies.items[i - 1] : NULL;

        /* That a file which was brought along has several is told already. */
        if (other && strcmp(linked->name, other->name) == 0 && !linked->file->as)
            ng_ast_say(&linked->file->ast, diag, NG_ERROR, linked->ast->place, "give it another name",
                       "policy '%s' is also defined at %s:%u", linked->name, other->file->path,
                       other->ast->place.line);
        r = add_own_parts(linked, diag);
        if (r == 0)
            r = add_common_parts(linked, set, taken);
        if (linked->ast->base)
            find_base(set, linked, diag);
    }
    for (size_t i = 0; r == 0 && i < set->policies.count; i++)
        r = inherit(set->policies.items[i], 0, diag);
    return r;
}

/* --- groups */

static int by_group_name(const void *a, const void *b)
{
    const struct ng_group *x = a, *y = b;
    int d = strcmp(x->name, y->name);

    return d ? d : x->file->number < y->file->number ? -1 : x->file->number > y->file->number;
}

struct ng_group *ng_link_group(const struct ng_set *set, const struct ng_file *file, const char *name)
{
    size_t low = 0, high = set->groups.count;
    struct ng_group *shared = NULL;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(set->groups.items[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < set->groups.count && strcmp(set->groups.items[low].name, name) == 0; low++) {
        struct ng_group *group = &set->groups.items[low];

        if (group->file == file)
            return group;
        if (!group->file->as)
            shared = group;
    }
    return shared;
}

static void unknown_group(const struct ng_set *set, const struct ng_file *file,
                          const struct ng_ast_destination *destination, struct ng_diag *diag)
{
    const char *name = ng_ast_string(&file->ast, destination->content), *near = NULL;
    _cleanup_free_ const char **names = ng_diag_full(diag) ? NULL : calloc(set->groups.count + 1, sizeof(*names));
    char remedy[NG_GROUP_MAX + 32];

    for (size_t i = 0; names && i < set->groups.count; i++)
        names[i] = set->groups.items[i].name;
    if (names)
        near = ng_nearest(name, strlen(name), names);
    (void)snprintf(remedy, sizeof(remedy), "did you mean '@%s'?", near ? near : "");
    ng_ast_say(&file->ast, diag, NG_ERROR, destination->place,
               near ? remedy : "groups are defined by: group @NAME { ... }; is the file with it included?",
               "there is no group '@%s'", name);
}

static void check_group(const struct ng_set *set, struct ng_group *group, unsigned depth, struct ng_diag *diag)
{
    group->entered = true;
    for (uint32_t i = group->ast->destinations.first; i < group->ast->destinations.end; i++) {
        const struct ng_ast_destination *destination = &group->file->ast.destinations.items[i];
        struct ng_group *inner;

        if (destination->kind != NG_TARGET_GROUP)
            continue;
        inner = ng_link_group(set, group->file, ng_ast_string(&group->file->ast, destination->content));
        if (inner && (inner->entered || depth == DEPTH_MAX))
            ng_ast_say(&group->file->ast, diag, NG_ERROR, destination->place, "leave one of them out",
                       inner->entered ? "group '@%s' is a member of itself" : "groups are nested too deep at '@%s'",
                       inner->name);
        else if (inner && !inner->checked)
            check_group(set, inner, depth + 1, diag);
    }
    group->entered = false;
    group->checked = true;
}

static int link_groups(struct ng_set *set, struct ng_diag *diag)
{
    for (size_t f = 0; f < set->files.list.count; f++) {
        const struct ng_file *file = set->files.list.items[f];

        for (size_t g = 0; g < file->ast.groups.count; g++) {
            struct ng_group group = {.file = file, .ast = &file->ast.groups.items[g]};

            group.name = ng_ast_string(&file->ast, group.ast->name);
            if (!ng_vector_add(&set->groups, group))
                return -ENOMEM;
        }
    }
    if (set->groups.count)
        qsort(set->groups.items, set->groups.count, sizeof(*set->groups.items), by_group_name);
    for (size_t i = 1; i < set->groups.count; i++) {
        const struct ng_group *group = &set->groups.items[i], *other = group - 1;

        if (strcmp(group->name, other->name) == 0 &&
            (group->file == other->file || !(group->file->as || other->file->as)))
            ng_ast_say(&group->file->ast, diag, NG_ERROR, group->ast->place, "give it another name",
                       "group '@%s' is also defined at %s:%u", group->name, other->file->path,
                       other->ast->place.line);
    }
    for (size_t f = 0; f < set->files.list.count; f++) {
        const struct ng_file *file = set->files.list.items[f];

        for (size_t d = 0; d < file->ast.destinations.count; d++)
            if (file->ast.destinations.items[d].kind == NG_TARGET_GROUP &&
                !ng_link_group(set, file, ng_ast_string(&file->ast, file->ast.destinations.items[d].content)))
                unknown_group(set, file, &file->ast.destinations.items[d], diag);
    }
    for (size_t i = 0; i < set->groups.count; i++)
        if (!set->groups.items[i].checked)
            check_group(set, &set->groups.items[i], 0, diag);
    return 0;
}

int ng_link(struct ng_set *set, struct ng_diag *diag)
{
    int r = link_policies(set, diag);

    return r < 0 ? r : link_groups(set, diag);
}

void ng_link_release(struct ng_set *set)
{
    for (size_t i = 0; i < set->policies.count; i++) {
        ng_vector_free(&set->policies.items[i]->parts);
        free(set->policies.items[i]);
    }
    ng_vector_free(&set->policies);
    ng_vector_free(&set->groups);
}

/* --- members */

struct expansion {
    const struct ng_set *set;
    uint32_t *left;
    ng_member_fn each;
    void *arg;
    const char *group;
};

static const struct ng_segment everything = {.port_lo = 0, .port_hi = 65535};

static void ports_of(const struct ng_file *file, const struct ng_ast_destination *destination,
                     const struct ng_segment **ret_segments, size_t *ret_count)
{
    const struct ng_range *set = &file->ast.port_sets.items[destination->ports];

    *ret_segments = destination->ports ? file->ast.segments.items + set->first : &everything;
    *ret_count = destination->ports ? set->end - set->first : 1;
}

/* What two lists of ports have in common. */
static int intersect(const struct ng_segment *a, size_t a_count, const struct ng_segment *b, size_t b_count,
                     segments_vector *common)
{
    for (size_t i = 0; i < a_count; i++) {
        for (size_t k = 0; k < b_count; k++) {
            struct ng_segment both = a[i];

            if (a[i].proto && b[k].proto && a[i].proto != b[k].proto)
                continue;
            both.proto = a[i].proto ? a[i].proto : b[k].proto;
            both.port_lo = a[i].port_lo > b[k].port_lo ? a[i].port_lo : b[k].port_lo;
            both.port_hi = a[i].port_hi < b[k].port_hi ? a[i].port_hi : b[k].port_hi;
            if (both.port_lo <= both.port_hi && !ng_vector_add(common, both))
                return -ENOMEM;
        }
    }
    return 0;
}

static int expand(struct expansion *expansion, const struct ng_file *file,
                  const struct ng_ast_destination *destination, const struct ng_segment *outer, size_t outer_count)
{
    segments_vector common = {0};
    const struct ng_segment *segments;
    const struct ng_group *group;
    size_t count;
    int r = 0;

    if (*expansion->left == 0)
        return -E2BIG;
    --*expansion->left;
    ports_of(file, destination, &segments, &count);
    if (outer && destination->ports) {
        r = intersect(outer, outer_count, segments, count, &common);
        segments = common.count ? common.items : &everything;
        count = common.count;
    } else if (outer) {
        segments = outer;
        count = outer_count;
    }
    if (r == 0 && destination->kind != NG_TARGET_GROUP) {
        r = expansion->each(expansion->arg,
                            &(struct ng_member){file, destination, expansion->group, segments, count});
    } else if (r == 0) {
        group = ng_link_group(expansion->set, file, ng_ast_string(&file->ast, destination->content));
        for (uint32_t i = group->ast->destinations.first; r == 0 && i < group->ast->destinations.end; i++)
            r = expand(expansion, group->file, &group->file->ast.destinations.items[i], segments, count);
    }
    ng_vector_free(&common);
    return r;
}

int ng_link_expand(const struct ng_set *set, const struct ng_file *file, const struct ng_ast_destination *destination,
                   uint32_t *left, ng_member_fn each, void *arg)
{
    struct expansion expansion = {.set = set, .left = left, .each = each, .arg = arg, .group = ""};

    if (destination->kind == NG_TARGET_GROUP)
        expansion.group = ng_ast_string(&file->ast, destination->content);
    return expand(&expansion, file, destination, NULL, 0);
}
