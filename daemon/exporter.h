/* SPDX-License-Identifier: BSD-2-Clause */
/* The process that gives the statistics over HTTP, started by metrics.c. */
#ifndef NAMEGATE_EXPORTER_H
#define NAMEGATE_EXPORTER_H

/* What it is born with. */
#define NG_EXPORTER_CHANNEL 3 /* end of a socket pair: says by an octet that it serves, and ends with the other end */
#define NG_EXPORTER_STATS 4   /* the memory of resolver/stats.h, open to be read */
#define NG_EXPORTER_TALLY 5   /* and that of tally.h */
#define NG_EXPORTER_LISTEN 6  /* a listening TCP socket */

/* Status of the process when the library is missing. */
#define NG_EXPORTER_NO_LIBRARY 3

/* Becomes the account ("UID:GID") and serves. Returns the status of the process. */
int ng_exporter_main(const char *account);

#endif
