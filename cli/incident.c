// SPDX-License-Identifier: BSD-2-Clause
#include "client.h"
#include "commands.h"
#include "format.h"
#include "table.h"

#include <namegate/clock.h>

#include <string.h>

static const char usage[] =
    "Usage: namegate incident [OPTION]... on|off|status\n"
    "In an incident every deployment, also one that is only audited, is strict from the next packet on: what its\n"
    "policy does not allow is out of reach. It outlives restarts of the daemon and of the host.\n\n"
    "  -t, --tag TAG        only deployments with this tag, those to come too\n"
    "  -r, --reason TEXT    why, for the record\n"
    "  -f, --for TIME       it ends by itself after so long: a number with s, m, h or d\n\n"
    "on and off are for root. Each change is put on record with who made it.\n";

static void put_incident(const json_t *incident)
{
    const char *tag = ng_cli_string(incident, "tag"), *until = ng_cli_string(incident, "until");
    const char *reason = ng_cli_string(incident, "reason");

    (void)fputs(*tag ? "deployments with the tag " : "every deployment", stdout);
    ng_cli_put(stdout, tag);
    (void)fputs(*tag ? " are strict since " : " is strict since ", stdout);
    ng_cli_put(stdout, ng_cli_string(incident, "since"));
    if (*until) {
        (void)fputs(", until ", stdout);
        ng_cli_put(stdout, until);
    }
    if (*reason) {
        (void)fputs(": ", stdout);
        ng_cli_put(stdout, reason);
    }
    (void)fputc('\n', stdout);
}

static void put_answer(const char *action, const json_t *answer)
{
    const json_t *incidents = json_object_get(answer, "incidents"), *incident;
    size_t i;

    if (strcmp(action, "status") != 0)
        (void)printf("incident %s: in force %lld us after the daemon was asked\n", action,
                     ng_cli_integer(answer, "in_force_us"));
    if (json_object_get(answer, "warning")) {
        (void)fputs("namegate incident: warning: ", stderr);
        ng_cli_put(stderr, ng_cli_string(answer, "warning"));
        (void)fputc('\n', stderr);
    }
    if (json_array_size(incidents) == 0)
        (void)puts("no incident");
    json_array_foreach(incidents, i, incident) put_incident(incident);
}

int ng_cli_incident(struct ng_cli *cli, int argc, char **argv)
{
    const char *tag = NULL, *reason = NULL, *lasting = NULL, *action;
    const struct ng_cli_option options[] = {
        {"tag", 't', &tag, NULL}, {"reason", 'r', &reason, NULL}, {"for", 'f', &lasting, NULL}, {NULL, 0, NULL, NULL}};
    _cleanup_json_ json_t *request = ng_cli_request("incident");
    _cleanup_json_ json_t *answer = NULL;
    int first = 0, status = ng_cli_parse(cli, options, usage, false, argc, argv, &first);
    uint64_t seconds = 0;

    if (status >= 0)
        return status;
    action = first < argc ? argv[first] : NULL;
    if (!action || first + 1 < argc)
        return ng_cli_usage(argv[0], "one of on, off and status is expected", NULL);
    if (strcmp(action, "on") != 0 && strcmp(action, "off") != 0 && strcmp(action, "status") != 0)
        return ng_cli_usage(argv[0], "one of on, off and status is expected, not", action);
    if (lasting && (ng_seconds_parse(lasting, &seconds) < 0 || seconds == 0))
        return ng_cli_usage(argv[0], "a time is a number with s, m, h or d, as in 2h, not", lasting);
    if ((reason || lasting) && strcmp(action, "on") != 0)
        return ng_cli_usage(argv[0], "--reason and --for belong to 'on', not to", action);
    if (!request || ng_cli_request_text(request, "action", action) < 0 ||
        ng_cli_request_text(request, "tag", tag) < 0 || ng_cli_request_text(request, "reason", reason) < 0)
        return NG_CLI_FAILED;
    if (lasting)
        (void)json_object_set_new(request, "seconds", json_integer((json_int_t)seconds));
    status = ng_cli_ask(cli->run_dir, TAKE_PTR(request), &answer);
    if (status != NG_CLI_OK)
        return status;
    if (cli->json)
        return ng_cli_print_json(stdout, answer) < 0 ? NG_CLI_FAILED : NG_CLI_OK;
    put_answer(action, answer);
    return NG_CLI_OK;
}
