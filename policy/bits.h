/* SPDX-License-Identifier: BSD-2-Clause */
/* Small things about octets that names and addresses share. */
#ifndef NAMEGATE_BITS_H
#define NAMEGATE_BITS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Folded 128-bit multiplication: every bit of both factors reaches the result. */
static inline uint64_t ng_fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Whether it stands for all addresses of a host: 0.0.0.0 or ::. */
static inline bool ng_unspecified(const uint8_t address[16])
{
    static const uint8_t v4[16] = {[10] = 0xff, [11] = 0xff}, v6[16];

    return memcmp(address, v4, 16) == 0 || memcmp(address, v6, 16) == 0;
}

/* Whether the first `prefix` bits of an address are those of the network. */
static inline bool ng_inside(const uint8_t address[16], const uint8_t network[16], unsigned prefix)
{
    unsigned octets = prefix / 8, bits = prefix % 8;

    if (memcmp(address, network, octets) != 0)
        return false;
    return bits == 0 || ((address[octets] ^ network[octets]) >> (8 - bits)) == 0;
}

/* How many bits, from the first on, two addresses have in common. */
static inline unsigned ng_shared(const uint8_t a[16], const uint8_t b[16])
{
    unsigned bits = 0;

    while (bits < 128 && a[bits / 8] == b[bits / 8])
        bits += 8;
    while (bits < 128 && !((a[bits / 8] ^ b[bits / 8]) & (0x80 >> (bits % 8))))
        bits++;
    return bits;
}

/* Clears the bits after the prefix; whether any was set. */
static inline bool ng_clear_after(uint8_t address[16], unsigned prefix)
{
    bool cleared = false;

    for (unsigned octet = prefix / 8; octet < 16; octet++) {
        uint8_t after = octet == prefix / 8 ? (uint8_t)(0xff >> (prefix % 8)) : 0xff;

        cleared |= (address[octet] & after) != 0;
        address[octet] = (uint8_t)(address[octet] & ~after);
    }
    return cleared;
}

#endif
