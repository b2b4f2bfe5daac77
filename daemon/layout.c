// SPDX-License-Identifier: BSD-2-Clause
#include "layout.h"

#include "cgroup.h"

#include <namegate/cleanup.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <dirent.h>
#include <string.h>

#define DEPTH_MAX 16

static bool same_type(const struct btf *a, int id_a, const struct btf *b, int id_b, int depth);

static bool same_members(const struct btf *a, const struct btf_type *of_a, const struct btf *b,
                         const struct btf_type *of_b, int depth)
{
    const struct btf_member *x = btf_members(of_a), *y = btf_members(of_b);

    if (of_a->size != of_b->size || btf_vlen(of_a) != btf_vlen(of_b))
        return false;
    for (unsigned i = 0; i < btf_vlen(of_a); i++, x++, y++)
        if (x->offset != y->offset ||
            strcmp(btf__name_by_offset(a, x->name_off), btf__name_by_offset(b, y->name_off)) != 0 ||
            !same_type(a, (int)x->type, b, (int)y->type, depth))
            return false;
    return true;
}

static bool same_type(const struct btf *a, int id_a, const struct btf *b, int id_b, int depth)
{
    const struct btf_type *x, *y;

    id_a = btf__resolve_type(a, (__u32)id_a);
    id_b = btf__resolve_type(b, (__u32)id_b);
    x = id_a < 0 ? NULL : btf__type_by_id(a, (__u32)id_a);
    y = id_b < 0 ? NULL : btf__type_by_id(b, (__u32)id_b);
    if (!x || !y || depth == 0 || btf_kind(x) != btf_kind(y))
        return false;
    switch (btf_kind(x)) {
    case BTF_KIND_STRUCT:
    case BTF_KIND_UNION:
        return same_members(a, x, b, y, depth - 1);
    case BTF_KIND_ARRAY:
        return btf_array(x)->nelems == btf_array(y)->nelems &&
               same_type(a, (int)btf_array(x)->type, b, (int)btf_array(y)->type, depth - 1);
    case BTF_KIND_INT:
        return x->size == y->size && btf_int_encoding(x) == btf_int_encoding(y);
    case BTF_KIND_ENUM:
        return x->size == y->size;
    default:
        return false; /* such as pointers: there are none */
    }
}

bool ng_layout_fits(const char *path, const struct bpf_map *map, const struct btf *types)
{
    _cleanup_fd_ int fd = bpf_obj_get(path);
    int key = (int)bpf_map__btf_key_type_id(map), value = (int)bpf_map__btf_value_type_id(map);
    struct bpf_map_info info = {0};
    uint32_t size = sizeof(info);
    struct btf *pinned;
    bool fits;

    if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) < 0 || !info.btf_id || !key || !value)
        return true;
    pinned = btf__load_from_kernel_by_id(info.btf_id);
    if (!pinned)
        return true;
    fits = same_type(pinned, (int)info.btf_key_type_id, types, key, DEPTH_MAX) &&
           same_type(pinned, (int)info.btf_value_type_id, types, value, DEPTH_MAX);
    btf__free(pinned);
    return fits;
}

struct search {
    int deployments;
    void *value; /* room for one */
    bool alive;
};

/* A cgroup that a deployment lives in: somebody is in it, or it is not of our making, so that somebody may come. */
static int look(void *arg, const char *path, uint64_t id)
{
    struct search *search = arg;
    const char *dot = strrchr(path, '.');
    _cleanup_fd_ int events = -1;

    if (bpf_map_lookup_elem(search->deployments, &id, search->value) < 0)
        return 0;
    events = ng_cgroup_watch(path);
    search->alive = events < 0 || ng_cgroup_populated(events) || !dot || strspn(dot + 1, "0123456789abcdef") != 8;
    return search->alive ? -ECANCELED : 0;
}

bool ng_layout_abandoned(const char *path, const char *cgroup_mount)
{
    _cleanup_fd_ int fd = bpf_obj_get(path);
    _cleanup_free_ void *value = NULL;
    struct search search = {.deployments = fd};
    struct bpf_map_info info = {0};
    uint32_t size = sizeof(info);

    if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) < 0 || info.key_size != sizeof(uint64_t))
        return false;
    search.value = value = malloc(info.value_size);
    return value && ng_cgroup_walk(cgroup_mount, look, &search) == 0 && !search.alive;
}

void ng_layout_clear(const char *pin_root)
{
    DIR *dir = opendir(pin_root);
    struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        (void)closedir(dir);
}
