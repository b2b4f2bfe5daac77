// SPDX-License-Identifier: BSD-2-Clause
#include "destinations.h"

#include "map.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>
#include <namegate/epoch.h>

#include <stdlib.h>

#define WAITING_MAX 64

struct ng_destinations {
    int fd, verifier; /* -1: none yet */
    uint64_t *epoch;
    struct ng_stats *stats;
    void (*failed)(void *arg, int error);
    void *arg;
    size_t max, room; /* entries of the map, and how many writes may wait from now on */
    unsigned waiting; /* in the order in which they came; a key may be there twice */
    struct ng_destination_key key[WAITING_MAX];
    struct ng_destination value[WAITING_MAX];
};

int ng_destinations_new(int fd, uint64_t *epoch, struct ng_stats *stats, void (*failed)(void *arg, int error),
                        void *arg, struct ng_destinations **ret_destinations)
{
    struct ng_destinations *made = calloc(1, sizeof(*made));

    if (!made)
        return -ENOMEM;
    made->fd = fd;
    made->verifier = -1;
    made->epoch = epoch;
    made->stats = stats;
    made->failed = failed;
    made->arg = arg;
    made->max = ng_map_max(fd);
    *ret_destinations = made;
    return 0;
}

void ng_destinations_free(struct ng_destinations *destinations)
{
    if (!destinations)
        return;
    (void)ng_close(destinations->fd);
    (void)ng_close(destinations->verifier);
    free(destinations);
}

static int write_now(struct ng_destinations *destinations, const struct ng_destination_key *keys,
                     const struct ng_destination *values, unsigned count)
{
    uint64_t began_at = ng_now();
    int r = ng_map_write(destinations->fd, keys, values, count);

    ng_epoch_advance(destinations->epoch);
    ng_stats_wrote(destinations->stats, began_at, ng_now(), count, r);
    return r;
}

void ng_destinations_flush(struct ng_destinations *destinations)
{
    unsigned count = destinations ? destinations->waiting : 0;
    int r;

    if (!count)
        return;
    destinations->waiting = 0;
    r = write_now(destinations, destinations->key, destinations->value, count);
    if (r == 0)
        return;
    destinations->max = destinations->room = 0; /* nothing is certain where others write: nothing waits again */
    destinations->failed(destinations->arg, r);
}

static int write_claim(void *arg, const struct ng_destination_key *key, const struct ng_destination *value)
{
    struct ng_destinations *destinations = arg;

    if (destinations->room == 0 || destinations->waiting == WAITING_MAX)
        ng_destinations_flush(destinations);
    if (destinations->room == 0)
        return write_now(destinations, key, value, 1);
    destinations->room--;
    destinations->key[destinations->waiting] = *key;
    destinations->value[destinations->waiting++] = *value;
    return 0;
}

static int read_claim(void *arg, const struct ng_destination_key *key, struct ng_destination *ret_value)
{
    struct ng_destinations *destinations = arg;

    ng_destinations_flush(destinations);
    return ng_map_read(destinations->fd, key, ret_value);
}

static int verify_claims(void *arg, const struct ng_expected *expected, unsigned count, uint64_t *ret_differ)
{
    struct ng_destinations *destinations = arg;

    ng_destinations_flush(destinations);
    if (destinations->verifier < 0)
        return -EOPNOTSUPP;
    return ng_map_verify(destinations->verifier, expected, count, ret_differ);
}

static int erase_claims(void *arg, const struct ng_destination_key *keys, size_t count)
{
    struct ng_destinations *destinations = arg;
    int r;

    ng_destinations_flush(destinations);
    r = ng_map_erase(destinations->fd, keys, count);
    ng_epoch_advance(destinations->epoch);
    return r;
}

struct ng_claims_ops ng_destinations_ops(struct ng_destinations *destinations)
{
    return (struct ng_claims_ops){read_claim, verify_claims, write_claim, erase_claims, destinations};
}

void ng_destinations_verifier(struct ng_destinations *destinations, int program)
{
    (void)ng_close(destinations->verifier);
    destinations->verifier = program;
}

void ng_destinations_gather(struct ng_destinations *destinations, size_t used)
{
    destinations->room = used < destinations->max ? destinations->max - used : 0;
}

void ng_destinations_direct(struct ng_destinations *destinations)
{
    destinations->room = 0;
}

int ng_destinations_each(struct ng_destinations *destinations, ng_destination_fn each, void *arg)
{
    return ng_map_each(destinations->fd, each, arg);
}
