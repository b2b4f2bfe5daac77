#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# 100,000 times (10,000 with sanitizers): resolve a fresh forbidden name, connect at once. No connect gets through, on two
# processors at once; and every event's map write was before its reply.
. "$(dirname "$0")/lib.sh"
! sanitized || ROUNDS=${ROUNDS:-5000} # each takes four times as long there
ROUNDS=${ROUNDS:-50000}                           # for each of two processes
trap 'world_down' EXIT
mkdir -p "$W/policies" "$W/state" "$W/run"
network_up
files_up
write_zone
# Each name has an address of its own, so that no other name has denied it before.
awk -v n=$((ROUNDS * 2)) 'BEGIN { for (i = 0; i < n; i++)
    printf "n%d.race.test. 300 A 100.%d.%d.%d\n", i, 64 + int(i / 65536), int(i / 256) % 256, i % 256 }' >> "$W/zone"
dns_up
certificate
web_up
policy deploy << 'POLICY'
policy deploy { deny *.race.test }
POLICY
gate_start 'max-destinations 400000'
client race
expect_ok bash -c ': < /dev/tcp/100.64.0.1/80'

run "$B/tests/clients/race" 0 "$ROUNDS" > "$W/one" 2>&1 &
one=$!
run "$B/tests/clients/race" "$ROUNDS" "$ROUNDS" > "$W/two" 2>&1
wait "$one"
cat "$W/one" "$W/two" | grep refused
for which in one two; do
    expect_eq "process $which" "$(grep ^refused "$W/$which")" "refused $ROUNDS through 0 unanswered 0"
done
say "the order, as the records have it"
gate_stop
order='import json, sys
named, late = 0, []
for line in sys.stdin:
    record = json.loads(line)
    names = record["names"] if record["type"] == "denial" else []
    named += bool(names)
    late += [n for n in names if n["replied_at_ns"] and not 0 < n["wrote_at_ns"] <= n["replied_at_ns"]]
print(named > 1000, late[:3])'
expect_eq "many with a name, none of which was written after its reply" \
    "$(cat "$W/state"/events.jsonl* | python3 -c "$order")" "True []"
