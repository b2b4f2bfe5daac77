/* SPDX-License-Identifier: BSD-2-Clause */
/* What a document of the ledger (ledger/reader.h) says, put together for people: one finding for each destination that
 * was forbidden or allowed. Borrows from the document. */
#ifndef NAMEGATE_CLI_REPORT_H
#define NAMEGATE_CLI_REPORT_H

#include "../ledger/classify.h"
#include "../ledger/schema.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* A command that did it, by its number in `lineage`; 0: not known, then all that is known is the name of the process.
 */
struct ng_report_way {
    json_int_t lineage;
    const char *comm;
    long long count;
    const char *first, *last;
};

struct ng_report_finding {
    const json_t *flow;      /* the first one: rule, reason and instead are the same in all */
    const char *destination; /* its name, or its address where that is why */
    const char *verdict;     /* "deny", "would-deny", "allow" */
    const char *class;       /* "direct", "hidden", "transient"; "": not known, or allowed */
    long long count;
    const char *first, *last;
    json_t *ports;              /* list of texts: "443/tcp" */
    json_t *others;             /* list of texts: addresses of the name, or names of the address */
    json_t *evidences;          /* list of texts */
    struct ng_report_way *ways; /* those that tried most often first */
    size_t way_count;
};

struct ng_report {
    const json_t *document;
    struct ng_report_finding *forbidden; /* the worst first */
    size_t forbidden_count;
    struct ng_report_finding *allowed; /* those that were reached most often first */
    size_t allowed_count;
    bool *settled; /* by number in `lineage`: whether a process stayed at it; NULL: not known */
};

/* All findings, in the order of the numbers in data-f of a page: forbidden ones, then allowed ones. */
size_t ng_report_count(const struct ng_report *report);
const struct ng_report_finding *ng_report_at(const struct ng_report *report, size_t number);

/* Probes are left out: they send nothing. 0 or -ENOMEM. */
int ng_report_make(const json_t *document, struct ng_report **ret_report);
void ng_report_free(struct ng_report *report);

/* The outcome for people: "blocked and failed". */
const char *ng_report_outcome(const json_t *document);
/* What a class and a grade of evidence mean, in a few words; "" for one that is not known. */
const char *ng_report_class(const char *class);
const char *ng_report_evidence(const char *evidence);
/* How the deployment's first process ended: "exit status 1"; "" where nobody knows. Into text. */
#define NG_REPORT_STATUS_MAX 48
const char *ng_report_status(const json_t *document, char text[static NG_REPORT_STATUS_MAX]);
/* HH:MM:SS of a time of the ledger; into text. */
#define NG_REPORT_CLOCK_MAX 9
const char *ng_report_clock(const char *time, char text[static NG_REPORT_CLOCK_MAX]);
/* Microseconds since 1970 of a time of the ledger; 0 where it is none. */
long long ng_report_time(const char *time);
/* How long it took, as a person says it. */
void ng_report_put_duration(FILE *out, const json_t *document);

/* A command line as one would type it, escaped for a terminal, cut after `max` characters with "..." (0: not cut).
 * NULL: out of memory. */
char *ng_report_command(const json_t *argv, size_t max);
char *ng_report_cut(const char *text, size_t max);

/* The commands of a way, the first one first. Left out is what no process stayed at, but executed something else from
 * (`env`, say). Culprit: the one that has to be changed: the one that the script started, or, where that does not name
 * the destination, the part of the script that does. NULL where nobody knows. */
struct ng_report_trace {
    const json_t *row[NG_LEDGER_DEPTH_MAX];
    unsigned count;
    const json_t *culprit;
    bool named; /* it names the destination */
};
void ng_report_trace(const struct ng_report *report, const struct ng_report_finding *finding,
                     const struct ng_report_way *way, struct ng_report_trace *ret_trace);

/* Finds out at which commands processes stayed. Part of ng_report_make(). */
int ng_report_settle(struct ng_report *report);

/* `columns` of a screen. */
void ng_report_put_text(FILE *out, const struct ng_report *report, size_t columns);

void ng_report_put_markdown(FILE *out, const struct ng_report *report);
/* What has changed since the run before: as ng_runs_compare() has it. */
void ng_report_put_markdown_changes(FILE *out, const json_t *comparison);

/* What deployment, commands, names and addresses have to do with each other, as SVG. Each part has the numbers of its
 * findings (forbidden ones, then allowed ones) in data-f. `number` makes ids unique in a page. */
void ng_report_put_graph(FILE *out, const struct ng_report *report, size_t number);

/* When what happened, and the tree of commands; both with data-f as well. */
void ng_report_put_timeline(FILE *out, const struct ng_report *report);
void ng_report_put_tree(FILE *out, const struct ng_report *report);

/* A whole page with all reports. */
void ng_report_put_html(FILE *out, struct ng_report *const *reports, size_t count);

#endif
