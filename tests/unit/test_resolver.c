// SPDX-License-Identifier: BSD-2-Clause
/* The resolver process whole: real sockets on loopback, a real upstream, real maps (for which this needs root), and a
 * keeper that is this test. */
#include "support.h"

#include "../../resolver/resolver.h"
#include "../../resolver/stats.h"
#include "../../resolver/wire.h"

#include <namegate/channel.h>
#include <namegate/clock.h>
#include <namegate/packing.h>

#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

#define SCOPE (NG_SCOPE_DEPLOYMENT | 7)
#define BIG_ADDRESSES 100

struct setup {
    pid_t upstream, resolver;
    int channel, destinations, askers;
    uint16_t upstream_port, udp, udp6, tcp, redirect, redirect_tcp;
    uint64_t netns;
    uint32_t policy;
};

static struct setup setup;

/* --- the upstream: everything has the address 198.51.100.1; "big" has many, "mute" gets no answer */

static size_t answer(const uint8_t *query, size_t size, bool tcp, uint8_t *out)
{
    struct ng_query parsed;
    unsigned count = 1;
    size_t at;
    bool big;

    if (ng_wire_query(query, size, &parsed) != NG_QUERY_GOOD || memcmp(parsed.question.name.wire, "\4mute", 5) == 0)
        return 0;
    big = memcmp(parsed.question.name.wire, "\3big", 4) == 0;
    at = NG_WIRE_HEADER + parsed.question.name.length + 4U;
    memcpy(out, query, at);
    memcpy(out + 2, "\x81\x80\0\1\0\0\0\0\0\0", 10);
    if (big && !tcp) {
        out[2] |= 2;
        return at;
    }
    if (parsed.question.type != NG_TYPE_A)
        return at;
    if (big)
        count = BIG_ADDRESSES;
    out[7] = (uint8_t)count;
    for (unsigned i = 1; i <= count; i++, at += 16) {
        memcpy(out + at, "\xc0\x0c\0\1\0\1\0\0\1\x2c\0\4\xc6\x33\x64", 15);
        out[at + 15] = (uint8_t)i;
    }
    return at;
}

static _Noreturn void serve_upstream(int udp, int tcp)
{
    static uint8_t in[4096], out[65536];

    for (;;) {
        struct pollfd fds[2] = {{.fd = udp, .events = POLLIN}, {.fd = tcp, .events = POLLIN}};
        struct sockaddr_storage peer;
        socklen_t length = sizeof(peer);
        ssize_t got;

        (void)poll(fds, 2, -1);
        if (fds[0].revents) {
            got = recvfrom(udp, in, sizeof(in), 0, (struct sockaddr *)&peer, &length);
            got = got > 0 ? (ssize_t)answer(in, (size_t)got, false, out) : 0;
            if (got)
                (void)sendto(udp, out, (size_t)got, 0, (struct sockaddr *)&peer, length);
        }
        if (fds[1].revents) {
            int fd = accept(tcp, NULL, NULL);

            got = recv(fd, in, sizeof(in), 0);
            got = got > 2 ? (ssize_t)answer(in + 2, (size_t)got - 2, true, out + 2) : 0;
            out[0] = (uint8_t)(got >> 8);
            out[1] = (uint8_t)got;
            if (got)
                (void)send(fd, out, (size_t)got + 2, 0);
            (void)close(fd);
        }
    }
}

static int bound(int family, int type, uint16_t port, uint16_t *ret_port)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT, .sin6_port = htons(port)};
    struct sockaddr_in v4 = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    struct sockaddr_storage local;
    socklen_t length = sizeof(local);
    int fd = socket(family, type | SOCK_CLOEXEC, 0), on = 1;

    assert_true(fd >= 0);
    if (family == AF_INET) {
        (void)setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
        assert_int_equal(bind(fd, (struct sockaddr *)&v4, sizeof(v4)), 0);
    } else {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
        if (bind(fd, (struct sockaddr *)&v6, sizeof(v6)) < 0) {
            (void)close(fd);
            return -1; /* a host without IPv6 */
        }
    }
    if (type == SOCK_STREAM)
        assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&local, &length), 0);
    *ret_port = ntohs(((struct sockaddr_in *)&local)->sin_port);
    return fd;
}

static void start_upstream(void)
{
    int udp = bound(AF_INET, SOCK_DGRAM, 0, &setup.upstream_port);
    uint16_t port;
    int tcp = bound(AF_INET, SOCK_STREAM, setup.upstream_port, &port);

    setup.upstream = fork();
    if (setup.upstream == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve_upstream(udp, tcp);
    }
    (void)close(udp);
    (void)close(tcp);
}

/* --- the keeper's side */

static void order(const void *message, size_t size, int fd1, int fd2)
{
    int fds[2] = {fd1, fd2};
    size_t count = fd2 >= 0 ? 2 : fd1 >= 0 ? 1 : 0;
    char control[CMSG_SPACE(sizeof(fds))] = {0};
    struct iovec part = {.iov_base = (void *)(uintptr_t)message, .iov_len = size};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};

    if (count) {
        header.msg_control = control;
        header.msg_controllen = CMSG_SPACE(count * sizeof(int));
        CMSG_FIRSTHDR(&header)->cmsg_level = SOL_SOCKET;
        CMSG_FIRSTHDR(&header)->cmsg_type = SCM_RIGHTS;
        CMSG_FIRSTHDR(&header)->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&header)), fds, count * sizeof(int));
    }
    assert_int_equal(sendmsg(setup.channel, &header, MSG_NOSIGNAL), (ssize_t)size);
}

/* Waits for a message of that type; others are passed over. False when none comes. */
static bool told(uint32_t type, void *message, size_t size)
{
    static uint8_t datagram[NG_DATAGRAM_MAX];
    struct pollfd fd = {.fd = setup.channel, .events = POLLIN};
    bool found = false;

    while (!found && poll(&fd, 1, 5000) > 0) {
        ssize_t got = recv(setup.channel, datagram, sizeof(datagram), 0);
        size_t at = 0, in_size;

        if (got <= 0)
            return false;
        while (at < (size_t)got) {
            const uint8_t *in = ng_frame_next(datagram, (size_t)got, &at, &in_size);

            assert_non_null(in);
            if (found || memcmp(in, &type, sizeof(type)) != 0)
                continue;
            assert_true(in_size >= size);
            memcpy(message, in, size);
            found = true;
        }
    }
    return found;
}

static void listener(int family, int type, uint32_t flags, uint16_t *ret_port)
{
    int fd = bound(family, type, 0, ret_port);
    struct ng_message_listener message = {.type = NG_MESSAGE_LISTENER, .flags = flags, .worker = family == AF_INET6};

    if (fd < 0)
        return;
    message.local.port = *ret_port;
    order(&message, sizeof(message), fd, -1);
    (void)close(fd);
}

static uint32_t policy(const char *text, uint64_t generation)
{
    struct ng_message_snapshot message = {.type = NG_MESSAGE_SNAPSHOT, .generation = generation};
    struct ng_source source = {.path = "t", .text = text, .length = strlen(text)};
    struct ng_diag *diag = ng_diag_new();
    struct ng_message_ready ready = {.error = 99};
    int fd = -1;

    assert_int_equal(ng_policy_compile(&source, 1, diag, &fd), 0);
    ng_diag_free(diag);
    order(&message, sizeof(message), fd, -1);
    (void)close(fd);
    assert_true(told(NG_MESSAGE_READY, &ready, sizeof(ready)));
    assert_int_equal(ready.generation, generation);
    return ready.error;
}

/* The memory that it shares with the keeper and the kernel. */
static void give_memory(void)
{
    struct ng_message_memory message = {.type = NG_MESSAGE_MEMORY};
    int stats = ng_stats_create(), epoch = memfd_create("epoch", MFD_CLOEXEC);

    assert_true(stats >= 0);
    assert_int_equal(ftruncate(epoch, sysconf(_SC_PAGESIZE)), 0);
    order(&message, sizeof(message), stats, epoch);
    (void)close(stats);
    (void)close(epoch);
}

static void start_resolver(void)
{
    struct ng_message_start start = {.type = NG_MESSAGE_START,
                                     .workers = 2,
                                     .upstreams = 1,
                                     .upstream = {{.address = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1},
                                                   .port = setup.upstream_port}},
                                     .floor_s = 60,
                                     .grace_s = 60,
                                     .cache_entries = 100,
                                     .tracked_max = 100};
    struct ng_snapshot *snapshot;
    struct ng_policy_info info;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    setup.channel = pair[0];
    setup.resolver = fork();
    if (setup.resolver == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* also where a failure ends the test */
        (void)close(pair[0]);
        if (pair[1] != NG_CHANNEL_FD)
            (void)dup2(pair[1], NG_CHANNEL_FD);
        exit(ng_resolver_main() < 0);
    }
    (void)close(pair[1]);
    give_memory();
    order(&start, sizeof(start), setup.destinations, setup.askers);
    listener(AF_INET, SOCK_DGRAM, 0, &setup.udp);
    listener(AF_INET6, SOCK_DGRAM, 0, &setup.udp6);
    listener(AF_INET, SOCK_STREAM, NG_LISTENER_TCP, &setup.tcp);
    listener(AF_INET, SOCK_DGRAM, NG_LISTENER_REDIRECT, &setup.redirect);
    listener(AF_INET, SOCK_STREAM, NG_LISTENER_REDIRECT | NG_LISTENER_TCP, &setup.redirect_tcp);
    assert_int_equal(policy("policy p { deny *.test, warm.test allow ok.example }", 1), 0);
    snapshot = test_snapshot("policy p { }");
    ng_snapshot_policy(snapshot, 0, &info);
    setup.policy = info.scope;
    ng_snapshot_free(snapshot);
}

static int end_resolver(void)
{
    int status = -1;

    (void)close(setup.channel);
    (void)waitpid(setup.resolver, &status, 0);
    setup.resolver = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int begin(void **state)
{
    socklen_t size = sizeof(setup.netns);
    int fd;

    (void)state;
    setup = (struct setup){.upstream = -1, .resolver = -1};
    setup.destinations = bpf_map_create(BPF_MAP_TYPE_HASH, "destinations", sizeof(struct ng_destination_key),
                                        sizeof(struct ng_destination), 1000, NULL);
    setup.askers = bpf_map_create(BPF_MAP_TYPE_LRU_HASH, "askers", sizeof(struct ng_asker_key),
                                  sizeof(struct ng_asker), 1000, NULL);
    if (setup.destinations < 0 || setup.askers < 0)
        return 0; /* each test skips */
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    (void)getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &setup.netns, &size);
    (void)close(fd);
    start_upstream();
    start_resolver();
    return 0;
}

static int end(void **state)
{
    (void)state;
    if (setup.resolver > 0)
        (void)end_resolver();
    if (setup.upstream > 0) {
        (void)kill(setup.upstream, SIGKILL);
        (void)waitpid(setup.upstream, NULL, 0);
    }
    (void)close(setup.destinations);
    (void)close(setup.askers);
    return 0;
}

#define NEEDS_MAPS()                \
    do {                            \
        (void)state;                \
        if (setup.destinations < 0) \
            skip();                 \
    } while (0)

/* --- clients */

static int client(int family, int type, uint16_t port, uint16_t *ret_local)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT, .sin6_port = htons(port)};
    struct sockaddr_in v4 = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = 8};
    socklen_t length = sizeof(local);
    int fd = socket(family, type | SOCK_CLOEXEC, 0);

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (ret_local) { /* the port must be known before the first packet */
        assert_int_equal(bind(fd, (struct sockaddr *)&local, sizeof(local)), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&local, &length), 0);
        *ret_local = ntohs(local.sin_port);
    }
    if (type == SOCK_STREAM && ret_local)
        return fd;
    assert_int_equal(family == AF_INET ? connect(fd, (struct sockaddr *)&v4, sizeof(v4))
                                       : connect(fd, (struct sockaddr *)&v6, sizeof(v6)), 0);
    return fd;
}

static size_t query(const char *name, uint8_t *wire)
{
    struct ng_question question = {.name = test_name(name), .type = NG_TYPE_A};

    return ng_wire_ask(&question, 0x4242, wire);
}

/* Asks, and returns the number of answers, or -1 - rcode, or -100 for silence. */
static int ask(int fd, const char *name)
{
    uint8_t wire[NG_WIRE_QUERY_MAX], answer[4096];
    ssize_t got;

    assert_true(send(fd, wire, query(name, wire), 0) > 0);
    got = recv(fd, answer, sizeof(answer), 0);
    if (got < 12)
        return -100;
    assert_memory_equal(answer, "\x42\x42", 2);
    return answer[3] & 15 ? -1 - (answer[3] & 15) : answer[2] & 2 ? -50 : answer[7];
}

static bool in_map(uint32_t scope, uint8_t last)
{
    struct ng_destination_key key = {
        .scope = scope, .address = {[10] = 0xff, [11] = 0xff, [12] = 198, [13] = 51, [14] = 100, [15] = last}};
    struct ng_destination value;

    return bpf_map_lookup_elem(setup.destinations, &key, &value) == 0;
}

/* The query a.test with that id, padded (RFC 7830) to that size. */
static void send_padded(int fd, uint8_t id, size_t size)
{
    uint8_t wire[NG_WIRE_UDP_MAX + 1] = {0};
    size_t at = query("a.test", wire), padding = size - at;

    wire[1] = id;
    wire[at - 2] = (uint8_t)(padding >> 8);
    wire[at - 1] = (uint8_t)padding;
    wire[at + 1] = 12;
    wire[at + 2] = (uint8_t)((padding - 4) >> 8);
    wire[at + 3] = (uint8_t)(padding - 4);
    assert_int_equal(send(fd, wire, size, 0), size);
}

static void long_queries_are_answered_up_to_what_answers_say(void **state)
{
    uint8_t answer[4096];
    int fd;

    NEEDS_MAPS();
    fd = client(AF_INET, SOCK_DGRAM, setup.udp, NULL);
    send_padded(fd, 1, NG_WIRE_UDP_MAX + 1);
    send_padded(fd, 2, NG_WIRE_UDP_MAX);
    assert_true(recv(fd, answer, sizeof(answer), 0) > 12);
    assert_int_equal(answer[1], 2);
    assert_int_equal(answer[3] & 15, NG_RCODE_NOERROR);
    (void)close(fd);
}

static void serves_over_udp(void **state)
{
    int fd, fd6;

    NEEDS_MAPS();
    fd = client(AF_INET, SOCK_DGRAM, setup.udp, NULL);
    assert_false(in_map(setup.policy, 1));
    assert_int_equal(ask(fd, "a.test"), 1);
    assert_true(in_map(setup.policy, 1));
    assert_int_equal(ask(fd, "big.example"), -50); /* too large: TC */
    assert_int_equal(ask(fd, "mute.example"), -1 - NG_RCODE_SERVFAIL);
    (void)close(fd);
    if (setup.udp6) {
        fd6 = client(AF_INET6, SOCK_DGRAM, setup.udp6, NULL);
        assert_int_equal(ask(fd6, "b.test"), 1);
        (void)close(fd6);
    }
}

static void serves_over_tcp(void **state)
{
    uint8_t frame[2 + NG_WIRE_QUERY_MAX], many[40 * (2 + NG_WIRE_QUERY_MAX)], in[65536];
    size_t size, total = 0, have = 0;
    ssize_t got;
    int fd;

    NEEDS_MAPS();
    fd = client(AF_INET, SOCK_STREAM, setup.tcp, NULL);
    size = query("big.example", frame + 2);
    frame[0] = 0;
    frame[1] = (uint8_t)size;
    for (size_t i = 0; i < size + 2; i++)
        assert_int_equal(send(fd, frame + i, 1, 0), 1);
    while (have < 2 || have < 2U + (size_t)(in[0] << 8 | in[1])) {
        got = recv(fd, in + have, sizeof(in) - have, 0);
        assert_true(got > 0);
        have += (size_t)got;
    }
    assert_int_equal(in[2 + 7], BIG_ADDRESSES);
    /* More than it takes at once. */
    for (int i = 0; i < 100; i++) {
        size = query("a.test", frame + 2);
        frame[1] = (uint8_t)size;
        memcpy(many + total, frame, size + 2);
        total += size + 2;
        if (total + sizeof(frame) > sizeof(many) || i == 99) {
            assert_int_equal(send(fd, many, total, 0), (ssize_t)total);
            total = 0;
        }
    }
    total = 0;
    have = 0;
    while (total < 100) {
        got = recv(fd, in + have, sizeof(in) - have, 0);
        assert_true(got > 0);
        have += (size_t)got;
        while (have >= 2 && have >= 2U + (size_t)(in[0] << 8 | in[1])) {
            size_t whole = 2U + (size_t)(in[0] << 8 | in[1]);

            have -= whole;
            memmove(in, in + whole, have);
            total++;
        }
    }
    /* Nonsense ends the connection. */
    assert_int_equal(send(fd, "\0\3abc", 5, 0), 5);
    assert_int_equal(recv(fd, in, sizeof(in), 0), 0);
    (void)close(fd);
}

static void record_asker(uint16_t port, uint16_t listener_port, uint8_t proto, uint64_t time)
{
    struct ng_asker_key key = {.netns = setup.netns,
                               .address = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1},
                               .port = port,
                               .listener = listener_port,
                               .proto = proto};
    struct ng_asker asker = {.time = time, .scope = SCOPE, .policy = setup.policy, .pid = 1, .comm = "test"};

    assert_int_equal(bpf_map_update_elem(setup.askers, &key, &asker, BPF_ANY), 0);
}

static void redirected_queries_need_a_known_asker(void **state)
{
    struct ng_message_deployment deployment = {.type = NG_MESSAGE_DEPLOYMENT, .scope = SCOPE};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval brief = {.tv_usec = 300000}, long_enough = {.tv_sec = 8};
    struct ng_message_told message;
    uint8_t frame[2 + NG_WIRE_QUERY_MAX], in[512];
    uint16_t port;
    size_t size;
    int fd;

    NEEDS_MAPS();
    deployment.policy = setup.policy;
    order(&deployment, sizeof(deployment), -1, -1);
    fd = client(AF_INET, SOCK_DGRAM, setup.redirect, &port);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &brief, sizeof(brief));
    assert_int_equal(ask(fd, "a.test"), -100);
    record_asker(port, setup.redirect, IPPROTO_UDP, ng_now() - 60 * NG_SECOND);
    assert_int_equal(ask(fd, "a.test"), -100); /* somebody who had this port before */
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &long_enough, sizeof(long_enough));
    record_asker(port, setup.redirect, IPPROTO_UDP, ng_now());
    assert_int_equal(ask(fd, "ok.example"), 1);
    (void)close(fd);
    do
        assert_true(told(NG_MESSAGE_TOLD, &message, sizeof(message)));
    while (!message.asker.scope);
    assert_int_equal(message.asker.scope, SCOPE);
    assert_true(message.wrote_at > 0 && message.wrote_at <= message.replied_at);
    assert_true(in_map(SCOPE, 1)); /* its lease */

    fd = client(AF_INET, SOCK_STREAM, setup.redirect_tcp, &port);
    record_asker(port, setup.redirect_tcp, IPPROTO_TCP, ng_now());
    to.sin_port = htons(setup.redirect_tcp);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    size = query("ok.example", frame + 2);
    frame[0] = 0;
    frame[1] = (uint8_t)size;
    assert_int_equal(send(fd, frame, size + 2, 0), (ssize_t)size + 2);
    assert_true(recv(fd, in, sizeof(in), 0) > 14);
    (void)close(fd);
    fd = client(AF_INET, SOCK_STREAM, setup.redirect_tcp, NULL);
    assert_true(recv(fd, in, sizeof(in), 0) <= 0); /* unknown: closed */
    (void)close(fd);
}

static void obeys(void **state)
{
    struct ng_message_deployment deployment = {
        .type = NG_MESSAGE_DEPLOYMENT, .scope = SCOPE, .ended = 1, .oldest = NG_FOREVER};
    struct ng_message_prewarm prewarm = {.type = NG_MESSAGE_PREWARM, .policy = 0, .token = 77};
    struct ng_message_prewarmed done;
    struct ng_message_snapshot broken = {.type = NG_MESSAGE_SNAPSHOT, .generation = 5};
    struct ng_message_ready ready;
    int fd;

    NEEDS_MAPS();
    prewarm.policy = setup.policy;
    order(&prewarm, sizeof(prewarm), -1, -1);
    assert_true(told(NG_MESSAGE_PREWARMED, &done, sizeof(done)));
    assert_int_equal(done.token, 77);
    assert_int_equal(done.failed, 0);
    assert_true(in_map(setup.policy, 1));
    order(&deployment, sizeof(deployment), -1, -1);
    order(&broken, sizeof(broken), setup.askers, -1);
    assert_true(told(NG_MESSAGE_READY, &ready, sizeof(ready)));
    assert_int_equal(ready.error, EBADMSG);
    assert_false(in_map(SCOPE, 1));
    assert_int_equal(policy("policy p { deny none.test }", 6), 0);
    assert_false(in_map(setup.policy, 1)); /* nothing denies or allows a.test any more */
    fd = client(AF_INET, SOCK_DGRAM, setup.udp, NULL);
    assert_int_equal(ask(fd, "a.test"), 1);
    (void)close(fd);
}

static void a_successor_takes_over_what_is_denied(void **state)
{
    int fd;

    NEEDS_MAPS();
    fd = client(AF_INET, SOCK_DGRAM, setup.udp, NULL);
    assert_int_equal(ask(fd, "a.test"), 1);
    (void)close(fd);
    assert_int_equal(end_resolver(), 0); /* the keeper has gone: no failure */
    start_resolver();
    assert_int_equal(policy("policy p { deny none.test }", 2), 0);
    assert_true(in_map(setup.policy, 1)); /* nobody knows why, so it stays to its end */
}

static void nonsense_of_the_keeper_ends_it(void **state)
{
    static const uint32_t wrong[] = {0, NG_MESSAGE_START, NG_MESSAGE_LISTENER, NG_MESSAGE_READY, 4711};

    NEEDS_MAPS();
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        if (setup.resolver < 0)
            start_resolver();
        order(&wrong[i], sizeof(wrong[i]), -1, -1);
        assert_int_equal(end_resolver(), 1);
    }
}

static void a_second_start_ends_it(void **state)
{
    struct ng_message_start start = {.type = NG_MESSAGE_START};

    NEEDS_MAPS();
    order(&start, sizeof(start), setup.destinations, setup.askers);
    assert_int_equal(end_resolver(), 1);
}

#define test(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        test(serves_over_udp), test(long_queries_are_answered_up_to_what_answers_say),
        test(serves_over_tcp), test(redirected_queries_need_a_known_asker), test(obeys),
        test(a_successor_takes_over_what_is_denied), test(nonsense_of_the_keeper_ends_it),
        test(a_second_start_ends_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
