// SPDX-License-Identifier: BSD-2-Clause
#include "deployment.h"

#include "cgroup.h"
#include "lineage.h"
#include "text.h"

#include <namegate/cleanup.h>

#include <netinet/in.h>
#include <string.h>

static const char *const mode_names[] = {"audit", "block", "strict"};

const char *ng_mode_name(unsigned mode)
{
    return mode <= NG_MODE_STRICT ? mode_names[mode] : "unknown";
}

int ng_mode_parse(const char *text)
{
    for (int mode = 0; mode <= NG_MODE_STRICT; mode++)
        if (strcmp(text, mode_names[mode]) == 0)
            return mode;
    return -EINVAL;
}

const char *ng_event_proto(const struct ng_event *event, char text[static NG_PROTO_TEXT_MAX])
{
    if (event->hook == NG_HOOK_DNS)
        return "dns";
    if (event->proto == IPPROTO_TCP)
        return "tcp";
    if (event->proto == IPPROTO_UDP)
        return "udp";
    if (event->proto == IPPROTO_ICMP || event->proto == IPPROTO_ICMPV6)
        return "icmp";
    (void)snprintf(text, NG_PROTO_TEXT_MAX, "%u", event->proto);
    return text;
}

bool ng_tag_valid(const char *text)
{
    size_t length = strlen(text);

    return length > 0 && length < NG_TAG_LEN && *text != '.' && *text != '-' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == length;
}

static void release_finding(struct ng_finding *finding)
{
    free((char *)(uintptr_t)finding->proto);
    free((char *)(uintptr_t)finding->destination);
    free((char *)(uintptr_t)finding->rule);
    free((char *)(uintptr_t)finding->reason);
    free((char *)(uintptr_t)finding->instead);
    *finding = (struct ng_finding){0};
}

struct ng_live *ng_live_new(uint64_t cgroup, const struct ng_deployment *kernel, const char *path)
{
    struct ng_live *live = calloc(1, sizeof(*live));

    if (!live)
        return NULL;
    live->cgroup = cgroup;
    live->kernel = *kernel;
    live->kernel.tag[NG_TAG_LEN - 1] = '\0';
    live->kernel.name[NG_TAG_LEN - 1] = '\0';
    live->watch = -1;
    live->path = strdup(path);
    (void)snprintf(live->id, sizeof(live->id), "%s.%08x", live->kernel.tag,
                   live->kernel.scope & ~NG_SCOPE_DEPLOYMENT);
    if (!live->path) {
        ng_live_free(live);
        return NULL;
    }
    return live;
}

void ng_live_free(struct ng_live *live)
{
    if (!live)
        return;
    for (unsigned i = 0; i < live->findings; i++)
        release_finding(&live->finding[i]);
    ng_lineage_free(live->lineage);
    json_decref(live->argv);
    (void)ng_close(live->watch);
    free(live->path);
    free(live);
}

static bool same_finding(const struct ng_finding *a, const struct ng_finding *b)
{
    return a->port == b->port && a->would == b->would && strcmp(a->proto, b->proto) == 0 &&
           strcmp(a->destination, b->destination) == 0 && strcmp(a->rule, b->rule) == 0 &&
           strncmp(a->comm, b->comm, NG_COMM_LEN) == 0;
}

void ng_live_found(struct ng_live *live, const struct ng_finding *finding, bool probe)
{
    struct ng_finding *own = &live->finding[live->findings];

    if (probe)
        live->probes++;
    else if (finding->would)
        live->would++;
    else
        live->denied++;
    for (unsigned i = 0; !probe && i < live->findings; i++) {
        if (same_finding(&live->finding[i], finding)) {
            live->finding[i].count++;
            return;
        }
    }
    if (probe || live->findings == NG_FINDINGS_MAX)
        return;
    *own = *finding;
    own->count = 1;
    own->proto = strdup(finding->proto);
    own->destination = strdup(finding->destination);
    own->rule = strdup(finding->rule);
    own->reason = strdup(finding->reason);
    own->instead = strdup(finding->instead);
    if (own->proto && own->destination && own->rule && own->reason && own->instead)
        live->findings++;
    else
        release_finding(own);
}

json_t *ng_live_json(const struct ng_live *live)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:o, s:o, s:i, s:I, s:I, s:I}", "deployment", live->id, "tag",
                     live->kernel.tag, "policy", live->kernel.name, "mode", ng_mode_name(live->kernel.mode), "uid",
                     (json_int_t)live->kernel.uid, "started", ng_json_time(live->kernel.started_at), "cgroup",
                     ng_json_text(live->path, strlen(live->path)), "processes", (int)ng_cgroup_processes(live->path),
                     "denied", (json_int_t)live->denied, "would", (json_int_t)live->would, "probes",
                     (json_int_t)live->probes);
}

static int compare_findings(const void *a, const void *b)
{
    const struct ng_finding *const *x = a, *const *y = b;

    if ((*x)->would != (*y)->would)
        return (*x)->would - (*y)->would;
    return (*x)->count < (*y)->count ? 1 : (*x)->count > (*y)->count ? -1 : 0;
}

static json_t *finding_json(const struct ng_finding *finding)
{
    return json_pack("{s:s, s:i, s:s, s:I, s:s, s:o, s:s, s:s, s:s}", "destination", finding->destination, "port",
                     (int)finding->port, "proto", finding->proto, "count",
                     (json_int_t)finding->count, "verdict", finding->would ? "would-deny" : "deny", "comm",
                     ng_json_field(finding->comm, NG_COMM_LEN), "rule", finding->rule, "reason", finding->reason,
                     "instead", finding->instead);
}

json_t *ng_live_summary(const struct ng_live *live, uint64_t lost)
{
    const struct ng_finding *sorted[NG_FINDINGS_MAX];
    json_t *lines = json_array();

    for (unsigned i = 0; i < live->findings; i++)
        sorted[i] = &live->finding[i];
    qsort(sorted, live->findings, sizeof(sorted[0]), compare_findings);
    for (unsigned i = 0; i < live->findings; i++)
        (void)json_array_append_new(lines, finding_json(sorted[i]));
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:o}", "deployment", live->id, "denied", (json_int_t)live->denied,
                     "would", (json_int_t)live->would, "probes", (json_int_t)live->probes, "lost",
                     (json_int_t)(lost - live->lost_before),
                     "lines", lines);
}
