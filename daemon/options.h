/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line of namegated. Every directory can be moved, so that several instances live side by side. */
#ifndef NAMEGATE_OPTIONS_H
#define NAMEGATE_OPTIONS_H

#include <stdbool.h>

struct ng_options {
    const char *config;      /* namegate.conf */
    bool config_given;
    const char *policies;    /* directory of *.policy */
    const char *run_dir;     /* control socket and lock */
    const char *state_dir;   /* records */
    const char *pin_root;    /* in a bpffs */
    const char *cgroup_root; /* NULL: namegate below the cgroup2 mount */
    const char *resolv_conf;
    int ready_fd;            /* "READY\n" is written to it, or -1 */
    bool private;            /* ends with its last deployment and removes run_dir */
    bool check_config;
    bool verbose;
    const char *resolver;    /* internal: this process is the resolver, with this account */
    const char *exporter;    /* internal: this process serves metrics, with this account */
};

/* Returns -1 to go on, else the exit status. */
int ng_options_parse(int argc, char **argv, struct ng_options *ret_options);

#endif
