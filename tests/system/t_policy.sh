#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The language in force: ports, protocols, networks, addresses, specificity, modes; reload changes what is known already.
. "$(dirname "$0")/lib.sh"
world_up echo
client reach
R=$B/tests/clients/reach
policy deploy << 'POLICY'
policy deploy {
    deny mirror.internal port 80,8000-8999 proto tcp
    deny 198.51.100.0/24
    allow 198.51.100.11 port 443
    deny 2001:db8:1::/48 port 443
    deny other.test
    allow *.test
}
policy quiet { mode audit deny *.github.com, github.com }
policy narrow { mode strict allow mirror.internal, .github.com port 443 }
POLICY
gate_start
web() { curl -sSv -m 20 "$@"; }
export -f web

say "ports and protocols"
denied curl -sSv -m 20 http://mirror.internal/
denied curl -sSvk -m 20 https://mirror.internal:8443/
open curl -sSv -m 20 https://mirror.internal/
open "$R" unconnected mirror.internal 9999
say "networks and addresses"
denied "$R" tcp 198.51.100.12 443
open "$R" tcp 198.51.100.11 443
denied "$R" tcp 198.51.100.11 80
denied "$R" tcp6 2001:db8:1::12 443
open "$R" tcp6 2001:db8:1::12 80
expect_record '.evidence == "network" and .rule.pattern == "198.51.100.0/24" and .address == "198.51.100.12"'
say "an exact name before a wildcard"
denied "$R" tcp other.test 443
say "audit: nothing is refused, all is recorded"
expect_ok gate run --policy quiet --tag quiet -- curl -sS -m 20 https://api.github.com/
expect_record '.verdict == "would-deny" and .errno == null and .tag == "quiet" and .probe == false and .port == 443'
expect_ok gate run --mode audit -- "$R" tcp other.test 443
say "strict: only what is allowed"
strict() { gate run --policy narrow --tag narrow -- "$@"; }
expect_ok strict curl -sS -m 20 https://mirror.internal/
expect_ok strict curl -sS -m 20 https://api.github.com/
expect_eperm strict curl -sSv -m 20 http://api.github.com/
expect_eperm strict curl -sSv -m 20 https://other.test/
expect_eperm strict "$R" tcp 203.0.113.21 443
expect_record '.evidence == "strict" and .tag == "narrow" and .mode == "strict"'
expect_eperm gate run --mode strict -- "$R" tcp mirror.internal 9

say "a reload judges what was learnt before"
mkdir "$W/d"
expect_ok gate run --policy deploy --tag live -- sh -c \
    "dig +short moved.test > /dev/null; exec python3 $HERE/clients/daemonise.py $W/d 198.51.100.42 443"
policy deploy << 'POLICY'
policy deploy { deny moved.test reason }
POLICY
expect_output "deploy.policy:1:33: error" gate policy reload
policy deploy << 'POLICY'
policy deploy { deny moved.test { reason "since the reload" } }
policy quiet { mode audit }
policy narrow { mode strict }
POLICY
expect_ok gate policy reload
touch "$W/d/go"
wait_until 10 test -e "$W/d/result" || fail "no result"
expect_eq "connect after the reload" "$(cat "$W/d/result")" "Operation not permitted"
expect_record '.tag == "live" and .reason == "since the reload" and .names[0].name == "moved.test"'
say "a policy that a deployment stands under cannot go"
printf 'policy other { }' | policy deploy
expect_output "stands under it" gate policy reload
touch "$W/d/end"

say "a policy for which the kernel has no room leaves all as it was, by address and by name"
networks() { bpftool map dump pinned "$W/bpf/gate/networks" -j | jq length; }
many() { # FIRST-OCTET-OF-100.x RULE...: 40,000 of the 65,536 rules that there is room for
    { printf 'policy deploy {\n%s\n' "$2"
      awk -v x="$1" 'BEGIN { for (i = 0; i < 40000; i++) printf "deny 100.%d.%d.%d\n", x, i / 256, i % 256 }'
      echo '}'; } | policy deploy
}
many 64 'deny 203.0.113.21 deny notgithub.com'
expect_ok gate policy reload --quiet
before=$(networks)
many 65 'allow 203.0.113.21 allow notgithub.com'
expect_output 'use fewer address rules' gate policy reload
expect_eq "rules" "$(networks)" "$before"
expect_eperm run "$R" tcp 203.0.113.21 443
by_name() { ! run "$R" tcp notgithub.com 443 > "$W/out" 2>&1 && grep -q 'not permitted' "$W/out"; }
wait_until 10 by_name || fail "by name: $(cat "$W/out")"

say "while rules are exchanged, no address meets a larger network alone of which a smaller one decides"
cat > "$W/between.py" << 'BETWEEN'
import os, socket, sys
seen = {}
while not os.path.exists(sys.argv[1] + "/stop"):
    try:
        socket.create_connection(("203.0.113.21", 443), 5).close()
        result = "through"
    except OSError as e:
        result = os.strerror(e.errno or 0)
    seen[result] = seen.get(result, 0) + 1
    if sum(seen.values()) == 100:
        open(sys.argv[1] + "/tries", "w").close()
print(" ".join(seen))
BETWEEN
between() { # RULES; between ::/0 and all IPv4 addresses, which it does not mean, stand many others
    policy between <<< "policy between { mode strict deny 192.0.2.1 $1 }"
    expect_ok gate policy reload --quiet
}
policy deploy <<< 'policy deploy { }'
between ''
mkdir "$W/b"
gate run --policy between --tag between -- python3 "$W/between.py" "$W/b" > "$W/b/seen" 2> "$W/err" &
runs=$!
wait_until 10 test -e "$W/b/tries" || fail "it does not try: $(cat "$W/err")"
for _ in 1 2; do
    between "allow ::/0 $(seq -f 'deny ::1:%.0f' 1000 9999 | xargs)"
    between ''
done
touch "$W/b/stop"
wait $runs
expect_eq "seen" "$(cat "$W/b/seen")" "Operation not permitted"
