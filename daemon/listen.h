/* SPDX-License-Identifier: BSD-2-Clause */
/* The resolver's sockets. The keeper makes and keeps them, so that they outlive a resolver process: a query that comes
 * in between waits in the socket for the next one. */
#ifndef NAMEGATE_LISTEN_H
#define NAMEGATE_LISTEN_H

#include "config.h"
#include "log.h"
#include "store.h"

/* UDP, for each worker, and TCP for each configured address, and the redirect's on both loopbacks. */
#define NG_LISTENERS_MAX (NG_LISTEN_MAX * (NG_WORKERS_MAX + 1) + 2 * (NG_REDIRECT_SLOTS + 1))

struct ng_listener {
    int fd;
    uint32_t flags; /* NG_LISTENER_* */
    uint32_t worker;
    struct ng_endpoint local;
};

struct ng_listeners {
    struct ng_listener item[NG_LISTENERS_MAX];
    unsigned count;
    struct ng_store *store; /* while they are opened */
};

/* Opens them all or none, or takes those that the store has kept (NULL: none); the redirect's by the ports in *control.
 * Has all kept from then on. Writes the redirect's ports into *control; without IPv6 its ports stay 0, and DNS of
 * deployments over IPv6 is refused. */
int ng_listeners_open(const struct ng_config *config, struct ng_store *store, struct ng_control *control,
                      struct ng_error *error, struct ng_listeners *ret_listeners);
/* Opens the redirect's listeners on the ports of `control` in the network namespace that the thread is in (its inode:
 * namespace), or takes what the store (or NULL) has of them: those on 127.0.0.1 or none, those on ::1 if they can be.
 * Returns 0 or -errno. */
int ng_listeners_open_again(const struct ng_control *control, struct ng_store *store, uint64_t namespace,
                            struct ng_listeners *ret_listeners);
/* Has them kept over a restart of the daemon, or no more. namespace 0: of its own. */
void ng_listeners_keep(const struct ng_listeners *listeners, uint64_t namespace);
void ng_listeners_drop(const struct ng_listeners *listeners, uint64_t namespace);
void ng_listeners_close(struct ng_listeners *listeners);

#endif
