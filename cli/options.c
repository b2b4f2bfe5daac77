// SPDX-License-Identifier: BSD-2-Clause
#include "options.h"

#include "table.h"

#include <namegate/cleanup.h>

#include <getopt.h>
#include <string.h>

#define OWN_MAX 8
#define COMMON_MAX 10
#define FIRST 256 /* above every letter */

static const char common_usage[] =
    "\nCommon options:\n"
    "  --run-dir DIR      where the daemon's control socket is (/run/namegate, or $NAMEGATE_RUN_DIR)\n"
    "  --state-dir DIR    where the records are (/var/lib/namegate)\n"
    "  --policies DIR     policies, DIR/*.policy (" NG_SYSCONFDIR "/namegate/policies)\n"
    "  --config FILE      configuration of a private daemon; so are\n"
    "  --pin-root DIR, --cgroup-root DIR, --resolv-conf FILE   see namegated(8)\n"
    "  -j, --json         print JSON\n"
    "  -V, --version      print the version\n"
    "  -h, --help         print this\n";

void ng_cli_defaults(struct ng_cli *ret_cli)
{
    const char *run_dir = getenv("NAMEGATE_RUN_DIR");

    *ret_cli = (struct ng_cli){.run_dir = run_dir && *run_dir ? run_dir : NG_CLI_RUN_DIR,
                               .state_dir = "/var/lib/namegate"};
}

int ng_cli_usage(const char *command, const char *text, const char *word)
{
    _cleanup_free_ char *shown = ng_cli_escape(word ? word : "");

    (void)fprintf(stderr, "%s: %s%s%s\nTry: %s --help\n", command, text, word ? " " : "", shown ? shown : "", command);
    return NG_CLI_USAGE;
}

int ng_cli_number(const char *text, size_t max, size_t *ret_number)
{
    char *end = NULL;
    unsigned long long number;

    if (*text < '0' || *text > '9')
        return -EINVAL;
    errno = 0;
    number = strtoull(text, &end, 10);
    if (errno || *end || number > max)
        return -EINVAL;
    *ret_number = (size_t)number;
    return 0;
}

/* The tables that getopt_long() wants. An option without a letter is known by its place. */
struct tables {
    struct ng_cli_option all[COMMON_MAX + OWN_MAX + 1];
    struct option options[COMMON_MAX + OWN_MAX + 1];
    char letters[3 * (COMMON_MAX + OWN_MAX) + 2];
};

static void fill_tables(struct tables *tables, const struct ng_cli_option *common, const struct ng_cli_option *own,
                        bool in_order)
{
    size_t count = 0;
    char *letter = tables->letters;

    for (size_t i = 0; common[i].name; i++)
        tables->all[count++] = common[i];
    for (size_t i = 0; own && own[i].name && i < OWN_MAX; i++)
        tables->all[count++] = own[i];
    if (in_order)
        *letter++ = '+';
    for (size_t i = 0; i < count; i++) {
        const struct ng_cli_option *option = &tables->all[i];

        tables->options[i] = (struct option){.name = option->name,
                                             .has_arg = option->value ? required_argument : no_argument,
                                             .val = option->letter ? option->letter : FIRST + (int)i};
        if (!option->letter)
            continue;
        *letter++ = option->letter;
        if (option->value)
            *letter++ = ':';
    }
}

static const struct ng_cli_option *find_option(const struct tables *tables, int val)
{
    for (size_t i = 0; tables->all[i].name; i++)
        if (tables->options[i].val == val)
            return &tables->all[i];
    return NULL;
}

static int parse(const struct tables *tables, int argc, char **argv)
{
    int val;

    optind = 0; /* getopt begins anew, for another argv */
    while ((val = getopt_long(argc, argv, tables->letters, tables->options, NULL)) != -1) {
        const struct ng_cli_option *option = find_option(tables, val);

        if (!option) {
            (void)fprintf(stderr, "Try: %s --help\n", argv[0]);
            return NG_CLI_USAGE;
        }
        if (option->value)
            *option->value = optarg;
        else
            *option->flag = true;
    }
    return -1;
}

int ng_cli_parse(struct ng_cli *cli, const struct ng_cli_option *own, const char *usage, bool in_order, int argc,
                 char **argv, int *ret_first)
{
    bool help = false, version = false;
    const struct ng_cli_option common[COMMON_MAX + 1] = {
        {"run-dir", 0, &cli->run_dir, NULL},         {"state-dir", 0, &cli->state_dir, NULL},
        {"policies", 0, &cli->policies, NULL},       {"config", 0, &cli->config, NULL},
        {"pin-root", 0, &cli->pin_root, NULL},       {"cgroup-root", 0, &cli->cgroup_root, NULL},
        {"resolv-conf", 0, &cli->resolv_conf, NULL}, {"json", 'j', NULL, &cli->json},
        {"version", 'V', NULL, &version},            {"help", 'h', NULL, &help},
    };
    struct tables tables = {0};
    int status;

    fill_tables(&tables, common, own, in_order);
    status = parse(&tables, argc, argv);
    if (status >= 0)
        return status;
    if (help || version) {
        (void)fputs(help ? usage : "namegate " NG_VERSION "\n", stdout);
        if (help)
            (void)fputs(common_usage, stdout);
        return NG_CLI_OK;
    }
    *ret_first = optind;
    return -1;
}
