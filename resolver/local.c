// SPDX-License-Identifier: BSD-2-Clause
#include "local.h"

#include "random.h"
#include "table.h"

#include "../policy/vector.h"

#include <namegate/cleanup.h>

#include <arpa/inet.h>
#include <ldns/ldns.h>
#include <string.h>
#include <unistd.h>

#define ALIASES_MAX 16
#define ZONE_TTL 3600U /* s: of records that give none, where the file has no $TTL */

NG_DEFINE_CLEANUP(pkt, ldns_pkt, ldns_pkt_free)

struct entry {
    struct ng_link link;
    struct ng_name name;
    NG_VECTOR(ldns_rr *) records;
};

struct zone {
    struct ng_name name;
    ldns_rr *soa;
};

struct ng_local {
    struct ng_table names;
    NG_VECTOR(struct zone) zones;
    uint64_t key;
};

__attribute__((format(printf, 3, 4))) static int complain(struct ng_local_error *error, unsigned line,
                                                          const char *format, ...)
{
    va_list arguments;

    error->line = line;
    va_start(arguments, format);
    (void)vsnprintf(error->text, sizeof(error->text), format, arguments);
    va_end(arguments);
    return -EINVAL;
}

int ng_local_new(struct ng_local **ret_local)
{
    struct ng_local *local = calloc(1, sizeof(*local));

    if (!local)
        return -ENOMEM;
    local->key = ng_random();
    *ret_local = local;
    return 0;
}

static void free_entry(void *arg, struct ng_link *link)
{
    struct entry *entry = ng_record(link, struct entry, link);

    (void)arg;
    for (size_t i = 0; i < entry->records.count; i++)
        ldns_rr_free(entry->records.items[i]);
    ng_vector_free(&entry->records);
    free(entry);
}

void ng_local_free(struct ng_local *local)
{
    if (!local)
        return;
    ng_table_each(&local->names, free_entry, NULL);
    ng_table_release(&local->names);
    for (size_t i = 0; i < local->zones.count; i++)
        ldns_rr_free(local->zones.items[i].soa);
    ng_vector_free(&local->zones);
    free(local);
}

static struct entry *find(const struct ng_local *local, const struct ng_name *name)
{
    struct ng_link *link = ng_table_first(&local->names, ng_name_hash(name, local->key));

    while (link && !ng_name_equal(&ng_record(link, struct entry, link)->name, name))
        link = ng_table_next(link);
    return ng_record(link, struct entry, link);
}

static struct entry *find_or_make(struct ng_local *local, const struct ng_name *name)
{
    struct entry *entry = find(local, name);

    if (entry)
        return entry;
    entry = calloc(1, sizeof(*entry));
    if (!entry)
        return NULL;
    entry->name = *name;
    if (ng_table_add(&local->names, &entry->link, ng_name_hash(name, local->key)) < 0) {
        free(entry);
        return NULL;
    }
    return entry;
}

static int name_of(const ldns_rdf *rdf, struct ng_name *ret_name)
{
    return rdf ? ng_name_from_wire(ldns_rdf_data(rdf), ldns_rdf_size(rdf), ret_name) : -EBADMSG;
}

static bool parent_of(const struct ng_name *name, struct ng_name *ret_parent)
{
    size_t skip = 1U + name->wire[0];

    return name->wire[0] && ng_name_from_wire(name->wire + skip, (size_t)name->length - skip, ret_parent) > 0;
}

/* Owns the record also when it fails. The names between it and its zone exist as well, without records (RFC 4592
 * section 2.2.2); apex NULL: it is of no zone. */
static int add(struct ng_local *local, ldns_rr *rr, const struct ng_name *apex)
{
    struct ng_name name, above;
    struct entry *entry = name_of(ldns_rr_owner(rr), &name) > 0 ? find_or_make(local, &name) : NULL;

    if (!entry || !ng_vector_add(&entry->records, rr)) {
        ldns_rr_free(rr);
        return -ENOMEM;
    }
    while (apex && !ng_name_equal(&name, apex) && parent_of(&name, &above)) {
        name = above;
        if (!find_or_make(local, &name))
            return -ENOMEM;
    }
    return 0;
}

/* --- hosts(5) */

static int add_text(struct ng_local *local, const char *format, const char *a, const char *b)
{
    _cleanup_free_ char *text = NULL;
    ldns_rr *rr = NULL;

    if (asprintf(&text, format, a, b) < 0) {
        text = NULL;
        return -ENOMEM;
    }
    if (ldns_rr_new_frm_str(&rr, text, NG_LOCAL_HOSTS_TTL, NULL, NULL) != LDNS_STATUS_OK)
        return -ENOMEM;
    return add(local, rr, NULL);
}

/* From the address to the first name. */
static int add_reverse(struct ng_local *local, bool v4, const char *address, const char *name)
{
    ldns_rdf *rdf = ldns_rdf_new_frm_str(v4 ? LDNS_RDF_TYPE_A : LDNS_RDF_TYPE_AAAA, address);
    ldns_rdf *reverse = rdf ? ldns_rdf_address_reverse(rdf) : NULL;
    _cleanup_free_ char *owner = reverse ? ldns_rdf2str(reverse) : NULL;

    ldns_rdf_deep_free(rdf);
    ldns_rdf_deep_free(reverse);
    return owner ? add_text(local, "%s IN PTR %s.", owner, name) : -ENOMEM;
}

static int add_host(struct ng_local *local, char *line, unsigned number, struct ng_local_error *error)
{
    char *save = NULL, *address, *word;
    uint8_t octets[16];
    bool v4, first = true;
    int r = 0;

    line[strcspn(line, "#\n")] = '\0';
    address = strtok_r(line, " \t\r", &save);
    if (!address)
        return 0;
    v4 = inet_pton(AF_INET, address, octets) == 1;
    if (!v4 && inet_pton(AF_INET6, address, octets) != 1)
        return strchr(address, '%') ? 0 : complain(error, number, "'%.60s' is no address", address);
    while (r == 0 && (word = strtok_r(NULL, " \t\r", &save))) {
        char text[NG_NAME_TEXT_MAX];
        struct ng_name name;

        if (ng_name_from_text(word, strlen(word), &name) < 0 || name.length == 1)
            return complain(error, number, "'%.60s' is no name", word);
        (void)ng_name_to_text(&name, text);
        r = add_text(local, v4 ? "%s. IN A %s" : "%s. IN AAAA %s", text, address);
        if (r == 0 && first)
            r = add_reverse(local, v4, address, text);
        first = false;
    }
    return first && r == 0 ? complain(error, number, "the address '%.60s' has no name", address) : r;
}

static int load_hosts(struct ng_local *local, FILE *file, struct ng_local_error *error)
{
    _cleanup_free_ char *line = NULL;
    size_t room = 0;
    int r = 0;

    for (unsigned number = 1; r == 0 && getline(&line, &room, file) >= 0; number++)
        r = add_host(local, line, number, error);
    return r;
}

/* --- zone files */

/* A record with the line that it ends on. */
struct placed {
    ldns_rr *rr;
    unsigned line;
};

struct loading {
    NG_VECTOR(struct placed) records;
    ldns_rdf *origin, *previous;
};

static void loading_release(struct loading *loading)
{
    for (size_t i = 0; i < loading->records.count; i++)
        ldns_rr_free(loading->records.items[i].rr);
    ng_vector_free(&loading->records);
    ldns_rdf_deep_free(loading->origin);
    ldns_rdf_deep_free(loading->previous);
}

/* Record by record, not by ldns_zone_new_frm_fp_l(): that one loses the SOA record's memory when a later line is
 * wrong, and tells no lines of the records. */
static int read_zone(struct loading *loading, FILE *file, struct ng_local_error *error)
{
    uint32_t ttl = ZONE_TTL;
    int line = 1;

    loading->origin = ldns_dname_new_frm_str(".");
    if (!loading->origin)
        return -ENOMEM;
    while (!feof(file)) {
        ldns_rr *rr = NULL;
        ldns_status status = ldns_rr_new_frm_fp_l(&rr, file, &ttl, &loading->origin, &loading->previous, &line);

        if (status == LDNS_STATUS_OK) {
            if (!ng_vector_add(&loading->records, ((struct placed){rr, (unsigned)line - 1}))) {
                ldns_rr_free(rr);
                return -ENOMEM;
            }
        } else if (status == LDNS_STATUS_SYNTAX_INCLUDE) {
            return complain(error, (unsigned)line - 1, "$INCLUDE is not known here; write those records in this file");
        } else if (status != LDNS_STATUS_SYNTAX_EMPTY && status != LDNS_STATUS_SYNTAX_TTL &&
                   status != LDNS_STATUS_SYNTAX_ORIGIN) {
            return complain(error, (unsigned)line - 1, "%s", ldns_get_errorstr_by_id(status));
        }
    }
    return 0;
}

static int check_record(const struct placed *placed, const struct ng_name *apex, struct ng_local_error *error)
{
    _cleanup_free_ char *text = ldns_rdf2str(ldns_rr_owner(placed->rr));
    struct ng_name name;

    if (name_of(ldns_rr_owner(placed->rr), &name) < 0 || ldns_rr_get_class(placed->rr) != LDNS_RR_CLASS_IN)
        return complain(error, placed->line, "%.60s: only class IN is known", text ? text : "");
    if (!ng_name_equal(&name, apex) && !ng_name_below(&name, apex))
        return complain(error, placed->line, "%.60s is not in the zone of the SOA record", text ? text : "");
    if (ldns_rr_get_type(placed->rr) == LDNS_RR_TYPE_DNAME)
        return complain(error, placed->line, "%.60s: DNAME records are not known here; write the names that are meant",
                        text ? text : "");
    if (ldns_rr_get_type(placed->rr) == LDNS_RR_TYPE_SOA && !ng_name_equal(&name, apex))
        return complain(error, placed->line, "%.60s is a second SOA record; give each zone a file of its own",
                        text ? text : "");
    return 0;
}

static const struct placed *soa_of(const struct loading *loading)
{
    for (size_t i = 0; i < loading->records.count; i++)
        if (ldns_rr_get_type(loading->records.items[i].rr) == LDNS_RR_TYPE_SOA)
            return &loading->records.items[i];
    return NULL;
}

static int add_zone(struct ng_local *local, const struct loading *loading, struct ng_local_error *error)
{
    const struct placed *soa = soa_of(loading);
    struct zone zone = {.soa = NULL};
    uint32_t minimum;
    int r = 0;

    if (!soa || name_of(ldns_rr_owner(soa->rr), &zone.name) < 0)
        return complain(error, 0, "the zone has no SOA record");
    for (size_t i = 0; i < local->zones.count; i++)
        if (ng_name_equal(&local->zones.items[i].name, &zone.name))
            return complain(error, soa->line, "another file has the same zone");
    zone.soa = ldns_rr_clone(soa->rr);
    if (!zone.soa || !ng_vector_add(&local->zones, zone)) {
        ldns_rr_free(zone.soa);
        return -ENOMEM;
    }
    minimum = ldns_rdf2native_int32(ldns_rr_rdf(zone.soa, 6));
    if (minimum < ldns_rr_ttl(zone.soa)) /* of negative answers: RFC 2308 section 3 */
        ldns_rr_set_ttl(zone.soa, minimum);
    for (size_t i = 0; r == 0 && i < loading->records.count; i++) {
        const ldns_rr *rr = loading->records.items[i].rr;

        r = check_record(&loading->records.items[i], &zone.name, error);
        if (r == 0 && (rr == soa->rr || ldns_rr_get_type(rr) != LDNS_RR_TYPE_SOA)) /* zone transfers end with it */
            r = add(local, ldns_rr_clone(rr), &zone.name);
    }
    return r;
}

static int load_zone(struct ng_local *local, FILE *file, struct ng_local_error *error)
{
    struct loading loading = {.origin = NULL};
    int r = read_zone(&loading, file, error);

    if (r == 0)
        r = add_zone(local, &loading, error);
    loading_release(&loading);
    return r;
}

int ng_local_load(struct ng_local *local, uint32_t kind, int fd, struct ng_local_error *ret_error)
{
    int copy = dup(fd);
    _cleanup_file_ FILE *file = copy >= 0 ? fdopen(copy, "r") : NULL;

    *ret_error = (struct ng_local_error){.line = 0};
    if (!file) {
        (void)ng_close(copy);
        return -ENOMEM;
    }
    rewind(file); /* the keeper may send the same file again */
    return kind == NG_LOCAL_HOSTS ? load_hosts(local, file, ret_error) : load_zone(local, file, ret_error);
}

/* --- answers */

static const struct zone *zone_of(const struct ng_local *local, const struct ng_name *name)
{
    const struct zone *best = NULL;

    for (size_t i = 0; i < local->zones.count; i++) {
        const struct zone *zone = &local->zones.items[i];

        if ((!best || zone->name.length > best->name.length) &&
            (ng_name_equal(name, &zone->name) || ng_name_below(name, &zone->name)))
            best = zone;
    }
    return best;
}

/* What stands for a name: its own entry, or the wildcard below the nearest name that exists (RFC 4592). */
static const struct entry *entry_of(const struct ng_local *local, const struct ng_name *name)
{
    const struct zone *zone = zone_of(local, name);
    const struct entry *entry = find(local, name);
    struct ng_name above = *name, star;

    while (!entry && zone && !ng_name_equal(&above, &zone->name) && parent_of(&above, &above)) {
        if (!find(local, &above))
            continue;
        if (above.length + 2 > NG_NAME_MAX)
            return NULL;
        star = (struct ng_name){.length = (uint8_t)(above.length + 2), .wire = {1, '*'}};
        memcpy(star.wire + 2, above.wire, above.length);
        return find(local, &star);
    }
    return entry;
}

static const ldns_rr *alias_of(const struct entry *entry)
{
    for (size_t i = 0; i < entry->records.count; i++)
        if (ldns_rr_get_type(entry->records.items[i]) == LDNS_RR_TYPE_CNAME)
            return entry->records.items[i];
    return NULL;
}

struct checking {
    const struct ng_local *local;
    struct ng_local_error *error;
    int result;
};

static void check_alias(void *arg, struct ng_link *link)
{
    struct checking *checking = arg;
    const struct entry *entry = ng_record(link, struct entry, link);
    const ldns_rr *alias = alias_of(entry);
    struct ng_name target;
    char text[NG_NAME_TEXT_MAX];

    if (!alias || checking->result < 0)
        return;
    if (name_of(ldns_rr_rdf(alias, 0), &target) < 0 ||
        (!zone_of(checking->local, &target) && !find(checking->local, &target)))
        checking->result = complain(checking->error, 0,
                                    "the alias %.60s leads out of the local records: write its addresses",
                                    ng_name_to_text(&entry->name, text));
}

int ng_local_check(const struct ng_local *local, struct ng_local_error *ret_error)
{
    struct checking checking = {.local = local, .error = ret_error};

    ng_table_each((struct ng_table *)(uintptr_t)&local->names, check_alias, &checking);
    return checking.result;
}

static int push(ldns_pkt *pkt, ldns_pkt_section section, const ldns_rr *rr, const struct ng_name *owner)
{
    ldns_rr *clone = ldns_rr_clone(rr);
    ldns_rdf *name = ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, owner->length, owner->wire);

    if (!clone || !name) {
        ldns_rr_free(clone);
        ldns_rdf_deep_free(name);
        return -ENOMEM;
    }
    ldns_rdf_deep_free(ldns_rr_owner(clone));
    ldns_rr_set_owner(clone, name);
    if (ldns_pkt_push_rr(pkt, section, clone))
        return 0;
    ldns_rr_free(clone);
    return -ENOMEM;
}

/* That there is nothing: the zone says for how long, else as long as a hosts file. */
static int push_nothing(ldns_pkt *pkt, const struct zone *zone, const struct ng_name *name)
{
    ldns_rr *soa = NULL;
    int r;

    if (zone)
        return push(pkt, LDNS_SECTION_AUTHORITY, zone->soa, &zone->name);
    if (ldns_rr_new_frm_str(&soa, ". 60 IN SOA . . 1 3600 600 86400 60", NG_LOCAL_HOSTS_TTL, NULL, NULL) !=
        LDNS_STATUS_OK)
        return -ENOMEM;
    r = push(pkt, LDNS_SECTION_AUTHORITY, soa, name);
    ldns_rr_free(soa);
    return r;
}

static int fill(const struct ng_local *local, const struct ng_question *question, ldns_pkt *pkt)
{
    struct ng_name name = question->name;
    const struct entry *entry = NULL;
    const ldns_rr *alias = NULL;
    bool found = false;
    int r = 0;

    for (unsigned links = 0; r == 0 && links < ALIASES_MAX; links++) {
        struct ng_name next;

        entry = entry_of(local, &name);
        alias = entry && question->type != NG_TYPE_CNAME ? alias_of(entry) : NULL;
        if (!alias)
            break;
        r = push(pkt, LDNS_SECTION_ANSWER, alias, &name);
        if (name_of(ldns_rr_rdf(alias, 0), &next) < 0)
            return -ENOENT;
        name = next;
    }
    for (size_t i = 0; r == 0 && entry && !alias && i < entry->records.count; i++) {
        if (ldns_rr_get_type(entry->records.items[i]) != question->type)
            continue;
        r = push(pkt, LDNS_SECTION_ANSWER, entry->records.items[i], &name);
        found = true;
    }
    if (r == 0 && !found)
        r = push_nothing(pkt, zone_of(local, &name), &name);
    ldns_pkt_set_rcode(pkt, entry ? LDNS_RCODE_NOERROR : LDNS_RCODE_NXDOMAIN);
    return r;
}

int ng_local_answer(const struct ng_local *local, const struct ng_question *question, uint8_t **ret_wire,
                    size_t *ret_size)
{
    _cleanup_(ng_cleanup_pkt) ldns_pkt *pkt = NULL;
    ldns_rdf *name;
    ldns_rr *asked;
    int r;

    if (!zone_of(local, &question->name) && !find(local, &question->name))
        return -ENOENT;
    pkt = ldns_pkt_new();
    asked = ldns_rr_new();
    name = ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, question->name.length, question->name.wire);
    if (!pkt || !asked || !name) {
        ldns_rr_free(asked);
        ldns_rdf_deep_free(name);
        return -ENOMEM;
    }
    ldns_rr_set_question(asked, true);
    ldns_rr_set_owner(asked, name);
    ldns_rr_set_type(asked, (ldns_rr_type)question->type);
    ldns_rr_set_class(asked, LDNS_RR_CLASS_IN);
    if (!ldns_pkt_push_rr(pkt, LDNS_SECTION_QUESTION, asked)) {
        ldns_rr_free(asked);
        return -ENOMEM;
    }
    ldns_pkt_set_qr(pkt, true);
    r = fill(local, question, pkt);
    if (r == 0 && ldns_pkt2wire(ret_wire, pkt, ret_size) != LDNS_STATUS_OK)
        r = -ENOMEM;
    return r;
}
