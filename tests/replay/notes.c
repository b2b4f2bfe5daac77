// SPDX-License-Identifier: BSD-2-Clause
#include "notes.h"

#include "check.h"

#include <stdio.h>

static void name_text(const struct ng_wire_name *wire, char *text)
{
    struct ng_name name = {.length = 1};

    if (wire->length)
        (void)ng_name_from_wire(wire->wire, wire->length, &name);
    (void)ng_name_to_text(&name, text);
}

static const char *const troubles[] = {"",        "map-full", "map-write", "tracked-full", "guarded",
                                       "upstream", "malformed", "lost",     "recovered", "restored"};

static const char *const answers[] = {[NG_ANSWER_REAL] = "", [NG_ANSWER_REFUSE] = " refused",
                                      [NG_ANSWER_DECOY] = " decoy"};

void notes_take(void *arg, const void *message, size_t size)
{
    struct world *world = arg;
    const struct ng_message_resolution *resolution = message;
    const struct ng_message_trouble *trouble = message;
    const struct ng_message_told *told = message;
    const struct ng_message_ready *ready = message;
    const struct ng_message_prewarmed *prewarmed = message;
    char text[NG_NAME_TEXT_MAX];
    struct note note = {{0}};

    (void)size;
    world->now++;
    switch (*(const uint32_t *)message) {
    case NG_MESSAGE_RESOLUTION:
        check_resolution(world, resolution);
        name_text(&resolution->chain[0], text);
        (void)snprintf(note.text, sizeof(note.text), "resolution %s links=%u addresses=%u", text, resolution->links,
                       resolution->addresses);
        break;
    case NG_MESSAGE_TROUBLE:
        name_text(&trouble->name, text);
        (void)snprintf(note.text, sizeof(note.text), "trouble %s %s", troubles[trouble->trouble], text);
        break;
    case NG_MESSAGE_TOLD:
        check_told(world, told);
        (void)snprintf(note.text, sizeof(note.text), "told %s%s", told->asker.scope ? told->asker.comm : "others",
                       answers[told->answer % 3]);
        break;
    case NG_MESSAGE_READY:
        (void)snprintf(note.text, sizeof(note.text), "ready %u", ready->error);
        break;
    case NG_MESSAGE_PREWARMED:
        (void)snprintf(note.text, sizeof(note.text), prewarmed->failed ? "prewarmed, %u failed" : "prewarmed",
                       prewarmed->failed);
        break;
    default:
        world_breaks(world, "a message of an unknown type");
    }
    (void)ng_vector_add(&world->notes, note);
}
