// SPDX-License-Identifier: BSD-2-Clause
#include "control.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5, newer than the headers of Debian 12 */
#endif

#define ASK_TIMEOUT (10 * NG_SECOND)

struct ng_connection {
    struct ng_connection *next;
    struct ng_control_socket *owner;
    int fd;
    struct ng_peer peer;
    uint64_t since; /* ns */
    char *in;
    size_t in_length, in_room;
    char *out;
    size_t out_length, out_room;
    bool asked;   /* its request is complete: anything more is ignored */
    bool closing; /* when all is sent */
    bool broken;  /* to be freed at the next safe point */
    void *data;
    ng_gone_fn gone;
};

struct ng_control_socket {
    struct ng_loop *loop;
    int fd;
    int spare; /* let go of to tell somebody that there is no descriptor left */
    char *path;
    struct ng_connection *list;
    unsigned count;
    size_t queued; /* octets that wait for readers that are not root's */
    ng_request_fn on_request;
    void (*closed)(void *arg);
    void *arg;
};

/* Counts what waits for a reader; what waits for root is not limited together with the rest. */
static void waits(struct ng_connection *connection, size_t length)
{
    if (connection->peer.uid != 0)
        connection->owner->queued += length - connection->out_length;
    connection->out_length = length;
}

static void free_connection(struct ng_connection *connection)
{
    struct ng_control_socket *owner = connection->owner;
    struct ng_connection **at = &owner->list;

    while (*at != connection)
        at = &(*at)->next;
    *at = connection->next;
    if (connection->gone)
        connection->gone(owner->arg, connection->data);
    ng_loop_remove(owner->loop, connection->fd);
    (void)ng_close(connection->fd);
    (void)ng_close(connection->peer.pidfd);
    waits(connection, 0);
    free(connection->in);
    free(connection->out);
    free(connection);
    if (owner->count-- == NG_CONNECTIONS_MAX)
        (void)ng_loop_change(owner->loop, owner->fd, EPOLLIN);
    if (owner->closed)
        owner->closed(owner->arg);
}

static void flush(struct ng_connection *connection)
{
    size_t sent = 0;

    while (sent < connection->out_length) {
        ssize_t n = send(connection->fd, connection->out + sent, connection->out_length - sent,
                         MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            connection->broken = true;
        if (n < 0)
            break;
        sent += (size_t)n;
    }
    memmove(connection->out, connection->out + sent, connection->out_length - sent);
    waits(connection, connection->out_length - sent);
    if (connection->closing && connection->out_length == 0)
        connection->broken = true;
    (void)ng_loop_change(connection->owner->loop, connection->fd,
                         EPOLLIN | EPOLLRDHUP | (connection->out_length || connection->broken ? EPOLLOUT : 0u));
}

static int grow(char **buffer, size_t *room, size_t need)
{
    size_t size = *room ? *room : 4096;
    char *grown;

    while (size < need)
        size *= 2;
    if (size == *room)
        return 0;
    grown = realloc(*buffer, size);
    if (!grown)
        return -ENOMEM;
    *buffer = grown;
    *room = size;
    return 0;
}

static bool too_much(const struct ng_connection *connection, size_t more)
{
    return connection->out_length + more > NG_REPLY_MAX ||
           (connection->peer.uid != 0 && connection->owner->queued + more > NG_REPLIES_USERS_MAX);
}

void ng_connection_line(struct ng_connection *connection, const char *line)
{
    size_t length = strlen(line);

    if (too_much(connection, length + 1) ||
        grow(&connection->out, &connection->out_room, connection->out_length + length + 1) < 0) {
        connection->broken = true;
    } else {
        memcpy(connection->out + connection->out_length, line, length);
        connection->out[connection->out_length + length] = '\n';
        waits(connection, connection->out_length + length + 1);
    }
    /* Sent from the loop, so that nobody's connection is freed under a caller. */
    (void)ng_loop_change(connection->owner->loop, connection->fd, EPOLLIN | EPOLLRDHUP | EPOLLOUT);
}

void ng_connection_reply(struct ng_connection *connection, json_t *reply)
{
    _cleanup_free_ char *line = NULL;
    json_t *whole = json_pack("{s:i, s:b}", "v", 1, "ok", 1);

    if (whole && reply && json_object_update(whole, reply) == 0)
        line = json_dumps(whole, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(whole);
    json_decref(reply);
    connection->closing = true;
    ng_connection_line(connection, line ? line : "{\"v\":1,\"ok\":false,\"error\":\"out of memory\"}");
}

void ng_connection_fail(struct ng_connection *connection, const char *error, const char *remedy)
{
    json_t *reply = json_pack("{s:b, s:s}", "ok", 0, "error", error);

    if (reply && remedy && *remedy)
        (void)json_object_set_new(reply, "remedy", json_string(remedy));
    ng_connection_reply(connection, reply);
}

const struct ng_peer *ng_connection_peer(const struct ng_connection *connection)
{
    return &connection->peer;
}

void ng_connection_keep(struct ng_connection *connection, void *data, ng_gone_fn gone)
{
    connection->data = data;
    connection->gone = data ? gone : NULL;
}

void *ng_connection_kept(const struct ng_connection *connection, ng_gone_fn gone)
{
    return connection->gone == gone ? connection->data : NULL;
}

void ng_control_on_closed(struct ng_control_socket *owner, void (*closed)(void *arg))
{
    owner->closed = closed;
}

static void complete(struct ng_connection *connection, size_t length)
{
    json_error_t error;
    json_t *request = json_loadb(connection->in, length, JSON_REJECT_DUPLICATES, &error);

    connection->asked = true;
    if (json_is_object(request))
        connection->owner->on_request(connection->owner->arg, connection, request);
    else
        ng_connection_fail(connection, "the request is no JSON object on one line", NULL);
    json_decref(request);
    free(connection->in);
    connection->in = NULL;
    connection->in_length = connection->in_room = 0;
}

/* Returns false when the peer has closed. */
static bool receive(struct ng_connection *connection)
{
    size_t max = connection->peer.uid == 0 ? NG_REQUEST_MAX : NG_REQUEST_USER_MAX;
    char drain[4096];

    for (;;) {
        char *to = drain;
        size_t room = sizeof(drain);
        char *end;
        ssize_t n;

        if (!connection->asked) {
            if (grow(&connection->in, &connection->in_room, connection->in_length + 4096) < 0)
                return false;
            to = connection->in + connection->in_length;
            room = connection->in_room - connection->in_length;
        }
        n = recv(connection->fd, to, room, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        if (n == 0)
            return false;
        if (connection->asked)
            continue;
        connection->in_length += (size_t)n;
        end = memchr(connection->in, '\n', connection->in_length);
        if (end)
            complete(connection, (size_t)(end - connection->in));
        else if (connection->in_length > max)
            return false;
    }
}

static void on_connection(void *arg, uint32_t events)
{
    struct ng_connection *connection = arg;
    bool open = true;

    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        open = receive(connection);
    if (connection->out_length || connection->broken)
        flush(connection);
    /* One that has shut its side down after asking still reads the answer. */
    if (connection->broken || (events & (EPOLLHUP | EPOLLERR)) || (!open && !connection->asked))
        free_connection(connection);
    else if (!open)
        (void)ng_loop_change(connection->owner->loop, connection->fd, connection->out_length ? EPOLLOUT : 0u);
}

/* The process that connected, or at worst another one of the same user. */
static int open_process(const struct ucred *peer)
{
    _cleanup_fd_ int pidfd = (int)syscall(SYS_pidfd_open, peer->pid, 0);
    _cleanup_file_ FILE *status = NULL;
    char path[64], line[256];
    unsigned uid = 0;

    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)peer->pid);
    status = pidfd < 0 ? NULL : fopen(path, "re");
    while (status && fgets(line, sizeof(line), status))
        if (sscanf(line, "Uid: %*u %u", &uid) == 1)
            return uid == peer->uid ? TAKE_FD(pidfd) : -1;
    return -1;
}

/* One user must not keep others, and nobody root, from asking. */
static bool crowded(const struct ng_control_socket *owner, int fd, uid_t uid)
{
    static const char refusal[] = "{\"v\":1,\"ok\":false,\"error\":\"too many connections\","
                                  "\"remedy\":\"end other namegate commands of this user\"}\n";
    unsigned own = 0;

    if (uid == 0)
        return false;
    for (const struct ng_connection *at = owner->list; at; at = at->next)
        own += at->peer.uid == uid;
    if (own < NG_CONNECTIONS_USER && owner->count < NG_CONNECTIONS_MAX - NG_CONNECTIONS_RESERVED)
        return false;
    (void)send(fd, refusal, sizeof(refusal) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    return true;
}

/* There is no descriptor left. Whoever waits is told so, instead of making the socket ready for ever. */
static void turn_away(struct ng_control_socket *owner)
{
    static const char refusal[] = "{\"v\":1,\"ok\":false,\"error\":\"the daemon has no file descriptor left\","
                                  "\"remedy\":\"raise LimitNOFILE, or end deployments: namegate list\"}\n";
    int fd;

    owner->spare = ng_close(owner->spare);
    fd = accept4(owner->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0)
        (void)send(fd, refusal, sizeof(refusal) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    else
        (void)ng_loop_change(owner->loop, owner->fd, 0); /* until the next tick */
    (void)ng_close(fd);
    owner->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void accept_one(struct ng_control_socket *owner)
{
    _cleanup_fd_ int fd = accept4(owner->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct ng_connection *connection;
    struct ucred peer;
    socklen_t length = sizeof(peer);

    if (fd < 0 && (errno == EMFILE || errno == ENFILE))
        turn_away(owner);
    if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0 || crowded(owner, fd, peer.uid))
        return;
    connection = calloc(1, sizeof(*connection));
    if (!connection)
        return;
    connection->owner = owner;
    connection->since = ng_now();
    connection->peer = (struct ng_peer){.pid = peer.pid, .uid = peer.uid, .gid = peer.gid};
    /* Older kernels have only the number, which another process may have by now. */
    length = sizeof(connection->peer.pidfd);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &connection->peer.pidfd, &length) < 0)
        connection->peer.pidfd = open_process(&peer);
    connection->fd = fd;
    if (ng_loop_add(owner->loop, fd, EPOLLIN | EPOLLRDHUP, on_connection, connection) < 0) {
        (void)ng_close(connection->peer.pidfd);
        free(connection);
        return;
    }
    (void)TAKE_FD(fd);
    connection->next = owner->list;
    owner->list = connection;
    owner->count++;
}

static void on_accept(void *arg, uint32_t events)
{
    struct ng_control_socket *owner = arg;

    (void)events;
    accept_one(owner);
    if (owner->count >= NG_CONNECTIONS_MAX)
        (void)ng_loop_change(owner->loop, owner->fd, 0);
}

static int open_socket(const char *path, const char *group)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const struct group *entry = getgrnam(group);
    mode_t mask;
    int r;

    if (fd < 0)
        return -errno;
    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    (void)unlink(path); /* of an earlier daemon: the lock says that none lives */
    mask = umask(0177);
    r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
    (void)umask(mask);
    if (r < 0)
        return r;
    if (entry && (chown(path, 0, entry->gr_gid) < 0 || chmod(path, 0660) < 0))
        return -errno;
    if (listen(fd, 128) < 0)
        return -errno;
    return TAKE_FD(fd);
}

int ng_control_open(struct ng_loop *loop, const char *path, const char *group, ng_request_fn on_request, void *arg,
                    struct ng_error *error, struct ng_control_socket **ret_socket)
{
    struct ng_control_socket *owner = calloc(1, sizeof(*owner));
    int r;

    if (!owner)
        return ng_error_set(error, ENOMEM, NULL, "out of memory");
    *owner = (struct ng_control_socket){
        .loop = loop, .fd = -1, .on_request = on_request, .arg = arg, .path = strdup(path)};
    owner->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    r = owner->path ? open_socket(path, group) : -ENOMEM;
    if (r >= 0) {
        owner->fd = r;
        r = ng_loop_add(loop, owner->fd, EPOLLIN, on_accept, owner);
    }
    if (r < 0) {
        ng_control_free(owner);
        return ng_error_set(error, -r, NULL, "cannot listen on %s: %s", path, strerror(-r));
    }
    *ret_socket = owner;
    return 0;
}

void ng_control_free(struct ng_control_socket *owner)
{
    if (!owner)
        return;
    owner->closed = NULL;
    while (owner->list)
        free_connection(owner->list);
    if (owner->fd >= 0) {
        ng_loop_remove(owner->loop, owner->fd);
        (void)unlink(owner->path);
    }
    (void)ng_close(owner->fd);
    (void)ng_close(owner->spare);
    free(owner->path);
    free(owner);
}

void ng_control_tick(struct ng_control_socket *owner)
{
    uint64_t now = ng_now();
    struct ng_connection *next;

    for (struct ng_connection *at = owner->list; at; at = next) {
        next = at->next;
        if (!at->asked && now - at->since > ASK_TIMEOUT)
            free_connection(at);
    }
    if (owner->count < NG_CONNECTIONS_MAX)
        (void)ng_loop_change(owner->loop, owner->fd, EPOLLIN);
}

unsigned ng_control_connections(const struct ng_control_socket *owner)
{
    return owner->count;
}

void ng_control_each(struct ng_control_socket *owner, void (*each)(void *arg, struct ng_connection *connection),
                     void *arg)
{
    for (struct ng_connection *at = owner->list; at; at = at->next)
        each(arg, at);
}
