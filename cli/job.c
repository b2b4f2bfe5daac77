// SPDX-License-Identifier: BSD-2-Clause
#include "job.h"

#include "options.h"

#include <namegate/cleanup.h>

#include <fcntl.h>
#include <sys/wait.h>

static const int passed[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH, SIGTSTP};

int ng_cli_job_begin(struct ng_cli_job *ret_job)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};

    (void)sigemptyset(&ret_job->waited);
    (void)sigaddset(&ret_job->waited, SIGCHLD);
    for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
        (void)sigaddset(&ret_job->waited, passed[i]);
    /* Where SIGCHLD is ignored, a child's end could not be waited for. */
    if (sigaction(SIGCHLD, &standard, &ret_job->chld) < 0 ||
        sigprocmask(SIG_BLOCK, &ret_job->waited, &ret_job->original) < 0)
        return -errno;
    return 0;
}

void ng_cli_job_restore(const struct ng_cli_job *job)
{
    (void)sigaction(SIGCHLD, &job->chld, NULL);
    (void)sigprocmask(SIG_SETMASK, &job->original, NULL);
}

bool ng_cli_job_passes(const siginfo_t *info, pid_t child)
{
    if (info->si_signo == SIGHUP)
        return true;
    return info->si_code <= 0 && info->si_pid != child;
}

int ng_cli_job_status(int wait_status)
{
    return WIFSIGNALED(wait_status) ? NG_CLI_SIGNALLED + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

static bool has_terminal(void)
{
    _cleanup_fd_ int fd = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    return fd >= 0;
}

/* The shell that waits for this process has to see the stop, and continues it later. Where there is no terminal, nobody
 * would continue this process after an administrator stopped the command, so it does not stop. */
static void stop_too(pid_t child, int signal_number)
{
    sigset_t one, before;

    if (signal_number == SIGSTOP && !has_terminal())
        return;
    (void)sigemptyset(&one);
    (void)sigaddset(&one, signal_number);
    (void)raise(signal_number);
    (void)sigprocmask(SIG_UNBLOCK, &one, &before); /* it stops here */
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    (void)kill(child, SIGCONT);
}

/* Takes what waitpid() has to say. Returns 1 when the child has ended, 0 when not, or -errno. */
static int look(pid_t child, int *ret_status)
{
    for (;;) {
        int status = 0;
        pid_t pid = waitpid(child, &status, WNOHANG | WUNTRACED);

        if (pid < 0 && errno == EINTR)
            continue;
        if (pid <= 0)
            return pid < 0 ? -errno : 0;
        if (!WIFSTOPPED(status)) {
            *ret_status = status;
            return 1;
        }
        stop_too(child, WSTOPSIG(status));
    }
}

int ng_cli_job_wait(const struct ng_cli_job *job, pid_t child, int *ret_status)
{
    for (;;) {
        siginfo_t info;
        int r = look(child, ret_status);

        if (r != 0)
            return r < 0 ? r : 0;
        if (sigwaitinfo(&job->waited, &info) < 0 || info.si_signo == SIGCHLD)
            continue;
        if (ng_cli_job_passes(&info, child))
            (void)kill(child, info.si_signo);
    }
}
