/* SPDX-License-Identifier: BSD-2-Clause */
/* The gate in the kernel: the only user of the BPF object. What it makes is pinned below the pin root and outlives the
 * process: links hold the programs at the root of the cgroup tree and at each deployment, maps hold the state. A later
 * daemon takes all of it over; bpf_link_update() replaces each program in one step, so that there is no moment without.
 */
#ifndef NAMEGATE_GATE_H
#define NAMEGATE_GATE_H

#include "listen.h"
#include "log.h"

#include "../policy/snapshot.h"

#include <namegate/abi.h>

#include <stdbool.h>
#include <sys/types.h>

struct ng_gate;

/* Who is told what the programs tell. */
struct ng_gate_ops {
    void (*denial)(void *arg, const struct ng_event *event);
    /* A process of a deployment is in a network namespace that is not served. */
    void (*sighting)(void *arg, pid_t pid);
    void (*reach)(void *arg, const struct ng_reach *reach);
    void (*fork)(void *arg, const struct ng_fork *made);
    void (*exec)(void *arg, const struct ng_exec *executed);
    void (*exit)(void *arg, const struct ng_exit *ended);
    void (*move)(void *arg, const struct ng_move *moved);
    void (*delegation)(void *arg, const struct ng_delegation *asked);
    void *arg;
};

/* Takes over what is pinned, maps and what was judged by them; the programs stay those that are in force, of whatever
 * build, until ng_gate_enforce(). Where a map is not pinned does all of it. */
int ng_gate_open(const char *pin_root, const char *cgroup_mount, uint32_t max_destinations,
                 const struct ng_gate_ops *ops, struct ng_error *error, struct ng_gate **ret_gate);

/* Loads the programs of this build and attaches them at cgroup_mount, in the place of those that are in force there.
 * That takes the kernel a good part of a second of computing, which is why it comes last in a start. */
int ng_gate_enforce(struct ng_gate *gate, const char *cgroup_mount, struct ng_error *error);

/* Releases the process' handles. The gate stays in force. */
void ng_gate_free(struct ng_gate *gate);

/* Removes every pin: the gate ends when the handles are released. Only for when no deployment is left. */
int ng_gate_remove(struct ng_gate *gate);

/* Whether the programs were taken over from an earlier daemon. */
bool ng_gate_adopted(const struct ng_gate *gate);

/* Descriptors for the resolver; they stay the gate's. */
int ng_gate_destinations(const struct ng_gate *gate);
int ng_gate_departures(const struct ng_gate *gate); /* -1: no hook looks at them yet */
int ng_gate_verifier(const struct ng_gate *gate); /* the program gate_verify(); -1: not loaded yet, or not there */
int ng_gate_askers(const struct ng_gate *gate);
int ng_gate_epoch(const struct ng_gate *gate);

/* By these sockets the resolver's replies leave: they are held up where what they rest on is not in `destinations`. For
 * nothing before ng_gate_enforce(). One for which the kernel has no memory has replies that cost more. */
void ng_gate_mark(const struct ng_gate *gate, const struct ng_listeners *listeners);

/* Iterators. Those over files and sockets find the ones whose peer is denied (struct ng_socket): the files of all
 * processes, the sockets of the network namespace in which they are begun. That over tasks tells where the tasks of
 * deployments are (struct ng_whereabouts). */
enum ng_walk { NG_WALK_FILES = 0, NG_WALK_TASKS, NG_WALK_TCP, NG_WALK_UDP, NG_WALKS };

/* The link of one; it stays the gate's. <0: this kernel has none. */
int ng_gate_walk(const struct ng_gate *gate, enum ng_walk walk);

/* Polls readable when records wait; ng_gate_consume() hands them on, a bounded number in a row, and says whether there
 * are more. */
int ng_gate_events_fd(const struct ng_gate *gate);
bool ng_gate_consume(struct ng_gate *gate);
/* All that wait, unless they come faster. */
void ng_gate_drain(struct ng_gate *gate);

/* The switches. ng_gate_control() is what the kernel has; change a copy and write it. */
struct ng_control ng_gate_control(const struct ng_gate *gate);
int ng_gate_set_control(struct ng_gate *gate, const struct ng_control *control);

/* Whether the resolver listens in a network namespace, known by its cookie. */
int ng_gate_serve_namespace(struct ng_gate *gate, uint64_t cookie, bool served);
/* Forgets those of which `stale` says so. */
void ng_gate_forget_namespaces(struct ng_gate *gate,
                               bool (*stale)(const void *arg, uint64_t cookie, const struct ng_namespace *namespace),
                               const void *arg);

/* Attaches egress to the cgroup, then tags it. */
int ng_gate_add_deployment(struct ng_gate *gate, const char *path, uint64_t cgroup,
                           const struct ng_deployment *deployment, struct ng_error *error);
int ng_gate_update_deployment(struct ng_gate *gate, uint64_t cgroup, const struct ng_deployment *deployment);
/* Only after its cgroup is empty. */
void ng_gate_remove_deployment(struct ng_gate *gate, uint64_t cgroup);

typedef int (*ng_deployment_fn)(void *arg, uint64_t cgroup, const struct ng_deployment *deployment);
int ng_gate_each_deployment(struct ng_gate *gate, ng_deployment_fn each, void *arg);

/* Writes the profiles that a snapshot needs; those of the one in force stay. -E2BIG: too many. */
int ng_gate_add_profiles(struct ng_gate *gate, const struct ng_snapshot *snapshot, struct ng_error *error);
/* Makes networks and profiles those of the snapshot alone, or, when that fails, those of the one in force again (NULL:
 * there is none). */
int ng_gate_switch(struct ng_gate *gate, const struct ng_snapshot *snapshot, const struct ng_snapshot *in_force,
                   struct ng_error *error);

/* Sum over the CPUs of a counter slot (abi.h). */
uint64_t ng_gate_counter(const struct ng_gate *gate, unsigned slot);
uint32_t ng_gate_destinations_used(const struct ng_gate *gate);
uint32_t ng_gate_destinations_max(const struct ng_gate *gate);

/* Whether the program of a hook is attached. */
bool ng_gate_attached(const struct ng_gate *gate, enum ng_hook hook);
const char *ng_hook_name(unsigned hook);

#endif
