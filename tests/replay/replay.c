// SPDX-License-Identifier: BSD-2-Clause
/* Plays scenarios: files of steps, one a line; '#' begins a comment.
 *
 *   SCENARIO what it shows                   a new world
 *   CONFIG floor=60 grace=300 cache=100 tracked=100 map-max=1000 guard=10.0.0.0/8
 *   POLICY / ... / END                       the first policy, or a reload; POLICY_FAILS: it must be refused
 *   DEPLOYMENT name policy, END_DEPLOYMENT name
 *   QUERY who name type [do] [tcp] [noedns]  who: a deployment, or "others"
 *   RAW who hex                              octets as a query
 *   UPSTREAM name type rcode / ... / END     answers that question; lines: a record, "authority record", "additional
 *                                            record"; UPSTREAM_RAW name type [hex]; UPSTREAM_FAILS name type
 *   ASKED name type, NOTHING_ASKED           what is with upstreams
 *   ANSWER rcode / records / END             the oldest reply not looked at yet; TRUNCATED, NO_ANSWER,
 *                                            BADVERS, ECHOED label (the first one, in the asker's case)
 *   TIME seconds                             passes
 *   MAP_FAILS error-number                   0: works again; ASK_FAILS error-number: no upstream can be asked
 *   ADOPT policy address seconds             an earlier resolver denied it for so long
 *   PREWARM policy
 *   NOTE text                                a message to the keeper begins like this; NO_NOTE
 *   DENIED deployment address port, ALLOWED, UNKNOWN
 *   ENTRY scope address, NO_ENTRY
 *
 * What must hold always (check.h) needs no step. A step may use only what is above.
 */
#include "world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WORDS_MAX 64

struct replay {
    const char *path;
    FILE *file;
    unsigned line;
    char text[1024];      /* the line */
    char copy[1024];
    char *word[WORDS_MAX + 1];
    int words;
    struct world world;
    bool begun, open;     /* the engine is made; there is a world */
    size_t seen_replies;
    unsigned scenarios;
};

__attribute__((format(printf, 2, 3), noreturn)) static void stop(const struct replay *replay, const char *format, ...)
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

static bool next_line(struct replay *replay)
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

static bool at_end(struct replay *replay)
{
    if (!next_line(replay))
        stop(replay, "no END");
    return strcmp(replay->word[0], "END") == 0;
}

static const char *arg(const struct replay *replay, int i)
{
    if (i >= replay->words)
        stop(replay, "too few words");
    return replay->word[i];
}

static bool has(const struct replay *replay, const char *word)
{
    for (int i = 1; i < replay->words; i++)
        if (strcmp(replay->word[i], word) == 0)
            return true;
    return false;
}

static void read_address(const struct replay *replay, const char *text, uint8_t address[16])
{
    memset(address, 0, 16);
    if (inet_pton(AF_INET, text, address + 12) == 1)
        memset(address + 10, 0xff, 2);
    else if (inet_pton(AF_INET6, text, address) != 1)
        stop(replay, "'%s' is no address", text);
}

static size_t read_hex(const struct replay *replay, int from, uint8_t *octets, size_t room)
{
    size_t count = 0;

    for (int i = from; i < replay->words; i++) {
        for (const char *at = replay->word[i]; at[0] && at[1]; at += 2) {
            unsigned value;

            if (count == room || sscanf(at, "%2x", &value) != 1)
                stop(replay, "bad hex");
            octets[count++] = (uint8_t)value;
        }
    }
    return count;
}

static uint16_t type_of(const struct replay *replay, const char *text)
{
    unsigned number = ldns_get_rr_type_by_name(text);

    if (!number)
        stop(replay, "unknown type %s", text);
    return (uint16_t)number;
}

/* One more network that a DNS answer cannot make denied. */
static void guard(struct replay *replay, const char *text)
{
    struct ng_message_start *start = &replay->world.start;
    char network[64] = "";
    unsigned prefix;
    uint8_t *address = start->guard[start->guarded].address;

    if (start->guarded == NG_GUARDED_MAX || sscanf(text, "%63[^/]/%u", network, &prefix) != 2)
        stop(replay, "bad network");
    read_address(replay, network, address);
    start->guard[start->guarded++].prefix = prefix + (strchr(network, ':') ? 0 : 96);
}

static void config(struct replay *replay)
{
    struct ng_message_start *start = &replay->world.start;

    for (int i = 1; i < replay->words; i++) {
        unsigned value = 0;
        char key[32] = "";

        if (replay->begun && strncmp(replay->word[i], "map-max=", 8) != 0)
            stop(replay, "the engine has its configuration already");
        if (strncmp(replay->word[i], "guard=", 6) == 0) {
            guard(replay, replay->word[i] + 6);
            continue;
        }
        if (sscanf(replay->word[i], "%31[a-z-]=%u", key, &value) != 2)
            stop(replay, "bad setting");
        if (!strcmp(key, "floor"))
            start->floor_s = value;
        else if (!strcmp(key, "grace"))
            start->grace_s = value;
        else if (!strcmp(key, "cache"))
            start->cache_entries = value;
        else if (!strcmp(key, "tracked"))
            start->tracked_max = value;
        else if (!strcmp(key, "map-max"))
            replay->world.map_max = value;
        else
            stop(replay, "unknown setting");
    }
}

static void policy(struct replay *replay)
{
    bool fails = strcmp(replay->word[0], "POLICY_FAILS") == 0;
    char text[4096] = "";
    int r;

    while (!at_end(replay))
        (void)strcat(strcat(text, replay->text), "\n");
    if (!replay->begun)
        world_begin(&replay->world);
    replay->begun = true;
    r = world_policy(&replay->world, text);
    if (fails != (r < 0))
        stop(replay, "the policy gives %d", r);
}

static struct deployment *who(struct replay *replay, const char *name)
{
    struct deployment *deployment = strcmp(name, "others") ? world_find(&replay->world, name) : NULL;

    if (!deployment && strcmp(name, "others"))
        stop(replay, "no deployment %s", name);
    return deployment;
}

/* The name keeps its case, and the EDNS record is left out on wish. */
static void query(struct replay *replay)
{
    struct deployment *deployment = who(replay, arg(replay, 1));
    struct ng_question question = {.type = type_of(replay, arg(replay, 3)), .dnssec = has(replay, "do")};
    const char *name = arg(replay, 2);
    uint8_t wire[NG_WIRE_QUERY_MAX];
    size_t size, at = NG_WIRE_HEADER;

    if (ng_name_from_text(name, strlen(name), &question.name) < 0)
        stop(replay, "'%s' is no name", name);
    size = ng_wire_ask(&question, (uint16_t)(4711 + replay->world.queries.count), wire);
    for (size_t i = 0; name[i] && at < (size_t)NG_WIRE_HEADER + question.name.length; i++, at++)
        wire[at + 1] = name[i] == '.' ? wire[at + 1] : (uint8_t)name[i];
    if (has(replay, "noedns")) {
        size -= 11;
        wire[11] = 0;
    }
    world_query(&replay->world, deployment, wire, size, has(replay, "tcp"));
}

static void raw(struct replay *replay)
{
    uint8_t wire[1024];
    struct deployment *deployment = who(replay, arg(replay, 1));

    world_query(&replay->world, deployment, wire, read_hex(replay, 2, wire, sizeof(wire)), false);
}

static struct asked take_asked(struct replay *replay)
{
    struct world *world = &replay->world;
    uint16_t type = type_of(replay, arg(replay, 2));
    struct ng_name name;

    (void)ng_name_from_text(arg(replay, 1), strlen(arg(replay, 1)), &name);
    for (size_t i = 0; i < world->asked.count; i++) {
        struct asked asked = world->asked.items[i];

        if (asked.question.type != type || !ng_name_equal(&asked.question.name, &name))
            continue;
        world->asked.items[i] = world->asked.items[--world->asked.count];
        return asked;
    }
    stop(replay, "that was not asked");
}

static void push(struct replay *replay, ldns_pkt *pkt)
{
    static const struct {
        const char *word;
        ldns_pkt_section section;
    } sections[] = {{"authority", LDNS_SECTION_AUTHORITY}, {"additional", LDNS_SECTION_ADDITIONAL}};
    ldns_pkt_section section = LDNS_SECTION_ANSWER;
    const char *text = replay->text;
    ldns_rr *rr = NULL;

    for (size_t i = 0; i < 2; i++) {
        if (strcmp(replay->word[0], sections[i].word) == 0) {
            section = sections[i].section;
            text = strstr(text, sections[i].word) + strlen(sections[i].word);
        }
    }
    text += strspn(text, " \t");
    if (ldns_rr_new_frm_str(&rr, text, 300, NULL, NULL) != LDNS_STATUS_OK || !ldns_pkt_push_rr(pkt, section, rr))
        stop(replay, "no record");
}

static void upstream(struct replay *replay)
{
    struct asked asked = take_asked(replay);
    char rcode[16], name[NG_NAME_TEXT_MAX];
    ldns_lookup_table *known;
    ldns_pkt *pkt;
    uint8_t *wire;
    size_t size;

    (void)snprintf(rcode, sizeof(rcode), "%s", arg(replay, 3));
    known = ldns_lookup_by_name(ldns_rcodes, rcode);
    if (!known)
        stop(replay, "unknown rcode %s", rcode);
    pkt = ldns_pkt_query_new(ldns_dname_new_frm_str(ng_name_to_text(&asked.question.name, name)),
                             asked.question.type, LDNS_RR_CLASS_IN, LDNS_RD | LDNS_RA);
    ldns_pkt_set_qr(pkt, true);
    ldns_pkt_set_rcode(pkt, (uint8_t)known->id);
    while (!at_end(replay))
        push(replay, pkt);
    if (ldns_pkt2wire(&wire, pkt, &size) != LDNS_STATUS_OK)
        stop(replay, "cannot write the message");
    ng_engine_answer(replay->world.engine, asked.pending, wire, size);
    ldns_pkt_free(pkt);
    free(wire);
}

static void upstream_raw(struct replay *replay)
{
    struct asked asked = take_asked(replay);
    uint8_t wire[1024];

    ng_engine_answer(replay->world.engine, asked.pending, wire, read_hex(replay, 3, wire, sizeof(wire)));
}

static void upstream_fails(struct replay *replay)
{
    ng_engine_answer(replay->world.engine, take_asked(replay).pending, NULL, 0);
}

static void asked(struct replay *replay)
{
    struct asked found = take_asked(replay);

    (void)ng_vector_add(&replay->world.asked, found);
}

static void nothing_asked(struct replay *replay)
{
    if (replay->world.asked.count)
        stop(replay, "%zu questions are with upstreams", replay->world.asked.count);
}

static const struct reply *next_reply(struct replay *replay)
{
    if (replay->seen_replies >= replay->world.replies.count)
        stop(replay, "no reply");
    return &replay->world.replies.items[replay->seen_replies++];
}

static ldns_pkt *parse(struct replay *replay, const struct reply *reply)
{
    ldns_pkt *pkt = NULL;

    if (ldns_wire2pkt(&pkt, reply->wire, reply->size) != LDNS_STATUS_OK)
        stop(replay, "a malformed reply");
    return pkt;
}

/* Takes the record out of the list; false when it is not in it. */
static bool remove_record(ldns_rr_list *list, const char *text)
{
    for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
        ldns_rr *rr = NULL;
        char *a, *b;
        bool same;

        if (ldns_rr_new_frm_str(&rr, text, 0, NULL, NULL) != LDNS_STATUS_OK)
            return false;
        a = ldns_rr2str(rr);
        b = ldns_rr2str(ldns_rr_list_rr(list, i));
        same = strcmp(a, b) == 0;
        ldns_rr_free(rr);
        free(a);
        free(b);
        if (same) {
            ldns_rr *last = ldns_rr_list_pop_rr(list);

            if (i == ldns_rr_list_rr_count(list))
                ldns_rr_free(last);
            else
                ldns_rr_free(ldns_rr_list_set_rr(list, last, i));
            return true;
        }
    }
    return false;
}

static void answer(struct replay *replay)
{
    ldns_pkt *pkt = parse(replay, next_reply(replay));
    ldns_rr_list *left = ldns_rr_list_clone(ldns_pkt_answer(pkt));
    const ldns_lookup_table *known = ldns_lookup_by_name(ldns_rcodes, arg(replay, 1));

    if (!known || (int)ldns_pkt_get_rcode(pkt) != known->id)
        stop(replay, "rcode %d", (int)ldns_pkt_get_rcode(pkt));
    while (!at_end(replay)) {
        const char *text = replay->text + strspn(replay->text, " \t");

        if (!remove_record(left, text))
            stop(replay, "not in the answer:\n%s", ldns_rr_list2str(ldns_pkt_answer(pkt)));
    }
    if (ldns_rr_list_rr_count(left))
        stop(replay, "also in the answer:\n%s", ldns_rr_list2str(left));
    ldns_rr_list_deep_free(left);
    ldns_pkt_free(pkt);
}

static void truncated(struct replay *replay)
{
    ldns_pkt *pkt = parse(replay, next_reply(replay));

    if (!ldns_pkt_tc(pkt) || ldns_pkt_ancount(pkt))
        stop(replay, "not truncated");
    ldns_pkt_free(pkt);
}

/* The extended rcode stands in the OPT record, so ANSWER cannot see it (RFC 6891 section 6.1.3). */
static void badvers(struct replay *replay)
{
    ldns_pkt *pkt = parse(replay, next_reply(replay));
    unsigned rcode = (unsigned)ldns_pkt_edns_extended_rcode(pkt) << 4 | (unsigned)ldns_pkt_get_rcode(pkt);

    if (!ldns_pkt_edns(pkt) || rcode != NG_RCODE_BADVERS)
        stop(replay, "rcode %u", rcode);
    ldns_pkt_free(pkt);
}

static void echoed(struct replay *replay)
{
    const struct reply *reply = next_reply(replay);
    const char *label = arg(replay, 1);

    if (reply->size < 13 + strlen(label) || memcmp(reply->wire + 13, label, strlen(label)) != 0)
        stop(replay, "the name was not echoed as written");
}

static void no_answer(struct replay *replay)
{
    if (replay->seen_replies < replay->world.replies.count)
        stop(replay, "there is a reply");
}

static void note(struct replay *replay)
{
    const char *wanted = strstr(replay->text, replay->word[1]);
    bool found = false;

    for (size_t i = 0; i < replay->world.notes.count; i++)
        found |= strncmp(replay->world.notes.items[i].text, wanted, strlen(wanted)) == 0;
    if (found != (strcmp(replay->word[0], "NOTE") == 0))
        stop(replay, found ? "there is such a message" : "no such message");
    if (found)
        replay->world.notes.count = 0; /* the next one is another */
}

static void verdict(struct replay *replay)
{
    static const char *const words[] = {"UNKNOWN", "ALLOWED", "DENIED"};
    uint8_t address[16], got;

    read_address(replay, arg(replay, 2), address);
    got = world_verdict(&replay->world, who(replay, arg(replay, 1)), address, (uint16_t)atoi(arg(replay, 3)));
    if (strcmp(replay->word[0], words[got]) != 0)
        stop(replay, "it is %s", words[got]);
}

static void entry(struct replay *replay)
{
    bool wanted = strcmp(replay->word[0], "ENTRY") == 0;
    uint8_t address[16];

    read_address(replay, arg(replay, 2), address);
    if (world_has(&replay->world, world_scope(&replay->world, arg(replay, 1)), address) != wanted)
        stop(replay, wanted ? "no entry" : "there is an entry");
}

static void prewarm(struct replay *replay)
{
    struct ng_message_prewarm message = {
        .type = NG_MESSAGE_PREWARM, .policy = world_scope(&replay->world, arg(replay, 1)), .token = 1};

    ng_engine_prewarm(replay->world.engine, &message);
}

static void end_world(struct replay *replay)
{
    if (replay->open && replay->begun)
        world_release(&replay->world);
    if (replay->open && *replay->world.broken)
        stop(replay, "%s", replay->world.broken);
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
    world_deployment(&replay->world, arg(replay, 1), arg(replay, 2));
}

static void end_deployment(struct replay *replay)
{
    world_end_deployment(&replay->world, arg(replay, 1));
}

static void pass_time(struct replay *replay)
{
    world_sleep(&replay->world, (unsigned)atoi(arg(replay, 1)));
}

static void map_fails(struct replay *replay)
{
    replay->world.write_error = -atoi(arg(replay, 1));
}

static void ask_fails(struct replay *replay)
{
    replay->world.ask_error = -atoi(arg(replay, 1));
}

static void adopt(struct replay *replay)
{
    uint8_t address[16];

    read_address(replay, arg(replay, 2), address);
    world_adopt(&replay->world, world_scope(&replay->world, arg(replay, 1)), address,
                (unsigned)atoi(arg(replay, 3)));
}

static const struct {
    const char *word;
    void (*step)(struct replay *replay);
} steps[] = {
    {"SCENARIO", scenario}, {"CONFIG", config}, {"POLICY", policy}, {"POLICY_FAILS", policy},
    {"DEPLOYMENT", deployment}, {"END_DEPLOYMENT", end_deployment}, {"QUERY", query}, {"RAW", raw},
    {"UPSTREAM", upstream}, {"UPSTREAM_RAW", upstream_raw}, {"UPSTREAM_FAILS", upstream_fails}, {"ASKED", asked},
    {"NOTHING_ASKED", nothing_asked}, {"ANSWER", answer}, {"TRUNCATED", truncated}, {"ECHOED", echoed},
    {"NO_ANSWER", no_answer}, {"TIME", pass_time}, {"MAP_FAILS", map_fails}, {"PREWARM", prewarm}, {"NOTE", note},
    {"NO_NOTE", note}, {"DENIED", verdict}, {"ALLOWED", verdict}, {"UNKNOWN", verdict}, {"ENTRY", entry},
    {"NO_ENTRY", entry}, {"ASK_FAILS", ask_fails}, {"ADOPT", adopt},
    {"BADVERS", badvers},
};

static void play(struct replay *replay)
{
    while (next_line(replay)) {
        size_t i = 0;

        while (i < sizeof(steps) / sizeof(*steps) && strcmp(steps[i].word, replay->word[0]) != 0)
            i++;
        if (i == sizeof(steps) / sizeof(*steps))
            stop(replay, "unknown step");
        steps[i].step(replay);
        if (*replay->world.broken)
            stop(replay, "%s", replay->world.broken);
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
            stop(replay, "cannot read: %s", strerror(errno));
        play(replay);
        scenarios += replay->scenarios;
        (void)fclose(replay->file);
        free(replay);
    }
    printf("replay: %u scenarios hold\n", scenarios);
    return scenarios == 0;
}
