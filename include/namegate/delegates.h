/* SPDX-License-Identifier: BSD-2-Clause */
/* Services that work for whoever asks them over AF_UNIX, from outside of any deployment: what they do, the gate does not
 * see. */
#ifndef NAMEGATE_DELEGATES_H
#define NAMEGATE_DELEGATES_H

#include <stddef.h>
#include <string.h>

struct ng_delegate {
    const char *path; /* of the socket */
    const char *name;
};

/* The one whose socket this is; also by the last part alone where that says enough, since a path may be relative or lead
 * there by another directory. NULL: none that is known. */
static inline const struct ng_delegate *ng_delegate_next(const struct ng_delegate *after)
{
    static const struct ng_delegate known[] = {
        {"/run/docker.sock", "Docker"},
        {"/run/podman/podman.sock", "Podman"},
        {"/run/containerd/containerd.sock", "containerd"},
        {"/run/crio/crio.sock", "CRI-O"},
        {"/run/libvirt/libvirt-sock", "libvirt"},
        {"/run/snapd.socket", "snapd"},
        {"/run/systemd/private", "systemd (systemd-run, systemctl)"},
        {"/run/dbus/system_bus_socket", "services on D-Bus"},
        {"/run/nscd/socket", "nscd"},
        {"/run/systemd/resolve/io.systemd.Resolve", "systemd-resolved"},
        {NULL, NULL},
    };
    const struct ng_delegate *next = after ? after + 1 : known;

    return next->path ? next : NULL;
}

static inline const struct ng_delegate *ng_delegate_of(const char *path)
{
    const char *last = strrchr(path, '/');
    const struct ng_delegate *it;

    if (strncmp(path, "/var/run/", 9) == 0)
        path += 4;
    for (it = ng_delegate_next(NULL); it; it = ng_delegate_next(it)) {
        const char *own = strrchr(it->path, '/');

        if (strcmp(path, it->path) == 0)
            return it;
        if (strcmp(last ? last + 1 : path, own + 1) == 0 && strcmp(own, "/private") != 0 && strcmp(own, "/socket") != 0)
            return it;
    }
    return NULL;
}

#endif
