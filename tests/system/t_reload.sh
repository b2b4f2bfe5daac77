#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Reloads under a load of lookups and connections: no moment without a verdict, no lookup lost, nothing leaks. NG_RELOADS:
# how many, a thousand in `make soak`.
. "$(dirname "$0")/lib.sh"
! sanitized || NG_RELOADS=${NG_RELOADS:-60} # each takes four times as long there
RELOADS=${NG_RELOADS:-200}
world_up
gate_options gate
version() { # N: the ports differ each time, so that each has a profile of its own
    echo "policy deploy {
    deny .github.com
    deny other.test port $((1 + $1 % 30000))
    allow *.v$1.test port $((1 + $1 % 20000))-$((20001 + $1 % 20000))
}" | policy deploy
}
version 0
gate_start 'grace 0s' 'floor 1s'

load='import os, socket, subprocess, sys, time
where, seen, lookups, lost = sys.argv[1], {}, 0, 0
assert subprocess.run(["dig", "+short", "api.github.com"], capture_output=True).stdout
while not os.path.exists(where + "/end"):
    for address in "198.51.100.10", "198.51.100.11":
        try:
            socket.create_connection((address, 443), 3).close()
            result = "through"
        except OSError as e:
            result = os.strerror(e.errno or 0)
        seen[result] = seen.get(result, 0) + 1
    for name in "mirror.internal", "api.github.com", "n%d.test" % lookups:
        lookups += 1
        for attempt in range(2):
            try:
                socket.getaddrinfo(name, 443, socket.AF_INET)
                break
            except socket.gaierror as e:
                if e.errno == socket.EAI_NONAME:
                    break
        else:
            lost += 1
    time.sleep(0.002)
open(where + "/seen", "w").write("%s %d" % (" ".join(seen), lost))'
mkdir "$W/load"
gate run --tag load -- python3 -c "$load" "$W/load" > "$W/load.log" 2>&1 &
loader=$!
running() { [ "$(deployments)" = 1 ]; }
wait_until 10 running || fail "$(cat "$W/load.log")"

memory() { awk '/VmRSS/ { print $2 }' "/proc/$1/status"; }
descriptors() { find "/proc/$1/fd" -mindepth 1 | wc -l; }
resolver=$(resolver_pid)
for ((n = 1; n <= RELOADS; n++)); do
    version "$n"
    gate policy reload --quiet > "$W/out" 2>&1 || fail "reload $n: $(cat "$W/out")"
    if [ "$n" = $((RELOADS / 2)) ]; then
        before=("$(memory "$GATE_PID")" "$(memory "$resolver")" "$(descriptors "$GATE_PID")" "$(descriptors "$resolver")")
    fi
done
CHECKS=$((CHECKS + 1))
after=("$(memory "$GATE_PID")" "$(memory "$resolver")" "$(descriptors "$GATE_PID")" "$(descriptors "$resolver")")
say "after $((RELOADS / 2)) reloads ${before[*]}, after $RELOADS ${after[*]} (KiB of keeper and resolver, descriptors of both)"
expect_eq "the resolver" "$(resolver_pid)" "$resolver"
for i in 0 1; do
    # The keeper remembers its last records. ASan keeps what is freed for a while, and finds what is lost at the end.
    [ "${after[i]}" -le $((before[i] + 4096 + 2 * $(stat -c %s "$W/state/events.jsonl") / 1024)) ] ||
        sanitized || fail "memory grows: ${before[*]}, ${after[*]}"
done
for i in 2 3; do # some are of questions under way
    [ "${after[i]}" -le $((before[i] + 8)) ] || fail "descriptors: ${before[*]:2}, ${after[*]:2}"
done
CHECKS=$((CHECKS + 4))
touch "$W/load/end"
wait "$loader"
expect_eq "what the load saw" "$(cat "$W/load/seen")" "Operation not permitted 0"
profiles=$(bpftool map dump pinned "$W/bpf/gate/profiles" 2> /dev/null | grep -c '"key"\|^key' || true)
say "$profiles profiles in the kernel"
[ "$profiles" -le 10 ] || fail "$profiles profiles are left in the kernel"
