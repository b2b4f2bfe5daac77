// SPDX-License-Identifier: BSD-2-Clause
/* The steps that are messages: queries, what upstreams say, and replies. */
#include "script.h"

#include <stdio.h>
#include <string.h>

/* The name keeps its case, and the EDNS record is left out on wish. */
void step_query(struct replay *replay)
{
    struct deployment *deployment = script_who(replay, script_arg(replay, 1));
    struct ng_question question = {.type = script_type(replay, script_arg(replay, 3)),
                                   .dnssec = script_has(replay, "do")};
    const char *name = script_arg(replay, 2);
    uint8_t wire[NG_WIRE_QUERY_MAX];
    size_t size, at = NG_WIRE_HEADER;

    if (ng_name_from_text(name, strlen(name), &question.name) < 0)
        script_stop(replay, "'%s' is no name", name);
    size = ng_wire_ask(&question, (uint16_t)(4711 + replay->world.queries.count), wire);
    for (size_t i = 0; name[i] && at < (size_t)NG_WIRE_HEADER + question.name.length; i++, at++)
        wire[at + 1] = name[i] == '.' ? wire[at + 1] : (uint8_t)name[i];
    if (script_has(replay, "noedns")) {
        size -= 11;
        wire[11] = 0;
    }
    world_query(&replay->world, deployment, wire, size, script_has(replay, "tcp"));
}

void step_raw(struct replay *replay)
{
    uint8_t wire[SCRIPT_LINE_MAX / 2];
    struct deployment *deployment = script_who(replay, script_arg(replay, 1));

    world_query(&replay->world, deployment, wire, script_hex(replay, 2, wire, sizeof(wire)), false);
}

static struct asked take_asked(struct replay *replay)
{
    struct world *world = &replay->world;
    uint16_t type = script_type(replay, script_arg(replay, 2));
    struct ng_name name;

    (void)ng_name_from_text(script_arg(replay, 1), strlen(script_arg(replay, 1)), &name);
    for (size_t i = 0; i < world->asked.count; i++) {
        struct asked asked = world->asked.items[i];

        if (asked.question.type != type || !ng_name_equal(&asked.question.name, &name))
            continue;
        world->asked.items[i] = world->asked.items[--world->asked.count];
        return asked;
    }
    if (!replay->loose)
        script_stop(replay, "that was not asked");
    return (struct asked){.pending = NULL};
}

static void push(struct replay *replay, ldns_pkt *pkt)
{
    static const struct {
        const char *word;
        ldns_pkt_section section;
    } sections[] = {{"authority", LDNS_SECTION_AUTHORITY}, {"additional", LDNS_SECTION_ADDITIONAL}};
    ldns_pkt_section section = LDNS_SECTION_ANSWER;
    const char *text = replay->text;
    ldns_rr *rr = NULL;

    for (size_t i = 0; i < 2; i++) {
        if (strcmp(replay->word[0], sections[i].word) == 0) {
            section = sections[i].section;
            text = strstr(text, sections[i].word) + strlen(sections[i].word);
        }
    }
    text += strspn(text, " \t");
    if (ldns_rr_new_frm_str(&rr, text, 300, NULL, NULL) != LDNS_STATUS_OK || !ldns_pkt_push_rr(pkt, section, rr))
        script_stop(replay, "no record");
}

void step_upstream(struct replay *replay)
{
    struct asked asked = take_asked(replay);
    char rcode[16], name[NG_NAME_TEXT_MAX];
    ldns_lookup_table *known;
    ldns_pkt *pkt;
    uint8_t *wire;
    size_t size;

    (void)snprintf(rcode, sizeof(rcode), "%s", script_arg(replay, 3));
    known = ldns_lookup_by_name(ldns_rcodes, rcode);
    if (!known)
        script_stop(replay, "unknown rcode %s", rcode);
    if (!asked.pending) {
        while (!script_at_end(replay)) {
        }
        return;
    }
    pkt = ldns_pkt_query_new(ldns_dname_new_frm_str(ng_name_to_text(&asked.question.name, name)),
                             asked.question.type, LDNS_RR_CLASS_IN, LDNS_RD | LDNS_RA);
    ldns_pkt_set_qr(pkt, true);
    ldns_pkt_set_rcode(pkt, (uint8_t)known->id);
    while (!script_at_end(replay))
        push(replay, pkt);
    if (ldns_pkt2wire(&wire, pkt, &size) != LDNS_STATUS_OK)
        script_stop(replay, "cannot write the message");
    ng_engine_answer(replay->world.engine, asked.pending, wire, size);
    ldns_pkt_free(pkt);
    free(wire);
}

void step_upstream_raw(struct replay *replay)
{
    struct asked asked = take_asked(replay);
    uint8_t wire[SCRIPT_LINE_MAX / 2];

    if (asked.pending)
        ng_engine_answer(replay->world.engine, asked.pending, wire, script_hex(replay, 3, wire, sizeof(wire)));
}

void step_upstream_fails(struct replay *replay)
{
    struct asked asked = take_asked(replay);

    if (asked.pending)
        ng_engine_answer(replay->world.engine, asked.pending, NULL, 0);
}

void step_asked(struct replay *replay)
{
    struct asked found = take_asked(replay);

    (void)ng_vector_add(&replay->world.asked, found);
}

void step_nothing_asked(struct replay *replay)
{
    if (replay->world.asked.count)
        script_stop(replay, "%zu questions are with upstreams", replay->world.asked.count);
}

static const struct reply *next_reply(struct replay *replay)
{
    if (replay->seen_replies >= replay->world.replies.count)
        script_stop(replay, "no reply");
    return &replay->world.replies.items[replay->seen_replies++];
}

static ldns_pkt *parse(struct replay *replay, const struct reply *reply)
{
    ldns_pkt *pkt = NULL;

    if (ldns_wire2pkt(&pkt, reply->wire, reply->size) != LDNS_STATUS_OK)
        script_stop(replay, "a malformed reply");
    return pkt;
}

/* Takes the record out of the list; false when it is not in it. */
static bool remove_record(ldns_rr_list *list, const char *text)
{
    for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
        ldns_rr *rr = NULL;
        char *a, *b;
        bool same;

        if (ldns_rr_new_frm_str(&rr, text, 0, NULL, NULL) != LDNS_STATUS_OK)
            return false;
        a = ldns_rr2str(rr);
        b = ldns_rr2str(ldns_rr_list_rr(list, i));
        same = strcmp(a, b) == 0;
        ldns_rr_free(rr);
        free(a);
        free(b);
        if (same) {
            ldns_rr *last = ldns_rr_list_pop_rr(list);

            if (i == ldns_rr_list_rr_count(list))
                ldns_rr_free(last);
            else
                ldns_rr_free(ldns_rr_list_set_rr(list, last, i));
            return true;
        }
    }
    return false;
}

void step_answer(struct replay *replay)
{
    ldns_pkt *pkt = parse(replay, next_reply(replay));
    ldns_rr_list *left = ldns_rr_list_clone(ldns_pkt_answer(pkt));
    const ldns_lookup_table *known = ldns_lookup_by_name(ldns_rcodes, script_arg(replay, 1));

    if (!known || (int)ldns_pkt_get_rcode(pkt) != known->id)
        script_stop(replay, "rcode %d", (int)ldns_pkt_get_rcode(pkt));
    while (!script_at_end(replay)) {
        const char *text = replay->text + strspn(replay->text, " \t");

        if (!remove_record(left, text))
            script_stop(replay, "not in the answer:\n%s", ldns_rr_list2str(ldns_pkt_answer(pkt)));
    }
    if (ldns_rr_list_rr_count(left))
        script_stop(replay, "also in the answer:\n%s", ldns_rr_list2str(left));
    ldns_rr_list_deep_free(left);
    ldns_pkt_free(pkt);
}

void step_truncated(struct replay *replay)
{
    ldns_pkt *pkt = parse(replay, next_reply(replay));

    if (!ldns_pkt_tc(pkt) || ldns_pkt_ancount(pkt))
        script_stop(replay, "not truncated");
    ldns_pkt_free(pkt);
}

/* The extended rcode stands in the OPT record, so ANSWER cannot see it (RFC 6891 section 6.1.3). */
void step_badvers(struct replay *replay)
{
    ldns_pkt *pkt = parse(replay, next_reply(replay));
    unsigned rcode = (unsigned)ldns_pkt_edns_extended_rcode(pkt) << 4 | (unsigned)ldns_pkt_get_rcode(pkt);

    if (!ldns_pkt_edns(pkt) || rcode != NG_RCODE_BADVERS)
        script_stop(replay, "rcode %u", rcode);
    ldns_pkt_free(pkt);
}

void step_echoed(struct replay *replay)
{
    const struct reply *reply = next_reply(replay);
    const char *label = script_arg(replay, 1);

    if (reply->size < 13 + strlen(label) || memcmp(reply->wire + 13, label, strlen(label)) != 0)
        script_stop(replay, "the name was not echoed as written");
}

void step_explained(struct replay *replay)
{
    const struct reply *reply = &replay->world.replies.items[replay->seen_replies - 1];
    ldns_pkt *pkt = parse(replay, reply);
    const ldns_rdf *options = ldns_pkt_edns_data(pkt);
    const uint8_t *octets = options ? ldns_rdf_data(options) : NULL;
    size_t size = options ? ldns_rdf_size(options) : 0;
    char said[256] = "";

    if (size >= 6 && octets[1] == 15)
        (void)snprintf(said, sizeof(said), "%u %.*s", (unsigned)(octets[4] << 8 | octets[5]), (int)size - 6, octets + 6);
    ldns_pkt_free(pkt);
    if (strcmp(replay->word[0], "NOT_EXPLAINED") == 0 ? *said != '\0'
                                                      : strncmp(said, strstr(replay->text, replay->word[1]),
                                                                strlen(strstr(replay->text, replay->word[1]))) != 0)
        script_stop(replay, "explained with: '%s'", said);
}

void step_no_answer(struct replay *replay)
{
    if (replay->seen_replies < replay->world.replies.count)
        script_stop(replay, "there is a reply");
}
