// SPDX-License-Identifier: BSD-2-Clause
/* Owns the BPF object, its pins and its maps. Must never leave a moment without a program while a deployment lives:
 * attach before tagging, update links in place, detach only what no deployment needs. */
#include "gate.h"

#include "layout.h"
#include "rules.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>
#include <namegate/epoch.h>

#include "gate.skel.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#define PATH_ROOM 512
#define ROOT_HOOKS NG_HOOK_EGRESS /* hooks before it are attached at the root */

#define TELLERS 5
#define ATTACH_UNIX_CONNECT 49 /* BPF_CGROUP_UNIX_CONNECT of linux/bpf.h, since Linux 6.7 */
#define DRAIN_TURNS 32
#define CONSUME_FOR (NG_SECOND / 20) /* events in a row, then others have their turn */

struct ng_gate {
    struct gate *object;
    struct bpf_link *links[ROOT_HOOKS];
    struct bpf_link *walks[NG_WALKS]; /* iterators: they run when asked, and need no pin; NULL: this kernel has none */
    /* They tell, and enforce nothing: they end with the process, and the next daemon looks at what runs then. */
    struct bpf_link *tellers[TELLERS];
    struct ring_buffer *ring;
    uint64_t *epoch, *additions;
    char *pin_root;
    bool adopted;
    bool has_maps; /* all that were pinned */
    bool loaded;   /* the programs are those of this build */
    struct ng_gate_ops ops;
    uint64_t until; /* ns: end of this turn */
};

static const char *const hook_names[NG_HOOK_MAX] = {
    "connect4", "connect6",     "sendmsg4",     "sendmsg6",    "recvmsg4",
    "recvmsg6", "getpeername4", "getpeername6", "sock_create", "egress",      "cut",      "dns",
};

const char *ng_hook_name(unsigned hook)
{
    return hook < NG_HOOK_MAX ? hook_names[hook] : "unknown";
}

static int libbpf_log(enum libbpf_print_level level, const char *format, va_list args)
{
    char line[2048];

    (void)level;
    (void)vsnprintf(line, sizeof(line), format, args);
    line[strcspn(line, "\n")] = '\0';
    ng_log(NG_LOG_DEBUG, "libbpf: %s", line);
    return 0;
}

static struct bpf_program *root_program(struct ng_gate *gate, unsigned hook)
{
    char name[64];

    (void)snprintf(name, sizeof(name), "gate_%s", hook_names[hook]);
    return bpf_object__find_program_by_name(gate->object->obj, name);
}

static char *pin_path(const struct ng_gate *gate, const char *name, char path[static PATH_ROOM])
{
    (void)snprintf(path, PATH_ROOM, "%s/%s", gate->pin_root, name);
    return path;
}

static char *egress_path(const struct ng_gate *gate, uint64_t cgroup, char path[static PATH_ROOM])
{
    (void)snprintf(path, PATH_ROOM, "%s/egress_%llx", gate->pin_root, (unsigned long long)cgroup);
    return path;
}

/* Constants of the object hold none. What only saves repetition begins anew with the programs: while others were in
 * force nobody may have seen to it that it is up to date. So does what belongs to one resolver: that of a keeper that
 * was killed may still write to its own. */
static bool holds_state(const struct bpf_map *map)
{
    static const char *const passing[] = {"permits", "bystanders", "delegations", "departures", "listeners"};
    bool holds = !strchr(bpf_map__name(map), '.');

    for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
        holds = holds && strcmp(bpf_map__name(map), passing[i]) != 0;
    return holds;
}

/* NULL: all that is pinned can be taken over, else the first map that cannot. */
static const char *misfit(const struct ng_gate *gate)
{
    const struct bpf_map *map;
    char path[PATH_ROOM];

    bpf_object__for_each_map(map, gate->object->obj)
    {
        if (holds_state(map) && !ng_layout_fits(pin_path(gate, bpf_map__name(map), path), map,
                                                bpf_object__btf(gate->object->obj)))
            return bpf_map__name(map);
    }
    return NULL;
}

/* What another build pinned is taken over as it is, or, when nobody stands under it any more, made anew. */
static int check_pinned(struct ng_gate *gate, const char *cgroup_mount, struct ng_error *error)
{
    const char *map = gate->adopted ? misfit(gate) : NULL;
    char path[PATH_ROOM];

    if (!map)
        return 0;
    if (!ng_layout_abandoned(pin_path(gate, "deployments", path), cgroup_mount))
        return ng_error_set(error, EPROTO,
                            "the pinned gate stays in force; run the version that made it, until its deployments "
                            "have ended",
                            "cannot take over the gate pinned in %s: the layout of '%s' is another one", gate->pin_root,
                            map);
    ng_log(NG_LOG_INFO, "another version left a gate in %s under which nobody stands: it is made anew", gate->pin_root);
    ng_layout_clear(gate->pin_root);
    gate->adopted = false;
    return 0;
}

/* A map that is pinned is used from now on, as large as it is: a changed setting takes effect when the gate is made
 * anew. Returns -ENOENT when it is not there, as of a release that did not know it. */
static int take_over_map(struct bpf_map *map, const char *path)
{
    _cleanup_fd_ int fd = bpf_obj_get(path);
    struct bpf_map_info info = {0};
    uint32_t size = sizeof(info);

    if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
        return -errno;
    if (info.type != bpf_map__type(map) || info.key_size != bpf_map__key_size(map) ||
        info.value_size != bpf_map__value_size(map) || info.map_flags != bpf_map__map_flags(map))
        return -EINVAL;
    return bpf_map__reuse_fd(map, fd);
}

static int prepare_maps(struct ng_gate *gate, uint32_t max_destinations)
{
    struct bpf_map *map;
    char path[PATH_ROOM];

    (void)bpf_map__set_max_entries(gate->object->maps.destinations, max_destinations);
    gate->has_maps = gate->adopted;
    bpf_object__for_each_map(map, gate->object->obj)
    {
        int r;

        if (!holds_state(map))
            continue;
        (void)pin_path(gate, bpf_map__name(map), path);
        r = gate->adopted ? take_over_map(map, path) : -ENOENT;
        if (r == -ENOENT) {
            gate->has_maps = false;
            r = bpf_map__set_pin_path(map, path);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

/* Whether the kernel can walk over this. */
static bool has_walk(const struct btf *btf, enum ng_walk walk)
{
    static const char *const targets[NG_WALKS] = {"bpf_iter_task_file", "bpf_iter_task", "bpf_iter_tcp",
                                                  "bpf_iter_udp"};

    return btf__find_by_name_kind(btf, targets[walk], BTF_KIND_FUNC) > 0;
}

static void list_walks(const struct ng_gate *gate, struct bpf_program *ret_programs[static NG_WALKS])
{
    ret_programs[NG_WALK_FILES] = gate->object->progs.gate_walk_files;
    ret_programs[NG_WALK_TASKS] = gate->object->progs.gate_walk_tasks;
    ret_programs[NG_WALK_TCP] = gate->object->progs.gate_walk_tcp;
    ret_programs[NG_WALK_UDP] = gate->object->progs.gate_walk_udp;
}

/* Whether the kernel has the hook for connect() of AF_UNIX. */
static bool has_unix_hook(const struct btf *btf)
{
    int id = btf__find_by_name_kind(btf, "cgroup_bpf_attach_type", BTF_KIND_ENUM);
    const struct btf_type *type = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;
    bool found = false;

    for (unsigned i = 0; type && i < btf_vlen(type) && !found; i++)
        found = strcmp(btf__name_by_offset(btf, btf_enum(type)[i].name_off), "CGROUP_UNIX_CONNECT") == 0;
    return found;
}

/* What not every kernel has is a help, where it is: the walks over sockets, the hook of AF_UNIX, gate_verify(). */
static void prepare_programs(struct ng_gate *gate)
{
    struct bpf_program *walks[NG_WALKS], *unix_hook = gate->object->progs.gate_connect_unix;
    struct btf *btf = btf__load_vmlinux_btf(); /* once: it is large */

    list_walks(gate, walks);
    for (enum ng_walk walk = NG_WALK_FILES + 1; walk < NG_WALKS; walk++)
        (void)bpf_program__set_autoload(walks[walk], btf && has_walk(btf, walk));
    (void)bpf_program__set_expected_attach_type(unix_hook, (enum bpf_attach_type)ATTACH_UNIX_CONNECT);
    (void)bpf_program__set_autoload(unix_hook, btf && has_unix_hook(btf));
    (void)bpf_program__set_autoload(gate->object->progs.gate_verify,
                                    libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_SYSCALL, NULL) == 1); /* Linux 5.14 */
    btf__free(btf);
}

static int fail_to_load(const struct ng_gate *gate, int r, struct ng_error *error)
{
    if (gate->adopted)
        return ng_error_set(error, -r,
                            "the pinned gate stays in force; run the version that made it, or end its deployments and "
                            "remove the pin root",
                            "cannot take over the gate pinned in %s: %s", gate->pin_root, strerror(-r));
    return ng_error_set(error, -r,
                        "namegated needs a kernel with BTF, cgroup socket-address hooks and socket storage in "
                        "them; -v shows what the kernel said",
                        "cannot load the BPF programs: %s", strerror(-r));
}

static int open_object(struct ng_gate *gate, const char *cgroup_mount, uint32_t max_destinations,
                       struct ng_error *error)
{
    char path[PATH_ROOM];
    int r;

    gate->object = gate__open();
    if (!gate->object)
        return ng_error_set(error, errno ? errno : EINVAL, NULL, "cannot open the BPF object: %m");
    gate->adopted = access(pin_path(gate, "deployments", path), F_OK) == 0;
    r = check_pinned(gate, cgroup_mount, error);
    if (r < 0)
        return r;
    if (getrandom((void *)(uintptr_t)gate->object->rodata->permit_secret,
                  sizeof(gate->object->rodata->permit_secret), 0) < 0 ||
        getrandom((void *)(uintptr_t)gate->object->rodata->place_secret,
                  sizeof(gate->object->rodata->place_secret), 0) < 0 ||
        getrandom((void *)(uintptr_t)&gate->object->rodata->bystander_secret,
                  sizeof(gate->object->rodata->bystander_secret), 0) < 0)
        return ng_error_set(error, EIO, NULL, "no random number can be had: %m");
    r = prepare_maps(gate, max_destinations);
    return r < 0 ? fail_to_load(gate, r, error) : 0;
}

static int attach_root_hook(struct ng_gate *gate, unsigned hook, int cgroup, struct ng_error *error)
{
    struct bpf_program *program = root_program(gate, hook);
    char name[64], path[PATH_ROOM];
    struct bpf_link *link;
    int r;

    (void)snprintf(name, sizeof(name), "link_%s", hook_names[hook]);
    (void)pin_path(gate, name, path);
    if (access(path, F_OK) == 0) {
        link = bpf_link__open(path);
        r = link ? bpf_link__update_program(link, program) : -errno;
    } else {
        link = bpf_program__attach_cgroup(program, cgroup);
        r = link ? bpf_link__pin(link, path) : -errno;
    }
    if (r < 0) {
        (void)bpf_link__destroy(link);
        return ng_error_set(error, -r, NULL, "cannot attach %s: %s", hook_names[hook], strerror(-r));
    }
    gate->links[hook] = link;
    return 0;
}

static int update_egress(void *arg, uint64_t cgroup, const struct ng_deployment *deployment)
{
    struct ng_gate *gate = arg;
    char path[PATH_ROOM];
    struct bpf_link *link = bpf_link__open(egress_path(gate, cgroup, path));
    int r;

    (void)deployment;
    if (!link)
        return 0; /* interrupted between link and tag, or after the end: the caller sorts it out */
    r = bpf_link__update_program(link, gate->object->progs.gate_egress);
    (void)bpf_link__destroy(link);
    return r == -ENOLINK ? 0 : r; /* its cgroup is gone */
}

static int attach_tellers(struct ng_gate *gate, int cgroup, struct ng_error *error)
{
    const struct bpf_program *programs[TELLERS] = {gate->object->progs.gate_fork, gate->object->progs.gate_exec,
                                                   gate->object->progs.gate_exit, gate->object->progs.gate_move,
                                                   gate->object->progs.gate_connect_unix};

    for (unsigned i = 0; i < TELLERS; i++) {
        if (!bpf_program__autoload(programs[i]))
            continue;
        gate->tellers[i] = bpf_program__type(programs[i]) == BPF_PROG_TYPE_CGROUP_SOCK_ADDR
                               ? bpf_program__attach_cgroup(programs[i], cgroup)
                               : bpf_program__attach(programs[i]);
        if (!gate->tellers[i])
            return ng_error_set(error, errno, NULL, "cannot follow processes, %s: %m", bpf_program__name(programs[i]));
    }
    return 0;
}

static int attach_walks(struct ng_gate *gate, struct ng_error *error)
{
    struct bpf_program *programs[NG_WALKS];

    list_walks(gate, programs);
    for (enum ng_walk walk = 0; walk < NG_WALKS; walk++) {
        if (!bpf_program__autoload(programs[walk]))
            continue;
        gate->walks[walk] = bpf_program__attach_iter(programs[walk], NULL);
        if (!gate->walks[walk])
            return ng_error_set(error, errno, NULL, "cannot attach %s: %m", bpf_program__name(programs[walk]));
    }
    return 0;
}

static int attach(struct ng_gate *gate, const char *cgroup_mount, struct ng_error *error)
{
    _cleanup_fd_ int cgroup = open(cgroup_mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r;

    if (cgroup < 0)
        return ng_error_set(error, errno, NULL, "cannot open %s: %m", cgroup_mount);
    for (unsigned hook = 0; hook < ROOT_HOOKS; hook++) {
        r = attach_root_hook(gate, hook, cgroup, error);
        if (r < 0)
            return r;
    }
    r = ng_gate_each_deployment(gate, update_egress, gate);
    if (r < 0)
        return ng_error_set(error, -r, NULL, "cannot update the egress programs: %s", strerror(-r));
    r = attach_tellers(gate, cgroup, error);
    if (r < 0)
        return r;
    return attach_walks(gate, error);
}

int ng_gate_enforce(struct ng_gate *gate, const char *cgroup_mount, struct ng_error *error)
{
    int r;

    if (gate->loaded)
        return 0;
    prepare_programs(gate);
    r = gate__load(gate->object);
    if (r < 0)
        return fail_to_load(gate, r, error);
    gate->loaded = true;
    return attach(gate, cgroup_mount, error);
}

static int on_record(void *arg, void *data, size_t size)
{
    struct ng_gate *gate = arg;
    const struct ng_gate_ops *ops = &gate->ops;

    switch (size >= sizeof(uint32_t) ? *(const uint32_t *)data : 0) {
    case NG_RECORD_DENIAL:
        ops->denial(ops->arg, data);
        break;
    case NG_RECORD_SIGHTING:
        ops->sighting(ops->arg, (pid_t)((const struct ng_sighting *)data)->tgid);
        break;
    case NG_RECORD_REACH:
        ops->reach(ops->arg, data);
        break;
    case NG_RECORD_FORK:
        ops->fork(ops->arg, data);
        break;
    case NG_RECORD_EXEC:
        ops->exec(ops->arg, data);
        break;
    case NG_RECORD_EXIT:
        ops->exit(ops->arg, data);
        break;
    case NG_RECORD_MOVE:
        ops->move(ops->arg, data);
        break;
    case NG_RECORD_DELEGATION:
        ops->delegation(ops->arg, data);
        break;
    default:
        break;
    }
    return ng_now() < gate->until ? 0 : -EAGAIN;
}

int ng_gate_open(const char *pin_root, const char *cgroup_mount, uint32_t max_destinations,
                 const struct ng_gate_ops *ops, struct ng_error *error, struct ng_gate **ret_gate)
{
    struct ng_gate *gate = calloc(1, sizeof(*gate));
    int r;

    if (!gate)
        return ng_error_set(error, ENOMEM, NULL, "out of memory");
    libbpf_set_print(libbpf_log);
    gate->ops = *ops;
    gate->pin_root = strdup(pin_root);
    r = gate->pin_root ? 0 : ng_error_set(error, ENOMEM, NULL, "out of memory");
    if (r == 0 && mkdir(pin_root, 0700) < 0 && errno != EEXIST)
        r = ng_error_set(error, errno,
                         errno == EPERM ? "a bpffs takes no names with a dot: choose another --pin-root"
                                        : "mount -t bpf bpf /sys/fs/bpf",
                         "cannot make %s: %m", pin_root);
    if (r == 0)
        r = open_object(gate, cgroup_mount, max_destinations, error);
    if (r == 0 && !gate->has_maps)
        r = ng_gate_enforce(gate, cgroup_mount, error);
    if (r == 0 && (ng_epoch_map(ng_gate_epoch(gate), &gate->epoch) < 0 ||
                   ng_epoch_map(bpf_map__fd(gate->object->maps.additions), &gate->additions) < 0))
        r = ng_error_set(error, errno, NULL, "cannot map the epochs: %m");
    if (r == 0) {
        gate->ring = ring_buffer__new(bpf_map__fd(gate->object->maps.events), on_record, gate, NULL);
        if (!gate->ring)
            r = ng_error_set(error, errno, NULL, "cannot read the event buffer: %m");
    }
    if (r < 0) {
        if (gate->pin_root && !gate->adopted)
            (void)ng_gate_remove(gate);
        ng_gate_free(gate);
        return r;
    }
    *ret_gate = gate;
    return 0;
}

void ng_gate_free(struct ng_gate *gate)
{
    if (!gate)
        return;
    ring_buffer__free(gate->ring);
    for (unsigned hook = 0; hook < ROOT_HOOKS; hook++)
        (void)bpf_link__destroy(gate->links[hook]); /* closes its descriptor; the pin keeps it */
    for (unsigned i = 0; i < TELLERS; i++)
        (void)bpf_link__destroy(gate->tellers[i]);
    for (enum ng_walk walk = 0; walk < NG_WALKS; walk++)
        (void)bpf_link__destroy(gate->walks[walk]);
    ng_epoch_unmap(gate->epoch);
    ng_epoch_unmap(gate->additions);
    gate__destroy(gate->object);
    free(gate->pin_root);
    free(gate);
}

int ng_gate_remove(struct ng_gate *gate)
{
    struct bpf_map *map;
    char name[64], path[PATH_ROOM];

    for (unsigned hook = 0; hook < ROOT_HOOKS; hook++) {
        (void)snprintf(name, sizeof(name), "link_%s", hook_names[hook]);
        (void)unlink(pin_path(gate, name, path));
    }
    if (gate->object)
        bpf_object__for_each_map(map, gate->object->obj)
            (void)unlink(pin_path(gate, bpf_map__name(map), path));
    return rmdir(gate->pin_root) < 0 ? -errno : 0;
}

bool ng_gate_adopted(const struct ng_gate *gate)
{
    return gate->adopted;
}

int ng_gate_destinations(const struct ng_gate *gate)
{
    return bpf_map__fd(gate->object->maps.destinations);
}

int ng_gate_askers(const struct ng_gate *gate)
{
    return bpf_map__fd(gate->object->maps.askers);
}

int ng_gate_departures(const struct ng_gate *gate)
{
    return gate->loaded ? bpf_map__fd(gate->object->maps.departures) : -1;
}

void ng_gate_mark(const struct ng_gate *gate, const struct ng_listeners *listeners)
{
    for (unsigned i = 0; gate->loaded && i < listeners->count; i++) {
        const struct ng_listener *listener = &listeners->item[i];

        if (!(listener->flags & NG_LISTENER_TCP))
            (void)bpf_map_update_elem(bpf_map__fd(gate->object->maps.listeners), &listener->fd, &listener->worker,
                                      BPF_ANY);
    }
}

int ng_gate_verifier(const struct ng_gate *gate)
{
    return gate->loaded ? bpf_program__fd(gate->object->progs.gate_verify) : -1;
}

int ng_gate_epoch(const struct ng_gate *gate)
{
    return bpf_map__fd(gate->object->maps.epoch);
}

int ng_gate_walk(const struct ng_gate *gate, enum ng_walk walk)
{
    return gate->walks[walk] ? bpf_link__fd(gate->walks[walk]) : -EOPNOTSUPP;
}

int ng_gate_events_fd(const struct ng_gate *gate)
{
    return ring_buffer__epoll_fd(gate->ring);
}

bool ng_gate_consume(struct ng_gate *gate)
{
    gate->until = ng_now() + CONSUME_FOR;
    return ring_buffer__consume(gate->ring) == -EAGAIN;
}

void ng_gate_drain(struct ng_gate *gate)
{
    for (int i = 0; i < DRAIN_TURNS && ng_gate_consume(gate); i++)
        ;
}

struct ng_control ng_gate_control(const struct ng_gate *gate)
{
    struct ng_control control = {0};
    uint32_t zero = 0;

    (void)bpf_map_lookup_elem(bpf_map__fd(gate->object->maps.control), &zero, &control);
    return control;
}

int ng_gate_set_control(struct ng_gate *gate, const struct ng_control *control)
{
    uint32_t zero = 0;
    int r = bpf_map_update_elem(bpf_map__fd(gate->object->maps.control), &zero, control, BPF_ANY);

    ng_epoch_advance(gate->additions); /* it says where deployments lie */
    ng_epoch_advance(gate->epoch);
    return r;
}

int ng_gate_serve_namespace(struct ng_gate *gate, uint64_t cookie, bool served)
{
    int fd = bpf_map__fd(gate->object->maps.namespaces);
    struct ng_namespace value = {.served = 1};

    if (served)
        return bpf_map_update_elem(fd, &cookie, &value, BPF_ANY) < 0 ? -errno : 0;
    return bpf_map_delete_elem(fd, &cookie) < 0 && errno != ENOENT ? -errno : 0;
}

void ng_gate_forget_namespaces(struct ng_gate *gate,
                               bool (*stale)(const void *arg, uint64_t cookie, const struct ng_namespace *namespace),
                               const void *arg)
{
    int fd = bpf_map__fd(gate->object->maps.namespaces);
    uint64_t cookie, next;
    bool more = bpf_map_get_next_key(fd, NULL, &cookie) == 0;

    while (more) {
        struct ng_namespace value;

        more = bpf_map_get_next_key(fd, &cookie, &next) == 0;
        if (bpf_map_lookup_elem(fd, &cookie, &value) == 0 && stale(arg, cookie, &value))
            (void)bpf_map_delete_elem(fd, &cookie);
        cookie = next;
    }
}

int ng_gate_add_deployment(struct ng_gate *gate, const char *path, uint64_t cgroup,
                           const struct ng_deployment *deployment, struct ng_error *error)
{
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char pin[PATH_ROOM];
    struct bpf_link *link;
    int r;

    if (fd < 0)
        return ng_error_set(error, errno, NULL, "cannot open %s: %m", path);
    link = bpf_program__attach_cgroup(gate->object->progs.gate_egress, fd);
    if (!link)
        return ng_error_set(error, errno, NULL, "cannot attach egress to %s: %m", path);
    r = bpf_link__pin(link, egress_path(gate, cgroup, pin));
    if (r == 0)
        r = ng_gate_update_deployment(gate, cgroup, deployment);
    if (r < 0) {
        (void)unlink(pin);
        (void)bpf_link__destroy(link);
        return ng_error_set(error, -r, r == -E2BIG ? "end deployments that are no longer needed" : NULL,
                            "cannot tag %s: %s", path, strerror(-r));
    }
    (void)bpf_link__destroy(link); /* closes its descriptor; the pin keeps it */
    return 0;
}

int ng_gate_update_deployment(struct ng_gate *gate, uint64_t cgroup, const struct ng_deployment *deployment)
{
    int r = bpf_map_update_elem(bpf_map__fd(gate->object->maps.deployments), &cgroup, deployment, BPF_ANY);

    ng_epoch_advance(gate->additions);
    ng_epoch_advance(gate->epoch);
    return r;
}

void ng_gate_remove_deployment(struct ng_gate *gate, uint64_t cgroup)
{
    char pin[PATH_ROOM];

    (void)unlink(egress_path(gate, cgroup, pin));
    (void)bpf_map_delete_elem(bpf_map__fd(gate->object->maps.deployments), &cgroup);
}

int ng_gate_each_deployment(struct ng_gate *gate, ng_deployment_fn each, void *arg)
{
    int map = bpf_map__fd(gate->object->maps.deployments);
    uint64_t next, *key = NULL, at;

    while (bpf_map_get_next_key(map, key, &next) == 0) {
        struct ng_deployment deployment;
        int r;

        at = next;
        key = &at;
        if (bpf_map_lookup_elem(map, &at, &deployment) < 0)
            continue;
        r = each(arg, at, &deployment);
        if (r < 0)
            return r;
    }
    return 0;
}

static struct ng_rule_maps rule_maps(const struct ng_gate *gate)
{
    return (struct ng_rule_maps){.networks = bpf_map__fd(gate->object->maps.networks),
                                 .profiles = bpf_map__fd(gate->object->maps.profiles)};
}

int ng_gate_add_profiles(struct ng_gate *gate, const struct ng_snapshot *snapshot, struct ng_error *error)
{
    int r = ng_rules_add_profiles(rule_maps(gate), snapshot, error);

    ng_epoch_advance(gate->epoch);
    return r;
}

int ng_gate_switch(struct ng_gate *gate, const struct ng_snapshot *snapshot, const struct ng_snapshot *in_force,
                   struct ng_error *error)
{
    int r = ng_rules_switch(rule_maps(gate), snapshot, in_force, error);

    ng_epoch_advance(gate->epoch);
    return r;
}

uint64_t ng_gate_counter(const struct ng_gate *gate, unsigned slot)
{
    int cpus = libbpf_num_possible_cpus();
    _cleanup_free_ uint64_t *values = cpus > 0 ? calloc((size_t)cpus, sizeof(*values)) : NULL;
    uint64_t sum = 0;

    if (!values || bpf_map_lookup_elem(bpf_map__fd(gate->object->maps.counters), &slot, values) < 0)
        return 0;
    for (int i = 0; i < cpus; i++)
        sum += values[i];
    return sum;
}

uint32_t ng_gate_destinations_used(const struct ng_gate *gate)
{
    struct ng_destination_key at, next;
    uint32_t count = 0;
    bool first = true;

    while (count < ng_gate_destinations_max(gate) &&
           bpf_map_get_next_key(ng_gate_destinations(gate), first ? NULL : &at, &next) == 0) {
        at = next;
        first = false;
        count++;
    }
    return count;
}

uint32_t ng_gate_destinations_max(const struct ng_gate *gate)
{
    return bpf_map__max_entries(gate->object->maps.destinations);
}

bool ng_gate_attached(const struct ng_gate *gate, enum ng_hook hook)
{
    struct bpf_link_info info = {0};
    uint32_t size = sizeof(info);

    if (hook >= ROOT_HOOKS)
        return true;
    return bpf_obj_get_info_by_fd(bpf_link__fd(gate->links[hook]), &info, &size) == 0 && info.prog_id != 0;
}
