// SPDX-License-Identifier: BSD-2-Clause
/* Sockets of c-ares for UDP are made here (ares_set_socket_functions(3)): what it sends goes into the outbox, what it
 * reads comes from the inbox. */
#include "path.h"

#include "upstream.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <ares.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#define PATH_QUERIES 512 /* with the same sockets */
#define PATH_AGE (10 * NG_SECOND)
#define ARES_MS (NG_UPSTREAM_GIVEN_UP_MS + 500)
#define BATCH 32
#define ANSWER_MAX 4096 /* octets that c-ares takes over UDP */

/* A channel of c-ares: the sockets to one server. */
struct ng_path {
    LIST_ENTRY(ng_path) paths;
    struct ng_paths *owner;
    ares_channel channel;
    unsigned open, asked;
    uint64_t made_at;
    bool tcp;
    bool used; /* the server's current one */
};

/* A socket of c-ares. */
struct sock {
    struct ng_source source;
    struct ng_path *path;
    struct sock *next;
    int error; /* of a datagram that could not be sent; c-ares reads it */
};

/* Datagrams that wait to be sent; fd -1: its socket has been closed. */
struct outbox {
    int fd[BATCH];
    struct mmsghdr message[BATCH];
    struct iovec part[BATCH];
    uint8_t datagram[BATCH][NG_WIRE_QUERY_MAX];
    unsigned count;
};

/* Datagrams that came by one socket, and wait to be read. */
struct inbox {
    struct mmsghdr message[BATCH];
    struct iovec part[BATCH];
    struct sockaddr_storage peer[BATCH];
    uint8_t datagram[BATCH][ANSWER_MAX];
    unsigned count, next;
    int fd;
    bool ready; /* there may be more */
};

struct ng_paths {
    struct ng_poll *poll;
    LIST_HEAD(, ng_path) all;
    struct sock *socks;
    unsigned retired; /* paths that wait for their last answers */
    bool failed;      /* some socket has an error */
    uint64_t read_at;
    struct outbox out;
    struct inbox in;
};

static struct sock *find_sock(const struct ng_paths *paths, int fd)
{
    struct sock *sock = paths->socks;

    while (sock && sock->source.fd != fd)
        sock = sock->next;
    return sock;
}

/* --- sending */

/* The datagrams from `first` on, which leave by the same socket. What does not fit into it is lost, as any may be. */
static void send_run(struct ng_paths *paths, unsigned first, unsigned count)
{
    struct outbox *out = &paths->out;
    unsigned sent = 0;

    while (sent < count) {
        int r = sendmmsg(out->fd[first], out->message + first + sent, count - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        struct sock *sock;

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0 && errno != EAGAIN && errno != ENOBUFS) {
            sock = find_sock(paths, out->fd[first]);
            if (sock)
                sock->error = errno;
            paths->failed |= sock != NULL;
            return;
        }
        sent += r > 0 ? (unsigned)r : 1U;
    }
}

static void empty(struct ng_paths *paths)
{
    struct outbox *out = &paths->out;
    unsigned first = 0;

    for (unsigned i = 1; i <= out->count; i++) {
        if (i < out->count && out->fd[i] == out->fd[first])
            continue;
        if (out->fd[first] >= 0)
            send_run(paths, first, i - first);
        first = i;
    }
    out->count = 0;
}

void ng_paths_send(struct ng_paths *paths)
{
    struct sock *sock;
    int fd;

    if (paths->out.count)
        empty(paths);
    while (paths->failed) {
        paths->failed = false;
        sock = paths->socks;
        while (sock && !sock->error)
            sock = sock->next;
        if (!sock)
            break;
        paths->failed = true; /* there may be others: this one's end changes the list */
        paths->in.ready = false;
        fd = sock->source.fd;
        ares_process_fd(sock->path->channel, fd, ARES_SOCKET_BAD);
        sock = find_sock(paths, fd);
        if (sock)
            sock->error = 0;
    }
}

/* --- what c-ares calls */

static ares_socket_t open_socket(int family, int type, int protocol, void *arg)
{
    (void)arg;
    return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
}

static int close_socket(ares_socket_t fd, void *arg)
{
    struct ng_paths *paths = ((const struct ng_path *)arg)->owner;

    for (unsigned i = 0; i < paths->out.count; i++)
        if (paths->out.fd[i] == fd)
            paths->out.fd[i] = -1;
    if (paths->in.fd == fd)
        paths->in.count = paths->in.next = 0;
    return close(fd);
}

static int connect_socket(ares_socket_t fd, const struct sockaddr *address, ares_socklen_t length, void *arg)
{
    (void)arg;
    return connect(fd, address, length);
}

static bool fill(struct ng_paths *paths, int fd)
{
    struct inbox *in = &paths->in;
    int count;

    for (unsigned i = 0; i < BATCH; i++) {
        in->part[i] = (struct iovec){in->datagram[i], sizeof(in->datagram[i])};
        in->message[i].msg_hdr = (struct msghdr){.msg_name = &in->peer[i],
                                                 .msg_namelen = sizeof(in->peer[i]),
                                                 .msg_iov = &in->part[i],
                                                 .msg_iovlen = 1};
    }
    in->ready = false;
    in->next = in->count = 0;
    in->fd = fd;
    count = recvmmsg(fd, in->message, BATCH, MSG_DONTWAIT, NULL);
    if (count < 0)
        return false;
    paths->read_at = ng_now();
    in->count = (unsigned)count;
    return true;
}

/* One datagram. */
static ares_ssize_t read_socket(ares_socket_t fd, void *data, size_t room, int flags, struct sockaddr *from,
                                ares_socklen_t *from_length, void *arg)
{
    struct ng_paths *paths = ((const struct ng_path *)arg)->owner;
    const struct sock *sock = find_sock(paths, fd);
    struct inbox *in = &paths->in;
    socklen_t length;
    size_t size;
    unsigned i;

    (void)flags;
    if (sock && sock->error) {
        errno = sock->error;
        return -1;
    }
    if (in->ready && !fill(paths, fd))
        return -1;
    if (in->fd != fd || in->next == in->count) {
        errno = EAGAIN;
        return -1;
    }
    i = in->next++;
    size = in->message[i].msg_len < room ? in->message[i].msg_len : room;
    memcpy(data, in->datagram[i], size);
    length = in->message[i].msg_hdr.msg_namelen;
    if (from && length <= *from_length) {
        memcpy(from, &in->peer[i], length);
        *from_length = length;
    }
    return (ares_ssize_t)size;
}

static ares_ssize_t write_socket(ares_socket_t fd, const struct iovec *parts, int count, void *arg)
{
    struct ng_paths *paths = ((const struct ng_path *)arg)->owner;
    struct outbox *out = &paths->out;
    size_t size = 0;
    unsigned at;

    if (out->count == BATCH)
        empty(paths);
    at = out->count;
    for (int i = 0; i < count; i++) {
        if (parts[i].iov_len > sizeof(out->datagram[at]) - size) {
            errno = EMSGSIZE;
            return -1;
        }
        memcpy(out->datagram[at] + size, parts[i].iov_base, parts[i].iov_len);
        size += parts[i].iov_len;
    }
    out->fd[at] = fd;
    out->part[at] = (struct iovec){out->datagram[at], size};
    out->message[at].msg_hdr = (struct msghdr){.msg_iov = &out->part[at], .msg_iovlen = 1};
    out->count++;
    return (ares_ssize_t)size;
}

/* --- waiting for sockets */

static void on_ready(struct ng_source *source, uint32_t events)
{
    struct sock *sock = (struct sock *)source;
    struct inbox *in = &sock->path->owner->in;
    bool readable = events & (EPOLLIN | EPOLLERR | EPOLLHUP), writable = events & (EPOLLOUT | EPOLLERR | EPOLLHUP);

    in->ready = !sock->path->tcp; /* once: others have their turn before the rest */
    in->next = in->count = 0;
    sock->path->owner->read_at = ng_now();
    ares_process_fd(sock->path->channel, readable ? source->fd : ARES_SOCKET_BAD,
                    writable ? source->fd : ARES_SOCKET_BAD);
}

static void release_sock(struct ng_source *source)
{
    free(source);
}

static void forget_sock(struct ng_paths *paths, struct sock *sock)
{
    struct sock **at = &paths->socks;

    while (*at != sock)
        at = &(*at)->next;
    *at = sock->next;
    ng_poll_remove(paths->poll, &sock->source);
}

static void on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct ng_path *path = arg;
    struct ng_paths *paths = path->owner;
    uint32_t events = (readable ? (uint32_t)EPOLLIN : 0U) | (writable ? (uint32_t)EPOLLOUT : 0U);
    struct sock *sock = find_sock(paths, fd);

    if (sock && !events) {
        forget_sock(paths, sock);
    } else if (sock) {
        ng_poll_change(paths->poll, &sock->source, events);
    } else if (events) {
        sock = calloc(1, sizeof(*sock));
        if (!sock)
            return; /* unseen answers end in c-ares' timeout */
        sock->source = (struct ng_source){.ready = on_ready, .release = release_sock, .fd = fd};
        sock->path = path;
        if (ng_poll_add(paths->poll, &sock->source, events) < 0) {
            free(sock);
            return;
        }
        sock->next = paths->socks;
        paths->socks = sock;
    }
}

/* --- paths */

static int set_server(ares_channel channel, const struct ng_endpoint *server)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct ares_addr_port_node node = {.family = AF_INET6};

    if (memcmp(server->address, mapped, sizeof(mapped)) == 0) {
        node.family = AF_INET;
        memcpy(&node.addr.addr4, server->address + 12, 4);
    } else {
        memcpy(&node.addr.addr6, server->address, 16);
    }
    node.udp_port = node.tcp_port = server->port;
    return ares_set_servers_ports(channel, &node) == ARES_SUCCESS ? 0 : -ENOMEM;
}

static int open_channel(struct ng_path *path)
{
    static char lookups[] = "b";
    /* All is said here, so that c-ares reads no file for it. It tries once: what comes next is decided here. It ends
     * all sockets to a server when one of them fails, so UDP and TCP have a channel each. */
    struct ares_options options = {.flags = ARES_FLAG_EDNS | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES |
                                            ARES_FLAG_NOCHECKRESP | ARES_FLAG_IGNTC |
                                            (path->tcp ? ARES_FLAG_USEVC | ARES_FLAG_STAYOPEN : 0),
                                   .timeout = ARES_MS,
                                   .tries = 1,
                                   .ndots = 1,
                                   .lookups = lookups,
                                   .sock_state_cb = on_socket,
                                   .sock_state_cb_data = path};
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS | ARES_OPT_LOOKUPS |
               ARES_OPT_DOMAINS | ARES_OPT_SORTLIST | ARES_OPT_SERVERS | ARES_OPT_SOCK_STATE_CB;

    return ares_init_options(&path->channel, &options, mask) == ARES_SUCCESS ? 0 : -ENOMEM;
}

static struct ng_path *new_path(struct ng_paths *paths, const struct ng_endpoint *server, bool tcp)
{
    static const struct ares_socket_functions functions = {open_socket, close_socket, connect_socket, read_socket,
                                                           write_socket};
    struct ng_path *path = calloc(1, sizeof(*path));

    if (!path)
        return NULL;
    *path = (struct ng_path){.owner = paths, .made_at = ng_now(), .tcp = tcp, .used = true};
    if (open_channel(path) < 0) {
        free(path);
        return NULL;
    }
    if (!tcp)
        ares_set_socket_functions(path->channel, &functions, path);
    if (set_server(path->channel, server) < 0) {
        ares_destroy(path->channel);
        free(path);
        return NULL;
    }
    LIST_INSERT_HEAD(&paths->all, path, paths);
    return path;
}

struct ng_path *ng_path_to(struct ng_paths *paths, struct ng_path **path, const struct ng_endpoint *server, bool tcp,
                           uint64_t now)
{
    if (*path && !tcp && ((*path)->asked >= PATH_QUERIES || now - (*path)->made_at > PATH_AGE)) {
        (*path)->used = false; /* it goes when its last query is over */
        paths->retired++;
        *path = NULL;
    }
    if (!*path)
        *path = new_path(paths, server, tcp);
    return *path;
}

static void on_answer(void *arg, int status, int timeouts, unsigned char *wire, int size)
{
    struct ng_path_query *query = arg;
    bool came = status == ARES_SUCCESS && wire && size > 0;

    (void)timeouts;
    query->path->open--;
    query->answered(query, came ? wire : NULL, came ? (size_t)size : 0);
}

void ng_path_ask(struct ng_path *path, const uint8_t *wire, size_t size, struct ng_path_query *query)
{
    query->path = path;
    path->open++;
    path->asked++;
    ares_send(path->channel, wire, (int)size, on_answer, query);
}

uint64_t ng_paths_read_at(const struct ng_paths *paths)
{
    return paths->read_at;
}

bool ng_paths_leaving(const struct ng_paths *paths)
{
    return paths->retired > 0;
}

static void free_path(struct ng_path *path)
{
    LIST_REMOVE(path, paths);
    ares_destroy(path->channel);
    free(path);
}

void ng_paths_process(struct ng_paths *paths)
{
    struct ng_path *path, *next;

    for (path = LIST_FIRST(&paths->all); path; path = next) {
        next = LIST_NEXT(path, paths);
        if (path->open)
            ares_process_fd(path->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
        if (path->open == 0 && !path->used) {
            paths->retired--;
            free_path(path);
        }
    }
}

int ng_paths_new(struct ng_poll *poll, struct ng_paths **ret_paths)
{
    struct ng_paths *paths = calloc(1, sizeof(*paths));

    if (!paths)
        return -ENOMEM;
    paths->poll = poll;
    paths->in.fd = -1;
    LIST_INIT(&paths->all);
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
        free(paths);
        return -ENOMEM;
    }
    *ret_paths = paths;
    return 0;
}

void ng_paths_free(struct ng_paths *paths)
{
    if (!paths)
        return;
    while (!LIST_EMPTY(&paths->all))
        free_path(LIST_FIRST(&paths->all)); /* with what is under way on it */
    while (paths->socks)
        forget_sock(paths, paths->socks);
    free(paths);
}
