// SPDX-License-Identifier: BSD-2-Clause
/* Records of the host's own: what is read from hosts and zone files, and what is answered from them. */
#include "support.h"

#include "../../resolver/answer.h"
#include "../../resolver/local.h"

#include <errno.h>
#include <sys/mman.h>

static const char zone_text[] = "$ORIGIN corp.test.\n"
                                "$TTL 120\n"
                                "@ SOA ns admin 1 3600 600 86400 30\n"
                                "@ NS ns\n"
                                "ns A 203.0.113.1\n"
                                "www A 203.0.113.2\n"
                                "www A 203.0.113.3\n"
                                "git CNAME www\n"
                                "odd CNAME nobody\n"
                                "*.apps A 203.0.113.4\n"
                                "known.apps TXT \"x\"\n"
                                "a.b.deep TXT \"x\"\n"
                                "@ SOA ns admin 1 3600 600 86400 30\n";

static const char hosts_text[] = "# a comment\n"
                                 "198.51.100.1 Old.Example old\n"
                                 "198.51.100.2\told.example # again\n"
                                 "2001:db8::1 old.example\n"
                                 "fe80::1%eth0 skipped.example\n"
                                 "\n";

static int load(struct ng_local *local, uint32_t kind, const char *text, struct ng_local_error *error)
{
    int fd = memfd_create("local", MFD_CLOEXEC), r;

    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    r = ng_local_load(local, kind, fd, error);
    (void)close(fd);
    return r;
}

static struct ng_local *loaded(void)
{
    struct ng_local_error error;
    struct ng_local *local;

    assert_int_equal(ng_local_new(&local), 0);
    if (load(local, NG_LOCAL_ZONE, zone_text, &error) < 0 || load(local, NG_LOCAL_HOSTS, hosts_text, &error) < 0)
        fail_msg("%u: %s", error.line, error.text);
    assert_int_equal(ng_local_check(local, &error), 0);
    return local;
}

/* "rcode links addresses ttl", or "-" where nothing is known. */
static const char *ask(const struct ng_local *local, const char *name, uint16_t type)
{
    static char text[80];
    struct ng_question question = {.name = test_name(name), .type = type};
    struct ng_answer answer;
    uint8_t *wire = NULL;
    size_t size;

    if (ng_local_answer(local, &question, &wire, &size) < 0)
        return "-";
    assert_int_equal(ng_answer_parse(&question, wire, size, &answer), 0);
    (void)snprintf(text, sizeof(text), "%u %u %u %u", answer.rcode, answer.links, answer.addresses, answer.ttl);
    ng_answer_release(&answer);
    free(wire);
    return text;
}

static void names_are_answered(void **state)
{
    struct ng_local *local = loaded();

    (void)state;
    assert_string_equal(ask(local, "www.corp.test", NG_TYPE_A), "0 1 2 120");
    assert_string_equal(ask(local, "www.corp.test", NG_TYPE_AAAA), "0 1 0 30");
    assert_string_equal(ask(local, "git.corp.test", NG_TYPE_A), "0 2 2 120");
    assert_string_equal(ask(local, "git.corp.test", NG_TYPE_CNAME), "0 2 0 120");
    assert_string_equal(ask(local, "odd.corp.test", NG_TYPE_A), "3 2 0 30");
    assert_string_equal(ask(local, "none.corp.test", NG_TYPE_A), "3 1 0 30");
    assert_string_equal(ask(local, "corp.test", NG_TYPE_NS), "0 1 0 120");
    assert_string_equal(ask(local, "x.apps.corp.test", NG_TYPE_A), "0 1 1 120");
    assert_string_equal(ask(local, "x.y.apps.corp.test", NG_TYPE_A), "0 1 1 120");
    assert_string_equal(ask(local, "known.apps.corp.test", NG_TYPE_A), "0 1 0 30");   /* no wildcard for what exists */
    assert_string_equal(ask(local, "x.known.apps.corp.test", NG_TYPE_A), "3 1 0 30"); /* nor below it */
    assert_string_equal(ask(local, "deep.corp.test", NG_TYPE_A), "0 1 0 30");
    assert_string_equal(ask(local, "old.example", NG_TYPE_A), "0 1 2 60");
    assert_string_equal(ask(local, "old.example", NG_TYPE_AAAA), "0 1 1 60");
    assert_string_equal(ask(local, "old.example", NG_TYPE_HTTPS), "0 1 0 60");
    assert_string_equal(ask(local, "old", NG_TYPE_A), "0 1 1 60");
    assert_string_equal(ask(local, "1.100.51.198.in-addr.arpa", 12), "0 1 0 60");
    assert_string_equal(ask(local, "skipped.example", NG_TYPE_A), "-");
    assert_string_equal(ask(local, "example", NG_TYPE_A), "-");
    assert_string_equal(ask(local, "corp.test.example", NG_TYPE_A), "-");
    ng_local_free(local);
}

static const struct {
    uint32_t kind;
    const char *text;
    unsigned line;
    const char *said;
} mistakes[] = {
    {NG_LOCAL_HOSTS, "127.0.0.1 a\n1.2.3 b\n", 2, "'1.2.3' is no address"},
    {NG_LOCAL_HOSTS, "127.0.0.1\n", 1, "has no name"},
    {NG_LOCAL_HOSTS, "127.0.0.1 a..b\n", 1, "'a..b' is no name"},
    {NG_LOCAL_ZONE, "a.test. 60 IN A 1.2.3.4\n", 0, "no SOA record"},
    {NG_LOCAL_ZONE, "test. 60 IN SOA . . 1 2 3 4 5\nother.example. 60 IN A 1.2.3.4\n", 2, "is not in the zone"},
    {NG_LOCAL_ZONE, "test. 60 IN SOA . . 1 2 3 4 5\na.test. 60 IN DNAME b.test.\n", 2, "DNAME records are not known"},
    {NG_LOCAL_ZONE, "test. 60 IN SOA . . 1 2 3 4 5\na.test. 60 IN A 1.2\n", 2, "parse"},
    {NG_LOCAL_ZONE, "; (\ntest. 60 IN SOA . . (1 2\n3 4\n5)\n\na.test. 60 IN SOA . . 1 2 3 4 5\n", 6, "second SOA"},
    {NG_LOCAL_ZONE, "test. 60 IN SOA . . 1 2 3 4 5\n$INCLUDE other\n", 2, "$INCLUDE is not known"},
};

static void mistakes_are_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(*mistakes); i++) {
        struct ng_local_error error;
        struct ng_local *local;

        assert_int_equal(ng_local_new(&local), 0);
        assert_int_equal(load(local, mistakes[i].kind, mistakes[i].text, &error), -EINVAL);
        if (error.line != mistakes[i].line || !strstr(error.text, mistakes[i].said))
            fail_msg("%u: %s", error.line, error.text);
        ng_local_free(local);
    }
}

static void aliases_stay_inside(void **state)
{
    struct ng_local_error error;
    struct ng_local *local;

    (void)state;
    assert_int_equal(ng_local_new(&local), 0);
    assert_int_equal(load(local, NG_LOCAL_ZONE, "test. 60 IN SOA . . 1 2 3 4 5\na.test. 60 IN CNAME b.example.\n", &error),
                     0);
    assert_int_equal(ng_local_check(local, &error), -EINVAL);
    assert_non_null(strstr(error.text, "a.test leads out"));
    assert_int_equal(load(local, NG_LOCAL_HOSTS, "192.0.2.1 b.example\n", &error), 0);
    assert_int_equal(ng_local_check(local, &error), 0);
    assert_string_equal(ask(local, "a.test", NG_TYPE_A), "0 2 1 60");
    assert_int_equal(load(local, NG_LOCAL_ZONE, "test. 60 IN SOA . . 1 2 3 4 5\n", &error), -EINVAL);
    assert_non_null(strstr(error.text, "the same zone"));
    ng_local_free(local);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_are_answered), cmocka_unit_test(mistakes_are_told),
                                       cmocka_unit_test(aliases_stay_inside)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
