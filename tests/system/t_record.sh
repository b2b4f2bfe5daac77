#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Who is on record for a denial: never a process that merely ran when the kernel sent a packet.
. "$(dirname "$0")/lib.sh"
world_up
default_policy
policy quiet << 'POLICY'
policy quiet { deny *.github.com { respond timeout } }
POLICY
gate_start 'group nogroup'
chmod 755 "$W/run" "$W/run/gate"
mine() { somebody namegate --run-dir "$W/run/gate" --state-dir "$W/state" "$@"; }
cat > "$W/alive.py" << 'PYTHON'
import os, socket, time
held = []
for _ in range(50):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    s.connect(("198.51.100.11", 80))
    held.append(s)
    time.sleep(0.01)
os.system("dig +short api.github.com A > /dev/null")
time.sleep(4)
PYTHON
chmod 644 "$W/alive.py"

say "a timer of one deployment fires while processes of another run"
for _ in $(seq "$(nproc)"); do gate run --tag victim -- timeout 10 sh -c 'while :; do :; done' SECRET & done
spinning() { [ "$(deployments)" = "$(nproc)" ]; }
wait_until 10 spinning || fail "no victims: $(gate list)"
# What falls silent is not cut, so that its timers go on.
expect_ok mine run --tag opens --policy quiet -- /usr/bin/python3 "$W/alive.py"
expect_record '.type == "denial" and .tag == "opens" and .hook == "egress" and .comm == "python3" and .pid > 0'
expect_eq "records of denials that blame others" \
    "$(jq -c 'select(.type == "denial" and (.tag == "victim" or (.argv | tostring | contains("SECRET"))))' "$W/state/events.jsonl")" ""

say "DNS that cannot be sent to the resolver"
wait_until 15 no_deployments || fail "still: $(gate list)"
gate_stop
ip -6 address del ::1/128 dev lo
gate_again
expect_fail run dig +time=1 +tries=1 @2001:db8::53 api.github.com AAAA
expect_record '.type == "denial" and .port == 53 and .evidence == "resolver" and .address == "2001:db8::53" and .comm != ""
    and (.reason | contains("cannot be sent to the resolver"))'
