// SPDX-License-Identifier: BSD-2-Clause
/* `policy reload`: who asked for it is answered when the new policies are in force and the names that they deny to live
 * deployments are known, so that what runs after it meets them. */
#include "keeper.h"

#include "await.h"
#include "evidence.h"
#include "text.h"

#include <namegate/clock.h>

#include <string.h>

#define UNRESOLVED "not all denied names could be resolved in time; what is not known yet is denied once it is"

struct reload {
    struct ng_keeper *keeper;
    struct ng_connection *connection;
    json_t *reply; /* set: the policies are in force */
    struct ng_await *await;
};

static void end(struct reload *reload)
{
    ng_await_cancel(reload->await);
    json_decref(reload->reply);
    free(reload);
}

static void named(void *arg, bool done)
{
    struct reload *reload = arg;
    struct ng_connection *connection = reload->connection;
    json_t *reply = json_incref(reload->reply);

    if (!done)
        ng_records_add(reload->keeper->records, ng_evidence_trouble("prewarm", UNRESOLVED, NULL, NULL), 0);
    if (reply)
        (void)json_object_set_new(reply, "resolved", json_boolean(done));
    ng_connection_keep(connection, NULL, NULL);
    reload->await = NULL;
    end(reload);
    ng_connection_reply(connection, reply);
}

static void prewarm(struct reload *reload)
{
    struct ng_keeper *keeper = reload->keeper;
    unsigned asked;

    if (keeper->config.prewarm_timeout == 0) {
        named(reload, true);
        return;
    }
    reload->await = ng_await_new(keeper, keeper->config.prewarm_timeout * NG_SECOND, named, reload);
    asked = ng_supervise_prewarm_live(keeper, ng_await_token(reload->await));
    if (reload->await)
        ng_await_answers(reload->await, asked);
    else
        named(reload, asked == 0); /* what was asked for becomes known, but nobody hears when */
}

static void changed(void *arg, const struct ng_error *error, const char *warnings, const char *changes)
{
    struct reload *reload = arg;
    struct ng_connection *connection = reload->connection;

    if (error) {
        ng_connection_keep(connection, NULL, NULL);
        end(reload);
        ng_connection_fail(connection, error->text, error->remedy);
        return;
    }
    reload->reply = json_pack("{s:I, s:o, s:o, s:o}", "generation", (json_int_t)reload->keeper->state.generation,
                              "policies", ng_change_policies(reload->keeper), "warnings",
                              ng_json_text(warnings, strlen(warnings)), "changes",
                              ng_json_text(changes, strlen(changes)));
    prewarm(reload);
}

/* The peer left: the change goes on, but nobody waits for it. */
static void gone(void *arg, void *data)
{
    ng_change_cancel(arg, data);
    end(data);
}

void ng_reload_request(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request)
{
    struct reload *reload;

    (void)request;
    if (ng_lives_hold(keeper, ng_connection_peer(connection)->pid)) {
        ng_connection_fail(connection, "a deployment cannot put other policies in force",
                           "do it outside of deployments");
        return;
    }
    reload = calloc(1, sizeof(*reload));
    if (!reload) {
        ng_connection_fail(connection, "out of memory", NULL);
        return;
    }
    *reload = (struct reload){.keeper = keeper, .connection = connection};
    ng_connection_keep(connection, reload, gone);
    ng_change_start(keeper, true, changed, reload);
}
