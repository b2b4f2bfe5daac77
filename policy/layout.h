/* SPDX-License-Identifier: BSD-2-Clause */
/* The layout of a snapshot: private to its writer (build.c) and its readers (snapshot.c, explain.c).
 *
 * A header, then sections of fixed-size records, each at a multiple of 8. References between records are indices. All
 * numbers are in the host's byte order: a snapshot never leaves the host. A policy may have millions of names, so what
 * there is once a name is small:
 *
 *   tags     a hash table for each policy, with linear probing: an octet of each name's hash, 0 where none is
 *   offsets  beside each tag: where the name's record begins
 *   records  what a name says: itself, all names below it, or both; 12 octets and the name
 *   nodes    what decides at a destination: the profile that all rules for it add up to, and the rules themselves, one
 *            in the node or several in `items`
 *   rules    statements with the ports of a destination; equal ones are kept once, so that lines are not in them
 *   networks longest-prefix table, as the kernel gets it
 */
#ifndef NAMEGATE_LAYOUT_H
#define NAMEGATE_LAYOUT_H

#include "bits.h"
#include "name.h"

#include <namegate/abi.h>

#include <endian.h>
#include <stdbool.h>
#include <string.h>

#define NG_LAYOUT_MAGIC 0x676e70616e730004ULL /* changes with the layout */

enum ng_section {
    NG_SECTION_POLICIES,
    NG_SECTION_TAGS,
    NG_SECTION_OFFSETS,
    NG_SECTION_RECORDS,  /* octets: struct ng_layout_record, each at a multiple of 4 */
    NG_SECTION_NETWORKS,
    NG_SECTION_PROFILES, /* ascending ids */
    NG_SECTION_ITEMS,
    NG_SECTION_RULES,
    NG_SECTION_SEGMENTS,
    NG_SECTION_STRINGS,  /* octets: NUL-terminated; offset 0 is "" */
    NG_SECTIONS
};

struct ng_layout_header {
    uint64_t magic;
    uint64_t size; /* of all */
    uint64_t changes_at; /* seconds since 1970: when a rule's last day is over; 0: never */
    struct {
        uint32_t offset; /* from the beginning */
        uint32_t count;
    } section[NG_SECTIONS];
    uint64_t pad;
};

struct ng_layout_policy {
    uint32_t name; /* string */
    uint32_t scope;
    uint8_t mode, networks, established, on_loss;
    uint32_t table;        /* its first tag and offset */
    uint32_t room;         /* of them hashes are spread over so many; names that find no room there follow */
    uint32_t all;          /* how many there are: the last is free, so that every search ends */
    uint64_t exact[2];     /* bit n: names of n labels have rules of their own */
    uint64_t below[2];     /* bit n: names of n labels have rules for what lies below them */
};

#define NG_TAGS_SLACK 8 /* octets behind the last tag, so that they can be read in words */

struct ng_layout_node {
    uint32_t profile;
    uint32_t rule; /* or NG_NODE_MANY | number of items */
    uint32_t line; /* or the first item */
};

#define NG_NODE_MANY 0x80000000u
#define NG_NODE_NONE 0xffffffffu /* in `rule`: no rule */

#define NG_RECORD_EXACT 0x40000000u /* in `profile`: the node is for the name itself */
#define NG_RECORD_BELOW 0x80000000u /* for all names below it */
#define NG_RECORD_PROFILE 0x3fffffffu

struct ng_layout_record {
    struct ng_layout_node node;
    uint8_t name[]; /* canonical wire form */
};

/* Octets behind the last record, so that a name of any length can be compared with any. */
#define NG_RECORDS_SLACK 256

struct ng_layout_item {
    uint32_t rule;
    uint32_t line;
};

struct ng_layout_rule {
    uint32_t file, reason, instead, owner; /* strings */
    uint32_t group; /* that the rule names; string */
    uint32_t path;  /* of a dependency: its names up to the one that is denied by a rule; string */
    uint32_t segment; /* the first */
    uint32_t segments;
    uint32_t until; /* the last day in force, counted from 1970-01-01; 0: for ever */
    uint8_t verdict;
    uint8_t pad[3];
};

struct ng_layout_network {
    struct ng_network_key key;
    uint32_t policy;
    struct ng_layout_node own;   /* of the rules for exactly this address */
    struct ng_layout_node below; /* of those for this network */
    uint32_t inherited;          /* 1: `below` has the profile of a larger network, and no rule */
};

/* By address, each network after those that hold it. */
static inline int ng_network_compare(const struct ng_network_key *a, const struct ng_network_key *b)
{
    int order = memcmp(a->address, b->address, sizeof(a->address));

    return order ? order : a->prefixlen < b->prefixlen ? -1 : a->prefixlen > b->prefixlen;
}

/* In this order they stand: those of one policy after those of another. */
static inline int ng_layout_compare(const struct ng_layout_network *a, const struct ng_layout_network *b)
{
    if (a->policy != b->policy)
        return a->policy < b->policy ? -1 : 1;
    return ng_network_compare(&a->key, &b->key);
}

struct ng_layout_profile {
    uint64_t id;
    struct ng_profile content;
};

static const uint32_t ng_section_size[NG_SECTIONS] = {
    sizeof(struct ng_layout_policy), 1, sizeof(uint32_t), 1, sizeof(struct ng_layout_network),
    sizeof(struct ng_layout_profile), sizeof(struct ng_layout_item), sizeof(struct ng_layout_rule),
    sizeof(struct ng_segment), 1};

/* Hashes a name from its last label to its first, so that one walk gives the hashes of all its ancestors. The table is
 * filled by the policy's author alone, so the hash needs no key: names that collide cost a stranger's query no more
 * than the longest run of slots in use. */
#define NG_HASH_BEGIN 0x9e3779b97f4a7c15ULL

/* Reads whole words: NG_NAME_SLACK octets behind the name must be readable. */
static inline uint64_t ng_hash_label(uint64_t hash, const uint8_t *label)
{
    size_t size = 1U + *label;
    uint64_t word;

    for (; size > 8; size -= 8, label += 8) {
        memcpy(&word, label, 8);
        hash = ng_fold(hash ^ word, 0x8ebc6af09c88c6e3ULL);
    }
    memcpy(&word, label, 8);
    word = le64toh(word) & (UINT64_MAX >> (64 - 8 * size));
    return ng_fold(hash ^ word, 0x8ebc6af09c88c6e3ULL);
}

/* What is used of a hash: the high bits choose the place, the low ones are the tag. */
static inline uint32_t ng_hash_short(uint64_t hash)
{
    return (uint32_t)(hash >> 32) ^ (uint32_t)hash;
}

/* Rises with the hash. */
static inline uint32_t ng_hash_place(uint32_t hash, uint32_t room)
{
    return (uint32_t)(((uint64_t)hash * room) >> 32);
}

static inline uint8_t ng_hash_tag(uint32_t hash)
{
    return hash & 0xff ? (uint8_t)hash : 1;
}

/* The names of one policy. */
struct ng_layout_names {
    const uint8_t *tags;
    const uint32_t *offsets;
    uint32_t room;
    const uint8_t *records;
};

static inline void ng_layout_prefetch(const struct ng_layout_names *names, uint32_t hash)
{
    __builtin_prefetch(names->tags + ng_hash_place(hash, names->room));
}

/* The record of a name for itself (NG_RECORD_EXACT) or for what lies below it; NULL: there is none.
 *
 * A large table is in no cache, so what counts is how many lines are waited for: none but that of the tags where the
 * name is not there. Eight tags are read at a time: `same` and `free` have the highest bit of an octet set where the
 * tag is the one, or none. (As it goes with this trick, also behind such an octet where it is not, rarely.) */
static inline const struct ng_layout_record *ng_layout_find(const struct ng_layout_names *names, const uint8_t *name,
                                                            size_t length, uint32_t hash, uint32_t kind)
{
    const uint64_t ones = 0x0101010101010101ULL, high = ones << 7;
    uint32_t at = ng_hash_place(hash, names->room);
    uint64_t tag = ones * ng_hash_tag(hash);

    __builtin_prefetch(names->offsets + at);
    for (;; at += 8) {
        uint64_t word, same, free;

        memcpy(&word, names->tags + at, sizeof(word));
        word = le64toh(word);
        free = (word - ones) & ~word & high;
        same = ((word ^ tag) - ones) & ~(word ^ tag) & high;
        if (free)
            same &= (free & -free) - 1; /* what is behind the first free place belongs to others */
        for (; same; same &= same - 1) {
            uint32_t offset = names->offsets[at + (uint32_t)__builtin_ctzll(same) / 8];
            const struct ng_layout_record *record = (const void *)(names->records + offset);

            if (record->node.profile & kind && memcmp(record->name, name, length) == 0)
                return record;
        }
        if (free)
            return NULL;
    }
}

static inline bool ng_layout_has_labels(const uint64_t bits[2], unsigned labels)
{
    return bits[labels / 64] >> (labels % 64) & 1;
}

#endif
