// SPDX-License-Identifier: BSD-2-Clause
/* What a shadow policy says of what deployments did: of the names that are in force for them, in the mode that holds. */
#include "support.h"

#include "../../daemon/shadow.h"

#include <namegate/clock.h>

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/stat.h>

#define SCOPE (NG_SCOPE_DEPLOYMENT | 7)

struct world {
    struct ng_shadow *shadow;
    struct ng_track *track;
    struct ng_live live;
    struct ng_event event;
    struct ng_shadow_facts facts;
};

static char *dir; /* of policies */

static void put(const char *name, const char *text)
{
    char path[200];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s.policy", dir, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int make_dir(void **state)
{
    static char template[] = "/tmp/namegate-test-shadow.XXXXXX";

    (void)state;
    dir = mkdtemp(template);
    return dir ? 0 : -1;
}

static int remove_dir(void **state)
{
    char command[200];

    (void)state;
    (void)snprintf(command, sizeof(command), "rm -r %s", dir);
    return system(command);
}

/* text NULL: the directory is the shadow. */
static struct world make(const char *text, const char *tag)
{
    json_t *setting = json_pack("{s:s, s:s?, s:s?, s:i, s:i}", "path", dir, "text", text, "tag", tag, "since", 1, "uid", 0);
    struct world world = {.event = {.time = 100 * NG_SECOND, .scope = SCOPE, .port = 443, .proto = IPPROTO_TCP}};
    struct ng_error error;
    char *warnings = NULL;

    if (ng_shadow_new(setting, dir, &error, &world.shadow, &warnings) < 0)
        fail_msg("%s", error.text);
    free(warnings);
    json_decref(setting);
    assert_int_equal(ng_track_new(&world.track), 0);
    world.live.kernel = (struct ng_deployment){.scope = SCOPE, .started_at = 50 * NG_SECOND, .tag = "t", .name = "deploy"};
    test_address("192.0.2.1", world.event.address);
    return world;
}

static void release(struct world *world)
{
    ng_shadow_free(world->shadow);
    ng_track_free(world->track);
}

static const char *judge(struct world *world)
{
    struct ng_opinion opinion;
    const char *verdict =
        ng_shadow_judge(world->shadow, &world->live, &world->event, world->track, &world->facts, &opinion);

    return verdict ? verdict : "none";
}

/* A name with an alias at 192.0.2.1; told: this deployment asked. */
static void resolve(struct world *world, uint64_t id, const char *name, const char *alias, uint64_t expires_at,
                    bool told)
{
    struct ng_message_resolution message = {
        .type = NG_MESSAGE_RESOLUTION, .id = id, .expires_at = expires_at, .links = alias ? 2 : 1, .addresses = 1};
    struct ng_message_told answer = {.type = NG_MESSAGE_TOLD, .resolution = id, .replied_at = 1};
    const char *const names[] = {name, alias};
    bool first;

    for (unsigned i = 0; i < message.links; i++) {
        struct ng_name parsed = test_name(names[i]);

        message.chain[i].length = parsed.length;
        memcpy(message.chain[i].wire, parsed.wire, parsed.length);
    }
    test_address("192.0.2.1", message.address[0]);
    assert_int_equal(ng_track_resolution(world->track, &message), 0);
    answer.asker.scope = told ? SCOPE : 0;
    assert_int_equal(ng_track_told(world->track, &answer, &first), 0);
}

static void names_count_while_they_are_in_force(void **state)
{
    struct world world = make("policy x { mode strict allow a.example, c.example deny .bad.example }", NULL);

    (void)state;
    assert_string_equal(judge(&world), "deny");
    resolve(&world, 1, "a.example", "alias.example", 99 * NG_SECOND, false);
    assert_string_equal(judge(&world), "deny"); /* others asked, and it is over */
    resolve(&world, 2, "b.example", "c.example", 200 * NG_SECOND, false);
    assert_string_equal(judge(&world), "deny"); /* an alias that is allowed */
    resolve(&world, 3, "a.example", "alias.example", 101 * NG_SECOND, false);
    assert_string_equal(judge(&world), "allow");
    release(&world);

    world = make("policy x { mode strict allow a.example, c.example deny .bad.example }", NULL);
    resolve(&world, 1, "a.example", "alias.example", 99 * NG_SECOND, true);
    assert_string_equal(judge(&world), "allow"); /* it asked itself */
    resolve(&world, 2, "other.example", "x.bad.example", 50 * NG_SECOND, false);
    assert_string_equal(judge(&world), "allow"); /* that was over when it started */
    resolve(&world, 3, "other.example", "x.bad.example", 51 * NG_SECOND, false);
    assert_string_equal(judge(&world), "deny");
    world.facts.guarded = true;
    assert_string_equal(judge(&world), "allow");
    world.facts = (struct ng_shadow_facts){.granted = true};
    assert_string_equal(judge(&world), "allow");
    world.event.evidence = NG_EVIDENCE_RAW;
    assert_string_equal(judge(&world), "deny");
    release(&world);
}

static void the_mode_is_that_which_would_hold(void **state)
{
    struct world world = make("policy x { mode audit deny 192.0.2.1 port 80 }", NULL);

    (void)state;
    assert_string_equal(judge(&world), "allow");
    world.event.port = 80;
    assert_string_equal(judge(&world), "would-deny");
    world.live.kernel.mode = NG_MODE_BLOCK;
    world.live.kernel.mode_fixed = 1; /* run --mode */
    assert_string_equal(judge(&world), "deny");
    world.live.kernel.mode_fixed = 0;
    world.facts.escalated = true; /* audit is not punished */
    assert_string_equal(judge(&world), "would-deny");
    world.facts.incident = true;
    assert_string_equal(judge(&world), "deny");
    world.event.port = 443;
    assert_string_equal(judge(&world), "deny");
    release(&world);
    world = make("policy x { deny 192.0.2.1 port 80 }", NULL);
    world.facts.escalated = true;
    assert_string_equal(judge(&world), "deny");
    release(&world);
    world = make("policy x { allow 192.0.2.0/24 }", NULL);
    world.event.evidence = NG_EVIDENCE_ABANDONED;
    assert_string_equal(judge(&world), "allow");
    release(&world);
    world = make("policy x { on-agent-loss closed allow 192.0.2.0/24 }", NULL);
    world.event.evidence = NG_EVIDENCE_ABANDONED;
    assert_string_equal(judge(&world), "deny");
    world.event.evidence = NG_EVIDENCE_RESOLVER;
    world.event.port = NG_DOT_PORT;
    assert_string_equal(judge(&world), "allow");
    world.event.port = 5353;
    assert_string_equal(judge(&world), "deny");
    release(&world);
}

static void whom_it_judges(void **state)
{
    struct world world;

    (void)state;
    put("all", "policy deploy { mode strict } policy other { } group @g { 192.0.2.1 }");
    world = make(NULL, NULL);
    assert_string_equal(judge(&world), "deny");
    (void)strcpy(world.live.kernel.name, "other");
    assert_string_equal(judge(&world), "allow");
    (void)strcpy(world.live.kernel.name, "third");
    assert_string_equal(judge(&world), "none");
    release(&world);
    world = make("policy deploy { deny @g }", NULL); /* of a name that the directory has, too */
    assert_string_equal(judge(&world), "deny");
    (void)strcpy(world.live.kernel.name, "third");
    assert_string_equal(judge(&world), "deny");
    release(&world);
    world = make("policy deploy { deny @g }", "t");
    assert_string_equal(judge(&world), "deny");
    (void)strcpy(world.live.kernel.tag, "u");
    assert_string_equal(judge(&world), "none");
    release(&world);
}

static void look_ups_that_it_would_have_answered_otherwise(void **state)
{
    struct world world = make("policy x { deny .bad.example { answer refuse } deny port.example port 80 { answer refuse } }",
                              NULL);

    (void)state;
    world.event.hook = NG_HOOK_DNS;
    resolve(&world, 1, "a.example", "x.bad.example", 200 * NG_SECOND, true);
    resolve(&world, 2, "port.example", NULL, 200 * NG_SECOND, true);
    world.facts.asked = ng_track_find(world.track, 1);
    assert_string_equal(judge(&world), "deny");
    world.live.kernel.mode = NG_MODE_AUDIT;
    world.live.kernel.mode_fixed = 1;
    assert_string_equal(judge(&world), "would-deny");
    world.facts.granted = true;
    assert_string_equal(judge(&world), "allow");
    world.facts.granted = false;
    world.facts.asked = ng_track_find(world.track, 2);
    assert_string_equal(judge(&world), "allow");
    release(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_count_while_they_are_in_force),
        cmocka_unit_test(the_mode_is_that_which_would_hold),
        cmocka_unit_test(whom_it_judges),
        cmocka_unit_test(look_ups_that_it_would_have_answered_otherwise),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
