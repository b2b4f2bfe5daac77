/* SPDX-License-Identifier: BSD-2-Clause */
/* Further threads that read queries from the UDP listeners and send what can be answered at once. Reading, finding out
 * who asks, and sending need nothing that is shared; all else is the engine's, which one thread at a time uses: the one
 * whose turn it is. Thread 0 is the process's first, which does all else too. */
#ifndef NAMEGATE_WORKER_H
#define NAMEGATE_WORKER_H

#include "poll.h"

#include <pthread.h>

struct ng_workers;

/* The number of the calling thread: 0, or that of a worker. */
extern _Thread_local unsigned ng_worker;

/* Starts workers 1 to `count` - 1, each of which calls what is ready of its own of the sources, which must be
 * concurrent and outlive it. Returns 0 or -errno. */
int ng_workers_start(unsigned count, pthread_mutex_t *turn, struct ng_source *const *sources, unsigned source_count,
                     struct ng_workers **ret_workers);

/* Ends them and waits until they have. It must not be the caller's turn. NULL is fine. */
void ng_workers_end(struct ng_workers *workers);

#endif
