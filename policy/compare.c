// SPDX-License-Identifier: BSD-2-Clause
#include "compare.h"

#include "layout.h"
#include "spans.h"
#include "vector.h"

#include "../bpf/decide.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <time.h>

#define SECONDS_PER_DAY 86400

struct side {
    const struct ng_snapshot *snapshot;
    unsigned policy;
};

struct comparing {
    struct side side[2]; /* before, after */
    const char *policy;
    bool from_after;     /* whose points are being walked */
    bool ends;           /* some rule has a last day */
    bool names;          /* the policy has rules for names, on some side */
    NG_VECTOR(struct ng_network_key) networks; /* of the policy, on both sides, ascending */
    FILE *out;
    size_t lines, count;
};

static const char *const verdicts[] = {"no rule", "allowed", "denied"};
static const char *const modes[] = {"audit", "block", "strict"};
static const char *const responds[] = {"eperm", "eacces", "refused", "unreachable", "timeout"};
static const char *const fates[] = {"cut", "keep"};
static const char *const losses[] = {"freeze", "closed"};

/* Whether the next difference is to be written. */
static bool next(struct comparing *comparing)
{
    return comparing->count++ < comparing->lines;
}

/* What the rules for a point say, most specific first: of an exact address two profiles, else one. */
struct said {
    uint64_t own, below;
};

/* Calls `each` for the rules of one side that are for a point, in the order of precedence. */
typedef int (*rules_fn)(const struct comparing *comparing, const void *point, int side, ng_rule_fn each, void *arg);

/* What decides at a protocol and port, before and after. */
struct outcome {
    uint32_t word[2];  /* of decide.h, and EXACTLY */
    uint32_t until[2]; /* the last day of the rule that decides; 0: none */
};

/* A point with its outcomes so far; a span's value is the number of its. */
struct judging {
    const struct comparing *comparing;
    const struct said *said;
    const char *text;
    const void *point;
    rules_fn rules;
    NG_VECTOR(struct outcome) outcomes;
    ng_segments segments;
    bool no_memory;
};

#define EXACTLY (1U << 24) /* a rule for exactly this address, which comes before names */

/* Where there are no rules for names, nothing comes between exact addresses and networks. */
static uint32_t word_of(const struct judging *judging, int side, uint8_t proto, uint16_t port)
{
    const struct ng_snapshot *snapshot = judging->comparing->side[side].snapshot;
    uint32_t word = ng_snapshot_word(snapshot, judging->said[side].own, proto, port);

    if (!word)
        return ng_snapshot_word(snapshot, judging->said[side].below, proto, port);
    return judging->comparing->names ? word | EXACTLY : word;
}

/* The rule that decides; false: there is none. */
static bool find_rule(const struct judging *judging, int side, uint8_t proto, uint16_t port,
                      struct ng_rule_info *ret_rule)
{
    struct ng_rule_search search = {proto, port, ret_rule};

    return judging->rules(judging->comparing, judging->point, side, ng_rule_search, &search) == 1;
}

static uint64_t outcome_of(void *arg, uint8_t proto, uint16_t port)
{
    struct judging *judging = arg;
    struct outcome outcome = {.word = {0}};
    struct ng_rule_info rule;

    for (int i = 0; i < 2; i++) {
        outcome.word[i] = word_of(judging, i, proto, port);
        if (judging->comparing->ends && outcome.word[i] && find_rule(judging, i, proto, port, &rule))
            outcome.until[i] = rule.until;
    }
    for (size_t i = 0; i < judging->outcomes.count; i++)
        if (memcmp(&judging->outcomes.items[i], &outcome, sizeof(outcome)) == 0)
            return i;
    judging->no_memory |= !ng_vector_add(&judging->outcomes, outcome);
    return judging->outcomes.count - 1;
}

static const char *answer_of(uint32_t word)
{
    return NG_WORD_FLAGS(word) & NG_SEGMENT_REFUSE  ? "refuse"
           : NG_WORD_FLAGS(word) & NG_SEGMENT_DECOY ? "decoy"
                                                    : "real";
}

static const char *sharing_of(uint32_t word)
{
    return NG_WORD_FLAGS(word) & NG_SEGMENT_SHARED ? "allow" : "deny";
}

static const char *day_text(uint32_t until, char text[static 16])
{
    time_t day = (time_t)until * SECONDS_PER_DAY;

    if (!until || strftime(text, 16, "%Y-%m-%d", gmtime(&day)) == 0)
        return "for ever";
    return text;
}

/* Writes what differs, if it does, with the place of the rule that decides now, or did before there was none. */
static void tell(struct comparing *comparing, const struct judging *judging, const struct ng_span *span,
                 const char *what, const char *before, const char *after)
{
    const struct outcome *outcome = &judging->outcomes.items[span->value];
    struct ng_rule_info rule;
    char ports[NG_SPAN_TEXT_MAX];

    if (strcmp(before, after) == 0 || !next(comparing))
        return;
    (void)fprintf(comparing->out, "%s: %s%s: %s%s -> %s", comparing->policy, judging->text, ng_span_text(span, ports),
                  what, before, after);
    if (find_rule(judging, outcome->word[1] ? 1 : 0, span->proto ? span->proto : IPPROTO_TCP, span->low, &rule))
        (void)fprintf(comparing->out, " (%s:%u)", rule.file, rule.line);
    (void)fputc('\n', comparing->out);
}

/* A verdict that changes, or else what changes of how it is carried out. */
static void tell_span(struct comparing *comparing, const struct judging *judging, const struct ng_span *span)
{
    static const char *const ranks[] = {"by network, after names", "by address, before names"};
    const struct outcome *outcome = &judging->outcomes.items[span->value];
    uint32_t before = outcome->word[0], after = outcome->word[1];
    char day[2][16];

    tell(comparing, judging, span, "", verdicts[(uint8_t)before], verdicts[(uint8_t)after]);
    if ((uint8_t)before != (uint8_t)after)
        return;
    tell(comparing, judging, span, "", ranks[!!(before & EXACTLY)], ranks[!!(after & EXACTLY)]);
    tell(comparing, judging, span, "respond ", responds[NG_WORD_RESPOND(before) % NG_RESPOND_MAX],
         responds[NG_WORD_RESPOND(after) % NG_RESPOND_MAX]);
    tell(comparing, judging, span, "shared ", sharing_of(before), sharing_of(after));
    tell(comparing, judging, span, "answer ", answer_of(before), answer_of(after));
    tell(comparing, judging, span, "until ", day_text(outcome->until[0], day[0]), day_text(outcome->until[1], day[1]));
}

static int add_segments(void *arg, const struct ng_rule_info *rule)
{
    struct judging *judging = arg;

    return ng_vector_append(&judging->segments, rule->segments, rule->count) ? 0 : -ENOMEM;
}

static int compare_point(struct comparing *comparing, const struct said said[2], const char *text, rules_fn rules,
                         const void *point)
{
    struct judging judging = {.comparing = comparing, .said = said, .text = text, .point = point, .rules = rules};
    ng_spans spans = {0};
    int r = 0;

    /* The same id has the same content in every snapshot; last days are not in it. */
    if (said[0].own == said[1].own && said[0].below == said[1].below && !comparing->ends)
        return 0;
    for (int i = 0; r == 0 && i < 2; i++)
        r = rules(comparing, point, i, add_segments, &judging);
    if (r == 0)
        r = ng_spans_make(&judging.segments, outcome_of, &judging, &spans);
    if (judging.no_memory)
        r = -ENOMEM;
    for (size_t i = 0; r == 0 && i < spans.count; i++)
        tell_span(comparing, &judging, &spans.items[i]);
    ng_vector_free(&spans);
    ng_vector_free(&judging.segments);
    ng_vector_free(&judging.outcomes);
    return r;
}

/* --- names */

struct named {
    const struct ng_name *name;
    bool below;
};

static int name_rules(const struct comparing *comparing, const void *point, int side, ng_rule_fn each, void *arg)
{
    const struct named *named = point;
    const struct side *it = &comparing->side[side];

    return named->below ? ng_explain_below_rules(it->snapshot, it->policy, named->name, each, arg)
                        : ng_explain_name_rules(it->snapshot, it->policy, named->name, each, arg);
}

static int compare_name(void *arg, const struct ng_name *name, bool below, uint64_t own_profile)
{
    struct comparing *comparing = arg;
    struct named named = {name, below};
    struct said said[2] = {{NG_PROFILE_NONE, NG_PROFILE_NONE}, {NG_PROFILE_NONE, NG_PROFILE_NONE}};
    char text[NG_PATTERN_MAX], plain[NG_NAME_TEXT_MAX];

    (void)own_profile;
    for (int i = 0; i < 2; i++) {
        const struct side *side = &comparing->side[i];

        said[i].below = below ? ng_match_below(side->snapshot, side->policy, name)
                              : ng_match_name(side->snapshot, side->policy, name);
    }
    /* What both sides have a rule for is told when the first is walked. */
    if (comparing->from_after &&
        ng_snapshot_has(comparing->side[0].snapshot, comparing->side[0].policy, name, below))
        return 0;
    (void)snprintf(text, sizeof(text), "%s%s", below ? "*." : "", ng_name_to_text(name, plain));
    return compare_point(comparing, said, text, name_rules, &named);
}

/* --- networks */

static int network_rules(const struct comparing *comparing, const void *point, int side, ng_rule_fn each, void *arg)
{
    const struct ng_network_key *key = point;
    const struct side *it = &comparing->side[side];
    int r = 0;

    if (key->prefixlen == 32 + 128)
        r = ng_explain_address_rules(it->snapshot, it->policy, key->address, NG_EVIDENCE_ADDRESS, each, arg);
    return r ? r : ng_explain_address_rules(it->snapshot, it->policy, key->address, NG_EVIDENCE_NETWORK, each, arg);
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

static int by_address(const void *a, const void *b)
{
    return ng_network_compare(a, b);
}

static int take_network(void *arg, const struct ng_network_key *key, const struct ng_network *network)
{
    struct comparing *comparing = arg;
    struct ng_policy_info info;

    (void)network;
    ng_snapshot_policy(comparing->side[0].snapshot, comparing->side[0].policy, &info);
    /* The scope is the same on both sides: it is a hash of the policy's name. */
    return key->scope != info.scope || ng_vector_add(&comparing->networks, *key) ? 0 : -ENOMEM;
}

/* The first network at that address, or behind it, with a prefix of at least so many bits; NULL: there is none. */
static const struct ng_network_key *first_inside(const struct comparing *comparing, const uint8_t address[16],
                                                 unsigned bits)
{
    size_t low = 0, high = comparing->networks.count;
    struct ng_network_key wanted = {.prefixlen = 32 + bits};

    memcpy(wanted.address, address, sizeof(wanted.address));
    while (low < high) {
        size_t middle = (low + high) / 2;

        if (by_address(&comparing->networks.items[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == comparing->networks.count || !ng_inside(comparing->networks.items[low].address, address, bits))
        return NULL;
    return &comparing->networks.items[low];
}

/* Whether smaller networks, of either side, hold every address of this one: then it decides nothing. */
static bool is_covered(const struct comparing *comparing, const uint8_t address[16], unsigned bits)
{
    for (unsigned half = 0; bits < 128 && half < 2; half++) {
        uint8_t at[16];
        const struct ng_network_key *found;

        memcpy(at, address, sizeof(at));
        if (half)
            at[bits / 8] = (uint8_t)(at[bits / 8] | 0x80 >> bits % 8);
        found = first_inside(comparing, at, bits + 1);
        if (!found || (!(found->prefixlen == 32 + bits + 1 && memcmp(found->address, at, sizeof(at)) == 0) &&
                       !is_covered(comparing, at, bits + 1)))
            return false;
    }
    return bits < 128;
}

static int compare_network(void *arg, const struct ng_network_key *key, const struct ng_network *network)
{
    struct comparing *comparing = arg;
    struct ng_policy_info info;
    struct said said[2] = {{NG_PROFILE_NONE, NG_PROFILE_NONE}, {NG_PROFILE_NONE, NG_PROFILE_NONE}};
    char text[64];

    (void)network;
    ng_snapshot_policy(comparing->side[0].snapshot, comparing->side[0].policy, &info);
    if (key->scope != info.scope || is_covered(comparing, key->address, key->prefixlen - 32))
        return 0;
    for (int i = 0; i < 2; i++) {
        const struct side *side = &comparing->side[i];
        struct ng_network found;
        bool exactly = ng_match_network(side->snapshot, side->policy, key, &found);

        if (comparing->from_after && i == 0 && exactly)
            return 0;
        said[i] = (struct said){key->prefixlen == 32 + 128 ? found.own : NG_PROFILE_NONE, found.below};
    }
    network_text(key, text, sizeof(text));
    return compare_point(comparing, said, text, network_rules, key);
}

/* --- policies */

static void compare_setting(struct comparing *comparing, const char *setting, const char *before, const char *after)
{
    if (strcmp(before, after) != 0 && next(comparing))
        (void)fprintf(comparing->out, "%s: %s %s -> %s\n", comparing->policy, setting, before, after);
}

static int note_name(void *arg, const struct ng_name *name, bool below, uint64_t profile)
{
    (void)name;
    (void)below;
    (void)profile;
    ((struct comparing *)arg)->names = true;
    return 1;
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
    comparing->networks.count = 0;
    comparing->names = false;
    for (int i = 0; r == 0 && i < 2; i++) {
        (void)ng_snapshot_each_name(comparing->side[i].snapshot, comparing->side[i].policy, note_name, comparing);
        r = ng_snapshot_each_network(comparing->side[i].snapshot, false, take_network, comparing);
    }
    if (comparing->networks.count)
        qsort(comparing->networks.items, comparing->networks.count, sizeof(*comparing->networks.items), by_address);
    for (int i = 0; r == 0 && i < 2; i++) {
        comparing->from_after = i == 1;
        r = ng_snapshot_each_name(comparing->side[i].snapshot, comparing->side[i].policy, compare_name, comparing);
        if (r == 0)
            r = ng_snapshot_each_network(comparing->side[i].snapshot, false, compare_network, comparing);
    }
    return r;
}

int ng_compare(const struct ng_snapshot *before, const struct ng_snapshot *after, size_t lines,
               struct ng_comparison *ret_comparison)
{
    struct comparing comparing = {
        .lines = lines, .ends = ng_snapshot_changes_at(before) || ng_snapshot_changes_at(after)};
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
    ng_vector_free(&comparing.networks);
    if (fclose(comparing.out) != 0)
        r = -ENOMEM;
    if (r < 0) {
        free(text);
        return r;
    }
    *ret_comparison = (struct ng_comparison){comparing.count, text};
    return 0;
}
