#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What the gate costs, on this machine: connect() with and without it, and the resolver beside servers that do less. All
# numbers are medians of interleaved rounds, all ratios medians of the rounds' own ratios. No time makes this fail.
# ROUNDS (5), MS (200, of each connect() measurement and round) and PARTS (connect spawn cut resolver) are variables;
# programs of others on the machine disturb it.
# shellcheck source-path=SCRIPTDIR source=../system/lib.sh
. "$(dirname "$0")/../system/lib.sh"
BENCH=$(cd "$(dirname "$0")" && pwd)
ROUNDS=${ROUNDS:-5}
MS=${MS:-200}
PARTS=${PARTS:-connect spawn cut resolver}
NAMES=20000 # fresh ones a round
PROGRAMS=$B/tests/bench
BPFTOOL=${BPFTOOL:-$(command -v bpftool || echo /usr/sbin/bpftool)}

compile() { # NAME
    mkdir -p "$PROGRAMS"
    gcc -O2 -Wall -Wextra -D_GNU_SOURCE -I"$BENCH/../../include" -o "$PROGRAMS/$1" "$BENCH/$1.c" -lbpf || fail "cannot compile $1"
}

version() { # COMMAND...
    if ! command -v "$1" > /dev/null; then
        echo none
    else
        "$@" 2>&1 | sed -nE 's/.*(version|namegate) ([0-9][0-9.]*).*/\2/Ip' | head -n 1
    fi
}

# --- results: lines of TABLE ROUND CASE COLUMN VALUE

note() { echo "$*" >> "$W/results"; }

# Prints the cases of a table in order of appearance: the median of each column, and the ratio to the first case.
table() { # TABLE COLUMN...
    awk -v table="$1" -v columns="${*:2}" '
        function median(list, n, i, j, t) {
            for (i = 2; i <= n; i++)
                for (j = i; j > 1 && list[j - 1] > list[j]; j--) { t = list[j]; list[j] = list[j - 1]; list[j - 1] = t }
            return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
        }
        $1 == table {
            if (!($3 in seen)) { seen[$3] = 1; order[++cases] = $3 }
            value[$3, $4, $2] = $5
            if ($2 > rounds) rounds = $2
        }
        END {
            n = split(columns, column, " ")
            for (c = 1; c <= cases; c++) {
                label = order[c]
                gsub(/_/, " ", label)
                printf "  %-44s", label
                for (k = 1; k <= n; k++) {
                    split("", all); split("", ratio)
                    count = pairs = 0
                    for (r = 1; r <= rounds; r++) {
                        if (!((order[c], column[k], r) in value)) continue
                        all[++count] = value[order[c], column[k], r]
                        first = value[order[1], column[k], r]
                        if (first > 0) ratio[++pairs] = all[count] / first
                    }
                    m = count ? median(all, count) : 0
                    text = !count ? "-" : sprintf(m < 100 ? "%.1f" : "%.0f", m)
                    printf " %9s %6s", text, pairs && column[k] !~ /^=/ ? sprintf("%.2f", median(ratio, pairs)) : ""
                }
                print ""
            }
        }' "$W/results"
}

heading() { # TEXT COLUMN...
    printf '\n%-46s' "$1"
    shift
    local column
    for column; do printf ' %9s %6s' "$column" "$([[ $column == *% ]] || echo ratio)"; done
    echo
}

# --- connect(): the gate is in force for the cgroups below $GATED only, so that turns can be taken with one that has none

GATED=$CGROUP/gate

# Takes the programs that the daemon has put on the root of the cgroups away from there.
confine_gate() {
    local pin link type
    for pin in "$W/bpf/gate"/link_*; do
        link=$(bpftool_json link show pinned "$pin")
        type=$(jq -r .attach_type <<< "$link")
        "$BPFTOOL" link detach pinned "$pin" || fail "cannot detach $pin"
        "$BPFTOOL" cgroup attach "$GATED" "$type" id "$(jq .prog_id <<< "$link")" multi || fail "cannot attach $type"
    done
}

bpftool_json() { "$BPFTOOL" --json "$@"; }

# deployment NAME OPTION... [-- COMMAND...]: one that lives until the bench ends; its cgroup goes to $W/in/NAME
deployment() {
    local name=$1
    shift
    gate run --tag "$name" "$@" -- sh -c 'eval "$1"; sed -n "s/^0:://p" /proc/self/cgroup > "$2.new"; mv "$2.new" "$2"; exec sleep infinity' \
        _ "${FIRST:-:}" "$W/in/$name" 2> "$W/in/$name.err" &
    wait_until 10 test -e "$W/in/$name" || fail "no deployment $name: $(cat "$W/in/$name.err")"
}

in_deployment() { echo "$CGROUP_MOUNT$(cat "$W/in/$1")"; }

# A network namespace beside the host's, so that a filter in it is nobody else's.
beside() { # NAME NETWORK
    unshare --net sleep infinity &
    local pid=$!
    wait_until 5 differ /proc/self/ns/net "/proc/$pid/ns/net" || fail "no namespace"
    ip link add "b$2" type veth peer name e0 netns "$pid"
    ip link set "b$2" netns "$INTERNET"
    inet ip address add "10.78.$2.1/24" dev "b$2"
    inet ip link set "b$2" up
    nsenter -t "$pid" -n sh -c "ip link set lo up; ip address add 10.78.$2.2/24 dev e0; ip link set e0 up; ip route add default via 10.78.$2.1"
    echo "/proc/$pid/ns/net" > "$W/in/$1"
}

# What a host would use without namegate: a set in nftables, for those who are in a cgroup.
nft_up() { # NAMESPACE
    local below=${CGROUP#"$CGROUP_MOUNT"/}/nft path=${CGROUP#/sys/fs/cgroup/}/nft level
    level=$(tr -cd / <<< "$below" | wc -c)
    {
        echo 'table inet bench {'
        echo 'set denied { type ipv4_addr; }'
        echo "chain out { type filter hook output priority 0; socket cgroupv2 level $((level + 1)) \"$path\" ip daddr @denied reject; }"
        echo '}'
        awk 'BEGIN { for (i = 0; i < 100000; i += 1000) { printf "add element inet bench denied {"
            for (j = 0; j < 1000; j++) { n = i + j; printf "%s100.%d.%d.%d", j ? "," : "", 64 + int(n / 65536), int(n / 256) % 256, n % 256 }
            print "}" } }'
    } > "$W/bench.nft"
    nsenter --net="$1" nft -f "$W/bench.nft" || fail "no nftables"
}

# Attaches ipdeny.bpf.c to a cgroup, as WHAT says, until the bench ends.
ipdeny() { # NAME WHAT
    mkdir "$CGROUP/$1"
    "$PROGRAMS/ipdeny" "$PROGRAMS/ipdeny.bpf.o" "$CGROUP/$1" "$2" < <(exec sleep infinity) > "$W/in/$1" &
    wait_until 60 grep -qs ready "$W/in/$1" || fail "cannot attach to a cgroup"
}

# turns CASE CGROUP ADDRESS ok|denied [NETNS [NETNS-OF-THE-OTHER]]: beside a process in no cgroup of anybody's
turns() {
    "$PROGRAMS/connect" 7000 "$MS" "$CGROUP/free" 203.0.113.20 ok "${6:--}" "$2" "$3" "$4" "${5:--}" \
        2> "$W/connect.err" | sed "s/^/$1 /" >> "$W/pairs"
    [ "${PIPESTATUS[0]}" = 0 ] || fail "$1: $(cat "$W/connect.err")"
}

connect_round() { # ENTRIES
    turns "deployment,_$1_entries" "$(in_deployment any)" 203.0.113.99 ok
    turns "deployment,_$1_entries,_denied" "$(in_deployment any)" 198.51.100.10 denied
    turns "gate,_$1_entries,_in_no_deployment" "$GATED/none" 203.0.113.20 ok
}

# Of all pairs of a case and way: the median of the ns, that of the ratios, and how far off, in 95 of 100 cases, it may be.
pairs() {
    local case way
    awk '!seen[$1]++ { print $1 }' "$W/pairs" | while read -r case; do
        printf '  %-44s' "${case//_/ }"
        for way in again udp tcp send; do
            awk -v case="$case" -v way="$way" '$1 == case && $2 == way { print "ns", $4; print "ratio", $4 / $3 }' "$W/pairs" |
                sort -k 1,1 -k 2g | awk '$1 == "ns" { ns[++n] = $2 } $1 == "ratio" { ratio[++m] = $2 }
                    END {
                        middle = int((n + 1) / 2)
                        off = int(sqrt(n)) + 1
                        printf " %7.0f %5.3f ±%.3f", ns[middle], ratio[middle],
                            (ratio[middle + off > n ? n : middle + off] - ratio[middle > off ? middle - off : 1]) / 2
                    }'
        done
        echo
    done
}

# --- processes

spawn() { # ROUND CASE PREFIX...
    local round=$1 case=$2
    shift 2
    "$@" "$PROGRAMS/spawn" $((MS * 5)) > "$W/spawn" 2> "$W/spawn.err" || fail "$case: $(cat "$W/spawn" "$W/spawn.err")"
    note spawn "$round" "$case" us "$(cut -d' ' -f2 "$W/spawn")"
}

spawn_round() { # ROUND
    spawn "$1" no_gate
    gate_start
    spawn "$1" gate,_in_no_deployment
    "$B/namegate" --run-dir "$W/run/gate" run -- sleep 1000 & # with one that lives, somebody else's processes are looked at
    wait_until 5 has_deployment || fail "no deployment"
    spawn "$1" gate,_beside_a_deployment
    spawn "$1" deployment gate run --
    kill $!
    wait $!
    wait_until 5 no_deployments || fail "left: $(gate list)"
    gate_stop
}

has_deployment() { [ "$(deployments)" = 1 ]; }

# --- the resolver

cpu_ns() { # PID...: processor time of all their threads
    local pid
    for pid; do cat "/proc/$pid/task"/*/schedstat; done 2> /dev/null | awk '{ sum += $1 } END { printf "%.0f\n", sum }'
}

# The dnsperf run that follows is of this server.
server() { # ADDRESS PORT PID...
    ADDRESS=$1 PORT=$2
    shift 2
    PIDS=("$@")
}

perf() { # OPTION...; the output goes to $W/perf
    dnsperf -s "$ADDRESS" -p "$PORT" -c 4 -q 200 -t 1 "$@" > "$W/perf" 2>&1 || fail "dnsperf: $(tail -n 20 "$W/perf")"
}

speed() { # TABLE ROUND CASE OPTION...
    local table=$1 round=$2 case=$3 before after qps answered
    shift 3
    "$PROGRAMS/warm" 256
    before=$(cpu_ns "${PIDS[@]}")
    perf "$@"
    after=$(cpu_ns "${PIDS[@]}")
    qps=$(awk '/Queries per second:/ { print $4 }' "$W/perf")
    answered=$(awk '/Queries completed:/ { print $3 }' "$W/perf")
    note "$table" "$round" "$case" qps "$qps"
    note "$table" "$round" "$case" cpu "$(awk -v ns=$((after - before)) -v n="$answered" 'BEGIN { print n ? ns / n / 1000 : 0 }')"
    # Lost, or answered with another code than NOERROR and NXDOMAIN, in %.
    note "$table" "$round" "$case" =bad "$(awk '/Queries sent:/ { sent = $3 } /Response codes:/ { for (i = 1; i < NF; i++)
        if ($i == "NOERROR" || $i == "NXDOMAIN") good += $(i + 1) } END { print sent ? 100 * (sent - good) / sent : 100 }' "$W/perf")"
}

# Whether the server, and dnsperf, hold so many queries a second, and none is lost.
holds() { # RATE
    perf -d "$W/cached" -l 1 -Q "$1" -v
    awk -v rate="$1" '/Queries per second:/ { held = $4 >= 0.97 * rate } /Queries lost:/ { held = held && $3 == 0 }
        END { exit !held }' "$W/perf"
}

# $PACE: the highest of some rates that all servers hold.
pace() {
    local port address
    for PACE in 50000 40000 30000 20000 10000; do
        while read -r port address; do
            server "$address" "$port"
            perf -d "$W/cached" -n 1
            holds "$PACE" || continue 2
        done < <(echo 5301 127.0.0.1; echo 53 192.0.2.53; echo 5300 127.0.0.1; awk '$4 == "no" { print $2, "127.0.0.1" }' "$W/others")
        return
    done
    say "not all servers hold $PACE queries a second"
}

# us at that pace
latency() { # ROUND CASE
    local which at
    holds "$PACE"
    note cached "$1" "$2" =held "$(awk -v rate="$PACE" '/Queries per second:/ { print 100 * $4 / rate }' "$W/perf")"
    grep '^> ' "$W/perf" | awk '{ print $NF * 1e6 }' | sort -n > "$W/latency"
    for which in 50 99; do
        at=$(($(wc -l < "$W/latency") * which / 100 + 1))
        note cached "$1" "$2" "p$which" "$(sed -n "${at}p" "$W/latency")"
    done
}

cached() { # ROUND CASE
    perf -d "$W/cached" -n 1
    speed cached "$1" "$2" -d "$W/cached" -l 1
    latency "$1" "$2"
}

children() { echo "$1"; pgrep -P "$1" | while read -r child; do children "$child"; done; }

answers() { dig +time=1 +tries=1 +short -p "$1" @127.0.0.1 ns.test A 2> /dev/null | grep -q 192.0.2.53; }

# other NAME PORT SETS COMMAND...: SETS yes: it puts the addresses of learn.test into a set of the kernel
other() {
    local name=$1 port=$2 sets=$3
    shift 3
    "$@" > "$W/$name.log" 2>&1 &
    if wait_until 10 answers "$port"; then
        echo "$name $port $! $sets" >> "$W/others"
    else
        say "$name does not start: $(tail -n 1 "$W/$name.log")"
    fi
}

# dnsmasq has room for all names, because it is slow beyond measure once its cache is full.
dnsmasq_on() { # NAME PORT SETS OPTION...
    local name=$1 port=$2 sets=$3
    shift 3
    other "$name" "$port" "$sets" dnsmasq --keep-in-foreground --conf-file=/dev/null --port="$port" \
        --listen-address=127.0.0.1 --bind-interfaces --no-resolv --no-hosts --server=192.0.2.53 \
        --cache-size=$((ROUNDS * NAMES * 2)) --dns-forward-max=4096 --user=root --pid-file="$W/$name.pid" "$@"
}

smartdns_on() { # NAME PORT SETS LINE
    printf '%s\n' "bind 127.0.0.1:$2" 'server 192.0.2.53' 'cache-size 200000' 'speed-check-mode none' 'log-level error' \
        'dualstack-ip-selection no' 'prefetch-domain no' 'user root' "$4" > "$W/$1.conf"
    other "$1" "$2" "$3" smartdns -f -x -p - -c "$W/$1.conf"
}

unbound_on() { # NAME PORT SETS MODULES SERVER-LINE LINE...
    local name=$1 port=$2 sets=$3 modules=$4 line=$5
    shift 5
    cat > "$W/$name.conf" << CONF
server:
    interface: 127.0.0.1
    port: $port
    username: ""
    chroot: ""
    directory: "$W"
    pidfile: "$W/$name.pid"
    use-syslog: no
    do-daemonize: no
    module-config: "$modules"
    num-threads: 1
    so-rcvbuf: 0
    outgoing-range: 4096
    num-queries-per-thread: 2048
    do-not-query-localhost: no
    local-zone: "test." nodefault
    $line
remote-control:
    control-enable: no
forward-zone:
    name: "."
    forward-addr: 192.0.2.53
CONF
    printf '%s\n' "$@" >> "$W/$name.conf"
    other "$name" "$port" "$sets" unbound -c "$W/$name.conf"
}

# Forwarders to compare with, where they happen to be installed: lines of CASE PORT PID SETS in $W/others.
others_up() {
    local sets=no nft=no
    : > "$W/others"
    ! ipset create bench hash:ip maxelem 1000000 2> "$W/ipset.log" || sets=yes
    [ $sets = yes ] || say "no ipset here: $(tail -n 1 "$W/ipset.log")"
    ! nft add table inet peers \; add set inet peers learnt '{ type ipv4_addr; size 1000000; }' 2> "$W/nftset.log" || nft=yes
    [ $nft = yes ] || say "no set of nftables here: $(tail -n 1 "$W/nftset.log")"
    if command -v dnsmasq > /dev/null; then
        dnsmasq_on dnsmasq 5302 no
        [ $sets = no ] || dnsmasq_on dnsmasq+ipset 5304 yes --ipset=/learn.test/bench
        [ $nft = no ] || dnsmasq_on dnsmasq+nftset 5308 yes --nftset=/learn.test/4#inet#peers#learnt
    fi
    if command -v smartdns > /dev/null; then
        smartdns_on smartdns 5305 no ''
        [ $sets = no ] || smartdns_on smartdns+ipset 5306 yes 'ipset /learn.test/bench'
    fi
    if command -v dnsdist > /dev/null; then
        printf '%s\n' 'setLocal("127.0.0.1:5307")' 'newServer("192.0.2.53")' \
            'getPool(""):setCache(newPacketCache(200000))' > "$W/dnsdist.conf"
        other dnsdist 5307 no dnsdist --supervised --disable-syslog -C "$W/dnsdist.conf"
    fi
    if command -v unbound > /dev/null; then
        unbound_on unbound 5303 no iterator ''
        if ! unbound -V | grep -q '^Linked modules:.* ipset'; then
            say "unbound is built without its ipset module here: no unbound+ipset"
        elif [ $sets = yes ]; then
            unbound_on unbound+ipset 5309 yes 'ipset iterator' 'local-zone: "learn.test." ipset' ipset: '    name-v4: bench'
        fi
    fi
}

resolver_round() { # ROUND
    local round=$1 case port pid sets
    mapfile -t nsd < <(children "$NSD_PID")
    mapfile -t gate < <(echo "$GATE_PID"; resolver_pid)
    awk -v n="$NAMES" -v round="$round" 'BEGIN { for (i = 0; i < n; i++) printf "r%d-%d.bench.test A\n", round, i }' > "$W/fresh"
    awk -v n="$NAMES" -v round="$round" 'BEGIN { for (i = 0; i < n; i++) printf "n%d.learn.test A\n", (round - 1) * n + i }' \
        > "$W/denied"

    server 127.0.0.1 5301 "$ECHO_PID"
    cached "$round" echo,_the_bound
    server 192.0.2.53 53 "${nsd[@]}"
    cached "$round" nsd,_over_the_link
    speed fresh "$round" nsd,_the_bound -d "$W/fresh" -n 1
    server 127.0.0.1 5300 "${gate[@]}"
    cached "$round" namegate
    speed fresh "$round" namegate -d "$W/fresh" -n 1
    speed cached "$round" "namegate,_${NAMES}_names" -d "$W/fresh" -n 3
    speed fresh "$round" namegate,_each_learnt_as_denied -d "$W/denied" -n 1
    speed cached "$round" "namegate,_${NAMES}_that_are_denied" -d "$W/denied" -n 3
    while read -r case port pid sets; do
        server 127.0.0.1 "$port" "$pid"
        if [ "$sets" = yes ]; then
            speed fresh "$round" "$case,_each_put_into_a_set" -d "$W/denied" -n 1
        else
            cached "$round" "$case"
            speed fresh "$round" "$case" -d "$W/fresh" -n 1
        fi
    done < "$W/others"
}

# Queries that wait for the resolver, so that no load generator takes the processors from it. Its threads get one each,
# because a burst is over before the scheduler would spread them.
burst() { # ROUND CASE LETTER LABEL
    local ns lost
    awk -v letter="$3" -v label="$4" 'BEGIN { for (i = 0; i < 1000; i++) printf "%s%d.%s.test A\n", letter, i, label }' > "$W/burst"
    perf -d "$W/burst" -n 1
    read -r ns lost < <("$PROGRAMS/burst" 5300 "$(resolver_pid)" 1000 "$3" "$4")
    note burst "$1" "$2" ns "$ns"
    note burst "$1" "$2" =lost "$lost"
}

burst_round() { # ROUND
    local workers resolver thread processor
    for workers in 1 2; do
        gate_start 'listen 127.0.0.1:5300' "workers $workers"
        resolver=$(resolver_pid) processor=0
        for thread in "/proc/$resolver/task"/*; do
            taskset -pc $((processor++ % $(nproc))) "${thread##*/}" > /dev/null
        done
        server 127.0.0.1 5300 "$resolver"
        burst "$1" "$workers,_each_on_a_processor_of_its_own" c bench
        [ $workers = 2 ] || burst "$1" "$workers,_names_that_are_denied" n learn
        gate_stop
    done
}

# The same resolver with a policy of a million names; then 20000 of those are asked, which there are not (NXDOMAIN).
million_round() { # ROUND
    awk -v n="$NAMES" -v round="$1" 'BEGIN { for (i = 0; i < n; i++) printf "m%d-%d.bench.test A\n", round, i }' > "$W/million"
    mapfile -t gate < <(echo "$GATE_PID"; resolver_pid)
    server 127.0.0.1 5300 "${gate[@]}"
    cached "$1" namegate,_a_million_names_denied
    perf -d "$W/some" -n 1
    speed cached "$1" namegate,_20000_of_the_million -d "$W/some" -n 3
    speed fresh "$1" namegate,_a_million_names_denied -d "$W/million" -n 1
}

# --- the run

trap 'world_down' EXIT
mkdir -p "$W/policies" "$W/state" "$W/run"
chmod 755 "$W"
compile connect
compile echo
compile burst
compile fill
compile spawn
compile warm
compile ipdeny
clang -target bpf -g -O2 -Wall -Werror -I"$B/gen" -c "$BENCH/ipdeny.bpf.c" -o "$PROGRAMS/ipdeny.bpf.o" || fail "no ipdeny"
network_up
files_up
zone_add '*.bench.test. 300 A 203.0.113.20'
write_zone
# Each an address of its own, as learning is per address.
awk -v n=$((ROUNDS * NAMES)) 'BEGIN { for (i = 0; i < n; i++)
    printf "n%d.learn.test. 300 A 100.%d.%d.%d\n", i, 64 + int(i / 65536), int(i / 256) % 256, i % 256 }' >> "$W/zone"
awk 'BEGIN { for (i = 0; i < 1000; i++) printf "c%d.bench.test A\n", i }' > "$W/cached"
dns_up
default_policy
policy resolver << 'POLICY'
policy resolver { deny *.learn.test }
POLICY
policy names << 'POLICY'
policy names { allow other.test }
POLICY
awk 'BEGIN { print "policy networks {"; for (i = 0; i < 1000; i++) printf "deny 100.%d.%d.0/24\n", 64 + int(i / 256), i % 256; print "}" }' |
    policy networks
: > "$W/results"

echo "$(awk -F ': *' '/^model name/ { print $2; exit }' /proc/cpuinfo), $(nproc) processors, Linux $(uname -r)"
echo "namegate $(version "$B/namegate" --version), nsd $(version nsd -v), dnsperf $(version dnsperf -h)," \
    "dnsmasq $(version dnsmasq --version), unbound $(version unbound -V)"

connect_part() {
    local round entries before
    mkdir -p "$W/in" "$CGROUP/free" "$CGROUP/nft" "$GATED/none"
    : > "$W/pairs"
    inet "$PROGRAMS/connect" sink 7000 &
    wait_until 5 bash -c ': < /dev/tcp/203.0.113.20/7000' 2> /dev/null || fail "no sink"
    ! bpftool_json cgroup show "$CGROUP_MOUNT" 2> /dev/null | grep -q gate_connect4 ||
        say "another gate of this machine is in force: its hooks are in all numbers"
    gate_start 'max-destinations 1001000'
    confine_gate
    deployment any
    deployment networks --policy networks
    FIRST='dig +short other.test > /dev/null' deployment names --policy names
    beside plain 1
    beside filtered 2
    nft_up "$(cat "$W/in/filtered")"
    ipdeny calls calls
    ipdeny packets packets
    for entries in 0 10000 1000000; do ipdeny "ip$entries" $entries; done
    before=$(gate status --json | jq .lost_events)
    for round in $(seq "$ROUNDS"); do
        turns no_gate,_as_the_other "$CGROUP/free" 203.0.113.20 ok
        turns connect_and_sendmsg_that_do_nothing "$CGROUP/calls" 203.0.113.20 ok
        turns these_and_egress_that_do_nothing "$CGROUP/packets" 203.0.113.20 ok
        connect_round 0
        turns deployment,_allowed_by_name "$(in_deployment names)" 203.0.113.21 ok
        turns deployment,_1000_networks_in_its_policy "$(in_deployment networks)" 203.0.113.99 ok
        turns nft,_100000_in_its_set,_in_no_cgroup_of_it "$CGROUP/free" 203.0.113.20 ok "$(cat "$W/in/filtered")" "$(cat "$W/in/plain")"
        turns nft,_100000_in_its_set,_in_its_cgroup "$CGROUP/nft" 203.0.113.20 ok "$(cat "$W/in/filtered")" "$(cat "$W/in/plain")"
        for entries in 0 10000 1000000; do
            turns "as_IPAddressDeny,_${entries}_denied,_in_the_unit" "$CGROUP/ip$entries" 203.0.113.20 ok
        done
    done
    for entries in 10000 1000000; do
        "$PROGRAMS/fill" "$W/bpf/gate/destinations" $entries || fail "cannot fill the map"
        for round in $(seq "$ROUNDS"); do connect_round $entries; done
    done
    printf '\n%-46s' "connect(), sendto(): ns a call, of one without"
    printf ' %7s %5s %6s' "again" "ratio" "" "udp" "ratio" "" "tcp" "ratio" "" "sendto" "ratio" ""
    echo
    pairs
    before=$(($(gate status --json | jq .lost_events) - before))
    [ "$before" = 0 ] || say "$before records of denials were lost, and cost less"
    gate_stop
}

spawn_part() {
    local round
    for round in $(seq "$ROUNDS"); do spawn_round "$round"; done
    heading "a process that executes true(1) and ends" "us"
    table spawn us
}

cut_part() {
    local round count open=0 tries=0 processes=()
    for count in 0 20000 50000 100000; do
        while [ $open -lt $count ]; do
            : > "$W/opened"
            python3 "$BENCH/cut.py" open $((count - open)) > "$W/opened" &
            processes+=($!)
            wait_until 60 test -s "$W/opened" || fail "sockets cannot be opened"
            open=$((open + $(cat "$W/opened")))
        done
        gate_start
        for round in $(seq "$ROUNDS"); do
            gate run --policy resolver -- python3 "$BENCH/cut.py" "n$((++tries)).learn.test" "100.64.0.$tries" > "$W/cut" 2>&1
            note cut "$round" "$count" ms "$(head -n 1 "$W/cut")"
        done
        gate_stop
    done
    kill "${processes[@]}"
    heading "sockets open on the host; answer to cut" "ms"
    table cut ms
}

[[ $PARTS != *connect* ]] || connect_part
[[ $PARTS != *spawn* ]] || spawn_part
[[ $PARTS != *cut* ]] || cut_part
[[ $PARTS == *resolver* ]] || exit 0
for round in $(seq "$ROUNDS"); do burst_round "$round"; done
heading "cached names that wait, workers" "ns" "lost"
table burst ns =lost

"$PROGRAMS/echo" 5301 &
ECHO_PID=$!
others_up
gate_start 'listen 127.0.0.1:5300' "max-destinations $((ROUNDS * NAMES * 2))"
pace
say "p50 and p99 are those at $PACE queries a second, the highest of the rates tried, from 50000 down, that all servers held"
for round in $(seq "$ROUNDS"); do resolver_round "$round"; done
awk 'BEGIN { print "policy million {"; for (i = 0; i < 1000000; i++) printf "deny .x%d.y%d.test\n", i, i % 1000; print "}" }' |
    policy million
awk 'BEGIN { for (i = 0; i < 20000; i++) printf "x%d.y%d.test A\n", i * 47, i * 47 % 1000 }' > "$W/some"
gate policy reload --quiet || fail "the million names are refused"
for round in $(seq "$ROUNDS"); do million_round "$round"; done
heading "cached names, UDP" "q/s" "cpu us/q" "p50 us" "p99 us" "held %" "bad %"
table cached qps cpu p50 p99 =held =bad
heading "fresh names, UDP" "q/s" "cpu us/q" "bad %"
table fresh qps cpu =bad
