// SPDX-License-Identifier: BSD-2-Clause
/* The keeper's memory of names: found by address and by id, bounded, and not misled by what the resolver says. */
#include "support.h"

#include "../../daemon/track.h"

#include <errno.h>

static struct ng_message_resolution message_of(uint64_t id, const char *name, const char *address)
{
    struct ng_message_resolution message = {.type = NG_MESSAGE_RESOLUTION, .id = id, .links = 1};
    struct ng_name own = test_name(name);

    message.chain[0].length = own.length;
    memcpy(message.chain[0].wire, own.wire, own.length);
    if (address)
        test_address(address, message.address[message.addresses++]);
    return message;
}

static void number(uint8_t address[16], unsigned i)
{
    memset(address, 0, 16);
    memcpy(address + 12, &i, sizeof(i));
}

static void count_one(void *arg, const struct ng_resolution *resolution)
{
    (void)resolution;
    ++*(unsigned *)arg;
}

static unsigned holders(struct ng_track *track, const char *text)
{
    uint8_t address[16];
    unsigned count = 0;

    test_address(text, address);
    ng_track_each(track, address, count_one, &count);
    return count;
}

static struct ng_track *new_track(void)
{
    struct ng_track *track;

    assert_int_equal(ng_track_new(&track), 0);
    return track;
}

static void names_and_addresses(void **state)
{
    struct ng_track *track = new_track();
    struct ng_message_resolution message = message_of(7, "a.test", "198.51.100.1");
    struct ng_name other = test_name("b.test"), a = test_name("a.test");
    const struct ng_resolution *found;

    (void)state;
    assert_int_equal(ng_track_resolution(track, &message), 0);
    assert_int_equal(ng_track_resolution(track, &message), 0); /* again: nothing more */
    test_address("198.51.100.2", message.address[0]);
    message.chain[1].length = other.length;
    memcpy(message.chain[1].wire, other.wire, other.length);
    message.links = 2;
    assert_int_equal(ng_track_resolution(track, &message), 0); /* the chain is replaced, the addresses are added to */
    found = ng_track_find(track, 7);
    assert_non_null(found);
    assert_int_equal(found->links, 2);
    assert_int_equal(found->addresses, 2);
    assert_true(ng_name_equal(&found->chain[0], &a));
    assert_true(ng_name_equal(&found->chain[1], &other));
    for (uint64_t id = 8; id < 12; id++) { /* several names at one address */
        message = message_of(id, "more.test", "198.51.100.1");
        assert_int_equal(ng_track_resolution(track, &message), 0);
    }
    assert_int_equal(holders(track, "198.51.100.1"), 5);
    assert_int_equal(holders(track, "198.51.100.2"), 1);
    assert_int_equal(holders(track, "198.51.100.3"), 0);
    assert_null(ng_track_find(track, 12));
    ng_track_free(track);
}

static void another_resolver(void **state)
{
    struct ng_track *track = new_track();
    struct ng_message_resolution message = message_of(7, "a.test", "198.51.100.1");

    (void)state;
    assert_int_equal(ng_track_resolution(track, &message), 0);
    ng_track_new_resolver(track);
    assert_null(ng_track_find(track, 7));
    message = message_of(7, "b.test", "198.51.100.1");
    assert_int_equal(ng_track_resolution(track, &message), 0);
    assert_int_equal(holders(track, "198.51.100.1"), 2);
    ng_track_free(track);
}

/* looks: how often, while they come, one is looked for by its address. */
static void fill_beyond(unsigned looks)
{
    struct ng_track *track = new_track();
    unsigned count = 0;

    for (unsigned i = 0; i < NG_TRACK_MAX + 100; i++) {
        struct ng_message_resolution message = message_of(i + 1, "many.test", "198.51.100.1");

        number(message.address[message.addresses++], i);
        assert_int_equal(ng_track_resolution(track, &message), 0);
        if (looks && i % (NG_TRACK_MAX / looks) == 50)
            assert_int_equal(holders(track, "198.51.100.1"), i < NG_TRACK_MAX ? i + 1 : NG_TRACK_MAX);
    }
    ng_track_each(track, NULL, count_one, &count);
    assert_int_equal(count, NG_TRACK_MAX);
    assert_int_equal(holders(track, "198.51.100.1"), NG_TRACK_MAX);
    assert_null(ng_track_find(track, 100));
    assert_non_null(ng_track_find(track, 101));
    for (unsigned i = 0; i < 2; i++) {
        uint8_t address[16];

        number(address, 99 + i);
        count = 0;
        ng_track_each(track, address, count_one, &count);
        assert_int_equal(count, i);
    }
    ng_track_free(track);
}

static void the_oldest_goes(void **state)
{
    (void)state;
    fill_beyond(0);
    fill_beyond(1);
    fill_beyond(4);
}

static void impossible(void **state)
{
    struct ng_track *track = new_track();
    struct ng_message_resolution message = message_of(1, "a.test", "198.51.100.1");

    (void)state;
    message.chain[0].wire[0] = 60; /* beyond its end */
    assert_int_equal(ng_track_resolution(track, &message), -EBADMSG);
    message = message_of(1, "a.test", NULL);
    message.links = 0;
    assert_int_equal(ng_track_resolution(track, &message), -EBADMSG);
    message.links = NG_CHAIN_MAX + 1;
    assert_int_equal(ng_track_resolution(track, &message), -EBADMSG);
    message = message_of(1, "a.test", NULL);
    message.addresses = NG_ADDRESSES_MAX + 1;
    assert_int_equal(ng_track_resolution(track, &message), -EBADMSG);
    assert_null(ng_track_find(track, 1));
    assert_int_equal(holders(track, "198.51.100.1"), 0);
    ng_track_free(track);
}

static void who_was_told(void **state)
{
    struct ng_track *track = new_track();
    struct ng_message_resolution message = message_of(1, "a.test", "198.51.100.1");
    struct ng_message_told told = {.type = NG_MESSAGE_TOLD, .resolution = 1, .asker.scope = 5};
    bool first = false;

    (void)state;
    assert_int_equal(ng_track_told(track, &told, &first), -ENOENT);
    assert_int_equal(ng_track_resolution(track, &message), 0);
    assert_int_equal(ng_track_told(track, &told, &first), 0);
    assert_true(first);
    assert_int_equal(ng_track_told(track, &told, &first), 0);
    assert_false(first);
    assert_true(ng_resolution_asked_by(ng_track_find(track, 1), 5));
    ng_track_forget_deployment(track, 5);
    assert_false(ng_resolution_asked_by(ng_track_find(track, 1), 5));
    ng_track_free(track);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_addresses), cmocka_unit_test(another_resolver), cmocka_unit_test(the_oldest_goes),
        cmocka_unit_test(impossible),          cmocka_unit_test(who_was_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
