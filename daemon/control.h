/* SPDX-License-Identifier: BSD-2-Clause */
/* The control socket: docs/protocol.md. Knows connections and lines, not what they mean. */
#ifndef NAMEGATE_CONTROL_H
#define NAMEGATE_CONTROL_H

#include "log.h"
#include "loop.h"

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#define NG_CONNECTIONS_MAX 512           /* more wait in the listen queue */
#define NG_CONNECTIONS_RESERVED 64       /* of them, for root */
#define NG_CONNECTIONS_USER 64           /* of one user but root; more are refused */
#define NG_REQUEST_MAX (4u << 20)        /* octets */
#define NG_REQUEST_USER_MAX (1u << 20)   /* of others than root */
#define NG_REPLY_MAX (64u << 20)         /* octets that wait for a slow reader before it is dropped */
#define NG_REPLIES_USERS_MAX (128u << 20) /* and for all readers but root's together */

struct ng_control_socket;
struct ng_connection;

struct ng_peer {
    pid_t pid;
    int pidfd; /* the connection's */
    uid_t uid;
    gid_t gid;
};

/* A request came in on a connection. */
typedef void (*ng_request_fn)(void *arg, struct ng_connection *connection, const json_t *request);
/* The connection is gone; data is what was kept with it. */
typedef void (*ng_gone_fn)(void *arg, void *data);

/* group: who besides root may connect; a group that does not exist leaves root alone. */
int ng_control_open(struct ng_loop *loop, const char *path, const char *group, ng_request_fn on_request, void *arg,
                    struct ng_error *error, struct ng_control_socket **ret_socket);
void ng_control_free(struct ng_control_socket *socket);
unsigned ng_control_connections(const struct ng_control_socket *socket);
/* To be called regularly: closes connections that do not ask. */
void ng_control_tick(struct ng_control_socket *socket);
/* Called after a connection was closed. */
void ng_control_on_closed(struct ng_control_socket *socket, void (*closed)(void *arg));

const struct ng_peer *ng_connection_peer(const struct ng_connection *connection);
/* Keeps data with the connection until it is gone, when gone(arg of the socket, data) is called; NULL keeps nothing. */
void ng_connection_keep(struct ng_connection *connection, void *data, ng_gone_fn gone);
/* What was kept with that gone, else NULL. */
void *ng_connection_kept(const struct ng_connection *connection, ng_gone_fn gone);

/* Queues one line. A reader that is too slow is dropped. */
void ng_connection_line(struct ng_connection *connection, const char *line);
/* Queues the object as a line (takes the reference, adds "v") and closes when all is sent. */
void ng_connection_reply(struct ng_connection *connection, json_t *reply);
/* Replies that something is wrong. remedy may be NULL or empty. */
void ng_connection_fail(struct ng_connection *connection, const char *error, const char *remedy);

/* Calls each connection. */
void ng_control_each(struct ng_control_socket *socket, void (*each)(void *arg, struct ng_connection *connection),
                     void *arg);

#endif
