// SPDX-License-Identifier: BSD-2-Clause
/* Replies that leave together, and the hook that looks at what they rest on, from the resolver's side: real sockets, a
 * hook and an engine of this test. What the real hook does is in tests/system/t_lost.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../resolver/departure.h"
#include "../../resolver/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUERIES 64 /* as many as are read at once */

static struct ng_departures departures, *mapped = &departures;
static struct ng_expectations *gathered;
static bool lost, writable; /* what all answers rest on is not in the kernel; it can be written again */
static bool hook;           /* is in force */
static bool premature;      /* a reply left while it was lost, and said otherwise */
static unsigned meets;

int __real_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
void __wrap_ng_engine_query(struct ng_engine *engine, const struct ng_client *client, const struct ng_query *query,
                            const struct ng_asker *asker);
int __wrap_ng_engine_meet(struct ng_engine *engine, const struct ng_expectations *expectations, uint64_t differ);
void __wrap_ng_engine_gather(struct ng_engine *engine, struct ng_expectations *expectations);
void __wrap_ng_engine_conclude(struct ng_engine *engine);
void __wrap_ng_engine_foresee(const struct ng_engine *engine, const struct ng_query *query);
void __wrap_ng_keeper_link_settle(struct ng_keeper_link *link);
void __wrap_ng_upstream_send(struct ng_upstream *upstream);

int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    struct ng_departure *departure = &departures.of[0];

    if (hook && departure->sender == (__u32)gettid()) {
        departure->differ = lost && departure->count ? 1 : 0;
        departure->looked = 1;
        if (departure->differ) {
            errno = EPERM;
            return -1;
        }
    }
    for (unsigned i = 0; i < count; i++)
        premature = premature || (lost && !(((const uint8_t *)messages[i].msg_hdr.msg_iov->iov_base)[3] & 15));
    return __real_sendmmsg(fd, messages, count, flags);
}

static void reply(const struct ng_client *client, uint8_t rcode)
{
    struct ng_listener *listener = client->listener;
    uint8_t wire[12] = {[2] = 0x80, [3] = rcode};

    listener->reply(listener, client, wire, sizeof(wire));
}

static int write_again(void)
{
    lost = lost && !writable;
    return lost ? -E2BIG : 0;
}

void __wrap_ng_engine_query(struct ng_engine *engine, const struct ng_client *client, const struct ng_query *query,
                            const struct ng_asker *asker)
{
    (void)engine;
    (void)query;
    (void)asker;
    if (gathered && gathered->count == 0)
        gathered->item[gathered->count++].key.scope = 1;
    reply(client, gathered || write_again() == 0 ? NG_RCODE_NOERROR : NG_RCODE_SERVFAIL);
}

int __wrap_ng_engine_meet(struct ng_engine *engine, const struct ng_expectations *expectations, uint64_t differ)
{
    (void)engine;
    assert_int_equal(expectations->count, 1);
    assert_true(differ & 1);
    meets++;
    return write_again();
}

void __wrap_ng_engine_gather(struct ng_engine *engine, struct ng_expectations *expectations)
{
    (void)engine;
    gathered = expectations;
}

void __wrap_ng_engine_conclude(struct ng_engine *engine)
{
    (void)engine;
    gathered = NULL;
}

void __wrap_ng_engine_foresee(const struct ng_engine *engine, const struct ng_query *query)
{
    (void)engine;
    (void)query;
}

void __wrap_ng_keeper_link_settle(struct ng_keeper_link *link)
{
    (void)link;
}

void __wrap_ng_upstream_send(struct ng_upstream *upstream)
{
    (void)upstream;
}

struct fixture {
    struct ng_message_start start;
    pthread_mutex_t turn;
    struct ng_poll *poll;
    struct ng_listener *listener;
    struct ng_client waiter; /* who asked long ago, and is answered now */
    bool failed;
    int client;
};

static int bound(struct sockaddr_in *ret_address)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof(*ret_address);

    *ret_address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(fd, (struct sockaddr *)ret_address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)ret_address, &size), 0);
    return fd;
}

static void begin(struct fixture *f)
{
    struct ng_message_listener message = {.type = NG_MESSAGE_LISTENER};
    struct sockaddr_in server, client;
    struct ng_listener_config config = {.start = &f->start,
                                        .failed = &f->failed,
                                        .departures = &mapped,
                                        .turn = &f->turn,
                                        .message = &message,
                                        .askers = -1,
                                        .fd = bound(&server)};

    *f = (struct fixture){.start = {.workers = 1}, .turn = PTHREAD_MUTEX_INITIALIZER, .client = bound(&client)};
    assert_int_equal(ng_poll_new(&f->turn, &f->poll), 0);
    config.poll = f->poll;
    ng_endpoint_from(&server, &message.local);
    assert_int_equal(ng_listener_new(&config, &f->listener), 0);
    ng_endpoint_from(&client, &f->waiter.peer);
    f->waiter.listener = f->listener;
    memcpy(f->waiter.local, message.local.address, sizeof(f->waiter.local));
    assert_int_equal(connect(f->client, (struct sockaddr *)&server, sizeof(server)), 0);
    lost = premature = false;
    hook = writable = true;
    meets = 0;
}

static void end(struct fixture *f)
{
    f->listener->free(f->listener);
    ng_poll_free(f->poll);
    (void)close(f->client);
}

/* Asks, and has it answered. Returns how many replies say the truth, and how many failure. */
static void answer(struct fixture *f, unsigned queries, unsigned *ret_truth, unsigned *ret_failures)
{
    struct ng_question question = {.name = {.length = 6, .wire = "\4test"}, .type = NG_TYPE_A};
    uint8_t wire[NG_WIRE_QUERY_MAX];

    for (unsigned i = 0; i < queries; i++) {
        size_t size = ng_wire_ask(&question, (uint16_t)i, wire);

        assert_int_equal(send(f->client, wire, size, 0), size);
    }
    f->listener->source.ready(&f->listener->source, EPOLLIN);
    *ret_truth = *ret_failures = 0;
    while (recv(f->client, wire, sizeof(wire), MSG_DONTWAIT) > 0)
        (wire[3] & 15) == NG_RCODE_NOERROR ? (*ret_truth)++ : (*ret_failures)++;
}

static void expect_answers(struct fixture *f, unsigned queries, unsigned expected_truth, unsigned expected_failures)
{
    unsigned truth, failures;

    answer(f, queries, &truth, &failures);
    assert_int_equal(truth, expected_truth);
    assert_int_equal(failures, expected_failures);
}

static void what_is_there_costs_no_look(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    expect_answers(&f, 1, 1, 0); /* by which it is seen that the hook looks */
    expect_answers(&f, QUERIES, QUERIES, 0);
    expect_answers(&f, 1, 1, 0);
    assert_int_equal(meets, 0);
    end(&f);
}

static void what_is_lost_is_written_first(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    expect_answers(&f, 1, 1, 0);
    lost = true;
    expect_answers(&f, QUERIES, QUERIES, 0);
    assert_int_equal(meets, 1);
    assert_false(premature);
    end(&f);
}

static void what_cannot_be_written_is_not_told(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    expect_answers(&f, 1, 1, 0);
    lost = true;
    writable = false;
    expect_answers(&f, QUERIES, 0, QUERIES);
    f.listener->reply(f.listener, &f.waiter, (uint8_t[12]){[2] = 0x80, [3] = NG_RCODE_SERVFAIL}, 12);
    expect_answers(&f, QUERIES, 0, QUERIES + 1); /* more replies than leave at once */
    f.listener->reply(f.listener, &f.waiter, (uint8_t[12]){[2] = 0x80, [3] = NG_RCODE_SERVFAIL}, 12);
    f.listener->flush(f.listener);
    expect_answers(&f, 1, 0, 2);
    assert_false(premature);
    end(&f);
}

static void a_hook_that_does_not_look_is_not_relied_on(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    hook = writable = false;
    lost = true;
    expect_answers(&f, QUERIES, 0, QUERIES);
    expect_answers(&f, QUERIES, 0, QUERIES);
    assert_false(premature);
    lost = false;
    hook = true;
    expect_answers(&f, 1, 1, 0);
    expect_answers(&f, 1, 1, 0);
    hook = false; /* what leaves as it goes has left; it is made good at once, and no more leaves like that */
    writable = lost = true;
    expect_answers(&f, 1, 1, 0);
    assert_int_equal(meets, 1);
    assert_false(lost);
    premature = writable = false;
    lost = true;
    expect_answers(&f, QUERIES, 0, QUERIES);
    assert_false(premature);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_there_costs_no_look),
        cmocka_unit_test(what_is_lost_is_written_first),
        cmocka_unit_test(what_cannot_be_written_is_not_told),
        cmocka_unit_test(a_hook_that_does_not_look_is_not_relied_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
