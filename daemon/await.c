// SPDX-License-Identifier: BSD-2-Clause
#include "await.h"

#include "keeper.h"

#include <namegate/cleanup.h>

#include <sys/epoll.h>

struct ng_await {
    struct ng_await *next;
    struct ng_keeper *keeper;
    ng_await_fn over;
    void *arg;
    uint64_t token;
    unsigned awaited; /* things that are not done yet */
    bool failed;
    int timer;
};

static void on_time(void *arg, uint32_t events);

struct ng_await *ng_await_new(struct ng_keeper *keeper, uint64_t patience, ng_await_fn over, void *arg)
{
    struct ng_await *await = malloc(sizeof(*await));

    if (!await)
        return NULL;
    *await = (struct ng_await){.next = keeper->awaits,
                               .keeper = keeper,
                               .over = over,
                               .arg = arg,
                               .token = ++keeper->next_token,
                               .timer = ng_timer_new(patience, 1)};
    if (await->timer < 0 || ng_loop_add(keeper->loop, await->timer, EPOLLIN, on_time, await) < 0) {
        (void)ng_close(await->timer);
        free(await);
        return NULL;
    }
    keeper->awaits = await;
    return await;
}

uint64_t ng_await_token(const struct ng_await *await)
{
    return await ? await->token : 0;
}

void ng_await_cancel(struct ng_await *await)
{
    struct ng_await **at;

    if (!await)
        return;
    for (at = &await->keeper->awaits; *at != await; at = &(*at)->next)
        ;
    *at = await->next;
    ng_loop_remove(await->keeper->loop, await->timer);
    (void)ng_close(await->timer);
    free(await);
}

static void end(struct ng_await *await, bool done)
{
    ng_await_fn over = await->over;
    void *arg = await->arg;

    ng_await_cancel(await);
    over(arg, done);
}

static void on_time(void *arg, uint32_t events)
{
    struct ng_await *await = arg;

    (void)events;
    if (ng_timer_clear(await->timer))
        end(await, false);
}

void ng_await_answers(struct ng_await *await, unsigned count)
{
    await->awaited = count;
    if (count == 0)
        end(await, true);
}

void ng_await_heard(struct ng_keeper *keeper, uint64_t token, unsigned failed)
{
    struct ng_await *await = keeper->awaits;

    while (await && await->token != token)
        await = await->next;
    if (!await)
        return;
    await->failed |= failed > 0;
    if (--await->awaited == 0)
        end(await, !await->failed);
}
