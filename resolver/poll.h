/* SPDX-License-Identifier: BSD-2-Clause */
/* Waiting for descriptors. */
#ifndef NAMEGATE_POLL_H
#define NAMEGATE_POLL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct ng_poll;

/* Embedded in whatever a descriptor belongs to. */
struct ng_source {
    void (*ready)(struct ng_source *source, uint32_t events); /* EPOLL* */
    void (*release)(struct ng_source *source);                /* after removal, when no event can come any more */
    int fd;
    bool gone;
    struct ng_source *next_gone;
};

int ng_poll_new(struct ng_poll **ret_poll);
/* Releases removed sources; those not removed stay their owners'. */
void ng_poll_free(struct ng_poll *poll);

/* Watches source->fd. Returns 0 or -errno. */
int ng_poll_add(struct ng_poll *poll, struct ng_source *source, uint32_t events);
void ng_poll_change(struct ng_poll *poll, struct ng_source *source, uint32_t events);
/* Ends watching; the descriptor may be closed then. */
void ng_poll_remove(struct ng_poll *poll, struct ng_source *source);

/* Waits up to `timeout_ms` and calls what is ready. */
void ng_poll_wait(struct ng_poll *poll, int timeout_ms);

#endif
