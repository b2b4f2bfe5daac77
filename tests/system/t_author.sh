#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# For those who write policies: check, explain, test, diff, fmt, completion; and that what explain says is so.
. "$(dirname "$0")/lib.sh"
world_up
client reach
R=$B/tests/clients/reach
mkdir -p "$W/policies/groups" "$W/policies/services"
cat > "$W/policies/groups/github.policy" << 'POLICY'
group @github { .github.com }
POLICY
for service in artifacts migrations; do
    on=$([ "$service" = artifacts ] && echo api.github.com || echo artifacts.internal)
    echo "depends $service.internal on $on" > "$W/policies/services/$service.policy"
done
policy deploy << 'POLICY'
include "groups/*.policy"
include "services/*.policy"

policy deploy {
    owner "platform team"
    deny @github {
        reason "this host serves github.com"
        instead "mirror.internal"
    }
    allow status.github.com port 443
    deny 203.0.113.0/24 port 80-90
}

policy tight extends deploy {
    mode strict
    allow mirror.internal
}

test deploy {
    expect deny api.github.com:443
    expect deny migrations.internal
    expect allow mirror.internal
    expect allow status.github.com:443
}
POLICY
zone_add 'migrations.internal. 300 IN A 198.51.100.40'
zone_add 'artifacts.internal. 300 IN A 198.51.100.41'
dns_down
write_zone
dns_up
gate_start
P() { gate --policies "$W/policies" --resolv-conf "$W/resolv.conf" policy "$@"; }

mkdir "$W/empty"
expect_output 'name a file with --policy, or a directory with policies' gate --policies "$W/empty" policy explain github.com

say "check"
expect_ok P check --strict "$W/policies"
expect_eq "said" "$(cat "$W/out")" ""
printf 'policy p {\n    deny *.example.org\n    dney x\n}\n' > "$W/bad.policy"
expect_fail P check "$W/bad.policy"
expect_said "bad.policy:3:5: error: unexpected 'dney'"
printf 'policy p {\n    deny *.example.org\n}\n' > "$W/bad.policy"
expect_ok P check "$W/bad.policy"
expect_said 'does not hold example.org itself'
expect_fail P check --strict "$W/bad.policy"
expect_output '"severity": ?"warning"' P check --json "$W/bad.policy"
# Pipes that the user names are read to their end; what is found in a directory, or included, is a file.
expect_ok "$B/namegate" policy check <(sleep 0.3; echo 'policy q { deny a.example }')
expect_fail "$B/namegate" policy check <(sleep 0.3; echo 'policy q { dney a.example }')
expect_output 'denied' "$B/namegate" policy explain --policy <(sleep 0.3; echo 'policy q { deny a.example }') a.example:1
mkdir "$W/odd" && mkfifo "$W/odd/pipe.policy"
expect_fail "$B/namegate" policy check "$W/odd"
expect_said 'pipe.policy: error: this is no regular file'
expect_fail "$B/namegate" policy fmt "$W/odd/pipe.policy"
expect_said 'this is no regular file'
[ -p "$W/odd/pipe.policy" ] || fail "fmt replaced a pipe"
expect_fail "$B/namegate" policy fmt "$W/odd"
expect_said 'DIR/\*.policy'
# A file twice is one; one that uses the directory's groups is checked with it.
echo 'policy twice { deny a.example }' > "$W/twice.policy"
expect_ok "$B/namegate" policy check "$W/twice.policy" "$W/./twice.policy"
expect_eq "said" "$(cat "$W/out")" ""
echo 'policy mine extends deploy { deny @github port 22 }' > "$W/mine.policy"
expect_fail "$B/namegate" policy check "$W/mine.policy"
expect_ok P check "$W/mine.policy"
expect_output 'denied' P explain --policy "$W/mine.policy" api.github.com:22
echo 'policy mine extends deploy { deny @github }' > "$W/other.policy"
expect_ok P diff "$W/mine.policy" "$W/other.policy"
echo 'policy mine extends deploy { deny @github allow www.github.com }' > "$W/other.policy"
expect_fail P diff "$W/mine.policy" "$W/other.policy"
expect_eq "said" "$(cat "$W/out")" "$(printf 'mine: www.github.com: denied -> allowed (%s:1)' "$W/other.policy")"
# No files, no error, where an include may match none.
echo 'include "nothing-here/*.policy" policy q { deny a.example }' > "$W/none.policy"
expect_ok "$B/namegate" policy check "$W/none.policy"
expect_said 'warning: there is no file'
say "test"
expect_ok P test
expect_said '^1..4$'
printf 'policy p { deny a.example } test p { expect allow a.example }' > "$W/bad.policy"
expect_fail P test "$W/bad.policy"
expect_said '^not ok 1 - p: allow a.example'
say "explain, and what is so"
expect_output 'denied under policy deploy' P explain migrations.internal:443
expect_said 'migrations.internal -> artifacts.internal -> api.github.com'
expect_eperm run "$R" tcp migrations.internal 443
expect_record '.reason == "migrations.internal -> artifacts.internal -> api.github.com: this host serves github.com"'
expect_record '.rule.owner == "platform team" and .rule.group == "" and .rule.depends != ""'
expect_eperm run curl -sSv -m 20 https://api.github.com/
expect_record '.rule.group == "github" and .rule.pattern == ".github.com"'
expect_output 'allowed' P explain mirror.internal:443/tcp
expect_output 'strict: no rule allows it' P explain --policy tight other.test:443
expect_output 'at 203.0.113.21: denied' P explain --resolve other.test:80
expect_said '203.0.113.0/24'
expect_output '"verdict": ?"deny"' P explain --json --mode strict other.test:443
expect_fail P explain --policy deplyo x.test
expect_said "did you mean 'deploy'"
say "diff, and what a reload says"
cp -r "$W/policies" "$W/before"
expect_ok P diff "$W/before" "$W/policies"
sed -i 's/    allow status.*/    deny mirror.internal/' "$W/policies/deploy.policy"
expect_fail P diff "$W/before" "$W/policies"
expect_said '^deploy: mirror.internal: no rule -> denied'
expect_said '^deploy: status.github.com port 443: allowed -> denied'
expect_output '^deploy: mirror.internal: no rule -> denied' gate policy reload
expect_eperm run "$R" tcp mirror.internal 443
say "fmt"
printf 'policy   p{deny a.example, # why\n b.example}' > "$W/loose.policy"
expect_fail P fmt --check "$W/loose.policy"
expect_ok P fmt "$W/loose.policy"
expect_ok P fmt --check "$W/loose.policy"
expect_eq "laid out" "$(cat "$W/loose.policy")" "$(printf 'policy p {\n    deny a.example,  # why\n         b.example\n}')"
printf 'policy {' > "$W/loose.policy"
expect_fail P fmt "$W/loose.policy"
expect_eq "a broken one" "$(cat "$W/loose.policy")" "policy {"
say "completion"
# shellcheck disable=SC2034 # the words are what bash gives to a completion
completes() { # WORD...
    (
        # shellcheck source=/dev/null
        . "$(dirname "$HERE")/../conf/completion.bash"
        # shellcheck disable=SC2317 # the completion asks it
        namegate() { gate "$@"; }
        COMP_WORDS=(namegate --policies "$W/policies" "$@")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _namegate
        echo "${COMPREPLY[*]}"
    )
}
expect_eq "policies" "$(completes run --policy '')" "deploy tight"
expect_eq "commands" "$(completes policy ex)" "explain"
gate run --tag blue -- sleep 30 &
sleeper=$!
tagged() { [ "$(completes events --tag '')" = blue ]; }
wait_until 5 tagged || fail "tags: $(completes events --tag '')"
kill "$sleeper"
wait "$sleeper" || true # by a signal
