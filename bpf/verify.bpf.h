/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Whether the map still has what the resolver wrote: it has to know before each answer from its cache, and a system
 * call for each address costs as much as half of such an answer. */
#ifndef NAMEGATE_VERIFY_BPF_H
#define NAMEGATE_VERIFY_BPF_H

#include "maps.bpf.h"

SEC("syscall") int gate_verify(struct ng_expected *ctx)
{
    __u64 differ = 0;

/* The verifier wants constant offsets into what a program of this kind is given. */
#pragma unroll
    for (__u32 i = 0; i < NG_EXPECTED_MAX; i++) {
        const __u64 *wanted_key = (const __u64 *)&ctx->item[i].key;
        const __u64 *wanted = (const __u64 *)&ctx->item[i].value;
        __u64 key[3] = {wanted_key[0], wanted_key[1], wanted_key[2]}, unlike = 0;
        const __u64 *found;

        if (i >= ctx->count)
            break;
        found = bpf_map_lookup_elem(&destinations, key);
        for (__u32 word = 0; found && word < sizeof(struct ng_destination) / sizeof(*found); word++)
            unlike |= found[word] ^ wanted[word];
        differ |= (__u64)(!found || unlike) << i;
    }
    ctx->differ = differ;
    return 0;
}

#endif
