/* SPDX-License-Identifier: BSD-2-Clause */
/* Public suffixes (publicsuffix.org): below which anybody can have a name. */
#ifndef NAMEGATE_SUFFIX_H
#define NAMEGATE_SUFFIX_H

#include <stdbool.h>

struct ng_suffixes;

/* The list of this host, or else that of the library; without one nothing is known to be a suffix. NULL: out of
 * memory. */
struct ng_suffixes *ng_suffixes_new(void);
void ng_suffixes_free(struct ng_suffixes *suffixes);

/* Whether a name (A-labels, lower case) is a suffix that a registry keeps, as com or co.uk; with `all` also those that
 * companies keep for their customers, as github.io. */
bool ng_suffix_is(const struct ng_suffixes *suffixes, const char *name, bool all);

/* The part of a name that was registered, as example.co.uk of a.b.example.co.uk, within its text. NULL: it is a
 * suffix itself, or there is no list. */
const char *ng_suffix_registered(const struct ng_suffixes *suffixes, const char *name);

#endif
