// SPDX-License-Identifier: BSD-2-Clause
#include "outlet.h"

#include "journal.h"

#include <namegate/cleanup.h>

#include <jansson.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#define CLOSE_MAX_S 2

struct ng_outlet {
    bool out, journal;
    pthread_t thread;
    pthread_mutex_t lock; /* of all that follows */
    pthread_cond_t wake;
    char *waiting[NG_OUTLET_MAX]; /* a ring */
    unsigned first, count;
    uint64_t lost;
    bool stopping;
};

static bool write_out(const char *line)
{
    size_t length = strlen(line);
    struct {
        const char *text;
        size_t length;
    } parts[] = {{line, length}, {"\n", 1}};

    for (unsigned i = 0; i < 2; i++) {
        while (parts[i].length > 0) {
            ssize_t written = write(STDOUT_FILENO, parts[i].text, parts[i].length);

            if (written < 0 && errno == EINTR)
                continue;
            if (written <= 0)
                return false;
            parts[i].text += written;
            parts[i].length -= (size_t)written;
        }
    }
    return true;
}

static bool deliver(const struct ng_outlet *outlet, const char *line)
{
    bool done = !outlet->out || write_out(line);
    json_t *record = outlet->journal ? json_loads(line, 0, NULL) : NULL;

    if (outlet->journal && (!record || ng_journal_send(record, line) < 0))
        done = false;
    json_decref(record);
    return done;
}

static void *deliver_all(void *arg)
{
    struct ng_outlet *outlet = arg;

    (void)pthread_mutex_lock(&outlet->lock);
    for (;;) {
        bool done;
        char *line;

        while (!outlet->count && !outlet->stopping)
            (void)pthread_cond_wait(&outlet->wake, &outlet->lock);
        if (!outlet->count)
            break;
        line = outlet->waiting[outlet->first];
        outlet->first = (outlet->first + 1) % NG_OUTLET_MAX;
        outlet->count--;
        (void)pthread_mutex_unlock(&outlet->lock);
        done = deliver(outlet, line);
        free(line);
        (void)pthread_mutex_lock(&outlet->lock);
        outlet->lost += !done;
    }
    (void)pthread_mutex_unlock(&outlet->lock);
    return NULL;
}

int ng_outlet_new(bool out, bool journal, struct ng_outlet **ret_outlet)
{
    struct ng_outlet *outlet = calloc(1, sizeof(*outlet));
    int r;

    if (!outlet)
        return -ENOMEM;
    outlet->out = out;
    outlet->journal = journal;
    (void)pthread_mutex_init(&outlet->lock, NULL);
    (void)pthread_cond_init(&outlet->wake, NULL);
    r = -pthread_create(&outlet->thread, NULL, deliver_all, outlet);
    if (r < 0) {
        free(outlet);
        return r;
    }
    *ret_outlet = outlet;
    return 0;
}

void ng_outlet_free(struct ng_outlet *outlet)
{
    struct timespec until;

    if (!outlet)
        return;
    (void)pthread_mutex_lock(&outlet->lock);
    outlet->stopping = true;
    (void)pthread_cond_signal(&outlet->wake);
    (void)pthread_mutex_unlock(&outlet->lock);
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += CLOSE_MAX_S;
    if (pthread_timedjoin_np(outlet->thread, NULL, &until) != 0) {
        (void)pthread_detach(outlet->thread); /* it hangs in a write, and ends with the process */
        return;
    }
    (void)pthread_cond_destroy(&outlet->wake);
    (void)pthread_mutex_destroy(&outlet->lock);
    free(outlet);
}

void ng_outlet_put(struct ng_outlet *outlet, const char *line)
{
    char *copy = strdup(line);

    (void)pthread_mutex_lock(&outlet->lock);
    if (!copy || outlet->count == NG_OUTLET_MAX) {
        outlet->lost++;
        free(copy);
    } else {
        outlet->waiting[(outlet->first + outlet->count++) % NG_OUTLET_MAX] = copy;
        (void)pthread_cond_signal(&outlet->wake);
    }
    (void)pthread_mutex_unlock(&outlet->lock);
}

uint64_t ng_outlet_lost(struct ng_outlet *outlet)
{
    uint64_t lost;

    (void)pthread_mutex_lock(&outlet->lock);
    lost = outlet->lost;
    (void)pthread_mutex_unlock(&outlet->lock);
    return lost;
}
