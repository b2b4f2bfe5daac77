// SPDX-License-Identifier: BSD-2-Clause
/* No two keys that somebody may choose have the same mark, whatever the secret is. */
#include "../../bpf/mark.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include <cmocka.h>

static void draw(void *memory, size_t size)
{
    assert_int_equal(getrandom(memory, size, 0), size);
}

static void the_same_key_has_the_same_mark(void **state)
{
    __u64 secret[NG_MARK_WORDS];
    struct ng_permit_key key, other;

    (void)state;
    draw(secret, sizeof(secret));
    draw(&key, sizeof(key));
    other = key;
    assert_true(ng_mark(secret, &key) == ng_mark(secret, &other));
}

/* A difference in the highest bits of a word passes a multiplication as it is, so that the next word could undo it. */
static void differences_do_not_cancel(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        __u64 secret[NG_MARK_WORDS];
        struct ng_permit_key key, other;

        draw(secret, sizeof(secret));
        draw(&key, sizeof(key));
        other = key;
        other.address[7] ^= 0x80;
        other.address[11] ^= 0x80;
        other.address[15] ^= 0x80;
        assert_false(ng_mark(secret, &key) == ng_mark(secret, &other));
    }
}

static void every_octet_counts(void **state)
{
    __u64 secret[NG_MARK_WORDS];
    struct ng_permit_key key, other;

    (void)state;
    draw(secret, sizeof(secret));
    draw(&key, sizeof(key));
    for (size_t i = 0; i < sizeof(key); i++) {
        other = key;
        ((unsigned char *)&other)[i] ^= 1;
        assert_false(ng_mark(secret, &key) == ng_mark(secret, &other));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_key_has_the_same_mark),
        cmocka_unit_test(differences_do_not_cancel),
        cmocka_unit_test(every_octet_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
