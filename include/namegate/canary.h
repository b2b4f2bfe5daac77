/* SPDX-License-Identifier: BSD-2-Clause */
/* Canaries: what a selftest tries to reach. Each deployment that tests itself has a number of its own; name and
 * addresses follow from it, so that keeper, resolver and command need not tell each other. They are forbidden to that
 * deployment alone, whatever its policy says, and nothing stands behind them: the name is below .invalid (RFC 6761),
 * the IPv4 address in 127.64.0.0/10, the IPv6 address in 100::/64, which is discard-only (RFC 6666).
 */
#ifndef NAMEGATE_CANARY_H
#define NAMEGATE_CANARY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define NG_CANARY_NAME_MAX 64 /* with the terminating NUL */
#define NG_CANARY_SECONDS 60  /* how long a selftest may take */

/* The profile of their claims: no policy's, and an id that the kernel does not know denies. */
#define NG_CANARY_PROFILE 0x7967616e61630000ULL

static inline void ng_canary_name(uint64_t number, char ret_name[NG_CANARY_NAME_MAX])
{
    (void)snprintf(ret_name, NG_CANARY_NAME_MAX, "%016llx.canary.namegate.invalid", (unsigned long long)number);
}

/* 16 octets, v4-mapped. */
static inline void ng_canary_address(uint64_t number, bool v4, uint8_t ret_address[16])
{
    memset(ret_address, 0, 16);
    for (unsigned i = 15; i >= 8; i--, number >>= 8)
        ret_address[i] = (uint8_t)number;
    if (!v4) {
        ret_address[0] = 1;
        return;
    }
    memset(ret_address + 8, 0, 2);
    memset(ret_address + 10, 0xff, 2);
    ret_address[12] = 127;
    ret_address[13] = (uint8_t)(64 | (ret_address[13] & 63));
}

static inline bool ng_canary_is(uint64_t number, const uint8_t address[16])
{
    uint8_t v4[16], v6[16];

    ng_canary_address(number, true, v4);
    ng_canary_address(number, false, v6);
    return memcmp(address, v4, 16) == 0 || memcmp(address, v6, 16) == 0;
}

#endif
