// SPDX-License-Identifier: BSD-2-Clause
/* The channels, what is expected of each, and what is said of them. How each is tried: probe.c. */
#include "selftest.h"

#include "client.h"
#include "format.h"
#include "options.h"
#include "probe.h"
#include "table.h"

#include <namegate/canary.h>
#include <namegate/cleanup.h>
#include <namegate/delegates.h>

#include <netinet/in.h>
#include <string.h>
#include <sys/random.h>

static const char *const outcomes[] = {
    [NG_PROBE_DENIED] = "denied",       [NG_PROBE_DROPPED] = "dropped", [NG_PROBE_CUT] = "cut",
    [NG_PROBE_REDIRECTED] = "redirected", [NG_PROBE_ABSENT] = "absent",   [NG_PROBE_OPEN] = "open",
};

struct channel {
    const char *name; /* stable: in records */
    const char *text; /* for people */
    enum ng_probe_outcome (*probe)(const struct ng_probe *probe);
    struct ng_probe like;
    const char *remedy;
};

#define V4 .family = NG_PROBE_V4
#define V6 .family = NG_PROBE_V6
#define MAPPED .family = NG_PROBE_MAPPED
#define TCP .proto = IPPROTO_TCP
#define UDP .proto = IPPROTO_UDP
#define CONFINE "run --confine takes it away; or do not run the command as root"

static const struct channel channels[] = {
    {"tcp4", "TCP connect(), IPv4", ng_probe_connect, {V4, TCP}, NULL},
    {"tcp6", "TCP connect(), IPv6", ng_probe_connect, {V6, TCP}, NULL},
    {"tcp-mapped", "TCP connect() to ::ffff:a.b.c.d", ng_probe_connect, {MAPPED, TCP}, NULL},
    {"fastopen4", "TCP Fast Open", ng_probe_fast_open, {V4, TCP}, NULL},
    {"mptcp4", "MPTCP", ng_probe_connect, {V4, TCP, .mptcp = true}, NULL},
    {"accept4", "TCP, a connection that comes from there", ng_probe_accept, {V4, TCP}, NULL},
    {"udp4", "UDP connect() and send(), IPv4", ng_probe_connect, {V4, UDP}, NULL},
    {"udp6", "UDP connect() and send(), IPv6", ng_probe_connect, {V6, UDP}, NULL},
    {"udp-mapped", "UDP connect() and send() to ::ffff:a.b.c.d", ng_probe_connect, {MAPPED, UDP}, NULL},
    {"sendto4", "UDP sendto(), IPv4", ng_probe_sendto, {V4, UDP}, NULL},
    {"sendto6", "UDP sendto(), IPv6", ng_probe_sendto, {V6, UDP}, NULL},
    {"sendto-mapped", "UDP sendto() to ::ffff:a.b.c.d", ng_probe_sendto, {MAPPED, UDP}, NULL},
    {"sendmsg4", "UDP sendmsg(), IPv4", ng_probe_sendmsg, {V4, UDP}, NULL},
    {"sendmsg6", "UDP sendmsg(), IPv6", ng_probe_sendmsg, {V6, UDP}, NULL},
    {"dns-udp4", "DNS over UDP to another server, IPv4", ng_probe_dns, {V4, UDP}, NULL},
    {"dns-udp6", "DNS over UDP to another server, IPv6", ng_probe_dns, {V6, UDP}, NULL},
    {"dns-tcp4", "DNS over TCP to another server, IPv4", ng_probe_dns, {V4, TCP}, NULL},
    {"dns-tcp6", "DNS over TCP to another server, IPv6", ng_probe_dns, {V6, TCP}, NULL},
    {"raw4", "raw socket, IPv4", ng_probe_raw, {V4, UDP}, NULL},
    {"raw6", "raw socket, IPv6", ng_probe_raw, {V6, UDP}, NULL},
    {"udplite4", "UDP-Lite", ng_probe_raw, {V4, .proto = IPPROTO_UDPLITE}, NULL},
    {"packet", "AF_PACKET: packets past the gate", ng_probe_packet, {0}, CONFINE},
    {"tun", "TUN: interfaces of one's own", ng_probe_tun, {0}, CONFINE},
    {"leave", "leaving the cgroup", ng_probe_leave, {0}, CONFINE},
};

#define CHANNELS (sizeof(channels) / sizeof(channels[0]))

static const struct channel brought[NG_CLI_BROUGHT] = {
    {"brought-tcp", "TCP, connected before", ng_probe_brought, {V4, TCP}, NULL},
    {"brought-udp", "UDP, connected before", ng_probe_brought, {V4, UDP}, NULL},
};

int ng_cli_selftest_begin(struct ng_cli_selftest *ret_test)
{
    struct ng_cli_selftest test = {.listener = -1, .channels = json_array()};

    if (!test.channels || getrandom(&test.number, sizeof(test.number), 0) != (ssize_t)sizeof(test.number))
        return -ENOMEM;
    test.number |= 1; /* 0 is none */
    test.port = (uint16_t)(20000 + test.number % 20000);
    ng_probe_bring(test.number, test.brought, &test.listener);
    *ret_test = test;
    return 0;
}

static const struct channel *find(const char *name)
{
    for (size_t i = 0; i < CHANNELS; i++)
        if (strcmp(channels[i].name, name) == 0)
            return &channels[i];
    for (size_t i = 0; i < NG_CLI_BROUGHT; i++)
        if (strcmp(brought[i].name, name) == 0)
            return &brought[i];
    return NULL;
}

static void add(struct ng_cli_selftest *test, const struct channel *channel, int fd)
{
    struct ng_probe probe = channel->like;
    enum ng_probe_outcome outcome;

    probe.number = test->number;
    probe.port = ++test->port;
    probe.fd = fd;
    outcome = channel->probe(&probe);
    (void)json_array_append_new(
        test->channels,
        json_pack("{s:s, s:s, s:i, s:i}", "channel", channel->name, "outcome", outcomes[outcome], "port",
                  channel->probe == ng_probe_raw ? 0 : (int)probe.port, "proto", (int)probe.proto));
}

static int conclude(const struct ng_cli_selftest *test, const char *run_dir, const char *deployment,
                    json_t **ret_answer)
{
    json_t *request = ng_cli_request("selftest");

    if (request && (ng_cli_request_text(request, "deployment", deployment) < 0 ||
                    json_object_set(request, "channels", test->channels) < 0)) {
        json_decref(request);
        request = NULL;
    }
    return ng_cli_ask(run_dir, request, ret_answer);
}

static void say(const json_t *answer, bool covered)
{
    const json_t *line;
    unsigned tried = 0;
    size_t i;

    json_array_foreach(json_object_get(answer, "channels"), i, line)
    {
        const struct channel *channel = find(ng_cli_string(line, "channel"));

        tried += strcmp(ng_cli_string(line, "outcome"), outcomes[NG_PROBE_ABSENT]) != 0;
        if (!channel || strcmp(ng_cli_string(line, "outcome"), outcomes[NG_PROBE_OPEN]) != 0)
            continue;
        (void)fputs("namegate: ", stderr);
        ng_cli_put_colour(stderr, NG_CLI_BAD, "open");
        (void)fprintf(stderr, ": %s%s%s\n", channel->text, channel->remedy ? "; " : "",
                      channel->remedy ? channel->remedy : "");
    }
    if (covered) {
        (void)fputs("namegate: ", stderr);
        ng_cli_put_colour(stderr, NG_CLI_GOOD, "covered");
        (void)fprintf(stderr, ": %u ways past the gate were tried, none is open\n", tried);
    } else {
        (void)fputs("namegate: the command is not started\n", stderr);
    }
}

/* What no gate can do anything about is told, and keeps nothing from starting. */
static void say_beyond(json_t *answer, bool json)
{
    json_t *list = json_array();

    for (const struct ng_delegate *it = ng_delegate_next(NULL); it; it = ng_delegate_next(it)) {
        if (!ng_probe_delegate(it->path))
            continue;
        (void)json_array_append_new(list, json_string(it->name));
        if (!json)
            (void)fprintf(stderr, "namegate: out of reach: %s: what %s for the command is done outside\n", it->name,
                          it->resolves ? "it resolves" : "it does");
    }
    (void)json_object_set_new(answer, "beyond", list);
}

int ng_cli_selftest_try(struct ng_cli_selftest *test, const char *run_dir, const json_t *deployment, bool json)
{
    bool audit = strcmp(ng_cli_string(deployment, "mode"), "audit") == 0, covered;
    _cleanup_json_ json_t *answer = NULL;
    int status;

    for (size_t i = 0; i < CHANNELS; i++)
        add(test, &channels[i], -1);
    for (size_t i = 0; i < NG_CLI_BROUGHT; i++) {
        if (!audit) /* there nothing is cut, and nobody sees what it sends */
            add(test, &brought[i], test->brought[i]);
        test->brought[i] = ng_close(test->brought[i]);
    }
    test->listener = ng_close(test->listener);
    status = conclude(test, run_dir, ng_cli_string(deployment, "deployment"), &answer);
    if (status != NG_CLI_OK)
        return NG_CLI_RUN_FAILED;
    covered = json_is_true(json_object_get(answer, "covered"));
    if (!json)
        say(answer, covered);
    say_beyond(answer, json);
    if (json && ng_cli_print_json(stderr, answer) < 0)
        return NG_CLI_RUN_FAILED;
    json_decref(test->channels);
    test->channels = NULL;
    return covered ? NG_CLI_OK : NG_CLI_RUN_FAILED;
}
