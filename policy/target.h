/* SPDX-License-Identifier: BSD-2-Clause */
/* Destinations as people write them: in a policy, in a test, on the command line. */
#ifndef NAMEGATE_TARGET_H
#define NAMEGATE_TARGET_H

#include "name.h"

enum ng_target_kind {
    NG_TARGET_EXACT,    /* x: that name alone */
    NG_TARGET_WILDCARD, /* *.x: what lies below it */
    NG_TARGET_BOTH,     /* .x */
    NG_TARGET_NETWORKS, /* an address, a network, or a range of addresses as the networks that it is made of */
    NG_TARGET_GROUP,    /* @x */
};

struct ng_prefix {
    uint8_t address[16]; /* network order, v4-mapped, no bit set behind the prefix */
    uint8_t bits;        /* 0 to 128 */
};

#define NG_PREFIXES_MAX 254 /* what the longest range falls into */
#define NG_GROUP_MAX 63     /* octets of a group's name */

struct ng_target {
    enum ng_target_kind kind;
    struct ng_name name;           /* EXACT, WILDCARD, BOTH */
    char group[NG_GROUP_MAX + 1];  /* GROUP: without '@' */
    unsigned prefixes;             /* NETWORKS */
    struct ng_prefix prefix[NG_PREFIXES_MAX];
};

/* Understands a destination as written, without its ports. International names become A-labels (IDNA 2008, UTS 46
 * non-transitional). On failure -EINVAL; *ret_error and *ret_remedy are texts for people (remedy may be NULL) that the
 * caller frees. */
int ng_target_parse(const char *text, size_t length, struct ng_target *ret_target, char **ret_error,
                    char **ret_remedy);

/* One destination to be judged: NAME or ADDRESS, [:PORT][/PROTO], an IPv6 address with a port in brackets. */
struct ng_probe {
    bool named;
    struct ng_name name;
    uint8_t address[16]; /* v4-mapped; when not named */
    bool port_given;
    uint16_t port;
    uint8_t proto;       /* IPPROTO_TCP, IPPROTO_UDP, or 0: not given */
};

/* As ng_target_parse(). */
int ng_probe_parse(const char *text, size_t length, struct ng_probe *ret_probe, char **ret_error, char **ret_remedy);

#endif
