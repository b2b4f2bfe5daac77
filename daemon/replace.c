// SPDX-License-Identifier: BSD-2-Clause
#include "replace.h"

#include <namegate/cleanup.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void release(struct ng_replace *replace)
{
    free(replace->path);
    free(replace->temporary);
    *replace = (struct ng_replace){.file = NULL};
}

int ng_replace_begin(const char *dir, const char *name, struct ng_replace *ret_replace)
{
    struct ng_replace replace = {.file = NULL};
    int fd, r;

    if (asprintf(&replace.path, "%s/%s", dir, name) < 0)
        return -ENOMEM;
    if (asprintf(&replace.temporary, "%s.new", replace.path) < 0) {
        replace.temporary = NULL;
        release(&replace);
        return -ENOMEM;
    }
    fd = open(replace.temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    replace.file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!replace.file) {
        r = -errno;
        (void)ng_close(fd);
        release(&replace);
        return r;
    }
    *ret_replace = replace;
    return 0;
}

static int sync_directory(const char *path)
{
    _cleanup_free_ char *directory = strndup(path, (size_t)(strrchr(path, '/') - path));
    _cleanup_fd_ int fd = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    return fd >= 0 && fsync(fd) == 0 ? 0 : -errno;
}

int ng_replace_end(struct ng_replace *replace)
{
    int r = 0;

    if (ferror(replace->file))
        r = -EIO;
    if (fflush(replace->file) != 0 || fdatasync(fileno(replace->file)) < 0)
        r = -errno;
    if (fclose(replace->file) != 0 && r == 0)
        r = -errno;
    if (r == 0 && rename(replace->temporary, replace->path) < 0)
        r = -errno;
    if (r < 0)
        (void)unlink(replace->temporary);
    else
        r = sync_directory(replace->path);
    release(replace);
    return r;
}
