// SPDX-License-Identifier: BSD-2-Clause
/* connect ADDRESS PORT ok|denied MILLISECONDS: what connect() and sendto() cost, in four ways, each for that long. Prints
 * ns per call, of the batch that only one in ten is faster than, as other programs disturb many: "again" is one UDP socket
 * connected over and over, the hook and little else; "udp" is a fresh UDP socket, "tcp" a fresh TCP socket to a peer
 * that accepts; "send" is sendto() on one UDP socket to a peer that reads nothing. Making and closing sockets is not timed. Batches that are denied come at a pace at which their records
 * are not lost, so that making those is part of the cost. A result other than the expected one ends the program with
 * status 1.
 *
 * connect sink PORT: the peer, accepts and closes for ever. */
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define BATCHES_MAX 65536
#define BATCHES_MIN 25
#define DENIED_PAUSE_NS 6000000

static struct sockaddr_in peer = {.sin_family = AF_INET};
static int expected;

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* The last processor that this process may use. */
static void pin(void)
{
    cpu_set_t may, one;

    CPU_ZERO(&one);
    if (sched_getaffinity(0, sizeof(may), &may))
        die("sched_getaffinity");
    for (size_t cpu = CPU_SETSIZE; cpu-- > 0;) {
        if (!CPU_ISSET(cpu, &may))
            continue;
        CPU_SET(cpu, &one);
        break;
    }
    if (sched_setaffinity(0, sizeof(one), &one))
        die("sched_setaffinity");
}

static int make(int type)
{
    const struct linger reset = {.l_onoff = 1};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    /* Closing resets the connection, so that no ports are left in TIME_WAIT. */
    if (fd < 0 || (type == SOCK_STREAM && setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset))))
        die("socket");
    return fd;
}

static int call(int fd, bool sends)
{
    const struct sockaddr *to = (struct sockaddr *)&peer;

    return (sends ? (int)sendto(fd, "ping", 4, 0, to, sizeof(peer)) : connect(fd, to, sizeof(peer))) < 0 ? errno : 0;
}

/* ns of a batch. One socket is used again and again when fresh is not set. */
static uint64_t batch(int type, bool fresh, bool sends)
{
    int fd[BATCH], result[BATCH];
    int sockets = fresh ? BATCH : 1;
    uint64_t began, ended;

    for (int i = 0; i < sockets; i++)
        fd[i] = make(type);
    /* A first call binds the port and makes what is kept for the socket. */
    if (!fresh)
        (void)call(fd[0], sends);
    began = now();
    for (int i = 0; i < BATCH; i++)
        result[i] = call(fd[fresh ? i : 0], sends);
    ended = now();
    for (int i = 0; i < sockets; i++)
        (void)close(fd[i]);
    /* Not asleep, so that the processor is as busy as in the other cases. */
    while (expected && now() - ended < DENIED_PAUSE_NS)
        ;
    for (int i = 0; i < BATCH; i++) {
        if (result[i] != expected) {
            fprintf(stderr, "%s: %s, expected: %s\n", sends ? "sendto" : "connect", strerror(result[i]), strerror(expected));
            exit(1);
        }
    }
    return ended - began;
}

static int ascending(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static void measure(const char *name, int type, bool fresh, bool sends, uint64_t ns)
{
    static uint64_t took[BATCHES_MAX];
    size_t count = 0;

    for (uint64_t end = now() + ns / 4; now() < end;)
        (void)batch(type, fresh, sends); /* warm-up */
    for (uint64_t end = now() + ns; count < BATCHES_MIN || (count < BATCHES_MAX && now() < end);)
        took[count++] = batch(type, fresh, sends);
    qsort(took, count, sizeof(took[0]), ascending);
    printf("%s %.1f\n", name, (double)took[count / 10] / BATCH);
}

static _Noreturn void sink(void)
{
    const int on = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), unread = socket(AF_INET, SOCK_DGRAM, 0);

    peer.sin_addr.s_addr = INADDR_ANY;
    if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
        bind(listener, (struct sockaddr *)&peer, sizeof(peer)) || listen(listener, 4096) ||
        bind(unread, (struct sockaddr *)&peer, sizeof(peer)))
        die("sink");
    for (;;) {
        int fd = accept(listener, NULL, NULL);

        if (fd >= 0)
            (void)close(fd);
        else
            (void)usleep(2000); /* waiting in accept(), it would have to be woken by each connect() that is measured */
    }
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "sink")) {
        peer.sin_port = htons((uint16_t)atoi(argv[2]));
        sink();
    }
    if (argc != 5 || inet_pton(AF_INET, argv[1], &peer.sin_addr) != 1) {
        fprintf(stderr, "usage: connect ADDRESS PORT ok|denied MILLISECONDS\n");
        return 2;
    }
    peer.sin_port = htons((uint16_t)atoi(argv[2]));
    expected = strcmp(argv[3], "denied") ? 0 : EPERM;
    pin();

    uint64_t ns = strtoull(argv[4], NULL, 10) * 1000000;

    measure("again", SOCK_DGRAM, false, false, ns);
    measure("udp", SOCK_DGRAM, true, false, ns);
    measure("tcp", SOCK_STREAM, true, false, ns);
    measure("send", SOCK_DGRAM, false, true, ns);
    return 0;
}
