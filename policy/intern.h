/* SPDX-License-Identifier: BSD-2-Clause */
/* Octet strings that are kept once each, side by side in one block: the strings and the records of a snapshot. */
#ifndef NAMEGATE_INTERN_H
#define NAMEGATE_INTERN_H

#include "vector.h"

struct ng_intern_slot {
    uint32_t hash;
    uint32_t offset;
    uint32_t size; /* 0: free */
};

struct ng_intern {
    NG_VECTOR(uint8_t) octets;
    struct ng_intern_slot *slots;
    uint32_t used, room; /* room is a power of two, or 0 */
};

/* Finds or adds `size` octets, at least one. Returns 0 and their offset in `octets`, -ENOMEM or -EFBIG. */
int ng_intern(struct ng_intern *intern, const void *item, size_t size, uint32_t *ret_offset);
void ng_intern_release(struct ng_intern *intern);

#endif
