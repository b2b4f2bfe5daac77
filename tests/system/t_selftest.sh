#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# run --selftest: the ways past the gate are tried from inside before the command starts, and it does not start when one
# is open.
. "$(dirname "$0")/lib.sh"
world_up
default_policy
policy watched << 'POLICY'
policy watched { mode audit deny github.com }
POLICY
policy tight << 'POLICY'
policy tight { mode strict allow mirror.internal }
POLICY
gate_start 'group nogroup'
chmod 755 "$W/run" "$W/run/gate"
tested() { gate run --selftest "$@" 2> "$W/err"; }
mine() { somebody namegate --run-dir "$W/run/gate" run --selftest "$@" 2> "$W/err"; }
outcome() { jq -r --arg channel "$1" 'select(.channels) | .channels[] | select(.channel == $channel).outcome' "$W/err"; }
open_ways() {
    sed -n 's/^namegate: open: //p' "$W/err"
    jq -r 'select(.channels) | .channels[] | select(.outcome == "open").channel' "$W/err" 2> /dev/null
}
# An answer of the resolver, or a cut, that takes three seconds, as on a busy machine, counts as open: that may happen.
# Nothing else that is open may.
covers() { # OUTPUT-AND-STATUS TESTED-OR-MINE ARGUMENTS...
    local got
    got=$("${@:2}"; echo $?)
    [ "$(xargs <<< "$got")" != "$1" ] || return 0
    ! open_ways | grep -vE '^(DNS over |dns-|brought-)|connected before' > "$W/open" || fail "open: $(cat "$W/open")"
    return 1
}
starts() { # WHAT TESTED-OR-MINE ARGUMENTS...: it is covered, so that the command starts
    once_of 3 covers 'started 0' "${@:2}" || fail "$1: it does not start: $(cat "$W/err")"
}
said() { expect_output "$1" cat "$W/err"; }

say "covered: the command runs"
starts "output" tested --confine -- echo started
said '^namegate: covered: [0-9]+ ways past the gate were tried, none is open$'
expect_eq "lines" "$(grep -cv 'out of reach' "$W/err")" 1
starts "output of somebody's" mine -- echo started
said 'covered'
once_of 3 covers 7 tested --confine -- sh -c 'exit 7' || fail "another status: $(cat "$W/err")"

say "each way, and what it came to"
starts "output" tested --json --confine -- echo started
expect_eq "covered" "$(jq -r 'select(.channels) | .covered' "$W/err")" true
for channel in tcp4 tcp6 tcp-mapped fastopen4 mptcp4 udp4 udp6 udp-mapped sendto4 sendto6 sendto-mapped sendmsg4 sendmsg6 \
    raw4 raw6 udplite4 packet leave; do
    expect_eq "$channel" "$(outcome $channel)" denied
done
for channel in dns-udp4 dns-udp6 dns-tcp4 dns-tcp6; do
    expect_eq "$channel" "$(outcome $channel)" redirected
done
expect_eq "accept4" "$(outcome accept4)" dropped
expect_eq "brought-tcp" "$(outcome brought-tcp)" cut
expect_eq "brought-udp" "$(outcome brought-udp)" cut

say "in the other modes"
starts "output" tested --confine --policy tight -- echo started
starts "output" tested --json --confine --policy watched -- echo started
for channel in tcp4 udp6 sendmsg4 accept4; do
    expect_eq "$channel" "$(outcome $channel)" audited
done
expect_eq "raw6" "$(outcome raw6)" denied
expect_eq "status with raw sockets" "$(tested --json --policy watched -- echo started; echo $?)" 125
expect_eq "raw6" "$(outcome raw6)" audited
expect_eq "udplite4" "$(outcome udplite4)" audited
expect_eq "packet" "$(outcome packet)" open

say "nothing of it is left, nor counted as a denial"
expect_record '.type == "selftest" and .covered and (.channels | length > 20)'
expect_eq "denials" "$(jq -s 'map(select(.type == "denial")) | length' "$W/state/events.jsonl")" 0
expect_output 'selftest.* covered' gate events -a
canary='import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b"x", ("127.64.0.1", 9))'
expect_ok run python3 -c "$canary"
wait_until 5 no_deployments || fail "$(gate list)"
claims() { "$(command -v bpftool || echo /usr/sbin/bpftool)" -j map dump pinned "$W/bpf/gate/destinations" | grep -c '"0x7f","0x[4-7]'; }
no_claims() { [ "$(claims)" = 0 ]; }
wait_until 5 no_claims || fail "canaries in the kernel: $(claims)"

say "open: it is named, with a remedy, and the command does not start"
expect_eq "root without --confine" "$(tested -- echo started; echo $?)" 125
said '^namegate: open: AF_PACKET.*--confine'
said '^namegate: open: leaving the cgroup.*--confine'
said '^namegate: the command is not started$'
expect_record '.type == "selftest" and (.covered | not) and any(.channels[]; .channel == "leave" and .outcome == "open")'
detach() { "$(command -v bpftool || echo /usr/sbin/bpftool)" link detach pinned "$W/bpf/gate/link_$1"; }
expect_ok detach connect4
expect_eq "without a hook" "$(mine -- echo started; echo $?)" 125
said '^namegate: open: DNS over TCP to another server, IPv4$'
expect_ok detach sendmsg6
expect_eq "as JSON" "$(mine --json -- echo started; echo $?)" 125
expect_eq "tcp4, which egress stops" "$(outcome tcp4)" dropped
expect_eq "udp4, too" "$(outcome udp4)" denied
expect_eq "dns-tcp4" "$(outcome dns-tcp4)" open
expect_eq "sendto6" "$(outcome sendto6)" denied
expect_eq "dns-udp6" "$(outcome dns-udp6)" redirected
gate_stop
gate_start 'group nogroup'
chmod 755 "$W/run" "$W/run/gate"
starts "whole again" mine -- echo started

say "who works for it outside is told, and keeps nothing from starting"
mkdir -p /run/nscd
python3 -c 'import os, socket
s = socket.socket(socket.AF_UNIX)
s.bind("/run/nscd/new")
s.listen()
os.rename("/run/nscd/new", "/run/nscd/socket")
while True:
    s.accept()[0].close()' &
listener=$!
wait_until 5 test -S /run/nscd/socket || fail "nobody listens"
chmod 666 /run/nscd/socket
starts "beside nscd" mine -- echo started
said 'out of reach: nscd: what it resolves for the command is done outside'
kill $listener

say "a resolver that does not answer: there is no test, and no command"
kill -STOP "$(resolver_pid)"
expect_eq "status" "$(mine -- echo started; echo $?)" 125
said 'resolver does not answer'
kill -CONT "$(resolver_pid)"

say "with a private daemon, and in a network namespace of its own"
gate_stop
private() {
    gate --config /dev/null --policies "$W/policies" --pin-root "$W/bpf/own" --cgroup-root "$CGROUP/own" \
        --resolv-conf "$W/resolv.conf" run --selftest --confine -- echo started 2> "$W/err"
}
starts "private" private
said covered
gate_start
elsewhere() {
    unshare --net sh -c "ip link set lo up
        '$B/namegate' --run-dir '$W/run/gate' run --selftest --confine -- echo started" 2> "$W/err"
}
starts "elsewhere" elsewhere
said covered
