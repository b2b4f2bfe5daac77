/* SPDX-License-Identifier: BSD-2-Clause */
/* Replies that leave together, and what they rest on: told to the hook that sees the first of them
 * (bpf/departure.bpf.h), in memory that both have, so that it costs no system call of its own. */
#ifndef NAMEGATE_DEPARTURE_H
#define NAMEGATE_DEPARTURE_H

#include <namegate/abi.h>

#include <stdbool.h>
#include <stdint.h>

/* fd: of the map `departures`. 0 or -errno. */
int ng_departures_map(int fd, struct ng_departures **ret_departures);
void ng_departures_unmap(struct ng_departures *departures);

/* The next datagram that the calling thread sends by one of that worker's sockets is the first of those that rest on
 * the first `count` of departures->of[worker].expected. */
void ng_departure_begin(struct ng_departures *departures, unsigned worker, unsigned count);

/* To be called before it sends anything else. Returns whether the hook has looked. It does not where it is not in
 * force, and what was sent has left: so who sends does without, until it has looked at what rests on nothing.
 * *ret_differ: a bit for each that was not there so: then it has let nothing leave. */
bool ng_departure_end(struct ng_departures *departures, unsigned worker, uint64_t *ret_differ);

#endif
