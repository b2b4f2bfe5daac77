#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What the daemon runs on is lost: room for events, file descriptors, the disk, the upstreams, the resolver again and
# again. Each time what is denied stays denied, what cannot be known is refused, and it is told.
. "$(dirname "$0")/lib.sh"
zone_add '*.wild.test. A 198.51.100.60'
world_up
default_policy
policy wild <<< 'policy wild { deny *.wild.test { answer refuse } }'
mount -t tmpfs -o size=256m tmpfs "$W/state"
gate_start
status() { gate status --json | jq -r "$1"; }
problem() { gate status | grep -qE "$1"; }
clock() { echo $((${EPOCHREALTIME/./} / 10000)); } # in ticks
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
stopped() { grep -q '^State:.T' "/proc/$GATE_PID/status"; }
stop_gate() {
    kill -STOP "$GATE_PID"
    wait_until 10 stopped || fail "it does not stop"
}
let_go() {
    stopped || fail "somebody else let it go: $(cat "/proc/$GATE_PID/status")"
    kill -CONT "$GATE_PID"
}
try='import socket; socket.create_connection(("198.51.100.11", 443), 5)'
# PID's next descriptor: what is closed leaves a number free, below others
next_descriptor() { find "/proc/$1/fd" -mindepth 1 -printf '%f\n' | sort -n | awk '$1 != n + 0 { exit } { n++ } END { print n + 0 }'; }
# PID ITS-TICKS CLOCK: whether it was busy since then, for as much of the time as a busy machine gives to one that spins
spins() { [ $(($(ticks "$1") - $2)) -gt $((($(clock) - $3) / 4)) ]; }
still_denied() { expect_eperm run python3 -c "$try"; }
expect_eperm run curl -sSv -m 20 https://api.github.com/

say "events come faster than anybody reads them: each try is refused, what is lost is counted"
flood='import collections, socket, sys
seen = collections.Counter()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(60000):
    try:
        s.sendto(b"x", ("198.51.100.11", 1000 + i % 50000))
        seen["through"] += 1
    except OSError as e:
        seen[e.strerror] += 1
print(dict(seen))'
mkdir "$W/f"
gate run --tag flood -- sh -c "touch $W/f/there; while ! [ -e $W/f/go ]; do sleep 0.05; done; python3 -c '$flood' > $W/f/seen" \
    2> "$W/f/summary" &
flooder=$!
wait_until 10 test -e "$W/f/there" || fail "it does not start"
before=$(status .lost_events)
stop_gate
touch "$W/f/go"
wait_until 20 test -s "$W/f/seen" || fail "the flood does not end"
let_go
wait $flooder
expect_eq "what the flood saw" "$(cat "$W/f/seen")" "{'Operation not permitted': 60000}"
expect_eq "lost and counted" "$(($(status .lost_events) - before > 10000))" 1
wait_until 5 problem 'denials were not recorded' || fail "$(gate status)"
expect_output 'records of denials were lost' cat "$W/f/summary"
expect_eq "recorded all the same" "$(($(cat "$W/state"/events.jsonl* | grep -c '"tag":"flood"') > 500))" 1
still_denied

say "names are refused faster than anybody reads of it: each is on record or counted as lost, and the report says so"
refusals='import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("192.0.2.53", 53))
s.settimeout(5)
wild = b"".join(b"\x32" + 50 * b"x" for _ in range(4)) + b"\4wild\4test\0"
first = int(sys.argv[1])
for i in range(first, first + 20000, 50):
    for k in range(i, i + 50):
        s.send(b"\0\7\1\0\0\1\0\0\0\0\0\0\7n%06d" % k + wild + b"\0\1\0\1")
    for k in range(50):
        if s.recv(1500)[3] & 15 != 3:
            sys.exit("not refused")
print("refused")'
rm -f "$W"/f/*
mkfifo "$W/f/go"
gate run --policy wild --tag refusals -- sh -c "touch $W/f/there; while read -r i; do
    python3 -c '$refusals' \${i}00000 > $W/f/seen\$i
    done < $W/f/go" 2> "$W/f/summary" &
flooder=$!
wait_until 10 test -e "$W/f/there" || fail "it does not start"
before=$(status .lost_events)
known=$(status '.lost_events + .denied')
told_of() { [ "$(status '.lost_events + .denied')" -ge $((known + 20000 * ($1 + 1))) ]; }
exec {go}> "$W/f/go"
# That the buffers in between are too small for all is the rule.
for i in 0 1 2; do
    stop_gate
    echo $i >&$go
    wait_until 60 test -s "$W/f/seen$i" || fail "the look-ups do not end"
    let_go
    wait_until 60 told_of $i || fail "not all is known or lost, $known before: $(ss -xmp | grep namegated) $(gate status --json)"
    [ "$(status .lost_events)" = "$before" ] || break
done
[ "$(status .lost_events)" -gt "$before" ] || fail "nothing is counted as lost, $before before: $(gate status --json)"
exec {go}>&-
wait $flooder
expect_output 'records of denials were lost' cat "$W/f/summary"
expect_output 'incomplete: [1-9][0-9]* events were lost' gate report --tag refusals

say "no descriptor is left to the daemon"
mkdir "$W/d"
expect_ok gate run --tag lives -- python3 "$HERE/clients/daemonise.py" "$W/d" 198.51.100.11 443
limit=$(prlimit --pid "$GATE_PID" --nofile --noheadings --output SOFT | tr -d ' ')
prlimit --pid "$GATE_PID" --nofile="100:$limit"
python3 -c 'import os, select, socket, sys, time
def connect():
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    return s
held = [connect() for i in range(100)]
print("held", flush=True)
while not os.path.exists(sys.argv[2]):
    for s in select.select(held, [], [], 0)[0]: # turned away, or ended for saying nothing
        held[held.index(s)] = connect()
    time.sleep(0.2)' "$W/run/gate/control.sock" "$W/room" > "$W/held" &
wait_until 10 grep -q held "$W/held" || fail "no connections"
run id > "$W/out" 2> "$W/err"
expect_eq "status of a run" $? 125
expect_eq "its output" "$(cat "$W/out")" ""
expect_output 'no file descriptor left' cat "$W/err"
before=$(ticks "$GATE_PID") began=$(clock)
old=$(pgrep -P "$GATE_PID" | head -n 1)
kill -KILL "$old"
sleep 3
! spins "$GATE_PID" "$before" "$began" || fail "the daemon spins: $(($(ticks "$GATE_PID") - before)) ticks"
touch "$W/d/go"
wait_until 10 test -e "$W/d/result" || fail "no result"
expect_eq "connect" "$(cat "$W/d/result")" "Operation not permitted"
touch "$W/d/end" "$W/room"
prlimit --pid "$GATE_PID" --nofile="$limit:$limit"
answers() { [ "$(status .resolver.running)" = true ]; }
wait_until 30 answers || fail "no resolver: $(gate status)"
still_denied
expect_ok run curl -sS -m 20 https://mirror.internal/

say "nor to the resolver: what it knows it answers, the rest fails"
expect_ok run dig +time=10 +tries=1 @192.0.2.53 mirror.internal A
resolver=$(resolver_pid)
limit=$(awk '/^Max open files/ { print $4 }' "/proc/$resolver/limits")
files() { ACCOUNT=nobody expect_ok somebody prlimit --pid "$resolver" --nofile="$1:$limit"; } # its own account may
last=
steady() { # what it asks upstreams by is closed soon
    local before=$last
    sleep 0.2
    last=$(next_descriptor "$resolver")
    [ "$last" = "$before" ]
}
wait_until 10 steady || fail "it opens and closes descriptors"
files "$last"
before=$(ticks "$resolver") began=$(clock)
expect_output '203.0.113.20' run dig +time=10 +tries=1 +short @192.0.2.53 mirror.internal A
expect_output 'SERVFAIL|timed out|no servers' run dig +time=6 +tries=1 @192.0.2.53 notgithub.com A
expect_fail run dig +tcp +time=2 +tries=1 @192.0.2.53 mirror.internal A
! spins "$resolver" "$before" "$began" || fail "the resolver spins: $(($(ticks "$resolver") - before)) ticks"
still_denied
files "$limit"
resolves() { run dig +time=2 +tries=1 +short @192.0.2.53 status.github.com A 2> /dev/null | grep -q 198.51.100.13; }
wait_until 15 resolves || fail "it does not come back"
expect_ok run dig +tcp +time=10 +tries=1 @192.0.2.53 mirror.internal A

say "the resolver ends again and again: ever later another, names fail, and what is denied stays denied"
before=$(status .resolver.restarts)
began=$SECONDS
( while ! [ -e "$W/calm" ]; do
    for pid in $(pgrep -P "$GATE_PID"); do kill -KILL "$pid" 2> /dev/null; done
    sleep 0.2
done ) &
killer=$!
crashing() { has_record '.type == "trouble" and .trouble == "crashing"'; }
wait_until 20 crashing || fail "it is not told"
# It says so in a pause: after that another runs, until it is killed.
expect_ok wait_until 20 problem 'ended [0-9]+ times in a row'
unwell() { ! gate status > "$W/out" 2>&1; }
expect_ok wait_until 20 unwell
still_denied
# One that was started may answer before it is killed. Between two of them nobody does: what says something is a question
# that began and ended in one and the same pause.
pause() { status '"\(.resolver.pid) \(.resolver.restarts)"'; }
asked_in_a_pause() {
    local before
    before=$(pause)
    [ "${before% *}" = -1 ] || return 1
    run dig +time=1 +tries=1 @192.0.2.53 mirror.internal A > "$W/out" 2>&1
    answered=$?
    [ "$(pause)" = "$before" ]
}
wait_until 40 asked_in_a_pause || fail "there is no pause: $(gate status)"
expect_eq "a question in a pause is answered" "$((answered == 0))" 0
sleep 5
restarts=$(($(status .resolver.restarts) - before))
[ $restarts -lt $((8 + (SECONDS - began) / 16)) ] || fail "$restarts restarts in $((SECONDS - began)) s"
touch "$W/calm"
wait $killer
wait_until 40 answers || fail "no resolver: $(gate status)"
wait_until 15 resolves || fail "it does not answer"
still_denied

say "no upstream answers: last known addresses stay denied, what is not known fails, and it is told"
dns_down
expect_output 'SERVFAIL' run dig +time=6 +tries=1 @192.0.2.53 other.test A
expect_record '.type == "trouble" and .trouble == "upstream"'
still_denied
dns_up

say "the disk is full: nothing is let through, what is not on record is counted, switches work and say so"
records() { wc -l < "$W/state/events.jsonl"; }
more_lost() { [ "$(status .lost_events)" -gt "$before" ]; }
loses() { # files that grow too old go, so that there may be room once more
    head -c 512M /dev/zero >> "$W/state/fill" 2> /dev/null
    before=$(status .lost_events)
    still_denied
    expect_eperm run curl -sSv -m 20 https://github.com/
    wait_until 2 more_lost
}
once_of 3 loses || fail "nothing is counted as lost: $(df "$W/state"; ls -l "$W/state"; gate status)"
expect_output 'records could not be written' gate status
expect_output 'restart of the daemon forgets it|cannot write' gate incident --reason full on
expect_eperm run curl -sSv -m 20 https://other.test/
gate_kill
gate_again
expect_eq "the incident, which the kernel knows" "$(status .incident)" true
still_denied
rm "$W/state/fill"
expect_ok gate incident off
before=$(records)
still_denied
grew() { [ "$(records)" -gt "$before" ]; }
wait_until 5 grew || fail "nothing is recorded any more"
expect_ok run curl -sS -m 20 https://mirror.internal/
