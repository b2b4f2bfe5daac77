// SPDX-License-Identifier: BSD-2-Clause
#include "answer.h"

#include "../policy/vector.h"

#include <namegate/cleanup.h>

#include <ldns/ldns.h>
#include <string.h>

NG_DEFINE_CLEANUP(pkt, ldns_pkt, ldns_pkt_free)

typedef NG_VECTOR(uint8_t) octets;

static int owner(const ldns_rr *rr, struct ng_name *ret_name)
{
    const ldns_rdf *name = ldns_rr_owner(rr);

    return name ? ng_name_from_wire(ldns_rdf_data(name), ldns_rdf_size(name), ret_name) : -EBADMSG;
}

static int target(const ldns_rr *rr, struct ng_name *ret_name)
{
    const ldns_rdf *name = ldns_rr_rd_count(rr) == 1 ? ldns_rr_rdf(rr, 0) : NULL;

    return name ? ng_name_from_wire(ldns_rdf_data(name), ldns_rdf_size(name), ret_name) : -EBADMSG;
}

static bool is(const ldns_rr *rr, unsigned type, const struct ng_name *name)
{
    struct ng_name own;

    return ldns_rr_get_class(rr) == LDNS_RR_CLASS_IN && ldns_rr_get_type(rr) == type && owner(rr, &own) > 0 &&
           ng_name_equal(&own, name);
}

static int add_link(struct ng_answer *answer, const struct ng_name *name)
{
    for (unsigned i = 0; i < answer->links; i++)
        if (ng_name_equal(&answer->chain[i], name))
            return -ELOOP;
    if (answer->links == NG_CHAIN_MAX)
        return -ELOOP;
    answer->chain[answer->links++] = *name;
    return 0;
}

/* Follows the aliases from the name asked for. Only CNAMEs move on: whoever answers with a DNAME adds the CNAME that
 * follows from it (RFC 6672 section 3.1). */
static int follow(const ldns_rr_list *records, const struct ng_question *question, struct ng_answer *answer)
{
    bool moved = true;

    answer->chain[0] = question->name;
    answer->links = 1;
    while (moved) {
        const struct ng_name *last = &answer->chain[answer->links - 1];
        struct ng_name next;

        moved = false;
        for (size_t i = 0; i < ldns_rr_list_rr_count(records) && !moved; i++) {
            const ldns_rr *rr = ldns_rr_list_rr(records, i);
            int r;

            if (!is(rr, NG_TYPE_CNAME, last))
                continue;
            if (target(rr, &next) < 0)
                return -EBADMSG;
            r = add_link(answer, &next);
            if (r < 0)
                return r;
            moved = question->type != NG_TYPE_CNAME;
            if (!moved)
                return 0;
        }
    }
    return 0;
}

static int add_address(struct ng_answer *answer, size_t *room, const uint8_t *bytes, size_t size, unsigned service)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct ng_answer_address it = {.service = (uint8_t)service};

    if (size == 4) {
        memcpy(it.address, mapped, sizeof(mapped));
        memcpy(it.address + 12, bytes, 4);
    } else {
        memcpy(it.address, bytes, sizeof(it.address));
    }
    for (unsigned i = 0; i < answer->addresses; i++)
        if (answer->address[i].service == it.service &&
            memcmp(answer->address[i].address, it.address, sizeof(it.address)) == 0)
            return 0;
    if (answer->addresses == NG_ANSWER_ADDRESSES_MAX)
        return -E2BIG;
    if (!ng_vector_grow((void **)&answer->address, answer->addresses, room, sizeof(*answer->address), 1))
        return -ENOMEM;
    answer->address[answer->addresses++] = it;
    return 0;
}

/* Returns which service it is, plus 1; 0 where it is the chain's last name itself; or -E2BIG. */
static int add_service(struct ng_answer *answer, const struct ng_name *name, bool prefixed)
{
    if (ng_name_equal(name, &answer->chain[answer->links - 1]))
        return 0;
    for (unsigned i = 0; i < answer->services; i++)
        if (ng_name_equal(&answer->service[i].name, name))
            return (int)i + 1;
    if (answer->services == NG_ANSWER_SERVICES_MAX)
        return -E2BIG;
    answer->service[answer->services++] = (struct ng_answer_service){*name, prefixed};
    return (int)answer->services;
}

/* The name behind labels like _8443._https; as add_service(). */
static int add_prefixed(struct ng_answer *answer)
{
    const struct ng_name *last = &answer->chain[answer->links - 1];
    struct ng_name name;
    size_t at = 0;

    while (last->wire[at] && last->wire[at + 1] == '_')
        at += 1U + last->wire[at];
    if (at == 0 || !last->wire[at])
        return 0;
    (void)ng_name_from_wire(last->wire + at, (size_t)last->length - at, &name);
    return add_service(answer, &name, true);
}

/* The record's data as it stands in the message, uncompressed. */
static int rdata(const ldns_rr *rr, octets *data)
{
    for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
        const ldns_rdf *rdf = ldns_rr_rdf(rr, i);

        for (size_t k = 0; k < ldns_rdf_size(rdf); k++)
            if (!ng_vector_add(data, ldns_rdf_data(rdf)[k]))
                return -ENOMEM;
    }
    return 0;
}

/* One hint: an address of the owner's service, as the owner says, and one of the names that it speaks of. */
static int add_hint(struct ng_answer *answer, size_t *room, const uint8_t *bytes, size_t size, int service,
                    int prefixed)
{
    int r = add_address(answer, room, bytes, size, 0);

    if (r == 0 && service)
        r = add_address(answer, room, bytes, size, (unsigned)service);
    if (r == 0 && prefixed)
        r = add_address(answer, room, bytes, size, (unsigned)prefixed);
    return r;
}

/* The hints of a service binding: priority, target, then keys with values (RFC 9460 section 2.2). */
static int add_hints(struct ng_answer *answer, size_t *room, const uint8_t *data, size_t size)
{
    enum { IPV4HINT = 4, IPV6HINT = 6 };
    int prefixed = add_prefixed(answer), service = 0, r;
    struct ng_name name;
    size_t at = 2;

    r = prefixed < 0 ? prefixed : size > 2 ? ng_name_from_wire(data + at, size - at, &name) : -EBADMSG;
    if (r < 0)
        return r;
    at += (size_t)r;
    if (name.length > 1) /* "." is the owner itself */
        service = add_service(answer, &name, false);
    if (service < 0)
        return service;
    while (at < size) {
        unsigned key, length, each;

        if (size - at < 4)
            return -EBADMSG;
        key = (unsigned)(data[at] << 8 | data[at + 1]);
        length = (unsigned)(data[at + 2] << 8 | data[at + 3]);
        at += 4;
        each = key == IPV4HINT ? 4 : key == IPV6HINT ? 16 : 0;
        if (length > size - at || (each && (length == 0 || length % each)))
            return -EBADMSG;
        for (unsigned i = 0; each && i < length; i += each) {
            r = add_hint(answer, room, data + at + i, each, service, prefixed);
            if (r < 0)
                return r;
        }
        at += length;
    }
    return 0;
}

static int learn_record(const ldns_rr *rr, unsigned type, struct ng_answer *answer, size_t *room)
{
    octets data = {0};
    int r = rdata(rr, &data);

    if (r == 0 && (type == NG_TYPE_A || type == NG_TYPE_AAAA))
        r = data.count == (type == NG_TYPE_A ? 4U : 16U) ? add_address(answer, room, data.items, data.count, 0)
                                                         : -EBADMSG;
    else if (r == 0 && (type == NG_TYPE_SVCB || type == NG_TYPE_HTTPS))
        r = add_hints(answer, room, data.items, data.count);
    ng_vector_free(&data);
    return r;
}

/* Whether a signature is for a record of that type. */
static bool signs(const ldns_rr *rr, unsigned type)
{
    const ldns_rdf *covered = ldns_rr_rrsig_typecovered(rr);

    return covered && ldns_rdf2rr_type(covered) == (ldns_rr_type)type;
}

/* Whether a record of the answer section belongs to the chain, or is what was asked for at its end. */
static bool belongs(const ldns_rr *rr, const struct ng_question *question, const struct ng_answer *answer,
                    unsigned links)
{
    unsigned type = ldns_rr_get_type(rr);
    struct ng_name own;

    if (ldns_rr_get_class(rr) != LDNS_RR_CLASS_IN || owner(rr, &own) < 0)
        return false;
    for (unsigned i = 0; i < links; i++) {
        bool last = i + 1 == links;

        if (ng_name_equal(&own, &answer->chain[i])) {
            if (type == NG_TYPE_CNAME && (!last || question->type == NG_TYPE_CNAME))
                return true;
            if (type == question->type && last)
                return true;
            if (type == NG_TYPE_RRSIG && question->dnssec &&
                (signs(rr, NG_TYPE_CNAME) || (last && signs(rr, question->type))))
                return true;
        }
        if (ng_name_below(&answer->chain[i], &own) &&
            (type == NG_TYPE_DNAME || (type == NG_TYPE_RRSIG && question->dnssec && signs(rr, NG_TYPE_DNAME))))
            return true;
    }
    return false;
}

static void limit_ttl(ldns_rr *rr, uint32_t *ttl)
{
    uint32_t own = ldns_rr_ttl(rr);

    if (own > INT32_MAX)
        own = 0; /* RFC 2181 section 8 */
    if (own > NG_TTL_MAX)
        own = NG_TTL_MAX;
    ldns_rr_set_ttl(rr, own);
    if (own < *ttl)
        *ttl = own;
}

static int copy(ldns_pkt *out, ldns_pkt_section section, const ldns_rr *rr, uint32_t *ttl)
{
    ldns_rr *clone = ldns_rr_clone(rr);

    if (!clone)
        return -ENOMEM;
    limit_ttl(clone, ttl);
    if (!ldns_pkt_push_rr(out, section, clone)) {
        ldns_rr_free(clone);
        return -ENOMEM;
    }
    return 0;
}

static int take_answers(const ldns_rr_list *records, const struct ng_question *question, struct ng_answer *answer,
                        ldns_pkt *out, uint32_t *ttl)
{
    unsigned links = answer->links;
    size_t room = 0;
    int r = 0;

    for (size_t i = 0; r == 0 && i < ldns_rr_list_rr_count(records); i++) {
        const ldns_rr *rr = ldns_rr_list_rr(records, i);

        if (!belongs(rr, question, answer, links))
            continue;
        r = copy(out, LDNS_SECTION_ANSWER, rr, ttl);
        if (r == 0 && is(rr, question->type, &answer->chain[links - 1]))
            r = learn_record(rr, question->type, answer, &room);
    }
    return r;
}

/* The authority section says for how long there is nothing (RFC 2308), and proves it. */
static int take_authority(const ldns_rr_list *records, const struct ng_question *question, ldns_pkt *out,
                          uint32_t *ret_negative)
{
    uint32_t ignored = UINT32_MAX;
    int r = 0;

    *ret_negative = 0;
    for (size_t i = 0; r == 0 && i < ldns_rr_list_rr_count(records); i++) {
        const ldns_rr *rr = ldns_rr_list_rr(records, i);
        unsigned type = ldns_rr_get_type(rr);

        if (type == NG_TYPE_SOA && ldns_rr_rd_count(rr) == 7) {
            uint32_t ttl = ldns_rr_ttl(rr), minimum = ldns_rdf2native_int32(ldns_rr_rdf(rr, 6));

            *ret_negative = ttl < minimum ? ttl : minimum;
            if (*ret_negative > NG_TTL_NEGATIVE_MAX)
                *ret_negative = NG_TTL_NEGATIVE_MAX;
        } else if (!question->dnssec ||
                   (type != NG_TYPE_NSEC && type != NG_TYPE_NSEC3 && type != NG_TYPE_RRSIG)) {
            continue;
        }
        r = copy(out, LDNS_SECTION_AUTHORITY, rr, &ignored);
    }
    return r;
}

static int check(const ldns_pkt *pkt, const struct ng_question *question)
{
    const ldns_rr_list *questions = ldns_pkt_question(pkt);
    ldns_pkt_rcode rcode = ldns_pkt_get_rcode(pkt);

    if (!ldns_pkt_qr(pkt) || ldns_pkt_get_opcode(pkt) != LDNS_PACKET_QUERY || ldns_pkt_tc(pkt))
        return -EBADMSG;
    /* Some servers leave the question out when they fail. */
    if (rcode != LDNS_RCODE_NOERROR && rcode != LDNS_RCODE_NXDOMAIN)
        return -ENOTSUP;
    if (ldns_rr_list_rr_count(questions) != 1 ||
        !is(ldns_rr_list_rr(questions, 0), question->type, &question->name))
        return -EBADMSG;
    return 0;
}

static int write_out(ldns_pkt *out, struct ng_answer *answer)
{
    uint16_t ttls[NG_RECORDS_MAX];
    uint8_t *wire = NULL;
    size_t size = 0;
    int count;

    if (ldns_pkt2wire(&wire, out, &size) != LDNS_STATUS_OK)
        return -E2BIG;
    answer->wire = wire;
    answer->size = size;
    if (size > NG_WIRE_MAX - 64) /* room for an OPT record */
        return -E2BIG;
    count = ng_wire_ttls(wire, size, ttls);
    if (count < 0)
        return count;
    answer->ttls = calloc((size_t)count + 1, sizeof(*answer->ttls));
    if (!answer->ttls)
        return -ENOMEM;
    memcpy(answer->ttls, ttls, (size_t)count * sizeof(*ttls));
    answer->ttl_count = (size_t)count;
    return 0;
}

static int rebuild(const ldns_pkt *pkt, const struct ng_question *question, struct ng_answer *answer)
{
    _cleanup_(ng_cleanup_pkt) ldns_pkt *out = ldns_pkt_new();
    ldns_rr *asked = ldns_rr_clone(ldns_rr_list_rr(ldns_pkt_question(pkt), 0));
    uint32_t ttl = UINT32_MAX, negative = 0;
    int r = 0;

    if (!out || !asked || !ldns_pkt_push_rr(out, LDNS_SECTION_QUESTION, asked)) {
        ldns_rr_free(asked);
        return -ENOMEM;
    }
    ldns_pkt_set_qr(out, true);
    ldns_pkt_set_ad(out, ldns_pkt_ad(pkt));
    ldns_pkt_set_rcode(out, answer->rcode);
    r = follow(ldns_pkt_answer(pkt), question, answer);
    if (r == 0)
        r = take_answers(ldns_pkt_answer(pkt), question, answer, out, &ttl);
    if (r == 0)
        r = take_authority(ldns_pkt_authority(pkt), question, out, &negative);
    if (r == 0)
        r = write_out(out, answer);
    /* Nothing of the type asked for at the end of the chain: how long that holds is the authority's word. */
    if (answer->rcode == NG_RCODE_NXDOMAIN || ttl == UINT32_MAX || (negative && !answer->addresses))
        answer->ttl = negative < ttl ? negative : ttl;
    else
        answer->ttl = ttl;
    return r;
}

int ng_answer_parse(const struct ng_question *question, const uint8_t *wire, size_t size,
                    struct ng_answer *ret_answer)
{
    _cleanup_(ng_cleanup_pkt) ldns_pkt *pkt = NULL;
    uint16_t ttls[NG_RECORDS_MAX];
    struct ng_answer answer = {0};
    int r = ng_wire_ttls(wire, size, ttls); /* ldns passes over octets that are too many */

    if (r < 0)
        return r;
    if (ldns_wire2pkt(&pkt, wire, size) != LDNS_STATUS_OK)
        return -EBADMSG;
    r = check(pkt, question);
    if (r < 0)
        return r;
    answer.rcode = (uint8_t)ldns_pkt_get_rcode(pkt);
    r = rebuild(pkt, question, &answer);
    if (r < 0) {
        ng_answer_release(&answer);
        return r;
    }
    *ret_answer = answer;
    return 0;
}

void ng_answer_release(struct ng_answer *answer)
{
    free(answer->address);
    free(answer->wire);
    free(answer->ttls);
    *answer = (struct ng_answer){0};
}
