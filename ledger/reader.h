/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading the ledger: each deployment as one JSON document, which `report --json` prints as it is.
 *
 * {"deployment": "TAG.xxxxxxxx", "tag", "policy", "mode", "uid", "argv": [..]|null, "cwd": ..|null,
 *  "started": RFC 3339, "ended": RFC 3339|null, "duration_s": real|null,
 *  "status": {"exit": N}|{"signal": N}|null,
 *  "outcome": "clean"|"blocked-failed"|"blocked-recovered"|"would-block"|"running"|"unknown",
 *  "denied", "would", "probes", "lost", "left_out": N,
 *  "lineage": [{"number", "parent", "argv": [..], "path", "comm", "processes"}],
 *  "processes": [{"number", "parent", "pid", "uid", "lineage", "started", "ended", "status"}],
 *  "resolutions": [{"lineage", "name", "chain": [..], "addresses": [..], "count", "first", "last"}],
 *  "flows": [{"lineage", "name": ..|null, "chain": [..], "names": [..], "address", "port", "proto", "verdict",
 *             "evidence", "class": "direct"|"hidden"|"transient"|null, "hook", "errno", "pid", "uid", "comm",
 *             "rule": {..}|null, "reason", "instead", "probe", "incident", "count", "first", "last"}],
 *  "shadow": [as flows, with "shadow_verdict" and "shadow_rule"]}
 *
 * A flow of protocol "dns" (address "", port 0) is a look-up that was not answered with the truth.
 *
 * Outcome: clean: nothing was denied, nor would have been (probes do not count); would-block: something would have been
 * denied; blocked-failed: something was denied and the command did not exit with 0; blocked-recovered: it exited with 0
 * all the same; running: it lives; unknown: nobody saw how it ended. Until the end the counts are those of its flows.
 * Class, of what is denied or would be: transient: through `depends`; direct: the script's own process asked, or the
 * script, or the command that it started, names the destination (a name of its chain, or its address) in its arguments;
 * hidden: the rest, a tool's own doing; null where it is not known by whom. */
#ifndef NAMEGATE_LEDGER_READER_H
#define NAMEGATE_LEDGER_READER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct ng_ledger_query {
    const char *deployment; /* its name; NULL: any */
    const char *tag;        /* NULL: any */
    bool own;               /* only those of uid */
    uid_t uid;
    int64_t since_us;       /* only what began then or later; 0: all */
    unsigned last;          /* only the last ones; 0: all */
    bool outline;           /* without lineage, processes, resolutions, flows and shadow */
};

/* Calls each deployment that fits, the oldest first; one that returns non-zero ends it with that. Takes no reference.
 * Each is read as it was at one moment, beside daemons that write, whom nobody keeps from anything meanwhile. -ENOENT:
 * there is no ledger; -EACCES; -EPROTO: it is of a newer namegate; -EIO: it cannot be read; *ret_reason (free it) says
 * more, if there is more. */
typedef int (*ng_ledger_fn)(void *arg, const json_t *deployment);
int ng_ledger_read(const char *state_dir, const struct ng_ledger_query *query, ng_ledger_fn each, void *arg,
                   char **ret_reason);

#endif
