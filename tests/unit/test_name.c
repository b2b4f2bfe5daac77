// SPDX-License-Identifier: BSD-2-Clause
#include "support.h"

#include <errno.h>

static int from_text(const char *text)
{
    struct ng_name name;

    return ng_name_from_text(text, strlen(text), &name);
}

static void text_becomes_canonical(void **state)
{
    static const char *const same[] = {"api.github.com", "API.GitHub.Com", "api.github.com."};
    static const uint8_t wire[] = "\3api\6github\3com";
    char text[NG_NAME_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct ng_name name = test_name(same[i]);

        assert_int_equal(name.length, sizeof(wire));
        assert_memory_equal(name.wire, wire, sizeof(wire));
        assert_string_equal(ng_name_to_text(&name, text), "api.github.com");
    }
}

static void bad_text_is_refused(void **state)
{
    char label[70], whole[300];

    (void)state;
    assert_int_equal(from_text(""), -EINVAL);
    assert_int_equal(from_text("."), -EINVAL);
    assert_int_equal(from_text("a..b"), -EINVAL);
    assert_int_equal(from_text(".a"), -EINVAL);
    assert_int_equal(from_text("a b"), -EINVAL);
    assert_int_equal(from_text("a\\.b"), -EINVAL);
    assert_int_equal(from_text("b\xc3\xbc" "cher.example"), -EILSEQ);
    memset(label, 'a', 63);
    label[63] = '\0';
    assert_int_equal(from_text(label), 0);
    label[63] = 'a';
    label[64] = '\0';
    assert_int_equal(from_text(label), -ENAMETOOLONG);
    memset(whole, 'a', sizeof(whole));
    for (size_t i = 49; i < sizeof(whole); i += 50)
        whole[i] = '.';
    whole[253] = '\0';
    assert_int_equal(from_text(whole), 0); /* 253 characters are 255 octets */
    whole[253] = 'a';
    whole[254] = '\0';
    assert_int_equal(from_text(whole), -ENAMETOOLONG);
}

static void wire_is_checked(void **state)
{
    static const uint8_t upper[] = "\3WwW\7ExamPle", pointer[] = "\3www\xc0\x0c", cut[] = "\7exam";
    struct ng_name name = {.length = 77};
    uint8_t endless[300];

    (void)state;
    assert_int_equal(ng_name_from_wire(upper, sizeof(upper), &name), sizeof(upper));
    assert_memory_equal(name.wire, "\3www\7example", sizeof(upper));
    name.length = 77;
    assert_int_equal(ng_name_from_wire(pointer, sizeof(pointer), &name), -EBADMSG);
    assert_int_equal(ng_name_from_wire(cut, sizeof(cut), &name), -EBADMSG);
    assert_int_equal(ng_name_from_wire(upper, sizeof(upper) - 1, &name), -EBADMSG);
    assert_int_equal(ng_name_from_wire(upper, 0, &name), -EBADMSG);
    memset(endless, 1, sizeof(endless));
    assert_int_equal(ng_name_from_wire(endless, sizeof(endless), &name), -EBADMSG);
    assert_int_equal(name.length, 77); /* untouched on failure */
}

static void letters_alone_are_lowered(void **state)
{
    (void)state;
    for (unsigned octet = 0; octet < 256; octet++) {
        for (size_t length = 1; length <= 17; length++) { /* at every place of a word */
            uint8_t wire[20] = {(uint8_t)length};
            bool letter = octet >= 'A' && octet <= 'Z';
            struct ng_name name;

            memset(wire + 1, (int)octet, length);
            assert_int_equal(ng_name_from_wire(wire, sizeof(wire), &name), length + 2);
            assert_int_equal(name.wire[0], length);
            for (size_t i = 1; i <= length; i++)
                assert_int_equal(name.wire[i], letter ? octet + 32 : octet);
            assert_int_equal(name.wire[length + 1], 0);
        }
    }
}

static void odd_octets_are_escaped(void **state)
{
    static const uint8_t odd[] = "\4a.\0\xff\1z";
    struct ng_name name, again;
    char text[NG_NAME_TEXT_MAX];
    uint8_t root = 0;

    (void)state;
    assert_int_equal(ng_name_from_wire(odd, sizeof(odd), &name), sizeof(odd));
    assert_string_equal(ng_name_to_text(&name, text), "a\\046\\000\\255.z");
    assert_int_equal(ng_name_from_text(text, strlen(text), &again), -EINVAL);
    assert_int_equal(ng_name_from_record(text, strlen(text), &again), 0);
    assert_true(ng_name_equal(&name, &again));
    assert_int_equal(ng_name_from_record("\\065B.z", 7, &again), 0);
    assert_string_equal(ng_name_to_text(&again, text), "ab.z");
    assert_int_equal(ng_name_from_record("a\\25", 4, &again), -EINVAL);
    assert_int_equal(ng_name_from_record("a\\256", 5, &again), -EINVAL);
    assert_int_equal(ng_name_from_record("a\\2x5.z", 7, &again), -EINVAL);
    assert_int_equal(ng_name_from_record("\xff.z", 3, &again), -EILSEQ);
    assert_int_equal(ng_name_from_wire(&root, 1, &name), 1);
    assert_string_equal(ng_name_to_text(&name, text), ".");
}

static void below_respects_labels(void **state)
{
    struct ng_name apex = test_name("github.com"), api = test_name("a.api.github.com");
    struct ng_name lookalike = test_name("notgithub.com"), root = {.length = 1};

    (void)state;
    assert_true(ng_name_below(&api, &apex));
    assert_false(ng_name_below(&apex, &apex));
    assert_false(ng_name_below(&apex, &api));
    assert_false(ng_name_below(&lookalike, &apex));
    assert_true(ng_name_below(&apex, &root));
    assert_int_equal(ng_name_labels(&api), 4);
    assert_int_equal(ng_name_labels(&root), 0);
}

static void hash_depends_on_name_and_key(void **state)
{
    struct ng_name a = test_name("a.example"), b = test_name("b.example");

    (void)state;
    assert_true(ng_name_hash(&a, 1) == ng_name_hash(&a, 1));
    assert_true(ng_name_hash(&a, 1) != ng_name_hash(&b, 1));
    assert_true(ng_name_hash(&a, 1) != ng_name_hash(&a, 2));
    assert_true(ng_name_equal(&a, &a));
    assert_false(ng_name_equal(&a, &b));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_becomes_canonical), cmocka_unit_test(bad_text_is_refused),
        cmocka_unit_test(wire_is_checked), cmocka_unit_test(letters_alone_are_lowered),
        cmocka_unit_test(odd_octets_are_escaped),
        cmocka_unit_test(below_respects_labels),  cmocka_unit_test(hash_depends_on_name_and_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
