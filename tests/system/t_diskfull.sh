#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A state directory that is full, or read-only: the gate and DNS go on, status says so, and all is well when there is room
# again. The ledger even has what happened meanwhile.
. "$(dirname "$0")/lib.sh"
world_up
default_policy
client deny
mount -t tmpfs -o size=24m tmpfs "$W/state" || fail "no tmpfs"
db() { sqlite3 -cmd '.timeout 5000' "file:$W/state/ledger.db?mode=rw" "$1" 2> "$W/sqlite.log"; }
has_problem() { gate status --json | jq -e --arg p "$1" '.problems | map(select(contains($p))) | length > 0' > /dev/null; }
has_no_problem() { ! has_problem "$1"; }
no_trouble() { [ "$(gate status --json | jq -c '[.ledger.trouble, .ledger.waiting]')" = '[null,0]' ]; }
fill() { dd if=/dev/zero of="$W/state/fill" bs=4k > "$W/dd.log" 2>&1; } # until there is no room
holds() { # TAG
    expect_fail gate run --tag "$1" -- curl -sS -4 -m 20 https://api.github.com/
    expect_ok gate run --tag "$1" -- curl -sS -m 20 http://mirror.internal/
}

say "full while it runs"
gate_start
holds before
fill
holds meanwhile
expect_ok gate run --tag meanwhile -- "$B/tests/clients/deny" 198.51.100.10 2000 4000 1 # more than any room left over
wait_until 10 has_problem 'the ledger cannot be written: ' || fail "$(gate status)"
wait_until 10 has_problem 'records could not be written' || fail "$(gate status)"
expect_output 'unhealthy|problem' gate status
expect_eq "lost, of the ledger" "$(gate status --json | jq .ledger.lost)" 0
expect_eq "lost records are counted" "$(gate status --json | jq '.lost_events > 0')" true
rm "$W/state/fill"
wait_until 10 no_trouble || fail "$(gate status --json)"
holds after
wait_until 5 no_trouble || fail "$(gate status --json)"
expect_eq "the ledger" "$(db "SELECT tag, sum(denied) > 0, sum(ended_us > 0) FROM deployment GROUP BY tag ORDER BY min(started_us)")" "before|1|2
meanwhile|1|3
after|1|2"
expect_eq "what is no JSON in the file" "$(jq -cR 'fromjson? // empty | select(.type == "deployment" and .tag == "after") | .event' "$W/state/events.jsonl" | wc -l)" 4
expect_output '"tag":"after"' gate events --json
gate_stop

say "full before it starts, and without a ledger yet"
rm "$W/state"/*
fill
gate_again
holds full
wait_until 10 has_problem 'the ledger cannot be written: ' || fail "$(gate status)"
rm "$W/state/fill"
wait_until 10 no_trouble || fail "$(gate status --json)"
expect_eq "the ledger" "$(db "SELECT tag, sum(denied) > 0, sum(ended_us > 0) FROM deployment GROUP BY tag")" "full|1|2"

say "read-only while it runs, and before it starts"
mount -o remount,ro "$W/state" 2> "$W/mount.log" || { # the ledger is open for writing
    gate_stop
    mount -o remount,ro "$W/state"
    gate_again
}
holds readonly
wait_until 10 has_problem 'the ledger cannot be written: ' || fail "$(gate status)"
gate_stop
gate_again
holds still
mount -o remount,rw "$W/state"
wait_until 10 no_trouble || fail "$(gate status --json)"
expect_eq "the ledger" "$(db "SELECT sum(denied) > 0 FROM deployment WHERE tag = 'still'")" 1
gate_stop
