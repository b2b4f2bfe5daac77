// SPDX-License-Identifier: BSD-2-Clause
/* The resolver parses what strangers send, so it gets nothing that it could misuse: no capabilities, no way to gain
 * any, no files but those that it is given. */
#include "child.h"

#include <namegate/cleanup.h>
#include <namegate/packing.h>

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define CHANNEL_BUFFER (4 << 20)
#define CHILD_FILES 8192

struct ng_child {
    uid_t uid;
    gid_t gid;
    int executable;
    int channel;
    pid_t pid;
    bool receiving;
    ng_message_fn on_message;
    void *arg;
};

static int find_account(const char *user, struct ng_error *error, const struct passwd **ret_account)
{
    const struct passwd *account = getpwnam(user);

    if (!account)
        return ng_error_set(error, ENOENT, "make it with: adduser --system --group NAME; or set 'user'",
                            "there is no user '%s' for the resolver", user);
    if (account->pw_uid == 0 || account->pw_gid == 0)
        return ng_error_set(error, EPERM, "set 'user' to an unprivileged account",
                            "the resolver must not run as root, and '%s' is root or in its group", user);
    *ret_account = account;
    return 0;
}

int ng_child_check(const char *user, struct ng_error *error)
{
    const struct passwd *account;

    return find_account(user, error, &account);
}

int ng_child_new(const char *user, ng_message_fn on_message, void *arg, struct ng_error *error,
                 struct ng_child **ret_child)
{
    const struct passwd *account = NULL;
    struct ng_child *child;
    int r = find_account(user, error, &account);

    if (r < 0)
        return r;
    child = calloc(1, sizeof(*child));
    if (!child)
        return ng_error_set(error, ENOMEM, NULL, "out of memory");
    *child = (struct ng_child){.uid = account->pw_uid,
                               .gid = account->pw_gid,
                               .channel = -1,
                               .pid = -1,
                               .on_message = on_message,
                               .arg = arg};
    /* Opened now: after an upgrade the path leads to another program. */
    child->executable = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (child->executable < 0) {
        int code = errno;

        free(child);
        return ng_error_set(error, code, "mount /proc", "cannot open /proc/self/exe: %s", strerror(code));
    }
    *ret_child = child;
    return 0;
}

void ng_child_free(struct ng_child *child)
{
    if (!child)
        return;
    ng_child_reap(child);
    (void)ng_close(child->executable);
    free(child);
}

/* In the child: between fork and exec. */
static _Noreturn void become_resolver(const struct ng_child *child, int channel)
{
    static char name[] = "namegated";
    /* Its memory grows in pages of 2 MiB: names and addresses lie all over it, and each that is learnt takes more. */
    static char pages[] = "GLIBC_TUNABLES=glibc.malloc.hugetlb=1";
    char option[64];
    char *argv[] = {name, option, NULL};
    char *envp[] = {pages, NULL};
    struct rlimit files = {CHILD_FILES, CHILD_FILES};
    struct rlimit none = {0, 0};
    int executable;
    sigset_t empty;

    (void)snprintf(option, sizeof(option), "--resolver=%u:%u", child->uid, child->gid);
    (void)sigemptyset(&empty);
    (void)sigprocmask(SIG_SETMASK, &empty, NULL);
    executable = fcntl(child->executable, F_DUPFD_CLOEXEC, NG_CHANNEL_FD + 1);
    if (executable < 0 || dup2(channel, NG_CHANNEL_FD) < 0)
        _exit(1);
    if (syscall(SYS_close_range, NG_CHANNEL_FD + 1, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */) < 0)
        _exit(1);
    (void)setrlimit(RLIMIT_NOFILE, &files);
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)fexecve(executable, argv, envp);
    _exit(127);
}

/* After exec, because exec makes a process traceable again by its own account: from the change of account on, nobody
 * but root may trace it, read its memory or take its descriptors (ptrace(2), pidfd_getfd(2)), not for a moment. */
int ng_child_become(const char *account)
{
    unsigned uid = 0, gid = 0;

    if (sscanf(account, "%u:%u", &uid, &gid) != 2 || uid == 0 || gid == 0)
        return -EINVAL;
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
        return -errno;
    /* The change of account set what fs.suid_dumpable says. */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || chdir("/") < 0)
        return -errno;
    return 0;
}

static int start_process(struct ng_child *child, struct ng_error *error)
{
    int pair[2], buffer = CHANNEL_BUFFER;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return ng_error_set(error, errno, NULL, "cannot make the resolver's channel: %m");
    for (int i = 0; i < 2; i++)
        (void)setsockopt(pair[i], SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
    pid = fork();
    if (pid == 0)
        become_resolver(child, pair[1]);
    (void)ng_close(pair[1]);
    if (pid < 0) {
        int code = errno;

        (void)ng_close(pair[0]);
        return ng_error_set(error, code, NULL, "cannot start the resolver: %s", strerror(code));
    }
    child->channel = pair[0];
    child->pid = pid;
    return 0;
}

int ng_child_listener(struct ng_child *child, const struct ng_listener *listener)
{
    struct ng_message_listener message = {.type = NG_MESSAGE_LISTENER,
                                          .flags = listener->flags,
                                          .worker = listener->worker,
                                          .local = listener->local};

    return ng_child_send(child, &message, sizeof(message), listener->fd, -1);
}

int ng_child_start(struct ng_child *child, const struct ng_message_start *start, int destinations, int askers,
                   int stats, int epoch, const struct ng_listeners *listeners, struct ng_error *error)
{
    int r = start_process(child, error);

    if (r < 0)
        return r;
    r = ng_child_send(child, &(struct ng_message_memory){.type = NG_MESSAGE_MEMORY}, sizeof(struct ng_message_memory),
                      stats, epoch);
    if (r == 0)
        r = ng_child_send(child, start, sizeof(*start), destinations, askers);
    for (unsigned i = 0; r == 0 && i < listeners->count; i++)
        r = ng_child_listener(child, &listeners->item[i]);
    if (r < 0) {
        ng_child_reap(child);
        return ng_error_set(error, -r, NULL, "cannot talk to the resolver: %s", strerror(-r));
    }
    return 0;
}

int ng_child_fd(const struct ng_child *child)
{
    return child->channel;
}

pid_t ng_child_pid(const struct ng_child *child)
{
    return child->pid;
}

uid_t ng_child_uid(const struct ng_child *child)
{
    return child->uid;
}

int ng_child_send(struct ng_child *child, const void *message, size_t size, int fd1, int fd2)
{
    int fds[2] = {fd1, fd2};
    size_t count = fd2 >= 0 ? 2 : fd1 >= 0 ? 1 : 0;
    char control[CMSG_SPACE(sizeof(fds))] = {0};
    struct iovec part = {.iov_base = (void *)(uintptr_t)message, .iov_len = size};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};

    if (child->channel < 0)
        return -EPIPE;
    if (count) {
        struct cmsghdr *cmsg;

        header.msg_control = control;
        header.msg_controllen = CMSG_SPACE(count * sizeof(int));
        cmsg = CMSG_FIRSTHDR(&header);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(cmsg), fds, count * sizeof(int));
    }
    /* The buffer holds far more than the keeper ever has under way; a resolver that does not read is broken. */
    return sendmsg(child->channel, &header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

static size_t size_of(uint32_t type)
{
    switch (type) {
    case NG_MESSAGE_READY:
        return sizeof(struct ng_message_ready);
    case NG_MESSAGE_TOLD:
        return sizeof(struct ng_message_told);
    case NG_MESSAGE_TROUBLE:
        return sizeof(struct ng_message_trouble);
    case NG_MESSAGE_PREWARMED:
        return sizeof(struct ng_message_prewarmed);
    case NG_MESSAGE_LOADED:
        return sizeof(struct ng_message_loaded);
    case NG_MESSAGE_PONG:
        return sizeof(struct ng_message_ping);
    default:
        return 0;
    }
}

/* Takes a message in, checked for its size. Returns 0 or -EBADMSG. */
static int take(const uint8_t *in, size_t size, union ng_message *message)
{
    uint32_t type;

    if (size < sizeof(type))
        return -EBADMSG;
    memcpy(&type, in, sizeof(type));
    if (type == NG_MESSAGE_RESOLUTION)
        return ng_resolution_unpack(in, size, &message->resolution);
    if (size != size_of(type))
        return -EBADMSG;
    memcpy(message, in, size);
    return 0;
}

/* Hands on the messages of a datagram. Returns 0 or -EBADMSG. */
static int take_all(struct ng_child *child, const uint8_t *datagram, size_t datagram_size)
{
    static union ng_message message; /* too large for the stack of a callback */
    size_t at = 0, size;

    while (at < datagram_size && child->channel >= 0) {
        const uint8_t *in = ng_frame_next(datagram, datagram_size, &at, &size);

        if (!in || take(in, size, &message) < 0)
            return -EBADMSG;
        child->on_message(child->arg, &message, size);
    }
    return 0;
}

ssize_t ng_child_receive(struct ng_child *child, size_t max)
{
    static uint8_t datagram[NG_DATAGRAM_MAX];
    size_t got = 0;
    int r = 0;

    if (child->receiving)
        return 0; /* what a message led to asks for the next one, while this one's datagram is in use */
    if (max > 2 * CHANNEL_BUFFER) /* which is what the kernel makes of it */
        max = 2 * CHANNEL_BUFFER; /* it may fill as fast as it is read */
    child->receiving = true;
    while (r == 0 && got < max && child->channel >= 0) {
        ssize_t size = recv(child->channel, datagram, sizeof(datagram), MSG_DONTWAIT | MSG_TRUNC);

        if (size < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (size <= 0 || (size_t)size > sizeof(datagram) || take_all(child, datagram, (size_t)size) < 0)
            r = -ECONNRESET; /* it has ended, or does not keep to the protocol: start another */
        else
            got += (size_t)size;
    }
    child->receiving = false;
    return r < 0 ? r : (ssize_t)got;
}

void ng_child_reap(struct ng_child *child)
{
    child->channel = ng_close(child->channel);
    if (child->pid <= 0)
        return;
    (void)kill(child->pid, SIGKILL);
    (void)waitpid(child->pid, NULL, 0);
    child->pid = -1;
}
