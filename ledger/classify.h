/* SPDX-License-Identifier: BSD-2-Clause */
/* What a deployment's rows mean, taken together: how it ended, and whose doing a denial was. Works on the documents of
 * reader.h, so that whoever reads them comes to the same conclusions. */
#ifndef NAMEGATE_LEDGER_CLASSIFY_H
#define NAMEGATE_LEDGER_CLASSIFY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* The commands from the first to another one; more than these are not looked at. */
#define NG_LEDGER_DEPTH_MAX 64

/* Row of `lineage` (a list, sorted by number) with this number, and the row that it was started by. NULL: none. A
 * parent has a smaller number, so that the way up ends. */
const json_t *ng_ledger_row(const json_t *lineage, json_int_t number);
const json_t *ng_ledger_parent(const json_t *lineage, const json_t *row);

/* The way from the first command to this number, the first one first. Returns how many. Of a longer way than
 * NG_LEDGER_DEPTH_MAX the last ones. */
unsigned ng_ledger_way(const json_t *lineage, json_int_t number, const json_t *ret_way[static NG_LEDGER_DEPTH_MAX]);

/* Whether a text holds a name or address as a whole: `github.com` stands in "git@github.com:x", and neither in
 * "api.github.com" nor in "github.community". Case does not count. */
bool ng_ledger_mentions(const char *text, const char *destination);

/* Whether the arguments of a row of `lineage` name the destination of a flow: its name, a link of its chain, its
 * address, or, where the address is all that is known or is shared, a name that has it. */
bool ng_ledger_names(const json_t *row, const json_t *flow);

/* How many rows of a way, its first ones, are the script itself: what the first process of the deployment was at, also
 * where `env` or a shell became it, and a shell that is the only thing that a shell started. The row behind them is the
 * command that the script started. */
unsigned ng_ledger_script(const json_t *document, const json_t *const *way, unsigned count);

/* "direct", "hidden", "transient"; NULL: not denied, or nobody knows by whom. Of the document it needs the lineage and
 * the processes. */
const char *ng_ledger_class(const json_t *document, const json_t *flow);

struct ng_ledger_facts {
    bool lives, ended, has_status; /* neither of the first two: nobody saw the end */
    int status;                    /* wait(2) */
    int64_t denied, would;
};
const char *ng_ledger_outcome(const struct ng_ledger_facts *facts);

#endif
