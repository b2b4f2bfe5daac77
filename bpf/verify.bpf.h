/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Whether the map still has what the resolver wrote. It has to know before each answer from its cache that is not
 * looked at as it leaves (departure.bpf.h), and of all again and again; a system call for each address costs as much as
 * half of such an answer. */
#ifndef NAMEGATE_VERIFY_BPF_H
#define NAMEGATE_VERIFY_BPF_H

#include "maps.bpf.h"

/* They are read from where they are, rather than given as the context, which the kernel copies whole, and twice. */
SEC("syscall") int gate_verify(struct ng_verification *ctx)
{
    const struct ng_expected *from = (const struct ng_expected *)ctx->expected;
    __u32 count = ctx->count;
    __u64 differ = 0;

    for (__u32 i = 0; i < NG_EXPECTED_MAX && i < count; i++) {
        struct ng_expected expected;
        const __u64 *wanted = (const __u64 *)&expected.value, *found;
        __u64 unlike = 0;

        if (bpf_copy_from_user(&expected, sizeof(expected), from + i) < 0) {
            differ |= 1ULL << i;
            continue;
        }
        found = bpf_map_lookup_elem(&destinations, &expected.key);
        for (__u32 word = 0; found && word < sizeof(expected.value) / sizeof(*found); word++)
            unlike |= found[word] ^ wanted[word];
        differ |= (__u64)(!found || unlike) << i;
    }
    ctx->differ = differ;
    return 0;
}

#endif
