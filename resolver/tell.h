/* SPDX-License-Identifier: BSD-2-Clause */
/* The resolver's messages to the keeper (channel.h), filled in. */
#ifndef NAMEGATE_TELL_H
#define NAMEGATE_TELL_H

#include <namegate/channel.h>

#include <stddef.h>
#include <stdint.h>

struct ng_name;
struct ng_tracked;

/* As many addresses as fit, from number `from` on. Returns the number after the last. */
size_t ng_tell_resolution(struct ng_message_resolution *message, const struct ng_tracked *tracked, size_t from);

/* asker: NULL for somebody outside of deployments. */
void ng_tell_told(struct ng_message_told *message, const struct ng_tracked *tracked, const struct ng_asker *asker,
                  uint64_t replied_at);

/* name and address may be NULL. */
void ng_tell_trouble(struct ng_message_trouble *message, enum ng_trouble trouble, int error,
                     const struct ng_name *name, const uint8_t *address);

#endif
