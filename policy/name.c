// SPDX-License-Identifier: BSD-2-Clause
#include "name.h"

#include "bits.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

static bool plain(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Reads \DDD. */
static int read_escape(const char *text, size_t length, uint8_t *ret_octet)
{
    unsigned octet = 0;

    for (size_t i = 1; i <= 3; i++) {
        if (i >= length || text[i] < '0' || text[i] > '9')
            return -EINVAL;
        octet = octet * 10 + (unsigned)(text[i] - '0');
    }
    if (octet > UINT8_MAX)
        return -EINVAL;
    *ret_octet = lower((uint8_t)octet);
    return 0;
}

static int read_text(const char *text, size_t length, bool escapes, struct ng_name *ret_name)
{
    struct ng_name name = {0};
    size_t used = 0, label = 0; /* label: where the length of the label being read stands */

    if (length > 0 && text[length - 1] == '.')
        length--;
    if (length == 0)
        return -EINVAL;
    for (size_t i = 0; i <= length; i++) {
        uint8_t c = i < length ? lower((uint8_t)text[i]) : '.';
        bool escaped = escapes && c == '\\';

        if (escaped && read_escape(text + i, length - i, &c) < 0)
            return -EINVAL;
        i += escaped ? 3 : 0;
        if (c >= 0x80 && !escaped)
            return -EILSEQ;
        if (c == '.' && !escaped) {
            if (used == label)
                return -EINVAL;
            name.wire[label] = (uint8_t)(used - label);
            label = ++used;
            continue;
        }
        if (!plain(c) && !escaped)
            return -EINVAL;
        if (used - label == 63 || used + 2 >= NG_NAME_MAX)
            return -ENAMETOOLONG;
        name.wire[++used] = c;
    }
    name.length = (uint8_t)(used + 1);
    *ret_name = name;
    return 0;
}

int ng_name_from_text(const char *text, size_t length, struct ng_name *ret_name)
{
    return read_text(text, length, false, ret_name);
}

int ng_name_from_record(const char *text, size_t length, struct ng_name *ret_name)
{
    return read_text(text, length, true, ret_name);
}

/* Eight octets at a time: bit 7 of each says whether it is a letter to be lowered. Lengths of labels are below 64: none
 * of them is a letter. */
static uint64_t lower_word(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101ULL, low = word & 0x7f * ones;
    uint64_t from_a = low + (0x80 - 'A') * ones, above_z = low + (0x7f - 'Z') * ones;

    return word | (from_a & ~above_z & ~word & 0x80 * ones) >> 2;
}

int ng_name_from_wire(const uint8_t *wire, size_t size, struct ng_name *ret_name)
{
    size_t at = 0;
    uint8_t label;

    do {
        if (at >= size || at >= NG_NAME_MAX)
            return -EBADMSG;
        label = wire[at];
        if (label > 63 || at + 1 + label > size || at + 1 + label > NG_NAME_MAX)
            return -EBADMSG;
        at += 1U + label;
    } while (label > 0);
    memmove(ret_name->wire, wire, at);
    memset(ret_name->wire + at, 0, NG_NAME_SLACK);
    for (size_t i = 0; i < at; i += 8) {
        uint64_t word;

        memcpy(&word, ret_name->wire + i, 8);
        word = lower_word(word);
        memcpy(ret_name->wire + i, &word, 8);
    }
    ret_name->length = (uint8_t)at;
    return (int)at;
}

char *ng_name_to_text(const struct ng_name *name, char *text)
{
    char *out = text;

    for (size_t at = 0; at < name->length && name->wire[at]; at += 1U + name->wire[at]) {
        if (at > 0)
            *out++ = '.';
        for (size_t i = 1; i <= name->wire[at]; i++) {
            uint8_t c = name->wire[at + i];

            if (plain(lower(c)))
                *out++ = (char)c;
            else
                out += sprintf(out, "\\%03u", c);
        }
    }
    if (out == text)
        *out++ = '.';
    *out = '\0';
    return text;
}

bool ng_name_equal(const struct ng_name *a, const struct ng_name *b)
{
    return a->length == b->length && memcmp(a->wire, b->wire, a->length) == 0;
}

bool ng_name_below(const struct ng_name *name, const struct ng_name *apex)
{
    size_t at = 0;

    if (name->length <= apex->length)
        return false;
    while (at < (size_t)(name->length - apex->length))
        at += 1U + name->wire[at];
    return at == (size_t)(name->length - apex->length) && memcmp(name->wire + at, apex->wire, apex->length) == 0;
}

unsigned ng_name_labels(const struct ng_name *name)
{
    unsigned labels = 0;

    for (size_t at = 0; at < name->length && name->wire[at]; at += 1U + name->wire[at])
        labels++;
    return labels;
}

/* Without the key nobody can choose names that collide. */
uint64_t ng_name_hash(const struct ng_name *name, uint64_t key)
{
    uint64_t hash = key ^ 0x9e3779b97f4a7c15ULL;
    size_t at = 0;

    for (; at < name->length; at += 8) {
        size_t rest = (size_t)name->length - at;
        uint64_t word; /* the slack behind the name may be read */

        memcpy(&word, name->wire + at, 8);
        if (rest < 8)
            word = le64toh(word) & (UINT64_MAX >> (64 - 8 * rest));
        hash = ng_fold(hash ^ word, key ^ 0xe7037ed1a0b428dbULL);
    }
    return ng_fold(hash ^ name->length, key ^ 0x8ebc6af09c88c6e3ULL);
}
