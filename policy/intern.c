// SPDX-License-Identifier: BSD-2-Clause
#include "intern.h"

#include "bits.h"

#include <errno.h>

static uint32_t hash_of(const uint8_t *item, size_t size)
{
    uint64_t hash = size;

    for (size_t at = 0; at < size; at += 8) {
        uint64_t word = 0;

        memcpy(&word, item + at, size - at < 8 ? size - at : 8);
        hash = ng_fold(hash ^ word ^ 0x9e3779b97f4a7c15ULL, 0xe7037ed1a0b428dbULL);
    }
    return (uint32_t)hash;
}

static int grow(struct ng_intern *intern)
{
    uint32_t room = intern->room ? intern->room * 2 : 64;
    struct ng_intern_slot *slots;

    if (intern->room > UINT32_MAX / 4)
        return -EFBIG;
    slots = calloc(room, sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    for (uint32_t i = 0; i < intern->room; i++) {
        const struct ng_intern_slot *slot = &intern->slots[i];
        uint32_t at = slot->hash & (room - 1);

        if (!slot->size)
            continue;
        while (slots[at].size)
            at = (at + 1) & (room - 1);
        slots[at] = *slot;
    }
    free(intern->slots);
    intern->slots = slots;
    intern->room = room;
    return 0;
}

int ng_intern(struct ng_intern *intern, const void *item, size_t size, uint32_t *ret_offset)
{
    uint32_t hash = hash_of(item, size), at;
    int r = intern->used >= intern->room / 2 ? grow(intern) : 0;

    if (r < 0)
        return r;
    if (intern->octets.count + size > UINT32_MAX)
        return -EFBIG;
    for (at = hash & (intern->room - 1); intern->slots[at].size; at = (at + 1) & (intern->room - 1)) {
        const struct ng_intern_slot *slot = &intern->slots[at];

        if (slot->hash == hash && slot->size == size && memcmp(intern->octets.items + slot->offset, item, size) == 0) {
            *ret_offset = slot->offset;
            return 0;
        }
    }
    *ret_offset = (uint32_t)intern->octets.count;
    if (!ng_vector_append(&intern->octets, (const uint8_t *)item, size))
        return -ENOMEM;
    intern->slots[at] = (struct ng_intern_slot){hash, *ret_offset, (uint32_t)size};
    intern->used++;
    return 0;
}

void ng_intern_release(struct ng_intern *intern)
{
    ng_vector_free(&intern->octets);
    free(intern->slots);
    intern->slots = NULL;
    intern->used = intern->room = 0;
}
