/* SPDX-License-Identifier: BSD-2-Clause */
/* The grammar of namegate.policy(5). After an error it goes on at the next statement, so that one run shows all. */
%code top {
#include "parser.h"
}

%define api.pure full
%define api.prefix {ng_parse_}
%define api.location.type {struct ng_location}
%define parse.error custom
%define parse.lac full
%locations
%param {void *scanner}
%parse-param {struct ng_parser *parser}

%code {
#include "nearest.h"

#include <stdio.h>
#include <string.h>

int ng_parse_lex(NG_PARSE_STYPE *value, NG_PARSE_LTYPE *location, void *scanner);
static void ng_parse_error(struct ng_location *location, void *scanner, struct ng_parser *parser, const char *text);
}

%token POLICY "policy" EXTENDS "extends" MODE "mode" ESTABLISHED "established" ON_LOSS "on-agent-loss" OWNER "owner"
%token INCLUDE "include" GROUP "group" DENY "deny" ALLOW "allow" DEPENDS "depends" ON "on" PORT "port" PROTO "proto"
%token REASON "reason" INSTEAD "instead" RESPOND "respond" ANSWER "answer" SHARED "shared" UNTIL "until"
%token TEST "test" EXPECT "expect" WORD STRING NUMBERS PORT_COMMA

%initial-action { @$ = (struct ng_location){.place = {1, 1}}; }

%%

/* Statements outside of a policy are for files that a policy includes; where else they stand is set.c's to say. */
file: %empty
    | file policy
    | file test
    | file statement
    ;

policy: "policy" name { ng_parser_policy(parser, &@name, NULL); } body
    | "policy" name "extends" name { ng_parser_policy(parser, &@2, &@4); } body
    ;

/* Of a policy. */
name: WORD | NUMBERS | STRING
    ;

body: '{' statements '}' { ng_parser_policy_end(parser); }
    ;

statements: %empty
    | statements statement
    ;

statement: setting WORD { ng_parser_setting(parser, &@setting, &@WORD); }
    | "owner" STRING { ng_parser_owner(parser, &@1, &@STRING); }
    | "include" STRING { ng_parser_include(parser, &@STRING); }
    | verdict destinations options { ng_parser_rule_end(parser); }
    | "depends" { ng_parser_rule(parser, NG_VERDICT_NONE); } destinations "on" { ng_parser_on(parser); } destinations
      options { ng_parser_rule_end(parser); }
    | group
    | error
    ;

setting: "mode" | "established" | "on-agent-loss"
    ;

verdict: "deny" { ng_parser_rule(parser, NG_VERDICT_DENY); }
    | "allow" { ng_parser_rule(parser, NG_VERDICT_ALLOW); }
    ;

destinations: destination
    | destinations ',' destination
    ;

destination: WORD restrictions { ng_parser_destination(parser, &@WORD, false); }
    | STRING restrictions { ng_parser_destination(parser, &@STRING, true); }
    ;

restrictions: %empty
    | restrictions "port" { ng_parser_ports_begin(parser, &@2); } ports
    | restrictions "proto" WORD { ng_parser_proto(parser, &@WORD); }
    ;

ports: NUMBERS { ng_parser_ports(parser, &@NUMBERS); }
    | ports PORT_COMMA NUMBERS { ng_parser_ports(parser, &@NUMBERS); }
    ;

options: %empty
    | '{' { ng_parser_options(parser); } option_list '}'
    ;

option_list: %empty
    | option_list option
    ;

option: text STRING { ng_parser_text(parser, &@text, &@STRING); }
    | choice WORD { ng_parser_choice(parser, &@choice, &@WORD); }
    | "shared" sharing { ng_parser_choice(parser, &@1, &@sharing); }
    | "until" date { ng_parser_until(parser, &@1, &@date); }
    | error
    ;

text: "reason" | "instead" | "owner"
    ;

/* What is no date is told so, whatever it looks like. */
date: WORD | NUMBERS | STRING
    ;

choice: "respond" | "answer"
    ;

sharing: "allow" | "deny"
    ;

group: "group" WORD { ng_parser_group(parser, &@WORD); } '{' members '}' { ng_parser_group_end(parser); }
    ;

members: %empty
    | members destination
    | members ','
    | members error
    ;

test: "test" name { ng_parser_test(parser, &@name); } '{' expects '}' { ng_parser_test_end(parser); }
    ;

expects: %empty
    | expects "expect" expected
    | expects error
    ;

expected: "deny" WORD { ng_parser_expect(parser, NG_VERDICT_DENY, &@WORD, false); }
    | "deny" STRING { ng_parser_expect(parser, NG_VERDICT_DENY, &@STRING, true); }
    | "allow" WORD { ng_parser_expect(parser, NG_VERDICT_ALLOW, &@WORD, false); }
    | "allow" STRING { ng_parser_expect(parser, NG_VERDICT_ALLOW, &@STRING, true); }
    ;

%%

static const char *describe(yysymbol_kind_t symbol)
{
    switch (symbol) {
    case YYSYMBOL_WORD:
        return "a name";
    case YYSYMBOL_STRING:
        return "a text in double quotes";
    case YYSYMBOL_NUMBERS:
        return "a port";
    case YYSYMBOL_YYEOF:
        return "the end of the file";
    case YYSYMBOL_PORT_COMMA:
        return "','";
    default:
        return yysymbol_name(symbol);
    }
}

/* Lists what could stand here, if that is not nearly everything; keywords also as words for ng_nearest(). */
enum { LISTED_MAX = 8 };

static void list(const yysymbol_kind_t *expected, int count, char *text, size_t size, const char **words)
{
    size_t used = 0;

    bool names = false;

    for (int i = 0; i < count; i++)
        names |= expected[i] == YYSYMBOL_NUMBERS;
    if (names && count == 3) { /* with WORD and STRING */
        *words = NULL;
        (void)snprintf(text, size, "a name");
        return;
    }
    for (int i = 0; i < count && used < size; i++) {
        const char *what = describe(expected[i]);
        bool keyword = what[0] >= 'a' && what[0] <= 'z' && !strchr(what, ' ');

        if (keyword)
            *words++ = what;
        used += (size_t)snprintf(text + used, size - used, keyword ? "%s'%s'" : "%s%s",
                                 i == 0 ? "" : i == count - 1 ? " or " : ", ", what);
    }
    *words = NULL;
    if (count > LISTED_MAX)
        (void)snprintf(text, size, "a statement");
}

/* What is often written, and what was meant. */
static const char *often_meant(yysymbol_kind_t token, const yysymbol_kind_t *expected, int count, const char *at,
                               size_t length)
{
    static const struct {
        const char *word, *meant;
    } words[] = {{"block", "deny"}, {"forbid", "deny"}, {"reject", "deny"}, {"drop", "deny"}, {"refuse", "deny"},
                 {"permit", "allow"}, {"accept", "allow"}};
    bool options = false, expects = false, numbers = count == 1, destinations = false;

    for (int i = 0; i < count; i++) {
        options |= expected[i] == YYSYMBOL_REASON;
        expects |= expected[i] == YYSYMBOL_EXPECT;
        numbers &= expected[i] == YYSYMBOL_NUMBERS;
        destinations |= strcmp(yysymbol_name(expected[i]), "','") == 0;
    }
    switch (token) {
    case YYSYMBOL_UNTIL:
    case YYSYMBOL_REASON:
    case YYSYMBOL_INSTEAD:
    case YYSYMBOL_RESPOND:
    case YYSYMBOL_ANSWER:
    case YYSYMBOL_SHARED:
        return "what belongs to a rule stands in braces: deny NAME { reason \"...\" }";
    case YYSYMBOL_DENY:
    case YYSYMBOL_ALLOW:
        return expects ? "write: expect deny NAME:PORT" : NULL;
    case YYSYMBOL_PORT:
        return expects ? "a port belongs to the name here: NAME:443" : NULL;
    case YYSYMBOL_WORD:
        if (length > 2 && memcmp(at, "\xef\xbb\xbf", 3) == 0)
            return "the file begins with a byte order mark: save it as UTF-8 without one";
        if (numbers)
            return "ports are numbers: http is 80, https 443, ssh 22";
        for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
            if (strlen(words[i].word) == length && memcmp(words[i].word, at, length) == 0)
                return *words[i].meant == 'd' ? "did you mean 'deny'?" : "did you mean 'allow'?";
        return destinations && memchr(at, '.', length) ? "several destinations are separated by ','" : NULL;
    default:
        return options && *at == ',' ? "leave it out: options need no mark between them" : NULL;
    }
}

static int yyreport_syntax_error(const yypcontext_t *context, void *scanner, struct ng_parser *parser)
{
    enum { EXPECTED_MAX = 32 };
    const struct ng_location *location = yypcontext_location(context);
    yysymbol_kind_t token = yypcontext_token(context), expected[EXPECTED_MAX];
    int count = yypcontext_expected_tokens(context, expected, EXPECTED_MAX);
    const char *words[EXPECTED_MAX + 1], *near, *meant;
    const char *at = parser->ast->text + location->offset;
    char wanted[600], remedy[80];
    int shown = location->length > 60 ? 60 : (int)location->length;
    bool quoted = false;

    (void)scanner;
    if (count < 0)
        return count;
    list(expected, count, wanted, sizeof(wanted), words);
    for (int i = 0; i < count; i++)
        quoted |= expected[i] == YYSYMBOL_STRING;
    near = token == YYSYMBOL_WORD ? ng_nearest(at, location->length, words) : NULL;
    meant = often_meant(token, expected, count, at, location->length);
    *remedy = '\0';
    if (near)
        (void)snprintf(remedy, sizeof(remedy), "did you mean '%s'?", near);
    else if (quoted && shown > 0 && strchr("abcdefghijklmnopqrstuvwxyz", *at))
        (void)snprintf(remedy, sizeof(remedy), "in quotes it would be one: \"%.*s\"", shown, at);
    if (token == YYSYMBOL_YYEOF)
        ng_parser_error(parser, location, NULL, "the file ends here, expected %s", wanted);
    else
        ng_parser_error(parser, location, *remedy ? remedy : meant, "unexpected '%.*s', expected %s", shown, at,
                        wanted);
    return 0;
}

/* Only "memory exhausted" comes here: a text nested or recovering beyond the parser's stack. */
static void ng_parse_error(struct ng_location *location, void *scanner, struct ng_parser *parser, const char *text)
{
    (void)scanner;
    ng_parser_error(parser, location, NULL, "%s", text);
}
