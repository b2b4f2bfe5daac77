// SPDX-License-Identifier: BSD-2-Clause
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_CHECK = 256, OPTION_READY, OPTION_PRIVATE, OPTION_RESOLVER, OPTION_EXPORTER, OPTION_CONFIG,
       OPTION_POLICIES, OPTION_RUN, OPTION_STATE, OPTION_PIN, OPTION_CGROUP, OPTION_RESOLV_CONF };

static const struct option long_options[] = {
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"policies", required_argument, NULL, OPTION_POLICIES},
    {"run-dir", required_argument, NULL, OPTION_RUN},
    {"state-dir", required_argument, NULL, OPTION_STATE},
    {"pin-root", required_argument, NULL, OPTION_PIN},
    {"cgroup-root", required_argument, NULL, OPTION_CGROUP},
    {"resolv-conf", required_argument, NULL, OPTION_RESOLV_CONF},
    {"ready-fd", required_argument, NULL, OPTION_READY},
    {"check-config", no_argument, NULL, OPTION_CHECK},
    {"private", no_argument, NULL, OPTION_PRIVATE},
    {"resolver", required_argument, NULL, OPTION_RESOLVER},
    {"exporter", required_argument, NULL, OPTION_EXPORTER},
    {"verbose", no_argument, NULL, 'v'},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static void help(void)
{
    (void)printf("Usage: namegated [OPTION]...\n"
                 "Keeps the gate: denies forbidden names to deployments. See namegated(8).\n\n"
                 "  --config FILE      configuration (" NG_SYSCONFDIR "/namegate/namegate.conf)\n"
                 "  --policies DIR     policies, DIR/*.policy (" NG_SYSCONFDIR "/namegate/policies)\n"
                 "  --run-dir DIR      control socket and lock (/run/namegate)\n"
                 "  --state-dir DIR    records (/var/lib/namegate)\n"
                 "  --pin-root DIR     what outlives the process, in a bpffs (/sys/fs/bpf/namegate)\n"
                 "  --cgroup-root DIR  cgroup of the deployments (namegate below the cgroup2 mount)\n"
                 "  --resolv-conf FILE upstreams when the configuration names none (/etc/resolv.conf)\n"
                 "  --check-config     check configuration and policies, print the settings, and exit\n"
                 "  --ready-fd N       write READY to this descriptor when the gate is in force\n"
                 "  --private          end with the last deployment and remove the run directory\n"
                 "  -v, --verbose      also log what the libraries say\n"
                 "  -V, --version      print the version\n"
                 "  -h, --help         print this\n\n"
                 "TERM and INT end it; deployments that still run stay gated. HUP reloads the policies.\n");
}

static int usage(const char *text, const char *value)
{
    (void)fprintf(stderr, "namegated: %s%s%s\nTry: namegated --help\n", text, value ? " " : "", value ? value : "");
    return 2;
}

static int parse_fd(const char *text)
{
    char *end = NULL;
    long fd = strtol(text, &end, 10);

    return *text >= '0' && *text <= '9' && !*end && fd < 1024 ? (int)fd : -1;
}

static int parse_one(int option, struct ng_options *options)
{
    switch (option) {
    case OPTION_CONFIG:
        options->config = optarg;
        options->config_given = true;
        return -1;
    case OPTION_POLICIES:
        options->policies = optarg;
        return -1;
    case OPTION_RUN:
        options->run_dir = optarg;
        return -1;
    case OPTION_STATE:
        options->state_dir = optarg;
        return -1;
    case OPTION_PIN:
        options->pin_root = optarg;
        return -1;
    case OPTION_CGROUP:
        options->cgroup_root = optarg;
        return -1;
    case OPTION_RESOLV_CONF:
        options->resolv_conf = optarg;
        return -1;
    case OPTION_READY:
        options->ready_fd = parse_fd(optarg);
        return options->ready_fd < 0 ? usage("no descriptor:", optarg) : -1;
    case OPTION_CHECK:
        options->check_config = true;
        return -1;
    case OPTION_PRIVATE:
        options->private = true;
        return -1;
    case OPTION_RESOLVER:
        options->resolver = optarg;
        return -1;
    case OPTION_EXPORTER:
        options->exporter = optarg;
        return -1;
    case 'v':
        options->verbose = true;
        return -1;
    case 'V':
        (void)puts("namegated " NG_VERSION);
        return 0;
    case 'h':
        help();
        return 0;
    default:
        (void)fputs("Try: namegated --help\n", stderr);
        return 2;
    }
}

int ng_options_parse(int argc, char **argv, struct ng_options *ret_options)
{
    int option;

    *ret_options = (struct ng_options){
        .config = NG_SYSCONFDIR "/namegate/namegate.conf",
        .policies = NG_SYSCONFDIR "/namegate/policies",
        .run_dir = "/run/namegate",
        .state_dir = "/var/lib/namegate",
        .pin_root = "/sys/fs/bpf/namegate",
        .resolv_conf = "/etc/resolv.conf",
        .ready_fd = -1,
    };
    while ((option = getopt_long(argc, argv, "vVh", long_options, NULL)) != -1) {
        int status = parse_one(option, ret_options);

        if (status >= 0)
            return status;
    }
    return optind < argc ? usage("takes no arguments:", argv[optind]) : -1;
}
