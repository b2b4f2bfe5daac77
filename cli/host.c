// SPDX-License-Identifier: BSD-2-Clause
#include "host.h"

#include <namegate/cleanup.h>

#include <arpa/inet.h>
#include <mntent.h>
#include <string.h>

bool ng_cli_host_line(const char *path, char *text, size_t size)
{
    _cleanup_file_ FILE *file = fopen(path, "re");

    if (!file || !fgets(text, (int)size, file))
        return false;
    text[strcspn(text, "\n")] = '\0';
    return true;
}

bool ng_cli_host_setting(const char *path, const char *word, char *text, size_t size)
{
    _cleanup_file_ FILE *file = fopen(path, "re");
    size_t length = strlen(word);

    while (file && fgets(text, (int)size, file)) {
        text[strcspn(text, "\n")] = '\0';
        if (strncmp(text, word, length) != 0)
            continue;
        memmove(text, text + length, strlen(text + length) + 1);
        return true;
    }
    return false;
}

char *ng_cli_host_mount(const char *type)
{
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    const struct mntent *entry;
    char *found = NULL;

    while (mounts && !found && (entry = getmntent(mounts)))
        if (strcmp(entry->mnt_type, type) == 0)
            found = strdup(entry->mnt_dir);
    if (mounts)
        (void)endmntent(mounts);
    return found;
}

/* Addresses are words of the host's order, each of four octets in the network's. */
static void add_address(const char *hex, bool v6, char *text, size_t size, size_t *used)
{
    uint32_t words[4] = {0};
    char address[INET6_ADDRSTRLEN] = "?";

    for (int i = 0; i < (v6 ? 4 : 1); i++)
        if (sscanf(hex + (size_t)i * 8, "%8x", &words[i]) != 1)
            return;
    (void)inet_ntop(v6 ? AF_INET6 : AF_INET, words, address, sizeof(address));
    if (!strstr(text, address) && *used < size)
        *used += (size_t)snprintf(text + *used, size - *used, "%s%s", *used ? ", " : "", address);
}

bool ng_cli_host_listens(uint16_t port, char *text, size_t size)
{
    static const char *const files[] = {"/proc/net/udp", "/proc/net/udp6"};
    size_t used = 0;

    *text = '\0';
    for (int v6 = 0; v6 < 2; v6++) {
        _cleanup_file_ FILE *file = fopen(files[v6], "re");
        char line[512], local[64];
        unsigned number;

        while (file && fgets(line, sizeof(line), file))
            if (sscanf(line, " %*d: %63[0-9A-F]:%4x", local, &number) == 2 && number == port)
                add_address(local, v6, text, size, &used);
    }
    return used > 0;
}
