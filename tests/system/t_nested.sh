#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Deployments inside deployments, also of another instance: nothing inside loosens or hides what is outside, and nothing
# stays behind.
. "$(dirname "$0")/lib.sh"
world_up
default_policy
policy lax << 'POLICY'
policy lax { mode audit }
POLICY
policy quiet << 'POLICY'
policy quiet { mode audit deny .github.com { reason "nothing to see" } }
POLICY
policy around << 'POLICY'
policy around { mode block deny 198.51.100.12 }
POLICY
gate_start
client reach
R=$B/tests/clients/reach
inner() { "$B/namegate" --run-dir "$W/run/gate" --state-dir "$W/state" run "$@"; }
export B W
export -f inner

say "each that denies, or would, has it on record"
denied_inside() { gate run --tag "$1" -- bash -c "inner --policy '$2' --tag '$3' -- $R tcp api.github.com 443"; }
expect_eperm denied_inside outer lax inside
expect_record '.tag == "outer" and .verdict == "deny" and .names[0].name == "api.github.com"'
expect_eperm denied_inside outer2 quiet inside2
expect_record '.tag == "outer2" and .verdict == "deny"'
expect_record '.tag == "inside2" and .verdict == "would-deny" and .reason == "nothing to see"'

say "what those around deny stands in the report of who is inside as well, once"
outcome() { gate report --last --tag "$1" --json | jq -r '[.outcome, .denied, (.flows | map(select(.verdict == "deny")) | length)] | join(" ")'; }
expect_eq "inside of one that denies" "$(outcome inside)" "blocked-failed 1 1"
expect_eq "its rule" "$(gate report --last --tag inside --json | jq -r '.flows[] | select(.verdict == "deny") | .rule.pattern')" "*.github.com"
expect_eq "around" "$(outcome outer)" "blocked-failed 1 1"
expect_eq "inside, would have denied itself" "$(outcome inside2)" "blocked-failed 1 1"
expect_eperm denied_inside outer3 deploy inside3
expect_eq "both deny" "$(outcome inside3)" "blocked-failed 1 1"
expect_eq "both deny, around" "$(outcome outer3)" "blocked-failed 1 1"

say "an attempt in audit mode is one record"
expect_ok gate run --mode audit --tag once -- "$R" tcp 198.51.100.11 443
expect_record '.tag == "once" and .verdict == "would-deny"'
once() { jq -c 'select(.type == "denial" and .tag == "once" and (.probe | not))' "$W/state/events.jsonl" | wc -l; }
sleep 0.5
expect_eq "records of one attempt" "$(once)" 1

say "what ends inside ends"
for i in 1 2 3 4 5 6 7 8; do
    expect_ok gate run --tag "o$i" -- bash -c "inner --tag 'i$i' -- true"
done
wait_until 10 no_deployments || fail "left: $(gate list)"

say "no more than four inside each other, also where the last one comes around the others"
mkdir -p "$CGROUP/a/b/c"
expect_ok gate attach --tag c --policy lax --cgroup "$CGROUP/a/b/c"
mkfifo "$W/go"
cat > "$W/deep" << SCRIPT
echo \$\$ > "$CGROUP/a/b/c/cgroup.procs"
inner --policy lax -- bash -c "inner --policy lax -- bash -c 'echo > $W/in; read -r < $W/go; $R tcp 198.51.100.12 443'"
SCRIPT
bash "$W/deep" > "$W/deep.out" 2>&1 &
DEEP=$!
wait_until 10 test -e "$W/in" || fail "it does not start: $(cat "$W/deep.out")"
expect_ok gate attach --tag b --policy around --cgroup "$CGROUP/a/b"
expect_fail gate attach --tag a --policy around --cgroup "$CGROUP/a"
expect_said 'too many deployments inside each other'
echo > "$W/go"
wait $DEEP && fail "reached what is denied around: $(cat "$W/deep.out")"
expect_record '.tag == "b" and .verdict == "deny" and .address == "198.51.100.12"'
expect_ok gate detach "$(gate list --json | jq -r '.deployments[] | select(.tag == "c") | .deployment')"
expect_ok gate detach "$(gate list --json | jq -r '.deployments[] | select(.tag == "b") | .deployment')"

say "a second instance makes its deployment inside of the first one's"
printf 'policy deploy { mode audit }' > "$W/lax.policy"
mkdir -p "$W/policies2" "$W/state2"
cp "$W/lax.policy" "$W/policies2/deploy.policy"
second() { "$B/namegate" --run-dir "$W/run/two" --state-dir "$W/state2" "$@"; }
"$B/namegated" --run-dir "$W/run/two" --state-dir "$W/state2" --policies "$W/policies2" --config "$W/gate.conf" \
    --pin-root "$W/bpf/two" --cgroup-root "$CGROUP/two" --resolv-conf "$W/resolv.conf" > "$W/two.log" 2>&1 &
TWO=$!
second_runs() { second status > /dev/null 2>&1; }
wait_until 10 second_runs || fail "$(cat "$W/two.log")"
export -f second
expect_eperm gate run --tag first -- bash -c "second run --tag away -- $R tcp api.github.com 443"
expect_eperm gate run --mode strict --tag first -- bash -c "second run --tag away -- $R tcp other.test 443"
second_empty() { [ "$(second list --json | jq '.deployments | length')" = 0 ]; }
wait_until 10 second_empty || fail "left: $(second list)"
wait_until 10 no_deployments || fail "left: $(gate list)"
kill "$TWO"
wait "$TWO"
