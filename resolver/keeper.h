/* SPDX-License-Identifier: BSD-2-Clause */
/* The resolver's end of the channel (channel.h). */
#ifndef NAMEGATE_RESOLVER_KEEPER_H
#define NAMEGATE_RESOLVER_KEEPER_H

#include <namegate/channel.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ng_keeper_link;

union ng_order {
    uint32_t type;
    struct ng_message_start start;
    struct ng_message_forward forward;
    struct ng_message_local local;
    struct ng_message_listener listener;
    struct ng_message_unlisten unlisten;
    struct ng_message_snapshot snapshot;
    struct ng_message_deployment deployment;
    struct ng_message_prewarm prewarm;
    struct ng_message_grant grant;
    struct ng_message_canary canary;
    struct ng_message_resolution known;
    struct ng_message_memory memory;
    struct ng_message_enforced enforced;
    struct ng_message_ping ping;
};

/* Works on `fd`, which stays the caller's. before: called before anything leaves. */
int ng_keeper_link_new(int fd, void (*before)(void *arg), void *arg, struct ng_keeper_link **ret_link);
void ng_keeper_link_free(struct ng_keeper_link *link);

/* Receives one order, whose size is right for its type, and its descriptors, which are the caller's then (-1: none).
 * Returns 0, -EAGAIN when none waits, -ECONNRESET when the keeper is gone, -EBADMSG for anything that is no order. */
int ng_keeper_link_receive(struct ng_keeper_link *link, union ng_order *ret_order, int ret_fds[2]);

/* Has a message leave with the next flush. While the keeper is too slow, RESOLUTION, TOLD and TROUBLE are counted
 * beyond some that wait, and the count is told when there is room again; but MAP_FULL and RECOVERED, which change what
 * is in force, and all others wait as long as it takes. */
void ng_keeper_link_send(struct ng_keeper_link *link, const void *message, size_t size);

/* Sends what waits. To be called whenever there is nothing else to do, and once in a second. */
void ng_keeper_link_flush(struct ng_keeper_link *link);

/* To be called before what the messages are about is done, and in each turn of the loop: has `before` done, and sends
 * what waits, if that is needed now. RESOLUTIONs are not while no deployment lives: nobody can be denied what they are
 * about, and it costs less to send, and to read, many at once. */
void ng_keeper_link_settle(struct ng_keeper_link *link);

/* Whether deployments live. To be called before one is told anything. */
void ng_keeper_link_lives(struct ng_keeper_link *link, bool any);

#endif
