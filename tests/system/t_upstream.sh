#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Several upstreams: one that is silent or fails is not waited for; names of a forward zone go to its servers alone; what
# is asked cannot be foreseen, and an answer that does not repeat it is not believed.
. "$(dirname "$0")/lib.sh"
world_up
default_policy

upstream() { # NAME ADDRESS MODE
    inet python3 "$HERE/clients/upstream.py" "$2" "$3" "$W/$1.log" 2> "$W/$1.err" &
    wait_until 10 grep -q ready "$W/$1.log" || fail "$1: $(cat "$W/$1.err")"
}
asked() { grep -ci " $2\$" "$W/$1.log"; } # SERVER NAME-PATTERN
ask() { dig +tries=1 +time=20 +short -p 5300 @127.0.0.1 "$@"; }

took() { # COUNT NAME MS: whether so many questions, each for another name, are answered in less, and in how much: $ms
    local i
    for i in $(seq "$1"); do ask +noshort +noall +answer +stats "$2-$i.example"; done > "$W/out"
    expect_eq "answers" "$(grep -c '198.51.100.77$' "$W/out")" "$1"
    ms=$(awk '/^;; Query time:/ { sum += $4 } END { print sum }' "$W/out") # without what it takes to start dig
    [ "$ms" -lt "$3" ]
}

upstream silent 192.0.2.61 silent
upstream servfail 192.0.2.62 servfail
upstream good 192.0.2.63 good
upstream lower 192.0.2.64 lower
upstream forged 192.0.2.65 forged
upstream noedns 192.0.2.66 noedns
upstream inner 192.0.2.67 good

say "a silent server costs the first question a part of a second, later ones nothing"
gate_start 'listen 127.0.0.1:5300' 'upstream 192.0.2.61' 'upstream 192.0.2.62' 'upstream 192.0.2.63' \
    'forward "corp.internal" to 192.0.2.67' 'forward deep.corp.internal to 192.0.2.66 192.0.2.67'
took 1 first 4000 || fail "the first answer took $ms ms"
for i in $(seq 10); do expect_eq "answer $i" "$(ask "warm$i.example")" 198.51.100.77; done
fast=0
answers_fast() {
    fast=$((fast + 1))
    took 20 "fast$fast" 3000
}
once_of 3 answers_fast || fail "20 answers took $ms ms, though a good server is known"
[ "$(asked silent 'fast[0-9-]*.example')" -le $((6 * fast)) ] || fail "the silent server is asked again and again"

say "a forward zone's names go to its own servers, and to nobody else"
expect_eq "of the zone" "$(ask git.corp.internal)" 198.51.100.77
expect_eq "the zone itself" "$(ask CORP.internal)" 198.51.100.77
expect_eq "of the longer zone, from a server without EDNS" "$(ask a.deep.corp.internal)" 198.51.100.77
expect_eq "asked of the zone's server" "$(($(asked inner 'git.corp.internal') > 0))" 1
expect_eq "asked of the longer zone's" "$(($(asked noedns 'a.deep.corp.internal') > 0))" 1
for server in silent servfail good; do
    expect_eq "told $server" "$(asked $server '.*corp.internal')" 0
done
expect_eq "a name that only ends alike" "$(ask notcorp.internal)" 198.51.100.77
expect_eq "is not of the zone" "$(asked inner 'notcorp.internal')" 0

say "neither case nor port of a question can be foreseen"
for i in $(seq 60); do ask "abcdefghijklmnop$i.example" > "$W/out"; done
cases=$(grep -i ' abcdefghijklmnop' "$W/good.log" | awk '{ print substr($3, 1, 16) }' | sort -u | wc -l)
ports=$(awk '$1 == "udp" { print $2 }' "$W/good.log" | sort -u | wc -l)
[ "$cases" -gt 50 ] || fail "$cases different cases in 60 questions"
[ "$ports" -gt 20 ] || fail "$ports different ports"
gate_stop

say "an answer in another case is not believed over UDP; a server that lowers names is known by TCP"
gate_start 'listen 127.0.0.1:5300' 'upstream 192.0.2.65' 'forward low.test to 192.0.2.64'
expect_eq "the true answer" "$(ask probably.mixed.example)" 198.51.100.77
grep -q '^tcp .*[Pp].*$' "$W/forged.log" || fail "it was not asked over TCP: $(cat "$W/forged.log")"
for i in 1 2 3; do expect_eq "lower case" "$(ask "probably.mixed$i.low.test")" 198.51.100.77; done
expect_eq "over TCP" "$(($(grep -c '^tcp' "$W/lower.log") > 0))" 1
expect_eq "over TCP, when it is known" "$(grep -ci '^tcp .*mixed[23]' "$W/lower.log")" 0
gate_stop

say "a host where nothing listens costs no wait, by UDP or in the middle of many questions"
nothing=0
past_nothing() { # the first question that is asked of it
    [ $nothing = 0 ] || gate_stop
    nothing=$((nothing + 1))
    gate_start 'listen 127.0.0.1:5300' 'upstream 192.0.2.68' 'upstream 192.0.2.63'
    took 1 "nothing$nothing" 350
}
once_of 5 past_nothing || fail "the first answer took $ms ms, and not less before"
many=0
all_answered() {
    many=$((many + 1))
    for i in $(seq 200); do echo "many$i.listens$many.example A"; done > "$W/many"
    dnsperf -s 127.0.0.1 -p 5300 -d "$W/many" -n 1 -q 200 > "$W/perf" 2>&1
    [ "$(awk '/Response codes/ { print $3, $4 }' "$W/perf")" = "NOERROR 200" ]
}
once_of 3 all_answered || fail "not all are answered: $(cat "$W/perf")"
gate_stop

say "settings that make no sense"
printf 'upstream 192.0.2.53\nforward corp.internal 10.0.0.53\nforward a b to 1.1.1.1\n' > "$W/bad.conf"
expect_fail "$B/namegated" --config "$W/bad.conf" --check-config
expect_said 'bad.conf:2:9: error'
expect_said 'bad.conf:3:9: error'
expect_said 'ZONE to ADDRESS'
