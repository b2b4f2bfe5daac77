#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What the daemon takes while nothing happens, and while its cache is full: no time, and little memory.
. "$(dirname "$0")/lib.sh"
trap 'world_down' EXIT
mkdir -p "$W/policies" "$W/state" "$W/run"
chmod 755 "$W"
network_up
files_up
write_zone
zone_add '*.many.test. 3600 A 203.0.113.20'
write_zone
dns_up
default_policy
gate_start 'listen 127.0.0.1:5300' 'workers 2' 'cache-size 100000'
idle() { [ "$(gate stats --json | jq .pending)" = 0 ]; }
wait_until 10 idle || fail "$(gate stats)"
RESOLVER=$(resolver_pid)

mib() { awk '/^VmRSS/ { print int($2 / 1024) }' "/proc/$RESOLVER/status"; }
at_most() { # WHAT GOT MOST
    CHECKS=$((CHECKS + 1))
    [ "$2" -le "$3" ] || fail "$1: $2, more than $3"
}
wakeups() { cat "/proc/$1/task"/*/status | awk '/^voluntary/ { sum += $2 } END { print sum }'; }
cpu_us() { cat "/proc/$1/task"/*/schedstat | awk '{ sum += $1 } END { printf "%.0f\n", sum / 1000 }'; }

say "idle: a wakeup a second, which takes no time to speak of"
sanitized || at_most "MiB of the resolver" "$(mib)" 12
figures() { echo "$(wakeups "$RESOLVER") $(wakeups "$GATE_PID") $(cpu_us "$RESOLVER") $(cpu_us "$GATE_PID")"; }
idles() { # what it took is in $figures
    local before after began=$SECONDS took
    read -ra before < <(figures)
    sleep 5
    read -ra after < <(figures)
    took=$((SECONDS - began + 1))
    figures="$((after[0] - before[0])) wakeups of the resolver, $((after[1] - before[1])) of the keeper,"
    figures+=" $((after[2] - before[2])) us of the resolver, $((after[3] - before[3])) of the keeper, in $took s"
    [ $((after[0] - before[0])) -le $((2 * took)) ] && [ $((after[1] - before[1])) -le $((3 * took)) ] &&
        [ $((after[2] - before[2])) -le $((2000 * took)) ] && [ $((after[3] - before[3])) -le $((2000 * took)) ]
}
once_of 3 idles || fail "too much: $figures"

say "100,000 names in the cache"
awk 'BEGIN { for (i = 0; i < 100000; i++) printf "n%d.many.test A\n", i }' > "$W/many"
dnsperf -s 127.0.0.1 -p 5300 -d "$W/many" -n 1 -q 100 -t 5 > "$W/perf" 2>&1 || fail "dnsperf: $(cat "$W/perf")"
cached() { gate stats --json | jq .cache.entries; }
all_cached() { [ "$(cached)" -ge 99000 ]; } # a datagram may be lost
CHECKS=$((CHECKS + 1))
wait_until 5 all_cached || fail "$(cached) names are in the cache"
say "$(cached) names, $(mib) MiB"
sanitized || at_most "MiB of the resolver" "$(mib)" 40
