// SPDX-License-Identifier: BSD-2-Clause
#include "prewarm.h"

#include <errno.h>

struct taking {
    struct ng_prewarm *prewarm;
    const struct ng_snapshot *snapshot;
};

static int take_name(void *arg, const struct ng_name *name, bool below, uint64_t profile)
{
    const struct taking *taking = arg;
    struct ng_prewarm *prewarm = taking->prewarm;

    if (below || prewarm->names.count == NG_PREWARM_NAMES || !ng_snapshot_denies(taking->snapshot, profile))
        return 0;
    return ng_vector_add(&prewarm->names, *name) ? 0 : -ENOMEM;
}

static struct ng_prewarm *make(const struct ng_message_prewarm *message)
{
    struct ng_prewarm *prewarm = calloc(1, sizeof(*prewarm));

    if (!prewarm)
        return NULL;
    prewarm->message = (struct ng_message_prewarmed){.type = NG_MESSAGE_PREWARMED, .token = message->token};
    return prewarm;
}

int ng_prewarm_new(const struct ng_message_prewarm *message, const struct ng_snapshot *snapshot,
                   struct ng_prewarm **ret_prewarm)
{
    int policy = snapshot ? ng_snapshot_find_scope(snapshot, message->policy) : -ENOENT;
    struct ng_prewarm *prewarm;
    int r;

    if (policy < 0)
        return policy;
    prewarm = make(message);
    if (!prewarm)
        return -ENOMEM;
    r = ng_snapshot_each_name(snapshot, (unsigned)policy, take_name, &(struct taking){prewarm, snapshot});
    if (r < 0) {
        ng_prewarm_free(prewarm);
        return r;
    }
    *ret_prewarm = prewarm;
    return 0;
}

int ng_prewarm_name(const struct ng_message_prewarm *message, const struct ng_name *name,
                    struct ng_prewarm **ret_prewarm)
{
    struct ng_prewarm *prewarm = make(message);

    if (!prewarm || !ng_vector_add(&prewarm->names, *name)) {
        free(prewarm);
        return -ENOMEM;
    }
    *ret_prewarm = prewarm;
    return 0;
}

void ng_prewarm_free(struct ng_prewarm *prewarm)
{
    if (!prewarm)
        return;
    ng_vector_free(&prewarm->names);
    free(prewarm);
}

bool ng_prewarm_next(struct ng_prewarm *prewarm, struct ng_question *ret_question)
{
    if (prewarm->asked == 2 * prewarm->names.count || prewarm->outstanding >= NG_PREWARM_OUTSTANDING)
        return false;
    *ret_question = (struct ng_question){.name = prewarm->names.items[prewarm->asked / 2],
                                         .type = prewarm->asked % 2 ? NG_TYPE_AAAA : NG_TYPE_A};
    prewarm->asked++;
    return true;
}

void ng_prewarm_again(struct ng_prewarm *prewarm)
{
    prewarm->asked--;
}

bool ng_prewarm_done(const struct ng_prewarm *prewarm)
{
    return prewarm->asked == 2 * prewarm->names.count && prewarm->outstanding == 0;
}
