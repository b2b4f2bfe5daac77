/* SPDX-License-Identifier: BSD-2-Clause */
/* The layout of a snapshot: private to its writer (build.c) and its readers (snapshot.c, explain.c).
 *
 * A header, then sections of fixed-size records, each at a multiple of 8. References between records are indices; those
 * that may be absent are stored plus one. All numbers are in the host's byte order: a snapshot never leaves the host.
 *
 *   slots     hash table of all names with rules: (policy, name) -> node of the rules for the name itself, node of the
 *             rules for all names below it
 *   nodes     everything that can decide at a destination, in the order of precedence: own items, then the parent's
 *   items     a destination of a rule, as written
 *   networks  longest-prefix table, as the kernel gets it
 */
#ifndef NAMEGATE_LAYOUT_H
#define NAMEGATE_LAYOUT_H

#include "bits.h"
#include "name.h"

#include <namegate/abi.h>

#include <stdbool.h>
#include <string.h>

#define NG_LAYOUT_MAGIC 0x676e70616e730003ULL /* changes with the layout */

enum ng_section {
    NG_SECTION_POLICIES,
    NG_SECTION_SLOTS,
    NG_SECTION_NODES,
    NG_SECTION_NETWORKS,
    NG_SECTION_PROFILES, /* ascending ids */
    NG_SECTION_ITEMS,
    NG_SECTION_RULES,
    NG_SECTION_SEGMENTS,
    NG_SECTION_NAMES,    /* octets: canonical wire names */
    NG_SECTION_STRINGS,  /* octets: NUL-terminated; offset 0 is "" */
    NG_SECTIONS
};

struct ng_layout_header {
    uint64_t magic;
    uint64_t size; /* of all */
    struct {
        uint32_t offset; /* from the beginning */
        uint32_t count;
    } section[NG_SECTIONS];
};

struct ng_layout_policy {
    uint32_t name; /* string */
    uint32_t scope;
    uint8_t mode;
    uint8_t networks;
    uint8_t pad[2];
};

struct ng_layout_slot {
    uint32_t name;   /* plus 1; 0: empty */
    uint32_t policy;
    uint32_t exact;  /* node plus 1, or 0 */
    uint32_t below;
};

struct ng_layout_node {
    uint32_t profile;
    uint32_t parent; /* node plus 1, or 0; always an earlier one */
    uint32_t item;   /* the first */
    uint32_t items;
};

struct ng_layout_item {
    uint32_t rule;
    uint32_t pattern; /* string */
    uint32_t line, column;
    uint32_t segment; /* the first */
    uint32_t segments;
};

struct ng_layout_rule {
    uint32_t file, reason, instead; /* strings */
    uint8_t verdict;
    uint8_t pad[3];
};

struct ng_layout_network {
    struct ng_network_key key;
    uint32_t policy;
    uint32_t own;   /* node plus 1, or 0 */
    uint32_t below;
    uint32_t pad;
};

struct ng_layout_profile {
    uint64_t id;
    struct ng_profile content;
};

static const uint32_t ng_section_size[NG_SECTIONS] = {
    sizeof(struct ng_layout_policy), sizeof(struct ng_layout_slot), sizeof(struct ng_layout_node),
    sizeof(struct ng_layout_network), sizeof(struct ng_layout_profile), sizeof(struct ng_layout_item),
    sizeof(struct ng_layout_rule), sizeof(struct ng_segment), 1, 1};

/* Hashes a name from its last label to its first, so that one walk gives the hashes of all its ancestors. The table is
 * filled by the policy's author alone, so the hash needs no key: names that collide cost a stranger's query no more
 * than the longest run of slots in use. */
static inline uint64_t ng_hash_begin(uint32_t policy)
{
    return ng_fold(policy + 0x9e3779b97f4a7c15ULL, 0xe7037ed1a0b428dbULL);
}

static inline uint64_t ng_hash_label(uint64_t hash, const uint8_t *label)
{
    size_t size = 1U + *label;

    for (size_t at = 0; at < size; at += 8) {
        uint64_t word = 0;

        memcpy(&word, label + at, size - at < 8 ? size - at : 8);
        hash = ng_fold(hash ^ word, 0x8ebc6af09c88c6e3ULL);
    }
    return hash;
}

/* Whether the name at `offset` of the section of names is this one. A wire name ends itself, so a longer or shorter one
 * differs within `length`. */
static inline bool ng_layout_same(const uint8_t *names, size_t count, size_t offset, const uint8_t *name, size_t length)
{
    return offset <= count && length <= count - offset && memcmp(names + offset, name, length) == 0;
}

static inline uint32_t ng_hash_slot(uint64_t hash, uint32_t slots)
{
    return (uint32_t)(((hash & 0xffffffffU) * slots) >> 32);
}

#endif
