// SPDX-License-Identifier: BSD-2-Clause
#include "track.h"

#include <namegate/cleanup.h>

#include <search.h>
#include <string.h>

/* An address and those that have it. */
struct place {
    uint8_t address[16];
    struct ng_resolution **holders;
    unsigned count, room;
};

struct ng_track {
    void *by_id;      /* tsearch(3) tree of struct ng_resolution */
    void *by_address; /* tsearch(3) tree of struct place */
    struct ng_resolution **all; /* in the order of their arrival, a ring: the next to be replaced is at `next` */
    unsigned count, next;
    uint64_t epoch; /* of the resolver, in the upper half of the ids */
};

static int compare_ids(const void *a, const void *b)
{
    const struct ng_resolution *x = a, *y = b;

    return x->id < y->id ? -1 : x->id > y->id;
}

static int compare_addresses(const void *a, const void *b)
{
    return memcmp(((const struct place *)a)->address, ((const struct place *)b)->address, 16);
}

static void free_resolution(void *pointer)
{
    struct ng_resolution *resolution = pointer;

    if (!resolution)
        return;
    free(resolution->chain);
    free(resolution->address);
    free(resolution);
}

static void free_place(void *pointer)
{
    struct place *place = pointer;

    free(place->holders);
    free(place);
}

int ng_track_new(struct ng_track **ret_track)
{
    struct ng_track *track = calloc(1, sizeof(*track));

    if (!track)
        return -ENOMEM;
    track->all = calloc(NG_TRACK_MAX, sizeof(*track->all));
    if (!track->all) {
        free(track);
        return -ENOMEM;
    }
    *ret_track = track;
    return 0;
}

void ng_track_free(struct ng_track *track)
{
    if (!track)
        return;
    tdestroy(track->by_address, free_place);
    tdestroy(track->by_id, free_resolution);
    free(track->all);
    free(track);
}

static uint64_t own_id(const struct ng_track *track, uint64_t id)
{
    return track->epoch << 48 | (id & 0xffffffffffffULL);
}

const struct ng_resolution *ng_track_find(const struct ng_track *track, uint64_t id)
{
    struct ng_resolution key = {.id = own_id(track, id)};
    struct ng_resolution *const *found = tfind(&key, &track->by_id, compare_ids);

    return found ? *found : NULL;
}

static struct place *find_place(const struct ng_track *track, const uint8_t *address)
{
    struct place key = {0};
    struct place *const *found;

    memcpy(key.address, address, sizeof(key.address));
    found = tfind(&key, &track->by_address, compare_addresses);
    return found ? *found : NULL;
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
        (void)tdelete(place, &track->by_address, compare_addresses);
        free_place(place);
    }
}

static int enter_place(struct ng_track *track, const uint8_t *address, struct ng_resolution *resolution)
{
    struct place *place = find_place(track, address);

    if (!place) {
        place = calloc(1, sizeof(*place));
        if (!place)
            return -ENOMEM;
        memcpy(place->address, address, 16);
        if (!tsearch(place, &track->by_address, compare_addresses)) {
            free_place(place);
            return -ENOMEM;
        }
    }
    if (place->count == place->room) {
        unsigned room = place->room ? 2 * place->room : 1;
        struct ng_resolution **holders = reallocarray(place->holders, room, sizeof(*holders));

        if (!holders)
            return -ENOMEM;
        place->holders = holders;
        place->room = room;
    }
    place->holders[place->count++] = resolution;
    return 0;
}

static void drop(struct ng_track *track, struct ng_resolution *resolution)
{
    for (unsigned i = 0; i < resolution->addresses; i++)
        leave_place(track, resolution->address[i], resolution);
    (void)tdelete(resolution, &track->by_id, compare_ids);
    free_resolution(resolution);
}

static struct ng_resolution *add(struct ng_track *track, uint64_t id)
{
    struct ng_resolution *resolution = calloc(1, sizeof(*resolution));

    if (!resolution)
        return NULL;
    resolution->id = own_id(track, id);
    if (!tsearch(resolution, &track->by_id, compare_ids)) {
        free(resolution);
        return NULL;
    }
    if (track->count == NG_TRACK_MAX)
        drop(track, track->all[track->next]);
    else
        track->count++;
    track->all[track->next] = resolution;
    track->next = (track->next + 1) % NG_TRACK_MAX;
    return resolution;
}

static int add_address(struct ng_track *track, struct ng_resolution *resolution, const uint8_t *address)
{
    uint8_t(*grown)[16];

    for (unsigned i = 0; i < resolution->addresses; i++)
        if (memcmp(resolution->address[i], address, 16) == 0)
            return 0;
    if (resolution->addresses == NG_TRACK_ADDRESSES_MAX)
        return 0;
    grown = reallocarray(resolution->address, resolution->addresses + 1, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    resolution->address = grown;
    if (enter_place(track, address, resolution) < 0)
        return -ENOMEM;
    memcpy(grown[resolution->addresses++], address, 16);
    return 0;
}

/* What comes from the resolver is checked as if a stranger had sent it. */
static int check(const struct ng_message_resolution *message, struct ng_name chain[static NG_CHAIN_MAX])
{
    if (message->links == 0 || message->links > NG_CHAIN_MAX || message->addresses > NG_ADDRESSES_MAX)
        return -EBADMSG;
    for (unsigned i = 0; i < message->links; i++)
        if (ng_name_from_wire(message->chain[i].wire, message->chain[i].length, &chain[i]) != message->chain[i].length)
            return -EBADMSG;
    return 0;
}

int ng_track_resolution(struct ng_track *track, const struct ng_message_resolution *message)
{
    struct ng_name chain[NG_CHAIN_MAX], *own;
    struct ng_resolution *resolution;
    int r = check(message, chain);

    if (r < 0)
        return r;
    own = calloc(message->links, sizeof(*own)); /* first: one without a name would be found by its address */
    resolution = (struct ng_resolution *)(uintptr_t)ng_track_find(track, message->id);
    if (own && !resolution)
        resolution = add(track, message->id);
    if (!own || !resolution) {
        free(own);
        return -ENOMEM;
    }
    free(resolution->chain);
    resolution->chain = memcpy(own, chain, message->links * sizeof(chain[0]));
    resolution->links = message->links;
    resolution->wrote_at = message->wrote_at;
    resolution->expires_at = message->expires_at;
    for (unsigned i = 0; i < message->addresses; i++) {
        r = add_address(track, resolution, message->address[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

bool ng_resolution_asked_by(const struct ng_resolution *resolution, uint32_t scope)
{
    for (unsigned i = 0; i < resolution->askers; i++)
        if (resolution->asked_by[i] == scope)
            return true;
    return false;
}

int ng_track_told(struct ng_track *track, const struct ng_message_told *message, bool *ret_first)
{
    struct ng_resolution *resolution = (struct ng_resolution *)(uintptr_t)ng_track_find(track, message->resolution);

    if (!resolution)
        return -ENOENT;
    resolution->replied_at = message->replied_at;
    resolution->wrote_at = message->wrote_at;
    *ret_first = message->asker.scope && !ng_resolution_asked_by(resolution, message->asker.scope);
    if (!message->asker.scope)
        return 0;
    resolution->asker = message->asker;
    resolution->asker.comm[NG_COMM_LEN - 1] = '\0';
    if (*ret_first && resolution->askers < NG_TRACK_ASKERS_MAX)
        resolution->asked_by[resolution->askers++] = message->asker.scope;
    return 0;
}

void ng_track_forget_deployment(struct ng_track *track, uint32_t scope)
{
    for (unsigned i = 0; i < track->count; i++) {
        struct ng_resolution *resolution = track->all[i];

        for (unsigned j = 0; j < resolution->askers; j++)
            if (resolution->asked_by[j] == scope)
                resolution->asked_by[j--] = resolution->asked_by[--resolution->askers];
    }
}

void ng_track_new_resolver(struct ng_track *track)
{
    track->epoch++;
}

void ng_track_each(const struct ng_track *track, const uint8_t *address, ng_resolution_fn each, void *arg)
{
    const struct place *place = address ? find_place(track, address) : NULL;
    struct ng_resolution *const *list = address ? (place ? place->holders : NULL) : track->all;
    unsigned count = address ? (place ? place->count : 0) : track->count;

    for (unsigned i = 0; i < count; i++)
        each(arg, list[i]);
}
