/* SPDX-License-Identifier: BSD-2-Clause */
/* Services that work for whoever asks them, over a socket of AF_UNIX or by a file, from outside of any deployment: what
 * they do, the gate does not see. */
#ifndef NAMEGATE_DELEGATES_H
#define NAMEGATE_DELEGATES_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct ng_delegate {
    const char *path; /* of the socket, or the directory */
    const char *name;
    bool resolves;    /* what it is asked for is names */
};

/* The next one; the first after NULL, and NULL after the last. */
static inline const struct ng_delegate *ng_delegate_next(const struct ng_delegate *after)
{
    static const struct ng_delegate known[] = {
        {"/run/docker.sock", "Docker", false},
        {"/run/podman/podman.sock", "Podman", false},
        {"/run/containerd/containerd.sock", "containerd", false},
        {"/run/crio/crio.sock", "CRI-O", false},
        {"/run/libvirt/libvirt-sock", "libvirt", false},
        {"/run/snapd.socket", "snapd", false},
        {"/run/systemd/private", "systemd (systemd-run, systemctl)", false},
        {"/run/dbus/system_bus_socket", "services on D-Bus", false},
        {"/var/spool/cron", "cron and at", false},
        {"/run/nscd/socket", "nscd", true},
        {"/run/systemd/resolve/io.systemd.Resolve", "systemd-resolved (nss-resolve)", true},
        {0},
    };
    const struct ng_delegate *next = after ? after + 1 : known;

    return next->path ? next : NULL;
}

/* The one whose socket this is; also by the last part alone where that says enough, since a path may be relative or
 * lead there by another directory. NULL: none that is known. */
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
