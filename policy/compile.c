// SPDX-License-Identifier: BSD-2-Clause
#include "compile.h"

#include "build.h"

#include <namegate/cleanup.h>

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define SOURCE_MAX (64 << 20)

/* A source in memory. */
struct loaded {
    struct ng_ast ast;
    char *read;  /* ours, when it was read from a file */
};

typedef NG_VECTOR(struct ng_source) sources_vector;

static int read_all(int fd, char **ret_text, size_t *ret_length)
{
    NG_VECTOR(char) text = {0};
    char part[16384];
    ssize_t size;

    while ((size = read(fd, part, sizeof(part))) > 0) {
        for (ssize_t i = 0; i < size; i++) {
            if (!ng_vector_add(&text, part[i])) {
                ng_vector_free(&text);
                return -ENOMEM;
            }
        }
        if (text.count > SOURCE_MAX) {
            ng_vector_free(&text);
            return -EFBIG;
        }
    }
    if (size < 0) {
        int code = errno;

        ng_vector_free(&text);
        return -code;
    }
    *ret_text = text.items;
    *ret_length = text.count;
    return 0;
}

static int read_source(const char *path, char **ret_text, size_t *ret_length)
{
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);

    return fd < 0 ? -errno : read_all(fd, ret_text, ret_length);
}

static int load(const struct ng_source *source, struct ng_diag *diag, struct loaded *loaded)
{
    const char *text = source->text;
    size_t length = source->length;
    int r = 0;

    if (!text) {
        r = read_source(source->path, &loaded->read, &length);
        text = loaded->read ? loaded->read : "";
    }
    if (r == 0)
        r = ng_ast_parse(source->path, text, length, diag, &loaded->ast);
    if (r < 0)
        ng_diag_add(diag, NG_ERROR, source->path, 0, 0, NULL, 0, NULL, "cannot read this: %s", strerror(-r));
    return r;
}

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

static int seal(const void *block, size_t size, int *ret_fd)
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

int ng_policy_compile(const struct ng_source *sources, size_t count, struct ng_diag *diag, int *ret_fd)
{
    _cleanup_free_ struct loaded *loaded = calloc(count + 1, sizeof(*loaded));
    _cleanup_free_ struct ng_build_source *built = calloc(count + 1, sizeof(*built));
    _cleanup_free_ void *block = NULL;
    size_t size = 0;
    int r = 0;

    if (!loaded || !built) {
        ng_diag_add(diag, NG_ERROR, NULL, 0, 0, NULL, 0, NULL, "out of memory");
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) { /* all of them, so that all errors are told */
        int one = load(&sources[i], diag, &loaded[i]);

        built[i] = (struct ng_build_source){&loaded[i].ast, sources[i].as};
        r = r < 0 ? r : one;
    }
    if (r == 0 && ng_diag_errors(diag))
        r = -EINVAL;
    if (r == 0)
        r = ng_build(built, count, diag, &block, &size);
    if (r == 0)
        r = seal(block, size, ret_fd);
    if (r < 0 && !ng_diag_errors(diag))
        ng_diag_add(diag, NG_ERROR, NULL, 0, 0, NULL, 0, NULL, "cannot compile the policies: %s", strerror(-r));
    for (size_t i = 0; i < count; i++) {
        ng_ast_release(&loaded[i].ast);
        free(loaded[i].read);
    }
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

/* Appends the directory's files; their paths belong to the vector. */
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

int ng_policy_compile_dir(const char *dir, const struct ng_source *extra, size_t count, struct ng_diag *diag,
                          int *ret_fd)
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
        r = ng_policy_compile(sources.items, sources.count, diag, ret_fd);
    for (size_t i = 0; i < listed; i++)
        free((char *)(uintptr_t)sources.items[i].path);
    ng_vector_free(&sources);
    return r;
}
