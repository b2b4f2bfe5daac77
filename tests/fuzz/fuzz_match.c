// SPDX-License-Identifier: BSD-2-Clause
/* The matcher against a naive one that is written from the words of namegate.policy(5): "the most specific rule that
 * covers port and protocol decides; an exact name before wildcards, a wildcard with more labels before one with fewer; on
 * a tie deny; `depends A on B` denies A where B is denied on any port". The input chooses rules and questions. */
#include "../../policy/case.h"
#include "../../policy/compile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RULES_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *at, *end;
};

static unsigned take(struct input *input, unsigned choices)
{
    return input->at < input->end ? *input->at++ % choices : 0;
}

static const char *const labels[] = {"a", "b", "ab", "c"};

/* One to four labels below "x". */
static void take_host(struct input *input, char host[static 32])
{
    unsigned count = take(input, 4);

    *host = '\0';
    for (unsigned i = 0; i < count; i++)
        (void)sprintf(host + strlen(host), "%s.", labels[take(input, 4)]);
    (void)strcat(host, "x");
}

enum kind { EXACT, WILDCARD, BOTH };

struct rule {
    bool deny, depends;
    enum kind kind;
    char host[32];
    unsigned low, high;
    unsigned proto; /* 0, 6, 17 */
    enum kind on_kind;
    char on[32];
    bool fired;
};

static const char *const prefix[] = {"", "*.", "."};

static bool below(const char *name, const char *apex)
{
    size_t n = strlen(name), a = strlen(apex);

    return n > a && name[n - a - 1] == '.' && strcmp(name + n - a, apex) == 0;
}

static unsigned labels_of(const char *name)
{
    unsigned count = 1;

    for (; *name; name++)
        count += *name == '.';
    return count;
}

/* How specific a rule is for a name: 0 when it is not for it. `any`: for all names below `name`, whatever they are. */
static unsigned rank(const struct rule *rule, const char *name, bool any)
{
    if (!any && rule->kind != WILDCARD && strcmp(name, rule->host) == 0)
        return 1000;
    if (rule->kind != EXACT && (below(name, rule->host) || (any && strcmp(name, rule->host) == 0)))
        return labels_of(rule->host);
    return 0;
}

static uint8_t naive(const struct rule *rules, unsigned count, const char *name, bool any, unsigned proto, unsigned port)
{
    uint8_t verdict = NG_VERDICT_NONE;
    unsigned best = 0;

    for (unsigned i = 0; i < count; i++) {
        bool deny = rules[i].deny || rules[i].depends;
        unsigned r = rank(&rules[i], name, any);

        if (!r || (rules[i].depends && !rules[i].fired) || port < rules[i].low || port > rules[i].high ||
            (rules[i].proto && rules[i].proto != proto))
            continue;
        if (r > best || (r == best && deny)) {
            best = r;
            verdict = deny ? NG_VERDICT_DENY : NG_VERDICT_ALLOW;
        }
    }
    return verdict;
}

/* Ports are 0 to 7 and the rest, so that all of them can be tried. */
static bool denied_somewhere(const struct rule *rules, unsigned count, const char *name, bool any)
{
    for (unsigned port = 0; port <= 8; port++)
        if (naive(rules, count, name, any, 6, port) == NG_VERDICT_DENY ||
            naive(rules, count, name, any, 17, port) == NG_VERDICT_DENY ||
            naive(rules, count, name, any, 1, port) == NG_VERDICT_DENY)
            return true;
    return false;
}

static void follow_dependencies(struct rule *rules, unsigned count)
{
    bool changed = true;

    while (changed) {
        changed = false;
        for (unsigned i = 0; i < count; i++) {
            if (!rules[i].depends || rules[i].fired)
                continue;
            rules[i].fired = (rules[i].on_kind != WILDCARD && denied_somewhere(rules, count, rules[i].on, false)) ||
                             (rules[i].on_kind != EXACT && denied_somewhere(rules, count, rules[i].on, true));
            changed |= rules[i].fired;
        }
    }
}

static unsigned take_rules(struct input *input, struct rule *rules, char *text)
{
    unsigned count = take(input, RULES_MAX + 1);

    text += sprintf(text, "policy p {\n");
    for (unsigned i = 0; i < count; i++) {
        struct rule *rule = &rules[i];
        unsigned what = take(input, 8);

        *rule = (struct rule){.deny = what < 4, .depends = what == 7, .kind = take(input, 3), .high = 65535};
        take_host(input, rule->host);
        text += sprintf(text, "%s %s%s", rule->depends ? "depends" : rule->deny ? "deny" : "allow", prefix[rule->kind],
                        rule->host);
        if (take(input, 2)) {
            rule->low = take(input, 8);
            rule->high = rule->low + take(input, 8 - rule->low);
            text += sprintf(text, " port %u-%u", rule->low, rule->high);
        }
        rule->proto = (unsigned[]){0, 0, 6, 17}[take(input, 4)];
        if (rule->proto)
            text += sprintf(text, " proto %s", rule->proto == 6 ? "tcp" : "udp");
        if (rule->depends) {
            rule->on_kind = take(input, 3);
            take_host(input, rule->on);
            text += sprintf(text, " on %s%s", prefix[rule->on_kind], rule->on);
        }
        text += sprintf(text, "\n");
    }
    (void)sprintf(text, "}\n");
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, data + size};
    struct rule rules[RULES_MAX];
    char text[RULES_MAX * 128 + 32];
    unsigned count = take_rules(&input, rules, text);
    struct ng_source source = {.path = "fuzz", .text = text, .length = strlen(text)};
    struct ng_diag *diag = ng_diag_new();
    struct ng_snapshot *snapshot = NULL;
    int fd = -1;

    if (!diag)
        return 0;
    if (ng_policy_compile(&source, 1, diag, &fd) < 0 || ng_snapshot_open(fd, &snapshot) < 0)
        abort();
    (void)close(fd);
    follow_dependencies(rules, count);
    for (unsigned q = 0; q < 4; q++) {
        struct ng_rule_info rule;
        struct ng_name name;
        char host[32];

        take_host(&input, host);
        (void)ng_name_from_text(host, strlen(host), &name);
        for (unsigned k = 0; k < 27; k++) {
            uint8_t proto = (uint8_t[]){6, 17, 1}[k % 3], port = (uint8_t)(k / 3);
            uint8_t wanted = naive(rules, count, host, false, proto, port);
            uint64_t profile = ng_match_name(snapshot, 0, &name);

            if (ng_snapshot_verdict(snapshot, profile, proto, port) != wanted ||
                (ng_explain_name(snapshot, 0, &name, proto, port, &rule) == 0 ? rule.verdict : NG_VERDICT_NONE) !=
                    wanted ||
                ng_snapshot_verdict(snapshot, ng_match_below(snapshot, 0, &name), proto, port) !=
                    naive(rules, count, host, true, proto, port)) {
                (void)fprintf(stderr, "%s%s port %u proto %u: wanted %u\n", text, host, port, proto, wanted);
                abort();
            }
        }
    }
    ng_snapshot_free(snapshot);
    ng_diag_free(diag);
    return 0;
}
