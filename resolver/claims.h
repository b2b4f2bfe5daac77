/* SPDX-License-Identifier: BSD-2-Clause */
/* What `destinations` holds: the resolver's own table of it, and the only writer. Knows nothing of names. */
#ifndef NAMEGATE_CLAIMS_H
#define NAMEGATE_CLAIMS_H

#include "../policy/snapshot.h"

struct ng_claims;

typedef int (*ng_destination_fn)(void *arg, const struct ng_destination_key *key, const struct ng_destination *value);

/* Where claims are written: the map in the kernel, or a table of a test. Each returns 0 or -errno. */
struct ng_claims_ops {
    /* -ENOENT: it is not there. */
    int (*read)(void *arg, const struct ng_destination_key *key, struct ng_destination *ret_value);
    /* For NG_EXPECTED_MAX at most, a bit for each that is not there so. -EOPNOTSUPP, or another error: read them one by
     * one. */
    int (*verify)(void *arg, const struct ng_expected *expected, unsigned count, uint64_t *ret_differ);
    /* It may wait, and be done with others before anything leaves the process: a reply, or a message to the keeper.
     * When it fails then, no reply of that turn says more than SERVFAIL, and the destination is one that is missing. */
    int (*write)(void *arg, const struct ng_destination_key *key, const struct ng_destination *value);
    /* A key that is not there is no error. */
    int (*erase)(void *arg, const struct ng_destination_key *keys, size_t count);
    void *arg;
};

int ng_claims_new(const struct ng_claims_ops *ops, struct ng_claims **ret_claims);
void ng_claims_free(struct ng_claims *claims);

/* Takes over what an earlier resolver wrote. Nobody knows any more which names it came from, so it stays to its end,
 * whatever later policies say. */
int ng_claims_adopt(struct ng_claims *claims, const struct ng_destination_key *key,
                    const struct ng_destination *value);

/* Time has passed, or a write that waited has failed: what was seen in the kernel, or written to it, may be gone. */
void ng_claims_turn(struct ng_claims *claims);

/* Adds claims to a destination and writes it; where they say nothing new, as ng_claims_check(). Claims with the same
 * profile are one, with the later end; where there are more than NG_CLAIMS_MAX, those that deny become one that denies
 * all. Returns 0, or the writer's -errno or -ENOMEM: then nothing has changed. */
int ng_claims_add(struct ng_claims *claims, const struct ng_snapshot *snapshot,
                  const struct ng_destination_key *key, const struct ng_claim *list, unsigned count);

/* Whether the kernel still has what was written, as far as that was not seen in this turn: others with privileges could
 * have taken it away. If not, it is written again. Returns 1 when it had to be, 0 when nothing was missing, or -errno
 * of the writer. */
int ng_claims_check(struct ng_claims *claims, const struct ng_destination_key *key);
/* The same for some `max` destinations, the next ones with each call; adds to *restored how many were written again.
 * Returns 0, or the first -errno: what cannot be written is tried again when its turn comes next. *ret_all: these were
 * the last, the next call begins anew. */
int ng_claims_check_some(struct ng_claims *claims, size_t max, size_t *restored, bool *ret_all);

/* What answers rest on: destinations that must be in the kernel when they leave, and the name that was asked for. */
struct ng_expectations {
    struct ng_expected *item; /* NG_EXPECTED_MAX */
    const struct ng_name *name[NG_EXPECTED_MAX];
    unsigned count;
};

/* From now on answers may leave what they rest on to their sender: it is appended there. NULL: from now on not. */
void ng_claims_gather(struct ng_claims *claims, struct ng_expectations *expectations);

/* Appends a destination, unless it was seen in this turn, or is nothing that was written: from now on it counts as
 * seen, for what answers rest on is looked for before they leave. Returns 0, or -ENOBUFS: there is no room, nothing
 * was changed. */
int ng_claims_expect(struct ng_claims *claims, const struct ng_destination_key *key, const struct ng_name *name);

/* ng_claims_check() will be called for it in this turn. Returns whether it has to be looked for. */
int ng_claims_foresee(struct ng_claims *claims, const struct ng_destination_key *key);
/* Looks for all that are foreseen, many at once. */
void ng_claims_verify(struct ng_claims *claims);

/* Makes the claims of a destination adopted ones: the names that they came from are being forgotten. */
void ng_claims_orphan(struct ng_claims *claims, const struct ng_destination_key *key);

/* Removes claims that are over for everybody: expired by `now`, and before `oldest`, the start of the oldest
 * deployment. Looks at a part of the table at a time. Returns how many destinations were erased. */
size_t ng_claims_collect(struct ng_claims *claims, uint64_t now, uint64_t oldest);

/* Takes all claims of a scope with this profile away. What cannot be written stays to its end. */
void ng_claims_revoke(struct ng_claims *claims, uint32_t scope, uint64_t profile);

/* Erases all destinations of a scope. Returns how many. */
size_t ng_claims_end(struct ng_claims *claims, uint32_t scope);

/* A new policy: begin, say with want() everything that shall hold, then commit. Commit writes first what is new, then
 * takes away what is gone; when the first part fails it is undone, and all is as it was. Begin and want return 0 or
 * -ENOMEM; after a failure, abort. */
int ng_claims_begin(struct ng_claims *claims);
int ng_claims_want(struct ng_claims *claims, const struct ng_snapshot *snapshot,
                   const struct ng_destination_key *key, const struct ng_claim *list, unsigned count);
int ng_claims_commit(struct ng_claims *claims, const struct ng_snapshot *snapshot);
void ng_claims_abort(struct ng_claims *claims);

size_t ng_claims_count(const struct ng_claims *claims);

#endif
