/* SPDX-License-Identifier: BSD-2-Clause */
/* What the keeper counts, beside the resolver (resolver/stats.h) and in memory of the same kind: the keeper writes it,
 * and whoever serves metrics reads it. What the kernel and others count is put there about every three seconds.
 *
 * Only the first NG_TALLY_TAGS tags are told apart, for good; all others are one. */
#ifndef NAMEGATE_TALLY_H
#define NAMEGATE_TALLY_H

#include "log.h"

#include <namegate/abi.h>

#include <stdbool.h>
#include <stdint.h>

#define NG_TALLY_TAGS 32
#define NG_TALLY_OTHER NG_TALLY_TAGS /* the slot of all other tags, and of one that is called so */
#define NG_TALLY_OTHER_NAME "other"

enum ng_tally_verdict { NG_TALLY_DENY, NG_TALLY_WOULD, NG_TALLY_VERDICTS };

/* As in records. */
enum ng_tally_evidence {
    NG_TALLY_ADDRESS,
    NG_TALLY_ASKED,
    NG_TALLY_PREWARMED,
    NG_TALLY_DECOY,
    NG_TALLY_SHARED,
    NG_TALLY_NETWORK,
    NG_TALLY_STRICT,
    NG_TALLY_RESOLVER,
    NG_TALLY_RAW,
    NG_TALLY_ABANDONED,
    NG_TALLY_NONE, /* and all that has no place of its own */
    NG_TALLY_EVIDENCES,
};

/* As in the ledger, of those that ended. */
enum ng_tally_outcome {
    NG_TALLY_CLEAN,
    NG_TALLY_WOULD_BLOCK,
    NG_TALLY_RECOVERED,
    NG_TALLY_FAILED,
    NG_TALLY_UNKNOWN,
    NG_TALLY_OUTCOMES,
};

enum ng_tally_count {
    NG_TALLY_PROBES,
    NG_TALLY_RESTARTS,      /* of the resolver */
    NG_TALLY_LOST_EVENTS,   /* denials without a record */
    NG_TALLY_LOST_DEEDS,    /* what processes did, or reached, without a record */
    NG_TALLY_LOST_MESSAGES, /* of the resolver to the keeper */
    NG_TALLY_LEDGER_LOST,
    NG_TALLY_COUNTS,
};

enum ng_tally_gauge {
    NG_TALLY_RESOLVER_RUNS,    /* 1 or 0; so are those without a number */
    NG_TALLY_DESTINATIONS_MAX, /* number */
    NG_TALLY_LEDGER_WAITING,   /* number of rows to be written */
    NG_TALLY_LEDGER_TROUBLE,
    NG_TALLY_INCIDENT,         /* for all */
    NG_TALLY_INCIDENTS,        /* number of those for one tag */
    NG_TALLY_GRANTS,           /* number */
    NG_TALLY_ESCALATED,
    NG_TALLY_GAUGES,
};

/* What a reader gets. */
struct ng_tally_tag {
    char name[NG_TAG_LEN];
    uint64_t live, started;
    uint64_t ended[NG_TALLY_OUTCOMES];
    uint64_t denials[NG_TALLY_VERDICTS]; /* without probes */
};

struct ng_tally_copy {
    uint64_t written_at; /* ns */
    uint64_t hook[NG_HOOK_MAX][NG_TALLY_VERDICTS];            /* all: probes, and those that were not recorded */
    uint64_t evidence[NG_TALLY_EVIDENCES][NG_TALLY_VERDICTS]; /* without probes */
    uint64_t count[NG_TALLY_COUNTS];
    uint64_t gauge[NG_TALLY_GAUGES];
    unsigned tags;                               /* with a slot of their own, from 0 on */
    struct ng_tally_tag tag[NG_TALLY_TAGS + 1]; /* the last is NG_TALLY_OTHER, without a name */
};

/* --- reading */

struct ng_tally_memory;

/* 0, -EBADMSG or another -errno. */
int ng_tally_map(int fd, struct ng_tally_memory **ret_memory);
void ng_tally_unmap(struct ng_tally_memory *memory);
/* Not a moment's: what is written meanwhile may be in it or not. */
void ng_tally_read(const struct ng_tally_memory *memory, struct ng_tally_copy *ret_copy);

/* "deny", "asked", "blocked-failed". */
const char *ng_tally_verdict_name(enum ng_tally_verdict verdict);
const char *ng_tally_evidence_name(enum ng_tally_evidence evidence);
const char *ng_tally_outcome_name(enum ng_tally_outcome outcome);

/* --- writing */

struct ng_tally;

int ng_tally_new(struct ng_error *error, struct ng_tally **ret_tally);
void ng_tally_free(struct ng_tally *tally);
/* The memory, for others to read; it stays the tally's. */
int ng_tally_fd(const struct ng_tally *tally);
const struct ng_tally_memory *ng_tally_memory(const struct ng_tally *tally);

/* The slot of a tag, which must be valid (ng_tag_valid()). */
unsigned ng_tally_slot(struct ng_tally *tally, const char *tag);

/* A deployment with that slot is there, its command runs, it has ended (outcome: as ng_ledger_outcome() calls it), it
 * is there no more. */
void ng_tally_live(struct ng_tally *tally, unsigned slot, bool there);
void ng_tally_started(struct ng_tally *tally, unsigned slot);
void ng_tally_ended(struct ng_tally *tally, unsigned slot, const char *outcome);

/* A record of a denial: flags, hook and, by its name in records, evidence. */
void ng_tally_denial(struct ng_tally *tally, unsigned slot, const struct ng_event *event, const char *evidence);

uint64_t ng_tally_probes(const struct ng_tally *tally);
uint64_t ng_tally_hooked(const struct ng_tally *tally, enum ng_hook hook, enum ng_tally_verdict verdict);

/* What others count. */
void ng_tally_hook(struct ng_tally *tally, enum ng_hook hook, enum ng_tally_verdict verdict, uint64_t count);
void ng_tally_set(struct ng_tally *tally, enum ng_tally_count what, uint64_t count);
void ng_tally_gauge(struct ng_tally *tally, enum ng_tally_gauge what, uint64_t value);
/* All of it was put there. */
void ng_tally_written(struct ng_tally *tally);

#endif
