#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Shows the gate in a little internet of network namespaces: a real DNS server, web servers and a deploy script. Fails when
# something does not behave as it is told here.
# shellcheck source=../system/lib.sh
. "$(dirname "$0")/../system/lib.sh"
demo=$(cd "$(dirname "$0")" && pwd)

title() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
show() { sed 's/^/   /' "$1"; }

title "A little internet: github.com, api.github.com, mirror.internal and a DNS server, all in network namespaces"
world_up git
default_policy
gate_start
show "$W/policies/deploy.policy"

title "The deploy script, ungated: everything works, and nobody sees what it depends on"
mkdir "$W/deploy" && cd "$W/deploy" || exit 1
"$demo/deploy.sh" > "$W/ungated" 2>&1
show "$W/ungated"

title "The same script under the gate: namegate run --tag deploy ./deploy.sh"
began=$(date +%s%N)
run_in=(gate run --tag deploy -- "$demo/deploy.sh")
"${run_in[@]}" > "$W/gated" 2> "$W/summary"
took=$((($(date +%s%N) - began) / 1000000))
show "$W/gated"
echo "   ($took ms: nothing had to time out)"
title "What it prints at the end"
show "$W/summary"

title "A process beside it is not in the deployment: it still reaches api.github.com"
curl -fsS -m 10 -w '%{remote_ip} says %{http_code}\n' -o /dev/null https://api.github.com/version > "$W/beside"
show "$W/beside"

title "What to change in the script, and what it depends on: namegate report"
gate report > "$W/report"
show "$W/report"

expect_eq "ungated, failures" "$(grep -ciE 'fail|cannot|not permitted' "$W/ungated")" 0
expect_output 'newest version: v1.2.3' cat "$W/ungated"
expect_eq "gated, refused with EPERM (curl and wget by two addresses, the tool by one)" \
    "$(grep -c 'Operation not permitted' "$W/gated")" 5
expect_output 'a package' cat "$W/gated"
expect_output '198.51.100.11 says 200|2001:db8:1::11 says 200' cat "$W/beside"
expect_output 'attempts denied' cat "$W/summary"
expect_output 'git clone -q https://github.com/repo.git sources  <- change this' cat "$W/report"
expect_output 'update-check  <- look at this' cat "$W/report"
expect_output '^   mirror.internal 443/tcp' cat "$W/report"
for program in curl git-remote-http update-check wget; do
    expect_record ".type == \"denial\" and (.comm == \"$program\" or (.argv | tostring | contains(\"$program\"))) and .rule.line == 3"
done
[ "$took" -lt 8000 ] || fail "the gated script took $took ms"
title "All as promised. Nothing is left of this but build/"
