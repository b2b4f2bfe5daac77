// SPDX-License-Identifier: BSD-2-Clause
/* echo PORT: the least that a DNS server on one thread could do, and so the upper bound of this machine: each query
 * comes back as it is, with the QR bit set. Listens on 127.0.0.1. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define BATCH 64
#define SIZE 1232

int main(int argc, char **argv)
{
    static unsigned char data[BATCH][SIZE];
    static struct sockaddr_in from[BATCH];
    static struct iovec iov[BATCH];
    static struct mmsghdr message[BATCH];
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    here.sin_port = htons((uint16_t)(argc == 2 ? atoi(argv[1]) : 0));
    if (!here.sin_port || bind(fd, (struct sockaddr *)&here, sizeof(here))) {
        perror("echo PORT");
        return 1;
    }
    for (;;) {
        int got;

        for (int i = 0; i < BATCH; i++) {
            iov[i] = (struct iovec){data[i], SIZE};
            message[i].msg_hdr = (struct msghdr){
                .msg_name = &from[i], .msg_namelen = sizeof(from[i]), .msg_iov = &iov[i], .msg_iovlen = 1};
        }
        got = recvmmsg(fd, message, BATCH, MSG_WAITFORONE, NULL);
        for (int i = 0; i < got; i++) {
            iov[i].iov_len = message[i].msg_len;
            if (message[i].msg_len > 2)
                data[i][2] |= 0x80;
        }
        for (int sent = 0, n; sent < got; sent += n) {
            n = sendmmsg(fd, message + sent, (unsigned)(got - sent), 0);
            if (n < 1)
                n = 1; /* that one is lost, as any datagram may be */
        }
    }
}
