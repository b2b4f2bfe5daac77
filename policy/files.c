// SPDX-License-Identifier: BSD-2-Clause
#include "files.h"

#include <namegate/cleanup.h>

#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>

#define SOURCE_MAX (512U << 20)
#define FILES_MAX 10000
#define DEPTH_MAX 32

/* The files whose includes are being read, outermost first. */
struct stack {
    struct ng_files *files;
    struct ng_diag *diag;
    struct ng_file *file[DEPTH_MAX];
    unsigned depth;
};

static int read_all(int fd, size_t size, char **ret_text, size_t *ret_length)
{
    NG_VECTOR(char) text = {0};
    ssize_t got = 0;
    int r = ng_vector_reserve(&text, size + 1) ? 0 : -ENOMEM;

    while (r == 0) {
        if (!ng_vector_reserve(&text, 65536)) {
            r = -ENOMEM;
            break;
        }
        got = read(fd, text.items + text.count, text.room - text.count);
        if (got <= 0)
            break;
        text.count += (size_t)got;
        if (text.count > SOURCE_MAX)
            r = -EFBIG;
    }
    if (got < 0)
        r = -errno;
    if (r < 0) {
        ng_vector_free(&text);
        return r;
    }
    *ret_text = text.items;
    *ret_length = text.count;
    return 0;
}

/* Nothing but a file can be opened by accident: what a pipe or a device has to say may never end. */
static int read_file(struct ng_file *file, size_t *ret_length)
{
    _cleanup_fd_ int fd = open(file->path, O_RDONLY | O_CLOEXEC | (file->stream ? 0 : O_NONBLOCK));
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    if (!S_ISREG(st.st_mode) && !(file->stream && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))))
        return -EMEDIUMTYPE;
    file->device = st.st_dev;
    file->inode = st.st_ino;
    return read_all(fd, st.st_size > 0 ? (size_t)st.st_size : 0, &file->read, ret_length);
}

static void free_file(struct ng_file *file)
{
    ng_ast_release(&file->ast);
    ng_vector_free(&file->included);
    free(file->read);
    free(file->path);
    free(file);
}

/* Adds a file without a content. */
static struct ng_file *add(struct ng_files *files, const char *path)
{
    struct ng_file *file = calloc(1, sizeof(*file));

    if (file)
        file->path = strdup(path);
    if (!file || !file->path || !ng_vector_add(&files->list, file)) {
        if (file)
            free_file(file);
        return NULL;
    }
    file->number = (uint32_t)files->list.count - 1;
    return file;
}

static int parse(struct ng_file *file, const char *text, size_t length, struct ng_diag *diag)
{
    int r = 0;

    if (!text) {
        r = read_file(file, &length);
        text = file->read ? file->read : "";
    }
    if (r == 0)
        r = ng_ast_parse(file->path, text, length, diag, &file->ast);
    if (r < 0 && r != -ENOMEM) {
        if (r == -EMEDIUMTYPE)
            ng_diag_add(diag, NG_ERROR, file->path, 0, 0, NULL, 0, "name a file", "this is no regular file");
        else
            ng_diag_add(diag, NG_ERROR, file->path, 0, 0, NULL, 0, NULL, "cannot read this: %s", strerror(-r));
        r = ng_ast_parse(file->path, "", 0, diag, &file->ast);
    }
    return r;
}

static int read_includes(struct stack *stack, struct ng_file *file);

/* "a includes b, which includes a". */
static void say_cycle(const struct stack *stack, const struct ng_ast_include *include, unsigned from)
{
    char chain[512] = "";

    for (unsigned i = from; i < stack->depth && strlen(chain) < sizeof(chain) / 2; i++)
        (void)snprintf(chain + strlen(chain), sizeof(chain) - strlen(chain), "%s, which includes ",
                       stack->file[i]->path);
    ng_ast_say(&stack->file[stack->depth - 1]->ast, stack->diag, NG_ERROR, include->place, "leave one of them out",
               "files include each other: %s%s", chain, stack->file[from]->path);
}

/* The file that was read already, by whichever path; NULL: none. */
static struct ng_file *find_read(const struct ng_files *files, const struct stat *st)
{
    for (size_t i = 0; i < files->list.count; i++)
        if (files->list.items[i]->device == st->st_dev && files->list.items[i]->inode == st->st_ino)
            return files->list.items[i];
    return NULL;
}

/* One file that an include names: known already, or to be read. */
static int include_file(struct stack *stack, uint32_t number, const char *path)
{
    struct ng_file *outer = stack->file[stack->depth - 1], *file;
    const struct ng_ast_include *include = &outer->ast.includes.items[number];
    struct stat st;
    int r;

    if (stat(path, &st) < 0) {
        ng_ast_say(&outer->ast, stack->diag, NG_ERROR, include->place, NULL, "cannot read %s: %s", path,
                   strerror(errno));
        return 0;
    }
    for (unsigned i = 0; i < stack->depth; i++) {
        if (stack->file[i]->device == st.st_dev && stack->file[i]->inode == st.st_ino) {
            say_cycle(stack, include, i);
            return 0;
        }
    }
    file = find_read(stack->files, &st);
    if (stack->depth == DEPTH_MAX || stack->files->list.count >= FILES_MAX) {
        ng_ast_say(&outer->ast, stack->diag, NG_ERROR, include->place, NULL,
                   stack->depth == DEPTH_MAX ? "more than 32 files include each other in a row"
                                             : "more than 10000 files");
        return 0;
    }
    if (!file) {
        file = add(stack->files, path);
        if (!file)
            return -ENOMEM;
        r = parse(file, NULL, 0, stack->diag);
        if (r < 0)
            return r;
        file->ast.quiet = outer->ast.quiet;
    }
    r = read_includes(stack, file);
    if (r < 0)
        return r;
    return ng_vector_add(&outer->included, ((struct ng_included){number, file})) ? 0 : -ENOMEM;
}

/* A relative pattern begins at the including file's directory. */
static char *whole_pattern(const struct ng_file *file, const char *pattern)
{
    const char *slash = strrchr(file->path, '/');
    char *whole = NULL;

    if (*pattern == '/' || !slash)
        return strdup(pattern);
    return asprintf(&whole, "%.*s/%s", (int)(slash - file->path), file->path, pattern) < 0 ? NULL : whole;
}

/* errno of the directory that a pattern is in; 0: it is there, or its own name is a pattern. */
static int access_error(const char *pattern)
{
    const char *slash = strrchr(pattern, '/');
    _cleanup_free_ char *dir = slash ? strndup(pattern, (size_t)(slash - pattern) + 1) : NULL;

    return dir && !strpbrk(dir, "*?[") && access(dir, F_OK) < 0 ? errno : 0;
}

static int include(struct stack *stack, struct ng_file *file, uint32_t number)
{
    const struct ng_ast_include *include = &file->ast.includes.items[number];
    const char *pattern = ng_ast_string(&file->ast, include->pattern);
    _cleanup_free_ char *whole = whole_pattern(file, pattern);
    glob_t found = {0};
    int r = 0;

    if (!whole)
        return -ENOMEM;
    if (file->as) {
        ng_ast_say(&file->ast, stack->diag, NG_ERROR, include->place,
                   "write its content here; the groups and policies of the policy directory can be used by name",
                   "a policy that is brought along includes no files");
        return 0;
    }
    /* A directory that is not there has no files that match; one that cannot be read is an error. */
    switch (access_error(whole) == ENOENT ? GLOB_NOMATCH : glob(whole, GLOB_ERR, NULL, &found)) {
    case 0:
        for (size_t i = 0; r == 0 && i < found.gl_pathc; i++)
            r = include_file(stack, number, found.gl_pathv[i]);
        break;
    case GLOB_NOMATCH:
        ng_ast_say(&file->ast, stack->diag, strpbrk(pattern, "*?[") ? NG_WARNING : NG_ERROR, include->place,
                   "a relative path begins at the directory of this file", "there is no file %s", whole);
        break;
    case GLOB_NOSPACE:
        r = -ENOMEM;
        break;
    default:
        ng_ast_say(&file->ast, stack->diag, NG_ERROR, include->place, NULL, "cannot read the directory of %s: %s",
                   whole, strerror(errno));
    }
    globfree(&found);
    return r;
}

static int read_includes(struct stack *stack, struct ng_file *file)
{
    int r = 0;

    if (file->whole)
        return 0;
    file->whole = true;
    stack->file[stack->depth++] = file;
    for (uint32_t i = 0; r == 0 && i < file->ast.includes.count; i++)
        if (file->ast.includes.items[i].pattern)
            r = include(stack, file, i);
    stack->depth--;
    return r;
}

/* A source that is another one, too. One to be brought along has a meaning of its own. */
static struct ng_file *known_source(const struct ng_files *files, const struct ng_source *source)
{
    struct stat st;

    if (source->text || source->as || stat(source->path, &st) < 0 || !S_ISREG(st.st_mode))
        return NULL;
    return find_read(files, &st);
}

int ng_files_load(struct ng_files *files, const struct ng_source *sources, size_t count, struct ng_diag *diag)
{
    struct stack stack = {.files = files, .diag = diag};
    bool subjects = false;
    int r = 0;

    for (size_t i = 0; i < count; i++)
        subjects |= sources[i].subject;
    /* All sources come first, so that one that another includes is known as what it is. */
    for (size_t i = 0; r == 0 && i < count; i++) {
        bool quiet = subjects && !sources[i].subject;
        struct ng_file *file = known_source(files, &sources[i]);

        if (file) {
            file->ast.quiet &= quiet;
            continue;
        }
        file = add(files, sources[i].path);
        if (!file)
            return -ENOMEM;
        file->as = sources[i].as;
        file->source = true;
        file->stream = sources[i].stream;
        r = parse(file, sources[i].text, sources[i].length, diag);
        file->ast.quiet = quiet;
    }
    /* Those that are asked about come first, so that what they share with others is theirs. */
    for (int quiet = 0; quiet < 2; quiet++)
        for (size_t i = 0; r == 0 && i < files->list.count; i++)
            if (files->list.items[i]->source && files->list.items[i]->ast.quiet == quiet)
                r = read_includes(&stack, files->list.items[i]);
    return r;
}

void ng_files_release(struct ng_files *files)
{
    for (size_t i = 0; i < files->list.count; i++)
        free_file(files->list.items[i]);
    ng_vector_free(&files->list);
}
