/* SPDX-License-Identifier: BSD-2-Clause */
/* The denied names and their last known addresses, over restarts and reboots: STATE-DIR/known-names, a JSON object a
 * line. So a deployment is denied a name's addresses also where no upstream answers when the daemon starts. */
#ifndef NAMEGATE_KNOWN_H
#define NAMEGATE_KNOWN_H

struct ng_keeper;

/* Takes into the track what was saved. What cannot be read is left out, with a warning. */
void ng_known_load(struct ng_keeper *keeper);
/* Tells a new resolver what the track has of denied names. */
void ng_known_send(struct ng_keeper *keeper);
/* Saves it, at once and as a whole. */
void ng_known_save(struct ng_keeper *keeper);
/* To be called regularly: saves it now and then. */
void ng_known_tick(struct ng_keeper *keeper);

#endif
