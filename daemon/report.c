// SPDX-License-Identifier: BSD-2-Clause
/* The thread has a job to itself until it writes to its eventfd; the loop alone knows the connection. */
#include "report.h"

#include "../ledger/reader.h"
#include "../policy/vector.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#define WRITE_MAX (2 * NG_SECOND) /* what happened just now is in the ledger then, or never mind */

struct ng_report_job {
    struct ng_report_job *next;
    struct ng_keeper *keeper;
    struct ng_connection *connection; /* NULL: it is gone */
    pthread_t thread;
    int done; /* eventfd */

    bool sync_only;
    char *deployment, *tag;
    struct ng_ledger_query query;
    NG_VECTOR(char *) lines;
    size_t octets;
    int r;
    char *reason;
};

static void free_job(struct ng_report_job *job)
{
    for (size_t i = 0; i < job->lines.count; i++)
        free(job->lines.items[i]);
    ng_vector_free(&job->lines);
    (void)ng_close(job->done);
    free(job->deployment);
    free(job->tag);
    free(job->reason);
    free(job);
}

/* --- in the thread */

static int add_line(void *arg, const json_t *deployment)
{
    struct ng_report_job *job = arg;
    char *line = json_dumps(deployment, JSON_COMPACT | JSON_PRESERVE_ORDER);

    if (!line)
        return -ENOMEM;
    job->octets += strlen(line) + 1;
    if (job->octets > NG_REPORT_MAX || !ng_vector_add(&job->lines, line)) {
        free(line);
        return job->octets > NG_REPORT_MAX ? -EFBIG : -ENOMEM;
    }
    return 0;
}

static void *read_ledger(void *arg)
{
    static const uint64_t once = 1;
    struct ng_report_job *job = arg;

    ng_ledger_sync(job->keeper->ledger, WRITE_MAX);
    if (!job->sync_only)
        job->r = ng_ledger_read(job->keeper->options.state_dir, &job->query, add_line, job, &job->reason);
    if (write(job->done, &once, sizeof(once)) < 0)
        ng_log(NG_LOG_ERROR, "cannot tell that a report is done: %m");
    return NULL;
}

/* --- in the loop */

static void answer(const struct ng_report_job *job)
{
    struct ng_connection *connection = job->connection;

    if (job->r == -EFBIG) {
        ng_connection_fail(connection, "this is more than one answer can hold", "ask for fewer deployments");
        return;
    }
    if (job->r < 0) {
        ng_connection_fail(connection, job->reason ? job->reason : strerror(-job->r), NULL);
        return;
    }
    for (size_t i = 0; i < job->lines.count; i++)
        ng_connection_line(connection, job->lines.items[i]);
    ng_connection_reply(connection, json_pack("{s:b}", "end", 1));
}

static void delist(struct ng_report_job *job)
{
    struct ng_report_job **at = &job->keeper->reports;

    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
}

static void on_done(void *arg, uint32_t events)
{
    struct ng_report_job *job = arg;

    (void)events;
    (void)pthread_join(job->thread, NULL);
    ng_loop_remove(job->keeper->loop, job->done);
    delist(job);
    if (job->connection) {
        ng_connection_keep(job->connection, NULL, NULL);
        answer(job);
    }
    free_job(job);
}

static void asker_gone(void *arg, void *data)
{
    struct ng_report_job *job = data;

    (void)arg;
    job->connection = NULL;
}

static int copy_text(const json_t *request, const char *key, char **ret_text)
{
    const char *text = json_string_value(json_object_get(request, key));

    *ret_text = text ? strdup(text) : NULL;
    return text && !*ret_text ? -ENOMEM : 0;
}

static int start(struct ng_report_job *job, const struct ng_peer *peer, const json_t *request)
{
    json_int_t last = json_integer_value(json_object_get(request, "last"));

    if (job->done < 0 || copy_text(request, "deployment", &job->deployment) < 0 ||
        copy_text(request, "tag", &job->tag) < 0)
        return -ENOMEM;
    job->sync_only = json_is_true(json_object_get(request, "sync"));
    job->query = (struct ng_ledger_query){.deployment = job->deployment,
                                          .tag = job->tag,
                                          .since_us = json_integer_value(json_object_get(request, "since_us")),
                                          .last = last > 0 && last < UINT_MAX ? (unsigned)last : 0,
                                          .outline = json_is_true(json_object_get(request, "outline")),
                                          .own = peer->uid != 0,
                                          .uid = peer->uid};
    if (ng_loop_add(job->keeper->loop, job->done, EPOLLIN, on_done, job) < 0)
        return -ENOMEM;
    if (pthread_create(&job->thread, NULL, read_ledger, job) != 0) {
        ng_loop_remove(job->keeper->loop, job->done);
        return -EAGAIN;
    }
    return 0;
}

/* A user waits for the first report before asking for the next. */
static bool crowded(const struct ng_keeper *keeper, uid_t uid)
{
    unsigned count = 0;

    for (const struct ng_report_job *job = keeper->reports; job; job = job->next) {
        if (uid != 0 && job->query.own && job->query.uid == uid)
            return true;
        count++;
    }
    return count >= NG_REPORTS_MAX;
}

void ng_report_request(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request)
{
    const char *state_dir = json_string_value(json_object_get(request, "state_dir"));
    const struct ng_peer *peer = ng_connection_peer(connection);
    struct ng_report_job *job;

    if (!keeper->ledger) {
        ng_connection_fail(connection, "this daemon keeps no ledger", "'ledger on' in namegate.conf");
        return;
    }
    if (state_dir && strcmp(state_dir, keeper->options.state_dir) != 0) {
        ng_connection_fail(connection, "the ledger of this daemon is in another directory", NULL);
        return;
    }
    if (crowded(keeper, peer->uid)) {
        ng_connection_fail(connection, "others are reading the ledger", "try again in a moment");
        return;
    }
    ng_supervise_settle(keeper);
    ng_lives_check(keeper); /* one whose command is over has ended, also for those who are quick to ask */
    job = calloc(1, sizeof(*job));
    if (job) {
        job->keeper = keeper;
        job->connection = connection;
        job->done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    }
    if (!job || start(job, peer, request) < 0) {
        if (job)
            free_job(job);
        ng_connection_fail(connection, "the ledger cannot be read: out of memory or threads", NULL);
        return;
    }
    job->next = keeper->reports;
    keeper->reports = job;
    ng_connection_keep(connection, job, asker_gone);
}

void ng_reports_free(struct ng_keeper *keeper)
{
    while (keeper->reports)
        on_done(keeper->reports, 0);
}
