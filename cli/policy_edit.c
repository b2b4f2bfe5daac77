// SPDX-License-Identifier: BSD-2-Clause
/* `policy diff` and `policy fmt`: for those who change policies. */
#include "policy.h"

#include "../policy/compare.h"
#include "../policy/format.h"
#include "client.h"
#include "table.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define TEXT_MAX (64U << 20)

static const char diff_usage[] =
    "Usage: namegate policy diff [OPTION]... BEFORE AFTER\n"
    "What becomes denied or allowed between two versions, each a file or a directory of policies: by name and\n"
    "address, however the text is written. A file counts with the directory of --policies, if that is given.\n\n"
    "Exit status: 0 they mean the same, 1 they differ, 2 usage or errors in the policies.\n";

static const char fmt_usage[] =
    "Usage: namegate policy fmt [OPTION]... [FILE]...\n"
    "Lays policies out in the canonical way, in place; comments stay. Without a file, from standard input to standard\n"
    "output. A file with errors stays as it is.\n\n"
    "  -c, --check   change nothing, name the files that are laid out otherwise\n\n"
    "Exit status: 0 done (with --check: all are canonical), 1 errors (with --check: some are not), 2 usage.\n";

/* A directory, or a file together with the policies directory, if one is named. */
static int load_version(const struct ng_cli *cli, const char *path, struct ng_diag *diag, struct ng_cli_set *ret_set)
{
    struct ng_source file = {.path = path, .stream = true, .subject = true};

    if (cli->policies && !ng_cli_is_directory(path))
        return ng_cli_set_load(cli->policies, &file, diag, ret_set);
    return ng_cli_set_load(path, NULL, diag, ret_set);
}

int ng_cli_policy_diff(struct ng_cli *cli, int argc, char **argv)
{
    _cleanup_diag_ struct ng_diag *diag = ng_diag_new();
    _cleanup_set_ struct ng_cli_set before = {0}, after = {0};
    _cleanup_json_ json_t *json = NULL;
    struct ng_comparison comparison;
    int first = 0, status = ng_cli_parse(cli, NULL, diff_usage, false, argc, argv, &first), r, r_after;

    if (status >= 0)
        return status;
    if (argc - first != 2)
        return ng_cli_usage(argv[0], "two versions are expected: BEFORE and AFTER", NULL);
    if (!diag)
        return NG_CLI_USAGE;
    r = load_version(cli, argv[first], diag, &before);
    r_after = load_version(cli, argv[first + 1], diag, &after);
    if (r < 0 || r_after < 0) {
        ng_cli_put_diag(diag);
        return NG_CLI_USAGE;
    }
    if (ng_compare(before.snapshot, after.snapshot, SIZE_MAX, &comparison) < 0) {
        (void)fputs("namegate: out of memory\n", stderr);
        return NG_CLI_USAGE;
    }
    if (cli->json) {
        json_t *lines = json_array();

        for (char *save = NULL, *line = strtok_r(comparison.text, "\n", &save); line;
             line = strtok_r(NULL, "\n", &save))
            (void)json_array_append_new(lines, ng_cli_text(line));
        json = json_pack("{s:b, s:I, s:o}", "same", comparison.count == 0, "count", (json_int_t)comparison.count,
                         "changes", lines);
        status = json && ng_cli_print_json(stdout, json) == 0 ? NG_CLI_OK : NG_CLI_USAGE;
    } else {
        if (comparison.count)
            ng_cli_put_lines(stdout, comparison.text);
        status = NG_CLI_OK;
    }
    free(comparison.text);
    return status == NG_CLI_OK && comparison.count ? NG_CLI_FAILED : status;
}

static int read_text(FILE *file, char **ret_text, size_t *ret_length)
{
    char *text = NULL;
    size_t length = 0, room = 0, got;

    do {
        if (room - length < 65536) {
            char *grown = realloc(text, room = room ? room * 2 : 131072);

            if (!grown) {
                free(text);
                return -ENOMEM;
            }
            text = grown;
        }
        got = fread(text + length, 1, room - length, file);
        length += got;
    } while (got > 0 && length <= TEXT_MAX);
    if (ferror(file) || length > TEXT_MAX) {
        int r = ferror(file) ? -errno : -EFBIG;

        free(text);
        return r < 0 ? r : -EIO;
    }
    *ret_text = text;
    *ret_length = length;
    return 0;
}

/* Puts the text in the file's place at once: an interruption leaves the old or the new one. */
static int replace(const char *path, const char *text, size_t length)
{
    _cleanup_free_ char *real = realpath(path, NULL), *temporary = NULL;
    _cleanup_fd_ int fd = -1;
    struct stat st;
    int r = 0;

    if (!real || stat(real, &st) < 0)
        return -errno;
    if (asprintf(&temporary, "%s.XXXXXX", real) < 0)
        return -ENOMEM;
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    for (size_t done = 0; r == 0 && done < length;) {
        ssize_t n = write(fd, text + done, length - done);

        if (n < 0)
            r = -errno;
        else
            done += (size_t)n;
    }
    if (r == 0 && (fchmod(fd, st.st_mode & 07777) < 0 || fsync(fd) < 0))
        r = -errno;
    if (r == 0 && fchown(fd, st.st_uid, st.st_gid) < 0 && geteuid() == 0)
        r = -errno;
    if (r == 0 && rename(temporary, real) < 0)
        r = -errno;
    if (r < 0)
        (void)unlink(temporary);
    return r;
}

/* Returns 1 when the file was, or with `check` is, laid out otherwise. */
static int format_file(const char *path, bool check, struct ng_diag *diag)
{
    _cleanup_file_ FILE *file = NULL;
    _cleanup_free_ char *text = NULL, *canonical = NULL;
    size_t length = 0, canonical_length = 0;
    struct stat st;
    int r;

    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        ng_diag_add(diag, NG_ERROR, path, 0, 0, NULL, 0,
                    S_ISDIR(st.st_mode) ? "name its files: DIR/*.policy" : "use it as standard input: fmt < FILE",
                    S_ISDIR(st.st_mode) ? "this is a directory" : "this is no regular file");
        return -EINVAL;
    }
    file = fopen(path, "re");
    r = file ? read_text(file, &text, &length) : -errno;
    if (r == 0)
        r = ng_format(path, text, length, diag, &canonical, &canonical_length);
    if (r == 0 && length == canonical_length && memcmp(text, canonical, length) == 0)
        return 0;
    if (r == 0 && !check)
        r = replace(path, canonical, canonical_length);
    if (r < 0 && r != -EINVAL)
        ng_diag_add(diag, NG_ERROR, path, 0, 0, NULL, 0, NULL, "%s", strerror(-r));
    return r < 0 ? r : 1;
}

static int format_input(struct ng_diag *diag)
{
    _cleanup_free_ char *text = NULL, *canonical = NULL;
    size_t length = 0, canonical_length = 0;
    int r = read_text(stdin, &text, &length);

    if (r == 0)
        r = ng_format("standard input", text, length, diag, &canonical, &canonical_length);
    if (r == 0)
        (void)fwrite(canonical, 1, canonical_length, stdout);
    else if (r != -EINVAL)
        ng_diag_add(diag, NG_ERROR, "standard input", 0, 0, NULL, 0, NULL, "%s", strerror(-r));
    return r;
}

int ng_cli_policy_fmt(struct ng_cli *cli, int argc, char **argv)
{
    bool check = false;
    const struct ng_cli_option own[] = {{"check", 'c', NULL, &check}, {0}};
    _cleanup_diag_ struct ng_diag *diag = ng_diag_new();
    int first = 0, status = ng_cli_parse(cli, own, fmt_usage, false, argc, argv, &first);

    if (status >= 0)
        return status;
    if (!diag)
        return NG_CLI_FAILED;
    status = NG_CLI_OK;
    if (first == argc && check)
        return ng_cli_usage(argv[0], "--check wants files", NULL);
    if (first == argc && format_input(diag) < 0)
        status = NG_CLI_FAILED;
    for (int i = first; i < argc; i++) {
        int r = format_file(argv[i], check, diag);

        if (r > 0 && check) {
            ng_cli_put(stdout, argv[i]);
            (void)fputc('\n', stdout);
        }
        if (r < 0 || (r > 0 && check))
            status = NG_CLI_FAILED;
    }
    ng_cli_put_diag(diag);
    return status;
}
