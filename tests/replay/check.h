/* SPDX-License-Identifier: BSD-2-Clause */
/* What must hold in every scenario, whether it looks or not: each reply and each message to the keeper passes here. */
#ifndef NAMEGATE_CHECK_H
#define NAMEGATE_CHECK_H

#include "world.h"

/* A reply, at the moment when it leaves. */
void check_reply(struct world *world, const struct ng_client *client, const uint8_t *wire, size_t size);

/* Notes it when a policy denies what a name leads to and the map does not have it so. */
void check_denied(struct world *world, unsigned policy, const struct ng_name *name, const uint8_t address[16]);

void check_resolution(struct world *world, const struct ng_message_resolution *message);
void check_told(struct world *world, const struct ng_message_told *message);

#endif
