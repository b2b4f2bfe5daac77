/* SPDX-License-Identifier: BSD-2-Clause */
/* Domain names in canonical wire form (RFC 1035 §3.1): length-prefixed labels, ASCII lower case, ended by the root
 * label. This is the only form in which names are stored, compared and sent between processes; text is for people. */
#ifndef NAMEGATE_NAME_H
#define NAMEGATE_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NG_NAME_MAX 255       /* octets of a name, with the root label */
#define NG_NAME_TEXT_MAX 1010 /* its longest text: every octet escaped as \DDD, dots, NUL */
#define NG_LABELS_MAX 127

#define NG_NAME_SLACK 8       /* octets behind a name that may be read with it, whatever they are */

struct ng_name {
    uint8_t length;            /* octets used, 1 (the root) to 255; 0 is no name */
    uint8_t wire[NG_NAME_MAX + NG_NAME_SLACK];
};

/* Octets that a name of that length needs where there are many: it is copied by ng_name_copy() alone then. */
static inline size_t ng_name_kept(uint8_t length)
{
    return offsetof(struct ng_name, wire) + length + NG_NAME_SLACK;
}

static inline void ng_name_copy(struct ng_name *to, const struct ng_name *from)
{
    memcpy(to, from, ng_name_kept(from->length));
}

/* Reads a host name as people write it: any case, an optional trailing dot, no escapes. Non-ASCII names are refused
 * with -EILSEQ, empty labels and bad characters with -EINVAL, too long ones with -ENAMETOOLONG.
 * Letters, digits, '-' and '_' are accepted. *ret_name is untouched on failure. */
int ng_name_from_text(const char *text, size_t length, struct ng_name *ret_name);

/* The same of what ng_name_to_text() has written, with its escapes. */
int ng_name_from_record(const char *text, size_t length, struct ng_name *ret_name);

/* Copies an uncompressed wire name of at most `size` octets, perhaps a part of *ret_name itself, lowering its case.
 * Returns the octets used or -EBADMSG. */
int ng_name_from_wire(const uint8_t *wire, size_t size, struct ng_name *ret_name);

/* Writes the name as text without the trailing dot (the root is "."), octets that are no letters, digits, '-' or '_'
 * escaped as \DDD (RFC 4343 §2.1). `text` has room for NG_NAME_TEXT_MAX octets. Returns text. */
char *ng_name_to_text(const struct ng_name *name, char *text);

bool ng_name_equal(const struct ng_name *a, const struct ng_name *b);

/* Whether name lies below apex (strictly: a name is not below itself). */
bool ng_name_below(const struct ng_name *name, const struct ng_name *apex);

unsigned ng_name_labels(const struct ng_name *name);

/* A keyed 64-bit hash of the name, for tables that strangers fill. */
uint64_t ng_name_hash(const struct ng_name *name, uint64_t key);

#endif
