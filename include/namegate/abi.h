/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the BPF programs and user space share: keys, values and records of the maps.
 *
 * Rules of this file: fixed-width types only, padding is explicit and zero, every field says its unit and byte order.
 * Compiled for BPF (after vmlinux.h) and for the host.
 *
 * Addresses are always 16 bytes in network order, IPv4 as ::ffff:a.b.c.d. Ports are in host order. Times are
 * nanoseconds of CLOCK_BOOTTIME.
 *
 * A scope says whose verdict it is: a policy (high bit clear: a hash of its name, stable over reloads and restarts) or
 * one deployment (high bit set: NG_SCOPE_DEPLOYMENT | a random id).
 */
#ifndef NAMEGATE_ABI_H
#define NAMEGATE_ABI_H

#ifdef __bpf__
#include "vmlinux.h"
#else
#include <linux/types.h>
#endif

#define NG_SCOPE_DEPLOYMENT 0x80000000u

#define NG_FOREVER (~0ULL)          /* an expiry that never comes */
#define NG_DNS_PORT 53
#define NG_DOT_PORT 853             /* DNS over TLS and over QUIC: RFC 7858, RFC 9250 */

#define NG_CLAIMS_MAX 4             /* different verdict profiles that can meet at one address */
#define NG_SEGMENTS_MAX 32          /* port ranges in one profile */
#define NG_REDIRECT_SLOTS 4         /* DNS servers that one unconnected UDP socket can use at once */
#define NG_NESTING_MAX 4            /* deployments inside deployments */
#define NG_LEVELS_MAX 32            /* depth of a deployment's cgroup below the root of the tree */
#define NG_WORKERS_MAX 16           /* threads of the resolver that answer queries */
#define NG_TAG_LEN 64               /* with the terminating NUL */
#define NG_COMM_LEN 16
#define NG_ARGV_LEN 512
#define NG_PATH_LEN 128
#define NG_UNIX_PATH_LEN 108 /* unix(7) */
#define NG_ANCESTORS_MAX 8
#define NG_EVENTS_PER_SECOND 12000  /* of one deployment; more are lost and counted */
#define NG_HEARTBEAT_STALE_NS 10000000000ULL /* a keeper that was silent for so long is taken to be gone */

enum ng_mode { NG_MODE_AUDIT = 0, NG_MODE_BLOCK = 1, NG_MODE_STRICT = 2 };

enum ng_verdict { NG_VERDICT_NONE = 0, NG_VERDICT_ALLOW = 1, NG_VERDICT_DENY = 2 };

/* How a denied call fails: what user space sees. Where rules with different shapes meet at one address, the first in
 * this order. */
enum ng_respond {
    NG_RESPOND_EPERM = 0,
    NG_RESPOND_EACCES,
    NG_RESPOND_REFUSED,     /* ECONNREFUSED */
    NG_RESPOND_UNREACHABLE, /* EHOSTUNREACH */
    NG_RESPOND_TIMEOUT,     /* silence: packets are dropped, nothing is said */
    NG_RESPOND_MAX
};

/* What a denied name is answered by the resolver. */
enum ng_answer_kind { NG_ANSWER_REAL = 0, NG_ANSWER_REFUSE, NG_ANSWER_DECOY };

/* What becomes of connections to an address that is denied from now on. */
enum ng_established { NG_ESTABLISHED_CUT = 0, NG_ESTABLISHED_KEEP };

/* What a deployment may reach while no keeper lives: what it could before, or nothing. */
enum ng_on_loss { NG_ON_LOSS_FREEZE = 0, NG_ON_LOSS_CLOSED };

/* What a verdict rests on. */
enum ng_evidence {
    NG_EVIDENCE_NONE = 0,
    NG_EVIDENCE_ADDRESS = 1,  /* a rule for exactly this address */
    NG_EVIDENCE_NAME = 2,     /* a name that resolved to this address */
    NG_EVIDENCE_SHARED = 3,   /* as NAME, and an allowed name has the same address */
    NG_EVIDENCE_NETWORK = 4,  /* a rule for a network that holds this address */
    NG_EVIDENCE_STRICT = 5,   /* strict, and nothing allows this */
    NG_EVIDENCE_RESOLVER = 6, /* another way to resolve names: port 853, or the resolver's own ports */
    NG_EVIDENCE_RAW = 7,      /* a socket or packet that evades the other hooks: raw, UDP-Lite, source routes */
    NG_EVIDENCE_ABANDONED = 8, /* on-agent-loss closed, and no keeper lives */
    NG_EVIDENCE_MAX
};

enum ng_hook {
    NG_HOOK_CONNECT4 = 0,
    NG_HOOK_CONNECT6,
    NG_HOOK_SENDMSG4,
    NG_HOOK_SENDMSG6,
    NG_HOOK_RECVMSG4,
    NG_HOOK_RECVMSG6,
    NG_HOOK_GETPEERNAME4,
    NG_HOOK_GETPEERNAME6,
    NG_HOOK_SOCK_CREATE,
    NG_HOOK_EGRESS,
    NG_HOOK_CUT, /* no hook of the kernel: the walk over open sockets found one whose peer is denied by now */
    NG_HOOK_DNS, /* nor is this: the resolver withheld what a name leads to (NG_ANSWER_REFUSE, NG_ANSWER_DECOY) */
    NG_HOOK_MAX
};

/* deployments: cgroup id (__u64) -> this. Written by the keeper. Full: `run` is refused. Holds all that a restarted
 * keeper needs to take a deployment over. */
#define NG_DEPLOYMENT_CLOSED (1u << 0)   /* on-agent-loss closed */
#define NG_DEPLOYMENT_INCIDENT (1u << 1) /* there is an incident for its tag: it is strict */
#define NG_DEPLOYMENT_KEEP (1u << 2)     /* established keep */
#define NG_DEPLOYMENT_GRANTS (1u << 3)   /* claims with NG_PROFILE_GRANT count */
#define NG_DEPLOYMENT_ATTACHED (1u << 4) /* by `attach`: can be detached */
#define NG_DEPLOYMENT_BORROWED (1u << 5) /* its cgroup was there before, and stays */

struct ng_deployment {
    __u32 scope;       /* NG_SCOPE_DEPLOYMENT | id */
    __u32 policy;      /* scope of its policy */
    __u64 started_at;  /* ns; a deny that was in force at this time or later stays in force for this deployment */
    __u64 outer;       /* cgroup id of the deployment around this one, or 0 */
    __u8 mode;         /* enum ng_mode */
    __u8 networks;     /* 1 when the policy has address rules, so that `networks` must be asked */
    __u8 mode_fixed;   /* 1 when `run --mode` chose the mode: a reload does not change it */
    __u8 flags;        /* NG_DEPLOYMENT_* */
    __u32 uid;         /* who started it */
    char tag[NG_TAG_LEN];    /* NUL-terminated */
    char name[NG_TAG_LEN];   /* name of its policy, NUL-terminated */
};
_Static_assert(sizeof(struct ng_deployment) == 160, "layout of ng_deployment");

/* destinations: {scope, address} -> up to NG_CLAIMS_MAX claims. Written and collected by the resolver alone, so that
 * collecting never races with learning. Full: the answer becomes SERVFAIL and the keeper turns strict. */
struct ng_destination_key {
    __u32 scope;
    __u32 pad;
    __u8 address[16];
};
_Static_assert(sizeof(struct ng_destination_key) == 24, "layout of ng_destination_key");

/* What one or several names that share a profile say of an address. */
struct ng_claim {
    __u64 profile;    /* NG_PROFILE_* or a key of `profiles`; NG_PROFILE_NONE marks an empty slot */
    __u64 expires_at; /* ns, NG_FOREVER for a lease to the deployment's end */
    __u8 allow;       /* 1: this name was asked for itself, so its allows count; 0: denies only (a link of a chain) */
    __u8 pad[7];
};

struct ng_destination {
    struct ng_claim claim[NG_CLAIMS_MAX]; /* the first empty slot ends the list */
};
_Static_assert(sizeof(struct ng_destination) == 24 * NG_CLAIMS_MAX, "layout of ng_destination");

/* A destination as it should be. */
struct ng_expected {
    struct ng_destination_key key;
    struct ng_destination value;
};
_Static_assert(sizeof(struct ng_expected) == 24 + 24 * NG_CLAIMS_MAX, "no padding");

/* What gate_verify() is given. It sets a bit for each that is not there so, or that it could not read. */
#define NG_EXPECTED_MAX 64
struct ng_verification {
    __u64 expected; /* address of that many struct ng_expected, in the memory of who calls */
    __u64 differ;
    __u32 count;    /* NG_EXPECTED_MAX at most */
    __u32 pad;
};

/* departures: one element, which the resolver maps into memory. What the replies that a worker sends together rest on:
 * the hook that sees the first of them looks whether it is so, and lets none leave when it is not. listeners: which
 * sockets are meant -> worker (__u32), written by the keeper. Each part has cache lines of its own. */
struct ng_departure {
    __u32 sender; /* the thread (gettid()) whose next datagram is the first of them; 0: none is under way. One in a pid
                     namespace of its own is not known by that, and nothing of its is looked at */
    __u32 looked; /* 1: the hook has seen it, and what differs is below */
    __u64 differ; /* a bit for each that is not there so */
    __u32 count;  /* NG_EXPECTED_MAX at most */
    __u32 pad[11];
    struct ng_expected expected[NG_EXPECTED_MAX];
};

struct ng_departures {
    __u64 under_way; /* how many: while none is, nobody else's datagrams cost more */
    __u64 pad[7];
    struct ng_departure of[NG_WORKERS_MAX];
};
_Static_assert(sizeof(struct ng_departure) == 64 + NG_EXPECTED_MAX * sizeof(struct ng_expected) &&
                   sizeof(struct ng_departure) % 64 == 0,
               "no padding, and whole cache lines");

/* networks: longest prefix match over {scope, address} -> this. prefixlen counts the 32 bits of the scope too.
 * Written by the keeper. Full: the policy is refused. */
struct ng_network_key {
    __u32 prefixlen; /* 32 + bits of the address (v4 networks: 32 + 96 + n) */
    __u32 scope;
    __u8 address[16];
};
_Static_assert(sizeof(struct ng_network_key) == 24, "layout of ng_network_key");

struct ng_network {
    __u64 own;   /* profile of the rules for exactly this address (prefix of full length), else NG_PROFILE_NONE */
    __u64 below; /* profile of all network rules that hold it, the longest prefix first, else NG_PROFILE_NONE */
};

/* profiles: content hash (__u64) -> this; immutable. Written by the keeper. Full: the policy is refused.
 * An id without an entry denies. */
#define NG_PROFILE_NONE 0ULL  /* says nothing */
#define NG_PROFILE_DENY 1ULL  /* denies all ports and protocols; needs no entry */
#define NG_PROFILE_ALLOW 2ULL /* allows all ports and protocols; needs no entry */
#define NG_PROFILE_GRANT 3ULL /* in the scope of a deployment: allows all, whatever else denies, until it expires */

struct ng_segment {
    __u16 port_lo; /* host order, inclusive */
    __u16 port_hi;
    __u8 proto;    /* IPPROTO_TCP, IPPROTO_UDP or 0 for any */
    __u8 verdict;  /* enum ng_verdict */
    __u8 respond;  /* enum ng_respond, of a deny */
    __u8 flags;    /* NG_SEGMENT_* */
};

#define NG_SEGMENT_SHARED (1u << 0) /* this deny yields to an allowed name that has the same address */
#define NG_SEGMENT_REFUSE (1u << 1) /* the name is answered NG_ANSWER_REFUSE */
#define NG_SEGMENT_DECOY (1u << 2)  /* NG_ANSWER_DECOY */


/* Ordered by precedence: the first segment that matches decides. */
struct ng_profile {
    __u32 count;
    __u32 pad;
    struct ng_segment segment[NG_SEGMENTS_MAX];
};
_Static_assert(sizeof(struct ng_profile) == 8 + 8 * NG_SEGMENTS_MAX, "layout of ng_profile");

/* control[0]. Written by the keeper. */
struct ng_control {
    __u64 heartbeat;      /* ns; when the keeper last showed that it lives */
    __u64 generation;     /* of the policy snapshot; goes into events */
    __u32 levels;         /* bit n: a deployment's cgroup lies n levels below the root */
    __u32 incident;       /* 1: every deployment is strict */
    __u16 redirect[NG_REDIRECT_SLOTS];  /* ports of the resolver's UDP listeners on 127.0.0.1 */
    __u16 redirect6[NG_REDIRECT_SLOTS]; /* and on ::1 */
    __u16 redirect_tcp;   /* port of the TCP listener on 127.0.0.1 */
    __u16 redirect_tcp6;  /* and on ::1 */
    __u32 escalated;      /* 1: learning failed (a full map), what blocks is strict until it works again */
};
_Static_assert(sizeof(struct ng_control) == 48, "layout of ng_control");

/* namespaces: cookie of a network namespace -> this. Written by the keeper, and begun by the programs for one that a
 * deployment uses and nobody serves. Full: DNS of deployments in a further one is dropped. */
struct ng_namespace {
    __u64 sighted_at; /* ns; when the keeper was told last, while it is not served */
    __u32 served;     /* 1: the resolver listens there */
    __u32 pad;
};

/* Records in `events` begin with what they are. */
enum ng_record_kind {
    NG_RECORD_DENIAL = 1, /* ng_event */
    NG_RECORD_SIGHTING,   /* ng_sighting */
    NG_RECORD_REACH,      /* ng_reach */
    NG_RECORD_FORK,       /* ng_fork */
    NG_RECORD_EXEC,       /* ng_exec */
    NG_RECORD_EXIT,       /* ng_exit */
    NG_RECORD_MOVE,       /* ng_move */
    NG_RECORD_DELEGATION, /* ng_delegation */
};

/* A process uses a namespace that is not served. */
struct ng_sighting {
    __u32 kind;
    __u32 tgid;
};

/* A deployment's process got through to a destination: told once for each process and destination, and again when
 * others of the deployment were there in between (of two that get there at once either may be the last). What a UDP
 * socket only connects to is no traffic, and not told. */
struct ng_reach {
    __u32 kind;
    __u32 scope;       /* of the innermost deployment */
    __u64 time;        /* ns */
    __u32 tgid;
    __u32 uid;
    __u8 address[16];
    __u16 port;
    __u8 proto;
    __u8 hook;         /* enum ng_hook */
    __u8 evidence;     /* enum ng_evidence */
    __u8 pad[3];
    char comm[NG_COMM_LEN];
};
_Static_assert(sizeof(struct ng_reach) == 64, "layout of ng_reach");

/* What becomes of the processes of deployments. A process (thread group) of one was made by another process. */
struct ng_fork {
    __u32 kind;
    __u32 scope;       /* of the innermost deployment that the new one is in */
    __u64 time;        /* ns */
    __u32 tgid;
    __u32 parent;      /* tgid */
    __u32 uid;
    __u32 pad;
};

/* It executes something. */
struct ng_exec {
    __u32 kind;
    __u32 scope;
    __u64 time;        /* ns */
    __u32 tgid;
    __u32 parent;      /* tgid */
    __u32 uid;
    __u16 argv_len;    /* octets used in argv, arguments separated by NUL */
    __u16 cut;         /* 1: argv was longer */
    char comm[NG_COMM_LEN];
    char path[NG_PATH_LEN]; /* what was executed, as the caller said it, NUL-terminated */
    char argv[NG_ARGV_LEN];
};
_Static_assert(sizeof(struct ng_exec) == 48 + NG_PATH_LEN + NG_ARGV_LEN, "layout of ng_exec");

/* Its last thread ended. */
struct ng_exit {
    __u32 kind;
    __u32 scope;
    __u64 time;        /* ns */
    __u32 tgid;
    __s32 status;      /* as of wait(2) */
};

/* A process was moved to another cgroup. Told of all processes of the host while there are deployments. */
struct ng_move {
    __u32 kind;
    __u32 scope;       /* of the innermost deployment that it is in now, 0: in none */
    __u64 time;        /* ns */
    __u32 tgid;
    __u32 parent;      /* tgid */
    __u32 uid;
    __u32 mover;       /* tgid of who moved it */
    __u32 mover_uid;
    __u32 pad;
    char comm[NG_COMM_LEN];
    char mover_comm[NG_COMM_LEN];
};

/* A process of a deployment connects to a socket of AF_UNIX: told once for each process and path. */
struct ng_delegation {
    __u32 kind;
    __u32 scope;
    __u64 time;        /* ns */
    __u32 tgid;
    __u32 uid;
    char comm[NG_COMM_LEN];
    char path[NG_UNIX_PATH_LEN]; /* as the caller said it, padded with NUL; begins with NUL where it is abstract */
    __u32 pad;
};

/* permits: what a cgroup was let through to, and since when nothing has changed that could turn it into a denial.
 * Written by the programs: what gives way to another is judged again, and may be told of again (ng_reach). Not pinned:
 * it begins anew with the programs.
 *
 * The word in `epoch` counts everything that can, the one in `additions` what can make a deployment of a cgroup that
 * was in none. Whoever changes another map adds one afterwards, before anybody hears of the change; the programs read
 * it before they judge, so that what they keep is never newer than what they saw. */

struct ng_permit_key {
    __u64 cgroup;      /* id of the task's and the socket's own cgroup, which is the same */
    __u8 address[16];
    __u64 destination; /* NG_PERMIT_DESTINATION() */
};
#define NG_PERMIT_DESTINATION(proto, port) ((__u64)(proto) << 16 | (port))
_Static_assert(sizeof(struct ng_permit_key) == 32, "layout of ng_permit_key");

struct ng_permit {
    struct ng_permit_key key; /* cgroup 0: empty */
    __u64 mark;        /* of its key and the epoch at which it was judged (permit.bpf.h); 0: judge again */
    __u64 owner;       /* of its key and the process of the deployment that was there last (permit.bpf.h), */
    __u32 scope;       /* which was of this one; */
    __u32 tgid;        /* 0: none is known */
    __u32 uid;
    __u32 pad;
    char comm[NG_COMM_LEN];
};
_Static_assert(sizeof(struct ng_permit) == 80, "layout of ng_permit");

struct ng_permits {
    __u64 turn; /* odd: it is being written */
    struct ng_permit way[2];
};
_Static_assert(sizeof(struct ng_permits) == 168, "layout of ng_permits");

/* askers: who sent this DNS query. Written by the egress program, read by the resolver. An LRU: a lost record makes the
 * query unanswered, and the client asks again. */
struct ng_asker_key {
    __u64 netns;       /* cookie of the sender's network namespace */
    __u8 address[16];  /* the sender's */
    __u16 port;        /* the sender's */
    __u16 listener;    /* port of the resolver's listener */
    __u8 proto;
    __u8 pad[3];
};
_Static_assert(sizeof(struct ng_asker_key) == 32, "layout of ng_asker_key");

struct ng_asker {
    __u64 time;      /* ns */
    __u32 scope;     /* of the deployment */
    __u32 policy;    /* scope of its policy */
    __u32 pid;       /* process (thread group) id in the initial namespace */
    __u32 uid;
    __u8 mode;
    __u8 pad[7];
    char comm[NG_COMM_LEN];
};
_Static_assert(sizeof(struct ng_asker) == 48, "layout of ng_asker");

struct ng_ancestor {
    __u32 pid;
    char comm[NG_COMM_LEN];
};

#define NG_EVENT_WOULD (1u << 0)  /* audit: it would have been denied */
#define NG_EVENT_PROBE (1u << 1)  /* connect() of a UDP socket: nothing was sent, so this is no evidence of traffic */
#define NG_EVENT_SOFTIRQ (1u << 2) /* made outside the process' own context: pid and all are the socket opener's */
#define NG_EVENT_INCIDENT (1u << 3) /* strict because of an incident or an escalation */

/* events: one record of a denial. Full: the record is lost and counted in NG_COUNTER_LOST. */
struct ng_event {
    __u32 kind;        /* NG_RECORD_DENIAL */
    __u32 pad;
    __u64 time;        /* ns */
    __u64 generation;  /* of the policy in force */
    __u64 cgroup;      /* the deployment's */
    __u32 scope;       /* the deployment's */
    __u32 policy;      /* scope of its policy */
    __u32 flags;       /* NG_EVENT_* */
    __s32 error;       /* what user space saw: -EPERM and the like, or 0 where the packet was dropped */
    __u8 address[16];
    __u16 port;
    __u8 proto;
    __u8 hook;         /* enum ng_hook */
    __u8 evidence;     /* enum ng_evidence */
    __u8 mode;         /* enum ng_mode in force */
    __u16 argv_len;    /* bytes used in argv, arguments separated by NUL */
    __u32 pid;         /* thread */
    __u32 tgid;        /* process */
    __u32 uid;
    __u32 gid;
    char comm[NG_COMM_LEN];
    __u32 ancestors;   /* entries used */
    struct ng_ancestor ancestor[NG_ANCESTORS_MAX]; /* parent first */
    __u8 pad_end[4];
    char argv[NG_ARGV_LEN];
};
_Static_assert(sizeof(struct ng_event) == 784, "layout of ng_event");

/* What the walks over open files and sockets write for each socket whose peer is denied by now. That over sockets does
 * not know who holds it: the process is the one that opened it, 0: not known, and fd, pid and gid say nothing. */
struct ng_socket {
    __u64 cgroup;      /* of the deployment that denies it */
    __u32 scope;       /* the deployment's */
    __u32 policy;      /* scope of its policy */
    __u32 tgid;        /* process that has it open */
    __u32 pid;         /* its thread whose table of files this is */
    __u32 uid;
    __u32 gid;
    __u32 fd;
    __u32 flags;       /* NG_EVENT_* */
    __u8 address[16];  /* the peer */
    __u16 port;        /* the peer's */
    __u16 protocol;    /* IPPROTO_TCP, _UDP or _MPTCP */
    __u8 evidence;     /* enum ng_evidence */
    __u8 mode;         /* enum ng_mode in force */
    __u8 pad[2];
    char comm[NG_COMM_LEN];
    __u64 cookie;      /* of the socket */
    __u8 local[16];    /* its own address */
    __u16 local_port;
    __u8 pad_local[2];
    __u32 device;      /* number of the interface that it is bound to, or 0 */
};
_Static_assert(sizeof(struct ng_socket) == 112, "layout of ng_socket");

/* What the walk over tasks writes for each task of a deployment. */
struct ng_whereabouts {
    __u32 pid;
    __u32 netns; /* number of the inode of its network namespace */
};

/* counters: one array slot per hook and outcome, then the lost records: of denials, and of deeds; per CPU. */
enum ng_outcome {
    NG_OUTCOME_PASS = 0,   /* a deployment's call that was allowed */
    NG_OUTCOME_DENY,
    NG_OUTCOME_WOULD,      /* audit */
    NG_OUTCOME_REDIRECT,   /* DNS sent to the resolver */
    NG_OUTCOME_MAX
};
#define NG_COUNTER(hook, outcome) ((unsigned)(hook) * NG_OUTCOME_MAX + (unsigned)(outcome))
#define NG_COUNTER_LOST (NG_HOOK_MAX * NG_OUTCOME_MAX)
#define NG_COUNTER_LOST_DEEDS (NG_COUNTER_LOST + 1) /* of processes, and of what was reached */
#define NG_COUNTERS (NG_COUNTER_LOST_DEEDS + 1)

#endif
