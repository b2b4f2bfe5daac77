// SPDX-License-Identifier: BSD-2-Clause
#include "map.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define SCAN_BATCH 4096
#define ENOTSUPP 524 /* what kernels say of maps without batches; they do not export it */

int ng_map_read(int fd, const struct ng_destination_key *key, struct ng_destination *ret_value)
{
    return bpf_map_lookup_elem(fd, key, ret_value) < 0 ? -errno : 0;
}

int ng_map_verify(int program, const struct ng_expected *expected, unsigned count, uint64_t *ret_differ)
{
    struct ng_verification verification = {.expected = (uintptr_t)expected, .count = count};
    LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &verification, .ctx_size_in = sizeof(verification));

    /* The kernel gives back what it was given as the program has left it. */
    if (bpf_prog_test_run_opts(program, &run) < 0)
        return -errno;
    *ret_differ = verification.differ;
    return 0;
}

int ng_map_write(int fd, const struct ng_destination_key *keys, const struct ng_destination *values, unsigned count)
{
    __u32 done = count;
    int r = 0;

    if (count > 1 && bpf_map_update_batch(fd, keys, values, &done, NULL) == 0)
        return 0;
    /* What a batch says of where it failed is not the same in all kernels. To write twice is no harm. */
    for (unsigned i = 0; i < count; i++)
        if (bpf_map_update_elem(fd, &keys[i], &values[i], BPF_ANY) < 0)
            r = -errno;
    return r;
}

size_t ng_map_max(int fd)
{
    struct bpf_map_info info = {.type = 0};
    __u32 size = sizeof(info);

    return bpf_obj_get_info_by_fd(fd, &info, &size) < 0 ? 0 : info.max_entries;
}

int ng_map_erase(int fd, const struct ng_destination_key *keys, size_t count)
{
    while (count > 0) {
        __u32 done = (__u32)count;

        if (bpf_map_delete_batch(fd, keys, &done, NULL) == 0)
            return 0;
        if (errno != ENOENT || done >= count)
            return -errno;
        done++; /* the batch ends at a key that is not there */
        keys += done;
        count -= done;
    }
    return 0;
}

/* What a batch fills. */
struct scan {
    struct ng_destination_key key[SCAN_BATCH];
    struct ng_destination value[SCAN_BATCH];
};

static int scan_all(int fd, struct scan *scan, ng_map_fn each, void *arg)
{
    uint32_t from = 0, next = 0; /* where the kernel goes on */
    bool first = true, end = false;

    while (!end) {
        __u32 count = SCAN_BATCH;
        int r = bpf_map_lookup_batch(fd, first ? NULL : &from, &next, scan->key, scan->value, &count, NULL);

        end = r < 0;
        if (end && errno != ENOENT)
            return first && (errno == EINVAL || errno == ENOTSUP || errno == EPERM || errno == ENOTSUPP) ? -EOPNOTSUPP
                                                                                                       : -errno;
        for (__u32 i = 0; i < count; i++) {
            r = each(arg, &scan->key[i], &scan->value[i]);
            if (r < 0)
                return r;
        }
        from = next;
        first = false;
    }
    return 0;
}

static int each_by_batch(int fd, ng_map_fn each, void *arg)
{
    struct scan *scan = malloc(sizeof(*scan));
    int r = scan ? scan_all(fd, scan, each, arg) : -ENOMEM;

    free(scan);
    return r;
}

static int each_by_key(int fd, ng_map_fn each, void *arg)
{
    struct ng_destination_key key, next;
    struct ng_destination value;
    bool first = true;

    while (bpf_map_get_next_key(fd, first ? NULL : &key, &next) == 0) {
        key = next;
        first = false;
        if (bpf_map_lookup_elem(fd, &key, &value) == 0) {
            int r = each(arg, &key, &value);

            if (r < 0)
                return r;
        }
    }
    return errno == ENOENT ? 0 : -errno;
}

int ng_map_each(int fd, ng_map_fn each, void *arg)
{
    int r = each_by_batch(fd, each, arg);

    return r == -EOPNOTSUPP ? each_by_key(fd, each, arg) : r;
}

int ng_map_asker(int fd, const struct ng_asker_key *key, struct ng_asker *ret_asker)
{
    struct ng_asker asker;

    if (bpf_map_lookup_elem(fd, key, &asker) < 0)
        return -errno;
    *ret_asker = asker;
    return 0;
}
