#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Many deployments: 200 at once, each with verdicts of its own, and more one after the other (NG_MANY, a thousand in `make
# soak`); nothing of them stays.
. "$(dirname "$0")/lib.sh"
world_up
policy deploy << 'POLICY'
policy deploy { deny 198.51.100.0/24 port 9 }
POLICY
gate_start
mkdir "$W/many"
pins() { find "$W/bpf/gate" -mindepth 1 | wc -l; }
entries() { gate status --json | jq '.destinations.used'; }
descriptors() { find "/proc/$GATE_PID/fd" -mindepth 1 | wc -l; }
expect_ok run true
expect_ok wait_until 5 no_deployments
there_is() { echo "$(pins) $(entries) $(descriptors)"; }
steady() { # what was in use a moment ago is over
    before=$(there_is)
    sleep 0.2
    [ "$(there_is)" = "$before" ]
}
wait_until 10 steady || fail "it opens and closes descriptors"

say "200 at once, each denied an address of its own"
cat > "$W/one.sh" << 'ONE'
touch "$1/$2.runs"
: < "$1/go"
python3 - "$2" > "$1/$2.out" 2>&1 << 'PYTHON'
import socket, sys
def attempt(n):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        s.sendto(b"x", ("203.0.113.%d" % n, 9))
        return "through"
    except PermissionError:
        return "denied"
own = int(sys.argv[1])
print(" ".join(str(n) for n in range(1, 201) if attempt(n) == "denied"))
PYTHON
ONE
mkfifo "$W/many/go"
for i in $(seq 200); do
    echo "policy p { deny 203.0.113.$i }" > "$W/many/$i.policy"
    gate run --tag "t$i" --policy "$W/many/$i.policy" -- sh "$W/one.sh" "$W/many" "$i" 2> "$W/many/$i.err" &
done
all_run() { [ "$(find "$W/many" -name '*.runs' | wc -l)" = 200 ]; }
wait_until 60 all_run || fail "they do not all start: $(find "$W/many" -name '*.runs' | wc -l), $(cat "$W"/many/*.err | sort | uniq -c | head -n 5)"
expect_eq "live" "$(deployments)" 200
exec 8<> "$W/many/go" # who waits to read it, waits no longer
all_done() { [ "$(find "$W/many" -name '*.out' -size +0 | wc -l)" = 200 ]; }
wait_until 120 all_done || fail "they do not all end: $(find "$W/many" -name '*.out' -size +0 | wc -l)"
for i in $(seq 200); do expect_eq "denied to $i" "$(cat "$W/many/$i.out")" "$i"; done
expect_ok wait_until 20 no_deployments

say "more, one after the other"
for i in $(seq "${NG_MANY:-100}"); do "$B/namegate" --run-dir "$W/run/gate" run --tag more -- true || fail "number $i"; done
expect_ok wait_until 20 no_deployments
is_as_before() { [ "$(there_is)" = "$before" ]; }
wait_until 20 is_as_before || fail "left: '$(there_is)', before: '$before'"
expect_eq "cgroups left" "$(find "$CGROUP/gate" -mindepth 1 -type d | wc -l)" 0
expect_ok gate status
