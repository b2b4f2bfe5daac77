// SPDX-License-Identifier: BSD-2-Clause
/* Dependencies: `depends A on B` denies A where a rule, or another dependency, denies B on any port. Each dependency is
 * judged once, and again only when what it depends on has changed, so that chains and cycles of any length end.
 *
 * Judging B asks for the rules of a few names only: B and its ancestors. Those are the keys; what the policy says of
 * all other names is not looked at. */
#include "profile.h"
#include "tables.h"

#include <namegate/cleanup.h>

#include <errno.h>

#define PATH_TEXT_MAX 400

/* A name, or what lies below it, that a dependency asks for. */
struct key {
    const uint8_t *name;
    uint32_t hash;
    uint8_t kind; /* NG_RAW_EXACT or NG_RAW_BELOW */
    NG_VECTOR(uint32_t) rules;  /* of those for it, as written */
    NG_VECTOR(uint32_t) causes; /* that ask for it */
};

/* One thing that a statement depends on. */
struct cause {
    uint32_t statement;
    const uint8_t *name;
    uint8_t kind; /* NG_RAW_* bits */
    bool queued;
};

struct statement {
    const struct ng_part *part;
    const struct ng_ast_rule *rule;
    bool fired;
};

struct graph {
    struct ng_tables *tables;
    uint32_t *left;
    NG_VECTOR(struct statement) statements;
    NG_VECTOR(struct cause) causes;
    NG_VECTOR(struct key) keys;
    uint32_t *table; /* of keys, plus 1; by hash */
    uint32_t room;   /* a power of two */
    NG_VECTOR(uint32_t) queue; /* causes to be judged */
    uint32_t collecting;       /* the statement whose causes are being collected */
    const struct ng_ast_destination *on; /* what of it is being looked at */
    bool told;                 /* that this is more than names */
};

static uint32_t hash_of(const uint8_t *name, uint8_t kind)
{
    uint64_t hash = NG_HASH_BEGIN + kind;

    for (; *name; name += 1U + *name)
        hash = ng_hash_label(hash, name);
    return ng_hash_short(hash);
}

static bool same(const uint8_t *a, const uint8_t *b)
{
    for (;; a += 1U + *a, b += 1U + *b) {
        if (memcmp(a, b, 1U + *a) != 0)
            return false;
        if (!*a)
            return true;
    }
}

/* The key, or NULL. */
static struct key *find_key(const struct graph *graph, const uint8_t *name, uint8_t kind)
{
    uint32_t hash = hash_of(name, kind);

    for (uint32_t i = hash; graph->table[i & (graph->room - 1)]; i++) {
        struct key *key = &graph->keys.items[graph->table[i & (graph->room - 1)] - 1];

        if (key->hash == hash && key->kind == kind && same(key->name, name))
            return key;
    }
    return NULL;
}

static void put_key(struct graph *graph, uint32_t number)
{
    uint32_t i = graph->keys.items[number].hash;

    while (graph->table[i & (graph->room - 1)])
        i++;
    graph->table[i & (graph->room - 1)] = number + 1;
}

static int grow_table(struct graph *graph)
{
    uint32_t room = graph->room ? graph->room * 2 : 64;
    uint32_t *table = calloc(room, sizeof(*table));

    if (!table)
        return -ENOMEM;
    free(graph->table);
    graph->table = table;
    graph->room = room;
    for (uint32_t i = 0; i < graph->keys.count; i++)
        put_key(graph, i);
    return 0;
}

/* Has the cause judged again whenever the key's rules change. */
static int ask_for(struct graph *graph, const uint8_t *name, uint8_t kind, uint32_t cause)
{
    struct key *key;

    if (graph->keys.count >= graph->room / 2 && grow_table(graph) < 0)
        return -ENOMEM;
    key = find_key(graph, name, kind);
    if (!key) {
        struct key new = {.name = name, .hash = hash_of(name, kind), .kind = kind};

        if (!ng_vector_add(&graph->keys, new))
            return -ENOMEM;
        put_key(graph, (uint32_t)graph->keys.count - 1);
        key = &graph->keys.items[graph->keys.count - 1];
    }
    return ng_vector_add(&key->causes, cause) ? 0 : -ENOMEM;
}

static int add_cause(void *arg, const struct ng_member *member)
{
    struct graph *graph = arg;
    struct cause cause = {.statement = graph->collecting, .name = ng_link_name(member->file, member->destination)};
    uint32_t number = (uint32_t)graph->causes.count;
    int r = 0;

    if (member->destination->kind == NG_TARGET_NETWORKS) {
        if (!graph->told)
            ng_ast_say(&graph->statements.items[graph->collecting].part->file->ast, graph->tables->diag, NG_ERROR,
                       graph->on->place, "write the name of the service, or a group that has names alone",
                       "only names can be depended on, and this is, or has, an address");
        graph->told = true;
        return 0;
    }
    if (member->destination->kind != NG_TARGET_WILDCARD)
        cause.kind |= NG_RAW_EXACT;
    if (member->destination->kind != NG_TARGET_EXACT)
        cause.kind |= NG_RAW_BELOW;
    if (!ng_vector_add(&graph->causes, cause))
        return -ENOMEM;
    if (cause.kind & NG_RAW_EXACT)
        r = ask_for(graph, cause.name, NG_RAW_EXACT, number);
    if (r == 0 && cause.kind & NG_RAW_BELOW)
        r = ask_for(graph, cause.name, NG_RAW_BELOW, number);
    for (const uint8_t *at = cause.name + 1 + *cause.name; r == 0 && *cause.name && *at; at += 1U + *at)
        r = ask_for(graph, at, NG_RAW_BELOW, number);
    if (r == 0 && !ng_vector_add(&graph->queue, number))
        r = -ENOMEM;
    graph->causes.items[number].queued = true;
    return r;
}

static int collect_causes(struct graph *graph, const struct ng_linked *policy)
{
    for (size_t p = 0; p < policy->parts.count; p++) {
        const struct ng_part *part = &policy->parts.items[p];
        const struct ng_ast *ast = &part->file->ast;
        struct ng_range rules = {0, (uint32_t)ast->rules.count};

        if (part->policy)
            rules = ast->policies.items[part->policy].rules;
        for (uint32_t i = rules.first; i < rules.end; i++) {
            const struct ng_ast_rule *rule = &ast->rules.items[i];

            if (rule->verdict != NG_VERDICT_NONE || rule->policy != part->policy ||
                !ng_tables_in_force(graph->tables, &ast->options.items[rule->options]))
                continue;
            graph->collecting = (uint32_t)graph->statements.count;
            if (!ng_vector_add(&graph->statements, ((struct statement){part, rule, false})))
                return -ENOMEM;
            for (uint32_t d = rule->on.first; d < rule->on.end; d++) {
                int r;

                graph->on = &ast->destinations.items[d];
                graph->told = false;
                r = ng_link_expand(graph->tables->set, part->file, &ast->destinations.items[d], graph->left,
                                       add_cause, graph);

                if (r < 0)
                    return r;
            }
        }
    }
    return 0;
}

/* A rule for a name has come up: those keys learn of it that it is for. */
static int learn(struct graph *graph, const struct ng_raw_name *raw, bool queue)
{
    for (uint8_t kind = NG_RAW_EXACT; kind <= NG_RAW_BELOW; kind++) {
        struct key *key = raw->kind & kind ? find_key(graph, raw->octets, kind) : NULL;
        bool known = false;

        for (size_t i = 0; key && i < key->rules.count; i++)
            known |= key->rules.items[i] == raw->rule;
        if (!key || known)
            continue;
        if (!ng_vector_add(&key->rules, raw->rule))
            return -ENOMEM;
        for (size_t i = 0; queue && i < key->causes.count; i++) {
            struct cause *cause = &graph->causes.items[key->causes.items[i]];

            if (cause->queued || graph->statements.items[cause->statement].fired)
                continue;
            cause->queued = true;
            if (!ng_vector_add(&graph->queue, key->causes.items[i]))
                return -ENOMEM;
        }
    }
    return 0;
}

/* Adds the rules of a key, denies first. Returns a rule that denies some port, or NULL. */
static const struct ng_layout_rule *add_key(const struct graph *graph, const struct key *key,
                                            struct ng_profile *profile)
{
    for (int deny = 1; key && deny >= 0; deny--) {
        for (size_t i = 0; i < key->rules.count; i++) {
            const struct ng_layout_rule *rule = ng_tables_rule(graph->tables, key->rules.items[i]);
            const struct ng_segment *segments = ng_tables_segments(graph->tables, rule);

            if ((rule->verdict == NG_VERDICT_DENY) != deny)
                continue;
            for (uint32_t s = 0; s < rule->segments; s++)
                if (ng_profile_add(profile, &segments[s]) > 0 && deny)
                    return rule;
        }
    }
    return NULL;
}

/* The rule that denies a name on some port, NULL: none does. */
static const struct ng_layout_rule *denied_by(const struct graph *graph, const uint8_t *name, bool itself)
{
    struct ng_profile profile = {0};
    const struct ng_layout_rule *rule =
        add_key(graph, find_key(graph, name, itself ? NG_RAW_EXACT : NG_RAW_BELOW), &profile);

    for (const uint8_t *at = name + 1 + *name; !rule && *name && *at; at += 1U + *at)
        rule = add_key(graph, find_key(graph, at, NG_RAW_BELOW), &profile);
    return rule;
}

static void text_of(const uint8_t *wire, uint8_t kind, char *text)
{
    struct ng_name name;

    text += sprintf(text, "%s", kind == NG_RAW_EXACT ? "" : kind == NG_RAW_BELOW ? "*." : ".");
    (void)ng_name_from_wire(wire, NG_NAME_MAX, &name);
    (void)ng_name_to_text(&name, text);
}

/* "left -> on -> what that depends on", shortened in the middle when it is long. */
static void write_path(const char *left, const char *on, const char *rest, char path[static PATH_TEXT_MAX + 1])
{
    static const char arrow[] = " -> ";
    const char *tail = rest, *last = rest;
    size_t length = strlen(on);

    /* The rest begins with the name that the dependency behind it is for. */
    if (strncmp(rest, on, length) == 0 && strncmp(rest + length, arrow, strlen(arrow)) == 0)
        tail = rest + length + strlen(arrow);
    for (const char *at = rest; (at = strstr(at, arrow)); at += strlen(arrow))
        last = at + strlen(arrow);
    if (strlen(left) + length + strlen(tail) + 2 * strlen(arrow) <= PATH_TEXT_MAX)
        (void)snprintf(path, PATH_TEXT_MAX + 1, *tail ? "%s%s%s%s%s" : "%s%s%s", left, arrow, on, arrow, tail);
    else
        (void)snprintf(path, PATH_TEXT_MAX + 1, "%.120s%s%.120s%s...%s%.120s", left, arrow, on, arrow, arrow, last);
}

struct firing {
    struct graph *graph;
    const struct cause *cause;
    const struct ng_layout_rule *guilty;
    struct ng_statement statement;
};

static int deny_member(void *arg, const struct ng_member *member)
{
    struct firing *firing = arg;
    struct ng_tables *tables = firing->graph->tables;
    char left[NG_NAME_TEXT_MAX + 3], on[NG_NAME_TEXT_MAX + 3], path[PATH_TEXT_MAX + 1];
    size_t names = tables->raw_names.count;
    int r;

    text_of(firing->cause->name, firing->cause->kind, on);
    if (member->destination->kind == NG_TARGET_NETWORKS)
        (void)snprintf(left, sizeof(left), "%.*s", (int)member->destination->length,
                       member->file->ast.text + member->destination->offset);
    else
        text_of(ng_link_name(member->file, member->destination),
                member->destination->kind == NG_TARGET_EXACT      ? NG_RAW_EXACT
                : member->destination->kind == NG_TARGET_WILDCARD ? NG_RAW_BELOW
                                                                  : NG_RAW_EXACT | NG_RAW_BELOW,
                left);
    write_path(left, on, ng_tables_string(tables, firing->guilty->path), path);
    firing->statement.path = path;
    tables->last_key = (struct ng_rule_key){0}; /* this statement's texts do not last: no rule is known by them */
    r = ng_collect_member(tables, &firing->statement, member);
    tables->last_key = (struct ng_rule_key){0};
    if (r == 0 && tables->raw_names.count > names)
        r = learn(firing->graph, &tables->raw_names.items[names], true);
    return r;
}

static int fire(struct graph *graph, const struct cause *cause, const struct ng_layout_rule *guilty)
{
    static const struct ng_ast_options plain;
    struct statement *statement = &graph->statements.items[cause->statement];
    const struct ng_file *file = statement->part->file;
    const struct ng_ast_options *options = &file->ast.options.items[statement->rule->options];
    _cleanup_free_ char *reason = strdup(ng_tables_string(graph->tables, guilty->reason));
    _cleanup_free_ char *instead = strdup(ng_tables_string(graph->tables, guilty->instead));
    struct ng_layout_rule copy = *guilty; /* the records move when there are more */
    struct firing firing = {.graph = graph, .cause = cause, .guilty = &copy};
    int r = 0;

    if (!reason || !instead)
        return -ENOMEM;
    statement->fired = true;
    firing.statement = (struct ng_statement){
        .file = file,
        .verdict = NG_VERDICT_DENY,
        .options = statement->rule->options ? options : &plain,
        .reason = options->reason ? ng_ast_string(&file->ast, options->reason) : reason,
        .instead = options->instead ? ng_ast_string(&file->ast, options->instead) : instead,
        .owner = options->owner ? ng_ast_string(&file->ast, options->owner) : statement->part->owner};
    for (uint32_t i = statement->rule->destinations.first; r == 0 && i < statement->rule->destinations.end; i++) {
        firing.statement.place = file->ast.destinations.items[i].place;
        r = ng_link_expand(graph->tables->set, file, &file->ast.destinations.items[i], graph->left, deny_member,
                           &firing);
    }
    return r;
}

static int follow(struct graph *graph)
{
    for (size_t i = 0; i < graph->tables->raw_names.count; i++)
        if (learn(graph, &graph->tables->raw_names.items[i], false) < 0)
            return -ENOMEM;
    for (size_t i = 0; i < graph->queue.count; i++) {
        struct cause cause = graph->causes.items[graph->queue.items[i]];
        const struct ng_layout_rule *guilty = NULL;
        int r;

        graph->causes.items[graph->queue.items[i]].queued = false;
        if (graph->statements.items[cause.statement].fired)
            continue;
        if (cause.kind & NG_RAW_EXACT)
            guilty = denied_by(graph, cause.name, true);
        if (!guilty && cause.kind & NG_RAW_BELOW)
            guilty = denied_by(graph, cause.name, false);
        r = guilty ? fire(graph, &cause, guilty) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

int ng_depends(struct ng_tables *tables, const struct ng_linked *policy, uint32_t *left)
{
    struct graph graph = {.tables = tables, .left = left};
    int r = collect_causes(&graph, policy);

    if (r == 0 && graph.keys.count)
        r = follow(&graph);
    for (size_t i = 0; i < graph.keys.count; i++) {
        ng_vector_free(&graph.keys.items[i].rules);
        ng_vector_free(&graph.keys.items[i].causes);
    }
    ng_vector_free(&graph.statements);
    ng_vector_free(&graph.causes);
    ng_vector_free(&graph.keys);
    ng_vector_free(&graph.queue);
    free(graph.table);
    return r;
}
