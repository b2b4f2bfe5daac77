// SPDX-License-Identifier: BSD-2-Clause
#include "client.h"
#include "commands.h"
#include "format.h"
#include "table.h"

#include <string.h>

static const char usage[] =
    "Usage: namegate names [OPTION]... [NAME]\n"
    "Shows the names that were resolved, or one of them: its aliases, its addresses, for how long the gate knows\n"
    "them, what each policy says, and which running deployments asked.\n";

static void put_heading(const char *text)
{
    (void)printf("    %-10s ", text);
}

static void put_expiry(long long seconds)
{
    put_heading("expires");
    if (seconds < 0)
        (void)fputs("over, since ", stdout);
    else
        (void)fputs("in ", stdout);
    ng_cli_format_duration(stdout, seconds < 0 ? -seconds : seconds);
    (void)fputc('\n', stdout);
}

static void put_verdict(const json_t *verdict)
{
    const char *word = ng_cli_string(verdict, "verdict"), *rule = ng_cli_string(verdict, "rule");

    put_heading("policy");
    ng_cli_put(stdout, ng_cli_string(verdict, "policy"));
    (void)fputs(": ", stdout);
    ng_cli_put_colour(stdout, strcmp(word, "deny") == 0 ? NG_CLI_BAD : NG_CLI_PLAIN, word);
    (void)fputs(*rule ? "  " : "", stdout);
    ng_cli_put(stdout, rule);
    (void)fputc('\n', stdout);
}

static void put_name(const json_t *name)
{
    const json_t *chain = json_object_get(name, "chain"), *askers = json_object_get(name, "asked_by"), *verdict;
    size_t i;

    ng_cli_put(stdout, ng_cli_string(name, "name"));
    for (i = 1; i < json_array_size(chain); i++) {
        (void)fputs(" -> ", stdout);
        ng_cli_put(stdout, json_string_value(json_array_get(chain, i)));
    }
    (void)fputc('\n', stdout);
    put_heading("addresses");
    ng_cli_format_list(stdout, json_object_get(name, "addresses"));
    (void)fputc('\n', stdout);
    put_expiry(ng_cli_integer(name, "expires_in_s"));
    json_array_foreach(json_object_get(name, "verdicts"), i, verdict) put_verdict(verdict);
    if (json_array_size(askers) == 0)
        return;
    put_heading("asked by");
    ng_cli_format_list(stdout, askers);
    (void)fputc('\n', stdout);
}

int ng_cli_names(struct ng_cli *cli, int argc, char **argv)
{
    _cleanup_json_ json_t *request = ng_cli_request("names");
    _cleanup_json_ json_t *answer = NULL;
    const json_t *names, *name;
    int first = 0, status = ng_cli_parse(cli, NULL, usage, false, argc, argv, &first);
    size_t i;

    if (status >= 0)
        return status;
    if (first + 1 < argc)
        return ng_cli_usage(argv[0], "takes one name; this is more:", argv[first + 1]);
    if (request && ng_cli_request_text(request, "name", argv[first]) < 0)
        return NG_CLI_FAILED;
    status = ng_cli_ask(cli->run_dir, TAKE_PTR(request), &answer);
    if (status != NG_CLI_OK)
        return status;
    if (cli->json)
        return ng_cli_print_json(stdout, answer) < 0 ? NG_CLI_FAILED : NG_CLI_OK;
    names = json_object_get(answer, "names");
    if (json_array_size(names) == 0)
        (void)puts(argv[first] ? "that name was not resolved" : "no name was resolved");
    json_array_foreach(names, i, name) put_name(name);
    return NG_CLI_OK;
}
