#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What is connected when its peer becomes denied ends at once, in whatever namespace, and wherever it came from.
. "$(dirname "$0")/lib.sh"
for i in $(seq 60 69); do
    zone_add "s$i.github.com. A 198.51.100.$i"
    zone_add "s$i.github.com. AAAA 2001:db8:1::$i"
done
world_up
policy deploy << 'POLICY'
policy deploy { deny *.github.com deny 203.0.113.20 }
POLICY
policy quiet << 'POLICY'
policy quiet { deny *.github.com { respond timeout } }
POLICY
policy kept << 'POLICY'
policy kept { established keep deny *.github.com }
POLICY
policy watched << 'POLICY'
policy watched { mode audit deny *.github.com }
POLICY
gate_start
wait_in() { python3 "$HERE/clients/wait.py" "$@"; }
# Results, without whether they came later.
waits() { gate run "$@" 2> "$W/err" > "$W/waits"; sed -nE '/^known$/!s/( later [0-9]*)? *$//p' "$W/waits"; }
ended='Software caused connection abort'
fresh=62
soon() { # COMMAND: whether the three that it is about end, and none later
    waits -- "$@" > "$W/out"
    [ "$(grep -c "$ended *$" "$W/waits")" = 3 ]
}

say "the lookup that makes the addresses denied cuts what is connected to them, and nothing else"
expect_eq "cut" "$(waits -- python3 "$HERE/clients/wait.py" status.github.com tcp=198.51.100.13:80 \
    tcp=2001:db8:1::13:80 tcp=::ffff:198.51.100.13:80 udp=198.51.100.13:9 udp=2001:db8:1::13:9 +tcp=203.0.113.21:80)" \
"tcp 198.51.100.13 $ended
tcp 2001:db8:1::13 $ended
tcp ::ffff:198.51.100.13 $ended
udp 198.51.100.13 $ended
udp 2001:db8:1::13 $ended
tcp 203.0.113.21 waits"
expect_record '.hook == "cut" and .errno == "ECONNABORTED" and .names[0].name == "status.github.com" and
    .comm == "python3" and .address == "198.51.100.13" and .proto == "udp" and (.rule | length > 0)'
# A record is made after its socket has ended.
hooks() {
    jq -r 'select(.verdict == "deny" and (.probe | not)) | .hook' "$W/state/events.jsonl" | sort | uniq -c | xargs
}
five() { [ "$(hooks)" = "5 cut" ]; }
wait_until 5 five
expect_eq "records of it" "$(hooks)" "5 cut"
soon_cut() {
    local n=$((++fresh))
    soon python3 "$HERE/clients/wait.py" s$n.github.com tcp=198.51.100.$n:80 tcp=2001:db8:1::$n:80 udp=198.51.100.$n:9
}
once_of 3 soon_cut || fail "not within 100 ms: $(cat "$W/waits")"
if [ "$(cat /proc/sys/net/mptcp/enabled 2> /dev/null)" = 1 ]; then
    expect_eq "MPTCP" "$(waits -- python3 "$HERE/clients/wait.py" api.github.com mptcp=198.51.100.11:80)" \
        "mptcp 198.51.100.11 end"
else
    say "this kernel has no MPTCP"
fi

say "what no process has among its descriptors: an io_uring, a thread with others, a queue of AF_UNIX"
client kept -luring -pthread
K=$B/tests/clients/kept
cut_records() { jq -c "select(.hook == \"cut\" and .address == \"$1\")" "$W/state/events.jsonl" | wc -l; }
expect_eq "kept otherwise" "$(waits -- "$K" s60.github.com - tcp-uring=198.51.100.60:80 tcp-direct=2001:db8:1::60:80 \
    udp-uring=2001:db8:1::60:9 udp-direct=198.51.100.60:9 tcp-thread=198.51.100.60:80 +tcp-uring=203.0.113.21:80)" \
"tcp-uring 198.51.100.60 $ended
tcp-direct 2001:db8:1::60 $ended
udp-uring 2001:db8:1::60 $ended
udp-direct 198.51.100.60 $ended
tcp-thread 198.51.100.60 $ended
tcp-uring 203.0.113.21 waits"
three_and_two() { [ "$(cut_records 198.51.100.60) $(cut_records 2001:db8:1::60)" = "3 2" ]; }
wait_until 5 three_and_two
expect_eq "records of it" "$(cut_records 198.51.100.60) $(cut_records 2001:db8:1::60)" "3 2"
expect_record '.hook == "cut" and .address == "198.51.100.60" and .proto == "tcp" and .comm == "kept" and .kernel'
soon_kept() {
    local n=$((++fresh))
    soon "$K" s$n.github.com - tcp-uring=198.51.100.$n:80 udp-direct=2001:db8:1::$n:9 tcp-thread=198.51.100.$n:80
}
once_of 3 soon_kept || fail "not within 100 ms: $(cat "$W/waits")"
gate run -- "$K" s61.github.com "$W/received" tcp-parked=198.51.100.61:80 udp-parked=198.51.100.61:9 > "$W/waits" &
parks=$!
expect_record '.hook == "cut" and .address == "198.51.100.61" and .proto == "tcp" and .comm == "kept"'
expect_record '.hook == "cut" and .address == "198.51.100.61" and .proto == "udp"'
touch "$W/received"
wait $parks
expect_eq "parked" "$(sed '/^known$/d' "$W/waits")" "tcp-parked 198.51.100.61 $ended
udp-parked 198.51.100.61 $ended"

say "in a namespace of its own"
cat > "$W/own.sh" << 'OWN'
ip link set lo up
ip address add "$1/32" dev lo
python3 -m http.server -b "$1" 8080 > /dev/null 2>&1 &
server=$!
until python3 -c 'import socket, sys; socket.create_connection((sys.argv[1], 8080))' "$1" 2> /dev/null; do sleep 0.05; done
shift
"$@"
kill $server
OWN
lookup_soon() { wait_until 10 grep -q known "$W/waits" && run dig +short "$1" > "$W/dig"; }
: > "$W/waits"
lookup_soon short.github.com &
expect_eq "own namespace" "$(waits -- unshare --net sh "$W/own.sh" 198.51.100.41 python3 "$HERE/clients/wait.py" - \
    tcp=198.51.100.41:8080)" "tcp 198.51.100.41 $ended"
wait $!
: > "$W/waits"
lookup_soon s62.github.com &
expect_eq "own namespace, io_uring" "$(waits -- unshare --net sh "$W/own.sh" 198.51.100.62 "$K" - - \
    tcp-uring=198.51.100.62:8080)" "tcp-uring 198.51.100.62 $ended"
wait $!

say "connected before, and brought along"
exec 7<> /dev/tcp/203.0.113.20/80
expect_eq "brought along" "$(waits -- python3 "$HERE/clients/wait.py" - 7=203.0.113.20:80)" "7 203.0.113.20 $ended"
exec 7>&-

say "made inside, and handed out"
mkdir "$W/d"
cat > "$W/hand.py" << 'HAND'
import array, os, socket, sys
with socket.socket(socket.AF_UNIX) as u:
    u.connect(sys.argv[1] + "/hand")
    with socket.create_connection(("203.0.113.21", 80)) as s:
        u.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [s.fileno()]))])
    u.recv(1)
HAND
cat > "$W/take.py" << 'TAKE'
import os, socket, sys
u = socket.socket(socket.AF_UNIX)
u.bind(sys.argv[1] + "/hand.new")
u.listen()
os.rename(sys.argv[1] + "/hand.new", sys.argv[1] + "/hand")
c = u.accept()[0]
fd = socket.recv_fds(c, 1, 1)[1][0]
os.set_inheritable(fd, True)
os.system("python3 %s - %d=203.0.113.21:80" % (sys.argv[2], fd))
TAKE
python3 "$W/take.py" "$W/d" "$HERE/clients/wait.py" > "$W/taken" &
taker=$!
wait_until 5 test -S "$W/d/hand" || fail "nobody takes"
gate run --policy kept -- python3 "$W/hand.py" "$W/d" 2> "$W/err" &
giver=$!
wait_until 5 grep -q known "$W/taken" || fail "nothing was handed out: $(cat "$W/err")"
policy kept << 'POLICY'
policy kept { deny 203.0.113.21 }
POLICY
expect_ok gate policy reload
wait $taker $giver
expect_eq "handed out" "$(sed -n '2s/^[0-9]* //;2s/ *$//p' "$W/taken")" "203.0.113.21 $ended"
policy kept << 'POLICY'
policy kept { established keep deny *.github.com }
POLICY
expect_ok gate policy reload

say "respond timeout falls silent; audit lets it be"
expect_eq "silent" "$(waits --policy quiet -- python3 "$HERE/clients/wait.py" github.com +tcp=198.51.100.10:80 \
    )" "tcp 198.51.100.10 waits"
expect_eq "audited" "$(waits --policy watched -- python3 "$HERE/clients/wait.py" status.github.com \
    +tcp=198.51.100.13:80)" "tcp 198.51.100.13 waits"

say "established keep"
cat > "$W/keep.py" << 'KEEP'
import os, socket, sys, time
s = socket.create_connection(("198.51.100.42", 80))
def ask():
    try:
        s.send(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
        return "answered" if b"v1.2.3" in s.recv(4096) else "nothing"
    except OSError as e:
        return os.strerror(e.errno)
print(ask(), flush=True)
def reload():
    open(sys.argv[1] + "/ask", "w").close()
    while not os.path.exists(sys.argv[1] + "/done"):
        time.sleep(0.02)
reload()
time.sleep(0.2)
print(ask(), flush=True)
try:
    socket.create_connection(("198.51.100.42", 80), 2)
    print("through", flush=True)
except OSError as e:
    print(os.strerror(e.errno), flush=True)
open(sys.argv[1] + "/incident", "w").close()
s.settimeout(20)
try:
    print(len(s.recv(1)), flush=True)
except OSError as e:
    print(e.errno and os.strerror(e.errno), flush=True)
KEEP
gate run --policy kept -- python3 "$W/keep.py" "$W/d" > "$W/kept" 2> "$W/err" &
runs=$!
wait_until 10 test -e "$W/d/ask" || fail "it does not ask: $(cat "$W/kept" "$W/err")"
policy kept << 'POLICY'
policy kept { established keep deny *.github.com deny moved.test }
POLICY
expect_ok gate policy reload
expect_ok run dig moved.test
touch "$W/d/done"
wait_until 10 test -e "$W/d/incident" || fail "$(cat "$W/kept" "$W/err")"
expect_ok gate incident on --reason "a test of what is kept"
wait $runs
expect_ok gate incident off
expect_eq "kept" "$(cat "$W/kept")" "answered
answered
Operation not permitted
$ended"
