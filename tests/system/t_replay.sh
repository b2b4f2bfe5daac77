#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# replay gives the verdict that was enforced: what a policy has denied, and no more, it denies again when its deployment is
# replayed under it; by name, alias, network, address, port, shared address, decoy, withheld answer, and in every mode.
. "$(dirname "$0")/lib.sh"
zone_add 'only.viacdn.test. CNAME hidden.github.com.'
zone_add 'hidden.github.com. A 198.51.100.60'
zone_add 'refused.test. A 198.51.100.61'
zone_add 'www.refused.test. CNAME refused.test.'
zone_add 'also.test. A 198.51.100.42'
zone_add 'dot.test. A 203.0.113.50'
world_up ssh echo
client reach
R=$B/tests/clients/reach
policy deploy << 'POLICY'
policy deploy {
    deny .github.com
    allow status.github.com
    deny mirror.internal port 80,8000-8999 proto tcp
    deny 203.0.113.0/24 port 9999
    allow 203.0.113.21 port 9999
    deny 203.0.113.20 port 22
    deny moved.test { shared allow }
    allow also.test
    deny notgithub.com { answer decoy }
    deny refused.test { answer refuse }
    allow dot.test port 853
}
policy narrow {
    mode strict
    allow mirror.internal, status.github.com, .viacdn.test port 443
    allow 203.0.113.0/24 port 9999 proto udp
    deny 203.0.113.21
}
POLICY
gate_start

cat > "$W/all.sh" << SCRIPT
web() { curl -sSk -m 20 -o /dev/null "\$@" 2> /dev/null; }
web https://github.com/; web https://api.github.com/; web https://status.github.com/
web https://www.viacdn.test/; web https://only.viacdn.test/; web http://mirror.internal/; web https://mirror.internal/; web https://alias.test/
web https://alias.test:8443/; web https://shared.test/; web https://also.test/
web https://moved.test/; web https://notgithub.com/; web https://refused.test/; web https://www.refused.test/; web https://198.51.100.11/; web https://198.51.100.77/
for host in mirror.internal other.test; do
    "$R" unconnected \$host 9999; "$R" connected \$host 9999; "$R" tcp \$host 22; "$R" tcp \$host 853
done
"$R" tcp dot.test 853; "$R" tcp 203.0.113.20 22; "$R" tcp 127.0.0.1 22; "$R" tcp6 2001:db8:1::10 443
ping -c 1 -W 1 203.0.113.20
true
SCRIPT
runs=0
written() { [ "$(gate report --since 1h --json 2> /dev/null | jq -s 'map(select(.ended != null)) | length')" = "$1" ]; }

for mode in block audit strict; do
    for name in deploy narrow; do
        say "policy $name, mode $mode"
        expect_ok gate run --tag "$name-$mode" --policy "$name" --mode "$mode" -- bash "$W/all.sh"
        runs=$((runs + 1))
        wait_until 10 written "$runs" || fail "not in the ledger: $(gate report --since 1h --json)"
        gate report --last --tag "$name-$mode" --json |
            jq -c '.flows[] | select((.probe | not) and .verdict != "allow") | [.name, .address, .port, .proto]' | sort -u > "$W/denied"
        gate --policies "$W/policies" replay --policy "$name" --mode "$mode" --tag "$name-$mode" --json > "$W/replayed"
        jq -c '.deployments[0].flows[] | . as $f | (.addresses[], (select(.proto == "dns") | "")) | [$f.name, ., $f.port, $f.proto]' "$W/replayed" | sort -u > "$W/again"
        expect_ok diff "$W/denied" "$W/again"
        [ "$(wc -l < "$W/denied")" -ge 4 ] || fail "too little was denied: $(cat "$W/denied")"
        # What is audited was not denied then.
        expect_eq "denied then" "$(jq -r '.deployments[0].denied_then' "$W/replayed")" \
            "$(jq -r "if \"$mode\" == \"audit\" then 0 else .deployments[0].denied end" "$W/replayed")"
        # It is the same with a policy directory, which judges each by its own.
        gate replay --policy "$W/policies" --mode "$mode" --tag "$name-$mode" --json | jq -c .denied > "$W/out"
        expect_eq "by the directory" "$(cat "$W/out")" "$(jq -c .denied "$W/replayed")"
    done
done
