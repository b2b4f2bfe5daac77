#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Long runs, for a plateau: the resolver's memory under COUNT (10 million) random names, half of them below a denied
# wildcard that has addresses. Fails when it still grows in the second half.
# shellcheck source-path=SCRIPTDIR source=system/lib.sh
. "$(dirname "$0")/system/lib.sh"
COUNT=${COUNT:-10000000}
PARTS=20
trap 'world_down' EXIT
mkdir -p "$W/policies" "$W/state" "$W/run"
chmod 755 "$W"
network_up
files_up
zone_add '*.free.test. 300 A 203.0.113.20'
zone_add '*.denied.test. 300 A 198.51.100.10'
write_zone
dns_up
policy deploy << 'POLICY'
policy deploy { deny *.denied.test }
POLICY
gate_start 'listen 127.0.0.1:5300' 'cache-size 50000' 'max-destinations 20000'
memory() { awk '/VmRSS/ { print $2 }' "/proc/$(resolver_pid)/status"; }

resolver=$(resolver_pid)
for part in $(seq $PARTS); do
    awk -v n=$((COUNT / PARTS)) -v part="$part" 'BEGIN { for (i = 0; i < n; i++)
        printf "x%d-%d.%s.test A\n", part, i, i % 2 ? "free" : "denied" }' > "$W/names"
    dnsperf -s 127.0.0.1 -p 5300 -c 4 -q 200 -n 1 -d "$W/names" > "$W/perf" 2>&1 || fail "dnsperf: $(tail -n 5 "$W/perf")"
    rss=$(memory)
    [ "$part" != $((PARTS / 2)) ] || half=$rss
    say "$((part * COUNT / PARTS)) names: $rss KiB, $(gate stats --json | jq .tracked_names) names tracked," \
        "$(gate stats --json | jq .cache.entries) answers kept"
done
expect_eq "the resolver" "$(resolver_pid)" "$resolver"
[ "$rss" -le $((half * 11 / 10)) ] || fail "it still grows: $half KiB after half of the names, $rss KiB at the end"
