// SPDX-License-Identifier: BSD-2-Clause
#include "probe.h"

#include "host.h"

#include <namegate/canary.h>
#include <namegate/cleanup.h>

#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define DROPPED_AFTER 200 /* ms of silence on loopback, which answers at once */
#define DNS_SIZE_MAX 512
#define TYPE_A 1
#define TYPE_AAAA 28

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t canary(const struct ng_probe *probe, uint16_t port, union address *ret_address)
{
    uint8_t octets[16];

    memset(ret_address, 0, sizeof(*ret_address));
    ng_canary_address(probe->number, probe->family != NG_PROBE_V6, octets);
    if (probe->family == NG_PROBE_V4) {
        ret_address->v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
        memcpy(&ret_address->v4.sin_addr, octets + 12, 4);
        return sizeof(ret_address->v4);
    }
    ret_address->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
    memcpy(&ret_address->v6.sin6_addr, octets, 16);
    return sizeof(ret_address->v6);
}

static int open_socket(const struct ng_probe *probe)
{
    bool tcp = probe->proto == IPPROTO_TCP;

    return socket(probe->family == NG_PROBE_V4 ? AF_INET : AF_INET6,
                  (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, probe->mptcp ? IPPROTO_MPTCP : 0);
}

/* What a call that failed, or did not (0), says. */
static enum ng_probe_outcome outcome_of(int error)
{
    return error == EPERM ? NG_PROBE_DENIED : NG_PROBE_OPEN;
}

/* A connection that neither was refused at once nor stands: nobody but egress stopped it. The keeper may have found and
 * ended it since, with ECONNABORTED, which nothing that the network does brings about. */
static enum ng_probe_outcome wait_connected(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    socklen_t size = sizeof(int);
    int error = 0;

    if (poll(&poll_fd, 1, DROPPED_AFTER) == 0)
        return NG_PROBE_DROPPED;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == ECONNABORTED ? NG_PROBE_DROPPED
                                                                                          : NG_PROBE_OPEN;
}

enum ng_probe_outcome ng_probe_connect(const struct ng_probe *probe)
{
    _cleanup_fd_ int fd = open_socket(probe);
    union address to;
    socklen_t length = canary(probe, probe->port, &to);

    if (fd < 0)
        return NG_PROBE_ABSENT;
    if (connect(fd, &to.any, length) == 0)
        return probe->proto == IPPROTO_UDP ? outcome_of(send(fd, "", 1, 0) < 0 ? errno : 0) : NG_PROBE_OPEN;
    if (errno == EINPROGRESS && probe->family != NG_PROBE_V6)
        return wait_connected(fd);
    return outcome_of(errno);
}

enum ng_probe_outcome ng_probe_fast_open(const struct ng_probe *probe)
{
    _cleanup_fd_ int fd = open_socket(probe);
    union address to;
    socklen_t length = canary(probe, probe->port, &to);

    if (fd < 0)
        return NG_PROBE_ABSENT;
    if (sendto(fd, "", 1, MSG_FASTOPEN | MSG_NOSIGNAL, &to.any, length) < 0 && errno != EINPROGRESS)
        return errno == EOPNOTSUPP ? NG_PROBE_ABSENT : outcome_of(errno);
    return wait_connected(fd);
}

/* From a socket of the canary's address, which is this process' too, to one that listens here: what answers is a socket
 * of this deployment, and its packets go to the canary. */
enum ng_probe_outcome ng_probe_accept(const struct ng_probe *probe)
{
    _cleanup_fd_ int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    _cleanup_fd_ int fd = open_socket(probe);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(here);
    union address from;
    socklen_t length = canary(probe, probe->port, &from);

    if (listener < 0 || fd < 0 || bind(listener, (struct sockaddr *)&here, sizeof(here)) < 0 ||
        listen(listener, 1) < 0 || getsockname(listener, (struct sockaddr *)&here, &size) < 0 ||
        bind(fd, &from.any, length) < 0)
        return NG_PROBE_ABSENT;
    if (connect(fd, (struct sockaddr *)&here, sizeof(here)) == 0)
        return NG_PROBE_OPEN;
    return errno == EINPROGRESS ? wait_connected(fd) : outcome_of(errno);
}

enum ng_probe_outcome ng_probe_sendto(const struct ng_probe *probe)
{
    _cleanup_fd_ int fd = open_socket(probe);
    union address to;
    socklen_t length = canary(probe, probe->port, &to);

    if (fd < 0)
        return NG_PROBE_ABSENT;
    return outcome_of(sendto(fd, "", 1, 0, &to.any, length) < 0 ? errno : 0);
}

enum ng_probe_outcome ng_probe_sendmsg(const struct ng_probe *probe)
{
    static char nothing[1];
    _cleanup_fd_ int fd = open_socket(probe);
    struct iovec part = {.iov_base = nothing, .iov_len = 1};
    union address to;
    struct msghdr message = {
        .msg_name = &to, .msg_namelen = canary(probe, probe->port, &to), .msg_iov = &part, .msg_iovlen = 1};

    if (fd < 0)
        return NG_PROBE_ABSENT;
    return outcome_of(sendmsg(fd, &message, 0) < 0 ? errno : 0);
}

/* A question for the canary's address (RFC 1035 section 4.1), behind its length for TCP. Returns its size. */
static size_t write_query(const struct ng_probe *probe, bool tcp, uint8_t *wire)
{
    static const uint8_t head[12] = {0x43, 0x59, 1, 0, 0, 1};
    uint8_t *at = wire + (tcp ? 2 : 0);
    char name[NG_CANARY_NAME_MAX];
    const char *label = name;
    size_t size;

    ng_canary_name(probe->number, name);
    memcpy(at, head, sizeof(head));
    at += sizeof(head);
    while (*label) {
        size_t length = strcspn(label, ".");

        *at++ = (uint8_t)length;
        memcpy(at, label, length);
        at += length;
        label += length + (label[length] == '.');
    }
    memcpy(at, (const uint8_t[]){0, 0, probe->family == NG_PROBE_V6 ? TYPE_AAAA : TYPE_A, 0, 1}, 5);
    size = (size_t)(at + 5 - wire);
    if (tcp)
        memcpy(wire, (const uint8_t[]){0, (uint8_t)(size - 2)}, 2);
    return size;
}

/* Whether the reply ends with the canary's address: nobody else knows that. */
static bool is_answer(const struct ng_probe *probe, const uint8_t *wire, size_t size)
{
    bool v4 = probe->family != NG_PROBE_V6;
    size_t octets = v4 ? 4 : 16;
    uint8_t address[16];

    ng_canary_address(probe->number, v4, address);
    return size > octets && memcmp(wire + size - octets, address + 16 - octets, octets) == 0;
}

static bool ready(int fd, short events, int timeout)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};

    return poll(&poll_fd, 1, timeout) > 0 && poll_fd.revents & events;
}

enum ng_probe_outcome ng_probe_dns(const struct ng_probe *probe)
{
    bool tcp = probe->proto == IPPROTO_TCP;
    _cleanup_fd_ int fd = open_socket(probe);
    uint8_t wire[DNS_SIZE_MAX];
    union address to;
    socklen_t length = canary(probe, 53, &to);
    ssize_t n;

    if (fd < 0)
        return NG_PROBE_ABSENT;
    if (connect(fd, &to.any, length) < 0 && errno != EINPROGRESS)
        return outcome_of(errno);
    /* In a network namespace that is new to the resolver, the first one may be lost. */
    for (int turn = 0; turn < NG_PROBE_WAIT / 1000; turn++) {
        if (!ready(fd, POLLOUT, 1000) || send(fd, wire, write_query(probe, tcp, wire), MSG_NOSIGNAL) < 0)
            continue;
        while (ready(fd, POLLIN, 1000) && (n = recv(fd, wire, sizeof(wire), 0)) > 0)
            if (is_answer(probe, wire, (size_t)n))
                return NG_PROBE_REDIRECTED;
    }
    return NG_PROBE_OPEN;
}

enum ng_probe_outcome ng_probe_raw(const struct ng_probe *probe)
{
    int type = probe->proto == IPPROTO_UDPLITE ? SOCK_DGRAM : SOCK_RAW;
    _cleanup_fd_ int fd = socket(probe->family == NG_PROBE_V4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, probe->proto);

    if (fd >= 0 || errno == EPERM)
        return outcome_of(fd < 0 ? errno : 0);
    return NG_PROBE_ABSENT;
}

enum ng_probe_outcome ng_probe_packet(const struct ng_probe *probe)
{
    _cleanup_fd_ int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0); /* of no protocol: it receives nothing */

    (void)probe;
    if (fd >= 0 || errno == EPERM)
        return outcome_of(fd < 0 ? errno : 0);
    return NG_PROBE_ABSENT;
}

static bool has_capability(cap_value_t capability)
{
    cap_t caps = cap_get_proc();
    cap_flag_value_t value = CAP_CLEAR;
    bool has = caps && cap_get_flag(caps, capability, CAP_EFFECTIVE, &value) == 0 && value == CAP_SET;

    (void)cap_free(caps);
    return has;
}

enum ng_probe_outcome ng_probe_tun(const struct ng_probe *probe)
{
    _cleanup_fd_ int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

    (void)probe;
    if (fd < 0)
        return errno == EPERM || errno == EACCES ? NG_PROBE_DENIED : NG_PROBE_ABSENT;
    return has_capability(CAP_NET_ADMIN) ? NG_PROBE_OPEN : NG_PROBE_DENIED;
}

/* Whether a process can be started in that cgroup (clone3(2), CLONE_INTO_CGROUP); it ends at once. */
static bool starts_in(const char *cgroup)
{
    _cleanup_fd_ int fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct clone_args arguments = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (__u64)(unsigned)fd};
    long pid = fd < 0 ? -1 : syscall(SYS_clone3, &arguments, sizeof(arguments));

    if (pid == 0)
        _exit(0);
    if (pid > 0)
        (void)waitpid((pid_t)pid, NULL, 0);
    return pid > 0;
}

/* Who may write to cgroup.procs at the root may go there, and who may mount may make that so. */
enum ng_probe_outcome ng_probe_leave(const struct ng_probe *probe)
{
    _cleanup_free_ char *mount_point = ng_cli_host_mount("cgroup2"), *path = NULL;
    _cleanup_fd_ int fd = -1;

    (void)probe;
    if (has_capability(CAP_SYS_ADMIN))
        return NG_PROBE_OPEN;
    if (!mount_point || asprintf(&path, "%s/cgroup.procs", mount_point) < 0)
        return NG_PROBE_ABSENT;
    fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd >= 0 || starts_in(mount_point) ? NG_PROBE_OPEN : NG_PROBE_DENIED;
}

void ng_probe_bring(uint64_t number, int ret_fds[2], int *ret_listener)
{
    const struct ng_probe tcp = {.family = NG_PROBE_V4, .proto = IPPROTO_TCP, .number = number};
    const struct ng_probe udp = {.family = NG_PROBE_V4, .proto = IPPROTO_UDP, .number = number};
    union address to;
    socklen_t length = canary(&tcp, 0, &to), size = sizeof(to);

    *ret_listener = open_socket(&tcp);
    ret_fds[0] = open_socket(&tcp);
    ret_fds[1] = open_socket(&udp);
    if (*ret_listener < 0 || bind(*ret_listener, &to.any, length) < 0 || listen(*ret_listener, 1) < 0 ||
        getsockname(*ret_listener, &to.any, &size) < 0 ||
        (connect(ret_fds[0], &to.any, length) < 0 && errno != EINPROGRESS))
        ret_fds[0] = ng_close(ret_fds[0]);
    if (connect(ret_fds[1], &to.any, length) < 0)
        ret_fds[1] = ng_close(ret_fds[1]);
}

enum ng_probe_outcome ng_probe_brought(const struct ng_probe *probe)
{
    socklen_t size = sizeof(int);
    int error = 0;

    if (probe->fd < 0)
        return NG_PROBE_ABSENT;
    if (!ready(probe->fd, POLLERR, NG_PROBE_WAIT) ||
        getsockopt(probe->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        return NG_PROBE_OPEN;
    return error == ECONNABORTED ? NG_PROBE_CUT : NG_PROBE_OPEN;
}

/* Not by connect(), which the gate would put on record once for this process, and then no more for the command. */
bool ng_probe_delegate(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISSOCK(st.st_mode) && access(path, W_OK) == 0;
}
