// SPDX-License-Identifier: BSD-2-Clause
/* All octets are read through one bounds-checked cursor. */
#include "wire.h"

#include <errno.h>
#include <string.h>

#define FLAG_QR 0x8000
#define FLAG_TC 0x0200
#define FLAG_RD 0x0100
#define FLAG_RA 0x0080
#define FLAG_AD 0x0020
#define FLAG_CD 0x0010
#define OPCODE(flags) (((flags) >> 11) & 15)
#define CLASS_IN 1
#define EDNS_DO 0x8000
#define OPT_SIZE 11
#define OPTION_EDE 15

/* Reads past the end give zeros and set `bad`; the reader checks once. */
struct cursor {
    const uint8_t *wire;
    size_t size, at;
    bool bad;
};

static uint16_t get16(struct cursor *cursor)
{
    if (cursor->bad || cursor->size - cursor->at < 2) {
        cursor->bad = true;
        return 0;
    }
    cursor->at += 2;
    return (uint16_t)(cursor->wire[cursor->at - 2] << 8 | cursor->wire[cursor->at - 1]);
}

static void skip(struct cursor *cursor, size_t octets)
{
    if (cursor->bad || cursor->size - cursor->at < octets)
        cursor->bad = true;
    else
        cursor->at += octets;
}

/* A name that may end in a pointer (RFC 1035 section 4.1.4). */
static void skip_name(struct cursor *cursor)
{
    while (!cursor->bad && cursor->at < cursor->size) {
        uint8_t label = cursor->wire[cursor->at];

        if (label >= 0xc0) {
            skip(cursor, 2);
            return;
        }
        skip(cursor, label < 0x40 ? 1U + label : SIZE_MAX);
        if (label == 0)
            return;
    }
    cursor->bad = true;
}

/* From the beginning of a message to its first record. Returns how many there are, in all sections. */
static unsigned skip_questions(struct cursor *cursor)
{
    unsigned questions, records;

    skip(cursor, 4);
    questions = get16(cursor);
    records = get16(cursor);
    records += get16(cursor);
    records += get16(cursor);
    for (; questions > 0 && !cursor->bad; questions--) {
        skip_name(cursor);
        skip(cursor, 4);
    }
    return records;
}

static void put16(uint8_t *wire, unsigned value)
{
    wire[0] = (uint8_t)(value >> 8);
    wire[1] = (uint8_t)value;
}

/* RFC 6891 section 6.1. Returns an rcode. */
static uint8_t read_opt(struct cursor *cursor, struct ng_query *query)
{
    uint16_t udp_max = get16(cursor), extended = get16(cursor), flags = get16(cursor), length = get16(cursor);

    skip(cursor, length);
    if (cursor->bad || query->edns)
        return NG_RCODE_FORMERR;
    query->edns = true;
    query->udp_max = udp_max < 512 ? 512 : udp_max;
    query->question.dnssec = flags & EDNS_DO;
    return (extended & 0xff) == 0 ? NG_RCODE_NOERROR : NG_RCODE_BADVERS;
}

static uint8_t read_additional(struct cursor *cursor, struct ng_query *query, unsigned records)
{
    uint8_t rcode = NG_RCODE_NOERROR;

    for (; records > 0 && rcode == NG_RCODE_NOERROR; records--) {
        size_t start = cursor->at;
        uint16_t type;

        skip_name(cursor);
        type = get16(cursor);
        if (cursor->bad)
            return NG_RCODE_FORMERR;
        if (type == NG_TYPE_OPT) {
            if (cursor->wire[start] != 0)
                return NG_RCODE_FORMERR;
            rcode = read_opt(cursor, query);
        } else {
            skip(cursor, 6);
            skip(cursor, get16(cursor));
            if (cursor->bad)
                return NG_RCODE_FORMERR;
        }
    }
    return rcode != NG_RCODE_NOERROR || cursor->at == cursor->size ? rcode : NG_RCODE_FORMERR;
}

static uint8_t read_question(struct cursor *cursor, struct ng_query *query)
{
    struct ng_question *question = &query->question;
    int length = ng_name_from_wire(cursor->wire + cursor->at, cursor->size - cursor->at, &question->name);

    if (length < 0)
        return NG_RCODE_FORMERR;
    memcpy(query->written, cursor->wire + cursor->at, (size_t)length);
    skip(cursor, (size_t)length);
    question->type = get16(cursor);
    query->class = get16(cursor);
    if (cursor->bad) {
        question->name.length = 0;
        return NG_RCODE_FORMERR;
    }
    if (question->type == 0 || question->type == NG_TYPE_OPT)
        return NG_RCODE_FORMERR;
    /* Meta-types ask for a transfer or for whatever is there: an answer would hold addresses that nobody asked for by
     * their type (RFC 8482 allows to refuse ANY). */
    if (query->class != CLASS_IN || (question->type >= 128 && question->type <= 255))
        return NG_RCODE_REFUSED;
    return NG_RCODE_NOERROR;
}

/* Its names are no part of this: they are long, and are written once, when they are read. */
static void begin(struct ng_query *query, uint16_t id, uint16_t flags)
{
    query->question.name.length = 0;
    query->question.type = 0;
    query->question.dnssec = false;
    query->question.checking_disabled = flags & FLAG_CD;
    query->id = id;
    query->class = 0;
    query->recursion_desired = flags & FLAG_RD;
    query->edns = false;
    query->ad = flags & FLAG_AD;
    query->udp_max = 512;
}

enum ng_query_kind ng_wire_query(const uint8_t *wire, size_t size, struct ng_query *ret_query)
{
    struct cursor cursor = {.wire = wire, .size = size};
    uint16_t id = get16(&cursor), flags = get16(&cursor), questions = get16(&cursor), answers = get16(&cursor);
    uint16_t authority = get16(&cursor), additional = get16(&cursor);
    uint8_t rcode = NG_RCODE_FORMERR;

    begin(ret_query, id, flags);
    if (cursor.bad || flags & FLAG_QR)
        return ret_query->kind = NG_QUERY_SILENT;
    if (questions == 1 && answers == 0 && authority == 0)
        rcode = read_question(&cursor, ret_query);
    if (rcode == NG_RCODE_NOERROR || rcode == NG_RCODE_REFUSED) {
        uint8_t found = read_additional(&cursor, ret_query, additional);

        rcode = found != NG_RCODE_NOERROR ? found : rcode;
    }
    if (OPCODE(flags) != 0)
        rcode = NG_RCODE_NOTIMP;
    ret_query->rcode = rcode;
    return ret_query->kind = rcode == NG_RCODE_NOERROR ? NG_QUERY_GOOD : NG_QUERY_BAD;
}

static void put32(uint8_t *wire, uint32_t value)
{
    put16(wire, value >> 16);
    put16(wire + 2, value & 0xffff);
}

/* Octets that the explanation adds to the OPT record. */
static size_t ede_size(const struct ng_ede *ede)
{
    return ede ? 6 + strlen(ede->text) : 0;
}

static size_t put_opt(uint8_t *wire, uint8_t rcode, bool dnssec, const struct ng_ede *ede)
{
    size_t text = ede ? strlen(ede->text) : 0;

    memset(wire, 0, OPT_SIZE);
    put16(wire + 1, NG_TYPE_OPT);
    put16(wire + 3, NG_WIRE_UDP_MAX);
    wire[5] = (uint8_t)(rcode >> 4);
    put16(wire + 7, dnssec ? EDNS_DO : 0);
    if (ede) {
        put16(wire + 9, (unsigned)(6 + text));
        put16(wire + 11, OPTION_EDE);
        put16(wire + 13, (unsigned)(2 + text));
        put16(wire + 15, ede->code);
        memcpy(wire + 17, ede->text, text);
    }
    return OPT_SIZE + ede_size(ede);
}

size_t ng_wire_ask(const struct ng_question *question, uint16_t id, uint8_t *wire)
{
    size_t size = NG_WIRE_HEADER;

    memset(wire, 0, NG_WIRE_HEADER);
    put16(wire, id);
    put16(wire + 2, FLAG_RD | (question->checking_disabled ? FLAG_CD : 0));
    put16(wire + 4, 1);
    put16(wire + 10, 1);
    memcpy(wire + size, question->name.wire, question->name.length);
    size += question->name.length;
    put16(wire + size, question->type);
    put16(wire + size + 2, CLASS_IN);
    size += 4;
    return size + put_opt(wire + size, 0, question->dnssec, NULL);
}

static unsigned reply_flags(const struct ng_query *query, uint8_t rcode)
{
    return FLAG_QR | FLAG_RA | (query->recursion_desired ? FLAG_RD : 0) |
           (query->question.checking_disabled ? FLAG_CD : 0) | (rcode & 15U);
}

/* Header and question of an answer that is made here. */
static size_t put_head(const struct ng_query *query, uint8_t rcode, uint8_t *wire)
{
    size_t size = NG_WIRE_HEADER;

    memset(wire, 0, NG_WIRE_HEADER);
    put16(wire, query->id);
    put16(wire + 2, reply_flags(query, rcode));
    if (query->question.name.length) {
        put16(wire + 4, 1);
        memcpy(wire + size, query->written, query->question.name.length);
        size += query->question.name.length;
        put16(wire + size, query->question.type);
        put16(wire + size + 2, query->class);
        size += 4;
    }
    return size;
}

static size_t put_tail(const struct ng_query *query, uint8_t rcode, const struct ng_ede *ede, uint8_t *wire,
                       size_t size)
{
    if (query->edns) {
        put16(wire + 10, 1);
        size += put_opt(wire + size, rcode, query->question.dnssec, ede);
    }
    return size;
}

size_t ng_wire_failure(const struct ng_query *query, uint8_t rcode, const struct ng_ede *ede, uint8_t *wire)
{
    return put_tail(query, rcode, ede, wire, put_head(query, rcode, wire));
}

size_t ng_wire_spoil(uint8_t *wire, size_t size)
{
    struct cursor cursor = {.wire = wire, .size = size};
    unsigned records;
    size_t end, opt = 0;
    uint16_t flags = 0;

    records = skip_questions(&cursor);
    end = cursor.bad ? size : cursor.at;
    for (; records > 0 && !cursor.bad && !opt; records--) {
        size_t start = cursor.at;

        skip_name(&cursor);
        opt = get16(&cursor) == NG_TYPE_OPT ? start : 0;
        skip(&cursor, 4);
        flags = get16(&cursor);
        skip(&cursor, get16(&cursor));
    }
    wire[2] &= (uint8_t)~(FLAG_TC >> 8);
    wire[3] = (uint8_t)((wire[3] & (FLAG_RA | FLAG_CD)) | NG_RCODE_SERVFAIL);
    memset(wire + 6, 0, 6);
    if (!opt || cursor.bad)
        return end;
    wire[11] = 1;
    return end + put_opt(wire + end, NG_RCODE_SERVFAIL, flags & EDNS_DO, NULL);
}

/* A record of the name asked for, whose data follow. */
static size_t put_record(uint8_t *wire, size_t size, unsigned type, uint32_t ttl, size_t octets)
{
    put16(wire + size, 0xc000 | NG_WIRE_HEADER);
    put16(wire + size + 2, type);
    put16(wire + size + 4, CLASS_IN);
    put32(wire + size + 6, ttl);
    put16(wire + size + 10, (unsigned)octets);
    return size + 12;
}

size_t ng_wire_nothing(const struct ng_query *query, uint8_t rcode, uint32_t ttl, const struct ng_ede *ede,
                       uint8_t *wire)
{
    enum { ROOTS = 2, TIMES = 5 * 4 }; /* no server, nobody to write to; serial, refresh, retry, expire, minimum */
    size_t size = put_head(query, rcode, wire);

    put16(wire + 8, 1);
    size = put_record(wire, size, NG_TYPE_SOA, ttl, ROOTS + TIMES);
    memset(wire + size, 0, ROOTS + TIMES);
    put32(wire + size + ROOTS, 1);
    for (size_t i = 1; i < 5; i++)
        put32(wire + size + ROOTS + 4 * i, ttl);
    return put_tail(query, rcode, ede, wire, size + ROOTS + TIMES);
}

size_t ng_wire_address(const struct ng_query *query, const uint8_t *address, size_t octets, uint32_t ttl,
                       const struct ng_ede *ede, uint8_t *wire)
{
    size_t size = put_head(query, NG_RCODE_NOERROR, wire);

    put16(wire + 6, 1);
    size = put_record(wire, size, query->question.type, ttl, octets);
    memcpy(wire + size, address, octets);
    return put_tail(query, NG_RCODE_NOERROR, ede, wire, size + octets);
}

static void age_ttls(const struct ng_wire_answer *answer, uint8_t *wire)
{
    for (size_t i = 0; i < answer->ttl_count; i++) {
        uint8_t *at = wire + answer->ttls[i];
        uint32_t ttl = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];

        put32(at, answer->ttl ? answer->ttl : ttl > answer->age ? ttl - answer->age : 0);
    }
}

size_t ng_wire_reply(const struct ng_query *query, const struct ng_wire_answer *answer, const struct ng_ede *ede,
                     size_t max, uint8_t *wire, size_t room)
{
    size_t opt = query->edns ? OPT_SIZE : 0, size = answer->size;
    size_t head = NG_WIRE_HEADER + query->question.name.length + 4U;
    unsigned flags = (unsigned)(answer->wire[2] << 8 | answer->wire[3]);
    unsigned out = reply_flags(query, flags & 15);
    bool cut = size + opt > max || size + opt > room;

    if (cut)
        size = head;
    /* An explanation is no reason to cut an answer. */
    if (ede && (!opt || size + opt + ede_size(ede) > max || size + opt + ede_size(ede) > room))
        ede = NULL;
    if (size + opt > room || head > answer->size)
        return 0;
    memcpy(wire, answer->wire, size);
    put16(wire, query->id);
    /* RFC 6840 section 5.7: AD is for those who ask for it. */
    if (flags & FLAG_AD && (query->ad || query->question.dnssec))
        out |= FLAG_AD;
    put16(wire + 2, out | (cut ? FLAG_TC : 0));
    memcpy(wire + NG_WIRE_HEADER, query->written, query->question.name.length);
    if (cut)
        memset(wire + 6, 0, 6);
    else
        age_ttls(answer, wire);
    if (opt) {
        put16(wire + 10, (unsigned)(wire[10] << 8 | wire[11]) + 1);
        size += put_opt(wire + size, 0, query->question.dnssec, ede);
    }
    return size;
}

int ng_wire_ttls(const uint8_t *wire, size_t size, uint16_t offsets[static NG_RECORDS_MAX])
{
    struct cursor cursor = {.wire = wire, .size = size};
    unsigned records;
    int count = 0;

    records = skip_questions(&cursor);
    for (; records > 0 && !cursor.bad; records--) {
        uint16_t type, length;

        skip_name(&cursor);
        type = get16(&cursor);
        skip(&cursor, 2);
        if (count == NG_RECORDS_MAX || cursor.at > UINT16_MAX)
            return -E2BIG;
        offsets[count++] = (uint16_t)cursor.at;
        skip(&cursor, 4);
        length = get16(&cursor);
        skip(&cursor, length);
        if ((type == NG_TYPE_A && length != 4) || (type == NG_TYPE_AAAA && length != 16))
            return -EBADMSG;
    }
    return cursor.bad || cursor.at != size ? -EBADMSG : count;
}
