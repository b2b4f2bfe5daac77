/* SPDX-License-Identifier: BSD-2-Clause */
/* Waiting for descriptors. What is ready is called with the turn taken, which a thread has that may use what threads
 * share. */
#ifndef NAMEGATE_POLL_H
#define NAMEGATE_POLL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct ng_poll;

/* Embedded in whatever a descriptor belongs to. */
struct ng_source {
    void (*ready)(struct ng_source *source, uint32_t events); /* EPOLL* */
    void (*release)(struct ng_source *source);                /* after removal, by ng_poll_release() */
    int fd;
    bool concurrent; /* ready() does without the turn, or takes it */
    unsigned worker; /* the thread that waits for it (worker.h) */
    bool gone;
    struct ng_source *next_gone;
};

int ng_poll_new(pthread_mutex_t *turn, struct ng_poll **ret_poll);
/* Releases removed sources; those not removed stay their owners'. */
void ng_poll_free(struct ng_poll *poll);

/* Watches source->fd. Returns 0 or -errno. */
int ng_poll_add(struct ng_poll *poll, struct ng_source *source, uint32_t events);
void ng_poll_change(struct ng_poll *poll, struct ng_source *source, uint32_t events);
/* Ends watching; the descriptor may be closed then. */
void ng_poll_remove(struct ng_poll *poll, struct ng_source *source);

/* Releases what was removed. To be called between waits, in the caller's turn. */
void ng_poll_release(struct ng_poll *poll);

/* Waits up to `timeout_ms`, -1: forever, and calls what is ready. It must not be the caller's turn. */
void ng_poll_wait(struct ng_poll *poll, int timeout_ms);

#endif
