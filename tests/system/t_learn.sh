#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# From an audited run to a strict policy under which the same run works, and no other; before it is in force, replay says
# what it would have denied; afterwards, diff-runs says what is new.
. "$(dirname "$0")/lib.sh"
for i in 1 2 3 4 5; do zone_add "n$i.cdn.test. A 203.0.113.4$i"; done
zone_add 'www.example.test. CNAME edge.vendor.test.' && zone_add 'edge.vendor.test. A 203.0.113.30'
world_up echo
client reach
R=$B/tests/clients/reach
policy deploy << 'POLICY'
policy deploy {
    mode audit
    deny .github.com { reason "it may be down" instead "mirror.internal" }
}
policy gone { }
POLICY
gate_start
ledger() { gate report --last "$@" --json 2> /dev/null; }
runs=0
written() { [ "$(gate report --since 1h --json 2> /dev/null | jq -s 'map(select(.ended != null and .status != null)) | length')" = "$1" ]; }
deploy() { # COMMAND...
    gate run --tag deploy -- "$@"
    local status=$?
    runs=$((runs + 1))
    wait_until 10 written "$runs" || fail "not in the ledger: $(gate report --since 1h --json)"
    return $status
}

cat > "$W/deploy.sh" << SCRIPT
set -e
curl -sSf -m 20 https://mirror.internal/ > /dev/null
curl -sSf -m 20 https://api.github.com/ > /dev/null
for i in 1 2 3 4 5; do curl -sSfk -m 20 "https://n\$i.cdn.test/" > /dev/null; done
curl -sSfk -m 20 https://www.example.test:8443/ > /dev/null
curl -sSf -m 20 http://203.0.113.77/version > /dev/null
"$R" unconnected other.test 9999
curl -sSf -m 20 http://127.0.0.1:8000/ > /dev/null || true
SCRIPT

say "nothing to learn from, nothing to judge"
expect_fail gate learn --tag nobody
expect_said 'no ledger|no deployment on record fits'

say "an audited run"
expect_ok deploy bash "$W/deploy.sh"
first=$(ledger --tag deploy | jq -r .deployment)

say "what it did becomes a strict policy, and nothing else does"
gate learn --tag deploy > "$W/deploy.policy" 2> "$W/out" || fail "$(cat "$W/out")"
learnt() { expect_output "$1" cat "$W/deploy.policy"; }
learnt '^policy deploy \{$'
learnt '^    mode strict$'
learnt '^    allow mirror.internal port 443 proto tcp$'
learnt '^    allow \*.cdn.test port 443 proto tcp$'
learnt '# 5 names: .*n3.cdn.test \(1\)'
learnt '^    allow www.example.test port 8443 proto tcp$'
learnt '^    allow 203.0.113.77 port 80 proto tcp$'
learnt '^    allow other.test port 9999 proto udp$'
learnt 'deploy.policy:3 would have denied it$'
learnt '^    allow api.github.com port 443 proto tcp$'
expect_eq "rules" "$(grep -c '^    allow ' "$W/deploy.policy")" 6
expect_ok gate policy check --strict "$W/deploy.policy"
expect_ok gate policy fmt --check "$W/deploy.policy"
expect_eq "as JSON" "$(gate learn --tag deploy --json | jq -r '.name, (.rules | length)' | xargs)" 'deploy 6'

say "replayed, it denies nothing of it; the policy in force, set to block, does"
replay() { gate --policies "$W/policies" replay "$@"; }
expect_ok replay --policy "$W/deploy.policy" --tag deploy
expect_said '^1 deployment, 0 with something that would be denied$'
replay --policy deploy --mode block --json > "$W/out"
expect_eq "status" $? 1
expect_eq "what it would deny" "$(jq -r '.deployments[0] | "\(.deployment) \(.denied)", (.flows[] | "\(.name) \(.port) \(.was) \(.rule.line) \(.instead)")' "$W/out" | xargs)" \
    "$first 1 api.github.com 443 would-deny 3 mirror.internal"
expect_output 'api.github.com:443/tcp  1x  by curl  .*deploy.policy:3: .github.com  it may be down; instead: mirror.internal' replay --policy "$W/policies"
expect_ok gate replay --policy "$W/deploy.policy" --since 1h --deployment "$first"
mkdir "$W/others" && echo 'policy other { }' > "$W/others/other.policy"
for wrong in "--policy $W/others" '--policy nothing' '--policy deploy --tag nobody' '--policy deploy --mode soft' '' "--policy $W/zone" '--policy deploy --since x'; do
    # shellcheck disable=SC2086 # words of a command line
    replay $wrong > "$W/out" 2>&1
    expect_eq "status with '$wrong'" $? 2
done

say "in force, the same run works, and what is new fails"
cp "$W/deploy.policy" "$W/policies/deploy.policy"
expect_ok gate policy reload
expect_ok deploy bash "$W/deploy.sh"
expect_ok gate diff-runs --against last --tag deploy --fail-on-new
expect_said ': 0 new, 0 vanished, 10 as before$'
expect_fail deploy curl -sS -m 20 https://moved.test/
expect_fail deploy curl -sS -m 20 http://mirror.internal/
second=$(ledger --tag deploy | jq -r .deployment)
gate diff-runs --json "$first" "$second" > "$W/out"
expect_eq "new and vanished" "$(jq -r '"\(.new | map("\(.name):\(.port) \(.verdict)") | join(",")) \(.vanished | length)"' "$W/out")" \
    'mirror.internal:80 deny 10'
gate diff-runs --fail-on-new "$first" "$second" > "$W/out"
expect_eq "status" $? 1
expect_said '^\+ mirror.internal:80/tcp  [12]x  by curl  \(denied\)$'
gate diff-runs "$first" nobody > "$W/out" 2>&1
expect_eq "status without two runs" $? 2
gate report --tag deploy --against last --fail-on-new > "$W/out"
expect_eq "status of report" $? 1
expect_said '^\+ mirror.internal:80/tcp'
expect_said '^- moved.test:443/tcp'
expect_eq "in its JSON" "$(gate report --tag deploy --against last --json | jq -r '.against.new[0].port')" 80

say "what was denied is told, and not allowed"
gate learn --tag deploy > "$W/out"
expect_said '^    #   moved.test port 443 proto tcp: (once|2 times) by curl'
expect_said '^    #   mirror.internal port 80 proto tcp: (once|2 times) by curl'
expect_eq "rules" "$(grep -c '^    allow ' "$W/out")" 6

say "the last one alone"
last=$(gate report --tag deploy --json | jq -r .deployment)
gate learn --tag deploy --deployment "$last" > "$W/one"
expect_ok cmp "$W/one" <(gate learn --tag deploy --last)
expect_eq judged "$(gate replay --policy "$W/one" --last --json | jq -r '[.deployments[].deployment] | join(" ")')" \
    "$(gate replay --policy "$W/one" --deployment "$last" --json | jq -r '[.deployments[].deployment] | join(" ")')"
expect_eq "how many" "$(gate replay --policy "$W/deploy.policy" --last --json | jq .checked)" 1
expect_fail gate learn --last --since 1h
expect_said '--last and --since exclude each other'
expect_fail gate replay --policy "$W/deploy.policy" --last --since 1h
expect_said '--last and --since exclude each other'

say "the dependencies of a service"
gate learn --deployment "$first" --manifest svc.internal > "$W/svc.policy"
expect_output '^depends svc.internal on api.github.com$' cat "$W/svc.policy"
expect_eq "names" "$(grep -c '^depends ' "$W/svc.policy")" 9
mkdir "$W/manifest"
printf 'policy p { deny .github.com }\n' > "$W/manifest/p.policy"
mv "$W/svc.policy" "$W/manifest"
expect_output 'svc.internal -> api.github.com' gate policy explain --policies "$W/manifest" --policy p svc.internal:443

say "without a daemon"
gate_stop
expect_ok gate replay --policy "$W/deploy.policy" --deployment "$first"
expect_ok gate learn --tag deploy
