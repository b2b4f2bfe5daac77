// SPDX-License-Identifier: BSD-2-Clause
/* `summary`: answered when what it tells of is in the ledger as well, because a report may be asked for next. */
#include "keeper.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <sys/epoll.h>

#define PERIOD (NG_SECOND / 500)
#define WAIT_MAX (NG_SECOND / 2) /* for a disk that is slow */

struct waiting {
    struct ng_keeper *keeper;
    struct ng_connection *connection;
    json_t *reply;
    uint64_t rows; /* of the ledger, that are to be written */
    uint64_t until;
    int timer;
};

static void free_waiting(struct waiting *waiting)
{
    if (waiting->timer >= 0)
        ng_loop_remove(waiting->keeper->loop, waiting->timer);
    (void)ng_close(waiting->timer);
    json_decref(waiting->reply);
    free(waiting);
}

static void gone(void *arg, void *data)
{
    (void)arg;
    free_waiting(data);
}

static void on_timer(void *arg, uint32_t events)
{
    struct waiting *waiting = arg;
    struct ng_connection *connection = waiting->connection;

    (void)events;
    ng_timer_clear(waiting->timer);
    if (!ng_ledger_written(waiting->keeper->ledger, waiting->rows) && ng_now() < waiting->until)
        return;
    ng_connection_keep(connection, NULL, NULL);
    ng_connection_reply(connection, json_incref(waiting->reply));
    free_waiting(waiting);
}

/* Takes the reply. */
static void reply_later(struct ng_keeper *keeper, struct ng_connection *connection, json_t *reply)
{
    struct waiting *waiting = calloc(1, sizeof(*waiting));

    if (!waiting) {
        ng_connection_reply(connection, reply);
        return;
    }
    *waiting = (struct waiting){.keeper = keeper,
                                .connection = connection,
                                .rows = ng_ledger_handed(keeper->ledger),
                                .until = ng_now() + WAIT_MAX,
                                .timer = ng_timer_new(PERIOD, 0)};
    if (waiting->timer < 0 || ng_loop_add(keeper->loop, waiting->timer, EPOLLIN, on_timer, waiting) < 0) {
        free_waiting(waiting);
        ng_connection_reply(connection, reply);
        return;
    }
    waiting->reply = reply;
    ng_connection_keep(connection, waiting, gone);
}

void ng_summary(struct ng_keeper *keeper, struct ng_connection *connection, struct ng_live *live)
{
    json_t *reply;

    ng_lives_settle(keeper, live);
    reply = ng_live_summary(live, ng_keeper_lost(keeper));
    if (keeper->ledger && reply)
        reply_later(keeper, connection, reply);
    else
        ng_connection_reply(connection, reply);
}
