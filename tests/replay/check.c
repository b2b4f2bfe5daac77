// SPDX-License-Identifier: BSD-2-Clause
/* Judges with ldns and with the map's content, not with the engine's own reading of messages, so that an error there is
 * not repeated here. Never changes anything but what it notes in the world. */
#include "check.h"

#include "facts.h"

#include <string.h>

struct given { /* an address */
    uint8_t octets[16];
    struct ng_name target; /* of the service whose hint it is; length 0: none */
};

/* What a reply speaks of. */
struct spoken {
    NG_VECTOR(struct ng_name) names; /* the question, and every name of the chain */
    NG_VECTOR(struct given) addresses;
};

static void add_name(struct spoken *spoken, const uint8_t *wire, size_t size)
{
    struct ng_name name;

    if (ng_name_from_wire(wire, size, &name) > 0)
        (void)ng_vector_add(&spoken->names, name);
}

static void add_address(struct spoken *spoken, const uint8_t *octets, size_t size, const struct ng_name *target)
{
    struct given given = {.octets = {[10] = 0xff, [11] = 0xff}};

    memcpy(given.octets + 16 - size, octets, size);
    if (target)
        given.target = *target;
    (void)ng_vector_add(&spoken->addresses, given);
}

/* Priority, target, then keys with values (RFC 9460 section 2.2). */
static void add_service(struct spoken *spoken, const ldns_rr *rr)
{
    struct ng_name target = {.length = 0};
    uint8_t data[2048];
    size_t size = 0, at = 2;

    for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
        const ldns_rdf *rdf = ldns_rr_rdf(rr, i);

        if (size + ldns_rdf_size(rdf) > sizeof(data))
            return;
        memcpy(data + size, ldns_rdf_data(rdf), ldns_rdf_size(rdf));
        size += ldns_rdf_size(rdf);
    }
    if (size < 3)
        return;
    if (data[at])
        (void)ng_name_from_wire(data + at, size - at, &target);
    while (at < size && data[at])
        at += 1U + data[at];
    for (at++; at + 4 <= size;) {
        unsigned key = (unsigned)(data[at] << 8 | data[at + 1]), length = (unsigned)(data[at + 2] << 8 | data[at + 3]);
        unsigned each = key == 4 ? 4 : key == 6 ? 16 : 0;

        at += 4;
        for (unsigned i = 0; each && i + each <= length && at + i + each <= size; i += each)
            add_address(spoken, data + at + i, each, &target);
        at += length;
    }
}

static void read_records(const ldns_rr_list *records, struct spoken *spoken)
{
    for (size_t i = 0; i < ldns_rr_list_rr_count(records); i++) {
        const ldns_rr *rr = ldns_rr_list_rr(records, i);
        const ldns_rdf *owner = ldns_rr_owner(rr), *data = ldns_rr_rdf(rr, 0);

        if (ldns_rr_get_type(rr) != LDNS_RR_TYPE_DNAME) /* stands for names below it, and leads nowhere itself */
            add_name(spoken, ldns_rdf_data(owner), ldns_rdf_size(owner));
        if (!data)
            continue;
        switch ((int)ldns_rr_get_type(rr)) {
        case NG_TYPE_A:
        case NG_TYPE_AAAA:
            add_address(spoken, ldns_rdf_data(data), ldns_rdf_size(data), NULL);
            break;
        case NG_TYPE_CNAME:
            add_name(spoken, ldns_rdf_data(data), ldns_rdf_size(data));
            break;
        case NG_TYPE_SVCB:
        case NG_TYPE_HTTPS:
            add_service(spoken, rr);
            break;
        default:
            break;
        }
    }
}

static bool guarded(const struct world *world, const uint8_t address[16])
{
    for (uint32_t i = 0; i < world->start.guarded; i++) {
        bool same = true;

        for (unsigned bit = 0; bit < world->start.guard[i].prefix; bit++)
            same &= !((address[bit / 8] ^ world->start.guard[i].address[bit / 8]) & 0x80 >> bit % 8);
        if (same)
            return true;
    }
    return false;
}

/* Whether the map's entry says at least what the profile denies, and has not expired. */
static bool in_map(const struct world *world, uint32_t scope, const uint8_t address[16], uint64_t profile)
{
    const struct ng_destination *value = world_entry(world, scope, address);

    for (int i = 0; value && i < NG_CLAIMS_MAX && value->claim[i].profile != NG_PROFILE_NONE; i++)
        if ((value->claim[i].profile == profile || value->claim[i].profile == NG_PROFILE_DENY) &&
            value->claim[i].expires_at > world->now)
            return true;
    return false;
}

void check_denied(struct world *world, unsigned policy, const struct ng_name *name, const uint8_t address[16])
{
    uint64_t profile = ng_match_name(world->snapshot, policy, name);
    char text[NG_NAME_TEXT_MAX];
    struct ng_policy_info info;

    ng_snapshot_policy(world->snapshot, policy, &info);
    if (ng_snapshot_denies(world->snapshot, profile) && !guarded(world, address) &&
        !in_map(world, info.scope, address, profile))
        world_breaks(world, "%s leads to an address that policy %s denies because of it, and the map does not",
                     ng_name_to_text(name, text), info.name);
}

/* Map before reply: each address that some name of its chain denies is in the map by now, under every policy. */
static void check_map(struct world *world, const struct spoken *spoken)
{
    for (unsigned p = 0; p < ng_snapshot_policies(world->snapshot); p++) {
        for (size_t i = 0; i < spoken->addresses.count; i++) {
            const struct given *given = &spoken->addresses.items[i];

            for (size_t n = 0; n < spoken->names.count; n++)
                check_denied(world, p, &spoken->names.items[n], given->octets);
            if (given->target.length)
                check_denied(world, p, &given->target, given->octets);
        }
    }
}

/* Nothing that nobody asked for, and no more octets than the asker takes. */
static void check_shape(struct world *world, const struct query *query, const ldns_pkt *reply, size_t size)
{
    ldns_pkt *asked = NULL;
    bool readable = ldns_wire2pkt(&asked, query->wire, query->size) == LDNS_STATUS_OK;
    size_t max = readable && ldns_pkt_edns_udp_size(asked) > 512 ? ldns_pkt_edns_udp_size(asked) : 512;

    if (!query->tcp && size > (max < NG_WIRE_UDP_MAX ? max : NG_WIRE_UDP_MAX))
        world_breaks(world, "a reply over UDP has %zu octets", size);
    /* A query with a broken OPT record is answered without one. */
    if (readable && ldns_pkt_get_rcode(reply) != LDNS_RCODE_FORMERR && ldns_pkt_edns(asked) != ldns_pkt_edns(reply))
        world_breaks(world, "EDNS in the query or in its reply alone");
    if (readable && ldns_pkt_rd(asked) != ldns_pkt_rd(reply))
        world_breaks(world, "a reply has not the query's RD bit");
    if (ldns_rr_list_rr_count(ldns_pkt_additional(reply)))
        world_breaks(world, "a reply has additional records");
    for (size_t i = 0; i < ldns_rr_list_rr_count(ldns_pkt_authority(reply)); i++) {
        ldns_rr_type type = ldns_rr_get_type(ldns_rr_list_rr(ldns_pkt_authority(reply), i));

        if (type != LDNS_RR_TYPE_SOA && type != LDNS_RR_TYPE_NSEC && type != LDNS_RR_TYPE_NSEC3 &&
            type != LDNS_RR_TYPE_RRSIG)
            world_breaks(world, "a reply has authority records that prove nothing");
    }
    ldns_pkt_free(asked);
}

/* Same id and, octet for octet, same question. */
static void check_echo(struct world *world, const struct query *query, const uint8_t *wire, size_t size)
{
    size_t end = NG_WIRE_HEADER;

    if (size < NG_WIRE_HEADER || memcmp(wire, query->wire, 2) != 0 || !(wire[2] & 0x80))
        world_breaks(world, "a reply has another id than its query, or is none");
    else if (wire[4] || wire[5] > 1)
        world_breaks(world, "a reply has several questions");
    if (size < NG_WIRE_HEADER || wire[5] != 1)
        return;
    while (end < size && wire[end])
        end += 1U + wire[end];
    end += 5;
    if (end > size || end > query->size ||
        memcmp(wire + NG_WIRE_HEADER, query->wire + NG_WIRE_HEADER, end - NG_WIRE_HEADER) != 0)
        world_breaks(world, "a reply has not the question as it was asked");
}

void check_reply(struct world *world, const struct ng_client *client, const uint8_t *wire, size_t size)
{
    struct query *query = &world->queries.items[client->connection];
    struct spoken spoken = {0};
    ldns_pkt *reply = NULL;

    world->replied_at = world->now;
    if (query->replied)
        world_breaks(world, "a second reply to one query");
    query->replied = true;
    check_echo(world, query, wire, size);
    if (ldns_wire2pkt(&reply, wire, size) != LDNS_STATUS_OK) {
        if (!world->unreadable)
            world_breaks(world, "a reply is malformed");
        return;
    }
    check_shape(world, query, reply, size);
    read_records(ldns_pkt_question(reply), &spoken);
    read_records(ldns_pkt_answer(reply), &spoken);
    check_map(world, &spoken);
    facts_told(world, query, wire, size);
    ng_vector_free(&spoken.names);
    ng_vector_free(&spoken.addresses);
    ldns_pkt_free(reply);
}

void check_resolution(struct world *world, const struct ng_message_resolution *message)
{
    struct announced announced = {.id = message->id, .at = world->now};

    if (message->wrote_at > world->now)
        world_breaks(world, "a resolution was written in the future");
    if (message->links == 0 || message->links > NG_CHAIN_MAX || message->addresses > NG_ADDRESSES_MAX)
        world_breaks(world, "a resolution has impossible counts");
    for (size_t i = 0; i < world->announced.count; i++)
        if (world->announced.items[i].id == message->id)
            return; /* the first time is what counts */
    (void)ng_vector_add(&world->announced, announced);
}

/* Write, announce, reply, tell: in this order; but of an answer that is withheld, or would be, before the reply. */
void check_told(struct world *world, const struct ng_message_told *message)
{
    uint64_t reply = message->answer == NG_ANSWER_REAL ? world->replied_at : world->now;
    bool known = false;

    for (size_t i = 0; i < world->announced.count; i++)
        known |= world->announced.items[i].id == message->resolution &&
                 world->announced.items[i].at <= reply;
    if (!known)
        world_breaks(world, "a deployment was told what the keeper had not heard of before");
    if (message->wrote_at > reply)
        world_breaks(world, "a map write came after its reply");
    if (message->replied_at < world->replied_at || message->replied_at > world->now)
        world_breaks(world, "the time of a reply is not when it left");
}
