// SPDX-License-Identifier: BSD-2-Clause
#include "canary.h"

#include <namegate/canary.h>

#include <errno.h>

int ng_canaries_put(const ng_canaries *canaries, struct ng_claims *claims, const struct ng_snapshot *snapshot,
                    uint32_t scope, ng_canary_put_fn put)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < canaries->count; i++) {
        const struct ng_canary *it = &canaries->items[i];
        struct ng_claim claim = {.profile = NG_CANARY_PROFILE, .expires_at = it->until};
        struct ng_destination_key key = {.scope = it->scope};

        if (scope && it->scope != scope)
            continue;
        ng_canary_address(it->number, true, key.address);
        r = put(claims, snapshot, &key, &claim, 1);
        ng_canary_address(it->number, false, key.address);
        if (r == 0)
            r = put(claims, snapshot, &key, &claim, 1);
    }
    return r;
}

int ng_canaries_set(ng_canaries *canaries, uint32_t scope, uint64_t number, uint64_t until)
{
    struct ng_canary canary = {.scope = scope, .number = number, .until = until};
    size_t kept = 0;

    for (size_t i = 0; i < canaries->count; i++)
        if (canaries->items[i].scope != scope)
            canaries->items[kept++] = canaries->items[i];
    canaries->count = kept;
    return !number || ng_vector_add(canaries, canary) ? 0 : -ENOMEM;
}

size_t ng_canaries_answer(const ng_canaries *canaries, uint32_t scope, const struct ng_query *query, uint8_t *wire)
{
    for (size_t i = 0; i < canaries->count; i++) {
        char text[NG_CANARY_NAME_MAX];
        uint8_t address[16];
        struct ng_name name;
        bool v4 = query->question.type == NG_TYPE_A;

        ng_canary_name(canaries->items[i].number, text);
        if (canaries->items[i].scope != scope || ng_name_from_text(text, strlen(text), &name) < 0 ||
            !ng_name_equal(&name, &query->question.name))
            continue;
        if (!v4 && query->question.type != NG_TYPE_AAAA)
            return ng_wire_nothing(query, NG_RCODE_NOERROR, 0, NULL, wire);
        ng_canary_address(canaries->items[i].number, v4, address);
        return ng_wire_address(query, v4 ? address + 12 : address, v4 ? 4 : 16, 0, NULL, wire);
    }
    return 0;
}
