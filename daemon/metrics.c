// SPDX-License-Identifier: BSD-2-Clause
/* A process of its own, because every other is too much for HTTP: the keeper is root, and the resolver may write the
 * map of addresses. It gets the resolver's account, and namespaces without other processes and networks, so that it
 * cannot signal the resolver, and reaches nobody. */
#include "metrics.h"

#include "exporter.h"

#include <namegate/cleanup.h>

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define BACKLOG 16
#define FILES_MAX 64
#define READY_MS 10000

struct ng_metrics {
    uid_t uid;
    gid_t gid;
    int socket, stats, tally, executable;
    int channel; /* -1: no process runs */
    pid_t pid;
};

static int listen_on(const struct ng_endpoint *endpoint, struct ng_error *error, int *ret_fd)
{
    struct sockaddr_storage address;
    socklen_t length = ng_endpoint_sockaddr(endpoint, &address);
    _cleanup_fd_ int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    char text[NG_ENDPOINT_TEXT_MAX];
    int on = 1;

    if (fd < 0)
        return ng_error_set(error, errno, NULL, "cannot make the socket for metrics: %m");
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (address.ss_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, BACKLOG) < 0)
        return ng_error_set(error, errno, "choose another address or port for 'metrics'",
                            "cannot listen on %s for metrics: %m", ng_endpoint_text(endpoint, text));
    *ret_fd = TAKE_FD(fd);
    return 0;
}

/* In the child: between fork and exec. */
static _Noreturn void become_exporter(const struct ng_metrics *metrics, int channel)
{
    static char name[] = "namegated";
    char option[64];
    char *argv[] = {name, option, NULL};
    char *envp[] = {NULL};
    const struct rlimit files = {FILES_MAX, FILES_MAX}, none = {0, 0};
    /* First out of the way of each other. */
    int executable = fcntl(metrics->executable, F_DUPFD_CLOEXEC, NG_EXPORTER_LISTEN + 1);
    int socket = fcntl(metrics->socket, F_DUPFD_CLOEXEC, NG_EXPORTER_LISTEN + 1);
    int stats = fcntl(metrics->stats, F_DUPFD_CLOEXEC, NG_EXPORTER_LISTEN + 1);
    int tally = fcntl(metrics->tally, F_DUPFD_CLOEXEC, NG_EXPORTER_LISTEN + 1);
    int link = fcntl(channel, F_DUPFD_CLOEXEC, NG_EXPORTER_LISTEN + 1);
    sigset_t empty;

    (void)snprintf(option, sizeof(option), "--exporter=%u:%u", metrics->uid, metrics->gid);
    (void)sigemptyset(&empty);
    (void)sigprocmask(SIG_SETMASK, &empty, NULL);
    if (executable < 0 || dup2(link, NG_EXPORTER_CHANNEL) < 0 || dup2(stats, NG_EXPORTER_STATS) < 0 ||
        dup2(tally, NG_EXPORTER_TALLY) < 0 || dup2(socket, NG_EXPORTER_LISTEN) < 0)
        _exit(1);
    if (syscall(SYS_close_range, NG_EXPORTER_LISTEN + 1, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */) < 0)
        _exit(1);
    (void)setrlimit(RLIMIT_NOFILE, &files);
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)fexecve(executable, argv, envp);
    _exit(127);
}

/* As fork(2), into namespaces of its own where that is allowed (CAP_SYS_ADMIN). */
static pid_t fork_apart(void)
{
    long pid = syscall(SYS_clone, (unsigned long)(SIGCHLD | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC), 0UL, 0UL, 0UL,
                       0UL);

    return pid < 0 ? fork() : (pid_t)pid;
}

static int start(struct ng_metrics *metrics)
{
    int pair[2];
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -errno;
    pid = fork_apart();
    if (pid == 0)
        become_exporter(metrics, pair[1]);
    (void)ng_close(pair[1]);
    if (pid < 0) {
        int code = errno;

        (void)ng_close(pair[0]);
        return -code;
    }
    metrics->channel = pair[0];
    metrics->pid = pid;
    return 0;
}

static int wait_ready(struct ng_metrics *metrics, struct ng_error *error)
{
    struct pollfd fd = {.fd = metrics->channel, .events = POLLIN};
    char octet;
    int status = 0;

    if (poll(&fd, 1, READY_MS) > 0 && recv(metrics->channel, &octet, 1, MSG_DONTWAIT) == 1)
        return 0;
    (void)kill(metrics->pid, SIGKILL);
    if (waitpid(metrics->pid, &status, 0) == metrics->pid)
        metrics->pid = -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == NG_EXPORTER_NO_LIBRARY)
        return ng_error_set(error, ENOENT, "apt install libmicrohttpd12, or remove 'metrics' from the configuration",
                            "metrics need libmicrohttpd.so.12, which cannot be loaded");
    return ng_error_set(error, EPIPE, "remove 'metrics' from the configuration",
                        "the process for metrics does not start");
}

/* A file description of its own, which cannot write. */
static int open_to_read(int fd)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static int open_files(struct ng_metrics *metrics, const struct ng_config *config, int stats, int tally,
                      struct ng_error *error)
{
    const struct passwd *account = getpwnam(config->user);

    if (!account || account->pw_uid == 0 || account->pw_gid == 0)
        return ng_error_set(error, EPERM, "set 'user' to an unprivileged account", "'%s' cannot serve metrics",
                            config->user);
    metrics->uid = account->pw_uid;
    metrics->gid = account->pw_gid;
    metrics->executable = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    metrics->stats = open_to_read(stats);
    metrics->tally = open_to_read(tally);
    if (metrics->executable < 0 || metrics->stats < 0 || metrics->tally < 0)
        return ng_error_set(error, errno, "mount /proc", "cannot open what metrics need: %m");
    return listen_on(&config->metrics, error, &metrics->socket);
}

int ng_metrics_new(const struct ng_config *config, int stats, int tally, struct ng_error *error,
                   struct ng_metrics **ret_metrics)
{
    struct ng_metrics *metrics = calloc(1, sizeof(*metrics));
    int r;

    if (!metrics)
        return ng_error_set(error, ENOMEM, NULL, "out of memory");
    *metrics = (struct ng_metrics){
        .socket = -1, .stats = -1, .tally = -1, .executable = -1, .channel = -1, .pid = -1};
    r = open_files(metrics, config, stats, tally, error);
    if (r == 0) {
        r = start(metrics);
        r = r < 0 ? ng_error_set(error, -r, NULL, "cannot start the process for metrics: %s", strerror(-r))
                  : wait_ready(metrics, error);
    }
    if (r < 0) {
        ng_metrics_free(metrics);
        return r;
    }
    *ret_metrics = metrics;
    return 0;
}

static void reap(struct ng_metrics *metrics)
{
    metrics->channel = ng_close(metrics->channel);
    if (metrics->pid <= 0)
        return;
    (void)kill(metrics->pid, SIGKILL);
    (void)waitpid(metrics->pid, NULL, 0);
    metrics->pid = -1;
}

void ng_metrics_free(struct ng_metrics *metrics)
{
    if (!metrics)
        return;
    reap(metrics);
    (void)ng_close(metrics->socket);
    (void)ng_close(metrics->stats);
    (void)ng_close(metrics->tally);
    (void)ng_close(metrics->executable);
    free(metrics);
}

void ng_metrics_check(struct ng_metrics *metrics)
{
    if (!metrics)
        return;
    if (metrics->pid > 0) {
        if (waitpid(metrics->pid, NULL, WNOHANG) != metrics->pid)
            return;
        metrics->pid = -1; /* nothing is left to be killed under that number */
        ng_log(NG_LOG_WARNING, "the process for metrics ended, starting another");
    }
    reap(metrics);
    if (start(metrics) < 0)
        ng_log(NG_LOG_ERROR, "cannot start the process for metrics, trying again");
}
