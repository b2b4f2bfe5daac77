#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Every known way to a forbidden destination, tried: without the gate it is reached, within it what the table says. The
# table is docs/coverage.md; NG_COVERAGE=FILE writes it anew.
. "$(dirname "$0")/lib.sh"
zone_add 'alias.other.test. CNAME api.github.com.'
for i in $(seq 50 56); do zone_add "s$i.github.com. A 198.51.100.$i"; done
world_up echo
policy deploy << 'POLICY'
policy deploy { deny github.com, *.github.com deny 203.0.113.20 }
policy tight { mode strict allow mirror.internal }
policy bogons { deny 0.0.0.0/8 deny :: }
policy wide { deny 203.0.113.0/24 deny 233.252.0.0/24 deny ff0e::/16 deny 127.0.0.0/8 port 9998 deny ::1 port 9998 }
POLICY
gate_start 'listen 127.0.0.1:5353'
client reach
client uring -luring
R=$B/tests/clients/reach
U=$B/tests/clients/uring
P=$HERE/clients/paths.py
echo '0 2147483647' > /proc/sys/net/ipv4/ping_group_range
G=198.51.100.10

ROWS=$W/rows
section() { printf '\n## %s\n\n| %s | outcome |\n|---|---|\n' "$1" "${2:-tried}" >> "$ROWS"; say "$1"; }
note_row() { echo "| $1 | $2 |" >> "$ROWS"; }

outcome() { # RUN-OPTION... -- COMMAND...
    local began=$SECONDS
    if timeout 60 "$B/namegate" --run-dir "$W/run/gate" --state-dir "$W/state" run "$@" > "$W/out" 2>&1; then
        echo reached
    elif grep -qiE 'operation not permitted|EPERM' "$W/out" && [ $((SECONDS - began)) -le 20 ]; then
        echo 'denied at once (EPERM)'
    elif grep -q 'Software caused connection abort' "$W/out"; then
        echo 'cut (ECONNABORTED)'
    elif grep -q 'timed out' "$W/out"; then
        echo dropped
    elif grep -q 'Network is unreachable' "$W/out"; then
        echo 'leads nowhere (ENETUNREACH)'
    elif grep -q 'Function not implemented' "$W/out"; then
        echo 'refused (ENOSYS)'
    elif grep -qi 'read-only' "$W/out"; then
        echo 'refused (read-only)'
    else
        echo "failed otherwise, after $((SECONDS - began)) s: $(tail -n 20 "$W/out")"
    fi
}
denied='denied at once (EPERM)'
OPTIONS_OF_RUN=()
check() { # WHAT EXPECTED COMMAND...: within the gate alone
    local what=$1 expected=$2
    local -x PATIENCE=10 # of paths.py
    [ "$expected" != dropped ] || PATIENCE=5
    shift 2
    expect_eq "$what" "$(outcome "${OPTIONS_OF_RUN[@]}" -- "$@")" "$expected"
    note_row "$what" "$expected"
}
row() { # the same; and without the gate it is reached
    local what=$1
    CHECKS=$((CHECKS + 1))
    "${@:3}" > "$W/out" 2>&1 || fail "$what: not even without the gate ($(head -c 300 "$W/out"))"
    check "$@"
}
held_by() { # WHAT OUTCOME SCENARIO
    [ -f "$HERE/$3.sh" ] || fail "there is no scenario $3"
    note_row "$1" "$2 ($3)"
}

section 'TCP'
row 'connect(), IPv4' "$denied" "$R" tcp github.com 443
row 'connect(), IPv6' "$denied" "$R" tcp6 github.com 443
row 'connect() to ::ffff:a.b.c.d' "$denied" "$R" tcp-mapped github.com 443
row 'non-blocking connect()' "$denied" python3 "$P" nonblocking $G 443
row 'from a bound address' "$denied" python3 "$P" bound $G 443
row 'TCP Fast Open, sendto()' "$denied" "$R" fastopen github.com 443
row 'TCP Fast Open, sendto(), IPv6' "$denied" "$R" fastopen6 github.com 443
row 'TCP Fast Open, TCP_FASTOPEN_CONNECT' "$denied" python3 "$P" fastopen-connect $G 80
row 'TCP Fast Open, sendmsg()' "$denied" python3 "$P" fastopen-sendmsg $G 80
row 'connect(), IPv6, with a flow label' "$denied" python3 "$P" flow-label 2001:db8:1::10 443
row 'io_uring' "$denied" "$U" connect github.com 443
row 'io_uring, by a thread of the kernel (SQPOLL)' "$denied" "$U" connect-poll github.com 443
row 'connect(), IPv6, with a scope' "$denied" python3 "$P" scope 2001:db8:1::10 443
row 'bound to an interface (SO_BINDTODEVICE)' "$denied" python3 "$P" bound-to-device $G 443
announces() { # ADDRESS
    inet ip mptcp endpoint flush
    inet ip mptcp endpoint add "$1" dev lo signal
}
further='MPTCP, a further path to an address that the server announces'
before='MPTCP, a further path from before the address was learnt; the connection goes on by its others'
if [ "$(cat /proc/sys/net/mptcp/enabled 2> /dev/null)" = 1 ]; then
    row 'MPTCP' "$denied" python3 "$P" mptcp $G 443
    inet python3 "$P" mptcp-serve 203.0.113.21 7777 > "$W/mptcp.out" 2>&1 &
    listens() { inet ss -Hltn 'sport = 7777' | grep -q 7777; }
    wait_until 5 listens || fail "nobody listens: $(cat "$W/mptcp.out")"
    for address in $G 198.51.100.50 203.0.113.21; do inet ip address add "$address/32" dev lo; done
    ip mptcp limits set subflow 4 add_addr_accepted 4
    inet ip mptcp limits set subflow 4 add_addr_accepted 4
    announces $G
    row "$further" 'dropped' python3 "$P" mptcp-further $G 7777 203.0.113.21
    expect_record '.type == "denial" and .hook == "connect4" and .address == "198.51.100.10" and .port == 7777 and
        .comm == "python3" and .argv[-3] == "198.51.100.10" and .kernel and .errno == null'
    announces 198.51.100.50
    row "$before" 'dropped' python3 "$P" mptcp-before 198.51.100.50 7777 203.0.113.21 s50.github.com
    expect_record '.hook == "cut" and .address == "198.51.100.50" and .port == 7777 and .comm == "python3" and .kernel'
else
    note_row 'MPTCP' "$denied"
    note_row "$further" 'dropped'
    note_row "$before" 'dropped'
fi
cat > "$W/knock" << 'KNOCK'
while ! [ -e "$1" ]; do sleep 0.05; done
nsenter -t "$2" -n python3 -c 'import socket; s = socket.socket(); s.bind(("198.51.100.10", 0)); s.settimeout(8); s.connect(("10.77.0.2", 8088))'
KNOCK
sh "$W/knock" "$W/listens1" "$INTERNET" > /dev/null 2>&1 &
expect_ok python3 "$P" accepted $G 1 "$W/listens1"
sh "$W/knock" "$W/listens2" "$INTERNET" > /dev/null 2>&1 &
check 'a connection that comes from there, accepted' dropped python3 "$P" accepted $G 1 "$W/listens2"

section 'UDP'
for way in connected connected6 connected-mapped unconnected unconnected6 unconnected-mapped sendmmsg sendmmsg6 sendmmsg-mapped; do
    case $way in
        connected*) what='connect() and send()' ;;
        unconnected*) what='sendto()' ;;
        *) what='sendmmsg()' ;;
    esac
    case $way in *6) what+=', IPv6' ;; *mapped) what+=' to ::ffff:a.b.c.d' ;; esac
    row "$what" "$denied" "$R" $way github.com 9999
done
row 'segments (UDP_SEGMENT)' "$denied" python3 "$P" gso $G 9999
row 'an address of family AF_UNSPEC' "$denied" python3 "$P" unspecified-family $G 9999
check 'sendto() on a socket that is connected elsewhere' "$denied" python3 "$P" elsewhere $G 9999
row 'connect() of a socket that was connected elsewhere' "$denied" python3 "$P" reconnect $G 9999
row 'an IPv4 address on an IPv6 socket, connect()' "$denied" python3 "$P" v4-on-v6-connect $G 9999
row 'an IPv4 address on an IPv6 socket, sendto()' "$denied" python3 "$P" v4-on-v6-sendto $G 9999
row 'io_uring, sendmsg' "$denied" "$U" sendmsg github.com 9999
row 'io_uring, sendmsg without a copy' "$denied" "$U" sendmsg-zc github.com 9999
row 'UDP-Lite, to anywhere' "$denied" "$R" udplite mirror.internal 443
row 'ICMP echo, ping socket' "$denied" python3 "$P" ping $G 0
row 'ICMP echo, ping socket, IPv6' dropped python3 "$P" ping6 2001:db8:1::10 0
OPTIONS_OF_RUN=(--policy wide)
row 'broadcast, where the network is denied' "$denied" python3 "$P" cast 203.0.113.255 9999
row 'multicast, where the group is denied' "$denied" python3 "$P" cast 233.252.0.1 9999
row 'multicast, IPv6, where the group is denied' "$denied" python3 "$P" cast ff0e::7 9999
OPTIONS_OF_RUN=()

section 'Addresses that are changed on the way'
nft -f - << 'NAT' || fail "no NAT"
table ip matrix {
    chain out { type nat hook output priority -100; ip daddr 203.0.113.77 dnat to 198.51.100.10; }
}
NAT
row 'DNAT on this host, TCP' 'dropped' python3 "$P" plain 203.0.113.77 443
row 'DNAT on this host, UDP' "$denied" python3 "$P" datagram 203.0.113.77 9999
nft delete table ip matrix
(cd "$W/www" && exec python3 -m http.server --bind :: 9998 > /dev/null 2>&1) &
wait_until 5 "$R" tcp localhost 9998 > "$W/out" || fail "no local server"
OPTIONS_OF_RUN=(--policy wide)
row '0.0.0.0, where loopback is denied' "$denied" python3 "$P" plain 0.0.0.0 9998
row '::, where loopback is denied' "$denied" python3 "$P" plain :: 9998
row '::ffff:0.0.0.0, where loopback is denied' "$denied" python3 "$P" plain ::ffff:0.0.0.0 9998
OPTIONS_OF_RUN=(--policy bogons)
row '0.0.0.0, where 0.0.0.0/8 is denied and loopback is not' "$denied" python3 "$P" plain 0.0.0.0 9998
row '::, where it is denied and loopback is not' "$denied" python3 "$P" plain :: 9998
row '127.0.0.1 then' 'reached' python3 "$P" plain 127.0.0.1 9998
OPTIONS_OF_RUN=()
inet ip -6 route add local 64:ff9b::/96 dev lo
row 'NAT64 in the network: the address within 64:ff9b::/96' reached python3 "$P" plain 64:ff9b::198.51.100.10 80

section 'Packets of one'"'"'s own making'
row 'raw sockets, to anywhere' "$denied" "$R" raw mirror.internal 443
row 'raw sockets, IPv6, to anywhere' "$denied" "$R" raw6 mirror.internal 443
row 'loose source route (IP options), to anywhere' "$denied" "$R" source-route mirror.internal 9999
check 'IPv6 routing header, to anywhere' "$denied" python3 "$P" routing-header 2001:db8:3::21 9999
row 'AF_PACKET, by root' reached python3 "$P" packet $G 1
row 'AF_XDP, by root' reached python3 "$P" xdp $G 1
tunnel="ip link add ngt1 type vxlan id 7 remote $G dstport 4789 && ip link del ngt1"
row 'a tunnel that leads there (VXLAN), by root' reached sh -c "$tunnel"
OPTIONS_OF_RUN=(--confine)
check 'AF_PACKET, by root, run --confine' "$denied" python3 "$P" packet $G 1
check 'AF_XDP, by root, run --confine' "$denied" python3 "$P" xdp $G 1
check 'a tunnel that leads there (VXLAN), by root, run --confine' "$denied" sh -c "$tunnel"
check 'TUN, by root, run --confine' "$denied" python3 "$P" tun $G 1
OPTIONS_OF_RUN=()
note_row 'TUN, by root' 'reached'

section 'Sockets from before, and from elsewhere'
exec 7<> /dev/tcp/203.0.113.20/80
check 'TCP, connected before and brought along' 'cut (ECONNABORTED)' sh -c "python3 '$HERE/clients/wait.py' - 7=203.0.113.20:80 | tee '$W/waited'; ! grep -q abort '$W/waited'"
exec 7>&-
held_by 'TCP and UDP, connected in the deployment before the address was learnt' 'cut (ECONNABORTED)' t_cut
cut='cut (ECONNABORTED)'
row 'TCP, from before the address was learnt, sendfile()' "$cut" python3 "$P" sendfile 198.51.100.51 80 s51.github.com
row 'TCP, from before the address was learnt, splice()' "$cut" python3 "$P" splice 198.51.100.52 80 s52.github.com
row 'TCP, from before the address was learnt, tee() and splice()' "$cut" python3 "$P" tee 198.51.100.53 80 s53.github.com
row 'TCP, from before the address was learnt, MSG_ZEROCOPY' "$cut" python3 "$P" zerocopy 198.51.100.54 80 s54.github.com
row 'UDP, from before the address was learnt, sendfile()' "$cut" python3 "$P" sendfile-udp 198.51.100.55 9999 s55.github.com
row 'UDP, from before the address was learnt, splice()' "$cut" python3 "$P" splice-udp 198.51.100.56 9999 s56.github.com
held_by 'TCP and UDP that an io_uring alone keeps, or a thread with descriptors of its own' "$cut" t_cut
held_by 'TCP and UDP on their way over AF_UNIX, received by nobody yet' "$cut" t_cut
held_by 'passed in over AF_UNIX, or handed out' 'cut, and further packets dropped' t_cut
python3 "$P" hand-in $G 80 "$W/hand" &
wait_until 5 test -S "$W/hand" || fail "nobody hands anything in"
check 'made and connected outside, passed in over AF_UNIX, after 3 s at most' "$cut" python3 "$P" handed-in $G 80 "$W/hand"
check 'made and connected outside, taken from a process there (pidfd_getfd), by root, after 3 s at most' "$cut" \
    python3 "$P" taken $G 80 "$W/hand"
note_row 'made and connected outside, passed in or taken, left to an io_uring alone within these 3 s' 'reached'
OPTIONS_OF_RUN=(--confine)
check 'made and connected outside, taken from a process there (pidfd_getfd), by root, run --confine' "$denied" \
    python3 "$P" taken $G 80 "$W/hand"
OPTIONS_OF_RUN=()
held_by 'the ports of the resolver, shared (SO_REUSEPORT)' 'refused' t_listen
held_by 'a process that is moved in, with its sockets' 'cut, and new ones denied' t_attach

section 'Processes and namespaces'
# In a chroot nobody makes user namespaces.
unshare --user true 2> /dev/null && user=(--user --map-root-user) || user=()
row 'a user namespace and a cgroup namespace' "$denied" unshare "${user[@]}" --cgroup "$R" tcp github.com 443
row 'a session of its own (setsid), with its parent gone' "$denied" setsid --wait sh -c "sh -c '\"$R\" tcp github.com 443; echo \$? > \"$W/status\"' & wait; exit \$(cat '$W/status')"
check 'packets, tunnels and routes in a user namespace with a network of its own, to anywhere' 'leads nowhere (ENETUNREACH)' \
    unshare "${user[@]}" --net python3 "$P" plain 203.0.113.21 80
trace='the hands of a process outside of the same account (ptrace)'
row "$trace, by root" reached sh -c "python3 '$HERE/clients/trace.py' attach $$ | tee '$W/traced'; grep -q ok '$W/traced'"
OPTIONS_OF_RUN=(--confine)
check "$trace, by root, run --confine" "$denied" sh -c "python3 '$HERE/clients/trace.py' attach $$ | tee '$W/traced'; grep -q ok '$W/traced'"
OPTIONS_OF_RUN=()
note_row "$trace, by others" 'reached'
held_by 'a child cgroup, a daemon that outlives the command' 'denied' t_children
held_by 'another network namespace' 'denied, and names resolve' t_namespace
held_by 'a deployment inside of a deployment' 'denied by either' t_nested
python3 "$P" help-out $G 443 "$W/help" &
wait_until 5 test -S "$W/help" || fail "nobody helps"
check 'a process outside that works for it, asked over AF_UNIX (as docker, systemd-run, at)' reached python3 "$P" helper $G 443 "$W/help"
row 'leaving the cgroup, by root' reached sh -c "echo \$\$ > '$CGROUP/cgroup.procs' && '$R' tcp github.com 443"
OPTIONS_OF_RUN=(--confine)
check 'leaving the cgroup, by root, run --confine' 'refused (read-only)' sh -c "echo \$\$ > '$CGROUP/cgroup.procs' && '$R' tcp github.com 443"
check 'starting a process in another cgroup (CLONE_INTO_CGROUP), by root, run --confine' 'refused (ENOSYS)' \
    python3 "$P" clone-into-cgroup $G 443 "$CGROUP"
OPTIONS_OF_RUN=()
row 'starting a process in another cgroup (CLONE_INTO_CGROUP), by root' reached python3 "$P" clone-into-cgroup $G 443 "$CGROUP"

section 'Names'
row 'DNS over TCP' "$denied" sh -c "dig +tcp +short raw.github.com > /dev/null; '$R' tcp api.github.com 443"
row 'another server asked, by name or number' "$denied" sh -c "dig +short @192.0.2.53 short.github.com > /dev/null; python3 '$P' plain 198.51.100.41 80"
check 'DNS over TLS, port 853, to anywhere' "$denied" "$R" tcp 192.0.2.53 853
row 'a name asked for outside, by the host'"'"'s resolver, then its address' "$denied" sh -c "dig +short -p 5353 @127.0.0.1 status.github.com > /dev/null; python3 '$P' plain 198.51.100.13 80"
row 'the address of an exact name, never asked for' "$denied" python3 "$P" plain $G 443
row 'curl --resolve, /etc/hosts: the address of an exact name' "$denied" curl -sSv -m 20 --resolve x.test:80:$G http://x.test/
row 'the address of a name below a wildcard, never asked for by anybody' reached python3 "$P" plain 198.51.100.43 80
OPTIONS_OF_RUN=(--policy tight)
check 'the same, in strict mode' "$denied" python3 "$P" plain 198.51.100.43 80
OPTIONS_OF_RUN=()
row 'an alias (CNAME) of another domain' "$denied" "$R" tcp alias.other.test 443
row 'upper case and a final dot' "$denied" "$R" tcp GitHub.COM. 443
row 'a name that only looks like it' reached "$R" tcp notgithub.com 443
held_by 'more names and aliases than there is room for (max-destinations), by names that are forbidden' \
    'their answers fail, and on record' t_full
told_before='an address that was told before a new rule forbids its name, which no rule needed and for which there was no room'
note_row "$told_before any more" 'reached, until the name is asked for again'
row 'only IPv6 is asked for' "$denied" "$R" tcp6 api.github.com 443
row 'hints of an HTTPS record' "$denied" sh -c "dig +short svcb.github.com HTTPS > /dev/null; python3 '$P' plain 198.51.100.40 80"
held_by 'an address kept beyond its TTL' 'denied while the deployment lives' t_expiry
held_by 'answers of hundreds of addresses, names that move' 'all learnt' t_answers
held_by 'a forbidden name that answers with an address of the host, to poison the gate' 'not learnt, and on record' t_names
held_by 'forged, malformed and split answers and questions' 'ignored' t_fire
held_by 'the ports of the resolver, addressed directly' 'denied' t_udp
note_row 'DNS over HTTPS or QUIC to a server that the policy does not deny' 'reached'

section 'Not tried' 'for lack of it in the kernels that the tests run on, or of a service outside'
by_address='denied by address, as all that the host sends: packets are dropped'
note_row 'SCTP, DCCP, L2TP and other protocols over IP; by port where theirs are as those of TCP' "$by_address"
note_row 'SMC, RDS over TCP, KCM and other sockets that the kernel puts on top of TCP' 'as TCP: denied at once, or dropped'
note_row 'protocols that are not over IP: AF_VSOCK to the host of a virtual machine, TIPC, Bluetooth, CAN' 'reached, if somebody there works for it'
note_row 'IPsec in tunnel mode on this host: new connections' "$denied"
note_row 'IPsec in tunnel mode on this host: what only the packet shows, as an accepted connection' 'reached'
note_row 'DNAT of packets that this host forwards for a network namespace, and in the network beyond' 'reached'
note_row 'what the kernel does itself for a mount by root (NFS, CIFS), or for a device' 'reached'

section 'Failures'
held_by 'the daemon or the resolver killed, restarted, replaced' 'denied all the time' t_crash
held_by 'the daemon upgraded to another build, and back' 'denied all the time' t_upgrade
held_by 'the daemon upgraded to one with another layout of maps' 'it does not start while deployments live; denied' t_upgrade
held_by 'destinations full' 'everything that blocks is strict, and on record' t_full
held_by 'the forbidden name cannot be resolved any more' 'last known addresses denied' t_upstream
held_by 'entries taken out of the kernel by others' 'restored within a second, and on record' t_lost
held_by 'denials come faster than they can be put on record' 'all denied, what is lost is counted' t_loss
held_by 'no file descriptor left to the daemon, or to the resolver' 'denied; new commands do not start, names fail, and it is told' t_loss
held_by 'the disk full' 'denied, what is not on record is counted, incidents hold' t_loss
held_by 'no upstream answers' 'last known addresses denied, unknown names fail, and on record' t_loss
held_by 'the resolver ends again and again' 'denied; names fail, it is started ever later, and on record' t_loss
held_by 'the command starts before the gate is in force' 'it does not' t_run
held_by 'a process that is gone when its denial is looked at' 'on record with its arguments' t_record

{
    echo '# What is covered'
    echo
    echo 'Generated by tests/system/t_matrix.sh, which tries each of these: without the gate the destination is reached,'
    echo 'in a deployment to which it is forbidden happens what stands here. Where another scenario tries it, its name'
    echo 'stands behind. *reached* is out of reach of the gate, or not forbidden.'
    cat "$ROWS"
} > "$W/coverage.md"
[ -z "${NG_COVERAGE:-}" ] || cp "$W/coverage.md" "$NG_COVERAGE"
expect_ok diff -u "$HERE/../../docs/coverage.md" "$W/coverage.md"
