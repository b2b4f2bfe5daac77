// SPDX-License-Identifier: BSD-2-Clause
#include "nearest.h"

#include <string.h>

#define WORD_MAX 63

static size_t least(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;

    return m < c ? m : c;
}

/* One row of the table at a time. */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t row[WORD_MAX + 1];

    for (size_t j = 0; j <= b_length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t above = row[j];

            row[j] = least(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[b_length];
}

const char *ng_nearest(const char *text, size_t length, const char *const *words)
{
    const char *best = NULL;
    size_t best_distance = WORD_MAX;

    if (length == 0 || length > WORD_MAX)
        return NULL;
    for (; *words; words++) {
        size_t word_length = strlen(*words), d;

        if (word_length > WORD_MAX)
            continue;
        d = distance(text, length, *words, word_length);
        if (d < best_distance && d <= (word_length + 2) / 3) {
            best = *words;
            best_distance = d;
        }
    }
    return best;
}
