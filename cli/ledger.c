// SPDX-License-Identifier: BSD-2-Clause
#include "ledger.h"

#include "client.h"
#include "table.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <string.h>
#include <time.h>

int ng_cli_since(const char *text, int64_t *ret_us)
{
    static const char *const formats[] = {"%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S",
                                          "%Y-%m-%dT%H:%M:%S"};
    uint64_t seconds;

    if (ng_seconds_parse(text, &seconds) == 0) {
        *ret_us = ((int64_t)time(NULL) - (int64_t)seconds) * 1000000;
        return 0;
    }
    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
        struct tm tm = {0};
        const char *end = strptime(text, formats[i], &tm);

        if (end && *end == '.') /* as the ledger writes it itself */
            end += 1 + strspn(end + 1, "0123456789");
        if (end && *end == 'Z')
            end++;
        if (!end || *end)
            continue;
        *ret_us = (int64_t)timegm(&tm) * 1000000;
        return 0;
    }
    return -EINVAL;
}

static int say(const struct ng_cli *cli, int error, const char *reason)
{
    _cleanup_free_ char *dir = ng_cli_escape(cli->state_dir);
    const char *shown = dir ? dir : "?";

    switch (error) {
    case -ENOENT:
        (void)fprintf(stderr,
                      "namegate: there is no ledger in %s\n  namegate run COMMAND begins one; or say where it is with "
                      "--state-dir\n",
                      shown);
        break;
    case -EACCES:
        (void)fprintf(
            stderr,
            "namegate: %s/ledger.db is not for you to read\n  be root (sudo), who may see all; or let namegated run, "
            "which tells users of their own\n",
            shown);
        break;
    case -EPROTO:
        (void)fprintf(stderr, "namegate: %s/ledger.db was written by a newer namegate\n  use that one\n", shown);
        break;
    default:
        (void)fprintf(stderr, "namegate: cannot read %s/ledger.db: %s\n", shown,
                      reason && error == -EIO ? reason : strerror(-error));
    }
    return NG_CLI_FAILED;
}

/* What `each` returns is told from what goes wrong with the ledger. */
struct call {
    ng_ledger_fn each;
    void *arg;
    int r;
};

static int pass_on(void *arg, const json_t *deployment)
{
    struct call *call = arg;

    call->r = call->each(call->arg, deployment);
    return call->r;
}

/* --- through the daemon */

static int ask(const struct ng_cli *cli, json_t *request, struct ng_cli_client **ret_client)
{
    _cleanup_json_ json_t *owned = request;
    _cleanup_client_ struct ng_cli_client *client = NULL;
    int r = owned && ng_cli_request_text(owned, "state_dir", cli->state_dir) == 0
                ? ng_cli_client_open(cli->run_dir, &client)
                : -ENOMEM;

    if (r == 0)
        r = ng_cli_send(client, owned);
    if (r < 0)
        return r;
    *ret_client = TAKE_PTR(client);
    return 0;
}

/* What happened just now may wait in a daemon that runs. One that does not, or keeps another ledger, has nothing to
 * write. */
static void sync_ledger(const struct ng_cli *cli)
{
    _cleanup_client_ struct ng_cli_client *client = NULL;
    _cleanup_json_ json_t *request = ng_cli_request("report");
    _cleanup_json_ json_t *answer = NULL;

    if (request && json_object_set_new(request, "sync", json_true()) == 0 && ask(cli, TAKE_PTR(request), &client) == 0)
        (void)ng_cli_receive(client, &answer);
}

static json_t *make_request(const struct ng_ledger_query *query)
{
    _cleanup_json_ json_t *request = ng_cli_request("report");
    _cleanup_json_ json_t *rest = json_pack("{s:I, s:I, s:b}", "since_us", (json_int_t)query->since_us, "last",
                                            (json_int_t)query->last, "outline", query->outline);

    if (!request || !rest || json_object_update(request, rest) < 0 ||
        ng_cli_request_text(request, "deployment", query->deployment) < 0 ||
        ng_cli_request_text(request, "tag", query->tag) < 0)
        return NULL;
    return TAKE_PTR(request);
}

static int receive(struct ng_cli_client *client, struct call *call)
{
    for (;;) {
        _cleanup_json_ json_t *line = NULL;
        int r = ng_cli_receive(client, &line);

        if (r < 0 || !line) {
            (void)fprintf(stderr, "namegate: the daemon broke off%s%s\n", r < 0 ? ": " : "", r < 0 ? strerror(-r) : "");
            return NG_CLI_FAILED;
        }
        if (json_object_get(line, "ok"))
            return ng_cli_refused(line) ? NG_CLI_FAILED : NG_CLI_OK;
        if (pass_on(call, line) != 0)
            return NG_CLI_FAILED;
    }
}

/* For those who may not read the file: one's own deployments. */
static int read_from_daemon(const struct ng_cli *cli, const struct ng_ledger_query *query, struct call *call)
{
    _cleanup_client_ struct ng_cli_client *client = NULL;
    int r = ask(cli, make_request(query), &client);

    if (r == 0)
        return receive(client, call);
    (void)say(cli, -EACCES, NULL);
    if (!ng_cli_no_daemon(r))
        ng_cli_say_unreachable(cli->run_dir, r);
    return NG_CLI_FAILED;
}

int ng_cli_ledger_read(const struct ng_cli *cli, const struct ng_ledger_query *query, ng_ledger_fn each, void *arg)
{
    struct call call = {.each = each, .arg = arg};
    _cleanup_free_ char *reason = NULL;
    int r;

    sync_ledger(cli);
    r = ng_ledger_read(cli->state_dir, query, pass_on, &call, &reason);
    if (call.r != 0)
        return NG_CLI_FAILED;
    if (r == -EACCES)
        return read_from_daemon(cli, query, &call);
    return r < 0 ? say(cli, r, reason) : NG_CLI_OK;
}
