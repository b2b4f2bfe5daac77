// SPDX-License-Identifier: BSD-2-Clause
#include "words.h"

#include <namegate/cleanup.h>

#include <limits.h>
#include <string.h>

char *ng_cli_find_program(const char *name, const char *directory)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *path = NULL, *slash;

    if (length > 0) {
        self[length] = '\0';
        slash = strrchr(self, '/');
        if (slash && asprintf(&path, "%.*s/%s", (int)(slash - self), self, name) < 0)
            return NULL;
        if (path && access(path, X_OK) == 0)
            return path;
        free(path);
    }
    return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

static void add_word(struct ng_cli_words *words, const char *option, const char *value)
{
    char *word = NULL;

    if (!value)
        return;
    if (words->count == NG_CLI_WORDS_MAX || asprintf(&word, "%s%s", option, value) < 0)
        words->incomplete = true;
    else
        words->word[words->count++] = word;
}

/* Where cgroup2 is mounted, as the daemon finds it: mountinfo of proc(5) has the mount point as its fifth word, and the
 * type behind " - ". NULL: nowhere, which the daemon says better. */
static char *find_cgroup2(void)
{
    _cleanup_file_ FILE *file = fopen("/proc/self/mountinfo", "re");
    _cleanup_free_ char *line = NULL;
    size_t room = 0;

    while (file && getline(&line, &room, file) > 0) {
        char *type = strstr(line, " - "), *save = NULL, *word;

        if (!type || strncmp(type, " - cgroup2 ", 11) != 0)
            continue;
        word = strtok_r(line, " ", &save);
        for (int i = 0; word && i < 4; i++)
            word = strtok_r(NULL, " ", &save);
        return word ? strdup(word) : NULL;
    }
    return NULL;
}

/* A pin root and a cgroup of its own, so that it does not meet another daemon's. */
static void add_roots(struct ng_cli_words *words, const struct ng_cli *cli, const char *run_dir)
{
    _cleanup_free_ char *mount = find_cgroup2();
    const char *own = strrchr(run_dir, '/');
    _cleanup_free_ char *root = NULL;

    if (cli->pin_root)
        add_word(words, "--pin-root=", cli->pin_root);
    else
        add_word(words, "--pin-root=/sys/fs/bpf", own);
    if (cli->cgroup_root)
        add_word(words, "--cgroup-root=", cli->cgroup_root);
    else if (mount && asprintf(&root, "%s%s", strcmp(mount, "/") == 0 ? "" : mount, own) >= 0)
        add_word(words, "--cgroup-root=", root);
    else if (mount)
        words->incomplete = true;
}

void ng_cli_words_free(struct ng_cli_words *words)
{
    for (size_t i = 0; i < words->count; i++)
        free(words->word[i]);
}

int ng_cli_words_make(const struct ng_cli *cli, const char *run_dir, bool bare, struct ng_cli_words *ret_words)
{
    const char *policies = cli->policies;
    struct ng_cli_words words = {0};

    /* The run directory holds no policies, and never will. */
    if (!policies && bare && access(NG_SYSCONFDIR "/namegate/policies", F_OK) < 0)
        policies = run_dir;
    add_word(&words, "namegated", "");
    add_word(&words, "--private", "");
    add_word(&words, "--ready-fd=", NG_CLI_READY_FD);
    add_word(&words, "--run-dir=", run_dir);
    add_word(&words, "--state-dir=", cli->state_dir);
    add_word(&words, "--policies=", policies);
    add_word(&words, "--config=", cli->config);
    add_word(&words, "--resolv-conf=", cli->resolv_conf);
    add_roots(&words, cli, run_dir);
    if (words.incomplete) {
        ng_cli_words_free(&words);
        return -ENOMEM;
    }
    *ret_words = words;
    return 0;
}
