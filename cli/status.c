// SPDX-License-Identifier: BSD-2-Clause
#include "client.h"
#include "commands.h"
#include "format.h"
#include "table.h"

#include <stdint.h>

static const char usage[] = "Usage: namegate status [OPTION]...\n"
                            "Says whether the gate is in force. Exit status: 0 healthy, 1 not, 3 no daemon runs.\n";

static void put_heading(const char *text)
{
    (void)printf("%-13s", text);
}

static void put_health(const json_t *answer, bool healthy)
{
    (void)fputs("namegate ", stdout);
    ng_cli_put(stdout, ng_cli_string(answer, "version"));
    (void)fputs(": ", stdout);
    ng_cli_put_colour(stdout, healthy ? NG_CLI_GOOD : NG_CLI_BAD, healthy ? "healthy" : "not healthy");
    (void)fputs(" (", stdout);
    ng_cli_put(stdout, ng_cli_string(answer, "instance"));
    (void)printf(" instance, pid %lld, up ", ng_cli_integer(answer, "pid"));
    ng_cli_format_duration(stdout, ng_cli_integer(answer, "uptime_s"));
    (void)fputs(")\n", stdout);
}

static void put_hooks(const json_t *attached, bool yes, const char *heading)
{
    bool any = false;
    const char *hook;
    const json_t *value;

    /* jansson's iteration has no form for what is const; nothing is changed. */
    json_object_foreach((json_t *)(uintptr_t)attached, hook, value)
    {
        if (json_is_true(value) != yes)
            continue;
        if (!any)
            put_heading(heading);
        (void)fputs(any ? ", " : "", stdout);
        ng_cli_put(stdout, hook);
        any = true;
    }
    (void)fputs(any ? "\n" : "", stdout);
}

static void put_resolver(const json_t *answer)
{
    const json_t *resolver = json_object_get(answer, "resolver"), *listen = json_object_get(answer, "listen");

    put_heading("resolver");
    if (json_is_true(json_object_get(resolver, "running")))
        (void)printf("runs, pid %lld", ng_cli_integer(resolver, "pid"));
    else
        ng_cli_put_colour(stdout, NG_CLI_BAD, "does not run");
    (void)printf(", %lld restarts\n", ng_cli_integer(resolver, "restarts"));
    if (json_array_size(listen)) {
        put_heading("listens on");
        ng_cli_format_list(stdout, listen);
        (void)fputc('\n', stdout);
    }
    put_heading("upstreams");
    ng_cli_format_list(stdout, json_object_get(answer, "upstreams"));
    (void)fputc('\n', stdout);
}

static void put_policies(const json_t *answer)
{
    const json_t *policies = json_object_get(answer, "policies"), *policy;
    size_t i;

    put_heading("policies");
    json_array_foreach(policies, i, policy)
    {
        (void)fputs(i ? ", " : "", stdout);
        ng_cli_put(stdout, ng_cli_string(policy, "name"));
        (void)fputs(" (", stdout);
        ng_cli_put(stdout, ng_cli_string(policy, "mode"));
        (void)fputc(')', stdout);
    }
    (void)printf("%s, generation %lld\n", json_array_size(policies) ? "" : "none",
                 ng_cli_integer(answer, "generation"));
}

static void put_counts(const json_t *answer)
{
    const json_t *destinations = json_object_get(answer, "destinations"), *incident;
    const json_t *ledger = json_object_get(answer, "ledger");
    size_t i;

    put_heading("deployments");
    (void)printf("%lld\n", ng_cli_integer(answer, "deployments"));
    put_heading("destinations");
    (void)printf("%lld of %lld\n", ng_cli_integer(destinations, "used"), ng_cli_integer(destinations, "max"));
    put_heading("denied");
    (void)printf("%lld, would be denied %lld, probes among them %lld, records lost %lld\n",
                 ng_cli_integer(answer, "denied"), ng_cli_integer(answer, "would"), ng_cli_integer(answer, "probes"),
                 ng_cli_integer(answer, "lost_events"));
    if (json_is_object(json_object_get(answer, "shadow"))) {
        put_heading("shadow");
        ng_cli_put(stdout, ng_cli_string(json_object_get(answer, "shadow"), "path"));
        (void)fputs(": see namegate policy shadow\n", stdout);
    }
    put_heading("ledger");
    if (json_is_object(ledger))
        (void)printf("%lld rows wait to be written, events lost %lld\n", ng_cli_integer(ledger, "waiting"),
                     ng_cli_integer(ledger, "lost"));
    else
        (void)printf("switched off\n");
    json_array_foreach(json_object_get(answer, "incidents"), i, incident)
    {
        const char *tag = ng_cli_string(incident, "tag");

        put_heading(i ? "" : "incident");
        ng_cli_put_colour(stdout, NG_CLI_WARN, *tag ? tag : "every deployment");
        ng_cli_put_colour(stdout, NG_CLI_WARN, " is strict: see namegate incident status");
        (void)fputc('\n', stdout);
    }
}

static void put_problems(const json_t *problems)
{
    const json_t *problem;
    size_t i;

    json_array_foreach(problems, i, problem)
    {
        put_heading(i ? "" : "problems");
        ng_cli_put_colour(stdout, NG_CLI_BAD, json_string_value(problem));
        (void)fputc('\n', stdout);
    }
}

int ng_cli_status(struct ng_cli *cli, int argc, char **argv)
{
    _cleanup_json_ json_t *answer = NULL;
    bool healthy;
    int first = 0, status = ng_cli_parse(cli, NULL, usage, false, argc, argv, &first);

    if (status >= 0)
        return status;
    if (first < argc)
        return ng_cli_usage(argv[0], "takes no argument:", argv[first]);
    status = ng_cli_ask(cli->run_dir, ng_cli_request("status"), &answer);
    if (status != NG_CLI_OK)
        return status;
    healthy = json_is_true(json_object_get(answer, "healthy"));
    if (cli->json)
        return ng_cli_print_json(stdout, answer) < 0 || !healthy ? NG_CLI_FAILED : NG_CLI_OK;
    put_health(answer, healthy);
    put_hooks(json_object_get(answer, "attached"), true, "attached");
    put_hooks(json_object_get(answer, "attached"), false, "NOT ATTACHED");
    put_resolver(answer);
    put_policies(answer);
    put_counts(answer);
    put_problems(json_object_get(answer, "problems"));
    return healthy ? NG_CLI_OK : NG_CLI_FAILED;
}
