// SPDX-License-Identifier: BSD-2-Clause
#include "client.h"
#include "commands.h"
#include "format.h"
#include "request.h"
#include "table.h"

#include <stdint.h>

static const char attach_usage[] =
    "Usage: namegate attach --tag TAG [OPTION]... --cgroup PATH | --pid PID | --unit UNIT\n"
    "Makes a deployment of what runs already. What it is connected to and must not be is cut. Prints the id.\n\n"
    "  --tag NAME           what the deployment is called\n"
    "  --policy NAME|FILE, --mode MODE   as with `run`\n"
    "  --cgroup PATH        all processes in a cgroup, now and later, as of a container; until the cgroup is removed\n"
    "  --pid PID            a process and all that it has started, which move into a cgroup inside of theirs; until\n"
    "                       the last of them ends. Of daemons, whose parents have ended, those in a session or\n"
    "                       process group that one of these leads; of others that may be meant it warns\n"
    "  --unit UNIT          the cgroup of a unit of systemd; a unit that is started anew is no deployment any more\n\n"
    "For root.\n";

static const char detach_usage[] =
    "Usage: namegate detach DEPLOYMENT\n"
    "Ends a deployment that was attached: its processes run on, as they were before.\n"
    "For root outside of deployments.\n";

static int add_target(json_t *request, const char *cgroup, const char *pid, const char *unit)
{
    size_t number = 0;

    if (pid && (ng_cli_number(pid, INT32_MAX, &number) < 0 || number == 0))
        return ng_cli_usage("namegate attach", "this is no process id:", pid);
    if ((pid && json_object_set_new(request, "pid", json_integer((json_int_t)number)) < 0) ||
        ng_cli_request_text(request, "cgroup", cgroup) < 0 || ng_cli_request_text(request, "unit", unit) < 0)
        return NG_CLI_FAILED;
    return NG_CLI_OK;
}

static void warn_of_left(const json_t *left)
{
    const json_t *process;
    size_t i;

    json_array_foreach(left, i, process)
    {
        (void)fputs(i ? ", " : "namegate attach: warning: not attached, and perhaps started by it: ", stderr);
        (void)fprintf(stderr, "%lld (", ng_cli_integer(process, "pid"));
        ng_cli_put(stderr, ng_cli_string(process, "comm"));
        (void)fputc(')', stderr);
    }
    if (i)
        (void)fputs("\n  their parents have ended; attach each with --pid, or all with --cgroup\n", stderr);
}

static int ask(struct ng_cli *cli, json_t *request)
{
    _cleanup_json_ json_t *answer = NULL;
    int status = ng_cli_ask(cli->run_dir, request, &answer);

    if (status != NG_CLI_OK)
        return status;
    if (cli->json)
        return ng_cli_print_json(stdout, answer) < 0 ? NG_CLI_FAILED : NG_CLI_OK;
    warn_of_left(json_object_get(answer, "left"));
    ng_cli_put(stdout, ng_cli_string(answer, "deployment"));
    (void)fputc('\n', stdout);
    return NG_CLI_OK;
}

int ng_cli_attach(struct ng_cli *cli, int argc, char **argv)
{
    const char *tag = NULL, *policy = NULL, *mode = NULL, *cgroup = NULL, *pid = NULL, *unit = NULL;
    const struct ng_cli_option own[] = {{"tag", 't', &tag, NULL},       {"policy", 0, &policy, NULL},
                                        {"mode", 0, &mode, NULL},       {"cgroup", 0, &cgroup, NULL},
                                        {"pid", 'p', &pid, NULL},       {"unit", 'u', &unit, NULL},
                                        {NULL, 0, NULL, NULL}};
    _cleanup_json_ json_t *request = NULL;
    int first = 0, status = ng_cli_parse(cli, own, attach_usage, false, argc, argv, &first);

    if (status >= 0)
        return status;
    if (first < argc)
        return ng_cli_usage(argv[0], "takes no argument:", argv[first]);
    if (!tag)
        return ng_cli_usage(argv[0], "--tag is missing", NULL);
    if ((cgroup != NULL) + (pid != NULL) + (unit != NULL) != 1)
        return ng_cli_usage(argv[0], "one of --cgroup, --pid and --unit is needed", NULL);
    if (ng_cli_run_request("attach", tag, policy, mode, NULL, &request) < 0)
        return NG_CLI_FAILED;
    status = add_target(request, cgroup, pid, unit);
    return status == NG_CLI_OK ? ask(cli, TAKE_PTR(request)) : status;
}

int ng_cli_detach(struct ng_cli *cli, int argc, char **argv)
{
    _cleanup_json_ json_t *request = ng_cli_request("detach");
    int first = 0, status = ng_cli_parse(cli, NULL, detach_usage, false, argc, argv, &first);

    if (status >= 0)
        return status;
    if (first + 1 != argc)
        return ng_cli_usage(argv[0], "one DEPLOYMENT is needed; namegate list shows them", NULL);
    if (!request || ng_cli_request_text(request, "deployment", argv[first]) < 0)
        return NG_CLI_FAILED;
    return ask(cli, TAKE_PTR(request));
}
