// SPDX-License-Identifier: BSD-2-Clause
#include "report.h"

#include "client.h"
#include "commands.h"
#include "ledger.h"
#include "runs.h"
#include "table.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define COLUMNS 120 /* where there is no terminal to ask */
#define COLUMNS_MIN 60
#define COLUMNS_MAX 200
#define PAGE_MAX 200 /* deployments of one page */

static const char usage[] =
    "Usage: namegate report [OPTION]...\n"
    "What a deployment was denied, or would have been, by whose doing, and what it depends on. Reads the ledger in\n"
    "--state-dir; needs no daemon. Without --since: the last deployment.\n\n"
    "  -t, --tag TAG        only deployments with this tag\n"
    "  --deployment ID      this one\n"
    "  --last               the last one (the default)\n"
    "  -s, --since TIME     all that began since then: 2h, 7d; 2024-05-01 or 2024-05-01T12:00, in UTC\n"
    "  -m, --markdown       as Markdown, for a pull request\n"
    "  --html FILE          as a page that needs no network; FILE is replaced as a whole\n"
    "  --against last       of one deployment: also what is new and what vanished since the run before with its tag\n"
    "  --fail-on-new        with --against last: exit status 1 when something is new\n";

struct view {
    struct ng_cli *cli;
    bool markdown, last;
    const char *html;
    size_t columns, count;
    /* For a page; the documents must live as long as their reports. */
    json_t *documents;
    struct ng_report **reports;
};

static size_t columns_of_terminal(void)
{
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
        return COLUMNS;
    return size.ws_col < COLUMNS_MIN ? COLUMNS_MIN : size.ws_col > COLUMNS_MAX ? COLUMNS_MAX : size.ws_col;
}

/* A page needs all at once. */
static int keep(struct view *view, const json_t *deployment)
{
    json_t *document = json_deep_copy(deployment);

    if (view->count == PAGE_MAX) {
        (void)fprintf(stderr, "namegate: a page holds %d deployments at most; ask for fewer with --since or --tag\n",
                      PAGE_MAX);
        return -E2BIG;
    }
    if (!document || json_array_append_new(view->documents, document) < 0)
        return -ENOMEM;
    return ng_report_make(document, &view->reports[view->count]);
}

static int show(void *arg, const json_t *deployment)
{
    struct view *view = arg;
    struct ng_report *report = NULL;
    int r = 0;

    if (view->html) {
        r = keep(view, deployment);
    } else if (view->cli->json) {
        r = ng_cli_print_json(stdout, deployment);
    } else {
        r = ng_report_make(deployment, &report);
        if (r == 0 && view->count)
            (void)fputc('\n', stdout);
        if (r == 0)
            (void)(view->markdown ? ng_report_put_markdown(stdout, report)
                                  : ng_report_put_text(stdout, report, view->columns));
        ng_report_free(report);
    }
    if (r == -ENOMEM)
        (void)fputs("namegate: out of memory\n", stderr);
    if (r == 0)
        view->count++;
    return r < 0 ? r : ferror(stdout) ? -EIO : 0;
}

/* Where another process looks there is the old page or the new one. What is no file (/dev/stdout) stays what it is. */
static int write_page(const struct view *view)
{
    _cleanup_free_ char *path = NULL;
    _cleanup_file_ FILE *file = NULL;
    mode_t mask = umask(0);
    struct stat st;
    bool good;
    int fd;

    (void)umask(mask);
    if (lstat(view->html, &st) == 0 && !S_ISREG(st.st_mode))
        return -EEXIST;
    if (asprintf(&path, "%s.XXXXXX", view->html) < 0)
        return -ENOMEM;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    file = fdopen(fd, "w");
    if (!file) {
        (void)ng_close(fd);
        (void)unlink(path);
        return -ENOMEM;
    }
    ng_report_put_html(file, view->reports, view->count);
    good = fchmod(fd, 0666 & ~mask) == 0 && fflush(file) == 0 && fsync(fd) == 0 && rename(path, view->html) == 0;
    if (!good) {
        int error = errno;

        (void)unlink(path);
        return -error;
    }
    return 0;
}

static int finish_page(const struct view *view)
{
    int r = view->count ? write_page(view) : 0;

    if (r == 0)
        return NG_CLI_OK;
    (void)fputs("namegate: cannot write ", stderr);
    ng_cli_put(stderr, view->html);
    (void)fprintf(stderr, ": %s\n", strerror(-r));
    return NG_CLI_FAILED;
}

static int say_nothing_found(const struct ng_ledger_query *query)
{
    (void)fputs("namegate: the ledger has no deployment", stderr);
    if (query->deployment || query->tag)
        (void)fputs(query->deployment ? " called " : " with the tag ", stderr);
    ng_cli_put(stderr, query->deployment ? query->deployment : query->tag);
    (void)fprintf(stderr, "%s\n", query->since_us ? " since then" : "");
    return NG_CLI_FAILED;
}

static int report(struct view *view, const struct ng_ledger_query *query)
{
    int status = ng_cli_ledger_read(view->cli, query, show, view);

    if (status == NG_CLI_OK && view->count == 0)
        return say_nothing_found(query);
    return status == NG_CLI_OK && view->html ? finish_page(view) : status;
}

/* One deployment, and what has changed since the one before. */
static int report_against(struct view *view, const struct ng_ledger_query *query, bool fail)
{
    _cleanup_json_ json_t *before = NULL, *after = NULL, *comparison = NULL;
    int status = ng_runs_last(view->cli, query->deployment, query->tag, &before, &after);

    if (status != NG_CLI_OK)
        return NG_CLI_USAGE;
    comparison = ng_runs_compare(before, after);
    if (!comparison || json_object_set(after, "against", comparison) < 0) {
        (void)fputs("namegate: out of memory\n", stderr);
        return NG_CLI_USAGE;
    }
    if (show(view, after) < 0)
        return NG_CLI_USAGE;
    if (view->html && finish_page(view) != NG_CLI_OK)
        return NG_CLI_USAGE;
    if (view->markdown) {
        ng_report_put_markdown_changes(stdout, comparison);
    } else if (!view->cli->json && !view->html) {
        (void)fputc('\n', stdout);
        ng_runs_put(stdout, comparison);
    }
    return fail && json_array_size(json_object_get(comparison, "new")) ? NG_CLI_FAILED : NG_CLI_OK;
}

int ng_cli_report(struct ng_cli *cli, int argc, char **argv)
{
    struct view view = {.cli = cli};
    struct ng_ledger_query query = {0};
    const char *since = NULL, *against = NULL;
    bool fail = false;
    const struct ng_cli_option own[] = {
        {"tag", 't', &query.tag, NULL},
        {"deployment", 0, &query.deployment, NULL},
        {"last", 0, NULL, &view.last},
        {"since", 's', &since, NULL},
        {"html", 0, &view.html, NULL},
        {"markdown", 'm', NULL, &view.markdown},
        {"against", 0, &against, NULL},
        {"fail-on-new", 0, NULL, &fail},
        {0},
    };
    int first = 0, status = ng_cli_parse(cli, own, usage, false, argc, argv, &first);

    if (status >= 0)
        return status;
    if (first < argc)
        return ng_cli_usage(argv[0], "takes no argument:", argv[first]);
    if (since && ng_cli_since(since, &query.since_us) < 0)
        return ng_cli_usage(argv[0], "--since is a time as 2h, 7d, 2024-05-01 or 2024-05-01T12:00, not", since);
    if (view.last && since)
        return ng_cli_usage(argv[0], "--last and --since exclude each other", NULL);
    if (cli->json + view.markdown + (view.html != NULL) > 1)
        return ng_cli_usage(argv[0], "one of --json, --markdown and --html, not several", NULL);
    if (against && strcmp(against, "last") != 0)
        return ng_cli_usage(argv[0], "--against is 'last', not", against);
    if (against && since)
        return ng_cli_usage(argv[0], "--against and --since exclude each other", NULL);
    if (fail && !against)
        return ng_cli_usage(argv[0], "--fail-on-new belongs to --against last", NULL);
    view.columns = columns_of_terminal();
    view.documents = json_array();
    view.reports = calloc(PAGE_MAX, sizeof(struct ng_report *));
    query.last = since ? 0 : 1;
    status = !view.documents || !view.reports ? NG_CLI_FAILED
             : against                        ? report_against(&view, &query, fail)
                                              : report(&view, &query);
    for (size_t i = 0; view.reports && i < PAGE_MAX; i++) /* of what is no page, any number was shown */
        ng_report_free(view.reports[i]);
    free(view.reports);
    json_decref(view.documents);
    return status;
}
