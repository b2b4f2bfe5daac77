#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# doctor says what is so: each finding is made, looked for, and taken away again.
. "$(dirname "$0")/lib.sh"
world_up
default_policy
doctor() { gate doctor "$@"; }
has() { # CHECK STATE PATTERN
    CHECKS=$((CHECKS + 1))
    doctor --json > "$W/checks"
    jq -e --arg check "$1" --arg state "$2" --arg pattern "$3" \
        '[.checks[] | select(.check == $check and .state == $state and (.text | test($pattern)))] | length > 0' \
        "$W/checks" > /dev/null || fail "no $1 $2 '$3' in: $(cat "$W/checks")"
}
has_not() { # PATTERN
    CHECKS=$((CHECKS + 1))
    doctor --json > "$W/checks"
    ! grep -q "$1" "$W/checks" || fail "there is '$1' in: $(cat "$W/checks")"
}

say "a host on which all is well"
has daemon note 'none runs'
gate_start
expect_ok doctor
expect_said 'kernel +ok +it has socket-address hooks'
has daemon ok 'is healthy'
has cgroups ok "is at $CGROUP_MOUNT"
has pins ok 'is at'
has reach note 'CAP_NET_RAW'
expect_eq "ok" "$(doctor --json | jq .ok)" true
expect_eq "remedies" "$(doctor --json | jq '[.checks[] | select(.state == "broken" and (.remedy | not))] | length')" 0

say "other ways to names, and to hands outside"
has_not nscd
mkdir /run/nscd && touch /run/nscd/socket
has names note '^nscd answers'
rm -r /run/nscd
has_not 'nss-resolve'
mkdir -p /run/systemd/resolve && touch /run/systemd/resolve/io.systemd.Resolve
has_not 'nss-resolve'
printf 'hosts: resolve files dns\n' > "$W/nsswitch.conf"
has names note '^nss-resolve asks'
printf 'hosts: files dns\n' > "$W/nsswitch.conf"
has_not Docker
touch /run/docker.sock
has reach note 'done outside of it: .*Docker'
python3 -c 'import socket, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 53)); open("'"$W"'/bound", "w"); time.sleep(60)' &
holder=$!
wait_until 5 test -e "$W/bound"
has names note 'listens on port 53: 127.0.0.1$'
kill $holder
wait $holder 2> /dev/null
has_not 'listens on port 53'

say "what is broken, and the exit status"
without() { # TYPE: a view of the host without these file systems
    unshare --mount sh -c 'awk -v type="$1" "\$3 == type { print \$2 }" /proc/mounts | while read -r d; do umount -l "$d"; done; shift; exec "$@"' _ "$1" \
        "$B/namegate" --run-dir "$W/run/gate" doctor
}
expect_fail without cgroup2
expect_said 'cgroups +broken +version 2 is not mounted'
expect_said '-> boot with'
expect_fail without bpf
expect_said 'pins +broken'
expect_ok somebody namegate --run-dir "$W/run/gate" doctor
expect_said 'only root can ask'
expect_fail doctor more
