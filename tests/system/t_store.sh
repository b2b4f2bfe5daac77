#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Over restarts of the daemon, killed or ended, and of the resolver, the service manager keeps its sockets: no question is
# lost, of deployments or of others, none waits until the kernel has proven the programs, and what is denied stays denied.
# NG_RESTARTS: how many, a thousand in `make soak`.
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

gate run -- python3 "$HERE/clients/asks.py" "$W" deployment 192.0.2.53 53 > "$W/deployment" 2> "$W/deployment.err" &
one=$!
python3 "$HERE/clients/asks.py" "$W" others 127.0.0.1 5300 > "$W/others" 2> "$W/others.err" &
two=$!
gate run --tag elsewhere -- unshare --net sh -c "ip link set lo up
    exec python3 $HERE/clients/asks.py $W deployment 192.0.2.53 53" > "$W/elsewhere" 2> "$W/elsewhere.err" &
three=$!
of_namespaces() { grep -c '^ns' "$W/held/names"; }
served() { [ "$(of_namespaces)" -gt 0 ]; }
wait_until 10 served || fail "no sockets of namespaces are kept: $(cat "$W/held/names")"
sleep 0.5
resolves() { [ "$(gate status --json | jq .resolver.running)" = true ]; }
! sanitized || NG_RESTARTS=${NG_RESTARTS:-4} # each takes twice as long there
restarts=${NG_RESTARTS:-8}
early=0
for i in $(seq "$restarts"); do
    signal=$([ $((i % 2)) = 0 ] && echo TERM || echo KILL)
    kill -"$signal" "$(keeper)"
    expect_ok dig +tries=1 +time=20 +short -p 5300 @127.0.0.1 github.com
    ready $((i + 1)) || early=$((early + 1))
    wait_until 30 ready $((i + 1)) || fail "it does not come back after $i"
    sleep 0.2
    kill -KILL "$(resolver_pid)"
    wait_until 30 resolves || fail "no resolver after $i"
    expect_ok gate policy reload
done
touch "$W/end"
wait $one $two $three
sed 's/^/# /' "$W/deployment.err" "$W/others.err" "$W/elsewhere.err" | grep -a asked
CHECKS=$((CHECKS + 1))
[ $early -gt $((restarts / 2)) ] || fail "only $early of $restarts times do names resolve before the programs are proven again"
expect_eq "a deployment" "$(cat "$W/deployment")" "deployment True 0 0"
expect_eq "others" "$(cat "$W/others")" "others True 0 0"
expect_eq "a deployment in another network namespace" "$(cat "$W/elsewhere")" "deployment True 0 0"
none_of_namespaces() { ! served; }
wait_until 15 none_of_namespaces || fail "sockets of namespaces that are gone are kept: $(cat "$W/held/names")"

say "in another network namespace no question is dropped while a daemon follows another"
started=$((restarts + 1))
rm "$W/end"
gate run --tag elsewhere -- unshare --net sh -c "ip link set lo up
    exec python3 $HERE/clients/stream.py $W 192.0.2.53 53" > "$W/stream" 2> "$W/stream.err" &
stream=$!
wait_until 10 served || fail "no sockets of namespaces are kept: $(cat "$W/held/names")"
for _ in 1 2 3 4; do
    sleep 0.5
    kill -KILL "$(keeper)"
    started=$((started + 1))
    wait_until 30 ready $started || fail "it does not come back"
done
sleep 0.5
touch "$W/end"
wait $stream
sed 's/^/# /' "$W/stream.err"
read -r asked lost < "$W/stream"
CHECKS=$((CHECKS + 1))
# Those that the resolver held when it was killed may be.
if [ "$asked" -lt 100 ] || [ "$lost" -gt 4 ]; then
    fail "of $asked questions $lost are lost: $(cat "$W/stream.err")"
fi
wait_until 15 none_of_namespaces || fail "sockets of namespaces that are gone are kept: $(cat "$W/held/names")"

say "what nobody needs any more is not kept"
names=$(wc -l < "$W/held/names")
kept() { sort "$W/held/names"; }
kill -KILL "$(keeper)"
wait_until 30 ready $((started + 1)) || fail "it does not come back"
sleep 0.2
expect_eq "kept" "$(kept | wc -l)" "$names"
: > "$W/gate.conf"
wait_until 10 no_deployments || fail "$(gate list)"
kill -TERM "$(keeper)"
wait_until 30 ready $((started + 2)) || fail "it does not come back"
not_kept() { ! grep -q '^udp' "$W/held/names"; }
wait_until 5 not_kept || fail "kept: $(kept)"
expect_fail dig +time=1 +tries=1 -p 5300 @127.0.0.1 github.com
kill -TERM $holder
wait $holder
expect_eq "status" $? 0
