// SPDX-License-Identifier: BSD-2-Clause
#include "map.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>

int ng_map_read(int fd, const struct ng_destination_key *key, struct ng_destination *ret_value)
{
    return bpf_map_lookup_elem(fd, key, ret_value) < 0 ? -errno : 0;
}

int ng_map_write(int fd, const struct ng_destination_key *key, const struct ng_destination *value)
{
    return bpf_map_update_elem(fd, key, value, BPF_ANY) < 0 ? -errno : 0;
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

int ng_map_each(int fd, ng_map_fn each, void *arg)
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

int ng_map_asker(int fd, const struct ng_asker_key *key, struct ng_asker *ret_asker)
{
    struct ng_asker asker;

    if (bpf_map_lookup_elem(fd, key, &asker) < 0)
        return -errno;
    *ret_asker = asker;
    return 0;
}
