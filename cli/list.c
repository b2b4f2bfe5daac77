// SPDX-License-Identifier: BSD-2-Clause
#include "client.h"
#include "commands.h"
#include "table.h"

static const char usage[] = "Usage: namegate list [OPTION]...\n"
                            "Lists the deployments that run now: all of them for root, one's own otherwise.\n";

static const char *const heads[] = {"DEPLOYMENT", "POLICY", "MODE",   "UID",  "STARTED",
                                    "PROCESSES",  "DENIED", "WOULD", "PROBES"};

static int print_table(const json_t *deployments)
{
    static const char *const texts[] = {"deployment", "policy", "mode"};
    static const char *const numbers[] = {"processes", "denied", "would", "probes"};
    struct ng_cli_table *table = ng_cli_table_new(heads, sizeof(heads) / sizeof(heads[0]));
    const json_t *deployment;
    size_t i;
    int r;

    if (!table)
        return -ENOMEM;
    json_array_foreach(deployments, i, deployment)
    {
        for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++)
            ng_cli_table_add(table, ng_cli_string(deployment, texts[k]));
        ng_cli_table_add_number(table, ng_cli_integer(deployment, "uid"));
        ng_cli_table_add(table, ng_cli_string(deployment, "started"));
        for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]); k++)
            ng_cli_table_add_number(table, ng_cli_integer(deployment, numbers[k]));
    }
    r = ng_cli_table_print(table, stdout);
    ng_cli_table_free(table);
    return r;
}

int ng_cli_list(struct ng_cli *cli, int argc, char **argv)
{
    _cleanup_json_ json_t *answer = NULL;
    const json_t *deployments;
    int first = 0, status = ng_cli_parse(cli, NULL, usage, false, argc, argv, &first);

    if (status >= 0)
        return status;
    if (first < argc)
        return ng_cli_usage(argv[0], "takes no argument:", argv[first]);
    status = ng_cli_ask(cli->run_dir, ng_cli_request("list"), &answer);
    if (status != NG_CLI_OK)
        return status;
    if (cli->json)
        return ng_cli_print_json(stdout, answer) < 0 ? NG_CLI_FAILED : NG_CLI_OK;
    deployments = json_object_get(answer, "deployments");
    if (json_array_size(deployments) == 0) {
        (void)puts("no deployment runs");
        return NG_CLI_OK;
    }
    return print_table(deployments) < 0 ? NG_CLI_FAILED : NG_CLI_OK;
}
