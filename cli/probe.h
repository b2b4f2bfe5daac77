/* SPDX-License-Identifier: BSD-2-Clause */
/* One try each to get past the gate, to a canary (namegate/canary.h). None waits for longer than NG_PROBE_WAIT. */
#ifndef NAMEGATE_CLI_PROBE_H
#define NAMEGATE_CLI_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#define NG_PROBE_WAIT 3000 /* ms */

enum ng_probe_family { NG_PROBE_V4 = 0, NG_PROBE_V6, NG_PROBE_MAPPED };

enum ng_probe_outcome {
    NG_PROBE_DENIED,     /* at once */
    NG_PROBE_DROPPED,    /* its packets get nowhere */
    NG_PROBE_CUT,        /* a connection from before has ended */
    NG_PROBE_REDIRECTED, /* the gate's resolver has answered */
    NG_PROBE_ABSENT,     /* there is no such thing here, or not for this process */
    NG_PROBE_OPEN,
};

struct ng_probe {
    enum ng_probe_family family;
    int proto;
    bool mptcp;
    uint64_t number; /* of the canary */
    uint16_t port;
    int fd;          /* of what was brought along */
};

enum ng_probe_outcome ng_probe_connect(const struct ng_probe *probe); /* UDP: and send() */
enum ng_probe_outcome ng_probe_fast_open(const struct ng_probe *probe);
enum ng_probe_outcome ng_probe_accept(const struct ng_probe *probe);
enum ng_probe_outcome ng_probe_sendto(const struct ng_probe *probe);
enum ng_probe_outcome ng_probe_sendmsg(const struct ng_probe *probe);
enum ng_probe_outcome ng_probe_dns(const struct ng_probe *probe);
enum ng_probe_outcome ng_probe_raw(const struct ng_probe *probe); /* and UDP-Lite */
enum ng_probe_outcome ng_probe_packet(const struct ng_probe *probe);
enum ng_probe_outcome ng_probe_tun(const struct ng_probe *probe);
enum ng_probe_outcome ng_probe_leave(const struct ng_probe *probe);
enum ng_probe_outcome ng_probe_brought(const struct ng_probe *probe);

/* Connects to the canary before it is forbidden: TCP, UDP; -1 for what could not be. */
void ng_probe_bring(uint64_t number, int ret_fds[2], int *ret_listener);

/* Whether this process may ask who listens there. */
bool ng_probe_delegate(const char *path);

#endif
