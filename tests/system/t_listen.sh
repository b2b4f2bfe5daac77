#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The host's resolver on configured addresses, and what it does with malformed messages from either side.
. "$(dirname "$0")/lib.sh"
world_up
default_policy
python3 "$HERE/clients/liar.py" 5300 > "$W/liar.log" 2>&1 &
gate_start 'listen 127.0.0.1:5353' 'listen [::1]:5353'
# Long enough for an upstream whose answers are ignored to be given up.
ask() { dig +time=12 +tries=1 -p 5353 "$@"; }

for how in +notcp +tcp; do
    for server in 127.0.0.1 ::1; do
        expect_output '^198\.51\.100\.11$' ask +short $how "@$server" api.github.com A
        expect_output 'status: NXDOMAIN' ask $how "@$server" no.such.name A
        expect_output 'status: NOERROR.*' ask $how "@$server" v4only.github.com AAAA
        expect_output 'SOA' ask $how "@$server" v4only.github.com AAAA
    done
done
say "what others asked is denied to deployments"
expect_eperm run "$(client reach; echo "$B/tests/clients/reach")" tcp 198.51.100.11 443
expect_output 'status: REFUSED' ask @127.0.0.1 github.com ANY
expect_output 'status: REFUSED' ask @127.0.0.1 version.bind CH TXT
expect_output 'EDNS: version: 0' ask @127.0.0.1 +edns=0 github.com
expect_output 'status: BADVERS' ask @127.0.0.1 +edns=1 +noednsneg github.com

say "malformed queries: FORMERR, NOTIMP, or silence; many of them"
expect_ok python3 "$HERE/clients/malformed.py" 127.0.0.1 5353
expect_ok gate status
expect_output '^198\.51\.100\.11$' ask +short @127.0.0.1 api.github.com A
expect_eq restarts "$(gate status --json | jq .resolver.restarts)" 0
gate_stop

say "malformed answers are neither passed on nor learnt"
rm "$W/state/known-names"
gate_start 'listen 127.0.0.1:5353' 'upstream 127.0.0.1:5300'
for lie in garbage cut wrong-question not-an-answer pointer-loop rdata-too-long svcb-hint chain-loop; do
    expect_output 'status: SERVFAIL' ask @127.0.0.1 "$lie.github.com"
done
expect_output '^198\.51\.100\.77$' ask +short @127.0.0.1 stuffed.github.com
expect_output 'ANSWER: 1, AUTHORITY: 0, ADDITIONAL: 1' ask @127.0.0.1 stuffed.github.com
expect_record '.type == "trouble" and .trouble == "malformed"'
expect_eq "addresses learnt" "$(gate names --json | jq -c '[.names[].addresses[]] | unique')" '["198.51.100.77"]'
expect_eq restarts "$(gate status --json | jq .resolver.restarts)" 0
expect_output '^198\.51\.100\.77$' ask +short @127.0.0.1 good.test
gate_stop

say "on all addresses: the answer comes from the one that was asked"
gate_start 'listen 0.0.0.0:5353' 'listen [::]:5353' 'workers 2'
for server in 127.0.0.1 127.0.0.2 10.77.0.2 ::1 fd77::2; do
    for how in +notcp +tcp; do
        expect_output '^198\.51\.100\.11$' ask +short $how "@$server" api.github.com A
    done
done
gate_stop

say "with workers: all of them answer, and what they learn is denied"
rm "$W/state/known-names"
gate_start 'listen 127.0.0.1:5353' 'workers 3'
expect_eq threads "$(find "/proc/$(resolver_pid)/task" -mindepth 1 -maxdepth 1 | wc -l)" 3
for name in api.github.com github.com mirror.internal v4only.github.com; do
    for _ in 1 2 3 4 5; do expect_output 'status: NOERROR' ask @127.0.0.1 "$name" A; done
done
expect_eperm run "$B/tests/clients/reach" tcp 198.51.100.11 443
expect_eperm run curl -sSv -m 20 https://api.github.com/
say "only the configured port is shared, those of deployments are not"
expect_output '^5 ports, joined: \[5353\]$' python3 "$HERE/clients/join.py" "$GATE_PID"
say "a port that somebody has is noticed all the same"
gate_stop
python3 -c 'import socket, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1); s.bind(("127.0.0.1", 5353)); print("bound", flush=True); time.sleep(60)' \
    > "$W/bound" &
expect_ok wait_until 5 grep -q bound "$W/bound"
HOLDER=$!
expect_output '127.0.0.1:5353 is in use' timeout 60 "$B/namegated" "${OPTIONS[@]}"
kill "$HOLDER"
