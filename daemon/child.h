/* SPDX-License-Identifier: BSD-2-Clause */
/* The resolver process: started without privileges, fed over the channel, started again when it dies. */
#ifndef NAMEGATE_CHILD_H
#define NAMEGATE_CHILD_H

#include "listen.h"

#include <sys/types.h>

struct ng_child;

/* Called for each message whose size is right for its type; the counts inside are not checked yet. */
typedef void (*ng_message_fn)(void *arg, const void *message, size_t size);

union ng_message {
    uint32_t type;
    struct ng_message_ready ready;
    struct ng_message_resolution resolution;
    struct ng_message_told told;
    struct ng_message_trouble trouble;
    struct ng_message_prewarmed prewarmed;
    struct ng_message_loaded loaded;
    struct ng_message_ping pong;
};

/* Whether that account can be the resolver's. */
int ng_child_check(const char *user, struct ng_error *error);

/* user: the account it runs as. on_message gets what it says. */
int ng_child_new(const char *user, ng_message_fn on_message, void *arg, struct ng_error *error,
                 struct ng_child **ret_child);
/* Ends the process. */
void ng_child_free(struct ng_child *child);

/* Starts the process and sends STATS, START and the listeners. */
int ng_child_start(struct ng_child *child, const struct ng_message_start *start, int destinations, int askers,
                   int stats, int epoch, const struct ng_listeners *listeners, struct ng_error *error);

/* Hands it one more listener. Returns 0 or -errno. */
int ng_child_listener(struct ng_child *child, const struct ng_listener *listener);

/* The channel, or -1 while no process runs. */
int ng_child_fd(const struct ng_child *child);
pid_t ng_child_pid(const struct ng_child *child);
/* The account it runs as. */
uid_t ng_child_uid(const struct ng_child *child);

/* In the new process: becomes the account ("UID:GID") for good, without privileges. */
int ng_child_become(const char *account);

/* Sends one message with up to two descriptors (-1: none). -EPIPE or -ECONNRESET when the process is gone. */
int ng_child_send(struct ng_child *child, const void *message, size_t size, int fd1, int fd2);

#define NG_CHILD_TURN (256U << 10) /* octets: no more at once, so that a flood does not keep the keeper from events */
#define NG_CHILD_ALL SIZE_MAX      /* all that wait now: more than the channel holds do not */

/* Reads the messages that wait, up to so many octets of them. Returns the octets, or -ECONNRESET when the process has
 * closed the channel. */
ssize_t ng_child_receive(struct ng_child *child, size_t max);

/* Forgets a process that has ended and was reaped, or ends it. */
void ng_child_reap(struct ng_child *child);

#endif
