# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# A little internet, and a host in it: network namespaces with real servers. Sourced by the scenarios and by the demo.
#
# A script that sources this runs in mount and network namespaces of its own (this is the host), and in a cgroup of its
# own, so that any number of them run side by side and nothing is left when one ends, however it ends.
#
# DEBUG_TESTENV=1 gives a shell in the host when a check fails.
set -u

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SCENARIO=$(basename "$0" .sh)
: "${B:=$HERE/../../build}"
export B
# The system's own programs: what somebody put before them may take a hundred processes to find the real one.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

CGROUP_MOUNT=$(awk '{ for (i = 7; i < NF; i++) if ($i == "-" && $(i + 1) == "cgroup2") { print $5; exit } }' /proc/self/mountinfo)

if [ -z "${NG_WORLD:-}" ]; then
    [ "$(id -u)" = 0 ] || { echo "needs root"; exit 77; }
    [ -n "$CGROUP_MOUNT" ] || { echo "needs cgroup version 2"; exit 77; }
    [ -r /sys/kernel/btf/vmlinux ] || { echo "needs a kernel with BTF"; exit 77; }
    NG_WORLD=$(mktemp -d "/tmp/namegate-$SCENARIO.XXXXXX") || exit 1
    export NG_WORLD
    cgroup=$CGROUP_MOUNT/$(basename "$NG_WORLD")
    trap : TERM INT # the scenario ends by them, and then what it leaves is removed
    (
        # The scenario, and all that it starts, can be ended through its cgroup.
        mkdir "$cgroup" && echo "$BASHPID" > "$cgroup/cgroup.procs" &&
            exec unshare --mount --net --propagation private bash "$0" "$@"
    )
    status=$?
    for _ in $(seq 1000); do
        find "$cgroup" -name cgroup.kill -exec sh -c 'echo 1 > "$1"' _ {} \; 2> /dev/null
        find "$cgroup" -depth -type d -exec rmdir {} + 2> /dev/null
        [ -d "$cgroup" ] || break
        sleep 0.05
    done
    rm -rf "$NG_WORLD"
    [ ! -d "$cgroup" ] || { echo "the cgroup $cgroup is left"; status=1; }
    exit $status
fi

W=$NG_WORLD
CGROUP=$CGROUP_MOUNT/$(basename "$W")
CHECKS=0
INTERNET=
GATE_PID=

say() { echo "# $*"; }

# Such programs are slower, and take more memory.
sanitized() { grep -q __asan_init "$B/namegated"; }

fail() {
    echo "FAIL: $*"
    [ ! -s "$W/namegated.log" ] || { echo "--- log of namegated"; tail -n 60 "$W/namegated.log"; }
    if [ -n "${DEBUG_TESTENV:-}" ]; then
        echo "--- a shell in the host; its files are in $W"
        bash < /dev/tty > /dev/tty 2>&1
    fi
    exit 1
}

# --- checks. Each says what it expected; none waits for a time, only for a condition.

# SECONDS are what a machine with nothing else to do needs, with much to spare. A busy one gets more: only what fails takes
# so long.
wait_until() { # SECONDS COMMAND...
    local end=$((SECONDS + 4 * $1)) pause=0.05 tries=0
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep $pause
        [ $((++tries)) -lt 10 ] || pause=0.2 # asking costs others time
    done
}

# What takes longer than it should on a busy machine, but not every time.
once_of() { # TRIES COMMAND...
    local i
    CHECKS=$((CHECKS + 1))
    for i in $(seq "$1"); do
        ! "${@:2}" || return 0
    done
    return 1
}

expect_eq() { # WHAT GOT EXPECTED
    CHECKS=$((CHECKS + 1))
    [ "$2" = "$3" ] || fail "$1: got '$2', expected '$3'"
}

expect_ok() {
    CHECKS=$((CHECKS + 1))
    "$@" > "$W/out" 2>&1 || fail "status $? of: $* ($(head -c 600 "$W/out"))"
}

expect_fail() {
    CHECKS=$((CHECKS + 1))
    ! "$@" > "$W/out" 2>&1 || fail "success of: $* ($(head -c 600 "$W/out"))"
}

# The command must fail, and show EPERM in the words of C, Python or Node.
expect_eperm() {
    expect_fail "$@"
    grep -qiE 'operation not permitted|EPERM' "$W/out" || fail "no EPERM from: $* ($(head -c 600 "$W/out"))"
}

expect_output() { # PATTERN COMMAND...
    local pattern=$1
    shift
    CHECKS=$((CHECKS + 1))
    "$@" > "$W/out" 2>&1
    grep -qE -- "$pattern" "$W/out" || fail "no '$pattern' from: $* ($(head -c 2000 "$W/out"))"
}

# The last command that was checked has said this as well.
expect_said() { # PATTERN
    CHECKS=$((CHECKS + 1))
    grep -qE -- "$1" "$W/out" || fail "no '$1' in: $(head -c 2000 "$W/out")"
}

# The twins: it works untagged, and under the gate it is refused.
denied() {
    expect_ok "$@"
    expect_eperm run "$@"
}

# It works untagged and under the gate.
open() {
    expect_ok "$@"
    expect_ok run "$@"
}

# From the last one on: what is looked for has mostly just come.
has_record() { tac "$W/state/events.jsonl" 2> /dev/null | jq -en "first(inputs | select($1))" > /dev/null 2>&1; }

expect_record() { # JQ-CONDITION
    CHECKS=$((CHECKS + 1))
    wait_until 5 has_record "$1" || fail "no record with: $1 ($(tail -n 3 "$W/state/events.jsonl"))"
}

# --- the internet

inet() { nsenter -t "$INTERNET" -n -- "$@"; }

# name v4 v6
HOSTS="
github.com         198.51.100.10 2001:db8:1::10
api.github.com     198.51.100.11 2001:db8:1::11
notgithub.com      198.51.100.12 2001:db8:1::12
status.github.com  198.51.100.13 2001:db8:1::13
short.github.com   198.51.100.41 2001:db8:1::41
moved.test         198.51.100.42 2001:db8:1::42
mirror.internal    203.0.113.20  2001:db8:3::20
other.test         203.0.113.21  2001:db8:3::21
"

write_zone() {
    cat > "$W/zone" << 'ZONE'
$ORIGIN .
$TTL 300
. SOA ns.test. admin.test. 1 3600 600 86400 60
. NS ns.test.
ns.test. A 192.0.2.53
www.viacdn.test. CNAME api.github.com.
alias.test. CNAME mirror.internal.
shared.test. A 198.51.100.10
svcb.github.com. HTTPS 1 . ipv4hint=198.51.100.40 ipv6hint=2001:db8:1::40
v4only.github.com. A 198.51.100.43
loop.github.com. A 127.0.0.1
big.test. TXT "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
ZONE
    echo "$HOSTS" | while read -r name v4 v6; do
        [ -n "$name" ] || continue
        ttl=300
        [ "$name" != short.github.com ] || ttl=1
        echo "$name. $ttl A $v4"
        echo "$name. $ttl AAAA $v6"
    done >> "$W/zone"
    for i in $(seq 100 180); do echo "big.test. AAAA 2001:db8:3::$i"; done >> "$W/zone"
    [ ! -e "$W/zone.more" ] || cat "$W/zone.more" >> "$W/zone"
}

# Further records, before world_up.
zone_add() { echo "$*" >> "$W/zone.more"; }

dns_up() {
    cat > "$W/nsd.conf" << CONF
server:
    ip-address: 192.0.2.53
    ip-address: 2001:db8::53
    username: ""
    chroot: ""
    zonesdir: "$W"
    pidfile: "$W/nsd.pid"
    database: ""
    zonelistfile: "$W/nsd.zones"
    xfrdfile: "$W/nsd.xfrd"
    xfrdir: "$W"
    logfile: "$W/nsd.log"
    server-count: 1
    rrl-ratelimit: 0
    rrl-size: 100
    xfrd-tcp-max: 1
remote-control:
    control-enable: no
zone:
    name: "."
    zonefile: "zone"
CONF
    inet nsd -d -c "$W/nsd.conf" > "$W/nsd.out" 2>&1 &
    # shellcheck disable=SC2034 # for the bench
    NSD_PID=$!
    wait_until 10 dns_answers || fail "nsd does not start: $(cat "$W/nsd.log" "$W/nsd.out")"
}

dns_answers() { inet dig +time=1 +tries=1 +short @192.0.2.53 ns.test A 2> /dev/null | grep -qx 192.0.2.53; }

# That no answer comes may also mean that it is late.
dns_silent() { [ -z "$(inet ss -Hlnut 'src 192.0.2.53 or src [2001:db8::53]')" ]; }

dns_down() {
    kill "$(cat "$W/nsd.pid")"
    wait_until 10 dns_silent || fail "nsd does not end: $(cat "$W/nsd.log")"
}

certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=little-internet \
        -keyout "$W/tls.key" -out "$W/tls.crt" -addext "basicConstraints=critical,CA:TRUE" -addext \
        "subjectAltName=$(echo "$HOSTS www.viacdn.test alias.test shared.test" | tr -s ' \n' '\n' | grep '[a-z]\.[a-z]' |
            sed 's/^/DNS:/' | paste -sd,)" 2> "$W/openssl.log" || fail "$(cat "$W/openssl.log")"
    export CURL_CA_BUNDLE=$W/tls.crt GIT_SSL_CAINFO=$W/tls.crt SSL_CERT_FILE=$W/tls.crt NODE_EXTRA_CA_CERTS=$W/tls.crt
}

git_up() {
    export GIT_CONFIG_NOSYSTEM=1
    git init -q -b main "$W/work" && git -C "$W/work" -c user.name=t -c user.email=t@t.test commit -q --allow-empty -m one
    git clone -q --bare "$W/work" "$W/www/repo.git" && git -C "$W/www/repo.git" update-server-info
    git config --global --add safe.directory '*'
}

web_up() {
    mkdir -p "$W/www"
    echo 'v1.2.3' > "$W/www/version"
    echo 'a package' > "$W/www/package"
    cat > "$W/nginx.conf" << CONF
daemon off; user root; worker_processes 1; pid $W/nginx.pid; error_log $W/nginx.log;
events { worker_connections 512; }
http {
    access_log off; client_body_temp_path $W/t1; proxy_temp_path $W/t2; fastcgi_temp_path $W/t3; uwsgi_temp_path $W/t4;
    scgi_temp_path $W/t5;
    server {
        listen 80 backlog=4096; listen [::]:80; listen 443 ssl; listen [::]:443 ssl; listen 8443 ssl;
        ssl_certificate $W/tls.crt; ssl_certificate_key $W/tls.key;
        root $W/www; location = / { return 200 "\$host\n"; }
    }
}
CONF
    inet nginx -p "$W" -c "$W/nginx.conf" > "$W/nginx.out" 2>&1 &
    wait_until 10 inet curl -s -o "$W/out" http://198.51.100.10/ || fail "nginx: $(cat "$W/nginx.out")"
}

ssh_up() {
    mkdir -p /run/sshd
    ssh-keygen -q -t ed25519 -N '' -f "$W/host_key" && ssh-keygen -q -t ed25519 -N '' -f "$W/user_key"
    cp "$W/user_key.pub" "$W/authorized"
    cat > "$W/sshd.conf" << CONF
HostKey $W/host_key
AuthorizedKeysFile $W/authorized
StrictModes no
UsePAM no
PidFile none
PermitRootLogin yes
CONF
    inet /usr/sbin/sshd -D -e -f "$W/sshd.conf" > "$W/sshd.log" 2>&1 &
    export GIT_SSH_COMMAND="ssh -F none -i $W/user_key -o IdentitiesOnly=yes -o StrictHostKeyChecking=no \
        -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=5"
    wait_until 10 inet bash -c ': < /dev/tcp/198.51.100.10/22' 2> /dev/null || fail "sshd: $(cat "$W/sshd.log")"
}

echo_up() {
    inet python3 "$HERE/clients/echo.py" 9999 > "$W/echo.log" 2>&1 &
    wait_until 10 inet grep -qi ':270F' /proc/net/udp6 || fail "echo: $(cat "$W/echo.log")"
}

# The two namespaces and what joins them. /run, resolv.conf, hosts and nsswitch.conf are the host's own.
network_up() {
    unshare --net sleep infinity &
    INTERNET=$!
    wait_until 5 differ /proc/self/ns/net "/proc/$INTERNET/ns/net" || fail "no second namespace"
    ip -batch - << HOST || fail "no network"
link set lo up
link add h0 type veth peer name i0 netns $INTERNET
address add 10.77.0.2/24 dev h0
address add fd77::2/64 dev h0 nodad
link set h0 up
HOST
    # Every address out there is one of the little internet's.
    inet ip -batch - << 'INTERNET' || fail "no internet"
link set lo up
address add 10.77.0.1/24 dev i0
address add fd77::1/64 dev i0 nodad
link set i0 up
route add local 192.0.2.0/24 dev lo
route add local 198.51.100.0/24 dev lo
route add local 203.0.113.0/24 dev lo
route add local 100.64.0.0/10 dev lo
route add local 2001:db8::/32 dev lo
address add 192.0.2.53/32 dev lo
address add 2001:db8::53/128 dev lo nodad
INTERNET
    # A datagram is answered from the address that it came to, though that is no interface's own.
    inet sh -c 'echo 1 > /proc/sys/net/ipv6/ip_nonlocal_bind'
    ip route add default via 10.77.0.1
    ip -6 route add default via fd77::1
}

differ() { [ "$(readlink "$1")" != "$(readlink "$2" 2> /dev/null)" ] && [ -n "$(readlink "$2" 2> /dev/null)" ]; }

files_up() {
    export HOME=$W
    mount -t tmpfs tmpfs /run
    mkdir "$W/bpf" && mount -t bpf bpf "$W/bpf"
    printf 'nameserver 192.0.2.53\noptions timeout:2 attempts:4\n' > "$W/resolv.conf"
    printf '127.0.0.1 localhost\n::1 localhost\n' > "$W/hosts"
    printf 'passwd: files\ngroup: files\nhosts: files dns\n' > "$W/nsswitch.conf"
    local file real
    for file in resolv.conf hosts nsswitch.conf; do
        real=$(readlink -f "/etc/$file")
        # A link into the old /run leads nowhere now; its target is made for the bind mount.
        [ -e "$real" ] || { mkdir -p "$(dirname "$real")" && touch "$real"; }
        mount --bind "$W/$file" "$real"
    done
}

world_up() { # SERVICE...: git, ssh and echo, beside DNS and the web; repositories are served by the web and ssh
    trap 'world_down' EXIT
    trap 'exit 1' TERM INT
    mkdir -p "$W/policies" "$W/state" "$W/run"
    # The resolver's account must be able to do nothing here, but servers read their files.
    chmod 755 "$W"
    network_up
    files_up
    write_zone
    dns_up
    certificate
    web_up
    local service
    for service; do "${service}_up"; done
}

# The world of docs/tutorial.md: one more service, an empty directory that is entered, and a namegate that needs no options
# to leave the real host alone.
tutorial_up() {
    HOSTS+='migrations.internal 203.0.113.22 2001:db8:3::22'
    world_up git
    mkdir "$W/bin" "$W/tutorial"
    cat > "$W/bin/namegate" << SCRIPT
#!/bin/sh
exec "$(realpath "$B")/namegate" --state-dir "$W/state" --policies "$W/policies" --pin-root "$W/bpf/tutorial" \\
    --cgroup-root "$CGROUP/tutorial" --resolv-conf "$W/resolv.conf" "\$@"
SCRIPT
    chmod 755 "$W/bin/namegate"
    PATH=$W/bin:$PATH
    cd "$W/tutorial" || fail "no $W/tutorial"
}

world_down() {
    local status=$?
    trap - EXIT
    [ -z "$GATE_PID" ] || kill "$GATE_PID" 2> /dev/null
    # The rest ends with the cgroup; leave it first, so that this does not end itself.
    echo $$ > "$CGROUP_MOUNT/cgroup.procs" 2> /dev/null
    [ $status != 0 ] || [ "$CHECKS" = 0 ] || echo "$CHECKS checks"
    exit $status
}

# --- the gate

policy() { cat > "$W/policies/$1.policy"; } # NAME; the text comes in

default_policy() {
    policy deploy << 'POLICY'
policy deploy {
    mode block
    deny github.com, *.github.com {
        reason  "this host serves github.com; it may be what is down"
        instead "mirror.internal"
    }
    allow status.github.com
}
POLICY
}

gate_options() { # NAME
    OPTIONS=(--config "$W/$1.conf" --policies "$W/policies" --run-dir "$W/run/$1" --state-dir "$W/state"
        --pin-root "$W/bpf/$1" --cgroup-root "$CGROUP/$1" --resolv-conf "$W/resolv.conf")
}

gate_start() { # CONFIGURATION-LINE...
    printf '%s\n' "$@" > "$W/gate.conf"
    gate_options gate
    gate_again
}

gate_again() {
    local ready
    exec {ready}<> <(:)
    mkfifo "$W/ready"
    "$B/namegated" "${OPTIONS[@]}" --ready-fd 9 9> "$W/ready" >> "$W/namegated.out" 2>> "$W/namegated.log" &
    GATE_PID=$!
    read -r -t 120 line < "$W/ready" || line=
    rm "$W/ready"
    exec {ready}>&-
    [ "$line" = READY ] || fail "namegated does not start"
}

gate_stop() {
    kill "$GATE_PID"
    wait "$GATE_PID"
    expect_eq "status of namegated" $? 0
    GATE_PID=
}

gate_kill() {
    kill -KILL "$GATE_PID"
    wait "$GATE_PID" 2> /dev/null
    GATE_PID=
}

gate() { "$B/namegate" --run-dir "$W/run/gate" --state-dir "$W/state" "$@"; }

run() { gate run -- "$@"; }

resolver_pid() { gate status --json | jq .resolver.pid; }

deployments() { gate list --json | jq '.deployments | length'; }

no_deployments() { [ "$(deployments)" = 0 ]; }

# As a user without privileges who may ask the daemon; not the resolver's account. The tree may lie where such a user may
# not look, so it gets copies.
somebody() { # PROGRAM-OF-$B OR COMMAND, ARGUMENT...
    local program=$1
    shift
    mkdir -p "$W/bin"
    if [ -x "$B/$program" ]; then
        [ -x "$W/bin/$program" ] || cp "$B/$program" "$B/namegate-tools" "$W/bin/"
        program=$W/bin/$program
    fi
    setpriv --reuid "${ACCOUNT:-games}" --regid nogroup --clear-groups "$program" "$@"
}

# Compiles one of clients/*.c into $B/tests.
client() { # NAME COMPILER-ARGUMENT...
    local name=$1 source=$HERE/clients/${1%-static}.c
    shift
    mkdir -p "$B/tests/clients"
    (
        flock 9
        [ "$B/tests/clients/$name" -nt "$source" ] ||
            "${CLIENT_CC:-gcc}" -O2 -Wall -Wextra -D_GNU_SOURCE -o "$B/tests/clients/$name" "$source" "$@"
    ) 9> "$B/tests/clients/.lock" || fail "cannot compile $name"
}
