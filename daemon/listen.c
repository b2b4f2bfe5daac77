// SPDX-License-Identifier: BSD-2-Clause
#include "listen.h"

#include "../policy/bits.h"

#include <namegate/cleanup.h>

#include <netinet/ip.h>
#include <string.h>

#define BACKLOG 256
#define RECEIVE_BUFFER (1 << 20)

static void set_option(int fd, int level, int option, int value)
{
    /* Refused options cost comfort, not safety: what must hold is checked where it is used. */
    (void)setsockopt(fd, level, option, &value, sizeof(value));
}

/* further: beside another one of the same address. anywhere: also while that is no address of the host. */
static int open_socket(const struct ng_endpoint *endpoint, bool tcp, bool further, bool anywhere)
{
    struct sockaddr_storage address;
    socklen_t length = ng_endpoint_sockaddr(endpoint, &address);
    _cleanup_fd_ int fd = socket(address.ss_family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    if (address.ss_family == AF_INET6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (further)
        set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (tcp)
        set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    else
        set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER);
    if (anywhere) /* a new namespace has no address, not even on loopback, until somebody brings it up */
        set_option(fd, address.ss_family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP,
                   address.ss_family == AF_INET6 ? IPV6_FREEBIND : IP_FREEBIND, 1);
    if (ng_unspecified(endpoint->address))
        set_option(fd, address.ss_family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP,
                   address.ss_family == AF_INET6 ? IPV6_RECVPKTINFO : IP_PKTINFO, 1); /* which address was asked */
    if (bind(fd, (struct sockaddr *)&address, length) < 0)
        return -errno;
    if (tcp && listen(fd, BACKLOG) < 0)
        return -errno;
    return TAKE_FD(fd);
}

static uint16_t local_port(int fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);

    if (getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        return 0;
    return ntohs(((struct sockaddr_in *)&address)->sin_port); /* at the same place in both families */
}

/* namespace: inode of the network namespace, 0: the daemon's own. A socket that is kept keeps its namespace, and so
 * that number, from being anything else. */
static char *store_name(uint64_t namespace, const struct ng_endpoint *endpoint, uint32_t flags, uint32_t worker,
                        char name[static NG_STORE_NAME_MAX])
{
    size_t used = namespace ? (size_t)snprintf(name, NG_STORE_NAME_MAX, "ns%llu-", (unsigned long long)namespace) : 0;

    used += (size_t)snprintf(name + used, NG_STORE_NAME_MAX - used, "%s%s-%u-",
                             flags & NG_LISTENER_REDIRECT ? "redirect-" : "", flags & NG_LISTENER_TCP ? "tcp" : "udp",
                             worker);

    for (int i = 0; i < 16; i++)
        used += (size_t)snprintf(name + used, NG_STORE_NAME_MAX - used, "%02x", endpoint->address[i]);
    (void)snprintf(name + used, NG_STORE_NAME_MAX - used, "-%u-%u", endpoint->port, endpoint->scope_id);
    return name;
}

/* Returns the port or -errno. */
static int add_socket(struct ng_listeners *listeners, const struct ng_endpoint *endpoint, uint32_t flags,
                      uint32_t worker, bool further)
{
    struct ng_listener *listener = &listeners->item[listeners->count];
    char name[NG_STORE_NAME_MAX];
    struct ng_endpoint fresh = *endpoint;
    int fd = endpoint->port ? ng_store_claim(listeners->store, store_name(0, endpoint, flags, worker, name)) : -1;

    if (flags & NG_LISTENER_REDIRECT)
        fresh.port = 0; /* what nobody has kept may be somebody else's port by now */
    if (fd < 0)
        fd = open_socket(&fresh, flags & NG_LISTENER_TCP, further, false);
    if (fd < 0)
        return fd;
    *listener = (struct ng_listener){.fd = fd, .flags = flags, .worker = worker, .local = *endpoint};
    listener->local.port = local_port(fd);
    listeners->count++;
    return listener->local.port;
}

/* One socket for each worker, among which the kernel spreads clients. The first one is bound alone and shared only
 * then, so that a port which somebody else has is noticed. Returns 0 or -errno. */
static int add_shared(struct ng_listeners *listeners, const struct ng_endpoint *endpoint, uint32_t workers)
{
    int r = add_socket(listeners, endpoint, 0, 0, false);

    if (r >= 0 && workers > 1)
        set_option(listeners->item[listeners->count - 1].fd, SOL_SOCKET, SO_REUSEPORT, 1);
    for (uint32_t worker = 1; r >= 0 && worker < workers; worker++)
        r = add_socket(listeners, endpoint, 0, worker, true);
    return r < 0 ? r : 0;
}

static int open_configured(const struct ng_config *config, struct ng_listeners *listeners, struct ng_error *error)
{
    char text[NG_ENDPOINT_TEXT_MAX];

    for (unsigned i = 0; i < config->listens; i++) {
        for (uint32_t tcp = 0; tcp <= NG_LISTENER_TCP; tcp++) {
            int r = tcp ? add_socket(listeners, &config->listen[i], tcp, 0, false)
                        : add_shared(listeners, &config->listen[i], config->workers);

            if (r == -EADDRINUSE)
                return ng_error_set(error, EADDRINUSE,
                                    "another resolver has this port: stop it, or choose another address for 'listen'",
                                    "%s is in use (%s)", ng_endpoint_text(&config->listen[i], text),
                                    tcp ? "TCP" : "UDP");
            if (r == -EADDRNOTAVAIL)
                return ng_error_set(error, EADDRNOTAVAIL, "give 'listen' an address of this host",
                                    "%s is no address of this host", ng_endpoint_text(&config->listen[i], text));
            if (r < 0)
                return ng_error_set(error, -r, NULL, "cannot listen on %s: %s",
                                    ng_endpoint_text(&config->listen[i], text), strerror(-r));
        }
    }
    return 0;
}

/* Each of these is one worker's, and no port of theirs is shared: a program of root's could take a shared one too, and
 * with it what other deployments ask. */
static int open_redirect(const char *address, uint32_t workers, uint16_t udp[static NG_REDIRECT_SLOTS], uint16_t *tcp,
                         struct ng_listeners *listeners)
{
    struct ng_endpoint loopback;
    int r;

    (void)ng_endpoint_parse(address, 0, &loopback);
    for (unsigned slot = 0; slot < NG_REDIRECT_SLOTS; slot++) {
        loopback.port = udp[slot];
        r = add_socket(listeners, &loopback, NG_LISTENER_REDIRECT, slot % workers, false);
        if (r < 0)
            return r;
        udp[slot] = (uint16_t)r;
    }
    loopback.port = *tcp;
    r = add_socket(listeners, &loopback, NG_LISTENER_REDIRECT | NG_LISTENER_TCP, 0, false);
    if (r < 0)
        return r;
    *tcp = (uint16_t)r;
    return 0;
}

void ng_listeners_keep(const struct ng_listeners *listeners, uint64_t namespace)
{
    char name[NG_STORE_NAME_MAX];

    for (unsigned i = 0; i < listeners->count; i++) {
        const struct ng_listener *it = &listeners->item[i];

        ng_store_keep(store_name(namespace, &it->local, it->flags, it->worker, name), it->fd);
    }
}

void ng_listeners_drop(const struct ng_listeners *listeners, uint64_t namespace)
{
    char name[NG_STORE_NAME_MAX];

    for (unsigned i = 0; i < listeners->count; i++) {
        const struct ng_listener *it = &listeners->item[i];

        ng_store_drop(store_name(namespace, &it->local, it->flags, it->worker, name));
    }
}

int ng_listeners_open(const struct ng_config *config, struct ng_store *store, struct ng_control *control,
                      struct ng_error *error, struct ng_listeners *ret_listeners)
{
    struct ng_control changed = *control;
    struct ng_listeners listeners = {.store = store};
    int r = open_configured(config, &listeners, error);

    if (r == 0) {
        r = open_redirect("127.0.0.1", config->workers, changed.redirect, &changed.redirect_tcp, &listeners);
        if (r < 0)
            r = ng_error_set(error, -r, "bring the loopback interface up: ip link set lo up",
                             "cannot listen on 127.0.0.1: %s", strerror(-r));
    }
    if (r == 0) {
        r = open_redirect("::1", config->workers, changed.redirect6, &changed.redirect_tcp6, &listeners);
        if (r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT) {
            memset(changed.redirect6, 0, sizeof(changed.redirect6));
            changed.redirect_tcp6 = 0;
            r = 0;
        } else if (r < 0) {
            r = ng_error_set(error, -r, NULL, "cannot listen on ::1: %s", strerror(-r));
        }
    }
    if (r < 0) {
        ng_listeners_close(&listeners);
        return r;
    }
    *control = changed;
    *ret_listeners = listeners;
    ret_listeners->store = NULL;
    if (store)
        ng_listeners_keep(ret_listeners, 0);
    return 0;
}

/* All are read by the first worker: the others wait only for what was there when they began. */
static int open_again(const char *loopback, const uint16_t udp[static NG_REDIRECT_SLOTS], uint16_t tcp,
                      uint64_t namespace, struct ng_listeners *listeners)
{
    struct ng_endpoint endpoint;
    char name[NG_STORE_NAME_MAX];

    (void)ng_endpoint_parse(loopback, 0, &endpoint);
    for (unsigned i = 0; i <= NG_REDIRECT_SLOTS; i++) {
        bool last = i == NG_REDIRECT_SLOTS;
        uint32_t flags;
        int fd;

        endpoint.port = last ? tcp : udp[i];
        flags = NG_LISTENER_REDIRECT | (last ? NG_LISTENER_TCP : 0);
        fd = ng_store_claim(listeners->store, store_name(namespace, &endpoint, flags, 0, name));
        if (fd < 0)
            fd = open_socket(&endpoint, last, false, true);
        if (fd < 0)
            return fd;
        listeners->item[listeners->count++] = (struct ng_listener){.fd = fd, .flags = flags, .local = endpoint};
    }
    return 0;
}

int ng_listeners_open_again(const struct ng_control *control, struct ng_store *store, uint64_t namespace,
                            struct ng_listeners *ret_listeners)
{
    int r;

    ret_listeners->store = store;
    r = open_again("127.0.0.1", control->redirect, control->redirect_tcp, namespace, ret_listeners);

    if (r == 0 && control->redirect_tcp6) {
        unsigned before = ret_listeners->count;

        if (open_again("::1", control->redirect6, control->redirect_tcp6, namespace, ret_listeners) < 0)
            while (ret_listeners->count > before)
                (void)ng_close(ret_listeners->item[--ret_listeners->count].fd);
    }
    ret_listeners->store = NULL;
    if (r < 0)
        ng_listeners_close(ret_listeners);
    return r;
}

void ng_listeners_close(struct ng_listeners *listeners)
{
    for (unsigned i = 0; i < listeners->count; i++)
        (void)ng_close(listeners->item[i].fd);
    listeners->count = 0;
}
