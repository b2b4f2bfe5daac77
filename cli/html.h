/* SPDX-License-Identifier: BSD-2-Clause */
/* Text of strangers in a page. */
#ifndef NAMEGATE_CLI_HTML_H
#define NAMEGATE_CLI_HTML_H

#include <stdio.h>

/* Prints text so that it is text, between tags as well as in a quoted attribute: what is markup becomes references,
 * what could steer or reorder is written out as by ng_cli_escape(). The only way for such text into a page. */
void ng_html_put(FILE *out, const char *text);

#endif
