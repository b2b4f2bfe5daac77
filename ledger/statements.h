/* SPDX-License-Identifier: BSD-2-Clause */
/* The SQL by which the writer changes the ledger, prepared once. A negative value is a failure: see sqlite3_errcode().
 */
#ifndef NAMEGATE_LEDGER_STATEMENTS_H
#define NAMEGATE_LEDGER_STATEMENTS_H

#include "ledger.h"
#include "rows.h"

#include <sqlite3.h>

enum ng_statement {
    NG_STATEMENT_ADD,
    NG_STATEMENT_SEEN,
    NG_STATEMENT_DELETE,
    NG_STATEMENT_COUNT,
    NG_STATEMENT_ADOPT,
    NG_STATEMENTS
};

struct ng_statements {
    sqlite3_stmt *update[NG_ROW_KINDS], *insert[NG_ROW_KINDS];
    sqlite3_stmt *other[NG_STATEMENTS];
};

struct ng_statements_counts {
    unsigned rows[NG_ROW_KINDS]; /* of the deployment, of each kind that is bounded */
};

int ng_statements_open(struct ng_statements *statements, sqlite3 *db);
void ng_statements_close(struct ng_statements *statements);

/* How many rows it changed: 0 where it is not there yet. */
int ng_statements_update(struct ng_statements *statements, const struct ng_row *row);
int ng_statements_insert(struct ng_statements *statements, const struct ng_row *row);

/* Adds to the sums of a deployment. */
int ng_statements_add(struct ng_statements *statements, int64_t id, int64_t denied, int64_t would, int64_t probes,
                      int64_t left_out);
int ng_statements_seen(struct ng_statements *statements, int64_t id, int64_t now_us);

/* Deletes the oldest that ended before a time, at most so many; those whose end nobody saw only if they were seen last
 * before `silent_us` as well. Returns how many. */
int ng_statements_delete(struct ng_statements *statements, int64_t ended_us, int64_t silent_us, int max);

/* -ENOENT: there is no such deployment. */
int ng_statements_count(struct ng_statements *statements, int64_t id, struct ng_statements_counts *ret_counts);
int ng_statements_adopt(struct ng_statements *statements, const char *name, struct ng_ledger_adopted *ret_adopted);

/* The number that a pragma answers, 0 where it fails. */
int64_t ng_statements_pragma(sqlite3 *db, const char *sql);

#endif
