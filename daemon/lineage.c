// SPDX-License-Identifier: BSD-2-Clause
#include "lineage.h"

#include "cgroup.h"
#include "text.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <fcntl.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>

#define BUCKETS 1024
#define CLOCK_TICK (NG_SECOND / 100) /* of /proc/PID/stat, USER_HZ */
#define RECALLED 0                   /* start of a process that an earlier daemon knew: long ago */

struct entry {
    struct ng_process process;
    struct entry *next;       /* in its bucket, the newest of a pid first */
    TAILQ_ENTRY(entry) ended; /* while it is in that list */
};

struct ng_lineage {
    struct entry *bucket[BUCKETS];
    TAILQ_HEAD(, entry) ended; /* in order of their ends: the first to be forgotten */
    unsigned processes;
    uint32_t last_process;
    struct ng_command **command; /* by number, less 1; NULL where one is not known any more */
    uint32_t commands, room;
    uint64_t left_out;
    uint64_t made_at; /* ns */
};

int ng_lineage_new(uint32_t processes, struct ng_lineage **ret_lineage)
{
    struct ng_lineage *lineage = calloc(1, sizeof(*lineage));

    if (!lineage)
        return -ENOMEM;
    TAILQ_INIT(&lineage->ended);
    lineage->last_process = processes;
    lineage->made_at = ng_now();
    *ret_lineage = lineage;
    return 0;
}

static void free_command(struct ng_command *command)
{
    if (!command)
        return;
    json_decref(command->argv);
    free(command->path);
    free(command);
}

void ng_lineage_free(struct ng_lineage *lineage)
{
    if (!lineage)
        return;
    for (unsigned i = 0; i < BUCKETS; i++)
        while (lineage->bucket[i]) {
            struct entry *entry = lineage->bucket[i];

            lineage->bucket[i] = entry->next;
            free(entry);
        }
    for (uint32_t i = 0; i < lineage->commands; i++)
        free_command(lineage->command[i]);
    free(lineage->command);
    free(lineage);
}

uint32_t ng_lineage_commands(const struct ng_lineage *lineage)
{
    return lineage->commands;
}

uint64_t ng_lineage_left_out(const struct ng_lineage *lineage)
{
    return lineage->left_out;
}

/* --- processes */

static const struct ng_process *process_of(const struct entry *entry)
{
    return entry ? &entry->process : NULL;
}

static struct entry *find(const struct ng_lineage *lineage, pid_t pid)
{
    struct entry *entry = lineage->bucket[(unsigned)pid % BUCKETS];

    while (entry && entry->process.pid != pid)
        entry = entry->next;
    return entry;
}

const struct ng_process *ng_lineage_process(const struct ng_lineage *lineage, pid_t pid)
{
    const struct entry *entry = find(lineage, pid);

    return entry ? &entry->process : NULL;
}

static void forget(struct ng_lineage *lineage, struct entry *entry)
{
    struct entry **at = &lineage->bucket[(unsigned)entry->process.pid % BUCKETS];

    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    TAILQ_REMOVE(&lineage->ended, entry, ended);
    lineage->processes--;
    free(entry);
}

static void end(struct ng_lineage *lineage, struct entry *entry, uint64_t at, int status)
{
    if (entry->process.ended_at)
        return;
    entry->process.ended_at = at;
    entry->process.status = status;
    TAILQ_INSERT_TAIL(&lineage->ended, entry, ended);
}

/* An entry for a process that is not known; what ended first makes room. */
static struct entry *add(struct ng_lineage *lineage, pid_t pid, pid_t parent, uid_t uid, uint64_t started_at)
{
    const struct entry *above = parent ? find(lineage, parent) : NULL;
    struct ng_process process = {.pid = pid,
                                 .uid = uid,
                                 .started_at = started_at,
                                 .parent = above ? above->process.number : 0,
                                 .command = above ? above->process.command : 0};
    struct entry *before = find(lineage, pid), *entry;

    if (before)
        end(lineage, before, started_at, 0); /* its end was not told, but its number is somebody else's now */
    if (lineage->processes == NG_LINEAGE_PROCESSES_MAX && !TAILQ_EMPTY(&lineage->ended))
        forget(lineage, TAILQ_FIRST(&lineage->ended));
    entry = lineage->processes < NG_LINEAGE_PROCESSES_MAX ? calloc(1, sizeof(*entry)) : NULL;
    if (!entry) {
        lineage->left_out++;
        return NULL;
    }
    entry->process = process;
    entry->process.number = ++lineage->last_process;
    entry->next = lineage->bucket[(unsigned)pid % BUCKETS];
    lineage->bucket[(unsigned)pid % BUCKETS] = entry;
    lineage->processes++;
    return entry;
}

/* The one that runs under this number, if it has begun by then. */
static struct entry *running(const struct ng_lineage *lineage, uint32_t tgid, uint64_t at)
{
    struct entry *entry = find(lineage, (pid_t)tgid);

    return entry && !entry->process.ended_at && entry->process.started_at <= at + CLOCK_TICK ? entry : NULL;
}

/* --- commands */

const struct ng_command *ng_lineage_command(const struct ng_lineage *lineage, uint32_t number)
{
    return number > 0 && number <= lineage->commands ? lineage->command[number - 1] : NULL;
}

/* Whether a process stands where these words were executed. */
static bool stands_at(const struct ng_lineage *lineage, const struct entry *entry, const json_t *argv)
{
    const struct ng_command *command = ng_lineage_command(lineage, entry->process.command);

    return command && json_equal(command->argv, argv);
}

static struct ng_command *find_command(const struct ng_lineage *lineage, uint32_t parent, const json_t *argv,
                                       const char *path)
{
    for (uint32_t i = lineage->commands; i-- > 0;) {
        struct ng_command *command = lineage->command[i];

        if (command && command->parent == parent && strcmp(command->path, path) == 0 && json_equal(command->argv, argv))
            return command;
    }
    return NULL;
}

/* Makes room for one of that number. */
static int grow(struct ng_lineage *lineage, uint32_t number)
{
    uint32_t room = lineage->room ? lineage->room : 16;
    struct ng_command **list;

    if (number == 0 || number > NG_LINEAGE_COMMANDS_MAX)
        return -E2BIG;
    while (room < number)
        room *= 2;
    if (room != lineage->room) {
        list = reallocarray(lineage->command, room, sizeof(*list));
        if (!list)
            return -ENOMEM;
        memset(list + lineage->room, 0, (room - lineage->room) * sizeof(*list));
        lineage->command = list;
        lineage->room = room;
    }
    if (number > lineage->commands)
        lineage->commands = number;
    return 0;
}

static struct ng_command *put_command(struct ng_lineage *lineage, uint32_t number, uint32_t parent, const json_t *argv,
                                      const char *path, const char *comm)
{
    struct ng_command *command = calloc(1, sizeof(*command));

    if (!command || !(command->path = strdup(path)) || grow(lineage, number) < 0) {
        if (command)
            free(command->path);
        free(command);
        return NULL;
    }
    command->number = number;
    command->parent = parent;
    command->argv = json_incref((json_t *)(uintptr_t)argv);
    (void)snprintf(command->comm, sizeof(command->comm), "%s", comm);
    free_command(lineage->command[number - 1]);
    lineage->command[number - 1] = command;
    return command;
}

static void recall_command(struct ng_lineage *lineage, const json_t *command)
{
    json_int_t number = json_integer_value(json_object_get(command, "number"));
    json_int_t parent = json_integer_value(json_object_get(command, "parent"));
    json_int_t processes = json_integer_value(json_object_get(command, "processes"));
    const char *path = json_string_value(json_object_get(command, "path"));
    const char *comm = json_string_value(json_object_get(command, "comm"));
    const json_t *argv = json_object_get(command, "argv");
    struct ng_command *known;

    /* A parent has a smaller number, so that no way goes round. */
    if (number <= 0 || number > NG_LINEAGE_COMMANDS_MAX || parent < 0 || parent >= number || !json_is_array(argv))
        return;
    known = put_command(lineage, (uint32_t)number, (uint32_t)parent, argv, path ? path : "", comm ? comm : "");
    if (known)
        known->processes = processes > 0 ? (uint32_t)processes : 1;
}

static void recall_process(struct ng_lineage *lineage, const json_t *process)
{
    json_int_t number = json_integer_value(json_object_get(process, "number"));
    json_int_t pid = json_integer_value(json_object_get(process, "pid"));
    struct entry *entry;

    if (number <= 0 || number > (json_int_t)lineage->last_process || pid <= 0 || pid > INT32_MAX ||
        !json_is_null(json_object_get(process, "ended")))
        return;
    entry = add(lineage, (pid_t)pid, 0, (uid_t)json_integer_value(json_object_get(process, "uid")), RECALLED);
    if (!entry)
        return;
    lineage->last_process--; /* it has a number */
    entry->process.number = (uint32_t)number;
    entry->process.parent = (uint32_t)json_integer_value(json_object_get(process, "parent"));
    entry->process.command = (uint32_t)json_integer_value(json_object_get(process, "lineage"));
}

void ng_lineage_recall(struct ng_lineage *lineage, const json_t *document)
{
    const json_t *each;
    size_t i;

    json_array_foreach(json_object_get(document, "lineage"), i, each)
        recall_command(lineage, each);
    json_array_foreach(json_object_get(document, "processes"), i, each)
        recall_process(lineage, each);
}

/* The process executed this: it stands at a node of its own from now on. Where there is no room for one, it stays. */
static void execute(struct ng_lineage *lineage, struct entry *entry, json_t *argv, const char *path, const char *comm)
{
    struct ng_command *command = argv ? find_command(lineage, entry->process.command, argv, path) : NULL;

    if (argv && !command)
        command = put_command(lineage, lineage->commands + 1, entry->process.command, argv, path, comm);
    if (command) {
        command->processes++;
        entry->process.command = command->number;
    } else {
        lineage->left_out++;
    }
    json_decref(argv);
}

json_t *ng_lineage_json(const struct ng_lineage *lineage, pid_t pid)
{
    const struct ng_process *process = ng_lineage_process(lineage, pid);
    const struct ng_command *way[NG_LINEAGE_WAY_MAX], *command; /* the nearest first, and at the end the first of all */
    unsigned count = 0;
    json_t *list = json_array();

    command = process ? ng_lineage_command(lineage, process->command) : NULL;
    for (; command; command = ng_lineage_command(lineage, command->parent)) {
        count += count < NG_LINEAGE_WAY_MAX;
        way[count - 1] = command;
    }
    while (count-- > 0)
        (void)json_array_append_new(
            list, json_pack("{s:o, s:o, s:O}", "comm", ng_json_field(way[count]->comm, NG_COMM_LEN), "path",
                            ng_json_text(way[count]->path, strlen(way[count]->path)), "argv", way[count]->argv));
    return list;
}

/* --- what the kernel tells */

const struct ng_process *ng_lineage_forked(struct ng_lineage *lineage, const struct ng_fork *made)
{
    const struct entry *known = running(lineage, made->tgid, made->time);

    if (known && known->process.started_at + CLOCK_TICK >= made->time)
        return process_of(known); /* /proc was faster */
    return process_of(add(lineage, (pid_t)made->tgid, (pid_t)made->parent, made->uid, made->time));
}

const struct ng_process *ng_lineage_executed(struct ng_lineage *lineage, const struct ng_exec *executed)
{
    size_t length = executed->argv_len < NG_ARGV_LEN ? executed->argv_len : NG_ARGV_LEN;
    struct entry *entry = running(lineage, executed->tgid, executed->time);
    char path[NG_PATH_LEN], comm[NG_COMM_LEN];
    json_t *words = ng_json_argv(executed->argv, length);

    if (!entry)
        entry = add(lineage, (pid_t)executed->tgid, (pid_t)executed->parent, executed->uid, executed->time);
    /* Told to the daemon before this one, which left it in the buffer: /proc was faster. */
    if (!entry || (executed->time < lineage->made_at && words && stands_at(lineage, entry, words))) {
        json_decref(words);
        return process_of(entry);
    }
    (void)snprintf(path, sizeof(path), "%.*s", (int)sizeof(path) - 1, executed->path);
    (void)snprintf(comm, sizeof(comm), "%.*s", (int)sizeof(comm) - 1, executed->comm);
    execute(lineage, entry, words, path, comm);
    entry->process.uid = executed->uid;
    return &entry->process;
}

const struct ng_process *ng_lineage_exited(struct ng_lineage *lineage, const struct ng_exit *ended)
{
    struct entry *entry = running(lineage, ended->tgid, ended->time);

    if (entry)
        end(lineage, entry, ended->time, ended->status);
    return process_of(entry);
}

const struct ng_process *ng_lineage_joined(struct ng_lineage *lineage, const struct ng_move *moved)
{
    const struct entry *known = running(lineage, moved->tgid, moved->time);

    if (known)
        return process_of(known);
    return process_of(add(lineage, (pid_t)moved->tgid, (pid_t)moved->parent, moved->uid, moved->time));
}

const struct ng_process *ng_lineage_left(struct ng_lineage *lineage, const struct ng_move *moved)
{
    struct entry *entry = running(lineage, moved->tgid, moved->time);

    if (entry)
        end(lineage, entry, moved->time, 0);
    return process_of(entry);
}

bool ng_lineage_holds(const struct ng_lineage *lineage, pid_t pid)
{
    const struct ng_process *process = ng_lineage_process(lineage, pid);

    return process && !process->ended_at;
}

void ng_lineage_each(const struct ng_lineage *lineage, ng_command_fn command, ng_process_fn process, void *arg)
{
    for (uint32_t i = 0; i < lineage->commands; i++)
        if (lineage->command[i])
            command(arg, lineage->command[i]);
    for (unsigned i = 0; i < BUCKETS; i++)
        for (const struct entry *entry = lineage->bucket[i]; entry; entry = entry->next)
            process(arg, &entry->process);
}

/* --- what /proc tells */

struct seen {
    pid_t pid, parent;
    uid_t uid;
    uint64_t started_at;
};

struct scan {
    struct seen *seen;
    size_t count, room;
};

/* proc_pid_stat(5): the command may hold anything, but ends with the last parenthesis. */
static int read_stat(pid_t pid, struct seen *ret_seen)
{
    char path[64], line[1024];
    _cleanup_file_ FILE *file = NULL;
    unsigned long long ticks;
    const char *rest;
    struct stat st;
    int parent;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    file = fopen(path, "re");
    if (!file || fstat(fileno(file), &st) < 0 || !fgets(line, sizeof(line), file))
        return -ESRCH;
    rest = strrchr(line, ')');
    if (!rest || sscanf(rest, ") %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                        &parent, &ticks) != 2)
        return -EBADMSG;
    *ret_seen = (struct seen){.pid = pid, .parent = parent, .uid = st.st_uid, .started_at = ticks * CLOCK_TICK};
    return 0;
}

static int look_at(void *arg, const char *cgroup, uint64_t id)
{
    struct scan *scan = arg;
    _cleanup_free_ char *path = NULL;
    _cleanup_file_ FILE *file = NULL;
    int pid;

    (void)id;
    if (asprintf(&path, "%s/cgroup.procs", cgroup) < 0)
        return -ENOMEM;
    file = fopen(path, "re");
    while (file && fscanf(file, "%d", &pid) == 1) {
        if (scan->count == scan->room) {
            size_t room = scan->room ? 2 * scan->room : 64;
            struct seen *seen = reallocarray(scan->seen, room, sizeof(*seen));

            if (!seen)
                return -ENOMEM;
            scan->seen = seen;
            scan->room = room;
        }
        if (pid > 0 && read_stat(pid, &scan->seen[scan->count]) == 0)
            scan->count++;
    }
    return 0;
}

static int by_start(const void *a, const void *b)
{
    const struct seen *x = a, *y = b;

    return x->started_at < y->started_at ? -1 : x->started_at > y->started_at ? 1 : x->pid - y->pid;
}

static size_t read_file(pid_t pid, const char *name, char *text, size_t room)
{
    char path[64];
    _cleanup_fd_ int fd = -1;
    ssize_t n;

    (void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd >= 0 ? read(fd, text, room) : -1;
    return n > 0 ? (size_t)n : 0;
}

/* What a process executed last. */
static void look_up(struct ng_lineage *lineage, struct entry *entry)
{
    char argv[NG_ARGV_LEN], comm[NG_COMM_LEN + 1] = "", path[NG_PATH_LEN] = "", link[64];
    pid_t pid = entry->process.pid;
    size_t length = read_file(pid, "cmdline", argv, sizeof(argv));
    json_t *words = ng_json_argv(argv, length);

    (void)read_file(pid, "comm", comm, sizeof(comm) - 1);
    comm[strcspn(comm, "\n")] = '\0';
    (void)snprintf(link, sizeof(link), "/proc/%d/exe", pid);
    if (readlink(link, path, sizeof(path) - 1) < 0)
        *path = '\0'; /* a thread of the kernel, or gone by now */
    /* The same words as where it stands: it has most likely executed nothing since. */
    if (words && stands_at(lineage, entry, words))
        json_decref(words);
    else
        execute(lineage, entry, words, path, comm);
}

static void take(struct ng_lineage *lineage, const struct seen *seen, bool bare)
{
    struct entry *entry = running(lineage, (uint32_t)seen->pid, seen->started_at);

    if (entry && entry->process.started_at != RECALLED)
        return; /* the kernel has told */
    if (!entry)
        entry = add(lineage, seen->pid, seen->parent, seen->uid, seen->started_at);
    if (entry && !bare)
        look_up(lineage, entry);
}

/* What an earlier daemon knew, and is not there any more. */
static void end_unseen(struct ng_lineage *lineage, const struct scan *scan)
{
    for (unsigned i = 0; i < BUCKETS; i++)
        for (struct entry *entry = lineage->bucket[i]; entry; entry = entry->next) {
            size_t at = 0;

            if (entry->process.started_at != RECALLED || entry->process.ended_at)
                continue;
            while (at < scan->count && scan->seen[at].pid != entry->process.pid)
                at++;
            if (at == scan->count)
                end(lineage, entry, ng_now(), 0);
        }
}

int ng_lineage_scan(struct ng_lineage *lineage, const char *cgroup, pid_t bare)
{
    struct scan scan = {0};
    int r = look_at(&scan, cgroup, 0);

    if (r == 0)
        r = ng_cgroup_walk(cgroup, look_at, &scan);
    if (r == 0)
        end_unseen(lineage, &scan);
    if (scan.count > 0)
        qsort(scan.seen, scan.count, sizeof(scan.seen[0]), by_start);
    for (size_t i = 0; r == 0 && i < scan.count; i++)
        take(lineage, &scan.seen[i], scan.seen[i].pid == bare);
    free(scan.seen);
    return r;
}
