/* SPDX-License-Identifier: BSD-2-Clause */
/* Trying the ways past the gate from inside, before the command starts: what is tried is forbidden to this deployment
 * alone, and leads nowhere (namegate/canary.h). */
#ifndef NAMEGATE_CLI_SELFTEST_H
#define NAMEGATE_CLI_SELFTEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define NG_CLI_BROUGHT 2 /* sockets: TCP, UDP */

struct ng_cli_selftest {
    uint64_t number;             /* of the canary */
    int brought[NG_CLI_BROUGHT]; /* connected to it before there is a deployment; -1: none */
    int listener;                /* its other end */
    json_t *channels;            /* what came of each */
    uint16_t port;               /* the last one tried: each has its own, by which the daemon knows it again */
};

/* To be called outside of the gate: chooses the canary, and connects to it. 0 or -errno. */
int ng_cli_selftest_begin(struct ng_cli_selftest *ret_test);

/* Tries them all, inside of the deployment (as the daemon told it), and has the daemon conclude. Says what came of it
 * on stderr; as JSON if so asked. Returns the exit status with which to end, or 0: covered. */
int ng_cli_selftest_try(struct ng_cli_selftest *test, const char *run_dir, const json_t *deployment, bool json);

#endif
