// SPDX-License-Identifier: BSD-2-Clause
/* Lines on stderr, each with the syslog prefix <N> when a journal reads them (sd-daemon(3)). */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static enum ng_level max_level = NG_LOG_INFO;

void ng_log_set_level(enum ng_level level)
{
    max_level = level;
}

void ng_log(enum ng_level level, const char *format, ...)
{
    char line[4096];
    va_list args;
    int length;

    if (level > max_level)
        return;
    va_start(args, format);
    length = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (length < 0)
        return;
    for (char *at = line; *at; at++)
        if (((unsigned char)*at < ' ' && *at != '\n' && *at != '\t') || *at == 0x7f)
            *at = '?';
    if (getenv("JOURNAL_STREAM"))
        (void)fprintf(stderr, "<%d>%s\n", (int)level, line);
    else
        (void)fprintf(stderr, "namegated: %s\n", line);
}

int ng_error_set(struct ng_error *error, int code, const char *remedy, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(error->text, sizeof(error->text), format, args);
    va_end(args);
    (void)snprintf(error->remedy, sizeof(error->remedy), "%s", remedy ? remedy : "");
    return -code;
}
