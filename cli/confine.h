/* SPDX-License-Identifier: BSD-2-Clause */
/* Taking from a command what opens ways around the gate: capabilities(7), mount_namespaces(7). */
#ifndef NAMEGATE_CLI_CONFINE_H
#define NAMEGATE_CLI_CONFINE_H

/* For good, from this process and all that it will start: no_new_privs; the capabilities to send raw packets, change
 * networks, load BPF or modules, enter namespaces and trace the processes of others; and, for root, the right to write
 * to cgroups and pins of BPF objects, which it sees read-only in a mount namespace of its own (the host's mounts still
 * appear in it); and clone3(), which starts processes in other cgroups without writing. -errno, and says what failed:
 * the command must not run then. */
int ng_cli_confine(void);

#endif
