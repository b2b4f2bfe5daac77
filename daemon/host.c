// SPDX-License-Identifier: BSD-2-Clause
#include "host.h"

#include "../policy/bits.h"

#include <namegate/cleanup.h>

#include <ifaddrs.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define INITIAL_CGROUP_NAMESPACE 0xEFFFFFFBU /* include/linux/proc_ns.h: PROC_CGROUP_INIT_INO */

enum { CAP_SETGID_ = 6, CAP_SETUID_ = 7, CAP_NET_ADMIN_ = 12, CAP_SYS_ADMIN_ = 21,
       CAP_PERFMON_ = 38, CAP_BPF_ = 39 };

static const struct {
    unsigned bit;
    const char *name;
    bool by_sys_admin; /* CAP_SYS_ADMIN stands for it */
} needed[] = {
    {CAP_BPF_, "CAP_BPF", true},         {CAP_PERFMON_, "CAP_PERFMON", true}, {CAP_NET_ADMIN_, "CAP_NET_ADMIN", false},
    {CAP_SETUID_, "CAP_SETUID", false}, {CAP_SETGID_, "CAP_SETGID", false},
};

static unsigned long long effective_capabilities(void)
{
    _cleanup_file_ FILE *file = fopen("/proc/self/status", "re");
    _cleanup_free_ char *line = NULL;
    size_t room = 0;

    while (file && getline(&line, &room, file) > 0)
        if (strncmp(line, "CapEff:", 7) == 0)
            return strtoull(line + 7, NULL, 16);
    return 0;
}

static int check_capabilities(struct ng_error *error)
{
    unsigned long long have = effective_capabilities();

    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        if (have >> needed[i].bit & 1 || (needed[i].by_sys_admin && have >> CAP_SYS_ADMIN_ & 1))
            continue;
        return ng_error_set(error, EPERM, "run namegated as root, outside a container that drops capabilities",
                            "the capability %s is missing", needed[i].name);
    }
    return 0;
}

static int check_bpffs(const char *pin_root, struct ng_error *error)
{
    _cleanup_free_ char *parent = strdup(pin_root);
    char *slash = parent ? strrchr(parent, '/') : NULL;
    struct statfs fs;

    if (!parent)
        return ng_error_set(error, ENOMEM, NULL, "out of memory");
    if (slash && slash != parent)
        *slash = '\0';
    if (statfs(parent, &fs) == 0 && (unsigned long)fs.f_type == BPF_FS_MAGIC)
        return 0;
    return ng_error_set(error, ENODEV, "mount -t bpf bpf /sys/fs/bpf; or choose a bpffs with --pin-root",
                        "%s is in no bpffs, where the gate must be pinned", pin_root);
}

int ng_host_check(const char *pin_root, struct ng_error *error)
{
    struct stat st;
    int r = check_capabilities(error);

    if (r < 0)
        return r;
    if (access("/sys/kernel/btf/vmlinux", R_OK) < 0)
        return ng_error_set(error, ENOENT, "boot a kernel built with CONFIG_DEBUG_INFO_BTF, such as Debian's",
                            "this kernel has no BTF (/sys/kernel/btf/vmlinux)");
    if (stat("/proc/self/ns/cgroup", &st) == 0 && st.st_ino != INITIAL_CGROUP_NAMESPACE)
        return ng_error_set(error, EPERM, "run namegated on the host (containers: --cgroupns=host)",
                            "namegated is in a cgroup namespace and cannot see the root of the cgroup tree");
    return check_bpffs(pin_root, error);
}

static bool is_own_address(const uint8_t address[static 16])
{
    static const uint8_t localhost6[16] = {[15] = 1};
    struct ifaddrs *list = NULL;
    bool own = (ng_address_is_v4(address) && address[12] == 127) || memcmp(address, localhost6, 16) == 0;

    if (getifaddrs(&list) < 0)
        return own;
    for (struct ifaddrs *at = list; at && !own; at = at->ifa_next) {
        if (!at->ifa_addr)
            continue;
        if (at->ifa_addr->sa_family == AF_INET && ng_address_is_v4(address))
            own = memcmp(&((struct sockaddr_in *)at->ifa_addr)->sin_addr, address + 12, 4) == 0;
        else if (at->ifa_addr->sa_family == AF_INET6)
            own = memcmp(&((struct sockaddr_in6 *)at->ifa_addr)->sin6_addr, address, 16) == 0;
    }
    freeifaddrs(list);
    return own;
}

int ng_host_check_upstreams(const struct ng_config *config, struct ng_error *error)
{
    char text[NG_ENDPOINT_TEXT_MAX];

    for (unsigned i = 0; i < config->upstreams; i++)
        for (unsigned j = 0; j < config->listens; j++) {
            const struct ng_endpoint *upstream = &config->upstream[i], *own = &config->listen[j];

            if (upstream->port != own->port)
                continue;
            if (memcmp(upstream->address, own->address, 16) == 0 ||
                (ng_unspecified(own->address) && is_own_address(upstream->address)) ||
                (ng_unspecified(upstream->address) && is_own_address(own->address)))
                return ng_error_set(error, ELOOP,
                                    "name the server that shall be asked with 'upstream', or take it out of "
                                    "resolv.conf",
                                    "the upstream %s is namegated itself", ng_endpoint_text(upstream, text));
        }
    return 0;
}

/* On any port: the one that is wanted may be a running daemon's. */
int ng_host_check_listen(const struct ng_config *config, struct ng_error *error)
{
    char text[NG_ENDPOINT_TEXT_MAX];

    for (unsigned i = 0; i < config->listens; i++) {
        struct ng_endpoint anywhere = config->listen[i];
        struct sockaddr_storage address;
        _cleanup_fd_ int fd = -1;
        socklen_t length;

        anywhere.port = 0;
        length = ng_endpoint_sockaddr(&anywhere, &address);
        fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) < 0)
            return ng_error_set(error, errno,
                                errno == EADDRNOTAVAIL ? "give 'listen' an address of this host" : NULL,
                                errno == EADDRNOTAVAIL ? "%s is no address of this host" : "cannot listen on %s: %m",
                                ng_endpoint_text(&config->listen[i], text));
    }
    return 0;
}

static unsigned guard(struct ng_message_start *start, const uint8_t address[static 16], uint32_t prefix)
{
    if (start->guarded == NG_GUARDED_MAX)
        return 1;
    memcpy(start->guard[start->guarded].address, address, 16);
    start->guard[start->guarded++].prefix = prefix;
    return 0;
}

static unsigned guard_v4(struct ng_message_start *start, const void *v4)
{
    uint8_t address[16] = {[10] = 0xff, [11] = 0xff};

    memcpy(address + 12, v4, 4);
    return guard(start, address, 128);
}

static unsigned guard_own(struct ng_message_start *start)
{
    struct ifaddrs *list = NULL;
    unsigned left = 0;

    if (getifaddrs(&list) < 0)
        return 1;
    for (struct ifaddrs *at = list; at; at = at->ifa_next) {
        if (at->ifa_addr && at->ifa_addr->sa_family == AF_INET)
            left += guard_v4(start, &((struct sockaddr_in *)at->ifa_addr)->sin_addr);
        else if (at->ifa_addr && at->ifa_addr->sa_family == AF_INET6)
            left += guard(start, ((struct sockaddr_in6 *)at->ifa_addr)->sin6_addr.s6_addr, 128);
    }
    freeifaddrs(list);
    return left;
}

/* Default gateways: proc_net(5) route has hex words in host order. */
static unsigned guard_gateways(struct ng_message_start *start)
{
    _cleanup_file_ FILE *v4 = fopen("/proc/net/route", "re");
    _cleanup_file_ FILE *v6 = fopen("/proc/net/ipv6_route", "re");
    _cleanup_free_ char *line = NULL;
    size_t room = 0;
    unsigned left = 0;

    while (v4 && getline(&line, &room, v4) > 0) {
        uint32_t destination, gateway;

        if (sscanf(line, "%*s %x %x", &destination, &gateway) == 2 && destination == 0 && gateway != 0)
            left += guard_v4(start, &gateway);
    }
    while (v6 && getline(&line, &room, v6) > 0) {
        uint8_t address[16];
        char hex[33];
        bool zero = true;

        if (sscanf(line, "00000000000000000000000000000000 00 %*s %*s %32s", hex) != 1)
            continue;
        for (unsigned i = 0; i < 16; i++) {
            unsigned octet = 0;

            (void)sscanf(hex + 2 * i, "%2x", &octet);
            address[i] = (uint8_t)octet;
            zero = zero && octet == 0;
        }
        if (!zero)
            left += guard(start, address, 128);
    }
    return left;
}

unsigned ng_host_guard(const struct ng_config *config, struct ng_message_start *start)
{
    unsigned left = 0;

    start->guarded = 0;
    for (unsigned i = 0; i < config->never_denies; i++)
        left += guard(start, config->never_deny[i].address, config->never_deny[i].prefix);
    for (unsigned i = 0; i < config->upstreams; i++)
        left += guard(start, config->upstream[i].address, 128);
    for (unsigned i = 0; i < config->forwards; i++)
        for (unsigned k = 0; k < config->forward[i].servers; k++)
            left += guard(start, config->forward[i].server[k].address, 128);
    left += guard_gateways(start);
    left += guard_own(start);
    return left;
}
