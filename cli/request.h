/* SPDX-License-Identifier: BSD-2-Clause */
/* The requests `run` and `attach`, made from the words of a command line. */
#ifndef NAMEGATE_CLI_REQUEST_H
#define NAMEGATE_CLI_REQUEST_H

#include <jansson.h>
#include <stdbool.h>

#include <namegate/abi.h>

/* A tag that the daemon accepts, from the last part of the path of a command. */
void ng_cli_tag_of(const char *command, char ret_tag[static NG_TAG_LEN]);

/* Whether --policy means a file: by a '/', by the ending .policy, or because there is such a file. */
bool ng_cli_policy_is_file(const char *policy);

/* Adds the text of a file, of which a daemon takes 1 MiB. What is wrong is on stderr; returns 0 or -errno. */
int ng_cli_request_policy(json_t *request, const char *key, const char *path);

/* policy, mode and argv may be NULL, and tag where there is an argv, which ends with NULL. What is wrong is on stderr;
 * returns 0 or -errno. */
int ng_cli_run_request(const char *command, const char *tag, const char *policy, const char *mode, char *const *argv,
                       json_t **ret_request);

#endif
