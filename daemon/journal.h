/* SPDX-License-Identifier: BSD-2-Clause */
/* Records as entries of systemd's journal, with a sentence as MESSAGE and what can be searched for in fields of their
 * own: `journalctl NAMEGATE_TAG=web`. The manual lists them. */
#ifndef NAMEGATE_JOURNAL_H
#define NAMEGATE_JOURNAL_H

#include <jansson.h>

/* line: the record as text. May block. -errno where the journal did not take it. */
int ng_journal_send(const json_t *record, const char *line);

/* The sentence: to be freed, NULL when out of memory. */
char *ng_journal_sentence(const json_t *record);

#endif
