// SPDX-License-Identifier: BSD-2-Clause
#include "request.h"

#include "client.h"
#include "table.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define POLICY_MAX (1u << 20) /* octets; the daemon takes no more */
#define ARGV_MAX 65536        /* octets of the arguments that are told; they only serve the records */

void ng_cli_tag_of(const char *command, char ret_tag[static NG_TAG_LEN])
{
    static const char valid[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const char *slash = strrchr(command, '/');
    const char *base = slash ? slash + 1 : command;
    size_t length = 0;

    for (; *base && length < NG_TAG_LEN - 1; base++) {
        bool keep = strchr(valid, *base) && (length > 0 || (*base != '.' && *base != '-'));

        ret_tag[length++] = keep ? *base : '_';
    }
    ret_tag[length] = '\0';
    if (length == 0)
        strcpy(ret_tag, "command");
}

bool ng_cli_policy_is_file(const char *policy)
{
    static const char ending[] = ".policy";
    size_t length = strlen(policy);
    struct stat st;

    if (strchr(policy, '/'))
        return true;
    if (length > sizeof(ending) - 1 && strcmp(policy + length - (sizeof(ending) - 1), ending) == 0)
        return true;
    return stat(policy, &st) == 0 && S_ISREG(st.st_mode);
}

/* Reads up to one octet more than is allowed, so that too long is told from just long enough. */
static int read_text(const char *path, char **ret_text, size_t *ret_length)
{
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    _cleanup_free_ char *text = malloc(POLICY_MAX + 1);
    size_t length = 0;

    if (fd < 0)
        return -errno;
    if (!text)
        return -ENOMEM;
    while (length <= POLICY_MAX) {
        ssize_t n = read(fd, text + length, POLICY_MAX + 1 - length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        length += (size_t)n;
    }
    if (length > POLICY_MAX)
        return -EFBIG;
    *ret_text = TAKE_PTR(text);
    *ret_length = length;
    return 0;
}

static int fail_policy(const char *path, const char *why)
{
    (void)fputs("namegate: the policy ", stderr);
    ng_cli_put(stderr, path);
    (void)fprintf(stderr, ": %s\n", why);
    return -EINVAL;
}

int ng_cli_request_policy(json_t *request, const char *key, const char *path)
{
    _cleanup_free_ char *text = NULL;
    size_t length = 0;
    int r = read_text(path, &text, &length);
    json_t *json;

    if (r == -EFBIG)
        return fail_policy(path, "it is larger than 1 MiB");
    if (r < 0)
        return fail_policy(path, strerror(-r));
    if (memchr(text, '\0', length))
        return fail_policy(path, "it holds a NUL octet, so it is no text");
    json = json_stringn(text, length);
    if (!json)
        return fail_policy(path, "it is not UTF-8");
    return json_object_set_new(request, key, json) < 0 ? -ENOMEM : 0;
}

static int add_policy_file(json_t *request, const char *path)
{
    int r = ng_cli_request_policy(request, "policy_text", path);

    return r < 0 ? r : ng_cli_request_text(request, "policy_path", path);
}

static int add_argv(json_t *request, char *const *argv)
{
    json_t *list = json_array();
    size_t left = ARGV_MAX;
    int r = list ? 0 : -ENOMEM;

    for (size_t i = 0; argv[i] && r == 0; i++) {
        size_t length = strlen(argv[i]) + 1;

        if (length > left) {
            r = json_array_append_new(list, json_string("...")) < 0 ? -ENOMEM : 0;
            break;
        }
        left -= length;
        r = json_array_append_new(list, ng_cli_text(argv[i])) < 0 ? -ENOMEM : 0;
    }
    if (r < 0) {
        json_decref(list);
        return r;
    }
    return json_object_set_new(request, "argv", list) < 0 ? -ENOMEM : 0;
}

int ng_cli_run_request(const char *command, const char *tag, const char *policy, const char *mode, char *const *argv,
                       json_t **ret_request)
{
    _cleanup_json_ json_t *request = ng_cli_request(command);
    char derived[NG_TAG_LEN];
    int r = request ? 0 : -ENOMEM;

    if (!tag)
        ng_cli_tag_of(argv[0], derived);
    if (r == 0)
        r = ng_cli_request_text(request, "tag", tag ? tag : derived);
    if (r == 0)
        r = ng_cli_request_text(request, "mode", mode);
    if (r == 0 && argv)
        r = add_argv(request, argv);
    if (r == 0 && policy)
        r = ng_cli_policy_is_file(policy) ? add_policy_file(request, policy)
                                          : ng_cli_request_text(request, "policy", policy);
    if (r == -ENOMEM)
        (void)fputs("namegate: out of memory\n", stderr);
    if (r < 0)
        return r;
    *ret_request = TAKE_PTR(request);
    return 0;
}
