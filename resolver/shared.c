// SPDX-License-Identifier: BSD-2-Clause
#include "shared.h"

#include <namegate/cleanup.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

int ng_shared_create(const char *name, size_t size)
{
    _cleanup_fd_ int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -errno;
    /* Who gets a descriptor to read must not open it again to write; nobody may change its size, for then those who
     * read would die, or keep the next resolver from writing. */
    if (fchmod(fd, 0600) < 0 || ftruncate(fd, (off_t)size) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return -errno;
    return TAKE_FD(fd);
}

int ng_shared_map(int fd, size_t size, bool writable, void **ret_memory)
{
    struct stat st;
    void *memory;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_size != (off_t)size)
        return -EBADMSG;
    memory = mmap(NULL, size, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return -errno;
    *ret_memory = memory;
    return 0;
}
