// SPDX-License-Identifier: BSD-2-Clause
/* A deployment tries what is forbidden to it before its command starts: the keeper has canaries forbidden to it alone,
 * hears from the command what came of each try, and from the kernel which of them it has met. */
#include "keeper.h"

#include <namegate/canary.h>
#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <string.h>

#define CHANNELS_MAX 64
#define WORD_MAX 32
#define CONSUME_TURNS 64

int ng_selftest_plant(struct ng_keeper *keeper, const struct ng_live *live, uint64_t number, uint64_t token)
{
    struct ng_message_canary message = {.type = NG_MESSAGE_CANARY,
                                        .scope = live->kernel.scope,
                                        .number = number,
                                        .until = ng_now() + NG_CANARY_SECONDS * NG_SECOND,
                                        .token = token};

    return ng_child_send(keeper->child, &message, sizeof(message), -1, -1);
}

void ng_selftest_begin(struct ng_live *live, uint64_t number)
{
    live->selftest = (struct ng_selftest){.number = number, .until = ng_now() + NG_CANARY_SECONDS * NG_SECOND};
}

bool ng_selftest_takes(struct ng_live *live, const struct ng_event *event)
{
    struct ng_selftest *test = &live->selftest;
    /* A socket that is refused has no address: it is the selftest's while that is all that runs. */
    bool raw = event->hook == NG_HOOK_SOCK_CREATE && event->tgid == live->first;

    if (!test->number || test->until < ng_now() || (!raw && !ng_canary_is(test->number, event->address)))
        return false;
    if (test->seen < NG_CANARY_SEEN_MAX) {
        test->canary[test->seen].port = event->port;
        test->canary[test->seen++].proto = event->proto;
    }
    return true;
}

static bool seen(const struct ng_selftest *test, const json_t *channel)
{
    json_int_t port = json_integer_value(json_object_get(channel, "port"));
    json_int_t proto = json_integer_value(json_object_get(channel, "proto"));

    for (unsigned i = 0; i < test->seen; i++)
        if (test->canary[i].port == port && test->canary[i].proto == proto)
            return true;
    return false;
}

/* One channel as it goes on record; NULL when it makes no sense. What went through in audit mode, and the gate would
 * have denied, is as it should be. */
static json_t *conclude(const struct ng_live *live, const json_t *channel, unsigned *open)
{
    const char *name = json_string_value(json_object_get(channel, "channel"));
    const char *outcome = json_string_value(json_object_get(channel, "outcome"));

    if (!name || !outcome || strlen(name) > WORD_MAX || strlen(outcome) > WORD_MAX)
        return NULL;
    if (strcmp(outcome, "open") == 0 && live->kernel.mode == NG_MODE_AUDIT && seen(&live->selftest, channel))
        outcome = "audited";
    *open += strcmp(outcome, "open") == 0;
    return json_pack("{s:s, s:s}", "channel", name, "outcome", outcome);
}

void ng_selftest_request(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request)
{
    const char *id = json_string_value(json_object_get(request, "deployment"));
    const json_t *channels = json_object_get(request, "channels"), *channel;
    struct ng_live *live = id ? ng_lives_known(keeper, id) : NULL;
    unsigned open = 0;
    json_t *list;
    size_t i;

    if (!live || !live->selftest.number || (uint32_t)ng_connection_peer(connection)->pid != live->first) {
        ng_connection_fail(connection, "this process is no deployment that tests itself", NULL);
        return;
    }
    if (json_array_size(channels) == 0 || json_array_size(channels) > CHANNELS_MAX) {
        ng_connection_fail(connection, "the channels are missing, or more than 64", NULL);
        return;
    }
    for (int turn = 0; turn < CONSUME_TURNS && ng_gate_consume(keeper->gate); turn++)
        ; /* so that what was met last is seen */
    list = json_array();
    json_array_foreach(channels, i, channel)
        (void)json_array_append_new(list, conclude(live, channel, &open));
    if (json_array_size(list) != json_array_size(channels)) {
        json_decref(list);
        ng_connection_fail(connection, "a channel makes no sense", NULL);
        return;
    }
    live->selftest.number = 0;
    (void)ng_selftest_plant(keeper, live, 0, 0); /* a resolver that is gone has let go of them */
    ng_records_add(keeper->records,
                   json_pack("{s:s, s:n, s:s, s:s, s:b, s:O}", "type", "selftest", "time", "deployment", live->id,
                             "tag", live->kernel.tag, "covered", open == 0, "channels", list),
                   0);
    ng_connection_reply(connection, json_pack("{s:b, s:o}", "covered", open == 0, "channels", list));
}
