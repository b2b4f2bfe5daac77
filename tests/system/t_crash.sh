#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# kill -9 of the resolver and of the keeper: what was denied stays denied, at every moment.
. "$(dirname "$0")/lib.sh"
world_up
default_policy
gate_start
client reach
R=$B/tests/clients/reach

# A deployment that tries again and again, and counts what it saw.
hammer='import socket, os, sys, time
where = sys.argv[1]
seen = {}
while not os.path.exists(where + "/end"):
    try:
        socket.create_connection(("198.51.100.10", 443), 3).close()
        result = "through"
    except OSError as e:
        result = os.strerror(e.errno or 0)
    seen[result] = seen.get(result, 0) + 1
    open(where + "/tries", "w").write(str(sum(seen.values())))
    time.sleep(0.0005)
open(where + "/seen", "w").write(str(seen))'
mkdir "$W/h"
gate run --tag hammer -- python3 -c "$hammer" "$W/h" > "$W/hammer.log" 2>&1 &
hammer_pid=$!
tries() { cat "$W/h/tries" 2> /dev/null || echo 0; }
more_tries() { [ "$(tries)" -gt "$1" ] 2> /dev/null; }
wait_until 10 more_tries 100 || fail "$(cat "$W/hammer.log")"

say "the resolver"
old=$(resolver_pid)
kill -KILL "$old"
other_resolver() { [ "$(resolver_pid)" != "$old" ] && [ "$(resolver_pid)" != null ] && gate status > /dev/null; }
wait_until 10 other_resolver || fail "no other resolver"
expect_eperm run curl -sSv -m 20 https://api.github.com/
expect_ok run curl -sS -m 20 https://mirror.internal/

say "the keeper"
n=$(tries)
gate_kill
expect_fail gate status
wait_until 10 more_tries $((n + 200)) || fail "the deployment does not go on"
gate_again
expect_eq "deployments taken over" "$(deployments)" 1
expect_eperm run curl -sSv -m 20 https://api.github.com/
n=$(tries)
wait_until 10 more_tries $((n + 100)) || fail "the deployment does not go on"

say "a clean stop while a deployment runs leaves the gate"
gate_stop
n=$(tries)
wait_until 10 more_tries $((n + 100)) || fail "the deployment does not go on"
gate_again
expect_eq "deployments taken over" "$(deployments)" 1

say "a policy that a deployment brought along lives as long as it, also over a crash"
cat > "$W/own.policy" << 'POLICY'
policy own { deny mirror.internal }
POLICY
mkdir "$W/d"
expect_ok gate run --tag own --policy "$W/own.policy" -- python3 "$HERE/clients/daemonise.py" "$W/d" 203.0.113.20 443
brought=$(gate list --json | jq -r '.deployments[] | select(.tag == "own").policy')
gate_kill
gate_again
expect_eq "its policy" "$(gate list --json | jq -r '.deployments[] | select(.tag == "own") | .policy + " " + .mode')" \
    "$brought block"
expect_output "no policy '$brought'" gate run --policy "$brought" -- true
expect_eperm gate run --policy "$W/own.policy" -- curl -sSv -m 20 https://mirror.internal/
expect_ok gate policy reload
touch "$W/d/go"
wait_until 10 test -e "$W/d/result" || fail "no result"
expect_eq "mirror.internal" "$(cat "$W/d/result")" "Operation not permitted"
touch "$W/d/end"

say "a policy that went while no daemon ran: its deployment turns strict, and the daemon starts"
gate_kill
mv "$W/policies/deploy.policy" "$W/deploy.away"
gate_again
expect_output "policy 'deploy' is gone" gate status
expect_eq "mode" "$(gate list --json | jq -r '.deployments[] | select(.tag == "hammer").mode')" strict
n=$(tries)
wait_until 10 more_tries $((n + 100)) || fail "the deployment does not go on"
mv "$W/deploy.away" "$W/policies/deploy.policy"
expect_ok gate policy reload
expect_eq "mode" "$(gate list --json | jq -r '.deployments[] | select(.tag == "hammer").mode')" block

touch "$W/h/end"
wait "$hammer_pid"
expect_eq "kinds of outcome of $(tries) tries" "$(sed 's/: [0-9]*//' "$W/h/seen")" "{'Operation not permitted'}"
wait_until 5 no_deployments || fail "still: $(gate list)"
say "a clean stop without one removes everything"
gate_stop
expect_eq "pins left" "$(find "$W/bpf/gate" 2> /dev/null)" ""
expect_eq "cgroups left" "$(find "$CGROUP" -mindepth 1 -type d)" ""
expect_ok "$R" tcp 198.51.100.10 443
