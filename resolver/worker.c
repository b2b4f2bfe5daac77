// SPDX-License-Identifier: BSD-2-Clause
#include "worker.h"

#include <namegate/cleanup.h>

#include <stdlib.h>
#include <sys/eventfd.h>

struct worker {
    struct ng_source end; /* first: on_end() is called with it */
    struct ng_poll *poll;
    pthread_t thread;
    unsigned number;
    bool ended;
};

struct ng_workers {
    int end; /* an eventfd: readable from the end on */
    unsigned count;
    struct worker worker[];
};

_Thread_local unsigned ng_worker;

static void on_end(struct ng_source *source, uint32_t events)
{
    (void)events;
    ((struct worker *)source)->ended = true;
}

static void *work(void *arg)
{
    struct worker *worker = arg;

    ng_worker = worker->number;
    while (!worker->ended)
        ng_poll_wait(worker->poll, -1);
    return NULL;
}

static int start(struct worker *worker, pthread_mutex_t *turn, struct ng_source *const *sources, unsigned count)
{
    int r = ng_poll_new(turn, &worker->poll);

    if (r == 0)
        r = ng_poll_add(worker->poll, &worker->end, EPOLLIN);
    for (unsigned i = 0; r == 0 && i < count; i++)
        if (sources[i]->worker == worker->number)
            r = ng_poll_add(worker->poll, sources[i], EPOLLIN);
    if (r == 0)
        r = -pthread_create(&worker->thread, NULL, work, worker);
    if (r < 0)
        ng_poll_free(worker->poll);
    return r;
}

int ng_workers_start(unsigned count, pthread_mutex_t *turn, struct ng_source *const *sources, unsigned source_count,
                     struct ng_workers **ret_workers)
{
    struct ng_workers *workers = calloc(1, sizeof(*workers) + count * sizeof(workers->worker[0]));
    int r = 0;

    if (!workers)
        return -ENOMEM;
    workers->end = eventfd(0, EFD_CLOEXEC);
    if (workers->end < 0)
        r = -errno;
    while (r == 0 && workers->count + 1 < count) {
        struct worker *worker = &workers->worker[workers->count];

        worker->end = (struct ng_source){.ready = on_end, .fd = workers->end, .concurrent = true};
        worker->number = workers->count + 1;
        r = start(worker, turn, sources, source_count);
        workers->count += r == 0;
    }
    if (r < 0) {
        ng_workers_end(workers);
        return r;
    }
    *ret_workers = workers;
    return 0;
}

void ng_workers_end(struct ng_workers *workers)
{
    if (!workers)
        return;
    if (workers->end >= 0)
        (void)eventfd_write(workers->end, 1);
    for (unsigned i = 0; i < workers->count; i++) {
        (void)pthread_join(workers->worker[i].thread, NULL);
        ng_poll_free(workers->worker[i].poll);
    }
    (void)ng_close(workers->end);
    free(workers);
}
