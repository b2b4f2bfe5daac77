// SPDX-License-Identifier: BSD-2-Clause
/* race FIRST COUNT: for each n, asks the server of resolv.conf for nN.race.test and connects to the answer at once,
 * before anything else can happen. Every connect must be refused with EPERM. Prints the rounds, and how many got
 * through. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static size_t question(unsigned n, unsigned char *wire)
{
    char label[16];
    size_t length = (size_t)snprintf(label, sizeof(label), "n%u", n), at = 12;

    memcpy(wire, "\0\0\1\0\0\1\0\0\0\0\0\0", 12);
    wire[0] = (unsigned char)(n >> 8);
    wire[1] = (unsigned char)n;
    wire[at++] = (unsigned char)length;
    memcpy(wire + at, label, length);
    at += length;
    memcpy(wire + at, "\4race\4test\0\0\1\0\1", 15);
    return at + 15;
}

/* The address at the end of an answer with one A record. Returns 0 when there is none. */
static int ask(int fd, unsigned n, struct in_addr *address)
{
    unsigned char wire[512];
    size_t size = question(n, wire);

    for (int tries = 0; tries < 3; tries++) {
        ssize_t got;

        if (send(fd, wire, size, 0) < 0)
            return 0;
        do
            got = recv(fd, wire + 256, 256, 0);
        while (got > 2 && memcmp(wire, wire + 256, 2) != 0);
        if (got > 16 && wire[256 + 7] == 1) {
            memcpy(address, wire + 256 + got - 4, 4);
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    unsigned first = argc == 3 ? (unsigned)atoi(argv[1]) : 0, count = argc == 3 ? (unsigned)atoi(argv[2]) : 0;
    unsigned refused = 0, through = 0, unanswered = 0;
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(53)};
    struct timeval limit = {.tv_sec = 2};
    int dns = socket(AF_INET, SOCK_DGRAM, 0);

    inet_pton(AF_INET, "192.0.2.53", &server.sin_addr);
    setsockopt(dns, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (connect(dns, (struct sockaddr *)&server, sizeof(server)) < 0)
        return 2;
    for (unsigned n = first; n < first + count; n++) {
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(80)};
        int fd;

        if (!ask(dns, n, &to.sin_addr)) {
            unanswered++;
            continue;
        }
        fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno == EPERM)
            refused++;
        else
            through++;
        close(fd);
    }
    printf("refused %u through %u unanswered %u\n", refused, through, unanswered);
    return through || unanswered;
}
