// SPDX-License-Identifier: BSD-2-Clause
/* deny ADDRESS PORTS RATE SECONDS: so many TCP connect() calls a second, never more in any, to PORTS ports in turn, all of
 * which must be denied. RATE 0: as fast as it goes. Prints how many were made. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    struct sockaddr_in there = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    double began = now(), rate, seconds;
    long made = 0, slice = -1, left = 0;
    int ports;

    if (argc != 5 || fd < 0 || inet_pton(AF_INET, argv[1], &there.sin_addr) != 1)
        return 2;
    ports = atoi(argv[2]);
    rate = atof(argv[3]);
    seconds = atof(argv[4]);
    for (double passed; (passed = now() - began) < seconds;) {
        if (slice != (long)(passed * 100)) { /* a hundredth of a second; what it came too late for is left out */
            slice = (long)(passed * 100);
            left = (long)(rate / 100);
        }
        if (rate > 0 && left-- <= 0) {
            usleep(200);
            continue;
        }
        there.sin_port = htons((unsigned short)(1000 + made % ports));
        if (connect(fd, (struct sockaddr *)&there, sizeof(there)) == 0 || errno != EPERM) {
            perror("connect");
            return 1;
        }
        made++;
    }
    printf("%ld\n", made);
    return 0;
}
