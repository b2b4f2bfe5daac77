// SPDX-License-Identifier: BSD-2-Clause
/* The matcher: against a naive one on random policies, and against snapshots that are broken. */
#include "support.h"

#include "../../bpf/decide.h"
#include "../../policy/ast.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/stat.h>

static const char *const hosts[] = {"example",     "a.example",   "b.example",     "a.b.example", "x.a.b.example",
                                    "notexample",  "org",         "example.org",   "a.example.org", "deep.a.example.org",
                                    "xa.example",  "a-b.example"};
#define HOSTS (sizeof(hosts) / sizeof(*hosts))

/* One rule of a random policy. */
struct naive {
    bool deny, exact, below;
    const char *host;
    uint8_t proto;
    unsigned low, high;
};

/* What the manual says, word by word: the most specific rule that says something about this port decides. */
static uint8_t naive_verdict(const struct naive *rules, size_t count, const struct ng_name *name, uint8_t proto,
                             unsigned port)
{
    unsigned best = 0;
    uint8_t verdict = NG_VERDICT_NONE;

    for (size_t i = 0; i < count; i++) {
        struct ng_name host = test_name(rules[i].host);
        unsigned rank = 0; /* exact above all wildcards */

        if (rules[i].exact && ng_name_equal(name, &host))
            rank = 1000;
        else if (rules[i].below && ng_name_below(name, &host))
            rank = ng_name_labels(&host);
        if (!rank || (rules[i].proto && rules[i].proto != proto) || port < rules[i].low || port > rules[i].high)
            continue;
        if (rank > best || (rank == best && rules[i].deny)) {
            best = rank;
            verdict = rules[i].deny ? NG_VERDICT_DENY : NG_VERDICT_ALLOW;
        }
    }
    return verdict;
}

static void write_policy(const struct naive *rules, size_t count, char *text)
{
    text += sprintf(text, "policy p {\n");
    for (size_t i = 0; i < count; i++) {
        text += sprintf(text, "%s %s%s", rules[i].deny ? "deny" : "allow",
                        !rules[i].below ? "" : rules[i].exact ? "." : "*.", rules[i].host);
        if (rules[i].low > 0 || rules[i].high < 65535)
            text += sprintf(text, " port %u-%u", rules[i].low, rules[i].high);
        if (rules[i].proto)
            text += sprintf(text, " proto %s", rules[i].proto == IPPROTO_TCP ? "tcp" : "udp");
        text += sprintf(text, "\n");
    }
    (void)sprintf(text, "}\n");
}

static void agrees_with_a_naive_matcher(void **state)
{
    static const uint16_t ports[] = {0, 22, 80, 443, 65535};
    static const uint8_t protos[] = {IPPROTO_TCP, IPPROTO_UDP};
    unsigned seed = 7;

    (void)state;
    for (int round = 0; round < 2000; round++) {
        struct naive rules[8];
        size_t count = (size_t)rand_r(&seed) % 8;
        struct ng_snapshot *snapshot;
        char text[2000];

        for (size_t i = 0; i < count; i++) {
            int kind = rand_r(&seed) % 3;

            rules[i] = (struct naive){.deny = rand_r(&seed) % 2,
                                      .exact = kind != 1,
                                      .below = kind != 0,
                                      .host = hosts[(size_t)rand_r(&seed) % HOSTS],
                                      .proto = (uint8_t[]){0, 0, IPPROTO_TCP, IPPROTO_UDP}[rand_r(&seed) % 4],
                                      .high = 65535};
            if (rand_r(&seed) % 2) {
                rules[i].low = ports[rand_r(&seed) % 4];
                rules[i].high = rules[i].low + (unsigned)rand_r(&seed) % 400;
            }
        }
        write_policy(rules, count, text);
        snapshot = test_snapshot(text);
        for (size_t h = 0; h < HOSTS; h++) {
            struct ng_name name = test_name(hosts[h]);
            uint64_t profile = ng_match_name(snapshot, 0, &name);
            bool denies = false, allows = false;

            for (size_t k = 0; k < 10; k++) {
                uint16_t port = ports[k / 2];
                uint8_t proto = protos[k % 2], verdict = naive_verdict(rules, count, &name, proto, port);
                struct ng_rule_info rule = {.verdict = NG_VERDICT_NONE};

                denies |= verdict == NG_VERDICT_DENY;
                allows |= verdict == NG_VERDICT_ALLOW;
                if (ng_snapshot_verdict(snapshot, profile, proto, port) != verdict)
                    fail_msg("%s port %u:\n%s", hosts[h], port, text);
                assert_int_equal(ng_explain_name(snapshot, 0, &name, proto, port, &rule),
                                 verdict == NG_VERDICT_NONE ? -ENOENT : 0);
                assert_int_equal(rule.verdict, verdict);
            }
            assert_true(!denies || ng_snapshot_denies(snapshot, profile));
            assert_true(!allows || ng_snapshot_allows(snapshot, profile));
        }
        ng_snapshot_free(snapshot);
    }
}

static void policies_do_not_mix(void **state)
{
    struct ng_snapshot *snapshot = test_snapshot("policy b { deny x.example }\npolicy a { mode audit allow x.example }");
    struct ng_name name = test_name("x.example");
    struct ng_policy_info info;
    int a = ng_snapshot_find(snapshot, "a"), b = ng_snapshot_find(snapshot, "b");

    (void)state;
    assert_int_equal(a, 0);
    assert_int_equal(b, 1);
    assert_true(ng_match_name(snapshot, 0, &name) == NG_PROFILE_ALLOW);
    assert_true(ng_match_name(snapshot, 1, &name) == NG_PROFILE_DENY);
    ng_snapshot_policy(snapshot, 1, &info);
    assert_int_equal(ng_snapshot_find_scope(snapshot, info.scope), 1);
    assert_true(info.scope != 0 && !(info.scope & NG_SCOPE_DEPLOYMENT));
    ng_snapshot_free(snapshot);
}

static void rules_are_explained_as_written(void **state)
{
    struct ng_snapshot *snapshot =
        test_snapshot("policy p {\n  deny GitHub.com, *.github.com {\n reason \"why\" instead \"that\" }\n}");
    struct ng_name name = test_name("api.github.com");
    struct ng_rule_info rule;

    (void)state;
    assert_int_equal(ng_explain_name(snapshot, 0, &name, IPPROTO_TCP, 443, &rule), 0);
    assert_string_equal(rule.pattern, "*.github.com");
    assert_string_equal(rule.file, "test.policy");
    assert_int_equal(rule.line, 2);
    assert_string_equal(rule.reason, "why");
    assert_string_equal(rule.instead, "that");
    name = test_name("github.com");
    assert_int_equal(ng_explain_name(snapshot, 0, &name, IPPROTO_TCP, 443, &rule), 0);
    assert_string_equal(rule.pattern, "github.com");
    ng_snapshot_free(snapshot);
}

struct table {
    const struct ng_snapshot *snapshot;
    size_t count;
    struct ng_network_key key[64];
    struct ng_network network[64];
};

static int take_network(void *arg, const struct ng_network_key *key, const struct ng_network *network)
{
    struct table *table = arg;

    table->key[table->count] = *key;
    table->network[table->count++] = *network;
    return 0;
}

/* As the kernel's trie does: the longest prefix that holds the address. */
static const struct ng_network *longest(const struct table *table, const uint8_t address[16])
{
    int best = -1;

    for (size_t i = 0; i < table->count; i++) {
        bool inside = true;

        for (unsigned bit = 0; bit + 32 < table->key[i].prefixlen; bit++)
            inside &= !((address[bit / 8] ^ table->key[i].address[bit / 8]) & (0x80 >> (bit % 8)));
        if (inside && (best < 0 || table->key[i].prefixlen > table->key[best].prefixlen))
            best = (int)i;
    }
    return best < 0 ? NULL : &table->network[best];
}

static void check_address(const struct table *table, const char *text, uint16_t port, uint8_t own, uint8_t below)
{
    const struct ng_snapshot *snapshot = table->snapshot;
    const struct ng_network *network;
    struct ng_rule_info rule = {.verdict = NG_VERDICT_NONE};
    uint8_t address[16];

    test_address(text, address);
    network = longest(table, address);
    if (!network) {
        assert_int_equal(own | below, NG_VERDICT_NONE);
        return;
    }
    if (ng_snapshot_verdict(snapshot, network->own, IPPROTO_TCP, port) != own ||
        ng_snapshot_verdict(snapshot, network->below, IPPROTO_TCP, port) != below)
        fail_msg("%s port %u", text, port);
    (void)ng_explain_address(snapshot, 0, address, NG_EVIDENCE_NETWORK, IPPROTO_TCP, port, &rule);
    assert_int_equal(rule.verdict, below);
    rule.verdict = NG_VERDICT_NONE;
    (void)ng_explain_address(snapshot, 0, address, NG_EVIDENCE_ADDRESS, IPPROTO_TCP, port, &rule);
    assert_int_equal(rule.verdict, own);
}

static void networks_nest(void **state)
{
    struct ng_snapshot *snapshot = test_snapshot(
        "policy p {\n deny 10.0.0.0/8 allow 10.1.0.0/16 port 22 deny 10.1.2.0/24 port 22\n"
        " allow 10.1.2.3 port 22 deny 192.0.2.1/32 allow 10.0.0.0/8 port 80 deny 10.1.2.0/24 port 99\n"
        " deny ::/0 port 25 allow 2001:db8::/32 deny ::ffff:198.51.100.0/120 }");
    struct table table = {.snapshot = snapshot};
    struct ng_policy_info info;

    (void)state;
    assert_int_equal(ng_snapshot_each_network(snapshot, false, take_network, &table), 0);
    ng_snapshot_policy(snapshot, 0, &info);
    assert_true(info.networks);
    check_address(&table, "10.9.9.9", 22, 0, NG_VERDICT_DENY);
    check_address(&table, "10.9.9.9", 80, 0, NG_VERDICT_DENY); /* a tie: deny */
    check_address(&table, "10.1.9.9", 22, 0, NG_VERDICT_ALLOW);
    check_address(&table, "10.1.9.9", 23, 0, NG_VERDICT_DENY);
    check_address(&table, "10.1.2.9", 22, 0, NG_VERDICT_DENY);
    check_address(&table, "10.1.2.3", 22, NG_VERDICT_ALLOW, NG_VERDICT_DENY);
    check_address(&table, "10.1.2.3", 23, 0, NG_VERDICT_DENY);
    check_address(&table, "192.0.2.1", 1, NG_VERDICT_DENY, 0);
    check_address(&table, "192.0.2.2", 1, 0, 0);
    check_address(&table, "203.0.113.1", 25, 0, 0); /* ::/0 means IPv6 */
    check_address(&table, "198.51.100.7", 1, 0, NG_VERDICT_DENY);
    check_address(&table, "2001:db9::1", 25, 0, NG_VERDICT_DENY);
    check_address(&table, "2001:db8::1", 25, 0, NG_VERDICT_ALLOW);
    check_address(&table, "2001:db9::1", 26, 0, 0);
    ng_snapshot_free(snapshot);
}

/* Networks within networks, at random: what is found is what the longest prefix says. */
static void networks_are_found(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 40; round++) {
        struct table table = {.count = 0};
        char text[4096] = "policy p {\n";
        size_t length = strlen(text);

        for (unsigned i = 0; i < 48; i++) {
            unsigned bits = 8 + (unsigned)rand() % 25, host = (unsigned)rand() % 4;
            unsigned address = (10U << 24 | (unsigned)rand() % 2 << 16 | (unsigned)rand() % 2 << 8 | host) >> (32 - bits);

            address <<= 32 - bits;
            length += (size_t)snprintf(text + length, sizeof(text) - length, "%s %u.%u.%u.%u/%u port %u\n",
                                       rand() % 2 ? "deny" : "allow", address >> 24, address >> 16 & 255,
                                       address >> 8 & 255, address & 255, bits, 1 + (unsigned)rand() % 3);
        }
        (void)snprintf(text + length, sizeof(text) - length, "%s }", round % 2 ? "deny ::/0 deny 2001:db8::/32" : "");
        table.snapshot = test_snapshot(text);
        assert_int_equal(ng_snapshot_each_network(table.snapshot, true, take_network, &table), 0);
        for (unsigned i = 0; i < 1000; i++) {
            uint8_t address[16] = {[10] = 0xff, [11] = 0xff, [12] = 10, [13] = (uint8_t)(rand() % 3),
                                   [14] = (uint8_t)(rand() % 3), [15] = (uint8_t)(rand() % 6)};
            const struct ng_network *network = longest(&table, address);
            struct ng_network found;

            ng_match_address(table.snapshot, 0, address, &found);
            assert_int_equal(found.own, network ? network->own : NG_PROFILE_NONE);
            assert_int_equal(found.below, network ? network->below : NG_PROFILE_NONE);
        }
        ng_snapshot_free((struct ng_snapshot *)(uintptr_t)table.snapshot);
    }
}

static int count_names(void *arg, const struct ng_name *name, bool below, uint64_t profile)
{
    int *counts = arg;
    char text[NG_NAME_TEXT_MAX];

    (void)ng_name_to_text(name, text);
    if (strcmp(text, "a.example") == 0 && !below && profile == NG_PROFILE_DENY)
        counts[0]++;
    else if (strcmp(text, "b.example") == 0 && below && profile == NG_PROFILE_DENY)
        counts[1]++;
    else if (strcmp(text, "c.example") == 0 && profile == NG_PROFILE_ALLOW)
        counts[below ? 3 : 2]++;
    else
        fail_msg("%s", text);
    return 0;
}

static int count_profiles(void *arg, uint64_t id, const struct ng_profile *profile)
{
    assert_true(id > NG_PROFILE_ALLOW);
    assert_int_equal(profile->count, 1);
    ++*(int *)arg;
    return 0;
}

static int stop(void *arg, const struct ng_name *name, bool below, uint64_t profile)
{
    (void)arg;
    (void)name;
    (void)below;
    (void)profile;
    return 42;
}

static void walks(void **state)
{
    struct ng_snapshot *snapshot = test_snapshot(
        "policy p { deny a.example, *.b.example allow .c.example deny 10.0.0.0/8 port 1 }\n"
        "policy q { deny d.example, 10.1.0.0/16 port 1 }");
    int names[4] = {0}, profiles = 0;

    (void)state;
    assert_int_equal(ng_snapshot_each_name(snapshot, 0, count_names, names), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(names[i], 1);
    assert_int_equal(ng_snapshot_each_profile(snapshot, count_profiles, &profiles), 0);
    assert_int_equal(profiles, 1); /* one content, one profile */
    assert_int_equal(ng_snapshot_each_name(snapshot, 0, stop, NULL), 42);
    assert_int_equal(ng_snapshot_verdict(snapshot, 12345, 0, 0), NG_VERDICT_DENY); /* in doubt */
    assert_true(ng_snapshot_denies(snapshot, 12345));
    assert_false(ng_snapshot_allows(snapshot, 12345));
    assert_false(ng_snapshot_denies(snapshot, NG_PROFILE_NONE));
    ng_snapshot_free(snapshot);
    ng_snapshot_free(NULL);
}

static int memory_file(const void *block, size_t size, bool sealed)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, block, size), (ssize_t)size);
    if (sealed)
        assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW), 0);
    return fd;
}

/* Uses everything in a snapshot; under ASan a read outside of it ends the test. */
static void use(const struct ng_snapshot *snapshot)
{
    struct table table = {.snapshot = snapshot};
    int count = 0;

    for (unsigned p = 0; p < ng_snapshot_policies(snapshot); p++) {
        for (size_t h = 0; h < HOSTS; h++) {
            struct ng_name name = test_name(hosts[h]);
            struct ng_rule_info rule;

            if (ng_explain_name(snapshot, p, &name, IPPROTO_TCP, 443, &rule) == 0)
                count += (int)strlen(rule.file) + (int)strlen(rule.pattern) + (int)strlen(rule.reason);
            count += ng_snapshot_denies(snapshot, ng_match_name(snapshot, p, &name));
        }
    }
    assert_true(count >= 0);
    (void)ng_snapshot_each_network(snapshot, false, take_network, &table);
}

static void broken_ones_are_refused_or_harmless(void **state)
{
    static const char text[] = "policy p { deny a.example, *.example port 1,2 { reason \"r\" } allow 10.0.0.0/8 }\n"
                               "policy q { deny .org, 192.0.2.1 }";
    struct ng_source source = {.path = "t", .text = text, .length = sizeof(text) - 1};
    struct ng_diag *diag = ng_diag_new();
    struct ng_snapshot *snapshot = NULL;
    struct stat info;
    uint8_t block[4096];
    int fd = -1, refused = 0, trials = 0;
    size_t size;

    (void)state;
    assert_int_equal(ng_policy_compile(&source, 1, diag, &fd), 0);
    ng_diag_free(diag);
    assert_int_equal(fstat(fd, &info), 0);
    size = (size_t)info.st_size;
    assert_true(size <= sizeof(block));
    assert_int_equal(pread(fd, block, size, 0), (ssize_t)size);
    (void)close(fd);
    for (size_t at = 0; at < size; at++) {
        for (int k = 0; k < 4; k++, trials++) {
            static const uint8_t damage[] = {0x01, 0x80, 0xff, 0x10};

            block[at] ^= damage[k];
            fd = memory_file(block, size, true);
            if (ng_snapshot_open(fd, &snapshot) == 0) {
                use(snapshot);
                ng_snapshot_free(snapshot);
            } else {
                refused++;
            }
            (void)close(fd);
            block[at] ^= damage[k];
        }
    }
    assert_true(refused > trials / 5);
    for (size_t cut = 0; cut < size; cut += 7) {
        fd = memory_file(block, cut, true);
        assert_int_equal(ng_snapshot_open(fd, &snapshot), -EBADMSG);
        (void)close(fd);
    }
    fd = memory_file(block, size, false); /* its owner could still write */
    assert_int_equal(ng_snapshot_open(fd, &snapshot), -EBADMSG);
    (void)close(fd);
    assert_int_equal(ng_snapshot_open(-1, &snapshot), -EBADMSG);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_naive_matcher), cmocka_unit_test(policies_do_not_mix),
        cmocka_unit_test(rules_are_explained_as_written), cmocka_unit_test(networks_nest),
        cmocka_unit_test(networks_are_found),
        cmocka_unit_test(walks), cmocka_unit_test(broken_ones_are_refused_or_harmless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
