/* SPDX-License-Identifier: BSD-2-Clause */
/* The ledger's file as its writer has it open: rows go in, what is too old comes out. Opens it again by itself where it
 * has to. For one thread at a time. */
#ifndef NAMEGATE_LEDGER_DATABASE_H
#define NAMEGATE_LEDGER_DATABASE_H

#include "ledger.h"
#include "rows.h"

#include <stdatomic.h>

struct ng_database;

/* Opens nothing yet. */
int ng_database_new(const char *state_dir, struct ng_database **ret_database);
void ng_database_free(struct ng_database *database);

/* Others that write are waited for until then (ns of ng_now()), and for at most two seconds. Any thread may call it. */
void ng_database_hurry(struct ng_database *database, uint64_t until);

/* Opens it, unless it is open and still the file of its name. 0, or -errno: see ng_database_trouble(). */
int ng_database_open(struct ng_database *database);

/* Writes all rows in one transaction, or none. *ret_lost: rows among them that can never be written, because their
 * deployment is not there. 0, or -errno: none were; see ng_database_trouble(). */
int ng_database_write(struct ng_database *database, const struct ng_rows *rows, uint64_t *ret_lost);

/* Says of each deployment that lives that it does, and deletes what is beyond the limits. */
int ng_database_retain(struct ng_database *database, const struct ng_ledger_limits *limits, int64_t now_us);

/* Whether it is larger than that. */
bool ng_database_exceeds(const struct ng_database *database, uint64_t bytes);

/* -ENOENT: there is none of this name that goes on. */
int ng_database_adopt(struct ng_database *database, const char *name, struct ng_ledger_adopted *ret_adopted);

/* Why the last operation failed, a constant; NULL: it did not. */
const char *ng_database_trouble(const struct ng_database *database);

/* How often a corrupt one was set aside. */
unsigned ng_database_set_aside(const struct ng_database *database);

#endif
