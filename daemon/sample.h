/* SPDX-License-Identifier: BSD-2-Clause */
/* Puts into the tally what the kernel, the ledger and other parts of the keeper count. */
#ifndef NAMEGATE_SAMPLE_H
#define NAMEGATE_SAMPLE_H

struct ng_keeper;

/* To be called regularly. Asks the kernel for some fifty numbers, and walks no map. */
void ng_sample_tick(struct ng_keeper *keeper);

#endif
