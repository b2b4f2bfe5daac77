// SPDX-License-Identifier: BSD-2-Clause
#include "records.h"

#include "outlet.h"
#include "text.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define LOSS_SHOWN (60 * NG_SECOND)

struct ng_records {
    char *path;
    bool file;
    int fd;
    uint64_t size;
    bool torn; /* the last line in the file is not whole */
    uint64_t lost, lost_at;
    const char *because;
    struct ng_outlet *outlet; /* NULL: none is asked for */
    uint64_t outlet_lost;     /* as seen last */
    struct ng_recall *recall;
    ng_record_fn on_record;
    void *arg;
};

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
        if (line[0] != '{' || line[strlen(line) - 1] != '}')
            continue; /* cut off by a full disk */
        copy = strdup(line);
        if (copy)
            ng_recall_add(records->recall, copy);
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

/* Whether it passes by itself. */
static bool passes(int error)
{
    return error == ENOSPC || error == EDQUOT || error == EROFS;
}

int ng_records_open(const char *state_dir, const struct ng_record_outputs *outputs, ng_record_fn on_record, void *arg,
                    struct ng_error *error, struct ng_records **ret_records)
{
    struct ng_records *records = calloc(1, sizeof(*records));
    int r = 0;

    if (!records || !(records->recall = ng_recall_new()) ||
        asprintf(&records->path, "%s/events.jsonl", state_dir) < 0) {
        if (records)
            ng_recall_free(records->recall);
        free(records);
        return ng_error_set(error, ENOMEM, NULL, "out of memory");
    }
    records->fd = -1;
    records->file = outputs->file;
    records->on_record = on_record;
    records->arg = arg;
    load(records);
    if (records->file)
        r = open_file(records);
    if (r < 0 && !passes(-r))
        (void)ng_error_set(error, -r, "make the directory writable, or choose another with --state-dir",
                           "cannot write %s: %s", records->path, strerror(-r));
    else
        r = 0;
    if (r == 0 && (outputs->out || outputs->journal)) {
        r = ng_outlet_new(outputs->out, outputs->journal, &records->outlet);
        if (r < 0)
            (void)ng_error_set(error, -r, NULL, "cannot start the thread that writes records: %s", strerror(-r));
    }
    if (r < 0) {
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
    ng_outlet_free(records->outlet);
    ng_recall_free(records->recall);
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
    size_t length = strlen(line), begin = records->torn;
    _cleanup_free_ char *whole = malloc(length + begin + 1);
    int r = records->fd < 0 ? open_file(records) : 0;
    ssize_t written;

    if (!whole || r < 0)
        return whole ? r : -ENOMEM;
    whole[0] = '\n'; /* ends the one that is torn */
    memcpy(whole + begin, line, length);
    length += begin;
    whole[length++] = '\n';
    written = write(records->fd, whole, length);
    if (written < 0)
        return -errno;
    records->size += (uint64_t)written;
    records->torn = written != (ssize_t)length;
    return records->torn ? -ENOSPC : 0;
}

static void lose(struct ng_records *records, uint64_t count, const char *because)
{
    records->lost += count;
    records->lost_at = ng_now();
    records->because = because;
}

static void put_out(struct ng_records *records, const char *line)
{
    int r;

    if (records->file) {
        rotate(records);
        r = append(records, line);
        if (r < 0)
            lose(records, 1, strerrordesc_np(-r));
    }
    if (records->outlet)
        ng_outlet_put(records->outlet, line);
}

void ng_records_add(struct ng_records *records, json_t *record, uint64_t boottime)
{
    char *line = NULL;

    if (record && json_object_set_new(record, "time", ng_json_time(boottime)) == 0 &&
        json_object_set_new(record, "boottime_ns", json_integer((json_int_t)(boottime ? boottime : ng_now()))) == 0)
        line = json_dumps(record, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    if (!line)
        lose(records, 1, "out of memory");
    if (line) {
        put_out(records, line);
        records->on_record(records->arg, record, line);
        ng_recall_add(records->recall, line);
    }
    json_decref(record);
}

uint64_t ng_records_lost(const struct ng_records *records)
{
    return records->lost + (records->outlet ? ng_outlet_lost(records->outlet) : 0);
}

const char *ng_records_trouble(struct ng_records *records)
{
    uint64_t lost = records->outlet ? ng_outlet_lost(records->outlet) : 0;

    if (lost != records->outlet_lost) {
        lose(records, 0, "standard output or the journal did not take them");
        records->outlet_lost = lost;
    }
    return records->because && ng_now() - records->lost_at < LOSS_SHOWN ? records->because : NULL;
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

void ng_records_each(const struct ng_records *records, ng_kept_fn each, void *arg)
{
    ng_recall_each(records->recall, each, arg);
}
