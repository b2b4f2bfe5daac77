// SPDX-License-Identifier: BSD-2-Clause
#include "ledger.h"

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
        (void)fprintf(stderr, "namegate: %s/ledger.db is not for you to read\n  be root (sudo), who may see all\n",
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

int ng_cli_ledger_read(const struct ng_cli *cli, const struct ng_ledger_query *query, ng_ledger_fn each, void *arg)
{
    struct call call = {.each = each, .arg = arg};
    _cleanup_free_ char *reason = NULL;
    int r = ng_ledger_read(cli->state_dir, query, pass_on, &call, &reason);

    if (call.r != 0)
        return NG_CLI_FAILED;
    return r < 0 ? say(cli, r, reason) : NG_CLI_OK;
}
