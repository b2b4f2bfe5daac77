// SPDX-License-Identifier: BSD-2-Clause
/* spawn MILLISECONDS: what a process costs that is made, executes true(1) and ends, in us: of the batch that only one in
 * ten is faster than. It is what lineage adds to. */
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#define BATCH 16
#define BATCHES_MAX 4096

extern char **environ;

static uint64_t now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

int main(int argc, char **argv)
{
    static uint64_t took[BATCHES_MAX];
    static char *const words[] = {"true", NULL};
    uint64_t until = now() + (argc == 2 ? strtoull(argv[1], NULL, 10) : 0) * 1000000;
    size_t batches = 0;

    while (batches < BATCHES_MAX && now() < until) {
        uint64_t begun = now();

        for (int i = 0; i < BATCH; i++) {
            pid_t pid;
            int status;

            if (posix_spawn(&pid, "/bin/true", NULL, NULL, words, environ) || waitpid(pid, &status, 0) != pid || status)
                return 1;
        }
        took[batches++] = now() - begun;
    }
    if (batches == 0)
        return 1;
    qsort(took, batches, sizeof(took[0]), compare);
    printf("us %.1f\n", (double)took[batches / 10] / BATCH / 1000);
    return 0;
}
