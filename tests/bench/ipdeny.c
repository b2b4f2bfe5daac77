// SPDX-License-Identifier: BSD-2-Clause
/* ipdeny OBJECT CGROUP COUNT: attaches ipdeny.bpf.c to a cgroup, with that many denied addresses (100.0.0.0 and on),
 * prints "ready", and takes it away when its input ends. COUNT "calls" or "packets": the programs that do nothing instead,
 * at connect and sendmsg, or at egress as well. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH 1000

struct key {
    __u32 prefixlen, address;
};

static int fill(int map, unsigned long count)
{
    static struct key keys[BATCH];
    static __u64 values[BATCH];

    for (unsigned long done = 0; done < count;) {
        __u32 n = 0;

        for (; n < BATCH && done < count; n++, done++)
            keys[n] = (struct key){.prefixlen = 32, .address = __builtin_bswap32(0x64000000U + (__u32)done)};
        if (bpf_map_update_batch(map, keys, values, &n, NULL) < 0)
            return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct bpf_object *object = argc == 4 ? bpf_object__open_file(argv[1], NULL) : NULL;
    int cgroup = argc == 4 ? open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    static const char *const deny[] = {"deny_egress", "deny_ingress", NULL};
    static const char *const calls[] = {"pass_connect4", "pass_sendmsg4", NULL};
    static const char *const packets[] = {"pass_connect4", "pass_sendmsg4", "pass_egress", NULL};
    const char *const *programs = argc != 4                       ? NULL
                                  : strcmp(argv[3], "calls") == 0   ? calls
                                  : strcmp(argv[3], "packets") == 0 ? packets
                                                                    : deny;
    char end;

    if (!object || cgroup < 0 || bpf_object__load(object) < 0 ||
        fill(bpf_object__find_map_fd_by_name(object, "deny"), strtoul(argv[3], NULL, 10)) < 0) {
        perror("ipdeny OBJECT CGROUP COUNT");
        return 1;
    }
    for (; *programs; programs++) {
        if (!bpf_program__attach_cgroup(bpf_object__find_program_by_name(object, *programs), cgroup)) {
            perror(*programs);
            return 1;
        }
    }
    if (write(STDOUT_FILENO, "ready\n", 6) < 0)
        return 1;
    (void)!read(STDIN_FILENO, &end, 1);
    return 0; /* the links end with the process */
}
