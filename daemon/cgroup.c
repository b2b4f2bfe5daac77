// SPDX-License-Identifier: BSD-2-Clause
#include "cgroup.h"

#include <namegate/cleanup.h>

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#define DEPTH_MAX 64

static void close_dir(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}

#define _cleanup_dir_ _cleanup_(close_dir)

/* mountinfo (proc(5)): ID PARENT DEV ROOT MOUNTPOINT OPTIONS [FIELDS] - TYPE SOURCE OPTIONS */
static int parse_mountinfo(char *line, char **ret_point, char **ret_type)
{
    char *save = NULL;
    char *point = NULL;
    char *separator = strstr(line, " - ");

    if (!separator)
        return -EINVAL;
    *separator = '\0';
    *ret_type = strtok_r(separator + 3, " ", &save);
    point = strtok_r(line, " ", &save);
    for (int i = 0; point && i < 4; i++)
        point = strtok_r(NULL, " ", &save);
    if (!point || !*ret_type)
        return -EINVAL;
    *ret_point = point;
    return 0;
}

int ng_cgroup_mount(struct ng_error *error, char **ret_path)
{
    _cleanup_file_ FILE *file = fopen("/proc/self/mountinfo", "re");
    _cleanup_free_ char *line = NULL;
    size_t room = 0;

    if (!file)
        return ng_error_set(error, errno, "mount /proc", "cannot read /proc/self/mountinfo: %m");
    while (getline(&line, &room, file) > 0) {
        char *point, *type;

        if (parse_mountinfo(line, &point, &type) < 0 || strcmp(type, "cgroup2") != 0)
            continue;
        *ret_path = strdup(point);
        return *ret_path ? 0 : -ENOMEM;
    }
    return ng_error_set(error, ENOENT,
                        "boot with systemd.unified_cgroup_hierarchy=1, or: mkdir -p /sys/fs/cgroup/unified && "
                        "mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified",
                        "cgroup version 2 is not mounted, and version 1 cannot carry the gate");
}

int ng_cgroup_identify(const char *mount, const char *path, unsigned *ret_level, uint64_t *ret_id)
{
    size_t skip = strlen(mount);
    unsigned level = 0;
    struct stat st;

    if (strncmp(path, mount, skip) != 0 || (path[skip] && path[skip] != '/'))
        return -EINVAL;
    if (stat(path, &st) < 0)
        return -errno;
    for (const char *at = path + skip; *at; at++)
        if (*at == '/' && at[1] && at[1] != '/')
            level++;
    *ret_level = level;
    *ret_id = st.st_ino;
    return 0;
}

int ng_cgroup_of(const char *mount, pid_t pid, char **ret_path)
{
    char name[64];
    _cleanup_file_ FILE *file = NULL;
    _cleanup_free_ char *line = NULL;
    size_t room = 0;

    (void)snprintf(name, sizeof(name), "/proc/%d/cgroup", (int)pid);
    file = fopen(name, "re");
    if (!file)
        return -errno;
    while (getline(&line, &room, file) > 0) {
        if (strncmp(line, "0::", 3) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        return asprintf(ret_path, "%s%s", mount, strcmp(line + 3, "/") == 0 ? "" : line + 3) < 0 ? -ENOMEM : 0;
    }
    return -ENOENT;
}

int ng_cgroup_make(const char *path)
{
    _cleanup_free_ char *copy = strdup(path);

    if (!copy)
        return -ENOMEM;
    for (char *at = copy + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        if (mkdir(copy, 0755) < 0 && errno != EEXIST && errno != EROFS)
            return -errno;
        *at = '/';
    }
    return mkdir(copy, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

/* Only root may write what is trusted (xattr(7)), so that no script can take its mark off. */
#define MARK "trusted.namegate"

void ng_cgroup_mark(const char *path, const char *instance)
{
    (void)setxattr(path, MARK, instance, strlen(instance), 0);
}

void ng_cgroup_unmark(const char *path, const char *instance)
{
    char mark[PATH_MAX];
    ssize_t length = getxattr(path, MARK, mark, sizeof(mark));

    if (length >= 0 && (size_t)length == strlen(instance) && memcmp(mark, instance, (size_t)length) == 0)
        (void)removexattr(path, MARK);
}

bool ng_cgroup_foreign(const char *mount, const char *path, const char *instance)
{
    _cleanup_free_ char *copy = strdup(path);
    size_t skip = strlen(mount);
    char mark[PATH_MAX];

    while (copy && strlen(copy) > skip) {
        ssize_t length = getxattr(copy, MARK, mark, sizeof(mark));
        char *slash = strrchr(copy, '/');

        if (length >= 0 && ((size_t)length != strlen(instance) || memcmp(mark, instance, (size_t)length) != 0))
            return true;
        if (!slash)
            break;
        *slash = '\0';
    }
    return false;
}

static int walk(const char *path, ng_cgroup_fn each, void *arg, unsigned depth)
{
    _cleanup_dir_ DIR *dir = opendir(path);
    struct dirent *entry;

    if (!dir || depth == 0)
        return dir ? -ELOOP : -errno;
    while ((entry = readdir(dir))) {
        _cleanup_free_ char *below = NULL;
        int r;

        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        if (asprintf(&below, "%s/%s", path, entry->d_name) < 0)
            return -ENOMEM;
        r = each(arg, below, entry->d_ino);
        if (r >= 0)
            r = walk(below, each, arg, depth - 1);
        if (r < 0 && r != -ENOENT)
            return r;
    }
    return 0;
}

int ng_cgroup_walk(const char *path, ng_cgroup_fn each, void *arg)
{
    return walk(path, each, arg, DEPTH_MAX);
}

int ng_cgroup_remove(const char *path)
{
    _cleanup_dir_ DIR *dir = NULL;
    struct dirent *entry;

    if (rmdir(path) == 0 || errno == ENOENT)
        return 0;
    dir = opendir(path);
    if (!dir)
        return -errno;
    while ((entry = readdir(dir))) {
        _cleanup_free_ char *below = NULL;
        int r;

        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        if (asprintf(&below, "%s/%s", path, entry->d_name) < 0)
            return -ENOMEM;
        r = ng_cgroup_remove(below);
        if (r < 0)
            return r;
    }
    return rmdir(path) < 0 && errno != ENOENT ? -errno : 0;
}

bool ng_cgroup_process_ended(int pidfd)
{
    struct pollfd poll_pid = {.fd = pidfd, .events = POLLIN};

    return poll(&poll_pid, 1, 0) > 0;
}

static int write_pid(const char *path, pid_t pid)
{
    _cleanup_free_ char *procs = NULL;
    _cleanup_fd_ int fd = -1;
    char text[32];
    int length;

    if (asprintf(&procs, "%s/cgroup.procs", path) < 0)
        return -ENOMEM;
    fd = open(procs, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    length = snprintf(text, sizeof(text), "%d", (int)pid);
    return write(fd, text, (size_t)length) < 0 ? -errno : 0;
}

int ng_cgroup_move(const char *path, const char *before, pid_t pid, int pidfd)
{
    int r = ng_cgroup_process_ended(pidfd) ? -ESRCH : write_pid(path, pid);

    if (r < 0)
        return r;
    /* The pidfd was opened before: if its process lives now, the number was its own all the time. */
    if (!ng_cgroup_process_ended(pidfd))
        return 0;
    /* If not, whoever has the number now must not stay. */
    (void)write_pid(before, pid);
    return -ESRCH;
}

#define TREE_PASSES 64 /* each finds what was started while the last one looked */

static int move_children(const char *mount, const char *path, const char *before, pid_t pid, unsigned depth,
                         unsigned *moved);

/* One process and those below it. Ended meanwhile: no error. */
static int move_branch(const char *mount, const char *path, const char *before, pid_t pid, unsigned depth,
                       unsigned *moved)
{
    _cleanup_fd_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    _cleanup_free_ char *now = NULL;
    int r = 0;

    if (pidfd < 0 || depth == 0)
        return depth == 0 ? -ELOOP : 0;
    if (ng_cgroup_of(mount, pid, &now) == 0 && strcmp(now, before) == 0) {
        r = ng_cgroup_move(path, before, pid, pidfd);
        *moved += r == 0;
    }
    if (r < 0 && r != -ESRCH)
        return r;
    return move_children(mount, path, before, pid, depth - 1, moved);
}

/* proc(5), /proc/PID/task/TID/children. */
static int move_children(const char *mount, const char *path, const char *before, pid_t pid, unsigned depth,
                         unsigned *moved)
{
    char name[64];
    _cleanup_dir_ DIR *tasks = NULL;
    struct dirent *entry;
    int r = 0;

    (void)snprintf(name, sizeof(name), "/proc/%d/task", (int)pid);
    tasks = opendir(name);
    while (tasks && r == 0 && (entry = readdir(tasks))) {
        _cleanup_free_ char *children = NULL;
        _cleanup_file_ FILE *file = NULL;
        int child;

        if (entry->d_name[0] == '.')
            continue;
        if (asprintf(&children, "%s/%s/children", name, entry->d_name) < 0)
            return -ENOMEM;
        file = fopen(children, "re");
        while (file && r == 0 && fscanf(file, "%d", &child) == 1)
            r = move_branch(mount, path, before, child, depth, moved);
    }
    return r;
}

int ng_cgroup_stat(pid_t pid, struct ng_process_stat *ret_stat)
{
    char path[64], line[512];
    _cleanup_file_ FILE *file = NULL;
    const char *at;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    file = fopen(path, "re");
    if (!file || !fgets(line, sizeof(line), file))
        return -ESRCH;
    at = strrchr(line, ')'); /* the name before it may hold anything */
    if (!at || sscanf(at + 1, " %*c %d %d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                      &ret_stat->parent, &ret_stat->group, &ret_stat->session, &ret_stat->started) != 4)
        return -ESRCH;
    return 0;
}

static bool is_in(const char *mount, const char *path, pid_t pid)
{
    _cleanup_free_ char *now = NULL;

    return ng_cgroup_of(mount, pid, &now) == 0 && strcmp(now, path) == 0;
}

/* Those whose parent has ended, but whose session or process group was led by one that has been moved: their numbers
 * are nobody else's while these last. */
static int move_orphans(const char *mount, const char *path, const char *before, unsigned *moved)
{
    _cleanup_free_ char *procs = NULL;
    _cleanup_file_ FILE *file = NULL;
    struct ng_process_stat stat;
    int pid, r = 0;

    if (asprintf(&procs, "%s/cgroup.procs", before) < 0)
        return -ENOMEM;
    file = fopen(procs, "re");
    while (file && r == 0 && fscanf(file, "%d", &pid) == 1)
        if (ng_cgroup_stat(pid, &stat) == 0 && !is_in(mount, before, stat.parent) &&
            (is_in(mount, path, stat.session) || is_in(mount, path, stat.group)))
            r = move_branch(mount, path, before, pid, DEPTH_MAX, moved);
    return r;
}

int ng_cgroup_move_tree(const char *mount, const char *path, const char *before, pid_t pid, int pidfd)
{
    int r = ng_cgroup_move(path, before, pid, pidfd);

    for (unsigned pass = 0; r == 0 && pass < TREE_PASSES; pass++) {
        unsigned moved = 0;

        r = move_children(mount, path, before, pid, DEPTH_MAX, &moved);
        if (r == 0)
            r = move_orphans(mount, path, before, &moved);
        if (r == 0 && moved == 0)
            return 0;
    }
    return r < 0 ? r : -EAGAIN;
}

int ng_cgroup_empty_into(const char *path, const char *target)
{
    _cleanup_free_ char *procs = NULL;
    unsigned moved = 1;
    int r = 0;

    if (asprintf(&procs, "%s/cgroup.procs", path) < 0)
        return -ENOMEM;
    for (unsigned pass = 0; moved && pass < TREE_PASSES; pass++) {
        _cleanup_file_ FILE *file = fopen(procs, "re");
        int pid;

        moved = 0;
        while (file && fscanf(file, "%d", &pid) == 1) {
            r = write_pid(target, pid);
            if (r < 0 && r != -ESRCH)
                return r;
            moved++;
        }
    }
    return moved ? -EAGAIN : 0;
}

int ng_cgroup_watch(const char *path)
{
    _cleanup_free_ char *events = NULL;
    int fd;

    if (asprintf(&events, "%s/cgroup.events", path) < 0)
        return -ENOMEM;
    fd = open(events, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int ng_cgroup_populated(int fd)
{
    char text[256];
    ssize_t length = pread(fd, text, sizeof(text) - 1, 0);

    if (length < 0)
        return errno == ENODEV ? 0 : 1; /* the cgroup is gone; any other doubt keeps the deployment */
    text[length] = '\0';
    return strstr(text, "populated 0") == NULL;
}

static int count_processes(void *arg, const char *path, uint64_t id)
{
    _cleanup_free_ char *procs = NULL;
    _cleanup_file_ FILE *file = NULL;
    _cleanup_free_ char *line = NULL;
    size_t room = 0;
    unsigned *count = arg;

    (void)id;
    if (asprintf(&procs, "%s/cgroup.procs", path) < 0)
        return -ENOMEM;
    file = fopen(procs, "re");
    if (!file)
        return -errno;
    while (getline(&line, &room, file) > 0)
        (*count)++;
    return 0;
}

unsigned ng_cgroup_processes(const char *path)
{
    unsigned count = 0;

    (void)count_processes(&count, path, 0);
    (void)ng_cgroup_walk(path, count_processes, &count);
    return count;
}
