// SPDX-License-Identifier: BSD-2-Clause
#include "text.h"

#include "config.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <string.h>
#include <time.h>

json_t *ng_json_field(const char *field, size_t size)
{
    return ng_json_text(field, strnlen(field, size));
}

json_t *ng_json_name(const struct ng_name *name)
{
    char text[NG_NAME_TEXT_MAX];

    return json_string(ng_name_to_text(name, text));
}

json_t *ng_json_address(const uint8_t address[static 16])
{
    char text[INET6_ADDRSTRLEN];

    return json_string(ng_address_text(address, text));
}

json_t *ng_json_argv(const char *argv, size_t length)
{
    json_t *list = json_array();
    size_t at = 0;

    while (list && at < length) {
        size_t size = strnlen(argv + at, length - at);

        if (json_array_append_new(list, ng_json_text(argv + at, size)) < 0)
            break;
        at += size + 1;
    }
    return list;
}

json_t *ng_json_time(uint64_t boottime)
{
    struct timespec real;
    uint64_t now = ng_now();
    uint64_t ns;
    time_t seconds;
    struct tm utc;
    char text[64];

    (void)clock_gettime(CLOCK_REALTIME, &real);
    ns = (uint64_t)real.tv_sec * NG_SECOND + (uint64_t)real.tv_nsec;
    if (boottime && boottime < now)
        ns -= now - boottime;
    seconds = (time_t)(ns / NG_SECOND);
    (void)gmtime_r(&seconds, &utc);
    (void)snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%06uZ", utc.tm_year + 1900, utc.tm_mon + 1,
                   utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, (unsigned)(ns % NG_SECOND / 1000));
    return json_string(text);
}

json_t *ng_json_seconds(long long seconds)
{
    char text[32];
    struct tm tm;
    time_t time = seconds;

    if (!seconds || !gmtime_r(&time, &tm) || !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
        return json_null();
    return json_string(text);
}
