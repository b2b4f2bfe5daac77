#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Many deployments: 200 at once (50 under sanitizers), each with verdicts of its own, and more one after the other
# (NG_MANY, a thousand in `make soak`); nothing of them stays.
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

live=200
! sanitized || live=50
say "$live at once, each denied an address of its own"
cat > "$W/one.sh" << 'ONE'
touch "$1/$2.runs"
: < "$1/go"
for n in $(seq "$3"); do
    { : > "/dev/udp/203.0.113.$n/9"; } 2>> "$1/$2.errors" || echo "$n" >> "$1/$2.denied"
done
mv "$1/$2.denied" "$1/$2.out"
ONE
mkfifo "$W/many/go"
for i in $(seq $live); do
    echo "policy p { deny 203.0.113.$i }" > "$W/many/$i.policy"
    gate run --tag "t$i" --policy "$W/many/$i.policy" -- bash "$W/one.sh" "$W/many" "$i" $live 2> "$W/many/$i.err" &
done
all_run() { [ "$(find "$W/many" -name '*.runs' | wc -l)" = $live ]; }
wait_until 60 all_run || fail "they do not all start: $(find "$W/many" -name '*.runs' | wc -l), $(cat "$W"/many/*.err | sort | uniq -c | head -n 5)"
expect_eq "live" "$(deployments)" $live
exec 8<> "$W/many/go" # who waits to read it, waits no longer
all_done() { [ "$(find "$W/many" -name '*.out' -size +0 | wc -l)" = $live ]; }
wait_until 120 all_done || fail "they do not all end: $(find "$W/many" -name '*.out' -size +0 | wc -l)"
for i in $(seq $live); do expect_eq "denied to $i" "$(cat "$W/many/$i.out")" "$i"; done
expect_eq "errors" "$(sed -n 's/.*: //p' "$W"/many/*.errors | sort -u)" "Operation not permitted"
expect_ok wait_until 20 no_deployments

say "more, one after the other"
for i in $(seq "${NG_MANY:-100}"); do "$B/namegate" --run-dir "$W/run/gate" run --tag more -- true || fail "number $i"; done
expect_ok wait_until 20 no_deployments
is_as_before() { [ "$(there_is)" = "$before" ]; }
wait_until 20 is_as_before || fail "left: '$(there_is)', before: '$before'"
expect_eq "cgroups left" "$(find "$CGROUP/gate" -mindepth 1 -type d | wc -l)" 0
expect_ok gate status
