/* SPDX-License-Identifier: BSD-2-Clause */
/* The last records, in memory, for those who ask for them. No deployment takes more than a share of the room, so that a
 * flood of one's denials leaves those of others. */
#ifndef NAMEGATE_RECALL_H
#define NAMEGATE_RECALL_H

#include <stdbool.h>

#define NG_RECALL_MAX 10000               /* records */
#define NG_RECALL_SHARE (NG_RECALL_MAX / 4) /* of one deployment; what belongs to none is one more */
#define NG_RECALL_OCTETS (32u << 20)      /* and no more than this, of all */
#define NG_RECORD_TEXT_MAX 96

struct ng_recall;

/* To which deployment a record belongs, and its tag; "" where it has none. */
struct ng_record_info {
    char deployment[NG_RECORD_TEXT_MAX];
    char tag[NG_RECORD_TEXT_MAX];
};

/* NULL when out of memory. */
struct ng_recall *ng_recall_new(void);
void ng_recall_free(struct ng_recall *recall);

/* Takes over a line (a JSON object, without a newline). What is too much goes, the oldest of its deployment or of all
 * first; so does the line itself where there is no memory. */
void ng_recall_add(struct ng_recall *recall, char *line);

/* Calls each, the newest first, as long as it returns true. Lines stay until the next is added. */
typedef bool (*ng_kept_fn)(void *arg, const struct ng_record_info *info, const char *line);
void ng_recall_each(const struct ng_recall *recall, ng_kept_fn each, void *arg);

#endif
