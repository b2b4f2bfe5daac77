/* SPDX-License-Identifier: BSD-2-Clause */
/* The resolver's messages to the keeper (channel.h), filled in. */
#ifndef NAMEGATE_TELL_H
#define NAMEGATE_TELL_H

#include <namegate/channel.h>

#include <stddef.h>
#include <stdint.h>

struct ng_name;
struct ng_tracked;
struct ng_tracks;

/* Tells what a name leads to, in as many messages as its addresses need. Running out of memory tells less. */
typedef void (*ng_tell_fn)(void *arg, const void *message, size_t size);
void ng_tell_resolution(struct ng_tracks *tracks, struct ng_tracked *tracked, ng_tell_fn tell, void *arg);

/* asker: NULL for somebody outside of deployments. */
void ng_tell_told(struct ng_message_told *message, const struct ng_tracked *tracked, uint8_t answer,
                  const struct ng_asker *asker, uint64_t replied_at);

/* name and address may be NULL. */
void ng_tell_trouble(struct ng_message_trouble *message, enum ng_trouble trouble, int error,
                     const struct ng_name *name, const uint8_t *address);

#endif
