#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# `run` is transparent: exit status, signals, terminal, standard streams; and one summary at the end.
. "$(dirname "$0")/lib.sh"
world_up
default_policy
gate_start
status_of() { "$@" > "$W/out" 2>&1; echo $?; }

expect_eq "status of the command" "$(status_of run sh -c 'exit 42')" 42
expect_eq "killed by a signal" "$(status_of run sh -c 'kill -TERM $$')" 143
expect_eq "not found" "$(status_of run /nonexistent/command)" 127
touch "$W/not-executable"
expect_eq "cannot execute" "$(status_of run "$W/not-executable")" 126
expect_eq "namegate itself fails" "$(status_of gate run --policy nonesuch -- true)" 125
expect_output "there is no policy 'nonesuch'" gate run --policy nonesuch -- true
expect_said "write it in $W/policies \(and have it read: namegate policy reload\), or give another"
expect_eq "a bad tag" "$(status_of gate run --tag 'a/b' -- true)" 125
expect_eq "a bad mode" "$(status_of gate run --mode blok -- true)" 125
expect_eq "standard input" "$(echo through | run cat 2>&1)" through
expect_eq "quiet when nothing is denied" "$(run true 2>&1)" ""

say "signals go to the command"
run sh -c 'trap "exit 7" USR1; echo up > "$1"; while :; do sleep 0.05; done' sh "$W/up" &
pid=$!
wait_until 5 test -s "$W/up" || fail "it does not start"
# $pid is the shell function's subshell; its child is the command line tool.
tool=$(pgrep -P "$pid" || echo "$pid")
kill -USR1 "$tool"
wait "$pid"
expect_eq "status after USR1" $? 7

say "a terminal stays a terminal"
expect_output '^tty' script -qec "$B/namegate --run-dir $W/run/gate run -- sh -c 'test -t 0 && test -t 1 && echo tty'" /dev/null

say "the summary names destination, program, rule, reason and remedy"
run sh -c 'curl -s -m 20 https://api.github.com/; curl -s -m 20 https://github.com/; true' 2> "$W/summary"
expect_eq "status" $? 0
expect_output 'namegate: [0-9]+ attempts denied \(sh\.[0-9a-f]{8}, policy deploy\)' cat "$W/summary"
expect_output 'api.github.com:443/tcp +[0-9]+x +by curl .*deploy.policy:3 +this host serves.*instead: mirror.internal' cat "$W/summary"
run sh -c 'curl -s -m 20 https://api.github.com/; true' 2>&1 > /dev/null | grep -q probe && fail "probes are no denials"

say "--policy FILE, its only policy"
echo 'policy mine { deny mirror.internal { reason "mine" } }' > "$W/mine.policy"
expect_eperm gate run --policy "$W/mine.policy" -- curl -sSv -m 20 https://mirror.internal/
expect_ok gate run --policy "$W/mine.policy" -- curl -sS -m 20 https://api.github.com/
expect_record '.reason == "mine" and (.rule.file | endswith("mine.policy"))'
echo 'policy mine { deny a b }' > "$W/mine.policy"
expect_output 'mine.policy:1:22: error' gate run --policy "$W/mine.policy" -- true
printf 'policy a { }\npolicy b { }\n' > "$W/mine.policy"
expect_output 'has 2 policies' gate run --policy "$W/mine.policy" -- true
wait_until 5 no_deployments || fail "still: $(gate list)"
