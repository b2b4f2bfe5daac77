/* SPDX-License-Identifier: BSD-2-Clause */
/* What people see: text made harmless for a terminal, aligned columns, colour. */
#ifndef NAMEGATE_CLI_TABLE_H
#define NAMEGATE_CLI_TABLE_H

#include <stdio.h>

/* A copy in which whatever could steer a terminal or reorder its text is written out: control characters, octets that
 * are not UTF-8, and the invisible characters for the direction of writing. NULL: out of memory. */
char *ng_cli_escape(const char *text);

/* Prints text as ng_cli_escape() makes it; NULL prints nothing. */
void ng_cli_put(FILE *out, const char *text);

/* The same for a text of several lines, which stay lines; the last is ended. */
void ng_cli_put_lines(FILE *out, const char *text);

enum ng_cli_colour { NG_CLI_PLAIN, NG_CLI_BAD, NG_CLI_WARN, NG_CLI_GOOD, NG_CLI_FAINT };

/* Prints text in a colour if out is a terminal that is to have colours (NO_COLOR, TERM). */
void ng_cli_put_colour(FILE *out, enum ng_cli_colour colour, const char *text);

struct ng_cli_table;

/* The heads are the first row; they are not copied. NULL: out of memory. */
struct ng_cli_table *ng_cli_table_new(const char *const *heads, unsigned columns);
void ng_cli_table_free(struct ng_cli_table *table);

/* Adds the next cell, rows from left to right; NULL stands for an empty one. Running out of memory shows when the table
 * is printed. */
void ng_cli_table_add(struct ng_cli_table *table, const char *text);
void ng_cli_table_add_number(struct ng_cli_table *table, long long number);

/* Prints the rows with two spaces between the columns, and numbers to the right. Returns 0 or -ENOMEM. */
int ng_cli_table_print(const struct ng_cli_table *table, FILE *out);

#endif
