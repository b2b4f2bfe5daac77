// SPDX-License-Identifier: BSD-2-Clause
/* uring connect|connect-poll|sendmsg|send-zc HOST PORT: as reach.c, but the kernel's io_uring makes the call: by a worker
 * of its own, or (-poll) by a thread that looks for work. */
#include <liburing.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list;
    struct io_uring ring;
    struct io_uring_sqe *sqe;
    struct io_uring_cqe *cqe;
    struct iovec part = {.iov_base = "ping", .iov_len = 4};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    int is_connect = argc == 4 && !strncmp(argv[1], "connect", 7), polls = is_connect && !strcmp(argv[1], "connect-poll");
    int fd, r;

    if (argc != 4 || getaddrinfo(argv[2], argv[3], &hints, &list) != 0)
        return 2;
    r = io_uring_queue_init(4, &ring, polls ? IORING_SETUP_SQPOLL : 0);
    if (r < 0) {
        printf("io_uring: %s\n", strerror(-r));
        return 77;
    }
    fd = socket(AF_INET, is_connect ? SOCK_STREAM : SOCK_DGRAM, 0);
    sqe = io_uring_get_sqe(&ring);
    message.msg_name = list->ai_addr;
    message.msg_namelen = list->ai_addrlen;
    if (is_connect)
        io_uring_prep_connect(sqe, fd, list->ai_addr, list->ai_addrlen);
    else if (!strcmp(argv[1], "sendmsg"))
        io_uring_prep_sendmsg(sqe, fd, &message, 0);
    else
        io_uring_prep_sendmsg_zc(sqe, fd, &message, 0);
    /* Asynchronously: a worker of the kernel does it, not this thread. */
    if (!polls)
        sqe->flags |= IOSQE_ASYNC;
    io_uring_submit(&ring);
    r = io_uring_wait_cqe(&ring, &cqe);
    if (r == 0)
        r = cqe->res;
    puts(r < 0 ? strerror(-r) : "ok");
    return r < 0;
}
