// SPDX-License-Identifier: BSD-2-Clause
/* Parses HTTP of whoever comes, so it has nothing: no account but an unprivileged one, no descriptor but the listening
 * socket and the numbers, to be read. The library is loaded here, and not linked: neither keeper nor resolver shall
 * carry it and the ten libraries behind it, and a host that does not serve metrics needs none of them. */
#include "exporter.h"

#include "child.h"
#include "openmetrics.h"

#include <namegate/clock.h>

#include <dlfcn.h>
#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 32u
#define IDLE_S 5u
#define CONNECTION_MEMORY ((size_t)16 << 10)
#define WAIT_MS 1000

static const char not_here[] = "The statistics are at /metrics.\n";
static const char not_so[] = "Only GET and HEAD are understood.\n";

/* libmicrohttpd. */
struct http {
    __typeof__(MHD_start_daemon) *start_daemon;
    __typeof__(MHD_stop_daemon) *stop_daemon;
    __typeof__(MHD_get_daemon_info) *get_daemon_info;
    __typeof__(MHD_get_timeout) *get_timeout;
    __typeof__(MHD_run) *run;
    __typeof__(MHD_create_response_from_buffer) *create_response_from_buffer;
    __typeof__(MHD_add_response_header) *add_response_header;
    __typeof__(MHD_queue_response) *queue_response;
    __typeof__(MHD_destroy_response) *destroy_response;
};

struct exporter {
    struct http http;
    struct ng_stats_memory *stats;
    struct ng_tally_memory *tally;
};

static bool load(struct http *http)
{
    void *library = dlopen("libmicrohttpd.so.12", RTLD_NOW | RTLD_LOCAL);
    const struct {
        const char *name;
        void *at;
    } symbols[] = {
        {"MHD_start_daemon", &http->start_daemon},
        {"MHD_stop_daemon", &http->stop_daemon},
        {"MHD_get_daemon_info", &http->get_daemon_info},
        {"MHD_get_timeout", &http->get_timeout},
        {"MHD_run", &http->run},
        {"MHD_create_response_from_buffer", &http->create_response_from_buffer},
        {"MHD_add_response_header", &http->add_response_header},
        {"MHD_queue_response", &http->queue_response},
        {"MHD_destroy_response", &http->destroy_response},
    };

    for (size_t i = 0; library && i < sizeof(symbols) / sizeof(symbols[0]); i++) {
        void *symbol = dlsym(library, symbols[i].name);

        if (!symbol)
            return false;
        memcpy(symbols[i].at, &symbol, sizeof(symbol));
    }
    return library != NULL;
}

static enum MHD_Result send_text(const struct exporter *exporter, struct MHD_Connection *connection, unsigned status,
                                 const char *type, void *text, size_t length, enum MHD_ResponseMemoryMode mode)
{
    struct MHD_Response *response = exporter->http.create_response_from_buffer(length, text, mode);
    enum MHD_Result r;

    if (!response)
        return MHD_NO;
    (void)exporter->http.add_response_header(response, "Content-Type", type);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        (void)exporter->http.add_response_header(response, "Allow", "GET, HEAD");
    r = exporter->http.queue_response(connection, status, response);
    exporter->http.destroy_response(response);
    return r;
}

static enum MHD_Result send_plain(const struct exporter *exporter, struct MHD_Connection *connection, unsigned status,
                                  const char *text)
{
    return send_text(exporter, connection, status, "text/plain; charset=utf-8", (void *)(uintptr_t)text, strlen(text),
                     MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *body, size_t *body_size, void **seen)
{
    static char yes;
    const struct exporter *exporter = arg;
    struct ng_stats_copy stats;
    struct ng_tally_copy tally;
    size_t length = 0;
    char *text;

    (void)version, (void)body;
    if (!*seen || *body_size) { /* the head alone, or a piece of a body, of which nothing is wanted */
        *seen = &yes;
        *body_size = 0;
        return MHD_YES;
    }
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return send_plain(exporter, connection, MHD_HTTP_METHOD_NOT_ALLOWED, not_so);
    if (strcmp(url, "/metrics") != 0)
        return send_plain(exporter, connection, MHD_HTTP_NOT_FOUND, not_here);
    ng_stats_read(exporter->stats, &stats);
    ng_tally_read(exporter->tally, &tally);
    text = ng_openmetrics(&stats, &tally, ng_now(), &length);
    if (!text)
        return MHD_NO;
    return send_text(exporter, connection, MHD_HTTP_OK, NG_OPENMETRICS_TYPE, text, length, MHD_RESPMEM_MUST_FREE);
}

/* One thread; until the keeper has gone. */
static void serve(const struct exporter *exporter, struct MHD_Daemon *daemon, int events)
{
    struct pollfd fds[] = {{.fd = NG_EXPORTER_CHANNEL, .events = POLLIN}, {.fd = events, .events = POLLIN}};
    char octet;

    for (;;) {
        MHD_UNSIGNED_LONG_LONG wait = WAIT_MS;

        if (exporter->http.get_timeout(daemon, &wait) != MHD_YES || wait > WAIT_MS)
            wait = WAIT_MS;
        if (poll(fds, 2, (int)wait) < 0 && errno != EINTR)
            return;
        if (fds[0].revents && recv(NG_EXPORTER_CHANNEL, &octet, 1, MSG_DONTWAIT) == 0)
            return;
        if (exporter->http.run(daemon) != MHD_YES)
            return;
    }
}

static void confine(void)
{
    const struct rlimit none = {0, 0};

    /* No process or thread beside it, no file that grows. */
    (void)setrlimit(RLIMIT_NPROC, &none);
    (void)setrlimit(RLIMIT_FSIZE, &none);
}

int ng_exporter_main(const char *account)
{
    struct exporter exporter = {.stats = NULL};
    const union MHD_DaemonInfo *info;
    struct MHD_Daemon *daemon;

    if (ng_child_become(account) < 0 || ng_stats_map(NG_EXPORTER_STATS, false, &exporter.stats) < 0 ||
        ng_tally_map(NG_EXPORTER_TALLY, &exporter.tally) < 0)
        return 1;
    (void)signal(SIGPIPE, SIG_IGN);
    if (!load(&exporter.http))
        return NG_EXPORTER_NO_LIBRARY;
    confine();
    daemon = exporter.http.start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, &exporter, MHD_OPTION_LISTEN_SOCKET,
                                        (MHD_socket)NG_EXPORTER_LISTEN, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
                                        MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                        CONNECTION_MEMORY, MHD_OPTION_END);
    info = daemon ? exporter.http.get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!info || send(NG_EXPORTER_CHANNEL, "", 1, MSG_NOSIGNAL) != 1)
        return 1;
    serve(&exporter, daemon, info->epoll_fd);
    exporter.http.stop_daemon(daemon);
    ng_stats_unmap(exporter.stats);
    ng_tally_unmap(exporter.tally);
    return 0;
}
