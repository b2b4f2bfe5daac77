/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages about files that people write: place, line, caret, remedy. Used for policies and for the configuration. */
#ifndef NAMEGATE_DIAG_H
#define NAMEGATE_DIAG_H

#include <stdbool.h>
#include <stddef.h>

struct ng_diag;

enum ng_severity { NG_ERROR, NG_WARNING };

#define NG_DIAG_MAX 100 /* messages kept; more are only counted */

struct ng_diag *ng_diag_new(void); /* NULL when out of memory */
void ng_diag_free(struct ng_diag *diag);

/* Adds a message; one that was kept already, place and all, is not told, or counted, again: a statement that several
 * policies share is judged for each. line and column count from 1 in octets, 0 when they do not apply; `text` is the
 * whole source (to show the line with a caret; may be NULL), `remedy` says what to write instead (may be NULL). Running
 * out of memory while adding an error still counts it. */
__attribute__((format(printf, 9, 10))) void ng_diag_add(struct ng_diag *diag, enum ng_severity severity,
                                                        const char *file, unsigned line, unsigned column,
                                                        const char *text, size_t length, const char *remedy,
                                                        const char *format, ...);

/* Whether further messages are only counted: then what it takes to find a remedy is better saved. */
bool ng_diag_full(const struct ng_diag *diag);

size_t ng_diag_errors(const struct ng_diag *diag);
size_t ng_diag_warnings(const struct ng_diag *diag);

/* The messages that were kept, in their order; absent texts are NULL. They live as long as diag. */
struct ng_diag_message {
    enum ng_severity severity;
    unsigned line, column;
    const char *file, *text, *remedy;
};

size_t ng_diag_count(const struct ng_diag *diag);
struct ng_diag_message ng_diag_get(const struct ng_diag *diag, size_t i);

/* All messages as text, each as
 *   FILE:LINE:COLUMN: error: MESSAGE
 *       the line
 *           ^
 *       remedy
 * Control characters and octets that are not UTF-8 are escaped. The string belongs to the caller; NULL: no memory. */
char *ng_diag_text(const struct ng_diag *diag);

#endif
