// SPDX-License-Identifier: BSD-2-Clause
#include "support.h"

#include "../../daemon/openmetrics.h"
#include "../../daemon/statistics.h"
#include "../../daemon/tally.h"

#include <errno.h>
#include <unistd.h>

struct fixture {
    struct ng_tally *tally;
    struct ng_tally_memory *seen; /* as another process sees it */
    struct ng_tally_copy copy;
};

static void begin(struct fixture *f)
{
    struct ng_error error;

    assert_int_equal(ng_tally_new(&error, &f->tally), 0);
    assert_int_equal(ng_tally_map(ng_tally_fd(f->tally), &f->seen), 0);
}

static void end(struct fixture *f)
{
    ng_tally_unmap(f->seen);
    ng_tally_free(f->tally);
}

static void only_the_first_tags_are_told_apart(void **state)
{
    struct fixture f;
    char tag[NG_TAG_LEN];

    (void)state;
    begin(&f);
    assert_int_equal(ng_tally_slot(f.tally, "other"), NG_TALLY_OTHER);
    for (unsigned i = 0; i < NG_TALLY_TAGS; i++) {
        (void)snprintf(tag, sizeof(tag), "tag%u", i);
        assert_int_equal(ng_tally_slot(f.tally, tag), i);
    }
    assert_int_equal(ng_tally_slot(f.tally, "one.more"), NG_TALLY_OTHER);
    assert_int_equal(ng_tally_slot(f.tally, "tag7"), 7);
    ng_tally_started(f.tally, 7);
    ng_tally_started(f.tally, NG_TALLY_OTHER);
    ng_tally_started(f.tally, NG_TALLY_OTHER);
    ng_tally_read(f.seen, &f.copy);
    assert_int_equal(f.copy.tags, NG_TALLY_TAGS);
    assert_string_equal(f.copy.tag[31].name, "tag31");
    assert_string_equal(f.copy.tag[NG_TALLY_OTHER].name, "");
    assert_int_equal(f.copy.tag[7].started, 1);
    assert_int_equal(f.copy.tag[NG_TALLY_OTHER].started, 2);
    end(&f);
}

static void denials_are_counted_by_what_they_are(void **state)
{
    struct ng_event event = {.hook = NG_HOOK_CONNECT4};
    struct fixture f;

    (void)state;
    begin(&f);
    ng_tally_denial(f.tally, NG_TALLY_OTHER, &event, "asked");
    event.flags = NG_EVENT_WOULD;
    ng_tally_denial(f.tally, NG_TALLY_OTHER, &event, "no such evidence");
    event.flags = NG_EVENT_PROBE;
    ng_tally_denial(f.tally, NG_TALLY_OTHER, &event, "asked");
    event = (struct ng_event){.hook = NG_HOOK_CUT};
    ng_tally_denial(f.tally, NG_TALLY_OTHER, &event, "prewarmed");
    ng_tally_read(f.seen, &f.copy);
    assert_int_equal(f.copy.evidence[NG_TALLY_ASKED][NG_TALLY_DENY], 1);
    assert_int_equal(f.copy.evidence[NG_TALLY_PREWARMED][NG_TALLY_DENY], 1);
    assert_int_equal(f.copy.evidence[NG_TALLY_NONE][NG_TALLY_WOULD], 1);
    assert_int_equal(f.copy.count[NG_TALLY_PROBES], 1);
    assert_int_equal(f.copy.tag[NG_TALLY_OTHER].denials[NG_TALLY_DENY], 2);
    assert_int_equal(f.copy.tag[NG_TALLY_OTHER].denials[NG_TALLY_WOULD], 1);
    assert_int_equal(f.copy.hook[NG_HOOK_CUT][NG_TALLY_DENY], 1); /* the kernel counts the others */
    assert_int_equal(f.copy.hook[NG_HOOK_CONNECT4][NG_TALLY_DENY], 0);
    end(&f);
}

static void deployments_come_and_go(void **state)
{
    struct fixture f;
    unsigned slot;
    json_t *json;

    (void)state;
    begin(&f);
    slot = ng_tally_slot(f.tally, "deploy");
    ng_tally_live(f.tally, slot, true);
    ng_tally_live(f.tally, slot, true);
    ng_tally_live(f.tally, slot, false);
    ng_tally_ended(f.tally, slot, "blocked-failed");
    ng_tally_ended(f.tally, slot, "a new word");
    ng_tally_read(f.seen, &f.copy);
    assert_int_equal(f.copy.tag[slot].live, 1);
    assert_int_equal(f.copy.tag[slot].ended[NG_TALLY_FAILED], 1);
    assert_int_equal(f.copy.tag[slot].ended[NG_TALLY_UNKNOWN], 1);
    json = ng_statistics_json_of(&(struct ng_stats_copy){0}, &f.copy);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "deployments"), "live")), 1);
    json_decref(json);
    end(&f);
}

static void memory_of_another_size_is_refused(void **state)
{
    struct ng_tally_memory *memory;
    int fd = ng_stats_create();

    (void)state;
    assert_int_equal(ng_tally_map(fd, &memory), -EBADMSG);
    (void)close(fd);
}

static void has(const char *text, const char *line)
{
    if (!strstr(text, line))
        fail_msg("no '%s' in: %s", line, text);
}

static void openmetrics_shows_it(void **state)
{
    struct ng_event event = {.hook = NG_HOOK_CONNECT4};
    struct fixture f;
    size_t length = 0;
    char *text;

    (void)state;
    begin(&f);
    ng_tally_denial(f.tally, ng_tally_slot(f.tally, "deploy"), &event, "asked");
    ng_tally_denial(f.tally, NG_TALLY_OTHER, &event, "asked");
    ng_tally_denial(f.tally, NG_TALLY_OTHER, &event, "asked");
    ng_tally_ended(f.tally, 0, "would-block");
    ng_tally_hook(f.tally, NG_HOOK_EGRESS, NG_TALLY_WOULD, 5);
    ng_tally_set(f.tally, NG_TALLY_LOST_DEEDS, 6);
    ng_tally_gauge(f.tally, NG_TALLY_INCIDENTS, 2);
    ng_tally_read(f.seen, &f.copy);
    f.copy.written_at = 1000000000;
    text = ng_openmetrics(&(struct ng_stats_copy){0}, &f.copy, 3500000000, &length);
    has(text, "\nnamegate_denials_total{tag=\"deploy\",verdict=\"deny\"} 1\n"
              "namegate_denials_total{tag=\"deploy\",verdict=\"would-deny\"} 0\n"
              "namegate_denials_total{tag=\"other\",verdict=\"deny\"} 2\n");
    has(text, "\nnamegate_evidence_denials_total{evidence=\"asked\",verdict=\"deny\"} 3\n");
    has(text, "\nnamegate_hook_denials_total{hook=\"egress\",verdict=\"would-deny\"} 5\n");
    has(text, "\nnamegate_deployments_ended_total{tag=\"deploy\",outcome=\"would-block\"} 1\n");
    has(text, "\nnamegate_lost_records_total{kind=\"deed\"} 6\n");
    has(text, "\nnamegate_incidents{scope=\"tag\"} 2\n");
    has(text, "\nnamegate_sample_age_seconds 2.500000000\n");
    free(text);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_first_tags_are_told_apart),
        cmocka_unit_test(denials_are_counted_by_what_they_are),
        cmocka_unit_test(deployments_come_and_go),
        cmocka_unit_test(memory_of_another_size_is_refused),
        cmocka_unit_test(openmetrics_shows_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
