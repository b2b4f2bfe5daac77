// SPDX-License-Identifier: BSD-2-Clause
/* Anything in a record may come from strangers (names, arguments, comm): every text goes out through ng_cli_put(). */
#include "format.h"

#include "client.h"
#include "table.h"

#include <string.h>

void ng_cli_format_list(FILE *out, const json_t *list)
{
    size_t i;
    const json_t *item;

    json_array_foreach(list, i, item)
    {
        (void)fputs(i ? ", " : "", out);
        ng_cli_put(out, json_string_value(item));
    }
}

void ng_cli_format_duration(FILE *out, long long seconds)
{
    static const struct {
        long long seconds;
        char letter;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    unsigned first = 0;

    while (first < 3 && seconds < units[first].seconds)
        first++;
    (void)fprintf(out, "%lld%c", seconds / units[first].seconds, units[first].letter);
    if (first < 3 && seconds % units[first].seconds / units[first + 1].seconds)
        (void)fprintf(out, " %lld%c", seconds % units[first].seconds / units[first + 1].seconds,
                      units[first + 1].letter);
}

void ng_cli_format_destination(FILE *out, const char *host, const json_t *object)
{
    long long port = ng_cli_integer(object, "port");
    bool brackets = strchr(host, ':') != NULL;

    (void)fputs(brackets ? "[" : "", out);
    ng_cli_put(out, host);
    (void)fputs(brackets ? "]" : "", out);
    if (port)
        (void)fprintf(out, ":%lld", port);
    (void)fputc('/', out);
    ng_cli_put(out, ng_cli_string(object, "proto"));
}

static void put_process(FILE *out, const json_t *process)
{
    const char *comm = ng_cli_string(process, "comm");

    ng_cli_put(out, *comm ? comm : "?");
    if (ng_cli_integer(process, "pid"))
        (void)fprintf(out, "[%lld]", ng_cli_integer(process, "pid"));
}

static void put_head(FILE *out, const json_t *record, enum ng_cli_colour colour, const char *word)
{
    _cleanup_free_ char *time = strndup(ng_cli_string(record, "time"), strlen("2024-01-31T12:00:00"));

    ng_cli_put_colour(out, NG_CLI_FAINT, time);
    (void)fputs("Z ", out);
    ng_cli_put_colour(out, colour, word);
    (void)fputc(' ', out);
}

static void put_advice(FILE *out, const json_t *object)
{
    const char *reason = ng_cli_string(object, "reason"), *instead = ng_cli_string(object, "instead");

    ng_cli_put(out, reason);
    if (*instead) {
        (void)fputs(*reason ? "; instead: " : "instead: ", out);
        ng_cli_put(out, instead);
    }
}

/* By name where the name is why, by address where the address is, with the other one in parentheses. */
static void put_what(FILE *out, const json_t *record)
{
    const char *evidence = ng_cli_string(record, "evidence"), *address = ng_cli_string(record, "address");
    const char *name = ng_cli_string(json_array_get(json_object_get(record, "names"), 0), "name");
    bool by_address = strcmp(evidence, "address") == 0 || strcmp(evidence, "network") == 0;
    const char *other = by_address ? name : address;

    ng_cli_format_destination(out, *name && !by_address ? name : address, record);
    if (!*name || !*other)
        return;
    (void)fputs(" (", out);
    ng_cli_put(out, other);
    (void)fputc(')', out);
}

static void put_who(FILE *out, const json_t *record)
{
    const json_t *ancestor;
    size_t i;

    put_process(out, record);
    json_array_foreach(json_object_get(record, "ancestors"), i, ancestor)
    {
        (void)fputs(" < ", out);
        put_process(out, ancestor);
    }
}

static void put_rule(FILE *out, const json_t *rule)
{
    if (!json_is_object(rule))
        return;
    ng_cli_put(out, ng_cli_string(rule, "file"));
    (void)fprintf(out, ":%lld: ", ng_cli_integer(rule, "line"));
    ng_cli_put(out, ng_cli_string(rule, "pattern"));
    if (*ng_cli_string(rule, "group")) {
        (void)fputs(" (@", out);
        ng_cli_put(out, ng_cli_string(rule, "group"));
        (void)fputc(')', out);
    }
    (void)fputs("  ", out);
}

static void format_denial(FILE *out, const json_t *record)
{
    bool would = strcmp(ng_cli_string(record, "verdict"), "would-deny") == 0;

    put_head(out, record, would ? NG_CLI_WARN : NG_CLI_BAD, would ? "would be denied" : "denied");
    put_what(out, record);
    (void)fputs("  to ", out);
    ng_cli_put(out, ng_cli_string(record, "deployment"));
    if (json_is_true(json_object_get(record, "probe")))
        (void)fputs("  (probe)", out);
    (void)fputs("\n    by ", out);
    put_who(out, record);
    (void)fputs("\n    ", out);
    put_rule(out, json_object_get(record, "rule"));
    put_advice(out, record);
    (void)fputc('\n', out);
}

static void format_shadow(FILE *out, const json_t *record)
{
    const char *judged = ng_cli_string(record, "shadow_verdict"), *verdict = ng_cli_string(record, "verdict");
    const char *reason = ng_cli_string(record, "shadow_reason"), *instead = ng_cli_string(record, "shadow_instead");
    bool allowed = strcmp(judged, "allow") == 0;

    put_head(out, record, allowed ? NG_CLI_GOOD : NG_CLI_WARN, allowed ? "shadow allows" : "shadow denies");
    put_what(out, record);
    (void)fputs("  to ", out);
    ng_cli_put(out, ng_cli_string(record, "deployment"));
    (void)fputs(strcmp(verdict, "deny") == 0    ? "  (which was denied"
                : strcmp(verdict, "allow") == 0 ? "  (which was let through"
                                                : "  (which is only audited",
                out);
    (void)fputs(strcmp(judged, "would-deny") == 0 ? "; it audits)\n    by " : ")\n    by ", out);
    put_who(out, record);
    (void)fputs("\n    ", out);
    put_rule(out, json_object_get(record, "shadow_rule"));
    ng_cli_put(out, reason);
    (void)fputs(*instead ? (*reason ? "; instead: " : "instead: ") : "", out);
    ng_cli_put(out, instead);
    (void)fputc('\n', out);
}

static void format_resolution(FILE *out, const json_t *record)
{
    const json_t *chain = json_object_get(record, "chain"), *asker = json_object_get(record, "asked_by");
    const char *deployment = ng_cli_string(record, "deployment");

    put_head(out, record, NG_CLI_PLAIN, "resolved");
    ng_cli_put(out, ng_cli_string(record, "name"));
    for (size_t i = 1; i < json_array_size(chain); i++) {
        (void)fputs(" -> ", out);
        ng_cli_put(out, json_string_value(json_array_get(chain, i)));
    }
    (void)fputs(": ", out);
    ng_cli_format_list(out, json_object_get(record, "addresses"));
    if (*deployment) {
        (void)fputs("  for ", out);
        ng_cli_put(out, deployment);
    }
    if (json_is_object(asker)) {
        (void)fputs("  by ", out);
        put_process(out, asker);
    }
    (void)fputc('\n', out);
}

static void format_deployment(FILE *out, const json_t *record)
{
    const json_t *word;
    size_t i;

    put_head(out, record, NG_CLI_PLAIN, ng_cli_string(record, "event"));
    ng_cli_put(out, ng_cli_string(record, "deployment"));
    (void)fputs("  policy ", out);
    ng_cli_put(out, ng_cli_string(record, "policy"));
    (void)fputs(", ", out);
    ng_cli_put(out, ng_cli_string(record, "mode"));
    (void)fprintf(out, ", uid %lld", ng_cli_integer(record, "uid"));
    if (json_object_get(record, "denied"))
        (void)fprintf(out, ": %lld denied, %lld would be, %lld probes", ng_cli_integer(record, "denied"),
                      ng_cli_integer(record, "would"), ng_cli_integer(record, "probes"));
    (void)fputs(json_array_size(json_object_get(record, "argv")) ? "\n   " : "", out);
    json_array_foreach(json_object_get(record, "argv"), i, word)
    {
        (void)fputc(' ', out);
        ng_cli_put(out, json_string_value(word));
    }
    (void)fputc('\n', out);
}

static void format_trouble(FILE *out, const json_t *record)
{
    const char *name = ng_cli_string(record, "name"), *address = ng_cli_string(record, "address");

    put_head(out, record, NG_CLI_WARN, "trouble");
    ng_cli_put(out, ng_cli_string(record, "trouble"));
    (void)fputs(": ", out);
    ng_cli_put(out, ng_cli_string(record, "text"));
    if (*name || *address)
        (void)fputs("  ", out);
    ng_cli_put(out, name);
    (void)fputs(*name && *address ? " " : "", out);
    ng_cli_put(out, address);
    (void)fputc('\n', out);
}

/* Who made a change, if somebody did. */
static void put_maker(FILE *out, const json_t *by)
{
    if (!json_is_object(by))
        return;
    (void)fputs(", by ", out);
    put_process(out, by);
    (void)fprintf(out, " uid %lld", ng_cli_integer(by, "uid"));
}

static void format_policy(FILE *out, const json_t *record)
{
    const char *error = ng_cli_string(record, "error"), *event = ng_cli_string(record, "event");
    const json_t *policy;
    size_t i;

    if (*event) { /* a shadow */
        put_head(out, record, NG_CLI_PLAIN, event);
        ng_cli_put(out, ng_cli_string(json_object_get(record, "shadow"), "path"));
        put_maker(out, json_object_get(record, "by"));
        (void)fputc('\n', out);
        return;
    }

    put_head(out, record, *error ? NG_CLI_BAD : NG_CLI_PLAIN, *error ? "policies refused" : "policies");
    if (*error)
        ng_cli_put(out, error);
    else
        (void)fprintf(out, "generation %lld:", ng_cli_integer(record, "generation"));
    json_array_foreach(json_object_get(record, "policies"), i, policy)
    {
        (void)fputs(i ? ", " : " ", out);
        ng_cli_put(out, ng_cli_string(policy, "name"));
        (void)fputs(" (", out);
        ng_cli_put(out, ng_cli_string(policy, "mode"));
        (void)fputc(')', out);
    }
    (void)fputc('\n', out);
}

static void format_incident(FILE *out, const json_t *record)
{
    const json_t *incident = json_object_get(record, "incident"), *by = json_object_get(record, "by");
    const char *tag = ng_cli_string(incident, "tag"), *reason = ng_cli_string(incident, "reason");

    put_head(out, record, NG_CLI_WARN, "incident");
    ng_cli_put(out, ng_cli_string(record, "event"));
    (void)fputs(*tag ? ": tag " : ": every deployment", out);
    ng_cli_put(out, tag);
    put_maker(out, by);
    (void)fputs(*reason ? ": " : "", out);
    ng_cli_put(out, reason);
    (void)fputc('\n', out);
}

static void format_grant(FILE *out, const json_t *record)
{
    const json_t *grant = json_object_get(record, "grant"), *by = json_object_get(record, "by");

    put_head(out, record, NG_CLI_WARN, "grant");
    ng_cli_put(out, ng_cli_string(record, "event"));
    (void)fputs(": ", out);
    ng_cli_put(out, ng_cli_string(grant, "name"));
    (void)fputs(" for tag ", out);
    ng_cli_put(out, ng_cli_string(grant, "tag"));
    put_maker(out, by);
    (void)fputs(": ", out);
    ng_cli_put(out, ng_cli_string(grant, "reason"));
    (void)fputc('\n', out);
}

static void format_selftest(FILE *out, const json_t *record)
{
    bool covered = json_is_true(json_object_get(record, "covered"));
    const json_t *channel;
    size_t i;

    put_head(out, record, covered ? NG_CLI_PLAIN : NG_CLI_BAD, "selftest");
    ng_cli_put(out, ng_cli_string(record, "deployment"));
    (void)fputs(covered ? " covered" : " open:", out);
    json_array_foreach(json_object_get(record, "channels"), i, channel)
    {
        if (strcmp(ng_cli_string(channel, "outcome"), "open") != 0)
            continue;
        (void)fputc(' ', out);
        ng_cli_put(out, ng_cli_string(channel, "channel"));
    }
    (void)fputc('\n', out);
}

void ng_cli_format_record(FILE *out, const json_t *record)
{
    static const struct {
        const char *type;
        void (*format)(FILE *out, const json_t *record);
    } types[] = {
        {"denial", format_denial},   {"resolution", format_resolution}, {"deployment", format_deployment},
        {"shadow", format_shadow},
        {"trouble", format_trouble}, {"policy", format_policy},         {"incident", format_incident},
        {"grant", format_grant},     {"selftest", format_selftest},
    };
    const char *type = ng_cli_string(record, "type");

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(type, types[i].type) == 0) {
            types[i].format(out, record);
            return;
        }
    }
    put_head(out, record, NG_CLI_PLAIN, type); /* of a later release: at least it is seen */
    (void)fputc('\n', out);
}

static void put_summary_head(FILE *out, const json_t *summary, const char *deployment, const char *policy)
{
    long long denied = ng_cli_integer(summary, "denied"), would = ng_cli_integer(summary, "would");
    long long first = denied ? denied : would;

    (void)fprintf(out, "namegate: %lld attempt%s ", first, first == 1 ? "" : "s");
    ng_cli_put_colour(out, denied ? NG_CLI_BAD : NG_CLI_WARN, denied ? "denied" : "would have been denied");
    if (denied && would) /* the mode was changed while it ran */
        (void)fprintf(out, ", %lld would have been", would);
    (void)fputs(" (", out);
    ng_cli_put(out, deployment);
    (void)fputs(", policy ", out);
    ng_cli_put(out, policy);
    (void)fputs(")\n", out);
}

static void put_summary_line(FILE *out, const json_t *line)
{
    const char *rule = ng_cli_string(line, "rule"), *comm = ng_cli_string(line, "comm");

    (void)fputs("  ", out);
    ng_cli_format_destination(out, ng_cli_string(line, "destination"), line);
    (void)fprintf(out, "  %lldx  by ", ng_cli_integer(line, "count"));
    ng_cli_put(out, *comm ? comm : "?");
    (void)fputs("  ", out);
    ng_cli_put(out, rule);
    (void)fputs(*rule ? "  " : "", out);
    put_advice(out, line);
    (void)fputc('\n', out);
}

void ng_cli_format_summary(FILE *out, const json_t *summary, const char *deployment, const char *policy)
{
    const json_t *lines = json_object_get(summary, "lines");
    size_t count = json_array_size(lines);

    if (ng_cli_integer(summary, "lost"))
        (void)fprintf(out, "namegate: %lld records of denials were lost: there may be more than are shown\n",
                      ng_cli_integer(summary, "lost"));
    if (ng_cli_integer(summary, "denied") == 0 && ng_cli_integer(summary, "would") == 0)
        return;
    put_summary_head(out, summary, deployment, policy);
    for (size_t i = 0; i < count && i < NG_CLI_SUMMARY_LINES; i++)
        put_summary_line(out, json_array_get(lines, i));
    if (count > NG_CLI_SUMMARY_LINES)
        (void)fprintf(out, "  ... and %zu more: ", count - NG_CLI_SUMMARY_LINES);
    else
        (void)fputs("  by which commands, and why: ", out);
    (void)fputs("namegate report --deployment ", out);
    ng_cli_put(out, deployment);
    (void)fputc('\n', out);
}
