/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef NAMEGATE_CLOCK_H
#define NAMEGATE_CLOCK_H

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#define NG_SECOND 1000000000ULL

/* Now, in ns of CLOCK_BOOTTIME: the clock of every time in abi.h. It counts suspended time, as TTLs do. */
static inline uint64_t ng_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * NG_SECOND + (uint64_t)now.tv_nsec;
}

/* Seconds from a number with an optional unit: s, m, h or d. Returns 0, or -EINVAL for anything else. */
static inline int ng_seconds_parse(const char *text, uint64_t *ret_seconds)
{
    char *end = NULL;
    unsigned long long number = strtoull(text, &end, 10);
    uint64_t unit = *end == 'm' ? 60 : *end == 'h' ? 3600 : *end == 'd' ? 86400 : 1;

    if (*text < '0' || *text > '9' || number > UINT32_MAX || (*end && (end[1] || (unit == 1 && *end != 's'))))
        return -EINVAL;
    *ret_seconds = number * unit;
    return 0;
}

#endif
