/* SPDX-License-Identifier: BSD-2-Clause */
/* The client's side of docs/protocol.md. */
#ifndef NAMEGATE_CLI_CLIENT_H
#define NAMEGATE_CLI_CLIENT_H

#include <namegate/cleanup.h>

#include <jansson.h>
#include <stdbool.h>

NG_DEFINE_CLEANUP(json, json_t, json_decref)
#define _cleanup_json_ _cleanup_(ng_cleanup_json)

struct ng_cli_client;

/* Connects to RUN-DIR/control.sock. -ENOENT and -ECONNREFUSED: no daemon runs there. */
int ng_cli_client_open(const char *run_dir, struct ng_cli_client **ret_client);
void ng_cli_client_close(struct ng_cli_client *client);
NG_DEFINE_CLEANUP(client, struct ng_cli_client, ng_cli_client_close)
#define _cleanup_client_ _cleanup_(ng_cleanup_client)

/* Whether an error of ng_cli_client_open() says that no daemon runs. */
bool ng_cli_no_daemon(int error);

/* Says on stderr why it could not be reached, and what to do. */
void ng_cli_say_unreachable(const char *run_dir, int error);

/* A request for a command, to which the caller adds its keys. NULL: out of memory. */
json_t *ng_cli_request(const char *command);

/* Adds a text to a request; octets that are not UTF-8 are escaped, and NULL adds nothing. 0 or -ENOMEM. */
int ng_cli_request_text(json_t *request, const char *key, const char *text);

/* Any octets as a JSON text; those of a text that is not UTF-8 as \xHH. NULL: out of memory. */
json_t *ng_cli_text(const char *text);

int ng_cli_send(struct ng_cli_client *client, const json_t *request);

/* Reads the next line of the answer, which is a JSON object. 0 and *ret_line NULL at the end; -EBADMSG for anything
 * that is no JSON object. */
int ng_cli_receive(struct ng_cli_client *client, json_t **ret_line);

/* If an answer says that the request failed, prints that with the remedy to stderr and returns true. */
bool ng_cli_refused(const json_t *answer);

/* Connects, asks, and reads the answer of one line. Takes the request, which may be NULL (out of memory). What goes
 * wrong is on stderr; returns the exit status for it, or 0 and the answer. */
int ng_cli_ask(const char *run_dir, json_t *request, json_t **ret_answer);

/* Prints a JSON object on one line, with nothing but ASCII, which is harmless everywhere. 0 or -ENOMEM. */
int ng_cli_print_json(FILE *out, const json_t *json);

/* Members of an object, without a fuss: "" and 0 stand for those that are missing. */
const char *ng_cli_string(const json_t *object, const char *key);
long long ng_cli_integer(const json_t *object, const char *key);

#endif
