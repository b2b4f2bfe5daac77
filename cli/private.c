// SPDX-License-Identifier: BSD-2-Clause
#include "private.h"

#include "client.h"
#include "table.h"
#include "words.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define READY_FD 3 /* NG_CLI_READY_FD */
#define END_SECONDS 10 /* in which a daemon that has nothing to do has ended */
#define WARNING 4      /* syslog(3) */
#define TEMPLATE "/run/namegate-private-XXXXXX"

struct ng_cli_private {
    pid_t pid;
    char *run_dir;
    int log; /* a memfd, so that the daemon may outlive this process and never waits for a reader */
};

const char *ng_cli_private_run_dir(const struct ng_cli_private *daemon)
{
    return daemon->run_dir;
}

/* In the child. It keeps nothing of the caller's open, and is out of reach of its terminal. */
static void become_daemon(const struct ng_cli_job *job, char *const *words, const char *path, int ready, int log)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    /* Above what is laid out below, so that nothing is overwritten before it is used. */
    int high_ready = fcntl(ready, F_DUPFD_CLOEXEC, 16), high_log = fcntl(log, F_DUPFD_CLOEXEC, 16);

    ng_cli_job_restore(job);
    (void)setsid();
    /* Its lines then begin with their level, by which show_log() chooses. */
    if (null < 0 || high_ready < 0 || high_log < 0 || setenv("JOURNAL_STREAM", "namegate", 1) < 0 ||
        dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 || dup2(high_log, STDERR_FILENO) < 0 ||
        dup2(high_ready, READY_FD) < 0 || close_range(READY_FD + 1, UINT_MAX, 0) < 0)
        _exit(NG_CLI_RUN_FAILED);
    (void)execv(path, words);
    (void)fprintf(stderr, "<3>cannot run %s: %m\n", path);
    _exit(NG_CLI_NOT_FOUND);
}

/* Prints its warnings and errors, and what has no level: messages about policies and configuration. */
static void show_log(const struct ng_cli_private *daemon)
{
    _cleanup_fd_ int fd = fcntl(daemon->log, F_DUPFD_CLOEXEC, 0);
    _cleanup_file_ FILE *file = fd >= 0 && lseek(fd, 0, SEEK_SET) == 0 ? fdopen(fd, "r") : NULL;
    _cleanup_free_ char *line = NULL;
    size_t room = 0;
    bool shown = true;

    if (!file)
        return;
    (void)TAKE_FD(fd);
    while (getline(&line, &room, file) > 0) {
        const char *text = line;

        line[strcspn(line, "\n")] = '\0';
        if (text[0] == '<' && text[1] >= '0' && text[1] <= '7' && text[2] == '>') {
            shown = text[1] - '0' <= WARNING;
            text += 3;
            (void)fputs(shown ? "namegated: " : "", stderr);
        }
        if (shown) {
            ng_cli_put(stderr, text);
            (void)fputc('\n', stderr);
        }
    }
}

static void free_private(struct ng_cli_private *daemon)
{
    (void)ng_close(daemon->log);
    free(daemon->run_dir);
    free(daemon);
}

static void remove_policies(const char *run_dir)
{
    _cleanup_free_ char *path = NULL;
    struct dirent *entry;
    DIR *dir;

    if (asprintf(&path, "%s/adhoc", run_dir) < 0)
        return;
    dir = opendir(path);
    while (dir && (entry = readdir(dir)))
        if (entry->d_type == DT_REG)
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        (void)closedir(dir);
    (void)rmdir(path);
}

/* It removes its run directory itself, unless it did not come that far. */
static void remove_run_dir(const char *run_dir)
{
    static const char *const files[] = {"control.sock", "lock"};

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/%s", run_dir, files[i]) >= 0)
            (void)unlink(path);
    }
    remove_policies(run_dir);
    (void)rmdir(run_dir);
}

static void reap(struct ng_cli_private *daemon)
{
    while (waitpid(daemon->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    daemon->pid = -1;
}

/* Ends a daemon that has no deployment. */
static void put_down(struct ng_cli_private *daemon)
{
    (void)kill(daemon->pid, SIGTERM);
    reap(daemon);
    remove_run_dir(daemon->run_dir);
}

/* Reads READY. Returns 0, the number of a signal that came first and that would have ended this process, or -ECHILD
 * when the daemon ended. */
static int wait_ready(const struct ng_cli_job *job, int ready)
{
    static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    _cleanup_fd_ int signals = -1;
    struct pollfd polls[2];
    sigset_t set;

    (void)sigemptyset(&set);
    for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++) {
        struct sigaction action;

        if (!sigismember(&job->original, ending[i]) && sigaction(ending[i], NULL, &action) == 0 &&
            action.sa_handler != SIG_IGN)
            (void)sigaddset(&set, ending[i]);
    }
    signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0)
        return -errno;
    polls[0] = (struct pollfd){.fd = ready, .events = POLLIN};
    polls[1] = (struct pollfd){.fd = signals, .events = POLLIN};
    for (;;) {
        struct signalfd_siginfo info;
        char text[8];

        if (poll(polls, 2, -1) < 0 && errno != EINTR)
            return -errno;
        if (read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
            return (int)info.ssi_signo;
        if (polls[0].revents)
            return read(ready, text, sizeof(text)) > 0 ? 0 : -ECHILD;
    }
}

static int start(struct ng_cli_private *daemon, const struct ng_cli_job *job, char *const *words)
{
    _cleanup_free_ char *path = ng_cli_find_program("namegated", NG_SBINDIR);
    _cleanup_fd_ int ready = -1;
    _cleanup_fd_ int ready_there = -1;
    int pipe_ends[2], r;

    if (!path || pipe2(pipe_ends, O_CLOEXEC) < 0)
        return -errno;
    ready = pipe_ends[0];
    ready_there = pipe_ends[1];
    daemon->log = memfd_create("namegated-log", MFD_CLOEXEC);
    if (daemon->log < 0)
        return -errno;
    daemon->pid = fork();
    if (daemon->pid < 0)
        return -errno;
    if (daemon->pid == 0)
        become_daemon(job, words, path, ready_there, daemon->log);
    ready_there = ng_close(ready_there);
    r = wait_ready(job, ready);
    if (r != 0)
        put_down(daemon);
    return r;
}

int ng_cli_private_start(const struct ng_cli *cli, const struct ng_cli_job *job, bool bare,
                         struct ng_cli_private **ret_private)
{
    struct ng_cli_private *daemon = calloc(1, sizeof(*daemon));
    struct ng_cli_words words = {0};
    int r;

    if (!daemon)
        return NG_CLI_RUN_FAILED;
    daemon->log = -1;
    daemon->run_dir = strdup(TEMPLATE);
    if (!daemon->run_dir || !mkdtemp(daemon->run_dir)) {
        (void)fprintf(stderr, "namegate: no daemon runs, and %s cannot be made for a private one: %m\n", TEMPLATE);
        free_private(daemon);
        return NG_CLI_RUN_FAILED;
    }
    r = ng_cli_words_make(cli, daemon->run_dir, bare, &words);
    if (r == 0)
        r = start(daemon, job, words.word);
    ng_cli_words_free(&words);
    if (r == 0) {
        *ret_private = daemon;
        return NG_CLI_OK;
    }
    show_log(daemon);
    if (r < 0)
        (void)fprintf(stderr, "namegate: no daemon runs, and a private one could not be started%s%s\n",
                      r == -ECHILD ? "" : ": ", r == -ECHILD ? "" : strerror(-r));
    remove_run_dir(daemon->run_dir);
    free_private(daemon);
    return r < 0 ? NG_CLI_RUN_FAILED : NG_CLI_SIGNALLED + r;
}

/* Whether any process of a deployment is left, also of those that were started inside of it. A daemon that does not
 * answer is gone or about to be, which is as it should be after the summary: nothing to complain of. */
static bool is_busy(const struct ng_cli_private *daemon)
{
    _cleanup_json_ json_t *request = ng_cli_request("list");
    _cleanup_client_ struct ng_cli_client *client = NULL;
    _cleanup_json_ json_t *answer = NULL;
    const json_t *deployment;
    size_t i;

    if (!request || ng_cli_client_open(daemon->run_dir, &client) < 0 || ng_cli_send(client, request) < 0 ||
        ng_cli_receive(client, &answer) < 0)
        return false;
    json_array_foreach(json_object_get(answer, "deployments"), i, deployment)
    {
        if (ng_cli_integer(deployment, "processes") > 0)
            return true;
    }
    return false;
}

/* SIGCHLD is blocked, see ng_cli_job_begin(). */
static void await_end(struct ng_cli_private *daemon)
{
    const struct timespec second = {.tv_sec = 1};
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    for (int i = 0; i < END_SECONDS; i++) {
        if (waitpid(daemon->pid, NULL, WNOHANG) != 0) {
            daemon->pid = -1;
            return;
        }
        (void)sigtimedwait(&set, NULL, &second);
    }
}

void ng_cli_private_finish(struct ng_cli_private *daemon, bool had_deployment)
{
    if (!had_deployment)
        put_down(daemon);
    else if (!is_busy(daemon))
        await_end(daemon);
    show_log(daemon);
    free_private(daemon);
}
