/* SPDX-License-Identifier: BSD-2-Clause */
/* What keeper and resolver tell each other: over one SOCK_SEQPACKET pair, each message a struct of fixed size that
 * begins with its type (those of the resolver in frames, RESOLUTION packed: packing.h); a message of any other size is
 * refused. Neither trusts the other's lengths or counts: both check them. Descriptors travel with SCM_RIGHTS, one or
 * two a message as said below.
 *
 * Start: the keeper sends MEMORY, START, then LISTENER and FORWARD messages, then SNAPSHOT; the resolver answers READY.
 * A reload is another SNAPSHOT and READY; until READY the old snapshot and its profiles stay in force.
 */
#ifndef NAMEGATE_CHANNEL_H
#define NAMEGATE_CHANNEL_H

#include <namegate/abi.h>

#define NG_CHANNEL_FD 3       /* the resolver's end, inherited over exec */
#define NG_UPSTREAMS_MAX 8
#define NG_GUARDED_MAX 64
#define NG_CLIENTS_MAX 32
#define NG_CHAIN_MAX 16       /* names in a chain, the one asked for included */
/* A decoy is an address that stands for one name: in 240.0.0.0/4 (reserved, RFC 1112 section 4), its last 28 bits the
 * lowest of the resolution's id; or in 100::/64 (discard-only, RFC 6666), its last 64 bits the id. */
#define NG_DECOY4_PREFIX 0xf0
#define NG_DECOY6_PREFIX 0x01
#define NG_ADDRESSES_MAX 128  /* addresses in one RESOLUTION; more go into further ones */

enum ng_message_type {
    /* keeper to resolver */
    NG_MESSAGE_START = 1,      /* ng_message_start, descriptors: destinations map, askers map */
    NG_MESSAGE_FORWARD,        /* ng_message_forward */
    NG_MESSAGE_LOCAL,          /* ng_message_local, descriptor: the file; after START, and when it has changed */
    NG_MESSAGE_LISTENER,       /* ng_message_listener, descriptor: a bound (TCP: listening) non-blocking socket */
    NG_MESSAGE_UNLISTEN,       /* ng_message_unlisten */
    NG_MESSAGE_SNAPSHOT,       /* ng_message_snapshot, descriptor: the sealed memfd */
    NG_MESSAGE_DEPLOYMENT,     /* ng_message_deployment */
    NG_MESSAGE_PREWARM,        /* ng_message_prewarm */
    NG_MESSAGE_MEMORY,         /* ng_message_memory, descriptors: to be mapped and written: resolver/stats.h, epoch.h */
    NG_MESSAGE_ENFORCED,       /* ng_message_enforced, once the hooks are in force; descriptors: departures map, and the
                                  program gate_verify(), if the kernel has such */
    NG_MESSAGE_KNOWN,          /* ng_message_resolution: a denied name as it was known before; after READY */
    NG_MESSAGE_GRANT,          /* ng_message_grant */
    NG_MESSAGE_CANARY,         /* ng_message_canary */
    NG_MESSAGE_PING,           /* ng_message_ping */
    /* resolver to keeper */
    NG_MESSAGE_READY,          /* ng_message_ready */
    NG_MESSAGE_RESOLUTION,     /* ng_message_resolution, packed (packing.h): before a deployment's reply leaves */
    NG_MESSAGE_TOLD,           /* ng_message_told: sent after the reply left */
    NG_MESSAGE_TROUBLE,        /* ng_message_trouble */
    NG_MESSAGE_PREWARMED,
    NG_MESSAGE_LOADED,         /* ng_message_loaded */
    NG_MESSAGE_PONG,           /* ng_message_ping, echoed at once: one that says nothing for long is replaced */
};

struct ng_endpoint {
    __u8 address[16]; /* v4-mapped, network order */
    __u16 port;       /* host order */
    __u8 pad[2];
    __u32 scope_id;   /* of a link-local address: interface index, else 0 */
};

struct ng_message_start {
    __u32 type;
    __u32 upstreams;
    struct ng_endpoint upstream[NG_UPSTREAMS_MAX];
    __u32 guarded;                      /* the never-deny set: networks that a DNS answer cannot make denied */
    __u32 floor_s;                      /* a deny lives for max(TTL, floor) + grace */
    __u32 grace_s;
    __u32 cache_entries;                /* bound of the cache */
    __u32 tracked_max;                  /* bound of tracked resolutions; not above the size of destinations */
    __u32 stale_s;                      /* for how long an answer may be given after its TTL when upstreams fail */
    __u32 workers;                      /* threads that answer queries, 1 to NG_WORKERS_MAX */
    __u32 clients;                      /* networks that may ask at addresses other than loopback */
    struct {
        __u8 address[16];
        __u32 prefix;                   /* 0 to 128 */
    } guard[NG_GUARDED_MAX], client[NG_CLIENTS_MAX];
};

#define NG_LOCAL_HOSTS 1u /* hosts(5) */
#define NG_LOCAL_ZONE 2u  /* a zone file (RFC 1035 section 5) */
#define NG_LOCAL_FILES_MAX 16
#define NG_LOCAL_TEXT_MAX 160

/* One of the files with local records. They are put in force together, with the last one; when one has an error, none
 * is, and what was in force stays. */
struct ng_message_local {
    __u32 type;
    __u32 kind;   /* NG_LOCAL_* */
    __u32 number; /* from 0 */
    __u32 count;  /* of all */
};

/* What became of them. */
struct ng_message_loaded {
    __u32 type;
    __u32 error;  /* errno, or 0 */
    __u32 number; /* the file with the error */
    __u32 line;   /* 0: none in particular */
    char text[NG_LOCAL_TEXT_MAX];
};

#define NG_LISTENER_TCP (1u << 0)
#define NG_LISTENER_REDIRECT (1u << 1) /* gets only the redirected queries of deployments: no asker record, no answer */

struct ng_message_listener {
    __u32 type;
    __u32 flags;
    __u32 worker; /* the thread that reads it, below `workers` of START; 0 for TCP */
    struct ng_endpoint local;
};

/* Closes the redirect's listeners in a network namespace. */
struct ng_message_unlisten {
    __u32 type;
    __u32 pad;
    __u64 netns; /* its cookie */
};

struct ng_wire_name {
    __u8 length;
    __u8 wire[255];
};

/* A name and all below it are asked of these servers. */
struct ng_message_forward {
    __u32 type;
    __u32 servers;
    struct ng_wire_name zone;
    struct ng_endpoint server[NG_UPSTREAMS_MAX];
};

struct ng_message_snapshot {
    __u32 type;
    __u32 pad;
    __u64 generation;
};

/* A deployment began or ended. When it ends its leases are removed. `oldest` is the started_at of the oldest deployment
 * still alive (NG_FOREVER when there is none): an expired deny is collected only when expires_at <= oldest. */
struct ng_message_deployment {
    __u32 type;
    __u32 scope;
    __u32 policy;
    __u32 ended;
    __u64 oldest;
};

/* Resolve all names that this policy denies exactly. */
struct ng_message_prewarm {
    __u32 type;
    __u32 policy; /* scope */
    __u64 token;
};

/* All that were to be resolved with this token have been answered, or have failed. */
struct ng_message_prewarmed {
    __u32 type;
    __u32 failed; /* questions that no upstream answered, or with a failure */
    __u64 token;
};

/* A deployment may reach what this name leads to until then, whatever its policy says; it is resolved, and `token`
 * comes back as with PREWARM. Again for the same name: another end; 0: it is over. */
struct ng_message_grant {
    __u32 type;
    __u32 scope;         /* of the deployment */
    __u64 until;         /* ns */
    __u64 token;
    struct ng_wire_name name;
};

/* A deployment tests itself: its canaries (canary.h) are denied to it and answered, and `token` comes back as with
 * PREWARM when they are. number 0: it is over. */
struct ng_message_canary {
    __u32 type;
    __u32 scope;         /* of the deployment */
    __u64 number;
    __u64 until;         /* ns */
    __u64 token;
};

struct ng_message_memory {
    __u32 type;
    __u32 pad;
};

struct ng_message_enforced {
    __u32 type;
    __u32 pad;
};

struct ng_message_ping {
    __u32 type;
    __u32 pad;
};

struct ng_message_ready {
    __u32 type;
    __u32 error;  /* 0, or an errno: the snapshot was refused and the old one stays */
    __u64 generation;
};

/* What a name resolved to. Sent for every name on which some policy has a rule, and for every name that a deployment
 * asked for. A later one for the same name replaces the chain and adds to the addresses. */
struct ng_message_resolution {
    __u32 type;
    __u32 pad;
    __u64 id;            /* of the resolution: the same for the same name */
    __u64 wrote_at;      /* ns: when the last map write for it returned, or began to wait for others (claims.h);
                            0: nothing had to be written */
    __u64 expires_at;    /* ns: after TTL, floor and grace */
    __u32 links;         /* names in chain, the one asked for first */
    __u32 addresses;
    struct ng_wire_name chain[NG_CHAIN_MAX];
    __u8 address[NG_ADDRESSES_MAX][16];
};

/* A deployment was told that resolution or, by a rule's choice, something else; at most once a second of the same name
 * and process. Also sent with scope 0 when an untagged client was the first to be told, for up to 100 resolutions a
 * second. */
struct ng_message_told {
    __u32 type;
    __u32 answer;        /* enum ng_answer_kind: in mode audit, what it would have been */
    __u64 resolution;    /* id */
    __u64 wrote_at;      /* ns */
    __u64 replied_at;    /* ns: taken after the reply was handed to the kernel; of another answer, before */
    struct ng_asker asker;
};

enum ng_trouble {
    NG_TROUBLE_MAP_FULL = 1,  /* destinations is full: the answer became SERVFAIL */
    NG_TROUBLE_MAP_WRITE,     /* a map write failed otherwise */
    NG_TROUBLE_TRACKED_FULL,  /* the table of resolutions is full: the answer became SERVFAIL */
    NG_TROUBLE_GUARDED,       /* a denied name resolved to a guarded address, which was not learnt */
    NG_TROUBLE_UPSTREAM,      /* no upstream answered */
    NG_TROUBLE_MALFORMED,     /* an upstream's answer was refused */
    NG_TROUBLE_LOST,          /* messages to the keeper were lost; count says how many */
    NG_TROUBLE_RECOVERED,     /* writing works again */
    NG_TROUBLE_RESTORED,      /* entries were gone from the kernel, or changed, and are written again; count of them */
    NG_TROUBLE_MAX
};

struct ng_message_trouble {
    __u32 type;
    __u32 trouble;
    __u32 error;         /* errno or 0 */
    __u32 count;
    struct ng_wire_name name; /* length 0: none */
    __u8 address[16];
};

#endif
