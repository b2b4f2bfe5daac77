// SPDX-License-Identifier: BSD-2-Clause
/* What a transaction that failed left in memory is taken back too: `struct known` counts what is in the file. */
#include "database.h"

#include "schema.h"
#include "statements.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define BUSY_MAX (2 * NG_SECOND)
#define BUSY_SLEEP_US 5000
#define OVER_US 600000000LL /* of one whose end nobody saw: its daemon was silent for so long */
#define DELETED_AT_ONCE 16

/* A deployment that this process writes. */
struct known {
    struct known *next;
    int64_t id;
    struct ng_row *start; /* to be written again into a new file; NULL: it was adopted */
    bool read;            /* the rest is as in the file */
    bool over;            /* to be forgotten once this is written */
    unsigned rows[NG_ROW_KINDS];
    int64_t denied, would, probes, left_out; /* to be added */
};

struct ng_database {
    char *state_dir, *path;
    sqlite3 *db;
    dev_t device; /* of the file that is open */
    ino_t inode;
    struct ng_statements statements;
    struct known *known; /* the last used first */
    const char *trouble;
    unsigned set_aside;
    uint64_t busy_since;
    _Atomic uint64_t hurry;
};

int ng_database_new(const char *state_dir, struct ng_database **ret_database)
{
    struct ng_database *database = calloc(1, sizeof(*database));

    if (!database)
        return -ENOMEM;
    database->hurry = UINT64_MAX;
    database->state_dir = strdup(state_dir);
    if (!database->state_dir || asprintf(&database->path, "%s/ledger.db", state_dir) < 0) {
        free(database->state_dir);
        free(database);
        return -ENOMEM;
    }
    *ret_database = database;
    return 0;
}

static void close_file(struct ng_database *database)
{
    ng_statements_close(&database->statements);
    (void)sqlite3_close(database->db);
    database->db = NULL;
    for (struct known *known = database->known; known; known = known->next)
        known->read = false;
}

static void forget(struct known *known)
{
    free(known->start);
    free(known);
}

void ng_database_free(struct ng_database *database)
{
    if (!database)
        return;
    close_file(database);
    while (database->known) {
        struct known *next = database->known->next;

        forget(database->known);
        database->known = next;
    }
    free(database->state_dir);
    free(database->path);
    free(database);
}

void ng_database_hurry(struct ng_database *database, uint64_t until)
{
    database->hurry = until;
}

const char *ng_database_trouble(const struct ng_database *database)
{
    return database->trouble;
}

unsigned ng_database_set_aside(const struct ng_database *database)
{
    return database->set_aside;
}

static int on_busy(void *arg, int times)
{
    struct ng_database *database = arg;
    uint64_t now = ng_now();

    if (times == 0)
        database->busy_since = now;
    if (now - database->busy_since >= BUSY_MAX || now >= database->hurry)
        return 0;
    (void)usleep(BUSY_SLEEP_US);
    return 1;
}

/* Remembers why SQLite failed, and returns a -errno for it. */
static int failed(struct ng_database *database)
{
    int code = database->db ? sqlite3_errcode(database->db) : SQLITE_NOMEM;
    int system = database->db ? sqlite3_system_errno(database->db) : 0;

    switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        database->trouble = "it is corrupt and cannot be set aside";
        return -EUCLEAN;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        database->trouble = "another process keeps it locked";
        return -EBUSY;
    case SQLITE_FULL:
        database->trouble = "the disk is full";
        return -ENOSPC;
    case SQLITE_READONLY:
        database->trouble = "the state directory cannot be written";
        return -EROFS;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        database->trouble = system ? strerrordesc_np(system) : sqlite3_errstr(code);
        return system ? -system : -EIO;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
        return -EINVAL; /* of one row */
    default:
        database->trouble = sqlite3_errstr(code);
        return code == SQLITE_NOMEM ? -ENOMEM : -EIO;
    }
}

static int run(struct ng_database *database, const char *sql)
{
    return sqlite3_exec(database->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : failed(database);
}

/* The file that is open has lost its name: somebody deleted it, or another process set it aside. */
static bool is_stale(const struct ng_database *database)
{
    struct stat st;

    return stat(database->path, &st) < 0 || st.st_dev != database->device || st.st_ino != database->inode;
}

/* SQLite would make it 0644. Closed before SQLite opens it: to close a file drops all locks of the process on it. */
static int make_file(struct ng_database *database)
{
    int file = open(database->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct stat st;
    int r = file < 0 || fstat(file, &st) < 0 ? -errno : 0;

    (void)ng_close(file);
    if (r < 0) {
        database->trouble = strerrordesc_np(-r);
        return r;
    }
    database->device = st.st_dev;
    database->inode = st.st_ino;
    return 0;
}

static int try_open(struct ng_database *database)
{
    int r = make_file(database);

    if (r < 0)
        return r;
    r = sqlite3_open_v2(database->path, &database->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK
            ? 0
            : failed(database);

    if (r == 0) {
        (void)sqlite3_busy_handler(database->db, on_busy, database);
        r = ng_ledger_migrate(database->db);
        if (r == -EPROTO)
            database->trouble = "it is of a newer namegate";
        else if (r < 0)
            r = failed(database);
    }
    if (r == 0)
        r = run(database, "PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 4194304");
    if (r == 0 && ng_statements_open(&database->statements, database->db) < 0)
        r = failed(database);
    if (r < 0)
        close_file(database);
    return r;
}

static int move_aside(const struct ng_database *database, const char *suffix)
{
    _cleanup_free_ char *from = NULL, *to = NULL;

    if (asprintf(&from, "%s%s", database->path, suffix) < 0 ||
        asprintf(&to, "%s.corrupt%s", database->path, suffix) < 0)
        return -ENOMEM;
    return rename(from, to) == 0 || errno == ENOENT ? 0 : -errno;
}

/* The last one that was set aside is replaced. Its log goes with it, for whoever wants to repair it. */
static int set_aside(struct ng_database *database)
{
    static const char *const suffixes[] = {"-shm", "-wal", ""};
    int r = 0;

    if (is_stale(database))
        return 0; /* another was faster */
    for (unsigned i = 0; r == 0 && i < 3; i++)
        r = move_aside(database, suffixes[i]);
    database->set_aside += r == 0;
    return r;
}

/* One process at a time, lest one sets aside what another has begun. Where the directory cannot be opened, nothing in
 * it can be renamed either. */
static int reopen(struct ng_database *database, bool corrupt)
{
    _cleanup_fd_ int lock = open(database->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r;

    close_file(database);
    if (lock >= 0)
        (void)flock(lock, LOCK_EX);
    r = corrupt ? set_aside(database) : 0;
    if (r == 0)
        r = try_open(database);
    if (r == -EUCLEAN && !corrupt && set_aside(database) == 0)
        r = try_open(database);
    if (r == 0)
        database->trouble = NULL;
    return r;
}

int ng_database_open(struct ng_database *database)
{
    return database->db && !is_stale(database) ? 0 : reopen(database, false);
}

static struct known *find_known(struct ng_database *database, int64_t id)
{
    struct known **at = &database->known, *known;

    while (*at && (*at)->id != id)
        at = &(*at)->next;
    known = *at;
    if (known) {
        *at = known->next;
    } else {
        known = calloc(1, sizeof(*known));
        if (!known)
            return NULL;
        known->id = id;
    }
    known->next = database->known;
    database->known = known;
    return known;
}

/* What is in the file of it counts towards its bounds. One that was deleted is begun anew. -ENOENT: there is none. */
static int read_known(struct ng_database *database, struct known *known)
{
    struct ng_statements_counts counts = {0};
    int r;

    if (known->read)
        return 0;
    r = ng_statements_count(&database->statements, known->id, &counts);
    if (r == -ENOENT && known->start)
        r = ng_statements_insert(&database->statements, known->start);
    if (r < 0)
        return r == -ENOENT ? r : failed(database);
    memcpy(known->rows, counts.rows, sizeof(known->rows));
    known->read = true;
    return 0;
}

static unsigned bound(enum ng_row_kind kind)
{
    static const unsigned bounds[NG_ROW_KINDS] = {[NG_ROW_LINEAGE] = NG_LEDGER_LINEAGES_MAX,
                                                  [NG_ROW_PROCESS] = NG_LEDGER_PROCESSES_MAX,
                                                  [NG_ROW_RESOLUTION] = NG_LEDGER_RESOLUTIONS_MAX,
                                                  [NG_ROW_FLOW] = NG_LEDGER_FLOWS_MAX,
                                                  [NG_ROW_SHADOW] = NG_LEDGER_FLOWS_MAX};

    return bounds[kind];
}

static void add_up(struct known *known, const struct ng_row *row)
{
    if (row->kind != NG_ROW_FLOW)
        return;
    if (row->number[NG_FLOW_PROBE])
        known->probes += row->number[NG_FLOW_COUNT];
    else if (strcmp(row->text[NG_FLOW_VERDICT], "deny") == 0)
        known->denied += row->number[NG_FLOW_COUNT];
    else if (strcmp(row->text[NG_FLOW_VERDICT], "would-deny") == 0)
        known->would += row->number[NG_FLOW_COUNT];
}

/* More of a row that is there, or a new one while there is room. */
static int write_detail(struct ng_database *database, struct known *known, const struct ng_row *row)
{
    int r;

    add_up(known, row);
    r = ng_statements_update(&database->statements, row);
    if (r != 0) /* it was there, or it failed */
        return r < 0 ? failed(database) : 0;
    if (known->rows[row->kind] >= bound(row->kind) || (row->kind == NG_ROW_LINEAGE && !row->text[NG_LINEAGE_ARGV])) {
        known->left_out++;
        return 0;
    }
    if (ng_statements_insert(&database->statements, row) < 0)
        return failed(database);
    known->rows[row->kind]++;
    return 0;
}

static int write_sums(struct ng_database *database, struct known *known)
{
    if ((known->denied || known->would || known->probes || known->left_out) &&
        ng_statements_add(&database->statements, known->id, known->denied, known->would, known->probes,
                          known->left_out) < 0)
        return failed(database);
    known->denied = known->would = known->probes = known->left_out = 0;
    return 0;
}

static int write_row(struct ng_database *database, struct known *known, const struct ng_row *row)
{
    int r;

    if (row->kind == NG_ROW_START) {
        if (!known->start)
            known->start = ng_row_copy(NG_ROW_START, row->number, row->text);
        return ng_statements_insert(&database->statements, row) < 0 ? failed(database) : 0;
    }
    r = read_known(database, known);
    if (r < 0)
        return r;
    if (row->kind != NG_ROW_FINISH)
        return write_detail(database, known, row);
    known->over = true;
    r = write_sums(database, known); /* which it is compared with */
    if (r < 0)
        return r;
    return ng_statements_update(&database->statements, row) < 0 ? failed(database) : 0;
}

static void settle(struct ng_database *database, bool written)
{
    struct known **at = &database->known;

    while (*at) {
        struct known *known = *at;

        known->denied = known->would = known->probes = known->left_out = 0;
        if (written && (known->over || (!known->start && !known->read))) {
            *at = known->next;
            forget(known);
            continue;
        }
        known->over = false;
        known->read = known->read && written;
        at = &known->next;
    }
}

static int write_rows(struct ng_database *database, const struct ng_rows *rows, uint64_t *ret_lost)
{
    uint64_t lost = 0;
    int r = run(database, "BEGIN IMMEDIATE");

    for (const struct ng_row *row = rows->first; r == 0 && row; row = row->next) {
        struct known *known = find_known(database, row->number[0]);

        r = known ? write_row(database, known, row) : -ENOMEM;
        if (r == -ENOENT || r == -EINVAL) { /* the rest is no worse for it */
            known->read = false;
            lost++;
            r = 0;
        }
    }
    for (struct known *known = database->known; r == 0 && known; known = known->next)
        r = write_sums(database, known);
    if (r == 0)
        r = run(database, "COMMIT");
    if (r < 0 && database->db && !sqlite3_get_autocommit(database->db))
        (void)sqlite3_exec(database->db, "ROLLBACK", NULL, NULL, NULL);
    settle(database, r == 0);
    if (r == 0)
        *ret_lost = lost;
    return r;
}

/* Once more, where a file that is corrupt makes room for another. */
int ng_database_write(struct ng_database *database, const struct ng_rows *rows, uint64_t *ret_lost)
{
    int r = ng_database_open(database);

    if (r == 0)
        r = write_rows(database, rows, ret_lost);
    if (r == -EUCLEAN) {
        r = reopen(database, true);
        if (r == 0)
            r = write_rows(database, rows, ret_lost);
    }
    if (r == 0)
        database->trouble = NULL;
    else if (r != -EBUSY)
        close_file(database); /* what an error left behind is not relied on */
    return r;
}

static uint64_t size_of(const struct ng_database *database)
{
    int64_t pages = ng_statements_pragma(database->db, "PRAGMA page_count");
    int64_t unused = ng_statements_pragma(database->db, "PRAGMA freelist_count");

    return (uint64_t)(pages - unused) * (uint64_t)ng_statements_pragma(database->db, "PRAGMA page_size");
}

bool ng_database_exceeds(const struct ng_database *database, uint64_t bytes)
{
    return database->db && size_of(database) > bytes;
}

/* The oldest of those that are over go, a few at a time, so that other writers get their turn. */
static int delete_over(struct ng_database *database, const struct ng_ledger_limits *limits, int64_t now_us)
{
    int64_t oldest = now_us - (int64_t)limits->days * 86400 * 1000000;
    bool more = true;
    int r = 0;

    while (r == 0 && more) {
        r = ng_statements_delete(&database->statements, oldest, now_us - OVER_US, DELETED_AT_ONCE);
        more = r == DELETED_AT_ONCE;
        r = r < 0 ? failed(database) : 0;
    }
    while (r == 0 && size_of(database) > limits->bytes) {
        r = ng_statements_delete(&database->statements, INT64_MAX, now_us - OVER_US, 1);
        if (r == 0)
            break; /* all that is left lives */
        r = r < 0 ? failed(database) : 0;
    }
    return r;
}

int ng_database_retain(struct ng_database *database, const struct ng_ledger_limits *limits, int64_t now_us)
{
    int r = ng_database_open(database);

    if (r < 0)
        return r;
    for (const struct known *known = database->known; r == 0 && known; known = known->next)
        r = ng_statements_seen(&database->statements, known->id, now_us) < 0 ? failed(database) : 0;
    if (r == 0)
        r = delete_over(database, limits, now_us);
    /* The file only becomes shorter when the log is written back. */
    return r == 0 ? run(database, "PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(PASSIVE)") : r;
}

int ng_database_adopt(struct ng_database *database, const char *name, struct ng_ledger_adopted *ret_adopted)
{
    struct ng_ledger_adopted adopted;
    struct known *known;
    int r = ng_database_open(database);

    if (r == 0)
        r = ng_statements_adopt(&database->statements, name, &adopted);
    if (r < 0)
        return -ENOENT;
    known = find_known(database, adopted.id);
    if (!known)
        return -ENOMEM;
    (void)read_known(database, known);
    *ret_adopted = adopted;
    return 0;
}
