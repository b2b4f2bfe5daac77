// SPDX-License-Identifier: BSD-2-Clause
/* Plays scenarios: files of steps, one a line; '#' begins a comment.
 *
 *   SCENARIO what it shows                   a new world
 *   CONFIG floor=60 grace=300 cache=100 tracked=100 map-max=1000 guard=10.0.0.0/8 stale=0
 *   POLICY / ... / END                       the first policy, or a reload; POLICY_FAILS: it must be refused
 *   DEPLOYMENT name policy [audit], END_DEPLOYMENT name
 *   QUERY who name type [do] [tcp] [noedns]  who: a deployment, or "others"
 *   TOGETHER / ... / APART                   the queries in between are of one turn
 *   RAW who hex                              octets as a query
 *   UPSTREAM name type rcode / ... / END     answers that question; lines: a record, "authority record", "additional
 *                                            record"; UPSTREAM_RAW name type [hex]; UPSTREAM_FAILS name type
 *   ASKED name type, NOTHING_ASKED           what is with upstreams
 *   ANSWER rcode / records / END             the oldest reply not looked at yet; TRUNCATED, NO_ANSWER,
 *                                            BADVERS, ECHOED label (the first one, in the asker's case)
 *   DECOY deployment name type               the same; it is a decoy, which that deployment is denied
 *   EXPLAINED code [text]                    the reply looked at last says why (RFC 8914); NOT_EXPLAINED
 *   LOOSE                                    from here on an upstream may answer what was not asked, which does
 *                                            nothing, and a policy may be refused
 *   TIME seconds                             passes
 *   MAP_FAILS error-number                   0: works again; ASK_FAILS error-number: no upstream can be asked
 *   ADOPT policy address seconds             an earlier resolver denied it for so long
 *   LOSE scope address                       somebody takes it out of the map; SPOIL: changes it
 *   SINGLE_READS number                      of entries of the map, since the scenario began; NO_VERIFIER: there is no other
 *   NO_HOOK                                  looks at what replies rest on as they leave
 *   HELD_UP number                           of times it held some up, since the scenario began
 *   PREWARM policy
 *   GRANT deployment name seconds            0: it is over
 *   CANARY deployment number seconds         it tests itself; 0 seconds: it is over
 *   NOTE text                                a message to the keeper begins like this; NO_NOTE
 *   DENIED deployment address port, ALLOWED, UNKNOWN
 *   ENTRY scope address, NO_ENTRY
 *
 * What must hold always (check.h) needs no step. A step may use only what is above.
 */
#include "facts.h"
#include "script.h"

#include <namegate/clock.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* One more network that a DNS answer cannot make denied. */
static void guard(struct replay *replay, const char *text)
{
    struct ng_message_start *start = &replay->world.start;
    char network[64] = "";
    unsigned prefix;
    uint8_t *address = start->guard[start->guarded].address;

    if (start->guarded == NG_GUARDED_MAX || sscanf(text, "%63[^/]/%u", network, &prefix) != 2)
        script_stop(replay, "bad network");
    script_address(replay, network, address);
    start->guard[start->guarded++].prefix = prefix + (strchr(network, ':') ? 0 : 96);
}

static void config(struct replay *replay)
{
    struct ng_message_start *start = &replay->world.start;

    for (int i = 1; i < replay->words; i++) {
        unsigned value = 0;
        char key[32] = "";

        if (replay->begun && strncmp(replay->word[i], "map-max=", 8) != 0)
            script_stop(replay, "the engine has its configuration already");
        if (strncmp(replay->word[i], "guard=", 6) == 0) {
            guard(replay, replay->word[i] + 6);
            continue;
        }
        if (sscanf(replay->word[i], "%31[a-z-]=%u", key, &value) != 2)
            script_stop(replay, "bad setting");
        if (!strcmp(key, "floor"))
            start->floor_s = value;
        else if (!strcmp(key, "grace"))
            start->grace_s = value;
        else if (!strcmp(key, "cache"))
            start->cache_entries = value;
        else if (!strcmp(key, "tracked"))
            start->tracked_max = value;
        else if (!strcmp(key, "stale"))
            start->stale_s = value;
        else if (!strcmp(key, "map-max"))
            replay->world.map_max = value;
        else
            script_stop(replay, "unknown setting");
    }
}

static void policy(struct replay *replay)
{
    bool fails = strcmp(replay->word[0], "POLICY_FAILS") == 0;
    char text[SCRIPT_LINE_MAX] = "";
    int r;

    while (!script_at_end(replay))
        (void)strcat(strcat(text, replay->text), "\n");
    if (!replay->begun)
        world_begin(&replay->world);
    replay->begun = true;
    r = world_policy(&replay->world, text);
    if (fails != (r < 0) && !replay->loose)
        script_stop(replay, "the policy gives %d", r);
}

static void loose(struct replay *replay)
{
    replay->loose = true;
}

static void together(struct replay *replay)
{
    world_gather(&replay->world);
}

static void apart(struct replay *replay)
{
    world_conclude(&replay->world);
}

static void note(struct replay *replay)
{
    const char *wanted = strstr(replay->text, replay->word[1]);
    bool found = false;

    for (size_t i = 0; i < replay->world.notes.count; i++)
        found |= strncmp(replay->world.notes.items[i].text, wanted, strlen(wanted)) == 0;
    if (found != (strcmp(replay->word[0], "NOTE") == 0))
        script_stop(replay, found ? "there is such a message" : "no such message");
    if (found)
        replay->world.notes.count = 0; /* the next one is another */
}

static void verdict(struct replay *replay)
{
    static const char *const words[] = {"UNKNOWN", "ALLOWED", "DENIED"};
    struct deployment *deployment = script_who(replay, script_arg(replay, 1));
    uint8_t address[16], got;

    if (!deployment)
        script_stop(replay, "a verdict is for deployments alone");
    script_address(replay, script_arg(replay, 2), address);
    got = world_verdict(&replay->world, deployment, address, (uint16_t)script_number(replay, 3));
    if (strcmp(replay->word[0], words[got]) != 0)
        script_stop(replay, "it is %s", words[got]);
}

static void entry(struct replay *replay)
{
    bool wanted = strcmp(replay->word[0], "ENTRY") == 0;
    uint8_t address[16];

    script_address(replay, script_arg(replay, 2), address);
    if (world_has(&replay->world, world_scope(&replay->world, script_arg(replay, 1)), address) != wanted)
        script_stop(replay, wanted ? "no entry" : "there is an entry");
}

static void prewarm(struct replay *replay)
{
    struct ng_message_prewarm message = {
        .type = NG_MESSAGE_PREWARM, .policy = world_scope(&replay->world, script_arg(replay, 1)), .token = 1};

    ng_engine_prewarm(replay->world.engine, &message);
}

static void grant(struct replay *replay)
{
    struct deployment *who = script_who(replay, script_arg(replay, 1));
    const char *text = script_arg(replay, 2);
    unsigned seconds = script_number(replay, 3);
    struct ng_message_grant message = {.type = NG_MESSAGE_GRANT,
                                       .scope = who->kernel.scope,
                                       .until = seconds ? replay->world.now + seconds * NG_SECOND : 0,
                                       .token = 1};
    struct ng_name name;

    if (ng_name_from_text(text, strlen(text), &name) < 0)
        script_stop(replay, "bad name");
    message.name.length = name.length;
    memcpy(message.name.wire, name.wire, name.length);
    if (ng_engine_grant(replay->world.engine, &message) < 0)
        script_stop(replay, "the grant was refused");
}

static void canary(struct replay *replay)
{
    unsigned seconds = script_number(replay, 3);
    struct ng_message_canary message = {.type = NG_MESSAGE_CANARY,
                                        .scope = script_who(replay, script_arg(replay, 1))->kernel.scope,
                                        .number = seconds ? script_number(replay, 2) : 0,
                                        .until = replay->world.now + seconds * NG_SECOND,
                                        .token = seconds ? 1 : 0};

    if (ng_engine_canary(replay->world.engine, &message) < 0)
        script_stop(replay, "the canary was refused");
}

static void end_world(struct replay *replay)
{
    if (replay->open && replay->begun)
        world_release(&replay->world);
    if (replay->open && *replay->world.broken)
        script_stop(replay, "%s", replay->world.broken);
}

static void scenario(struct replay *replay)
{
    end_world(replay);
    world_init(&replay->world);
    replay->open = true;
    replay->begun = false;
    replay->seen_replies = 0;
    replay->scenarios++;
}

static void deployment(struct replay *replay)
{
    world_deployment(&replay->world, script_arg(replay, 1), script_arg(replay, 2),
                     script_has(replay, "audit") ? NG_MODE_AUDIT : NG_MODE_BLOCK);
}

static void end_deployment(struct replay *replay)
{
    world_end_deployment(&replay->world, script_arg(replay, 1));
}

static void pass_time(struct replay *replay)
{
    world_sleep(&replay->world, script_number(replay, 1));
}

static void map_fails(struct replay *replay)
{
    replay->world.write_error = -(int)script_number(replay, 1);
}

static void ask_fails(struct replay *replay)
{
    replay->world.ask_error = -(int)script_number(replay, 1);
}

/* The oldest reply not looked at yet is one address that nobody else has, and it is denied. */
static void decoy(struct replay *replay)
{
    const struct reply *reply;
    bool v4 = script_type(replay, script_arg(replay, 3)) == NG_TYPE_A;
    size_t at = NG_WIRE_HEADER + strlen(script_arg(replay, 2)) + 2 + 4 + 12;
    uint8_t address[16] = {[10] = 0xff, [11] = 0xff};

    if (replay->seen_replies >= replay->world.replies.count)
        script_stop(replay, "no reply");
    reply = &replay->world.replies.items[replay->seen_replies++];
    if (reply->size < at + (v4 ? 4U : 16U) || reply->wire[7] != 1 ||
        (v4 ? (reply->wire[at] & 0xf0) != 0xf0 : memcmp(reply->wire + at, "\1\0\0\0\0\0\0\0", 8) != 0))
        script_stop(replay, "no decoy");
    memcpy(v4 ? address + 12 : address, reply->wire + at, v4 ? 4 : 16);
    if (world_verdict(&replay->world, script_who(replay, script_arg(replay, 1)), address, 443) != NG_VERDICT_DENY)
        script_stop(replay, "the decoy is not denied");
}

static void lose(struct replay *replay)
{
    uint8_t address[16];

    script_address(replay, script_arg(replay, 2), address);
    world_lose(&replay->world, world_scope(&replay->world, script_arg(replay, 1)), address);
}

static void spoil(struct replay *replay)
{
    uint8_t address[16];

    script_address(replay, script_arg(replay, 2), address);
    world_spoil(&replay->world, world_scope(&replay->world, script_arg(replay, 1)), address);
}

static void no_hook(struct replay *replay)
{
    replay->world.no_hook = true;
}

static void no_verifier(struct replay *replay)
{
    replay->world.no_verifier = true;
}

static void held_up(struct replay *replay)
{
    if (replay->world.held_up != script_number(replay, 1))
        script_stop(replay, "%u times replies were held up", replay->world.held_up);
}

static void single_reads(struct replay *replay)
{
    if (replay->world.single_reads != script_number(replay, 1))
        script_stop(replay, "%u entries were read by their keys", replay->world.single_reads);
}

static void adopt(struct replay *replay)
{
    uint8_t address[16];

    script_address(replay, script_arg(replay, 2), address);
    world_adopt(&replay->world, world_scope(&replay->world, script_arg(replay, 1)), address,
                script_number(replay, 3));
}

static const struct {
    const char *word;
    void (*step)(struct replay *replay);
} steps[] = {
    {"SCENARIO", scenario}, {"CONFIG", config}, {"POLICY", policy}, {"POLICY_FAILS", policy},
    {"DEPLOYMENT", deployment}, {"END_DEPLOYMENT", end_deployment}, {"QUERY", step_query}, {"RAW", step_raw},
    {"UPSTREAM", step_upstream}, {"UPSTREAM_RAW", step_upstream_raw}, {"UPSTREAM_FAILS", step_upstream_fails},
    {"ASKED", step_asked}, {"NOTHING_ASKED", step_nothing_asked}, {"ANSWER", step_answer},
    {"TRUNCATED", step_truncated}, {"ECHOED", step_echoed}, {"NO_ANSWER", step_no_answer},
    {"DECOY", decoy}, {"EXPLAINED", step_explained}, {"NOT_EXPLAINED", step_explained}, {"TIME", pass_time},
    {"MAP_FAILS", map_fails}, {"PREWARM", prewarm}, {"GRANT", grant}, {"CANARY", canary}, {"NOTE", note},
    {"NO_NOTE", note}, {"DENIED", verdict},
    {"ALLOWED", verdict}, {"UNKNOWN", verdict}, {"ENTRY", entry}, {"NO_ENTRY", entry}, {"ASK_FAILS", ask_fails},
    {"ADOPT", adopt}, {"LOSE", lose}, {"SPOIL", spoil},
    {"LOOSE", loose}, {"TOGETHER", together}, {"APART", apart}, {"NO_VERIFIER", no_verifier}, {"NO_HOOK", no_hook},
    {"SINGLE_READS", single_reads}, {"HELD_UP", held_up}, {"BADVERS", step_badvers},
};

static void play(struct replay *replay)
{
    while (script_next(replay)) {
        size_t i = 0;

        while (i < sizeof(steps) / sizeof(*steps) && strcmp(steps[i].word, replay->word[0]) != 0)
            i++;
        if (i == sizeof(steps) / sizeof(*steps))
            script_stop(replay, "unknown step");
        steps[i].step(replay);
        if (replay->loose) /* else scenarios are long, or look themselves */
            facts_check(&replay->world);
        if (*replay->world.broken)
            script_stop(replay, "%s", replay->world.broken);
    }
    end_world(replay);
}

int main(int argc, char **argv)
{
    unsigned scenarios = 0;

    for (int i = 1; i < argc; i++) {
        struct replay *replay = calloc(1, sizeof(*replay));

        replay->path = argv[i];
        replay->file = fopen(argv[i], "re");
        if (!replay->file)
            script_stop(replay, "cannot read: %s", strerror(errno));
        play(replay);
        scenarios += replay->scenarios;
        (void)fclose(replay->file);
        free(replay);
    }
    printf("replay: %u scenarios hold\n", scenarios);
    return scenarios == 0;
}
