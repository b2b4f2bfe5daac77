// SPDX-License-Identifier: BSD-2-Clause
#include "recall.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define BUCKETS 256

TAILQ_HEAD(kept_list, kept);

struct owner;

struct kept {
    TAILQ_ENTRY(kept) all, own; /* the oldest first */
    struct owner *owner;
    char *line;
    size_t length;
    char tag[NG_RECORD_TEXT_MAX];
};

/* A deployment with records; gone with the last of them. */
struct owner {
    LIST_ENTRY(owner) bucket;
    struct kept_list own;
    unsigned count;
    char deployment[NG_RECORD_TEXT_MAX];
};

struct ng_recall {
    struct kept_list all;
    LIST_HEAD(, owner) bucket[BUCKETS];
    unsigned count;
    size_t octets;
};

struct ng_recall *ng_recall_new(void)
{
    struct ng_recall *recall = calloc(1, sizeof(*recall));

    if (recall)
        TAILQ_INIT(&recall->all);
    return recall;
}

static void drop(struct ng_recall *recall, struct kept *kept)
{
    struct owner *owner = kept->owner;

    TAILQ_REMOVE(&recall->all, kept, all);
    TAILQ_REMOVE(&owner->own, kept, own);
    recall->count--;
    recall->octets -= kept->length;
    if (--owner->count == 0) {
        LIST_REMOVE(owner, bucket);
        free(owner);
    }
    free(kept->line);
    free(kept);
}

void ng_recall_free(struct ng_recall *recall)
{
    if (!recall)
        return;
    while (!TAILQ_EMPTY(&recall->all))
        drop(recall, TAILQ_FIRST(&recall->all));
    free(recall);
}

/* The value of a key of the record itself, or "". Within a string of it the quotes would be escaped; ids and tags hold
 * nothing that is. */
static void read_value(const char *line, const char *key, char value[static NG_RECORD_TEXT_MAX])
{
    const char *at = strstr(line, key);
    size_t length;

    *value = '\0';
    if (!at)
        return;
    at += strlen(key);
    length = strcspn(at, "\"");
    (void)snprintf(value, NG_RECORD_TEXT_MAX, "%.*s", (int)(length < NG_RECORD_TEXT_MAX ? length : 0), at);
}

static struct owner *owner_of(struct ng_recall *recall, const char *deployment)
{
    struct owner *owner;
    unsigned hash = 0;

    for (const char *c = deployment; *c; c++)
        hash = hash * 31 + (unsigned char)*c;
    LIST_FOREACH(owner, &recall->bucket[hash % BUCKETS], bucket)
        if (strcmp(owner->deployment, deployment) == 0)
            return owner;
    owner = calloc(1, sizeof(*owner));
    if (!owner)
        return NULL;
    TAILQ_INIT(&owner->own);
    (void)snprintf(owner->deployment, sizeof(owner->deployment), "%s", deployment);
    LIST_INSERT_HEAD(&recall->bucket[hash % BUCKETS], owner, bucket);
    return owner;
}

void ng_recall_add(struct ng_recall *recall, char *line)
{
    struct kept *kept = calloc(1, sizeof(*kept));
    char deployment[NG_RECORD_TEXT_MAX];

    read_value(line, "\"deployment\":\"", deployment);
    if (!kept || !(kept->owner = owner_of(recall, deployment))) {
        free(kept);
        free(line);
        return;
    }
    read_value(line, "\"tag\":\"", kept->tag);
    kept->line = line;
    kept->length = strlen(line);
    TAILQ_INSERT_TAIL(&recall->all, kept, all);
    TAILQ_INSERT_TAIL(&kept->owner->own, kept, own);
    recall->count++;
    recall->octets += kept->length;
    if (++kept->owner->count > NG_RECALL_SHARE)
        drop(recall, TAILQ_FIRST(&kept->owner->own));
    while (recall->count > NG_RECALL_MAX || recall->octets > NG_RECALL_OCTETS)
        drop(recall, TAILQ_FIRST(&recall->all));
}

void ng_recall_each(const struct ng_recall *recall, ng_kept_fn each, void *arg)
{
    const struct kept *kept;

    TAILQ_FOREACH_REVERSE(kept, &recall->all, kept_list, all)
    {
        struct ng_record_info info;

        memcpy(info.deployment, kept->owner->deployment, sizeof(info.deployment));
        memcpy(info.tag, kept->tag, sizeof(info.tag));
        if (!each(arg, &info, kept->line))
            return;
    }
}
