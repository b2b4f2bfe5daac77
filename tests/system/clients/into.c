// SPDX-License-Identifier: BSD-2-Clause
/* into CGROUP PROGRAM ARGUMENT...: runs it in a child that begins its life in that cgroup. */
#include <err.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct clone_args how = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD};
    int status = 0, fd;
    long pid;

    if (argc < 3)
        return 2;
    fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    how.cgroup = (uint64_t)fd;
    pid = fd < 0 ? -1 : syscall(SYS_clone3, &how, sizeof(how));
    if (pid < 0)
        err(1, "%s", argv[1]);
    if (pid == 0) {
        (void)execvp(argv[2], argv + 2);
        _exit(127);
    }
    if (waitpid((pid_t)pid, &status, 0) < 0 || !WIFEXITED(status))
        return 1;
    return WEXITSTATUS(status);
}
