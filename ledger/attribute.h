/* SPDX-License-Identifier: BSD-2-Clause */
/* Which name a flow was meant for. When it is written down, the resolver's word of what it has told the deployment may
 * still be on its way; whoever reads later knows both. */
#ifndef NAMEGATE_LEDGER_ATTRIBUTE_H
#define NAMEGATE_LEDGER_ATTRIBUTE_H

#include <jansson.h>

/* In flows of a document (reader.h) without a name: the one for which the deployment was told the address before; of
 * several rather what the same command was told, and the last. What was denied as "prewarmed", and is one that it was
 * told, is "asked". 0 or -ENOMEM. */
int ng_ledger_attribute(const json_t *resolutions, json_t *flows);

#endif
