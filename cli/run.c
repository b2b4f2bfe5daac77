// SPDX-License-Identifier: BSD-2-Clause
/* `run`: the child asks the daemon itself, so that the kernel vouches for whom the daemon tags (SO_PEERCRED), and
 * becomes the command only when it is gated. The parent stays outside of the gate, to pass signals on and to sum up. */
#include "client.h"
#include "commands.h"
#include "confine.h"
#include "format.h"
#include "job.h"
#include "private.h"
#include "request.h"
#include "selftest.h"
#include "table.h"

#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>

static const char usage[] =
    "Usage: namegate run [OPTION]... [--] COMMAND [ARGUMENT]...\n"
    "Runs COMMAND as a deployment: it and all that it starts are denied what the policy denies. Where no daemon\n"
    "runs, root gets a private one for this run. What was denied is summed up on standard error.\n\n"
    "  --tag NAME           what the deployment is called (the name of COMMAND)\n"
    "  --policy NAME|FILE   a policy of the daemon's, or a file with one; a FILE is what has a '/', ends in .policy\n"
    "                       or exists (the default of namegate.conf)\n"
    "  --mode MODE          audit: only record; block: deny; strict: only what is allowed is reachable\n"
    "                       (the policy's)\n"
    "  --confine            without the capabilities and files that open ways around the gate; no_new_privs\n"
    "  --selftest           tries the ways past the gate first, from inside; COMMAND starts when none is open\n\n"
    "Exit status: COMMAND's; 128+N if signal N ended it; 125 it was not started because it could not be gated;\n"
    "126 it cannot be executed; 127 it was not found.\n";

struct run {
    struct ng_cli *cli;
    const char *policy; /* as the user knows it, or NULL */
    char *const *argv;
    bool confine, selftest;
    json_t *request;
    struct ng_cli_job job;
    struct ng_cli_private *daemon; /* or NULL */
    int report[2];                 /* from the child to the parent: the daemon's answer */
};

static const char *run_dir_of(const struct run *run)
{
    return run->daemon ? ng_cli_private_run_dir(run->daemon) : run->cli->run_dir;
}

/* Returns the exit status for what went wrong, or 0. */
static int enter_gate(const struct run *run, json_t **ret_answer)
{
    _cleanup_client_ struct ng_cli_client *client = NULL;
    _cleanup_json_ json_t *answer = NULL;
    int r = ng_cli_client_open(run_dir_of(run), &client);

    if (r < 0) {
        ng_cli_say_unreachable(run_dir_of(run), r);
        return NG_CLI_RUN_FAILED;
    }
    r = ng_cli_send(client, run->request);
    if (r == 0)
        r = ng_cli_receive(client, &answer);
    if (r < 0 || !answer) {
        (void)fprintf(stderr, "namegate: the daemon did not answer%s%s\n", r < 0 ? ": " : "",
                      r < 0 ? strerror(-r) : "");
        return NG_CLI_RUN_FAILED;
    }
    if (ng_cli_refused(answer))
        return NG_CLI_RUN_FAILED;
    *ret_answer = TAKE_PTR(answer);
    return NG_CLI_OK;
}

static int execute(char *const *argv)
{
    int error;

    (void)execvp(argv[0], argv);
    error = errno;
    (void)fputs("namegate: cannot run '", stderr);
    ng_cli_put(stderr, argv[0]);
    (void)fprintf(stderr, "': %s\n", strerror(error));
    return error == ENOENT ? NG_CLI_NOT_FOUND : NG_CLI_CANNOT_EXECUTE;
}

/* In the child, inside of the gate and confined as the command will be. Returns the exit status for a way that is open,
 * or 0. */
static int test_gate(const struct run *run, struct ng_cli_selftest *test, const json_t *answer)
{
    return ng_cli_selftest_try(test, run_dir_of(run), answer, run->cli->json);
}

/* The canary is chosen, and connected to, outside of the gate. */
static int begin_selftest(const struct run *run, struct ng_cli_selftest *ret_test)
{
    char number[17];
    int r = ng_cli_selftest_begin(ret_test);

    if (r < 0)
        return r;
    (void)snprintf(number, sizeof(number), "%016llx", (unsigned long long)ret_test->number);
    return ng_cli_request_text(run->request, "canary", number);
}

/* In the child. Returns only what has to be its exit status. */
static int become_command(const struct run *run)
{
    struct ng_cli_selftest test;
    json_t *answer = NULL;
    char *line;
    int status;

    ng_cli_job_restore(&run->job);
    if (run->selftest && begin_selftest(run, &test) < 0)
        return NG_CLI_RUN_FAILED;
    status = enter_gate(run, &answer);
    if (status != NG_CLI_OK)
        return status;
    line = json_dumps(answer, JSON_COMPACT);
    /* A parent that does not learn the deployment cannot sum up, no more. */
    if (!line || write(run->report[1], line, strlen(line)) < 0)
        (void)fputs("namegate: there will be no summary\n", stderr);
    free(line);
    /* So that a `namegate` inside finds the daemon that gates it, instead of starting one that knows nothing of it. */
    if (strcmp(run_dir_of(run), NG_CLI_RUN_DIR) != 0 && run_dir_of(run)[0] == '/' &&
        setenv("NAMEGATE_RUN_DIR", run_dir_of(run), 1) < 0)
        return NG_CLI_RUN_FAILED;
    if (run->confine && ng_cli_confine() < 0)
        return NG_CLI_RUN_FAILED;
    if (run->selftest)
        status = test_gate(run, &test, answer);
    json_decref(answer);
    if (status != NG_CLI_OK)
        return status;
    return execute(run->argv);
}

/* The deployment that the child told of; NULL when it never came to be one. */
static json_t *read_report(int fd)
{
    char text[16384];
    ssize_t n = read(fd, text, sizeof(text));

    return n > 0 ? json_loadb(text, (size_t)n, 0, NULL) : NULL;
}

static void sum_up(const struct run *run, const json_t *deployment)
{
    const char *id = ng_cli_string(deployment, "deployment");
    _cleanup_json_ json_t *request = ng_cli_request("summary");
    _cleanup_json_ json_t *summary = NULL;

    if (!request || ng_cli_request_text(request, "deployment", id) < 0 ||
        ng_cli_ask(run_dir_of(run), TAKE_PTR(request), &summary) != NG_CLI_OK) {
        (void)fputs("namegate: what was denied to ", stderr);
        ng_cli_put(stderr, id);
        (void)fputs(" is not known\n", stderr);
        return;
    }
    if (!run->cli->json)
        ng_cli_format_summary(stderr, summary, id, run->policy ? run->policy : ng_cli_string(deployment, "policy"));
    else if (ng_cli_integer(summary, "denied") || ng_cli_integer(summary, "would"))
        (void)ng_cli_print_json(stderr, summary);
}

static int start_and_wait(struct run *run)
{
    _cleanup_fd_ int report_read = -1;
    _cleanup_json_ json_t *deployment = NULL;
    int wait_status = 0, r;
    pid_t child;

    if (pipe2(run->report, O_CLOEXEC) < 0 || (child = fork()) < 0) {
        (void)fprintf(stderr, "namegate: cannot start a process: %m\n");
        return NG_CLI_RUN_FAILED;
    }
    if (child == 0)
        _exit(become_command(run));
    (void)signal(SIGPIPE, SIG_IGN); /* a summary that nobody reads must not change the exit status */
    (void)ng_close(run->report[1]);
    report_read = run->report[0];
    r = ng_cli_job_wait(&run->job, child, &wait_status);
    if (r < 0) {
        (void)fprintf(stderr, "namegate: cannot wait for the command: %s\n", strerror(-r));
        return NG_CLI_RUN_FAILED;
    }
    /* What the child wrote lies in the pipe; the command itself does not have it. */
    deployment = read_report(report_read);
    if (deployment)
        sum_up(run, deployment);
    if (run->daemon)
        ng_cli_private_finish(TAKE_PTR(run->daemon), deployment != NULL);
    return ng_cli_job_status(wait_status);
}

/* Leaves run->daemon NULL where a daemon runs. Returns the exit status for what went wrong, or 0. */
static int find_daemon(struct run *run)
{
    struct ng_cli_client *client = NULL;
    int r = ng_cli_client_open(run->cli->run_dir, &client);

    ng_cli_client_close(client);
    if (r == 0)
        return NG_CLI_OK;
    if (ng_cli_no_daemon(r) && geteuid() == 0 && strcmp(run->cli->run_dir, NG_CLI_RUN_DIR) != 0)
        (void)fprintf(stderr, "namegate: no daemon runs in %s: a private one gates this run\n", run->cli->run_dir);
    if (ng_cli_no_daemon(r) && geteuid() == 0)
        return ng_cli_private_start(run->cli, &run->job, run->policy && ng_cli_policy_is_file(run->policy),
                                    &run->daemon);
    ng_cli_say_unreachable(run->cli->run_dir, r);
    if (ng_cli_no_daemon(r))
        (void)fputs("  or run this as root, which starts a private daemon for it\n", stderr);
    return NG_CLI_RUN_FAILED;
}

int ng_cli_run(struct ng_cli *cli, int argc, char **argv)
{
    struct run run = {.cli = cli, .report = {-1, -1}};
    const char *tag = NULL, *mode = NULL;
    const struct ng_cli_option own[] = {{"tag", 0, &tag, NULL},
                                        {"policy", 0, &run.policy, NULL},
                                        {"mode", 0, &mode, NULL},
                                        {"confine", 0, NULL, &run.confine},
                                        {"selftest", 0, NULL, &run.selftest},
                                        {0}};
    _cleanup_json_ json_t *request = NULL;
    int first = 0, status = ng_cli_parse(cli, own, usage, true, argc, argv, &first);

    if (status >= 0)
        return status == NG_CLI_USAGE ? NG_CLI_RUN_FAILED : status;
    if (first == argc) {
        (void)ng_cli_usage(argv[0], "COMMAND is missing", NULL);
        return NG_CLI_RUN_FAILED;
    }
    run.argv = argv + first;
    if (ng_cli_run_request("run", tag, run.policy, mode, run.argv, &request) < 0)
        return NG_CLI_RUN_FAILED;
    run.request = request;
    /* The command runs as the same user; it must not use this process, which is not gated, as its hands. The command
     * itself is traceable again: exec() sees to it. */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || ng_cli_job_begin(&run.job) < 0)
        return NG_CLI_RUN_FAILED;
    status = find_daemon(&run);
    return status == NG_CLI_OK ? start_and_wait(&run) : status;
}
