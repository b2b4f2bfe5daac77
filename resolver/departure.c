// SPDX-License-Identifier: BSD-2-Clause
#include "departure.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

/* As much as the kernel has mapped of an element: whole pages. */
static size_t mapped_size(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (sizeof(struct ng_departures) + page - 1) / page * page;
}

/* gettid() is a system call each time. */
static __u32 own_thread(void)
{
    static _Thread_local __u32 thread;

    thread = thread ? thread : (__u32)gettid();
    return thread;
}

int ng_departures_map(int fd, struct ng_departures **ret_departures)
{
    struct ng_departures *departures = mmap(NULL, mapped_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (departures == MAP_FAILED)
        return -errno;
    /* A resolver before this one may have ended in the middle of one. */
    for (unsigned i = 0; i < NG_WORKERS_MAX; i++)
        departures->of[i].sender = 0;
    __atomic_store_n(&departures->under_way, 0, __ATOMIC_SEQ_CST);
    *ret_departures = departures;
    return 0;
}

void ng_departures_unmap(struct ng_departures *departures)
{
    if (departures)
        (void)munmap(departures, mapped_size());
}

void ng_departure_begin(struct ng_departures *departures, unsigned worker, unsigned count)
{
    struct ng_departure *departure = &departures->of[worker];

    departure->looked = 0;
    departure->differ = 0;
    departure->count = count;
    departure->sender = own_thread();
    (void)__atomic_add_fetch(&departures->under_way, 1, __ATOMIC_SEQ_CST);
}

bool ng_departure_end(struct ng_departures *departures, unsigned worker, uint64_t *ret_differ)
{
    struct ng_departure *departure = &departures->of[worker];

    (void)__atomic_sub_fetch(&departures->under_way, 1, __ATOMIC_SEQ_CST);
    departure->sender = 0;
    *ret_differ = departure->differ;
    return departure->looked;
}
