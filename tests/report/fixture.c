// SPDX-License-Identifier: BSD-2-Clause
#include "fixture.h"

#include "../../ledger/schema.h"

#include <stdio.h>

int fixture_make(const char *dir, const char *sql)
{
    char path[512];
    sqlite3 *db = NULL;
    int r = -1;

    (void)snprintf(path, sizeof(path), "%s/ledger.db", dir);
    if (sqlite3_open(path, &db) == SQLITE_OK && ng_ledger_migrate(db) == 0 &&
        sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
        r = 0;
    if (r < 0)
        (void)fprintf(stderr, "%s: %s\n", path, sqlite3_errmsg(db));
    (void)sqlite3_close(db);
    return r;
}
