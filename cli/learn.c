// SPDX-License-Identifier: BSD-2-Clause
#include "learned.h"

#include "client.h"
#include "commands.h"
#include "ledger.h"
#include "policy.h"

#include "../policy/format.h"

#include <string.h>

#define NAME_MAX_OCTETS 63

static const char usage[] =
    "Usage: namegate learn [OPTION]...\n"
    "Writes the policy that allows exactly what deployments did, in mode strict: names, ports and protocols as\n"
    "they were seen, a wildcard where four names or more below one domain were, addresses where no name was asked\n"
    "for; each with how often, when and by which commands. What was denied is told in comments, and not allowed.\n\n"
    "  -t, --tag TAG         only from deployments with this tag\n"
    "  -s, --since TIME      only from those that began then or later: 2h, 7d (ago), or 2026-01-31[T12:00[:00]] (UTC)\n"
    "  --deployment ID       only from this one\n"
    "  --last                only from the last one\n"
    "  -n, --name POLICY     what the policy is called (the tag, if there is one, else: learnt)\n"
    "  -m, --manifest NAME   writes what the service NAME depends on instead: `depends` lines\n";

struct learning {
    struct ng_learned *learned;
    int r;
};

static int add(void *arg, const json_t *deployment)
{
    struct learning *learning = arg;

    learning->r = ng_learned_add(learning->learned, deployment);
    return learning->r;
}

/* What the language takes for the name of a policy. */
static bool is_name(const char *text)
{
    return *text && strlen(text) <= NAME_MAX_OCTETS && !text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_")];
}

static void name_of_tag(const char *tag, char ret_name[static NAME_MAX_OCTETS + 1])
{
    size_t length = 0;

    for (; *tag && length < NAME_MAX_OCTETS; tag++)
        ret_name[length++] = *tag >= 'A' && *tag <= 'Z' ? (char)(*tag + 'a' - 'A') : *tag == '.' ? '-' : *tag;
    ret_name[length] = '\0';
    if (!is_name(ret_name))
        (void)strcpy(ret_name, "learnt");
}

/* A word of the language is a name in double quotes. */
static bool is_word(const char *name)
{
    _cleanup_diag_ struct ng_diag *diag = ng_diag_new();
    _cleanup_free_ char *text = NULL, *laid_out = NULL;
    size_t length = 0;

    return diag && asprintf(&text, "policy %s { }", name) >= 0 &&
           ng_format("", text, strlen(text), diag, &laid_out, &length) < 0;
}

static int write_policy(struct ng_learned *learned, const char *name, char **ret_text, json_t **ret_rules)
{
    char quoted[NAME_MAX_OCTETS + 3];

    (void)snprintf(quoted, sizeof(quoted), is_word(name) ? "\"%s\"" : "%s", name);
    return ng_learned_policy(learned, quoted, ret_text, ret_rules);
}

static int print(const struct ng_cli *cli, const char *name, const char *text, json_t *rules)
{
    _cleanup_json_ json_t *json = NULL;

    if (!cli->json)
        return fputs(text, stdout) < 0 ? NG_CLI_FAILED : NG_CLI_OK;
    json = json_pack("{s:s, s:s, s:O}", "name", name, "text", text, "rules", rules);
    return json && ng_cli_print_json(stdout, json) == 0 ? NG_CLI_OK : NG_CLI_FAILED;
}

static int write_learnt(const struct ng_cli *cli, struct ng_learned *learned, const char *name, const char *service)
{
    char of_tag[NAME_MAX_OCTETS + 1] = "learnt";
    _cleanup_free_ char *text = NULL;
    _cleanup_json_ json_t *rules = NULL;
    int r;

    if (!name && json_object_size(learned->tags) == 1)
        name_of_tag(json_object_iter_key(json_object_iter(learned->tags)), of_tag);
    if (!name)
        name = of_tag;
    r = service ? ng_learned_manifest(learned, service, &text, &rules) : write_policy(learned, name, &text, &rules);
    if (r == 0)
        return print(cli, service ? service : name, text, rules);
    (void)fprintf(stderr, "namegate: cannot write this as a policy: %s\n", strerror(-r));
    return NG_CLI_FAILED;
}

static int learn(const struct ng_cli *cli, const struct ng_ledger_query *query, const char *name, const char *service)
{
    struct learning learning = {0};
    int status = NG_CLI_FAILED;

    learning.r = ng_learned_new(&learning.learned);
    if (learning.r == 0)
        status = ng_cli_ledger_read(cli, query, add, &learning);
    if (learning.r < 0) {
        (void)fprintf(stderr, "namegate: %s\n", strerror(-learning.r));
        status = NG_CLI_FAILED;
    } else if (status == NG_CLI_OK && learning.learned->deployments == 0) {
        (void)fputs("namegate: no deployment on record fits, so there is nothing to learn from\n", stderr);
        status = NG_CLI_FAILED;
    }
    if (status == NG_CLI_OK)
        status = write_learnt(cli, learning.learned, name, service);
    ng_learned_free(learning.learned);
    return status;
}

int ng_cli_learn(struct ng_cli *cli, int argc, char **argv)
{
    const char *since = NULL, *name = NULL, *service = NULL;
    bool last = false;
    struct ng_ledger_query query = {.deployment = NULL};
    const struct ng_cli_option own[] = {{"tag", 't', &query.tag, NULL},
                                        {"since", 's', &since, NULL},
                                        {"deployment", 0, &query.deployment, NULL},
                                        {"last", 0, NULL, &last},
                                        {"name", 'n', &name, NULL},
                                        {"manifest", 'm', &service, NULL},
                                        {0}};
    char text[NG_NAME_TEXT_MAX];
    struct ng_name parsed;
    int first = 0, status = ng_cli_parse(cli, own, usage, false, argc, argv, &first);

    if (status >= 0)
        return status;
    if (first < argc)
        return ng_cli_usage(argv[0], "takes no argument:", argv[first]);
    if (since && ng_cli_since(since, &query.since_us) < 0)
        return ng_cli_usage(argv[0], "--since is 2h or 7d (ago), or 2026-01-31[T12:00[:00]], not", since);
    if (last && since)
        return ng_cli_usage(argv[0], "--last and --since exclude each other", NULL);
    query.last = last;
    if (name && !is_name(name))
        return ng_cli_usage(argv[0], "a policy's name has small letters, digits, '-' and '_', not", name);
    if (name && service)
        return ng_cli_usage(argv[0], "a manifest is no policy: --name and --manifest exclude each other", NULL);
    if (service && ng_name_from_text(service, strlen(service), &parsed) < 0)
        return ng_cli_usage(argv[0], "--manifest wants the name of a service, not", service);
    if (service)
        service = ng_name_to_text(&parsed, text);
    return learn(cli, &query, name, service);
}
