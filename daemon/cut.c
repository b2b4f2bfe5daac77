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
#include <poll.h>
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

/* What is learnt costs at most a tenth of a CPU in walks over files, and as much in those over sockets. What a second
 * of that allows may come at once: the answers for A and AAAA of a name are two that may not wait for each other. While
 * there is no news, walks over sockets take a hundredth. */
#define SHARE 10
#define SHARE_IDLE 100
#define AT_ONCE NG_SECOND
#define REST (10 * NG_SECOND / 1000) /* between two walks, for what comes in quick succession */

#define NAMESPACES_MAX 256 /* in which sockets are looked for; what is in further ones falls silent */
#define FOUND_ROOM 32768   /* octets that are taken from a walk at once */

struct ng_cutter {
    pthread_t thread;
    struct ng_loop *loop;
    ng_cut_fn on_cut;
    void *arg;
    int walk[NG_WALKS];
    int wake;    /* eventfd */
    int done[2]; /* pipe of struct ng_socket; its end for the loop, and for the thread */
    int home;    /* the network namespace of the daemon */
    bool started;
    atomic_bool news, stopping;
};

/* --- one socket */

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

/* As the kernel's socket diagnosis wants it (linux/inet_diag.h). */
static struct destroy fill_destroy(const struct ng_socket *open)
{
    bool v4 = memcmp(open->address, (uint8_t[12]){[10] = 0xff, [11] = 0xff}, 12) == 0;
    size_t from = v4 ? 12 : 0;
    struct destroy message = {
        .header = {.nlmsg_len = sizeof(message),
                   .nlmsg_type = SOCK_DESTROY,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
        .request = {.sdiag_family = v4 ? AF_INET : AF_INET6,
                    .sdiag_protocol = open->protocol == IPPROTO_MPTCP ? IPPROTO_TCP : (uint8_t)open->protocol,
                    .idiag_states = ~0u,
                    .id = {.idiag_sport = htons(open->local_port),
                           .idiag_dport = htons(open->port),
                           .idiag_if = open->device,
                           .idiag_cookie = {(uint32_t)open->cookie, (uint32_t)(open->cookie >> 32)}}}};

    memcpy(message.request.id.idiag_src, open->local + from, 16 - from);
    memcpy(message.request.id.idiag_dst, open->address + from, 16 - from);
    return message;
}

/* In the network namespace that the thread is in. */
static int destroy_here(const struct ng_socket *open)
{
    const struct destroy message = fill_destroy(open);
    _cleanup_fd_ int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
    } answer;

    if (netlink < 0 || send(netlink, &message, sizeof(message), 0) < 0)
        return -errno;
    if (recv(netlink, &answer, sizeof(answer), 0) < (ssize_t)sizeof(answer) ||
        answer.header.nlmsg_type != NLMSG_ERROR)
        return -EPROTO;
    return answer.error.error;
}

static void go_home(const struct ng_cutter *cutter)
{
    if (setns(cutter->home, CLONE_NEWNET) < 0)
        ng_log(NG_LOG_ERROR, "cannot come back from a network namespace: %m");
}

/* In the one that the socket is in. */
static int destroy_there(const struct ng_cutter *cutter, int fd, const struct ng_socket *open)
{
    _cleanup_fd_ int there = ioctl(fd, SIOCGSKNS);
    struct stat home, other;
    int r;

    if (there < 0 || fstat(there, &other) < 0 || fstat(cutter->home, &home) < 0)
        return -errno;
    if (other.st_ino == home.st_ino && other.st_dev == home.st_dev)
        return destroy_here(open);
    if (setns(there, CLONE_NEWNET) < 0)
        return -errno;
    r = destroy_here(open);
    go_home(cutter);
    return r;
}

/* The diagnosis of the kernel destroys no MPTCP sockets, and one whose subflow is destroyed waits for another. Closed
 * for both directions, reading ends and writing fails. */
static int end_socket(const struct ng_cutter *cutter, int fd, const struct ng_socket *open)
{
    if (open->protocol != IPPROTO_MPTCP)
        return destroy_there(cutter, fd, open);
    return shutdown(fd, SHUT_RDWR) < 0 ? -errno : 0;
}

/* r: what became of it. */
static void tell(const struct ng_cutter *cutter, const struct ng_socket *open, int r)
{
    if (r < 0)
        ng_log(NG_LOG_DEBUG, "cannot end a connection of process %u: %s", open->tgid, strerror(-r));
    else if (write(cutter->done[1], open, sizeof(*open)) < 0)
        ng_log(NG_LOG_WARNING, "a connection of process %u was cut without a record: %m", open->tgid);
}

/* --- the walks */

typedef void (*found_fn)(void *arg, const void *record);

/* Calls found for each record of this size that a walk writes. They are taken many at once, so that what becomes of
 * them is no matter to the walk. */
static void walk(const struct ng_cutter *cutter, enum ng_walk which, size_t size, found_fn found, void *arg)
{
    _cleanup_fd_ int records = cutter->walk[which] < 0 ? -1 : bpf_iter_create(cutter->walk[which]);
    _Alignas(uint64_t) char buffer[FOUND_ROOM];

    if (records < 0) {
        if (cutter->walk[which] >= 0)
            ng_log(NG_LOG_ERROR, "cannot look at what is open: %m");
        return;
    }
    for (;;) {
        ssize_t n = read(records, buffer, sizeof(buffer) / size * size);

        if (n < 0 && errno == EAGAIN)
            continue; /* it has seen many that do not matter, and shall be asked on */
        if (n <= 0)
            return;
        for (size_t at = 0; at + size <= (size_t)n; at += size)
            found(arg, buffer + at);
    }
}

/* A file of a process. */
static void cut_file(void *arg, const void *record)
{
    const struct ng_cutter *cutter = arg;
    const struct ng_socket *open = record;
    _cleanup_fd_ int process = (int)syscall(SYS_pidfd_open, open->tgid, 0);
    _cleanup_fd_ int fd = process < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, process, open->fd, 0);

    if (fd >= 0 && same_peer(fd, open)) /* else it is closed, or has been cut through another who holds it */
        tell(cutter, open, end_socket(cutter, fd, open));
}

/* One in the network namespace that the thread is in. */
static void cut_socket(void *arg, const void *record)
{
    tell(arg, record, destroy_here(record));
}

static void walk_files(struct ng_cutter *cutter)
{
    walk(cutter, NG_WALK_FILES, sizeof(struct ng_socket), cut_file, cutter);
}

static void walk_sockets_here(struct ng_cutter *cutter)
{
    walk(cutter, NG_WALK_TCP, sizeof(struct ng_socket), cut_socket, cutter);
    walk(cutter, NG_WALK_UDP, sizeof(struct ng_socket), cut_socket, cutter);
}

/* The network namespaces that have been walked. */
struct visited {
    struct ng_cutter *cutter;
    unsigned count;
    uint32_t inode[NAMESPACES_MAX];
};

static void visit(void *arg, const void *record)
{
    const struct ng_whereabouts *there = record;
    struct visited *visited = arg;
    _cleanup_fd_ int namespace = -1;
    char path[64];
    struct stat st;

    for (unsigned i = 0; i < visited->count; i++)
        if (visited->inode[i] == there->netns)
            return;
    if (visited->count == NAMESPACES_MAX)
        return;
    (void)snprintf(path, sizeof(path), "/proc/%u/ns/net", there->pid);
    namespace = open(path, O_RDONLY | O_CLOEXEC);
    if (namespace < 0 || fstat(namespace, &st) < 0 || st.st_ino != there->netns ||
        setns(namespace, CLONE_NEWNET) < 0)
        return; /* it has ended, or gone elsewhere */
    visited->inode[visited->count++] = there->netns;
    walk_sockets_here(visited->cutter);
}

/* Those in the namespaces where deployments have processes, and in the daemon's own. */
static void walk_sockets(struct ng_cutter *cutter)
{
    struct visited visited = {.cutter = cutter};
    struct stat home;

    if (cutter->walk[NG_WALK_TCP] < 0 && cutter->walk[NG_WALK_UDP] < 0)
        return;
    if (fstat(cutter->home, &home) == 0)
        visited.inode[visited.count++] = (uint32_t)home.st_ino;
    walk_sockets_here(cutter);
    walk(cutter, NG_WALK_TASKS, sizeof(struct ng_whereabouts), visit, &visited);
    if (visited.count > 1)
        go_home(cutter);
}

/* --- the thread */

/* What walks of one kind cost, in time of a CPU: on a busy machine those that take long need not be dear. */
struct budget {
    bool wanted;
    uint64_t earned; /* when what they have cost is earned again */
};

static uint64_t cpu_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * NG_SECOND + (uint64_t)now.tv_nsec;
}

/* Takes such a walk if one is wanted and can be afforded. Returns what it cost, 0 if there was none. */
static uint64_t spend(struct budget *budget, void (*walk_all)(struct ng_cutter *cutter), struct ng_cutter *cutter)
{
    uint64_t now = ng_now(), start = cpu_now(), cost;

    if (!budget->wanted || budget->earned > now)
        return 0;
    budget->wanted = false;
    walk_all(cutter);
    cost = cpu_now() - start;
    if (budget->earned + AT_ONCE < now)
        budget->earned = now - AT_ONCE;
    budget->earned += cost * SHARE;
    return cost;
}

/* When the next walk can be afforded; UINT64_MAX while none is wanted. */
static uint64_t next_of(const struct budget *files, const struct budget *sockets)
{
    uint64_t first = files->wanted ? files->earned : UINT64_MAX;
    uint64_t second = sockets->wanted ? sockets->earned : UINT64_MAX;

    return first < second ? first : second;
}

/* In ms, as poll(2) has it. */
static int until(uint64_t then)
{
    uint64_t now = ng_now();

    return then == UINT64_MAX ? -1 : then <= now ? 0 : (int)((then - now) * 1000 / NG_SECOND) + 1;
}

/* What files lead to comes first, because there it is known whose they are. */
static void *work(void *arg)
{
    struct ng_cutter *cutter = arg;
    struct budget files = {0}, sockets = {0};
    uint64_t calls, cost, idle = 0; /* idle: when sockets are walked without news */

    for (;;) {
        struct pollfd wake = {.fd = cutter->wake, .events = POLLIN};

        if (poll(&wake, 1, until(next_of(&files, &sockets))) < 0)
            continue;
        if (atomic_load(&cutter->stopping))
            break;
        if (wake.revents && read(cutter->wake, &calls, sizeof(calls)) == (ssize_t)sizeof(calls)) {
            files.wanted = true;
            sockets.wanted = atomic_exchange(&cutter->news, false) || sockets.wanted || ng_now() >= idle;
        }
        (void)spend(&files, walk_files, cutter);
        cost = spend(&sockets, walk_sockets, cutter);
        if (cost > 0)
            idle = ng_now() + cost * SHARE_IDLE;
        (void)nanosleep(&(struct timespec){.tv_nsec = REST}, NULL);
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

int ng_cutter_new(struct ng_loop *loop, const struct ng_gate *gate, ng_cut_fn on_cut, void *arg,
                  struct ng_error *error, struct ng_cutter **ret_cutter)
{
    struct ng_cutter *cutter = calloc(1, sizeof(*cutter));
    int r;

    if (!cutter)
        return ng_error_set(error, ENOMEM, NULL, "out of memory");
    cutter->loop = loop;
    cutter->on_cut = on_cut;
    cutter->arg = arg;
    for (enum ng_walk each = 0; each < NG_WALKS; each++)
        cutter->walk[each] = ng_gate_walk(gate, each);
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
        ng_cutter_wake(cutter, false);
        (void)pthread_join(cutter->thread, NULL);
        ng_loop_remove(cutter->loop, cutter->done[0]);
    }
    (void)ng_close(cutter->wake);
    (void)ng_close(cutter->home);
    (void)ng_close(cutter->done[0]);
    (void)ng_close(cutter->done[1]);
    free(cutter);
}

void ng_cutter_wake(struct ng_cutter *cutter, bool news)
{
    static const uint64_t once = 1;

    if (news)
        atomic_store(&cutter->news, true);
    if (write(cutter->wake, &once, sizeof(once)) < 0)
        ng_log(NG_LOG_ERROR, "cannot wake what ends connections: %m");
}
