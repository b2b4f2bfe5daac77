/* SPDX-License-Identifier: BSD-2-Clause */
/* What strangers must not foresee: ids, the case of names, keys of hashes. */
#ifndef NAMEGATE_RANDOM_H
#define NAMEGATE_RANDOM_H

#include <stdint.h>

/* From the kernel's generator, which is asked for many at once. Not for several threads. */
uint64_t ng_random(void);

#endif
