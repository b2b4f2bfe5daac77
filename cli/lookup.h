/* SPDX-License-Identifier: BSD-2-Clause */
/* Resolving a name as the daemon's resolver would: through the same servers. */
#ifndef NAMEGATE_CLI_LOOKUP_H
#define NAMEGATE_CLI_LOOKUP_H

#include "../policy/name.h"
#include "options.h"

#define NG_CLI_CHAIN_MAX 32
#define NG_CLI_ADDRESSES_MAX 256

struct ng_cli_lookup {
    struct ng_name chain[NG_CLI_CHAIN_MAX]; /* the name, what it is an alias of, and so on */
    unsigned links;
    uint8_t address[NG_CLI_ADDRESSES_MAX][16]; /* v4-mapped */
    unsigned addresses;
};

/* Asks the daemon's upstreams, or, where none runs, those of resolv.conf, for the addresses of a name. What goes wrong
 * is on stderr; a name without an address is not wrong. Returns 0 or -errno. */
int ng_cli_lookup(const struct ng_cli *cli, const struct ng_name *name, struct ng_cli_lookup *ret_lookup);

#endif
