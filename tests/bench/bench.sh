#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What the gate costs, on this machine: connect() with and without it, and the resolver beside servers that do less. All
# numbers are medians of interleaved rounds, all ratios medians of the rounds' own ratios. No time makes this fail.
# ROUNDS (5), MS (60, of each connect() measurement) and PARTS (connect spawn resolver) are variables; programs of others on the
# machine disturb it.
# shellcheck source-path=SCRIPTDIR source=../system/lib.sh
. "$(dirname "$0")/../system/lib.sh"
BENCH=$(cd "$(dirname "$0")" && pwd)
ROUNDS=${ROUNDS:-5}
MS=${MS:-60}
PARTS=${PARTS:-connect spawn resolver}
NAMES=20000 # fresh ones a round
PROGRAMS=$B/tests/bench

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

# --- connect()

reach() { # ROUND CASE ADDRESS ok|denied PREFIX...
    local round=$1 case=$2 address=$3 expected=$4 column value
    shift 4
    "$@" "$PROGRAMS/connect" "$address" 7000 "$expected" "$MS" > "$W/connect" 2> "$W/connect.err" ||
        fail "$case: $(cat "$W/connect" "$W/connect.err")"
    while read -r column value; do note connect "$round" "$case" "$column" "$value"; done < "$W/connect"
}

# What a host would use without namegate: a set in nftables, for those who are in a cgroup.
nft_up() {
    local below=${CGROUP#"$CGROUP_MOUNT"/}/nft path=${CGROUP#/sys/fs/cgroup/}/nft level
    level=$(tr -cd / <<< "$below" | wc -c)
    mkdir -p "$CGROUP/nft"
    {
        echo 'table inet bench {'
        echo 'set denied { type ipv4_addr; }'
        echo "chain out { type filter hook output priority 0; socket cgroupv2 level $((level + 1)) \"$path\" ip daddr @denied reject; }"
        echo '}'
        awk 'BEGIN { for (i = 0; i < 100000; i += 1000) { printf "add element inet bench denied {"
            for (j = 0; j < 1000; j++) { n = i + j; printf "%s100.%d.%d.%d", j ? "," : "", 64 + int(n / 65536), int(n / 256) % 256, n % 256 }
            print "}" } }'
    } > "$W/bench.nft"
    nft -f "$W/bench.nft" || fail "no nftables"
}

nft_round() { # ROUND
    nft_up
    reach "$1" nft,_100000_in_its_set,_in_no_cgroup_of_it 203.0.113.20 ok
    # shellcheck disable=SC2016 # the inner shell expands it
    reach "$1" nft,_100000_in_its_set,_in_its_cgroup 203.0.113.20 ok sh -c 'echo $$ > "$0/cgroup.procs"; exec "$@"' "$CGROUP/nft"
    nft delete table inet bench
}

# Runs a command in a cgroup to which ipdeny.bpf.c is attached, as WHAT says.
with_ipdeny() { # ROUND CASE WHAT
    local ready
    mkdir -p "$CGROUP/ipdeny"
    coproc IPDENY { exec "$PROGRAMS/ipdeny" "$PROGRAMS/ipdeny.bpf.o" "$CGROUP/ipdeny" "$3"; }
    read -r -t 60 ready <&"${IPDENY[0]}"
    [ "$ready" = ready ] || fail "cannot attach to a cgroup"
    # shellcheck disable=SC2016 # the inner shell expands it
    reach "$1" "$2" 203.0.113.20 ok sh -c 'echo $$ > "$0/cgroup.procs"; exec "$@"' "$CGROUP/ipdeny"
    kill "$IPDENY_PID"
    wait "$IPDENY_PID" 2> /dev/null
}

# What a host with systemd would use: IPAddressDeny= of a unit, which knows no names. And the least that hooks can cost.
ipdeny_round() { # ROUND
    local entries
    with_ipdeny "$1" connect_and_sendmsg_that_do_nothing calls
    with_ipdeny "$1" these_and_egress_that_do_nothing packets
    for entries in 0 10000 1000000; do
        with_ipdeny "$1" "as_IPAddressDeny,_${entries}_denied,_in_the_unit" $entries
    done
}

# The map with more and more in it: for those that are neither denied nor known, those that are denied, and others.
full_round() { # ROUND
    local entries
    gate_start 'max-destinations 1001000'
    for entries in 10000 1000000; do
        "$PROGRAMS/fill" "$W/bpf/gate/destinations" $entries || fail "cannot fill the map"
        reach "$1" "gate,_${entries}_entries,_in_no_deployment" 203.0.113.20 ok
        reach "$1" "deployment,_${entries}_entries" 203.0.113.99 ok gate run --
        reach "$1" "deployment,_${entries}_entries,_denied" 198.51.100.10 denied gate run --
    done
    gate_stop
}

connect_round() { # ROUND
    ! "${BPFTOOL:-bpftool}" cgroup show "$CGROUP_MOUNT" 2> /dev/null | grep -q gate_connect4 || FOREIGN=$((FOREIGN + 1))
    reach "$1" no_gate 203.0.113.20 ok
    gate_start 'max-destinations 200000'
    reach "$1" gate,_in_no_deployment 203.0.113.20 ok
    reach "$1" deployment,_nothing_known_of_it 203.0.113.99 ok gate run --
    # shellcheck disable=SC2016 # the inner shell expands it
    reach "$1" deployment,_allowed_by_name 203.0.113.21 ok gate run --policy names -- \
        sh -c 'dig +short other.test > /dev/null; exec "$@"' _
    reach "$1" deployment,_1000_networks_in_its_policy 203.0.113.99 ok gate run --policy networks --
    reach "$1" deployment,_denied 198.51.100.10 denied gate run --
    LOST=$((LOST + $(gate status --json | jq .lost_events)))
    gate_stop
    nft_round "$1"
    ipdeny_round "$1"
    full_round "$1"
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

# us at a pace that each of them can hold
latency() { # ROUND CASE
    local which at
    perf -d "$W/cached" -l 1 -Q 40000 -v
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

# Forwarders to compare with, where they happen to be installed: lines of CASE PORT PID SETS in $W/others.
others_up() {
    local sets=no
    : > "$W/others"
    ! ipset create bench hash:ip maxelem 1000000 2> "$W/ipset.log" || sets=yes
    if command -v dnsmasq > /dev/null; then
        dnsmasq_on dnsmasq 5302 no
        [ $sets = no ] || dnsmasq_on dnsmasq+ipset 5304 yes --ipset=/learn.test/bench
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
        cat > "$W/unbound.conf" << CONF
server:
    interface: 127.0.0.1
    port: 5303
    username: ""
    chroot: ""
    directory: "$W"
    pidfile: "$W/unbound.pid"
    use-syslog: no
    do-daemonize: no
    module-config: "iterator"
    num-threads: 1
    so-rcvbuf: 0
    outgoing-range: 4096
    num-queries-per-thread: 2048
    do-not-query-localhost: no
    local-zone: "test." nodefault
remote-control:
    control-enable: no
forward-zone:
    name: "."
    forward-addr: 192.0.2.53
CONF
        other unbound 5303 no unbound -c "$W/unbound.conf"
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
    speed fresh "$round" namegate,_each_learnt_as_denied -d "$W/denied" -n 1
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
burst_round() { # ROUND
    local workers resolver thread processor ns lost
    for workers in 1 2; do
        gate_start 'listen 127.0.0.1:5300' "workers $workers"
        resolver=$(resolver_pid) processor=0
        for thread in "/proc/$resolver/task"/*; do
            taskset -pc $((processor++ % $(nproc))) "${thread##*/}" > /dev/null
        done
        server 127.0.0.1 5300 "$resolver"
        perf -d "$W/cached" -n 1
        read -r ns lost < <("$PROGRAMS/burst" 5300 "$resolver" 1000)
        note burst "$1" "$workers,_each_on_a_processor_of_its_own" "ns" "$ns"
        note burst "$1" "$workers,_each_on_a_processor_of_its_own" "=lost" "$lost"
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
    local round
    inet "$PROGRAMS/connect" sink 7000 &
    wait_until 5 bash -c ': < /dev/tcp/203.0.113.20/7000' 2> /dev/null || fail "no sink"
    FOREIGN=0 LOST=0
    for round in $(seq "$ROUNDS"); do connect_round "$round"; done
    heading "connect(), sendto(), ns a call" "udp again" "udp" "tcp" "sendto"
    table connect again udp tcp send
    [ "$FOREIGN" = 0 ] || say "in $FOREIGN of $ROUNDS rounds another gate of this machine was in force: its hooks are in all numbers"
    [ "$LOST" = 0 ] || say "$LOST records of denials were lost, and cost less"
}

spawn_part() {
    local round
    for round in $(seq "$ROUNDS"); do spawn_round "$round"; done
    heading "a process that executes true(1) and ends" "us"
    table spawn us
}

[[ $PARTS != *connect* ]] || connect_part
[[ $PARTS != *spawn* ]] || spawn_part
[[ $PARTS == *resolver* ]] || exit 0
for round in $(seq "$ROUNDS"); do burst_round "$round"; done
heading "cached names that wait, workers" "ns" "lost"
table burst ns =lost

"$PROGRAMS/echo" 5301 &
ECHO_PID=$!
others_up
gate_start 'listen 127.0.0.1:5300' "max-destinations $((ROUNDS * NAMES * 2))"
for round in $(seq "$ROUNDS"); do resolver_round "$round"; done
awk 'BEGIN { print "policy million {"; for (i = 0; i < 1000000; i++) printf "deny .x%d.y%d.test\n", i, i % 1000; print "}" }' |
    policy million
awk 'BEGIN { for (i = 0; i < 20000; i++) printf "x%d.y%d.test A\n", i * 47, i * 47 % 1000 }' > "$W/some"
gate policy reload --quiet || fail "the million names are refused"
for round in $(seq "$ROUNDS"); do million_round "$round"; done
heading "cached names, UDP" "q/s" "cpu us/q" "p50 us" "p99 us" "bad %"
table cached qps cpu p50 p99 =bad
heading "fresh names, UDP" "q/s" "cpu us/q" "bad %"
table fresh qps cpu =bad
