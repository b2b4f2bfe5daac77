// SPDX-License-Identifier: BSD-2-Clause
/* burst PORT PID NAMES LETTER LABEL: how fast a server answers queries that wait for it, without a load generator beside
 * it: PID is stopped, the queries (for LETTER0.LABEL.test and so on, NAMES of them, A) are put into its socket, and it is
 * continued. The kernel's time of the last reply says how long they took. Prints ns a query, the median of the rounds, and how many
 * were not answered. */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 41
#define BURST 2000
#define SOCKETS 960 /* by their ports the kernel deals them out to workers: of 64, one of two would get 55 % */

static int sockets[SOCKETS];

static long long now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_REALTIME, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void open_sockets(unsigned port)
{
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1, room = 64 << 20;

    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < SOCKETS; i++) {
        sockets[i] = socket(AF_INET, SOCK_DGRAM, 0);
        if (setsockopt(sockets[i], SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) < 0 ||
            setsockopt(sockets[i], SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0 ||
            connect(sockets[i], (struct sockaddr *)&there, sizeof(there)) < 0)
            fail("socket");
    }
}

static size_t put(unsigned char *query, size_t at, const char *label)
{
    size_t length = strlen(label);

    query[at] = (unsigned char)length;
    memcpy(query + at + 1, label, length);
    return at + 1 + length;
}

static size_t build(unsigned char *query, unsigned id, const char *letter, unsigned name, const char *parent)
{
    static const unsigned char type[] = {0, 0, 1, 0, 1};
    unsigned char head[12] = {(unsigned char)(id >> 8), (unsigned char)id, 1, 0, 0, 1};
    char label[16];
    size_t at;

    snprintf(label, sizeof(label), "%.1s%u", letter, name);
    memcpy(query, head, sizeof(head));
    at = put(query, put(query, put(query, sizeof(head), label), parent), "test");
    memcpy(query + at, type, sizeof(type));
    return at + sizeof(type);
}

/* Takes the replies that are there; *last becomes the time of the latest. Returns how many there were. */
static int collect(long long *last)
{
    int count = 0;

    for (int i = 0; i < SOCKETS; i++) {
        for (;;) {
            char data[1500], control[128];
            struct iovec part = {data, sizeof(data)};
            struct msghdr header = {
                .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
            struct timespec time;

            if (recvmsg(sockets[i], &header, MSG_DONTWAIT) < 0)
                break;
            count++;
            for (struct cmsghdr *it = CMSG_FIRSTHDR(&header); it; it = CMSG_NXTHDR(&header, it)) {
                if (it->cmsg_level != SOL_SOCKET || it->cmsg_type != SCM_TIMESTAMPNS)
                    continue;
                memcpy(&time, CMSG_DATA(it), sizeof(time));
                if (time.tv_sec * 1000000000LL + time.tv_nsec > *last)
                    *last = time.tv_sec * 1000000000LL + time.tv_nsec;
            }
        }
    }
    return count;
}

static int compare(const void *a, const void *b)
{
    return *(const double *)a < *(const double *)b ? -1 : 1;
}

int main(int argc, char **argv)
{
    double took[ROUNDS];
    long long lost = 0;
    unsigned names;
    pid_t pid;

    if (argc != 6 || strlen(argv[5]) > 16) {
        fprintf(stderr, "burst PORT PID NAMES LETTER LABEL\n");
        return 1;
    }
    pid = atoi(argv[2]);
    names = (unsigned)atoi(argv[3]);
    open_sockets((unsigned)atoi(argv[1]));
    for (int round = 0; round < ROUNDS; round++) {
        long long begin, last = 0;
        int answered = 0;

        if (kill(pid, SIGSTOP) < 0)
            fail("SIGSTOP");
        usleep(2000);
        for (unsigned i = 0; i < BURST; i++) {
            unsigned char query[64];
            size_t size = build(query, i, argv[4], i % names, argv[5]);

            if (send(sockets[i % SOCKETS], query, size, 0) < 0)
                fail("send");
        }
        begin = now();
        (void)kill(pid, SIGCONT);
        usleep(60000); /* asleep, so that all processors are the server's */
        answered = collect(&last);
        lost += BURST - answered;
        took[round] = answered ? (double)(last - begin) / answered : 1e9;
    }
    qsort(took, ROUNDS, sizeof(took[0]), compare);
    printf("%.0f %lld\n", took[ROUNDS / 2], lost);
    return 0;
}
