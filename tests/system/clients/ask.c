// SPDX-License-Identifier: BSD-2-Clause
/* Asks for the IPv4 address of a name, and ends in the moment of the answer, with its rcode: ask NAME [SERVER] */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    uint8_t query[512] = {0x12, 0x34, 1, 0, 0, 1}, answer[4096];
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(53)};
    struct timeval patience = {.tv_sec = 10};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    size_t size = 12;

    if (argc < 2 || strlen(argv[1]) > 255 || inet_pton(AF_INET, argc > 2 ? argv[2] : "192.0.2.53", &server.sin_addr) != 1)
        return 100;
    for (char *label = strtok(argv[1], "."); label; label = strtok(NULL, ".")) {
        query[size] = (uint8_t)strlen(label);
        memcpy(query + size + 1, label, query[size]);
        size += query[size] + 1U;
    }
    query[size + 2] = query[size + 4] = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(fd, (struct sockaddr *)&server, sizeof(server)) < 0 || send(fd, query, size + 5, 0) < 0)
        return 101;
    if (recv(fd, answer, sizeof(answer), 0) < 12)
        return 102;
    _exit(answer[3] & 15);
}
