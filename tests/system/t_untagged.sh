#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Neighbours are unharmed: whoever is in no deployment reaches everything, and its DNS is its own.
. "$(dirname "$0")/lib.sh"
world_up echo
default_policy
gate_start
client reach

expect_eperm run curl -sSv -m 20 https://api.github.com/
for target in api.github.com github.com mirror.internal; do
    expect_ok curl -sS -m 20 "https://$target/"
    expect_ok "$B/tests/clients/reach" unconnected "$target" 9999
done
for way in raw udplite; do expect_ok "$B/tests/clients/reach" $way api.github.com 443; done

say "while a deployment runs beside it"
mkdir "$W/d"
expect_ok run python3 "$HERE/clients/daemonise.py" "$W/d" 198.51.100.11 443
expect_eq deployments "$(deployments)" 1
expect_ok curl -sS -m 20 https://api.github.com/
expect_output '^198.51.100.11$' dig +short @192.0.2.53 api.github.com
touch "$W/d/end" "$W/d/go"

say "nor is anything of it recorded as denied"
expect_eq "denials of others" "$(jq -s 'map(select(.type == "denial" and .tag != "curl" and .tag != "python3")) | length' \
    "$W/state/events.jsonl")" 0
