#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What the keeper counts, as OpenMetrics and in `stats`: denials, deployments, what is in force, what is full or lost;
# and the dashboard asks for nothing else.
. "$(dirname "$0")/lib.sh"
for i in $(seq 60); do zone_add "many.github.com. 300 A 100.64.1.$i"; done
world_up
default_policy
policy local << 'POLICY'
policy local { deny 203.0.113.21 }
POLICY
gate_start 'metrics 127.0.0.1:9555' 'listen 127.0.0.1:5353' 'max-destinations 48'
samples() {
    curl -sS -m 20 http://127.0.0.1:9555/metrics > "$W/metrics" &&
        python3 "$HERE/clients/openmetrics.py" < "$W/metrics" > "$W/samples"
}
sample() { samples && jq --arg name "$1" '.[$name]' "$W/samples"; }
copied() { gate stats > "$W/stats" || fail "$(cat "$W/stats")"; } # now; by itself every three seconds
is() { copied && [ "$(sample "$1")" = "$2" ]; }
expect_sample() { # SAMPLE VALUE
    CHECKS=$((CHECKS + 1))
    wait_until 10 is "$1" "$2" || fail "$1 is '$(sample "$1")', expected '$2': $(grep -v _bucket "$W/metrics")"
}
grows() { # BY SAMPLE COMMAND...
    local by=$1 sample=$2 before
    shift 2
    copied
    before=$(sample "$sample")
    "$@" > "$W/out" 2>&1
    [ "$before" != null ] || before=0
    expect_sample "$sample" $((before + by))
}
tagged() { # TAG COMMAND...
    local tag=$1
    shift
    gate run --tag "$tag" -- "$@"
}
over() { wait_until 10 no_deployments || fail "$(gate list)"; }

say "what is denied, by hook, by evidence and by tag; and what would be"
denied_once() { tagged web curl -4 -sS -m 20 https://github.com/; }
grows 1 'namegate_denials_total{tag="web",verdict="deny"}' denied_once
grows 1 'namegate_evidence_denials_total{evidence="asked",verdict="deny"}' denied_once
grows 1 'namegate_hook_denials_total{hook="connect4",verdict="deny"}' denied_once
grows 0 'namegate_hook_denials_total{hook="connect6",verdict="deny"}' denied_once
would() { gate run --tag web --mode audit -- curl -4 -sS -m 20 https://github.com/; }
grows 1 'namegate_denials_total{tag="web",verdict="would-deny"}' would
grows 1 'namegate_hook_denials_total{hook="connect4",verdict="would-deny"}' would
by_address() { gate run --tag web --policy local -- curl -sS -m 20 http://203.0.113.21/; }
grows 1 'namegate_evidence_denials_total{evidence="address",verdict="deny"}' by_address
expect_eq "another tag" "$(jq '[keys[] | select(startswith("namegate_denials_total{tag=\"other\""))] | length' "$W/samples")" 2

say "probes are counted apart"
probe() { tagged web python3 -c 'import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect((socket.gethostbyname("github.com"), 443))'; }
grows 1 namegate_probes_total probe
grows 0 'namegate_denials_total{tag="web",verdict="deny"}' probe
over
expect_eq "probes of deployments that ended" "$(gate status --json | jq .probes)" "$(sample namegate_probes_total)"
expect_output "probes among them $(gate status --json | jq .probes)," gate status

say "deployments: live, started, ended by outcome"
ended() { echo "namegate_deployments_ended_total{tag=\"ends\",outcome=\"$1\"}"; }
grows 1 "$(ended clean)" tagged ends true
grows 1 "$(ended would-block)" gate run --tag ends --mode audit -- curl -sS -m 20 https://github.com/
grows 1 "$(ended blocked-failed)" tagged ends curl -sS -m 20 https://github.com/
grows 1 "$(ended blocked-recovered)" tagged ends sh -c 'curl -sS -m 20 https://github.com/; true'
expect_sample 'namegate_deployments_started_total{tag="ends"}' 4
# shellcheck disable=SC2016 # the inner shell expands it
tagged ends sh -c 'until [ -e "$0" ]; do sleep 0.05; done' "$W/go" > "$W/sleeper" 2>&1 &
expect_sample 'namegate_deployments{tag="ends"}' 1
touch "$W/go"
expect_sample 'namegate_deployments{tag="ends"}' 0

say "stats has the same"
over
samples
same() { # KEY PATTERN-OF-SAMPLES
    expect_eq "$1" "$(gate stats --json | jq "$1")" \
        "$(jq --arg key "$2" '[to_entries[] | select(.key | test($key)) | .value] | add' "$W/samples")"
}
same '.denied_by_evidence | add' '^namegate_evidence_denials.*"deny"'
same '.would_by_hook | add' '^namegate_hook_denials.*"would-deny"'
same .deployments.started '^namegate_deployments_started'
same .probes '^namegate_probes'
expect_eq "sums" "$(gate stats --json | jq '.denied_by_hook | add')" "$(gate status --json | jq .denied)"
expect_output '^denied by +.*[0-9]+ asked' gate stats
expect_said '^deployments +0 live, [0-9]+ started, [0-9]+ clean, [0-9]+ would-block'
expect_said '^destinations +[0-9]+ used, 48 max$'

say "the map of addresses, and what follows when it is full"
expect_sample namegate_destinations_max 48
grows 1 namegate_destinations dig +short -p 5353 @127.0.0.1 v4only.github.com
expect_eq "as the kernel has it" "$(gate status --json | jq .destinations.used)" "$(sample namegate_destinations)"
expect_sample namegate_escalated 0
dig +tries=1 -p 5353 @127.0.0.1 many.github.com > "$W/out"
expect_said SERVFAIL
expect_sample namegate_escalated 1
samples
expect_eq "failed writes" "$(jq .namegate_map_write_failures_total\ \>\ 0 "$W/samples")" true

say "what is in force"
gate incident --reason test on > "$W/out"
gate incident --tag web --reason test on > "$W/out"
by_itself() { [ "$(sample 'namegate_incidents{scope="all"}')" = 1 ]; }
wait_until 10 by_itself || fail "nothing is copied by itself: $(cat "$W/metrics")"
CHECKS=$((CHECKS + 1))
expect_sample 'namegate_incidents{scope="tag"}' 1
gate incident off > "$W/out"
gate allow --tag web --for 1m --reason test mirror.internal > "$W/out"
expect_sample 'namegate_incidents{scope="all"}' 0
expect_sample namegate_grants 1
gate allow --tag web --end mirror.internal > "$W/out"
gate incident --tag web off > "$W/out"
expect_sample namegate_grants 0
expect_sample 'namegate_incidents{scope="tag"}' 0

say "the resolver and its upstreams"
up='namegate_upstream_up{upstream="1",address="192.0.2.53:53"}'
expect_sample "$up" 1
expect_eq "its time" "$(jq '.["namegate_upstream_rtt_seconds{upstream=\"1\",address=\"192.0.2.53:53\"}"] | . > 0 and . < 4' "$W/samples")" true
dns_down
silent() {
    dig +time=1 +tries=1 -p 5353 @127.0.0.1 "q$RANDOM.test" > "$W/out" 2>&1
    is "$up" 0
}
wait_until 20 silent || fail "an upstream that is silent is shown as up"
dns_up
expect_sample namegate_resolver_up 1
kill -KILL "$(resolver_pid)"
expect_sample namegate_resolver_restarts_total 1
expect_sample namegate_resolver_up 1

say "the ledger"
expect_sample namegate_ledger_trouble 0
expect_sample namegate_ledger_waiting_rows 0
expect_sample namegate_ledger_lost_events_total 0
expect_sample 'namegate_lost_records_total{kind="denial"}' 0

say "however many tags there are, the first 32 are told apart"
for i in $(seq 31); do tagged "t$i" true > "$W/out" 2>&1; done
grows 1 'namegate_deployments_started_total{tag="other"}' tagged onemore true
grows 1 'namegate_deployments_started_total{tag="other"}' tagged other true
grows 1 'namegate_deployments_started_total{tag="ends"}' tagged ends true
tags() { jq '[keys[] | select(startswith("namegate_deployments{"))] | length' "$W/samples"; }
expect_eq tags "$(tags)" 33

say "the keeper's pulse shows"
expect_eq "its age" "$(jq '.namegate_sample_age_seconds < 10' "$W/samples")" true
kill -STOP "$GATE_PID"
stale() { samples && [ "$(jq '.namegate_sample_age_seconds > 6' "$W/samples")" = true ]; }
wait_until 15 stale || fail "a keeper that hangs is not seen"
kill -CONT "$GATE_PID"

say "the dashboard asks for what there is"
samples
expect_ok python3 "$HERE/clients/dashboard.py" "$HERE/../../conf/grafana-dashboard.json" "$W/samples"
sed 's/namegate_grants/namegate_grunts/' "$HERE/../../conf/grafana-dashboard.json" > "$W/wrong.json"
expect_fail python3 "$HERE/clients/dashboard.py" "$W/wrong.json" "$W/samples"
expect_said 'namegate_grunts'
over
gate_stop
