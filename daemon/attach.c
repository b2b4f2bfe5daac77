// SPDX-License-Identifier: BSD-2-Clause
/* `attach`: what was not started by `run` becomes a deployment; `detach`: it is none any more. */
#include "keeper.h"

#include "cgroup.h"
#include "text.h"

#include <namegate/cleanup.h>

#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define LEFT_MAX 16

static const char *string(const json_t *request, const char *key)
{
    return json_string_value(json_object_get(request, key));
}

static bool lies_in(const char *path, const char *around)
{
    size_t length = strlen(around);

    return strncmp(path, around, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* The daemon must not gate itself: its own questions to upstreams would come back to it. */
static bool holds_daemon(const struct ng_keeper *keeper, const char *path)
{
    _cleanup_free_ char *own = NULL;

    return ng_cgroup_of(keeper->cgroup_mount, getpid(), &own) < 0 || lies_in(own, path);
}

static pid_t parent_of(pid_t pid)
{
    struct ng_process_stat stat;

    return ng_cgroup_stat(pid, &stat) == 0 ? stat.parent : 0;
}

static bool is_above_daemon(pid_t pid)
{
    for (pid_t at = getpid(); at > 0; at = parent_of(at))
        if (at == pid)
            return true;
    return false;
}

/* --- what is to become a deployment: each sets *ret_target, or says what is wrong */

static int find_process(const struct ng_keeper *keeper, pid_t pid, struct ng_target *ret_target,
                        struct ng_error *error)
{
    *ret_target = (struct ng_target){.pid = pid, .tree = true, .pidfd = (int)syscall(SYS_pidfd_open, pid, 0)};
    if (ret_target->pidfd < 0)
        return ng_error_set(error, errno, "a number of a process, not of a thread, as this host counts",
                            "there is no process %d", (int)pid);
    if (is_above_daemon(pid))
        return ng_error_set(error, EPERM, "name a process that the daemon does not come from",
                            "process %d is the daemon, or one that it comes from", (int)pid);
    if (ng_cgroup_of(keeper->cgroup_mount, pid, &ret_target->cgroup) < 0)
        return ng_error_set(error, ESRCH, NULL, "process %d has ended", (int)pid);
    return 0;
}

static int find_cgroup(const struct ng_keeper *keeper, const char *path, struct ng_target *ret_target,
                       struct ng_error *error)
{
    bool below = lies_in(path, keeper->cgroup_mount);
    struct stat st, root;
    size_t length;

    *ret_target = (struct ng_target){.pidfd = -1};
    /* As `namegate list` shows it, or as /proc/PID/cgroup does. */
    if (asprintf(&ret_target->cgroup, "%s%s%s", below ? "" : keeper->cgroup_mount, *path == '/' ? "" : "/", path) < 0) {
        ret_target->cgroup = NULL;
        return ng_error_set(error, ENOMEM, NULL, "out of memory");
    }
    length = strlen(ret_target->cgroup);
    while (length > 1 && ret_target->cgroup[length - 1] == '/')
        ret_target->cgroup[--length] = '\0';
    if (strstr(path, "/../") || stat(ret_target->cgroup, &st) < 0 || !S_ISDIR(st.st_mode) ||
        stat(keeper->cgroup_mount, &root) < 0 || st.st_dev != root.st_dev)
        return ng_error_set(error, ENOENT, "a path below the cgroup2 mount, as in /proc/PID/cgroup",
                            "there is no cgroup %s", ret_target->cgroup);
    if (st.st_ino == root.st_ino)
        return ng_error_set(error, EPERM, "attach a cgroup below it", "the root of the tree holds the whole host");
    if (holds_daemon(keeper, ret_target->cgroup))
        return ng_error_set(error, EPERM, "attach a cgroup that the daemon is not in",
                            "the daemon itself is in %s", ret_target->cgroup);
    for (const struct ng_live *live = keeper->lives; live; live = live->next)
        if (live->cgroup == st.st_ino)
            return ng_error_set(error, EEXIST, NULL, "this is a deployment already: %s", live->id);
    return 0;
}

struct search {
    const char *unit;
    char *found;
    unsigned count;
};

static int match_unit(void *arg, const char *path, uint64_t id)
{
    struct search *search = arg;

    (void)id;
    if (strcmp(strrchr(path, '/') + 1, search->unit) != 0)
        return 0;
    if (search->count++ == 0)
        search->found = strdup(path);
    return 0;
}

/* A unit of systemd has a cgroup of its name (systemd.resource-control(5)). */
static int find_unit(const struct ng_keeper *keeper, const char *unit, struct ng_target *ret_target,
                     struct ng_error *error)
{
    _cleanup_free_ char *name = NULL;
    struct search search = {0};
    int r;

    *ret_target = (struct ng_target){.pidfd = -1};
    if (asprintf(&name, "%s%s", unit, strchr(unit, '.') ? "" : ".service") < 0)
        return ng_error_set(error, ENOMEM, NULL, "out of memory");
    search.unit = name;
    (void)ng_cgroup_walk(keeper->cgroup_mount, match_unit, &search);
    if (search.count == 1 && search.found)
        r = find_cgroup(keeper, search.found, ret_target, error);
    else if (search.count)
        r = ng_error_set(error, EEXIST, "name the cgroup of the one you mean, with --cgroup",
                         "%u cgroups have the name %s", search.count, name);
    else
        r = ng_error_set(error, ENOENT, "start the unit first: without processes it has no cgroup",
                         "no cgroup has the name %s", name);
    free(search.found);
    return r;
}

static void add_left(json_t *list, const char *mount, const char *cgroup, pid_t pid,
                     const struct ng_process_stat *first)
{
    _cleanup_free_ char *parents = NULL;
    struct ng_process_stat stat;
    char path[64], comm[32] = "";
    _cleanup_file_ FILE *file = NULL;

    if (ng_cgroup_stat(pid, &stat) < 0 || stat.started < first->started)
        return;
    /* Whose parent is in the cgroup has a place in another tree. */
    if (stat.parent > 1 && ng_cgroup_of(mount, stat.parent, &parents) == 0 && strcmp(parents, cgroup) == 0)
        return;
    (void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
    file = fopen(path, "re");
    if (file && fgets(comm, sizeof(comm), file))
        comm[strcspn(comm, "\n")] = '\0';
    (void)json_array_append_new(list, json_pack("{s:i, s:o}", "pid", (int)pid, "comm",
                                                ng_json_text(comm, strlen(comm))));
}

json_t *ng_attach_left(const struct ng_keeper *keeper, const struct ng_target *target)
{
    _cleanup_free_ char *procs = NULL;
    _cleanup_file_ FILE *file = NULL;
    struct ng_process_stat first;
    json_t *list = json_array();
    int pid;

    if (!target->tree || ng_cgroup_stat(target->pid, &first) < 0 ||
        asprintf(&procs, "%s/cgroup.procs", target->cgroup) < 0)
        return list;
    file = fopen(procs, "re");
    while (file && json_array_size(list) < LEFT_MAX && fscanf(file, "%d", &pid) == 1)
        add_left(list, keeper->cgroup_mount, target->cgroup, pid, &first);
    return list;
}

void ng_attach(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request)
{
    const char *cgroup = string(request, "cgroup"), *unit = string(request, "unit");
    json_int_t pid = json_integer_value(json_object_get(request, "pid"));
    struct ng_target target = {.pidfd = -1};
    struct ng_error error;
    int r;

    if ((cgroup != NULL) + (unit != NULL) + (pid > 0 && pid <= INT32_MAX) != 1) {
        ng_connection_fail(connection, "one of cgroup, pid and unit is to be attached", NULL);
        return;
    }
    r = cgroup ? find_cgroup(keeper, cgroup, &target, &error)
        : unit ? find_unit(keeper, unit, &target, &error)
               : find_process(keeper, (pid_t)pid, &target, &error);
    if (r < 0) {
        ng_target_release(&target);
        ng_connection_fail(connection, error.text, error.remedy);
        return;
    }
    ng_run_target(keeper, connection, request, &target);
}

/* Lets its processes go back to where they were: all of them, or none. */
static int let_go(const struct ng_live *live)
{
    _cleanup_free_ char *above = strdup(live->path);

    if (!above)
        return -ENOMEM;
    *strrchr(above, '/') = '\0';
    return ng_cgroup_empty_into(live->path, above);
}

void ng_detach(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request)
{
    const char *id = string(request, "deployment");
    struct ng_live *live = keeper->lives;
    int r = 0;

    while (live && (!id || strcmp(live->id, id) != 0))
        live = live->next;
    if (!live) {
        ng_connection_fail(connection, "there is no such deployment", "namegate list");
        return;
    }
    if (ng_lives_hold(keeper, ng_connection_peer(connection)->pid)) {
        ng_connection_fail(connection, "this cannot be done from inside a deployment", "do it outside of deployments");
        return;
    }
    if (!(live->kernel.flags & NG_DEPLOYMENT_ATTACHED)) {
        ng_connection_fail(connection, "this deployment was started by `run`, and ends with its processes", NULL);
        return;
    }
    if (!(live->kernel.flags & NG_DEPLOYMENT_BORROWED))
        r = let_go(live);
    if (r < 0) {
        ng_connection_fail(connection, "its processes cannot be moved out of its cgroup, and stay gated", NULL);
        return;
    }
    ng_lives_end(keeper, live);
    ng_connection_reply(connection, json_pack("{s:s}", "deployment", id));
    ng_keeper_idle(keeper);
}
