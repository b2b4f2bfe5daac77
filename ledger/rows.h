/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of the ledger in memory, in the order in which they are to be written, each owning its texts. A row is numbers
 * and texts, in the order of the parameters of its statements (database.c); the first number is the deployment's id. */
#ifndef NAMEGATE_LEDGER_ROWS_H
#define NAMEGATE_LEDGER_ROWS_H

#include <stdint.h>

enum ng_row_kind {
    NG_ROW_START,
    NG_ROW_FINISH,
    NG_ROW_LINEAGE,
    NG_ROW_PROCESS,
    NG_ROW_RESOLUTION,
    NG_ROW_FLOW,
    NG_ROW_SHADOW,
    NG_ROW_KINDS
};

#define NG_ROW_NUMBERS_MAX 10
#define NG_ROW_TEXTS_MAX 15
#define NG_ROW_NULL INT64_MIN /* a number that is NULL */

enum { NG_START_ID, NG_START_UID, NG_START_STARTED };
enum { NG_START_NAME, NG_START_TAG, NG_START_POLICY, NG_START_MODE, NG_START_ARGV, NG_START_CWD };

enum {
    NG_FINISH_ID,
    NG_FINISH_ENDED,
    NG_FINISH_STATUS,
    NG_FINISH_DENIED,
    NG_FINISH_WOULD,
    NG_FINISH_PROBES,
    NG_FINISH_LOST,
    NG_FINISH_LEFT_OUT
};

enum { NG_LINEAGE_DEPLOYMENT, NG_LINEAGE_NUMBER, NG_LINEAGE_PARENT, NG_LINEAGE_PROCESSES };
enum { NG_LINEAGE_ARGV, NG_LINEAGE_PATH, NG_LINEAGE_COMM };

enum {
    NG_PROCESS_DEPLOYMENT,
    NG_PROCESS_NUMBER,
    NG_PROCESS_PARENT,
    NG_PROCESS_LINEAGE,
    NG_PROCESS_PID,
    NG_PROCESS_UID,
    NG_PROCESS_STARTED,
    NG_PROCESS_ENDED,
    NG_PROCESS_STATUS
};

enum { NG_RESOLUTION_DEPLOYMENT, NG_RESOLUTION_LINEAGE, NG_RESOLUTION_COUNT, NG_RESOLUTION_FIRST, NG_RESOLUTION_LAST };
enum { NG_RESOLUTION_NAME, NG_RESOLUTION_CHAIN, NG_RESOLUTION_ADDRESSES };

/* Also of a shadow, whose last two texts a flow has not. */
enum {
    NG_FLOW_DEPLOYMENT,
    NG_FLOW_LINEAGE,
    NG_FLOW_PORT,
    NG_FLOW_PROBE,
    NG_FLOW_INCIDENT,
    NG_FLOW_PID,
    NG_FLOW_UID,
    NG_FLOW_COUNT,
    NG_FLOW_FIRST,
    NG_FLOW_LAST
};
enum {
    NG_FLOW_NAME,
    NG_FLOW_ADDRESS,
    NG_FLOW_PROTO,
    NG_FLOW_VERDICT,
    NG_FLOW_EVIDENCE,
    NG_FLOW_COMM,
    NG_FLOW_HOOK,
    NG_FLOW_ERRNO,
    NG_FLOW_REASON,
    NG_FLOW_INSTEAD,
    NG_FLOW_CHAIN,
    NG_FLOW_NAMES,
    NG_FLOW_RULE,
    NG_FLOW_SHADOW_VERDICT,
    NG_FLOW_SHADOW_RULE
};

struct ng_row {
    struct ng_row *next; /* in the order of their arrival */
    struct ng_row *same; /* of the same slot of the table */
    uint64_t hash;
    enum ng_row_kind kind;
    int64_t number[NG_ROW_NUMBERS_MAX];
    const char *text[NG_ROW_TEXTS_MAX]; /* NULL: NULL */
};

struct ng_rows {
    struct ng_row *first, *last;
    struct ng_row **table; /* of those that can be added up */
    unsigned slots;
    unsigned count;
};

unsigned ng_row_numbers(enum ng_row_kind kind);
unsigned ng_row_texts(enum ng_row_kind kind);

/* The row that this one can be added to, or NULL. */
struct ng_row *ng_rows_find(const struct ng_rows *rows, enum ng_row_kind kind, const int64_t *numbers,
                            const char *const *texts);

/* Appends a copy. -ENOMEM. */
int ng_rows_add(struct ng_rows *rows, enum ng_row_kind kind, const int64_t *numbers, const char *const *texts);

/* A copy of its own, to be freed with free(), or NULL. */
struct ng_row *ng_row_copy(enum ng_row_kind kind, const int64_t *numbers, const char *const *texts);

void ng_rows_clear(struct ng_rows *rows);

#endif
