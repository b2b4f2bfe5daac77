/* SPDX-License-Identifier: BSD-2-Clause */
/* The files of a policy set, with all that they include; private to the compiler. */
#ifndef NAMEGATE_FILES_H
#define NAMEGATE_FILES_H

#include "ast.h"
#include "compile.h"

#include <sys/types.h>

struct ng_file;

/* One file that an include of another one named. */
struct ng_included {
    uint32_t include; /* which of ast.includes */
    struct ng_file *file;
};

struct ng_file {
    struct ng_ast ast;
    uint32_t number;  /* its own, in files->list */
    char *path;
    char *read;       /* the text, when it was read from a file */
    const char *as;   /* see struct ng_source */
    bool source;      /* given, not included */
    bool stream;      /* see struct ng_source */
    bool whole;       /* its includes are read, or being read */
    dev_t device;     /* of a file that was read */
    ino_t inode;
    NG_VECTOR(struct ng_included) included;
};

struct ng_files {
    NG_VECTOR(struct ng_file *) list;
};

/* Reads and parses the sources and what they include, each file once. Errors go to diag, all of them; returns 0 also
 * then, else -ENOMEM. */
int ng_files_load(struct ng_files *files, const struct ng_source *sources, size_t count, struct ng_diag *diag);
void ng_files_release(struct ng_files *files);

#endif
