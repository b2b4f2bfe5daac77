// SPDX-License-Identifier: BSD-2-Clause
/* Works on the octets of the message: every question that the cache does not answer comes through here. Two passes: all
 * records are found and checked, then those that belong to the answer are written anew. */
#include "answer.h"

#include "../policy/vector.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FLAG_QR 0x80 /* in the third octet of the header */
#define FLAG_TC 0x02
#define FLAG_AD 0x20 /* in the fourth */
#define OPCODE(octet) ((octet) >> 3 & 15)
#define CLASS_IN 1
#define POINTER_MAX 0x3fff
#define POINTERS_MAX 127 /* in a name; more than it has labels are for no good */
#define SUFFIXES_MAX 128 /* looked for when a name is written; more make answers longer, nothing worse */
#define NAMES_ROOM 8192

/* One record of the message. */
struct record {
    struct ng_name owner;
    uint16_t type, class;
    uint32_t ttl;
    size_t data, size; /* in the message */
    uint16_t covered;  /* of a RRSIG: the type that it signs */
};

/* A message that is being understood, and what is being written. Large, and one at a time. */
struct work {
    const struct ng_question *question;
    const uint8_t *wire;
    size_t size, at;
    unsigned answers, records; /* the first ones are the answer section, then the authority section */
    struct record record[NG_RECORDS_MAX];
    struct ng_answer *answer;
    size_t room; /* of its addresses */
    uint8_t out[NG_WIRE_MAX];
    size_t length;
    struct suffix {
        const uint8_t *name; /* canonical */
        uint8_t length;
        uint16_t at;
    } suffix[SUFFIXES_MAX]; /* names, and what they end in, that stand in `out` already */
    unsigned suffixes;
    uint8_t names[NAMES_ROOM]; /* canonical ones that stand nowhere else */
    size_t names_used;
    uint16_t ttls[NG_RECORDS_MAX];
    unsigned ttl_count, section[2];
};

static unsigned get16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* A name that may be compressed (RFC 1035 section 4.1.4), without its pointers, in its own case. Each pointer leads to
 * before the one that came last, so that this ends. Returns the octets of it at *at, which moves behind it, or
 * -EBADMSG. */
static int read_name(const struct work *work, size_t *at, uint8_t name[static NG_NAME_MAX])
{
    size_t from = *at, limit = from, length = 0;
    unsigned pointers = 0;
    bool moved = false;

    for (;;) {
        size_t label;

        if (from >= work->size)
            return -EBADMSG;
        label = work->wire[from];
        if (label >= 0xc0) {
            size_t target;

            if (work->size - from < 2)
                return -EBADMSG;
            target = get16(work->wire + from) & POINTER_MAX;
            if (!moved)
                *at = from + 2;
            moved = true;
            if (target >= limit || ++pointers > POINTERS_MAX)
                return -EBADMSG;
            from = limit = target;
            continue;
        }
        if (label > 63 || work->size - from < 1 + label || length + 1 + label > NG_NAME_MAX)
            return -EBADMSG;
        memcpy(name + length, work->wire + from, 1 + label);
        length += 1 + label;
        from += 1 + label;
        if (label == 0)
            break;
    }
    if (!moved)
        *at = from;
    return (int)length;
}

static int read_canonical(const struct work *work, size_t *at, struct ng_name *ret_name)
{
    uint8_t name[NG_NAME_MAX];
    int length = read_name(work, at, name);

    if (length < 0)
        return length;
    return ng_name_from_wire(name, (size_t)length, ret_name) == length ? 0 : -EBADMSG;
}

static int read_record(struct work *work, struct record *ret_record)
{
    struct record *record = ret_record;
    size_t at = work->at;

    if (read_canonical(work, &at, &record->owner) < 0 || work->size - at < 10)
        return -EBADMSG;
    record->type = (uint16_t)get16(work->wire + at);
    record->class = (uint16_t)get16(work->wire + at + 2);
    record->ttl = get32(work->wire + at + 4);
    record->size = get16(work->wire + at + 8);
    record->data = at + 10;
    if (work->size - record->data < record->size)
        return -EBADMSG;
    if ((record->type == NG_TYPE_A && record->size != 4) || (record->type == NG_TYPE_AAAA && record->size != 16) ||
        (record->type == NG_TYPE_RRSIG && record->size < 19))
        return -EBADMSG;
    record->covered = record->type == NG_TYPE_RRSIG ? (uint16_t)get16(work->wire + record->data) : 0;
    if (record->ttl > INT32_MAX)
        record->ttl = 0; /* RFC 2181 section 8 */
    if (record->ttl > NG_TTL_MAX)
        record->ttl = NG_TTL_MAX;
    work->at = record->data + record->size;
    return 0;
}

/* All records, those of the additional section too, though nothing is made of them: a message is right as a whole. */
static int read_message(struct work *work)
{
    unsigned rcode = work->wire[3] & 15, questions = get16(work->wire + 4), answers = get16(work->wire + 6);
    unsigned authority = get16(work->wire + 8), additional = get16(work->wire + 10);
    struct record passed;
    struct ng_name name = {.length = 0};
    unsigned type = 0, class = 0;

    work->at = NG_WIRE_HEADER;
    for (unsigned i = 0; i < questions; i++) {
        if (read_canonical(work, &work->at, &name) < 0 || work->size - work->at < 4)
            return -EBADMSG;
        type = get16(work->wire + work->at);
        class = get16(work->wire + work->at + 2);
        work->at += 4;
    }
    if (answers + authority + additional > NG_RECORDS_MAX)
        return -E2BIG;
    for (work->records = 0; work->records < answers + authority; work->records++)
        if (read_record(work, &work->record[work->records]) < 0)
            return -EBADMSG;
    work->answers = answers;
    for (; additional > 0; additional--)
        if (read_record(work, &passed) < 0)
            return -EBADMSG;
    if (work->at != work->size || !(work->wire[2] & FLAG_QR) || OPCODE(work->wire[2]) != 0 || work->wire[2] & FLAG_TC)
        return -EBADMSG;
    /* Some servers leave the question out when they fail. */
    if (rcode != NG_RCODE_NOERROR && rcode != NG_RCODE_NXDOMAIN)
        return -ENOTSUP;
    if (questions != 1 || class != CLASS_IN || type != work->question->type ||
        !ng_name_equal(&name, &work->question->name))
        return -EBADMSG;
    return 0;
}

/* --- what it says */

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
static int follow(const struct work *work)
{
    struct ng_answer *answer = work->answer;
    bool moved = true;

    answer->chain[0] = work->question->name;
    answer->links = 1;
    while (moved) {
        const struct ng_name *last = &answer->chain[answer->links - 1];

        moved = false;
        for (unsigned i = 0; i < work->answers && !moved; i++) {
            const struct record *record = &work->record[i];
            size_t at = record->data;
            struct ng_name next;
            int r;

            if (record->type != NG_TYPE_CNAME || record->class != CLASS_IN || !ng_name_equal(&record->owner, last))
                continue;
            if (read_canonical(work, &at, &next) < 0 || at != record->data + record->size)
                return -EBADMSG;
            r = add_link(answer, &next);
            if (r < 0)
                return r;
            moved = work->question->type != NG_TYPE_CNAME;
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
            return answer->repeated++ < NG_ANSWER_ADDRESSES_MAX ? 0 : -E2BIG; /* each is looked for among all */
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

static int learn_record(struct work *work, const struct record *record)
{
    const uint8_t *data = work->wire + record->data;

    switch (record->type) {
    case NG_TYPE_A:
    case NG_TYPE_AAAA:
        return add_address(work->answer, &work->room, data, record->size, 0);
    case NG_TYPE_SVCB:
    case NG_TYPE_HTTPS:
        return add_hints(work->answer, &work->room, data, record->size);
    default:
        return 0;
    }
}

/* Whether a CNAME record of that link leads to the next one. Where there are several against RFC 2181 section 10.1, no
 * others are given: nothing was learnt of where they lead. */
static bool leads_on(const struct work *work, const struct record *record, unsigned link)
{
    size_t at = record->data;
    struct ng_name next;

    return link + 1 < work->answer->links && read_canonical(work, &at, &next) >= 0 &&
           ng_name_equal(&next, &work->answer->chain[link + 1]);
}

/* Whether a record of the answer section belongs to the chain, or is what was asked for at its end. */
static bool belongs(const struct work *work, const struct record *record, unsigned links)
{
    const struct ng_question *question = work->question;
    bool signature = record->type == NG_TYPE_RRSIG && question->dnssec;

    for (unsigned i = 0; i < links; i++) {
        const struct ng_name *name = &work->answer->chain[i];
        bool last = i + 1 == links;

        if (ng_name_equal(&record->owner, name)) {
            if (record->type == NG_TYPE_CNAME)
                return leads_on(work, record, i);
            if (record->type == question->type && last)
                return true;
            if (signature && (record->covered == NG_TYPE_CNAME || (last && record->covered == question->type)))
                return true;
        }
        if ((record->type == NG_TYPE_DNAME || (signature && record->covered == NG_TYPE_DNAME)) &&
            ng_name_below(name, &record->owner))
            return true;
    }
    return false;
}

/* --- writing it anew */

/* Where names stand in the data of types that may be compressed (RFC 3597 section 4): n: a name, a digit: so many
 * octets, s: a text with its length, *: all that follows. */
static const char *layout_of(unsigned type)
{
    enum { MD = 3, MF, MB = 7, MG, MR, PTR = 12, MINFO = 14, MX, RP = 17, AFSDB, RT = 21, SIG = 24, PX = 26, NXT = 30,
           SRV = 33, NAPTR = 35, KX = 36 };

    switch (type) {
    case NG_TYPE_NS:
    case MD:
    case MF:
    case NG_TYPE_CNAME:
    case MB:
    case MG:
    case MR:
    case PTR:
    case NG_TYPE_DNAME:
        return "n";
    case NG_TYPE_SOA:
        return "nn992"; /* five times */
    case MINFO:
    case RP:
        return "nn";
    case MX:
    case AFSDB:
    case RT:
    case KX:
        return "2n";
    case SIG:
        return "99n*"; /* 18 octets, then the signer */
    case PX:
        return "2nn";
    case NXT:
        return "n*";
    case SRV:
        return "6n";
    case NAPTR:
        return "4sssn";
    default:
        return "*";
    }
}

static bool put(struct work *work, const uint8_t *octets, size_t count)
{
    if (sizeof(work->out) - work->length < count)
        return false;
    memcpy(work->out + work->length, octets, count);
    work->length += count;
    return true;
}

static const struct suffix *find_suffix(const struct work *work, const uint8_t *name, size_t length)
{
    for (unsigned i = 0; i < work->suffixes; i++)
        if (work->suffix[i].length == length && memcmp(work->suffix[i].name, name, length) == 0)
            return &work->suffix[i];
    return NULL;
}

/* Writes a name, and a pointer for what of it stands there already. canonical: the same name, which stays where it is;
 * NULL: nothing is looked for, nor found later. */
static bool put_name(struct work *work, const uint8_t *name, size_t length, const uint8_t *canonical)
{
    size_t at = 0;

    while (name[at]) {
        const struct suffix *found = canonical ? find_suffix(work, canonical + at, length - at) : NULL;
        uint8_t pointer[2];

        if (found) {
            put16(pointer, 0xc000U | found->at);
            return put(work, pointer, sizeof(pointer));
        }
        if (canonical && work->suffixes < SUFFIXES_MAX && work->length <= POINTER_MAX)
            work->suffix[work->suffixes++] =
                (struct suffix){canonical + at, (uint8_t)(length - at), (uint16_t)work->length};
        if (!put(work, name + at, 1U + name[at]))
            return false;
        at += 1U + name[at];
    }
    return put(work, name + at, 1);
}

/* A name in the data of a record, in its own case. Only the types of RFC 1035 may have it compressed. */
static bool put_data_name(struct work *work, const struct record *record, const uint8_t *name, size_t length)
{
    enum { LAST_OF_RFC1035 = 15 };
    struct ng_name canonical;
    uint8_t *kept = work->names + work->names_used;

    if (record->type > LAST_OF_RFC1035 || NAMES_ROOM - work->names_used < length ||
        ng_name_from_wire(name, length, &canonical) < 0)
        return put_name(work, name, length, NULL);
    memcpy(kept, canonical.wire, length);
    work->names_used += length;
    return put_name(work, name, length, kept);
}

static int put_data(struct work *work, const struct record *record)
{
    size_t at = record->data, end = record->data + record->size;

    for (const char *layout = layout_of(record->type); *layout; layout++) {
        uint8_t name[NG_NAME_MAX];
        size_t count;
        int length;

        if (*layout == 'n') {
            length = read_name(work, &at, name);
            if (length < 0 || at > end)
                return -EBADMSG;
            if (!put_data_name(work, record, name, (size_t)length))
                return -E2BIG;
            continue;
        }
        count = *layout == '*' ? end - at : *layout == 's' ? (at < end ? 1U + work->wire[at] : 1U)
                                                           : (size_t)(*layout - '0');
        if (count > end - at)
            return -EBADMSG;
        if (!put(work, work->wire + at, count))
            return -E2BIG;
        at += count;
    }
    return at == end ? 0 : -EBADMSG;
}

static int put_record(struct work *work, const struct record *record, unsigned section)
{
    uint8_t head[10]; /* type, class, TTL, and room for the size of the data */
    size_t size_at;
    int r;

    if (!put_name(work, record->owner.wire, record->owner.length, record->owner.wire))
        return -E2BIG;
    put16(head, record->type);
    put16(head + 2, record->class);
    put16(head + 4, record->ttl >> 16);
    put16(head + 6, record->ttl & 0xffff);
    if (work->length + 4 > UINT16_MAX || !put(work, head, sizeof(head)))
        return -E2BIG;
    work->ttls[work->ttl_count++] = (uint16_t)(work->length - 6);
    size_at = work->length - 2;
    r = put_data(work, record);
    if (r < 0)
        return r;
    put16(work->out + size_at, (unsigned)(work->length - size_at - 2));
    work->section[section]++;
    return 0;
}

static void put_question(struct work *work)
{
    const struct ng_name *name = &work->question->name;

    memset(work->out, 0, NG_WIRE_HEADER);
    work->length = NG_WIRE_HEADER;
    work->suffixes = 0;
    work->names_used = 0;
    (void)put_name(work, name->wire, name->length, name->wire);
    put16(work->out + work->length, work->question->type);
    put16(work->out + work->length + 2, CLASS_IN);
    work->length += 4;
}

static int take_answers(struct work *work, uint32_t *ttl)
{
    unsigned links = work->answer->links;
    int r = 0;

    for (unsigned i = 0; r == 0 && i < work->answers; i++) {
        const struct record *record = &work->record[i];

        if (record->class != CLASS_IN || !belongs(work, record, links))
            continue;
        r = put_record(work, record, 0);
        if (record->ttl < *ttl)
            *ttl = record->ttl;
        if (r == 0 && record->type == work->question->type &&
            ng_name_equal(&record->owner, &work->answer->chain[links - 1]))
            r = learn_record(work, record);
    }
    return r;
}

/* The authority section says for how long there is nothing (RFC 2308), and proves it. */
static int take_authority(struct work *work, uint32_t *ret_negative)
{
    enum { SOA_TIMES = 20, SOA_MIN = 22 };
    bool dnssec = work->question->dnssec;
    int r = 0;

    *ret_negative = 0;
    for (unsigned i = work->answers; r == 0 && i < work->records; i++) {
        const struct record *record = &work->record[i];
        uint32_t minimum;

        if (record->class != CLASS_IN)
            continue;
        if (record->type == NG_TYPE_SOA) {
            if (record->size < SOA_MIN)
                return -EBADMSG;
            minimum = get32(work->wire + record->data + record->size - 4);
            *ret_negative = record->ttl < minimum ? record->ttl : minimum;
            if (*ret_negative > NG_TTL_NEGATIVE_MAX)
                *ret_negative = NG_TTL_NEGATIVE_MAX;
        } else if (!dnssec || (record->type != NG_TYPE_NSEC && record->type != NG_TYPE_NSEC3 &&
                               record->type != NG_TYPE_RRSIG)) {
            continue;
        }
        r = put_record(work, record, 1);
    }
    return r;
}

static int finish(struct work *work)
{
    struct ng_answer *answer = work->answer;

    if (work->length > NG_WIRE_MAX - NG_WIRE_QUERY_MAX) /* room for an OPT record */
        return -E2BIG;
    work->out[2] = FLAG_QR;
    work->out[3] = (uint8_t)((work->wire[3] & FLAG_AD) | answer->rcode);
    put16(work->out + 4, 1);
    put16(work->out + 6, work->section[0]);
    put16(work->out + 8, work->section[1]);
    answer->wire = malloc(work->length + work->ttl_count * sizeof(*answer->ttls) + 1);
    if (!answer->wire)
        return -ENOMEM;
    memcpy(answer->wire, work->out, work->length);
    answer->size = work->length;
    answer->ttls = (uint16_t *)(void *)(answer->wire + work->length + work->length % 2);
    memcpy(answer->ttls, work->ttls, work->ttl_count * sizeof(*answer->ttls));
    answer->ttl_count = work->ttl_count;
    return 0;
}

static int understand(struct work *work)
{
    struct ng_answer *answer = work->answer;
    uint32_t ttl = UINT32_MAX, negative = 0;
    int r = read_message(work);

    if (r < 0)
        return r;
    answer->rcode = work->wire[3] & 15;
    r = follow(work);
    put_question(work);
    if (r == 0)
        r = take_answers(work, &ttl);
    if (r == 0)
        r = take_authority(work, &negative);
    if (r == 0)
        r = finish(work);
    /* Nothing of the type asked for at the end of the chain: how long that holds is the authority's word. */
    if (answer->rcode == NG_RCODE_NXDOMAIN || ttl == UINT32_MAX || (negative && !answer->addresses))
        answer->ttl = negative < ttl ? negative : ttl;
    else
        answer->ttl = ttl;
    return r;
}

int ng_answer_parse(const struct ng_question *question, const uint8_t *wire, size_t size, struct ng_answer *ret_answer)
{
    static struct work work; /* used under the engine's turn, by one thread at a time */
    int r;

    if (size < NG_WIRE_HEADER || size > NG_WIRE_MAX)
        return -EBADMSG;
    memset(ret_answer, 0, offsetof(struct ng_answer, chain));
    work.question = question;
    work.wire = wire;
    work.size = size;
    work.answer = ret_answer;
    work.room = 0;
    work.ttl_count = work.section[0] = work.section[1] = 0;
    r = understand(&work);
    if (r < 0)
        ng_answer_release(ret_answer);
    return r;
}

void ng_answer_release(struct ng_answer *answer)
{
    free(answer->address);
    free(answer->wire);
    memset(answer, 0, offsetof(struct ng_answer, chain));
}
