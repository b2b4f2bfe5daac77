// SPDX-License-Identifier: BSD-2-Clause
#include "lookup.h"

#include "client.h"

#include <ares.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>

#define SERVERS_MAX 8

struct answer {
    struct ng_cli_lookup *lookup;
    int status;
    bool done;
};

/* "a,b" for c-ares: the daemon's upstreams as it tells them, else the nameserver lines of resolv.conf(5). */
static char *servers_of(const struct ng_cli *cli)
{
    struct ng_cli_client *client = NULL;
    _cleanup_json_ json_t *status = NULL;
    _cleanup_free_ char *line = NULL;
    const json_t *it;
    char word[80];
    size_t i, room = 0;
    char *list = NULL;
    unsigned count = 0;

    if (ng_cli_client_open(cli->run_dir, &client) == 0) {
        _cleanup_json_ json_t *request = ng_cli_request("status");

        if (!request || ng_cli_send(client, request) < 0 || ng_cli_receive(client, &status) < 0)
            status = NULL;
        ng_cli_client_close(client);
    }
    json_array_foreach(json_object_get(status, "upstreams"), i, it)
    {
        char *longer = NULL;

        if (json_string_value(it) && asprintf(&longer, "%s%s%s", list ? list : "", list ? "," : "",
                                              json_string_value(it)) >= 0) {
            free(list);
            list = longer;
        }
    }
    if (!list) {
        _cleanup_file_ FILE *file = fopen(cli->resolv_conf ? cli->resolv_conf : "/etc/resolv.conf", "re");

        while (file && count < SERVERS_MAX && getline(&line, &room, file) > 0) {
            char *longer = NULL;

            if (sscanf(line, "nameserver %79s", word) != 1 ||
                asprintf(&longer, "%s%s%s", list ? list : "", list ? "," : "", word) < 0)
                continue;
            free(list);
            list = longer;
            count++;
        }
    }
    return list;
}

static void add_address(struct ng_cli_lookup *lookup, const struct sockaddr *address)
{
    const struct sockaddr_in *v4 = (const void *)address;
    const struct sockaddr_in6 *v6 = (const void *)address;
    uint8_t *out = lookup->address[lookup->addresses];

    if (lookup->addresses == NG_CLI_ADDRESSES_MAX)
        return;
    if (address->sa_family == AF_INET) {
        memset(out, 0, 10);
        memset(out + 10, 0xff, 2);
        memcpy(out + 12, &v4->sin_addr, 4);
    } else if (address->sa_family == AF_INET6) {
        memcpy(out, &v6->sin6_addr, 16);
    } else {
        return;
    }
    lookup->addresses++;
}

/* The answers for both families have the same aliases. */
static void add_link(struct ng_cli_lookup *lookup, const char *text)
{
    struct ng_name *name = &lookup->chain[lookup->links];

    if (lookup->links == NG_CLI_CHAIN_MAX || ng_name_from_text(text, strlen(text), name) < 0)
        return;
    for (unsigned i = 0; i < lookup->links; i++)
        if (ng_name_equal(name, &lookup->chain[i]))
            return;
    lookup->links++;
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *result)
{
    struct answer *answer = arg;
    struct ng_cli_lookup *lookup = answer->lookup;

    (void)timeouts;
    answer->done = true;
    answer->status = status;
    if (!result)
        return;
    for (const struct ares_addrinfo_cname *it = result->cnames; it; it = it->next)
        if (it->name)
            add_link(lookup, it->name);
    for (const struct ares_addrinfo_node *it = result->nodes; it; it = it->ai_next)
        add_address(lookup, it->ai_addr);
    ares_freeaddrinfo(result);
}

static void wait_for(ares_channel channel, const struct answer *answer)
{
    while (!answer->done) {
        ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
        struct pollfd fds[ARES_GETSOCK_MAXNUM];
        struct timeval longest = {.tv_sec = 5}, left;
        /* ARES_GETSOCK_READABLE and _WRITABLE, which shift an int too far for the last socket. */
        unsigned bits = (unsigned)ares_getsock(channel, sockets, ARES_GETSOCK_MAXNUM);
        nfds_t count = 0;

        for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
            short events = (short)((bits >> i & 1 ? POLLIN : 0) |
                                   (bits >> (i + ARES_GETSOCK_MAXNUM) & 1 ? POLLOUT : 0));

            if (events)
                fds[count++] = (struct pollfd){.fd = sockets[i], .events = events};
        }
        (void)ares_timeout(channel, &longest, &left);
        (void)poll(fds, count, (int)(left.tv_sec * 1000 + left.tv_usec / 1000 + 1));
        for (nfds_t i = 0; i < count; i++)
            ares_process_fd(channel, fds[i].revents & ~POLLOUT ? fds[i].fd : ARES_SOCKET_BAD,
                            fds[i].revents & POLLOUT ? fds[i].fd : ARES_SOCKET_BAD);
        ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    }
}

int ng_cli_lookup(const struct ng_cli *cli, const struct ng_name *name, struct ng_cli_lookup *ret_lookup)
{
    char dns_only[] = "b", text[NG_NAME_TEXT_MAX];
    struct ares_options options = {.flags = ARES_FLAG_NOSEARCH, .timeout = 2000, .tries = 2, .lookups = dns_only};
    struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_flags = ARES_AI_CANONNAME | ARES_AI_NOSORT};
    _cleanup_free_ char *servers = servers_of(cli);
    struct answer answer = {.lookup = ret_lookup};
    ares_channel channel;
    int r;

    ret_lookup->chain[0] = *name;
    ret_lookup->links = 1;
    ret_lookup->addresses = 0;
    r = ares_library_init(ARES_LIB_INIT_ALL);
    if (r == ARES_SUCCESS)
        r = ares_init_options(&channel, &options,
                              ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS);
    if (r == ARES_SUCCESS && servers)
        r = ares_set_servers_ports_csv(channel, servers);
    if (r == ARES_SUCCESS) {
        ares_getaddrinfo(channel, ng_name_to_text(name, text), NULL, &hints, on_answer, &answer);
        wait_for(channel, &answer);
        r = answer.status;
        ares_destroy(channel);
    }
    ares_library_cleanup();
    if (r == ARES_SUCCESS || r == ARES_ENODATA || r == ARES_ENOTFOUND)
        return 0;
    (void)fprintf(stderr, "namegate: cannot resolve %s through %s: %s\n", ng_name_to_text(name, text),
                  servers ? servers : "the servers of this host", ares_strerror(r));
    return -EIO;
}
