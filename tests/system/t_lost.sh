#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Somebody with privileges takes entries out of the kernel, or all of them: cached answers are not given before theirs
# are back, what nobody asks for is back within a second, and it is reported.
. "$(dirname "$0")/lib.sh"
world_up
default_policy
BPFTOOL=$(command -v bpftool || echo /usr/sbin/bpftool)
gate_start 'listen 127.0.0.1:5300' 'cache-size 1000'
MAP=$W/bpf/gate/destinations

keys() { "$BPFTOOL" -j map dump pinned "$MAP" | jq -r '.[].key | join(" ")'; }
lose_all() {
    keys | while read -r key; do
        # shellcheck disable=SC2086 # octets, each a word
        "$BPFTOOL" map delete pinned "$MAP" key hex ${key//0x/}
    done
}
entries() { keys | wc -l; }
full() { [ "$(entries)" -ge "$1" ]; }
ask() { dig +short +tries=1 +time=3 -p 5300 @127.0.0.1 "$@"; }

say "lost one by one while it is asked: each cached answer finds its entry back"
for _ in $(seq 10); do
    ask api.github.com A > "$W/out"
    lose_all
    ask api.github.com A > "$W/out"
    expect_eperm run bash -c ': < /dev/tcp/198.51.100.11/443'
done
expect_record '.type == "trouble" and .trouble == "restored"'

say "nobody asks: back within a second, and what a busy machine adds"
ask github.com A > "$W/out"
before=$(entries)
restored() {
    local began
    lose_all
    began=$(date +%s%N)
    wait_until 5 full "$before" || fail "$(entries) of $before entries are back"
    took=$((($(date +%s%N) - began) / 1000000))
    [ $took -lt 1500 ]
}
once_of 5 restored || fail "it took $took ms, and not less before"
