#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The resolver beside Unbound, both in front of the same server: thousands of questions, and the same answers to them but
# for differences that the script lists and explains.
. "$(dirname "$0")/lib.sh"
command -v unbound > /dev/null || { echo "needs unbound"; exit 77; }
python3 "$HERE/clients/compare.py" zone > "$W/zone.more" || fail "no zone"
world_up
default_policy
gate_start 'listen 127.0.0.1:5353' 'upstream 192.0.2.53'

cat > "$W/unbound.conf" << CONF
server:
    interface: 127.0.0.1
    port: 5354
    username: ""
    chroot: ""
    directory: "$W"
    pidfile: "$W/unbound.pid"
    logfile: "$W/unbound.log"
    use-syslog: no
    module-config: "iterator"
    minimal-responses: yes
    local-zone: "test." nodefault
    max-udp-size: 1232
forward-zone:
    name: "."
    forward-addr: 192.0.2.53
CONF
unbound -d -c "$W/unbound.conf" > "$W/unbound.out" 2>&1 &
unbound_answers() { dig +time=1 +tries=1 +short -p 5354 @127.0.0.1 ns.test A | grep -qx 192.0.2.53; }
wait_until 10 unbound_answers || fail "unbound does not start: $(cat "$W/unbound.log" "$W/unbound.out")"

python3 "$HERE/clients/compare.py" ask 5353 5354
expect_eq "status of the comparison" $? 0
expect_eq restarts "$(gate status --json | jq .resolver.restarts)" 0
