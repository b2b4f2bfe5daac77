// SPDX-License-Identifier: BSD-2-Clause
#include "poll.h"

#include <namegate/cleanup.h>

#define BATCH 64

struct ng_poll {
    int fd;
    pthread_mutex_t *turn;
    struct ng_source *gone; /* removed, but events for them may still wait in the batch */
};

int ng_poll_new(pthread_mutex_t *turn, struct ng_poll **ret_poll)
{
    struct ng_poll *poll = calloc(1, sizeof(*poll));

    if (!poll)
        return -ENOMEM;
    poll->turn = turn;
    poll->fd = epoll_create1(EPOLL_CLOEXEC);
    if (poll->fd < 0) {
        int code = errno;

        free(poll);
        return -code;
    }
    *ret_poll = poll;
    return 0;
}

void ng_poll_release(struct ng_poll *poll)
{
    while (poll->gone) {
        struct ng_source *source = poll->gone;

        poll->gone = source->next_gone;
        if (source->release)
            source->release(source);
    }
}

void ng_poll_free(struct ng_poll *poll)
{
    if (!poll)
        return;
    ng_poll_release(poll);
    (void)ng_close(poll->fd);
    free(poll);
}

int ng_poll_add(struct ng_poll *poll, struct ng_source *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};

    return epoll_ctl(poll->fd, EPOLL_CTL_ADD, source->fd, &event) < 0 ? -errno : 0;
}

void ng_poll_change(struct ng_poll *poll, struct ng_source *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};

    (void)epoll_ctl(poll->fd, EPOLL_CTL_MOD, source->fd, &event);
}

void ng_poll_remove(struct ng_poll *poll, struct ng_source *source)
{
    if (source->gone)
        return;
    (void)epoll_ctl(poll->fd, EPOLL_CTL_DEL, source->fd, NULL);
    source->gone = true;
    source->next_gone = poll->gone;
    poll->gone = source;
}

void ng_poll_wait(struct ng_poll *poll, int timeout_ms)
{
    struct epoll_event events[BATCH];
    int count = epoll_wait(poll->fd, events, BATCH, timeout_ms);

    for (int i = 0; i < count; i++) {
        struct ng_source *source = events[i].data.ptr;

        if (source->concurrent) {
            source->ready(source, events[i].events);
            continue;
        }
        (void)pthread_mutex_lock(poll->turn);
        if (!source->gone)
            source->ready(source, events[i].events);
        (void)pthread_mutex_unlock(poll->turn);
    }
}
