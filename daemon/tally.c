// SPDX-License-Identifier: BSD-2-Clause
/* A tag is written before the number of tags says that it is there, and never again, so that readers see it whole. */
#include "tally.h"

#include "../resolver/shared.h"

#include <namegate/cleanup.h>
#include <namegate/clock.h>

#include <string.h>
#include <sys/mman.h>

struct tag {
    char name[NG_TAG_LEN];
    ng_shared_number live, started;
    ng_shared_number ended[NG_TALLY_OUTCOMES];
    ng_shared_number denials[NG_TALLY_VERDICTS];
};

struct ng_tally_memory {
    ng_shared_number written_at;
    ng_shared_number hook[NG_HOOK_MAX][NG_TALLY_VERDICTS];
    ng_shared_number evidence[NG_TALLY_EVIDENCES][NG_TALLY_VERDICTS];
    ng_shared_number count[NG_TALLY_COUNTS];
    ng_shared_number gauge[NG_TALLY_GAUGES];
    ng_shared_number tags;
    struct tag tag[NG_TALLY_TAGS + 1];
};

struct ng_tally {
    int fd;
    struct ng_tally_memory *memory;
};

static const char *const verdict_names[NG_TALLY_VERDICTS] = {"deny", "would-deny"};
static const char *const evidence_names[NG_TALLY_EVIDENCES] = {
    "address", "asked", "prewarmed", "decoy", "shared", "network", "strict", "resolver", "raw", "abandoned", "none",
};
static const char *const outcome_names[NG_TALLY_OUTCOMES] = {
    "clean", "would-block", "blocked-recovered", "blocked-failed", "unknown",
};

const char *ng_tally_verdict_name(enum ng_tally_verdict verdict)
{
    return verdict_names[verdict];
}

const char *ng_tally_evidence_name(enum ng_tally_evidence evidence)
{
    return evidence_names[evidence];
}

const char *ng_tally_outcome_name(enum ng_tally_outcome outcome)
{
    return outcome_names[outcome];
}

/* Which of the names it is; the last stands for all others. */
static unsigned number_of(const char *const *names, unsigned count, const char *name)
{
    unsigned i = 0;

    while (i < count - 1 && strcmp(names[i], name) != 0)
        i++;
    return i;
}

/* --- reading */

static int map(int fd, bool writable, struct ng_tally_memory **ret_memory)
{
    void *memory = NULL;
    int r = ng_shared_map(fd, sizeof(struct ng_tally_memory), writable, &memory);

    if (r == 0)
        *ret_memory = memory;
    return r;
}

int ng_tally_map(int fd, struct ng_tally_memory **ret_memory)
{
    return map(fd, false, ret_memory);
}

void ng_tally_unmap(struct ng_tally_memory *memory)
{
    if (memory)
        (void)munmap(memory, sizeof(*memory));
}

static void read_row(const ng_shared_number *row, unsigned count, uint64_t *ret_row)
{
    for (unsigned i = 0; i < count; i++)
        ret_row[i] = ng_shared_get(&row[i]);
}

static void read_tag(const struct tag *tag, struct ng_tally_tag *ret_tag)
{
    memcpy(ret_tag->name, tag->name, sizeof(ret_tag->name));
    ret_tag->live = ng_shared_get(&tag->live);
    ret_tag->started = ng_shared_get(&tag->started);
    read_row(tag->ended, NG_TALLY_OUTCOMES, ret_tag->ended);
    read_row(tag->denials, NG_TALLY_VERDICTS, ret_tag->denials);
}

void ng_tally_read(const struct ng_tally_memory *memory, struct ng_tally_copy *ret_copy)
{
    uint64_t tags;

    memset(ret_copy, 0, sizeof(*ret_copy));
    ret_copy->written_at = ng_shared_get(&memory->written_at);
    for (unsigned i = 0; i < NG_HOOK_MAX; i++)
        read_row(memory->hook[i], NG_TALLY_VERDICTS, ret_copy->hook[i]);
    for (unsigned i = 0; i < NG_TALLY_EVIDENCES; i++)
        read_row(memory->evidence[i], NG_TALLY_VERDICTS, ret_copy->evidence[i]);
    read_row(memory->count, NG_TALLY_COUNTS, ret_copy->count);
    read_row(memory->gauge, NG_TALLY_GAUGES, ret_copy->gauge);
    tags = atomic_load_explicit((ng_shared_number *)(uintptr_t)&memory->tags, memory_order_acquire);
    ret_copy->tags = tags < NG_TALLY_TAGS ? (unsigned)tags : NG_TALLY_TAGS;
    for (unsigned i = 0; i < ret_copy->tags; i++)
        read_tag(&memory->tag[i], &ret_copy->tag[i]);
    read_tag(&memory->tag[NG_TALLY_OTHER], &ret_copy->tag[NG_TALLY_OTHER]);
}

/* --- writing */

int ng_tally_new(struct ng_error *error, struct ng_tally **ret_tally)
{
    struct ng_tally *tally = calloc(1, sizeof(*tally));
    int r;

    if (!tally)
        return ng_error_set(error, ENOMEM, NULL, "out of memory");
    tally->fd = ng_shared_create("namegate-tally", sizeof(struct ng_tally_memory));
    r = tally->fd < 0 ? tally->fd : map(tally->fd, true, &tally->memory);
    if (r < 0) {
        ng_tally_free(tally);
        return ng_error_set(error, -r, NULL, "cannot make the memory of the tally: %s", strerror(-r));
    }
    *ret_tally = tally;
    return 0;
}

void ng_tally_free(struct ng_tally *tally)
{
    if (!tally)
        return;
    ng_tally_unmap(tally->memory);
    (void)ng_close(tally->fd);
    free(tally);
}

int ng_tally_fd(const struct ng_tally *tally)
{
    return tally->fd;
}

const struct ng_tally_memory *ng_tally_memory(const struct ng_tally *tally)
{
    return tally->memory;
}

unsigned ng_tally_slot(struct ng_tally *tally, const char *tag)
{
    struct ng_tally_memory *memory = tally->memory;
    unsigned tags = (unsigned)ng_shared_get(&memory->tags);

    if (strcmp(tag, NG_TALLY_OTHER_NAME) == 0)
        return NG_TALLY_OTHER;
    for (unsigned i = 0; i < tags; i++)
        if (strcmp(memory->tag[i].name, tag) == 0)
            return i;
    if (tags == NG_TALLY_TAGS)
        return NG_TALLY_OTHER;
    (void)snprintf(memory->tag[tags].name, sizeof(memory->tag[tags].name), "%s", tag);
    atomic_store_explicit(&memory->tags, tags + 1, memory_order_release);
    return tags;
}

void ng_tally_live(struct ng_tally *tally, unsigned slot, bool there)
{
    ng_shared_add(&tally->memory->tag[slot].live, there ? 1 : UINT64_MAX);
}

void ng_tally_started(struct ng_tally *tally, unsigned slot)
{
    ng_shared_add(&tally->memory->tag[slot].started, 1);
}

void ng_tally_ended(struct ng_tally *tally, unsigned slot, const char *outcome)
{
    ng_shared_add(&tally->memory->tag[slot].ended[number_of(outcome_names, NG_TALLY_OUTCOMES, outcome)], 1);
}

void ng_tally_denial(struct ng_tally *tally, unsigned slot, const struct ng_event *event, const char *evidence)
{
    enum ng_tally_verdict verdict = event->flags & NG_EVENT_WOULD ? NG_TALLY_WOULD : NG_TALLY_DENY;

    if (event->hook >= NG_HOOK_CUT) /* which the kernel does not count */
        ng_shared_add(&tally->memory->hook[event->hook][verdict], 1);
    if (event->flags & NG_EVENT_PROBE) {
        ng_shared_add(&tally->memory->count[NG_TALLY_PROBES], 1);
        return;
    }
    ng_shared_add(&tally->memory->evidence[number_of(evidence_names, NG_TALLY_EVIDENCES, evidence)][verdict], 1);
    ng_shared_add(&tally->memory->tag[slot].denials[verdict], 1);
}

uint64_t ng_tally_hooked(const struct ng_tally *tally, enum ng_hook hook, enum ng_tally_verdict verdict)
{
    return ng_shared_get(&tally->memory->hook[hook][verdict]);
}

uint64_t ng_tally_probes(const struct ng_tally *tally)
{
    return ng_shared_get(&tally->memory->count[NG_TALLY_PROBES]);
}

void ng_tally_hook(struct ng_tally *tally, enum ng_hook hook, enum ng_tally_verdict verdict, uint64_t count)
{
    ng_shared_set(&tally->memory->hook[hook][verdict], count);
}

void ng_tally_set(struct ng_tally *tally, enum ng_tally_count what, uint64_t count)
{
    ng_shared_set(&tally->memory->count[what], count);
}

void ng_tally_gauge(struct ng_tally *tally, enum ng_tally_gauge what, uint64_t value)
{
    ng_shared_set(&tally->memory->gauge[what], value);
}

void ng_tally_written(struct ng_tally *tally)
{
    ng_shared_set(&tally->memory->written_at, ng_now());
}
