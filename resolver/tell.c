// SPDX-License-Identifier: BSD-2-Clause
#include "tell.h"

#include "tracked.h"

#include <string.h>

#define TOLD_MAX 4096 /* addresses of one name; of more, records do not say the name, and a reboot forgets them */

static void put_name(struct ng_wire_name *out, const struct ng_name *name)
{
    out->length = name->length;
    memcpy(out->wire, name->wire, name->length);
}

void ng_tell_resolution(struct ng_tracks *tracks, struct ng_tracked *tracked, ng_tell_fn tell, void *arg)
{
    struct ng_message_resolution message; /* of its 6 KiB only what is used, and sent, is written */
    const struct ng_tracked *chain[NG_CHAIN_MAX];
    ng_tracked_list holders = {0};
    unsigned told = 0;

    message.type = NG_MESSAGE_RESOLUTION;
    message.pad = message.addresses = 0;
    message.id = tracked->id;
    message.wrote_at = tracked->wrote_at;
    message.expires_at = tracked->expires_at;
    message.links = ng_tracks_chain(tracks, tracked, chain);
    for (uint32_t i = 0; i < message.links; i++)
        put_name(&message.chain[i], &chain[i]->name);
    (void)ng_tracks_down(tracks, tracked, NULL, NULL, &holders);
    for (size_t h = 0; h < holders.count; h++) {
        const struct ng_tracked *holder = holders.items[h];

        for (size_t i = 0; i < holder->addresses.count && told < TOLD_MAX; i++, told++) {
            if (message.addresses == NG_ADDRESSES_MAX) {
                tell(arg, &message, sizeof(message));
                message.addresses = 0;
            }
            memcpy(message.address[message.addresses++], holder->addresses.items[i].address, 16);
        }
    }
    tell(arg, &message, sizeof(message));
    ng_vector_free(&holders);
}

void ng_tell_told(struct ng_message_told *message, const struct ng_tracked *tracked, uint8_t answer,
                  const struct ng_asker *asker, uint64_t replied_at)
{
    *message = (struct ng_message_told){.type = NG_MESSAGE_TOLD,
                                        .answer = answer,
                                        .resolution = tracked->id,
                                        .wrote_at = tracked->wrote_at,
                                        .replied_at = replied_at};
    if (asker)
        message->asker = *asker;
}

void ng_tell_trouble(struct ng_message_trouble *message, enum ng_trouble trouble, int error,
                     const struct ng_name *name, const uint8_t *address)
{
    *message = (struct ng_message_trouble){
        .type = NG_MESSAGE_TROUBLE, .trouble = trouble, .error = (uint32_t)error, .count = 1};
    if (name)
        put_name(&message->name, name);
    if (address)
        memcpy(message->address, address, sizeof(message->address));
}
