#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Statistics: they move with what is asked, outlive a resolver, and are the same for people, as JSON and as OpenMetrics.
. "$(dirname "$0")/lib.sh"
world_up
default_policy
gate_start 'listen 127.0.0.1:5353' 'max-destinations 16'
ask() { dig +time=12 +tries=1 +short -p 5353 "$@"; }
figure() { gate stats --json | jq -r "$1"; }
is() { [ "$(figure "$1")" = "$2" ]; }

# How much a number has grown, while a command ran.
grows() { # BY NUMBER COMMAND...
    local by=$1 number=$2 before
    shift 2
    before=$(figure "$number")
    "$@" > "$W/out" 2>&1
    expect_eq "$number grows by, with $*" "$(($(figure "$number") - before))" "$by"
}

# What prewarming asks is over then.
wait_until 10 is .pending 0 || fail "$(gate stats)"
say "queries, answers and the cache"
grows 1 .cache.misses ask @127.0.0.1 mirror.internal A
grows 1 .cache.hits ask @127.0.0.1 mirror.internal A
grows 1 .queries.udp ask @127.0.0.1 mirror.internal A
grows 0 .queries.udp ask +tcp @127.0.0.1 mirror.internal A
grows 1 .queries.tcp ask +tcp @127.0.0.1 mirror.internal A
grows 1 .answers.nxdomain ask @127.0.0.1 no.such.name A
grows 1 .answers.noerror ask @127.0.0.1 mirror.internal A
grows 1 .answers.badvers ask +edns=1 +noednsneg @127.0.0.1 mirror.internal
grows 1 .answers.refused ask @127.0.0.1 mirror.internal ANY
grows 1 .stages.total.count ask @127.0.0.1 mirror.internal A
grows 1 .stages.queue.count ask @127.0.0.1 mirror.internal A
grows 0 .upstream.queries ask @127.0.0.1 mirror.internal A

say "learning"
expect_eq "stages agree" "$(figure '[.stages.upstream.count == .upstream.queries, .stages.map_write.count == .map.writes,
    .stages.policy.count == .learnt] | all')" true
grows 1 .upstream.queries ask @127.0.0.1 other.test A
grows 1 .learnt ask @127.0.0.1 other.test AAAA
grows 1 .map.writes ask @127.0.0.1 v4only.github.com A
grows 0 .map.writes ask @127.0.0.1 v4only.github.com A
wait_until 5 is '.tracked_names >= 3 and .cache.entries >= 4 and .pending == 0' true || fail "held: $(gate stats)"
expect_eq "order" "$(figure '[.stages[] | .count == 0 or (0 < .p50_ns and .p50_ns <= .p90_ns and .p90_ns <= .p99_ns and
    .p99_ns <= .max_ns) or .p50_ns == 0] | all')" true
expect_eq "an upstream takes longer than a hit" "$(figure '.stages.upstream.p50_ns > .stages.total.p50_ns or
    .stages.total.count < 2 * .upstream.queries or .stages.upstream.max_ns > 10000')" true
expect_ok run dig +short +time=12 @192.0.2.53 status.github.com A
grows 1 .queries.udp run dig +short +time=12 @192.0.2.53 status.github.com A

say "people see the same"
expect_output '^STAGE +COUNT +P50 +P90 +P99 +MAX$' gate stats
expect_said '^total +[0-9]+ +[0-9.]+ (ns|us|ms) '
expect_said '^queries +[0-9]+ udp, [0-9]+ tcp$'
expect_said '^answers +[0-9]+ noerror, .*1 nxdomain, .*1 badvers$'
expect_fail gate stats more
expect_output 'Usage: namegate stats' gate stats --help

say "a resolver that died takes nothing with it"
before=$(gate stats --json)
old=$(resolver_pid)
kill -KILL "$old"
other_resolver() { [ "$(gate status --json | jq "[.resolver.pid, .resolver.running] == [$old, true]")" = false ] &&
    [ "$(gate status --json | jq .resolver.running)" = true ]; }
wait_until 10 other_resolver || fail "no other resolver"
expect_eq starts "$(figure .resolver_starts)" 2
expect_eq "what was counted" "$(gate stats --json | jq --argjson b "$before" '.queries.udp >= $b.queries.udp and
    .stages.total.count >= $b.stages.total.count and .answers.nxdomain == $b.answers.nxdomain and
    .since[:19] == $b.since[:19]')" true
grows 1 .queries.udp ask @127.0.0.1 mirror.internal A

say "failures"
grows 0 .map.failures ask @127.0.0.1 mirror.internal A
for i in $(seq 20); do zone_add "f$i.github.com. 300 A 198.51.100.$((100 + i))"; done
write_zone
kill -HUP "$(cat "$W/nsd.pid")"
fresh() { inet dig +time=1 +tries=1 +short @192.0.2.53 f20.github.com A | grep -qx 198.51.100.120; }
wait_until 10 fresh || fail "nsd did not read its zone again"
failures=$(figure .answers.servfail)
for i in $(seq 20); do ask @127.0.0.1 "f$i.github.com" A > "$W/out" 2>&1; done
expect_eq "a full map shows" "$(figure ".map.failures > 0 and .answers.servfail >= $failures + .map.failures")" true
dns_down
timeouts=$(figure '.upstream.timeouts + .upstream.failures')
ask @127.0.0.1 never.asked.test A > "$W/out" 2>&1
expect_eq "a silent upstream shows" "$(figure ".upstream.timeouts + .upstream.failures > $timeouts")" true
gate_stop
