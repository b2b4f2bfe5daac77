/* SPDX-License-Identifier: BSD-2-Clause */
/* The resolver process. */
#ifndef NAMEGATE_RESOLVER_H
#define NAMEGATE_RESOLVER_H

/* Serves the keeper that is at the other end of NG_CHANNEL_FD until it is gone. Returns 0 then, or -errno. */
int ng_resolver_main(void);

#endif
