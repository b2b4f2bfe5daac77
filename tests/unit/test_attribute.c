// SPDX-License-Identifier: BSD-2-Clause
/* Flows of a ledger whose name was not known when they were written down. */
#include "support.h"

#include "../../ledger/attribute.h"

static json_t *resolution(const char *name, const char *address, const char *first)
{
    return json_pack("{s:s, s:[s, s], s:[s, s], s:s, s:s}", "name", name, "chain", name, "alias.example", "addresses",
                     "192.0.2.99", address, "first", first, "last", "2026-11-01T10:09:00.000000Z");
}

static json_t *flow(const char *name, const char *address, const char *evidence)
{
    return json_pack("{s:s?, s:[], s:[s], s:s, s:s, s:s, s:s}", "name", name, "chain", "names", "old.example",
                     "address", address, "evidence", evidence, "first", "2026-11-01T10:05:00.000000Z", "last",
                     "2026-11-01T10:06:00.000000Z");
}

/* NAME EVIDENCE LENGTH-OF-CHAIN NUMBER-OF-NAMES */
static void expect(const json_t *it, const char *wanted)
{
    const char *name = json_string_value(json_object_get(it, "name"));
    char got[200];

    (void)snprintf(got, sizeof(got), "%s %s %zu %zu", name ? name : "-",
                   json_string_value(json_object_get(it, "evidence")),
                   json_array_size(json_object_get(it, "chain")), json_array_size(json_object_get(it, "names")));
    assert_string_equal(got, wanted);
}

static void a_flow_gets_the_name_that_was_told(void **state)
{
    json_t *resolutions = json_pack("[o, o, o, o]", resolution("a.example", "192.0.2.1", "2026-11-01T10:01:00.000000Z"),
                                    resolution("b.example", "192.0.2.1", "2026-11-01T10:04:00.000000Z"),
                                    resolution("c.example", "192.0.2.1", "2026-11-01T10:05:30.000000Z"),
                                    resolution("d.example", "192.0.2.2", "2026-11-01T10:06:00.900000Z"));
    json_t *flows = json_pack("[o, o, o, o, o, o, o]", flow(NULL, "192.0.2.1", "none"), /* told thrice: the last before */
                              flow("x.example", "192.0.2.1", "prewarmed"),        /* was not asked for */
                              flow("a.example", "192.0.2.1", "prewarmed"),        /* was */
                              flow(NULL, "192.0.2.2", "none"),   /* on record a moment later */
                              flow(NULL, "192.0.2.3", "none"),   /* never told */
                              flow("old.example", "192.0.2.1", "asked"),
                              json_pack("{s:n}", "name"));

    (void)state;
    assert_int_equal(ng_ledger_attribute(resolutions, flows), 0);
    expect(json_array_get(flows, 0), "b.example none 2 2");
    expect(json_array_get(flows, 1), "x.example prewarmed 0 1");
    expect(json_array_get(flows, 2), "a.example asked 0 1");
    expect(json_array_get(flows, 3), "d.example none 2 2");
    expect(json_array_get(flows, 4), "- none 0 1");
    expect(json_array_get(flows, 5), "old.example asked 0 1");
    json_decref(flows);
    json_decref(resolutions);
}

static void of_several_the_same_command_decides(void **state)
{
    json_t *resolutions = json_pack("[o, o]", resolution("a.example", "192.0.2.1", "2026-11-01T10:01:00.000000Z"),
                                    resolution("b.example", "192.0.2.1", "2026-11-01T10:04:00.000000Z"));
    json_t *flows = json_pack("[o, o]", flow(NULL, "192.0.2.1", "none"), flow(NULL, "192.0.2.1", "none"));

    (void)state;
    (void)json_object_set_new(json_array_get(resolutions, 0), "lineage", json_integer(7));
    (void)json_object_set_new(json_array_get(flows, 0), "lineage", json_integer(7));
    (void)json_object_set_new(json_array_get(flows, 1), "lineage", json_integer(8));
    assert_int_equal(ng_ledger_attribute(resolutions, flows), 0);
    expect(json_array_get(flows, 0), "a.example none 2 2");
    expect(json_array_get(flows, 1), "b.example none 2 2");
    json_decref(flows);
    json_decref(resolutions);
}

static void what_was_told_much_later_is_another_matter(void **state)
{
    json_t *resolutions = json_pack("[o]", resolution("a.example", "192.0.2.1", "2026-11-01T10:06:02.000000Z"));
    json_t *flows = json_pack("[o]", flow(NULL, "192.0.2.1", "none"));

    (void)state;
    assert_int_equal(ng_ledger_attribute(resolutions, flows), 0);
    expect(json_array_get(flows, 0), "- none 0 1");
    json_decref(flows);
    json_decref(resolutions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flow_gets_the_name_that_was_told),
        cmocka_unit_test(of_several_the_same_command_decides),
        cmocka_unit_test(what_was_told_much_later_is_another_matter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
