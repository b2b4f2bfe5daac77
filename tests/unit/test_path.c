// SPDX-License-Identifier: BSD-2-Clause
/* Ways to an upstream, on loopback: what is asked leaves together, what comes is read together, and what cannot be sent
 * ends at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../resolver/path.h"
#include "../../resolver/wire.h"

#include <namegate/clock.h>

#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUERIES 100 /* more than fit into a batch */

struct asked {
    struct ng_path_query query; /* first */
    unsigned answers;
    uint8_t wire[NG_WIRE_QUERY_MAX];
    size_t size;
    bool right; /* the answer is to this query */
};

struct setup {
    pthread_mutex_t turn;
    struct ng_poll *poll;
    struct ng_paths *paths;
    struct ng_path *path;
    int server;
    struct ng_endpoint endpoint;
    struct asked asked[QUERIES];
};

static int set_up(void **state)
{
    struct setup *setup = calloc(1, sizeof(*setup));
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(own);

    assert_non_null(setup);
    (void)pthread_mutex_init(&setup->turn, NULL);
    setup->server = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(setup->server, (struct sockaddr *)&own, length), 0);
    assert_int_equal(getsockname(setup->server, (struct sockaddr *)&own, &length), 0);
    setup->endpoint.address[10] = setup->endpoint.address[11] = 0xff;
    memcpy(setup->endpoint.address + 12, &own.sin_addr, 4);
    setup->endpoint.port = ntohs(own.sin_port);
    assert_int_equal(ng_poll_new(&setup->turn, &setup->poll), 0);
    assert_int_equal(ng_paths_new(setup->poll, &setup->paths), 0);
    *state = setup;
    return 0;
}

static int tear_down(void **state)
{
    struct setup *setup = *state;

    ng_paths_free(setup->paths);
    ng_poll_free(setup->poll);
    (void)close(setup->server);
    free(setup);
    return 0;
}

static void answered(struct ng_path_query *query, const uint8_t *wire, size_t size)
{
    struct asked *asked = (struct asked *)query;

    asked->answers++;
    asked->right = wire && size == asked->size && memcmp(wire, asked->wire, 2) == 0 &&
                   memcmp(wire + NG_WIRE_HEADER, asked->wire + NG_WIRE_HEADER, size - NG_WIRE_HEADER) == 0;
}

static void ask(struct setup *setup, unsigned i)
{
    struct asked *asked = &setup->asked[i];
    struct ng_question question = {.type = NG_TYPE_A};
    char name[32];

    (void)snprintf(name, sizeof(name), "q%u.path.test", i);
    assert_return_code(ng_name_from_text(name, strlen(name), &question.name), 0);
    asked->size = ng_wire_ask(&question, (uint16_t)(1000 + i), asked->wire);
    asked->query.answered = answered;
    assert_non_null(ng_path_to(setup->paths, &setup->path, &setup->endpoint, false, ng_now()));
    ng_path_ask(setup->path, asked->wire, asked->size, &asked->query);
}

/* Until the kernel tells of an event, which may take its time, also on loopback. */
static void wait_for(int fd, short events)
{
    struct pollfd one = {.fd = fd, .events = events};

    assert_int_equal(poll(&one, 1, 10000), 1);
}

/* The next query that came, and where from; 0: none. */
static size_t receive(struct setup *setup, uint8_t wire[static NG_WIRE_QUERY_MAX], struct sockaddr_in *peer)
{
    socklen_t length = sizeof(*peer);
    ssize_t size = recvfrom(setup->server, wire, NG_WIRE_QUERY_MAX, MSG_DONTWAIT, (struct sockaddr *)peer, &length);

    return size > 0 ? (size_t)size : 0;
}

static void respond(int from, uint8_t *wire, size_t size, const struct sockaddr_in *peer)
{
    wire[2] |= 0x80;
    assert_int_equal(sendto(from, wire, size, 0, (const struct sockaddr *)peer, sizeof(*peer)), size);
}

static unsigned count_answers(const struct setup *setup)
{
    unsigned count = 0;

    for (unsigned i = 0; i < QUERIES; i++)
        count += setup->asked[i].answers;
    return count;
}

static void test_together(void **state)
{
    struct setup *setup = *state;
    uint8_t wire[NG_WIRE_QUERY_MAX];
    struct sockaddr_in peer;
    size_t size;

    ask(setup, 0);
    assert_int_equal(receive(setup, wire, &peer), 0); /* it waits for others */
    for (unsigned i = 1; i < QUERIES; i++)
        ask(setup, i);
    ng_paths_send(setup->paths);
    for (unsigned i = 0; i < QUERIES; i++) {
        wait_for(setup->server, POLLIN);
        size = receive(setup, wire, &peer);
        assert_int_not_equal(size, 0);
        respond(setup->server, wire, size, &peer);
    }
    for (unsigned turn = 0; count_answers(setup) < QUERIES && turn < 2 * QUERIES; turn++)
        ng_poll_wait(setup->poll, 100);
    for (unsigned i = 0; i < QUERIES; i++) {
        assert_int_equal(setup->asked[i].answers, 1);
        assert_true(setup->asked[i].right);
    }
}

static void test_only_its_answer(void **state)
{
    struct setup *setup = *state;
    uint8_t wire[NG_WIRE_QUERY_MAX], other[NG_WIRE_QUERY_MAX];
    int stranger = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in peer;
    size_t size;

    ask(setup, 0);
    ng_paths_send(setup->paths);
    wait_for(setup->server, POLLIN);
    size = receive(setup, wire, &peer);
    assert_int_not_equal(size, 0);
    memcpy(other, wire, size);
    respond(stranger, other, size, &peer); /* from another port */
    other[0] ^= 1;
    respond(setup->server, other, size, &peer); /* another id */
    other[0] ^= 1;
    other[NG_WIRE_HEADER + 1] = 'x';
    respond(setup->server, other, size, &peer); /* another name */
    ng_poll_wait(setup->poll, 50);
    assert_int_equal(count_answers(setup), 0);
    assert_int_equal(sendto(setup->server, "", 0, 0, (struct sockaddr *)&peer, sizeof(peer)), 0);
    respond(setup->server, wire, size, &peer);
    for (unsigned turn = 0; count_answers(setup) == 0 && turn < 100; turn++)
        ng_poll_wait(setup->poll, 100);
    assert_int_equal(setup->asked[0].answers, 1);
    assert_true(setup->asked[0].right);
    (void)close(stranger);
}

/* The sockets to there have been told that nobody listens; reading it is left to others. */
static void wait_for_refusal(const struct setup *setup)
{
    for (int fd = 0; fd < 100; fd++) {
        struct sockaddr_in peer;
        socklen_t length = sizeof(peer);

        if (getpeername(fd, (struct sockaddr *)&peer, &length) == 0 && peer.sin_port == htons(setup->endpoint.port))
            wait_for(fd, 0);
    }
}

/* The kernel tells of a port where nobody listens with the call that follows. */
static void test_cannot_be_sent(void **state)
{
    struct setup *setup = *state;
    int port = setup->server;

    setup->server = socket(AF_INET, SOCK_DGRAM, 0);
    (void)close(port);
    ask(setup, 0);
    ng_paths_send(setup->paths);
    assert_int_equal(count_answers(setup), 0);
    wait_for_refusal(setup);
    ask(setup, 1);
    ng_paths_send(setup->paths);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(setup->asked[i].answers, 1);
        assert_false(setup->asked[i].right);
    }
    ask(setup, 2); /* by another socket */
    ng_paths_send(setup->paths);
    assert_int_equal(setup->asked[2].answers, 0);
}

static void test_end(void **state)
{
    struct setup *setup = *state;

    ask(setup, 0);
    ng_paths_send(setup->paths);
    ask(setup, 1);
    ng_paths_free(setup->paths);
    setup->paths = NULL;
    assert_int_equal(count_answers(setup), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_only_its_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cannot_be_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_end, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
