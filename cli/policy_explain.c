// SPDX-License-Identifier: BSD-2-Clause
/* `policy explain`: the verdict on a destination as the kernel would give it, and how the rules came to it. */
#include "policy.h"

#include "../policy/case.h"
#include "../policy/nearest.h"
#include "../policy/target.h"
#include "client.h"
#include "lookup.h"
#include "request.h"
#include "table.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>

#define SECONDS_PER_DAY 86400
#define ALSO_MAX 20 /* rules that lost, shown for each span */
#define FILE_POLICY "file" /* the name of a policy that is given as a file */

static const char usage[] =
    "Usage: namegate policy explain [OPTION]... NAME|ADDRESS[:PORT][/tcp|/udp]\n"
    "The verdict on a destination, the rule that decides, what a client sees, and the rules that lost. An IPv6\n"
    "address with a port stands in brackets. Needs no daemon.\n\n"
    "  --policy NAME|FILE   a policy of the policies directory, or a file with one (deploy)\n"
    "  --mode MODE          audit, block or strict, instead of the policy's\n"
    "  --resolve            resolve the name too, through the daemon's upstreams or resolv.conf, and judge with its\n"
    "                       aliases and each of its addresses\n\n"
    "Exit status: 0 explained, whatever the verdict; 1 errors, 2 usage.\n";

struct explaining {
    struct ng_cli *cli;
    const char *text; /* the destination as given */
    const char *policy;
    struct ng_probe probe;
    struct ng_case *it;
    const char *at; /* the address in work; NULL: none is known */
    json_t *list; /* NULL: text is printed */
};

static const char *const modes[] = {"audit", "block", "strict", NULL};

/* --- what a client sees */

static const char *response_text(uint8_t respond)
{
    static const char *const texts[NG_RESPOND_MAX] = {
        [NG_RESPOND_EPERM] = "connect() and sendto() fail at once: EPERM, Operation not permitted",
        [NG_RESPOND_EACCES] = "connect() and sendto() fail at once: EACCES, Permission denied",
        [NG_RESPOND_REFUSED] = "connect() and sendto() fail at once: ECONNREFUSED, Connection refused",
        [NG_RESPOND_UNREACHABLE] = "connect() and sendto() fail at once: EHOSTUNREACH, No route to host",
        [NG_RESPOND_TIMEOUT] = "silence: connections time out, datagrams get lost"};

    return respond < NG_RESPOND_MAX ? texts[respond] : texts[NG_RESPOND_EPERM];
}

static const char *seen(const struct explaining *explaining, const struct ng_opinion *opinion)
{
    if (opinion->dns)
        return "an answer of the gate's resolver, in the name of that server";
    if (opinion->verdict != NG_VERDICT_DENY)
        return "nothing of the gate";
    if (explaining->it->mode == NG_MODE_AUDIT)
        return "nothing of the gate: in audit mode the denial is only recorded";
    return response_text(opinion->has_rule ? opinion->rule.respond : NG_RESPOND_EPERM);
}

/* --- the rules that lost */

struct loser {
    struct ng_rule_info rule;
    const char *why;
};

struct losers {
    const struct ng_opinion *opinion;
    uint8_t proto;
    uint16_t port;
    struct loser list[ALSO_MAX];
    unsigned count, more;
    bool passed; /* the winner came by */
};

static bool is_winner(const struct losers *losers, const struct ng_rule_info *rule)
{
    const struct ng_rule_info *winner = &losers->opinion->rule;

    return losers->opinion->has_rule && !losers->passed && rule->line == winner->line &&
           rule->segments == winner->segments && strcmp(rule->file, winner->file) == 0 &&
           strcmp(rule->pattern, winner->pattern) == 0;
}

static const char *why_lost(const struct losers *losers, const struct ng_rule_info *rule)
{
    const struct ng_opinion *opinion = losers->opinion;

    if (!ng_rule_covers(rule, losers->proto, losers->port))
        return "not for this port or protocol";
    if (!opinion->has_rule)
        return opinion->dns ? "no rule decides here" : "it decides nothing here";
    if (strcmp(rule->pattern, opinion->rule.pattern) == 0 && rule->verdict == opinion->rule.verdict)
        return "the same was said before";
    if (strcmp(rule->pattern, opinion->rule.pattern) == 0)
        return "on a tie deny wins";
    if (!losers->passed)
        return "of the names of one address a denied one decides";
    return "less specific";
}

static int take_rule(void *arg, const struct ng_rule_info *rule)
{
    struct losers *losers = arg;

    if (is_winner(losers, rule)) {
        losers->passed = true;
        return 0;
    }
    if (losers->count == ALSO_MAX) {
        losers->more++;
        return 0;
    }
    losers->list[losers->count++] = (struct loser){*rule, why_lost(losers, rule)};
    return 0;
}

/* --- output */

static void put_rule(FILE *out, const struct ng_rule_info *rule)
{
    ng_cli_put(out, rule->file);
    (void)fprintf(out, ":%u: %s ", rule->line, rule->verdict == NG_VERDICT_DENY ? "deny" : "allow");
    ng_cli_put(out, rule->pattern);
    if (*rule->group) {
        (void)fputs(" of @", out);
        ng_cli_put(out, rule->group);
    }
}

static void put_labelled(const char *label, const char *text)
{
    if (!*text)
        return;
    (void)printf("  %-8s ", label);
    ng_cli_put(stdout, text);
    (void)putchar('\n');
}

static void put_until(uint32_t until)
{
    time_t day = (time_t)until * SECONDS_PER_DAY;
    char text[16];

    if (until && strftime(text, sizeof(text), "%Y-%m-%d", gmtime(&day)))
        put_labelled("until", text);
}

/* The ports of a span, and of those behind it where the same decides. */
static void put_ports(const struct ng_span *span, const struct ng_span *end)
{
    const char *mark = " port ";

    if (span->low == 0 && span->high == 65535)
        mark = NULL;
    for (const struct ng_span *it = span; mark && it < end; it++) {
        if (it->proto != span->proto || it->value != span->value)
            continue;
        (void)printf(it->low == it->high ? "%s%u" : "%s%u-%u", mark, it->low, it->high);
        mark = ",";
    }
    if (span->proto)
        (void)printf(" proto %s", span->proto == IPPROTO_TCP ? "tcp" : "udp");
    (void)fputs(": ", stdout);
}

static void print_span(const struct explaining *explaining, const struct ng_span *span, const struct ng_span *end,
                       const struct ng_opinion *opinion, const struct losers *losers)
{
    bool denied = opinion->verdict == NG_VERDICT_DENY, audit = explaining->it->mode == NG_MODE_AUDIT;

    ng_cli_put(stdout, explaining->text);
    if (explaining->at)
        (void)printf(" at %s", explaining->at);
    if (!explaining->probe.port_given)
        put_ports(span, end);
    else
        (void)printf("%s: ", explaining->probe.proto || !span->proto ? ""
                             : span->proto == IPPROTO_TCP            ? "/tcp"
                                                                     : "/udp");
    ng_cli_put_colour(stdout, !denied ? NG_CLI_GOOD : audit ? NG_CLI_WARN : NG_CLI_BAD,
                      !denied ? "allowed" : audit ? "would be denied" : "denied");
    (void)fputs(" under policy ", stdout);
    ng_cli_put(stdout, explaining->policy);
    (void)printf(" (mode %s)\n", modes[explaining->it->mode]);
    if (opinion->has_rule) {
        (void)fputs("  rule     ", stdout);
        put_rule(stdout, &opinion->rule);
        (void)putchar('\n');
        put_labelled("depends", opinion->rule.path);
        put_labelled("reason", opinion->rule.reason);
        put_labelled("instead", opinion->rule.instead);
        put_labelled("owner", opinion->rule.owner);
        put_until(opinion->rule.until);
    } else {
        put_labelled("rule", ng_opinion_text(opinion));
    }
    put_labelled("seen", seen(explaining, opinion));
    for (unsigned i = 0; i < losers->count; i++) {
        (void)fputs(i == 0 ? "  lost     " : "           ", stdout);
        put_rule(stdout, &losers->list[i].rule);
        (void)printf("  (%s)\n", losers->list[i].why);
    }
    if (losers->more)
        (void)printf("           and %u more\n", losers->more);
}

static json_t *losers_json(const struct losers *losers)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < losers->count; i++) {
        json_t *rule = ng_cli_rule_json(&losers->list[i].rule);

        if (rule)
            (void)json_object_set_new(rule, "why", json_string(losers->list[i].why));
        (void)json_array_append_new(list, rule ? rule : json_null());
    }
    return list;
}

static json_t *span_json(const struct explaining *explaining, const struct ng_span *span,
                         const struct ng_opinion *opinion, const struct losers *losers)
{
    static const char *const evidence[NG_EVIDENCE_MAX] = {"none",    "address", "name",     "shared",
                                                          "network", "strict",  "resolver", "raw",
                                                          "abandoned"};
    const char *proto = span->proto == IPPROTO_TCP ? "tcp" : span->proto == IPPROTO_UDP ? "udp" : "any";

    return json_pack("{s:s?, s:s, s:[i,i], s:s, s:s, s:o, s:s, s:o}", "address",
                     explaining->at, "proto", proto, "ports", (int)span->low,
                     (int)span->high, "verdict", opinion->verdict == NG_VERDICT_DENY ? "deny" : "allow", "evidence",
                     evidence[opinion->evidence % NG_EVIDENCE_MAX], "rule",
                     opinion->has_rule ? ng_cli_rule_json(&opinion->rule) : json_null(), "seen",
                     seen(explaining, opinion), "lost", losers_json(losers));
}

/* `end` is that of the spans that may be told with this one. */
static int explain_span(struct explaining *explaining, const struct ng_span *span, const struct ng_span *end)
{
    _cleanup_free_ struct losers *losers = calloc(1, sizeof(*losers));
    uint8_t proto = span->proto ? span->proto : IPPROTO_TCP;
    struct ng_opinion opinion;

    if (!losers)
        return -ENOMEM;
    ng_case_judge(explaining->it, proto, span->low, &opinion);
    losers->opinion = &opinion;
    losers->proto = proto;
    losers->port = span->low;
    (void)ng_case_rules(explaining->it, take_rule, losers);
    if (!explaining->list) {
        print_span(explaining, span, end, &opinion, losers);
        return 0;
    }
    return json_array_append_new(explaining->list, span_json(explaining, span, &opinion, losers)) < 0 ? -ENOMEM : 0;
}

/* The protocol and the port that are asked for, of a span that holds them. */
static bool narrow(const struct ng_probe *probe, struct ng_span *span)
{
    if (probe->proto && span->proto && span->proto != probe->proto)
        return false;
    if (probe->port_given && (probe->port < span->low || probe->port > span->high))
        return false;
    if (probe->proto)
        span->proto = probe->proto;
    if (probe->port_given)
        span->low = span->high = probe->port;
    return true;
}

/* Each span that the question leaves open; with a port, that one alone. In text, what is decided alike comes once. */
static int explain(struct explaining *explaining)
{
    ng_spans spans = {0};
    size_t count = 0;
    int r = ng_case_spans(explaining->it, &spans);

    for (size_t i = 0; i < spans.count; i++)
        if (narrow(&explaining->probe, &spans.items[i]))
            spans.items[count++] = spans.items[i];
    for (size_t i = 0; r == 0 && i < count; i++) {
        const struct ng_span *span = &spans.items[i];
        bool told = false;

        for (size_t k = 0; !explaining->list && k < i; k++)
            told |= spans.items[k].proto == span->proto && spans.items[k].value == span->value;
        if (!told)
            r = explain_span(explaining, span, spans.items + count);
    }
    ng_vector_free(&spans);
    return r;
}

/* --- what the name resolves to */

static void print_chain(const struct ng_case *it)
{
    char text[NG_NAME_TEXT_MAX];

    for (unsigned i = 1; i < it->names; i++)
        (void)printf("%s %s", i == 1 ? "alias of" : " ->", ng_name_to_text(&it->name[i], text));
    if (it->names > 1)
        (void)putchar('\n');
}

/* Adds the aliases of the name, and judges with each of its addresses. */
static int resolve(struct explaining *explaining)
{
    _cleanup_free_ struct ng_cli_lookup *lookup = malloc(sizeof(*lookup));
    struct ng_case *it = explaining->it;
    char text[INET6_ADDRSTRLEN];
    int r = lookup ? ng_cli_lookup(explaining->cli, &explaining->probe.name, lookup) : -ENOMEM;

    if (r < 0)
        return r;
    for (unsigned i = 1; i < lookup->links; i++)
        (void)ng_case_add(it, &lookup->chain[i], false);
    if (!explaining->list)
        print_chain(it);
    if (lookup->addresses == 0) {
        if (!explaining->list)
            (void)puts("without an address");
        return explain(explaining);
    }
    for (unsigned i = 0; r == 0 && i < lookup->addresses; i++) {
        static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
        bool v4 = memcmp(lookup->address[i], mapped, sizeof(mapped)) == 0;

        it->addressed = true;
        memcpy(it->address, lookup->address[i], sizeof(it->address));
        explaining->at = inet_ntop(v4 ? AF_INET : AF_INET6, it->address + (v4 ? 12 : 0), text, sizeof(text));
        r = explain(explaining);
    }
    return r;
}

/* --- the policy */

static int find_policy(const struct ng_cli_set *set, const char *name)
{
    const char *names[1000] = {0}, *near;
    unsigned count = ng_snapshot_policies(set->snapshot);
    int number = ng_snapshot_find(set->snapshot, name);

    if (number >= 0)
        return number;
    for (unsigned i = 0; i < count && i + 1 < sizeof(names) / sizeof(*names); i++) {
        struct ng_policy_info info;

        ng_snapshot_policy(set->snapshot, i, &info);
        names[i] = info.name;
    }
    near = ng_nearest(name, strlen(name), names);
    (void)fputs("namegate: there is no policy ", stderr);
    ng_cli_put(stderr, name);
    (void)fprintf(stderr, near    ? "\n  did you mean '%s'?\n"
                          : count ? "\n  there are:%s"
                                  : "\n  name a file with --policy, or a directory with policies with --policies%s\n",
                  near ? near : "");
    for (unsigned i = 0; !near && i < count && names[i]; i++) {
        (void)fputc(' ', stderr);
        ng_cli_put(stderr, names[i]);
    }
    if (!near && count)
        (void)fputc('\n', stderr);
    return number;
}

/* A file comes with the policies directory, if there is one: it may use what that defines, as with `run`. */
static int load(const struct ng_cli *cli, const char *policy, bool is_file, struct ng_diag *diag,
                struct ng_cli_set *ret_set)
{
    struct ng_source file = {.path = policy, .as = FILE_POLICY, .stream = true};
    const char *dir = ng_cli_policies(cli);

    if (!is_file)
        return ng_cli_set_load(dir, NULL, diag, ret_set);
    return ng_cli_set_load(access(dir, F_OK) == 0 ? dir : NULL, &file, diag, ret_set);
}

static int run(struct explaining *explaining, bool resolved, const char *mode)
{
    bool is_file = ng_cli_policy_is_file(explaining->policy);
    _cleanup_diag_ struct ng_diag *diag = ng_diag_new();
    _cleanup_set_ struct ng_cli_set set = {0};
    _cleanup_free_ struct ng_case *it = malloc(sizeof(*it));
    _cleanup_json_ json_t *json = NULL;
    int number, r;

    if (!diag || !it)
        return NG_CLI_FAILED;
    if (load(explaining->cli, explaining->policy, is_file, diag, &set) < 0) {
        ng_cli_put_diag(diag);
        return NG_CLI_FAILED;
    }
    number = find_policy(&set, is_file ? FILE_POLICY : explaining->policy);
    if (number < 0)
        return NG_CLI_FAILED;
    ng_case_make(set.snapshot, (unsigned)number, &explaining->probe, it);
    for (uint8_t m = 0; mode && modes[m]; m++)
        if (strcmp(mode, modes[m]) == 0)
            it->mode = m;
    explaining->it = it;
    if (explaining->cli->json)
        explaining->list = json_array();
    r = resolved && explaining->probe.named ? resolve(explaining) : explain(explaining);
    if (!explaining->cli->json)
        return r < 0 ? NG_CLI_FAILED : NG_CLI_OK;
    json = json_pack("{s:o, s:o, s:s, s:o}", "destination", ng_cli_text(explaining->text), "policy",
                     ng_cli_text(explaining->policy), "mode", modes[it->mode], "verdicts", explaining->list);
    return r == 0 && json && ng_cli_print_json(stdout, json) == 0 ? NG_CLI_OK : NG_CLI_FAILED;
}

int ng_cli_policy_explain(struct ng_cli *cli, int argc, char **argv)
{
    const char *policy = "deploy", *mode = NULL;
    bool resolved = false;
    const struct ng_cli_option own[] = {
        {"policy", 0, &policy, NULL}, {"mode", 0, &mode, NULL}, {"resolve", 0, NULL, &resolved}, {0}};
    _cleanup_free_ char *error = NULL, *remedy = NULL;
    struct explaining explaining = {.cli = cli};
    int first = 0, status = ng_cli_parse(cli, own, usage, false, argc, argv, &first);

    if (status >= 0)
        return status;
    if (argc - first != 1)
        return ng_cli_usage(argv[0], "one destination is expected", NULL);
    if (mode && strcmp(mode, "audit") != 0 && strcmp(mode, "block") != 0 && strcmp(mode, "strict") != 0)
        return ng_cli_usage(argv[0], "the mode is audit, block or strict, not", mode);
    explaining.text = argv[first];
    explaining.policy = policy;
    if (ng_probe_parse(argv[first], strlen(argv[first]), &explaining.probe, &error, &remedy) < 0) {
        (void)fputs("namegate: ", stderr);
        ng_cli_put(stderr, error ? error : "out of memory");
        (void)fputs(remedy ? "\n  " : "", stderr);
        ng_cli_put(stderr, remedy);
        (void)fputc('\n', stderr);
        return NG_CLI_USAGE;
    }
    return run(&explaining, resolved, mode);
}
