/* SPDX-License-Identifier: BSD-2-Clause */
/* The epochs (abi.h, `permits`) from user space: words of the kernel's maps in the process' own memory, so that saying
 * that something changed costs no system call. */
#ifndef NAMEGATE_EPOCH_H
#define NAMEGATE_EPOCH_H

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* 0 or -errno. fd: of the map `epoch` or `additions`. */
static inline int ng_epoch_map(int fd, uint64_t **ret_epoch)
{
    void *memory = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (memory == MAP_FAILED)
        return -errno;
    *ret_epoch = memory;
    return 0;
}

static inline void ng_epoch_unmap(uint64_t *epoch)
{
    if (epoch)
        (void)munmap(epoch, (size_t)sysconf(_SC_PAGESIZE));
}

/* After a change of a map, and before anybody hears of it: nothing that was kept before is used again. `epoch`: the
 * word that counts such changes. */
static inline void ng_epoch_advance(uint64_t *epoch)
{
    (void)__atomic_add_fetch(epoch, 1, __ATOMIC_SEQ_CST);
}

#endif
