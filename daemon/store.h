/* SPDX-License-Identifier: BSD-2-Clause */
/* The file-descriptor store of the service manager (sd_notify(3), FDSTORE=1; sd_listen_fds(3)): it keeps the daemon's
 * sockets while the daemon is restarted, so that queries wait in them and none is lost. Without such a manager nothing
 * happens. Names tell the sockets apart. */
#ifndef NAMEGATE_STORE_H
#define NAMEGATE_STORE_H

#define NG_STORE_NAME_MAX 96

struct ng_store;

/* Takes over what was kept; the manager's variables leave the environment, but for the one by which it is told. To be
 * called before descriptors are opened. -ENOMEM. */
int ng_store_new(struct ng_store **ret_store);
/* Has the manager let go of what nobody claimed. Not before the daemon is ready: one that cannot start leaves all to
 * the next. */
void ng_store_forget(const struct ng_store *store);
/* Closes what nobody claimed. */
void ng_store_free(struct ng_store *store);

/* A descriptor that was kept by that name, which is the caller's then; -1: none. */
int ng_store_claim(struct ng_store *store, const char *name);

/* Has a descriptor kept. */
void ng_store_keep(const char *name, int fd);
/* Has it let go of. */
void ng_store_drop(const char *name);

/* Tells the manager that the daemon is ready. */
void ng_store_ready(void);

#endif
