// SPDX-License-Identifier: BSD-2-Clause
/* The parameters of a row's statements are its numbers and then its texts, in the order of rows.h. */
#include "statements.h"

#include <errno.h>

#define FLOW_UPDATE                                                                                                    \
    "SET pid = ?6, uid = ?7, count = count + ?8, first_us = min(first_us, ?9), last_us = max(last_us, ?10), "          \
    "comm = ?16, hook = ?17, errno = ?18, reason = ?19, instead = ?20, chain = ?21, names = ?22, rule = ?23 "          \
    "WHERE deployment = ?1 AND lineage = ?2 AND ifnull(name, '') = ifnull(?11, '') AND address = ?12 AND port = ?3 "   \
    "AND proto = ?13 AND verdict = ?14 AND evidence = ?15 AND probe = ?4 AND incident = ?5"
#define FLOW_COLUMNS                                                                                                   \
    "deployment, lineage, port, probe, incident, pid, uid, count, first_us, last_us, name, address, proto, verdict, "  \
    "evidence, comm, hook, errno, reason, instead, chain, names, rule"
#define FLOW_VALUES                                                                                                    \
    "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23"

/* What a daemon counted may be less than what was written, after a restart, or more, after a loss. */
static const char *const updates[NG_ROW_KINDS] = {
    [NG_ROW_FINISH] = "UPDATE deployment SET ended_us = ?2, seen_us = ?2, status = ?3, denied = max(denied, ?4), "
                      "would = max(would, ?5), probes = max(probes, ?6), lost = lost + ?7, left_out = left_out + ?8 "
                      "WHERE id = ?1",
    [NG_ROW_LINEAGE] = "UPDATE lineage SET processes = processes + ?4 WHERE deployment = ?1 AND number = ?2",
    [NG_ROW_PROCESS] = "UPDATE process SET lineage = ?4, ended_us = ?8, status = ?9 "
                       "WHERE deployment = ?1 AND number = ?2",
    [NG_ROW_RESOLUTION] = "UPDATE resolution SET count = count + ?3, last_us = max(last_us, ?5), addresses = ?8 "
                          "WHERE deployment = ?1 AND lineage = ?2 AND name = ?6 AND chain = ?7",
    [NG_ROW_FLOW] = "UPDATE flow " FLOW_UPDATE,
    [NG_ROW_SHADOW] = "UPDATE shadow " FLOW_UPDATE " AND shadow_verdict = ?24",
};

static const char *const inserts[NG_ROW_KINDS] = {
    [NG_ROW_START] = "INSERT OR IGNORE INTO deployment (id, uid, started_us, seen_us, name, tag, policy, mode, argv, "
                     "cwd) VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [NG_ROW_LINEAGE] = "INSERT INTO lineage (deployment, number, parent, processes, argv, path, comm) "
                       "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [NG_ROW_PROCESS] = "INSERT INTO process (deployment, number, parent, lineage, pid, uid, started_us, ended_us, "
                       "status) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [NG_ROW_RESOLUTION] = "INSERT INTO resolution (deployment, lineage, count, first_us, last_us, name, chain, "
                          "addresses) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [NG_ROW_FLOW] = "INSERT INTO flow (" FLOW_COLUMNS ") VALUES (" FLOW_VALUES ")",
    [NG_ROW_SHADOW] = "INSERT INTO shadow (" FLOW_COLUMNS ", shadow_verdict, shadow_rule) "
                      "VALUES (" FLOW_VALUES ", ?24, ?25)",
};

static const char *const others[NG_STATEMENTS] = {
    [NG_STATEMENT_ADD] = "UPDATE deployment SET denied = denied + ?2, would = would + ?3, probes = probes + ?4, "
                         "left_out = left_out + ?5 WHERE id = ?1",
    [NG_STATEMENT_SEEN] = "UPDATE deployment SET seen_us = ?2 WHERE id = ?1",
    [NG_STATEMENT_DELETE] = "DELETE FROM deployment WHERE id IN (SELECT id FROM deployment "
                            "WHERE ifnull(ended_us, seen_us) < ?1 AND (ended_us IS NOT NULL OR seen_us < ?2) "
                            "ORDER BY ifnull(ended_us, seen_us) LIMIT ?3)",
    [NG_STATEMENT_COUNT] = "SELECT (SELECT count(*) FROM lineage WHERE deployment = ?1), "
                           "(SELECT count(*) FROM process WHERE deployment = ?1), "
                           "(SELECT count(*) FROM resolution WHERE deployment = ?1), "
                           "(SELECT count(*) FROM flow WHERE deployment = ?1), "
                           "(SELECT count(*) FROM shadow WHERE deployment = ?1) FROM deployment WHERE id = ?1",
    [NG_STATEMENT_ADOPT] = "SELECT id, (SELECT ifnull(max(number), 0) FROM lineage WHERE deployment = id), "
                           "(SELECT ifnull(max(number), 0) FROM process WHERE deployment = id) "
                           "FROM deployment WHERE name = ?1 AND ended_us IS NULL ORDER BY started_us DESC LIMIT 1",
};

static int prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_statement)
{
    return !sql || sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret_statement, NULL) == SQLITE_OK ? 0
                                                                                                                : -EIO;
}

int ng_statements_open(struct ng_statements *statements, sqlite3 *db)
{
    int r = 0;

    for (unsigned i = 0; r == 0 && i < NG_ROW_KINDS; i++) {
        r = prepare(db, updates[i], &statements->update[i]);
        if (r == 0)
            r = prepare(db, inserts[i], &statements->insert[i]);
    }
    for (unsigned i = 0; r == 0 && i < NG_STATEMENTS; i++)
        r = prepare(db, others[i], &statements->other[i]);
    return r;
}

void ng_statements_close(struct ng_statements *statements)
{
    for (unsigned i = 0; i < NG_ROW_KINDS; i++) {
        (void)sqlite3_finalize(statements->update[i]);
        (void)sqlite3_finalize(statements->insert[i]);
    }
    for (unsigned i = 0; i < NG_STATEMENTS; i++)
        (void)sqlite3_finalize(statements->other[i]);
    *statements = (struct ng_statements){0};
}

/* Runs it to its end, which makes it ready again. Returns how many rows it changed. */
static int finish(sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);
    int changes = sqlite3_changes(sqlite3_db_handle(statement));

    if (sqlite3_reset(statement) != SQLITE_OK || code != SQLITE_DONE)
        return -EIO;
    return changes;
}

static int run_row(sqlite3_stmt *statement, const struct ng_row *row)
{
    int at = 0, wanted = sqlite3_bind_parameter_count(statement);

    for (unsigned i = 0; i < ng_row_numbers(row->kind) && at < wanted; i++) {
        if (row->number[i] == NG_ROW_NULL)
            (void)sqlite3_bind_null(statement, ++at);
        else
            (void)sqlite3_bind_int64(statement, ++at, row->number[i]);
    }
    for (unsigned i = 0; i < ng_row_texts(row->kind) && at < wanted; i++)
        (void)sqlite3_bind_text(statement, ++at, row->text[i], -1, SQLITE_STATIC);
    return finish(statement);
}

int ng_statements_update(struct ng_statements *statements, const struct ng_row *row)
{
    return run_row(statements->update[row->kind], row);
}

int ng_statements_insert(struct ng_statements *statements, const struct ng_row *row)
{
    return run_row(statements->insert[row->kind], row);
}

int ng_statements_add(struct ng_statements *statements, int64_t id, int64_t denied, int64_t would, int64_t probes,
                      int64_t left_out)
{
    sqlite3_stmt *statement = statements->other[NG_STATEMENT_ADD];

    (void)sqlite3_bind_int64(statement, 1, id);
    (void)sqlite3_bind_int64(statement, 2, denied);
    (void)sqlite3_bind_int64(statement, 3, would);
    (void)sqlite3_bind_int64(statement, 4, probes);
    (void)sqlite3_bind_int64(statement, 5, left_out);
    return finish(statement);
}

int ng_statements_seen(struct ng_statements *statements, int64_t id, int64_t now_us)
{
    sqlite3_stmt *statement = statements->other[NG_STATEMENT_SEEN];

    (void)sqlite3_bind_int64(statement, 1, id);
    (void)sqlite3_bind_int64(statement, 2, now_us);
    return finish(statement);
}

int ng_statements_delete(struct ng_statements *statements, int64_t ended_us, int64_t silent_us, int max)
{
    sqlite3_stmt *statement = statements->other[NG_STATEMENT_DELETE];

    (void)sqlite3_bind_int64(statement, 1, ended_us);
    (void)sqlite3_bind_int64(statement, 2, silent_us);
    (void)sqlite3_bind_int(statement, 3, max);
    return finish(statement);
}

int ng_statements_count(struct ng_statements *statements, int64_t id, struct ng_statements_counts *ret_counts)
{
    sqlite3_stmt *statement = statements->other[NG_STATEMENT_COUNT];
    int code;

    (void)sqlite3_bind_int64(statement, 1, id);
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *ret_counts = (struct ng_statements_counts){0};
        for (int kind = NG_ROW_LINEAGE; kind <= NG_ROW_SHADOW; kind++)
            ret_counts->rows[kind] = (unsigned)sqlite3_column_int(statement, kind - NG_ROW_LINEAGE);
    }
    if (sqlite3_reset(statement) != SQLITE_OK || (code != SQLITE_ROW && code != SQLITE_DONE))
        return -EIO;
    return code == SQLITE_ROW ? 0 : -ENOENT;
}

int ng_statements_adopt(struct ng_statements *statements, const char *name, struct ng_ledger_adopted *ret_adopted)
{
    sqlite3_stmt *statement = statements->other[NG_STATEMENT_ADOPT];
    int code;

    (void)sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *ret_adopted = (struct ng_ledger_adopted){.id = sqlite3_column_int64(statement, 0),
                                                  .lineages = (uint32_t)sqlite3_column_int64(statement, 1),
                                                  .processes = (uint32_t)sqlite3_column_int64(statement, 2)};
    if (sqlite3_reset(statement) != SQLITE_OK || (code != SQLITE_ROW && code != SQLITE_DONE))
        return -EIO;
    return code == SQLITE_ROW ? 0 : -ENOENT;
}

int64_t ng_statements_pragma(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    int64_t value = 0;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
        value = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    return value;
}
