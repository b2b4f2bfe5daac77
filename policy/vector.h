/* SPDX-License-Identifier: BSD-2-Clause */
/* Growing arrays of plain items. */
#ifndef NAMEGATE_VECTOR_H
#define NAMEGATE_VECTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NG_VECTOR(type) \
    struct {            \
        type *items;    \
        size_t count;   \
        size_t room;    \
    }

/* Makes room for `more` items behind the `count` that are there. */
static inline bool ng_vector_grow(void **items, size_t count, size_t *room, size_t size, size_t more)
{
    size_t wanted = *room ? *room : size < 32 ? 64 / size : 1; /* many hold one item for ever */
    void *grown;

    if (more <= *room - count)
        return true;
    if (more > SIZE_MAX / 4 / size - count)
        return false;
    while (wanted < count + more)
        wanted *= 2;
    grown = realloc(*items, wanted * size);
    if (!grown)
        return false;
    *items = grown;
    *room = wanted;
    return true;
}

#define ng_vector_reserve(vector, more) \
    ng_vector_grow((void **)&(vector)->items, (vector)->count, &(vector)->room, sizeof(*(vector)->items), more)

/* Appends `item`; false when out of memory, the vector is as it was then. */
#define ng_vector_add(vector, item) \
    (ng_vector_reserve(vector, 1) && ((vector)->items[(vector)->count++] = (item), true))

/* Appends `more` items. */
#define ng_vector_append(vector, from, more)                                                              \
    (ng_vector_reserve(vector, more) &&                                                                   \
     (memcpy((vector)->items + (vector)->count, from, (more) * sizeof(*(vector)->items)),                 \
      (vector)->count += (more), true))

#define ng_vector_free(vector)       \
    do {                             \
        free((vector)->items);       \
        (vector)->items = NULL;      \
        (vector)->count = 0;         \
        (vector)->room = 0;          \
    } while (0)

#endif
