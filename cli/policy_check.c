// SPDX-License-Identifier: BSD-2-Clause
/* `policy check` and `policy test`: what an author, and CI, want to know before a policy is put in force. */
#include "policy.h"

#include "../policy/expect.h"
#include "../policy/lint.h"
#include "client.h"
#include "table.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>

static const char check_usage[] =
    "Usage: namegate policy check [OPTION]... [FILE|DIR]...\n"
    "Compiles the files together, and with the directory of --policies if that is given, of which only errors are\n"
    "told then; each directory by itself; without any, the policies directory. Silent when all is well; errors and\n"
    "warnings come with their place and a remedy.\n\n"
    "  -s, --strict   warnings count as errors\n\n"
    "Exit status: 0 no error, 1 errors, 2 usage.\n";

static const char test_usage[] =
    "Usage: namegate policy test [OPTION]... [FILE|DIR]...\n"
    "Runs the tests that stand in policies, and prints the outcome as TAP (Test Anything Protocol). Files count as\n"
    "one set, with the policies that --policies names but not their tests, each directory as one by itself; without\n"
    "any, the policies directory.\n\n"
    "Exit status: 0 all tests passed, 1 some failed, there are none, or the policies have errors, 2 usage.\n";

/* --- the addresses of this host, which a rule hardly means */

typedef NG_VECTOR(struct ng_guarded) guarded_vector;

static int guard(guarded_vector *guarded, int family, const void *address, const char *what)
{
    struct ng_guarded it = {.what = what};

    if (family == AF_INET) {
        memset(it.address + 10, 0xff, 2);
        memcpy(it.address + 12, address, 4);
    } else {
        memcpy(it.address, address, sizeof(it.address));
    }
    return ng_vector_add(guarded, it) ? 0 : -ENOMEM;
}

static int guard_own(guarded_vector *guarded)
{
    struct ifaddrs *list = NULL;
    int r = 0;

    if (getifaddrs(&list) < 0)
        return 0; /* it is a warning less */
    for (const struct ifaddrs *it = list; it && r == 0; it = it->ifa_next) {
        const struct sockaddr_in *v4 = (const void *)it->ifa_addr;
        const struct sockaddr_in6 *v6 = (const void *)it->ifa_addr;

        if (it->ifa_addr && it->ifa_addr->sa_family == AF_INET)
            r = guard(guarded, AF_INET, &v4->sin_addr, "an address of this host");
        else if (it->ifa_addr && it->ifa_addr->sa_family == AF_INET6)
            r = guard(guarded, AF_INET6, &v6->sin6_addr, "an address of this host");
    }
    freeifaddrs(list);
    return r;
}

/* The servers that names are resolved with: resolv.conf(5). */
static int guard_upstreams(const struct ng_cli *cli, guarded_vector *guarded)
{
    _cleanup_file_ FILE *file = fopen(cli->resolv_conf ? cli->resolv_conf : "/etc/resolv.conf", "re");
    _cleanup_free_ char *line = NULL;
    size_t room = 0;
    int r = 0;

    while (file && r == 0 && getline(&line, &room, file) > 0) {
        char word[64];
        uint8_t address[16];

        if (sscanf(line, "nameserver %63s", word) != 1)
            continue;
        if (inet_pton(AF_INET, word, address) == 1)
            r = guard(guarded, AF_INET, address, "a server that this host resolves names with");
        else if (inet_pton(AF_INET6, word, address) == 1)
            r = guard(guarded, AF_INET6, address, "a server that this host resolves names with");
    }
    return r;
}

static int find_guarded(const struct ng_cli *cli, guarded_vector *guarded)
{
    static const struct {
        const char *address, *what;
    } always[] = {{"127.0.0.1", "which is loopback"}, {"::1", "which is loopback"},
                  {"0.0.0.0", "which stands for loopback"}, {"::", "which stands for loopback"}};
    int r = 0;

    for (size_t i = 0; r == 0 && i < sizeof(always) / sizeof(*always); i++) {
        int family = strchr(always[i].address, ':') ? AF_INET6 : AF_INET;
        uint8_t address[16];

        (void)inet_pton(family, always[i].address, address);
        r = guard(guarded, family, address, always[i].what);
    }
    if (r == 0)
        r = guard_upstreams(cli, guarded);
    return r < 0 ? r : guard_own(guarded);
}

/* --- the sets that the words name */

typedef int (*set_fn)(void *arg, const struct ng_cli_set *set);

/* Together with the policies directory, if one is named: as `run --policy FILE` would have it. */
static int load_files(const struct ng_cli *cli, char *const *words, size_t count, struct ng_diag *diag,
                      struct ng_cli_set *ret_set)
{
    _cleanup_free_ struct ng_source *sources = calloc(count + 1, sizeof(*sources));
    _cleanup_fd_ int fd = -1;
    size_t files = 0;
    int r;

    if (!sources)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        if (!ng_cli_is_directory(words[i]))
            sources[files++] = (struct ng_source){.path = words[i], .stream = true, .subject = true};
    if (files == 0)
        return 0;
    r = cli->policies ? ng_set_load_dir(cli->policies, sources, files, diag, &ret_set->set)
                      : ng_set_load(sources, files, diag, &ret_set->set);
    if (r == 0)
        r = ng_set_compile(ret_set->set, diag, &fd);
    return r < 0 ? r : ng_snapshot_open(fd, &ret_set->snapshot);
}

/* Calls `each` for every set that could be compiled; the first error, which is in diag too, is returned. */
static int each_set(const struct ng_cli *cli, char *const *words, size_t count, struct ng_diag *diag, set_fn each,
                    void *arg)
{
    const char *standard = ng_cli_policies(cli);
    _cleanup_set_ struct ng_cli_set files = {0};
    int first = load_files(cli, words, count, diag, &files);

    if (files.snapshot)
        first = each(arg, &files);
    for (size_t i = 0; i < (count ? count : 1); i++) {
        const char *dir = count ? words[i] : standard;
        _cleanup_set_ struct ng_cli_set set = {0};
        int r = count && !ng_cli_is_directory(dir) ? 0 : ng_cli_set_load(dir, NULL, diag, &set);

        if (set.snapshot)
            r = each(arg, &set);
        first = first < 0 ? first : r;
    }
    return first;
}

/* --- check */

struct checking {
    struct ng_diag *diag;
    guarded_vector guarded;
};

static int check_set(void *arg, const struct ng_cli_set *set)
{
    struct checking *checking = arg;

    return ng_lint(set->set, set->snapshot, checking->guarded.items, checking->guarded.count, checking->diag);
}

static int report(const struct ng_cli *cli, const struct ng_diag *diag, int r, bool strict)
{
    bool failed = r < 0 || ng_diag_errors(diag) > 0 || (strict && ng_diag_warnings(diag) > 0);
    _cleanup_json_ json_t *json = NULL;

    if (r == -ENOMEM)
        (void)fputs("namegate: out of memory\n", stderr);
    if (cli->json) {
        json = json_pack("{s:b, s:I, s:I, s:o}", "ok", !failed, "errors", (json_int_t)ng_diag_errors(diag), "warnings",
                         (json_int_t)ng_diag_warnings(diag), "messages", ng_cli_diag_json(diag));
        return !json || ng_cli_print_json(stdout, json) < 0 || failed ? NG_CLI_FAILED : NG_CLI_OK;
    }
    ng_cli_put_diag(diag);
    return failed ? NG_CLI_FAILED : NG_CLI_OK;
}

int ng_cli_policy_check(struct ng_cli *cli, int argc, char **argv)
{
    bool strict = false;
    const struct ng_cli_option own[] = {{"strict", 's', NULL, &strict}, {0}};
    struct checking checking = {0};
    int first = 0, status = ng_cli_parse(cli, own, check_usage, false, argc, argv, &first), r;

    if (status >= 0)
        return status;
    checking.diag = ng_diag_new();
    if (!checking.diag)
        return NG_CLI_FAILED;
    r = find_guarded(cli, &checking.guarded);
    if (r == 0)
        r = each_set(cli, argv + first, (size_t)(argc - first), checking.diag, check_set, &checking);
    status = report(cli, checking.diag, r, strict);
    ng_vector_free(&checking.guarded);
    ng_diag_free(checking.diag);
    return status;
}

/* --- test */

struct testing {
    json_t *list; /* NULL: TAP is printed */
    size_t count, failed;
};

static int test_one(void *arg, const struct ng_expectation *it)
{
    struct testing *testing = arg;
    const char *word = it->expected == NG_VERDICT_DENY ? "deny" : "allow";

    testing->count++;
    testing->failed += !it->met;
    if (testing->list) {
        return json_array_append_new(
                   testing->list,
                   json_pack("{s:b, s:o, s:s, s:o, s:o, s:I, s:o}", "ok", it->met, "policy", ng_cli_text(it->policy),
                             "expected", word, "destination", ng_cli_text(it->destination), "file",
                             ng_cli_text(it->file), "line", (json_int_t)it->line, "trouble",
                             ng_cli_text(it->trouble))) < 0
                   ? -ENOMEM
                   : 0;
    }
    (void)printf("%s %zu - ", it->met ? "ok" : "not ok", testing->count);
    ng_cli_put(stdout, it->policy);
    (void)printf(": %s ", word);
    ng_cli_put(stdout, it->destination);
    (void)fputc('\n', stdout);
    if (it->met)
        return 0;
    (void)fputs("  ---\n  at: ", stdout);
    ng_cli_put(stdout, it->file);
    (void)printf(":%u\n  why: ", it->line);
    ng_cli_put(stdout, it->trouble);
    (void)fputs("\n  ...\n", stdout);
    return 0;
}

static int test_set(void *arg, const struct ng_cli_set *set)
{
    return ng_expect(set->set, set->snapshot, test_one, arg);
}

int ng_cli_policy_test(struct ng_cli *cli, int argc, char **argv)
{
    _cleanup_diag_ struct ng_diag *diag = ng_diag_new();
    _cleanup_json_ json_t *json = NULL;
    struct testing testing = {0};
    int first = 0, status = ng_cli_parse(cli, NULL, test_usage, false, argc, argv, &first), r;
    bool failed;

    if (status >= 0)
        return status;
    if (!diag)
        return NG_CLI_FAILED;
    if (cli->json)
        testing.list = json_array();
    else
        (void)puts("TAP version 13");
    r = each_set(cli, argv + first, (size_t)(argc - first), diag, test_set, &testing);
    failed = r < 0 || testing.failed > 0 || testing.count == 0;
    if (cli->json) {
        json = json_pack("{s:b, s:I, s:I, s:o, s:o}", "ok", !failed, "tests", (json_int_t)testing.count, "failed",
                         (json_int_t)testing.failed, "results", testing.list, "messages", ng_cli_diag_json(diag));
        return !json || ng_cli_print_json(stdout, json) < 0 || failed ? NG_CLI_FAILED : NG_CLI_OK;
    }
    if (r < 0)
        (void)puts("Bail out! the policies have errors");
    else
        (void)printf("1..%zu\n", testing.count);
    if (r < 0)
        ng_cli_put_diag(diag);
    else if (testing.count == 0)
        (void)fputs("namegate: there is no test; write: test POLICY { expect deny NAME:PORT }\n", stderr);
    return failed ? NG_CLI_FAILED : NG_CLI_OK;
}
