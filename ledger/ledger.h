/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing the ledger (schema.h says what stands in it). The keeper's thread hands rows over and never waits: a thread
 * of the ledger's own writes them, many in one transaction, at most NG_LEDGER_DELAY_MS later; at once where a
 * deployment begins or ends. What is the same is added up before it is handed on. What cannot be written, because the
 * disk is full, say, is tried again every second and goes in as soon as it can. Bounded: what comes while
 * NG_LEDGER_QUEUE_MAX rows wait is lost and counted. All functions but ng_ledger_sync() are for one thread. Strings and
 * JSON are copied. */
#ifndef NAMEGATE_LEDGER_H
#define NAMEGATE_LEDGER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define NG_LEDGER_DELAY_MS 250
#define NG_LEDGER_QUEUE_MAX 65536

struct ng_ledger;

struct ng_ledger_limits {
    unsigned days;  /* deployments that ended longer ago go */
    uint64_t bytes; /* of the file: the oldest that ended go first, until it is smaller */
};

/* Opens or makes STATE-DIR/ledger.db (0600), brings it up to date and starts the writer. A database that SQLite finds
 * corrupt, now or later, is set aside as ledger.db.corrupt and a new one is begun; one that was deleted is begun anew,
 * too. Where none can be had (see ng_ledger_trouble()), it is tried again later. -ENOMEM, or why there is no thread. */
int ng_ledger_open(const char *state_dir, const struct ng_ledger_limits *limits, struct ng_ledger **ret_ledger);

/* Writes all that waits, for at most two seconds, and closes it. NULL is fine. Returns how many rows could not be. */
unsigned ng_ledger_free(struct ng_ledger *ledger);

struct ng_ledger_state {
    uint64_t lost;       /* events that were lost since it was opened, */
    uint64_t lost_at;    /* when (ns of ng_now()) */
    const char *because; /* and why the last of them was; NULL: none was */
    const char *trouble; /* why it cannot be written at this time, a constant; NULL: it can */
    unsigned waiting;    /* rows */
    unsigned set_aside;  /* how often a corrupt one was, since it was opened */
};
void ng_ledger_state(struct ng_ledger *ledger, struct ng_ledger_state *ret_state);

/* Rows that were handed over by now; and whether so many are written, or will not be soon. */
uint64_t ng_ledger_handed(struct ng_ledger *ledger);
bool ng_ledger_written(struct ng_ledger *ledger, uint64_t handed);

/* Has what was handed over so far written at once, and waits for that for at most so many ns, so that whoever reads the
 * ledger then finds it there. For any thread but the one that hands over, which must not wait. */
void ng_ledger_sync(struct ng_ledger *ledger, uint64_t timeout);

struct ng_ledger_deployment {
    int64_t id;
    const char *name, *tag, *policy, *mode;
    uid_t uid;
    const json_t *argv; /* or NULL */
    const char *cwd;    /* or NULL */
    int64_t started_us;
};

/* A deployment of an earlier daemon that goes on: its id and the highest numbers used, by its name. -ENOENT. Waits for
 * the database; only for the start of the daemon. */
struct ng_ledger_adopted {
    int64_t id;
    uint32_t lineages, processes;
};
int ng_ledger_adopt(struct ng_ledger *ledger, const char *name, struct ng_ledger_adopted *ret_adopted);

void ng_ledger_start(struct ng_ledger *ledger, const struct ng_ledger_deployment *deployment);

struct ng_ledger_end {
    int64_t deployment;
    int64_t ended_us;
    bool has_status;
    int status; /* wait(2) */
    uint64_t denied, would, probes, lost, left_out;
};
void ng_ledger_finish(struct ng_ledger *ledger, const struct ng_ledger_end *end);

/* A new row of the tree, or (processes > 0 and argv NULL) more processes of one that is there. */
struct ng_ledger_lineage {
    int64_t deployment;
    uint32_t number, parent;
    const json_t *argv;
    const char *path, *comm;
    uint32_t processes; /* to be added */
};
void ng_ledger_add_lineage(struct ng_ledger *ledger, const struct ng_ledger_lineage *lineage);

/* Inserts, or replaces lineage and end of the one with this number. */
struct ng_ledger_process {
    int64_t deployment;
    uint32_t number, parent, lineage;
    pid_t pid;
    uid_t uid;
    int64_t started_us;
    int64_t ended_us; /* 0: it lives */
    int status;       /* wait(2), when it has ended */
};
void ng_ledger_add_process(struct ng_ledger *ledger, const struct ng_ledger_process *process);

struct ng_ledger_resolution {
    int64_t deployment;
    uint32_t lineage;
    const char *name;
    const json_t *chain, *addresses;
    int64_t time_us;
};
void ng_ledger_add_resolution(struct ng_ledger *ledger, const struct ng_ledger_resolution *resolution);

struct ng_ledger_flow {
    int64_t deployment;
    uint32_t lineage;
    const char *name; /* or NULL */
    const json_t *chain, *names;
    const char *address, *proto, *verdict, *evidence, *hook;
    const char *error; /* or NULL */
    uint16_t port;
    pid_t pid;
    uid_t uid;
    const char *comm;
    const json_t *rule; /* or NULL */
    const char *reason, *instead;
    bool probe, incident;
    uint32_t count;
    int64_t time_us;
    const char *shadow_verdict; /* NULL: a row of `flow`, else of `shadow` */
    const json_t *shadow_rule;
};
/* Adds it to one that waits to be written and returns true; false: none does, and it is to be added with its JSON. */
bool ng_ledger_count_flow(struct ng_ledger *ledger, const struct ng_ledger_flow *flow);
void ng_ledger_add_flow(struct ng_ledger *ledger, const struct ng_ledger_flow *flow);

#endif
