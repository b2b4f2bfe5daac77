/* SPDX-License-Identifier: BSD-2-Clause */
/* What holds for which ports: all ports of TCP and UDP, joined to spans with the same value. */
#ifndef NAMEGATE_SPANS_H
#define NAMEGATE_SPANS_H

#include "vector.h"

#include <namegate/abi.h>

struct ng_span {
    uint8_t proto; /* IPPROTO_TCP, IPPROTO_UDP, or 0: both */
    uint16_t low, high;
    uint64_t value;
};

typedef NG_VECTOR(struct ng_span) ng_spans;

typedef NG_VECTOR(struct ng_segment) ng_segments;

/* A function of protocol and port that changes only where one of the segments begins or ends. */
typedef uint64_t (*ng_span_fn)(void *arg, uint8_t proto, uint16_t port);

/* Fills *ret_spans, which the caller frees. Returns 0 or -ENOMEM. */
int ng_spans_make(const ng_segments *segments, ng_span_fn value, void *arg, ng_spans *ret_spans);

/* Writes " port 22" or " port 22-80", " proto tcp" as they are written in a rule; nothing for everything. */
#define NG_SPAN_TEXT_MAX 40
char *ng_span_text(const struct ng_span *span, char text[static NG_SPAN_TEXT_MAX]);

#endif
