// SPDX-License-Identifier: BSD-2-Clause
/* From recorded deployments to policies, and back: what was learnt denies nothing that happened. */
#include "support.h"

#include "../../cli/learned.h"
#include "../../cli/replayed.h"
#include "../../cli/runs.h"
#include "../../policy/format.h"

#include <jansson.h>

static unsigned seed;

static unsigned any(unsigned below)
{
    seed = seed * 1103515245u + 12345u;
    return seed / 65536 % below;
}

/* --- documents */

static json_t *flow(const char *name, const char *address, int port, const char *proto, const char *verdict, int count)
{
    return json_pack("{s:i, s:s?, s:[], s:[], s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:n, s:s, s:s, s:b, s:i, s:s, s:s}",
                     "lineage", 1, "name", name, "chain", "names", "address", address, "port", port, "proto", proto,
                     "verdict", verdict, "evidence", "none", "hook", "connect4", "comm", "curl", "rule", "reason", "",
                     "instead", "", "probe", 0, "count", count, "first", "2026-11-01T10:00:00.000000Z", "last",
                     "2026-11-02T10:00:00.000000Z");
}

/* Takes over the flows, which end with NULL. */
static json_t *document(const char *id, json_t *const *flows)
{
    json_t *list = json_array();

    while (*flows)
        assert_int_equal(json_array_append_new(list, *flows++), 0);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:[], s:o}", "deployment", id, "tag", "deploy", "policy",
                     "deploy", "mode", "audit", "started", "2026-11-01T10:00:00.000000Z", "outcome", "clean",
                     "resolutions", "flows", list);
}

static char *learn(const json_t *deployment)
{
    struct ng_learned *learned = NULL;
    json_t *rules = NULL;
    char *text = NULL;

    assert_int_equal(ng_learned_new(&learned), 0);
    assert_int_equal(ng_learned_add(learned, deployment), 0);
    assert_int_equal(ng_learned_policy(learned, "learnt", &text, &rules), 0);
    json_decref(rules);
    ng_learned_free(learned);
    return text;
}

static void expect_text(const char *text, const char *wanted)
{
    if (!strstr(text, wanted))
        fail_msg("no '%s' in:\n%s", wanted, text);
}

static void expect_none(const char *text, const char *unwanted)
{
    if (strstr(text, unwanted))
        fail_msg("'%s' in:\n%s", unwanted, text);
}

/* --- learning */

static void what_happened_is_allowed_and_no_more(void **state)
{
    json_t *flows[] = {flow("mirror.internal", "203.0.113.20", 443, "tcp", "allow", 3),
                       flow("mirror.internal", "2001:db8::20", 443, "udp", "would-deny", 2),
                       flow(NULL, "192.0.2.7", 8080, "tcp", "allow", 1),
                       flow("ping.example.org", "192.0.2.8", 0, "icmp", "allow", 1),
                       flow("db", "192.0.2.9", 5432, "tcp", "allow", 1),
                       flow("localhost", "127.0.0.1", 8000, "tcp", "allow", 9),
                       flow("ns.example.org", "192.0.2.53", 53, "udp", "allow", 9),
                       flow("github.com", "198.51.100.10", 443, "tcp", "deny", 4),
                       flow("gone.example.org", "", 0, "dns", "deny", 2),
                       flow("mirror.internal", "", 0, "dns", "deny", 2),
                       flow("seen.example.org", "", 0, "dns", "would-deny", 2),
                       flow("evil\n.example", "198.51.100.11", 443, "tcp", "deny", 1),
                       NULL};
    json_t *deployment = document("deploy.1", flows);
    char *text;

    (void)state;
    (void)json_object_set_new(flows[1], "rule", json_pack("{s:s, s:i}", "file", "a\nb.policy", "line", 3));
    (void)json_object_set_new(flows[3], "comm", json_string("ping\n}"));
    text = learn(deployment);
    expect_text(text, "policy learnt {\n    mode strict\n");
    expect_text(text, "\n    # 5 times by curl, 2026-11-01 to 2026-11-02\n    # a\\nb.policy:3 would have denied it\n"
                      "    allow mirror.internal port 443 proto tcp, mirror.internal port 443 proto udp\n");
    expect_text(text, "    allow 192.0.2.7 port 8080 proto tcp\n");
    expect_text(text, "    # once by ping\\n}, 2026-11-01 to 2026-11-02\n    allow ping.example.org port 0\n");
    expect_text(text, "    # 1 name: db (1)\n    allow 192.0.2.9 port 5432 proto tcp\n");
    expect_none(text, "localhost");
    expect_none(text, "127.0.0.1");
    expect_none(text, "192.0.2.53");
    expect_none(text, "allow github.com");
    expect_text(text, "    #   github.com port 443 proto tcp: 4 times by curl");
    expect_text(text, "    #   gone.example.org: 2 times by curl");
    expect_none(text, "seen.example.org");
    expect_none(text, "#   mirror.internal");
    expect_text(text, "    #   evil\\n.example port 443 proto tcp: once");
    free(text);
    json_decref(deployment);
}

static void many_names_become_a_wildcard(void **state)
{
    json_t *flows[] = {flow("a.cdn.example.org", "192.0.2.1", 443, "tcp", "allow", 1),
                       flow("b.cdn.example.org", "192.0.2.2", 443, "tcp", "allow", 1),
                       flow("c.cdn.example.org", "192.0.2.3", 443, "tcp", "allow", 1),
                       flow("d.cdn.example.org", "192.0.2.4", 443, "tcp", "allow", 7),
                       flow("d.cdn.example.org", "192.0.2.4", 22, "tcp", "allow", 1),
                       flow("cdn.example.org", "192.0.2.4", 443, "tcp", "allow", 1),
                       flow("www.example.org", "192.0.2.5", 443, "tcp", "allow", 1),
                       flow("a.example.co.uk", "192.0.2.6", 443, "tcp", "allow", 1),
                       flow("b.example.co.uk", "192.0.2.6", 443, "tcp", "allow", 1),
                       flow("c.d.example.co.uk", "192.0.2.6", 443, "tcp", "allow", 1),
                       flow("e.f.example.co.uk", "192.0.2.6", 443, "tcp", "allow", 1),
                       flow("example.co.uk", "192.0.2.6", 22, "tcp", "allow", 1), /* not what is below it uses */
                       /* Everybody's domain is below these. */
                       flow("a.github.io", "192.0.2.7", 443, "tcp", "allow", 1),
                       flow("b.github.io", "192.0.2.7", 443, "tcp", "allow", 1),
                       flow("c.github.io", "192.0.2.7", 443, "tcp", "allow", 1),
                       flow("d.github.io", "192.0.2.7", 443, "tcp", "allow", 1),
                       flow("a.internal", "192.0.2.8", 443, "tcp", "allow", 1),
                       flow("b.internal", "192.0.2.8", 443, "tcp", "allow", 1),
                       flow("c.internal", "192.0.2.8", 443, "tcp", "allow", 1),
                       flow("d.internal", "192.0.2.8", 443, "tcp", "allow", 1),
                       NULL};
    json_t *deployment = document("deploy.1", flows);
    char *text = learn(deployment);

    (void)state;
    expect_text(text, "    allow .cdn.example.org port 443 proto tcp\n");
    expect_text(text, "    # 5 names: ");
    expect_text(text, "d.cdn.example.org (7)");
    expect_text(text, "    allow d.cdn.example.org port 22 proto tcp\n");
    expect_text(text, "    allow www.example.org port 443 proto tcp\n");
    expect_text(text, "    allow *.example.co.uk port 443 proto tcp\n");
    expect_text(text, "    allow example.co.uk port 22 proto tcp\n");
    expect_text(text, "    allow a.github.io port 443 proto tcp\n");
    expect_text(text, "    allow a.internal port 443 proto tcp\n");
    free(text);
    json_decref(deployment);
}

static void many_ports_become_ranges(void **state)
{
    json_t *flows[60] = {NULL}, *deployment;
    char *text;

    (void)state;
    for (int i = 0; i < 59; i++)
        flows[i] = flow("ftp.example.org", "192.0.2.1", i < 50 ? 30000 + 2 * i : 100 * i, "tcp", "allow", 1);
    deployment = document("deploy.1", flows);
    text = learn(deployment);
    expect_text(text, "    allow ftp.example.org port 5000");
    expect_text(text, ",30000-30098 proto tcp\n");
    expect_text(text, "    # 59 ports, and those between them\n");
    free(text);
    json_decref(deployment);
}

/* Of names that share an address the deployment is given the one that it asked for. */
static void who_is_to_blame_need_not_be_who_was_meant(void **state)
{
    json_t *flows[] = {flow("github.com", "198.51.100.10", 443, "tcp", "would-deny", 1),
                       flow("gitlab.com", "198.51.100.20", 443, "tcp", "would-deny", 1), NULL};
    json_t *deployment = document("deploy.1", flows);
    char *text;

    (void)state;
    (void)json_object_set_new(flows[1], "evidence", json_string("prewarmed")); /* it was never asked for */
    (void)json_object_set_new(flows[0], "names", json_pack("[s, s, s]", "github.com", "x.example.org", "y.example.org"));
    (void)json_object_set_new(deployment, "resolutions",
                              json_pack("[{s:s, s:[s, s], s:[s]}]", "name", "y.example.org", "chain", "y.example.org",
                                        "cdn.example.org", "addresses", "198.51.100.10"));
    text = learn(deployment);
    expect_text(text, "    allow y.example.org port 443 proto tcp\n");
    expect_none(text, "github.com");
    expect_text(text, "    allow 198.51.100.20 port 443 proto tcp\n");
    expect_none(text, "gitlab.com");
    free(text);
    json_decref(deployment);
}

static void a_manifest_has_what_a_service_depends_on(void **state)
{
    json_t *flows[] = {flow("a.example.org", "192.0.2.1", 443, "tcp", "allow", 2),
                       flow("github.com", "198.51.100.10", 443, "tcp", "deny", 1),
                       flow("svc.internal", "192.0.2.2", 443, "tcp", "allow", 1),
                       flow(NULL, "192.0.2.3", 443, "tcp", "allow", 1), NULL};
    json_t *deployment = document("deploy.1", flows), *rules = NULL;
    struct ng_learned *learned = NULL;
    char *text = NULL;

    (void)state;
    assert_int_equal(ng_learned_new(&learned), 0);
    assert_int_equal(ng_learned_add(learned, deployment), 0);
    assert_int_equal(ng_learned_manifest(learned, "svc.internal", &text, &rules), 0);
    expect_text(text, "\n# 2 times by curl, 2026-11-01 to 2026-11-02\ndepends svc.internal on a.example.org\n");
    expect_text(text, "depends svc.internal on github.com\n");
    expect_none(text, "on svc.internal");
    expect_text(text, "1 without one that can be written");
    ng_snapshot_free(test_snapshot(text));
    assert_int_equal(json_array_size(rules), 2);
    json_decref(rules);
    free(text);
    assert_int_equal(ng_learned_manifest(learned, "deny", &text, &rules), 0); /* a word of the language */
    expect_text(text, "depends \"deny\" on github.com\n");
    json_decref(rules);
    free(text);
    ng_learned_free(learned);
    json_decref(deployment);
}

/* --- any ledger */

static const char *const labels[] = {"a", "b", "c", "d", "e", "www", "api", "cdn", "x1", "-x", "y-", "xn--zzzzzz99"};
static const char *const domains[] = {"example.org", "example.co.uk", "github.io", "internal",  "svc.cluster.local",
                                      "example.cmo", "invalid",       "1.2.3",     "localhost", "s3.amazonaws.com"};
static const char *const protos[] = {"tcp", "tcp", "tcp", "udp", "udp", "icmp", "132", "nonsense"};
static const char *const verdicts[] = {"allow", "allow", "would-deny", "deny"};
static const char *const evidences[] = {"none", "none", "none", "asked", "strict", "shared", "network",
                                        "raw",  "resolver", "abandoned"};

static const char *any_name(char text[static 300])
{
    unsigned depth = any(4);

    *text = '\0';
    if (any(30) == 0)
        return any(2) ? "db" : "odd\\032name.example";
    for (unsigned i = 0; i < depth; i++)
        (void)sprintf(text + strlen(text), "%s%s.", labels[any(12)], any(3) ? "" : labels[any(9)]);
    return strcat(text, domains[any(10)]);
}

static json_t *any_flow(void)
{
    char name[300], chain[300], other[300], address[64];
    json_t *it;

    if (any(4) == 0)
        (void)sprintf(address, "2001:db8::%x", any(40));
    else
        (void)sprintf(address, "%s%u", any(20) ? "192.0.2." : "127.0.0.", 1 + any(40));
    it = flow(any(6) ? any_name(name) : NULL, address, any(3) ? 443 : (int)any(any(2) ? 100 : 65536), protos[any(8)],
              verdicts[any(4)], 1 + (int)any(5));
    (void)json_object_set_new(it, "evidence", json_string(evidences[any(10)]));
    (void)json_object_set_new(it, "probe", json_boolean(any(10) == 0));
    if (json_is_string(json_object_get(it, "name")) && any(2))
        (void)json_object_set_new(it, "chain", json_pack("[O, s]", json_object_get(it, "name"), any_name(chain)));
    if (any(2))
        (void)json_object_set_new(it, "names", json_pack("[s]", any_name(other)));
    return it;
}

static json_t *any_document(unsigned size)
{
    json_t **flows = calloc(size + 1, sizeof(*flows)), *deployment, *resolutions = json_array();
    char name[300];

    for (unsigned i = 0; i < size; i++)
        flows[i] = any_flow();
    for (unsigned i = 0; i < size / 4; i++) {
        const char *asked = any_name(name);

        (void)json_array_append_new(resolutions,
                                    json_pack("{s:s, s:[s], s:[O]}", "name", asked, "chain", asked, "addresses",
                                              json_object_get(flows[any(size)], "address")));
    }
    deployment = document("deploy.1", flows);
    (void)json_object_set_new(deployment, "resolutions", resolutions);
    free(flows);
    return deployment;
}

/* What may be denied: what was, and what no rule can allow. */
static void expect_nothing_new(const json_t *result, const char *text)
{
    const json_t *it;
    size_t i;

    json_array_foreach(json_object_get(result, "flows"), i, it)
    {
        const char *was = json_string_value(json_object_get(it, "was"));
        const char *evidence = json_string_value(json_object_get(it, "evidence"));
        long long port = json_integer_value(json_object_get(it, "port"));

        if (strcmp(was, "deny") != 0 && strcmp(evidence, "raw") != 0 &&
            (strcmp(evidence, "resolver") != 0 || port == NG_DOT_PORT))
            fail_msg("seed %u: %s in\n%s", seed, json_dumps(it, 0), text);
    }
}

static void expect_canonical(const char *text)
{
    struct ng_diag *diag = ng_diag_new();
    char *laid_out = NULL;
    size_t length = 0;

    assert_int_equal(ng_format("t", text, strlen(text), diag, &laid_out, &length), 0);
    assert_string_equal(laid_out, text);
    free(laid_out);
    ng_diag_free(diag);
}

static void what_is_learnt_denies_nothing_that_happened(void **state)
{
    unsigned rounds = getenv("NG_ROUNDS") ? (unsigned)atoi(getenv("NG_ROUNDS")) : 40;

    (void)state;
    for (unsigned round = 1; round <= rounds; round++) {
        struct ng_replay replay = {.policy = 0, .mode = -1};
        struct ng_snapshot *snapshot;
        json_t *deployment, *result = NULL;
        char *text;

        seed = round * 7919;
        deployment = any_document(1 + any(round % 10 == 0 ? 2000 : 60));
        text = learn(deployment);
        expect_canonical(text);
        replay.snapshot = snapshot = test_snapshot(text);
        assert_int_equal(ng_replay_judge(&replay, deployment, &result), 0);
        expect_nothing_new(result, text);
        json_decref(result);
        json_decref(deployment);
        ng_snapshot_free(snapshot);
        free(text);
    }
}

/* --- replay */

static json_t *judged(const char *policy, int number, int mode, const json_t *deployment)
{
    struct ng_snapshot *snapshot = test_snapshot(policy);
    struct ng_replay replay = {.snapshot = snapshot, .policy = number, .mode = mode};
    json_t *result = NULL;

    assert_int_equal(ng_replay_judge(&replay, deployment, &result), 0);
    ng_snapshot_free(snapshot);
    return result;
}

static long long integer(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static const char *string(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value ? value : "";
}

static void replay_tells_what_a_policy_would_have_denied(void **state)
{
    json_t *flows[] = {flow("mirror.internal", "203.0.113.20", 443, "tcp", "allow", 3),
                       flow("api.github.com", "198.51.100.11", 443, "tcp", "allow", 2),
                       flow("api.github.com", "198.51.100.12", 443, "tcp", "allow", 3),
                       flow("github.com", "198.51.100.10", 443, "tcp", "deny", 1),
                       flow("github.com", "198.51.100.10", 443, "udp", "allow", 9), /* a probe */
                       flow("www.viacdn.test", "198.51.100.13", 443, "tcp", "allow", 1),
                       NULL};
    json_t *deployment = document("deploy.1", flows), *result, *it;
    const char *policy = "policy deploy { deny .github.com { reason \"it may be down\" instead \"mirror.internal\" } "
                         "allow mirror.internal }";

    (void)state;
    (void)json_object_set_new(flows[4], "probe", json_true());
    (void)json_object_set_new(flows[5], "chain", json_pack("[s, s]", "www.viacdn.test", "x.github.com"));
    result = judged(policy, -1, -1, deployment);
    assert_int_equal(integer(result, "checked"), 10);
    assert_int_equal(integer(result, "denied"), 7);
    assert_int_equal(integer(result, "denied_then"), 1);
    assert_string_equal(string(result, "mode"), "block");
    it = json_array_get(json_object_get(result, "flows"), 0);
    assert_string_equal(string(it, "name"), "api.github.com");
    assert_int_equal(integer(it, "count"), 5);
    assert_int_equal(json_array_size(json_object_get(it, "addresses")), 2);
    assert_string_equal(string(it, "was"), "allow");
    assert_string_equal(string(it, "reason"), "it may be down");
    assert_string_equal(string(it, "instead"), "mirror.internal");
    assert_int_equal(integer(json_object_get(it, "rule"), "line"), 1);
    assert_int_equal(json_array_size(json_object_get(result, "flows")), 3);
    json_decref(result);
    /* In another mode. */
    result = judged("policy deploy { allow mirror.internal, .github.com }", 0, NG_MODE_STRICT, deployment);
    assert_int_equal(integer(result, "denied"), 1);
    it = json_array_get(json_object_get(result, "flows"), 0);
    assert_string_equal(string(it, "name"), "www.viacdn.test");
    assert_string_equal(string(it, "evidence"), "strict");
    assert_string_equal(string(it, "reason"), "strict: no rule allows it");
    json_decref(result);
    /* With all names that led to the address, and their aliases. */
    (void)json_object_set_new(deployment, "resolutions",
                              json_pack("[{s:s, s:[s, s], s:[s]}]", "name", "x.example.org", "chain", "x.example.org",
                                        "bad.example.org", "addresses", "203.0.113.20"));
    result = judged("policy deploy { deny bad.example.org }", 0, -1, deployment);
    assert_int_equal(integer(result, "denied"), 3);
    json_decref(result);
    (void)json_object_set_new(flows[0], "names", json_pack("[s, s]", "mirror.internal", "z.example.org"));
    result = judged("policy deploy { mode strict allow x.example.org, z.example.org port 1 }", 0, -1, deployment);
    assert_int_equal(integer(result, "denied"), 7);
    json_decref(result);
    result = judged("policy deploy { deny z.example.org }", 0, -1, deployment);
    assert_int_equal(integer(result, "denied"), 3);
    json_decref(result);
    (void)json_object_set_new(json_array_get(json_object_get(deployment, "resolutions"), 0), "first",
                              json_string("2026-11-02T10:00:02.000000Z")); /* told when all was over */
    result = judged("policy deploy { deny bad.example.org }", 0, -1, deployment);
    assert_int_equal(integer(result, "denied"), 0);
    json_decref(result);
    /* Look-ups that it would have had answered otherwise, whatever became of them then. */
    (void)json_object_set_new(json_array_get(json_object_get(deployment, "resolutions"), 0), "count", json_integer(2));
    result = judged("policy deploy { deny bad.example.org { answer refuse reason \"r\" } }", 0, -1, deployment);
    assert_int_equal(integer(result, "denied"), 2);
    assert_int_equal(integer(result, "denied_then"), 0);
    it = json_array_get(json_object_get(result, "flows"), 0);
    assert_string_equal(string(it, "name"), "x.example.org");
    assert_string_equal(string(it, "proto"), "dns");
    assert_string_equal(string(it, "was"), "allow");
    assert_string_equal(string(it, "reason"), "r");
    assert_int_equal(json_array_size(json_object_get(it, "addresses")), 0);
    json_decref(result);
    result = judged("policy deploy { deny bad.example.org port 443 { answer refuse } }", 0, -1, deployment);
    assert_int_equal(integer(result, "denied"), 0); /* that is answered as it is */
    json_decref(result);
    /* Also of a name that no rule can spell out. */
    (void)json_object_set_new(deployment, "resolutions",
                              json_pack("[{s:s, s:[s], s:[], s:i}]", "name", "a\\032\\046b.bad.example.org", "chain",
                                        "a\\032\\046b.bad.example.org", "addresses", "count", 3));
    result = judged("policy deploy { deny *.bad.example.org { answer refuse } }", 0, -1, deployment);
    assert_int_equal(integer(result, "denied"), 3);
    json_decref(result);
    /* Under a policy that is not there. */
    result = judged("policy other { mode strict }", -1, -1, deployment);
    assert_true(json_is_null(json_object_get(result, "policy")));
    assert_int_equal(integer(result, "denied"), 0);
    json_decref(result);
    json_decref(deployment);
}

/* --- two runs */

static void runs_are_compared_by_what_they_depend_on(void **state)
{
    json_t *old[] = {flow("a.example.org", "192.0.2.1", 443, "tcp", "allow", 1),
                     flow("b.example.org", "192.0.2.2", 443, "tcp", "allow", 1),
                     flow(NULL, "192.0.2.3", 443, "tcp", "allow", 1), NULL};
    json_t *young[] = {flow("a.example.org", "192.0.2.9", 443, "tcp", "allow", 1), /* another address: the same */
                       flow("a.example.org", "192.0.2.9", 80, "tcp", "deny", 2),
                       flow("a.example.org", "192.0.2.9", 443, "udp", "allow", 1),
                       flow(NULL, "192.0.2.3", 443, "tcp", "allow", 1),
                       flow("c.example.org", "192.0.2.9", 443, "udp", "allow", 1),
                       flow(NULL, "127.0.0.1", 54321, "tcp", "allow", 1),
                       flow(NULL, "::", 54321, "tcp", "allow", 1), NULL};
    json_t *before = document("deploy.1", old), *after = document("deploy.2", young), *comparison, *it;

    (void)state;
    (void)json_object_set_new(young[4], "probe", json_true());
    comparison = ng_runs_compare(before, after);
    assert_int_equal(integer(comparison, "same"), 2);
    assert_int_equal(json_array_size(json_object_get(comparison, "new")), 2);
    it = json_array_get(json_object_get(comparison, "new"), 0);
    assert_string_equal(string(it, "name"), "a.example.org");
    assert_int_equal(integer(it, "port"), 80);
    assert_string_equal(string(it, "verdict"), "deny");
    assert_int_equal(json_array_size(json_object_get(comparison, "vanished")), 1);
    it = json_array_get(json_object_get(comparison, "vanished"), 0);
    assert_string_equal(string(it, "name"), "b.example.org");
    assert_string_equal(string(json_object_get(comparison, "after"), "deployment"), "deploy.2");
    json_decref(comparison);
    json_decref(before);
    json_decref(after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_happened_is_allowed_and_no_more),
        cmocka_unit_test(many_names_become_a_wildcard),
        cmocka_unit_test(many_ports_become_ranges),
        cmocka_unit_test(who_is_to_blame_need_not_be_who_was_meant),
        cmocka_unit_test(a_manifest_has_what_a_service_depends_on),
        cmocka_unit_test(what_is_learnt_denies_nothing_that_happened),
        cmocka_unit_test(replay_tells_what_a_policy_would_have_denied),
        cmocka_unit_test(runs_are_compared_by_what_they_depend_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
