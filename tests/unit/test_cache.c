// SPDX-License-Identifier: BSD-2-Clause
/* What goes when the cache is full: never what is used, whatever comes. */
#include "support.h"

#include "../../resolver/cache.h"

#include <namegate/clock.h>

#define ENTRIES 100

static struct ng_question question_of(unsigned i)
{
    struct ng_question question = {.type = NG_TYPE_A};
    char name[32];

    (void)snprintf(name, sizeof(name), "n%u.cache.test", i);
    question.name = test_name(name);
    return question;
}

static void put(struct ng_cache *cache, unsigned i, size_t size, uint64_t now)
{
    static uint8_t wire[4 * NG_CACHE_OCTETS];
    static uint16_t ttls[1];
    struct ng_question question = question_of(i);
    struct ng_answer answer = {.wire = wire, .size = size, .ttls = ttls, .ttl = 300};

    ng_cache_put(cache, &question, &answer, 0, now);
}

static bool has(struct ng_cache *cache, unsigned i, uint64_t now)
{
    struct ng_question question = question_of(i);
    struct ng_cached cached;

    return ng_cache_get(cache, &question, now, &cached) == NG_CACHED_FRESH;
}

/* Others come and go; one is used after each `every` of them. */
static void stays(size_t size, unsigned every)
{
    struct ng_cache *cache;
    uint64_t now = NG_SECOND;

    assert_int_equal(ng_cache_new(ENTRIES, 0, &cache), 0);
    put(cache, 0, size, now);
    for (unsigned i = 1; i < 20 * ENTRIES; i++) {
        put(cache, i, size, now);
        assert_true(has(cache, i, now));
        if (i % every == 0)
            assert_true(has(cache, 0, now));
        assert_in_range(ng_cache_count(cache), 1, ENTRIES);
    }
    assert_false(has(cache, 1, now));
    ng_cache_free(cache);
}

static void what_is_used_stays(void **state)
{
    (void)state;
    stays(100, 1);
    stays(100, ENTRIES / 4);
    stays(4 * NG_CACHE_OCTETS, 1); /* full by its octets */
    stays(4 * NG_CACHE_OCTETS, ENTRIES / 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_used_stays)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
