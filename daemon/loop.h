/* SPDX-License-Identifier: BSD-2-Clause */
/* One thread's event loop over epoll(7). Nothing called from it may block. */
#ifndef NAMEGATE_LOOP_H
#define NAMEGATE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct ng_loop;

/* events: what epoll reported. The descriptor may be removed, and closed, from inside. */
typedef void (*ng_loop_fn)(void *arg, uint32_t events);

int ng_loop_new(struct ng_loop **ret_loop);
void ng_loop_free(struct ng_loop *loop);

/* Calls fn whenever one of events (EPOLL*) holds for fd. A descriptor can be added once. */
int ng_loop_add(struct ng_loop *loop, int fd, uint32_t events, ng_loop_fn fn, void *arg);
int ng_loop_change(struct ng_loop *loop, int fd, uint32_t events);
void ng_loop_remove(struct ng_loop *loop, int fd);

/* Runs until ng_loop_stop(). */
int ng_loop_run(struct ng_loop *loop);
void ng_loop_stop(struct ng_loop *loop);

/* A timer that fires every `period` ns from now on, or once when `once`. Returns a descriptor that the caller owns and
 * reads with ng_timer_clear(), or -errno. */
int ng_timer_new(uint64_t period, int once);
/* Returns whether it was due: a callback may be called for another descriptor that had its number. */
bool ng_timer_clear(int fd);

/* Has it fire once more, `period` ns from now on. */
void ng_timer_again(int fd, uint64_t period);

#endif
