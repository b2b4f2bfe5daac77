/* SPDX-License-Identifier: BSD-2-Clause */
/* The processes of one deployment, as the kernel tells of them: who started whom, and what each executed. Kept for as
 * long as the deployment lives, so that a process that is gone before anybody can ask /proc is still known.
 *
 * A way of commands from the deployment's first one is a node of a tree: the same command below the same node is the
 * same node, so that a loop of a thousand `curl` is one. A process that executes nothing stands at its parent's
 * node. */
#ifndef NAMEGATE_LINEAGE_H
#define NAMEGATE_LINEAGE_H

#include <namegate/abi.h>

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define NG_LINEAGE_PROCESSES_MAX 20000 /* of a deployment, also those that ended; more are only counted */
#define NG_LINEAGE_COMMANDS_MAX 4096
#define NG_LINEAGE_WAY_MAX 32 /* commands of a way that are told: one that executes itself has a very long one */

struct ng_lineage;

/* A node of the tree. Owned by the lineage, as long as it lives. */
struct ng_command {
    uint32_t number, parent; /* from 1; 0: none */
    json_t *argv;            /* list */
    char *path;              /* what was executed */
    char comm[NG_COMM_LEN];
    uint32_t processes;      /* that became this */
};

struct ng_process {
    uint32_t number, parent; /* of processes, from 1; 0: none that is known */
    uint32_t command;        /* number of its node, 0: it was there before, and has executed nothing since */
    pid_t pid;
    uid_t uid;
    uint64_t started_at, ended_at; /* ns, 0: it lives */
    int status;              /* as of wait(2), once it has ended */
};

/* processes: their numbers begin after this one, for a deployment that an earlier daemon knew. */
int ng_lineage_new(uint32_t processes, struct ng_lineage **ret_lineage);
void ng_lineage_free(struct ng_lineage *lineage);

/* What an earlier daemon knew of the deployment: a document as of ledger/reader.h. Its processes that had not ended are
 * those that ng_lineage_scan() finds under the same pid; the others have ended meanwhile. What makes no sense is passed
 * over. */
void ng_lineage_recall(struct ng_lineage *lineage, const json_t *document);

/* What the kernel tells. Each returns the process, valid until the next call; NULL: there are too many, or there is no
 * memory, and ng_lineage_left_out() counts it. */
const struct ng_process *ng_lineage_forked(struct ng_lineage *lineage, const struct ng_fork *made);
const struct ng_process *ng_lineage_executed(struct ng_lineage *lineage, const struct ng_exec *executed);
const struct ng_process *ng_lineage_exited(struct ng_lineage *lineage, const struct ng_exit *ended);
/* It was moved in. */
const struct ng_process *ng_lineage_joined(struct ng_lineage *lineage, const struct ng_move *moved);
/* It was moved out. */
const struct ng_process *ng_lineage_left(struct ng_lineage *lineage, const struct ng_move *moved);

/* Takes in the processes that are in a cgroup, and below it, by /proc: for what ran before the kernel told. What the
 * process `bare` (or 0) executed before is none of the deployment's commands. */
int ng_lineage_scan(struct ng_lineage *lineage, const char *cgroup, pid_t bare);

/* How many nodes there are: the highest number. */
uint32_t ng_lineage_commands(const struct ng_lineage *lineage);

/* Calls all commands, then all processes. */
typedef void (*ng_command_fn)(void *arg, const struct ng_command *command);
typedef void (*ng_process_fn)(void *arg, const struct ng_process *process);
void ng_lineage_each(const struct ng_lineage *lineage, ng_command_fn command, ng_process_fn process, void *arg);

/* Whether a process that lives has this pid. */
bool ng_lineage_holds(const struct ng_lineage *lineage, pid_t pid);

/* The process that has this pid, or had it last; NULL: it is not known. */
const struct ng_process *ng_lineage_process(const struct ng_lineage *lineage, pid_t pid);
/* NULL for 0, and for what is not known. */
const struct ng_command *ng_lineage_command(const struct ng_lineage *lineage, uint32_t number);

/* The way of commands to where a process stands, the first one first: a list of objects with `comm`, `path` and `argv`.
 * Of a way longer than NG_LINEAGE_WAY_MAX the first command, and those next to the process. New reference; empty where
 * nothing is known, NULL when out of memory. */
json_t *ng_lineage_json(const struct ng_lineage *lineage, pid_t pid);

/* Processes that are not followed one by one, and commands without a node of their own. */
uint64_t ng_lineage_left_out(const struct ng_lineage *lineage);

#endif
