// SPDX-License-Identifier: BSD-2-Clause
#include "client.h"
#include "commands.h"
#include "format.h"
#include "table.h"

#include <string.h>

#define LIMIT_MAX 1000000

static const char usage[] =
    "Usage: namegate events [OPTION]...\n"
    "Shows what was denied, or would have been, oldest first. Without a daemon it reads the records in --state-dir.\n\n"
    "  -f, --follow         go on with what is denied from now on\n"
    "  --deployment ID      only of this deployment\n"
    "  --tag TAG            only of deployments with this tag\n"
    "  -n, --limit N        only the last N\n"
    "  -s, --shadow         where a shadow policy judged otherwise, instead\n"
    "  -a, --all            probes and other records as well: resolutions, deployments, policies, troubles\n";

struct view {
    const char *deployment, *tag;
    bool follow, all, shadow, json;
    bool met; /* a record of the deployment */
    bool limited;
    size_t limit;
    json_t **last; /* a ring of `limit`, when limited */
    size_t count;  /* that went into it */
};

static bool same(const json_t *record, const char *key, const char *wanted)
{
    return !wanted || strcmp(ng_cli_string(record, key), wanted) == 0;
}

static bool wanted(const struct view *view, const json_t *record)
{
    const char *type = view->shadow ? "shadow" : "denial";
    bool sent = same(record, "type", type) && !json_is_true(json_object_get(record, "probe"));

    return (view->all || sent) && same(record, "deployment", view->deployment) &&
           same(record, "tag", view->tag);
}

static int print(const struct view *view, const json_t *record)
{
    if (!view->json)
        ng_cli_format_record(stdout, record);
    else if (ng_cli_print_json(stdout, record) < 0)
        return -ENOMEM;
    return ferror(stdout) ? -EIO : 0;
}

static int show(struct view *view, json_t *record)
{
    size_t slot;

    view->met |= same(record, "deployment", view->deployment);
    if (!wanted(view, record))
        return 0;
    if (!view->limited)
        return print(view, record);
    if (view->limit == 0)
        return 0;
    slot = view->count++ % view->limit;
    json_decref(view->last[slot]);
    view->last[slot] = json_incref(record);
    return 0;
}

/* Prints what the limit has left, and lifts it. */
static int show_last(struct view *view)
{
    size_t kept = view->count < view->limit ? view->count : view->limit;
    int r = 0;

    for (size_t i = view->count - kept; i < view->count && r == 0; i++)
        r = print(view, view->last[i % view->limit]);
    view->limited = false;
    return r;
}

static json_t *make_request(const struct view *view, bool follow, bool history)
{
    _cleanup_json_ json_t *request = ng_cli_request("events");

    if (!request || ng_cli_request_text(request, "deployment", view->deployment) < 0 ||
        ng_cli_request_text(request, "tag", view->tag) < 0)
        return NULL;
    if (follow && json_object_set_new(request, "follow", json_true()) < 0)
        return NULL;
    if (!history && json_object_set_new(request, "limit", json_integer(0)) < 0)
        return NULL;
    return TAKE_PTR(request);
}

static int ask(const struct ng_cli *cli, const struct view *view, bool follow, bool history,
               struct ng_cli_client **ret_client)
{
    _cleanup_client_ struct ng_cli_client *client = NULL;
    _cleanup_json_ json_t *request = make_request(view, follow, history);
    int r = request ? ng_cli_client_open(cli->run_dir, &client) : -ENOMEM;

    if (r == 0)
        r = ng_cli_send(client, request);
    if (r < 0)
        return r;
    *ret_client = TAKE_PTR(client);
    return 0;
}

/* Shows what arrives until it ends. Returns the exit status. */
static int receive(struct view *view, struct ng_cli_client *client)
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
        if (show(view, line) < 0 || (view->follow && fflush(stdout) != 0))
            return NG_CLI_FAILED;
    }
}

/* The connection that follows is made before the past is asked for, so that nothing falls between; what is recorded in
 * that moment is shown twice. */
static int from_daemon(const struct ng_cli *cli, struct view *view)
{
    _cleanup_client_ struct ng_cli_client *past = NULL;
    _cleanup_client_ struct ng_cli_client *future = NULL;
    int r = 0, status;

    if (view->follow)
        r = ask(cli, view, true, !view->limited, &future);
    if (r == 0 && (view->limited || !view->follow))
        r = ask(cli, view, false, true, &past);
    if (r < 0) {
        ng_cli_say_unreachable(cli->run_dir, r);
        return ng_cli_no_daemon(r) ? NG_CLI_NO_DAEMON : NG_CLI_FAILED;
    }
    if (past) {
        status = receive(view, past);
        if (status != NG_CLI_OK)
            return status;
        if (view->limited && (show_last(view) < 0 || fflush(stdout) != 0))
            return NG_CLI_FAILED;
    }
    return future ? receive(view, future) : NG_CLI_OK;
}

static int read_records(struct view *view, FILE *file)
{
    _cleanup_free_ char *line = NULL;
    size_t room = 0, spoilt = 0;

    while (getline(&line, &room, file) > 0) {
        _cleanup_json_ json_t *record = json_loads(line, 0, NULL);

        if (!json_is_object(record))
            spoilt++; /* cut off by a crash */
        else if (show(view, record) < 0)
            return NG_CLI_FAILED;
    }
    if (ferror(file)) {
        (void)fprintf(stderr, "namegate: cannot read the records: %m\n");
        return NG_CLI_FAILED;
    }
    if (spoilt)
        (void)fprintf(stderr, "namegate: %zu lines are no records, ignoring\n", spoilt);
    if (view->deployment && !view->met) {
        (void)fputs("namegate: no deployment of that id is on record: ", stderr);
        ng_cli_put(stderr, view->deployment);
        (void)fputs("\n  remedy: namegate events --all\n", stderr);
        return NG_CLI_FAILED;
    }
    return !view->limited || show_last(view) == 0 ? NG_CLI_OK : NG_CLI_FAILED;
}

static int from_file(const struct ng_cli *cli, struct view *view)
{
    _cleanup_free_ char *path = NULL;
    _cleanup_file_ FILE *file = NULL;

    if (asprintf(&path, "%s/events.jsonl", cli->state_dir) < 0)
        return NG_CLI_FAILED;
    file = fopen(path, "re");
    if (!file) {
        int error = errno;

        ng_cli_say_unreachable(cli->run_dir, -ENOENT);
        (void)fprintf(stderr, "namegate: nor can its records be read: %s: %s\n", path, strerror(error));
        return NG_CLI_NO_DAEMON;
    }
    return read_records(view, file);
}

static int show_all(const struct ng_cli *cli, struct view *view)
{
    struct ng_cli_client *probe = NULL;
    int r;

    if (view->follow)
        return from_daemon(cli, view);
    r = ng_cli_client_open(cli->run_dir, &probe);
    ng_cli_client_close(probe);
    return ng_cli_no_daemon(r) ? from_file(cli, view) : from_daemon(cli, view);
}

int ng_cli_events(struct ng_cli *cli, int argc, char **argv)
{
    struct view view = {0};
    const char *limit = NULL;
    const struct ng_cli_option own[] = {
        {"follow", 'f', NULL, &view.follow}, {"deployment", 0, &view.deployment, NULL},
        {"tag", 0, &view.tag, NULL},         {"limit", 'n', &limit, NULL},
        {"all", 'a', NULL, &view.all},       {"shadow", 's', NULL, &view.shadow},
        {0},
    };
    int first = 0, status = ng_cli_parse(cli, own, usage, false, argc, argv, &first);

    if (status >= 0)
        return status;
    if (first < argc)
        return ng_cli_usage(argv[0], "takes no argument:", argv[first]);
    if (limit && ng_cli_number(limit, LIMIT_MAX, &view.limit) < 0)
        return ng_cli_usage(argv[0], "--limit is a number up to 1000000, not", limit);
    view.json = cli->json;
    view.limited = limit != NULL;
    view.last = calloc(view.limit + 1, sizeof(*view.last));
    if (!view.last)
        return NG_CLI_FAILED;
    status = show_all(cli, &view);
    for (size_t i = 0; i < view.limit; i++)
        json_decref(view.last[i]);
    free(view.last);
    return status;
}
