/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* One word for a key, for where key and epoch must be read as one; and a place for it. Pure C, as decide.h.
 *
 * Whoever may choose keys, as by connecting to addresses, must find no two with the same mark. So it is a universal
 * hash: NH of UMAC (RFC 4418 section 5.2.2), on the key's words in halves. Two keys have the same mark for one in 2^32
 * secrets, whichever they are; with a hash that only begins with its secret some pairs have it for all. */
#ifndef NAMEGATE_MARK_H
#define NAMEGATE_MARK_H

#include "../include/namegate/abi.h"

#define NG_MARK_WORDS (sizeof(struct ng_permit_key) / sizeof(__u64))

static __attribute__((always_inline)) inline __u64 ng_mark(const volatile __u64 *secret,
                                                           const struct ng_permit_key *key)
{
    __u64 word[NG_MARK_WORDS], mark = 0;

    __builtin_memcpy(word, key, sizeof(word));
    for (__u32 i = 0; i < NG_MARK_WORDS; i++) {
        __u64 own = secret[i];

        mark += (__u64)(__u32)((__u32)word[i] + (__u32)own) *
                (__u32)((__u32)(word[i] >> 32) + (__u32)(own >> 32));
    }
    return mark;
}

/* A number of so many bits: multiply-shift, where each bit of a word counts for those at its place and above, so that
 * the highest ones are of all. Spreads; hides nothing, as how long a call takes tells of places. */
static __attribute__((always_inline)) inline __u32 ng_place(const volatile __u64 *secret,
                                                            const struct ng_permit_key *key, __u32 bits)
{
    __u64 word[NG_MARK_WORDS], sum = 0;

    __builtin_memcpy(word, key, sizeof(word));
    for (__u32 i = 0; i < NG_MARK_WORDS; i++)
        sum += word[i] * (secret[i] | 1);
    return (__u32)(sum >> (64 - bits));
}

#endif
