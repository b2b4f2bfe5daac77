// SPDX-License-Identifier: BSD-2-Clause
#include "spans.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

typedef NG_VECTOR(uint32_t) edges_vector;

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

/* Where something may change: the first ports of spans, 0 to 65536. */
static int find_edges(const ng_segments *segments, edges_vector *edges)
{
    bool good = ng_vector_add(edges, 0) && ng_vector_add(edges, 65536);

    for (size_t i = 0; good && i < segments->count; i++)
        good = ng_vector_add(edges, segments->items[i].port_lo) &&
               ng_vector_add(edges, segments->items[i].port_hi + 1U);
    if (!good)
        return -ENOMEM;
    qsort(edges->items, edges->count, sizeof(*edges->items), ascending);
    return 0;
}

static int add_proto(const edges_vector *edges, uint8_t proto, ng_span_fn value, void *arg, ng_spans *spans)
{
    size_t first = spans->count;

    for (size_t i = 0; i + 1 < edges->count; i++) {
        uint32_t low = edges->items[i], next = edges->items[i + 1];
        struct ng_span span = {proto, (uint16_t)low, (uint16_t)(next - 1), 0};

        if (low == next)
            continue;
        span.value = value(arg, proto, (uint16_t)low);
        if (spans->count > first && spans->items[spans->count - 1].value == span.value)
            spans->items[spans->count - 1].high = span.high;
        else if (!ng_vector_add(spans, span))
            return -ENOMEM;
    }
    return 0;
}

/* When both protocols have the same spans, those of one stand for both. */
static void join_protos(ng_spans *spans, size_t udp)
{
    if (spans->count != 2 * udp)
        return;
    for (size_t i = 0; i < udp; i++)
        if (spans->items[i].low != spans->items[udp + i].low || spans->items[i].value != spans->items[udp + i].value)
            return;
    spans->count = udp;
    for (size_t i = 0; i < udp; i++)
        spans->items[i].proto = 0;
}

int ng_spans_make(const ng_segments *segments, ng_span_fn value, void *arg, ng_spans *ret_spans)
{
    edges_vector edges = {0};
    ng_spans spans = {0};
    size_t udp = 0;
    int r = find_edges(segments, &edges);

    if (r == 0)
        r = add_proto(&edges, IPPROTO_TCP, value, arg, &spans);
    udp = spans.count;
    if (r == 0)
        r = add_proto(&edges, IPPROTO_UDP, value, arg, &spans);
    ng_vector_free(&edges);
    if (r < 0) {
        ng_vector_free(&spans);
        return r;
    }
    join_protos(&spans, udp);
    *ret_spans = spans;
    return 0;
}

char *ng_span_text(const struct ng_span *span, char text[static NG_SPAN_TEXT_MAX])
{
    char *at = text;

    *text = '\0';
    if (span->low == span->high)
        at += snprintf(text, NG_SPAN_TEXT_MAX, " port %u", span->low);
    else if (span->low > 0 || span->high < 65535)
        at += snprintf(text, NG_SPAN_TEXT_MAX, " port %u-%u", span->low, span->high);
    if (span->proto)
        (void)snprintf(at, NG_SPAN_TEXT_MAX - (size_t)(at - text), " proto %s",
                       span->proto == IPPROTO_TCP ? "tcp" : "udp");
    return text;
}
