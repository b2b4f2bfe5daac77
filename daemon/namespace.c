// SPDX-License-Identifier: BSD-2-Clause
#include "namespace.h"

#include "cgroup.h"
#include "evidence.h"
#include "keeper.h"

#include "../policy/vector.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define NAMESPACES_MAX 256
#define SIGHTINGS_MAX 64 /* that are followed between two ticks: each takes the daemon's time */
#define SIGHTING_KEPT (10 * NG_SECOND)
#define MISSES_MAX 2 /* ticks without a process, before it is let go */

struct namespace {
    uint64_t cookie;
    dev_t device;
    ino_t inode;
    struct ng_listeners listeners;
    bool used;
    unsigned misses;
};

struct ng_namespaces {
    dev_t device; /* the daemon's own */
    ino_t inode;
    uint64_t cookie;
    NG_VECTOR(struct namespace *) list;
    unsigned sightings; /* since the last tick */
};

static int cookie_of(int socket, uint64_t *ret_cookie)
{
    socklen_t size = sizeof(*ret_cookie);

    return getsockopt(socket, SOL_SOCKET, SO_NETNS_COOKIE, ret_cookie, &size) < 0 ? -errno : 0;
}

int ng_namespaces_new(struct ng_keeper *keeper, struct ng_error *error, struct ng_namespaces **ret_namespaces)
{
    struct ng_namespaces *namespaces = calloc(1, sizeof(*namespaces));
    struct stat st;
    int r = namespaces ? 0 : -ENOMEM;

    if (r == 0 && stat("/proc/self/ns/net", &st) < 0)
        r = -errno;
    if (r == 0)
        r = cookie_of(keeper->listeners.item[0].fd, &namespaces->cookie);
    if (r == 0)
        r = ng_gate_serve_namespace(keeper->gate, namespaces->cookie, true);
    if (r < 0) {
        free(namespaces);
        return ng_error_set(error, -r, NULL, "cannot tell network namespaces apart: %s", strerror(-r));
    }
    namespaces->device = st.st_dev;
    namespaces->inode = st.st_ino;
    *ret_namespaces = namespaces;
    return 0;
}

static void free_one(struct namespace *namespace)
{
    ng_listeners_close(&namespace->listeners);
    free(namespace);
}

void ng_namespaces_free(struct ng_namespaces *namespaces)
{
    if (!namespaces)
        return;
    for (size_t i = 0; i < namespaces->list.count; i++)
        free_one(namespaces->list.items[i]);
    ng_vector_free(&namespaces->list);
    free(namespaces);
}

static struct namespace *find(const struct ng_namespaces *namespaces, const struct stat *st)
{
    for (size_t i = 0; i < namespaces->list.count; i++) {
        struct namespace *it = namespaces->list.items[i];

        if (it->inode == st->st_ino && it->device == st->st_dev)
            return it;
    }
    return NULL;
}

/* --- opening: by a thread that goes there and ends there */

struct visit {
    int namespace;
    const struct ng_control *control;
    struct ng_store *store;
    uint64_t inode;
    struct ng_listeners *listeners;
    int error;
};

static void *visit(void *arg)
{
    struct visit *visit = arg;

    if (setns(visit->namespace, CLONE_NEWNET) < 0)
        visit->error = -errno;
    else
        visit->error = ng_listeners_open_again(visit->control, visit->store, visit->inode, visit->listeners);
    return NULL;
}

static int open_listeners(struct ng_keeper *keeper, int fd, struct namespace *namespace)
{
    struct visit journey = {.namespace = fd,
                            .control = &keeper->state,
                            .store = keeper->store,
                            .inode = namespace->inode,
                            .listeners = &namespace->listeners};
    pthread_t thread;
    int r = -pthread_create(&thread, NULL, visit, &journey);

    if (r < 0)
        return r;
    (void)pthread_join(thread, NULL);
    if (journey.error < 0)
        return journey.error;
    return cookie_of(namespace->listeners.item[0].fd, &namespace->cookie);
}

static int send_one(const struct ng_keeper *keeper, const struct namespace *namespace)
{
    int r = 0;

    for (unsigned i = 0; r == 0 && i < namespace->listeners.count; i++)
        r = ng_child_listener(keeper->child, &namespace->listeners.item[i]);
    return r;
}

static void complain(struct ng_keeper *keeper, pid_t pid, int error)
{
    char text[200];

    (void)snprintf(text, sizeof(text), "names do not resolve in the network namespace of process %d: %s", (int)pid,
                   error == -EADDRINUSE ? "a port of the redirect is taken there" : strerror(-error));
    ng_log(NG_LOG_WARNING, "%s", text);
    ng_records_add(keeper->records, ng_evidence_trouble("namespace", text, NULL, NULL), 0);
}

static int serve(struct ng_keeper *keeper, int fd, const struct stat *st)
{
    struct ng_namespaces *namespaces = keeper->namespaces;
    struct namespace *namespace;
    int r;

    if (namespaces->list.count == NAMESPACES_MAX)
        return -EMFILE;
    namespace = calloc(1, sizeof(*namespace));
    if (!namespace)
        return -ENOMEM;
    *namespace = (struct namespace){.device = st->st_dev, .inode = st->st_ino};
    r = open_listeners(keeper, fd, namespace);
    if (r == 0 && !ng_vector_add(&namespaces->list, namespace))
        r = -ENOMEM;
    if (r < 0) {
        free_one(namespace);
        return r;
    }
    if (!keeper->options.private)
        ng_listeners_keep(&namespace->listeners, namespace->inode);
    ng_gate_mark(keeper->gate, &namespace->listeners);
    /* What is sent there now waits in the sockets. A resolver that cannot be reached is followed by another. */
    (void)send_one(keeper, namespace);
    return ng_gate_serve_namespace(keeper->gate, namespace->cookie, true);
}

void ng_namespaces_of_process(struct ng_keeper *keeper, pid_t pid)
{
    struct ng_namespaces *namespaces = keeper->namespaces;
    _cleanup_fd_ int fd = -1;
    char path[64];
    struct stat st;
    int r;

    (void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || (st.st_ino == namespaces->inode && st.st_dev == namespaces->device) ||
        find(namespaces, &st))
        return; /* it has ended, or all is there */
    r = serve(keeper, fd, &st);
    if (r < 0)
        complain(keeper, pid, r);
}

struct census {
    struct ng_keeper *keeper;
    void (*each)(struct ng_keeper *keeper, pid_t pid);
};

static int each_process(void *arg, const char *path, uint64_t id)
{
    const struct census *census = arg;
    _cleanup_free_ char *procs = NULL;
    _cleanup_file_ FILE *file = NULL;
    int pid;

    (void)id;
    if (asprintf(&procs, "%s/cgroup.procs", path) < 0)
        return -ENOMEM;
    file = fopen(procs, "re");
    while (file && fscanf(file, "%d", &pid) == 1)
        census->each(census->keeper, pid);
    return 0;
}

static void each_in(struct ng_keeper *keeper, const char *path, void (*each)(struct ng_keeper *keeper, pid_t pid))
{
    struct census census = {keeper, each};

    (void)each_process(&census, path, 0);
    (void)ng_cgroup_walk(path, each_process, &census);
}

void ng_namespaces_of_cgroup(struct ng_keeper *keeper, const char *path)
{
    each_in(keeper, path, ng_namespaces_of_process);
}

static bool is_abandoned(const void *arg, uint64_t cookie, const struct ng_namespace *namespace)
{
    const struct ng_namespaces *namespaces = arg;

    if (!namespace->served || cookie == namespaces->cookie)
        return false;
    for (size_t i = 0; i < namespaces->list.count; i++)
        if (namespaces->list.items[i]->cookie == cookie)
            return false;
    return true;
}

void ng_namespaces_adopt(struct ng_keeper *keeper)
{
    for (const struct ng_live *live = keeper->lives; live; live = live->next)
        ng_namespaces_of_cgroup(keeper, live->path);
    ng_gate_forget_namespaces(keeper->gate, is_abandoned, keeper->namespaces);
}

void ng_namespaces_sighted(void *arg, pid_t pid)
{
    struct ng_keeper *keeper = arg;

    if (keeper->namespaces && keeper->namespaces->sightings++ < SIGHTINGS_MAX)
        ng_namespaces_of_process(keeper, pid);
}

int ng_namespaces_send(struct ng_keeper *keeper)
{
    int r = 0;

    for (size_t i = 0; keeper->namespaces && r == 0 && i < keeper->namespaces->list.count; i++)
        r = send_one(keeper, keeper->namespaces->list.items[i]);
    return r;
}

void ng_namespaces_mark_all(struct ng_keeper *keeper)
{
    for (size_t i = 0; keeper->namespaces && i < keeper->namespaces->list.count; i++)
        ng_gate_mark(keeper->gate, &keeper->namespaces->list.items[i]->listeners);
}

/* --- letting go */

static void mark(struct ng_keeper *keeper, pid_t pid)
{
    char path[64];
    struct namespace *namespace;
    struct stat st;

    (void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
    namespace = stat(path, &st) == 0 ? find(keeper->namespaces, &st) : NULL;
    if (namespace)
        namespace->used = true;
}

static void let_go(struct ng_keeper *keeper, struct namespace *namespace)
{
    struct ng_message_unlisten message = {.type = NG_MESSAGE_UNLISTEN, .netns = namespace->cookie};

    (void)ng_gate_serve_namespace(keeper->gate, namespace->cookie, false);
    (void)ng_child_send(keeper->child, &message, sizeof(message), -1, -1);
    if (!keeper->options.private)
        ng_listeners_drop(&namespace->listeners, namespace->inode);
    free_one(namespace);
}

static bool is_unseen(const void *arg, uint64_t cookie, const struct ng_namespace *namespace)
{
    const uint64_t *now = arg;

    (void)cookie;
    return !namespace->served && *now - namespace->sighted_at > SIGHTING_KEPT;
}

void ng_namespaces_tick(struct ng_keeper *keeper)
{
    struct ng_namespaces *namespaces = keeper->namespaces;
    uint64_t now = ng_now();
    size_t kept = 0;

    namespaces->sightings = 0;
    ng_gate_forget_namespaces(keeper->gate, is_unseen, &now);
    if (namespaces->list.count == 0)
        return;
    for (size_t i = 0; i < namespaces->list.count; i++)
        namespaces->list.items[i]->used = false;
    for (const struct ng_live *live = keeper->lives; live; live = live->next)
        each_in(keeper, live->path, mark);
    for (size_t i = 0; i < namespaces->list.count; i++) {
        struct namespace *it = namespaces->list.items[i];

        it->misses = it->used ? 0 : it->misses + 1;
        if (it->misses >= MISSES_MAX)
            let_go(keeper, it);
        else
            namespaces->list.items[kept++] = it;
    }
    namespaces->list.count = kept;
}
