#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What a name is: case, a final dot, whole labels, aliases, hints of service bindings, shared addresses, literal addresses.
. "$(dirname "$0")/lib.sh"
world_up
default_policy
gate_start
client reach
R=$B/tests/clients/reach
web() { denied curl -sSv -m 20 "http://$1/"; }

web GitHub.COM.
web API.github.com
open curl -sSv -m 20 http://notgithub.com/
open curl -sSv -m 20 http://status.github.com/
say "an alias of a denied name, and of another"
web www.viacdn.test
expect_record '.type == "denial" and .names[0].chain == ["www.viacdn.test", "api.github.com"] and .rule.pattern == "*.github.com"'
open curl -sSv -m 20 http://alias.test/
say "an alias asked for alone, its target then by itself"
expect_ok run sh -c 'dig +short www.viacdn.test CNAME'
web api.github.com
say "another name at the same address"
web shared.test
say "a literal address of a name that is denied exactly, asked for by nobody"
gate_stop
gate_again
expect_ok "$R" tcp 198.51.100.10 443
expect_eperm run "$R" tcp 198.51.100.10 443
expect_record '.evidence == "prewarmed" and .names[0].name == "github.com"'
say "hints of a service binding"
expect_ok "$R" tcp 198.51.100.40 443
expect_output 198.51.100.40 run dig +short svcb.github.com TYPE65
expect_eperm run sh -c "dig svcb.github.com HTTPS; $R tcp 198.51.100.40 443"
expect_eperm run "$R" tcp6 2001:db8:1::40 443
say "an answer cannot deny what the host needs"
(cd "$W/www" && exec python3 -m http.server 8080 --bind 127.0.0.1 > /dev/null 2>&1) &
wait_until 5 curl -s -o /dev/null http://127.0.0.1:8080/ || fail "no local server"
expect_ok run sh -c 'dig +short loop.github.com; curl -sSv -m 20 http://127.0.0.1:8080/'
expect_record '.type == "trouble" and .trouble == "guarded" and .name == "loop.github.com" and .address == "127.0.0.1"'
say "an answer too large for UDP"
expect_output '^2001:db8:3::180$' run dig +short big.test AAAA
expect_output 'flags: .*tc' run dig +ignore +noedns big.test AAAA
