/* SPDX-License-Identifier: BSD-2-Clause */
/* What the resolver told of names: the keeper's memory that turns an address in an event back into names. Bounded: the
 * resolution that ended first goes when it is full; this costs names in records, never a verdict. */
#ifndef NAMEGATE_TRACK_H
#define NAMEGATE_TRACK_H

#include "../policy/name.h"
#include "../resolver/table.h"

#include <namegate/channel.h>

#include <stdbool.h>

#define NG_TRACK_MAX 65536
#define NG_TRACK_ADDRESSES_MAX 1024 /* of one name; more are not kept for evidence */
#define NG_TRACK_SHORT 40           /* octets: most chains are no longer */
#define NG_TRACK_ASKERS_MAX 16      /* deployments remembered for one name */

struct ng_track;

/* Deployments that were told a name. */
struct ng_track_askers {
    struct ng_asker last;
    uint32_t scope[NG_TRACK_ASKERS_MAX];
    unsigned count;
};

/* Owned by the track; valid until the next call that changes it. */
struct ng_resolution {
    struct ng_link by_id;
    uint64_t id;
    uint64_t wrote_at;   /* ns, 0: nothing was written */
    uint64_t replied_at; /* ns, 0: nobody was told yet */
    uint64_t expires_at; /* ns */
    struct ng_name *chain; /* of the last name there are only as many octets as it has: it is not to be copied whole */
    uint8_t short_chain[NG_TRACK_SHORT]; /* where it has room there */
    uint8_t (*address)[16], only[16]; /* address: &only while there is room for one */
    struct ng_track_askers *askers; /* NULL: none, as of most */
    unsigned links, addresses;
    bool placed; /* it is found by them */
};

int ng_track_new(struct ng_track **ret_track);
void ng_track_free(struct ng_track *track);

/* Takes in what the resolver says. -EBADMSG when a count or a name in it is impossible. */
int ng_track_resolution(struct ng_track *track, const struct ng_message_resolution *message);
/* *ret_first: this deployment had not been told it before. */
int ng_track_told(struct ng_track *track, const struct ng_message_told *message, bool *ret_first);
void ng_track_forget_deployment(struct ng_track *track, uint32_t scope);
/* A new resolver numbers anew: nothing that comes may be joined with what is known, which stays for its addresses. */
void ng_track_new_resolver(struct ng_track *track);

const struct ng_resolution *ng_track_find(const struct ng_track *track, uint64_t id);
bool ng_resolution_asked_by(const struct ng_resolution *resolution, uint32_t scope);

/* Calls each resolution that has the address, or all when address is NULL. */
typedef void (*ng_resolution_fn)(void *arg, const struct ng_resolution *resolution);
void ng_track_each(struct ng_track *track, const uint8_t *address, ng_resolution_fn each, void *arg);

#endif
