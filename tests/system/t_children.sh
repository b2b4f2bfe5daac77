#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What a deployment starts is in it: child cgroups, and daemons that outlive the command. It ends with its last process.
. "$(dirname "$0")/lib.sh"
world_up
default_policy
gate_start

say "a child cgroup"
inner='set -e; own=$1/$(sed -n s/^0:://p /proc/self/cgroup); mkdir "$own/inner"; echo $$ > "$own/inner/cgroup.procs"
    curl -sSv -m 20 "$2"; s=$?; exit $s'
expect_ok curl -sS -m 20 https://api.github.com/
expect_eperm run sh -c "$inner" sh "$CGROUP_MOUNT" https://api.github.com/
expect_ok run sh -c "$inner" sh "$CGROUP_MOUNT" https://mirror.internal/
wait_until 5 no_deployments || fail "still: $(gate list)"

say "a daemonised grandchild"
mkdir "$W/d"
expect_ok run python3 "$HERE/clients/daemonise.py" "$W/d" 198.51.100.11 443
expect_eq deployments "$(deployments)" 1
processes() { gate list --json | jq .deployments[0].processes; }
alone() { [ "$(processes)" = 1 ]; } # its parent may still be ending
wait_until 5 alone || fail "$(processes) processes"
touch "$W/d/go"
wait_until 10 test -e "$W/d/result" || fail "no result"
expect_eq "the grandchild's connect" "$(cat "$W/d/result")" "Operation not permitted"
touch "$W/d/end"
wait_until 5 no_deployments || fail "still: $(gate list)"
expect_eq "cgroups left" "$(find "$CGROUP/gate" -mindepth 1 -type d | wc -l)" 0
expect_record '.type == "deployment" and .event == "ended" and .denied == 1'

say "a deployment inside a deployment: both policies hold"
policy inner << 'POLICY'
policy inner { deny mirror.internal }
POLICY
expect_ok gate policy reload
nested() { run "$B/namegate" --run-dir "$W/run/gate" run --policy inner -- "$@"; }
expect_eperm nested curl -sSv -m 20 https://mirror.internal/
expect_eperm nested curl -sSv -m 20 https://api.github.com/
expect_ok nested curl -sSv -m 20 https://other.test:8443/ -k
