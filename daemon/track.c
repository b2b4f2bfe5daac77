// SPDX-License-Identifier: BSD-2-Clause
#include "track.h"

#include "../policy/bits.h"
#include "../resolver/random.h"

#include <namegate/cleanup.h>

#include <string.h>
#include <sys/mman.h>

#define MULTIPLIER 0x9e3779b97f4a7c15ULL
#define ALL_OCTETS (NG_TRACK_MAX * sizeof(struct ng_resolution))
#define NEIGHBOURS 64
#define UNPLACED_MAX 65536 /* addresses that may wait for a look: some tens of milliseconds then */

/* An address and those that have it: most have one holder. */
struct place {
    struct ng_link link;
    uint8_t address[16];
    struct ng_resolution **holders, *only; /* holders: &only while there is room for one */
    unsigned count, room;
};

struct ng_track {
    struct ng_table by_id;
    struct ng_table by_address; /* of those that are placed: all but the last `unplaced` ones */
    struct ng_resolution *all; /* in the order of their arrival, a ring: the next to be replaced is at `next` */
    unsigned count, next, unplaced, unplaced_addresses;
    uint64_t epoch; /* of the resolver, in the upper half of the ids */
    uint64_t newest; /* id: a resolver counts up, so what is above is new */
    uint64_t key;   /* of the hashes, as strangers choose addresses */
};

static void forget_chain(struct ng_resolution *resolution)
{
    if (resolution->chain != (void *)resolution->short_chain)
        free(resolution->chain);
}

static void release_resolution(struct ng_resolution *resolution)
{
    forget_chain(resolution);
    free(resolution->askers);
    if (resolution->address != &resolution->only)
        free(resolution->address);
}

static void free_place(struct place *place)
{
    if (place->holders != &place->only)
        free(place->holders);
    free(place);
}

static void free_any_place(void *arg, struct ng_link *link)
{
    (void)arg;
    free_place(ng_record(link, struct place, link));
}

int ng_track_new(struct ng_track **ret_track)
{
    struct ng_track *track = calloc(1, sizeof(*track));
    void *all;

    if (!track)
        return -ENOMEM;
    all = mmap(NULL, ALL_OCTETS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) {
        free(track);
        return -ENOMEM;
    }
    (void)madvise(all, ALL_OCTETS, MADV_HUGEPAGE); /* one is filled after the other, for the first time mostly */
    track->all = all;
    track->key = ng_random();
    *ret_track = track;
    return 0;
}

void ng_track_free(struct ng_track *track)
{
    if (!track)
        return;
    ng_table_each(&track->by_address, free_any_place, NULL);
    ng_table_release(&track->by_address);
    ng_table_release(&track->by_id);
    for (unsigned i = 0; i < track->count; i++)
        release_resolution(&track->all[i]);
    (void)munmap(track->all, ALL_OCTETS);
    free(track);
}

static uint64_t own_id(const struct ng_track *track, uint64_t id)
{
    return track->epoch << 48 | (id & 0xffffffffffffULL);
}

/* A resolver counts up, so that those that come together are beside each other in the table: what is far apart in
 * memory costs more than all else here. One that has gone bad could still not choose where they go. */
static uint64_t hash_id(const struct ng_track *track, uint64_t own)
{
    return ng_fold(own / NEIGHBOURS ^ track->key, MULTIPLIER) * NEIGHBOURS + own % NEIGHBOURS;
}

static uint64_t hash_address(const struct ng_track *track, const uint8_t *address)
{
    uint64_t halves[2];

    memcpy(halves, address, sizeof(halves));
    return ng_fold(ng_fold(halves[0] ^ track->key, MULTIPLIER) ^ halves[1], MULTIPLIER);
}

static struct ng_resolution *find(const struct ng_track *track, uint64_t id)
{
    uint64_t own = own_id(track, id);
    struct ng_link *link = ng_table_first(&track->by_id, hash_id(track, own));

    while (link && ng_record(link, struct ng_resolution, by_id)->id != own)
        link = ng_table_next(link);
    return ng_record(link, struct ng_resolution, by_id);
}

const struct ng_resolution *ng_track_find(const struct ng_track *track, uint64_t id)
{
    return find(track, id);
}

static struct place *find_place(const struct ng_track *track, const uint8_t *address)
{
    struct ng_link *link = ng_table_first(&track->by_address, hash_address(track, address));

    while (link && memcmp(ng_record(link, struct place, link)->address, address, 16) != 0)
        link = ng_table_next(link);
    return ng_record(link, struct place, link);
}

static void leave_place(struct ng_track *track, const uint8_t *address, const struct ng_resolution *resolution)
{
    struct place *place = find_place(track, address);

    for (unsigned i = 0; place && i < place->count; i++) {
        if (place->holders[i] != resolution)
            continue;
        place->holders[i] = place->holders[--place->count];
        break;
    }
    if (place && place->count == 0) {
        ng_table_remove(&track->by_address, &place->link);
        free_place(place);
    }
}

static struct place *make_place(struct ng_track *track, const uint8_t *address)
{
    struct place *place = calloc(1, sizeof(*place));

    if (!place)
        return NULL;
    memcpy(place->address, address, 16);
    place->holders = &place->only;
    place->room = 1;
    if (ng_table_add(&track->by_address, &place->link, hash_address(track, address)) < 0) {
        free(place);
        return NULL;
    }
    return place;
}

static int grow(struct place *place)
{
    struct ng_resolution **holders = calloc(2 * place->room, sizeof(*holders));

    if (!holders)
        return -ENOMEM;
    memcpy(holders, place->holders, place->count * sizeof(*holders));
    if (place->holders != &place->only)
        free(place->holders);
    place->holders = holders;
    place->room *= 2;
    return 0;
}

static int enter_place(struct ng_track *track, const uint8_t *address, struct ng_resolution *resolution)
{
    struct place *place = find_place(track, address);

    if (!place)
        place = make_place(track, address);
    if (!place || (place->count == place->room && grow(place) < 0))
        return -ENOMEM;
    place->holders[place->count++] = resolution;
    return 0;
}

static void leave_places(struct ng_track *track, struct ng_resolution *resolution)
{
    for (unsigned i = 0; i < resolution->addresses; i++)
        leave_place(track, resolution->address[i], resolution);
}

/* Most of what is learnt is never looked for by its address. So it waits until somebody does, or there is much. */
static void place_all(struct ng_track *track)
{
    for (; track->unplaced > 0; track->unplaced--) {
        struct ng_resolution *resolution = &track->all[(track->next + NG_TRACK_MAX - track->unplaced) % NG_TRACK_MAX];

        for (unsigned i = 0; i < resolution->addresses; i++) {
            if (enter_place(track, resolution->address[i], resolution) == 0)
                continue;
            leave_places(track, resolution); /* out of memory: the next time again */
            return;
        }
        resolution->placed = true;
        track->unplaced_addresses -= resolution->addresses;
    }
}

static void drop(struct ng_track *track, struct ng_resolution *resolution)
{
    if (resolution->placed) {
        leave_places(track, resolution);
    } else { /* all are unplaced, and this is the first */
        track->unplaced--;
        track->unplaced_addresses -= resolution->addresses;
    }
    ng_table_remove(&track->by_id, &resolution->by_id);
    release_resolution(resolution);
}

static struct ng_resolution *add(struct ng_track *track, uint64_t id)
{
    struct ng_resolution *resolution = &track->all[track->next];

    if (track->count == NG_TRACK_MAX)
        drop(track, resolution);
    *resolution = (struct ng_resolution){.id = own_id(track, id), .address = &resolution->only};
    if (ng_table_add(&track->by_id, &resolution->by_id, hash_id(track, resolution->id)) < 0)
        return NULL; /* never but for the first one */
    if (track->count < NG_TRACK_MAX)
        track->count++;
    if (resolution->id > track->newest)
        track->newest = resolution->id;
    track->next = (track->next + 1) % NG_TRACK_MAX;
    track->unplaced++;
    return resolution;
}

/* Makes room for another address. */
static int grow_addresses(struct ng_resolution *resolution)
{
    bool moves = resolution->address == &resolution->only;
    uint8_t(*grown)[16];

    if (resolution->addresses == 0)
        return 0;
    grown = reallocarray(moves ? NULL : resolution->address, resolution->addresses + 1, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    if (moves)
        memcpy(grown, resolution->only, sizeof(*grown));
    resolution->address = grown;
    return 0;
}

static int add_address(struct ng_track *track, struct ng_resolution *resolution, const uint8_t *address)
{
    for (unsigned i = 0; i < resolution->addresses; i++)
        if (memcmp(resolution->address[i], address, 16) == 0)
            return 0;
    if (resolution->addresses == NG_TRACK_ADDRESSES_MAX)
        return 0;
    if (grow_addresses(resolution) < 0 || (resolution->placed && enter_place(track, address, resolution) < 0))
        return -ENOMEM;
    memcpy(resolution->address[resolution->addresses++], address, 16);
    track->unplaced_addresses += !resolution->placed;
    return 0;
}

/* What comes from the resolver is checked as if a stranger had sent it. Returns the octets that its names take, or
 * -EBADMSG. */
static ssize_t check(const struct ng_message_resolution *message)
{
    struct ng_name name;

    if (message->links == 0 || message->links > NG_CHAIN_MAX || message->addresses > NG_ADDRESSES_MAX)
        return -EBADMSG;
    for (unsigned i = 0; i < message->links; i++)
        if (ng_name_from_wire(message->chain[i].wire, message->chain[i].length, &name) != message->chain[i].length)
            return -EBADMSG;
    return (ssize_t)((message->links - 1) * sizeof(name) + ng_name_kept(name.length));
}

/* chain: room for the names; NULL: they are short. */
static void set_chain(struct ng_resolution *resolution, const struct ng_message_resolution *message,
                      struct ng_name *chain)
{
    struct ng_name name;

    forget_chain(resolution);
    memset(resolution->short_chain, 0, sizeof(resolution->short_chain));
    resolution->chain = chain ? chain : (void *)resolution->short_chain;
    resolution->links = message->links;
    for (unsigned i = 0; i < message->links; i++) {
        (void)ng_name_from_wire(message->chain[i].wire, message->chain[i].length, &name);
        resolution->chain[i].length = name.length;
        memcpy(resolution->chain[i].wire, name.wire, name.length);
    }
}

int ng_track_resolution(struct ng_track *track, const struct ng_message_resolution *message)
{
    struct ng_resolution *resolution;
    struct ng_name *chain = NULL;
    ssize_t size = check(message);

    if (size < 0)
        return (int)size;
    if (size > NG_TRACK_SHORT) { /* first: one without a name would be found by its address */
        chain = calloc(1, (size_t)size);
        if (!chain)
            return -ENOMEM;
    }
    resolution = own_id(track, message->id) > track->newest ? NULL : find(track, message->id);
    if (!resolution)
        resolution = add(track, message->id);
    if (!resolution) {
        free(chain);
        return -ENOMEM;
    }
    set_chain(resolution, message, chain);
    resolution->wrote_at = message->wrote_at;
    resolution->expires_at = message->expires_at;
    for (unsigned i = 0; i < message->addresses; i++) {
        int r = add_address(track, resolution, message->address[i]);

        if (r < 0)
            return r;
    }
    if (track->unplaced_addresses > UNPLACED_MAX)
        place_all(track);
    return 0;
}

bool ng_resolution_asked_by(const struct ng_resolution *resolution, uint32_t scope)
{
    for (unsigned i = 0; resolution->askers && i < resolution->askers->count; i++)
        if (resolution->askers->scope[i] == scope)
            return true;
    return false;
}

int ng_track_told(struct ng_track *track, const struct ng_message_told *message, bool *ret_first)
{
    struct ng_resolution *resolution = find(track, message->resolution);
    struct ng_track_askers *askers;

    if (!resolution)
        return -ENOENT;
    resolution->replied_at = message->replied_at;
    resolution->wrote_at = message->wrote_at;
    *ret_first = message->asker.scope && !ng_resolution_asked_by(resolution, message->asker.scope);
    if (!message->asker.scope)
        return 0;
    if (!resolution->askers)
        resolution->askers = calloc(1, sizeof(*resolution->askers));
    askers = resolution->askers;
    if (!askers)
        return -ENOMEM;
    askers->last = message->asker;
    askers->last.comm[NG_COMM_LEN - 1] = '\0';
    if (*ret_first && askers->count < NG_TRACK_ASKERS_MAX)
        askers->scope[askers->count++] = message->asker.scope;
    return 0;
}

void ng_track_forget_deployment(struct ng_track *track, uint32_t scope)
{
    for (unsigned i = 0; i < track->count; i++) {
        struct ng_track_askers *askers = track->all[i].askers;

        for (unsigned j = 0; askers && j < askers->count; j++)
            if (askers->scope[j] == scope)
                askers->scope[j--] = askers->scope[--askers->count];
    }
}

void ng_track_new_resolver(struct ng_track *track)
{
    track->epoch++;
}

void ng_track_each(struct ng_track *track, const uint8_t *address, ng_resolution_fn each, void *arg)
{
    const struct place *place = NULL;
    unsigned count = track->count;

    if (address) {
        place_all(track);
        place = find_place(track, address);
        count = place ? place->count : 0;
    }
    for (unsigned i = 0; i < count; i++)
        each(arg, address ? place->holders[i] : &track->all[i]);
}
