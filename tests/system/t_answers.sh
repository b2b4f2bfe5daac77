#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What a denied name is answered: refused, or a decoy; with the reason. And old answers when the upstream is down.
. "$(dirname "$0")/lib.sh"
zone_add '*.wild.test. A 198.51.100.60'
world_up
client ask
ask_and_end=$(realpath "$B")/tests/clients/ask
policy deploy << 'POLICY'
policy deploy {
    deny github.com, *.github.com { answer refuse reason "it may be what is down" instead "mirror.internal" }
    deny *.wild.test { answer refuse }
    deny other.test { answer decoy reason "a decoy" }
    deny moved.test { reason "as it is" }
}
POLICY
gate_start 'listen 127.0.0.1:5300' 'serve-stale 1h'
ask() { dig +tries=1 +time=6 -p 5300 @127.0.0.1 "$@"; }

say "refused: no such name, its addresses are denied"
expect_output 'status: NXDOMAIN' run dig api.github.com
expect_said 'EDE: 15 \(Blocked\): \(it may be what is down; instead: mirror.internal\)'
expect_said 'SOA'
expect_fail run getent ahosts api.github.com
expect_eperm run bash -c ': < /dev/tcp/198.51.100.11/443'
expect_output '^198.51.100.11$' ask +short api.github.com

say "a deployment that failed by it is not clean, and its report says why"
gate run --tag asks -- sh -c 'getent ahosts api.github.com' > /dev/null 2> "$W/summary"
expect_eq "status of a run" $? 2
expect_output 'api\.github\.com/dns' cat "$W/summary"
expect_output 'blocked and failed' gate report --last
expect_said 'api\.github\.com'
expect_said 'dns'
expect_said 'it may be what is down'
expect_said 'mirror\.internal'
report() { gate report --last --json | jq -e "$1" > /dev/null || fail "$1: $(gate report --last --json)"; }
report '.outcome == "blocked-failed" and .denied >= 1 and .lost == 0'
report '.flows | map(select(.hook == "dns")) | length == 1 and (.[0] | .name == "api.github.com" and
    .verdict == "deny" and .proto == "dns" and .port == 0 and .address == "" and .errno == null and .class == "direct" and
    .evidence == "asked" and .comm == "getent" and .instead == "mirror.internal" and (.rule.line == 2))'
expect_record '.type == "denial" and .hook == "dns" and .tag == "asks" and .names[0].name == "api.github.com" and
    .verdict == "deny" and .address == "" and .gid == null and (.lineage | length > 1) and .argv[0] == "getent"'
expect_output 'api\.github\.com/dns' gate events --tag asks
expect_output 'api\.github\.com/dns .*mirror\.internal.*was denied then' gate replay --policy "$W/policies/deploy.policy" --last
cat > "$W/lenient.policy" << 'POLICY'
policy lenient { deny github.com }
POLICY
expect_ok gate replay --policies "$W/policies" --policy "$W/lenient.policy" --last
expect_output '#   api\.github\.com: ' gate learn --last
expect_ok gate run --mode audit --tag asks -- getent ahosts api.github.com
report '.outcome == "would-block" and (.flows | map(select(.hook == "dns" and .verdict == "would-deny")) | length == 1)'
expect_ok gate run --tag asks -- getent ahosts mirror.internal
report '.outcome == "clean"'
expect_output '^- api\.github\.com/dns .*would be denied' gate diff-runs --against last --tag asks
# each process that asks is on record, also in the same moment
expect_ok gate run --tag asks -- sh -c 'for i in 1 2 3; do getent ahosts api.github.com; sleep 0.05; done; exit 0'
report '.flows | map(select(.hook == "dns") | .count) | add >= 3'
expect_ok gate run --tag asks -- sh -c 'sh -c "getent ahosts api.github.com; :"; sleep 0.05; env getent ahosts api.github.com; :'
report '.flows | map(select(.hook == "dns")) | length == 2'

counted_once() { # one who asks for A and AAAA, if both come within a second
    local before
    before=$(gate status --json | jq .denied)
    expect_fail run getent ahosts api.github.com
    counted=$(($(gate status --json | jq .denied) - before))
    [ $counted = 1 ]
}
once_of 3 counted_once || fail "status counts $counted"

say "nothing is lost: who ends by it at once, many who ask in the same moment; and each is the one who asked"
for _ in $(seq 20); do
    gate run --tag last-word -- "$ask_and_end" api.github.com > /dev/null 2> "$W/summary"
    expect_eq "status of a run" $? 3
    expect_output '1 attempt denied' cat "$W/summary"
    report '.tag == "last-word" and .outcome == "blocked-failed" and .denied == 1 and (.flows | length == 1)'
done
gate run --mode audit --tag last-word -- "$ask_and_end" api.github.com 2> "$W/summary"
report '.outcome == "would-block" and .would == 1'
expect_ok gate run --tag crowd -- sh -c 'for i in 1 2 3 4 5 6 7 8; do "$1" api.github.com & done; wait' sh "$ask_and_end"
report '.denied == 8 and .lost == 0'
expect_ok gate run --tag all -- sh -c 'for i in $(seq 100); do "$1" $i.wild.test; done; true' sh "$ask_and_end"
report '.denied == 100 and (.flows | length == 100) and
    (. as $it | .flows | all(.lineage as $at | .name == ($it.lineage[] | select(.number == $at) | .argv[-1])))'
report '. as $it | .resolutions | length == 100 and
    all(.lineage as $at | .name == ($it.lineage[] | select(.number == $at) | .argv[-1]))'

say "a decoy: the record says exactly which name was meant"
expect_output '^2[45][0-9]\.' run dig +short other.test
expect_record '.type == "denial" and .hook == "dns" and .evidence == "decoy" and .names[0].name == "other.test"'
expect_output '^100::' run dig +short other.test AAAA
expect_output 'EDE: 4 ' run dig other.test
expect_eperm run bash -c 'exec 3<> /dev/tcp/other.test/80'
expect_record '.type == "denial" and .evidence == "decoy" and .names[0].name == "other.test" and .reason == "a decoy"'
expect_eperm run bash -c ': < /dev/tcp/203.0.113.21/80'

say "as it is, with the reason; others are not told of policies"
expect_output 'EDE: 17 \(Filtered\): \(as it is\)' run dig moved.test
expect_said '198.51.100.42'
expect_output 'status: NOERROR' ask moved.test
expect_fail grep EDE "$W/out"
expect_output '^203.0.113.21$' gate run --mode audit -- dig +short other.test

say "the upstream is down: what was known is answered, and still denied"
expect_output '^198.51.100.41$' ask +short short.github.com
dns_down
wait_until 10 bash -c "dig +tries=1 +time=6 -p 5300 @127.0.0.1 short.github.com | grep -q 'EDE: 3 '" || fail "no stale answer"
expect_output '^short.github.com.*30.*198.51.100.41$' ask short.github.com
expect_eperm run bash -c ': < /dev/tcp/198.51.100.41/443'
never=0
fails_as_before() { # which is known for five seconds
    never=$((never + 1))
    expect_output 'status: SERVFAIL' ask never$never.asked.test
    expect_said 'EDE: 22'
    ask never$never.asked.test > "$W/out"
    grep -q 'EDE: 13' "$W/out"
}
once_of 3 fails_as_before || fail "$(cat "$W/out")"
