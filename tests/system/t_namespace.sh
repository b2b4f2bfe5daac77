#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Deployments in network namespaces of their own, as containers: names resolve there and denials hold there; and nothing
# keeps a namespace when they are gone.
. "$(dirname "$0")/lib.sh"
world_up
default_policy
gate_start
descriptors() { find "/proc/$GATE_PID/fd" "/proc/$(resolver_pid)/fd" -lname 'socket:*' | wc -l; }
nothing_left() { [ "$(descriptors)" = "$before" ]; }
expect_ok run true
expect_ok wait_until 5 no_deployments
steady() { # what was in use a moment ago is over
    before=$(descriptors)
    sleep 0.2
    nothing_left
}
wait_until 10 steady || fail "it opens and closes sockets"

# A namespace that a process holds, joined to the internet by a veth of its own.
box() { # NAME NUMBER: its process is $pid
    unshare --net sleep infinity &
    pid=$!
    wait_until 5 differ /proc/self/ns/net "/proc/$pid/ns/net" || fail "no namespace"
    ip link add "b$2" type veth peer name e0 netns "$pid"
    ip link set "b$2" netns "$INTERNET"
    inet ip address add "10.78.$2.1/24" dev "b$2"
    inet ip link set "b$2" up
    nsenter -t "$pid" -n sh -c "ip link set lo up && ip address add 10.78.$2.2/24 dev e0 && ip link set e0 up &&
        ip route add default via 10.78.$2.1"
}
in_box() { nsenter -t "$box" -n -- "$@"; }

say "started there"
box one 1
box=$pid
expect_ok in_box curl -sS -m 20 http://api.github.com/
expect_eperm in_box "$B/namegate" --run-dir "$W/run/gate" --state-dir "$W/state" run -- curl -sSv -m 20 http://api.github.com/
expect_ok in_box "$B/namegate" --run-dir "$W/run/gate" --state-dir "$W/state" run -- curl -sS -m 20 http://mirror.internal/
expect_record '.type == "denial" and .names[0].name == "api.github.com" and .names[0].asked_by.comm == "curl"'
expect_ok in_box "$B/namegate" --run-dir "$W/run/gate" run -- dig +tcp +short @198.51.100.77 github.com
expect_said '^198.51.100.10$'
say "attached there, with what a container is: a cgroup and a namespace"
mkdir "$CGROUP/box"
cat > "$W/waits.sh" << 'WAITS'
while read -r host; do
    if curl -sSv -m 20 "http://$host/" > "$1" 2>&1; then
        echo "$host through"
    elif grep -qi "not permitted" "$1"; then
        echo "$host denied"
    else
        echo "$host $(tail -n 1 "$1")"
    fi
done
WAITS
mkfifo "$W/to" "$W/from"
nsenter -t "$box" -n -- sh "$W/waits.sh" "$W/curl" < "$W/to" > "$W/from" &
contained=$!
exec 7> "$W/to" 8< "$W/from"
echo "$contained" > "$CGROUP/box/cgroup.procs"
ask() { local answer; echo "$1" >&7; read -r -t 30 answer <&8; echo "$answer"; }
expect_eq "before" "$(ask api.github.com)" 'api.github.com through'
id=$(gate attach --tag contained --cgroup "$CGROUP/box")
expect_eq "attached" "$(ask api.github.com)" 'api.github.com denied'
expect_eq "attached" "$(ask mirror.internal)" 'mirror.internal through'
say "over the death of the resolver, and of the keeper"
kill -9 "$(resolver_pid)"
wait_until 5 gate status > /dev/null
expect_eq "new resolver" "$(ask status.github.com)" 'status.github.com through'
expect_eq "new resolver" "$(ask api.github.com)" 'api.github.com denied'
gate_kill
gate_again
expect_eq "new keeper" "$(ask github.com)" 'github.com denied'
expect_eq "new keeper" "$(ask other.test)" 'other.test through'
say "it is let go with the last process there"
expect_ok gate detach "$id"
expect_ok wait_until 15 nothing_left
expect_eq "detached" "$(ask api.github.com)" 'api.github.com through'
exec 7>&- 8<&-
kill $contained
wait $contained 2> /dev/null

say "made by a deployment itself: served as soon as a program is started there, before it asks"
known() { bpftool map dump pinned "$W/bpf/gate/namespaces" -j | jq length; }
served_there() { [ "$(bpftool map dump pinned "$W/bpf/gate/namespaces" -j | jq '[.[] | select(.formatted.value.served == 1)] | length')" = 2 ]; }
cat > "$W/makes.sh" << 'MAKES'
ip link set lo up
read -r _
dig +tries=1 +time=20 +short @192.0.2.53 api.github.com
dig +tries=1 +time=20 +short -6 @2001:db8::53 api.github.com AAAA
MAKES
run unshare --net sh "$W/makes.sh" < "$W/to" > "$W/made" &
makes=$!
exec 7> "$W/to"
wait_until 15 served_there || fail "no listeners without a question: $(bpftool map dump pinned "$W/bpf/gate/namespaces")"
echo >&7
exec 7>&-
wait $makes
expect_eq "names" "$(cat "$W/made")" "198.51.100.11"$'\n'"2001:db8:1::11"
expect_ok wait_until 15 nothing_left

say "a port that is taken there is told of, and denials hold"
cat > "$W/takes.py" << 'TAKES'
import os, socket, subprocess, sys
held = []
for port in map(int, sys.argv[1].split(",")):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", port))
    held.append(s)
sys.exit(subprocess.run(sys.argv[2:]).returncode)
TAKES
ports=$(ss -lunH "src 127.0.0.1" | awk '{ sub(".*:", "", $4); print $4 }' | sort -un | paste -sd,)
in_box python3 "$W/takes.py" "$ports" "$B/namegate" --run-dir "$W/run/gate" run -- curl -sSv -m 20 http://198.51.100.10/ > "$W/out" 2>&1
expect_said 'not permitted'
expect_record '.type == "trouble" and .trouble == "namespace" and (.text | test("is taken there"))'
expect_ok wait_until 15 nothing_left

say "many, one after the other, also some that are gone at once"
only_this() { [ "$(known)" = 1 ]; }
for _ in $(seq 15); do run unshare --net python3 -c 'import socket; socket.socket()'; done
for _ in $(seq 15); do expect_ok run unshare --net sh -c 'ip link set lo up; getent hosts x.invalid; true'; done
expect_ok wait_until 20 nothing_left
expect_ok wait_until 20 only_this
