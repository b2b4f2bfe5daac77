// SPDX-License-Identifier: BSD-2-Clause
/* reach WAY HOST PORT: tries one way to reach a destination and prints "ok" or the error, exit status 0 or 1. Every way
 * sends one datagram and waits for its echo, or opens one connection. Also built static, against musl. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef IPPROTO_UDPLITE
#define IPPROTO_UDPLITE 136
#endif

static struct sockaddr_storage to;
static socklen_t to_length;

static int failed(const char *what)
{
    printf("%s: %s\n", what, strerror(errno));
    return 1;
}

static int resolve(const char *host, const char *port, int family, int flags)
{
    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = flags}, *list;
    int r = getaddrinfo(host, port, &hints, &list);

    if (r != 0) {
        printf("getaddrinfo: %s\n", gai_strerror(r));
        return 1;
    }
    memcpy(&to, list->ai_addr, list->ai_addrlen);
    to_length = list->ai_addrlen;
    freeaddrinfo(list);
    return 0;
}

/* glibc gives mapped addresses only on wish, musl not at all: by hand. */
static void map(void)
{
    struct sockaddr_in v4 = *(struct sockaddr_in *)&to;
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = v4.sin_port};

    memset(v6.sin6_addr.s6_addr + 10, 0xff, 2);
    memcpy(v6.sin6_addr.s6_addr + 12, &v4.sin_addr, 4);
    memcpy(&to, &v6, sizeof(v6));
    to_length = sizeof(v6);
}

static int open_socket(int type, int protocol)
{
    struct timeval limit = {.tv_sec = 20};
    int fd = socket(to.ss_family, type, protocol);

    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    }
    return fd;
}

static int echoed(int fd)
{
    char answer[16];

    if (recv(fd, answer, sizeof(answer), 0) != 4)
        return failed("recv");
    puts("ok");
    return 0;
}

static int tcp(void)
{
    int fd = open_socket(SOCK_STREAM, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&to, to_length) < 0)
        return failed("connect");
    puts("ok");
    return 0;
}

static int fastopen(void)
{
    int fd = open_socket(SOCK_STREAM, 0);

    if (fd < 0 || sendto(fd, "ping", 4, MSG_FASTOPEN, (struct sockaddr *)&to, to_length) < 0)
        return failed("sendto");
    puts("ok");
    return 0;
}

static int connected(void)
{
    int fd = open_socket(SOCK_DGRAM, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&to, to_length) < 0)
        return failed("connect");
    return send(fd, "ping", 4, 0) != 4 ? failed("send") : echoed(fd);
}

static int unconnected(void)
{
    int fd = open_socket(SOCK_DGRAM, 0);

    if (fd < 0 || sendto(fd, "ping", 4, 0, (struct sockaddr *)&to, to_length) != 4)
        return failed("sendto");
    return echoed(fd);
}

static int many(void)
{
    struct iovec part = {.iov_base = "ping", .iov_len = 4};
    struct mmsghdr message = {
        .msg_hdr = {.msg_name = &to, .msg_namelen = to_length, .msg_iov = &part, .msg_iovlen = 1}};
    int fd = open_socket(SOCK_DGRAM, 0);

    if (fd < 0 || sendmmsg(fd, &message, 1, 0) != 1)
        return failed("sendmmsg");
    return echoed(fd);
}

static int special(int type, int protocol)
{
    int fd = open_socket(type, protocol);

    if (fd < 0)
        return failed("socket");
    puts("ok");
    return 0;
}

/* A loose source route through the destination (RFC 791 section 3.1): the packet itself is sent elsewhere. */
static int source_route(void)
{
    unsigned char option[8] = {131, 7, 4};
    int fd = open_socket(SOCK_DGRAM, 0);

    memcpy(option + 3, &((struct sockaddr_in *)&to)->sin_addr, 4);
    if (fd < 0 || setsockopt(fd, IPPROTO_IP, 4 /* IP_OPTIONS */, option, sizeof(option)) < 0)
        return failed("setsockopt");
    return sendto(fd, "ping", 4, 0, (struct sockaddr *)&to, to_length) != 4 ? failed("sendto") : (puts("ok"), 0);
}

int main(int argc, char **argv)
{
    const char *way = argc == 4 ? argv[1] : "";
    int v6 = strchr(way, '6') != NULL, mapped = strstr(way, "mapped") != NULL;

    if (argc != 4) {
        fprintf(stderr, "usage: reach WAY HOST PORT\n");
        return 2;
    }
    if (resolve(argv[2], argv[3], v6 ? AF_INET6 : AF_INET, 0))
        return 1;
    if (mapped)
        map();
    if (!strncmp(way, "tcp", 3))
        return tcp();
    if (!strncmp(way, "connected", 9))
        return connected();
    if (!strncmp(way, "unconnected", 11))
        return unconnected();
    if (!strncmp(way, "sendmmsg", 8))
        return many();
    if (!strncmp(way, "fastopen", 8))
        return fastopen();
    if (!strncmp(way, "raw", 3))
        return special(SOCK_RAW, 253);
    if (!strncmp(way, "udplite", 7))
        return special(SOCK_DGRAM, IPPROTO_UDPLITE);
    if (!strcmp(way, "source-route"))
        return source_route();
    fprintf(stderr, "unknown way '%s'\n", way);
    return 2;
}
