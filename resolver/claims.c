// SPDX-License-Identifier: BSD-2-Clause
#include "claims.h"

#include "random.h"
#include "table.h"

#include "../policy/bits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ERASE_BATCH 256
#define COLLECT_BUCKETS 8192
#define BUCKETS_PER_CHECK 64 /* empty ones cost little */

/* To when the claims of a destination are adopted ones: 0: not at all. What was learnt since may make a claim longer.
 */
struct adoption {
    uint64_t until[NG_CLAIMS_MAX];
};

/* Between begin and commit: what shall be. */
struct plan {
    struct ng_destination value;
    struct adoption adopted;
    bool widened; /* commit has written more than the entry's value */
};

struct entry {
    struct ng_link link;
    struct ng_destination_key key;
    struct ng_destination value; /* as in the kernel; without claims: not there */
    struct adoption adopted;
    struct plan *next;
    uint64_t seen;               /* the turn in which the kernel had it, or it was left to the sender of an answer */
};

struct ng_claims {
    struct ng_claims_ops ops;
    struct ng_table table;
    uint64_t key;
    size_t cursor, checked; /* of collect and check_some */
    uint64_t turn;
    struct ng_expected foreseen[NG_EXPECTED_MAX];
    struct entry *foreseen_entry[NG_EXPECTED_MAX]; /* NULL: it was dropped since */
    unsigned foreseeing;
    struct ng_expectations *expectations; /* of the answers that are being made; NULL: they may not have any */
};

/* Keys that wait to be erased together. */
struct erasure {
    struct ng_claims *claims;
    struct ng_destination_key keys[ERASE_BATCH];
    size_t count, total;
    uint64_t now, oldest, profile;
    uint32_t scope;
};

static const struct ng_destination nothing;

int ng_claims_new(const struct ng_claims_ops *ops, struct ng_claims **ret_claims)
{
    struct ng_claims *claims = calloc(1, sizeof(*claims));

    if (!claims)
        return -ENOMEM;
    claims->ops = *ops;
    claims->key = ng_random();
    claims->turn = 1;
    *ret_claims = claims;
    return 0;
}

static void drop(struct ng_claims *claims, struct entry *entry)
{
    for (unsigned i = 0; i < claims->foreseeing; i++)
        if (claims->foreseen_entry[i] == entry)
            claims->foreseen_entry[i] = NULL;
    ng_table_remove(&claims->table, &entry->link);
    free(entry->next);
    free(entry);
}

static void drop_any(void *arg, struct ng_link *link)
{
    drop(arg, ng_record(link, struct entry, link));
}

void ng_claims_free(struct ng_claims *claims)
{
    if (!claims)
        return;
    ng_table_each(&claims->table, drop_any, claims);
    ng_table_release(&claims->table);
    free(claims);
}

static uint64_t hash_of(const struct ng_claims *claims, const struct ng_destination_key *key)
{
    uint64_t words[sizeof(*key) / sizeof(uint64_t)], hash = claims->key;

    memcpy(words, key, sizeof(words));
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        hash = ng_fold(hash ^ words[i], 0x8ebc6af09c88c6e3ULL);
    return hash;
}

static struct entry *find(const struct ng_claims *claims, const struct ng_destination_key *key)
{
    struct ng_link *link = ng_table_first(&claims->table, hash_of(claims, key));

    while (link && memcmp(&ng_record(link, struct entry, link)->key, key, sizeof(*key)) != 0)
        link = ng_table_next(link);
    return ng_record(link, struct entry, link);
}

static struct entry *find_or_make(struct ng_claims *claims, const struct ng_destination_key *key)
{
    struct entry *entry = find(claims, key);

    if (entry)
        return entry;
    entry = calloc(1, sizeof(*entry));
    if (!entry)
        return NULL;
    entry->key = *key;
    if (ng_table_add(&claims->table, &entry->link, hash_of(claims, key)) < 0) {
        free(entry);
        return NULL;
    }
    return entry;
}

/* The only place that writes. */
/* Where it is among the expectations; their count: nowhere. */
static unsigned find_expected(const struct ng_claims *claims, const struct ng_destination_key *key)
{
    unsigned i = 0, count = claims->expectations ? claims->expectations->count : 0;

    while (i < count && memcmp(&claims->expectations->item[i].key, key, sizeof(*key)) != 0)
        i++;
    return i;
}

static int put(struct ng_claims *claims, struct entry *entry, const struct ng_destination *value)
{
    int r = claims->ops.write(claims->ops.arg, &entry->key, value);
    unsigned at;

    if (r < 0)
        return r;
    entry->seen = claims->turn;
    at = find_expected(claims, &entry->key);
    if (claims->expectations && at < claims->expectations->count)
        claims->expectations->item[at].value = *value;
    return 0;
}

static unsigned count_of(const struct ng_destination *value)
{
    unsigned count = 0;

    while (count < NG_CLAIMS_MAX && value->claim[count].profile != NG_PROFILE_NONE)
        count++;
    return count;
}

/* Makes one claim that denies everything out of all that deny something, and of `extra`. In doubt deny: it may refuse
 * ports that no rule named. */
static void join_denies(const struct ng_snapshot *snapshot, struct ng_destination *value, struct adoption *adopted,
                        const struct ng_claim *extra)
{
    struct ng_destination joined = nothing;
    struct ng_claim deny = {.profile = NG_PROFILE_DENY, .expires_at = extra->expires_at};
    struct adoption until = {{0}};
    unsigned used = 1;

    for (unsigned i = 0; i < NG_CLAIMS_MAX; i++) {
        const struct ng_claim *claim = &value->claim[i];

        if (ng_snapshot_denies(snapshot, claim->profile)) {
            if (claim->expires_at > deny.expires_at)
                deny.expires_at = claim->expires_at;
            if (adopted->until[i] > until.until[0])
                until.until[0] = adopted->until[i];
        } else if (used < NG_CLAIMS_MAX) {
            until.until[used] = adopted->until[i];
            joined.claim[used++] = *claim;
        }
    }
    joined.claim[0] = deny;
    *value = joined;
    *adopted = until;
}

static void merge(const struct ng_snapshot *snapshot, struct ng_destination *value, struct adoption *adopted,
                  const struct ng_claim *claim)
{
    unsigned count = count_of(value);

    for (unsigned i = 0; i < count; i++) {
        if (value->claim[i].profile != claim->profile || value->claim[i].allow != claim->allow)
            continue;
        if (claim->expires_at > value->claim[i].expires_at)
            value->claim[i].expires_at = claim->expires_at;
        return;
    }
    if (count < NG_CLAIMS_MAX)
        value->claim[count] = *claim;
    else if (ng_snapshot_denies(snapshot, claim->profile))
        join_denies(snapshot, value, adopted, claim);
    else if (claim->profile == NG_PROFILE_GRANT)
        value->claim[count - 1] = *claim; /* beside others of its scope, which allow less */
    /* Else an allow finds no room: what is not allowed is at worst refused. */
}

static void adopt_all(struct entry *entry)
{
    for (unsigned i = 0; i < NG_CLAIMS_MAX; i++)
        entry->adopted.until[i] = entry->value.claim[i].expires_at;
}

int ng_claims_adopt(struct ng_claims *claims, const struct ng_destination_key *key,
                    const struct ng_destination *value)
{
    struct entry *entry = find_or_make(claims, key);

    if (!entry)
        return -ENOMEM;
    entry->value = *value;
    adopt_all(entry);
    return 0;
}

void ng_claims_turn(struct ng_claims *claims)
{
    claims->turn++;
}

static int check(struct ng_claims *claims, struct entry *entry)
{
    struct ng_destination value;
    int r;

    if (entry->seen == claims->turn)
        return 0;
    r = claims->ops.read(claims->ops.arg, &entry->key, &value);
    if (r == 0 && memcmp(&value, &entry->value, sizeof(value)) == 0) {
        entry->seen = claims->turn;
        return 0;
    }
    if (r < 0 && r != -ENOENT)
        return r;
    r = put(claims, entry, &entry->value);
    return r < 0 ? r : 1;
}

int ng_claims_add(struct ng_claims *claims, const struct ng_snapshot *snapshot,
                  const struct ng_destination_key *key, const struct ng_claim *list, unsigned count)
{
    struct entry *entry = find_or_make(claims, key);
    struct ng_destination value;
    struct adoption adopted;
    int r;

    if (!entry)
        return -ENOMEM;
    value = entry->value;
    adopted = entry->adopted;
    for (unsigned i = 0; i < count; i++)
        merge(snapshot, &value, &adopted, &list[i]);
    if (memcmp(&value, &entry->value, sizeof(value)) == 0) {
        r = check(claims, entry);
        return r < 0 ? r : 0;
    }
    r = put(claims, entry, &value);
    if (r < 0) {
        if (count_of(&entry->value) == 0)
            drop(claims, entry);
        return r;
    }
    entry->value = value;
    entry->adopted = adopted;
    return 0;
}

int ng_claims_check(struct ng_claims *claims, const struct ng_destination_key *key)
{
    struct entry *entry = find(claims, key);

    return entry ? check(claims, entry) : 0;
}

void ng_claims_gather(struct ng_claims *claims, struct ng_expectations *expectations)
{
    claims->expectations = expectations;
}

int ng_claims_expect(struct ng_claims *claims, const struct ng_destination_key *key, const struct ng_name *name)
{
    struct ng_expectations *expectations = claims->expectations;
    struct entry *entry = find(claims, key);
    unsigned at;

    if (!entry || entry->seen == claims->turn)
        return 0;
    at = find_expected(claims, key);
    if (!expectations || at == NG_EXPECTED_MAX)
        return -ENOBUFS;
    expectations->item[at].key = entry->key;
    expectations->item[at].value = entry->value;
    if (at == expectations->count)
        expectations->name[expectations->count++] = name;
    entry->seen = claims->turn;
    return 0;
}

static int foresee(struct ng_claims *claims, struct entry *entry)
{
    unsigned at;

    if (entry->seen == claims->turn)
        return 0;
    if (claims->foreseeing == NG_EXPECTED_MAX)
        ng_claims_verify(claims);
    at = claims->foreseeing++;
    claims->foreseen[at].key = entry->key;
    claims->foreseen[at].value = entry->value;
    claims->foreseen_entry[at] = entry;
    return 1;
}

int ng_claims_foresee(struct ng_claims *claims, const struct ng_destination_key *key)
{
    struct entry *entry = find(claims, key);

    return entry ? foresee(claims, entry) : 0;
}

void ng_claims_verify(struct ng_claims *claims)
{
    unsigned count = claims->foreseeing;
    uint64_t differ;
    bool known = count && claims->ops.verify(claims->ops.arg, claims->foreseen, count, &differ) == 0;

    for (unsigned i = 0; known && i < count; i++) {
        struct entry *entry = differ >> i & 1 ? NULL : claims->foreseen_entry[i];

        if (entry && memcmp(&entry->value, &claims->foreseen[i].value, sizeof(entry->value)) == 0)
            entry->seen = claims->turn;
    }
    claims->foreseeing = 0;
}

struct checking {
    struct ng_claims *claims;
    size_t looked, *restored;
    int error;
};

static void foresee_one(void *arg, struct ng_link *link)
{
    struct checking *checking = arg;

    checking->looked++;
    (void)foresee(checking->claims, ng_record(link, struct entry, link));
}

static void check_one(void *arg, struct ng_link *link)
{
    struct checking *checking = arg;
    int r = check(checking->claims, ng_record(link, struct entry, link));

    *checking->restored += r > 0;
    if (r < 0 && checking->error == 0)
        checking->error = r;
}

int ng_claims_check_some(struct ng_claims *claims, size_t max, size_t *restored, bool *ret_all)
{
    struct checking checking = {.claims = claims, .restored = restored};
    size_t cursor = claims->checked, buckets = 0;

    ng_claims_turn(claims);
    while (cursor < claims->table.size && checking.looked < max && buckets < BUCKETS_PER_CHECK * max) {
        ng_table_walk(&claims->table, &cursor, 1, foresee_one, &checking);
        buckets++;
    }
    ng_claims_verify(claims);
    ng_table_walk(&claims->table, &claims->checked, buckets, check_one, &checking);
    *ret_all = claims->checked >= claims->table.size;
    if (*ret_all)
        claims->checked = 0;
    return checking.error;
}

void ng_claims_orphan(struct ng_claims *claims, const struct ng_destination_key *key)
{
    struct entry *entry = find(claims, key);

    if (entry)
        adopt_all(entry);
}

static void flush(struct erasure *erasure)
{
    /* An entry that cannot be erased stays in the kernel and denies: the safe side. */
    if (erasure->count)
        (void)erasure->claims->ops.erase(erasure->claims->ops.arg, erasure->keys, erasure->count);
    erasure->total += erasure->count;
    erasure->count = 0;
}

static void erase(struct erasure *erasure, struct entry *entry)
{
    erasure->keys[erasure->count++] = entry->key;
    drop(erasure->claims, entry);
    if (erasure->count == ERASE_BATCH)
        flush(erasure);
}

/* Leaves the claims that `over` does not pick. */
static void thin_out(struct erasure *erasure, struct entry *entry,
                     bool (*over)(const struct erasure *erasure, const struct ng_claim *claim))
{
    struct ng_destination left = nothing;
    unsigned kept = 0, count = count_of(&entry->value);
    struct adoption adopted = {{0}};

    for (unsigned i = 0; i < count; i++) {
        const struct ng_claim *claim = &entry->value.claim[i];

        if (over(erasure, claim))
            continue;
        adopted.until[kept] = entry->adopted.until[i];
        left.claim[kept++] = *claim;
    }
    if (kept == 0) {
        erase(erasure, entry);
    } else if (kept < count && put(erasure->claims, entry, &left) == 0) {
        entry->value = left;
        entry->adopted = adopted;
    }
}

static bool is_over(const struct erasure *erasure, const struct ng_claim *claim)
{
    return claim->expires_at <= erasure->now && claim->expires_at <= erasure->oldest;
}

static void collect_one(void *arg, struct ng_link *link)
{
    thin_out(arg, ng_record(link, struct entry, link), is_over);
}

size_t ng_claims_collect(struct ng_claims *claims, uint64_t now, uint64_t oldest)
{
    struct erasure erasure = {.claims = claims, .now = now, .oldest = oldest};
    size_t buckets = claims->table.size < COLLECT_BUCKETS ? claims->table.size : COLLECT_BUCKETS;

    ng_table_walk(&claims->table, &claims->cursor, buckets, collect_one, &erasure);
    flush(&erasure);
    return erasure.total;
}

static bool is_revoked(const struct erasure *erasure, const struct ng_claim *claim)
{
    return claim->profile == erasure->profile;
}

static void revoke_one(void *arg, struct ng_link *link)
{
    const struct erasure *erasure = arg;
    struct entry *entry = ng_record(link, struct entry, link);

    if (entry->key.scope == erasure->scope)
        thin_out(arg, entry, is_revoked);
}

void ng_claims_revoke(struct ng_claims *claims, uint32_t scope, uint64_t profile)
{
    struct erasure erasure = {.claims = claims, .scope = scope, .profile = profile};

    ng_table_each(&claims->table, revoke_one, &erasure);
    flush(&erasure);
}

static void end_one(void *arg, struct ng_link *link)
{
    struct erasure *erasure = arg;
    struct entry *entry = ng_record(link, struct entry, link);

    if (entry->key.scope == erasure->scope)
        erase(erasure, entry);
}

size_t ng_claims_end(struct ng_claims *claims, uint32_t scope)
{
    struct erasure erasure = {.claims = claims, .scope = scope};

    ng_table_each(&claims->table, end_one, &erasure);
    flush(&erasure);
    return erasure.total;
}

/* State of a walk over all entries that may fail. */
struct walk {
    struct ng_claims *claims;
    const struct ng_snapshot *snapshot;
    struct erasure erasure;
    int error;
};

static void begin_one(void *arg, struct ng_link *link)
{
    struct walk *walk = arg;
    struct entry *entry = ng_record(link, struct entry, link);
    unsigned count = count_of(&entry->value), kept = 0;

    entry->next = calloc(1, sizeof(*entry->next));
    if (!entry->next) {
        walk->error = -ENOMEM;
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        if (!entry->adopted.until[i])
            continue;
        entry->next->adopted.until[kept] = entry->adopted.until[i];
        entry->next->value.claim[kept] = entry->value.claim[i];
        entry->next->value.claim[kept++].expires_at = entry->adopted.until[i];
    }
}

int ng_claims_begin(struct ng_claims *claims)
{
    struct walk walk = {.claims = claims};

    ng_table_each(&claims->table, begin_one, &walk);
    return walk.error;
}

int ng_claims_want(struct ng_claims *claims, const struct ng_snapshot *snapshot,
                   const struct ng_destination_key *key, const struct ng_claim *list, unsigned count)
{
    struct entry *entry = find_or_make(claims, key);

    if (entry && !entry->next)
        entry->next = calloc(1, sizeof(*entry->next));
    if (!entry || !entry->next)
        return -ENOMEM;
    for (unsigned i = 0; i < count; i++)
        merge(snapshot, &entry->next->value, &entry->next->adopted, &list[i]);
    return 0;
}

/* First pass: old and new together, so that no address is without its verdict in between. */
static void widen_one(void *arg, struct ng_link *link)
{
    struct walk *walk = arg;
    struct entry *entry = ng_record(link, struct entry, link);
    struct ng_destination both = entry->value;
    struct adoption adopted = entry->adopted;
    unsigned count = count_of(&entry->next->value);

    for (unsigned i = 0; i < count; i++)
        merge(walk->snapshot, &both, &adopted, &entry->next->value.claim[i]);
    if (walk->error || memcmp(&both, &entry->value, sizeof(both)) == 0)
        return;
    walk->error = put(walk->claims, entry, &both);
    entry->next->widened = walk->error == 0;
}

static void narrow_one(void *arg, struct ng_link *link)
{
    struct walk *walk = arg;
    struct entry *entry = ng_record(link, struct entry, link);
    struct plan *next = entry->next;

    if (count_of(&next->value) == 0) {
        erase(&walk->erasure, entry);
        return;
    }
    /* A failure leaves more claims in the kernel than are wanted, none less. */
    if (next->widened || memcmp(&next->value, &entry->value, sizeof(next->value)) != 0)
        (void)put(walk->claims, entry, &next->value);
    entry->value = next->value;
    entry->adopted = next->adopted;
    free(next);
    entry->next = NULL;
}

static void revert_one(void *arg, struct ng_link *link)
{
    struct walk *walk = arg;
    struct entry *entry = ng_record(link, struct entry, link);

    if (entry->next && entry->next->widened && count_of(&entry->value))
        (void)put(walk->claims, entry, &entry->value);
    free(entry->next);
    entry->next = NULL;
    if (count_of(&entry->value) == 0)
        erase(&walk->erasure, entry);
}

void ng_claims_abort(struct ng_claims *claims)
{
    struct walk walk = {.claims = claims, .erasure = {.claims = claims}};

    ng_table_each(&claims->table, revert_one, &walk);
    flush(&walk.erasure);
}

int ng_claims_commit(struct ng_claims *claims, const struct ng_snapshot *snapshot)
{
    struct walk walk = {.claims = claims, .snapshot = snapshot, .erasure = {.claims = claims}};

    ng_table_each(&claims->table, widen_one, &walk);
    if (walk.error) {
        ng_claims_abort(claims);
        return walk.error;
    }
    ng_table_each(&claims->table, narrow_one, &walk);
    flush(&walk.erasure);
    return 0;
}

size_t ng_claims_count(const struct ng_claims *claims)
{
    return claims->table.count;
}
