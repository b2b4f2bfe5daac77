#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What was let through before is let through without being judged again, until anything changes: then it is judged anew
# at once, by the very next call.
. "$(dirname "$0")/lib.sh"
world_up
default_policy
policy watched << 'POLICY'
policy watched { mode audit deny *.github.com }
POLICY
gate_start "prewarm-timeout 5s"

coproc AGAIN { gate run --tag again --policy deploy -- python3 "$HERE/clients/again.py" 2> "$W/again.err"; }
try() { # KIND ADDRESS PORT
    echo "$*" >&"${AGAIN[1]}"
    read -r -t 20 TRIED <&"${AGAIN[0]}" || fail "again.py: $(cat "$W/again.err")"
}
expect() { # RESULT KIND ADDRESS PORT
    local expected=$1
    shift
    try "$@"
    expect_eq "$*" "$TRIED" "$expected"
}
# Twice: judged, and as before.
through() { expect ok "$@"; expect ok "$@"; }

say "an address that is learnt to be denied, by a question of its own"
through tcp 198.51.100.11 80
through udp 198.51.100.11 9
expect ok ask api.github.com 80
expect EPERM tcp 198.51.100.11 80
expect EPERM udp 198.51.100.11 9

say "by another deployment's question"
through tcp 198.51.100.43 80
through udp 198.51.100.43 9
expect_ok run dig +short v4only.github.com
expect EPERM tcp 198.51.100.43 80
expect EPERM udp 198.51.100.43 9
through tcp 2001:db8:1::41 80
through udp 2001:db8:1::41 9
expect_ok run dig +short short.github.com AAAA
expect EPERM tcp 2001:db8:1::41 80
expect EPERM udp 2001:db8:1::41 9

say "by a policy that changes"
through tcp 203.0.113.21 80
through udp 203.0.113.21 9
policy deploy << 'POLICY'
policy deploy { deny *.github.com deny 203.0.113.0/24 { respond refused } }
POLICY
expect_ok gate policy reload --quiet
expect ECONNREFUSED tcp 203.0.113.21 80
expect ECONNREFUSED udp 203.0.113.21 9
default_policy
expect_ok gate policy reload --quiet
through tcp 203.0.113.21 80

say "by an incident, for all and for a tag"
expect_ok gate incident --reason test on
expect EPERM tcp 203.0.113.21 80
expect_ok gate incident off
through tcp 203.0.113.21 80
expect_ok gate incident --tag again --reason test on
expect EPERM tcp 203.0.113.21 80
expect_ok gate incident --tag again off
through tcp 203.0.113.21 80

say "by the end of a grant"
expect EPERM tcp 198.51.100.11 80
expect_ok gate allow --tag again --for 15s --reason test api.github.com
through tcp 198.51.100.11 80
refused_again() { try tcp 198.51.100.11 80; [ "$TRIED" = EPERM ]; }
wait_until 10 refused_again || fail "the grant does not end"
expect_ok gate allow --tag again --for 15s --reason test api.github.com
through tcp 198.51.100.11 80
gate_kill
wait_until 10 refused_again || fail "the grant does not end where no daemon lives"
gate_again

say "also when resolver and daemon were killed in between"
through tcp 203.0.113.20 80
kill -KILL "$(resolver_pid)"
gate_kill
through tcp 203.0.113.20 80
gate_again
through tcp 198.51.100.12 80
expect_ok run dig +short status.github.com
expect EPERM tcp 198.51.100.11 80
policy deploy << 'POLICY'
policy deploy { deny notgithub.com }
POLICY
expect_ok gate policy reload --quiet
expect EPERM tcp 198.51.100.12 80

say "what was in no deployment, by one that is made of its cgroup, or of one around"
mkdir -p "$CGROUP/by/stander"
coproc BYSTANDER { echo "$BASHPID" > "$CGROUP/by/stander/cgroup.procs"; exec python3 "$HERE/clients/again.py" 2> "$W/by.err"; }
standing() { # RESULT
    echo tcp 198.51.100.11 80 >&"${BYSTANDER[1]}"
    read -r -t 20 TRIED <&"${BYSTANDER[0]}" || fail "again.py: $(cat "$W/by.err")"
    expect_eq "of a bystander" "$TRIED" "$1"
}
default_policy
expect_ok gate policy reload --quiet
for cgroup in by by/stander; do
    standing ok
    standing ok
    id=$(gate attach --tag stander --cgroup "$CGROUP/$cgroup")
    standing EPERM
    expect_ok gate detach "$id"
    standing ok
    standing ok
done
eval "exec ${BYSTANDER[1]}>&-"

say "a reload lasts until what it denies to live deployments is known, but no longer than prewarm-timeout"
upstream() { inet nft -f - <<< "$1" || fail "no nft"; }
mute='table inet mute {
    chain out { type filter hook output priority 0; udp sport 53 counter drop; tcp sport 53 counter drop; }
}'
muted() { inet nft list table inet mute | grep -q 'packets [1-9]'; }
through tcp 198.51.100.42 80
policy deploy <<< 'policy deploy { deny notgithub.com, moved.test }'
upstream "$mute"
{ wait_until 5 muted && upstream 'delete table inet mute'; } &
expect_eq "warnings" "$(gate policy reload --quiet 2>&1)" ""
expect EPERM tcp 198.51.100.42 80
wait $!
policy deploy <<< 'policy deploy { deny notgithub.com, late.test }'
upstream "$mute"
expect_output 'not all denied names could be resolved in time' gate policy reload --quiet
upstream 'delete table inet mute'

say "where something is only watched, each time is on record"
watched() { gate run --tag watched --policy watched -- "$@"; }
expect_ok watched sh -c 'dig +short short.github.com; for i in 1 2 3; do curl -s -o /dev/null -m 20 http://198.51.100.41/; done'
expect_eq "would be denied" "$(jq -c 'select(.tag == "watched" and .verdict == "would-deny" and (.probe | not))' \
    "$W/state/events.jsonl" | wc -l)" 3
eval "exec ${AGAIN[1]}>&-"
