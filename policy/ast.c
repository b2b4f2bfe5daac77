// SPDX-License-Identifier: BSD-2-Clause
/* The actions of the grammar: they check each piece where its place is known. */
#include "parser.h"

#include "nearest.h"

#include <namegate/cleanup.h>

#include <netinet/in.h>
#include <stdarg.h>
#include <time.h>

#define SECONDS_PER_DAY 86400

/* A keyword with the words that may follow it, in the order of their numbers. */
struct choice {
    const char *keyword;
    const char *const *words;
    const char *remedy;
    uint8_t given;
};

static const char *const modes[] = {[NG_MODE_AUDIT] = "audit", [NG_MODE_BLOCK] = "block", [NG_MODE_STRICT] = "strict",
                                    NULL};
static const char *const fates[] = {[NG_ESTABLISHED_CUT] = "cut", [NG_ESTABLISHED_KEEP] = "keep", NULL};
static const char *const losses[] = {[NG_ON_LOSS_FREEZE] = "freeze", [NG_ON_LOSS_CLOSED] = "closed", NULL};
static const char *const responses[] = {[NG_RESPOND_EPERM] = "eperm",     [NG_RESPOND_EACCES] = "eacces",
                                        [NG_RESPOND_REFUSED] = "refused", [NG_RESPOND_UNREACHABLE] = "unreachable",
                                        [NG_RESPOND_TIMEOUT] = "timeout", NULL};
static const char *const answers[] = {[NG_ANSWER_REAL] = "real", [NG_ANSWER_REFUSE] = "refuse",
                                      [NG_ANSWER_DECOY] = "decoy", NULL};
static const char *const sharings[] = {"deny", "allow", NULL};

static const struct choice settings[] = {
    {"mode", modes, "audit records only, block refuses what is denied, strict all else", NG_GIVEN_MODE},
    {"established", fates, "cut ends connections to what is denied from now on, keep lets them be",
     NG_GIVEN_ESTABLISHED},
    {"on-agent-loss", losses, "without its daemon a deployment goes on as it was (freeze) or reaches nothing (closed)",
     NG_GIVEN_ON_LOSS},
};

enum option { REASON, INSTEAD, OWNER, RESPOND, ANSWER, SHARED, UNTIL };

static const struct choice choices[] = {
    {"respond", responses, "this is how a denied call fails; eperm is the default", 1U << RESPOND},
    {"answer", answers, "real: the addresses that the name has; refuse: no such name; decoy: a reserved address",
     1U << ANSWER},
    {"shared", sharings, NULL, 1U << SHARED},
};

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
    ng_ast_say(parser->ast, parser->diag, NG_ERROR, location->place, remedy, "%s", text ? text : "out of memory");
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

/* Keeps octets, for ever and in order; the offset of those. */
static uint32_t keep(struct ng_parser *parser, const void *octets, size_t size)
{
    struct ng_ast *ast = parser->ast;
    size_t offset = ast->octets.count;

    if (offset + size <= UINT32_MAX && ng_vector_append(&ast->octets, (const uint8_t *)octets, size))
        return (uint32_t)offset;
    parser->no_memory = true;
    return 0;
}

static uint32_t keep_text(struct ng_parser *parser, const char *text, size_t length)
{
    uint32_t offset = keep(parser, text, length);

    (void)keep(parser, "", 1);
    return offset;
}

#define LAST(vector) ((vector).count ? &(vector).items[(vector).count - 1] : NULL)

static struct ng_ast_policy *current(struct ng_parser *parser)
{
    return &parser->ast->policies.items[parser->policy];
}

static uint32_t count_of(size_t count)
{
    return (uint32_t)count; /* every item takes at least an octet of the text, which has less than 2^31 */
}

/* Small letters, digits, '-' and '_', as tags have them too. */
static bool good_name(const char *text, size_t length)
{
    bool good = length > 0 && length < NG_TAG_LEN;

    for (size_t i = 0; i < length; i++)
        good &= (text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9') || text[i] == '-' ||
                text[i] == '_';
    return good;
}

static uint32_t policy_name(struct ng_parser *parser, const struct ng_location *name)
{
    const char *text = text_at(parser, name);
    size_t length = name->length;

    if (*text == '"') {
        text++;
        length -= 2;
    }
    if (!good_name(text, length))
        ng_parser_error(parser, name, "use up to 63 small letters, digits, '-' and '_'", "'%.*s' is no policy name",
                        (int)(length > 80 ? 80 : length), text);
    return keep_text(parser, text, length);
}

void ng_parser_policy(struct ng_parser *parser, const struct ng_location *name, const struct ng_location *base)
{
    struct ng_ast *ast = parser->ast;
    struct ng_ast_policy policy = {.place = name->place, .mode = NG_MODE_BLOCK};

    policy.name = policy_name(parser, name);
    if (base) {
        policy.base = policy_name(parser, base);
        policy.base_place = base->place;
    }
    policy.rules.first = count_of(ast->rules.count);
    policy.includes.first = count_of(ast->includes.count);
    parser->policy = count_of(ast->policies.count);
    if (!ng_vector_add(&ast->policies, policy)) {
        parser->no_memory = true;
        parser->policy = 0;
    }
}

void ng_parser_policy_end(struct ng_parser *parser)
{
    current(parser)->rules.end = count_of(parser->ast->rules.count);
    current(parser)->includes.end = count_of(parser->ast->includes.count);
    parser->policy = 0;
}

static const struct choice *find_choice(const struct ng_parser *parser, const struct choice *list, size_t count,
                                        const struct ng_location *keyword)
{
    for (size_t i = 0; i < count; i++)
        if (is(parser, keyword, list[i].keyword))
            return &list[i];
    return NULL;
}

/* The number of the word, reported where it is none or the keyword was there before. */
static int choose(struct ng_parser *parser, const struct choice *choice, uint8_t *given,
                  const struct ng_location *word)
{
    const char *near;
    char remedy[120], wanted[120] = "";

    if (*given & choice->given) {
        ng_parser_error(parser, word, "leave one", "a second '%s'", choice->keyword);
        return -EINVAL;
    }
    *given |= choice->given;
    for (int i = 0; choice->words[i]; i++) {
        if (is(parser, word, choice->words[i]))
            return i;
        (void)snprintf(wanted + strlen(wanted), sizeof(wanted) - strlen(wanted), "%s'%s'",
                       i == 0 ? "" : choice->words[i + 1] ? ", " : " or ", choice->words[i]);
    }
    near = ng_nearest(text_at(parser, word), word->length, choice->words);
    (void)snprintf(remedy, sizeof(remedy), "did you mean '%s'?", near ? near : "");
    ng_parser_error(parser, word, near ? remedy : choice->remedy, "unknown %s, expected %s", choice->keyword, wanted);
    return -EINVAL;
}

void ng_parser_setting(struct ng_parser *parser, const struct ng_location *keyword, const struct ng_location *word)
{
    struct ng_ast_policy *policy = current(parser);
    const struct choice *choice = find_choice(parser, settings, sizeof(settings) / sizeof(*settings), keyword);
    int value = choice ? choose(parser, choice, &policy->given, word) : -EINVAL;

    if (value < 0)
        return;
    if (!parser->policy)
        policy->place = keyword->place;
    if (choice->given == NG_GIVEN_MODE)
        policy->mode = (uint8_t)value;
    else if (choice->given == NG_GIVEN_ESTABLISHED)
        policy->established = (uint8_t)value;
    else
        policy->on_loss = (uint8_t)value;
}

void ng_parser_rule(struct ng_parser *parser, uint8_t verdict)
{
    struct ng_ast *ast = parser->ast;
    struct ng_ast_rule rule = {.verdict = verdict, .policy = parser->policy,
                               .destinations = {.first = count_of(ast->destinations.count)}};

    if (!ng_vector_add(&ast->rules, rule))
        parser->no_memory = true;
}

void ng_parser_on(struct ng_parser *parser)
{
    struct ng_ast_rule *rule = LAST(parser->ast->rules);

    if (rule)
        rule->destinations.end = rule->on.first = count_of(parser->ast->destinations.count);
}

void ng_parser_rule_end(struct ng_parser *parser)
{
    struct ng_ast_rule *rule = LAST(parser->ast->rules);

    if (!rule)
        return;
    if (rule->verdict == NG_VERDICT_NONE) {
        rule->on.end = count_of(parser->ast->destinations.count);
        for (uint32_t i = rule->on.first; i < rule->on.end; i++)
            if (parser->ast->destinations.items[i].ports)
                ng_ast_say(parser->ast, parser->diag, NG_ERROR, parser->ast->destinations.items[i].place,
                           "leave the ports out: who depends on a service is denied as that is",
                           "a dependency has no ports");
    } else
        rule->destinations.end = count_of(parser->ast->destinations.count);
}

/* Ports and protocols of the destination as a set of segments: each port range with each protocol, or with any. */
static uint32_t port_set(struct ng_parser *parser)
{
    struct ng_ast *ast = parser->ast;
    struct ng_segment all = {.port_lo = 0, .port_hi = 65535};
    struct ng_range set = {.first = count_of(ast->segments.count)};
    size_t count = parser->ports_given ? parser->ports.count : 1;

    if (!parser->ports_given && !parser->proto)
        return 0;
    for (size_t i = 0; i < count; i++) {
        struct ng_segment segment = parser->ports_given ? parser->ports.items[i] : all;

        segment.proto = parser->proto;
        if (!ng_vector_add(&ast->segments, segment))
            parser->no_memory = true;
    }
    set.end = count_of(ast->segments.count);
    if (!ng_vector_add(&ast->port_sets, set)) {
        parser->no_memory = true;
        return 0;
    }
    return count_of(ast->port_sets.count) - 1;
}

static uint32_t keep_target(struct ng_parser *parser, const struct ng_target *target)
{
    uint16_t prefixes = (uint16_t)target->prefixes;
    uint32_t offset;

    switch (target->kind) {
    case NG_TARGET_NETWORKS:
        offset = keep(parser, &prefixes, sizeof(prefixes));
        (void)keep(parser, target->prefix, prefixes * sizeof(*target->prefix));
        return offset;
    case NG_TARGET_GROUP:
        return keep_text(parser, target->group, strlen(target->group));
    default:
        return keep(parser, target->name.wire, target->name.length);
    }
}

static void without_quotes(const struct ng_location *location, bool quoted, uint32_t *ret_offset, uint16_t *ret_length)
{
    size_t length = location->length - (quoted ? 2 : 0);

    *ret_offset = (uint32_t)location->offset + (quoted ? 1 : 0);
    *ret_length = (uint16_t)(length > UINT16_MAX ? UINT16_MAX : length); /* refused for its length then */
}

void ng_parser_destination(struct ng_parser *parser, const struct ng_location *target, bool quoted)
{
    struct ng_ast_destination destination = {.place = target->place};
    _cleanup_free_ char *error = NULL, *remedy = NULL;

    without_quotes(target, quoted, &destination.offset, &destination.length);
    if (ng_target_parse(parser->ast->text + destination.offset, destination.length, &parser->target, &error,
                        &remedy) < 0) {
        ng_parser_error(parser, target, remedy, "%s", error ? error : "out of memory");
    } else {
        destination.kind = (uint8_t)parser->target.kind;
        destination.content = keep_target(parser, &parser->target);
    }
    destination.ports = port_set(parser);
    if (!ng_vector_add(&parser->ast->destinations, destination))
        parser->no_memory = true;
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

static uint32_t keep_string(struct ng_parser *parser, const struct ng_location *string)
{
    _cleanup_free_ char *text = unquote(parser, string);

    return text && *text ? keep_text(parser, text, strlen(text)) : 0;
}

void ng_parser_owner(struct ng_parser *parser, const struct ng_location *keyword, const struct ng_location *string)
{
    struct ng_ast_policy *policy = current(parser);

    if (policy->owner)
        ng_parser_error(parser, keyword, "leave one", "a second 'owner'");
    policy->owner = keep_string(parser, string);
}

void ng_parser_options(struct ng_parser *parser)
{
    struct ng_ast *ast = parser->ast;
    struct ng_ast_rule *rule = LAST(ast->rules);
    struct ng_ast_options none = {0};

    if (!rule || !ng_vector_add(&ast->options, none)) {
        parser->no_memory = true;
        return;
    }
    rule->options = count_of(ast->options.count) - 1;
}

/* False after a reported error: the option was given before. */
static bool first(struct ng_parser *parser, enum option option, const struct ng_location *keyword)
{
    struct ng_ast_options *options = LAST(parser->ast->options);
    uint8_t bit = (uint8_t)(1U << option);

    if (options->given & bit) {
        ng_parser_error(parser, keyword, "leave one", "a second '%.*s'", (int)keyword->length,
                        text_at(parser, keyword));
        return false;
    }
    options->given |= bit;
    return true;
}

void ng_parser_text(struct ng_parser *parser, const struct ng_location *keyword, const struct ng_location *string)
{
    struct ng_ast_options *options = LAST(parser->ast->options);
    enum option option = is(parser, keyword, "reason") ? REASON : is(parser, keyword, "instead") ? INSTEAD : OWNER;

    if (first(parser, option, keyword))
        *(option == REASON ? &options->reason : option == INSTEAD ? &options->instead : &options->owner) =
            keep_string(parser, string);
}

/* How a denied call fails means nothing where none is denied. */
static void only_denies(struct ng_parser *parser, const struct ng_location *keyword)
{
    const struct ng_ast_rule *rule = LAST(parser->ast->rules);

    if (rule && rule->verdict == NG_VERDICT_ALLOW)
        ng_parser_error(parser, keyword, "leave it out", "'%.*s' belongs to what denies", (int)keyword->length,
                        text_at(parser, keyword));
}

void ng_parser_choice(struct ng_parser *parser, const struct ng_location *keyword, const struct ng_location *word)
{
    struct ng_ast_options *options = LAST(parser->ast->options);
    const struct choice *choice = find_choice(parser, choices, sizeof(choices) / sizeof(*choices), keyword);
    int value = choice ? choose(parser, choice, &options->given, word) : -EINVAL;

    only_denies(parser, keyword);
    if (value < 0)
        return;
    if (choice->given == 1U << RESPOND)
        options->respond = (uint8_t)value;
    else if (choice->given == 1U << ANSWER)
        options->answer = (uint8_t)value;
    else
        options->shared = value ? NG_SEGMENT_SHARED : 0;
}

void ng_parser_until(struct ng_parser *parser, const struct ng_location *keyword, const struct ng_location *date)
{
    struct ng_ast_options *options = LAST(parser->ast->options);
    const char *text = text_at(parser, date);
    struct tm day = {0}, real;
    time_t time;
    int used = 0;
    char copy[11] = "";

    if (!first(parser, UNTIL, keyword))
        return;
    if (date->length == sizeof(copy) - 1)
        memcpy(copy, text, date->length);
    if (strspn(copy, "0123456789-") != strlen(copy) ||
        sscanf(copy, "%4d-%2d-%2d%n", &day.tm_year, &day.tm_mon, &day.tm_mday, &used) != 3 || used != 10) {
        ng_parser_error(parser, date, "example: until 2026-12-31", "a date is written YYYY-MM-DD");
        return;
    }
    day.tm_year -= 1900;
    day.tm_mon -= 1;
    real = day;
    time = timegm(&real);
    if (real.tm_mday != day.tm_mday || real.tm_mon != day.tm_mon || time <= 0) {
        ng_parser_error(parser, date, "check the number of days in that month", "there is no such day");
        return;
    }
    options->until = (uint32_t)(time / SECONDS_PER_DAY);
    options->until_place = date->place;
}

void ng_parser_group(struct ng_parser *parser, const struct ng_location *name)
{
    struct ng_ast *ast = parser->ast;
    const char *text = text_at(parser, name);
    struct ng_ast_group group = {.place = name->place, .destinations = {.first = count_of(ast->destinations.count)}};
    bool at = *text == '@';

    if (!at || !good_name(text + 1, name->length - 1))
        ng_parser_error(parser, name, "example: group @public-doh { dns.google }",
                        "the name of a group is '@' and up to 63 small letters, digits, '-' and '_'");
    group.name = keep_text(parser, text + at, name->length - at);
    if (!ng_vector_add(&ast->groups, group))
        parser->no_memory = true;
}

void ng_parser_group_end(struct ng_parser *parser)
{
    struct ng_ast_group *group = LAST(parser->ast->groups);

    if (group)
        group->destinations.end = count_of(parser->ast->destinations.count);
}

void ng_parser_include(struct ng_parser *parser, const struct ng_location *string)
{
    struct ng_ast_include include = {.place = string->place, .policy = parser->policy};

    include.pattern = keep_string(parser, string);
    if (!include.pattern)
        ng_parser_error(parser, string, "example: include \"groups/*.policy\"", "this names no file");
    if (!ng_vector_add(&parser->ast->includes, include))
        parser->no_memory = true;
}

void ng_parser_test(struct ng_parser *parser, const struct ng_location *name)
{
    struct ng_ast *ast = parser->ast;
    struct ng_ast_test test = {.place = name->place, .expects = {.first = count_of(ast->expects.count)}};

    test.policy = policy_name(parser, name);
    if (!ng_vector_add(&ast->tests, test))
        parser->no_memory = true;
}

void ng_parser_test_end(struct ng_parser *parser)
{
    struct ng_ast_test *test = LAST(parser->ast->tests);

    if (test)
        test->expects.end = count_of(parser->ast->expects.count);
}

void ng_parser_expect(struct ng_parser *parser, uint8_t verdict, const struct ng_location *destination, bool quoted)
{
    struct ng_ast_expect expect = {.place = destination->place, .verdict = verdict};
    _cleanup_free_ char *error = NULL, *remedy = NULL;
    struct ng_probe probe;

    without_quotes(destination, quoted, &expect.offset, &expect.length);
    if (ng_probe_parse(parser->ast->text + expect.offset, expect.length, &probe, &error, &remedy) < 0)
        ng_parser_error(parser, destination, remedy, "%s", error ? error : "out of memory");
    if (!ng_vector_add(&parser->ast->expects, expect))
        parser->no_memory = true;
}

static bool prepare(struct ng_ast *ast)
{
    struct ng_ast_policy outside = {.mode = NG_MODE_BLOCK};
    struct ng_ast_options none = {0};
    struct ng_range all = {0};

    return ng_vector_add(&ast->policies, outside) && ng_vector_add(&ast->options, none) &&
           ng_vector_add(&ast->port_sets, all) && ng_vector_add(&ast->octets, 0);
}

int ng_ast_parse(const char *path, const char *text, size_t length, struct ng_diag *diag, struct ng_ast *ret_ast)
{
    struct ng_ast ast = {.path = path, .text = text, .length = length};
    struct ng_parser parser = {.ast = &ast, .diag = diag};
    static const uint8_t slack[NG_NAME_SLACK];

    if (length > INT32_MAX)
        return -EFBIG;
    parser.no_memory = !prepare(&ast) || ng_parser_run(&parser) == 2 ||
                       !ng_vector_append(&ast.octets, slack, NG_NAME_SLACK);
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
    ng_vector_free(&ast->policies);
    ng_vector_free(&ast->rules);
    ng_vector_free(&ast->options);
    ng_vector_free(&ast->destinations);
    ng_vector_free(&ast->groups);
    ng_vector_free(&ast->includes);
    ng_vector_free(&ast->tests);
    ng_vector_free(&ast->expects);
    ng_vector_free(&ast->port_sets);
    ng_vector_free(&ast->segments);
    ng_vector_free(&ast->octets);
}

const char *ng_ast_string(const struct ng_ast *ast, uint32_t offset)
{
    return (const char *)ast->octets.items + offset;
}

void ng_ast_say(const struct ng_ast *ast, struct ng_diag *diag, enum ng_severity severity, struct ng_place place,
                const char *remedy, const char *format, ...)
{
    _cleanup_free_ char *text = NULL;
    va_list arguments;

    if (ast->quiet && severity == NG_WARNING)
        return;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    ng_diag_add(diag, severity, ast->path, place.line, place.column, ast->text, ast->length, remedy, "%s",
                text ? text : "out of memory");
}
