// SPDX-License-Identifier: BSD-2-Clause
/* fill MAP COUNT: fills the pinned map of destinations with that many addresses, of a scope that nobody is in. */
#include <namegate/abi.h>

#include <bpf/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 1000

int main(int argc, char **argv)
{
    static struct ng_destination_key key[BATCH];
    static struct ng_destination value[BATCH];
    int fd = argc == 3 ? bpf_obj_get(argv[1]) : -1;
    unsigned long count = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;

    if (fd < 0) {
        perror("fill MAP COUNT");
        return 1;
    }
    for (int i = 0; i < BATCH; i++)
        value[i].claim[0] = (struct ng_claim){.profile = NG_PROFILE_DENY, .expires_at = NG_FOREVER};
    for (unsigned long done = 0; done < count;) {
        __u32 n = 0;

        for (; n < BATCH && done < count; n++, done++) {
            __u32 v4 = __builtin_bswap32(0x64000000U + (__u32)done);

            key[n] = (struct ng_destination_key){.scope = 0x7ffffff0, .address = {[10] = 0xff, [11] = 0xff}};
            memcpy(key[n].address + 12, &v4, 4);
        }
        if (bpf_map_update_batch(fd, key, value, &n, NULL) < 0) {
            perror("bpf_map_update_batch");
            return 1;
        }
    }
    return 0;
}
