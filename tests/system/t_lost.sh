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
    keys | sed "s|^|map delete pinned $MAP key hex |; s/0x//g" > "$W/batch"
    "$BPFTOOL" batch file "$W/batch" > "$W/out" 2>&1 || true # one may be gone already
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

# What the hook found as the last replies left that it looked at, of all workers: whether something was not there.
departures() { "$BPFTOOL" -j map dump id "$DEPARTURES" | jq -c '[.[0].formatted.value.of[] | .differ != 0]'; }
find_departures() {
    local program
    program=$("$BPFTOOL" -j link show pinned "$W/bpf/gate/link_sendmsg4" | jq .prog_id)
    DEPARTURES=$("$BPFTOOL" -j prog show id "$program" | jq '.map_ids[]' | while read -r map; do
        "$BPFTOOL" -j map show id "$map" | jq 'select(.name == "departures").id'
    done)
}
# Asks when all is lost, and when nothing is. The patrol may be first; so again, until it was the hook that saw it.
held() { # WORKERS COMMAND...
    local lost whole
    whole=$(departures)
    for _ in $(seq 100); do
        lose_all
        [ "$("${@:2}")" = "$answer" ] || fail "no answer, or another one, from: ${*:2}"
        lost=$(departures)
        ! jq -en "[$1 as \$w | \$lost[\$w] and (\$whole[\$w] | not)] | any" --argjson lost "$lost" \
            --argjson whole "$whole" > "$W/jq" || return 0
        [ "$("${@:2}")" = "$answer" ] || fail "no answer, or another one, from: ${*:2}"
        whole=$(departures)
    done
    return 1
}
answer=198.51.100.11

say "it is the kernel that lets no reply leave before: of each worker's sockets"
gate_stop
gate_start 'listen 127.0.0.1:5300' 'cache-size 1000' 'workers 2'
find_departures
for worker in 0 1; do
    expect_ok held $worker ask api.github.com A
done

say "of those that deployments ask, in whatever network namespace"
mkfifo "$W/questions" "$W/answers"
tell() { timeout 60 sh -c 'echo > "$1"' _ "$W/questions"; }
through() {
    tell || return
    timeout 60 head -n 1 "$W/answers"
}
# One process of a deployment, which is told of once: replies that the keeper must hear of leave otherwise, and a
# deployment that begins brings back what was lost.
serve() { # COMMAND...: to get there
    "$@" "$B/namegate" --run-dir "$W/run/gate" --state-dir "$W/state" run -- python3 -c 'import os, socket
while open("questions").read() and not os.path.exists("asked"):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(10)
    s.sendto(b"\0\1\1\0\0\1\0\0\0\0\0\0\3api\6github\3com\0\0\1\0\1", ("192.0.2.53", 53))
    with open("answers", "w") as answers:
        print(".".join(str(octet) for octet in s.recv(512)[-4:]), file=answers)' &
    ASKER=$!
}
end_asking() {
    touch "$W/asked"
    expect_ok tell
    wait "$ASKER"
    rm "$W/asked"
}
cd "$W" || exit 1
serve
expect_ok held range\(16\) through
end_asking
expect_ok wait_until 5 no_deployments
unshare --net sleep infinity &
box=$!
wait_until 5 differ /proc/self/ns/net "/proc/$box/ns/net" || fail "no namespace"
nsenter -t "$box" -n ip link set lo up
nsenter -t "$box" -n ip route add default dev lo
serve nsenter -t "$box" -n --
expect_ok held range\(16\) through
end_asking
kill "$box"

say "no question is lost by it while all is lost again and again"
for client in 1 2 3; do
    python3 "$HERE/clients/asks.py" "$W" others 127.0.0.1 5300 > "$W/asks$client" 2> "$W/asks$client.err" &
    eval "CLIENT$client=\$!"
done
for _ in $(seq 40); do lose_all; done
touch "$W/end"
wait "$CLIENT1" "$CLIENT2" "$CLIENT3"
for client in 1 2 3; do
    expect_eq "client $client" "$(cat "$W/asks$client")" "others True 0 0"
    expect_eq "questions of client $client asked again" "$(grep -o 'again [0-9]*' "$W/asks$client.err")" "again 0"
done
