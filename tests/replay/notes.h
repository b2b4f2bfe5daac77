/* SPDX-License-Identifier: BSD-2-Clause */
/* What the keeper is told, as text that scenarios can compare. */
#ifndef NAMEGATE_NOTES_H
#define NAMEGATE_NOTES_H

#include <stddef.h>

/* ng_engine_ops.tell; arg: the world. */
void notes_take(void *arg, const void *message, size_t size);

#endif
