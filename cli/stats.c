// SPDX-License-Identifier: BSD-2-Clause
#include "client.h"
#include "commands.h"
#include "table.h"

#include <stdint.h>

static const char usage[] =
    "Usage: namegate stats [OPTION]...\n"
    "Shows what was denied, what the resolver has done and how long it took, since the daemon started.\n";

static const char *const heads[] = {"STAGE", "COUNT", "P50", "P90", "P99", "MAX"};

static void put_heading(const char *text)
{
    (void)printf("%-13s", text);
}

/* "3 udp, 1 tcp": the integers of an object; those that are 0 only when all are shown. */
static void put_numbers(const json_t *answer, const char *heading, const char *key, bool all)
{
    const char *name;
    const json_t *value;
    bool any = false;

    put_heading(heading);
    /* jansson's iteration has no form for what is const; nothing is changed. */
    json_object_foreach((json_t *)(uintptr_t)json_object_get(answer, key), name, value)
    {
        if (!all && json_integer_value(value) == 0)
            continue;
        (void)printf("%s%lld ", any ? ", " : "", (long long)json_integer_value(value));
        ng_cli_put(stdout, name);
        any = true;
    }
    (void)fputs(any ? "\n" : "none\n", stdout);
}

static void add_time(struct ng_cli_table *table, long long ns)
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    double value = (double)ns;
    unsigned unit = 0;
    char text[32];

    for (; value >= 999.5 && unit < 3; unit++)
        value /= 1000;
    (void)snprintf(text, sizeof(text), unit && value < 9.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
    ng_cli_table_add(table, text);
}

static int put_stages(const json_t *stages)
{
    static const char *const times[] = {"p50_ns", "p90_ns", "p99_ns", "max_ns"};
    struct ng_cli_table *table = ng_cli_table_new(heads, sizeof(heads) / sizeof(heads[0]));
    const json_t *stage;
    const char *name;
    int r;

    if (!table)
        return -ENOMEM;
    json_object_foreach((json_t *)(uintptr_t)stages, name, stage)
    {
        ng_cli_table_add(table, name);
        ng_cli_table_add_number(table, ng_cli_integer(stage, "count"));
        for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
            if (ng_cli_integer(stage, "count"))
                add_time(table, ng_cli_integer(stage, times[i]));
            else
                ng_cli_table_add(table, "-");
        }
    }
    r = ng_cli_table_print(table, stdout);
    ng_cli_table_free(table);
    return r;
}

int ng_cli_stats(struct ng_cli *cli, int argc, char **argv)
{
    _cleanup_json_ json_t *answer = NULL;
    int first = 0, status = ng_cli_parse(cli, NULL, usage, false, argc, argv, &first);

    if (status >= 0)
        return status;
    if (first < argc)
        return ng_cli_usage(argv[0], "takes no argument:", argv[first]);
    status = ng_cli_ask(cli->run_dir, ng_cli_request("stats"), &answer);
    if (status != NG_CLI_OK)
        return status;
    if (cli->json)
        return ng_cli_print_json(stdout, answer) < 0 ? NG_CLI_FAILED : NG_CLI_OK;
    put_heading("since");
    ng_cli_put(stdout, ng_cli_string(answer, "since"));
    (void)printf(", %lld resolvers\n", ng_cli_integer(answer, "resolver_starts"));
    put_numbers(answer, "denied", "denied_by_hook", false);
    put_numbers(answer, "would deny", "would_by_hook", false);
    put_numbers(answer, "denied by", "denied_by_evidence", false);
    put_numbers(answer, "would by", "would_by_evidence", false);
    put_numbers(answer, "deployments", "deployments", true);
    put_numbers(answer, "destinations", "destinations", true);
    put_numbers(answer, "queries", "queries", true);
    put_numbers(answer, "answers", "answers", false);
    put_numbers(answer, "cache", "cache", true);
    put_numbers(answer, "upstream", "upstream", true);
    put_numbers(answer, "map", "map", true);
    put_heading("names");
    (void)printf("%lld answers learnt, %lld names tracked, %lld questions pending\n\n",
                 ng_cli_integer(answer, "learnt"), ng_cli_integer(answer, "tracked_names"),
                 ng_cli_integer(answer, "pending"));
    return put_stages(json_object_get(answer, "stages")) < 0 ? NG_CLI_FAILED : NG_CLI_OK;
}
