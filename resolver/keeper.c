// SPDX-License-Identifier: BSD-2-Clause
#include "keeper.h"

#include "tell.h"

#include <namegate/packing.h>

#include "../policy/vector.h"

#include <namegate/cleanup.h>

#include <string.h>
#include <sys/socket.h>

#define HELD_MAX (16U << 10) /* octets that wait though they could be sent */
#define WAITING_MAX (128U << 10) /* octets for a keeper that is slow, beyond which what only informs is lost */

struct ng_keeper_link {
    int fd;
    void (*before)(void *arg);
    void *arg;
    bool lives, urgent; /* deployments; something among what waits */
    uint32_t lost;
    NG_VECTOR(uint8_t) waiting; /* frames */
};

int ng_keeper_link_new(int fd, void (*before)(void *arg), void *arg, struct ng_keeper_link **ret_link)
{
    struct ng_keeper_link *link = calloc(1, sizeof(*link));

    if (!link)
        return -ENOMEM;
    link->fd = fd;
    link->before = before;
    link->arg = arg;
    *ret_link = link;
    return 0;
}

void ng_keeper_link_free(struct ng_keeper_link *link)
{
    if (!link)
        return;
    ng_vector_free(&link->waiting);
    free(link);
}

/* Of orders. */
static size_t size_of(uint32_t type)
{
    switch (type) {
    case NG_MESSAGE_START:
        return sizeof(struct ng_message_start);
    case NG_MESSAGE_FORWARD:
        return sizeof(struct ng_message_forward);
    case NG_MESSAGE_LOCAL:
        return sizeof(struct ng_message_local);
    case NG_MESSAGE_LISTENER:
        return sizeof(struct ng_message_listener);
    case NG_MESSAGE_UNLISTEN:
        return sizeof(struct ng_message_unlisten);
    case NG_MESSAGE_SNAPSHOT:
        return sizeof(struct ng_message_snapshot);
    case NG_MESSAGE_DEPLOYMENT:
        return sizeof(struct ng_message_deployment);
    case NG_MESSAGE_PREWARM:
        return sizeof(struct ng_message_prewarm);
    case NG_MESSAGE_GRANT:
        return sizeof(struct ng_message_grant);
    case NG_MESSAGE_CANARY:
        return sizeof(struct ng_message_canary);
    case NG_MESSAGE_MEMORY:
        return sizeof(struct ng_message_memory);
    case NG_MESSAGE_ENFORCED:
        return sizeof(struct ng_message_enforced);
    case NG_MESSAGE_KNOWN:
        return sizeof(struct ng_message_resolution);
    case NG_MESSAGE_PING:
        return sizeof(struct ng_message_ping);
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

static bool append(struct ng_keeper_link *link, const void *message, size_t size)
{
    struct ng_frame frame = {.size = (uint32_t)size};
    uint8_t *at;

    if (!ng_vector_reserve(&link->waiting, ng_framed(size)))
        return false;
    at = link->waiting.items + link->waiting.count;
    memset(at, 0, ng_framed(size));
    memcpy(at, &frame, sizeof(frame));
    memcpy(at + sizeof(frame), message, size);
    link->waiting.count += ng_framed(size);
    return true;
}

/* Octets of the whole frames at `at` that go together. */
static size_t datagram_at(const struct ng_keeper_link *link, size_t at)
{
    size_t end = at, next = at, size;

    while (ng_frame_next(link->waiting.items, link->waiting.count, &next, &size) && next - at <= NG_DATAGRAM_MAX)
        end = next;
    return end - at;
}

void ng_keeper_link_flush(struct ng_keeper_link *link)
{
    struct ng_message_trouble lost;
    size_t sent = 0;

    link->before(link->arg);
    if (link->lost && link->waiting.count < WAITING_MAX) {
        ng_tell_trouble(&lost, NG_TROUBLE_LOST, 0, NULL, NULL);
        lost.count = link->lost;
        if (append(link, &lost, sizeof(lost)))
            link->lost = 0;
    }
    while (sent < link->waiting.count) {
        size_t size = datagram_at(link, sent);

        if (send(link->fd, link->waiting.items + sent, size, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)size)
            break;
        sent += size;
    }
    link->urgent &= sent < link->waiting.count;
    link->waiting.count -= sent;
    if (link->waiting.count)
        memmove(link->waiting.items, link->waiting.items + sent, link->waiting.count);
}

void ng_keeper_link_settle(struct ng_keeper_link *link)
{
    if (link->urgent || link->lost || link->waiting.count >= HELD_MAX)
        ng_keeper_link_flush(link);
    else
        link->before(link->arg);
}

void ng_keeper_link_lives(struct ng_keeper_link *link, bool any)
{
    link->lives = any;
    link->urgent |= any;
}

/* Whether something is done about it, and it is not only put on record: a full map makes deployments strict. */
static bool must_arrive(const void *message)
{
    const struct ng_message_trouble *trouble = message;

    if (trouble->type == NG_MESSAGE_TROUBLE)
        return trouble->trouble == NG_TROUBLE_MAP_FULL || trouble->trouble == NG_TROUBLE_RECOVERED;
    return trouble->type != NG_MESSAGE_RESOLUTION && trouble->type != NG_MESSAGE_TOLD;
}

void ng_keeper_link_send(struct ng_keeper_link *link, const void *message, size_t size)
{
    uint8_t packed[sizeof(struct ng_message_resolution)];
    bool must = must_arrive(message);

    link->urgent |= link->lives || *(const uint32_t *)message != NG_MESSAGE_RESOLUTION;
    if (*(const uint32_t *)message == NG_MESSAGE_RESOLUTION) {
        size = ng_resolution_pack(message, packed);
        message = packed;
    }
    if (link->waiting.count >= NG_DATAGRAM_MAX / 2)
        ng_keeper_link_flush(link);
    if ((!must && link->waiting.count >= WAITING_MAX) || !append(link, message, size))
        link->lost++;
}
