/* SPDX-License-Identifier: BSD-2-Clause */
/* A scenario file as it is read, line by line, and the steps that messages take. */
#ifndef NAMEGATE_SCRIPT_H
#define NAMEGATE_SCRIPT_H

#include "world.h"

#define WORDS_MAX 64
#define SCRIPT_LINE_MAX 8192

struct replay {
    const char *path;
    FILE *file;
    unsigned line;
    char text[SCRIPT_LINE_MAX]; /* the line */
    char copy[SCRIPT_LINE_MAX];
    char *word[WORDS_MAX + 1];
    int words;
    struct world world;
    bool begun, open;     /* the engine is made; there is a world */
    bool loose;           /* upstreams may answer what was not asked, policies may be refused */
    size_t seen_replies;
    unsigned scenarios;
};

/* Says where and why a scenario does not hold, and ends the process. */
__attribute__((format(printf, 2, 3), noreturn)) void script_stop(const struct replay *replay, const char *format, ...);

/* The next line that has words; false at the end of the file. */
bool script_next(struct replay *replay);
/* Reads a line of a block; true when it is END. A file that ends before is an error. */
bool script_at_end(struct replay *replay);

/* Words of the line. Those that are missing or make no sense are errors. */
const char *script_arg(const struct replay *replay, int i);
unsigned script_number(const struct replay *replay, int i);
bool script_has(const struct replay *replay, const char *word);
void script_address(const struct replay *replay, const char *text, uint8_t address[16]);
size_t script_hex(const struct replay *replay, int from, uint8_t *octets, size_t room);
uint16_t script_type(const struct replay *replay, const char *text);
struct deployment *script_who(struct replay *replay, const char *name); /* NULL: others */

void step_query(struct replay *replay);
void step_raw(struct replay *replay);
void step_upstream(struct replay *replay);
void step_upstream_raw(struct replay *replay);
void step_upstream_fails(struct replay *replay);
void step_asked(struct replay *replay);
void step_nothing_asked(struct replay *replay);
void step_answer(struct replay *replay);
void step_truncated(struct replay *replay);
void step_badvers(struct replay *replay);
void step_echoed(struct replay *replay);
void step_explained(struct replay *replay);
void step_no_answer(struct replay *replay);

#endif
