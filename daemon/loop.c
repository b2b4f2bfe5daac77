// SPDX-License-Identifier: BSD-2-Clause
#include "loop.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#define BATCH 64

struct source {
    ng_loop_fn fn;
    void *arg;
};

struct ng_loop {
    int epoll;
    bool stop;
    struct source *sources; /* by descriptor */
    int room;
};

int ng_loop_new(struct ng_loop **ret_loop)
{
    struct ng_loop *loop = calloc(1, sizeof(*loop));

    if (!loop)
        return -ENOMEM;
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll < 0) {
        int error = errno;

        free(loop);
        return -error;
    }
    *ret_loop = loop;
    return 0;
}

void ng_loop_free(struct ng_loop *loop)
{
    if (!loop)
        return;
    (void)ng_close(loop->epoll);
    free(loop->sources);
    free(loop);
}

static int reserve(struct ng_loop *loop, int fd)
{
    struct source *sources;
    int room = loop->room ? loop->room : 64;

    while (room <= fd)
        room *= 2;
    if (room == loop->room)
        return 0;
    sources = reallocarray(loop->sources, (size_t)room, sizeof(*sources));
    if (!sources)
        return -ENOMEM;
    for (int i = loop->room; i < room; i++)
        sources[i] = (struct source){0};
    loop->sources = sources;
    loop->room = room;
    return 0;
}

int ng_loop_add(struct ng_loop *loop, int fd, uint32_t events, ng_loop_fn fn, void *arg)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    int r = reserve(loop, fd);

    if (r < 0)
        return r;
    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        return -errno;
    loop->sources[fd] = (struct source){.fn = fn, .arg = arg};
    return 0;
}

int ng_loop_change(struct ng_loop *loop, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};

    return epoll_ctl(loop->epoll, EPOLL_CTL_MOD, fd, &event) < 0 ? -errno : 0;
}

void ng_loop_remove(struct ng_loop *loop, int fd)
{
    if (fd < 0 || fd >= loop->room || !loop->sources[fd].fn)
        return;
    (void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, fd, NULL);
    loop->sources[fd] = (struct source){0};
}

int ng_loop_run(struct ng_loop *loop)
{
    struct epoll_event events[BATCH];

    while (!loop->stop) {
        int count = epoll_wait(loop->epoll, events, BATCH, -1);

        if (count < 0 && errno != EINTR)
            return -errno;
        for (int i = 0; i < count && !loop->stop; i++) {
            struct source source = loop->sources[events[i].data.fd];

            /* An earlier callback of this batch may have removed it. A descriptor that was closed and reused in
             * between gets one call too many, which every callback must bear: all descriptors are non-blocking. */
            if (source.fn)
                source.fn(source.arg, events[i].events);
        }
    }
    return 0;
}

void ng_loop_stop(struct ng_loop *loop)
{
    loop->stop = true;
}

static int set_timer(int fd, uint64_t period, bool once)
{
    struct timespec time = {.tv_sec = (time_t)(period / NG_SECOND), .tv_nsec = (long)(period % NG_SECOND)};
    struct itimerspec spec = {.it_value = time};

    if (!once)
        spec.it_interval = time;
    return timerfd_settime(fd, 0, &spec, NULL) < 0 ? -errno : 0;
}

int ng_timer_new(uint64_t period, int once)
{
    int fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    int r;

    if (fd < 0)
        return -errno;
    r = set_timer(fd, period, once);
    if (r < 0)
        (void)ng_close(fd);
    return r < 0 ? r : fd;
}

void ng_timer_again(int fd, uint64_t period)
{
    (void)set_timer(fd, period, true);
}

bool ng_timer_clear(int fd)
{
    uint64_t expirations;

    return read(fd, &expirations, sizeof(expirations)) == (ssize_t)sizeof(expirations);
}
