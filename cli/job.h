/* SPDX-License-Identifier: BSD-2-Clause */
/* Standing between a shell and a command without being noticed: signals, stops and the exit status pass through. */
#ifndef NAMEGATE_CLI_JOB_H
#define NAMEGATE_CLI_JOB_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct ng_cli_job {
    sigset_t waited;        /* what is blocked, and taken one by one */
    sigset_t original;      /* what was blocked before */
    struct sigaction chld;  /* what SIGCHLD did before */
};

/* Blocks the signals that are passed on. To be called before anything is started. 0 or -errno. */
int ng_cli_job_begin(struct ng_cli_job *ret_job);

/* In a child: everything as it was before ng_cli_job_begin(). */
void ng_cli_job_restore(const struct ng_cli_job *job);

/* Passes signals on and waits until the child has ended. Returns what waitpid() says of it, or -errno. */
int ng_cli_job_wait(const struct ng_cli_job *job, pid_t child, int *ret_status);

/* Whether a signal that this process got is to be passed on. Only what was meant for it alone: what a terminal sends
 * reaches the whole foreground group, thus the child as well; only the hangup may reach the leader of a session alone.
 * What the child itself sent (`kill 0`) it needs not be told. */
bool ng_cli_job_passes(const siginfo_t *info, pid_t child);

/* The exit status of a shell: of the command, or 128 and the signal. */
int ng_cli_job_status(int wait_status);

#endif
