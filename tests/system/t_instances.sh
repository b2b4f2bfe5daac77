#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Two instances side by side: each judges its own deployments.
. "$(dirname "$0")/lib.sh"
world_up
default_policy
gate_start
first=$GATE_PID
mkdir "$W/policies2" "$W/state2"
echo 'policy deploy { deny mirror.internal }' > "$W/policies2/deploy.policy"
"$B/namegated" --config "$W/gate.conf" --policies "$W/policies2" --run-dir "$W/run/two" --state-dir "$W/state2" \
    --pin-root "$W/bpf/two" --cgroup-root "$CGROUP/two" --resolv-conf "$W/resolv.conf" 2>> "$W/namegated.log" &
second=$!
two() { "$B/namegate" --run-dir "$W/run/two" run -- "$@"; }
second_up() { "$B/namegate" --run-dir "$W/run/two" status > /dev/null 2>&1; }
wait_until 20 second_up || fail "the second does not start"

for _ in 1 2; do
    expect_eperm run curl -sSv -m 20 https://api.github.com/
    expect_ok run curl -sS -m 20 https://mirror.internal/
    expect_eperm two curl -sSv -m 20 https://mirror.internal/
    expect_ok two curl -sS -m 20 https://api.github.com/
done
say "the second ends, the first goes on"
kill "$second"
wait "$second"
expect_eperm run curl -sSv -m 20 https://api.github.com/
expect_ok run curl -sS -m 20 https://mirror.internal/
say "a second one in the same directories is refused"
"$B/namegated" "${OPTIONS[@]}" > "$W/refused" 2>&1
expect_eq "its status" $? 1
expect_output 'another|in use|already' cat "$W/refused"
expect_eperm run curl -sSv -m 20 https://api.github.com/
kill -0 "$first" || fail "the first has gone"
