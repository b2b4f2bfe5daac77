// SPDX-License-Identifier: BSD-2-Clause
#include "tell.h"

#include "tracked.h"

#include <string.h>

static void put_name(struct ng_wire_name *out, const struct ng_name *name)
{
    out->length = name->length;
    memcpy(out->wire, name->wire, name->length);
}

size_t ng_tell_resolution(struct ng_message_resolution *message, const struct ng_tracked *tracked, size_t from)
{
    struct ng_name name;
    size_t offset = 0;

    *message = (struct ng_message_resolution){.type = NG_MESSAGE_RESOLUTION,
                                              .id = tracked->id,
                                              .wrote_at = tracked->wrote_at,
                                              .expires_at = tracked->expires_at};
    while (tracked->chains && message->links < NG_CHAIN_MAX && ng_chain_next(tracked->chains, &offset, &name))
        put_name(&message->chain[message->links++], &name);
    for (; from < tracked->addresses.count && message->addresses < NG_ADDRESSES_MAX; from++)
        memcpy(message->address[message->addresses++], tracked->addresses.items[from].address, 16);
    return from;
}

void ng_tell_told(struct ng_message_told *message, const struct ng_tracked *tracked, const struct ng_asker *asker,
                  uint64_t replied_at)
{
    *message = (struct ng_message_told){.type = NG_MESSAGE_TOLD,
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
