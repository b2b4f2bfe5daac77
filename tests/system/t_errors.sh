#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Bad input: a clear message with its place and the remedy, and nothing half done.
. "$(dirname "$0")/lib.sh"
world_up
default_policy
gate_options gate
daemon() { timeout 60 "$B/namegated" "${OPTIONS[@]}" "$@"; }
config() { printf '%s\n' "$@" > "$W/gate.conf"; }

say "configuration"
config 'lisen 127.0.0.1:53'
expect_output 'gate.conf:1:1: error' daemon
expect_output "did you mean|listen" daemon --check-config
config 'upstream dns.example'
expect_output 'gate.conf:1:10: error' daemon
config 'grace 5x'
expect_output 'gate.conf:1:7: error' daemon
config 'listen 127.0.0.1:5353' 'upstream 127.0.0.1:5353'
expect_output 'itself' daemon
expect_output 'itself' daemon --check-config
config 'user root'
expect_output 'must not run as root' daemon
config 'user nobody-at-all'
expect_output "there is no user 'nobody-at-all'" daemon
config 'ledger-size 256'
expect_output 'gate.conf:1:13: error' daemon --check-config
expect_said 'ledger-size takes a size from 1M to 1024G'
config 'ledger-size 1025G'
expect_output 'a size from 1M' daemon --check-config
config 'ledger-days 0'
expect_output 'ledger-days takes a number from 1' daemon --check-config
config 'records-file perhaps'
expect_output 'records-file takes yes or no' daemon --check-config
config 'ledger-size 2G' 'ledger-days 7' 'records-journal yes'
expect_output '^ledger-size 2048M' daemon --check-config
expect_said '^ledger-days 7'
expect_said '^records-journal yes'
config 'listen 192.0.2.99:53'
expect_output 'no address of this host' daemon
config 'listen 127.0.0.1:5399'
python3 -c 'import socket, time, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 5399)); time.sleep(100)' &
bound() { ss -Hlun 'sport = 5399' | grep -q 5399; }
wait_until 5 bound
expect_output '127.0.0.1:5399 is in use' daemon
expect_output 'another resolver has this port|choose another' daemon
say "what --check-config finds without starting"
config 'user root'
expect_fail daemon --check-config
expect_said 'must not run as root'
config 'user nobody-at-all'
expect_fail daemon --check-config
expect_said "there is no user 'nobody-at-all'"
config 'listen 192.0.2.99:53'
expect_fail daemon --check-config
expect_said 'no address of this host'
config 'listen 127.0.0.1:5399' 'listen [::1]:5399'
expect_ok daemon --check-config
config 'group nobody-at-all'
expect_ok daemon --check-config
expect_said "there is no group 'nobody-at-all'.*groupadd"
config 'default-policy nonesuch'
expect_fail daemon --check-config
expect_said "there is no policy 'nonesuch' in .*policies"
expect_said "remedy: .*default-policy"

say "what is set twice"
config 'floor 1m' 'grace 5m' 'floor 2m'
expect_fail daemon --check-config
expect_said "gate.conf:3:1: error: 'floor' is set already, in line 1"
expect_said 'remove this line, or line 1'
config 'metrics 127.0.0.1:9553' 'metrics 127.0.0.1:9554'
expect_output "gate.conf:2:1: error: 'metrics' is set already, in line 1" daemon
config 'upstream 192.0.2.53' 'upstream 2001:db8::53' 'listen 127.0.0.1:5301' 'listen 127.0.0.1:5302'
expect_ok daemon --check-config
config ''
expect_ok daemon --check-config
expect_output '^floor' daemon --check-config

say "the host"
expect_output 'CAP_|capabilit|root' somebody namegated "${OPTIONS[@]}"
expect_output 'bpffs|bpf file system' timeout 60 "$B/namegated" "${OPTIONS[@]}" --pin-root "$W/nopins"
expect_output 'cgroup' timeout 60 "$B/namegated" "${OPTIONS[@]}" --cgroup-root "$W/nocgroup"
hidden() { timeout 60 unshare --mount sh -c "$1"' && shift && exec "$@"' sh - "$B/namegated" "${OPTIONS[@]}"; }
expect_output 'the capability CAP_NET_ADMIN is missing' timeout 60 setpriv --bounding-set -net_admin "$B/namegated" \
    "${OPTIONS[@]}"
expect_output 'this kernel has no BTF' hidden 'mount -t tmpfs tmpfs /sys/kernel/btf'
expect_said 'remedy: boot a kernel'
expect_output 'cgroup version 2|cgroup2' hidden "umount -l '$CGROUP_MOUNT'"
expect_said 'remedy:'
expect_output 'in a cgroup namespace' timeout 60 unshare --cgroup "$B/namegated" "${OPTIONS[@]}"
expect_output 'unrecognized|unknown|invalid' timeout 60 "$B/namegated" --nonsense

say "the command alone, without the program that the larger sub-commands are in"
mkdir "$W/alone" && cp "$B/namegate" "$W/alone/"
expect_fail "$W/alone/namegate" doctor
expect_said 'cannot run .*/libexec/namegate/namegate-tools: No such file'
expect_said 'remedy:'
expect_output 'Usage: namegate policy' "$B/namegate" policy --help

say "policies: a bad one never starts, and never replaces a good one"
echo 'policy deploy { mode blok }' > "$W/policies/deploy.policy"
expect_output 'deploy.policy:1:22: error' daemon
expect_output "did you mean 'block'" daemon --check-config
expect_fail gate policy check "$W/policies/deploy.policy"
expect_output "did you mean 'block'" gate policy check "$W/policies/deploy.policy"
default_policy
gate_start
expect_eperm run curl -sSv -m 20 https://api.github.com/
echo 'policy deploy { allow *.github.com dney x }' > "$W/policies/deploy.policy"
expect_output 'deploy.policy:1:36: error' gate policy reload
expect_eq generation "$(gate status --json | jq .generation)" 1
expect_eperm run curl -sSv -m 20 https://api.github.com/
kill -HUP "$GATE_PID"
logged() { grep -q 'the old policies stay in force' "$W/namegated.log"; }
wait_until 5 logged || fail "nothing in the log"
expect_eperm run curl -sSv -m 20 https://api.github.com/
default_policy
kill -HUP "$GATE_PID"
second() { [ "$(gate status --json | jq .generation)" = 2 ]; }
wait_until 5 second || fail "no reload by HUP"

say "the control socket: nonsense is refused, and the daemon lives"
talk() { python3 -c 'import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect(sys.argv[1])
try:
    s.sendall(os.fsencode(sys.argv[2]) + b"\n"); s.shutdown(socket.SHUT_WR)
    print(s.recv(65536).decode())
except OSError as e: print("closed", e)' "$W/run/gate/control.sock" "$1"; }
for nonsense in '' '{' 'null' '[]' '{"v":1}' '{"v":2,"command":"status"}' '{"v":1,"command":"nonesuch"}' \
    '{"v":1,"command":"status","extra":1}' '{"v":1,"command":"run"}' '{"v":1,"command":"run","tag":5}' \
    '{"v":1,"command":"run","tag":"t","argv":{}}' $'\x01\xff' "$(printf '[%.0s' $(seq 5000))"; do
    expect_output '"ok":false|"ok": false|closed|^$' talk "$nonsense"
done
expect_ok gate status
