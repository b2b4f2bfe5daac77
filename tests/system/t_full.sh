#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# When destinations is full: the answer fails, every deployment that blocks turns strict, and both are told. Never a silent hole.
. "$(dirname "$0")/lib.sh"
for i in $(seq 1 90); do
    zone_add "many.fill.test. 1 A 100.64.1.$i"
    zone_add "n$i.fill.test. 1 A 100.64.2.1"
done
zone_add "alone.fill.test. 1 A 100.64.3.1"
zone_add "stream.fill.test. 1 A 100.64.3.2"
zone_add "kept.fill.test. 600 A 100.64.3.3"
world_up
policy deploy << 'POLICY'
policy deploy { deny *.fill.test }
POLICY
gate_start 'max-destinations 64' 'floor 1s' 'grace 1s'
expect_ok run curl -sS -m 20 https://mirror.internal/
mkdir "$W/d"
expect_ok gate run --tag filler -- sh -c \
    "dig +time=10 +tries=1 many.fill.test; exec python3 $HERE/clients/daemonise.py $W/d 203.0.113.20 443"
expect_said 'status: SERVFAIL'
expect_record '.type == "trouble" and .trouble == "map-full"'
strict() { [ "$(gate status --json | jq .escalated)" = "$1" ]; }
wait_until 5 strict true || fail "not strict: $(gate status)"
expect_output 'full|strict' gate status
touch "$W/d/go"
wait_until 10 test -e "$W/d/result" || fail "no result"
expect_eq "connect while strict" "$(cat "$W/d/result")" "Operation not permitted"
touch "$W/d/end"
say "it recovers when entries go"
wait_until 20 strict false || fail "still strict: $(gate status)"
expect_ok run curl -sS -m 20 https://mirror.internal/

say "too many names: those with a rule fail, others do not"
run sh -c 'for i in $(seq 1 90); do dig +time=2 +tries=1 n$i.fill.test; done; curl -sS -m 20 https://mirror.internal/' \
    > "$W/many" 2>&1
expect_eq "status of curl" $? 0
expect_output 'status: SERVFAIL' cat "$W/many"
expect_record '.type == "trouble" and .trouble == "tracked-full"'

say "a policy that found no room for its port lists leaves the room to others"
seq 17000 | awk 'BEGIN { print "policy many { mode block" } { printf "deny n%d.many.test port %d\n", $1, 1 + $1 }
    END { print "}" }' > "$W/many.policy"
expect_output 'use fewer different port lists' gate run --policy "$W/many.policy" -- true
printf 'policy more { mode block deny more.test port 1 }' | policy more
expect_ok gate policy reload
gate_stop

say "full of what somebody else wrote, which nobody can foresee: no answer leaves whose address found no room"
rm -f "$W/state/known-names"
gate_start 'max-destinations 64' 'floor 1s' 'grace 1s' 'listen 127.0.0.1:5300'
BPFTOOL=$(command -v bpftool || echo /usr/sbin/bpftool)
foreign() { # COMMAND NUMBER VALUE...
    "$BPFTOOL" map "$1" pinned "$W/bpf/gate/destinations" key hex f0 ff ff 7f 0 0 0 0 0 0 0 0 0 0 0 0 0 0 ff ff 64 40 4 \
        "$(printf %x "$2")" "${@:3}" > /dev/null 2>&1
}
ask() { dig +time=4 +tries=1 -p 5300 @127.0.0.1 "$@"; }
answers() { ask "$1" | grep -q 'status: NOERROR'; }
expect_output 'status: NOERROR' ask stream.fill.test
empty() { [ "$(gate status --json | jq .destinations.used)" = 0 ]; }
wait_until 20 empty || fail "entries that do not end: $(gate status)" # one that ends later would make room
for _ in 1 2 3; do expect_output 'status: NOERROR' ask kept.fill.test; done
# shellcheck disable=SC2207 # octets, one by one
nothing=($(printf '0 %.0s' $(seq 96)))
for i in $(seq 1 70); do foreign update "$i" value hex "${nothing[@]}" || break; done
[ "$i" -lt 70 ] || fail "the map takes more than it has room for"
expect_output 'status: SERVFAIL' ask alone.fill.test
expect_output 'EDNS: version: 0' ask alone.fill.test
expect_output 'status: SERVFAIL' ask alone.fill.test
expect_output 'status: SERVFAIL' ask +tcp many.fill.test
expect_output 'status: NOERROR' ask mirror.internal
wait_until 5 strict true || fail "not strict: $(gate status)"
say "nor one of the cache, whose address lost its room to somebody else"
replaced() {
    local key
    key=$("$BPFTOOL" -j map dump pinned "$W/bpf/gate/destinations" | jq -r '.[].key | join(" ")' |
        grep '0x64 0x40 0x03 0x03$') || return 0
    # shellcheck disable=SC2086 # octets, each a word
    "$BPFTOOL" map delete pinned "$W/bpf/gate/destinations" key hex ${key//0x/}
    foreign update "$i" value hex "${nothing[@]}" && i=$((i + 1)) # unless the patrol was first
    return 1
}
wait_until 10 replaced || fail "kept.fill.test keeps its room"
expect_output 'status: SERVFAIL' ask kept.fill.test
expect_output 'status: SERVFAIL' ask +tcp kept.fill.test
for i in $(seq 1 "$i"); do foreign delete "$i"; done
wait_until 5 answers kept.fill.test || fail "kept.fill.test: $(ask kept.fill.test)"
wait_until 10 answers alone.fill.test || fail "alone.fill.test: $(ask alone.fill.test)"
wait_until 20 strict false || fail "still strict: $(gate status)"
expect_output 'alone.fill.test:80/tcp +1x' run sh -c 'dig +short alone.fill.test; curl -sS -m 20 http://100.64.3.1/'
