// SPDX-License-Identifier: BSD-2-Clause
#include "lint.h"

#include "bits.h"
#include "link.h"
#include "nearest.h"
#include "suffix.h"

#include <namegate/cleanup.h>

#include <arpa/inet.h>
#include <errno.h>
#include <idn2.h>
#include <stdarg.h>
#include <time.h>

#define SECONDS_PER_DAY 86400
#define DAYS_SOON 14
#define NEAR_MAX 20000 /* names among which a mistyped one is looked for */
#define UNKNOWN_MAX 500   /* names of dependencies that no rule is for; further ones are not looked at */

struct lint {
    const struct ng_set *set;
    const struct ng_snapshot *snapshot;
    const struct ng_guarded *guarded;
    size_t count;
    struct ng_diag *diag;
    struct ng_suffixes *suffixes;
    uint32_t today;
    unsigned unknown;

    /* The policy and the rule in work. */
    const struct ng_linked *policy;
    unsigned number; /* in the snapshot */
    const struct ng_ast_rule *rule;
};

__attribute__((format(printf, 5, 6))) static void warn(const struct lint *lint, const struct ng_file *file,
                                                       struct ng_place place, const char *remedy, const char *format,
                                                       ...)
{
    _cleanup_free_ char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    if (text)
        ng_ast_say(&file->ast, lint->diag, NG_WARNING, place, remedy, "%s", text);
}

static char *name_text(const struct ng_file *file, const struct ng_ast_destination *destination,
                       struct ng_name *ret_name, char text[static NG_NAME_TEXT_MAX])
{
    (void)ng_name_from_wire(ng_link_name(file, destination), NG_NAME_MAX, ret_name);
    return ng_name_to_text(ret_name, text);
}

/* --- names */

/* "*.example.org" is often written for what ".example.org" means. */
static void check_apex(const struct lint *lint, const struct ng_file *file,
                       const struct ng_ast_destination *destination, const struct ng_name *name, const char *text)
{
    char remedy[2 * NG_NAME_TEXT_MAX + 80];
    uint64_t profile = ng_match_name(lint->snapshot, lint->number, name);

    if (!strchr(text, '.') || ng_snapshot_denies(lint->snapshot, profile) ||
        ng_snapshot_has(lint->snapshot, lint->number, name, false))
        return;
    (void)snprintf(remedy, sizeof(remedy), "write .%s for both, or allow %s to say that it is meant so", text, text);
    warn(lint, file, destination->place, remedy, "*.%s does not hold %s itself", text, text);
}

static void check_suffix(const struct lint *lint, const struct ng_file *file,
                         const struct ng_ast_destination *destination, const char *text)
{
    bool deny = lint->rule->verdict == NG_VERDICT_DENY;

    if (ng_suffix_is(lint->suffixes, text, false))
        warn(lint, file, destination->place,
             deny ? "name the domains that are meant"
                  : "this opens what strict is for: name the domains that are meant",
             "'%s' is a public suffix: this %s the domains of everybody below it", text, deny ? "denies" : "allows");
}

/* Labels as a host's name can have them: RFC 952, RFC 1123 §2.1; A-labels that mean something: RFC 5890 §2.3.2.1. */
static void check_labels(const struct lint *lint, const struct ng_file *file,
                         const struct ng_ast_destination *destination, const struct ng_name *name, const char *text)
{
    uint8_t *ascii = NULL;

    for (size_t at = 0; name->wire[at]; at += 1U + name->wire[at]) {
        const uint8_t *label = name->wire + at;

        if (label[1] == '-' || label[*label] == '-') {
            warn(lint, file, destination->place, "is the '-' at the end of a label meant?",
                 "'%s' cannot be the name of a host", text);
            break;
        }
    }
    if (strstr(text, "xn--") && idn2_lookup_u8((const uint8_t *)text, &ascii, IDN2_ALABEL_ROUNDTRIP) != IDN2_OK)
        warn(lint, file, destination->place, "write the name with its own characters",
             "'%s' is no international name: nothing stands behind its xn--", text);
    idn2_free(ascii);
}

/* Top-level domains that never exist, and those that are one slip away from a common one. */
static void check_top(const struct lint *lint, const struct ng_file *file,
                      const struct ng_ast_destination *destination, const char *text)
{
    static const char *const common[] = {"com", "net", "org", "io", "dev", "app", "edu", "gov", "info", NULL};
    /* RFC 6761, RFC 6762, RFC 8375, and what hosts call their own: never a slip. */
    static const char *const own[] = {"internal", "local", "localhost", "lan", "home", "corp", "intranet", "private",
                                      "test", "example", "arpa", "onion", "alt", NULL};
    const char *dot = strrchr(text, '.'), *top = dot ? dot + 1 : text, *near;
    char remedy[NG_NAME_TEXT_MAX + 40];

    if (strcmp(top, "invalid") == 0)
        warn(lint, file, destination->place, "leave it out", "'%s' never exists (RFC 6761)", text);
    for (int i = 0; own[i]; i++)
        if (strcmp(top, own[i]) == 0)
            return;
    if (!dot && destination->kind == NG_TARGET_EXACT) {
        warn(lint, file, destination->place,
             "write the whole name; a protocol stands after 'proto', ports are numbers after 'port', and what no rule "
             "is for is the mode's",
             "'%s' is the name of a host here, and a name without a dot is hardly ever asked for", text);
        return;
    }
    if (!dot || !lint->suffixes || ng_suffix_is(lint->suffixes, top, true))
        return;
    near = ng_nearest(top, strlen(top), common);
    if (!near)
        return;
    (void)snprintf(remedy, sizeof(remedy), "did you mean %.*s%s?", (int)(top - text), text, near);
    warn(lint, file, destination->place, remedy, "there is no top-level domain '%s'", top);
}

static void check_name(const struct lint *lint, const struct ng_file *file,
                       const struct ng_ast_destination *destination)
{
    char text[NG_NAME_TEXT_MAX];
    struct ng_name name;
    const char *top;

    (void)name_text(file, destination, &name, text);
    top = strrchr(text, '.');
    if (destination->kind == NG_TARGET_WILDCARD && lint->rule->verdict == NG_VERDICT_DENY)
        check_apex(lint, file, destination, &name, text);
    if (destination->kind != NG_TARGET_EXACT) {
        check_suffix(lint, file, destination, text);
        if (name.length + 2 > NG_NAME_MAX && destination->kind == NG_TARGET_WILDCARD)
            warn(lint, file, destination->place, "leave it out", "no name below this one is short enough to exist");
    }
    check_labels(lint, file, destination, &name, text);
    check_top(lint, file, destination, text);
    if (strcmp(top ? top + 1 : text, "localhost") == 0 && lint->rule->verdict == NG_VERDICT_DENY)
        warn(lint, file, destination->place, "deny the address that is meant: 127.0.0.1 port N",
             "'%s' has loopback addresses, which no name can deny", text);
}

/* --- addresses */

static void check_networks(const struct lint *lint, const struct ng_file *file,
                           const struct ng_ast_destination *destination)
{
    const uint8_t *content = ng_link_name(file, destination);
    char address[INET6_ADDRSTRLEN];
    struct ng_prefix prefix;
    uint16_t prefixes;

    memcpy(&prefixes, content, sizeof(prefixes));
    for (uint16_t i = 0; i < prefixes; i++) {
        memcpy(&prefix, content + sizeof(prefixes) + i * sizeof(prefix), sizeof(prefix));
        for (size_t g = 0; g < lint->count; g++) {
            const uint8_t *it = lint->guarded[g].address;
            static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
            bool v4 = memcmp(it, mapped, sizeof(mapped)) == 0;

            if (!ng_inside(it, prefix.address, prefix.bits) || (v4 && prefix.bits < 96))
                continue;
            (void)inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? it + 12 : it, address, sizeof(address));
            warn(lint, file, destination->place, "a rule for an address counts also for those: is it meant?",
                 "this denies %s, %s", address, lint->guarded[g].what);
            return;
        }
    }
}

/* --- rules */

static int check_member(void *arg, const struct ng_member *member)
{
    struct lint *lint = arg;

    if (member->count == 0)
        warn(lint, member->file, member->destination->place, "the rule and the group name different ports",
             "this can never match where '@%s' is used with other ports", member->group);
    if (member->destination->kind != NG_TARGET_NETWORKS)
        check_name(lint, member->file, member->destination);
    else if (lint->rule->verdict == NG_VERDICT_DENY)
        check_networks(lint, member->file, member->destination);
    return 0;
}

static void check_until(const struct lint *lint, const struct ng_file *file)
{
    const struct ng_ast_options *options = &file->ast.options.items[lint->rule->options];

    if (!options->until)
        return;
    if (options->until < lint->today)
        warn(lint, file, options->until_place, "leave the rule out, or give it another last day",
             "this rule has ended: it is not in force");
    else if (options->until - lint->today <= DAYS_SOON)
        warn(lint, file, options->until_place, "renew it, or be ready for what comes then",
             options->until == lint->today     ? "this rule ends with this day (UTC)"
             : options->until == lint->today + 1 ? "this rule ends tomorrow (UTC)"
                                               : "this rule ends in %u days",
             options->until - lint->today);
}

/* --- groups and tests */

struct expecting {
    const char *group;
    bool found;
};

static int expecting_rule(void *arg, const struct ng_rule_info *rule)
{
    struct expecting *expecting = arg;

    expecting->found |= rule->verdict == NG_VERDICT_DENY && strcmp(rule->group, expecting->group) == 0;
    return expecting->found;
}

/* Whether an expectation is met because of a rule for the group, in the policy that its test is of. */
static bool expects_group(const struct lint *lint, const struct ng_ast *ast, const struct ng_ast_expect *expect,
                          unsigned policy, struct expecting *expecting)
{
    _cleanup_free_ char *error = NULL, *remedy = NULL;
    struct ng_probe probe;

    if (expect->verdict != NG_VERDICT_DENY ||
        ng_probe_parse(ast->text + expect->offset, expect->length, &probe, &error, &remedy) < 0)
        return false;
    if (probe.named)
        (void)ng_explain_name_rules(lint->snapshot, policy, &probe.name, expecting_rule, expecting);
    for (int own = 0; !probe.named && own < 2; own++)
        (void)ng_explain_address_rules(lint->snapshot, policy, probe.address,
                                       own ? NG_EVIDENCE_ADDRESS : NG_EVIDENCE_NETWORK, expecting_rule, expecting);
    return expecting->found;
}

/* Whether a test of any policy, as one may extend another, expects that something of a group is denied. */
static bool is_expected(const struct lint *lint, const char *group)
{
    struct expecting expecting = {.group = group};

    for (size_t f = 0; f < lint->set->files.list.count; f++) {
        const struct ng_ast *ast = &lint->set->files.list.items[f]->ast;

        for (size_t t = 0; t < ast->tests.count; t++) {
            const struct ng_ast_test *test = &ast->tests.items[t];
            int policy = ng_snapshot_find(lint->snapshot, ng_ast_string(ast, test->policy));

            for (uint32_t i = test->expects.first; policy >= 0 && i < test->expects.end; i++)
                if (expects_group(lint, ast, &ast->expects.items[i], (unsigned)policy, &expecting))
                    return true;
        }
    }
    return false;
}

static int count_member(void *arg, const struct ng_member *member)
{
    (void)member;
    ++*(size_t *)arg;
    return 0;
}

static void check_tested(const struct lint *lint, const struct ng_file *file,
                         const struct ng_ast_destination *destination)
{
    const char *group = ng_ast_string(&file->ast, destination->content);
    char remedy[2 * NG_TAG_LEN + 100];
    uint32_t left = NG_MEMBERS_MAX;
    size_t members = 0;

    (void)ng_link_expand(lint->set, file, destination, &left, count_member, &members);
    if (members == 0 && lint->rule->verdict != NG_VERDICT_NONE) {
        warn(lint, file, destination->place, "write its members, or leave it out", "'@%s' is empty: this %s nothing",
             group, lint->rule->verdict == NG_VERDICT_DENY ? "denies" : "allows");
        return;
    }
    if (lint->rule->verdict != NG_VERDICT_DENY || is_expected(lint, group))
        return;
    (void)snprintf(remedy, sizeof(remedy), "write: test %s { expect deny ONE-OF-ITS-NAMES }", lint->policy->name);
    warn(lint, file, destination->place, remedy, "no test expects that '@%s' is denied", group);
}

/* --- dependencies */

/* A test of a policy that there is not runs against nothing. */
static int check_tests(const struct lint *lint)
{
    NG_VECTOR(const char *) names = {0};
    char remedy[2 * NG_TAG_LEN + 40];

    for (size_t i = 0; i < lint->set->policies.count; i++)
        if (!ng_vector_add(&names, lint->set->policies.items[i]->name))
            return -ENOMEM;
    if (!ng_vector_add(&names, NULL))
        return -ENOMEM;
    for (size_t f = 0; f < lint->set->files.list.count; f++) {
        const struct ng_file *file = lint->set->files.list.items[f];

        for (size_t t = 0; t < file->ast.tests.count; t++) {
            const char *name = ng_ast_string(&file->ast, file->ast.tests.items[t].policy), *near;

            if (ng_snapshot_find(lint->snapshot, name) >= 0)
                continue;
            near = ng_diag_full(lint->diag) ? NULL : ng_nearest(name, strlen(name), names.items);
            (void)snprintf(remedy, sizeof(remedy),
                           near ? "did you mean '%s'?" : "a test bears the name of its policy%s", near ? near : "");
            warn(lint, file, file->ast.tests.items[t].place, remedy, "there is no policy '%s' to be tested", name);
        }
    }
    ng_vector_free(&names);
    return 0;
}

/* The name among those of all rules that is nearest to one that no rule is for. */
static char *nearest_name(const struct lint *lint, const char *text)
{
    NG_VECTOR(const char *) candidates = {0};
    const char *near = NULL;
    char *found = NULL;
    bool good = true;

    for (size_t f = 0; f < lint->set->files.list.count; f++) {
        const struct ng_file *file = lint->set->files.list.items[f];

        for (size_t i = 0; good && i < file->ast.destinations.count && candidates.count < NEAR_MAX; i++) {
            const struct ng_ast_destination *it = &file->ast.destinations.items[i];
            char other[NG_NAME_TEXT_MAX];
            struct ng_name name;

            if (it->kind >= NG_TARGET_NETWORKS || strcmp(name_text(file, it, &name, other), text) == 0)
                continue;
            good = ng_vector_add(&candidates, strdup(other)) && candidates.items[candidates.count - 1];
        }
    }
    good = good && ng_vector_add(&candidates, NULL);
    near = good ? ng_nearest(text, strlen(text), candidates.items) : NULL;
    if (near)
        found = strdup(near);
    for (size_t i = 0; i < candidates.count; i++)
        free((char *)(uintptr_t)candidates.items[i]);
    ng_vector_free(&candidates);
    return found;
}

struct looking {
    struct ng_name name;
    bool below, found;
};

/* Whether the member is the name that is looked for, or holds it. */
static int look(void *arg, const struct ng_member *member)
{
    struct looking *looking = arg;
    struct ng_name name;

    if (member->destination->kind == NG_TARGET_NETWORKS)
        return 0;
    (void)ng_name_from_wire(ng_link_name(member->file, member->destination), NG_NAME_MAX, &name);
    if (member->destination->kind != NG_TARGET_WILDCARD && ng_name_equal(&name, &looking->name))
        looking->found = true;
    if (member->destination->kind != NG_TARGET_EXACT &&
        (ng_name_below(&looking->name, &name) || (looking->below && ng_name_equal(&name, &looking->name))))
        looking->found = true;
    return looking->found;
}

/* Whether a dependency, of whichever policy, is of that name. */
static bool is_dependent(const struct lint *lint, const struct ng_name *name, bool below)
{
    struct looking looking = {.name = *name, .below = below};
    uint32_t left = NG_MEMBERS_MAX;

    for (size_t f = 0; f < lint->set->files.list.count; f++) {
        const struct ng_file *file = lint->set->files.list.items[f];

        for (size_t i = 0; !looking.found && i < file->ast.rules.count; i++) {
            const struct ng_ast_rule *rule = &file->ast.rules.items[i];

            if (rule->verdict != NG_VERDICT_NONE)
                continue;
            for (uint32_t d = rule->destinations.first; !looking.found && d < rule->destinations.end; d++)
                (void)ng_link_expand(lint->set, file, &file->ast.destinations.items[d], &left, look, &looking);
        }
    }
    return looking.found;
}

static int check_dependency(void *arg, const struct ng_member *member)
{
    struct lint *lint = arg;
    char text[NG_NAME_TEXT_MAX], remedy[NG_NAME_TEXT_MAX + 100];
    _cleanup_free_ char *near = NULL;
    struct ng_name name;
    bool below = member->destination->kind == NG_TARGET_WILDCARD;

    if (member->destination->kind == NG_TARGET_NETWORKS)
        return 0;
    (void)name_text(member->file, member->destination, &name, text);
    /* Services of other policies depend on what is denied there: what no policy knows is what may be mistyped. */
    for (unsigned i = 0; i < ng_snapshot_policies(lint->snapshot); i++)
        if ((below ? ng_match_below(lint->snapshot, i, &name) : ng_match_name(lint->snapshot, i, &name)) !=
            NG_PROFILE_NONE)
            return 0;
    /* What follows looks at all rules, each time: a mistake in a thousand lines is told by the first ones. */
    if (lint->unknown++ >= UNKNOWN_MAX || is_dependent(lint, &name, below))
        return 0;
    if (!ng_diag_full(lint->diag))
        near = nearest_name(lint, text);
    (void)snprintf(remedy, sizeof(remedy), near ? "did you mean '%s'?" : "no deny reaches it, so it has no effect%s",
                   near ? near : "");
    warn(lint, member->file, member->destination->place, remedy,
         "no policy says anything of '%s', and nothing is known of what it depends on", text);
    return 0;
}

/* --- all of it */

static int check_rule(struct lint *lint, const struct ng_file *file)
{
    const struct ng_ast *ast = &file->ast;
    bool dependency = lint->rule->verdict == NG_VERDICT_NONE;
    uint32_t left = NG_MEMBERS_MAX;
    int r = 0;

    check_until(lint, file);
    for (uint32_t i = lint->rule->destinations.first; r == 0 && i < lint->rule->destinations.end; i++) {
        if (ast->destinations.items[i].kind == NG_TARGET_GROUP)
            check_tested(lint, file, &ast->destinations.items[i]);
        r = ng_link_expand(lint->set, file, &ast->destinations.items[i], &left, check_member, lint);
    }
    for (uint32_t i = lint->rule->on.first; dependency && r == 0 && i < lint->rule->on.end; i++)
        r = ng_link_expand(lint->set, file, &ast->destinations.items[i], &left, check_dependency, lint);
    return r;
}

/* The policy's own statements: what it extends is told where it stands. */
static int check_policy(struct lint *lint)
{
    int r = 0;

    for (size_t p = 0; r == 0 && p < lint->policy->parts.count; p++) {
        const struct ng_part *part = &lint->policy->parts.items[p];
        const struct ng_ast *ast = &part->file->ast;
        bool own = part->policy == 0 || &ast->policies.items[part->policy] == lint->policy->ast;
        struct ng_range rules = {0, (uint32_t)ast->rules.count};

        if (part->policy)
            rules = ast->policies.items[part->policy].rules;
        for (uint32_t i = rules.first; own && r == 0 && i < rules.end; i++) {
            lint->rule = &ast->rules.items[i];
            if (lint->rule->policy == part->policy &&
                (!part->depends_only || lint->rule->verdict == NG_VERDICT_NONE))
                r = check_rule(lint, part->file);
        }
    }
    return r;
}

int ng_lint(const struct ng_set *set, const struct ng_snapshot *snapshot, const struct ng_guarded *guarded,
            size_t count, struct ng_diag *diag)
{
    struct lint lint = {.set = set, .snapshot = snapshot, .guarded = guarded, .count = count, .diag = diag,
                        .suffixes = ng_suffixes_new(), .today = (uint32_t)(time(NULL) / SECONDS_PER_DAY)};
    int r = 0;

    for (size_t i = 0; r == 0 && i < set->policies.count; i++) {
        int number = ng_snapshot_find(snapshot, set->policies.items[i]->name);

        if (number < 0)
            continue;
        lint.policy = set->policies.items[i];
        lint.number = (unsigned)number;
        r = check_policy(&lint);
    }
    ng_suffixes_free(lint.suffixes);
    return r < 0 ? r : check_tests(&lint);
}
