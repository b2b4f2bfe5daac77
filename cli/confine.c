// SPDX-License-Identifier: BSD-2-Clause
#include "confine.h"

#include <namegate/cleanup.h>
#include <namegate/delegates.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <mntent.h>
#include <sched.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define X32_BIT 0x40000000U
#include <sys/stat.h>
#include <unistd.h>

/* DAC_READ_SEARCH: files by their handles, past all mounts; DAC_OVERRIDE lets root read all the same. RAW: packets that
 * the kernel did not address. ADMIN: TUN, routes, filters, other namespaces, mounts. BPF, MODULE,
 * RAWIO: the kernel itself. PTRACE: somebody else's hands. */
static const cap_value_t taken[] = {CAP_NET_RAW,    CAP_NET_ADMIN,  CAP_SYS_ADMIN, CAP_BPF,
                                    CAP_SYS_PTRACE, CAP_SYS_MODULE, CAP_SYS_RAWIO,
                                    CAP_DAC_READ_SEARCH};

#define TAKEN ((int)(sizeof(taken) / sizeof(taken[0])))

static inline void release_caps(void *caps)
{
    (void)cap_free(*(cap_t *)caps);
}

static inline void end_mounts(FILE **mounts)
{
    if (*mounts)
        (void)endmntent(*mounts);
}

static int fail(const char *what)
{
    int error = errno;

    (void)fprintf(stderr, "namegate: --confine: cannot %s: %s\n", what, strerror(error));
    return -error;
}

/* Who would work for the command from outside is not to be asked: nothing listens on what covers their sockets. */
static int shut_delegates(void)
{
    const struct ng_delegate *it;
    struct stat st;

    for (it = ng_delegate_next(NULL); it; it = ng_delegate_next(it))
        if (stat(it->path, &st) == 0 && S_ISSOCK(st.st_mode) && mount("/dev/null", it->path, NULL, MS_BIND, NULL) < 0)
            return fail("cover the sockets of services outside");
    return 0;
}

/* By what root writes here, the kernel starts programs: outside of any cgroup, and with all capabilities. */
static int shut_helpers(void)
{
    static const char *const paths[] = {"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe",
                                        "/proc/sys/kernel/hotplug", "/sys/kernel/uevent_helper"};
    struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        if (access(paths[i], F_OK) == 0 &&
            (mount(paths[i], paths[i], NULL, MS_BIND, NULL) < 0 ||
             mount_setattr(AT_FDCWD, paths[i], 0, &read_only, sizeof(read_only)) < 0))
            return fail("make what the kernel starts programs by read-only");
    return 0;
}

/* Root needs no capability to write to what root owns: cgroup.procs, by which it would leave, and the pins. */
static int shut_kernel_files(void)
{
    __attribute__((cleanup(end_mounts))) FILE *mounts = NULL;
    struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
    const struct mntent *mount_point;

    /* What is mounted on the host later is to be there; what is changed here is not passed on. */
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        return fail("make a mount namespace");
    mounts = setmntent("/proc/self/mounts", "re");
    if (!mounts)
        return fail("read /proc/self/mounts");
    while ((mount_point = getmntent(mounts)) != NULL) {
        const char *type = mount_point->mnt_type;

        if (strcmp(type, "cgroup2") != 0 && strcmp(type, "cgroup") != 0 && strcmp(type, "bpf") != 0)
            continue;
        /* What another mount covers is not there for anybody. */
        if (mount_setattr(AT_FDCWD, mount_point->mnt_dir, 0, &read_only, sizeof(read_only)) < 0 && errno != EINVAL &&
            errno != ENOENT)
            return fail("make cgroups and BPF pins read-only");
    }
    return 0;
}

static int drop(void)
{
    __attribute__((cleanup(release_caps))) cap_t caps = cap_get_proc();

    if (!caps)
        return fail("read the capabilities");
    for (int i = 0; i < TAKEN; i++)
        /* Without CAP_SETPCAP the bounding set stays; no_new_privs keeps exec() from drawing on it. */
        if (cap_drop_bound(taken[i]) < 0 && errno != EPERM && errno != EINVAL)
            return fail("drop capabilities");
    if (cap_set_flag(caps, CAP_PERMITTED, TAKEN, taken, CAP_CLEAR) < 0 ||
        cap_set_flag(caps, CAP_EFFECTIVE, TAKEN, taken, CAP_CLEAR) < 0 ||
        cap_set_flag(caps, CAP_INHERITABLE, TAKEN, taken, CAP_CLEAR) < 0 || cap_set_proc(caps) < 0)
        return fail("drop capabilities");
    return 0;
}

/* clone3() starts a process in any cgroup whose directory can be opened (CLONE_INTO_CGROUP), and asks for the right to
 * write to cgroup.procs, which root has, but not whether the mount is read-only. What it does else, clone() does, and
 * libraries use that where there is no clone3(), as in most containers. Its number is the same on all architectures. */
static int shut_clone3(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ~X32_BIT),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};

    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0 ? fail("take clone3() away") : 0;
}

int ng_cli_confine(void)
{
    __attribute__((cleanup(release_caps))) cap_t caps = cap_get_proc();
    cap_flag_value_t admin = CAP_CLEAR;
    int r;

    if (!caps || cap_get_flag(caps, CAP_SYS_ADMIN, CAP_EFFECTIVE, &admin) < 0)
        return fail("read the capabilities");
    /* Without it, as in a container, cgroups are somebody else's already. */
    r = admin == CAP_SET ? shut_kernel_files() : 0;
    if (r == 0 && admin == CAP_SET)
        r = shut_helpers();
    if (r == 0 && admin == CAP_SET)
        r = shut_delegates();
    if (r == 0)
        r = drop();
    if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        r = fail("set no_new_privs");
    if (r == 0)
        r = shut_clone3();
    return r;
}
