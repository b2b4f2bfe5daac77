// SPDX-License-Identifier: BSD-2-Clause
#include "suffix.h"

#include <libpsl.h>
#include <stdlib.h>

struct ng_suffixes {
    psl_ctx_t *list; /* or NULL */
};

struct ng_suffixes *ng_suffixes_new(void)
{
    struct ng_suffixes *suffixes = malloc(sizeof(*suffixes));

    if (suffixes)
        suffixes->list = psl_latest(NULL);
    return suffixes;
}

void ng_suffixes_free(struct ng_suffixes *suffixes)
{
    if (!suffixes)
        return;
    psl_free(suffixes->list);
    free(suffixes);
}

bool ng_suffix_is(const struct ng_suffixes *suffixes, const char *name, bool all)
{
    return suffixes && suffixes->list &&
           psl_is_public_suffix2(suffixes->list, name,
                                 (all ? PSL_TYPE_ANY : PSL_TYPE_ICANN) | PSL_TYPE_NO_STAR_RULE);
}

const char *ng_suffix_registered(const struct ng_suffixes *suffixes, const char *name)
{
    return suffixes && suffixes->list ? psl_registrable_domain(suffixes->list, name) : NULL;
}
