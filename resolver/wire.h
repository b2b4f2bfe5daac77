/* SPDX-License-Identifier: BSD-2-Clause */
/* DNS messages as octets (RFC 1035 section 4): reading queries, and answering them from an answer that is at hand.
 * Nothing here allocates. */
#ifndef NAMEGATE_WIRE_H
#define NAMEGATE_WIRE_H

#include "../policy/name.h"

#define NG_WIRE_MAX 65535
#define NG_WIRE_HEADER 12
#define NG_WIRE_UDP_MAX 1232      /* octets of an answer over UDP: fits every path (DNS flag day 2020) */
#define NG_WIRE_QUERY_MAX 512     /* octets of a query that ng_wire_ask() writes */
#define NG_RECORDS_MAX 512        /* records of an answer that can be kept */

enum { NG_RCODE_NOERROR = 0, NG_RCODE_FORMERR = 1, NG_RCODE_SERVFAIL = 2, NG_RCODE_NXDOMAIN = 3, NG_RCODE_NOTIMP = 4,
       NG_RCODE_REFUSED = 5, NG_RCODE_BADVERS = 16 };

enum { NG_TYPE_A = 1, NG_TYPE_NS = 2, NG_TYPE_CNAME = 5, NG_TYPE_SOA = 6, NG_TYPE_AAAA = 28, NG_TYPE_DNAME = 39,
       NG_TYPE_OPT = 41, NG_TYPE_RRSIG = 46, NG_TYPE_NSEC = 47, NG_TYPE_NSEC3 = 50, NG_TYPE_SVCB = 64,
       NG_TYPE_HTTPS = 65 };

/* The question, and what of it decides which answer fits. */
struct ng_question {
    struct ng_name name;
    uint16_t type;
    bool dnssec;   /* the DO bit (RFC 3225) */
    bool checking_disabled; /* the CD bit */
};

enum ng_query_kind {
    NG_QUERY_GOOD,
    NG_QUERY_BAD,    /* to be answered with an rcode */
    NG_QUERY_SILENT, /* no query: not to be answered, so that nobody can make servers talk to each other */
};

struct ng_query {
    enum ng_query_kind kind;
    uint8_t rcode;                 /* NG_QUERY_BAD: the answer to give */
    struct ng_question question;
    uint16_t id;
    uint16_t class;
    bool recursion_desired;
    bool edns;
    bool ad;
    uint16_t udp_max;              /* octets that the asker takes over UDP, 512 at least */
    uint8_t written[NG_NAME_MAX];  /* the name in the asker's own case */
};

/* Understands a query. One that is bad is as complete then as the message allowed; the name is empty when there was
 * none. Returns ret_query->kind. */
enum ng_query_kind ng_wire_query(const uint8_t *wire, size_t size, struct ng_query *ret_query);

/* Writes a query for an upstream: recursion desired, EDNS. Returns its size. `wire` has room for NG_WIRE_QUERY_MAX. */
size_t ng_wire_ask(const struct ng_question *question, uint16_t id, uint8_t *wire);

/* Why an answer is what it is (RFC 8914), for askers that use EDNS. */
#define NG_EDE_TEXT_MAX 128
enum { NG_EDE_STALE = 3, NG_EDE_FORGED = 4, NG_EDE_CACHED_ERROR = 13, NG_EDE_BLOCKED = 15, NG_EDE_FILTERED = 17,
       NG_EDE_PROHIBITED = 18, NG_EDE_NO_REACHABLE_AUTHORITY = 22 };

struct ng_ede {
    uint16_t code;
    char text[NG_EDE_TEXT_MAX]; /* UTF-8, NUL-terminated */
};

/* Writes an answer without records; `ede` may be NULL. Returns its size. `wire` has room for NG_WIRE_QUERY_MAX. */
size_t ng_wire_failure(const struct ng_query *query, uint8_t rcode, const struct ng_ede *ede, uint8_t *wire);

/* The same with a SOA record, so that it may be kept for ttl seconds (RFC 2308): there is no such name (NXDOMAIN), or
 * nothing of the type (NOERROR). */
size_t ng_wire_nothing(const struct ng_query *query, uint8_t rcode, uint32_t ttl, const struct ng_ede *ede,
                       uint8_t *wire);

/* Makes of an answer, where it lies, one without records that says SERVFAIL, with EDNS if that had it (RFC 6891 section
 * 6.1.1), but no explanation. Returns its size, which is not more. */
size_t ng_wire_spoil(uint8_t *wire, size_t size);

/* An answer of one address: 4 or 16 octets, of type A or AAAA. */
size_t ng_wire_address(const struct ng_query *query, const uint8_t *address, size_t octets, uint32_t ttl,
                       const struct ng_ede *ede, uint8_t *wire);

/* A whole answer, as ng_answer_parse() makes it: question first, no OPT record, id 0. */
struct ng_wire_answer {
    const uint8_t *wire;
    size_t size;
    const uint16_t *ttls; /* offsets of the TTLs */
    size_t ttl_count;
    uint32_t age;         /* s: how much is taken off the TTLs */
    uint32_t ttl;         /* s: what all of them are instead; 0: not set */
};

/* Writes that answer for this query into `wire`, which has room for `room` octets; cut to an empty one with the TC bit
 * when it is longer than `max` octets. `ede` may be NULL. Returns its size, 0 when even that does not fit. */
size_t ng_wire_reply(const struct ng_query *query, const struct ng_wire_answer *answer, const struct ng_ede *ede,
                     size_t max, uint8_t *wire, size_t room);

/* Finds the TTLs of all records of a message, and checks its shape: every record within it, no octets after the last,
 * and addresses of the length that they have. Returns the number of records or -EBADMSG, or -E2BIG when there are more
 * than NG_RECORDS_MAX or they lie too far behind. */
int ng_wire_ttls(const uint8_t *wire, size_t size, uint16_t offsets[static NG_RECORDS_MAX]);

#endif
