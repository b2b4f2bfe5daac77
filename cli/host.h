/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of this host say. */
#ifndef NAMEGATE_CLI_HOST_H
#define NAMEGATE_CLI_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first line of a file, shortened to size; false where there is none. */
bool ng_cli_host_line(const char *path, char *text, size_t size);

/* What stands behind the first word of a line of a file. */
bool ng_cli_host_setting(const char *path, const char *word, char *text, size_t size);

/* Where a file system of this type is mounted: the first such place, which belongs to the caller; NULL: nowhere. */
char *ng_cli_host_mount(const char *type);

/* The addresses on which somebody takes datagrams at that port, as text; false: none. From /proc/net/udp, proc(5). */
bool ng_cli_host_listens(uint16_t port, char *text, size_t size);

#endif
