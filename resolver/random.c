// SPDX-License-Identifier: BSD-2-Clause
#include "random.h"

#include <stddef.h>
#include <sys/random.h>
#include <sys/types.h>

uint64_t ng_random(void)
{
    static uint64_t pool[32]; /* getrandom() gives 256 octets whole (random(7)) */
    static size_t left;
    uint64_t value;

    if (left == 0) {
        while (getrandom(pool, sizeof(pool), 0) != (ssize_t)sizeof(pool))
            ; /* only a signal interrupts it */
        left = sizeof(pool) / sizeof(pool[0]);
    }
    value = pool[--left];
    pool[left] = 0; /* what was used is not read from memory later */
    return value;
}
