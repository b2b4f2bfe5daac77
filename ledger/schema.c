// SPDX-License-Identifier: BSD-2-Clause
/* The tables as SQL, one script for each version. A script is never changed once a release has it: what changes is the
 * next one. */
#include "schema.h"

#include <errno.h>
#include <stdio.h>

/* What one row is unique by is an index of its own, because a name may be NULL. */
#define FLOW_COLUMNS                                                                                                   \
    "  deployment INTEGER NOT NULL REFERENCES deployment(id) ON DELETE CASCADE,"                                       \
    "  lineage INTEGER NOT NULL, name TEXT, chain TEXT NOT NULL, names TEXT NOT NULL,"                                 \
    "  address TEXT NOT NULL, port INTEGER NOT NULL, proto TEXT NOT NULL, verdict TEXT NOT NULL,"                      \
    "  evidence TEXT NOT NULL, hook TEXT NOT NULL, errno TEXT, pid INTEGER NOT NULL, uid INTEGER NOT NULL,"            \
    "  comm TEXT NOT NULL, rule TEXT, reason TEXT NOT NULL, instead TEXT NOT NULL,"                                    \
    "  probe INTEGER NOT NULL, incident INTEGER NOT NULL,"                                                             \
    "  count INTEGER NOT NULL, first_us INTEGER NOT NULL, last_us INTEGER NOT NULL"
#define FLOW_KEY "deployment, lineage, ifnull(name, ''), address, port, proto, verdict, evidence, probe, incident"

static const char *const migrations[NG_LEDGER_VERSION] = {
    "CREATE TABLE deployment ("
    "  id INTEGER PRIMARY KEY, name TEXT NOT NULL, tag TEXT NOT NULL, policy TEXT NOT NULL, mode TEXT NOT NULL,"
    "  uid INTEGER NOT NULL, argv TEXT, cwd TEXT, started_us INTEGER NOT NULL, ended_us INTEGER,"
    "  seen_us INTEGER NOT NULL, status INTEGER,"
    "  denied INTEGER NOT NULL DEFAULT 0, would INTEGER NOT NULL DEFAULT 0, probes INTEGER NOT NULL DEFAULT 0,"
    "  lost INTEGER NOT NULL DEFAULT 0, left_out INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE INDEX deployment_name ON deployment(name);"
    "CREATE INDEX deployment_started ON deployment(started_us);"
    "CREATE INDEX deployment_tag ON deployment(tag, started_us);"
    "CREATE INDEX deployment_over ON deployment(ifnull(ended_us, seen_us));"

    "CREATE TABLE lineage ("
    "  deployment INTEGER NOT NULL REFERENCES deployment(id) ON DELETE CASCADE, number INTEGER NOT NULL,"
    "  parent INTEGER NOT NULL, argv TEXT NOT NULL, path TEXT NOT NULL, comm TEXT NOT NULL,"
    "  processes INTEGER NOT NULL, PRIMARY KEY (deployment, number)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE process ("
    "  deployment INTEGER NOT NULL REFERENCES deployment(id) ON DELETE CASCADE, number INTEGER NOT NULL,"
    "  parent INTEGER NOT NULL, pid INTEGER NOT NULL, uid INTEGER NOT NULL, lineage INTEGER NOT NULL,"
    "  started_us INTEGER NOT NULL, ended_us INTEGER, status INTEGER,"
    "  PRIMARY KEY (deployment, number)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE resolution ("
    "  deployment INTEGER NOT NULL REFERENCES deployment(id) ON DELETE CASCADE, lineage INTEGER NOT NULL,"
    "  name TEXT NOT NULL, chain TEXT NOT NULL, addresses TEXT NOT NULL, count INTEGER NOT NULL,"
    "  first_us INTEGER NOT NULL, last_us INTEGER NOT NULL) STRICT;"
    "CREATE UNIQUE INDEX resolution_key ON resolution(deployment, lineage, name, chain);"

    "CREATE TABLE flow (" FLOW_COLUMNS ") STRICT;"
    "CREATE UNIQUE INDEX flow_key ON flow(" FLOW_KEY ");"

    "CREATE TABLE shadow (" FLOW_COLUMNS ", shadow_verdict TEXT NOT NULL, shadow_rule TEXT) STRICT;"
    "CREATE UNIQUE INDEX shadow_key ON shadow(" FLOW_KEY ", shadow_verdict);",
};

static int execute(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : -EIO;
}

static int read_version(sqlite3 *db, int *ret_version)
{
    sqlite3_stmt *statement = NULL;
    int r = -EIO;

    if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW) {
        *ret_version = sqlite3_column_int(statement, 0);
        r = 0;
    }
    return sqlite3_finalize(statement) == SQLITE_OK ? r : -EIO;
}

/* Another process may have done it meanwhile: the version is read again inside of the transaction. */
static int migrate(sqlite3 *db)
{
    int version, r = execute(db, "BEGIN IMMEDIATE");

    if (r < 0)
        return r;
    r = read_version(db, &version);
    if (r == 0 && version > NG_LEDGER_VERSION)
        r = -EPROTO;
    for (; r == 0 && version < NG_LEDGER_VERSION; version++) {
        char stamp[48];

        (void)snprintf(stamp, sizeof(stamp), "PRAGMA user_version = %d", version + 1);
        r = execute(db, migrations[version]);
        if (r == 0)
            r = execute(db, stamp);
    }
    if (r == 0)
        r = execute(db, "COMMIT");
    if (r < 0 && !sqlite3_get_autocommit(db))
        (void)execute(db, "ROLLBACK");
    return r;
}

int ng_ledger_migrate(sqlite3 *db)
{
    int version, r = read_version(db, &version);

    if (r < 0)
        return r;
    if (version > NG_LEDGER_VERSION)
        return -EPROTO;
    /* The first only takes effect on an empty database, and must come before the second. */
    if (version == 0)
        r = execute(db, "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL");
    if (r == 0 && version < NG_LEDGER_VERSION)
        r = migrate(db);
    if (r == 0)
        r = execute(db, "PRAGMA foreign_keys = ON");
    return r;
}
