// SPDX-License-Identifier: BSD-2-Clause
#include "adhoc.h"

#include <namegate/cleanup.h>

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *file_of(const struct ng_adhocs *adhocs, const char *name, const char *ending)
{
    char *path = NULL;

    return asprintf(&path, "%s/%s%s", adhocs->dir, name, ending) < 0 ? NULL : path;
}

static void free_adhoc(struct ng_adhoc *adhoc)
{
    if (!adhoc)
        return;
    free(adhoc->path);
    free(adhoc->text);
    free(adhoc);
}

static struct ng_adhoc *enlist(struct ng_adhocs *adhocs, const char *name, const char *path, const char *text,
                               uid_t uid)
{
    struct ng_adhoc *adhoc = calloc(1, sizeof(*adhoc));

    if (!adhoc)
        return NULL;
    (void)snprintf(adhoc->name, sizeof(adhoc->name), "%s", name);
    adhoc->path = strdup(path);
    adhoc->text = strdup(text);
    adhoc->length = strlen(text);
    adhoc->uid = uid;
    if (!adhoc->path || !adhoc->text) {
        free_adhoc(adhoc);
        return NULL;
    }
    adhoc->next = adhocs->list;
    adhocs->list = adhoc;
    return adhoc;
}

static void load(struct ng_adhocs *adhocs, const char *name)
{
    _cleanup_free_ char *file = file_of(adhocs, name, "");
    json_t *json = file ? json_load_file(file, 0, NULL) : NULL;
    const char *path = NULL, *text = NULL;
    json_int_t uid = 0;

    if (json_unpack(json, "{s:s, s:s, s:I}", "path", &path, "text", &text, "uid", &uid) < 0 ||
        !enlist(adhocs, name, path, text, (uid_t)uid))
        ng_log(NG_LOG_WARNING, "cannot read the policy %s of an earlier daemon, ignoring", name);
    json_decref(json);
}

int ng_adhocs_open(struct ng_adhocs *adhocs, const char *run_dir, struct ng_error *error)
{
    struct dirent *entry;
    DIR *dir;

    if (asprintf(&adhocs->dir, "%s/adhoc", run_dir) < 0) {
        adhocs->dir = NULL;
        return ng_error_set(error, ENOMEM, NULL, "out of memory");
    }
    if (mkdir(adhocs->dir, 0700) < 0 && errno != EEXIST)
        return ng_error_set(error, errno, "make the directory writable, or choose another with --run-dir",
                            "cannot make %s: %m", adhocs->dir);
    dir = opendir(adhocs->dir);
    if (!dir)
        return ng_error_set(error, errno, NULL, "cannot read %s: %m", adhocs->dir);
    while ((entry = readdir(dir))) {
        _cleanup_free_ char *file = file_of(adhocs, entry->d_name, "");

        if (entry->d_name[0] == '.')
            continue;
        if (strchr(entry->d_name, '.') && file)
            (void)unlink(file); /* half written when the daemon died */
        else if (strlen(entry->d_name) < NG_TAG_LEN)
            load(adhocs, entry->d_name);
    }
    (void)closedir(dir);
    return 0;
}

void ng_adhocs_close(struct ng_adhocs *adhocs)
{
    while (adhocs->list) {
        struct ng_adhoc *next = adhocs->list->next;

        free_adhoc(adhocs->list);
        adhocs->list = next;
    }
    if (adhocs->dir)
        (void)rmdir(adhocs->dir);
    free(adhocs->dir);
    adhocs->dir = NULL;
}

void ng_adhoc_name(uint32_t scope, char ret_name[static NG_TAG_LEN])
{
    (void)snprintf(ret_name, NG_TAG_LEN, "file-%08x", scope & ~NG_SCOPE_DEPLOYMENT);
}

const struct ng_adhoc *ng_adhoc_find(const struct ng_adhocs *adhocs, const char *name)
{
    const struct ng_adhoc *adhoc = adhocs->list;

    while (adhoc && strcmp(adhoc->name, name) != 0)
        adhoc = adhoc->next;
    return adhoc;
}

static size_t octets_of(const struct ng_adhocs *adhocs, uid_t uid)
{
    size_t sum = 0;

    for (const struct ng_adhoc *adhoc = adhocs->list; adhoc; adhoc = adhoc->next)
        if (adhoc->uid == uid)
            sum += adhoc->length;
    return sum;
}

/* Whole or not at all: written aside, then renamed. */
static int store(const struct ng_adhocs *adhocs, const char *name, const char *path, const char *text, uid_t uid)
{
    _cleanup_free_ char *file = file_of(adhocs, name, ""), *aside = file_of(adhocs, name, ".new");
    json_t *json = json_pack("{s:s, s:s, s:I}", "path", path, "text", text, "uid", (json_int_t)uid);
    int r = -ENOMEM;

    if (json && file && aside) {
        errno = EIO;
        r = json_dump_file(json, aside, JSON_COMPACT) < 0 || rename(aside, file) < 0 ? -errno : 0;
        if (r < 0)
            (void)unlink(aside);
    }
    json_decref(json);
    return r;
}

int ng_adhoc_add(struct ng_adhocs *adhocs, const char *name, const char *path, const char *text, uid_t uid,
                 struct ng_error *error)
{
    size_t length = strlen(text);
    int r;

    if (length > NG_ADHOC_TEXT_MAX)
        return ng_error_set(error, EFBIG, NULL, "the policy is larger than 1 MiB");
    if (uid != 0 && octets_of(adhocs, uid) + length > NG_ADHOC_USER_MAX)
        return ng_error_set(error, EDQUOT, "ask root to put the policy into the policies directory",
                            "the policies that this user's deployments brought along would exceed 256 KiB");
    r = store(adhocs, name, path, text, uid);
    if (r < 0)
        return ng_error_set(error, -r, NULL, "cannot keep the policy in %s: %s", adhocs->dir, strerror(-r));
    if (enlist(adhocs, name, path, text, uid))
        return 0;
    ng_adhoc_forget(adhocs, name);
    return ng_error_set(error, ENOMEM, NULL, "out of memory");
}

void ng_adhoc_forget(struct ng_adhocs *adhocs, const char *name)
{
    _cleanup_free_ char *file = file_of(adhocs, name, "");
    struct ng_adhoc **at = &adhocs->list;
    struct ng_adhoc *adhoc;

    while (*at && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    if (!*at)
        return;
    adhoc = *at;
    *at = adhoc->next;
    free_adhoc(adhoc);
    if (file)
        (void)unlink(file);
}
