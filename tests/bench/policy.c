// SPDX-License-Identifier: BSD-2-Clause
/* Speed and size of a policy: policy FILE NAMES. Compiles FILE, opens the snapshot, and looks up names: those of NAMES
 * (one a line) in random order, the same with labels in front until there are ten, and names that no rule is for.
 * Prints a line of numbers: names, compile ms, open ms, octets per name, ns per hit, per hit of ten labels, per miss. */
#include "../../policy/compile.h"

#include <sys/stat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOOKUPS 100000
#define PASSES 21

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* A query's name is in the cache when it is looked up, and ten thousands of other names are not: they are kept packed,
 * and copied one by one. */
static void take(const struct ng_name *packed, struct ng_name *name)
{
    name->length = packed->length;
    memcpy(name->wire, packed->wire, packed->length);
}

/* The median of several passes, without the cost of taking the names. */
static double measure(const struct ng_snapshot *snapshot, struct ng_name *const *names, size_t *found)
{
    size_t count = LOOKUPS;
    struct ng_name name = {0};
    double pass[PASSES];
    volatile uint64_t sink = 0;

    for (int p = 0; p < PASSES; p++) {
        double begin = now(), empty;

        for (size_t i = 0; i < count; i++) {
            take(names[i], &name);
            sink += name.wire[0];
        }
        empty = now() - begin;
        begin = now();
        *found = 0;
        for (size_t i = 0; i < count; i++) {
            take(names[i], &name);
            *found += ng_match_name(snapshot, 0, &name) != NG_PROFILE_NONE;
        }
        pass[p] = (now() - begin - empty) / (double)count;
    }
    qsort(pass, PASSES, sizeof(*pass), by_value);
    return pass[PASSES / 2];
}

static void fill(struct ng_name **list, uint8_t *packed, char *const *names, size_t count, const char *prefix,
                 const char *suffix)
{
    unsigned seed = 1;

    for (size_t i = 0; i < LOOKUPS; i++) {
        struct ng_name whole;
        char text[512];
        const char *name = names[(size_t)(((uint64_t)rand_r(&seed) << 16 ^ (uint64_t)rand_r(&seed)) % count)];

        (void)snprintf(text, sizeof(text), "%s%s%s", prefix, name, suffix);
        if (ng_name_from_text(text, strlen(text), &whole) < 0)
            abort();
        list[i] = (struct ng_name *)(void *)packed;
        memcpy(packed, &whole, 1U + whole.length);
        packed += 1U + whole.length;
    }
}

/* Nanoseconds of one access to 64 MiB in random order, each of which waits for the one before. */
static double latency(void)
{
    enum { LINES = 1 << 20, STEPS = 1000000 };
    struct line {
        struct line *next;
        char rest[56];
    } *lines = calloc(LINES, sizeof(*lines)), *at;
    uint32_t *order = calloc(LINES, sizeof(*order));
    unsigned seed = 1;
    double begin;

    if (!lines || !order)
        return 0;
    for (uint32_t i = 0; i < LINES; i++)
        order[i] = i;
    for (uint32_t i = LINES - 1; i > 0; i--) {
        uint32_t k = ((uint32_t)rand_r(&seed) << 12 ^ (uint32_t)rand_r(&seed)) % i, t = order[i];

        order[i] = order[k];
        order[k] = t;
    }
    for (uint32_t i = 0; i < LINES; i++)
        lines[order[i]].next = &lines[order[(i + 1) % LINES]];
    at = lines;
    begin = now();
    for (int i = 0; i < STEPS; i++)
        at = at->next;
    begin = (now() - begin) / STEPS;
    (void)*(volatile char *)at->rest;
    return begin;
}

int main(int argc, char **argv)
{
    struct ng_source source = {.path = argc > 1 ? argv[1] : ""};
    struct ng_diag *diag = ng_diag_new();
    struct ng_snapshot *snapshot = NULL;
    struct ng_name **list = calloc(LOOKUPS, sizeof(*list));
    uint8_t *packed = malloc(LOOKUPS * sizeof(struct ng_name));
    char **names = NULL, line[512];
    size_t count = 0, room = 0, found;
    double compile, open, hit, deep, miss;
    struct stat st;
    FILE *file;
    int fd;

    if (argc == 2 && strcmp(argv[1], "--latency") == 0)
        return printf("%.0f\n", latency()) < 0;
    if (argc != 3 || !list || !packed || !diag)
        return 2;
    compile = now();
    if (ng_policy_compile(&source, 1, diag, &fd) < 0)
        return 1;
    open = now();
    compile = open - compile;
    if (ng_snapshot_open(fd, &snapshot) < 0)
        return 1;
    open = now() - open;
    (void)fstat(fd, &st);
    file = fopen(argv[2], "re");
    while (file && fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        if (count == room)
            names = realloc(names, (room = room ? room * 2 : 1024) * sizeof(*names));
        if (!names || !(names[count++] = strdup(line)))
            return 1;
    }
    fill(list, packed, names, count, "", "");
    hit = measure(snapshot, list, &found);
    if (found != LOOKUPS)
        return 1;
    fill(list, packed, names, count, "a.bb.ccc.dddd.e.ff.", "");
    deep = measure(snapshot, list, &found);
    fill(list, packed, names, count, "a.bb.ccc.dddd.e.ff.", "x");
    miss = measure(snapshot, list, &found);
    (void)printf("%zu %.0f %.0f %.1f %.0f %.0f %.0f\n", count, compile / 1e6, open / 1e6,
                 (double)st.st_size / (double)count, hit, deep, miss);
    return 0;
}
