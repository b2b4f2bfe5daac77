// SPDX-License-Identifier: BSD-2-Clause
/* No two keys that somebody may choose have the same mark, whatever the secret is; those of neighbours have places of
 * their own. */
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

static void fill(struct ng_permit_key *key, unsigned host, unsigned port)
{
    memset(key, 0, sizeof(*key));
    key->cgroup = 4711;
    key->address[10] = key->address[11] = 0xff;
    key->address[12] = 10;
    key->address[14] = (unsigned char)(host >> 8);
    key->address[15] = (unsigned char)host;
    key->destination = NG_PERMIT_DESTINATION(6, port);
}

static void neighbours_have_places_of_their_own(void **state)
{
    enum { BITS = 15, MANY = 4096, SECRETS = 20 };
    static unsigned char hosts[1 << BITS], ports[1 << BITS];
    unsigned taken = 0;

    (void)state;
    for (int i = 0; i < SECRETS; i++) {
        __u64 secret[NG_MARK_WORDS];
        struct ng_permit_key key;

        draw(secret, sizeof(secret));
        memset(hosts, 0, sizeof(hosts));
        memset(ports, 0, sizeof(ports));
        for (unsigned j = 0; j < MANY; j++) {
            fill(&key, j, 443);
            assert_in_range(ng_place(secret, &key, BITS), 0, (1 << BITS) - 1);
            taken += !hosts[ng_place(secret, &key, BITS)]++;
            fill(&key, 1, j);
            taken += !ports[ng_place(secret, &key, BITS)]++;
        }
    }
    assert_in_range(taken, SECRETS * 2 * MANY * 3 / 4, SECRETS * 2 * MANY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_key_has_the_same_mark),
        cmocka_unit_test(differences_do_not_cancel),
        cmocka_unit_test(every_octet_counts),
        cmocka_unit_test(neighbours_have_places_of_their_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
