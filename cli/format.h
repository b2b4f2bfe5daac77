/* SPDX-License-Identifier: BSD-2-Clause */
/* Records and summaries (docs/protocol.md) in words. */
#ifndef NAMEGATE_CLI_FORMAT_H
#define NAMEGATE_CLI_FORMAT_H

#include <jansson.h>
#include <stdio.h>

#define NG_CLI_SUMMARY_LINES 3

/* One record of any type, in one to three lines. */
void ng_cli_format_record(FILE *out, const json_t *record);

/* What was denied to a deployment, the worst first, and which command shows the rest; nothing when nothing was.
 * `policy` is what the user knows it by. */
void ng_cli_format_summary(FILE *out, const json_t *summary, const char *deployment, const char *policy);

/* HOST:PORT/PROTO of an object with `port` and `proto`, with brackets for an IPv6 address; no port where there is none.
 */
void ng_cli_format_destination(FILE *out, const char *host, const json_t *object);

/* "a, b": the texts of a list. Each is escaped. */
void ng_cli_format_list(FILE *out, const json_t *list);

/* "3h 20m": seconds as people say it, in two units at most. */
void ng_cli_format_duration(FILE *out, long long seconds);

#endif
