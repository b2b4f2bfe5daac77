/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Network namespaces in which deployments are: the resolver has to listen in each of them. */
#ifndef NAMEGATE_NAMESPACE_BPF_H
#define NAMEGATE_NAMESPACE_BPF_H

#include "maps.bpf.h"

#define SIGHT_AGAIN 1000000000ULL /* ns */

/* Whether the resolver listens in a network namespace. If not, the keeper is told of who is there. */
static __always_inline bool is_served(__u64 cookie)
{
    struct ng_namespace *found = bpf_map_lookup_elem(&namespaces, &cookie);
    struct ng_namespace sighted = {};
    struct ng_sighting *sighting;

    if (found && found->served)
        return true;
    sighted.sighted_at = bpf_ktime_get_boot_ns();
    if (found && sighted.sighted_at - found->sighted_at < SIGHT_AGAIN)
        return false;
    if (found)
        found->sighted_at = sighted.sighted_at;
    else if (bpf_map_update_elem(&namespaces, &cookie, &sighted, BPF_NOEXIST))
        return false;
    sighting = bpf_ringbuf_reserve(&events, sizeof(*sighting), 0);
    if (!sighting)
        return false;
    sighting->kind = NG_RECORD_SIGHTING;
    sighting->tgid = bpf_get_current_pid_tgid() >> 32;
    bpf_ringbuf_submit(sighting, 0);
    return false;
}

#endif
