/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon's log: lines on stderr for people and the journal. Verdicts are not logged; they are records. */
#ifndef NAMEGATE_LOG_H
#define NAMEGATE_LOG_H

enum ng_level { NG_LOG_ERROR = 3, NG_LOG_WARNING = 4, NG_LOG_INFO = 6, NG_LOG_DEBUG = 7 };

/* Messages above this level are dropped. */
void ng_log_set_level(enum ng_level level);

/* Writes one line. Control characters in the message are escaped. */
__attribute__((format(printf, 2, 3))) void ng_log(enum ng_level level, const char *format, ...);

#define NG_ERROR_TEXT_MAX 1024

/* Why something cannot be done, and what helps: for people at the edge. */
struct ng_error {
    char text[NG_ERROR_TEXT_MAX];
    char remedy[NG_ERROR_TEXT_MAX];
};

/* Fills *error (remedy may be NULL) and returns -code, so that it can stand in a return statement. */
__attribute__((format(printf, 4, 5))) int ng_error_set(struct ng_error *error, int code, const char *remedy,
                                                       const char *format, ...);

#endif
