// SPDX-License-Identifier: BSD-2-Clause
#include "listener.h"

#include "map.h"

#include "../policy/bits.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define ASKER_FRESH (10 * NG_SECOND) /* an older record is of somebody who had this port before */

int ng_listener_new(const struct ng_listener_config *config, struct ng_listener **ret_listener)
{
    struct ng_listener like = {.source = {.fd = config->fd, .worker = config->message->worker},
                               .start = config->start,
                               .poll = config->poll,
                               .engine = config->engine,
                               .link = config->link,
                               .failed = config->failed,
                               .departures = config->departures,
                               .upstream = config->upstream,
                               .stats = config->stats,
                               .turn = config->turn,
                               .local = config->message->local,
                               .askers = -1};
    socklen_t size = sizeof(like.netns);
    bool tcp = config->message->flags & NG_LISTENER_TCP;
    struct ng_listener *listener;
    int r;

    if (config->message->flags & NG_LISTENER_REDIRECT) {
        like.askers = config->askers;
        if (getsockopt(config->fd, SOL_SOCKET, SO_NETNS_COOKIE, &like.netns, &size) < 0)
            return -errno;
    }
    r = tcp ? ng_tcp_new(&like, &listener) : ng_udp_new(&like, &listener);
    if (r < 0)
        return r;
    r = like.source.worker == 0 ? ng_poll_add(config->poll, &listener->source, EPOLLIN) : 0;
    if (r < 0) {
        listener->source.fd = -1; /* still the caller's */
        listener->free(listener);
        return r;
    }
    *ret_listener = listener;
    return 0;
}

bool ng_listener_admits(const struct ng_listener *listener, const struct ng_endpoint *peer, const uint8_t local[16])
{
    static const uint8_t v4[16] = {[10] = 0xff, [11] = 0xff, [12] = 127}, v6[16] = {[15] = 1};

    if (listener->askers >= 0 || memcmp(peer->address, local, 16) == 0 || ng_inside(peer->address, v4, 104) ||
        ng_inside(peer->address, v6, 128))
        return true;
    for (uint32_t i = 0; i < listener->start->clients; i++)
        if (ng_inside(peer->address, listener->start->client[i].address, listener->start->client[i].prefix))
            return true;
    return false;
}

void ng_endpoint_from(const void *address, struct ng_endpoint *ret_endpoint)
{
    const struct sockaddr_in *v4 = address;
    const struct sockaddr_in6 *v6 = address;

    *ret_endpoint = (struct ng_endpoint){.port = ntohs(v4->sin_port)};
    if (v4->sin_family == AF_INET) {
        memset(ret_endpoint->address + 10, 0xff, 2);
        memcpy(ret_endpoint->address + 12, &v4->sin_addr, 4);
    } else {
        memcpy(ret_endpoint->address, &v6->sin6_addr, 16);
        ret_endpoint->scope_id = v6->sin6_scope_id;
    }
}

bool ng_listener_asker(const struct ng_listener *listener, const struct ng_endpoint *peer, uint8_t proto,
                       struct ng_asker *ret_asker)
{
    struct ng_asker_key key = {
        .netns = listener->netns, .port = peer->port, .listener = listener->local.port, .proto = proto};

    *ret_asker = (struct ng_asker){.scope = 0};
    if (listener->askers < 0)
        return true;
    memcpy(key.address, peer->address, sizeof(key.address));
    return ng_map_asker(listener->askers, &key, ret_asker) == 0 && ret_asker->scope != 0 &&
           ng_now() - ret_asker->time < ASKER_FRESH;
}
