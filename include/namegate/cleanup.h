/* SPDX-License-Identifier: BSD-2-Clause */
/* Ownership by scope: a local marked _cleanup_x_ is released at its end; TAKE_PTR and TAKE_FD hand it on. */
#ifndef NAMEGATE_CLEANUP_H
#define NAMEGATE_CLEANUP_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(function) __attribute__((cleanup(function)))

/* Makes ng_cleanup_NAME(), which releases a pointer variable with `function`, which must accept NULL. */
#define NG_DEFINE_CLEANUP(name, type, function)           \
    static inline void ng_cleanup_##name(type **pointer) \
    {                                                     \
        function(*pointer);                               \
    }

static inline void ng_cleanup_free(void *pointer)
{
    free(*(void **)pointer);
}

/* Closes without touching errno, so that it may stand on an error path. */
static inline int ng_close(int fd)
{
    if (fd >= 0) {
        int saved = errno;

        (void)close(fd);
        errno = saved;
    }
    return -1;
}

static inline void ng_cleanup_fd(int *fd)
{
    *fd = ng_close(*fd);
}

static inline void ng_cleanup_file(FILE **file)
{
    if (*file)
        (void)fclose(*file);
}

#define _cleanup_free_ _cleanup_(ng_cleanup_free)
#define _cleanup_fd_ _cleanup_(ng_cleanup_fd)
#define _cleanup_file_ _cleanup_(ng_cleanup_file)

#define TAKE_PTR(pointer)                       \
    ({                                          \
        __typeof__(pointer) _taken = (pointer); \
        (pointer) = NULL;                       \
        _taken;                                 \
    })

#define TAKE_FD(fd)         \
    ({                      \
        int _taken = (fd);  \
        (fd) = -1;          \
        _taken;             \
    })

#endif
