#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Ten thousand denials a second: each is in the ledger and in the records. What is beyond is counted, and said.
. "$(dirname "$0")/lib.sh"
world_up
default_policy
client deny
gate_start
DENY=$B/tests/clients/deny
db() { sqlite3 -cmd '.timeout 5000' "file:$W/state/ledger.db?mode=rw" "$1" 2> "$W/sqlite.log"; }
lost() { gate status --json | jq '.lost_events + .ledger.lost'; }
# Busy time of the keeper, all its threads, in microseconds.
busy() { cat "/proc/$GATE_PID/task"/*/schedstat | awk '{ sum += $1 } END { printf "%.0f\n", sum / 1000 }'; }
keeper() { awk '{ printf "%.0f\n", $1 / 1000 }' "/proc/$GATE_PID/task/$GATE_PID/schedstat"; }
# What is built with AddressSanitizer is slower.
rate=10000
! sanitized || rate=1000

denied_by() { db "SELECT denied FROM deployment WHERE tag = '$1'"; }
accounted() { [ "$(($(denied_by "$1") + $3))" = "$2" ]; } # TAG MADE LOST

settled() { [ "$(gate status --json | jq .ledger.waiting)" = 0 ]; }

rounds=0
none_lost() { # WHAT PORTS: whether so many can be made, and none is lost; if so, all of them are accounted for
    local tag=$1-$((++rounds)) counted before keeper_before lost_before
    before=$(busy) keeper_before=$(keeper) lost_before=$(lost)
    gate run --tag "$tag" -- "$DENY" 198.51.100.10 "$2" $rate 5 > "$W/made" 2> "$W/run.log" ||
        fail "$(cat "$W/run.log")"
    made=$(grep -E '^[0-9]+$' "$W/made")
    wait_until 10 settled || fail "rows wait"
    echo "# $made, $(((made + 2) / 5)) a second; ns each: $((($(busy) - before) * 1000 / made)), of the keeper's own" \
        "thread $((($(keeper) - keeper_before) * 1000 / made))"
    lost=$(($(lost) - lost_before))
    [ "$made" -gt $((rate * 3)) ] && [ $lost = 0 ] || return 1
    wait_until 10 accounted "$tag" "$made" 0
    counted=$(db "SELECT sum(f.count) FROM flow f JOIN deployment d ON d.id = f.deployment WHERE d.tag = '$tag'")
    expect_eq "$1: in the flows" "$counted" "$made"
    expect_eq "$1: in the deployment" "$(denied_by "$tag")" "$made"
    expect_eq "$1: on record" "$(cat "$W/state"/events.jsonl* | grep -c '"type":"denial".*"tag":"'"$tag"'"')" "$made"
}
round() { once_of 3 none_lost "$@" || fail "$1: of $made denials $lost were lost"; }

say "one destination"
round one 1
say "five thousand destinations"
round many 5000

say "as fast as it goes: what is beyond is counted"
lost_before=$(gate status --json | jq .lost_events)
gate run --tag burst -- "$DENY" 198.51.100.10 1 0 1 > "$W/made" 2> "$W/run.log" || fail "$(cat "$W/run.log")"
made=$(grep -E '^[0-9]+$' "$W/made")
lost=$(($(gate status --json | jq .lost_events) - lost_before))
[ "$lost" = 0 ] || expect_output 'denials were not recorded' gate status # it says so for a minute
echo "# $made in a second, $lost were not recorded"
# What comes so fast may be read after the end.
CHECKS=$((CHECKS + 1))
wait_until 60 accounted burst "$made" "$lost" || fail "of $made, $(denied_by burst) are there, and $lost lost"
expect_eq "lost, as the ledger has it" "$(db "SELECT lost FROM deployment WHERE tag = 'burst'")" "$lost"
