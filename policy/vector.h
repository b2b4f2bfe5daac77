/* SPDX-License-Identifier: BSD-2-Clause */
/* Growing arrays of plain items. */
#ifndef NAMEGATE_VECTOR_H
#define NAMEGATE_VECTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define NG_VECTOR(type) \
    struct {            \
        type *items;    \
        size_t count;   \
        size_t room;    \
    }

static inline bool ng_vector_grow(void **items, size_t count, size_t *room, size_t size)
{
    size_t wanted = *room ? *room * 2 : 4;
    void *grown;

    if (count < *room)
        return true;
    if (wanted > SIZE_MAX / 2 / size)
        return false;
    grown = realloc(*items, wanted * size);
    if (!grown)
        return false;
    *items = grown;
    *room = wanted;
    return true;
}

/* Appends `item`; false when out of memory, the vector is as it was then. */
#define ng_vector_add(vector, item)                                                                          \
    (ng_vector_grow((void **)&(vector)->items, (vector)->count, &(vector)->room, sizeof(*(vector)->items)) && \
     ((vector)->items[(vector)->count++] = (item), true))

#define ng_vector_free(vector)       \
    do {                             \
        free((vector)->items);       \
        (vector)->items = NULL;      \
        (vector)->count = 0;         \
        (vector)->room = 0;          \
    } while (0)

#endif
