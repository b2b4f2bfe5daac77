#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A shadow policy judges beside the one in force and enforces nothing: only where they differ is put on record.
. "$(dirname "$0")/lib.sh"
world_up
client reach
R=$B/tests/clients/reach
policy deploy << 'POLICY'
policy deploy {
    deny github.com, api.github.com { reason "it may be down" }
    allow mirror.internal
}
policy quiet { mode audit deny other.test }
group @services { status.github.com }
POLICY
gate_start
shadows() { jq -s "map(select(.type == \"shadow\" and ($1))) | length" "$W/state/events.jsonl"; }
status() { gate policy shadow --json | jq -c .shadow; }

say "without one there is none"
expect_output 'no shadow policy' gate policy shadow
expect_fail gate policy shadow --off
expect_said 'there is no shadow policy'
expect_eq "status" "$(gate status --json | jq -c .shadow)" null

say "errors are told as for a reload, and nothing changes"
echo 'policy next { dney a.example }' > "$W/next.policy"
expect_fail gate policy shadow "$W/next.policy"
expect_said 'next.policy:1:15: error: unexpected'
expect_said "did you mean 'deny'"
echo 'policy a { } policy b { }' > "$W/next.policy"
expect_fail gate policy shadow "$W/next.policy"
expect_said 'this file has 2 policies, expected one'
expect_fail gate policy shadow "$W/nothing.policy"
expect_eq "status" "$(status)" null
expect_fail test -e "$W/state/shadow"

say "a file, with groups of the policies directory: judges all deployments"
cat > "$W/next.policy" << 'POLICY'
policy next {
    allow github.com { reason "we mirror it" }
    deny api.github.com
    deny other.test, @services { reason "it goes away" instead "mirror.internal" }
}
POLICY
expect_ok gate policy shadow "$W/next.policy"
expect_output "^$W/next.policy, since .*: 0 differences" gate policy shadow
expect_output "shadow +$W/next.policy" gate status
expect_output '"event":"shadow-on"' tail -n 1 "$W/state/events.jsonl"
denied curl -sSv -m 20 https://github.com/
expect_record '.type == "shadow" and .verdict == "deny" and .shadow_verdict == "allow" and .port == 443 and
    .names[0].name == "github.com" and .rule.pattern == "github.com" and .shadow_rule.pattern == "github.com" and
    .shadow_rule.line == 2 and .shadow_reason == "we mirror it" and .comm == "curl" and .probe == false'
say "where both deny, nothing is told"
denied curl -sSv -m 20 https://api.github.com/
expect_eq "differences of api.github.com" "$(shadows '.names[0].name == "api.github.com"')" 0
say "what is only audited would be refused"
expect_ok gate run --policy quiet --tag quiet -- curl -sSv -m 20 https://other.test/
expect_record '.type == "shadow" and .verdict == "would-deny" and .shadow_verdict == "deny" and .tag == "quiet" and
    .names[0].name == "other.test" and .shadow_rule.line == 4 and .shadow_instead == "mirror.internal"'
say "what is let through would not be"
expect_ok run curl -sSv -m 20 https://status.github.com/
expect_record '.type == "shadow" and .verdict == "allow" and .shadow_verdict == "deny" and .tag == "curl" and
    .names[0].name == "status.github.com" and .shadow_rule.group == "services" and .port == 443'
expect_ok run curl -sSv -m 20 https://mirror.internal/
expect_eq "differences of mirror.internal" "$(shadows '.names[0].name == "mirror.internal"')" 0
expect_output 'shadow denies status.github.com:443/tcp .*which was let through' gate events --shadow
expect_said 'next.policy:4: status.github.com \(@services\)  it goes away; instead: mirror.internal'
expect_output '^shadow-on|shadow-on ' gate events --all
expect_eq "denials" "$(gate events --json | jq -s 'map(select(.type == "shadow")) | length')" 0

say "it stays what it was read as, over a reload, a restart and a crash"
before=$(status | jq -c 'del(.differences)')
echo 'policy next { }' > "$W/next.policy"
expect_ok gate policy reload
gate_stop
gate_again
expect_eq "after a restart" "$(status | jq -c 'del(.differences)')" "$before"
gate_kill
gate_again
expect_eq "after a crash" "$(status | jq -c 'del(.differences)')" "$before"
seen=$(shadows true)
expect_eperm run curl -sSv -m 20 https://github.com/
more() { [ "$(shadows true)" -gt "$seen" ]; }
wait_until 5 more || fail "nothing is judged after the restart"

say "a snapshot of another release is compiled again, and what makes no sense is told"
gate_stop
offset=$(head -n 1 "$W/state/shadow" | wc -c)
printf 'xxxxxxxx' | dd of="$W/state/shadow" bs=1 seek="$offset" conv=notrunc status=none
gate_again
expect_eq "compiled again" "$(status | jq -c 'del(.differences)')" "$before"
say "and so is one of which a rule's last day is over"
gate_stop
printf '\1\0\0\0\0\0\0\0' | dd of="$W/state/shadow" bs=1 seek=$((offset + 16)) conv=notrunc status=none
current() { [ "$(tail -c +$((offset + 17)) "$W/state/shadow" | head -c 8 | od -An -tu8 | tr -d " ")" = 0 ]; }
expect_fail current
gate_again
wait_until 10 current || fail "a rule that is over stays in force"
expect_eq "compiled again" "$(status | jq -c 'del(.differences)')" "$before"
gate_stop
cp "$W/state/shadow" "$W/kept"
echo nonsense > "$W/state/shadow"
gate_again
expect_eq "nonsense" "$(status)" null
expect_record '.type == "trouble" and .trouble == "shadow"'
gate_stop
cp "$W/kept" "$W/state/shadow"
gate_again

say "an error leaves the one that there is"
echo 'policy next {' > "$W/next.policy"
expect_fail gate policy shadow "$W/next.policy"
expect_eq "after an error" "$(status | jq -c 'del(.differences)')" "$before"

say "a directory: each deployment by the policy of the same name; in the mode that it has there"
mkdir "$W/set"
cat > "$W/set/all.policy" << 'POLICY'
policy deploy { mode strict allow .github.com }
policy unused { }
POLICY
(cd "$W" && expect_ok gate policy shadow --tag only set)
expect_eq "path" "$(status | jq -r '"\(.path) \(.directory) \(.tag)"')" "$W/set true only"
seen=$(shadows true)
expect_eperm run curl -sSv -m 20 https://github.com/
expect_eq "other tags" "$(shadows true)" "$seen"
expect_eperm gate run --tag only -- curl -sSv -m 20 https://github.com/
expect_record '.type == "shadow" and .tag == "only" and .verdict == "deny" and .shadow_verdict == "allow"'
expect_ok gate run --tag only -- "$R" tcp 203.0.113.21 443
expect_record '.type == "shadow" and .tag == "only" and .verdict == "allow" and .shadow_verdict == "deny" and
    .address == "203.0.113.21" and .shadow_rule == null and .shadow_reason == "strict: no rule allows it"'
expect_ok gate run --tag only --policy quiet -- curl -sSv -m 20 https://other.test/
expect_eq "policies that it does not have" "$(shadows '.tag == "only" and .policy == "quiet"')" 0

say "the ledger has the differences"
in_ledger() { gate report --since 1h --tag only --json | jq -es "map(.shadow) | add | map(select($1)) | length == 1" > /dev/null; }
wait_until 5 in_ledger '.verdict == "deny" and .shadow_verdict == "allow" and .shadow_rule.pattern == ".github.com" and
    .name == "github.com" and .rule.pattern == "github.com" and .port == 443 and (.probe | not) and .address == "198.51.100.10"' ||
    fail "$(gate report --since 1h --tag only --json | jq .shadow)"
wait_until 5 in_ledger '.verdict == "allow" and .shadow_verdict == "deny" and .shadow_rule == null and .port == 443 and
    .name == null and .address == "203.0.113.21"' || fail "$(gate report --since 1h --tag only --json | jq .shadow)"
expect_ok gate policy shadow --off
expect_eq "off" "$(status)" null
expect_output '"event":"shadow-off"' tail -n 1 "$W/state/events.jsonl"
expect_fail test -e "$W/state/shadow"
seen=$(shadows true)
expect_eperm run curl -sSv -m 20 https://github.com/
expect_eq "after it is off" "$(shadows true)" "$seen"
say "for root alone"
chmod 666 "$W/run/gate/control.sock"
expect_fail somebody namegate --run-dir "$W/run/gate" policy shadow
expect_said 'only root may do this'
