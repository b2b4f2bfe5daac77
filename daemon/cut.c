// SPDX-License-Identifier: BSD-2-Clause
#include "cut.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

/* Between two walks. What a busy resolver learns costs at most a tenth of a CPU in walks. */
#define REST_LEAST (10 * NG_SECOND / 1000)
#define REST_FACTOR 9

struct ng_cutter {
    pthread_t thread;
    struct ng_loop *loop;
    ng_cut_fn on_cut;
    void *arg;
    int walk;
    int wake;    /* eventfd */
    int done[2]; /* pipe of struct ng_socket; its end for the loop, and for the thread */
    int home;    /* the network namespace of the daemon */
    bool started;
    atomic_bool stopping;
};

/* --- one socket */

/* The two ends, as the kernel's socket diagnosis wants them (linux/inet_diag.h). */
static void fill_end(const struct sockaddr_storage *from, bool v4, __be32 address[4], __be16 *port)
{
    const struct sockaddr_in6 *six = (const void *)from;
    const struct sockaddr_in *four = (const void *)from;

    if (from->ss_family == AF_INET)
        memcpy(address, &four->sin_addr, 4);
    else if (v4)
        memcpy(address, six->sin6_addr.s6_addr + 12, 4);
    else
        memcpy(address, &six->sin6_addr, 16);
    *port = four->sin_port; /* at the same place in both families */
}

/* Whether it is still connected to what was denied: the descriptor may be another's by now. */
static bool same_peer(int fd, const struct ng_socket *open)
{
    struct sockaddr_storage peer = {0};
    socklen_t length = sizeof(peer);
    uint8_t address[16] = {[10] = 0xff, [11] = 0xff};

    if (getpeername(fd, (struct sockaddr *)&peer, &length) < 0)
        return false;
    if (peer.ss_family == AF_INET)
        memcpy(address + 12, &((struct sockaddr_in *)&peer)->sin_addr, 4);
    else if (peer.ss_family == AF_INET6)
        memcpy(address, &((struct sockaddr_in6 *)&peer)->sin6_addr, 16);
    else
        return false;
    return memcmp(address, open->address, sizeof(address)) == 0 &&
           ntohs(((struct sockaddr_in *)&peer)->sin_port) == open->port;
}

struct destroy {
    struct nlmsghdr header;
    struct inet_diag_req_v2 request;
};

static int fill_destroy(int fd, const struct ng_socket *open, struct destroy *ret_message)
{
    struct sockaddr_storage local = {0}, peer = {0};
    socklen_t local_length = sizeof(local), peer_length = sizeof(peer), length = sizeof(uint64_t);
    uint64_t cookie;
    int device = 0;
    socklen_t device_length = sizeof(device);
    struct inet_diag_req_v2 *request = &ret_message->request;
    bool v4 = memcmp(open->address, (uint8_t[12]){[10] = 0xff, [11] = 0xff}, 12) == 0;

    if (getsockname(fd, (struct sockaddr *)&local, &local_length) < 0 ||
        getpeername(fd, (struct sockaddr *)&peer, &peer_length) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length) < 0)
        return -errno;
    (void)getsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &device, &device_length);
    *ret_message = (struct destroy){
        .header = {.nlmsg_len = sizeof(*ret_message),
                   .nlmsg_type = SOCK_DESTROY,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
        .request = {.sdiag_family = v4 ? AF_INET : AF_INET6,
                    .sdiag_protocol = (uint8_t)open->protocol,
                    .idiag_states = ~0u}};
    fill_end(&local, v4, request->id.idiag_src, &request->id.idiag_sport);
    fill_end(&peer, v4, request->id.idiag_dst, &request->id.idiag_dport);
    request->id.idiag_if = (uint32_t)device;
    request->id.idiag_cookie[0] = (uint32_t)cookie;
    request->id.idiag_cookie[1] = (uint32_t)(cookie >> 32);
    return 0;
}

/* In the network namespace that the thread is in. */
static int send_destroy(const struct destroy *message)
{
    _cleanup_fd_ int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
    } answer;

    if (netlink < 0 || send(netlink, message, sizeof(*message), 0) < 0)
        return -errno;
    if (recv(netlink, &answer, sizeof(answer), 0) < (ssize_t)sizeof(answer) ||
        answer.header.nlmsg_type != NLMSG_ERROR)
        return -EPROTO;
    return answer.error.error;
}

/* In the one that the socket is in. */
static int destroy(const struct ng_cutter *cutter, int fd, const struct ng_socket *open)
{
    _cleanup_fd_ int there = ioctl(fd, SIOCGSKNS);
    struct stat home, other;
    struct destroy message;
    int r = fill_destroy(fd, open, &message);

    if (r < 0)
        return r;
    if (there < 0 || fstat(there, &other) < 0 || fstat(cutter->home, &home) < 0)
        return -errno;
    if (other.st_ino == home.st_ino && other.st_dev == home.st_dev)
        return send_destroy(&message);
    if (setns(there, CLONE_NEWNET) < 0)
        return -errno;
    r = send_destroy(&message);
    if (setns(cutter->home, CLONE_NEWNET) < 0)
        ng_log(NG_LOG_ERROR, "cannot come back from a network namespace: %m");
    return r;
}

/* The diagnosis of the kernel destroys no MPTCP sockets, and one whose subflow is destroyed waits for another. Closed
 * for both directions, reading ends and writing fails. */
static int end_socket(const struct ng_cutter *cutter, int fd, const struct ng_socket *open)
{
    if (open->protocol != IPPROTO_MPTCP)
        return destroy(cutter, fd, open);
    return shutdown(fd, SHUT_RDWR) < 0 ? -errno : 0;
}

static void cut(const struct ng_cutter *cutter, const struct ng_socket *open)
{
    _cleanup_fd_ int process = (int)syscall(SYS_pidfd_open, open->tgid, 0);
    _cleanup_fd_ int fd = process < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, process, open->fd, 0);
    int r;

    if (fd < 0 || !same_peer(fd, open))
        return; /* it is closed, or has been cut through another who holds it */
    r = end_socket(cutter, fd, open);
    if (r < 0)
        ng_log(NG_LOG_DEBUG, "cannot end a connection of process %u: %s", open->tgid, strerror(-r));
    else if (write(cutter->done[1], open, sizeof(*open)) < 0)
        ng_log(NG_LOG_WARNING, "a connection of process %u was cut without a record: %m", open->tgid);
}

/* --- the thread */

static void walk(const struct ng_cutter *cutter)
{
    _cleanup_fd_ int sockets = bpf_iter_create(cutter->walk);
    struct ng_socket open;
    size_t have = 0;

    if (sockets < 0) {
        ng_log(NG_LOG_ERROR, "cannot look at the open sockets: %m");
        return;
    }
    for (;;) {
        ssize_t n = read(sockets, (char *)&open + have, sizeof(open) - have);

        if (n < 0 && errno == EAGAIN)
            continue; /* it has seen many files that do not matter, and shall be asked on */
        if (n <= 0)
            return;
        have += (size_t)n;
        if (have < sizeof(open))
            continue;
        cut(cutter, &open);
        have = 0;
    }
}

static void *work(void *arg)
{
    struct ng_cutter *cutter = arg;
    uint64_t calls;

    while (read(cutter->wake, &calls, sizeof(calls)) == (ssize_t)sizeof(calls)) {
        uint64_t start = ng_now(), rest;

        if (atomic_load(&cutter->stopping))
            break;
        walk(cutter);
        rest = (ng_now() - start) * REST_FACTOR;
        if (rest < REST_LEAST)
            rest = REST_LEAST;
        (void)nanosleep(&(struct timespec){.tv_sec = (time_t)(rest / NG_SECOND), .tv_nsec = (long)(rest % NG_SECOND)},
                        NULL);
    }
    return NULL;
}

/* --- the loop's side */

static void on_done(void *arg, uint32_t events)
{
    struct ng_cutter *cutter = arg;
    struct ng_socket open;

    (void)events;
    while (read(cutter->done[0], &open, sizeof(open)) == (ssize_t)sizeof(open))
        cutter->on_cut(cutter->arg, &open);
}

static int start(struct ng_cutter *cutter)
{
    int r;

    cutter->wake = eventfd(0, EFD_CLOEXEC);
    if (cutter->wake < 0 || pipe2(cutter->done, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    cutter->home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (cutter->home < 0)
        return -errno;
    r = ng_loop_add(cutter->loop, cutter->done[0], EPOLLIN, on_done, cutter);
    if (r < 0)
        return r;
    r = -pthread_create(&cutter->thread, NULL, work, cutter);
    cutter->started = r == 0;
    return r;
}

int ng_cutter_new(struct ng_loop *loop, int walk_link, ng_cut_fn on_cut, void *arg, struct ng_error *error,
                  struct ng_cutter **ret_cutter)
{
    struct ng_cutter *cutter = calloc(1, sizeof(*cutter));
    int r;

    if (!cutter)
        return ng_error_set(error, ENOMEM, NULL, "out of memory");
    cutter->loop = loop;
    cutter->on_cut = on_cut;
    cutter->arg = arg;
    cutter->walk = walk_link;
    cutter->wake = cutter->home = cutter->done[0] = cutter->done[1] = -1;
    r = start(cutter);
    if (r < 0) {
        ng_cutter_free(cutter);
        return ng_error_set(error, -r, NULL, "cannot start what ends connections: %s", strerror(-r));
    }
    *ret_cutter = cutter;
    return 0;
}

void ng_cutter_free(struct ng_cutter *cutter)
{
    if (!cutter)
        return;
    if (cutter->started) {
        atomic_store(&cutter->stopping, true);
        ng_cutter_wake(cutter);
        (void)pthread_join(cutter->thread, NULL);
        ng_loop_remove(cutter->loop, cutter->done[0]);
    }
    (void)ng_close(cutter->wake);
    (void)ng_close(cutter->home);
    (void)ng_close(cutter->done[0]);
    (void)ng_close(cutter->done[1]);
    free(cutter);
}

void ng_cutter_wake(struct ng_cutter *cutter)
{
    static const uint64_t once = 1;

    if (write(cutter->wake, &once, sizeof(once)) < 0)
        ng_log(NG_LOG_ERROR, "cannot wake what ends connections: %m");
}
