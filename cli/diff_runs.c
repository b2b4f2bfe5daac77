// SPDX-License-Identifier: BSD-2-Clause
#include "client.h"
#include "commands.h"
#include "ledger.h"
#include "runs.h"
#include "table.h"

#include <string.h>

static const char usage[] =
    "Usage: namegate diff-runs [OPTION]... BEFORE AFTER\n"
    "       namegate diff-runs --against last [--tag TAG] [OPTION]... [RUN]\n"
    "What one run depended on (a name, or an address, with port and protocol) and another did not, as the ledger has\n"
    "it. A run is the id of a deployment, as `report` shows it.\n\n"
    "  --against last   compares RUN, or the last run (with that tag), with the one before it of the same tag\n"
    "  -t, --tag TAG    which runs\n"
    "  --fail-on-new    exit status 1 when there is a new dependency\n\n"
    "Exit status: 0 compared; 1 with --fail-on-new: something is new; 2 usage, or there are no two runs.\n";

static int keep(void *arg, const json_t *deployment)
{
    json_t **kept = arg;

    json_decref(*kept);
    *kept = json_incref((json_t *)(uintptr_t)deployment);
    return 0;
}

static int read_run(const struct ng_cli *cli, const char *name, json_t **ret_run)
{
    const struct ng_ledger_query query = {.deployment = name};
    int status = ng_cli_ledger_read(cli, &query, keep, ret_run);

    if (status == NG_CLI_OK && !*ret_run) {
        (void)fputs("namegate: there is no run ", stderr);
        ng_cli_put(stderr, name);
        (void)fputs(" on record\n  namegate report shows those that there are\n", stderr);
        status = NG_CLI_FAILED;
    }
    return status;
}

static int compare(const struct ng_cli *cli, const json_t *before, const json_t *after, bool fail)
{
    _cleanup_json_ json_t *comparison = ng_runs_compare(before, after);

    if (!comparison || (cli->json && ng_cli_print_json(stdout, comparison) < 0)) {
        (void)fputs("namegate: out of memory\n", stderr);
        return NG_CLI_USAGE;
    }
    if (!cli->json)
        ng_runs_put(stdout, comparison);
    return fail && json_array_size(json_object_get(comparison, "new")) ? NG_CLI_FAILED : NG_CLI_OK;
}

int ng_cli_diff_runs(struct ng_cli *cli, int argc, char **argv)
{
    const char *against = NULL, *tag = NULL;
    bool fail = false;
    const struct ng_cli_option own[] = {
        {"against", 0, &against, NULL}, {"tag", 't', &tag, NULL}, {"fail-on-new", 0, NULL, &fail}, {0}};
    _cleanup_json_ json_t *before = NULL, *after = NULL;
    int first = 0, status = ng_cli_parse(cli, own, usage, false, argc, argv, &first), words;

    if (status >= 0)
        return status;
    words = argc - first;
    if (against && strcmp(against, "last") != 0)
        return ng_cli_usage(argv[0], "--against is 'last', not", against);
    if (!against && words != 2)
        return ng_cli_usage(argv[0], "two runs are expected, or --against last", NULL);
    if (!against && tag)
        return ng_cli_usage(argv[0], "--tag belongs to --against last", NULL);
    if (against && words > 1)
        return ng_cli_usage(argv[0], "--against last takes one run; this is more:", argv[first + 1]);
    if (against) {
        status = ng_runs_last(cli, words ? argv[first] : NULL, tag, &before, &after);
    } else {
        status = read_run(cli, argv[first], &before);
        if (status == NG_CLI_OK)
            status = read_run(cli, argv[first + 1], &after);
    }
    return status == NG_CLI_OK ? compare(cli, before, after, fail) : NG_CLI_USAGE;
}
