/* SPDX-License-Identifier: BSD-2-Clause */
/* Resolving names before anybody asks for them, as all that a policy denies exactly before a deployment starts: what to
 * ask next. */
#ifndef NAMEGATE_PREWARM_H
#define NAMEGATE_PREWARM_H

#include "wire.h"

#include "../policy/snapshot.h"
#include "../policy/vector.h"

#include <namegate/channel.h>

#define NG_PREWARM_OUTSTANDING 64 /* questions with upstreams at once, for one prewarming */
#define NG_PREWARM_NAMES 4096      /* of a policy; names beyond are learnt when somebody asks for them */

struct ng_prewarm {
    struct ng_prewarm *next;
    struct ng_message_prewarmed message; /* to be sent when done */
    NG_VECTOR(struct ng_name) names;
    size_t asked; /* questions: two for each name */
    unsigned outstanding;
};

/* -ENOENT when there is no such policy, -ENOMEM. */
int ng_prewarm_new(const struct ng_message_prewarm *message, const struct ng_snapshot *snapshot,
                   struct ng_prewarm **ret_prewarm);
/* The same for one name. */
int ng_prewarm_name(const struct ng_message_prewarm *message, const struct ng_name *name,
                    struct ng_prewarm **ret_prewarm);
void ng_prewarm_free(struct ng_prewarm *prewarm);

/* The next question to ask now; false when there is none, or when enough are outstanding. */
bool ng_prewarm_next(struct ng_prewarm *prewarm, struct ng_question *ret_question);
/* The last question could not be asked: it comes again. */
void ng_prewarm_again(struct ng_prewarm *prewarm);

bool ng_prewarm_done(const struct ng_prewarm *prewarm);

#endif
