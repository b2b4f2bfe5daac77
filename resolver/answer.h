/* SPDX-License-Identifier: BSD-2-Clause */
/* What an upstream's message says: the chain from the name asked for, and the addresses at its end. Whatever else the
 * message holds is neither learnt nor passed on. */
#ifndef NAMEGATE_ANSWER_H
#define NAMEGATE_ANSWER_H

#include "wire.h"

#include <namegate/channel.h>

#define NG_TTL_MAX 86400U          /* s: longer TTLs are cut (RFC 2181 section 8, RFC 8767 section 4) */
#define NG_TTL_NEGATIVE_MAX 900U   /* s: longest memory of "there is none" (RFC 2308 section 5) */

#define NG_ANSWER_ADDRESSES_MAX 512 /* more are refused: what is told must be remembered as well */
#define NG_ANSWER_SERVICES_MAX 16

/* A name that service bindings of the chain's last name speak of: what serves it, or, where that name begins with
 * labels like _8443._https, the name that they belong to (RFC 9460 section 2.3). */
struct ng_answer_service {
    struct ng_name name;
    bool prefixed; /* the chain's last name without such labels; it leads to the targets as that one does */
};

struct ng_answer_address {
    uint8_t address[16]; /* v4-mapped */
    uint8_t service;     /* 0: of the chain's last name. Else a hint: which service, plus 1. It is what a stranger says
                            of that name: what the policy denies for it counts, and what it allows does not */
};

struct ng_answer {
    uint8_t rcode;      /* NOERROR or NXDOMAIN */
    bool remembered;    /* of an earlier run: what the policy denies counts, and what it allows does not */
    uint32_t ttl;       /* s: for how long all of it holds; 0: not to be kept */
    unsigned links;     /* names in chain; the one asked for is the first */
    unsigned services;
    unsigned addresses;
    unsigned repeated;  /* addresses that were there already */
    struct ng_answer_address *address; /* A, AAAA, and the hints of SVCB and HTTPS (RFC 9460 section 7.3) */
    uint8_t *wire;      /* the answer to give: see struct ng_wire_answer */
    size_t size;
    uint16_t *ttls;     /* behind the wire */
    size_t ttl_count;
    struct ng_name chain[NG_CHAIN_MAX];
    struct ng_answer_service service[NG_ANSWER_SERVICES_MAX];
};

/* Understands the upstream's message that answers `question`. Returns 0, -EBADMSG for one that is malformed or answers
 * another question, -ENOTSUP for one that says failure (any rcode but NOERROR and NXDOMAIN), -ELOOP for a chain that
 * runs in a circle or is too long, -E2BIG for too many records, or -ENOMEM. *ret_answer is to be released. */
int ng_answer_parse(const struct ng_question *question, const uint8_t *wire, size_t size,
                    struct ng_answer *ret_answer);
void ng_answer_release(struct ng_answer *answer);

#endif
