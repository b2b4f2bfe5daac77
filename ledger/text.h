/* SPDX-License-Identifier: BSD-2-Clause */
/* Text as JSON, whatever octets strangers put into it. */
#ifndef NAMEGATE_LEDGER_TEXT_H
#define NAMEGATE_LEDGER_TEXT_H

#include <jansson.h>
#include <stddef.h>

/* A new reference, or NULL when out of memory: UTF-8 as it is; otherwise each octet that is not printable ASCII as
 * \xHH. */
json_t *ng_json_text(const char *text, size_t length);

#endif
