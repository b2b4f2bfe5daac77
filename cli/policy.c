// SPDX-License-Identifier: BSD-2-Clause
/* The commands below `policy`. All but reload and shadow need no daemon: they compile as it would. */
#include "policy.h"

#include "../policy/nearest.h"
#include "client.h"
#include "commands.h"
#include "table.h"

#include <string.h>
#include <sys/stat.h>

struct command {
    const char *name;
    int (*run)(struct ng_cli *cli, int argc, char **argv);
};

static int reload(struct ng_cli *cli, int argc, char **argv);

static const struct command commands[] = {
    {"check", ng_cli_policy_check}, {"explain", ng_cli_policy_explain}, {"test", ng_cli_policy_test},
    {"diff", ng_cli_policy_diff},   {"fmt", ng_cli_policy_fmt},         {"reload", reload},
    {"shadow", ng_cli_policy_shadow},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const char usage[] =
    "Usage: namegate policy COMMAND [ARGUMENT]...\n"
    "What policies say, see namegate.policy(5). Commands, each with its own --help:\n"
    "  check     whether policies are right, and what in them is hardly meant\n"
    "  explain   the verdict on a destination, and the rules that led to it\n"
    "  test      run the tests that stand in policies\n"
    "  diff      what becomes denied or allowed from one version to another\n"
    "  fmt       lay policies out in the canonical way\n"
    "  reload    have the daemon read its policies again, all or nothing\n"
    "  shadow    have the daemon judge by other policies, too, and only record where they differ\n";

static const char reload_usage[] =
    "Usage: namegate policy reload [OPTION]...\n"
    "Has the daemon read its policies again, all or nothing, and says what has changed.\n\n"
    "  -q, --quiet   do not say what has changed\n";

const char *ng_cli_policies(const struct ng_cli *cli)
{
    return cli->policies ? cli->policies : NG_SYSCONFDIR "/namegate/policies";
}

bool ng_cli_is_directory(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

void ng_cli_set_release(struct ng_cli_set *set)
{
    ng_snapshot_free(set->snapshot);
    ng_set_free(set->set);
}

int ng_cli_set_load(const char *path, const struct ng_source *extra, struct ng_diag *diag, struct ng_cli_set *ret_set)
{
    struct ng_source sources[2] = {{.path = path, .stream = true}, {0}};
    struct ng_cli_set loaded = {0};
    _cleanup_fd_ int fd = -1;
    size_t more = extra ? 1 : 0;
    int r;

    if (extra)
        sources[1] = *extra;
    if (!path)
        r = ng_set_load(extra, 1, diag, &loaded.set);
    else if (ng_cli_is_directory(path))
        r = ng_set_load_dir(path, extra, more, diag, &loaded.set);
    else
        r = ng_set_load(sources, 1 + more, diag, &loaded.set);
    if (r == 0)
        r = ng_set_compile(loaded.set, diag, &fd);
    if (r == 0)
        r = ng_snapshot_open(fd, &loaded.snapshot);
    if (r < 0) {
        ng_cli_set_release(&loaded);
        return r;
    }
    *ret_set = loaded;
    return 0;
}

void ng_cli_put_diag(const struct ng_diag *diag)
{
    _cleanup_free_ char *text = ng_diag_text(diag);

    (void)fputs(text ? text : "namegate: out of memory\n", stderr); /* escaped already, and with lines of its own */
}

json_t *ng_cli_diag_json(const struct ng_diag *diag)
{
    json_t *list = json_array();

    for (size_t i = 0; i < ng_diag_count(diag); i++) {
        struct ng_diag_message it = ng_diag_get(diag, i);

        (void)json_array_append_new(
            list, json_pack("{s:s, s:o, s:I, s:I, s:o, s:o}", "severity",
                            it.severity == NG_ERROR ? "error" : "warning", "file", ng_cli_text(it.file ? it.file : ""),
                            "line", (json_int_t)it.line, "column", (json_int_t)it.column, "text",
                            ng_cli_text(it.text ? it.text : ""), "remedy", ng_cli_text(it.remedy ? it.remedy : "")));
    }
    return list;
}

json_t *ng_cli_rule_json(const struct ng_rule_info *rule)
{
    return json_pack("{s:o, s:I, s:s, s:o, s:s, s:o, s:o, s:o, s:o}", "file", ng_cli_text(rule->file), "line",
                     (json_int_t)rule->line, "verdict", rule->verdict == NG_VERDICT_DENY ? "deny" : "allow", "pattern",
                     ng_cli_text(rule->pattern), "group", rule->group, "depends", ng_cli_text(rule->path), "reason",
                     ng_cli_text(rule->reason), "instead", ng_cli_text(rule->instead), "owner",
                     ng_cli_text(rule->owner));
}

static int reload(struct ng_cli *cli, int argc, char **argv)
{
    bool quiet = false;
    const struct ng_cli_option own[] = {{"quiet", 'q', NULL, &quiet}, {0}};
    _cleanup_json_ json_t *answer = NULL;
    int first = 0, status = ng_cli_parse(cli, own, reload_usage, false, argc, argv, &first);

    if (status >= 0)
        return status;
    if (first < argc)
        return ng_cli_usage(argv[0], "no argument is expected:", argv[first]);
    status = ng_cli_ask(cli->run_dir, ng_cli_request("reload"), &answer);
    if (status != NG_CLI_OK)
        return status;
    if (cli->json)
        return ng_cli_print_json(stdout, answer) < 0 ? NG_CLI_FAILED : NG_CLI_OK;
    ng_cli_put_lines(stderr, ng_cli_string(answer, "warnings"));
    if (json_is_false(json_object_get(answer, "resolved")))
        (void)fputs("namegate policy reload: warning: not all denied names could be resolved in time; what is not "
                    "known yet is denied once it is\n",
                    stderr);
    if (!quiet && *ng_cli_string(answer, "changes"))
        ng_cli_put_lines(stdout, ng_cli_string(answer, "changes"));
    return NG_CLI_OK;
}

static int unknown(const char *speaker, const char *name)
{
    const char *names[COMMANDS + 1] = {0};
    const char *near;

    for (size_t i = 0; i < COMMANDS; i++)
        names[i] = commands[i].name;
    near = ng_nearest(name, strlen(name), names);
    (void)ng_cli_usage(speaker, "there is no command", name);
    if (near)
        (void)fprintf(stderr, "Did you mean: %s %s\n", speaker, near);
    return NG_CLI_USAGE;
}

int ng_cli_policy(struct ng_cli *cli, int argc, char **argv)
{
    _cleanup_free_ char *speaker = NULL;
    int first = 0, status = ng_cli_parse(cli, NULL, usage, true, argc, argv, &first);

    if (status >= 0)
        return status;
    if (first == argc)
        return ng_cli_usage(argv[0], "a command is missing", NULL);
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[first], commands[i].name) != 0)
            continue;
        if (asprintf(&speaker, "namegate policy %s", argv[first]) < 0)
            return NG_CLI_FAILED;
        argv[first] = speaker;
        return commands[i].run(cli, argc - first, argv + first);
    }
    return unknown(argv[0], argv[first]);
}
