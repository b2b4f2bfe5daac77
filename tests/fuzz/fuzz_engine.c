// SPDX-License-Identifier: BSD-2-Clause
/* The octets as a script for the engine: who asks what, what upstreams answer, what happens to the map meanwhile. The
 * answers are built record by record, so that most of what is tried is well formed and gets far, and then some octets
 * are changed. The world of the replay tests judges each reply: map before reply, for each name and address in it. */
#include "../replay/world.h"

#include <namegate/clock.h>

#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 64
#define RECORDS_MAX 40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct script {
    const uint8_t *data;
    size_t size;
};

static const char policies[][400] = {
    "policy p { deny a.test, *.b.test deny 192.0.2.0/24 allow d.test } policy q { deny d.test { answer refuse } }",
    "policy p { deny d.test, .b.test { answer decoy } allow a.test } policy q { deny *.test allow x.b.test }",
    "policy p { deny c.test port 443 depends d.test on a.test deny a.test } policy q { mode strict allow a.test, *.b.test }",
    "policy p { mode strict allow a.test deny x.b.test { answer refuse } } policy q { deny a.test port 80 proto tcp }",
};

static const char *const names[] = {"a.test", "b.test", "x.b.test", "y.x.b.test", "c.test", "d.test", "e.example", "test"};
static const uint16_t types[] = {NG_TYPE_A, NG_TYPE_AAAA, NG_TYPE_HTTPS, NG_TYPE_CNAME, NG_TYPE_SVCB, 16, 15, 255, 6, 39};

#define COUNT(list) (sizeof(list) / sizeof(*(list)))

static unsigned octet(struct script *script)
{
    if (script->size == 0)
        return 0;
    script->size--;
    return *script->data++;
}

static struct ng_name name_at(unsigned number)
{
    struct ng_name name;

    (void)ng_name_from_text(names[number % COUNT(names)], strlen(names[number % COUNT(names)]), &name);
    return name;
}

/* --- messages, which stop growing when there is no room */

struct message {
    uint8_t wire[4096];
    size_t size;
    unsigned sections[3];
};

static void put(struct message *message, const void *octets, size_t size)
{
    if (size > sizeof(message->wire) - message->size)
        return;
    memcpy(message->wire + message->size, octets, size);
    message->size += size;
}

static void put16(struct message *message, unsigned value)
{
    put(message, (uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

/* The name of the question by a pointer, one of the pool, or a pointer to anywhere. */
static void put_name(struct message *message, struct script *script)
{
    unsigned choice = octet(script);
    struct ng_name name;

    if (choice < 64) {
        put16(message, 0xc000 | NG_WIRE_HEADER);
    } else if (choice < 240) {
        name = name_at(choice);
        put(message, name.wire, name.length);
    } else {
        put16(message, 0xc000 | octet(script) << 1);
    }
}

static void put_addresses(struct message *message, struct script *script, unsigned octets, unsigned count)
{
    static const uint8_t v4[] = {198, 51, 100, 0}, own[] = {127, 0, 0, 0}, denied[] = {192, 0, 2, 0};
    static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8}, mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 203};

    for (; count > 0; count--) {
        unsigned choice = octet(script);
        uint8_t address[16];

        memcpy(address, octets == 4 ? (choice < 200 ? v4 : choice < 230 ? own : denied) : choice < 200 ? v6 : mapped,
               octets);
        address[octets - 1] = (uint8_t)(choice % 32);
        put(message, address, octets);
    }
}

/* Priority, target, hints (RFC 9460). */
static void put_service(struct message *message, struct script *script)
{
    unsigned hints = octet(script);

    put16(message, octet(script) % 3);
    if (octet(script) & 1)
        put(message, "", 1);
    else
        put_name(message, script);
    if (hints & 1) {
        put16(message, 4);
        put16(message, 4 * (hints >> 6));
        put_addresses(message, script, 4, hints >> 6);
    }
    if (hints & 2) {
        put16(message, 6);
        put16(message, 16);
        put_addresses(message, script, 6 + 10, 1);
    }
}

static void put_data(struct message *message, struct script *script, uint16_t type)
{
    size_t length = octet(script) % 64;

    if (type == 16) /* TXT: one string */
        put(message, (uint8_t[]){(uint8_t)length}, 1);
    switch (type) {
    case NG_TYPE_A:
        put_addresses(message, script, 4, 1);
        break;
    case NG_TYPE_AAAA:
        put_addresses(message, script, 16, 1);
        break;
    case NG_TYPE_CNAME:
    case 39: /* DNAME */
        put_name(message, script);
        break;
    case 15: /* MX */
        put16(message, 10);
        put_name(message, script);
        break;
    case 6: /* SOA */
        put_name(message, script);
        put_name(message, script);
        for (unsigned i = 0; i < 10; i++)
            put16(message, i & 1 ? octet(script) : 0);
        break;
    case NG_TYPE_HTTPS:
    case NG_TYPE_SVCB:
        put_service(message, script);
        break;
    default:
        for (; length > 0; length--)
            put(message, (uint8_t[]){(uint8_t)octet(script)}, 1);
        break;
    }
}

static void put_record(struct message *message, struct script *script)
{
    static const unsigned ttls[] = {60, 0, 1, 300, 86400, 0x7fff, 0xffff};
    unsigned kind = octet(script), life = octet(script);
    uint16_t type = types[kind % COUNT(types)];
    size_t at;

    put_name(message, script);
    put16(message, type);
    put16(message, kind > 250 ? 3 : 1);
    put16(message, life > 250 ? 0xffff : 0);
    put16(message, ttls[life % COUNT(ttls)]);
    put16(message, 0);
    at = message->size;
    put_data(message, script, type);
    if (message->size == at || at < 2)
        return;
    message->wire[at - 2] = (uint8_t)((message->size - at) >> 8);
    message->wire[at - 1] = (uint8_t)(message->size - at);
}

static void put_question(struct message *message, const struct ng_question *question)
{
    put(message, question->name.wire, question->name.length);
    put16(message, question->type);
    put16(message, 1);
}

static void change(struct message *message, struct script *script)
{
    size_t at = octet(script) << 3;

    at += octet(script);
    message->wire[at % message->size] = (uint8_t)octet(script);
}

static void build_answer(struct message *message, struct script *script, const struct ng_question *question)
{
    unsigned code = octet(script), records = octet(script) % RECORDS_MAX, authority = octet(script), changes;

    *message = (struct message){.size = 0};
    put(message, (uint8_t[NG_WIRE_HEADER]){0, 0, 0x81, 0x80, 0, 1}, NG_WIRE_HEADER);
    message->wire[3] |= code < 200 ? 0 : code < 230 ? NG_RCODE_NXDOMAIN : code % 16;
    put_question(message, question);
    for (unsigned section = 0; section < 3; section++) {
        unsigned count = section == 0 ? records : authority >> 2 * section & 3;

        message->wire[7 + 2 * section] = (uint8_t)count;
        for (; count > 0; count--)
            put_record(message, script);
    }
    changes = octet(script);
    for (changes = changes > 200 ? changes % 8 : 0; changes > 0; changes--)
        change(message, script);
    if (octet(script) > 240)
        message->size = octet(script) % (message->size + 1);
}

/* --- steps, told when FUZZ_TRACE is in the environment */

static void trace(const struct world *world, const char *what, const uint8_t *wire, size_t size)
{
    ldns_pkt *read = NULL;

    if (!getenv("FUZZ_TRACE"))
        return;
    (void)fprintf(stderr, "\n=== %llu: %s\n", (unsigned long long)world->now, what);
    if (size && ldns_wire2pkt(&read, wire, size) == LDNS_STATUS_OK)
        ldns_pkt_print(stderr, read);
    ldns_pkt_free(read);
}

static void step_query(struct world *world, struct script *script)
{
    unsigned who = octet(script), what = octet(script), how = octet(script);
    struct ng_question question = {.name = name_at(what >> 4), .type = types[what % 16 % COUNT(types)]};
    struct message message = {.size = 0};
    struct deployment *deployment = who % 4 < 3 ? world_find(world, who % 4 == 0 ? "p1" : who % 4 == 1 ? "q1" : "p2") : NULL;

    put(&message, (uint8_t[NG_WIRE_HEADER]){0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, (uint8_t)(how & 1)}, NG_WIRE_HEADER);
    put_question(&message, &question);
    if (how & 1) {
        put(&message, (uint8_t[]){0, 0, 41}, 3);
        put16(&message, how & 2 ? 1232 : 512);
        put(&message, (uint8_t[]){0, 0, how & 4 ? 0x80 : 0, 0, 0, 0}, 6);
    }
    if (how > 240)
        change(&message, script);
    trace(world, deployment ? deployment->name : "a query of nobody", message.wire, message.size);
    world_query(world, deployment && !deployment->ended ? deployment : NULL, message.wire, message.size, how & 8);
}

static void step_answer(struct world *world, struct script *script)
{
    unsigned which = octet(script);
    struct message message;
    struct asked asked;
    ldns_pkt *read = NULL;

    if (world->asked.count == 0)
        return;
    which %= (unsigned)world->asked.count;
    asked = world->asked.items[which];
    world->asked.items[which] = world->asked.items[--world->asked.count];
    build_answer(&message, script, &asked.question);
    world->unreadable |= ldns_wire2pkt(&read, message.wire, message.size) != LDNS_STATUS_OK;
    ldns_pkt_free(read);
    trace(world, "an answer", message.wire, message.size);
    ng_engine_answer(world->engine, asked.pending, message.wire, message.size);
}

static void step_failure(struct world *world)
{
    if (world->asked.count)
        ng_engine_answer(world->engine, world->asked.items[--world->asked.count].pending, NULL, 0);
}

static void step_loss(struct world *world, struct script *script)
{
    struct ng_destination_key key;

    if (world->map.count == 0)
        return;
    key = world->map.items[octet(script) % world->map.count].key;
    world_lose(world, key.scope, key.address);
}

static void step(struct world *world, struct script *script)
{
    static const unsigned waits[] = {1, 2, 30, 61, 400, 4000};
    static const char *const told[] = {"no answer", "time", "policy", "loss", "end", "full"};
    unsigned what = octet(script);

    if (what % 16 < COUNT(told))
        trace(world, told[what % 16], NULL, 0);
    switch (what % 16) {
    case 0:
        step_failure(world);
        break;
    case 1:
        world->now += (waits[octet(script) % COUNT(waits)] - 1) * NG_SECOND;
        world_sleep(world, 1);
        break;
    case 2:
        (void)world_policy(world, policies[octet(script) % COUNT(policies)]);
        break;
    case 3:
        step_loss(world, script);
        break;
    case 4:
        if (world_find(world, "p2") && !world_find(world, "p2")->ended)
            world_end_deployment(world, "p2");
        break;
    case 5:
        world->write_error = octet(script) & 1 ? -E2BIG : 0;
        break;
    case 6:
    case 7:
    case 8:
    case 9:
    case 10:
        step_query(world, script);
        break;
    default:
        step_answer(world, script);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct script script = {data, size};
    struct world world;

    world_init(&world);
    world.start.stale_s = octet(&script) & 1 ? 3600 : 0;
    world_begin(&world);
    (void)world_policy(&world, policies[octet(&script) % COUNT(policies)]);
    world_deployment(&world, "p1", "p", NG_MODE_BLOCK);
    world_deployment(&world, "q1", "q", NG_MODE_STRICT);
    world_deployment(&world, "p2", "p", NG_MODE_AUDIT);
    for (unsigned steps = 0; script.size > 0 && steps < STEPS_MAX && !*world.broken; steps++)
        step(&world, &script);
    for (size_t i = 0; *world.broken && i < world.replies.count; i++)
        trace(&world, "of the replies", world.replies.items[i].wire, world.replies.items[i].size);
    if (*world.broken) {
        (void)fprintf(stderr, "%s\n", world.broken);
        abort();
    }
    world_release(&world);
    return 0;
}
