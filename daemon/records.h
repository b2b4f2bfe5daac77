/* SPDX-License-Identifier: BSD-2-Clause */
/* The records: one JSON object a line in STATE-DIR/events.jsonl, on standard output and in the journal, as is asked
 * for; the last ones also in memory (recall.h) for those who ask the control socket. The file is kept to two of
 * NG_RECORDS_FILE_MAX octets. */
#ifndef NAMEGATE_RECORDS_H
#define NAMEGATE_RECORDS_H

#include "log.h"
#include "recall.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define NG_RECORDS_FILE_MAX (64ULL << 20)

struct ng_records;

void ng_record_read(const json_t *record, struct ng_record_info *ret_info);

/* Called for each new record; line ends without a newline. */
typedef void (*ng_record_fn)(void *arg, const json_t *record, const char *line);

/* Where the records go. */
struct ng_record_outputs {
    bool file, out, journal;
};

/* A disk that is full, or read-only, is no reason not to start. */
int ng_records_open(const char *state_dir, const struct ng_record_outputs *outputs, ng_record_fn on_record, void *arg,
                    struct ng_error *error, struct ng_records **ret_records);
void ng_records_free(struct ng_records *records);

/* Adds the time and writes it. Takes the reference; NULL (out of memory while it was made) counts as lost. boottime is
 * when it happened, 0 for now. */
void ng_records_add(struct ng_records *records, json_t *record, uint64_t boottime);

/* Records that could not be written, to each of the outputs; and why (NULL: none could not) in the last minute. */
uint64_t ng_records_lost(const struct ng_records *records);
const char *ng_records_trouble(struct ng_records *records);

/* As ng_recall_each(). */
void ng_records_each(const struct ng_records *records, ng_kept_fn each, void *arg);

#endif
