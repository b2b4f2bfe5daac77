// SPDX-License-Identifier: BSD-2-Clause
/* The actions of the grammar: they check each piece where its place is known. */
#include "parser.h"

#include "nearest.h"

#include <namegate/cleanup.h>

#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>

static const char *const modes[] = {[NG_MODE_AUDIT] = "audit", [NG_MODE_BLOCK] = "block", [NG_MODE_STRICT] = "strict",
                                    NULL};

static const char *text_at(const struct ng_parser *parser, const struct ng_location *location)
{
    return parser->ast->text + location->offset;
}

static bool is(const struct ng_parser *parser, const struct ng_location *location, const char *word)
{
    return location->length == strlen(word) && memcmp(text_at(parser, location), word, location->length) == 0;
}

void ng_parser_error(struct ng_parser *parser, const struct ng_location *location, const char *remedy,
                     const char *format, ...)
{
    _cleanup_free_ char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    ng_diag_add(parser->diag, NG_ERROR, parser->ast->path, location->place.line, location->place.column,
                parser->ast->text, parser->ast->length, remedy, "%s", text ? text : "out of memory");
}

bool ng_parser_port_follows(const struct ng_parser *parser, size_t offset)
{
    const char *text = parser->ast->text, *end = text + parser->ast->length, *at = text + offset;
    const char *digits;

    while (at < end && strchr(" \t\r\n", *at) && *at)
        at++;
    digits = at;
    while (at < end && ((*at >= '0' && *at <= '9') || (*at == '-' && at > digits)))
        at++;
    return at > digits && (at == end || (*at && strchr(" \t\r\n,{}#\"", *at)));
}

/* The source's own text, kept so that it can be shown. */
static char *keep(struct ng_parser *parser, const struct ng_location *location)
{
    char *copy = strndup(text_at(parser, location), location->length);

    if (!copy)
        parser->no_memory = true;
    return copy;
}

static struct ng_ast_policy *last_policy(struct ng_parser *parser)
{
    return parser->ast->policies.count ? &parser->ast->policies.items[parser->ast->policies.count - 1] : NULL;
}

static struct ng_ast_rule *last_rule(struct ng_parser *parser)
{
    struct ng_ast_policy *policy = last_policy(parser);

    return policy && policy->rules.count ? &policy->rules.items[policy->rules.count - 1] : NULL;
}

void ng_parser_policy(struct ng_parser *parser, const struct ng_location *name)
{
    struct ng_ast_policy policy = {.place = name->place, .mode = NG_MODE_BLOCK};
    const char *text = text_at(parser, name);
    bool good = name->length < NG_TAG_LEN;

    for (size_t i = 0; i < name->length; i++)
        good &= (text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9') || text[i] == '-' ||
                text[i] == '_';
    if (!good)
        ng_parser_error(parser, name, "use up to 63 small letters, digits, '-' and '_'", "'%.*s' is no policy name",
                        (int)(name->length > 80 ? 80 : name->length), text);
    policy.name = keep(parser, name);
    if (policy.name && !ng_vector_add(&parser->ast->policies, policy)) {
        free(policy.name);
        parser->no_memory = true;
    }
}

void ng_parser_mode(struct ng_parser *parser, const struct ng_location *word)
{
    struct ng_ast_policy *policy = last_policy(parser);
    const char *near;
    char remedy[80];

    if (!policy)
        return;
    if (policy->mode_given) {
        ng_parser_error(parser, word, "leave one", "a second mode");
        return;
    }
    policy->mode_given = true;
    for (uint8_t mode = 0; modes[mode]; mode++) {
        if (is(parser, word, modes[mode])) {
            policy->mode = mode;
            return;
        }
    }
    near = ng_nearest(text_at(parser, word), word->length, modes);
    (void)snprintf(remedy, sizeof(remedy), "did you mean '%s'?", near ? near : "");
    ng_parser_error(parser, word, near ? remedy : "audit records only, block refuses what is denied, strict all else",
                    "unknown mode, expected 'audit', 'block' or 'strict'");
}

void ng_parser_rule(struct ng_parser *parser, uint8_t verdict)
{
    struct ng_ast_policy *policy = last_policy(parser);
    struct ng_ast_rule rule = {.verdict = verdict};

    if (!policy || !ng_vector_add(&policy->rules, rule))
        parser->no_memory = true;
}

/* Ports and protocols of a destination as segments: each port range with each protocol, or with any. */
static bool restrict_to(struct ng_parser *parser, uint8_t verdict, struct ng_ast_destination *destination)
{
    struct ng_segment all = {.port_lo = 0, .port_hi = 65535};
    size_t count = parser->ports_given ? parser->ports.count : 1;

    for (size_t i = 0; i < count; i++) {
        struct ng_segment segment = parser->ports_given ? parser->ports.items[i] : all;

        segment.proto = parser->proto;
        segment.verdict = verdict;
        if (!ng_vector_add(&destination->segments, segment))
            return false;
    }
    return true;
}

void ng_parser_destination(struct ng_parser *parser, const struct ng_location *target, bool quoted)
{
    struct ng_ast_rule *rule = last_rule(parser);
    struct ng_ast_destination destination = {.place = target->place};
    _cleanup_free_ char *error = NULL, *remedy = NULL;
    size_t skip = quoted ? 1 : 0;

    destination.text = strndup(text_at(parser, target) + skip, target->length - 2 * skip);
    if (ng_target_parse(text_at(parser, target) + skip, target->length - 2 * skip, &destination.target, &error,
                        &remedy) < 0)
        ng_parser_error(parser, target, remedy, "%s", error ? error : "out of memory");
    if (!rule || !destination.text || !restrict_to(parser, rule->verdict, &destination) ||
        !ng_vector_add(&rule->destinations, destination)) {
        parser->no_memory = true;
        free(destination.text);
        ng_vector_free(&destination.segments);
    }
    parser->ports.count = 0;
    parser->proto = 0;
    parser->ports_given = parser->proto_given = false;
}

void ng_parser_ports_begin(struct ng_parser *parser, const struct ng_location *keyword)
{
    if (parser->ports_given)
        ng_parser_error(parser, keyword, "separate ports by commas: port 22,8000-8999", "a second list of ports");
    parser->ports_given = true;
}

static bool number(const char **at, const char *end, unsigned *value)
{
    *value = 0;
    if (*at == end)
        return false;
    for (; *at < end && **at != '-'; (*at)++) {
        *value = *value * 10 + (unsigned)(**at - '0');
        if (*value > 65535)
            return false;
    }
    return true;
}

void ng_parser_ports(struct ng_parser *parser, const struct ng_location *range)
{
    const char *at = text_at(parser, range), *end = at + range->length;
    unsigned low, high;

    if (!number(&at, end, &low))
        goto bad;
    high = low;
    if (at < end && (at++, !number(&at, end, &high)))
        goto bad;
    if (low > high) {
        ng_parser_error(parser, range, NULL, "this range of ports ends before it begins");
        return;
    }
    if (!ng_vector_add(&parser->ports, ((struct ng_segment){.port_lo = (uint16_t)low, .port_hi = (uint16_t)high})))
        parser->no_memory = true;
    return;

bad:
    ng_parser_error(parser, range, NULL, "ports go from 0 to 65535");
}

void ng_parser_proto(struct ng_parser *parser, const struct ng_location *word)
{
    if (parser->proto_given)
        ng_parser_error(parser, word, "without 'proto' a rule is for all protocols", "a second protocol");
    parser->proto_given = true;
    if (is(parser, word, "tcp"))
        parser->proto = IPPROTO_TCP;
    else if (is(parser, word, "udp"))
        parser->proto = IPPROTO_UDP;
    else
        ng_parser_error(parser, word, "without 'proto' a rule is for all protocols",
                        "unknown protocol, expected 'tcp' or 'udp'");
}

/* The text between the quotes, \" and \\ resolved. NULL after a reported error. */
static char *unquote(struct ng_parser *parser, const struct ng_location *string)
{
    const char *at = text_at(parser, string) + 1, *end = at + string->length - 2;
    char *text = malloc(string->length), *out = text;

    if (!text) {
        parser->no_memory = true;
        return NULL;
    }
    for (; at < end; at++) {
        if (*at == '\\' && at[1] != '"' && at[1] != '\\') {
            ng_parser_error(parser, string, "only \\\" and \\\\ are known", "unknown escape in this text");
            free(text);
            return NULL;
        }
        if (*at == '\\')
            at++;
        if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            ng_parser_error(parser, string, NULL, "a control character in this text");
            free(text);
            return NULL;
        }
        *out++ = *at;
    }
    *out = '\0';
    if (out - text > NG_TEXT_MAX) {
        ng_parser_error(parser, string, NULL, "this text is longer than %d octets", NG_TEXT_MAX);
        free(text);
        return NULL;
    }
    return text;
}

void ng_parser_option(struct ng_parser *parser, bool reason, const struct ng_location *keyword,
                      const struct ng_location *string)
{
    struct ng_ast_rule *rule = last_rule(parser);
    char **field;

    if (!rule)
        return;
    field = reason ? &rule->reason : &rule->instead;
    if (*field) {
        ng_parser_error(parser, keyword, "leave one", "a second '%s'", reason ? "reason" : "instead");
        return;
    }
    *field = unquote(parser, string);
}

int ng_ast_parse(const char *path, const char *text, size_t length, struct ng_diag *diag, struct ng_ast *ret_ast)
{
    struct ng_ast ast = {.path = path, .text = text, .length = length};
    struct ng_parser parser = {.ast = &ast, .diag = diag, .next = {.place = {1, 1}}};

    if (length > INT32_MAX)
        return -EFBIG;
    if (ng_parser_run(&parser) == 2)
        parser.no_memory = true;
    ng_vector_free(&parser.ports);
    if (parser.no_memory) {
        ng_ast_release(&ast);
        return -ENOMEM;
    }
    *ret_ast = ast;
    return 0;
}

void ng_ast_release(struct ng_ast *ast)
{
    for (size_t p = 0; p < ast->policies.count; p++) {
        struct ng_ast_policy *policy = &ast->policies.items[p];

        for (size_t r = 0; r < policy->rules.count; r++) {
            struct ng_ast_rule *rule = &policy->rules.items[r];

            for (size_t d = 0; d < rule->destinations.count; d++) {
                free(rule->destinations.items[d].text);
                ng_vector_free(&rule->destinations.items[d].segments);
            }
            ng_vector_free(&rule->destinations);
            free(rule->reason);
            free(rule->instead);
        }
        ng_vector_free(&policy->rules);
        free(policy->name);
    }
    ng_vector_free(&ast->policies);
}
