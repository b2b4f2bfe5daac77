/* SPDX-License-Identifier: BSD-2-Clause */
/* How the resolver's messages travel. Those of one turn of its loop go together, each in a frame, because a system call
 * and a wakeup for each would cost more than all else that learning costs the keeper. RESOLUTION, of which there is one
 * for each name that is learnt, goes without the room for names and addresses that there are not: 300 octets of 6 KiB.
 */
#ifndef NAMEGATE_PACKING_H
#define NAMEGATE_PACKING_H

#include <namegate/channel.h>

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NG_DATAGRAM_MAX 65536 /* octets that are sent at once */

/* Before each message; the next frame begins at the following multiple of its size. */
struct ng_frame {
    uint32_t size; /* of the message */
    uint32_t pad;
};

/* Octets of a message in its frame. */
static inline size_t ng_framed(size_t size)
{
    size_t step = sizeof(struct ng_frame);

    return step + (size + step - 1) / step * step;
}

/* The message at *at of a received datagram, which nobody has to trust, and moves *at behind it. NULL when no whole
 * frame is there. */
static inline const uint8_t *ng_frame_next(const uint8_t *datagram, size_t size, size_t *at, size_t *ret_size)
{
    const uint8_t *message = datagram + *at + sizeof(struct ng_frame);
    struct ng_frame frame;

    if (size - *at < sizeof(frame))
        return NULL;
    memcpy(&frame, datagram + *at, sizeof(frame));
    if (frame.size > size || ng_framed(frame.size) > size - *at)
        return NULL;
    *at += ng_framed(frame.size);
    *ret_size = frame.size;
    return message;
}

#define NG_PACKED_HEAD offsetof(struct ng_message_resolution, chain)

/* Writes it into `out`, which has room for sizeof(struct ng_message_resolution). Returns the size. */
static inline size_t ng_resolution_pack(const struct ng_message_resolution *message, uint8_t *out)
{
    size_t at = NG_PACKED_HEAD;

    memcpy(out, message, at);
    for (uint32_t i = 0; i < message->links; i++) {
        memcpy(out + at, &message->chain[i], 1U + message->chain[i].length);
        at += 1U + message->chain[i].length;
    }
    memcpy(out + at, message->address, message->addresses * sizeof(message->address[0]));
    return at + message->addresses * sizeof(message->address[0]);
}

/* The opposite, of one that nobody has to trust. Returns 0 or -EBADMSG. */
static inline int ng_resolution_unpack(const uint8_t *in, size_t size, struct ng_message_resolution *ret_message)
{
    size_t at = NG_PACKED_HEAD;

    if (size < at)
        return -EBADMSG;
    memcpy(ret_message, in, at);
    if (ret_message->links > NG_CHAIN_MAX || ret_message->addresses > NG_ADDRESSES_MAX)
        return -EBADMSG;
    for (uint32_t i = 0; i < ret_message->links; i++) {
        if (at >= size || size - at < 1U + in[at])
            return -EBADMSG;
        memcpy(&ret_message->chain[i], in + at, 1U + in[at]);
        at += 1U + in[at];
    }
    if (size - at != ret_message->addresses * sizeof(ret_message->address[0]))
        return -EBADMSG;
    memcpy(ret_message->address, in + at, size - at);
    return 0;
}

#endif
