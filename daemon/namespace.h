/* SPDX-License-Identifier: BSD-2-Clause */
/* Network namespaces other than the daemon's that deployments use, as containers do. Each has a loopback of its own, so
 * the redirect needs listeners there: on the same ports, so that one rule in the kernel is for all. A query that comes
 * before they are open is dropped there, and comes again. They are closed when no process of a deployment is in the
 * namespace any more, so that they do not keep it. */
#ifndef NAMEGATE_NAMESPACE_H
#define NAMEGATE_NAMESPACE_H

#include "log.h"

#include <sys/types.h>

struct ng_keeper;
struct ng_namespaces;

/* To be called when listeners are open, and the gate. */
int ng_namespaces_new(struct ng_keeper *keeper, struct ng_error *error, struct ng_namespaces **ret_namespaces);
void ng_namespaces_free(struct ng_namespaces *namespaces);

/* Opens listeners where that process is, if they are missing. What goes wrong is on record. */
void ng_namespaces_of_process(struct ng_keeper *keeper, pid_t pid);
/* The same for all in a cgroup and below it. */
void ng_namespaces_of_cgroup(struct ng_keeper *keeper, const char *path);

/* Takes over what an earlier daemon served, and forgets where no deployment is any more: until then questions wait in
 * the sockets that the service manager has kept. */
void ng_namespaces_adopt(struct ng_keeper *keeper);

/* A deployment uses one that is not served: event of the kernel, struct ng_sighting. arg is the keeper. */
void ng_namespaces_sighted(void *arg, pid_t pid);

/* Gives a new resolver all listeners. Returns 0 or -errno. */
int ng_namespaces_send(struct ng_keeper *keeper);
/* ng_gate_mark() for all of them; those that come later are marked as they come. */
void ng_namespaces_mark_all(struct ng_keeper *keeper);

/* To be called regularly: closes those of namespaces that no deployment is in any more. */
void ng_namespaces_tick(struct ng_keeper *keeper);

#endif
