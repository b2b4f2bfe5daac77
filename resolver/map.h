/* SPDX-License-Identifier: BSD-2-Clause */
/* The two maps of the kernel that the resolver was given. The only user of libbpf here. */
#ifndef NAMEGATE_MAP_H
#define NAMEGATE_MAP_H

#include <namegate/abi.h>

#include <stddef.h>
#include <stdint.h>

/* Return 0 or -errno; -E2BIG: the map is full. */
/* -ENOENT: it is not there. */
int ng_map_read(int fd, const struct ng_destination_key *key, struct ng_destination *ret_value);
/* Runs the program gate_verify(): for NG_EXPECTED_MAX destinations at most, a bit for each that is not there so. */
int ng_map_verify(int program, const struct ng_expected *expected, unsigned count, uint64_t *ret_differ);
/* Writes all that it can, in this order. */
int ng_map_write(int fd, const struct ng_destination_key *keys, const struct ng_destination *values, unsigned count);
/* Keys that are not there are passed over. */
int ng_map_erase(int fd, const struct ng_destination_key *keys, size_t count);

/* Entries that it has room for; 0: unknown. */
size_t ng_map_max(int fd);

/* Calls each entry; ends with the callback's first error. */
typedef int (*ng_map_fn)(void *arg, const struct ng_destination_key *key, const struct ng_destination *value);
int ng_map_each(int fd, ng_map_fn each, void *arg);

/* Who sent a query; -ENOENT. */
int ng_map_asker(int fd, const struct ng_asker_key *key, struct ng_asker *ret_asker);

#endif
