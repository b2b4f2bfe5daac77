/* SPDX-License-Identifier: BSD-2-Clause */
/* Ends connections whose peer a deployment is denied by now. The kernel drops their packets in any case; cut, a blocked
 * call returns ECONNABORTED at once instead of waiting for what never comes.
 *
 * A thread of its own, because a walk over the open files of a large host takes longer than the loop may stand still,
 * and because it enters the network namespaces that the sockets are in. */
#ifndef NAMEGATE_CUT_H
#define NAMEGATE_CUT_H

#include "log.h"
#include "loop.h"

#include <namegate/abi.h>

struct ng_cutter;

/* Called from the loop, for each socket that was cut. */
typedef void (*ng_cut_fn)(void *arg, const struct ng_socket *cut);

/* walk: the link of the program that finds them; it stays the caller's, and must outlive the cutter. */
int ng_cutter_new(struct ng_loop *loop, int walk, ng_cut_fn on_cut, void *arg, struct ng_error *error,
                  struct ng_cutter **ret_cutter);
void ng_cutter_free(struct ng_cutter *cutter);

/* To be called when something is denied that was not before. Costs a system call; what comes in quick succession is
 * looked for together. */
void ng_cutter_wake(struct ng_cutter *cutter);

#endif
