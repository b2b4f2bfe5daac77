#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Names move: those that are denied exactly are looked up again while a deployment lives, so that an address which they
# got later, and nobody asked for, is denied too. While no upstream answers, what is known stays denied.
. "$(dirname "$0")/lib.sh"
world_up
policy deploy << 'POLICY'
policy deploy { deny short.github.com }
POLICY
gate_start 'floor 1s' 'grace 1s'
knows() { gate names short.github.com --json | jq -e --arg a "$1" '.names[0].addresses | index([$a])' > /dev/null; }

say "known as soon as the policy is read"
wait_until 5 knows 198.51.100.41 || fail "not known: $(gate names)"
mkdir "$W/d" "$W/e"
expect_ok run python3 "$HERE/clients/daemonise.py" "$W/d" 198.51.100.45 443
expect_ok run python3 "$HERE/clients/daemonise.py" "$W/e" 198.51.100.45 443
sed -i 's/198\.51\.100\.41/198.51.100.45/' "$W/zone"
dns_down
dns_up
wait_until 20 knows 198.51.100.45 || fail "the new address is not known: $(gate names)"
touch "$W/d/go"
wait_until 10 test -e "$W/d/result" || fail "no result"
expect_eq "the new address" "$(cat "$W/d/result")" "Operation not permitted"

say "an outage of the upstream: a start does not wait for it, and the last known addresses hold"
dns_down
starts_soon() {
    local began=$SECONDS
    expect_ok run true
    took=$((SECONDS - began))
    [ $took -le 4 ]
}
once_of 3 starts_soon || fail "it took $took s to start, and not less before"
# What was looked up a moment ago is known for its TTL; the next time it is looked up, the outage is told.
expect_ok wait_until 20 has_record '.type == "trouble" and (.trouble == "prewarm" or .trouble == "upstream")'
touch "$W/e/go"
wait_until 10 test -e "$W/e/result" || fail "no result"
expect_eq "the last known address" "$(cat "$W/e/result")" "Operation not permitted"
touch "$W/d/end" "$W/e/end"

say "also after a restart, though the upstream is down and the kernel has forgotten: known from the disk"
wait_until 10 test -e "$W/e/end" || fail "no end"
none() { [ "$(gate list --json | jq '.deployments | length')" = 0 ]; }
wait_until 10 none || fail "deployments are left"
gate_stop
expect_output '198.51.100.45' cat "$W/state/known-names"
[ ! -e "$W/bpf/gate" ] || fail "the gate is still pinned"
gate_start 'floor 60s' 'grace 60s' # so that it is denied for longer than this takes on a busy machine
wait_until 5 knows 198.51.100.45 || fail "not known: $(gate names)"
expect_eperm run bash -c ': < /dev/tcp/198.51.100.45/443'
expect_record '.type == "denial" and .address == "198.51.100.45" and .names[0].name == "short.github.com"'
wait_until 10 none || fail "deployments are left"
gate_stop
echo '{"chain": [' >> "$W/state/known-names"
gate_again
expect_output 'lines make no sense' cat "$W/namegated.log"
expect_eperm run bash -c ': < /dev/tcp/198.51.100.45/443'
