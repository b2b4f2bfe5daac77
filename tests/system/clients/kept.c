// SPDX-License-Identifier: BSD-2-Clause
/* kept NAME GO [+]KIND=HOST:PORT...: as wait.py, but with sockets that are in no process' table of descriptors. KIND
 * is tcp or udp, and who keeps it: -uring (registered with an io_uring that waits for data), -direct (made and
 * connected by an io_uring that waits for data), -thread (a thread with descriptors of its own waits for data), or
 * -parked (on its way over AF_UNIX; received when the file GO is there, "-": none is). Looks up NAME ("-": none), and
 * writes what each came to: the error, "data", "end", and "later" if that was more than 100 ms after the lookup, or
 * "waits" if after 20 seconds it has not, or after 3 if all that are left have a "+": they are to wait. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ITEMS_MAX 8
#define PENDING INT32_MAX

struct item {
    const char *kind, *host;
    int type, unix_end;
    struct sockaddr_storage peer;
    socklen_t peer_length;
    atomic_int result; /* octets or -errno */
    int naps;
    bool stays;
    char octet;
};

static struct io_uring ring;
static struct item items[ITEMS_MAX];

static void fail(const char *what, int r)
{
    printf("%s: %s\n", what, strerror(-r));
    exit(1);
}

static bool kept_by(const struct item *item, const char *who)
{
    return strcmp(strchr(item->kind, '-') + 1, who) == 0;
}

static void parse(struct item *item, char *text)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST}, *list;
    char *host = strchr(text, '=') + 1, *port = strrchr(text, ':');

    host[-1] = *port = '\0';
    item->stays = text[0] == '+';
    text += item->stays;
    item->kind = text;
    item->host = host;
    item->type = text[0] == 't' ? SOCK_STREAM : SOCK_DGRAM;
    hints.ai_socktype = item->type;
    if (getaddrinfo(host, port + 1, &hints, &list) != 0)
        fail(host, -EINVAL);
    memcpy(&item->peer, list->ai_addr, list->ai_addrlen);
    item->peer_length = list->ai_addrlen;
    item->result = PENDING;
}

static int open_socket(const struct item *item)
{
    int fd = socket(item->peer.ss_family, item->type | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)&item->peer, item->peer_length) < 0)
        fail(item->host, -errno);
    return fd;
}

/* What it comes to. */
static int done_by_ring(struct io_uring_sqe *sqe)
{
    struct io_uring_cqe *cqe;
    int r;

    sqe->user_data = ITEMS_MAX;
    io_uring_submit(&ring);
    r = io_uring_wait_cqe(&ring, &cqe);
    if (r == 0) {
        r = cqe->res;
        io_uring_cqe_seen(&ring, cqe);
    }
    return r;
}

static void keep_in_ring(struct item *item, unsigned slot)
{
    struct io_uring_sqe *sqe;
    int fd, r;

    if (kept_by(item, "uring")) {
        fd = open_socket(item);
        r = io_uring_register_files_update(&ring, slot, &fd, 1);
        close(fd);
    } else {
        sqe = io_uring_get_sqe(&ring);
        io_uring_prep_socket_direct(sqe, item->peer.ss_family, item->type, 0, slot, 0);
        r = done_by_ring(sqe);
        if (r == 0) {
            sqe = io_uring_get_sqe(&ring);
            io_uring_prep_connect(sqe, (int)slot, (struct sockaddr *)&item->peer, item->peer_length);
            sqe->flags |= IOSQE_FIXED_FILE;
            r = done_by_ring(sqe);
        }
    }
    if (r < 0)
        fail(item->kind, r);
    sqe = io_uring_get_sqe(&ring);
    io_uring_prep_recv(sqe, (int)slot, &item->octet, 1, 0);
    sqe->flags |= IOSQE_FIXED_FILE;
    sqe->user_data = slot;
    io_uring_submit(&ring);
}

static void *keep_in_thread(void *arg)
{
    struct item *item = arg;
    int fd, r;

    if (unshare(CLONE_FILES) < 0)
        fail("unshare", -errno);
    fd = open_socket(item);
    r = (int)recv(fd, &item->octet, 1, 0);
    item->result = r < 0 ? -errno : r;
    return NULL;
}

static void park(struct item *item)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    struct iovec part = {.iov_base = "x", .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    int ends[2], fd = open_socket(item);

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
        fail("socketpair", -errno);
    memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
    if (sendmsg(ends[0], &message, 0) != 1)
        fail("sendmsg", -errno);
    close(fd);
    item->unix_end = ends[1];
}

static int receive(const struct item *item)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    char octet;
    struct iovec part = {.iov_base = &octet, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    int fd, r;

    if (recvmsg(item->unix_end, &message, 0) != 1 || !CMSG_FIRSTHDR(&message))
        fail("recvmsg", -errno);
    memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
    r = (int)recv(fd, &octet, 1, MSG_DONTWAIT);
    return r >= 0 ? r : errno == EAGAIN ? PENDING : -errno;
}

static void keep(struct item *item)
{
    pthread_t thread;

    if (kept_by(item, "thread"))
        pthread_create(&thread, NULL, keep_in_thread, item);
    else if (kept_by(item, "parked"))
        park(item);
    else
        keep_in_ring(item, (unsigned)(item - items));
}

/* How long to wait for those that are left. */
static int patience(int count, int naps)
{
    struct io_uring_cqe *cqe;
    int longest = 0;

    while (io_uring_peek_cqe(&ring, &cqe) == 0) {
        items[cqe->user_data].result = cqe->res;
        io_uring_cqe_seen(&ring, cqe);
    }
    for (int i = 0; i < count; i++) {
        int wait = items[i].stays ? 3000 : 20000;

        if (items[i].result == PENDING && !kept_by(&items[i], "parked"))
            longest = wait > longest ? wait : longest;
        else if (!items[i].naps)
            items[i].naps = naps;
    }
    return longest;
}

int main(int argc, char **argv)
{
    int count = argc - 3, r = io_uring_queue_init(16, &ring, 0), left = 20000;
    bool asks = argc > 3 && strcmp(argv[1], "-") != 0;
    struct addrinfo *list;

    if (argc < 4 || count > ITEMS_MAX)
        return 2;
    if (r == 0)
        r = io_uring_register_files_sparse(&ring, ITEMS_MAX);
    if (r < 0) {
        printf("io_uring: %s\n", strerror(-r));
        return 77;
    }
    for (int i = 0; i < count; i++) {
        parse(&items[i], argv[3 + i]);
        keep(&items[i]);
    }
    usleep(200000); /* so that all of them wait */
    if (asks && getaddrinfo(argv[1], "443", NULL, &list) != 0)
        return 2;
    puts("known");
    fflush(stdout);
    for (int naps = 1, most; left > 0 && (most = patience(count, naps)) > 0; naps++) {
        left = (left < most ? left : most) - 1;
        usleep(1000);
    }
    while (strcmp(argv[2], "-") != 0 && access(argv[2], F_OK) < 0)
        usleep(20000);
    for (int i = 0; i < count; i++) {
        if (kept_by(&items[i], "parked"))
            items[i].result = receive(&items[i]);
        r = items[i].result;
        printf("%s %s %s", items[i].kind, items[i].host,
               r == PENDING ? "waits"
               : r < 0      ? strerror(-r)
               : r          ? "data"
                            : "end");
        if (r != PENDING && asks && items[i].naps > 100)
            printf(" later %d", items[i].naps);
        puts("");
    }
    return 0;
}
