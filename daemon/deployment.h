/* SPDX-License-Identifier: BSD-2-Clause */
/* The deployments that live: from `run` until the cgroup is empty. */
#ifndef NAMEGATE_DEPLOYMENT_H
#define NAMEGATE_DEPLOYMENT_H

#include <namegate/abi.h>

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define NG_ID_MAX (NG_TAG_LEN + 16)
#define NG_FINDINGS_MAX 256 /* different denials that a summary tells apart; more are only counted */

/* One line of a summary: what was denied to whom by which rule. */
struct ng_finding {
    const char *destination; /* name, else address */
    const char *rule;        /* FILE:LINE, or "" */
    const char *reason;
    const char *instead;
    const char *proto;
    char comm[NG_COMM_LEN];
    uint16_t port;
    bool would;
    uint64_t count;
};

#define NG_CANARY_SEEN_MAX 64

/* It tests itself before its command starts (selftest.c): which canaries the gate has reported. */
struct ng_selftest {
    uint64_t number; /* canary.h; 0: it does not, or it is over */
    uint64_t until;  /* ns */
    unsigned seen;
    struct {
        uint16_t port;
        uint8_t proto;
    } canary[NG_CANARY_SEEN_MAX];
};

/* What a deployment was denied last. */
struct ng_attempt {
    uint64_t time; /* ns */
    uint32_t tgid;
    uint16_t port;
    uint8_t hook;  /* enum ng_hook */
    uint8_t address[16];
};

/* One live deployment. */
struct ng_live {
    struct ng_live *next;
    uint64_t cgroup;
    struct ng_deployment kernel; /* as in the map */
    char id[NG_ID_MAX];          /* TAG.xxxxxxxx */
    char *path;
    int watch;                   /* cgroup.events */
    void *context;               /* of the watch */
    bool started;                /* its command may run: the start is on record */
    bool orphaned;               /* its policy is gone */
    uint32_t first;              /* its first process, 0 after a restart */
    struct ng_selftest selftest;
    json_t *argv;                /* of `run`, or NULL after a restart */
    uint64_t denied, would, probes;
    uint64_t lost_before;        /* events of all that were lost before it began */
    struct ng_attempt last;
    int64_t ended_us;            /* 0: it lives; else what the ledger was told */
    bool late;                   /* events of it came after its end */
    unsigned tally;              /* slot of its tag */
    struct ng_lineage *lineage;
    int64_t ledger;              /* its row in the ledger, 0: not yet */
    bool has_status;             /* its first process has ended, with */
    int status;                  /* wait(2) */
    struct ng_finding finding[NG_FINDINGS_MAX];
    unsigned findings;
};

struct ng_live *ng_live_new(uint64_t cgroup, const struct ng_deployment *kernel, const char *path);
void ng_live_free(struct ng_live *live);

/* Whether text can be a tag: 1 to 63 of [A-Za-z0-9._-], not beginning with '.' or '-'. */
bool ng_tag_valid(const char *text);

/* Counts a denial. The texts are copied if it is a new one. */
void ng_live_found(struct ng_live *live, const struct ng_finding *finding, bool probe);

/* New references, or NULL when out of memory. */
json_t *ng_live_json(const struct ng_live *live);
/* lost: events lost by now. */
json_t *ng_live_summary(const struct ng_live *live, uint64_t lost);

const char *ng_mode_name(unsigned mode);
int ng_mode_parse(const char *text);
/* The protocol of what was denied: "dns", where an answer was withheld, else that of the packet; perhaps into text. */
#define NG_PROTO_TEXT_MAX 8
const char *ng_event_proto(const struct ng_event *event, char text[static NG_PROTO_TEXT_MAX]);

#endif
