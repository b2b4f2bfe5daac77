#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Over restarts of the daemon, killed or ended, and of the resolver, the service manager keeps its sockets: no question is
# lost, of deployments or of others, and what is denied stays denied. NG_RESTARTS: how many, a thousand in `make soak`.
. "$(dirname "$0")/lib.sh"
world_up
default_policy
mkdir "$W/held"
printf 'listen 127.0.0.1:5300\n' > "$W/gate.conf"
gate_options gate
python3 "$HERE/clients/holder.py" "$W/held" "$B/namegated" "${OPTIONS[@]}" 2>> "$W/namegated.log" &
holder=$!
ready() { [ "$(stat -c %s "$W/held/ready" 2> /dev/null || echo 0)" -ge "$1" ]; }
wait_until 30 ready 1 || fail "namegated does not start"
keeper() { cat "$W/held/pid"; }

cat > "$W/asks.py" << 'ASKS'
# Asks the same question again and again, each with one retry after a second; and tries to go through in between.
import os, socket, struct, sys, time
where, name, server, port = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
asked = lost = through = n = again = 0
while not os.path.exists(where + "/end"):
    n += 1
    query = struct.pack(">HHHHHH", n & 0xffff, 0x100, 1, 0, 0, 0) + b"\x06status\x06github\x03com\x00\x00\x01\x00\x01"
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(2.0)
    asked += 1
    for attempt in range(2):
        try:
            s.sendto(query, (server, port))
            s.recv(4096)
            break
        except OSError:
            again += 1
    else:
        lost += 1
    s.close()
    if name == "deployment":
        try:
            socket.create_connection(("198.51.100.10", 80), 2)
            through += 1
        except PermissionError:
            pass
    time.sleep(0.005)
print(name, asked > 50, lost, through)
print(name, "asked", asked, "again", again, file=sys.stderr)
ASKS
gate run -- python3 "$W/asks.py" "$W" deployment 192.0.2.53 53 > "$W/deployment" 2> "$W/deployment.err" &
one=$!
python3 "$W/asks.py" "$W" others 127.0.0.1 5300 > "$W/others" 2> "$W/others.err" &
two=$!
sleep 0.5
resolves() { [ "$(gate status --json | jq .resolver.running)" = true ]; }
restarts=${NG_RESTARTS:-8}
for i in $(seq "$restarts"); do
    signal=$([ $((i % 2)) = 0 ] && echo TERM || echo KILL)
    kill -"$signal" "$(keeper)"
    wait_until 30 ready $((i + 1)) || fail "it does not come back after $i"
    sleep 0.2
    kill -KILL "$(resolver_pid)"
    wait_until 30 resolves || fail "no resolver after $i"
    expect_ok gate policy reload
done
touch "$W/end"
wait $one $two
sed 's/^/# /' "$W/deployment.err" "$W/others.err" | grep -a asked
expect_eq "a deployment" "$(cat "$W/deployment")" "deployment True 0 0"
expect_eq "others" "$(cat "$W/others")" "others True 0 0"

say "what nobody needs any more is not kept"
names=$(wc -l < "$W/held/names")
kept() { sort "$W/held/names"; }
kill -KILL "$(keeper)"
wait_until 30 ready $((restarts + 2)) || fail "it does not come back"
sleep 0.2
expect_eq "kept" "$(kept | wc -l)" "$names"
: > "$W/gate.conf"
wait_until 10 no_deployments || fail "$(gate list)"
kill -TERM "$(keeper)"
wait_until 30 ready $((restarts + 3)) || fail "it does not come back"
not_kept() { ! grep -q '^udp' "$W/held/names"; }
wait_until 5 not_kept || fail "kept: $(kept)"
expect_fail dig +time=1 +tries=1 -p 5300 @127.0.0.1 github.com
kill -TERM $holder
wait $holder
expect_eq "status" $? 0
