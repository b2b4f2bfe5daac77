// SPDX-License-Identifier: BSD-2-Clause
#include "tracked.h"

#include "cache.h"

#include <errno.h>
#include <string.h>

void ng_tracks_init(struct ng_tracks *tracks, size_t max)
{
    *tracks = (struct ng_tracks){.max = max, .key = ng_random()};
    TAILQ_INIT(&tracks->idle);
}

static void drop_any(void *arg, struct ng_link *link)
{
    ng_tracks_drop(arg, ng_record(link, struct ng_tracked, by_name));
}

void ng_tracks_release(struct ng_tracks *tracks)
{
    ng_table_each(&tracks->names, drop_any, tracks);
    ng_table_release(&tracks->names);
    ng_table_release(&tracks->ids);
    ng_table_release(&tracks->aliases);
}

struct ng_tracked *ng_tracks_find(const struct ng_tracks *tracks, const struct ng_name *name)
{
    struct ng_link *link = ng_table_first(&tracks->names, ng_name_hash(name, tracks->key));

    while (link && !ng_name_equal(&ng_record(link, struct ng_tracked, by_name)->name, name))
        link = ng_table_next(link);
    return ng_record(link, struct ng_tracked, by_name);
}

/* Ids count up, so they are their own hash, and one link has it. */
struct ng_tracked *ng_tracks_by_id(const struct ng_tracks *tracks, uint64_t id)
{
    return ng_record(ng_table_first(&tracks->ids, id), struct ng_tracked, by_id);
}

int ng_tracks_get(struct ng_tracks *tracks, const struct ng_name *name, struct ng_tracked **ret_tracked)
{
    struct ng_tracked *tracked = ng_tracks_find(tracks, name);

    if (tracked) {
        *ret_tracked = tracked;
        return 0;
    }
    if (tracks->names.count >= tracks->max) {
        if (TAILQ_EMPTY(&tracks->idle))
            return -ENOSPC;
        ng_tracks_drop(tracks, TAILQ_FIRST(&tracks->idle));
    }
    tracked = calloc(1, sizeof(*tracked));
    if (!tracked)
        return -ENOMEM;
    tracked->name = *name;
    tracked->id = ++tracks->last_id;
    if (ng_table_add(&tracks->names, &tracked->by_name, ng_name_hash(name, tracks->key)) < 0) {
        free(tracked);
        return -ENOMEM;
    }
    if (ng_table_add(&tracks->ids, &tracked->by_id, tracked->id) < 0) {
        ng_table_remove(&tracks->names, &tracked->by_name);
        free(tracked);
        return -ENOMEM;
    }
    ng_tracks_touch(tracks, tracked);
    *ret_tracked = tracked;
    return 0;
}

/* Takes away the aliases that stand for `chain`, or all when it is NULL. */
static void drop_aliases(struct ng_tracks *tracks, struct ng_tracked *tracked, const struct ng_chain *chain)
{
    struct ng_alias **at = &tracked->aliases;

    while (*at) {
        struct ng_alias *alias = *at;

        if (chain && alias->chain != chain) {
            at = &alias->next;
            continue;
        }
        *at = alias->next;
        ng_table_remove(&tracks->aliases, &alias->link);
        free(alias);
    }
}

void ng_tracks_drop(struct ng_tracks *tracks, struct ng_tracked *tracked)
{
    drop_aliases(tracks, tracked, NULL);
    while (tracked->chains) {
        struct ng_chain *chain = tracked->chains;

        tracked->chains = chain->next;
        free(chain);
    }
    if (tracked->listed)
        TAILQ_REMOVE(&tracks->idle, tracked, idle);
    ng_table_remove(&tracks->names, &tracked->by_name);
    ng_table_remove(&tracks->ids, &tracked->by_id);
    ng_vector_free(&tracked->addresses);
    ng_vector_free(&tracked->told);
    free(tracked);
}

void ng_tracks_touch(struct ng_tracks *tracks, struct ng_tracked *tracked)
{
    if (tracked->listed)
        TAILQ_REMOVE(&tracks->idle, tracked, idle);
    tracked->listed = !tracked->ruled && tracked->told.count == 0;
    if (tracked->listed)
        TAILQ_INSERT_TAIL(&tracks->idle, tracked, idle);
}

bool ng_chain_next(const struct ng_chain *chain, size_t *offset, struct ng_name *ret_name)
{
    int used;

    if (*offset >= chain->size)
        return false;
    used = ng_name_from_wire(chain->wire + *offset, chain->size - *offset, ret_name);
    if (used < 0)
        return false;
    *offset += (size_t)used;
    return true;
}

static int add_aliases(struct ng_tracks *tracks, struct ng_tracked *tracked, const struct ng_chain *chain)
{
    struct ng_name name;
    size_t offset = 0, start;

    (void)ng_chain_next(chain, &offset, &name);
    for (start = offset; ng_chain_next(chain, &offset, &name); start = offset) {
        struct ng_alias *alias = calloc(1, sizeof(*alias));

        if (!alias || ng_table_add(&tracks->aliases, &alias->link, ng_name_hash(&name, tracks->key)) < 0) {
            free(alias);
            return -ENOMEM;
        }
        alias->tracked = tracked;
        alias->chain = chain;
        alias->offset = start;
        alias->next = tracked->aliases;
        tracked->aliases = alias;
    }
    return 0;
}

int ng_tracks_chain(struct ng_tracks *tracks, struct ng_tracked *tracked, const struct ng_name *names,
                    unsigned links, const struct ng_chain **ret_chain)
{
    struct ng_chain *chain;
    size_t size = 0;

    for (unsigned i = 0; i < links; i++)
        size += names[i].length;
    chain = calloc(1, sizeof(*chain) + size);
    if (!chain)
        return -ENOMEM;
    chain->links = links;
    for (unsigned i = 0; i < links; i++) {
        memcpy(chain->wire + chain->size, names[i].wire, names[i].length);
        chain->size += names[i].length;
    }
    for (struct ng_chain **at = &tracked->chains; *at; at = &(*at)->next) {
        struct ng_chain *known = *at;

        if (known->size != size || memcmp(known->wire, chain->wire, size) != 0)
            continue;
        free(chain);
        *at = known->next;
        known->next = tracked->chains;
        tracked->chains = known;
        *ret_chain = known;
        return 0;
    }
    if (add_aliases(tracks, tracked, chain) < 0) {
        drop_aliases(tracks, tracked, chain);
        free(chain);
        return -ENOMEM;
    }
    chain->next = tracked->chains;
    tracked->chains = chain;
    tracked->version++;
    *ret_chain = chain;
    return 0;
}

void ng_tracks_trim(struct ng_tracks *tracks, struct ng_tracked *tracked)
{
    struct ng_chain **at = tracked->chains ? &tracked->chains->next : NULL;

    while (at && *at) {
        struct ng_chain *chain = *at;
        bool used = false;

        for (size_t i = 0; i < tracked->addresses.count; i++)
            used |= tracked->addresses.items[i].chain == chain;
        if (used) {
            at = &chain->next;
            continue;
        }
        *at = chain->next;
        drop_aliases(tracks, tracked, chain);
        free(chain);
    }
}

struct ng_alias *ng_tracks_alias(const struct ng_tracks *tracks, const struct ng_name *name,
                                 const struct ng_alias *after)
{
    struct ng_link *link = after ? ng_table_next(&after->link)
                                 : ng_table_first(&tracks->aliases, ng_name_hash(name, tracks->key));

    for (; link; link = ng_table_next(link)) {
        struct ng_alias *alias = ng_record(link, struct ng_alias, link);
        size_t offset = alias->offset;
        struct ng_name own;

        if (ng_chain_next(alias->chain, &offset, &own) && ng_name_equal(&own, name))
            return alias;
    }
    return NULL;
}
