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
grows 1 .learnt ask @127.0.0.1 svcb.github.com HTTPS
grows 0 .learnt ask @127.0.0.1 other.test AAAA
grows 1 .map.writes ask @127.0.0.1 v4only.github.com A
grows 0 .map.writes ask @127.0.0.1 v4only.github.com A
wait_until 5 is '.tracked_names >= 2 and .cache.entries >= 4 and .pending == 0' true || fail "held: $(gate stats)"
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

say "nothing is served without being asked for"
expect_eq "TCP sockets that listen on other addresses than DNS needs" \
    "$(ss -Hltn | awk '{ print $4 }' | grep -c ":95[0-9][0-9]$")" 0
expect_eq processes "$(pgrep -P "$GATE_PID" | wc -l)" 1
gate_stop

say "where metrics may be served"
daemon() { timeout 60 "$B/namegated" "${OPTIONS[@]}" --check-config; }
config() { printf '%s\n' "$@" > "$W/gate.conf"; }
for address in 192.0.2.99:9553 0.0.0.0:9553 '[::]:9553' '[2001:db8::1]:9553'; do
    config '# a comment' "  metrics $address"
    expect_fail daemon
    expect_said 'gate.conf:2:11: error: .* is no loopback address'
    expect_said 'use a loopback address, .* or, .* add: metrics-remote yes'
    config "metrics $address" 'metrics-remote yes'
    expect_ok daemon
done
for value in 127.0.0.1 localhost:9553 127.0.0.1:0 127.0.0.1:99999; do
    config "metrics $value"
    expect_output "gate.conf:1:9: error: '.*' is no value for metrics" daemon
done
config 'metrics-remote perhaps'
expect_output 'metrics-remote takes yes or no' daemon
config 'metrics [::1]:9553'
expect_output '^metrics \[::1\]:9553$' daemon
config 'metrics 127.0.0.1:9553'
python3 -m http.server --bind 127.0.0.1 9553 > "$W/taken.log" 2>&1 &
taken=$!
taken() { ss -Hltn 'sport = 9553' | grep -q 9553; }
wait_until 5 taken
expect_output 'cannot listen on 127.0.0.1:9553 for metrics' timeout 60 "$B/namegated" "${OPTIONS[@]}"
kill $taken
free() { ! taken; }
wait_until 5 free

library=$(ldconfig -p | awk '/libmicrohttpd.so.12/ { print $NF; exit }')
# shellcheck disable=SC2016 # the inner shell expands it
expect_output 'metrics need libmicrohttpd.so.12' timeout 60 unshare --mount \
    sh -c 'mount --bind /dev/null "$0" && exec "$@"' "$(readlink -f "$library")" "$B/namegated" "${OPTIONS[@]}"
expect_said 'remedy: apt install libmicrohttpd12'

say "OpenMetrics"
dns_up
gate_start 'listen 127.0.0.1:5353' 'metrics 127.0.0.1:9554'
fetch() { curl -sS -m 20 "$@" http://127.0.0.1:9554/metrics; }
sample() { fetch | python3 "$HERE/clients/openmetrics.py" | jq --arg name "$1" '.[$name]'; }
expect_ok ask @127.0.0.1 mirror.internal A
expect_ok ask @127.0.0.1 mirror.internal A
fetch -D "$W/head" > "$W/metrics"
CHECKS=$((CHECKS + 1))
python3 "$HERE/clients/openmetrics.py" < "$W/metrics" > "$W/samples" 2> "$W/out" || fail "$(cat "$W/out" "$W/metrics")"
expect_eq "type" "$(tr -d '\r' < "$W/head" | sed -n 's/^Content-Type: //Ip')" \
    'application/openmetrics-text; version=1.0.0; charset=utf-8'
expect_eq "the last line" "$(tail -n 1 "$W/metrics")" '# EOF'
same() { # SAMPLE NUMBER
    expect_eq "$1" "$(sample "$1")" "$(figure "$2")"
}
same 'namegate_queries_total{transport="udp"}' .queries.udp
same 'namegate_cache_lookups_total{result="hit"}' .cache.hits
same 'namegate_answers_total{rcode="noerror"}' .answers.noerror
same namegate_resolver_starts_total .resolver_starts
same 'namegate_stage_duration_seconds_count{stage="total"}' .stages.total.count
expect_eq queries "$(figure .queries.udp)" 2
expect_output '404' curl -sS -m 20 -o /dev/null -w '%{http_code}' http://127.0.0.1:9554/other
expect_output '405' curl -sS -m 20 -o /dev/null -w '%{http_code}' -d some=body http://127.0.0.1:9554/metrics
expect_output '^HTTP/1.1 200' curl -sS -m 20 -I http://127.0.0.1:9554/metrics

say "what serves them can do nothing else"
exporter() { pgrep -P "$GATE_PID" -f -- '--exporter'; }
victim=$(exporter)
expect_eq "its account" "$(ps -o user= -p "$victim")" nobody
expect_eq "its capabilities" "$(sed -n 's/^Cap\(Prm\|Eff\|Inh\|Amb\):\t0*$/none/p' "/proc/$victim/status" | sort | uniq -c | tr -s ' ')" ' 4 none'
expect_eq "no new privileges" "$(sed -n 's/^NoNewPrivs:\t//p' "/proc/$victim/status")" 1
# Two sockets, the two memories, and what libmicrohttpd makes of them.
has=" 1 /memfd:namegate-stats 1 /memfd:namegate-tally 1 anon_inode:[eventpoll] 2 socket "
descriptors() {
    for fd in "/proc/$victim/fd"/*; do
        [ "${fd##*/}" -le 2 ] || readlink "$fd" | sed 's/:\[[0-9]*\]//;s/ (deleted)//'
    done | sort | uniq -c | tr -s ' \n' ' '
}
only_these() { [ "$(descriptors)" = "$has" ]; } # the last connection has been closed
wait_until 5 only_these
expect_eq "its descriptors" "$(descriptors)" "$has"
for fd in 4 5; do expect_output '^flags:.*0$' cat "/proc/$victim/fdinfo/$fd"; done
for space in pid net ipc; do
    differ "/proc/self/ns/$space" "/proc/$victim/ns/$space" || fail "it is in our $space namespace"
    CHECKS=$((CHECKS + 1))
done

say "malformed requests, idle connections, and its death, harm nobody"
python3 - 9554 << 'PYTHON' > "$W/holder.log" 2>&1 &
import os, socket, sys, time
held = []
for i in range(60):
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(("127.0.0.1", int(sys.argv[1])))
    time.sleep(0.01)
    try:
        s.send([b"", b"GET /metrics", os.urandom(3000), b"GET /" + b"a" * 60000, b"\r\n\r\n",
                b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n"][i % 6])
    except OSError:
        pass
    held.append(s)
time.sleep(60)
PYTHON
holder=$!
serves() { fetch > "$W/metrics" 2> "$W/out"; }
wait_until 30 serves || fail "it serves no more: $(cat "$W/out")"
kill -0 "$holder" || fail "$(cat "$W/holder.log")"
kill "$holder"
kill -KILL "$(exporter)"
another() { [ -n "$(exporter)" ] && [ "$(exporter)" != "$victim" ] && serves; }
wait_until 15 another || fail "no other: $(cat "$W/out")"
same 'namegate_queries_total{transport="udp"}' .queries.udp
expect_eq "restarts of the resolver" "$(gate status --json | jq .resolver.restarts)" 0

say "it goes with the daemon, also with one that is killed"
victim=$(exporter)
gate_kill
gone() { [ ! -d "/proc/$victim" ]; }
wait_until 10 gone || fail "it is still there"
gate_again
expect_eq "without a deployment it begins anew" "$(sample 'namegate_queries_total{transport="tcp"}')" 0
gate_stop
expect_fail fetch
