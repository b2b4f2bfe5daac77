// SPDX-License-Identifier: BSD-2-Clause
/* The table `settings` is the configuration language: parsing, defaults and printing follow it. */
#include "config.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <arpa/inet.h>
#include <string.h>

#define SETTINGS_MAX 64

struct reader {
    struct ng_diag *diag;
    const char *path;
    unsigned line;
    const char *text;
    size_t length;
    unsigned metrics_line, metrics_column; /* 0: not there */
    unsigned seen[SETTINGS_MAX];           /* line of each setting; 0: not there */
};

typedef int (*parse_fn)(struct ng_config *config, size_t offset, const char *value, uint32_t low, uint32_t high);
typedef void (*print_fn)(const struct ng_config *config, size_t offset, const char *name, FILE *file);

struct setting {
    const char *name;
    parse_fn parse;
    print_fn print;
    size_t offset;
    uint32_t low, high;
    const char *form; /* what a value looks like, for messages */
};

static void *field(struct ng_config *config, size_t offset)
{
    return (char *)config + offset;
}

static const void *field_const(const struct ng_config *config, size_t offset)
{
    return (const char *)config + offset;
}

static int parse_number(struct ng_config *config, size_t offset, const char *value, uint32_t low, uint32_t high)
{
    char *end = NULL;
    unsigned long long number = strtoull(value, &end, 10);

    if (*value < '0' || *value > '9' || *end || number < low || number > high)
        return -EINVAL;
    *(uint32_t *)field(config, offset) = (uint32_t)number;
    return 0;
}

static void print_number(const struct ng_config *config, size_t offset, const char *name, FILE *file)
{
    (void)fprintf(file, "%s %u\n", name, *(const uint32_t *)field_const(config, offset));
}

static int parse_time(struct ng_config *config, size_t offset, const char *value, uint32_t low, uint32_t high)
{
    uint64_t seconds;

    if (ng_seconds_parse(value, &seconds) < 0 || seconds < low || seconds > high)
        return -EINVAL;
    *(uint32_t *)field(config, offset) = (uint32_t)seconds;
    return 0;
}

static void print_time(const struct ng_config *config, size_t offset, const char *name, FILE *file)
{
    (void)fprintf(file, "%s %us\n", name, *(const uint32_t *)field_const(config, offset));
}

static int parse_word(struct ng_config *config, size_t offset, const char *value, uint32_t low, uint32_t high)
{
    size_t length = strlen(value);

    if (length < low || length >= high || strpbrk(value, " \t"))
        return -EINVAL;
    memcpy(field(config, offset), value, length + 1);
    return 0;
}

static void print_word(const struct ng_config *config, size_t offset, const char *name, FILE *file)
{
    (void)fprintf(file, "%s %s\n", name, (const char *)field_const(config, offset));
}

static int parse_listen(struct ng_config *config, size_t offset, const char *value, uint32_t low, uint32_t high)
{
    (void)offset, (void)low;
    if (config->listens >= high)
        return -E2BIG;
    if (ng_endpoint_parse(value, NG_DNS_PORT, &config->listen[config->listens]) < 0)
        return -EINVAL;
    config->listens++;
    return 0;
}

static int parse_upstream(struct ng_config *config, size_t offset, const char *value, uint32_t low, uint32_t high)
{
    (void)offset, (void)low;
    if (config->upstreams >= high)
        return -E2BIG;
    if (ng_endpoint_parse(value, NG_DNS_PORT, &config->upstream[config->upstreams]) < 0)
        return -EINVAL;
    config->upstreams++;
    return 0;
}

static void print_endpoints(const struct ng_endpoint *endpoints, unsigned count, const char *name, FILE *file)
{
    char text[NG_ENDPOINT_TEXT_MAX];

    for (unsigned i = 0; i < count; i++)
        (void)fprintf(file, "%s %s\n", name, ng_endpoint_text(&endpoints[i], text));
}

static void print_listen(const struct ng_config *config, size_t offset, const char *name, FILE *file)
{
    (void)offset;
    print_endpoints(config->listen, config->listens, name, file);
}

static void print_upstream(const struct ng_config *config, size_t offset, const char *name, FILE *file)
{
    (void)offset;
    print_endpoints(config->upstream, config->upstreams, name, file);
}

/* ZONE to SERVER...; the zone may be quoted. */
static int parse_forward(struct ng_config *config, size_t offset, const char *value, uint32_t low, uint32_t high)
{
    struct ng_forward_setting *forward = &config->forward[config->forwards];
    _cleanup_free_ char *copy = strdup(value);
    char *save = NULL, *zone = copy ? strtok_r(copy, " \t", &save) : NULL, *word;
    size_t length;

    (void)offset, (void)low;
    if (config->forwards >= high)
        return -E2BIG;
    word = zone ? strtok_r(NULL, " \t", &save) : NULL;
    if (!word || strcmp(word, "to") != 0)
        return -EINVAL;
    length = strlen(zone);
    if (length > 2 && zone[0] == '"' && zone[length - 1] == '"') {
        zone[length - 1] = '\0';
        zone++;
    }
    *forward = (struct ng_forward_setting){.servers = 0};
    if (ng_name_from_text(zone, strlen(zone), &forward->zone) < 0)
        return -EINVAL;
    while ((word = strtok_r(NULL, " \t", &save))) {
        if (forward->servers == NG_UPSTREAMS_MAX)
            return -E2BIG;
        if (ng_endpoint_parse(word, NG_DNS_PORT, &forward->server[forward->servers++]) < 0)
            return -EINVAL;
    }
    for (unsigned i = 0; i < config->forwards; i++)
        if (ng_name_equal(&config->forward[i].zone, &forward->zone))
            return -EEXIST;
    config->forwards += forward->servers > 0;
    return forward->servers ? 0 : -EINVAL;
}

static void print_forward(const struct ng_config *config, size_t offset, const char *name, FILE *file)
{
    char zone[NG_NAME_TEXT_MAX], text[NG_ENDPOINT_TEXT_MAX];

    (void)offset;
    for (unsigned i = 0; i < config->forwards; i++) {
        const struct ng_forward_setting *forward = &config->forward[i];

        (void)fprintf(file, "%s %s to", name, ng_name_to_text(&forward->zone, zone));
        for (unsigned k = 0; k < forward->servers; k++)
            (void)fprintf(file, " %s", ng_endpoint_text(&forward->server[k], text));
        (void)fputc('\n', file);
    }
}

static int parse_metrics(struct ng_config *config, size_t offset, const char *value, uint32_t low, uint32_t high)
{
    struct ng_endpoint endpoint;

    (void)offset, (void)low, (void)high;
    if (ng_endpoint_parse(value, 0, &endpoint) < 0 || endpoint.port == 0)
        return -EINVAL;
    config->metrics = endpoint;
    return 0;
}

static void print_metrics(const struct ng_config *config, size_t offset, const char *name, FILE *file)
{
    (void)offset;
    print_endpoints(&config->metrics, config->metrics.port != 0, name, file);
}

static int parse_truth(struct ng_config *config, size_t offset, const char *value, uint32_t low, uint32_t high)
{
    bool yes = strcmp(value, "yes") == 0;

    (void)low, (void)high;
    if (!yes && strcmp(value, "no") != 0)
        return -EINVAL;
    *(bool *)field(config, offset) = yes;
    return 0;
}

static void print_truth(const struct ng_config *config, size_t offset, const char *name, FILE *file)
{
    (void)fprintf(file, "%s %s\n", name, *(const bool *)field_const(config, offset) ? "yes" : "no");
}

static int parse_local(struct ng_config *config, uint32_t kind, const char *value, uint32_t high)
{
    struct ng_local_setting *local = &config->local[config->locals];

    if (config->locals >= high)
        return -E2BIG;
    if (*value != '/' || strlen(value) >= sizeof(local->path))
        return -EINVAL;
    local->kind = kind;
    strcpy(local->path, value);
    config->locals++;
    return 0;
}

static int parse_hosts(struct ng_config *config, size_t offset, const char *value, uint32_t low, uint32_t high)
{
    (void)offset, (void)low;
    return parse_local(config, NG_LOCAL_HOSTS, value, high);
}

static int parse_zone(struct ng_config *config, size_t offset, const char *value, uint32_t low, uint32_t high)
{
    (void)offset, (void)low;
    return parse_local(config, NG_LOCAL_ZONE, value, high);
}

static void print_locals(const struct ng_config *config, uint32_t kind, const char *name, FILE *file)
{
    for (unsigned i = 0; i < config->locals; i++)
        if (config->local[i].kind == kind)
            (void)fprintf(file, "%s %s\n", name, config->local[i].path);
}

static void print_hosts(const struct ng_config *config, size_t offset, const char *name, FILE *file)
{
    (void)offset;
    print_locals(config, NG_LOCAL_HOSTS, name, file);
}

static void print_zones(const struct ng_config *config, size_t offset, const char *name, FILE *file)
{
    (void)offset;
    print_locals(config, NG_LOCAL_ZONE, name, file);
}

/* ADDRESS or NETWORK/BITS */
static int read_network(const char *value, struct ng_network_setting *network)
{
    struct ng_endpoint endpoint;
    char host[NG_ENDPOINT_TEXT_MAX];
    char *slash, *end = NULL;
    unsigned long prefix = 128;

    if (strlen(value) >= sizeof(host))
        return -EINVAL;
    strcpy(host, value);
    slash = strchr(host, '/');
    if (slash)
        *slash = '\0';
    if (ng_endpoint_parse(host, NG_DNS_PORT, &endpoint) < 0)
        return -EINVAL;
    if (slash) {
        unsigned long base = ng_address_is_v4(endpoint.address) ? 96 : 0;

        prefix = strtoul(slash + 1, &end, 10);
        if (slash[1] < '0' || slash[1] > '9' || *end || prefix > 128 - base)
            return -EINVAL;
        prefix += base;
    }
    memcpy(network->address, endpoint.address, sizeof(network->address));
    network->prefix = (uint32_t)prefix;
    return 0;
}

static int parse_network(struct ng_config *config, size_t offset, const char *value, uint32_t low, uint32_t high)
{
    int r;

    (void)offset, (void)low;
    if (config->never_denies >= high)
        return -E2BIG;
    r = read_network(value, &config->never_deny[config->never_denies]);
    config->never_denies += r == 0;
    return r;
}

static int parse_client(struct ng_config *config, size_t offset, const char *value, uint32_t low, uint32_t high)
{
    int r;

    (void)offset, (void)low;
    if (config->clients >= high)
        return -E2BIG;
    r = read_network(value, &config->client[config->clients]);
    config->clients += r == 0;
    return r;
}

static void print_networks(const struct ng_network_setting *networks, unsigned count, const char *name, FILE *file)
{
    char text[INET6_ADDRSTRLEN];

    for (unsigned i = 0; i < count; i++) {
        const struct ng_network_setting *network = &networks[i];
        unsigned base = ng_address_is_v4(network->address) ? 96 : 0;

        (void)fprintf(file, "%s %s/%u\n", name, ng_address_text(network->address, text), network->prefix - base);
    }
}

static void print_network(const struct ng_config *config, size_t offset, const char *name, FILE *file)
{
    (void)offset;
    print_networks(config->never_deny, config->never_denies, name, file);
}

static void print_client(const struct ng_config *config, size_t offset, const char *name, FILE *file)
{
    (void)offset;
    print_networks(config->client, config->clients, name, file);
}

static int parse_size(struct ng_config *config, size_t offset, const char *value, uint32_t low, uint32_t high)
{
    char *end = NULL;
    unsigned long long number = strtoull(value, &end, 10);

    if (*value < '0' || *value > '9' || number > high || (strcmp(end, "M") != 0 && strcmp(end, "G") != 0))
        return -EINVAL;
    number *= *end == 'G' ? 1024 : 1;
    if (number < low || number > high)
        return -EINVAL;
    *(uint32_t *)field(config, offset) = (uint32_t)number;
    return 0;
}

static void print_size(const struct ng_config *config, size_t offset, const char *name, FILE *file)
{
    (void)fprintf(file, "%s %uM\n", name, *(const uint32_t *)field_const(config, offset));
}

#define AT(field_name) offsetof(struct ng_config, field_name)

static const struct setting settings[] = {
    {"listen", parse_listen, print_listen, 0, 0, NG_LISTEN_MAX, "ADDRESS or ADDRESS:PORT, at most 16 of them"},
    {"clients", parse_client, print_client, 0, 0, NG_CLIENTS_MAX, "ADDRESS or NETWORK/BITS, at most 32 of them"},
    {"upstream", parse_upstream, print_upstream, 0, 0, NG_UPSTREAMS_MAX, "ADDRESS or ADDRESS:PORT, at most 8 of them"},
    {"forward", parse_forward, print_forward, 0, 0, NG_FORWARDS_MAX,
     "ZONE to ADDRESS..., each zone once, at most 32 of them and 8 servers for each"},
    {"hosts", parse_hosts, print_hosts, 0, 0, NG_LOCAL_FILES_MAX,
     "a path that begins with '/'; at most 16 of hosts and local-zone together"},
    {"local-zone", parse_zone, print_zones, 0, 0, NG_LOCAL_FILES_MAX,
     "a path that begins with '/'; at most 16 of hosts and local-zone together"},
    {"never-deny", parse_network, print_network, 0, 0, NG_CONFIG_NEVER_DENY_MAX,
     "ADDRESS or NETWORK/BITS, at most 32 of them"},
    {"floor", parse_time, print_time, AT(floor), 0, 86400, "a time from 0s to 24h"},
    {"grace", parse_time, print_time, AT(grace), 0, 604800, "a time from 0s to 168h"},
    {"prewarm-timeout", parse_time, print_time, AT(prewarm_timeout), 0, 60, "a time from 0s to 60s"},
    {"serve-stale", parse_time, print_time, AT(serve_stale), 0, 604800, "a time from 0s to 168h"},
    {"cache-size", parse_number, print_number, AT(cache_size), 16, 10000000, "a number from 16 to 10000000"},
    {"workers", parse_number, print_number, AT(workers), 1, NG_WORKERS_MAX, "a number from 1 to 16"},
    {"max-destinations", parse_number, print_number, AT(max_destinations), 16, 4000000,
     "a number from 16 to 4000000"},
    {"ledger", parse_truth, print_truth, AT(ledger), 0, 0, "yes or no"},
    {"ledger-days", parse_number, print_number, AT(ledger_days), 1, 36500, "a number from 1 to 36500"},
    {"ledger-size", parse_size, print_size, AT(ledger_size), 1, 1048576, "a size from 1M to 1024G"},
    {"records-file", parse_truth, print_truth, AT(records_file), 0, 0, "yes or no"},
    {"records-stdout", parse_truth, print_truth, AT(records_stdout), 0, 0, "yes or no"},
    {"records-journal", parse_truth, print_truth, AT(records_journal), 0, 0, "yes or no"},
    {"user", parse_word, print_word, AT(user), 1, 32, "the name of an unprivileged user"},
    {"group", parse_word, print_word, AT(group), 1, 32, "the name of a group"},
    {"metrics", parse_metrics, print_metrics, 0, 0, 0, "ADDRESS:PORT"},
    {"metrics-remote", parse_truth, print_truth, AT(metrics_remote), 0, 0, "yes or no"},
    {"default-policy", parse_word, print_word, AT(default_policy), 1, 64, "the name of a policy"},
};
#define SETTINGS (sizeof(settings) / sizeof(settings[0]))
_Static_assert(SETTINGS <= SETTINGS_MAX, "room for all settings");

void ng_config_default(struct ng_config *config)
{
    *config = (struct ng_config){
        .floor = 60,
        .grace = 300,
        .prewarm_timeout = 2,
        .cache_size = 10000,
        .serve_stale = 86400,
        .workers = 1,
        .max_destinations = 65536,
        .ledger = true,
        .ledger_days = 90,
        .ledger_size = 256,
        .records_file = true,
        .user = "nobody",
        .group = "namegate",
        .default_policy = "deploy",
    };
}

static const struct setting *find_setting(const char *name)
{
    for (size_t i = 0; i < SETTINGS; i++)
        if (strcmp(settings[i].name, name) == 0)
            return &settings[i];
    return NULL;
}

static const char *names_of_settings(char *text, size_t size)
{
    size_t used = 0;

    for (size_t i = 0; i < SETTINGS; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "known settings: ", settings[i].name);
    return text;
}

static bool may_repeat(const struct setting *setting)
{
    static const parse_fn lists[] = {parse_listen, parse_client, parse_upstream, parse_forward,
                                     parse_hosts,  parse_zone,   parse_network};

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        if (setting->parse == lists[i])
            return true;
    return false;
}

/* Whether a line says again what may be said once; then that is an error. column: where it stands. */
static bool is_repeated(struct reader *reader, const struct setting *setting, unsigned column)
{
    unsigned *seen = &reader->seen[setting - settings];
    char remedy[64];

    if (!*seen || may_repeat(setting)) {
        *seen = reader->line;
        return false;
    }
    (void)snprintf(remedy, sizeof(remedy), "remove this line, or line %u", *seen);
    ng_diag_add(reader->diag, NG_ERROR, reader->path, reader->line, column, reader->text, reader->length, remedy,
                "'%s' is set already, in line %u", setting->name, *seen);
    return true;
}

static void apply(struct reader *reader, char *line, struct ng_config *config)
{
    char remedy[512], *save = NULL, *value;
    const struct setting *setting;
    const char *name;
    size_t length;
    int r;

    line[strcspn(line, "#\n")] = '\0';
    name = strtok_r(line, " \t\r", &save);
    if (!name)
        return;
    setting = find_setting(name);
    if (!setting) {
        ng_diag_add(reader->diag, NG_ERROR, reader->path, reader->line, (unsigned)(name - line) + 1, reader->text,
                    reader->length, names_of_settings(remedy, sizeof(remedy)), "unknown setting '%s'", name);
        return;
    }
    if (is_repeated(reader, setting, (unsigned)(name - line) + 1))
        return;
    value = save + strspn(save, " \t\r");
    for (length = strlen(value); length > 0 && strchr(" \t\r", value[length - 1]);)
        value[--length] = '\0';
    (void)snprintf(remedy, sizeof(remedy), "%s takes %s", setting->name, setting->form);
    if (!*value) {
        ng_diag_add(reader->diag, NG_ERROR, reader->path, reader->line, (unsigned)(name - line) + 1, reader->text,
                    reader->length, remedy, "'%s' has no value", name);
        return;
    }
    r = setting->parse(config, setting->offset, value, setting->low, setting->high);
    if (r < 0)
        ng_diag_add(reader->diag, NG_ERROR, reader->path, reader->line, (unsigned)(value - line) + 1, reader->text,
                    reader->length, remedy, r == -E2BIG ? "'%s' is one too many for %s" : "'%s' is no value for %s",
                    value, setting->name);
    if (setting->parse == parse_metrics) {
        reader->metrics_line = reader->line;
        reader->metrics_column = (unsigned)(value - line) + 1;
    }
}

static bool is_loopback(const uint8_t address[static 16])
{
    static const uint8_t one[16] = {[15] = 1};

    return ng_address_is_v4(address) ? address[12] == 127 : memcmp(address, one, sizeof(one)) == 0;
}

/* What the settings must be together. */
static void check_metrics(struct reader *reader, const struct ng_config *config)
{
    char text[NG_ENDPOINT_TEXT_MAX];

    if (!config->metrics.port || config->metrics_remote || is_loopback(config->metrics.address))
        return;
    ng_diag_add(reader->diag, NG_ERROR, reader->path, reader->metrics_line, reader->metrics_column, reader->text,
                reader->length,
                "use a loopback address, for example 127.0.0.1:9553, or, if all who reach this one may read the "
                "statistics, add: metrics-remote yes",
                "%s is no loopback address: others could read the metrics", ng_endpoint_text(&config->metrics, text));
}

static int read_text(const char *path, char **ret_text, size_t *ret_length)
{
    _cleanup_file_ FILE *file = fopen(path, "re");
    _cleanup_free_ char *text = NULL;
    size_t room = 0;
    ssize_t length;

    if (!file)
        return -errno;
    errno = 0;
    length = getdelim(&text, &room, '\0', file);
    if (length < 0 && errno)
        return -errno;
    if (length < 0) {
        free(text);
        text = strdup("");
        if (!text)
            return -ENOMEM;
        length = 0;
    }
    *ret_length = strlen(text);
    *ret_text = TAKE_PTR(text);
    (void)length;
    return 0;
}

static int each_line(struct reader *reader, void (*each)(struct reader *, char *, struct ng_config *),
                     struct ng_config *config)
{
    const char *at = reader->text;

    while (*at) {
        size_t length = strcspn(at, "\n");
        _cleanup_free_ char *line = strndup(at, length);

        if (!line)
            return -ENOMEM;
        reader->line++;
        each(reader, line, config);
        at += length + (at[length] == '\n');
    }
    return 0;
}

/* resolv.conf(5): only the servers matter here. One that cannot be read is skipped, as libc does. */
static void apply_resolv_conf(struct reader *reader, char *line, struct ng_config *config)
{
    char *save = NULL;
    const char *name = strtok_r(line, " \t\r", &save);
    const char *value = strtok_r(NULL, " \t\r", &save);

    (void)reader;
    if (name && value && strcmp(name, "nameserver") == 0)
        (void)parse_upstream(config, 0, value, 0, NG_UPSTREAMS_MAX);
}

int ng_config_read(const char *path, bool required, const char *resolv_conf, struct ng_diag *diag,
                   struct ng_config *ret_config)
{
    struct reader reader = {.diag = diag, .path = path};
    _cleanup_free_ char *text = NULL, *servers = NULL;
    struct ng_config config;
    size_t length = 0;
    int r;

    ng_config_default(&config);
    r = read_text(path, &text, &length);
    if (r < 0 && (required || r != -ENOENT)) {
        ng_diag_add(diag, NG_ERROR, path, 0, 0, NULL, 0, NULL, "cannot read the configuration: %s", strerror(-r));
        return -EINVAL;
    }
    if (r == 0) {
        reader.text = text;
        reader.length = length;
        r = each_line(&reader, apply, &config);
        if (r < 0)
            return r;
        check_metrics(&reader, &config);
    }
    if (config.upstreams == 0 && read_text(resolv_conf, &servers, &length) == 0) {
        reader = (struct reader){.diag = diag, .path = resolv_conf, .text = servers, .length = length};
        r = each_line(&reader, apply_resolv_conf, &config);
        if (r < 0)
            return r;
    }
    if (config.upstreams == 0)
        ng_diag_add(diag, NG_ERROR, path, 0, 0, NULL, 0, "write for example: upstream 192.0.2.53",
                    "no upstream: neither this file nor %s names one", resolv_conf);
    if (ng_diag_errors(diag))
        return -EINVAL;
    *ret_config = config;
    return 0;
}

void ng_config_print(const struct ng_config *config, FILE *file)
{
    for (size_t i = 0; i < SETTINGS; i++)
        settings[i].print(config, settings[i].offset, settings[i].name, file);
}
