// SPDX-License-Identifier: BSD-2-Clause
#include "compile.h"

#include "build.h"
#include "link.h"

#include <namegate/cleanup.h>

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

typedef NG_VECTOR(struct ng_source) sources_vector;

static int write_all(int fd, const char *block, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, block, size);

        if (written < 0)
            return -errno;
        block += written;
        size -= (size_t)written;
    }
    return 0;
}

int ng_seal(const void *block, size_t size, int *ret_fd)
{
    _cleanup_fd_ int fd = memfd_create("namegate-policy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int r;

    if (fd < 0)
        return -errno;
    r = write_all(fd, block, size);
    if (r < 0)
        return r;
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
        return -errno;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

void ng_set_free(struct ng_set *set)
{
    if (!set)
        return;
    ng_link_release(set);
    ng_files_release(&set->files);
    free(set);
}

int ng_set_load(const struct ng_source *sources, size_t count, struct ng_diag *diag, struct ng_set **ret_set)
{
    struct ng_set *set = calloc(1, sizeof(*set));
    int r = set ? ng_files_load(&set->files, sources, count, diag) : -ENOMEM;

    /* What could not be parsed has holes: names would be missed that are there. */
    if (r == 0 && ng_diag_errors(diag) == 0)
        r = ng_link(set, diag);
    if (r < 0)
        ng_diag_add(diag, NG_ERROR, NULL, 0, 0, NULL, 0, NULL, "cannot read the policies: %s", strerror(-r));
    else if (ng_diag_errors(diag))
        r = -EINVAL;
    if (r < 0) {
        ng_set_free(set);
        return r;
    }
    *ret_set = set;
    return 0;
}

int ng_set_compile(const struct ng_set *set, struct ng_diag *diag, int *ret_fd)
{
    _cleanup_free_ void *block = NULL;
    size_t size = 0;
    int r = ng_build(set, diag, &block, &size);

    if (r == 0)
        r = ng_seal(block, size, ret_fd);
    if (r < 0 && !ng_diag_errors(diag))
        ng_diag_add(diag, NG_ERROR, NULL, 0, 0, NULL, 0, NULL, "cannot compile the policies: %s", strerror(-r));
    return r;
}

static int is_policy(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name), suffix = strlen(".policy");

    return entry->d_name[0] != '.' && length > suffix && strcmp(entry->d_name + length - suffix, ".policy") == 0;
}

static int bytewise(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Appends the directory's files; their paths are the caller's. */
static int list(const char *dir, sources_vector *sources)
{
    struct dirent **entries = NULL;
    int count = scandir(dir, &entries, is_policy, bytewise), r = 0;

    if (count < 0)
        return -errno;
    for (int i = 0; i < count; i++) {
        struct ng_source source = {0};
        char *path = NULL;

        if (r == 0 && asprintf(&path, "%s/%s", dir, entries[i]->d_name) < 0)
            r = -ENOMEM;
        source.path = path;
        if (r == 0 && !ng_vector_add(sources, source)) {
            free(path);
            r = -ENOMEM;
        }
        free(entries[i]);
    }
    free(entries);
    return r;
}

int ng_set_load_dir(const char *dir, const struct ng_source *extra, size_t count, struct ng_diag *diag,
                    struct ng_set **ret_set)
{
    sources_vector sources = {0};
    int r = list(dir, &sources);
    size_t listed = sources.count;

    for (size_t i = 0; r == 0 && i < count; i++)
        if (!ng_vector_add(&sources, extra[i]))
            r = -ENOMEM;
    if (r < 0)
        ng_diag_add(diag, NG_ERROR, dir, 0, 0, NULL, 0, r == -ENOENT ? "make the directory" : NULL,
                    "cannot read the policies here: %s", strerror(-r));
    else
        r = ng_set_load(sources.items, sources.count, diag, ret_set);
    for (size_t i = 0; i < listed; i++)
        free((char *)(uintptr_t)sources.items[i].path);
    ng_vector_free(&sources);
    return r;
}

int ng_policy_compile(const struct ng_source *sources, size_t count, struct ng_diag *diag, int *ret_fd)
{
    struct ng_set *set = NULL;
    int r = ng_set_load(sources, count, diag, &set);

    if (r == 0)
        r = ng_set_compile(set, diag, ret_fd);
    ng_set_free(set);
    return r;
}

int ng_policy_compile_dir(const char *dir, const struct ng_source *extra, size_t count, struct ng_diag *diag,
                          int *ret_fd)
{
    struct ng_set *set = NULL;
    int r = ng_set_load_dir(dir, extra, count, diag, &set);

    if (r == 0)
        r = ng_set_compile(set, diag, ret_fd);
    ng_set_free(set);
    return r;
}
