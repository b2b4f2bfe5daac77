// SPDX-License-Identifier: BSD-2-Clause
#include "support.h"

#include "../../resolver/wire.h"

#include <errno.h>

#define QUESTION "\6GitHub\3com\0\0\1\0\1"

/* A header with an id, flags and counts, then a body. */
static size_t message(uint8_t *wire, unsigned flags, const uint8_t counts[4], const char *body, size_t size)
{
    const uint8_t header[12] = {0x12, 0x34, (uint8_t)(flags >> 8), (uint8_t)flags, 0, counts[0], 0, counts[1],
                                0,    counts[2], 0, counts[3]};

    memcpy(wire, header, 12);
    memcpy(wire + 12, body, size);
    return 12 + size;
}

struct row {
    const char *what;
    unsigned flags;
    uint8_t counts[4];
    const char *body;
    size_t size;
    enum ng_query_kind kind;
    uint8_t rcode;
};

#define BODY(text) text, sizeof(text) - 1
#define OPT(version, flags, size) "\0\0\x29\x04\xd0\0" version flags "\0" size

static const struct row rows[] = {
    {"plain", 0x0100, {1}, BODY(QUESTION), NG_QUERY_GOOD, 0},
    {"an answer", 0x8180, {1}, BODY(QUESTION), NG_QUERY_SILENT, 0},
    {"no question", 0x0100, {0}, BODY(""), NG_QUERY_BAD, NG_RCODE_FORMERR},
    {"two questions", 0x0100, {2}, BODY(QUESTION QUESTION), NG_QUERY_BAD, NG_RCODE_FORMERR},
    {"an answer section", 0x0100, {1, 1}, BODY(QUESTION), NG_QUERY_BAD, NG_RCODE_FORMERR},
    {"an authority section", 0x0100, {1, 0, 1}, BODY(QUESTION), NG_QUERY_BAD, NG_RCODE_FORMERR},
    {"a name that is cut", 0x0100, {1}, BODY("\6Git"), NG_QUERY_BAD, NG_RCODE_FORMERR},
    {"a type that is cut", 0x0100, {1}, BODY("\1a\0\0\1\0"), NG_QUERY_BAD, NG_RCODE_FORMERR},
    {"type 0", 0x0100, {1}, BODY("\1a\0\0\0\0\1"), NG_QUERY_BAD, NG_RCODE_FORMERR},
    {"type OPT", 0x0100, {1}, BODY("\1a\0\0\x29\0\1"), NG_QUERY_BAD, NG_RCODE_FORMERR},
    {"ANY", 0x0100, {1}, BODY("\1a\0\0\xff\0\1"), NG_QUERY_BAD, NG_RCODE_REFUSED},
    {"AXFR", 0x0100, {1}, BODY("\1a\0\0\xfc\0\1"), NG_QUERY_BAD, NG_RCODE_REFUSED},
    {"class CH", 0x0100, {1}, BODY("\1a\0\0\x10\0\3"), NG_QUERY_BAD, NG_RCODE_REFUSED},
    {"a status query", 0x1000, {1}, BODY(QUESTION), NG_QUERY_BAD, NG_RCODE_NOTIMP},
    {"octets at the end", 0x0100, {1}, BODY(QUESTION "x"), NG_QUERY_BAD, NG_RCODE_FORMERR},
    {"EDNS", 0x0100, {1, 0, 0, 1}, BODY(QUESTION OPT("\0", "\x80\0", "\0")), NG_QUERY_GOOD, 0},
    {"EDNS with an option", 0x0100, {1, 0, 0, 1}, BODY(QUESTION OPT("\0", "\0\0", "\4") "\0\3\0\0"), NG_QUERY_GOOD, 0},
    {"EDNS version 1", 0x0100, {1, 0, 0, 1}, BODY(QUESTION OPT("\1", "\0\0", "\0")), NG_QUERY_BAD, NG_RCODE_BADVERS},
    {"EDNS twice", 0x0100, {1, 0, 0, 2}, BODY(QUESTION OPT("\0", "\0\0", "\0") OPT("\0", "\0\0", "\0")), NG_QUERY_BAD,
     NG_RCODE_FORMERR},
    {"EDNS with a name", 0x0100, {1, 0, 0, 1}, BODY(QUESTION "\1a" OPT("\0", "\0\0", "\0")), NG_QUERY_BAD,
     NG_RCODE_FORMERR},
    {"EDNS that is cut", 0x0100, {1, 0, 0, 1}, BODY(QUESTION OPT("\0", "\0\0", "\4") "\0"), NG_QUERY_BAD,
     NG_RCODE_FORMERR},
    {"another record", 0x0100, {1, 0, 0, 1}, BODY(QUESTION "\0\0\1\0\1\0\0\0\0\0\4abcd"), NG_QUERY_GOOD, 0},
    {"another record, cut", 0x0100, {1, 0, 0, 1}, BODY(QUESTION "\0\0\1\0\1\0\0\0\0\0\4ab"), NG_QUERY_BAD,
     NG_RCODE_FORMERR},
};

static void queries_are_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        uint8_t wire[256], out[NG_WIRE_QUERY_MAX];
        struct ng_query query;
        size_t size = message(wire, rows[i].flags, rows[i].counts, rows[i].body, rows[i].size);
        enum ng_query_kind kind = ng_wire_query(wire, size, &query);

        if (kind != rows[i].kind || (kind == NG_QUERY_BAD && query.rcode != rows[i].rcode))
            fail_msg("%s: kind %d, rcode %d", rows[i].what, (int)kind, query.rcode);
        if (kind == NG_QUERY_BAD) {
            size_t length = ng_wire_failure(&query, query.rcode, NULL, out);

            assert_in_range(length, 12, NG_WIRE_QUERY_MAX);
            assert_memory_equal(out, "\x12\x34", 2);
            assert_int_equal(out[2] & 0x80, 0x80);
            assert_int_equal(out[3] & 15, query.rcode & 15);
        }
    }
    for (size_t size = 0; size < 12; size++) {
        struct ng_query query;
        uint8_t wire[12] = {0};

        assert_int_equal(ng_wire_query(wire, size, &query), NG_QUERY_SILENT);
    }
}

static struct ng_query good_query(bool edns)
{
    uint8_t wire[256];
    struct ng_query query;
    size_t size = edns ? message(wire, 0x0110, (const uint8_t[4]){1, 0, 0, 1},
                                 BODY(QUESTION OPT("\0", "\x80\0", "\0")))
                       : message(wire, 0x0100, (const uint8_t[4]){1}, BODY(QUESTION));

    assert_int_equal(ng_wire_query(wire, size, &query), NG_QUERY_GOOD);
    return query;
}

static void details_of_a_query(void **state)
{
    struct ng_query plain = good_query(false), edns = good_query(true);
    struct ng_name name = test_name("github.com");

    (void)state;
    assert_true(ng_name_equal(&plain.question.name, &name));
    assert_memory_equal(plain.written, "\6GitHub\3com", 12);
    assert_int_equal(plain.id, 0x1234);
    assert_true(plain.recursion_desired && !plain.edns && !plain.question.dnssec);
    assert_int_equal(plain.udp_max, 512);
    assert_true(edns.edns && edns.question.dnssec && edns.question.checking_disabled);
    assert_int_equal(edns.udp_max, 1232);
}

static void what_is_asked_is_understood_again(void **state)
{
    struct ng_question question = {.name = test_name("a.example"), .type = NG_TYPE_AAAA, .dnssec = true};
    uint8_t wire[NG_WIRE_QUERY_MAX];
    struct ng_query query;
    size_t size = ng_wire_ask(&question, 0xbeef, wire);

    (void)state;
    assert_int_equal(ng_wire_query(wire, size, &query), NG_QUERY_GOOD);
    assert_int_equal(query.id, 0xbeef);
    assert_int_equal(query.question.type, NG_TYPE_AAAA);
    assert_true(query.edns && query.question.dnssec && query.recursion_desired);
    assert_true(ng_name_equal(&query.question.name, &question.name));
    assert_int_equal(query.udp_max, NG_WIRE_UDP_MAX);
}

#define ANSWER "\xc0\x0c\0\1\0\1\0\0\1\x2c\0\4\xc6\x33\x64\x0b"

static size_t answer_wire(uint8_t *wire, struct ng_wire_answer *answer)
{
    static const uint16_t ttls[] = {12 + 16 + 6};
    size_t size = message(wire, 0x8020, (const uint8_t[4]){1, 1}, BODY("\6github\3com\0\0\1\0\1" ANSWER));

    *answer = (struct ng_wire_answer){.wire = wire, .size = size, .ttls = ttls, .ttl_count = 1, .age = 100};
    return size;
}

static void replies_fit_the_asker(void **state)
{
    struct ng_query plain = good_query(false), edns = good_query(true);
    struct ng_wire_answer answer;
    uint8_t wire[128], out[256];
    size_t size = answer_wire(wire, &answer), length;

    (void)state;
    length = ng_wire_reply(&plain, &answer, NULL, 512, out, sizeof(out));
    assert_int_equal(length, size);
    assert_memory_equal(out, "\x12\x34\x81\x80", 4);      /* QR RD RA; AD only on wish */
    assert_memory_equal(out + 12, "\6GitHub\3com", 11);    /* as written by the asker */
    assert_memory_equal(out + 34, "\0\0\0\xc8", 4);        /* 300 - 100 */
    length = ng_wire_reply(&edns, &answer, NULL, 512, out, sizeof(out));
    assert_int_equal(length, size + 11);
    assert_int_equal(out[3] & 0x30, 0x30); /* AD and CD */
    assert_int_equal(out[11], 1);
    answer.age = 1000;
    length = ng_wire_reply(&plain, &answer, NULL, 512, out, sizeof(out));
    assert_memory_equal(out + 34, "\0\0\0\0", 4);
    /* Cut: the question alone, with TC. */
    length = ng_wire_reply(&plain, &answer, NULL, size - 1, out, sizeof(out));
    assert_int_equal(length, 28);
    assert_int_equal(out[2] & 2, 2);
    assert_int_equal(out[7], 0);
    length = ng_wire_reply(&edns, &answer, NULL, size, out, sizeof(out));
    assert_int_equal(length, 28 + 11);
    assert_int_equal(out[11], 1);
    assert_int_equal(ng_wire_reply(&plain, &answer, NULL, 512, out, 20), 0);
}

/* RFC 8914 section 2: option 15, a code, a text. No reason to cut an answer, and only for those who use EDNS. */
static void explanations_fit_or_go(void **state)
{
    struct ng_query plain = good_query(false), edns = good_query(true);
    struct ng_ede ede = {.code = NG_EDE_BLOCKED, .text = "why"};
    struct ng_wire_answer answer;
    uint8_t wire[128], out[NG_WIRE_QUERY_MAX];
    size_t size = answer_wire(wire, &answer), length;

    (void)state;
    length = ng_wire_reply(&edns, &answer, &ede, 512, out, sizeof(out));
    assert_int_equal(length, size + 11 + 9);
    assert_memory_equal(out + size + 9, "\0\x09\0\x0f\0\x05\0\x0f" "why", 11);
    assert_int_equal(ng_wire_reply(&edns, &answer, &ede, size + 11 + 8, out, sizeof(out)), size + 11);
    assert_int_equal(out[2] & 2, 0);
    assert_int_equal(ng_wire_reply(&plain, &answer, &ede, 512, out, sizeof(out)), size);
    length = ng_wire_nothing(&edns, NG_RCODE_NXDOMAIN, 5, &ede, out);
    assert_int_equal(out[3] & 15, NG_RCODE_NXDOMAIN);
    assert_int_equal(out[9], 1);
    assert_memory_equal(out + length - 3, "why", 3);
    assert_int_equal(ng_wire_nothing(&plain, NG_RCODE_NXDOMAIN, 5, &ede, out), 28 + 12 + 22);
}

static void failures_echo_question_and_class(void **state)
{
    struct ng_query query = good_query(true);
    uint8_t out[NG_WIRE_QUERY_MAX];
    size_t size = ng_wire_failure(&query, NG_RCODE_BADVERS, NULL, out);

    (void)state;
    assert_int_equal(size, 28 + 11);
    assert_memory_equal(out + 12, QUESTION, 16);
    assert_int_equal(out[28 + 5], 1); /* the upper bits of the rcode */
    query.class = 3;
    (void)ng_wire_failure(&query, NG_RCODE_REFUSED, NULL, out);
    assert_int_equal(out[27], 3);
}

static int ttls_of(const char *body, size_t size, const uint8_t counts[4])
{
    uint8_t wire[512];
    uint16_t ttls[NG_RECORDS_MAX];

    return ng_wire_ttls(wire, message(wire, 0x8180, counts, body, size), ttls);
}

static void the_shape_of_messages_is_checked(void **state)
{
    static const uint8_t one[4] = {1, 1}, two[4] = {1, 1, 0, 1};
    uint16_t ttls[NG_RECORDS_MAX];
    uint8_t *many = malloc(12 + 600 * 11);
    static const uint8_t many_counts[12] = {0, 0, 0x81, 0x80, 0, 0, 2, 0x58, 0, 0, 0, 0};

    (void)state;
    assert_int_equal(ttls_of(BODY(QUESTION ANSWER), one), 1);
    assert_int_equal(ttls_of(BODY(QUESTION ANSWER ANSWER), two), 2);
    assert_int_equal(ttls_of(BODY(QUESTION ANSWER), two), -EBADMSG);
    assert_int_equal(ttls_of(BODY(QUESTION ANSWER "x"), one), -EBADMSG);
    assert_int_equal(ttls_of(BODY(QUESTION "\xc0\x0c\0\1\0\1\0\0\1\x2c\0\5abcde"), one), -EBADMSG);
    assert_int_equal(ttls_of(BODY(QUESTION "\xc0\x0c\0\x1c\0\1\0\0\1\x2c\0\4abcd"), one), -EBADMSG);
    assert_int_equal(ttls_of(BODY(QUESTION "\x7f" "abc"), one), -EBADMSG);
    assert_int_equal(ttls_of(BODY(QUESTION "\xc0"), one), -EBADMSG);
    assert_int_equal(ng_wire_ttls((const uint8_t *)"", 0, ttls), -EBADMSG);
    memcpy(many, many_counts, 12);
    for (int i = 0; i < 600; i++)
        memcpy(many + 12 + 11 * i, "\0\0\x10\0\1\0\0\0\0\0\0", 11);
    assert_int_equal(ng_wire_ttls(many, 12 + 600 * 11, ttls), -E2BIG);
    free(many);
}

static void any_octets_are_survived(void **state)
{
    unsigned seed = 3;

    (void)state;
    for (int round = 0; round < 200000; round++) {
        uint8_t wire[80], out[NG_WIRE_QUERY_MAX];
        size_t size = message(wire, (unsigned)rand_r(&seed) & 0x7fff, (const uint8_t[4]){1, 0, 0, (uint8_t)(rand_r(&seed) % 3)},
                              BODY(QUESTION OPT("\0", "\0\0", "\4") "abcdefghijklmnop"));
        struct ng_query query;
        uint16_t ttls[NG_RECORDS_MAX];

        for (int k = rand_r(&seed) % 6; k > 0; k--)
            wire[(size_t)rand_r(&seed) % size] = (uint8_t)rand_r(&seed);
        size = (size_t)rand_r(&seed) % (size + 1);
        if (ng_wire_query(wire, size, &query) == NG_QUERY_BAD)
            assert_in_range(ng_wire_failure(&query, query.rcode, NULL, out), 12, sizeof(out));
        (void)ng_wire_ttls(wire, size, ttls);
    }
}

static void answers_can_be_spoilt(void **state)
{
    static const char records[] = QUESTION "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\1\2\3\4" OPT("\0", "\x80\0", "\0");
    uint8_t wire[NG_WIRE_QUERY_MAX];
    size_t size = message(wire, 0x83b0, (const uint8_t[4]){1, 1, 0, 1}, BODY(records));

    (void)state;
    assert_int_equal(ng_wire_spoil(wire, size), 12 + sizeof(QUESTION) - 1 + 11);
    assert_memory_equal(wire, "\x12\x34\x81\x92\0\1\0\0\0\0\0\1" QUESTION OPT("\0", "\x80\0", "\0"),
                        12 + sizeof(QUESTION) - 1 + 11);
    size = message(wire, 0x8180, (const uint8_t[4]){1, 1}, BODY(QUESTION "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\1\2\3\4"));
    assert_int_equal(ng_wire_spoil(wire, size), 12 + sizeof(QUESTION) - 1);
    assert_int_equal(wire[11], 0);
    /* An explanation goes, and so does an OPT record that is not whole. */
    size = message(wire, 0x8180, (const uint8_t[4]){1, 0, 0, 1}, BODY(QUESTION OPT("\0", "\0\0", "\6") "\0\x0f\0\2\0\x11"));
    assert_int_equal(ng_wire_spoil(wire, size), 12 + sizeof(QUESTION) - 1 + 11);
    assert_memory_equal(wire + 12 + sizeof(QUESTION) - 1, OPT("\0", "\0\0", "\0"), 11);
    size = message(wire, 0x8180, (const uint8_t[4]){1, 0, 0, 1}, BODY(QUESTION OPT("\0", "\0\0", "\6")));
    assert_int_equal(ng_wire_spoil(wire, size), 12 + sizeof(QUESTION) - 1);
    assert_int_equal(wire[11], 0);
    size = message(wire, 0x8181, (const uint8_t[4]){0}, "", 0);
    assert_int_equal(ng_wire_spoil(wire, size), 12);
    assert_int_equal(wire[3], 0x82);
    size = message(wire, 0x8180, (const uint8_t[4]){1}, BODY("\6Git"));
    assert_int_equal(ng_wire_spoil(wire, size), size);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_are_understood), cmocka_unit_test(details_of_a_query),
        cmocka_unit_test(what_is_asked_is_understood_again), cmocka_unit_test(replies_fit_the_asker), cmocka_unit_test(explanations_fit_or_go),
        cmocka_unit_test(failures_echo_question_and_class), cmocka_unit_test(the_shape_of_messages_is_checked),
        cmocka_unit_test(answers_can_be_spoilt), cmocka_unit_test(any_octets_are_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
