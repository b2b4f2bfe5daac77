// SPDX-License-Identifier: BSD-2-Clause
/* What this host can and cannot do for the gate. Each check says one thing, and what to do about it. */
#include "client.h"
#include "commands.h"
#include "format.h"
#include "host.h"
#include "table.h"

#include <namegate/delegates.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

static const char usage[] =
    "Usage: namegate doctor [OPTION]...\n"
    "Says what the kernel and this host can do for the gate, what is in its way, and what stays out of its reach,\n"
    "with remedies. Asks the kernel, so it is for root. Exit status: 0 nothing is broken, 1 something is.\n";

enum state { GOOD, NOTE, BAD };

static const char *const state_names[] = {[GOOD] = "ok", [NOTE] = "note", [BAD] = "broken"};

struct doctor {
    struct ng_cli *cli;
    json_t *checks;
    bool broken;
    char *cgroup; /* mount of cgroup2, or NULL */
};

static void say(struct doctor *doctor, const char *check, enum state state, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* remedy: NULL where none is needed. */
static void say(struct doctor *doctor, const char *check, enum state state, const char *remedy, const char *format, ...)
{
    char text[1024];
    json_t *line;
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    line = json_pack("{s:s, s:s, s:o}", "check", check, "state", state_names[state], "text", ng_cli_text(text));
    if (line && remedy)
        (void)json_object_set_new(line, "remedy", json_string(remedy));
    (void)json_array_append_new(doctor->checks, line);
    doctor->broken |= state == BAD;
}

/* --- the kernel */

static void check_programs(struct doctor *doctor)
{
    static const struct {
        enum bpf_prog_type type;
        const char *name;
    } programs[] = {
        {BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "socket-address hooks of cgroups"},
        {BPF_PROG_TYPE_CGROUP_SOCK, "socket hooks of cgroups"},
        {BPF_PROG_TYPE_CGROUP_SKB, "packet hooks of cgroups"},
    };

    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
        if (libbpf_probe_bpf_prog_type(programs[i].type, NULL) == 1)
            say(doctor, "kernel", GOOD, NULL, "it has %s", programs[i].name);
        else
            say(doctor, "kernel", BAD, "a kernel with CONFIG_CGROUP_BPF, as Debian 12's; in a container, the host's",
                "it has no %s, or does not let this process use them", programs[i].name);
    if (libbpf_probe_bpf_helper(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_FUNC_set_retval, NULL) == 1)
        say(doctor, "kernel", GOOD, NULL, "denials have the shape that `respond` asks for");
    else
        say(doctor, "kernel", NOTE, "Linux 5.18 or later", "`respond` other than eperm and timeout is EPERM here");
}

static void check_kernel(struct doctor *doctor)
{
    struct utsname name;
    char text[256] = "";

    if (uname(&name) == 0)
        say(doctor, "kernel", GOOD, NULL, "%s %s %s", name.sysname, name.release, name.machine);
    if (access("/sys/kernel/btf/vmlinux", R_OK) == 0)
        say(doctor, "kernel", GOOD, NULL, "it describes its types (BTF)");
    else
        say(doctor, "kernel", BAD, "a kernel with CONFIG_DEBUG_INFO_BTF, and /sys mounted",
            "it does not describe its types (/sys/kernel/btf/vmlinux)");
    if (ng_cli_host_line("/sys/kernel/security/lockdown", text, sizeof(text)) && strstr(text, "[confidentiality]"))
        say(doctor, "kernel", BAD, "boot with lockdown=integrity or none",
            "lockdown=confidentiality keeps BPF programs from reading what they need");
    if (geteuid() != 0) {
        say(doctor, "kernel", NOTE, "run this as root", "only root can ask it what it can do");
        return;
    }
    check_programs(doctor);
}

static void check_cgroups(struct doctor *doctor)
{
    _cleanup_free_ char *bpf = ng_cli_host_mount("bpf");

    doctor->cgroup = ng_cli_host_mount("cgroup2");
    if (doctor->cgroup)
        say(doctor, "cgroups", GOOD, NULL, "version 2 is at %s%s", doctor->cgroup,
            strcmp(doctor->cgroup, "/sys/fs/cgroup") == 0 ? "" : ", beside version 1");
    else
        say(doctor, "cgroups", BAD,
            "boot with systemd.unified_cgroup_hierarchy=1, or mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 "
            "cgroup2 /sys/fs/cgroup/unified",
            "version 2 is not mounted");
    if (bpf)
        say(doctor, "pins", GOOD, NULL, "a BPF file system is at %s", bpf);
    else
        say(doctor, "pins", BAD, "mount -t bpf bpf /sys/fs/bpf",
            "no BPF file system is mounted: nothing would outlive the daemon");
}

/* --- who else is on the hooks */

static void name_program(uint32_t id, char *text, size_t size)
{
    struct bpf_prog_info info = {0};
    uint32_t length = sizeof(info);
    int fd = bpf_prog_get_fd_by_id(id);

    if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &length) < 0)
        (void)snprintf(text, size, "%u", id);
    else
        (void)snprintf(text, size, "%s", *info.name ? info.name : "without a name");
    if (fd >= 0)
        (void)close(fd);
}

static void check_hook(struct doctor *doctor, int cgroup, enum bpf_attach_type type, const char *hook)
{
    uint32_t ids[64], count = 64, flags = 0, others = 0;
    char names[512] = "", name[32];
    size_t used = 0;

    if (bpf_prog_query(cgroup, type, 0, &flags, ids, &count) < 0)
        return;
    for (uint32_t i = 0; i < count; i++) {
        name_program(ids[i], name, sizeof(name));
        if (strncmp(name, "gate_", 5) == 0)
            continue;
        if (used < sizeof(names))
            used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", others ? ", " : "", name);
        others++;
    }
    if (!others)
        return;
    if (flags & BPF_F_ALLOW_MULTI)
        say(doctor, "hooks", NOTE, "look at them with: bpftool cgroup tree",
            "other programs are on %s at the root of the cgroup tree: %s. What they refuse is refused; what they "
            "rewrite before the gate, the gate sees rewritten",
            hook, names);
    else
        say(doctor, "hooks", BAD,
            "end what attached it (bpftool cgroup tree), or have it attach with BPF_F_ALLOW_MULTI",
            "a program that bears no other beside it is on %s: %s", hook, names);
}

static void check_hooks(struct doctor *doctor)
{
    static const struct {
        enum bpf_attach_type type;
        const char *name;
    } hooks[] = {{BPF_CGROUP_INET4_CONNECT, "connect4"},         {BPF_CGROUP_INET6_CONNECT, "connect6"},
                 {BPF_CGROUP_UDP4_SENDMSG, "sendmsg4"},          {BPF_CGROUP_UDP6_SENDMSG, "sendmsg6"},
                 {BPF_CGROUP_UDP4_RECVMSG, "recvmsg4"},          {BPF_CGROUP_UDP6_RECVMSG, "recvmsg6"},
                 {BPF_CGROUP_INET4_GETPEERNAME, "getpeername4"}, {BPF_CGROUP_INET6_GETPEERNAME, "getpeername6"},
                 {BPF_CGROUP_INET_SOCK_CREATE, "sock_create"},   {BPF_CGROUP_INET_EGRESS, "egress"}};
    size_t before = json_array_size(doctor->checks);
    _cleanup_fd_ int cgroup = doctor->cgroup ? open(doctor->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (geteuid() != 0 || cgroup < 0)
        return;
    for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++)
        check_hook(doctor, cgroup, hooks[i].type, hooks[i].name);
    if (json_array_size(doctor->checks) == before)
        say(doctor, "hooks", GOOD, NULL, "no other programs are on them at the root of the cgroup tree");
}

/* --- the daemon */

static void check_daemon(struct doctor *doctor)
{
    struct ng_cli_client *client = NULL;
    _cleanup_json_ json_t *answer = NULL;
    const json_t *problems, *problem;
    int r = ng_cli_client_open(doctor->cli->run_dir, &client);
    size_t i;

    ng_cli_client_close(client);
    if (r < 0) {
        say(doctor, "daemon", NOTE, ng_cli_no_daemon(r) ? "systemctl start namegated" : "run this as root",
            ng_cli_no_daemon(r) ? "none runs in %s: `run` starts a private one for root"
                                : "the one in %s is not for you",
            doctor->cli->run_dir);
        return;
    }
    if (ng_cli_ask(doctor->cli->run_dir, ng_cli_request("status"), &answer) != NG_CLI_OK)
        return;
    problems = json_object_get(answer, "problems");
    json_array_foreach(problems, i, problem)
        say(doctor, "daemon", BAD, "namegate status", "%s", json_string_value(problem));
    if (json_array_size(problems) == 0)
        say(doctor, "daemon", GOOD, NULL, "version %s runs and is healthy", ng_cli_string(answer, "version"));
}

/* --- other ways to names */

static bool nss_asks(const char *service)
{
    char line[512];

    return ng_cli_host_setting("/etc/nsswitch.conf", "hosts:", line, sizeof(line)) && strstr(line, service);
}

static void check_resolvers(struct doctor *doctor)
{
    static const char *const nscd[] = {"/run/nscd/socket", "/var/run/nscd/socket"};
    size_t before = json_array_size(doctor->checks);
    char who[256];

    if (access(nscd[0], F_OK) == 0 || access(nscd[1], F_OK) == 0)
        say(doctor, "names", NOTE,
            "'enable-cache hosts no' in /etc/nscd.conf; or 'listen 127.0.0.1:53' in namegate.conf, and that as the "
            "nameserver in /etc/resolv.conf",
            "nscd answers for deployments from outside of them: addresses that it knows are not learnt");
    if (access("/run/systemd/resolve/io.systemd.Resolve", F_OK) == 0 && nss_asks("resolve"))
        say(doctor, "names", NOTE,
            "take 'resolve' out of the hosts line of /etc/nsswitch.conf; or have systemd-resolved ask namegate: "
            "'listen 127.0.0.1:53' in namegate.conf and DNS=127.0.0.1 in resolved.conf",
            "nss-resolve asks systemd-resolved over its socket, from outside of deployments: what it knows is not "
            "learnt");
    if (nss_asks("mdns") || nss_asks("ldap") || nss_asks("nis") || nss_asks("sss"))
        say(doctor, "names", NOTE, "take it out of the hosts line of /etc/nsswitch.conf",
            "a service other than DNS answers for host names: what it knows is not learnt");
    if (ng_cli_host_listens(53, who, sizeof(who)))
        say(doctor, "names", NOTE, "nothing, if it is namegate, or is to stay: queries of deployments go to namegate",
            "something listens on port 53: %s", who);
    if (json_array_size(doctor->checks) == before)
        say(doctor, "names", GOOD, NULL, "programs here ask for names by DNS");
}

/* --- out of reach */

static void check_reach(struct doctor *doctor)
{
    const struct ng_delegate *delegate;
    char text[16] = "", found[512] = "";
    size_t used = 0;

    for (delegate = ng_delegate_next(NULL); delegate; delegate = ng_delegate_next(delegate))
        if (!delegate->resolves && access(delegate->path, F_OK) == 0 && used < sizeof(found))
            used += (size_t)snprintf(found + used, sizeof(found) - used, "%s%s", used ? ", " : "", delegate->name);
    if (used)
        say(doctor, "reach", NOTE,
            "attach what they start (namegate attach), or keep their sockets from deployments (run --confine)",
            "work that a deployment gives to these is done outside of it: %s", found);
    say(doctor, "reach", NOTE, "run --confine, or deployments without root; run --selftest tries whether a way is open",
        "with CAP_NET_RAW, CAP_NET_ADMIN or CAP_SYS_ADMIN a deployment sends packets past the gate (AF_PACKET, TUN), "
        "and root leaves its cgroup");
    say(doctor, "reach", NOTE, "mode strict; or deny the providers' names and networks",
        "DNS over HTTPS looks like any other HTTPS: what is resolved by it is not learnt");
    if (ng_cli_host_line("/proc/sys/net/mptcp/enabled", text, sizeof(text)) && *text == '1')
        say(doctor, "reach", NOTE, NULL,
            "MPTCP: when a path of a connection is denied, it goes on over its others; it is ended whole where its "
            "first peer is denied");
    if (!ng_cli_host_line("/proc/net/if_inet6", text, sizeof(text)))
        say(doctor, "reach", NOTE, NULL, "no IPv6 here: DNS over it is refused to deployments");
}

/* --- */

static void print(const json_t *checks)
{
    static const enum ng_cli_colour colours[] = {[GOOD] = NG_CLI_GOOD, [NOTE] = NG_CLI_WARN, [BAD] = NG_CLI_BAD};
    const json_t *check;
    size_t i;

    json_array_foreach(checks, i, check)
    {
        const char *state = ng_cli_string(check, "state"), *remedy = ng_cli_string(check, "remedy");
        unsigned number = GOOD;

        while (number < BAD && strcmp(state, state_names[number]) != 0)
            number++;
        (void)printf("%-9s", ng_cli_string(check, "check"));
        ng_cli_put_colour(stdout, colours[number], state);
        (void)printf("%*s", (int)(8 - strlen(state)), "");
        ng_cli_put(stdout, ng_cli_string(check, "text"));
        (void)fputc('\n', stdout);
        if (*remedy)
            (void)printf("%17s-> %s\n", "", remedy);
    }
}

static int no_log(enum libbpf_print_level level, const char *format, va_list args)
{
    (void)level;
    (void)format;
    (void)args;
    return 0;
}

int ng_cli_doctor(struct ng_cli *cli, int argc, char **argv)
{
    struct doctor doctor = {.cli = cli, .checks = json_array()};
    _cleanup_json_ json_t *answer = NULL;
    int first = 0, status = ng_cli_parse(cli, NULL, usage, false, argc, argv, &first);

    answer = json_pack("{s:i, s:o}", "v", 1, "checks", doctor.checks);
    if (status >= 0)
        return status;
    if (first < argc)
        return ng_cli_usage(argv[0], "takes no argument:", argv[first]);
    if (!answer)
        return NG_CLI_FAILED;
    libbpf_set_print(no_log);
    check_kernel(&doctor);
    check_cgroups(&doctor);
    check_hooks(&doctor);
    check_daemon(&doctor);
    check_resolvers(&doctor);
    check_reach(&doctor);
    free(doctor.cgroup);
    (void)json_object_set_new(answer, "ok", json_boolean(!doctor.broken));
    if (!cli->json)
        print(doctor.checks);
    else if (ng_cli_print_json(stdout, answer) < 0)
        return NG_CLI_FAILED;
    return doctor.broken ? NG_CLI_FAILED : NG_CLI_OK;
}
