/* SPDX-License-Identifier: BSD-2-Clause */
/* Values as JSON, whatever octets strangers put into them. */
#ifndef NAMEGATE_TEXT_H
#define NAMEGATE_TEXT_H

#include "../ledger/text.h"
#include "../policy/name.h"

#include <jansson.h>
#include <stdint.h>

/* All return a new reference, or NULL when out of memory, which jansson's packers pass on. */

/* A field of fixed size that NUL ends, if it is shorter. */
json_t *ng_json_field(const char *field, size_t size);
json_t *ng_json_name(const struct ng_name *name);
json_t *ng_json_address(const uint8_t address[static 16]);
/* Arguments separated by NUL, as in /proc/PID/cmdline. */
json_t *ng_json_argv(const char *argv, size_t length);

/* RFC 3339 in UTC with microseconds, from ns of CLOCK_BOOTTIME; of now when 0. */
json_t *ng_json_time(uint64_t boottime);
/* RFC 3339 in UTC, from s of CLOCK_REALTIME; null for 0. */
json_t *ng_json_seconds(long long seconds);

#endif
