/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory of numbers that one thread writes and other processes read, without locks: each number is an atomic of its
 * own, and no order among them is promised. */
#ifndef NAMEGATE_SHARED_H
#define NAMEGATE_SHARED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef _Atomic uint64_t ng_shared_number;

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && sizeof(ng_shared_number) == 8, "the memory is shared between processes");

static inline uint64_t ng_shared_get(const ng_shared_number *at)
{
    return atomic_load_explicit((ng_shared_number *)(uintptr_t)at, memory_order_relaxed);
}

/* Only by the one thread that writes. */
static inline void ng_shared_set(ng_shared_number *at, uint64_t value)
{
    atomic_store_explicit(at, value, memory_order_relaxed);
}

static inline void ng_shared_add(ng_shared_number *at, uint64_t value)
{
    ng_shared_set(at, ng_shared_get(at) + value);
}

/* Makes it: a memfd of fixed size, zeroed, for root to open. Returns the descriptor or -errno. */
int ng_shared_create(const char *name, size_t size);

/* Maps it, if it has that size. 0, -EBADMSG or another -errno. */
int ng_shared_map(int fd, size_t size, bool writable, void **ret_memory);

#endif
