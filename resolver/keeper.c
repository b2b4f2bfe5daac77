// SPDX-License-Identifier: BSD-2-Clause
#include "keeper.h"

#include "tell.h"

#include <namegate/packing.h>

#include "../policy/vector.h"

#include <namegate/cleanup.h>

#include <string.h>
#include <sys/socket.h>

/* Messages that must arrive, and are small. */
union kept {
    uint32_t type;
    struct ng_message_ready ready;
    struct ng_message_prewarm prewarmed;
    struct ng_message_ping pong;
};

struct ng_keeper_link {
    int fd;
    uint32_t lost;
    NG_VECTOR(union kept) kept;
};

int ng_keeper_link_new(int fd, struct ng_keeper_link **ret_link)
{
    struct ng_keeper_link *link = calloc(1, sizeof(*link));

    if (!link)
        return -ENOMEM;
    link->fd = fd;
    *ret_link = link;
    return 0;
}

void ng_keeper_link_free(struct ng_keeper_link *link)
{
    if (!link)
        return;
    ng_vector_free(&link->kept);
    free(link);
}

static size_t size_of(uint32_t type)
{
    switch (type) {
    case NG_MESSAGE_START:
        return sizeof(struct ng_message_start);
    case NG_MESSAGE_FORWARD:
        return sizeof(struct ng_message_forward);
    case NG_MESSAGE_LOCAL:
        return sizeof(struct ng_message_local);
    case NG_MESSAGE_LOADED:
        return sizeof(struct ng_message_loaded);
    case NG_MESSAGE_LISTENER:
        return sizeof(struct ng_message_listener);
    case NG_MESSAGE_SNAPSHOT:
        return sizeof(struct ng_message_snapshot);
    case NG_MESSAGE_DEPLOYMENT:
        return sizeof(struct ng_message_deployment);
    case NG_MESSAGE_PREWARM:
    case NG_MESSAGE_PREWARMED:
        return sizeof(struct ng_message_prewarm);
    case NG_MESSAGE_STATS:
        return sizeof(struct ng_message_stats);
    case NG_MESSAGE_KNOWN:
        return sizeof(struct ng_message_resolution);
    case NG_MESSAGE_PING:
    case NG_MESSAGE_PONG:
        return sizeof(struct ng_message_ping);
    case NG_MESSAGE_READY:
        return sizeof(struct ng_message_ready);
    default:
        return 0;
    }
}

static void take_descriptors(struct msghdr *header, int fds[2])
{
    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(header); cmsg; cmsg = CMSG_NXTHDR(header, cmsg)) {
        size_t count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS && count <= 2)
            memcpy(fds, CMSG_DATA(cmsg), count * sizeof(int));
    }
}

int ng_keeper_link_receive(struct ng_keeper_link *link, union ng_order *ret_order, int ret_fds[2])
{
    char control[CMSG_SPACE(2 * sizeof(int))];
    struct iovec part = {.iov_base = ret_order, .iov_len = sizeof(*ret_order)};
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    ssize_t size = recvmsg(link->fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    int fds[2] = {-1, -1};

    if (size < 0)
        return errno == EAGAIN || errno == EINTR ? -EAGAIN : -ECONNRESET;
    if (size == 0)
        return -ECONNRESET;
    take_descriptors(&header, fds);
    if (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC) || (size_t)size < sizeof(uint32_t) ||
        ret_order->type > NG_MESSAGE_PING || (size_t)size != size_of(ret_order->type)) {
        (void)ng_close(fds[0]);
        (void)ng_close(fds[1]);
        return -EBADMSG;
    }
    ret_fds[0] = fds[0];
    ret_fds[1] = fds[1];
    return 0;
}

static bool try_send(const struct ng_keeper_link *link, const void *message, size_t size)
{
    return send(link->fd, message, size, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)size;
}

void ng_keeper_link_flush(struct ng_keeper_link *link)
{
    struct ng_message_trouble lost;
    size_t sent = 0;

    while (sent < link->kept.count &&
           try_send(link, &link->kept.items[sent], size_of(link->kept.items[sent].type)))
        sent++;
    link->kept.count -= sent;
    if (sent)
        memmove(link->kept.items, link->kept.items + sent, link->kept.count * sizeof(*link->kept.items));
    if (!link->lost)
        return;
    ng_tell_trouble(&lost, NG_TROUBLE_LOST, 0, NULL, NULL);
    lost.count = link->lost;
    if (try_send(link, &lost, sizeof(lost)))
        link->lost = 0;
}

void ng_keeper_link_send(struct ng_keeper_link *link, const void *message, size_t size)
{
    uint8_t packed[sizeof(struct ng_message_resolution)];
    union kept keep = {.type = 0};

    if (*(const uint32_t *)message == NG_MESSAGE_RESOLUTION) {
        size = ng_resolution_pack(message, packed);
        message = packed;
    }
    if (link->kept.count || link->lost)
        ng_keeper_link_flush(link);
    if (!link->kept.count && try_send(link, message, size))
        return;
    if (size > sizeof(keep)) {
        link->lost++;
        return;
    }
    memcpy(&keep, message, size);
    if (keep.type == NG_MESSAGE_RESOLUTION || size != size_of(keep.type) || !ng_vector_add(&link->kept, keep))
        link->lost++;
}
