#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A policy with a million names: how long it takes to compile and to open, how large it is, what a lookup costs; beside
# servers that load the same names, where they are installed, with what they need to refuse one over DNS. Medians of
# ROUNDS (3) interleaved rounds. All on the loopback of a network namespace of its own; no time makes this fail.
set -u
[ "${OWN_NETWORK:-}" ] || exec unshare --net env OWN_NETWORK=1 "$0" "$@"
ip link set lo up
B=${B:-build}
ROUNDS=${ROUNDS:-3}
COUNT=${COUNT:-1000000}
W=$(mktemp -d /tmp/namegate-bench.XXXXXX)
trap 'rm -rf "$W"' EXIT

awk -v n="$COUNT" 'BEGIN {
    srand(1)
    split("com net org io de co.uk", tops, " ")
    split("ads www track cdn a1 metrics", hosts, " ")
    while (i < n) {
        name = ""
        for (k = 4 + int(rand() * 7); k > 0; k--) name = name substr("abcdefghijklmnopqrstuvwxyz", 1 + int(rand() * 26), 1)
        name = name "." tops[1 + int(rand() * 6)]
        if (rand() < 0.4) name = hosts[1 + int(rand() * 6)] "." name
        if (!(name in seen)) { seen[name] = 1; print name; i++ }
    }
}' > "$W/all"
head -n 1000 "$W/all" > "$W/few"
for set in few all; do
    { echo 'policy p {'; sed 's/^/    deny ./' "$W/$set"; echo '}'; } > "$W/$set.policy"
done
sed 's|.*|address=/&/|' "$W/all" > "$W/dnsmasq.names"
sed 's|.*|local-zone: "&" always_nxdomain|' "$W/all" > "$W/unbound.names"

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

shuf -n 20000 --random-source="$W/all" "$W/all" | sed 's/$/ A/' > "$W/asked"

answers() { dig +tries=1 +time=1 @127.0.0.1 -p "$1" "$(head -n 1 "$W/all")" A 2> /dev/null | grep -q 'status: NXDOMAIN'; }

cpu_us() { awk '{ sum += $1 } END { printf "%.0f\n", sum / 1000 }' "/proc/$1/task"/*/schedstat; }

# Milliseconds until it answers, its memory in MiB, processor time in us for each of the names refused over DNS.
server() { # NAME PORT COMMAND...
    local begin pid before answered name=$1 port=$2
    shift 2
    begin=$(date +%s%N)
    "$@" > "$W/$name.log" 2>&1 &
    pid=$!
    until answers "$port"; do
        if ! kill -0 "$pid" 2> /dev/null || [ $((($(date +%s%N) - begin) / 1000000000)) -ge 60 ]; then
            echo "  $name does not start: $(tail -n 1 "$W/$name.log")"
            kill "$pid" 2> /dev/null
            wait "$pid" 2> /dev/null
            return
        fi
        sleep 0.02
    done
    echo $((($(date +%s%N) - begin) / 1000000)) >> "$W/$name.ms"
    awk '/VmRSS/ { print int($2 / 1024) }' "/proc/$pid/status" >> "$W/$name.mib"
    before=$(cpu_us "$pid")
    answered=$(dnsperf -s 127.0.0.1 -p "$port" -c 4 -q 200 -t 1 -n 3 -d "$W/asked" | awk '/Queries completed:/ { print $3 }')
    awk -v us=$(($(cpu_us "$pid") - before)) -v n="$answered" 'BEGIN { printf "%.1f\n", us / n }' >> "$W/$name.us"
    kill "$pid"
    wait "$pid" 2> /dev/null
}

cat > "$W/unbound.conf" << CONF
server:
    interface: 127.0.0.1@5391
    username: ""
    chroot: ""
    directory: "$W"
    pidfile: ""
    use-syslog: no
    do-daemonize: no
    num-threads: 1
    include: "$W/unbound.names"
CONF
cat > "$W/dnsdist.conf" << CONF
setLocal("127.0.0.1:5392")
newServer("127.0.0.1:5399")
local names = newSuffixMatchNode()
for line in io.lines("$W/all") do names:add(newDNSName(line)) end
addAction(SuffixMatchNodeRule(names), RCodeAction(3))
CONF

for ((round = 1; round <= ROUNDS; round++)); do
    "$B/tests/bench/policy" "$W/all.policy" "$W/all" >> "$W/all.numbers"
    "$B/tests/bench/policy" "$W/few.policy" "$W/few" >> "$W/few.numbers"
    command -v dnsmasq > /dev/null && server dnsmasq 5390 dnsmasq --keep-in-foreground --conf-file="$W/dnsmasq.names" \
        --port=5390 --listen-address=127.0.0.1 --bind-interfaces --no-resolv --no-hosts --user=root --pid-file=
    command -v unbound > /dev/null && server unbound 5391 unbound -d -c "$W/unbound.conf"
    command -v dnsdist > /dev/null && server dnsdist 5392 dnsdist --supervised --disable-syslog -C "$W/dnsdist.conf"
done

column() { awk -v c="$2" '{ print $c }' "$W/$1.numbers" | median; }
echo "A policy with $COUNT names (deny .NAME), medians of $ROUNDS rounds"
printf '  %-28s %10s %10s %12s %14s\n' '' 'load ms' 'MiB' 'octets/name' 'cpu us/query'
printf '  %-28s %10s %10s %12s %14s\n' 'namegate, compile and open' $(($(column all 2) + $(column all 3))) \
    "$(awk -v o="$(column all 4)" -v n="$COUNT" 'BEGIN { printf "%.0f", o * n / 1048576 }')" "$(column all 4)" \
    '(see below)'
for peer in dnsmasq unbound dnsdist; do
    [ -s "$W/$peer.ms" ] && printf '  %-28s %10s %10s %12s %14s\n' "$peer, until it answers" "$(median < "$W/$peer.ms")" \
        "$(median < "$W/$peer.mib")" '' "$(median < "$W/$peer.us")"
done
printf '  %-28s %10s %10s %12s\n' 'a lookup, ns' hit '10 labels' miss
printf '  %-28s %10s %10s %12s\n' "  of $COUNT names" "$(column all 5)" "$(column all 6)" "$(column all 7)"
printf '  %-28s %10s %10s %12s\n' '  of 1000 names' "$(column few 5)" "$(column few 6)" "$(column few 7)"
echo "  (one access to memory outside of the caches, measured beside: $("$B/tests/bench/policy" --latency) ns)"
