// SPDX-License-Identifier: BSD-2-Clause
/* Addresses with ports, in the one form that abi.h uses. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

bool ng_address_is_v4(const uint8_t address[static 16])
{
    return memcmp(address, mapped, sizeof(mapped)) == 0;
}

static int parse_address(char *host, struct ng_endpoint *endpoint)
{
    char *zone = strchr(host, '%');

    if (inet_pton(AF_INET, host, endpoint->address + 12) == 1) {
        memcpy(endpoint->address, mapped, sizeof(mapped));
        return 0;
    }
    if (zone) {
        *zone = '\0';
        endpoint->scope_id = if_nametoindex(zone + 1);
        if (!endpoint->scope_id)
            return -EINVAL;
    }
    return inet_pton(AF_INET6, host, endpoint->address) == 1 ? 0 : -EINVAL;
}

static int parse_port(const char *text, uint16_t *ret_port)
{
    char *end = NULL;
    unsigned long port = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end || port == 0 || port > 65535)
        return -EINVAL;
    *ret_port = (uint16_t)port;
    return 0;
}

int ng_endpoint_parse(const char *text, uint16_t default_port, struct ng_endpoint *ret_endpoint)
{
    struct ng_endpoint endpoint = {.port = default_port};
    char host[NG_ENDPOINT_TEXT_MAX];
    char *port = NULL;
    int r;

    if (strlen(text) >= sizeof(host))
        return -EINVAL;
    strcpy(host, text);
    if (host[0] == '[') {
        char *end = strchr(host, ']');

        if (!end || (end[1] && end[1] != ':'))
            return -EINVAL;
        port = end[1] ? end + 2 : NULL;
        *end = '\0';
        memmove(host, host + 1, (size_t)(end - host));
    } else if (strchr(host, ':') && strchr(host, ':') == strrchr(host, ':')) {
        port = strchr(host, ':');
        *port++ = '\0';
    }
    r = port ? parse_port(port, &endpoint.port) : 0;
    if (r == 0)
        r = parse_address(host, &endpoint);
    if (r == 0)
        *ret_endpoint = endpoint;
    return r;
}

const char *ng_address_text(const uint8_t address[static 16], char text[static INET6_ADDRSTRLEN])
{
    if (ng_address_is_v4(address))
        (void)inet_ntop(AF_INET, address + 12, text, INET6_ADDRSTRLEN);
    else
        (void)inet_ntop(AF_INET6, address, text, INET6_ADDRSTRLEN);
    return text;
}

const char *ng_endpoint_text(const struct ng_endpoint *endpoint, char text[static NG_ENDPOINT_TEXT_MAX])
{
    char address[INET6_ADDRSTRLEN];
    char name[IF_NAMESIZE] = "";

    (void)ng_address_text(endpoint->address, address);
    if (ng_address_is_v4(endpoint->address))
        (void)snprintf(text, NG_ENDPOINT_TEXT_MAX, "%s:%u", address, endpoint->port);
    else if (endpoint->scope_id && if_indextoname(endpoint->scope_id, name))
        (void)snprintf(text, NG_ENDPOINT_TEXT_MAX, "[%s%%%s]:%u", address, name, endpoint->port);
    else
        (void)snprintf(text, NG_ENDPOINT_TEXT_MAX, "[%s]:%u", address, endpoint->port);
    return text;
}

socklen_t ng_endpoint_sockaddr(const struct ng_endpoint *endpoint, struct sockaddr_storage *ret_address)
{
    memset(ret_address, 0, sizeof(*ret_address));
    if (ng_address_is_v4(endpoint->address)) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)ret_address;

        v4->sin_family = AF_INET;
        v4->sin_port = htons(endpoint->port);
        memcpy(&v4->sin_addr, endpoint->address + 12, 4);
        return sizeof(*v4);
    }
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret_address;

    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(endpoint->port);
    v6->sin6_scope_id = endpoint->scope_id;
    memcpy(&v6->sin6_addr, endpoint->address, 16);
    return sizeof(*v6);
}
