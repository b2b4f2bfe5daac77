// SPDX-License-Identifier: BSD-2-Clause
#include "local.h"

#include "evidence.h"
#include "keeper.h"

#include "../resolver/local.h"

#include <namegate/cleanup.h>

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static int open_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        return fd;
    (void)ng_close(fd);
    return -EMEDIUMTYPE;
}

static const char *open_error(int r)
{
    return r == -EMEDIUMTYPE ? "it is no regular file" : strerror(-r);
}

int ng_local_files_check(const struct ng_config *config, struct ng_error *error)
{
    struct ng_local_error found = {.line = 0};
    struct ng_local *local = NULL;
    int r = ng_local_new(&local);
    const char *path = "";

    for (unsigned i = 0; r == 0 && i < config->locals; i++) {
        _cleanup_fd_ int fd = open_file(config->local[i].path);

        path = config->local[i].path;
        if (fd < 0)
            r = ng_error_set(error, -fd, NULL, "cannot read %s: %s", path, open_error(fd));
        else if (ng_local_load(local, config->local[i].kind, fd, &found) < 0)
            r = ng_error_set(error, EINVAL, NULL, "%s:%u: %s", path, found.line, found.text);
    }
    if (r == 0 && ng_local_check(local, &found) < 0)
        r = ng_error_set(error, EINVAL, NULL, "%s: %s", path, found.text);
    ng_local_free(local);
    return r;
}

/* What tells one content of a file from another, without reading it. */
static struct ng_local_seen look(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return (struct ng_local_seen){.size = -1};
    return (struct ng_local_seen){st.st_dev, st.st_ino, st.st_size, st.st_mtim};
}

static bool same(const struct ng_local_seen *a, const struct ng_local_seen *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

void ng_local_files_send(struct ng_keeper *keeper)
{
    struct ng_message_local message = {.type = NG_MESSAGE_LOCAL};
    const struct ng_config *config = &keeper->config;
    int fds[NG_LOCAL_FILES_MAX];

    for (unsigned i = 0; i < config->locals; i++) {
        keeper->local_seen[i] = look(config->local[i].path);
        fds[i] = open_file(config->local[i].path);
        if (fds[i] < 0)
            ng_log(NG_LOG_WARNING, "cannot read %s: %s; going on without it", config->local[i].path,
                   open_error(fds[i]));
        message.count += fds[i] >= 0;
    }
    for (unsigned i = 0; i < config->locals; i++) {
        if (fds[i] < 0)
            continue;
        message.kind = config->local[i].kind;
        keeper->local_sent[message.number] = i;
        (void)ng_child_send(keeper->child, &message, sizeof(message), fds[i], -1);
        message.number++;
        (void)ng_close(fds[i]);
    }
}

void ng_local_files_watch(struct ng_keeper *keeper)
{
    bool changed = false;

    for (unsigned i = 0; i < keeper->config.locals; i++) {
        struct ng_local_seen seen = look(keeper->config.local[i].path);

        changed |= !same(&seen, &keeper->local_seen[i]);
    }
    if (changed && ng_child_fd(keeper->child) >= 0)
        ng_local_files_send(keeper);
}

void ng_local_files_loaded(struct ng_keeper *keeper, const struct ng_message_loaded *message)
{
    char text[NG_LOCAL_TEXT_MAX], whole[NG_LOCAL_TEXT_MAX + NG_CONFIG_PATH_MAX + 80], place[16] = "";
    const char *path = "";

    if (message->error == 0) {
        ng_log(NG_LOG_INFO, "local records are in force");
        return;
    }
    if (message->number < NG_LOCAL_FILES_MAX)
        path = keeper->config.local[keeper->local_sent[message->number]].path;
    if (message->line)
        (void)snprintf(place, sizeof(place), ":%u", message->line);
    (void)snprintf(text, sizeof(text), "%.*s", (int)sizeof(message->text) - 1, message->text);
    (void)snprintf(whole, sizeof(whole), "%s%s: %s; the local records stay as they were", path, place, text);
    ng_log(NG_LOG_ERROR, "%s", whole);
    ng_records_add(keeper->records, ng_evidence_trouble("local", whole, NULL, NULL), 0);
}
