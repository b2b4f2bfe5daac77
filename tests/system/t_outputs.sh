#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Where the records go: the file, standard output, the journal, each by itself.
. "$(dirname "$0")/lib.sh"
world_up
default_policy
echo 4 > /proc/sys/net/unix/max_dgram_qlen
python3 "$HERE/clients/journal.py" /run/systemd/journal/socket "$W/journal" > "$W/journal.log" 2>&1 &
journal=$!
wait_until 10 test -S /run/systemd/journal/socket || fail "no journal: $(cat "$W/journal.log")"

in_journal() { jq -es "map(select($1)) | length > 0" "$W/journal" > /dev/null 2>&1; }
expect_journal() { # JQ-CONDITION
    CHECKS=$((CHECKS + 1))
    wait_until 5 in_journal "$1" || fail "nothing in the journal with: $1 ($(tail -n 3 "$W/journal"))"
}

say "by default the file alone"
gate_start
expect_fail gate run --tag web -- curl -sS -m 20 https://api.github.com/
expect_record '.type == "denial"'
gate_stop
expect_eq "the journal" "$(cat "$W/journal")" ""
expect_eq "standard output" "$(cat "$W/namegated.out")" ""

say "all but the file"
rm "$W/state/events.jsonl"
gate_start 'records-file no' 'records-stdout yes' 'records-journal yes'
expect_fail gate run --tag web -- sh -c 'printf "bad\nname" > /dev/null; curl -sS -4 -m 20 https://api.github.com/'
expect_journal '.NAMEGATE_TYPE == "denial" and .NAMEGATE_TAG == "web" and (.NAMEGATE_DEPLOYMENT | startswith("web."))
    and .NAMEGATE_DESTINATION == "api.github.com" and .NAMEGATE_ADDRESS == "198.51.100.11" and .NAMEGATE_PORT == "443"
    and (.NAMEGATE_RULE | endswith("deploy.policy:3")) and .NAMEGATE_VERDICT == "deny" and .PRIORITY == "4"
    and .SYSLOG_IDENTIFIER == "namegated" and (.NAMEGATE_RECORD | fromjson | .comm == "curl")'
expect_journal '.MESSAGE | test("^curl\\[[0-9]+\\] of web\\.[0-9a-f]{8} was denied api.github.com port 443/tcp by .*deploy.policy:3: this host serves github.com; it may be what is down; instead: mirror.internal$")'
expect_journal '.NAMEGATE_TYPE == "deployment" and .NAMEGATE_EVENT == "started" and (.MESSAGE | test("started under policy deploy \\(block\\): sh -c"))'
expect_journal '.NAMEGATE_TYPE == "resolution" and .NAMEGATE_NAME == "api.github.com" and (.MESSAGE | test("looked up by curl"))'
expect_output '"type":"denial"' gate events --json # from memory
expect_ok grep -q '^{.*"type":"denial"' "$W/namegated.out"
expect_fail ls "$W/state/events.jsonl"

say "a journal that is stuck holds nobody up"
kill -STOP "$journal"
for _ in $(seq 100); do
    expect_ok timeout 30 "$B/namegate" --run-dir "$W/run/gate" allow --tag web --for 60s --reason stuck other.test
done
expect_output '"healthy":true' gate status --json
began=$SECONDS
gate_stop
took=$((SECONDS - began))
{ [ $took -ge 1 ] && [ $took -lt 40 ]; } || fail "it took $took s to stop, with a thread that is stuck"
kill -CONT "$journal"
