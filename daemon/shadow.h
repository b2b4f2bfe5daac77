/* SPDX-License-Identifier: BSD-2-Clause */
/* A shadow: policies that judge what deployments do beside those in force, and enforce nothing. Where they come to
 * another verdict, that goes on record and into the ledger. Kept in STATE-DIR/shadow as it was compiled, so that a
 * reload or a restart changes nothing of it.
 *
 * A directory is a set of which each deployment is judged by the policy of the name that its own has; a file has one
 * policy, which all are judged by. What names lead to an address is known as far as somebody asked for them. */
#ifndef NAMEGATE_SHADOW_H
#define NAMEGATE_SHADOW_H

#include "blame.h"
#include "control.h"
#include "deployment.h"

#include "../policy/case.h"

struct ng_keeper;
struct ng_shadow;

/* Compiles what a setting names: {"path", "text": of a file, or null: a directory, "tag": only its deployments, or
 * null, "since": s since 1970, "uid"}. A file may use what the policies directory defines. *ret_warnings are the
 * caller's. */
int ng_shadow_new(const json_t *setting, const char *policies, struct ng_error *error, struct ng_shadow **ret_shadow,
                  char **ret_warnings);
void ng_shadow_free(struct ng_shadow *shadow);

/* Takes up again what was set before. Without it there is none, and that goes on record. */
void ng_shadow_load(struct ng_keeper *keeper);

/* To be called regularly: rules end with their last day. */
void ng_shadow_tick(struct ng_keeper *keeper);

/* What decides besides the policy. */
struct ng_shadow_facts {
    bool incident; /* for this deployment */
    bool escalated;
    bool granted;  /* root lets it through */
    bool guarded;  /* an address that no name can make denied */
    const struct ng_resolution *asked; /* with NG_HOOK_DNS: what was looked up */
};

/* The verdict on what a deployment did, as in records: "allow", "would-deny", "deny". Of the event count time, scope,
 * address, port, proto, hook and evidence. NULL: no policy of the shadow is for that deployment. */
const char *ng_shadow_judge(struct ng_shadow *shadow, const struct ng_live *live, const struct ng_event *event,
                            struct ng_track *track, const struct ng_shadow_facts *facts,
                            struct ng_opinion *ret_opinion);

/* Judges what a deployment was denied, would have been, or was let through to, and puts it on record and into the
 * ledger where the shadow's verdict is another one than `verdict`, which is in force. Does nothing where there is no
 * shadow. */
void ng_shadow_event(struct ng_keeper *keeper, const struct ng_live *live, const struct ng_blame *blame,
                     const char *verdict);

/* What `status` says: a new reference, null where there is none. */
json_t *ng_shadow_json(const struct ng_shadow *shadow);

/* The command `shadow`. */
void ng_shadow_request(struct ng_keeper *keeper, struct ng_connection *connection, const json_t *request);

#endif
