// SPDX-License-Identifier: BSD-2-Clause
/* What the resolver says to a keeper that is slow: nothing out of order, losses told, and nothing lost that changes what
 * is in force. */
#include "support.h"

#include "../../resolver/keeper.h"

#include <namegate/packing.h>

#include <sys/socket.h>

#define MANY 20000

static const struct ng_message_told told = {.type = NG_MESSAGE_TOLD, .resolution = 7};

/* Nothing has to be done before. */
static void before(void *arg)
{
    (void)arg;
}

static struct ng_keeper_link *linked(int pair[2])
{
    struct ng_keeper_link *link;

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
    assert_int_equal(ng_keeper_link_new(pair[1], before, NULL, &link), 0);
    return link;
}

/* Reads what has come. Counts per kind of message into `seen`, and the losses that were told. */
static void receive(int fd, unsigned seen[NG_MESSAGE_PONG + 1], unsigned trouble[NG_TROUBLE_MAX], uint64_t *lost)
{
    static uint8_t datagram[NG_DATAGRAM_MAX];
    ssize_t got;

    while ((got = recv(fd, datagram, sizeof(datagram), MSG_TRUNC)) > 0) {
        size_t at = 0, size;

        assert_true((size_t)got <= sizeof(datagram));
        while (at < (size_t)got) {
            const uint8_t *in = ng_frame_next(datagram, (size_t)got, &at, &size);
            struct ng_message_trouble it;
            uint32_t type;

            assert_non_null(in);
            memcpy(&type, in, sizeof(type));
            assert_in_range(type, NG_MESSAGE_READY, NG_MESSAGE_PONG);
            seen[type]++;
            if (type != NG_MESSAGE_TROUBLE)
                continue;
            assert_int_equal(size, sizeof(it));
            memcpy(&it, in, sizeof(it));
            trouble[it.trouble]++;
            if (it.trouble == NG_TROUBLE_LOST)
                *lost += it.count;
        }
    }
}

static void nothing_leaves_before_the_flush(void **state)
{
    unsigned seen[NG_MESSAGE_PONG + 1] = {0}, trouble[NG_TROUBLE_MAX] = {0};
    uint64_t lost = 0;
    int pair[2];
    struct ng_keeper_link *link = linked(pair);

    (void)state;
    for (int i = 0; i < 3; i++)
        ng_keeper_link_send(link, &told, sizeof(told));
    receive(pair[0], seen, trouble, &lost);
    assert_int_equal(seen[NG_MESSAGE_TOLD], 0);
    ng_keeper_link_flush(link);
    receive(pair[0], seen, trouble, &lost);
    assert_int_equal(seen[NG_MESSAGE_TOLD], 3);
    ng_keeper_link_free(link);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

/* Messages of that type that have come. */
static unsigned came(int fd, uint32_t type)
{
    unsigned seen[NG_MESSAGE_PONG + 1] = {0}, trouble[NG_TROUBLE_MAX] = {0};
    uint64_t lost = 0;

    receive(fd, seen, trouble, &lost);
    return seen[type];
}

static void what_nobody_needs_now_goes_together(void **state)
{
    struct ng_message_resolution resolution = {.type = NG_MESSAGE_RESOLUTION, .links = 1, .chain[0].length = 1};
    unsigned sent = 0, seen = 0;
    int pair[2];
    struct ng_keeper_link *link = linked(pair);

    (void)state;
    for (; sent < 10; sent++) {
        ng_keeper_link_send(link, &resolution, sizeof(resolution));
        ng_keeper_link_settle(link);
    }
    assert_int_equal(came(pair[0], NG_MESSAGE_RESOLUTION), 0);
    ng_keeper_link_send(link, &told, sizeof(told)); /* with the first that is needed, and before it */
    ng_keeper_link_settle(link);
    assert_int_equal(came(pair[0], NG_MESSAGE_RESOLUTION), 10);
    for (; seen == 0 && sent < MANY; sent++) { /* or when there are many */
        ng_keeper_link_send(link, &resolution, sizeof(resolution));
        ng_keeper_link_settle(link);
        seen = came(pair[0], NG_MESSAGE_RESOLUTION);
    }
    assert_in_range(seen, 100, 1000);
    ng_keeper_link_send(link, &resolution, sizeof(resolution));
    ng_keeper_link_lives(link, true); /* or as soon as there is a deployment */
    ng_keeper_link_settle(link);
    assert_int_equal(came(pair[0], NG_MESSAGE_RESOLUTION), 1);
    ng_keeper_link_send(link, &resolution, sizeof(resolution));
    ng_keeper_link_settle(link);
    assert_int_equal(came(pair[0], NG_MESSAGE_RESOLUTION), 1);
    ng_keeper_link_lives(link, false);
    ng_keeper_link_send(link, &resolution, sizeof(resolution));
    ng_keeper_link_settle(link);
    assert_int_equal(came(pair[0], NG_MESSAGE_RESOLUTION), 0);
    ng_keeper_link_free(link);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

static void what_matters_outlasts_a_slow_keeper(void **state)
{
    struct ng_message_trouble full = {.type = NG_MESSAGE_TROUBLE, .trouble = NG_TROUBLE_MAP_FULL};
    struct ng_message_ready ready = {.type = NG_MESSAGE_READY};
    unsigned seen[NG_MESSAGE_PONG + 1] = {0}, trouble[NG_TROUBLE_MAX] = {0};
    uint64_t lost = 0;
    int pair[2];
    struct ng_keeper_link *link = linked(pair);

    (void)state;
    for (int i = 0; i < MANY; i++)
        ng_keeper_link_send(link, &told, sizeof(told));
    ng_keeper_link_send(link, &full, sizeof(full));
    ng_keeper_link_send(link, &ready, sizeof(ready));
    for (int i = 0; i < 100; i++) {
        ng_keeper_link_flush(link);
        receive(pair[0], seen, trouble, &lost);
    }
    assert_int_equal(seen[NG_MESSAGE_READY], 1);
    assert_int_equal(trouble[NG_TROUBLE_MAP_FULL], 1);
    assert_true(lost > 0);
    assert_int_equal(seen[NG_MESSAGE_TOLD] + lost, MANY);
    ng_keeper_link_free(link);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

static void frames_are_not_believed(void **state)
{
    uint8_t datagram[64] = {0};
    struct ng_frame frame = {.size = 4};
    size_t at = 0, size;

    (void)state;
    memcpy(datagram, &frame, sizeof(frame));
    assert_non_null(ng_frame_next(datagram, 16, &at, &size));
    assert_int_equal(at, 16);
    assert_int_equal(size, 4);
    assert_null(ng_frame_next(datagram, 16, &at, &size)); /* the end */
    for (uint32_t wrong = 9; wrong; wrong = wrong * 2 + 1) {
        frame.size = wrong;
        at = 0;
        memcpy(datagram, &frame, sizeof(frame));
        assert_null(ng_frame_next(datagram, 16, &at, &size));
        assert_int_equal(at, 0);
        if (wrong == UINT32_MAX)
            break;
        if (wrong > UINT32_MAX / 2)
            wrong = UINT32_MAX / 2;
    }
    at = 0;
    assert_null(ng_frame_next(datagram, 7, &at, &size));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_leaves_before_the_flush),
                                       cmocka_unit_test(what_nobody_needs_now_goes_together),
                                       cmocka_unit_test(what_matters_outlasts_a_slow_keeper),
                                       cmocka_unit_test(frames_are_not_believed)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
