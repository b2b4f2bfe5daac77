// SPDX-License-Identifier: BSD-2-Clause
#include "recorded.h"

#include "client.h"
#include "report.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define SLACK_US 1000000LL /* a reply is on record when it has left: who gets it may be faster */

struct ng_recorded {
    json_t *told; /* address -> list of the resolutions that have it */
};

static int add_resolution(json_t *told, const char *address, const json_t *resolution)
{
    json_t *list = json_object_get(told, address);

    if (!list) {
        list = json_array();
        if (json_object_set_new(told, address, list) < 0)
            return -ENOMEM;
    }
    return json_array_append(list, (json_t *)(uintptr_t)resolution) < 0 ? -ENOMEM : 0;
}

int ng_recorded_new(const json_t *deployment, struct ng_recorded **ret_recorded)
{
    struct ng_recorded *recorded = calloc(1, sizeof(*recorded));
    const json_t *resolution, *address;
    size_t i, k;
    int r = 0;

    if (!recorded)
        return -ENOMEM;
    recorded->told = json_object();
    if (!recorded->told)
        r = -ENOMEM;
    json_array_foreach(json_object_get(deployment, "resolutions"), i, resolution)
        json_array_foreach(json_object_get(resolution, "addresses"), k, address)
            if (r == 0 && json_is_string(address))
                r = add_resolution(recorded->told, json_string_value(address), resolution);
    if (r < 0) {
        ng_recorded_free(recorded);
        return r;
    }
    *ret_recorded = recorded;
    return 0;
}

void ng_recorded_free(struct ng_recorded *recorded)
{
    if (!recorded)
        return;
    json_decref(recorded->told);
    free(recorded);
}

bool ng_recorded_told(const struct ng_recorded *recorded, const char *name, const char *address)
{
    const json_t *resolution;
    size_t i;

    json_array_foreach(json_object_get(recorded->told, address), i, resolution)
        if (strcmp(ng_cli_string(resolution, "name"), name) == 0)
            return true;
    return false;
}

/* No rule can spell out a name with odd octets, but '*' stands for it, too. */
static void add_name(struct ng_case *it, const json_t *text, bool asked)
{
    struct ng_name name;

    if (json_is_string(text) && ng_name_from_record(json_string_value(text), json_string_length(text), &name) == 0)
        (void)ng_case_add(it, &name, asked);
}

/* The first of a chain was asked for. */
static void add_names(struct ng_case *it, const json_t *chain)
{
    const json_t *name;
    size_t i;

    json_array_foreach(chain, i, name) add_name(it, name, i == 0);
}

/* What the deployment was told before the last of the flow. */
static void add_told(struct ng_case *it, const json_t *told, const json_t *flow)
{
    long long last = ng_report_time(ng_cli_string(flow, "last"));
    const json_t *resolution;
    size_t i;

    json_array_foreach(told, i, resolution)
        if (ng_report_time(ng_cli_string(resolution, "first")) <= last + SLACK_US)
            add_names(it, json_object_get(resolution, "chain"));
}

static int read_address(const char *text, uint8_t address[16])
{
    memset(address, 0, 16);
    if (inet_pton(AF_INET, text, address + 12) == 1)
        memset(address + 10, 0xff, 2);
    else if (inet_pton(AF_INET6, text, address) != 1)
        return -EBADMSG;
    return 0;
}

static bool is_loopback(const uint8_t address[16])
{
    static const uint8_t v6[16] = {[15] = 1}, v4[13] = {[10] = 0xff, [11] = 0xff, [12] = 127};

    return memcmp(address, v6, sizeof(v6)) == 0 || memcmp(address, v4, sizeof(v4)) == 0;
}

int ng_recorded_case(const struct ng_recorded *recorded, const json_t *flow, const struct ng_snapshot *snapshot,
                     unsigned policy, struct ng_case *ret_case)
{
    const char *text = ng_cli_string(flow, "address"), *evidence = ng_cli_string(flow, "evidence");
    uint8_t address[16];
    struct ng_policy_info info;
    const json_t *name;
    size_t i;

    if (read_address(text, address) < 0)
        return -EBADMSG;
    ng_case_make_address(snapshot, policy, address, ret_case);
    ng_snapshot_policy(snapshot, policy, &info);
    ret_case->guarded = is_loopback(address);
    ret_case->raw = strcmp(evidence, "raw") == 0;
    ret_case->bypassing = strcmp(evidence, "resolver") == 0 && ng_cli_integer(flow, "port") != NG_DOT_PORT;
    ret_case->abandoned = strcmp(evidence, "abandoned") == 0 && info.on_loss == NG_ON_LOSS_CLOSED;
    add_name(ret_case, json_object_get(flow, "name"), true);
    add_names(ret_case, json_object_get(flow, "chain"));
    add_told(ret_case, json_object_get(recorded->told, text), flow);
    json_array_foreach(json_object_get(flow, "names"), i, name) add_name(ret_case, name, true);
    return 0;
}

void ng_recorded_look_up(const json_t *resolution, const struct ng_snapshot *snapshot, unsigned policy,
                         struct ng_case *ret_case)
{
    static const uint8_t none[16];

    ng_case_make_address(snapshot, policy, none, ret_case);
    ret_case->addressed = false;
    add_names(ret_case, json_object_get(resolution, "chain"));
}

bool ng_recorded_is_look_up(const json_t *flow)
{
    return strcmp(ng_cli_string(flow, "proto"), "dns") == 0;
}

int ng_recorded_judge(const struct ng_case *it, const json_t *flow, struct ng_opinion *ret_opinion)
{
    long long port = ng_cli_integer(flow, "port");
    int proto = ng_recorded_proto(flow);

    if (proto < 0 || port < 0 || port > 65535)
        return -EBADMSG;
    ng_case_judge(it, (uint8_t)proto, (uint16_t)port, ret_opinion);
    return 0;
}

int ng_recorded_proto(const json_t *flow)
{
    static const struct {
        const char *name;
        int proto;
    } known[] = {{"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {"icmp", IPPROTO_ICMP}, {"dns", 0}};
    const char *text = ng_cli_string(flow, "proto");
    char *end = NULL;
    unsigned long number;

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (strcmp(text, known[i].name) == 0)
            return known[i].proto;
    number = strtoul(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && number <= UINT8_MAX ? (int)number : -EBADMSG;
}

bool ng_recorded_local(const json_t *flow)
{
    static const uint8_t any[16], any_v4[16] = {[10] = 0xff, [11] = 0xff}; /* they lead to loopback */
    uint8_t address[16];

    return read_address(ng_cli_string(flow, "address"), address) == 0 &&
           (is_loopback(address) || memcmp(address, any, 16) == 0 || memcmp(address, any_v4, 16) == 0);
}

bool ng_recorded_counts(const json_t *flow)
{
    return !json_is_true(json_object_get(flow, "probe"));
}
