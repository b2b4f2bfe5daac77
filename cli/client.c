// SPDX-License-Identifier: BSD-2-Clause
/* One connection carries one request. The daemon is trusted to answer, but not to end a line in time or at all: a line
 * is bounded, and the end of the connection in the middle of one is an error. */
#include "client.h"

#include "options.h"
#include "table.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define LINE_MAX_OCTETS (64u << 20)

struct ng_cli_client {
    int fd;
    char *buffer;
    size_t at, used, room; /* what is read already lies from at to used */
};

int ng_cli_client_open(const char *run_dir, struct ng_cli_client **ret_client)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int length = snprintf(address.sun_path, sizeof(address.sun_path), "%s/control.sock", run_dir);
    struct ng_cli_client *client;

    if (fd < 0)
        return -errno;
    if (length < 0 || (size_t)length >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return -errno;
    client = calloc(1, sizeof(*client));
    if (!client)
        return -ENOMEM;
    client->fd = TAKE_FD(fd);
    *ret_client = client;
    return 0;
}

void ng_cli_client_close(struct ng_cli_client *client)
{
    if (!client)
        return;
    (void)ng_close(client->fd);
    free(client->buffer);
    free(client);
}

bool ng_cli_no_daemon(int error)
{
    return error == -ENOENT || error == -ECONNREFUSED;
}

void ng_cli_say_unreachable(const char *run_dir, int error)
{
    _cleanup_free_ char *shown = ng_cli_escape(run_dir);
    const char *remedy = "";

    if (ng_cli_no_daemon(error)) {
        (void)fprintf(stderr, "namegate: no daemon runs in %s\n", shown ? shown : "?");
        remedy = "start namegated (systemctl start namegated), or say where it runs with --run-dir";
    } else {
        (void)fprintf(stderr, "namegate: cannot connect to %s/control.sock: %s\n", shown ? shown : "?",
                      strerror(-error));
        if (error == -EACCES)
            remedy = "be root or in the group namegate";
    }
    if (*remedy)
        (void)fprintf(stderr, "  %s\n", remedy);
}

json_t *ng_cli_request(const char *command)
{
    return json_pack("{s:i, s:s}", "v", 1, "command", command);
}

json_t *ng_cli_text(const char *text)
{
    json_t *json = json_string(text);
    _cleanup_free_ char *escaped = NULL;

    if (json)
        return json;
    escaped = ng_cli_escape(text);
    return escaped ? json_string(escaped) : NULL;
}

int ng_cli_request_text(json_t *request, const char *key, const char *text)
{
    if (!text)
        return 0;
    return json_object_set_new(request, key, ng_cli_text(text)) < 0 ? -ENOMEM : 0;
}

int ng_cli_send(struct ng_cli_client *client, const json_t *request)
{
    _cleanup_free_ char *line = json_dumps(request, JSON_COMPACT | JSON_PRESERVE_ORDER);
    size_t length, sent = 0;

    if (!line)
        return -ENOMEM;
    length = strlen(line);
    line[length++] = '\n'; /* the terminating NUL has no use any more */
    while (sent < length) {
        ssize_t n = send(client->fd, line + sent, length - sent, MSG_NOSIGNAL);

        if (n < 0 && errno == EPIPE)
            return 0; /* refused before it was read: the answer says why */
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            sent += (size_t)n;
    }
    return 0;
}

/* Reads more behind what is there. Returns the number of octets, 0 at the end. */
static ssize_t fill(struct ng_cli_client *client)
{
    ssize_t n;

    if (client->at > 0) {
        memmove(client->buffer, client->buffer + client->at, client->used - client->at);
        client->used -= client->at;
        client->at = 0;
    }
    if (client->used == client->room) {
        size_t room = client->room ? 2 * client->room : 65536;
        char *buffer = room <= LINE_MAX_OCTETS ? realloc(client->buffer, room) : NULL;

        if (!buffer)
            return -ENOMEM;
        client->buffer = buffer;
        client->room = room;
    }
    do
        n = recv(client->fd, client->buffer + client->used, client->room - client->used, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    client->used += (size_t)n;
    return n;
}

int ng_cli_receive(struct ng_cli_client *client, json_t **ret_line)
{
    size_t searched = 0;
    json_t *json;
    char *end;

    while (!(end = client->used > client->at + searched
                       ? memchr(client->buffer + client->at + searched, '\n', client->used - client->at - searched)
                       : NULL)) {
        ssize_t n;

        searched = client->used - client->at;
        n = fill(client);
        if (n < 0)
            return (int)n;
        if (n == 0 && client->used > 0)
            return -EBADMSG;
        if (n == 0) {
            *ret_line = NULL;
            return 0;
        }
    }
    json = json_loadb(client->buffer + client->at, (size_t)(end - (client->buffer + client->at)), 0, NULL);
    client->at = (size_t)(end + 1 - client->buffer);
    if (!json_is_object(json)) {
        json_decref(json);
        return -EBADMSG;
    }
    *ret_line = json;
    return 0;
}

bool ng_cli_refused(const json_t *answer)
{
    const char *error = ng_cli_string(answer, "error"), *remedy = ng_cli_string(answer, "remedy");

    if (json_is_true(json_object_get(answer, "ok")))
        return false;
    (void)fputs("namegate: ", stderr);
    ng_cli_put_lines(stderr, *error ? error : "the daemon's answer makes no sense");
    if (*remedy) {
        (void)fputs("  ", stderr);
        ng_cli_put_lines(stderr, remedy);
    }
    return true;
}

int ng_cli_ask(const char *run_dir, json_t *request, json_t **ret_answer)
{
    _cleanup_json_ json_t *owned = request;
    _cleanup_json_ json_t *answer = NULL;
    _cleanup_client_ struct ng_cli_client *client = NULL;
    int r = owned ? ng_cli_client_open(run_dir, &client) : -ENOMEM;

    if (r < 0) {
        ng_cli_say_unreachable(run_dir, r);
        return ng_cli_no_daemon(r) ? NG_CLI_NO_DAEMON : NG_CLI_FAILED;
    }
    r = ng_cli_send(client, owned);
    if (r == 0)
        r = ng_cli_receive(client, &answer);
    if (r < 0 || !answer) {
        (void)fprintf(stderr, "namegate: the daemon did not answer%s%s\n", r < 0 ? ": " : "",
                      r < 0 ? strerror(-r) : "");
        return NG_CLI_FAILED;
    }
    if (ng_cli_refused(answer))
        return NG_CLI_FAILED;
    *ret_answer = TAKE_PTR(answer);
    return NG_CLI_OK;
}

int ng_cli_print_json(FILE *out, const json_t *json)
{
    _cleanup_free_ char *line = json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_ENSURE_ASCII);

    if (!line)
        return -ENOMEM;
    (void)fprintf(out, "%s\n", line);
    return 0;
}

const char *ng_cli_string(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

long long ng_cli_integer(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}
