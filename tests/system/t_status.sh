#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# status, list, names, events: what they say is what is, for people and as JSON.
. "$(dirname "$0")/lib.sh"
world_up
default_policy
gate_start

json() { # WHAT CONDITION COMMAND...
    local what=$1 condition=$2
    shift 2
    CHECKS=$((CHECKS + 1))
    "$@" > "$W/out" || fail "status $? of $*"
    jq -e "$condition" "$W/out" > /dev/null || fail "$what: $(cat "$W/out")"
}

json status '.healthy and .ok and (.attached | length == 11 and all) and .resolver.running and .generation == 1 and
    .policies == [{"name": "deploy", "mode": "block"}] and .upstreams == ["192.0.2.53:53"] and .problems == []' \
    gate status --json
expect_output '^namegate [0-9.]+: healthy' gate status
mkdir "$W/d"
expect_ok gate run --tag live -- sh -c \
    "curl -s https://api.github.com/; curl -s https://mirror.internal/; exec python3 $HERE/clients/daemonise.py $W/d 198.51.100.11 443"
# Its parent may still be ending.
one_process() { [ "$(gate list --json | jq '.deployments[0].processes')" = 1 ]; }
wait_until 5 one_process
json list '.deployments | length == 1 and .[0].tag == "live" and .[0].policy == "deploy" and .[0].mode == "block" and
    .[0].processes == 1 and .[0].denied >= 1' gate list --json
expect_output '^live\.[0-9a-f]{8} .*deploy' gate list
json names '.names | length == 1 and .[0].name == "api.github.com" and .[0].expires_in_s > 300 and
    (.[0].addresses | contains(["198.51.100.11"])) and .[0].verdicts[0].verdict == "deny" and
    (.[0].verdicts[0].rule | tostring | contains("deploy.policy"))' gate names api.github.com --json
json 'all names' '[.names[].name] | contains(["github.com", "api.github.com"])' gate names --json
expect_output 'api\.github\.com' gate names
expect_output 'denied api.github.com:443/tcp' gate events
expect_output 'by curl\[[0-9]+\] < sh\[[0-9]+\]' gate events
gate events --json > "$W/out"
expect_eq "events as records" "$(jq -s 'map(select(.type == "denial" and .pid > 0 and (.ancestors[0].comm == "sh") and
    .argv == ["curl", "-s", "https://api.github.com/"] and .uid == 0 and .names[0].wrote_at_ns <= .names[0].replied_at_ns and
    .rule.line == 3)) | length > 0' "$W/out")" true

say "filters, and following"
expect_eq "another tag" "$(gate events --tag none --json)" ""
expect_eq "limit" "$(gate events --limit 1 --json | wc -l)" 1
id=$(gate list --json | jq -r .deployments[0].deployment)
expect_eq "of the deployment" "$(gate events --deployment "$id" --json | jq -r .deployment | sort -u)" "$id"
expect_fail gate events --deployment "${id%?}"
expect_said 'no deployment of that id'
expect_fail timeout 30 "$B/namegate" --run-dir "$W/run/gate" events --follow --deployment nonesuch.00000000
expect_said 'no deployment of that id'
expect_ok run true
quiet=$(gate events -a --json | jq -rs 'map(select(.type == "deployment" and .tag == "true"))[0].deployment')
expect_eq "one without denials" "$(gate events --deployment "$quiet"; echo $?)" 0
gate events --follow --json > "$W/follow" &
follower=$!
expect_fail run curl -sS -m 20 https://github.com/
followed() { grep -q '"github.com"' "$W/follow"; }
wait_until 5 followed || fail "nothing follows: $(cat "$W/follow")"
pkill -P "$follower" 2> /dev/null || kill "$follower"

touch "$W/d/end" "$W/d/go"
wait_until 5 no_deployments || fail "still: $(gate list)"
gate_stop
say "without a daemon"
expect_eq "status" "$(gate status > /dev/null 2>&1; echo $?)" 3
expect_output 'denied api.github.com:443/tcp' gate events
expect_fail gate events --deployment "${id%?}"
expect_said 'no deployment of that id'
expect_eq "one without denials" "$(gate events --deployment "$quiet"; echo $?)" 0
