/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether what another build left in the kernel means the same to this one. The kernel keeps the types (BTF) with which
 * a map was made: a field that moved, was renamed or changed its size is seen, also where the whole has the same
 * size. */
#ifndef NAMEGATE_LAYOUT_H
#define NAMEGATE_LAYOUT_H

#include <bpf/libbpf.h>
#include <stdbool.h>

/* Whether key and value of the map pinned at path are those of `map`; true where nothing is pinned, or no types are
 * known: sizes are checked by whoever opens it. */
bool ng_layout_fits(const char *path, const struct bpf_map *map, const struct btf *types);

/* Whether none of the deployments that a pinned map holds has a process any more; of its layout only the key is
 * believed, which is a cgroup id for ever. In doubt false. */
bool ng_layout_abandoned(const char *path, const char *cgroup_mount);

/* Removes every pin in a directory, for when that is so. */
void ng_layout_clear(const char *pin_root);

#endif
