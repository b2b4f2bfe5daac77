/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NAMEGATE_CLOCK_H
#define NAMEGATE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NG_SECOND 1000000000ULL

/* Now, in ns of CLOCK_BOOTTIME: the clock of every time in abi.h. It counts suspended time, as TTLs do. */
static inline uint64_t ng_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * NG_SECOND + (uint64_t)now.tv_nsec;
}

#endif
