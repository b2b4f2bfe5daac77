#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Where no daemon runs, `run` starts one for itself. Nothing is left but its records.
. "$(dirname "$0")/lib.sh"
world_up
mount -t tmpfs tmpfs /sys/fs/bpf 2> /dev/null || mkdir -p /sys/fs/bpf
mount -t bpf bpf /sys/fs/bpf
echo 'policy mine { deny .github.com { reason "because" } }' > "$W/mine.policy"
cgroups() { find "$CGROUP_MOUNT" -maxdepth 1 -name 'namegate-private-*'; }
pins() { find /sys/fs/bpf -mindepth 1 -maxdepth 1 -name 'namegate*'; }
daemons() { find /run -maxdepth 1 -name 'namegate-private-*'; }
before=$(cgroups)
alone() {
    "$B/namegate" --state-dir "$W/state" --cgroup-root "$CGROUP/private" run --policy "$W/mine.policy" -- "$@"
}
expect_ok curl -sS -m 20 https://api.github.com/
expect_eperm alone curl -sSv -m 20 https://api.github.com/
expect_said '1x|2x'
expect_ok alone curl -sS -m 20 https://mirror.internal/
expect_record '.type == "denial" and .reason == "because"'
gone() { [ -z "$(pins)$(daemons)" ] && [ "$(cgroups)" = "$before" ] && [ ! -d "$CGROUP/private" ]; }
wait_until 10 gone || fail "left: $(pins) $(daemons) $(cgroups) $(ls -d "$CGROUP/private" 2>&1)"
expect_eq "pins" "$(pins)" ""

say "two at once, each its own"
two() {
    "$B/namegate" --state-dir "$W/state" --cgroup-root "$CGROUP/$1" run --policy "$W/mine.policy" -- sh -c \
        'curl -s -m 20 https://api.github.com/ && exit 1; curl -sS -m 20 https://mirror.internal/'
}
two p1 > "$W/one.log" 2>&1 &
one=$!
expect_ok two p2
wait "$one"
expect_eq "status of the other ($(cat "$W/one.log"))" $? 0

say "a child that outlives the command stays gated"
mkdir "$W/d"
expect_ok alone python3 "$HERE/clients/daemonise.py" "$W/d" 198.51.100.11 443
touch "$W/d/go"
wait_until 10 test -e "$W/d/result" || fail "no result"
expect_eq "api.github.com, which nobody asked for" "$(cat "$W/d/result")" ok
touch "$W/d/end"
wait_until 10 gone || fail "left: $(pins) $(daemons) $(cgroups)"

say "what is missing, and where it belongs"
expect_output "write it in $W/policies, or give another, or a file" \
    "$B/namegate" --policies "$W/policies" --state-dir "$W/state" --cgroup-root "$CGROUP/private" run --policy none -- true

say "without privilege it says what to do"
expect_output 'start namegated|as root' somebody namegate run -- true
expect_eq "its status" "$(somebody namegate run -- true 2> /dev/null; echo $?)" 125
