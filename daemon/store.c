// SPDX-License-Identifier: BSD-2-Clause
#include "store.h"

#include <namegate/cleanup.h>

#include <string.h>
#include <systemd/sd-daemon.h>

struct ng_store {
    int count;
    char **names; /* of the descriptors from SD_LISTEN_FDS_START on; NULL: claimed */
};

int ng_store_new(struct ng_store **ret_store)
{
    struct ng_store *store = calloc(1, sizeof(*store));

    if (!store)
        return -ENOMEM;
    store->count = sd_listen_fds_with_names(1, &store->names);
    if (store->count < 0)
        store->count = 0;
    *ret_store = store;
    return 0;
}

void ng_store_forget(const struct ng_store *store)
{
    for (int i = 0; store && i < store->count; i++)
        if (store->names[i])
            ng_store_drop(store->names[i]);
}

void ng_store_free(struct ng_store *store)
{
    if (!store)
        return;
    for (int i = 0; i < store->count; i++) {
        if (!store->names[i])
            continue;
        (void)ng_close(SD_LISTEN_FDS_START + i);
        free(store->names[i]);
    }
    free(store->names);
    free(store);
}

int ng_store_claim(struct ng_store *store, const char *name)
{
    for (int i = 0; store && i < store->count; i++) {
        if (!store->names[i] || strcmp(store->names[i], name) != 0)
            continue;
        free(store->names[i]);
        store->names[i] = NULL;
        return SD_LISTEN_FDS_START + i;
    }
    return -1;
}

void ng_store_keep(const char *name, int fd)
{
    char text[NG_STORE_NAME_MAX + 32];

    (void)snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s", name);
    (void)sd_pid_notify_with_fds(0, 0, text, &fd, 1);
}

void ng_store_drop(const char *name)
{
    (void)sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

void ng_store_ready(void)
{
    (void)sd_notify(0, "READY=1");
}
