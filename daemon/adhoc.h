/* SPDX-License-Identifier: BSD-2-Clause */
/* Policies that came with `run --policy FILE`. Each lives exactly as long as its deployment, so it is kept in a file of
 * RUN-DIR/adhoc too: deployments outlive the daemon, but, like that directory, not a boot. */
#ifndef NAMEGATE_ADHOC_H
#define NAMEGATE_ADHOC_H

#include "log.h"

#include <namegate/abi.h>

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define NG_ADHOC_TEXT_MAX (1u << 20)   /* octets of one */
#define NG_ADHOC_USER_MAX (256u << 10) /* of all of one user but root: the kernel's maps are shared */

struct ng_adhoc {
    struct ng_adhoc *next;
    char name[NG_TAG_LEN];
    char *path; /* as its user called it */
    char *text;
    size_t length;
    uid_t uid;
};

struct ng_adhocs {
    char *dir;
    struct ng_adhoc *list;
};

/* Reads what an earlier daemon kept below run_dir. A file that cannot be read is left out and logged. */
int ng_adhocs_open(struct ng_adhocs *adhocs, const char *run_dir, struct ng_error *error);
/* Forgets nothing on disk but the directory, when that is empty. */
void ng_adhocs_close(struct ng_adhocs *adhocs);

/* The name that the policy of a scope gets. */
void ng_adhoc_name(uint32_t scope, char ret_name[static NG_TAG_LEN]);
const struct ng_adhoc *ng_adhoc_find(const struct ng_adhocs *adhocs, const char *name);

/* Keeps a policy, on disk first. */
int ng_adhoc_add(struct ng_adhocs *adhocs, const char *name, const char *path, const char *text, uid_t uid,
                 struct ng_error *error);
/* A name that is none of theirs is ignored. */
void ng_adhoc_forget(struct ng_adhocs *adhocs, const char *name);

#endif
