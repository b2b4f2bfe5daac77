/* SPDX-License-Identifier: BSD-2-Clause */
/* From policy texts to a snapshot. All or nothing: errors leave no snapshot, and all of them are reported. */
#ifndef NAMEGATE_COMPILE_H
#define NAMEGATE_COMPILE_H

#include "diag.h"
#include "snapshot.h"

struct ng_source {
    const char *path;  /* as it shall appear in messages */
    const char *text;  /* the policy text, or NULL to read it from path */
    size_t length;     /* of text */
    bool stream;       /* path may be a pipe, which is read to its end; else only a file is read */
    bool subject;      /* it is what the caller asks about: when some sources are, warnings and tests are those of them
                          and of what they include alone */
    const char *as;    /* when set, the text's only policy is compiled under this name (`run --policy FILE`); a text
                          with no policy or several is an error. It may use what the other sources define, but they
                          see nothing of it, and it includes no files */
};

/* A policy set: sources with what they include, parsed, every name in them resolved. */
struct ng_set;

/* Reads a set. Returns 0, -EINVAL with errors in diag, or another -errno (in diag as well). path, text and as of the
 * sources must outlive the set. */
int ng_set_load(const struct ng_source *sources, size_t count, struct ng_diag *diag, struct ng_set **ret_set);

/* Reads all files DIR/{name}.policy, in the order of their names, and the extra sources. A directory that does not
 * exist is an error. */
int ng_set_load_dir(const char *dir, const struct ng_source *extra, size_t count, struct ng_diag *diag,
                    struct ng_set **ret_set);
void ng_set_free(struct ng_set *set);

/* Compiles a set into one snapshot in a sealed memfd (F_SEAL_SEAL|SHRINK|GROW|WRITE, CLOEXEC). Errors as above. A set
 * without a policy gives an empty snapshot. Warnings go to diag too and do not fail. */
int ng_set_compile(const struct ng_set *set, struct ng_diag *diag, int *ret_fd);

/* A memfd with that content, sealed like that. */
int ng_seal(const void *block, size_t size, int *ret_fd);

/* Both in one, for those who need the snapshot alone. */
int ng_policy_compile(const struct ng_source *sources, size_t count, struct ng_diag *diag, int *ret_fd);
int ng_policy_compile_dir(const char *dir, const struct ng_source *extra, size_t count, struct ng_diag *diag,
                          int *ret_fd);

#endif
