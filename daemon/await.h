/* SPDX-License-Identifier: BSD-2-Clause */
/* Waiting until the resolver has done what it was asked for, such as looking names up; for a bounded time. */
#ifndef NAMEGATE_DAEMON_AWAIT_H
#define NAMEGATE_DAEMON_AWAIT_H

#include <stdbool.h>
#include <stdint.h>

struct ng_keeper;
struct ng_await;

/* done: all of it, in time. The wait is over, and its memory goes. */
typedef void (*ng_await_fn)(void *arg, bool done);

/* Begins one that lasts `patience` ns at most. NULL: no memory, or no timer. */
struct ng_await *ng_await_new(struct ng_keeper *keeper, uint64_t patience, ng_await_fn over, void *arg);

/* What is sent to the resolver with each thing that is asked for, and comes back with each that is done. NULL: 0, which
 * does not come back. */
uint64_t ng_await_token(const struct ng_await *await);

/* How many things were asked for. None: it is over before this returns. */
void ng_await_answers(struct ng_await *await, unsigned count);

/* `over` is not called any more. NULL: nothing. */
void ng_await_cancel(struct ng_await *await);

/* The resolver says that one thing is done, but for `failed` parts of it. */
void ng_await_heard(struct ng_keeper *keeper, uint64_t token, unsigned failed);

#endif
