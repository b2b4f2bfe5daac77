// SPDX-License-Identifier: BSD-2-Clause
#include "text.h"

#include <namegate/cleanup.h>

#include <stdio.h>
#include <stdlib.h>

json_t *ng_json_text(const char *text, size_t length)
{
    json_t *json = json_stringn(text, length);
    _cleanup_free_ char *escaped = NULL;
    size_t used = 0;

    if (json)
        return json;
    escaped = malloc(4 * length + 1);
    if (!escaped)
        return NULL;
    for (size_t i = 0; i < length; i++) {
        unsigned char octet = (unsigned char)text[i];

        if (octet >= ' ' && octet < 0x7f)
            escaped[used++] = (char)octet;
        else
            used += (size_t)sprintf(escaped + used, "\\x%02x", octet);
    }
    return json_stringn(escaped, used);
}
