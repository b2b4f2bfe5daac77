/* SPDX-License-Identifier: BSD-2-Clause */
/* Records of this host's own, which no upstream is asked for: hosts(5) files and zone files (RFC 1035 section 5). What
 * they say is learnt as though an upstream had said it. */
#ifndef NAMEGATE_LOCAL_H
#define NAMEGATE_LOCAL_H

#include "wire.h"

#include <namegate/channel.h>

#define NG_LOCAL_HOSTS_TTL 60U /* s: of what a hosts file says */

struct ng_local;

struct ng_local_error {
    unsigned line; /* 0: none in particular */
    char text[NG_LOCAL_TEXT_MAX];
};

int ng_local_new(struct ng_local **ret_local);
void ng_local_free(struct ng_local *local);

/* Adds what a file says; kind: NG_LOCAL_HOSTS or NG_LOCAL_ZONE. Returns 0, -EINVAL with the first error in *ret_error,
 * or -ENOMEM. The descriptor stays the caller's. */
int ng_local_load(struct ng_local *local, uint32_t kind, int fd, struct ng_local_error *ret_error);

/* To be called when all files are added: aliases must lead to what is here. As ng_local_load(). */
int ng_local_check(const struct ng_local *local, struct ng_local_error *ret_error);

/* The message that an upstream would send: NOERROR or NXDOMAIN. Returns 0 and a message that the caller frees; -ENOENT:
 * nothing here knows of that name; -ENOMEM. */
int ng_local_answer(const struct ng_local *local, const struct ng_question *question, uint8_t **ret_wire,
                    size_t *ret_size);

#endif
