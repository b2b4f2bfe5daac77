// SPDX-License-Identifier: BSD-2-Clause
/* Reads scenario files. A file that is wrong ends the run like an engine that is: both need somebody to look. */
#include "script.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 3), noreturn)) void script_stop(const struct replay *replay, const char *format, ...)
{
    va_list arguments;

    (void)fprintf(stderr, "%s:%u: ", replay->path, replay->line);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fprintf(stderr, "\n    %s\n", replay->text);
    for (size_t i = 0; i < replay->world.notes.count; i++)
        (void)fprintf(stderr, "    note: %s\n", replay->world.notes.items[i].text);
    exit(1);
}

bool script_next(struct replay *replay)
{
    char *save = NULL;

    do {
        if (!fgets(replay->text, sizeof(replay->text), replay->file))
            return false;
        replay->line++;
        replay->text[strcspn(replay->text, "\n")] = '\0';
        (void)strcpy(replay->copy, replay->text);
        replay->copy[strcspn(replay->copy, "#")] = '\0';
        replay->words = 0;
        for (char *word = strtok_r(replay->copy, " \t", &save); word && replay->words < WORDS_MAX;
             word = strtok_r(NULL, " \t", &save))
            replay->word[replay->words++] = word;
        replay->word[replay->words] = NULL;
    } while (replay->words == 0);
    return true;
}

bool script_at_end(struct replay *replay)
{
    if (!script_next(replay))
        script_stop(replay, "no END");
    return strcmp(replay->word[0], "END") == 0;
}

const char *script_arg(const struct replay *replay, int i)
{
    if (i >= replay->words)
        script_stop(replay, "too few words");
    return replay->word[i];
}

unsigned script_number(const struct replay *replay, int i)
{
    unsigned value;
    char rest;

    if (sscanf(script_arg(replay, i), "%u%c", &value, &rest) != 1)
        script_stop(replay, "'%s' is no number", script_arg(replay, i));
    return value;
}

bool script_has(const struct replay *replay, const char *word)
{
    for (int i = 1; i < replay->words; i++)
        if (strcmp(replay->word[i], word) == 0)
            return true;
    return false;
}

void script_address(const struct replay *replay, const char *text, uint8_t address[16])
{
    memset(address, 0, 16);
    if (inet_pton(AF_INET, text, address + 12) == 1)
        memset(address + 10, 0xff, 2);
    else if (inet_pton(AF_INET6, text, address) != 1)
        script_stop(replay, "'%s' is no address", text);
}

size_t script_hex(const struct replay *replay, int from, uint8_t *octets, size_t room)
{
    size_t count = 0;

    for (int i = from; i < replay->words; i++) {
        for (const char *at = replay->word[i]; at[0] && at[1]; at += 2) {
            unsigned value;

            if (count == room || sscanf(at, "%2x", &value) != 1)
                script_stop(replay, "bad hex");
            octets[count++] = (uint8_t)value;
        }
    }
    return count;
}

uint16_t script_type(const struct replay *replay, const char *text)
{
    unsigned number = ldns_get_rr_type_by_name(text);

    if (!number)
        script_stop(replay, "unknown type %s", text);
    return (uint16_t)number;
}

struct deployment *script_who(struct replay *replay, const char *name)
{
    struct deployment *deployment = strcmp(name, "others") ? world_find(&replay->world, name) : NULL;

    if (!deployment && strcmp(name, "others"))
        script_stop(replay, "no deployment %s", name);
    return deployment;
}
