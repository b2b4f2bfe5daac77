/* SPDX-License-Identifier: BSD-2-Clause */
/* namegate.conf(5): one setting a line, described by one table. Parsed into a fresh object; nothing live is touched. */
#ifndef NAMEGATE_CONFIG_H
#define NAMEGATE_CONFIG_H

#include "../policy/diag.h"
#include "../policy/name.h"

#include <namegate/channel.h>

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#define NG_LISTEN_MAX 16
#define NG_CONFIG_NEVER_DENY_MAX 32
#define NG_FORWARDS_MAX 32

struct ng_network_setting {
    uint8_t address[16];
    uint32_t prefix; /* 0 to 128 */
};

/* A name, and all below it, is asked of servers of its own. */
struct ng_forward_setting {
    struct ng_name zone;
    struct ng_endpoint server[NG_UPSTREAMS_MAX];
    unsigned servers;
};

#define NG_CONFIG_PATH_MAX 256

/* A file with local records. */
struct ng_local_setting {
    uint32_t kind; /* NG_LOCAL_* */
    char path[NG_CONFIG_PATH_MAX];
};

struct ng_config {
    struct ng_endpoint listen[NG_LISTEN_MAX];
    unsigned listens;
    struct ng_endpoint upstream[NG_UPSTREAMS_MAX];
    unsigned upstreams;
    struct ng_forward_setting forward[NG_FORWARDS_MAX];
    unsigned forwards;
    struct ng_local_setting local[NG_LOCAL_FILES_MAX];
    unsigned locals;
    struct ng_network_setting client[NG_CLIENTS_MAX]; /* who may ask at addresses that are not loopback */
    unsigned clients;
    struct ng_network_setting never_deny[NG_CONFIG_NEVER_DENY_MAX];
    unsigned never_denies;
    struct ng_endpoint metrics; /* where they are served; port 0: nowhere */
    bool metrics_remote;       /* that may be no loopback address */
    uint32_t floor;            /* seconds */
    uint32_t grace;            /* seconds */
    uint32_t prewarm_timeout;  /* seconds */
    uint32_t cache_size;       /* answers */
    uint32_t serve_stale;      /* seconds */
    uint32_t workers;
    uint32_t max_destinations; /* entries */
    bool ledger;               /* is kept */
    uint32_t ledger_days;
    uint32_t ledger_size;      /* megabytes */
    bool records_file, records_stdout, records_journal; /* where they go */
    char user[32];             /* the resolver's */
    char group[32];            /* may use the control socket */
    char default_policy[64];   /* of `run` without --policy */
};

void ng_config_default(struct ng_config *config);

/* Reads path over the defaults; a file that does not exist is an error only when `required`. Upstreams that the file
 * does not name come from resolv_conf. Returns 0, or -EINVAL with messages in diag; *ret_config is untouched then. */
int ng_config_read(const char *path, bool required, const char *resolv_conf, struct ng_diag *diag,
                   struct ng_config *ret_config);

/* Prints the configuration in its own syntax. */
void ng_config_print(const struct ng_config *config, FILE *file);

/* ADDRESS, ADDRESS:PORT, [ADDRESS]:PORT, fe80::1%IFACE. -EINVAL. */
int ng_endpoint_parse(const char *text, uint16_t default_port, struct ng_endpoint *ret_endpoint);
#define NG_ENDPOINT_TEXT_MAX 80
const char *ng_endpoint_text(const struct ng_endpoint *endpoint, char text[static NG_ENDPOINT_TEXT_MAX]);
const char *ng_address_text(const uint8_t address[static 16], char text[static INET6_ADDRSTRLEN]);

/* As a socket address of its family. Returns the length. */
socklen_t ng_endpoint_sockaddr(const struct ng_endpoint *endpoint, struct sockaddr_storage *ret_address);
bool ng_address_is_v4(const uint8_t address[static 16]);

#endif
