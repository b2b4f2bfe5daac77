/* SPDX-License-Identifier: BSD-2-Clause */
/* "Did you mean": the word of a list that is nearest to a mistyped one. */
#ifndef NAMEGATE_NEAREST_H
#define NAMEGATE_NEAREST_H

#include <stddef.h>

/* The nearest of the NULL-terminated words, or NULL when none is within a third of its length (Levenshtein distance).
 * Words over 63 octets are never near. */
const char *ng_nearest(const char *text, size_t length, const char *const *words);

#endif
