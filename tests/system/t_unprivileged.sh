#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Whoever is in the group may start deployments, and sees what is its own; it may loosen nothing, and read nobody else's.
. "$(dirname "$0")/lib.sh"
world_up
default_policy
policy audit << 'POLICY'
policy audit { mode audit }
POLICY
gate_start 'group nogroup'
chmod 755 "$W/run" "$W/run/gate"
mine() { somebody namegate --run-dir "$W/run/gate" --state-dir "$W/state" "$@"; }

expect_eperm mine run --tag mine -- curl -sSv -m 20 https://api.github.com/
expect_said 'namegate: [0-9]+ attempts? denied'
expect_ok mine run -- curl -sS -m 20 https://mirror.internal/
expect_output '^games$' mine run -- id -un
say "what is its own, and not root's"
expect_fail gate run --tag roots -- curl -sS -m 20 https://github.com/
expect_record '.tag == "roots" and .type == "denial"'
expect_output 'denied api.github.com' mine events
expect_eq "tags that it sees" "$(mine events --json | jq -r .tag | sort -u)" mine
expect_eq "tags that root sees" "$(gate events --json | jq -r .tag | sort -u | paste -sd,)" mine,roots
expect_fail mine policy reload
expect_output 'only root' mine policy reload
say "no way out by a laxer policy inside"
expect_eperm mine run -- "$W/bin/namegate" --run-dir "$W/run/gate" run --policy audit -- curl -sSv -m 20 https://api.github.com/
expect_eperm mine run -- "$W/bin/namegate" --run-dir "$W/run/gate" run --mode audit -- curl -sSv -m 20 https://api.github.com/
say "nor by the cgroup"
expect_fail mine run -- sh -c "echo \$\$ > $CGROUP_MOUNT/cgroup.procs"
expect_fail mine run -- sh -c "echo \$\$ > $CGROUP/cgroup.procs"
say "nor by a new user namespace"
if somebody unshare -Ur true 2> /dev/null; then
    expect_eperm mine run -- unshare -Ur curl -sSv -m 20 https://api.github.com/
else
    say "this host lets it make none"
fi
say "a group that it is not in"
outsider() { setpriv --reuid games --regid daemon --clear-groups "$W/bin/namegate" --run-dir "$W/run/gate" "$@"; }
expect_fail outsider status
expect_fail outsider run -- true
