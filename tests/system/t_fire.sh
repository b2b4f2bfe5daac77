#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A hostile upstream and hostile clients. While they do their worst, other names are looked up and answered soon, by the
# same process, which does not grow without bound; and what nobody answered for is not learnt.
. "$(dirname "$0")/lib.sh"
world_up
policy deploy << 'POLICY'
policy deploy {
    mode block
    deny *.evil.example
}
POLICY
cp "$HERE/clients/fire.py" "$W/fire.py"
(cd "$W" && exec nsenter -t "$INTERNET" -n -- python3 fire.py upstream 192.0.2.54 192.0.2.55) > "$W/upstream.log" 2>&1 &
gate_start 'listen 127.0.0.1:5353' 'upstream 192.0.2.54' 'workers 2'
good_answers() { dig +time=1 +tries=1 +short -p 5353 @127.0.0.1 "$1.good.example" | grep -qx 203.0.113.20; }
wait_until 10 good_answers first || fail "the upstream does not answer: $(cat "$W/upstream.log")"
resolver=$(resolver_pid)
memory=$(awk '/^VmRSS/ { print int($2 / 1024) }' "/proc/$resolver/status")

# What is built with AddressSanitizer is slower, and keeps what is freed for a while.
mib=64 ms=100
! sanitized || { mib=400 ms=400; }

fire() { python3 "$W/fire.py" "$@"; }

# Good lookups while the others fire.
answered_under_fire() { # SECONDS-OF-LOOKUPS OVER ARGUMENTS-OF-FIRE.PY...
    local duration=$1 over=$2 pid status answered
    shift 2
    fire "$@" > "$W/fire.log" 2>&1 &
    pid=$!
    # shellcheck disable=SC2086 # may be nothing
    fire lookups 5353 "$duration" "$resolver" $((memory + mib)) $ms $over > "$W/lookups" 2>&1
    answered=$?
    wait $pid
    status=$?
    expect_eq "status of $* ($(cat "$W/fire.log"))" $status 0
    cat "$W/lookups" "$W/fire.log"
    expect_eq "the resolver, after $*" "$(resolver_pid)" "$resolver"
    return $answered
}
under_fire() { once_of 3 answered_under_fire "$@" || fail "lookups under $*: $(cat "$W/lookups")"; }

say "a hostile upstream over UDP"
under_fire 5 over provoke 5353 5 300 garbage short cut loop ahead bomb wrongid wrongidthenright wrongport wrongaddress \
    wrongname wrongtype otherowner twice late never echo update refused ttl ttlhigh many

say "and over TCP"
under_fire 4 "" provoke 5353 4 200 tcbig tcdrip tcmany tcgarbage tcshort tcwrongid tcwrongname tctc

say "which hangs up on the question"
under_fire 3 "" provoke 5353 3 100 tcclose tchalf

say "and does not listen at all"
touch "$W/no-tcp"
under_fire 3 "" provoke 5353 3 100 tcrefused never wrongid
rm "$W/no-tcp"

say "hostile clients: connections that are slow, cut, end early, or do not read"
under_fire 4 over client 5353 4 slow segments half pipelined
say "datagrams that are no queries"
under_fire 3 over client 5353 3 edns answers noise
say "thousands of connections"
under_fire 3 over client 5353 3 flood
say "of which none is in the way of one that waits for its answer"
expect_ok fire client 5353 1 crowd

say "only what was answered for is learnt"
wait_until 10 good_answers last || fail "the upstream is silent: $(cat "$W/upstream.log")"
gate names --json | jq -r '.names[] | select(.addresses | index("198.51.100.66")) | "# \(.name): 198.51.100.66"'
expect_eq "addresses learnt" "$(gate names --json | jq -c '[.names[].addresses[]] | unique')" \
    '["198.51.100.77","198.51.100.78"]'
client reach
denied "$B/tests/clients/reach" tcp 198.51.100.77 443
denied "$B/tests/clients/reach" tcp 198.51.100.78 443
open "$B/tests/clients/reach" tcp 198.51.100.66 443
expect_eq restarts "$(gate status --json | jq .resolver.restarts)" 0
