// SPDX-License-Identifier: BSD-2-Clause
/* `policy check` needs no daemon: it compiles as the daemon would. */
#include "../policy/compile.h"
#include "client.h"
#include "commands.h"
#include "table.h"

#include <string.h>
#include <sys/stat.h>

static const char usage[] =
    "Usage: namegate policy check [OPTION]... [FILE|DIR]...\n"
    "       namegate policy reload [OPTION]...\n"
    "check   compiles the files together, and each directory by itself; without any, the policies directory.\n"
    "        It needs no daemon and is silent when all is well. Exit status: 0 no error, 1 errors.\n"
    "reload  has the daemon read its policies again, all or nothing.\n";

static bool is_directory(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The files among the words, as one set; the messages go to diag, other errors are returned. */
static int check_files(char *const *words, size_t count, struct ng_diag *diag)
{
    _cleanup_free_ struct ng_source *sources = calloc(count + 1, sizeof(*sources));
    _cleanup_fd_ int fd = -1;
    size_t files = 0;

    if (!sources)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        if (!is_directory(words[i]))
            sources[files++].path = words[i];
    return files ? ng_policy_compile(sources, files, diag, &fd) : 0;
}

static int check_directories(char *const *words, size_t count, struct ng_diag *diag)
{
    int worst = 0;

    for (size_t i = 0; i < count; i++) {
        _cleanup_fd_ int fd = -1;
        int r = is_directory(words[i]) ? ng_policy_compile_dir(words[i], NULL, 0, diag, &fd) : 0;

        if (r < 0)
            worst = r;
    }
    return worst;
}

static int report(const struct ng_cli *cli, const struct ng_diag *diag, int r)
{
    _cleanup_free_ char *text = ng_diag_text(diag);
    _cleanup_json_ json_t *json = NULL;
    bool failed = r < 0 || ng_diag_errors(diag) > 0;

    if (!text) {
        (void)fputs("namegate: out of memory\n", stderr);
        return NG_CLI_FAILED;
    }
    if (cli->json) {
        json = json_pack("{s:b, s:I, s:I, s:o}", "ok", !failed, "errors", (json_int_t)ng_diag_errors(diag),
                         "warnings", (json_int_t)ng_diag_warnings(diag), "text", ng_cli_text(text));
        return !json || ng_cli_print_json(stdout, json) < 0 || failed ? NG_CLI_FAILED : NG_CLI_OK;
    }
    (void)fputs(text, stderr); /* escaped already, and with lines of its own */
    if (failed && ng_diag_errors(diag) == 0)
        (void)fprintf(stderr, "namegate: cannot check the policies: %s\n", strerror(-r));
    return failed ? NG_CLI_FAILED : NG_CLI_OK;
}

static int check(const struct ng_cli *cli, char *const *words, size_t count)
{
    _cleanup_fd_ int fd = -1;
    struct ng_diag *diag = ng_diag_new();
    int r, r_directories, status;

    if (!diag)
        return NG_CLI_FAILED;
    if (count == 0) {
        r = ng_policy_compile_dir(cli->policies ? cli->policies : NG_SYSCONFDIR "/namegate/policies", NULL, 0, diag,
                                  &fd);
    } else {
        r = check_files(words, count, diag);
        r_directories = check_directories(words, count, diag);
        if (r == 0)
            r = r_directories;
    }
    status = report(cli, diag, r);
    ng_diag_free(diag);
    return status;
}

static int reload(const struct ng_cli *cli)
{
    _cleanup_json_ json_t *answer = NULL;
    int status = ng_cli_ask(cli->run_dir, ng_cli_request("reload"), &answer);

    if (status != NG_CLI_OK)
        return status;
    if (cli->json)
        return ng_cli_print_json(stdout, answer) < 0 ? NG_CLI_FAILED : NG_CLI_OK;
    ng_cli_put_lines(stderr, ng_cli_string(answer, "warnings"));
    return NG_CLI_OK;
}

int ng_cli_policy(struct ng_cli *cli, int argc, char **argv)
{
    int first = 0, status = ng_cli_parse(cli, NULL, usage, false, argc, argv, &first);

    if (status >= 0)
        return status;
    if (first == argc)
        return ng_cli_usage(argv[0], "check or reload?", NULL);
    if (strcmp(argv[first], "check") == 0)
        return check(cli, argv + first + 1, (size_t)(argc - first - 1));
    if (strcmp(argv[first], "reload") != 0)
        return ng_cli_usage(argv[0], "there is no", argv[first]);
    if (first + 1 < argc)
        return ng_cli_usage(argv[0], "reload takes no argument:", argv[first + 1]);
    return reload(cli);
}
