// SPDX-License-Identifier: BSD-2-Clause
/* Octets as a query of a client, and as an upstream's message that answers its own question. */
#include "../../resolver/answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

static void as_query(const uint8_t *data, size_t size)
{
    uint8_t out[NG_WIRE_QUERY_MAX];
    struct ng_query query;
    size_t length;

    switch (ng_wire_query(data, size, &query)) {
    case NG_QUERY_GOOD:
        length = ng_wire_ask(&query.question, query.id, out);
        require(length <= sizeof(out));
        require(ng_wire_query(out, length, &query) == NG_QUERY_GOOD);
        break;
    case NG_QUERY_BAD:
        require(query.rcode != NG_RCODE_NOERROR && ng_wire_failure(&query, query.rcode, NULL, out) <= sizeof(out));
        break;
    case NG_QUERY_SILENT:
        break;
    }
}

/* What may be given: understood again, and with no address that was not learnt. */
static void check_answer(const struct ng_question *question, const struct ng_answer *answer)
{
    struct ng_query query = {.question = *question, .edns = true, .udp_max = NG_WIRE_UDP_MAX, .class = 1};
    struct ng_wire_answer wire = {
        .wire = answer->wire, .size = answer->size, .ttls = answer->ttls, .ttl_count = answer->ttl_count, .age = 1};
    static uint8_t out[NG_WIRE_MAX];
    struct ng_answer again;
    size_t length;

    memcpy(query.written, question->name.wire, question->name.length);
    require(answer->links >= 1 && answer->links <= NG_CHAIN_MAX);
    require(answer->rcode == NG_RCODE_NOERROR || answer->rcode == NG_RCODE_NXDOMAIN);
    length = ng_wire_reply(&query, &wire, NULL, NG_WIRE_UDP_MAX, out, sizeof(out));
    require(length >= NG_WIRE_HEADER && length <= NG_WIRE_UDP_MAX);
    /* The cache gives it to be learnt again, when a rule or a deployment needs it later. */
    require(ng_answer_parse(question, answer->wire, answer->size, &again) == 0);
    require(again.links == answer->links && again.services == answer->services);
    require(again.addresses == answer->addresses);
    for (unsigned i = 0; i < again.addresses; i++)
        require(memcmp(again.address[i].address, answer->address[i].address, 16) == 0);
    ng_answer_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ng_question question = {.type = NG_TYPE_A};
    struct ng_answer answer;
    int used = -1;

    as_query(data, size);
    if (size > NG_WIRE_HEADER)
        used = ng_name_from_wire(data + NG_WIRE_HEADER, size - NG_WIRE_HEADER, &question.name);
    if (used < 0 || size < NG_WIRE_HEADER + (size_t)used + 4)
        return 0;
    question.type = (uint16_t)(data[NG_WIRE_HEADER + used] << 8 | data[NG_WIRE_HEADER + used + 1]);
    question.dnssec = size & 1;
    if (ng_answer_parse(&question, data, size, &answer) == 0) {
        check_answer(&question, &answer);
        ng_answer_release(&answer);
    }
    return 0;
}
