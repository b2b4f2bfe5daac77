/* SPDX-License-Identifier: BSD-2-Clause */
/* Ways to upstreams. The only user of c-ares, which takes answers only from the server that was asked, for the question
 * that was asked. What is asked over UDP waits for ng_paths_send(), so that the queries of one turn leave with one
 * system call, and answers are read as many at a time: with a call for each they would cost more than all else that is
 * done for them. Sockets, and with them ports, are used for a while only. */
#ifndef NAMEGATE_PATH_H
#define NAMEGATE_PATH_H

#include "poll.h"

#include <namegate/channel.h>

#include <stddef.h>

struct ng_paths; /* all of a resolver's */
struct ng_path;  /* to one server, by UDP or TCP */

/* A query that is under way; embedded in whatever it belongs to, which stays where it is until answered() is called. */
struct ng_path_query {
    struct ng_path *path;
    /* Called exactly once, maybe from within ng_path_ask(). wire NULL: there is no answer. */
    void (*answered)(struct ng_path_query *query, const uint8_t *wire, size_t size);
};

int ng_paths_new(struct ng_poll *poll, struct ng_paths **ret_paths);
/* Ends all queries. */
void ng_paths_free(struct ng_paths *paths);

/* The way to a server: *path, or a new one in its place where there is none (NULL) or it was used enough. NULL when
 * there is no memory. */
struct ng_path *ng_path_to(struct ng_paths *paths, struct ng_path **path, const struct ng_endpoint *server, bool tcp,
                           uint64_t now);

/* query->answered is set; up to NG_WIRE_QUERY_MAX octets, which end with the call. */
void ng_path_ask(struct ng_path *path, const uint8_t *wire, size_t size, struct ng_path_query *query);

/* Sends what waits. To be called at the end of each turn in which something was asked. */
void ng_paths_send(struct ng_paths *paths);

/* When answers that are being handed on were read, in ns: the clock is read once for all of them. */
uint64_t ng_paths_read_at(const struct ng_paths *paths);

/* Whether ways that are not used any more wait for their last answers. */
bool ng_paths_leaving(const struct ng_paths *paths);
/* Ends queries that nobody answered for long, and ways that are not used any more. */
void ng_paths_process(struct ng_paths *paths);

#endif
