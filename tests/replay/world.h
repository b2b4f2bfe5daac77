/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine in a world without sockets: a clock that is set, a map that is looked into, upstreams that answer when
 * they are told to, and a keeper that takes notes. */
#ifndef NAMEGATE_WORLD_H
#define NAMEGATE_WORLD_H

#include "../../resolver/engine.h"

#include "../../policy/vector.h"

#include <ldns/ldns.h>

struct cell {
    struct ng_destination_key key;
    struct ng_destination value;
};

struct asked {
    struct ng_pending *pending;
    struct ng_question question;
};

struct reply {
    uint8_t *wire;
    size_t size;
};

struct query {
    uint8_t wire[1024];
    size_t size;
    bool tcp, replied, deployment;
};

struct fact { /* a name leads to another, or has an address, until then */
    struct ng_name from, to;
    bool lead;
    uint8_t address[16];
    uint64_t end;
};

typedef NG_VECTOR(struct fact) fact_list;

struct announced { /* a resolution that the keeper has heard of */
    uint64_t id, at;
};

struct note { /* a message to the keeper */
    char text[1200];
};

struct deployment {
    char name[32];
    struct ng_deployment kernel;
    bool ended;
};

struct world {
    struct ng_message_start start;
    struct ng_engine *engine;
    uint64_t now;
    uint64_t generation;
    int write_error;       /* what writes to the map return */
    int ask_error;         /* what asking an upstream returns */
    size_t map_max;
    bool lost;             /* an entry, and no tick was since */
    const struct ng_snapshot *snapshot; /* the engine's */
    NG_VECTOR(struct cell) map;
    unsigned single_reads; /* of the map's entries, each by its key */
    bool no_verifier;      /* the kernel looks for one entry at a time */
    bool no_hook;          /* that looks at what replies rest on */
    unsigned held_up;      /* of times that it held some up */
    NG_VECTOR(struct asked) asked;
    NG_VECTOR(struct query) queries;
    fact_list told; /* to deployments */
    struct gathered *gathered; /* queries of the turn that is under way; NULL: each is a turn of its own */
    NG_VECTOR(struct announced) announced;
    bool unreadable;       /* an upstream sent what ldns does not read (data of a type that the engine only passes on) */
    uint64_t replied_at;   /* when the last reply left */
    NG_VECTOR(struct reply) replies;
    NG_VECTOR(struct note) notes;
    NG_VECTOR(struct deployment) deployments;
    char broken[2000];     /* the first invariant that did not hold; empty: none */
};

/* Notes that an invariant does not hold. */
__attribute__((format(printf, 2, 3))) void world_breaks(struct world *world, const char *format, ...);

void world_init(struct world *world);
void world_begin(struct world *world); /* makes the engine */
void world_release(struct world *world);

/* Returns 0 or the error that READY says. Compile errors end the process. */
int world_policy(struct world *world, const char *text);

void world_deployment(struct world *world, const char *name, const char *policy, uint8_t mode);
void world_end_deployment(struct world *world, const char *name);
struct deployment *world_find(struct world *world, const char *name);

/* deployment: NULL for somebody else. */
void world_query(struct world *world, struct deployment *deployment, const uint8_t *wire, size_t size, bool tcp);

/* Queries that follow are of one turn, up to world_conclude(). */
void world_gather(struct world *world);
void world_conclude(struct world *world);

/* As if an earlier resolver had denied that address for so long. */
void world_adopt(struct world *world, uint32_t scope, const uint8_t address[16], unsigned seconds);

/* Somebody else takes that out of the map, or changes it. */
void world_lose(struct world *world, uint32_t scope, const uint8_t address[16]);
void world_spoil(struct world *world, uint32_t scope, const uint8_t address[16]);

/* Lets time pass, a second and a tick at a time. */
void world_sleep(struct world *world, unsigned seconds);

/* The verdict of the map for an address, as the kernel would find it: NG_VERDICT_*. scope: the policy's or the
 * deployment's. */
uint8_t world_verdict(struct world *world, struct deployment *deployment, const uint8_t address[16], uint16_t port);
const struct ng_destination *world_entry(const struct world *world, uint32_t scope, const uint8_t address[16]);
bool world_has(const struct world *world, uint32_t scope, const uint8_t address[16]);
uint32_t world_scope(struct world *world, const char *name); /* of a policy or a deployment; 0: none */

#endif
