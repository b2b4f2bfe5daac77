#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The same forbidden name through the tools that deploy scripts use; each works ungated, and an allowed name works gated.
. "$(dirname "$0")/lib.sh"
world_up git ssh echo
default_policy
gate_start
client reach
CLIENT_CC=musl-gcc client reach-static -static
client uring -luring

for family in -4 -6; do
    denied curl -sSv "$family" -m 20 https://api.github.com/version
    denied curl -sSv "$family" -m 20 http://github.com/version
    open curl -sSv "$family" -m 20 https://mirror.internal/version
    denied wget "$family" -nv -T 20 -t 1 --ca-certificate="$W/tls.crt" -O /dev/null https://api.github.com/version
    open wget "$family" -nv -T 20 -t 1 --ca-certificate="$W/tls.crt" -O /dev/null https://mirror.internal/version
done

say "git over https and ssh"
clone() { rm -rf "$W/clone" && timeout 30 git clone -q "$1" "$W/clone"; }
clone_gated() { rm -rf "$W/clone" && run timeout 30 git clone -q "$1" "$W/clone"; }
expect_ok clone https://github.com/repo.git
expect_fail clone_gated https://github.com/repo.git
expect_record '.type == "denial" and .comm == "git-remote-http" and .names[0].name == "github.com" and .probe == false'
expect_ok clone_gated https://mirror.internal/repo.git
expect_ok clone "ssh://root@github.com$W/www/repo.git"
expect_fail clone_gated "ssh://root@github.com$W/www/repo.git"
grep -q 'Operation not permitted' "$W/out" || fail "ssh says: $(cat "$W/out")"
expect_record '.type == "denial" and .comm == "ssh" and .port == 22'
expect_ok clone_gated "ssh://root@mirror.internal$W/www/repo.git"

say "languages"
py() { python3 -c "import urllib.request as u, ssl, sys; u.urlopen(sys.argv[1], timeout=20).read()" "$1"; }
export -f py
denied python3 -c "import urllib.request as u; u.urlopen('https://api.github.com/', timeout=20)"
open python3 -c "import urllib.request as u; u.urlopen('https://mirror.internal/', timeout=20)"
node_get="require('https').get(process.argv[1], r => process.exit(0)).on('error', e => {
    console.log(e.errors ? e.errors[0].code : e.code); process.exit(1) })"
denied node -e "$node_get" https://api.github.com/
open node -e "$node_get" https://mirror.internal/

say "a static program without glibc, and io_uring"
denied "$B/tests/clients/reach-static" tcp github.com 443
open "$B/tests/clients/reach-static" tcp mirror.internal 443
denied "$B/tests/clients/uring" connect api.github.com 443
denied "$B/tests/clients/uring" sendmsg api.github.com 9999
open "$B/tests/clients/uring" connect mirror.internal 443

say "dig: names resolve to what they are, over UDP and TCP, whichever server is asked"
for how in +notcp +tcp; do
    for server in 192.0.2.53 2001:db8::53 198.51.100.99; do
        expect_output '^198\.51\.100\.11$' run dig "$how" +short +time=3 "@$server" api.github.com A
        expect_output '^2001:db8:3::20$' run dig "$how" +short +time=3 "@$server" mirror.internal AAAA
    done
done
