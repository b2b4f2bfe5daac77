// SPDX-License-Identifier: BSD-2-Clause
/* connect PORT MILLISECONDS CGROUP ADDRESS ok|denied NETNS CGROUP ADDRESS ok|denied NETNS: what connect() and sendto() cost
 * in two places, in four ways, each for that long. Two processes on one processor take turns, batch by batch, one in each
 * cgroup and network namespace (a file, or -), so that whatever else the machine does disturbs both alike. Prints a line
 * for each pair of batches: the way, and the ns per call in both. "again" is one UDP socket connected over and over, the
 * hook and little else; "udp" is a fresh UDP socket, "tcp" a fresh TCP socket to a peer that accepts; "send" is sendto() on
 * one UDP socket to a peer that reads nothing. Making and closing sockets is not timed. Batches that are denied come at a
 * pace at which their records are not lost, so that making those is part of the cost. A result other than the expected one
 * ends the program with status 1.
 *
 * connect sink PORT: the peer, accepts and closes for ever. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
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
#define PAIRS_MIN 10
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

static const struct way {
    const char *name;
    int type;
    bool fresh, sends;
} ways[] = {
    {"again", SOCK_DGRAM, false, false},
    {"udp", SOCK_DGRAM, true, false},
    {"tcp", SOCK_STREAM, true, false},
    {"send", SOCK_DGRAM, false, true},
};

/* place: CGROUP ADDRESS ok|denied NETNS */
static void enter(char **place)
{
    char path[4096], pid[16];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/cgroup.procs", place[0]);
    (void)snprintf(pid, sizeof(pid), "%d", getpid());
    fd = open(path, O_WRONLY);
    if (fd < 0 || write(fd, pid, strlen(pid)) < 0)
        die(path);
    (void)close(fd);
    if (inet_pton(AF_INET, place[1], &peer.sin_addr) != 1)
        die(place[1]);
    expected = strcmp(place[2], "denied") ? 0 : EPERM;
    fd = strcmp(place[3], "-") ? open(place[3], O_RDONLY) : -1;
    if (strcmp(place[3], "-") && (fd < 0 || setns(fd, CLONE_NEWNET)))
        die(place[3]);
}

static uint64_t take(const struct way *way)
{
    return batch(way->type, way->fresh, way->sends);
}

/* The other process: a batch for each octet that comes, which says of what way. */
static _Noreturn void follow(int orders, int results)
{
    unsigned char way;

    while (read(orders, &way, 1) == 1) {
        uint64_t took = take(&ways[way]);

        if (write(results, &took, sizeof(took)) != sizeof(took))
            break;
    }
    exit(0);
}

static uint64_t have_taken(unsigned char way, int orders, int results)
{
    uint64_t took;

    if (write(orders, &way, 1) != 1 || read(results, &took, sizeof(took)) != sizeof(took))
        exit(1); /* it has said why */
    return took;
}

static void measure(unsigned char way, uint64_t ns, int orders, int results)
{
    unsigned pairs = 0;

    for (uint64_t end = now() + ns; pairs < PAIRS_MIN || now() < end; pairs++) {
        uint64_t own, other;

        /* Who is first changes, as the second may find warm what the first one warmed. */
        if (pairs % 2) {
            own = take(&ways[way]);
            other = have_taken(way, orders, results);
        } else {
            other = have_taken(way, orders, results);
            own = take(&ways[way]);
        }
        if (pairs > 1)
            printf("%s %.1f %.1f\n", ways[way].name, (double)own / BATCH, (double)other / BATCH);
    }
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
    int orders[2], results[2];
    uint64_t ns;
    pid_t pid;

    if (argc != 11) {
        fputs("usage: connect PORT MILLISECONDS CGROUP ADDRESS ok|denied NETNS CGROUP ADDRESS ok|denied NETNS\n", stderr);
        return 2;
    }
    peer.sin_port = htons((uint16_t)atoi(argv[1]));
    ns = strtoull(argv[2], NULL, 10) * 1000000;
    pin();
    if (pipe(orders) || pipe(results))
        die("pipe");
    pid = fork();
    if (pid == 0) {
        (void)close(orders[1]);
        enter(argv + 7);
        follow(orders[0], results[1]);
    }
    (void)close(results[1]);
    enter(argv + 3);
    for (unsigned char way = 0; way < sizeof(ways) / sizeof(ways[0]); way++)
        measure(way, ns, orders[1], results[0]);
    return 0;
}
