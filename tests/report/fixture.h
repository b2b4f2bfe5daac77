/* SPDX-License-Identifier: BSD-2-Clause */
/* A ledger made of SQL. */
#ifndef NAMEGATE_TESTS_FIXTURE_H
#define NAMEGATE_TESTS_FIXTURE_H

/* Makes DIR/ledger.db with the tables of today, and runs the SQL. 0; -1, and what is wrong on stderr. */
int fixture_make(const char *dir, const char *sql);

#endif
