/* SPDX-License-Identifier: BSD-2-Clause */
/* Cgroups of deployments: cgroup v2 (kernel Documentation/admin-guide/cgroup-v2.rst). */
#ifndef NAMEGATE_CGROUP_H
#define NAMEGATE_CGROUP_H

#include "log.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Finds where cgroup2 is mounted. The string belongs to the caller. -ENOENT with a remedy when only version 1 is. */
int ng_cgroup_mount(struct ng_error *error, char **ret_path);

/* How many levels path lies below the root of the cgroup2 mount, and its id, which is its inode. */
int ng_cgroup_identify(const char *mount, const char *path, unsigned *ret_level, uint64_t *ret_id);

/* The cgroup2 path (below the mount, absolute) that a process is in. The string belongs to the caller. */
int ng_cgroup_of(const char *mount, pid_t pid, char **ret_path);

/* Makes the directory and its parents. */
int ng_cgroup_make(const char *path);

/* Marks a cgroup as a deployment's, for every instance to see. Where the kernel keeps no such marks (before 5.x some
 * file systems), nothing happens. */
void ng_cgroup_mark(const char *path, const char *instance);
void ng_cgroup_unmark(const char *path, const char *instance);

/* Whether a cgroup, or one around it up to the mount, is a deployment of another instance. */
bool ng_cgroup_foreign(const char *mount, const char *path, const char *instance);

/* Removes it with its empty children; -EBUSY while processes are inside. */
int ng_cgroup_remove(const char *path);

bool ng_cgroup_process_ended(int pidfd);

/* proc(5), /proc/PID/stat. */
struct ng_process_stat {
    int parent, group, session;
    unsigned long long started; /* clock ticks since boot */
};

int ng_cgroup_stat(pid_t pid, struct ng_process_stat *ret_stat);

/* Moves a process, known by a pidfd as well so that a reused pid is noticed: -ESRCH, and whoever was moved by mistake
 * is moved to `before`, where the process was. */
int ng_cgroup_move(const char *path, const char *before, pid_t pid, int pidfd);

/* The same for it and all that it has started, as far as that is in `before` too; of what lost its parent, that which
 * is in a session or process group that one of these leads. Returns 0 when there is nothing left to move, or -errno. */
int ng_cgroup_move_tree(const char *mount, const char *path, const char *before, pid_t pid, int pidfd);

/* Moves all processes of a cgroup, without those of cgroups in it. */
int ng_cgroup_empty_into(const char *path, const char *target);

/* Opens cgroup.events: EPOLLPRI says that it changed. */
int ng_cgroup_watch(const char *path);

/* 1 while a process is in it or below, else 0. fd is from ng_cgroup_watch(). */
int ng_cgroup_populated(int fd);

/* Number of processes in it and below. */
unsigned ng_cgroup_processes(const char *path);

/* Calls each for every cgroup below path, parents first; each returns <0 to stop. */
typedef int (*ng_cgroup_fn)(void *arg, const char *path, uint64_t id);
int ng_cgroup_walk(const char *path, ng_cgroup_fn each, void *arg);

#endif
