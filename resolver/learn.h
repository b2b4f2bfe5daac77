/* SPDX-License-Identifier: BSD-2-Clause */
/* Learning: what an answer says of addresses, judged by every policy and written to the kernel before anybody is told.
 */
#ifndef NAMEGATE_LEARN_H
#define NAMEGATE_LEARN_H

#include "answer.h"
#include "canary.h"
#include "claims.h"
#include "tell.h"

struct ng_learn;
struct ng_tracked;

struct ng_learn_ops {
    struct ng_claims_ops claims;
    uint64_t (*now)(void *arg); /* ns, as ng_now() */
    /* A name leads to more than before, or has rules now, not by the answer for itself that is being learnt. */
    void (*changed)(void *arg, struct ng_tracked *tracked);
    /* A name that a live deployment was told has answers whose TTL is over: it should be asked for anew. */
    void (*expired)(void *arg, const struct ng_name *name);
    /* A name that is denied has an address that must not be. */
    void (*guarded)(void *arg, const struct ng_name *name, const uint8_t address[16]);
    void *arg;
};

/* start: floor, grace, guard and tracked_max count; its numbers must have been checked. */
int ng_learn_new(const struct ng_message_start *start, const struct ng_learn_ops *ops, struct ng_learn **ret_learn);
void ng_learn_free(struct ng_learn *learn);

/* See ng_claims_adopt(). */
int ng_learn_adopt(struct ng_learn *learn, const struct ng_destination_key *key,
                   const struct ng_destination *value);

/* A policy is about to be put in force (NULL: not any more): until then no name is let go that it has a rule for, or
 * that such a name leads to, as it is known and as it is learnt. */
void ng_learn_coming(struct ng_learn *learn, const struct ng_snapshot *snapshot);

/* Judges everything that is tracked by a new policy and puts it in force. Owns the snapshot on success; on failure
 * -errno, and the old one stays. */
int ng_learn_snapshot(struct ng_learn *learn, struct ng_snapshot *snapshot);
const struct ng_snapshot *ng_learn_policy(const struct ng_learn *learn);

/* Whether an answer says something that a rule of the snapshot (NULL: the one in force), or a name with one, could
 * depend on. */
bool ng_learn_matters(const struct ng_learn *learn, const struct ng_answer *answer, const struct ng_snapshot *snapshot);

/* Learns an answer. Returns 0 when every write that it needs has succeeded, and the resolution; the answer must
 * not be given else. *ret_tracked is NULL where too many are tracked and no rule matches. -E2BIG:
 * destinations is full; -ENOSPC: too many are tracked; or another -errno. */
int ng_learn_answer(struct ng_learn *learn, const struct ng_answer *answer, struct ng_tracked **ret_tracked);

/* A name could not be resolved: what is denied because of it stays denied for longer; of one that leads to very many
 * names, what the first of these deny for themselves. */
void ng_learn_failed(struct ng_learn *learn, const struct ng_name *name);

/* A process of a deployment is about to be told a resolution (withheld: or not, or would not be): gives the deployment
 * its leases. *ret_tell: the keeper should be informed. Errors as with ng_learn_answer(). */
int ng_learn_told(struct ng_learn *learn, struct ng_tracked *tracked, const struct ng_asker *asker, bool withheld,
                  bool *ret_tell);

/* What a policy wants a name to be answered, enum ng_answer_kind, and which name of its chain is denied; NULL: none.
 * The truth to a deployment (scope) that has a grant for it. */
uint8_t ng_learn_answer_kind(struct ng_learn *learn, struct ng_tracked *tracked, uint32_t scope, uint32_t policy,
                             const struct ng_tracked **ret_denied);

/* A deployment may reach all that a name leads to, now and by later answers, until then (ns; 0: no more). Errors as
 * with ng_learn_answer(); the rest is in force then. */
int ng_learn_grant(struct ng_learn *learn, uint32_t scope, const struct ng_name *name, uint64_t until);

/* A deployment's canaries are denied to it until then (ns); number 0: no more. */
int ng_learn_canary(struct ng_learn *learn, uint32_t scope, uint64_t number, uint64_t until);
const ng_canaries *ng_learn_canaries(const struct ng_learn *learn);

/* The decoy of a name, for IPv4 or IPv6, denied like the name itself. Errors as with ng_learn_answer(). */
int ng_learn_decoy(struct ng_learn *learn, struct ng_tracked *tracked, bool v4, uint8_t ret_address[16]);

/* Whether the kernel still has all that stands for a name's addresses, for everybody and for one deployment (scope; 0:
 * for none). Returns how many destinations had to be written again, or -errno: then it must not be told. */
int ng_learn_intact(struct ng_learn *learn, struct ng_tracked *tracked, uint32_t scope);
/* Leaves that to whoever sends the answer to a question for `name`: appends what it rests on to what is gathered
 * (ng_claims_gather()). Returns 0, or -ENOBUFS or -ENOMEM: what was not appended is left to ng_learn_intact(). */
int ng_learn_expect(struct ng_learn *learn, struct ng_tracked *tracked, uint32_t scope, const struct ng_name *name);
void ng_learn_gather(struct ng_learn *learn, struct ng_expectations *expectations);
/* ng_learn_intact() for those of the expectations that have a bit in `differ`. *ret_name: who asked for the first that
 * was not there, or NULL. */
int ng_learn_meet(struct ng_learn *learn, const struct ng_expectations *expectations, uint64_t differ,
                  const struct ng_name **ret_name);
/* See ng_claims_check_some(). */
int ng_learn_check(struct ng_learn *learn, size_t max, size_t *restored, bool *ret_all);

/* Whether deployments live. */
bool ng_learn_lives(const struct ng_learn *learn);
void ng_learn_deployment(struct ng_learn *learn, uint32_t scope, bool ended, uint64_t oldest);

/* Lets go of what is over, a part at a time. Returns how many destinations were erased. */
size_t ng_learn_collect(struct ng_learn *learn);

/* What is learnt until the next call belongs together: no name of one answer is let go for that of another. And what
 * was seen in the kernel before has to be looked for again (ng_claims_turn()). */
void ng_learn_turn(struct ng_learn *learn);

/* Tells the keeper what the name leads to. */
void ng_learn_announce(struct ng_learn *learn, struct ng_tracked *tracked, ng_tell_fn tell, void *arg);

/* Finds what is tracked of the name; NULL when it is not the same as then, when it had that id (0: none). */
struct ng_tracked *ng_learn_find(const struct ng_learn *learn, const struct ng_name *name, uint64_t id);

size_t ng_learn_tracked(const struct ng_learn *learn);
/* Counts the names that were let go. */
uint64_t ng_learn_drops(const struct ng_learn *learn);
size_t ng_learn_destinations(const struct ng_learn *learn);

#endif
