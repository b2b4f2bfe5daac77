// SPDX-License-Identifier: BSD-2-Clause
#include "html.h"

#include "table.h"

#include <namegate/cleanup.h>

#include <string.h>

void ng_html_put(FILE *out, const char *text)
{
    _cleanup_free_ char *escaped = ng_cli_escape(text ? text : "");

    for (const char *at = escaped ? escaped : "?"; *at; at++) {
        if (strchr("&<>\"'`", *at))
            (void)fprintf(out, "&#%d;", *at);
        else
            (void)fputc(*at, out);
    }
}
