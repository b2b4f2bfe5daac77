// SPDX-License-Identifier: BSD-2-Clause
#include "records.h"

#include "text.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* What a line belongs to is read from it when somebody asks first. */
struct kept {
    char *line;
    bool read;
    struct ng_record_info info;
};

struct ng_records {
    char *path;
    int fd;
    uint64_t size;
    uint64_t lost;
    struct kept kept[NG_RECORDS_KEPT]; /* a ring */
    unsigned count, next;
    size_t octets; /* kept */
    ng_record_fn on_record;
    void *arg;
};

static unsigned oldest(const struct ng_records *records)
{
    return (records->next + NG_RECORDS_KEPT - records->count) % NG_RECORDS_KEPT;
}

static void forget(struct kept *kept)
{
    free(kept->line);
    *kept = (struct kept){0};
}

static void keep(struct ng_records *records, char *line)
{
    records->octets += strlen(line);
    while (records->count > 0 && (records->count == NG_RECORDS_KEPT || records->octets > NG_RECORDS_KEPT_OCTETS)) {
        unsigned at = oldest(records);

        records->octets -= strlen(records->kept[at].line);
        forget(&records->kept[at]);
        records->count--;
    }
    records->kept[records->next] = (struct kept){.line = line};
    records->next = (records->next + 1) % NG_RECORDS_KEPT;
    records->count++;
}

/* What an earlier daemon wrote last. */
static void load(struct ng_records *records)
{
    _cleanup_file_ FILE *file = fopen(records->path, "re");
    _cleanup_free_ char *line = NULL;
    size_t room = 0;

    while (file && getline(&line, &room, file) > 0) {
        char *copy;

        if (!strchr(line, '\n'))
            break; /* cut off by a crash */
        line[strcspn(line, "\n")] = '\0';
        copy = strdup(line);
        if (copy)
            keep(records, copy);
    }
}

static int open_file(struct ng_records *records)
{
    struct stat st;

    records->fd = open(records->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (records->fd < 0 || fstat(records->fd, &st) < 0)
        return -errno;
    records->size = (uint64_t)st.st_size;
    return 0;
}

int ng_records_open(const char *state_dir, ng_record_fn on_record, void *arg, struct ng_error *error,
                    struct ng_records **ret_records)
{
    struct ng_records *records = calloc(1, sizeof(*records));
    int r;

    if (!records || asprintf(&records->path, "%s/events.jsonl", state_dir) < 0) {
        free(records);
        return ng_error_set(error, ENOMEM, NULL, "out of memory");
    }
    records->on_record = on_record;
    records->arg = arg;
    load(records);
    r = open_file(records);
    if (r < 0) {
        (void)ng_error_set(error, -r, "make the directory writable, or choose another with --state-dir",
                           "cannot write %s: %s", records->path, strerror(-r));
        ng_records_free(records);
        return r;
    }
    *ret_records = records;
    return 0;
}

void ng_records_free(struct ng_records *records)
{
    if (!records)
        return;
    for (unsigned i = 0; i < NG_RECORDS_KEPT; i++)
        forget(&records->kept[i]);
    (void)ng_close(records->fd);
    free(records->path);
    free(records);
}

static void rotate(struct ng_records *records)
{
    _cleanup_free_ char *old = NULL;

    if (records->size < NG_RECORDS_FILE_MAX || asprintf(&old, "%s.1", records->path) < 0)
        return;
    if (rename(records->path, old) < 0)
        return;
    records->fd = ng_close(records->fd);
    (void)open_file(records);
}

static int append(struct ng_records *records, const char *line)
{
    size_t length = strlen(line);
    _cleanup_free_ char *whole = malloc(length + 1);

    if (!whole)
        return -ENOMEM;
    memcpy(whole, line, length);
    whole[length] = '\n';
    if (write(records->fd, whole, length + 1) != (ssize_t)(length + 1))
        return -EIO;
    records->size += length + 1;
    return 0;
}

void ng_records_add(struct ng_records *records, json_t *record, uint64_t boottime)
{
    char *line = NULL;

    rotate(records);
    if (record && json_object_set_new(record, "time", ng_json_time(boottime)) == 0 &&
        json_object_set_new(record, "boottime_ns", json_integer((json_int_t)(boottime ? boottime : ng_now()))) == 0)
        line = json_dumps(record, JSON_COMPACT | JSON_PRESERVE_ORDER);
    if (!line || append(records, line) < 0)
        records->lost++;
    if (line) {
        records->on_record(records->arg, record, line);
        keep(records, line);
    }
    json_decref(record);
}

uint64_t ng_records_lost(const struct ng_records *records)
{
    return records->lost;
}

static void copy_text(const json_t *record, const char *key, char text[static NG_RECORD_TEXT_MAX])
{
    const char *value = json_string_value(json_object_get(record, key));

    (void)snprintf(text, NG_RECORD_TEXT_MAX, "%s", value ? value : "");
}

void ng_record_read(const json_t *record, struct ng_record_info *ret_info)
{
    copy_text(record, "deployment", ret_info->deployment);
    copy_text(record, "tag", ret_info->tag);
}

void ng_records_each(struct ng_records *records, ng_kept_fn each, void *arg)
{
    unsigned newest = records->next + NG_RECORDS_KEPT - 1;

    for (unsigned i = 0; i < records->count; i++) {
        struct kept *kept = &records->kept[(newest - i) % NG_RECORDS_KEPT];

        if (!kept->read) {
            json_t *record = json_loads(kept->line, 0, NULL);

            ng_record_read(record, &kept->info);
            json_decref(record);
            kept->read = true;
        }
        if (!each(arg, &kept->info, kept->line))
            return;
    }
}
