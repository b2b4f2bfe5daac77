#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Records of the host's own: a hosts file and a zone file, watched; what they say is learnt and denied like the rest. And
# who may ask at addresses that are not loopback.
. "$(dirname "$0")/lib.sh"
world_up
policy deploy << 'POLICY'
policy deploy { deny git.corp.test, old.example }
POLICY
cat > "$W/own.hosts" << 'HOSTS'
# the host's own
198.51.100.21  old.example old
2001:db8:1::21 old.example
fe80::1%eth0   skipped.example
HOSTS
cat > "$W/corp.zone" << 'ZONE'
$ORIGIN corp.test.
$TTL 120
@        SOA ns admin 1 3600 600 86400 30
@        NS  ns
ns       A   203.0.113.21
git      CNAME www
www      A   198.51.100.22
*.apps   A   203.0.113.21
a.b.deep TXT "x"
ZONE
config() {
    gate_start "$@" "hosts $W/own.hosts" "local-zone $W/corp.zone"
}
config 'listen 127.0.0.1:5300' 'listen 10.77.0.2:5300'
ask() { dig +tries=1 +time=5 -p 5300 @127.0.0.1 "$@"; }
short() { ask +short "$@"; }
is() { [ "$(short "${@:2}")" = "$1" ]; }

say "what they say"
expect_eq "hosts, A" "$(short old.example)" 198.51.100.21
expect_eq "hosts, AAAA" "$(short OLD.example AAAA)" 2001:db8:1::21
expect_eq "hosts, reverse" "$(short -x 198.51.100.21)" old.example.
expect_output 'status: NOERROR' ask old.example MX
expect_said 'AUTHORITY: 1'
expect_eq "zone" "$(short www.corp.test)" 198.51.100.22
expect_eq "an alias" "$(short git.corp.test | tr '\n' ' ')" 'www.corp.test. 198.51.100.22 '
expect_eq "a wildcard" "$(short x.y.apps.corp.test)" 203.0.113.21
expect_output 'status: NXDOMAIN' ask none.corp.test
expect_said '^corp.test.*30.*SOA'
expect_output 'status: NOERROR' ask b.deep.corp.test
expect_output 'status: NOERROR' ask apps.corp.test
expect_eq "nobody else's" "$(short mirror.internal)" 203.0.113.20

say "it is learnt: denied names are denied, before anybody asked"
expect_eperm run bash -c ': < /dev/tcp/198.51.100.22/443'
expect_eperm run bash -c ': < /dev/tcp/198.51.100.21/443'
expect_ok bash -c ': < /dev/tcp/198.51.100.22/443'

say "they are watched; a mistake leaves what is in force"
sed -i 's/198.51.100.21/198.51.100.23/' "$W/own.hosts"
wait_until 10 is 198.51.100.23 old.example || fail "still $(short old.example)"
echo 'www A 1.2.3' >> "$W/corp.zone"
expect_record '.type == "trouble" and .trouble == "local" and (.text | contains("corp.zone:10"))'
expect_eq "zone" "$(short www.corp.test)" 198.51.100.22
sed -i '$d' "$W/corp.zone"
sed -i 's/^www .*/www A 198.51.100.24/' "$W/corp.zone"
wait_until 10 is 198.51.100.24 www.corp.test || fail "still $(short www.corp.test)"
echo 'out CNAME www.elsewhere.test.' >> "$W/corp.zone"
expect_record '.type == "trouble" and .trouble == "local" and (.text | contains("leads out"))'
expect_fail "$B/namegated" "${OPTIONS[@]}" --check-config
expect_said 'out.corp.test leads out of the local records'
sed -i '$d' "$W/corp.zone"
kill -KILL "$(resolver_pid)"
wait_until 10 is 198.51.100.24 www.corp.test || fail "not known to the next resolver"

say "who may ask"
expect_output 'status: NOERROR' dig +tries=1 +time=5 -p 5300 @10.77.0.2 old.example
expect_output 'status: REFUSED' inet dig +tries=1 +time=5 -p 5300 @10.77.0.2 old.example
expect_said 'EDE: 18'
expect_fail inet dig +tcp +tries=1 +time=2 -p 5300 @10.77.0.2 old.example
gate_stop
config 'listen 10.77.0.2:5300' 'clients 10.77.0.0/24'
expect_output 'status: NOERROR' inet dig +tries=1 +time=5 -p 5300 @10.77.0.2 old.example
expect_output 'status: NOERROR' inet dig +tcp +tries=1 +time=5 -p 5300 @10.77.0.2 old.example
