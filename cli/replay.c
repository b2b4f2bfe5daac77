// SPDX-License-Identifier: BSD-2-Clause
#include "replayed.h"

#include "client.h"
#include "commands.h"
#include "format.h"
#include "ledger.h"
#include "policy.h"
#include "request.h"
#include "table.h"

#include <string.h>

#define FILE_POLICY "file" /* the name of a policy that is given as a file */

static const char usage[] =
    "Usage: namegate replay --policy FILE|NAME|DIR [OPTION]...\n"
    "What this policy would have denied in the deployments on record, by deployment. A FILE has one policy, which all\n"
    "are judged by, as by one of the policies directory that is NAMEd; of a DIR each is judged by the policy of the\n"
    "name that its own had. FILE and DIR have a '/', or an ending .policy. Needs no daemon.\n\n"
    "  -p, --policy ...    what to judge by\n"
    "  --mode MODE         audit, block or strict, instead of the policy's\n"
    "  -t, --tag TAG       only deployments with this tag\n"
    "  -s, --since TIME    only those that began then or later: 2h, 7d (ago), or 2026-01-31[T12:00[:00]] (UTC)\n"
    "  --deployment ID     only this one\n"
    "  --last              only the last one\n\n"
    "Exit status: 0 nothing would have been denied; 1 something; 2 usage, errors in the policy, or no such record.\n";

static const char *const modes[] = {"audit", "block", "strict", NULL};

struct replaying {
    struct ng_replay replay;
    bool json;
    json_t *results; /* of --json */
    long long deployments, hit, denied, unknown;
    int r;
};

/* --- output */

static void print_flow(const json_t *flow)
{
    const json_t *rule = json_object_get(flow, "rule");
    const char *name = json_string_value(json_object_get(flow, "name")), *instead = ng_cli_string(flow, "instead");
    const char *was = ng_cli_string(flow, "was");

    (void)fputs("  ", stdout);
    ng_cli_format_destination(stdout, name ? name : json_string_value(json_array_get(json_object_get(flow, "addresses"),
                                                                                     0)), flow);
    (void)printf("  %lldx  by ", ng_cli_integer(flow, "count"));
    ng_cli_format_list(stdout, json_object_get(flow, "commands"));
    (void)fputs("  ", stdout);
    if (json_is_object(rule)) {
        ng_cli_put(stdout, ng_cli_string(rule, "file"));
        (void)printf(":%lld: ", ng_cli_integer(rule, "line"));
        ng_cli_put(stdout, ng_cli_string(rule, "pattern"));
        (void)fputs(*ng_cli_string(flow, "reason") ? "  " : "", stdout);
    }
    ng_cli_put(stdout, ng_cli_string(flow, "reason"));
    (void)fputs(*instead ? "; instead: " : "", stdout);
    ng_cli_put(stdout, instead);
    (void)fputs(strcmp(was, "deny") == 0         ? "  (was denied then, too)\n"
                : strcmp(was, "would-deny") == 0 ? "  (would have been then, too)\n"
                                                 : "\n",
                stdout);
}

static void print_deployment(const json_t *result)
{
    long long denied = ng_cli_integer(result, "denied");
    const json_t *flow;
    size_t i;

    if (!denied)
        return;
    ng_cli_put(stdout, ng_cli_string(result, "deployment"));
    (void)printf("  %.19sZ  ", ng_cli_string(result, "started"));
    ng_cli_put_colour(stdout, NG_CLI_BAD, "would be denied");
    (void)printf(" %lld of %lld, by policy ", denied, ng_cli_integer(result, "checked"));
    ng_cli_put(stdout, ng_cli_string(result, "policy"));
    (void)printf(" (%s)\n", ng_cli_string(result, "mode"));
    json_array_foreach(json_object_get(result, "flows"), i, flow) print_flow(flow);
}

static int judge(void *arg, const json_t *deployment)
{
    struct replaying *replaying = arg;
    _cleanup_json_ json_t *result = NULL;
    long long denied;

    replaying->r = ng_replay_judge(&replaying->replay, deployment, &result);
    if (replaying->r < 0)
        return replaying->r;
    denied = ng_cli_integer(result, "denied");
    replaying->deployments++;
    replaying->hit += denied > 0;
    replaying->denied += denied;
    replaying->unknown += json_is_null(json_object_get(result, "policy"));
    if (!replaying->json)
        print_deployment(result);
    else if (json_array_append(replaying->results, result) < 0)
        replaying->r = -ENOMEM;
    return replaying->r;
}

static int finish(struct replaying *replaying)
{
    _cleanup_json_ json_t *json = NULL;

    if (replaying->deployments == 0) {
        (void)fputs("namegate: no deployment on record fits, so there is nothing to judge\n", stderr);
        return NG_CLI_USAGE;
    }
    if (replaying->json) {
        json = json_pack("{s:I, s:I, s:I, s:I, s:O}", "checked", (json_int_t)(replaying->deployments -
                                                                              replaying->unknown),
                         "denied_in", (json_int_t)replaying->hit, "denied", (json_int_t)replaying->denied, "unknown",
                         (json_int_t)replaying->unknown, "deployments", replaying->results);
        if (!json || ng_cli_print_json(stdout, json) < 0)
            return NG_CLI_USAGE;
    } else {
        (void)printf("%lld deployment%s, %lld with something that would be denied\n", replaying->deployments,
                     replaying->deployments == 1 ? "" : "s", replaying->hit);
    }
    if (replaying->unknown)
        (void)fprintf(stderr, "namegate: %lld of them stood under policies that are not there, and are not judged\n",
                      replaying->unknown);
    if (replaying->unknown == replaying->deployments)
        return NG_CLI_USAGE;
    return replaying->denied ? NG_CLI_FAILED : NG_CLI_OK;
}

/* --- the policy */

/* A file comes with the policies directory, if there is one: it may use what that defines, as with `run`. *ret_name: of
 * the policy that all are judged by; NULL: each by its own. */
static int load(const struct ng_cli *cli, const char *policy, struct ng_diag *diag, struct ng_cli_set *ret_set,
                const char **ret_name)
{
    struct ng_source file = {.path = policy, .as = FILE_POLICY, .stream = true};
    const char *dir = ng_cli_policies(cli);

    if (!ng_cli_policy_is_file(policy)) {
        *ret_name = policy;
        return ng_cli_set_load(dir, NULL, diag, ret_set);
    }
    *ret_name = ng_cli_is_directory(policy) ? NULL : FILE_POLICY;
    if (!*ret_name)
        return ng_cli_set_load(policy, NULL, diag, ret_set);
    return ng_cli_set_load(access(dir, F_OK) == 0 ? dir : NULL, &file, diag, ret_set);
}

static int replay(const struct ng_cli *cli, const struct ng_ledger_query *query, const char *policy, const char *mode)
{
    _cleanup_diag_ struct ng_diag *diag = ng_diag_new();
    _cleanup_set_ struct ng_cli_set set = {0};
    _cleanup_json_ json_t *results = json_array();
    struct replaying replaying = {.replay = {.policy = -1, .mode = -1}, .json = cli->json, .results = results};
    const char *name;
    int status;

    if (!diag || !results)
        return NG_CLI_USAGE;
    if (load(cli, policy, diag, &set, &name) < 0) {
        ng_cli_put_diag(diag);
        return NG_CLI_USAGE;
    }
    if (name) {
        replaying.replay.label = policy;
        replaying.replay.policy = ng_snapshot_find(set.snapshot, name);
        if (replaying.replay.policy < 0)
            return ng_cli_usage("namegate replay",
                                ng_cli_is_directory(policy) ? "no policy has that name; a directory needs a '/':"
                                                            : "there is no policy",
                                policy);
    }
    for (int m = 0; mode && modes[m]; m++)
        if (strcmp(mode, modes[m]) == 0)
            replaying.replay.mode = m;
    replaying.replay.snapshot = set.snapshot;
    status = ng_cli_ledger_read(cli, query, judge, &replaying);
    if (replaying.r < 0)
        (void)fprintf(stderr, "namegate: %s\n", strerror(-replaying.r));
    return status == NG_CLI_OK && replaying.r == 0 ? finish(&replaying) : NG_CLI_USAGE;
}

int ng_cli_replay(struct ng_cli *cli, int argc, char **argv)
{
    const char *policy = NULL, *mode = NULL, *since = NULL;
    bool last = false;
    struct ng_ledger_query query = {.deployment = NULL};
    const struct ng_cli_option own[] = {{"policy", 'p', &policy, NULL},
                                        {"mode", 0, &mode, NULL},
                                        {"tag", 't', &query.tag, NULL},
                                        {"since", 's', &since, NULL},
                                        {"deployment", 0, &query.deployment, NULL},
                                        {"last", 0, NULL, &last},
                                        {0}};
    int first = 0, status = ng_cli_parse(cli, own, usage, false, argc, argv, &first);

    if (status >= 0)
        return status;
    if (first < argc)
        return ng_cli_usage(argv[0], "takes no argument:", argv[first]);
    if (!policy)
        return ng_cli_usage(argv[0], "--policy is missing: FILE, NAME or DIR", NULL);
    if (mode && strcmp(mode, "audit") != 0 && strcmp(mode, "block") != 0 && strcmp(mode, "strict") != 0)
        return ng_cli_usage(argv[0], "the mode is audit, block or strict, not", mode);
    if (since && ng_cli_since(since, &query.since_us) < 0)
        return ng_cli_usage(argv[0], "--since is 2h or 7d (ago), or 2026-01-31[T12:00[:00]], not", since);
    if (last && since)
        return ng_cli_usage(argv[0], "--last and --since exclude each other", NULL);
    query.last = last;
    return replay(cli, &query, policy, mode);
}
