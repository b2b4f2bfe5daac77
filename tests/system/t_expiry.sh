#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A deny lives for max(TTL, floor) + grace, and to the end of every deployment that it was in force for.
. "$(dirname "$0")/lib.sh"
world_up
policy deploy << 'POLICY'
policy deploy { deny *.github.com allow *.test }
POLICY
gate_start 'floor 1s' 'grace 1s'
client reach
used() { gate status --json | jq .destinations.used; }
none_used() { [ "$(used)" = 0 ]; }

mkdir "$W/d"
expect_ok run sh -c "dig +short short.github.com; exec python3 $HERE/clients/daemonise.py $W/d 198.51.100.41 443"
expect_fail none_used
say "long after TTL + grace the deployment is still denied"
over() { [ "$(gate names short.github.com --json | jq '.names[0].expires_in_s < -1')" = true ]; }
wait_until 15 over || fail "not over: $(gate names)"
touch "$W/d/go"
wait_until 10 test -e "$W/d/result" || fail "no result"
expect_eq "connect after the TTL" "$(cat "$W/d/result")" "Operation not permitted"
expect_fail none_used
say "when it has ended, the entry goes, and nobody else is denied"
touch "$W/d/end"
wait_until 15 none_used || fail "still $(used) entries"
expect_ok run "$B/tests/clients/reach" tcp 198.51.100.41 443
