// SPDX-License-Identifier: BSD-2-Clause
#include "known.h"

#include "keeper.h"
#include "replace.h"
#include "text.h"

#include "../policy/vector.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <arpa/inet.h>
#include <string.h>

#define SAVE_EVERY (60 * NG_SECOND)
#define OVER_FOR (24 * 3600 * NG_SECOND) /* what was over for so long is not kept */

NG_DEFINE_CLEANUP(json, json_t, json_decref)

typedef NG_VECTOR(const struct ng_resolution *) resolutions_vector;

struct choosing {
    const struct ng_keeper *keeper;
    resolutions_vector chosen;
    uint64_t now;
};

/* Whether some policy denies a name of the chain. */
static bool is_denied(const struct ng_snapshot *snapshot, const struct ng_resolution *resolution)
{
    for (unsigned p = 0; snapshot && p < ng_snapshot_policies(snapshot); p++)
        for (unsigned i = 0; i < resolution->links; i++)
            if (ng_snapshot_denies(snapshot, ng_match_name(snapshot, p, &resolution->chain[i])))
                return true;
    return false;
}

static void choose(void *arg, const struct ng_resolution *resolution)
{
    struct choosing *choosing = arg;

    if (resolution->links == 0 || resolution->addresses == 0 ||
        resolution->expires_at + OVER_FOR < choosing->now || !is_denied(choosing->keeper->snapshot, resolution))
        return;
    (void)ng_vector_add(&choosing->chosen, resolution);
}

/* By name; of one name, what came last is the first. */
static int by_name(const void *a, const void *b)
{
    const struct ng_resolution *x = *(const struct ng_resolution *const *)a;
    const struct ng_resolution *y = *(const struct ng_resolution *const *)b;
    int order = memcmp(x->chain[0].wire, y->chain[0].wire,
                       x->chain[0].length < y->chain[0].length ? x->chain[0].length : y->chain[0].length);

    if (order == 0)
        order = x->chain[0].length - y->chain[0].length;
    return order ? order : x->id > y->id ? -1 : x->id < y->id;
}

static void add_addresses(struct ng_message_resolution *message, const struct ng_resolution *resolution)
{
    for (unsigned i = 0; i < resolution->addresses; i++) {
        bool known = false;

        for (uint32_t k = 0; k < message->addresses; k++)
            known |= memcmp(message->address[k], resolution->address[i], 16) == 0;
        if (!known && message->addresses < NG_ADDRESSES_MAX)
            memcpy(message->address[message->addresses++], resolution->address[i], 16);
    }
}

typedef void (*known_fn)(void *arg, const struct ng_message_resolution *message);

/* Each denied name once, with its last chain and all its addresses. */
static void each_known(const struct ng_keeper *keeper, known_fn each, void *arg)
{
    struct choosing choosing = {.keeper = keeper, .now = ng_now()};
    static struct ng_message_resolution message;

    ng_track_each(keeper->track, NULL, choose, &choosing);
    if (choosing.chosen.count)
        qsort(choosing.chosen.items, choosing.chosen.count, sizeof(struct ng_resolution *), by_name);
    for (size_t i = 0; i < choosing.chosen.count;) {
        const struct ng_resolution *first = choosing.chosen.items[i];

        message = (struct ng_message_resolution){.type = NG_MESSAGE_KNOWN, .links = first->links};
        for (unsigned k = 0; k < first->links; k++) {
            message.chain[k].length = first->chain[k].length;
            memcpy(message.chain[k].wire, first->chain[k].wire, first->chain[k].length);
        }
        for (; i < choosing.chosen.count && ng_name_equal(&choosing.chosen.items[i]->chain[0], &first->chain[0]); i++)
            add_addresses(&message, choosing.chosen.items[i]);
        each(arg, &message);
    }
    ng_vector_free(&choosing.chosen);
}

static void send_one(void *arg, const struct ng_message_resolution *message)
{
    (void)ng_child_send(arg, message, sizeof(*message), -1, -1);
}

void ng_known_send(struct ng_keeper *keeper)
{
    each_known(keeper, send_one, keeper->child);
}

static void write_one(void *arg, const struct ng_message_resolution *message)
{
    _cleanup_(ng_cleanup_json) json_t *chain = json_array(), *addresses = json_array(), *line = NULL;

    for (uint32_t i = 0; i < message->links; i++) {
        char text[NG_NAME_TEXT_MAX];
        struct ng_name name;

        (void)ng_name_from_wire(message->chain[i].wire, message->chain[i].length, &name);
        (void)json_array_append_new(chain, json_string(ng_name_to_text(&name, text)));
    }
    for (uint32_t i = 0; i < message->addresses; i++)
        (void)json_array_append_new(addresses, ng_json_address(message->address[i]));
    line = json_pack("{s:O, s:O}", "chain", chain, "addresses", addresses);
    if (line && json_dumpf(line, arg, JSON_COMPACT) == 0)
        (void)fputc('\n', arg);
}

void ng_known_save(struct ng_keeper *keeper)
{
    struct ng_replace replace;
    int r;

    keeper->known_saved_at = ng_now();
    if (!keeper->snapshot)
        return;
    r = ng_replace_begin(keeper->options.state_dir, "known-names", &replace);
    if (r == 0) {
        each_known(keeper, write_one, replace.file);
        r = ng_replace_end(&replace);
    }
    if (r < 0)
        ng_log(NG_LOG_WARNING, "cannot write %s/known-names: %s", keeper->options.state_dir, strerror(-r));
}

void ng_known_tick(struct ng_keeper *keeper)
{
    if (ng_now() - keeper->known_saved_at >= SAVE_EVERY)
        ng_known_save(keeper);
}

static int read_chain(const json_t *list, struct ng_message_resolution *message)
{
    const json_t *it;
    size_t i;

    json_array_foreach(list, i, it)
    {
        const char *text = json_string_value(it);
        struct ng_name name;

        if (!text || i >= NG_CHAIN_MAX || ng_name_from_text(text, strlen(text), &name) < 0)
            return -EBADMSG;
        message->chain[i].length = name.length;
        memcpy(message->chain[i].wire, name.wire, name.length);
        message->links++;
    }
    return message->links ? 0 : -EBADMSG;
}

static int read_addresses(const json_t *list, struct ng_message_resolution *message)
{
    const json_t *it;
    size_t i;

    json_array_foreach(list, i, it)
    {
        const char *text = json_string_value(it);
        struct ng_endpoint endpoint;

        if (!text || i >= NG_ADDRESSES_MAX || ng_endpoint_parse(text, 0, &endpoint) < 0)
            return -EBADMSG;
        memcpy(message->address[message->addresses++], endpoint.address, 16);
    }
    return message->addresses ? 0 : -EBADMSG;
}

void ng_known_load(struct ng_keeper *keeper)
{
    _cleanup_free_ char *path = NULL, *line = NULL;
    _cleanup_file_ FILE *file = NULL;
    static struct ng_message_resolution message;
    unsigned number = 0, bad = 0;
    size_t room = 0;

    keeper->known_saved_at = ng_now();
    if (asprintf(&path, "%s/known-names", keeper->options.state_dir) < 0)
        return;
    file = fopen(path, "re");
    while (file && number < NG_TRACK_MAX && getline(&line, &room, file) > 0) {
        _cleanup_(ng_cleanup_json) json_t *json = json_loads(line, 0, NULL);

        message = (struct ng_message_resolution){
            .type = NG_MESSAGE_RESOLUTION, .id = ++number, .expires_at = keeper->known_saved_at};
        if (read_chain(json_object_get(json, "chain"), &message) < 0 ||
            read_addresses(json_object_get(json, "addresses"), &message) < 0 ||
            ng_track_resolution(keeper->track, &message) < 0)
            bad++;
    }
    if (bad)
        ng_log(NG_LOG_WARNING, "%s: %u of %u lines make no sense, going on without them", path, bad, number);
}
