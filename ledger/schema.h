/* SPDX-License-Identifier: BSD-2-Clause */
/* The ledger's tables, and how an older ledger becomes one of today.
 *
 * STATE-DIR/ledger.db is an SQLite database in WAL mode. It may be written by several daemons at once (private ones
 * write the same file), each in short transactions. PRAGMA user_version is the version of the schema; each migration
 * goes from one version to the next in one transaction. A ledger of a newer version is refused and left as it is.
 *
 * deployment  one row a deployment
 *   id           INTEGER PRIMARY KEY: 63 random bits, chosen by the keeper
 *   name         TEXT: TAG.xxxxxxxx; tag, policy, mode ("audit", "block", "strict") TEXT; uid INTEGER
 *   argv         TEXT: JSON list, of `run`; NULL: attached
 *   cwd          TEXT: the directory in which the command started, or NULL
 *   started_us   INTEGER: microseconds since 1970 (UTC), as all columns that end in _us
 *   ended_us     INTEGER or NULL: it lives, or nobody saw the end
 *   seen_us      INTEGER: when its daemon last said that it lives, at most NG_LEDGER_SEEN_S ago for one that does
 *   status       INTEGER or NULL: wait(2) status of its first process
 *   denied, would, probes, lost  INTEGER: counts, also of what is not kept in detail (lost: events)
 *   left_out     INTEGER: processes, commands, resolutions and flows beyond the bounds, which are only counted
 *
 * lineage     a way from the first command to a command, by what was executed: a tree; the same argv below the same
 *             parent is one row, so that a loop of a thousand `curl` is one
 *   deployment, number   PRIMARY KEY; number from 1, the first command; parent INTEGER (a number, 0: none)
 *   argv         TEXT: JSON list as at exec, cut at NG_ARGV_LEN octets; path TEXT: what was executed; comm TEXT
 *   processes    INTEGER: how many became this
 *
 * process     up to NG_LEDGER_PROCESSES_MAX of a deployment
 *   deployment, number   PRIMARY KEY; parent INTEGER (number of the parent process, 0: none known)
 *   pid, uid, lineage INTEGER; started_us; ended_us, status INTEGER or NULL
 *
 * resolution  what a deployment was told, by (deployment, lineage, name, chain)
 *   deployment, lineage, name TEXT, chain TEXT (JSON list, the name itself first), addresses TEXT (JSON list, the last
 *   ones), count (how often it was told anew), first_us, last_us
 *
 * flow        attempts to reach something, by (deployment, lineage, name, address, port, proto, verdict, evidence,
 *             probe, incident)
 *   deployment, lineage INTEGER (0: not known)
 *   name         TEXT or NULL: the name that is to blame or was asked for; chain TEXT: JSON list, [] without a name
 *   names        TEXT: JSON list of all names that share the address
 *   address TEXT, port INTEGER, proto TEXT ("tcp", "udp", "icmp", a number)
 *   verdict      TEXT: "deny", "would-deny", "allow"
 *   evidence     TEXT: as in records ("asked", "prewarmed", "network", ...); of an allow "none" where no rule spoke
 *   hook TEXT, errno TEXT or NULL, pid INTEGER (the last one), uid INTEGER, comm TEXT
 *   rule         TEXT or NULL: JSON object as in records (file, line, pattern, group, depends, owner)
 *   reason, instead TEXT; probe, incident INTEGER (0 or 1)
 *   count        INTEGER: of an allow: how often it was seen anew, at least once a process
 *   first_us, last_us
 *
 * shadow      as flow, what a shadow policy would have judged otherwise: in `shadow_verdict` TEXT and `shadow_rule`
 */
#ifndef NAMEGATE_LEDGER_SCHEMA_H
#define NAMEGATE_LEDGER_SCHEMA_H

#include <sqlite3.h>

#define NG_LEDGER_VERSION 1

#define NG_LEDGER_PROCESSES_MAX 20000 /* of one deployment; more are only counted */
#define NG_LEDGER_LINEAGES_MAX 4096
#define NG_LEDGER_RESOLUTIONS_MAX 20000
#define NG_LEDGER_FLOWS_MAX 20000 /* of flow and of shadow each */

#define NG_LEDGER_SEEN_S 60

/* Brings an open database to NG_LEDGER_VERSION and turns its foreign keys on. 0; -EPROTO: it is of a newer version;
 * -EIO: SQLite failed, see sqlite3_errmsg(). No table is changed on failure. */
int ng_ledger_migrate(sqlite3 *db);

#endif
