// SPDX-License-Identifier: BSD-2-Clause
#include "compare.h"

#include "spans.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

struct side {
    const struct ng_snapshot *snapshot;
    unsigned policy;
};

struct comparing {
    struct side side[2]; /* before, after */
    const char *policy;
    bool from_after;     /* whose points are being walked */
    FILE *out;
    size_t lines, count;
};

static const char *const verdicts[] = {"no rule", "allowed", "denied"};
static const char *const modes[] = {"audit", "block", "strict"};
static const char *const fates[] = {"cut", "keep"};
static const char *const losses[] = {"freeze", "closed"};

/* Whether the next difference is to be written. */
static bool next(struct comparing *comparing)
{
    return comparing->count++ < comparing->lines;
}

/* A profile on each side, by protocol and port. */
struct pair {
    const struct ng_snapshot *snapshot[2];
    uint64_t profile[2];
};

static uint64_t verdicts_of(void *arg, uint8_t proto, uint16_t port)
{
    const struct pair *pair = arg;

    return (uint64_t)ng_snapshot_verdict(pair->snapshot[0], pair->profile[0], proto, port) << 8 |
           ng_snapshot_verdict(pair->snapshot[1], pair->profile[1], proto, port);
}

/* Where the rule stands that decides now, or decided before there was none. */
typedef int (*place_fn)(const struct comparing *comparing, const void *point, int side, uint8_t proto, uint16_t port,
                        struct ng_rule_info *ret_rule);

static int compare_point(struct comparing *comparing, const uint64_t profile[2], const char *text, place_fn place,
                         const void *point)
{
    struct pair pair = {{comparing->side[0].snapshot, comparing->side[1].snapshot}, {profile[0], profile[1]}};
    const struct ng_profile *profiles[2];
    ng_spans spans = {0};
    int r;

    if (profile[0] == profile[1])
        return 0; /* the same id has the same content in every snapshot */
    for (int i = 0; i < 2; i++)
        profiles[i] = ng_snapshot_profile(pair.snapshot[i], profile[i]);
    r = ng_spans_make(profiles, 2, verdicts_of, &pair, &spans);
    for (size_t i = 0; r == 0 && i < spans.count; i++) {
        const struct ng_span *span = &spans.items[i];
        uint8_t before = (uint8_t)(span->value >> 8), after = (uint8_t)span->value;
        char ports[NG_SPAN_TEXT_MAX];
        struct ng_rule_info rule;

        if (before == after || !next(comparing))
            continue;
        (void)fprintf(comparing->out, "%s: %s%s: %s -> %s", comparing->policy, text, ng_span_text(span, ports),
                      verdicts[before], verdicts[after]);
        if (place(comparing, point, after ? 1 : 0, span->proto, span->low, &rule) == 0)
            (void)fprintf(comparing->out, " (%s:%u)", rule.file, rule.line);
        (void)fputc('\n', comparing->out);
    }
    ng_vector_free(&spans);
    return r;
}

/* --- names */

struct named {
    const struct ng_name *name;
    bool below;
};

static int name_place(const struct comparing *comparing, const void *point, int side, uint8_t proto, uint16_t port,
                      struct ng_rule_info *ret_rule)
{
    const struct named *named = point;
    const struct side *it = &comparing->side[side];

    return named->below ? ng_explain_below(it->snapshot, it->policy, named->name, proto, port, ret_rule)
                        : ng_explain_name(it->snapshot, it->policy, named->name, proto, port, ret_rule);
}

static int compare_name(void *arg, const struct ng_name *name, bool below, uint64_t own_profile)
{
    struct comparing *comparing = arg;
    struct named named = {name, below};
    uint64_t profile[2];
    char text[NG_PATTERN_MAX], plain[NG_NAME_TEXT_MAX];

    (void)own_profile;
    for (int i = 0; i < 2; i++) {
        const struct side *side = &comparing->side[i];

        profile[i] = below ? ng_match_below(side->snapshot, side->policy, name)
                           : ng_match_name(side->snapshot, side->policy, name);
    }
    /* What both sides have a rule for is told when the first is walked. */
    if (comparing->from_after &&
        ng_snapshot_has(comparing->side[0].snapshot, comparing->side[0].policy, name, below))
        return 0;
    (void)snprintf(text, sizeof(text), "%s%s", below ? "*." : "", ng_name_to_text(name, plain));
    return compare_point(comparing, profile, text, name_place, &named);
}

/* --- networks */

static int network_place(const struct comparing *comparing, const void *point, int side, uint8_t proto, uint16_t port,
                         struct ng_rule_info *ret_rule)
{
    const struct ng_network_key *key = point;
    const struct side *it = &comparing->side[side];

    return ng_explain_address(it->snapshot, it->policy, key->address,
                              key->prefixlen == 32 + 128 ? NG_EVIDENCE_ADDRESS : NG_EVIDENCE_NETWORK, proto, port,
                              ret_rule);
}

static void network_text(const struct ng_network_key *key, char *text, size_t size)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool v4 = key->prefixlen >= 32 + 96 && memcmp(key->address, mapped, sizeof(mapped)) == 0;
    unsigned bits = key->prefixlen - 32 - (v4 ? 96 : 0);
    char address[INET6_ADDRSTRLEN];

    (void)inet_ntop(v4 ? AF_INET : AF_INET6, key->address + (v4 ? 12 : 0), address, sizeof(address));
    if (bits == (v4 ? 32 : 128))
        (void)snprintf(text, size, "%s", address);
    else
        (void)snprintf(text, size, "%s/%u", address, bits);
}

static int compare_network(void *arg, const struct ng_network_key *key, const struct ng_network *network)
{
    struct comparing *comparing = arg;
    uint32_t scope;
    struct ng_policy_info info;
    uint64_t profile[2];
    char text[64];

    (void)network;
    ng_snapshot_policy(comparing->side[0].snapshot, comparing->side[0].policy, &info);
    scope = info.scope; /* the same in both: it is a hash of the name */
    if (key->scope != scope)
        return 0;
    for (int i = 0; i < 2; i++) {
        const struct side *side = &comparing->side[i];
        struct ng_network found;
        bool exactly = ng_match_network(side->snapshot, side->policy, key, &found);

        if (comparing->from_after && i == 0 && exactly)
            return 0;
        profile[i] = key->prefixlen == 32 + 128 && found.own != NG_PROFILE_NONE ? found.own : found.below;
    }
    network_text(key, text, sizeof(text));
    return compare_point(comparing, profile, text, network_place, key);
}

/* --- policies */

static void compare_setting(struct comparing *comparing, const char *setting, const char *before, const char *after)
{
    if (strcmp(before, after) != 0 && next(comparing))
        (void)fprintf(comparing->out, "%s: %s %s -> %s\n", comparing->policy, setting, before, after);
}

static int compare_policy(struct comparing *comparing)
{
    struct ng_policy_info before, after;
    int r = 0;

    ng_snapshot_policy(comparing->side[0].snapshot, comparing->side[0].policy, &before);
    ng_snapshot_policy(comparing->side[1].snapshot, comparing->side[1].policy, &after);
    comparing->policy = before.name;
    compare_setting(comparing, "mode", modes[before.mode], modes[after.mode]);
    compare_setting(comparing, "established", fates[before.established], fates[after.established]);
    compare_setting(comparing, "on-agent-loss", losses[before.on_loss], losses[after.on_loss]);
    for (int i = 0; r == 0 && i < 2; i++) {
        comparing->from_after = i == 1;
        r = ng_snapshot_each_name(comparing->side[i].snapshot, comparing->side[i].policy, compare_name, comparing);
        if (r == 0)
            r = ng_snapshot_each_network(comparing->side[i].snapshot, compare_network, comparing);
    }
    return r;
}

int ng_compare(const struct ng_snapshot *before, const struct ng_snapshot *after, size_t lines,
               struct ng_comparison *ret_comparison)
{
    struct comparing comparing = {.lines = lines};
    char *text = NULL;
    size_t size = 0;
    int r = 0;

    comparing.out = open_memstream(&text, &size);
    if (!comparing.out)
        return -ENOMEM;
    for (unsigned i = 0; r == 0 && i < ng_snapshot_policies(before); i++) {
        struct ng_policy_info info;
        int other;

        ng_snapshot_policy(before, i, &info);
        other = ng_snapshot_find(after, info.name);
        comparing.side[0] = (struct side){before, i};
        comparing.side[1] = (struct side){after, (unsigned)other};
        if (other >= 0)
            r = compare_policy(&comparing);
        else if (next(&comparing))
            (void)fprintf(comparing.out, "%s: gone\n", info.name);
    }
    for (unsigned i = 0; i < ng_snapshot_policies(after); i++) {
        struct ng_policy_info info;

        ng_snapshot_policy(after, i, &info);
        if (ng_snapshot_find(before, info.name) < 0 && next(&comparing))
            (void)fprintf(comparing.out, "%s: new, mode %s\n", info.name, modes[info.mode]);
    }
    if (comparing.count > lines)
        (void)fprintf(comparing.out, "and %zu more\n", comparing.count - lines);
    if (fclose(comparing.out) != 0)
        r = -ENOMEM;
    if (r < 0) {
        free(text);
        return r;
    }
    *ret_comparison = (struct ng_comparison){comparing.count, text};
    return 0;
}
