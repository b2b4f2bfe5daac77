/* SPDX-License-Identifier: BSD-2-Clause */
/* What is known of names: a graph. A name leads to others (aliases, targets of service bindings) and has addresses;
 * each of these facts has its own time. What is denied for a name is denied for every address that it leads to, in
 * whichever order, and by whichever questions, the facts became known. */
#ifndef NAMEGATE_TRACKED_H
#define NAMEGATE_TRACKED_H

#include "answer.h"
#include "table.h"

#include "../policy/vector.h"

#include <sys/queue.h>

#define NG_TRACKED_ADDRESSES_MAX 1024 /* of one name; then those that were learnt first are let go */

/* One name leads to another. */
struct ng_lead {
    struct ng_tracked *from, *to;
    uint64_t learnt_at; /* ns */
    uint32_t ttl;       /* s */
    bool aside;         /* only an answer of `from` says something of `to`: see ng_tracks_aside() */
    LIST_ENTRY(ng_lead) targets; /* of `from`, the one learnt last is the first; or asides */
    LIST_ENTRY(ng_lead) sources; /* of `to` */
};

struct ng_tracked_address {
    uint8_t address[16];
    uint64_t learnt_at;   /* ns */
    uint64_t extended_at; /* ns: when an upstream failed, so that denies last longer; 0: never */
    uint32_t ttl;         /* s */
    bool hint;            /* no answer for this name gave it, only a service binding of another: denies alone count */
};

/* A deployment that was told the name's addresses. */
#define NG_TOLD_PIDS 8
struct ng_told {
    uint32_t scope, policy;
    uint64_t version; /* of all that is known, when it got its leases */
    uint64_t at;      /* ns: when the keeper was informed last, */
    uint32_t pid[NG_TOLD_PIDS], pids; /* and of which processes in that second */
};

struct ng_tracked {
    struct ng_link by_name;
    TAILQ_ENTRY(ng_tracked) idle; /* when listed: it may be let go */
    bool listed;
    bool ruled;           /* some policy has a rule for this very name */
    bool required;        /* a rule or a grant is for it or for a name that leads to it, or was: too many do no harm */
    bool asked;           /* it was asked for itself, so its allows count */
    bool told_others;     /* the keeper knows that somebody outside of deployments was told */
    bool lossy;           /* what it led to was let go in part, and nothing was learnt by it since */
    uint64_t renewed_at;  /* ns: when it was asked for anew, because deployments were told what it led to */
    uint64_t id;
    uint64_t version;     /* counts changes of what it leads to */
    uint64_t announced;   /* version that the keeper knows */
    uint64_t wrote_at;    /* ns: last map write for it, 0: none */
    uint64_t expires_at;  /* ns */
    uint64_t fresh_until; /* ns: the first end of a TTL that is still to come */
    uint64_t round;       /* marks what a walk has visited */
    uint64_t rules;       /* that hold for it, while a policy is gone through (want.c) */
    uint64_t turn;        /* in which it was needed last */
    struct ng_tracked *next_lost; /* while those are gone through */
    LIST_HEAD(ng_targets, ng_lead) targets;
    struct ng_targets asides;
    LIST_HEAD(ng_sources, ng_lead) sources;
    NG_VECTOR(struct ng_tracked_address) addresses;
    NG_VECTOR(struct ng_told) told;
    struct ng_name name;  /* only as many octets as it has (ng_name_kept()) */
};

typedef NG_VECTOR(struct ng_tracked *) ng_tracked_list;

struct ng_tracks {
    struct ng_table names;
    TAILQ_HEAD(ng_idle, ng_tracked) idle; /* the one used longest ago is the first */
    size_t max;
    size_t addresses; /* of all names; ng_tracks_room_for_address() bounds them */
    size_t leads;     /* at most eight for each name, and some more */
    uint64_t key, last_id, round;
    uint64_t drops; /* counts names that were let go */
    uint64_t visits; /* counts names that walks came to */
    uint64_t turn; /* of learning: names that are needed in one are not let go for others of it */
    size_t cursor;
};

void ng_tracks_init(struct ng_tracks *tracks, size_t max);
void ng_tracks_release(struct ng_tracks *tracks);

struct ng_tracked *ng_tracks_find(const struct ng_tracks *tracks, const struct ng_name *name);

/* Finds or makes. When there are `max`, one that may be let go makes room, but none that was found or made in this
 * turn. Returns -ENOSPC, -ENOMEM. */
int ng_tracks_get(struct ng_tracks *tracks, const struct ng_name *name, struct ng_tracked **ret_tracked);
/* All that lead to it get new ids, as with ng_tracks_lose(). */
void ng_tracks_drop(struct ng_tracks *tracks, struct ng_tracked *tracked);

/* Less is known of what a name leads to. It, and all that lead to it, get new ids: who remembers by an id that an
 * answer was learnt has to learn that anew. What is lost again before anything is learnt by it costs nothing. */
void ng_tracks_lose(struct ng_tracks *tracks, struct ng_tracked *tracked);

/* The name is needed in this turn, and was used last. */
void ng_tracks_need(struct ng_tracks *tracks, struct ng_tracked *tracked);

/* As ng_tracks_get() for another address of a name that is needed: of all there are at most four for each name, and
 * those of one name more. False: there is no room, and no name may be let go. */
bool ng_tracks_room_for_address(struct ng_tracks *tracks);

/* A rule or a grant is for the name: it, and all that it leads to now and later, are not let go. Cannot fail. */
void ng_tracks_require(struct ng_tracks *tracks, struct ng_tracked *tracked);
/* It may be let go, until it is required anew. */
void ng_tracks_acquit(struct ng_tracks *tracks, struct ng_tracked *tracked);

/* The TTL (s), from now on, of a fact that was learnt before and is learnt again: what was said to hold for longer than
 * the new answer says does, as somebody may remember it for so long. */
uint32_t ng_tracks_ttl(uint64_t learnt_at, uint32_t before, uint64_t now, uint32_t ttl);

/* Learns, or refreshes, that one leads to another. Returns 1 when that is new, 0 when it was known, -ENOMEM, or -ENOSPC
 * when there are too many leads, and no name may be let go. */
int ng_tracks_lead(struct ng_tracks *tracks, struct ng_tracked *from, struct ng_tracked *to, uint64_t now,
                   uint32_t ttl);
/* The same where nothing follows for the addresses of the one from the rules for the other, but what is lost of `to` is
 * lost of what `from` said. */
int ng_tracks_aside(struct ng_tracks *tracks, struct ng_tracked *from, struct ng_tracked *to, uint64_t now,
                    uint32_t ttl);
void ng_tracks_unlead(struct ng_tracks *tracks, struct ng_lead *lead);
/* NULL: it does not lead there. */
struct ng_lead *ng_tracks_lead_to(struct ng_tracked *from, const struct ng_tracked *to);

/* Whether a walk goes over that lead. */
typedef bool (*ng_lead_fn)(const void *arg, const struct ng_lead *lead);

/* Appends the name and all that lead to it, or all that it leads to. follow: NULL for all leads. 0 or -ENOMEM. */
int ng_tracks_up(struct ng_tracks *tracks, struct ng_tracked *tracked, ng_lead_fn follow, const void *arg,
                 ng_tracked_list *list);
int ng_tracks_down(struct ng_tracks *tracks, struct ng_tracked *tracked, ng_lead_fn follow, const void *arg,
                   ng_tracked_list *list);

/* The chain of the name, by the leads that were learnt last. Returns its links, the name itself the first. */
unsigned ng_tracks_chain(struct ng_tracks *tracks, struct ng_tracked *tracked,
                         const struct ng_tracked *chain[NG_CHAIN_MAX]);

#endif
