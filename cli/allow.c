// SPDX-License-Identifier: BSD-2-Clause
#include "client.h"
#include "commands.h"
#include "format.h"
#include "table.h"

#include <namegate/clock.h>

static const char usage[] =
    "Usage: namegate allow --tag TAG --for TIME --reason TEXT NAME\n"
    "       namegate allow --tag TAG --end NAME\n"
    "       namegate allow\n"
    "Breaks the glass: for a while the deployments with this tag, those to come too, may reach what NAME leads to,\n"
    "whatever their policy or an incident says. Others may not. Without NAME: shows what is granted now.\n\n"
    "  -t, --tag TAG        which deployments\n"
    "  -f, --for TIME       for so long: a number with s, m, h or d; a day at most\n"
    "  -r, --reason TEXT    why, for the record\n"
    "      --end            not any more\n\n"
    "Changes are for root outside of deployments, and are put on record with who made them.\n";

static void put_grants(const json_t *grants)
{
    const json_t *grant;
    size_t i;

    if (json_array_size(grants) == 0)
        (void)puts("nothing is granted");
    json_array_foreach(grants, i, grant)
    {
        (void)fputs("deployments with the tag ", stdout);
        ng_cli_put(stdout, ng_cli_string(grant, "tag"));
        (void)fputs(" may reach ", stdout);
        ng_cli_put(stdout, ng_cli_string(grant, "name"));
        (void)fputs(" until ", stdout);
        ng_cli_put(stdout, ng_cli_string(grant, "until"));
        (void)fputs(": ", stdout);
        ng_cli_put(stdout, ng_cli_string(grant, "reason"));
        (void)fputc('\n', stdout);
    }
}

int ng_cli_allow(struct ng_cli *cli, int argc, char **argv)
{
    const char *tag = NULL, *reason = NULL, *lasting = NULL, *name;
    bool end = false;
    const struct ng_cli_option options[] = {{"tag", 't', &tag, NULL},
                                            {"reason", 'r', &reason, NULL},
                                            {"for", 'f', &lasting, NULL},
                                            {"end", 0, NULL, &end},
                                            {NULL, 0, NULL, NULL}};
    _cleanup_json_ json_t *request = ng_cli_request("allow");
    _cleanup_json_ json_t *answer = NULL;
    int first = 0, status = ng_cli_parse(cli, options, usage, false, argc, argv, &first);
    uint64_t seconds = 0;

    if (status >= 0)
        return status;
    name = first < argc ? argv[first] : NULL;
    if (name && first + 1 < argc)
        return ng_cli_usage(argv[0], "one name at a time is allowed; too much is", argv[first + 1]);
    if (!name && (tag || reason || lasting || end))
        return ng_cli_usage(argv[0], "NAME is missing", NULL);
    if (name && !tag)
        return ng_cli_usage(argv[0], "--tag is missing: to which deployments?", NULL);
    if (name && !end && (!lasting || !reason))
        return ng_cli_usage(argv[0], lasting ? "--reason is missing" : "--for is missing", NULL);
    if (end && (lasting || reason))
        return ng_cli_usage(argv[0], "--end goes without --for and --reason", NULL);
    if (lasting && (ng_seconds_parse(lasting, &seconds) < 0 || seconds == 0))
        return ng_cli_usage(argv[0], "a time is a number with s, m, h or d, as in 15m, not", lasting);
    if (!request || ng_cli_request_text(request, "action", !name ? "status" : end ? "off" : "on") < 0 ||
        ng_cli_request_text(request, "tag", tag) < 0 || ng_cli_request_text(request, "name", name) < 0 ||
        ng_cli_request_text(request, "reason", reason) < 0)
        return NG_CLI_FAILED;
    if (lasting)
        (void)json_object_set_new(request, "seconds", json_integer((json_int_t)seconds));
    status = ng_cli_ask(cli->run_dir, TAKE_PTR(request), &answer);
    if (status != NG_CLI_OK)
        return status;
    if (json_object_get(answer, "warning")) {
        (void)fputs("namegate allow: warning: ", stderr);
        ng_cli_put(stderr, ng_cli_string(answer, "warning"));
        (void)fputc('\n', stderr);
    }
    if (cli->json)
        return ng_cli_print_json(stdout, answer) < 0 ? NG_CLI_FAILED : NG_CLI_OK;
    put_grants(json_object_get(answer, "grants"));
    return NG_CLI_OK;
}
