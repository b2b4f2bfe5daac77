// SPDX-License-Identifier: BSD-2-Clause
/* namegated: the keeper, or, started by it, the resolver or what serves metrics. */
#include "config.h"
#include "exporter.h"
#include "host.h"
#include "keeper.h"
#include "local.h"

#include "../resolver/resolver.h"

#include <namegate/cleanup.h>

#include <grp.h>
#include <string.h>

static void print_diag(struct ng_diag *diag)
{
    _cleanup_free_ char *text = ng_diag_text(diag);

    if (text)
        (void)fputs(text, stderr);
}

static int fail(const struct ng_error *error)
{
    ng_log(NG_LOG_ERROR, "%s", error->text);
    if (*error->remedy)
        ng_log(NG_LOG_ERROR, "remedy: %s", error->remedy);
    return 1;
}

/* What `run` takes when no policy is named. */
static int check_default_policy(const struct ng_options *options, const struct ng_config *config, int fd,
                                struct ng_error *error)
{
    struct ng_snapshot *snapshot = NULL;
    int r = ng_snapshot_open(fd, &snapshot), found = r == 0 ? ng_snapshot_find(snapshot, config->default_policy) : 0;

    ng_snapshot_free(snapshot);
    if (r < 0)
        return ng_error_set(error, -r, NULL, "cannot read the compiled policies: %s", strerror(-r));
    if (found < 0)
        return ng_error_set(error, ENOENT, "write it, or set 'default-policy' to one that there is",
                            "there is no policy '%s' in %s, which is the one for commands that name none",
                            config->default_policy, options->policies);
    return 0;
}

static int check_config(const struct ng_options *options, const struct ng_config *config, struct ng_diag *diag)
{
    _cleanup_fd_ int fd = -1;
    struct ng_error error;

    if (ng_host_check_upstreams(config, &error) < 0)
        return fail(&error);
    if (ng_host_check_listen(config, &error) < 0 || ng_child_check(config->user, &error) < 0 ||
        ng_local_files_check(config, &error) < 0)
        return fail(&error);
    if (!getgrnam(config->group))
        ng_log(NG_LOG_WARNING, "there is no group '%s': nobody but root can ask the daemon; make it with groupadd, or "
                               "set 'group'", config->group);
    if (ng_policy_compile_dir(options->policies, NULL, 0, diag, &fd) < 0) {
        print_diag(diag);
        return 1;
    }
    print_diag(diag);
    if (check_default_policy(options, config, fd, &error) < 0)
        return fail(&error);
    ng_config_print(config, stdout);
    return 0;
}

static int keep(const struct ng_options *options, const struct ng_config *config)
{
    struct ng_keeper *keeper = NULL;
    struct ng_error error = {0};
    int r;

    if (ng_keeper_new(options, config, &keeper, &error) < 0)
        return fail(&error);
    r = ng_keeper_run(keeper);
    ng_keeper_free(keeper);
    return r < 0;
}

int main(int argc, char **argv)
{
    struct ng_options options;
    struct ng_config config;
    struct ng_diag *diag;
    int status = ng_options_parse(argc, argv, &options);

    if (status >= 0)
        return status;
    if (options.resolver)
        return ng_child_become(options.resolver) < 0 || ng_resolver_main() < 0;
    if (options.exporter)
        return ng_exporter_main(options.exporter);
    if (options.verbose)
        ng_log_set_level(NG_LOG_DEBUG);
    diag = ng_diag_new();
    if (!diag)
        return 1;
    if (ng_config_read(options.config, options.config_given, options.resolv_conf, diag, &config) < 0) {
        print_diag(diag);
        status = 1;
    } else {
        status = options.check_config ? check_config(&options, &config, diag) : keep(&options, &config);
    }
    ng_diag_free(diag);
    return status;
}
