// SPDX-License-Identifier: BSD-2-Clause
/* `policy shadow`: policies that the daemon judges by, and does not enforce. */
#include "policy.h"

#include "client.h"
#include "request.h"
#include "table.h"

#include <string.h>
#include <sys/stat.h>

static const char usage[] =
    "Usage: namegate policy shadow [--tag TAG] FILE|DIR\n"
    "       namegate policy shadow [--off]\n"
    "Has the daemon judge what deployments do by other policies, beside those in force, and record where they come\n"
    "to another verdict: `namegate events --shadow`. Nothing is enforced. A FILE has one policy, which all\n"
    "deployments are judged by; of a DIR each is judged by the policy of the name that its own has. They stay as they\n"
    "are read now, also when the daemon reloads or restarts, until others are set or --off ends it. Without a word:\n"
    "what is set. For root.\n\n"
    "  -t, --tag TAG   only deployments with this tag\n"
    "  --off           no shadow any more\n";

/* A file goes as text, for the daemon may not see it; a directory is for the daemon to read. */
static int add_path(json_t *request, const char *path)
{
    _cleanup_free_ char *real = realpath(path, NULL);
    bool directory = ng_cli_is_directory(path);
    struct stat st;
    int r = 0;

    if (!directory)
        r = ng_cli_request_policy(request, "text", path);
    if (r == 0 && real && (directory || (stat(real, &st) == 0 && S_ISREG(st.st_mode))))
        path = real;
    return r < 0 ? r : ng_cli_request_text(request, "path", path);
}

static json_t *make_request(const char *action, const char *path, const char *tag)
{
    _cleanup_json_ json_t *request = ng_cli_request("shadow");

    if (!request || ng_cli_request_text(request, "action", action) < 0 || ng_cli_request_text(request, "tag", tag) < 0)
        return NULL;
    return !path || add_path(request, path) == 0 ? TAKE_PTR(request) : NULL;
}

static void print_status(const json_t *shadow)
{
    const char *tag = ng_cli_string(shadow, "tag");

    if (!json_is_object(shadow)) {
        (void)puts("no shadow policy");
        return;
    }
    ng_cli_put(stdout, ng_cli_string(shadow, "path"));
    (void)fputs(*tag ? ", for tag " : "", stdout);
    ng_cli_put(stdout, tag);
    (void)printf(", since %s: %lld differences since the daemon started\n", ng_cli_string(shadow, "since"),
                 ng_cli_integer(shadow, "differences"));
}

int ng_cli_policy_shadow(struct ng_cli *cli, int argc, char **argv)
{
    const char *tag = NULL, *action = "status";
    bool off = false;
    const struct ng_cli_option own[] = {{"tag", 't', &tag, NULL}, {"off", 0, NULL, &off}, {0}};
    _cleanup_json_ json_t *answer = NULL, *request = NULL;
    int first = 0, status = ng_cli_parse(cli, own, usage, false, argc, argv, &first);

    if (status >= 0)
        return status;
    if (first + !off < argc)
        return ng_cli_usage(argv[0], off ? "--off takes no argument:" : "takes one file or directory; this is more:",
                            argv[argc - 1]);
    if (tag && first == argc)
        return ng_cli_usage(argv[0], "--tag belongs to a file or directory", NULL);
    if (off || first < argc)
        action = off ? "off" : "on";
    request = make_request(action, argv[first], tag);
    if (!request)
        return NG_CLI_FAILED;
    status = ng_cli_ask(cli->run_dir, TAKE_PTR(request), &answer);
    if (status != NG_CLI_OK)
        return status;
    if (cli->json)
        return ng_cli_print_json(stdout, answer) < 0 ? NG_CLI_FAILED : NG_CLI_OK;
    if (*ng_cli_string(answer, "warnings"))
        ng_cli_put_lines(stderr, ng_cli_string(answer, "warnings"));
    if (strcmp(action, "status") == 0)
        print_status(json_object_get(answer, "shadow"));
    return NG_CLI_OK;
}
