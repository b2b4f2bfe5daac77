// SPDX-License-Identifier: BSD-2-Clause
/* namegate: the table of sub-commands. */
#include "../policy/nearest.h"
#include "commands.h"
#include "words.h"

#include <namegate/cleanup.h>

#include <signal.h>
#include <string.h>

/* What these need (SQLite, libbpf, c-ares and more) takes longer to load than `incident` may take in all. They are
 * linked into a program of their own, TOOLS, which is this one with nothing left out. */
#pragma weak ng_cli_diff_runs
#pragma weak ng_cli_doctor
#pragma weak ng_cli_learn
#pragma weak ng_cli_policy
#pragma weak ng_cli_replay
#pragma weak ng_cli_report

#define TOOLS "namegate-tools"

struct command {
    const char *name;
    int (*run)(struct ng_cli *cli, int argc, char **argv); /* NULL: in TOOLS */
    bool prints; /* to stdout, so that an error there is its error */
    const char *help;
};

static const struct command commands[] = {
    {"run", ng_cli_run, false, "run a command as a deployment: gated, with all that it starts"},
    {"attach", ng_cli_attach, true, "make a deployment of what runs already: a cgroup, a process, a unit"},
    {"detach", ng_cli_detach, true, "end what was attached"},
    {"status", ng_cli_status, true, "whether the gate is in force, and in what state"},
    {"stats", ng_cli_stats, true, "what was denied, what the resolver has done, and how long it took"},
    {"list", ng_cli_list, true, "the deployments that run now"},
    {"events", ng_cli_events, true, "what was denied, to whom, by which rule"},
    {"report", ng_cli_report, true, "what a deployment was denied, by whose doing, and what it depends on"},
    {"names", ng_cli_names, true, "the names that were resolved, and what the policies say of them"},
    {"learn", ng_cli_learn, true, "write the policy that allows exactly what deployments did"},
    {"replay", ng_cli_replay, true, "what a policy would have denied in recorded deployments"},
    {"diff-runs", ng_cli_diff_runs, true, "what one run depended on and another did not"},
    {"incident", ng_cli_incident, true, "make every deployment strict from the next packet on, or end that"},
    {"allow", ng_cli_allow, true, "break the glass: let deployments with a tag reach a name for a while"},
    {"doctor", ng_cli_doctor, true, "what this host can do for the gate, and what stays out of its reach"},
    {"policy", ng_cli_policy, true, "check, explain, test, diff, fmt; reload and shadow, by which the daemon judges"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* The head of the help, of which the common options are the tail. NULL: out of memory. */
static char *help(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return NULL;
    (void)fputs("Usage: namegate [OPTION]... COMMAND [ARGUMENT]...\n"
                "Forbids names to deployments. See namegate(1).\n\nCommands, each with its own --help:\n",
                out);
    for (size_t i = 0; i < COMMANDS; i++)
        (void)fprintf(out, "  %-18s %s\n", commands[i].name, commands[i].help);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static int unknown(const char *name)
{
    const char *names[COMMANDS + 1] = {0};
    const char *near;

    for (size_t i = 0; i < COMMANDS; i++)
        names[i] = commands[i].name;
    near = ng_nearest(name, strlen(name), names);
    (void)ng_cli_usage("namegate", "there is no command", name);
    if (near)
        (void)fprintf(stderr, "Did you mean: namegate %s\n", near);
    return NG_CLI_USAGE;
}

/* What could not be written was not printed, whatever the command thought. */
static int finish(int status)
{
    errno = 0;
    if (ferror(stdout) == 0 && fflush(stdout) == 0 && fclose(stdout) == 0)
        return status;
    (void)fprintf(stderr, "namegate: cannot write to standard output%s%s\n", errno ? ": " : "",
                  errno ? strerror(errno) : "");
    return NG_CLI_FAILED;
}

/* Becomes TOOLS, with the same words. */
static int hand_over(char **argv)
{
    _cleanup_free_ char *path = ng_cli_find_program(TOOLS, NG_LIBEXECDIR);

    if (!path)
        return NG_CLI_FAILED;
    (void)execv(path, argv);
    (void)fprintf(stderr, "namegate: cannot run %s: %m\n  remedy: install it with namegate, beside it or there\n",
                  path);
    return NG_CLI_FAILED;
}

static int run(const struct command *command, struct ng_cli *cli, int argc, char **argv)
{
    _cleanup_free_ char *speaker = NULL;
    int status;

    if (asprintf(&speaker, "namegate %s", command->name) < 0)
        return NG_CLI_FAILED;
    argv[0] = speaker;
    /* `run` leaves signals as they are, for its command. */
    if (command->prints)
        (void)signal(SIGPIPE, SIG_IGN);
    status = command->run(cli, argc, argv);
    return command->prints ? finish(status) : status;
}

int main(int argc, char **argv)
{
    static char name[] = "namegate";
    _cleanup_free_ char *usage = help();
    struct ng_cli cli;
    int first = 0, status;

    if (!usage || argc < 1)
        return NG_CLI_FAILED;
    argv[0] = name;
    ng_cli_defaults(&cli);
    status = ng_cli_parse(&cli, NULL, usage, true, argc, argv, &first);
    if (status >= 0)
        return finish(status);
    if (first == argc)
        return ng_cli_usage("namegate", "a command is missing", NULL);
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(argv[first], commands[i].name) == 0)
            return !commands[i].run ? hand_over(argv) : run(&commands[i], &cli, argc - first, argv + first);
    return unknown(argv[first]);
}
