// SPDX-License-Identifier: BSD-2-Clause
#include "journal.h"

#include <namegate/cleanup.h>

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/uio.h>
#include <syslog.h>
#define SD_JOURNAL_SUPPRESS_LOCATION /* of this file, which is no help */
#include <systemd/sd-journal.h>

#define FIELDS_MAX 24

/* Which member of a record is which field. */
static const struct {
    const char *key, *field;
} fields[] = {
    {"type", "NAMEGATE_TYPE"},         {"deployment", "NAMEGATE_DEPLOYMENT"}, {"tag", "NAMEGATE_TAG"},
    {"policy", "NAMEGATE_POLICY"},     {"mode", "NAMEGATE_MODE"},             {"event", "NAMEGATE_EVENT"},
    {"verdict", "NAMEGATE_VERDICT"},   {"hook", "NAMEGATE_HOOK"},             {"address", "NAMEGATE_ADDRESS"},
    {"port", "NAMEGATE_PORT"},         {"proto", "NAMEGATE_PROTO"},           {"evidence", "NAMEGATE_EVIDENCE"},
    {"reason", "NAMEGATE_REASON"},     {"instead", "NAMEGATE_INSTEAD"},       {"trouble", "NAMEGATE_TROUBLE"},
    {"name", "NAMEGATE_NAME"},         {"comm", "NAMEGATE_COMM"},             {"pid", "NAMEGATE_PID"},
    {"uid", "NAMEGATE_UID"},           {"shadow_verdict", "NAMEGATE_SHADOW_VERDICT"},
};

static const char *text_of(const json_t *record, const char *key)
{
    const char *text = json_string_value(json_object_get(record, key));

    return text ? text : "";
}

static int64_t number_of(const json_t *record, const char *key)
{
    return json_integer_value(json_object_get(record, key));
}

/* The name where one is to blame, else the address. */
static const char *destination_of(const json_t *record)
{
    const char *evidence = text_of(record, "evidence");
    const json_t *first = json_array_get(json_object_get(record, "names"), 0);

    if (first && strcmp(evidence, "address") != 0 && strcmp(evidence, "network") != 0)
        return text_of(first, "name");
    return text_of(record, "address");
}

static void say_destination(const json_t *record, FILE *file)
{
    (void)fputs(destination_of(record), file);
    if (number_of(record, "port"))
        (void)fprintf(file, " port %" PRId64, number_of(record, "port"));
    (void)fprintf(file, "/%s", text_of(record, "proto"));
}

static void say_denial(const json_t *record, FILE *file)
{
    const json_t *rule = json_object_get(record, "rule");
    bool would = strcmp(text_of(record, "verdict"), "would-deny") == 0;

    (void)fprintf(file, "%s[%" PRId64 "] of %s %s ", text_of(record, "comm"), number_of(record, "pid"),
                  text_of(record, "deployment"), would ? "would have been denied" : "was denied");
    say_destination(record, file);
    if (json_is_object(rule))
        (void)fprintf(file, " by %s:%" PRId64, text_of(rule, "file"), number_of(rule, "line"));
    if (*text_of(record, "reason"))
        (void)fprintf(file, ": %s", text_of(record, "reason"));
    if (*text_of(record, "instead"))
        (void)fprintf(file, "; instead: %s", text_of(record, "instead"));
}

static void say_shadow(const json_t *record, FILE *file)
{
    bool allowed = strcmp(text_of(record, "shadow_verdict"), "allow") == 0;

    (void)fprintf(file, "%s %s ", text_of(record, "shadow_path"), allowed ? "would allow" : "would deny");
    say_destination(record, file);
    (void)fprintf(file, " of %s, which %s: %s", text_of(record, "deployment"),
                  strcmp(text_of(record, "verdict"), "deny") == 0    ? "was denied"
                  : strcmp(text_of(record, "verdict"), "allow") == 0 ? "was let through"
                                                                     : "is only audited",
                  text_of(record, "shadow_reason"));
}

static void say_deployment(const json_t *record, FILE *file)
{
    const json_t *argv = json_object_get(record, "argv"), *word;
    size_t i;

    (void)fprintf(file, "deployment %s %s under policy %s (%s)", text_of(record, "deployment"),
                  text_of(record, "event"), text_of(record, "policy"), text_of(record, "mode"));
    if (json_object_get(record, "denied")) { /* it has ended */
        (void)fprintf(file, ": %" PRId64 " denied, %" PRId64 " would have been", number_of(record, "denied"),
                      number_of(record, "would"));
        return;
    }
    json_array_foreach(argv, i, word)
        (void)fprintf(file, "%s %s", i ? "" : ":", json_string_value(word));
}

static void say_resolution(const json_t *record, FILE *file)
{
    const json_t *asker = json_object_get(record, "asked_by");

    (void)fprintf(file, "%s was looked up", text_of(record, "name"));
    if (json_is_object(asker))
        (void)fprintf(file, " by %s[%" PRId64 "]", text_of(asker, "comm"), number_of(asker, "pid"));
    if (*text_of(record, "deployment"))
        (void)fprintf(file, " of %s", text_of(record, "deployment"));
}

char *ng_journal_sentence(const json_t *record)
{
    const char *type = text_of(record, "type");
    const json_t *about = json_object_get(record, type); /* "incident" and "grant" have one of their own name */
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);

    if (!file)
        return NULL;
    if (strcmp(type, "denial") == 0)
        say_denial(record, file);
    else if (strcmp(type, "shadow") == 0)
        say_shadow(record, file);
    else if (strcmp(type, "deployment") == 0)
        say_deployment(record, file);
    else if (strcmp(type, "resolution") == 0)
        say_resolution(record, file);
    else if (strcmp(type, "trouble") == 0)
        (void)fputs(text_of(record, "text"), file);
    else if (json_is_object(about))
        (void)fprintf(file, "%s %s: %s", type, text_of(record, "event"), text_of(about, "reason"));
    else if (json_is_object(json_object_get(record, "shadow")))
        (void)fprintf(file, "%s: %s", text_of(record, "event"), text_of(json_object_get(record, "shadow"), "path"));
    else if (*text_of(record, "error"))
        (void)fprintf(file, "%s: %s", type, text_of(record, "error"));
    else
        (void)fprintf(file, "%s: generation %" PRId64, type, number_of(record, "generation"));
    if (fclose(file) != 0) {
        free(text);
        return NULL;
    }
    for (char *at = text; *at; at++) /* one line, whatever a process calls itself */
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    return text;
}

/* What is put into them, FIELD=VALUE each. */
struct entry {
    struct iovec part[FIELDS_MAX + 8];
    int count;
};

__attribute__((format(printf, 2, 3))) static void add(struct entry *entry, const char *format, ...)
{
    va_list arguments;
    char *text;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) >= 0)
        entry->part[entry->count++] = (struct iovec){text, strlen(text)};
    va_end(arguments);
}

int ng_journal_send(const json_t *record, const char *line)
{
    _cleanup_free_ char *sentence = ng_journal_sentence(record);
    const json_t *rule = json_object_get(record, "rule");
    const char *type = text_of(record, "type");
    bool bad = strcmp(type, "denial") == 0 || strcmp(type, "trouble") == 0;
    struct entry entry = {.count = 0};
    int r;

    _Static_assert(sizeof(fields) / sizeof(fields[0]) <= FIELDS_MAX, "room for all fields");
    add(&entry, "MESSAGE=%s", sentence ? sentence : type);
    add(&entry, "PRIORITY=%d", bad ? LOG_WARNING : LOG_INFO);
    add(&entry, "SYSLOG_IDENTIFIER=namegated");
    for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        const json_t *value = json_object_get(record, fields[i].key);

        if (strcmp(type, "shadow") == 0 && strcmp(fields[i].key, "verdict") == 0)
            continue; /* who looks for denials shall find each once */
        if (json_is_string(value))
            add(&entry, "%s=%s", fields[i].field, json_string_value(value));
        else if (json_is_integer(value))
            add(&entry, "%s=%" JSON_INTEGER_FORMAT, fields[i].field, json_integer_value(value));
    }
    if (strcmp(type, "denial") == 0 || strcmp(type, "shadow") == 0)
        add(&entry, "NAMEGATE_DESTINATION=%s", destination_of(record));
    if (json_is_object(rule))
        add(&entry, "NAMEGATE_RULE=%s:%" PRId64, text_of(rule, "file"), number_of(rule, "line"));
    add(&entry, "NAMEGATE_RECORD=%s", line);
    r = sd_journal_sendv(entry.part, entry.count);
    for (int i = 0; i < entry.count; i++)
        free(entry.part[i].iov_base);
    return r;
}
