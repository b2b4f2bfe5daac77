/* SPDX-License-Identifier: BSD-2-Clause */
/* The records: one JSON object a line in STATE-DIR/events.jsonl, the last ones also in memory for those who ask the
 * control socket. Kept to two files of NG_RECORDS_FILE_MAX octets. */
#ifndef NAMEGATE_RECORDS_H
#define NAMEGATE_RECORDS_H

#include "log.h"

#include <jansson.h>
#include <stdint.h>

#define NG_RECORDS_KEPT 10000                /* in memory */
#define NG_RECORDS_KEPT_OCTETS (32u << 20) /* and no more than this */
#define NG_RECORDS_FILE_MAX (64ULL << 20)

struct ng_records;

/* Called for each new record; line ends without a newline. */
typedef void (*ng_record_fn)(void *arg, const json_t *record, const char *line);

int ng_records_open(const char *state_dir, ng_record_fn on_record, void *arg, struct ng_error *error,
                    struct ng_records **ret_records);
void ng_records_free(struct ng_records *records);

/* Adds the time and writes it. Takes the reference; NULL (out of memory while it was made) counts as lost. boottime is
 * when it happened, 0 for now. */
void ng_records_add(struct ng_records *records, json_t *record, uint64_t boottime);

/* Records that could not be written. */
uint64_t ng_records_lost(const struct ng_records *records);

/* Calls each of the last records, oldest first. */
void ng_records_each(const struct ng_records *records, ng_record_fn each, void *arg);

#endif
