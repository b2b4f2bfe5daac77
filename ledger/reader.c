// SPDX-License-Identifier: BSD-2-Clause
/* Reads only. What stands in the database may come from strangers, or from a disk that forgets: every column is taken
 * as what it should be or as nothing. */
#include "reader.h"

#include "attribute.h"
#include "classify.h"
#include "schema.h"
#include "text.h"

#include <namegate/cleanup.h>

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define BUSY_MS 5000

NG_DEFINE_CLEANUP(json, json_t, json_decref)
#define _cleanup_json_ _cleanup_(ng_cleanup_json)

static void finalize(sqlite3_stmt *statement)
{
    (void)sqlite3_finalize(statement);
}
NG_DEFINE_CLEANUP(statement, sqlite3_stmt, finalize)
#define _cleanup_statement_ _cleanup_(ng_cleanup_statement)

static void close_db(sqlite3 *db)
{
    (void)sqlite3_close(db);
}
NG_DEFINE_CLEANUP(db, sqlite3, close_db)
#define _cleanup_db_ _cleanup_(ng_cleanup_db)

/* --- columns */

enum kind { TEXT, INTEGER, BOOLEAN, TIME, STATUS, LIST, OBJECT, LIST_OR_NULL };

static json_t *time_json(int64_t us)
{
    time_t seconds = (time_t)(us / 1000000);
    char date[40], text[64];
    struct tm tm;

    if (us < 0 || !gmtime_r(&seconds, &tm) || strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        return json_null();
    (void)snprintf(text, sizeof(text), "%s.%06dZ", date, (int)(us % 1000000));
    return json_string(text);
}

static json_t *status_json(int status)
{
    if (WIFEXITED(status))
        return json_pack("{s:i}", "exit", WEXITSTATUS(status));
    if (WIFSIGNALED(status))
        return json_pack("{s:i}", "signal", WTERMSIG(status));
    return json_null();
}

static json_t *parsed(sqlite3_stmt *row, int column, enum kind kind)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    _cleanup_json_ json_t *json = text ? json_loads(text, 0, NULL) : NULL;

    if (kind == OBJECT ? json_is_object(json) : json_is_array(json))
        return TAKE_PTR(json);
    return kind == LIST ? json_array() : json_null();
}

static json_t *column_json(sqlite3_stmt *row, int column, enum kind kind)
{
    bool null = sqlite3_column_type(row, column) == SQLITE_NULL;
    const char *text;

    if (kind == LIST || kind == OBJECT || kind == LIST_OR_NULL)
        return parsed(row, column, kind);
    if (null)
        return json_null();
    switch (kind) {
    case TEXT:
        text = (const char *)sqlite3_column_text(row, column);
        return text ? ng_json_text(text, (size_t)sqlite3_column_bytes(row, column)) : NULL;
    case BOOLEAN:
        return json_boolean(sqlite3_column_int(row, column));
    case TIME:
        return time_json(sqlite3_column_int64(row, column));
    case STATUS:
        return status_json(sqlite3_column_int(row, column));
    default:
        return json_integer(sqlite3_column_int64(row, column));
    }
}

/* A column of a table, and its key in the document. */
struct field {
    const char *key;
    enum kind kind;
};

static json_t *row_json(sqlite3_stmt *row, const struct field *fields)
{
    _cleanup_json_ json_t *object = json_object();

    for (int i = 0; object && fields[i].key; i++)
        if (json_object_set_new(object, fields[i].key, column_json(row, i, fields[i].kind)) < 0)
            return NULL;
    return TAKE_PTR(object);
}

/* --- the tables of one deployment */

static const struct field lineage_fields[] = {{"number", INTEGER},
                                              {"parent", INTEGER},
                                              {"argv", LIST},
                                              {"path", TEXT},
                                              {"comm", TEXT},
                                              {"processes", INTEGER},
                                              {0}};
static const char lineage_sql[] =
    "SELECT number, parent, argv, path, comm, processes FROM lineage WHERE deployment = ?1 ORDER BY number";

static const struct field process_fields[] = {{"number", INTEGER}, {"parent", INTEGER},  {"pid", INTEGER},
                                              {"uid", INTEGER},    {"lineage", INTEGER}, {"started", TIME},
                                              {"ended", TIME},     {"status", STATUS},   {0}};
static const char process_sql[] = "SELECT number, parent, pid, uid, lineage, started_us, ended_us, status"
                                  " FROM process WHERE deployment = ?1 ORDER BY number";

static const struct field resolution_fields[] = {
    {"lineage", INTEGER}, {"name", TEXT},  {"chain", LIST}, {"addresses", LIST},
    {"count", INTEGER},   {"first", TIME}, {"last", TIME},  {0}};
static const char resolution_sql[] = "SELECT lineage, name, chain, addresses, count, first_us, last_us"
                                     " FROM resolution WHERE deployment = ?1 ORDER BY first_us, name";

#define FLOW_FIELDS                                                                                                  \
    {"lineage", INTEGER}, {"name", TEXT}, {"chain", LIST}, {"names", LIST}, {"address", TEXT}, {"port", INTEGER},    \
        {"proto", TEXT}, {"verdict", TEXT}, {"evidence", TEXT}, {"hook", TEXT}, {"errno", TEXT}, {"pid", INTEGER},   \
        {"uid", INTEGER}, {"comm", TEXT}, {"rule", OBJECT}, {"reason", TEXT}, {"instead", TEXT}, {"probe", BOOLEAN}, \
        {"incident", BOOLEAN}, {"count", INTEGER}, {"first", TIME},                                                  \
    {                                                                                                                \
        "last", TIME                                                                                                 \
    }
#define FLOW_COLUMNS                                                                                           \
    "lineage, name, chain, names, address, port, proto, verdict, evidence, hook, errno, pid, uid, comm, rule," \
    " reason, instead, probe, incident, count, first_us, last_us"
static const struct field flow_fields[] = {FLOW_FIELDS, {0}};
static const struct field shadow_fields[] = {FLOW_FIELDS, {"shadow_verdict", TEXT}, {"shadow_rule", OBJECT}, {0}};
static const char flow_sql[] =
    "SELECT " FLOW_COLUMNS " FROM flow WHERE deployment = ?1 ORDER BY first_us, name, address, port";
static const char shadow_sql[] =
    "SELECT " FLOW_COLUMNS ", shadow_verdict, shadow_rule FROM shadow WHERE deployment = ?1 ORDER BY first_us, name";

static int read_table(sqlite3 *db, const char *sql, const struct field *fields, int64_t deployment, json_t **ret_list)
{
    _cleanup_statement_ sqlite3_stmt *statement = NULL;
    _cleanup_json_ json_t *list = json_array();
    int s;

    if (!list)
        return -ENOMEM;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_bind_int64(statement, 1, deployment) != SQLITE_OK)
        return -EIO;
    while ((s = sqlite3_step(statement)) == SQLITE_ROW)
        if (json_array_append_new(list, row_json(statement, fields)) < 0)
            return -ENOMEM;
    if (s != SQLITE_DONE)
        return -EIO;
    *ret_list = TAKE_PTR(list);
    return 0;
}

static int add_classes(const json_t *document, json_t *flows)
{
    json_t *flow;
    size_t i;

    json_array_foreach(flows, i, flow)
    {
        const char *class = ng_ledger_class(document, flow);

        if (json_object_set_new(flow, "class", class ? json_string(class) : json_null()) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int add_tables(sqlite3 *db, int64_t id, json_t *document)
{
    const struct {
        const char *key, *sql;
        const struct field *fields;
        bool classes;
    } tables[] = {{"lineage", lineage_sql, lineage_fields, false},
                  {"processes", process_sql, process_fields, false},
                  {"resolutions", resolution_sql, resolution_fields, false},
                  {"flows", flow_sql, flow_fields, true},
                  {"shadow", shadow_sql, shadow_fields, true}};

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        json_t *list = NULL;
        int r = read_table(db, tables[i].sql, tables[i].fields, id, &list);

        if (r < 0)
            return r;
        if (json_object_set_new(document, tables[i].key, list) < 0)
            return -ENOMEM;
        if (tables[i].classes)
            r = ng_ledger_attribute(json_object_get(document, "resolutions"), list);
        if (r == 0 && tables[i].classes)
            r = add_classes(document, list);
        if (r < 0)
            return r;
    }
    return 0;
}

/* --- deployments */

static const struct field deployment_fields[] = {{"deployment", TEXT}, {"tag", TEXT},         {"policy", TEXT},
                                                 {"mode", TEXT},       {"uid", INTEGER},      {"argv", LIST_OR_NULL},
                                                 {"cwd", TEXT},        {"started", TIME},     {"ended", TIME},
                                                 {"duration_s", TEXT}, {"status", STATUS},    {"outcome", TEXT},
                                                 {"denied", INTEGER},  {"would", INTEGER},    {"probes", INTEGER},
                                                 {"lost", INTEGER},    {"left_out", INTEGER}, {0}};
/* Of one that has not ended yet the counts are those of its flows. */
static const char deployment_sql[] =
    "SELECT name, tag, policy, mode, uid, argv, cwd, started_us, ended_us, NULL, status, NULL,"
    " CASE WHEN ended_us IS NULL THEN (SELECT ifnull(sum(count), 0) FROM flow WHERE deployment = id AND"
    " verdict = 'deny' AND NOT probe) ELSE denied END,"
    " CASE WHEN ended_us IS NULL THEN (SELECT ifnull(sum(count), 0) FROM flow WHERE deployment = id AND"
    " verdict = 'would-deny' AND NOT probe) ELSE would END,"
    " CASE WHEN ended_us IS NULL THEN (SELECT ifnull(sum(count), 0) FROM flow WHERE deployment = id AND"
    " probe) ELSE probes END,"
    " lost, left_out, seen_us FROM deployment WHERE id = ?1";
/* The last one first. */
static const char choice_sql[] =
    "SELECT id FROM deployment WHERE (?1 IS NULL OR name = ?1) AND (?2 IS NULL OR tag = ?2)"
    " AND (?3 = 0 OR started_us >= ?3) AND (?5 < 0 OR uid = ?5)"
    " ORDER BY started_us DESC, id DESC LIMIT ?4";
enum {
    COLUMN_STARTED = 7,
    COLUMN_ENDED = 8,
    COLUMN_STATUS = 10,
    COLUMN_DENIED = 12,
    COLUMN_WOULD = 13,
    COLUMN_SEEN = 17
};

/* One that its daemon has not spoken of for so long was left by it. */
static bool lives(sqlite3_stmt *row)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return sqlite3_column_type(row, COLUMN_ENDED) == SQLITE_NULL &&
           now.tv_sec - sqlite3_column_int64(row, COLUMN_SEEN) / 1000000 <= 2 * NG_LEDGER_SEEN_S;
}

static int add_findings(sqlite3_stmt *row, json_t *document)
{
    int64_t started = sqlite3_column_int64(row, COLUMN_STARTED), ended = sqlite3_column_int64(row, COLUMN_ENDED);
    struct ng_ledger_facts facts = {.lives = lives(row),
                                    .ended = sqlite3_column_type(row, COLUMN_ENDED) != SQLITE_NULL,
                                    .has_status = sqlite3_column_type(row, COLUMN_STATUS) != SQLITE_NULL,
                                    .status = sqlite3_column_int(row, COLUMN_STATUS),
                                    .denied = sqlite3_column_int64(row, COLUMN_DENIED),
                                    .would = sqlite3_column_int64(row, COLUMN_WOULD)};
    json_t *duration = facts.ended ? json_real((double)(ended - started) / 1e6) : json_null();

    if (json_object_set_new(document, "duration_s", duration) < 0 ||
        json_object_set_new(document, "outcome", json_string(ng_ledger_outcome(&facts))) < 0)
        return -ENOMEM;
    return 0;
}

/* NULL: it is gone by now. */
static int read_deployment(sqlite3 *db, int64_t id, bool outline, json_t **ret_document)
{
    _cleanup_statement_ sqlite3_stmt *row = NULL;
    _cleanup_json_ json_t *document = NULL;
    int r, s;

    if (sqlite3_prepare_v2(db, deployment_sql, -1, &row, NULL) != SQLITE_OK ||
        sqlite3_bind_int64(row, 1, id) != SQLITE_OK)
        return -EIO;
    s = sqlite3_step(row);
    if (s == SQLITE_DONE)
        return 0;
    if (s != SQLITE_ROW)
        return -EIO;
    document = row_json(row, deployment_fields);
    r = document ? add_findings(row, document) : -ENOMEM;
    if (r == 0 && !outline)
        r = add_tables(db, id, document);
    if (r == 0)
        *ret_document = TAKE_PTR(document);
    return r;
}

/* Whoever is told may take his time (a pager, say): what is read is let go of before, or the journal of the database
 * could not be cut. */
static int show_deployment(sqlite3 *db, int64_t id, bool outline, ng_ledger_fn each, void *arg)
{
    _cleanup_json_ json_t *document = NULL;
    int r = sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK ? 0 : -EIO;

    if (r == 0)
        r = read_deployment(db, id, outline, &document);
    if (r == 0 && sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        r = -EIO;
    return r == 0 && document ? each(arg, document) : r;
}

static int bind_query(sqlite3_stmt *statement, const struct ng_ledger_query *query)
{
    if (sqlite3_bind_text(statement, 1, query->deployment, -1, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_bind_text(statement, 2, query->tag, -1, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_bind_int64(statement, 3, query->since_us) != SQLITE_OK ||
        sqlite3_bind_int64(statement, 4, query->last ? (int64_t)query->last : -1) != SQLITE_OK ||
        sqlite3_bind_int64(statement, 5, query->own ? (int64_t)query->uid : -1) != SQLITE_OK)
        return -EIO;
    return 0;
}

static int choose(sqlite3 *db, const struct ng_ledger_query *query, json_t *ids)
{
    _cleanup_statement_ sqlite3_stmt *statement = NULL;
    int r, s;

    if (sqlite3_prepare_v2(db, choice_sql, -1, &statement, NULL) != SQLITE_OK)
        return -EIO;
    r = bind_query(statement, query);
    while (r == 0 && (s = sqlite3_step(statement)) != SQLITE_DONE) {
        if (s != SQLITE_ROW)
            r = -EIO;
        else if (json_array_append_new(ids, json_integer(sqlite3_column_int64(statement, 0))) < 0)
            r = -ENOMEM;
    }
    return r;
}

static int read_deployments(sqlite3 *db, const struct ng_ledger_query *query, ng_ledger_fn each, void *arg)
{
    _cleanup_json_ json_t *ids = json_array();
    int r = ids ? choose(db, query, ids) : -ENOMEM;

    for (size_t i = json_array_size(ids); r == 0 && i-- > 0;)
        r = show_deployment(db, json_integer_value(json_array_get(ids, i)), query->outline, each, arg);
    return r;
}

/* --- the database */

/* Whether nobody can write there, so that nobody does: a copy, or what is mounted read-only. Without a journal SQLite
 * would make one. */
static bool is_still(const char *state_dir, const char *path)
{
    _cleanup_free_ char *journal = NULL;
    struct stat st;

    if (faccessat(AT_FDCWD, state_dir, W_OK, AT_EACCESS) == 0 || asprintf(&journal, "%s-wal", path) < 0)
        return false;
    return stat(journal, &st) < 0 || st.st_size == 0;
}

/* NULL: out of memory. */
static char *still_uri(const char *path)
{
    char *uri = malloc(strlen("file:") + 3 * strlen(path) + strlen("?immutable=1") + 1), *to;

    if (!uri)
        return NULL;
    to = stpcpy(uri, "file:");
    for (; *path; path++)
        to += sprintf(to, strchr("%?#", *path) ? "%%%02X" : "%c", *path);
    strcpy(to, "?immutable=1");
    return uri;
}

static int open_ledger(const char *state_dir, const char *path, sqlite3 **ret_db)
{
    _cleanup_free_ char *uri = NULL;

    if (faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) < 0)
        return -errno;
    if (is_still(state_dir, path) && !(uri = still_uri(path)))
        return -ENOMEM;
    if (sqlite3_open_v2(uri ? uri : path, ret_db, SQLITE_OPEN_READONLY | (uri ? SQLITE_OPEN_URI : 0), NULL) !=
            SQLITE_OK ||
        sqlite3_busy_timeout(*ret_db, BUSY_MS) != SQLITE_OK)
        return -EIO;
    return 0;
}

/* One that is still empty is being made. */
static int check_version(sqlite3 *db)
{
    _cleanup_statement_ sqlite3_stmt *statement = NULL;
    int version;

    if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW)
        return -EIO;
    version = sqlite3_column_int(statement, 0);
    return version == 0 ? -ENOENT : version > NG_LEDGER_VERSION ? -EPROTO : 0;
}

int ng_ledger_read(const char *state_dir, const struct ng_ledger_query *query, ng_ledger_fn each, void *arg,
                   char **ret_reason)
{
    _cleanup_free_ char *path = NULL;
    _cleanup_db_ sqlite3 *db = NULL;
    int r = asprintf(&path, "%s/ledger.db", state_dir) < 0 ? -ENOMEM : open_ledger(state_dir, path, &db);

    if (r == 0)
        r = check_version(db);
    if (r == 0)
        r = read_deployments(db, query, each, arg);
    *ret_reason = r == -EIO ? strdup(db ? sqlite3_errmsg(db) : "out of memory") : NULL;
    return r;
}
