/* SPDX-License-Identifier: BSD-2-Clause */
/* Ends connections whose peer a deployment is denied by now. The kernel drops their packets in any case; cut, a blocked
 * call returns ECONNABORTED at once instead of waiting for what never comes.
 *
 * They are looked for twice: among the open files of all processes, where it is seen who holds them; then among the
 * sockets of each network namespace that deployments are in, for those that are made in one and that no process has
 * among its descriptors (an io_uring may keep them, or the queue of another socket).
 *
 * A thread of its own, because a walk over the open files of a large host takes longer than the loop may stand still,
 * and because it enters the network namespaces that the sockets are in. */
#ifndef NAMEGATE_CUT_H
#define NAMEGATE_CUT_H

#include "gate.h"
#include "log.h"
#include "loop.h"

#include <namegate/abi.h>

struct ng_cutter;

/* Called from the loop, for each socket that was cut. */
typedef void (*ng_cut_fn)(void *arg, const struct ng_socket *cut);

/* The gate has the walks that find them; it stays the caller's, is in force, and must outlive the cutter. */
int ng_cutter_new(struct ng_loop *loop, const struct ng_gate *gate, ng_cut_fn on_cut, void *arg,
                  struct ng_error *error, struct ng_cutter **ret_cutter);
void ng_cutter_free(struct ng_cutter *cutter);

/* To be called when something is denied that was not before (news), and from time to time: for what was given to a
 * process, or moved in, or allowed for a while. Costs a system call; what comes in quick succession is looked for
 * together. */
void ng_cutter_wake(struct ng_cutter *cutter, bool news);

#endif
