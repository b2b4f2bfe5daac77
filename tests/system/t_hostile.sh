#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A user of this host who may start deployments and wants through, or wants others not to work: what is not gated is out
# of reach of the account that it runs as, and nobody can use up the daemon.
. "$(dirname "$0")/lib.sh"
world_up
default_policy
gate_start 'group nogroup'
chmod 755 "$W/run" "$W/run/gate"
mine() { somebody namegate --run-dir "$W/run/gate" --state-dir "$W/state" "$@"; }
cp "$HERE/clients/trace.py" "$W/trace.py" && chmod 644 "$W/trace.py"
trace() { /usr/bin/python3 "$W/trace.py" "$@"; }

say "the resolver's account cannot trace the resolver or take its maps"
victim=$(resolver_pid)
expect_eq "its account" "$(ps -o user= -p "$victim")" nobody
for how in attach seize getfd mem; do
    ACCOUNT=nobody expect_output "$how: (Operation not permitted|Permission denied)" somebody /usr/bin/python3 "$W/trace.py" $how "$victim"
done
expect_output 'attach: ok' trace attach "$victim"
say "nor is its account one to deploy with"
ACCOUNT=nobody expect_output "account that the resolver runs as" mine run -- true
expect_eq "status" "$(ACCOUNT=nobody mine run -- true 2> /dev/null; echo $?)" 125

say "a stopped resolver is replaced, and what was denied stays denied"
victim=$(resolver_pid)
expect_eperm run curl -sSv -m 20 https://api.github.com/
kill -STOP "$victim"
expect_eperm run python3 -c 'import socket; socket.create_connection(("198.51.100.11", 443), 5)'
replaced() { [ "$(resolver_pid)" != "$victim" ] && [ "$(gate status --json | jq .resolver.running)" = true ]; }
wait_until 30 replaced || fail "it is not replaced: $(gate status)"
expect_record '.type == "trouble" and .trouble == "silent"'
expect_ok run curl -sS -m 20 https://mirror.internal/

say "the command cannot make its parent, which is not gated, its hands"
expect_output 'attach: Operation not permitted' mine run -- sh -c "/usr/bin/python3 $W/trace.py attach \$PPID"
expect_output 'getfd: Operation not permitted' mine run -- sh -c "/usr/bin/python3 $W/trace.py getfd \$PPID"

say "idle and many connections keep nobody from asking"
holder=
too_many() { # idle ones are ended after ten seconds
    [ -z "$holder" ] || kill "$holder"
    setpriv --reuid games --regid nogroup --clear-groups /usr/bin/python3 -c '
import socket, sys, time
held = []
for i in range(300):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    held.append(s)
print("held", flush=True)
time.sleep(600)' "$W/run/gate/control.sock" > "$W/held" &
    holder=$!
    wait_until 10 grep -q held "$W/held" || fail "no connections"
    mine status > "$W/out" 2>&1
    grep -q 'too many connections' "$W/out"
}
once_of 3 too_many || fail "not too many: $(cat "$W/out")"
expect_ok gate status
ACCOUNT=daemon expect_ok mine status
asks_again() { mine status > "$W/out" 2>&1; }
wait_until 30 asks_again || fail "idle connections stay: $(cat "$W/out")"
kill "$holder"

say "long arguments are kept short, a large policy is refused"
expect_ok mine run --tag long -- true "$(head -c 60000 /dev/zero | tr '\0' x)"
expect_record '.tag == "long" and .event == "started" and (.argv | tostring | length) < 5000'
{ echo 'policy big {'; seq -f 'deny n%g.test' 30000; echo '}'; } > "$W/big.policy"
expect_output 'exceed 256 KiB' mine run --policy "$W/big.policy" -- true
expect_ok gate run --policy "$W/big.policy" -- true
none_kept() { [ -z "$(ls "$W/run/gate/adhoc")" ]; }
wait_until 5 none_kept || fail "kept: $(ls "$W/run/gate/adhoc")"

say "a flood of denials takes nobody's room, and what is lost is told"
expect_eperm run curl -sSv -m 20 https://github.com/
client deny
expect_ok gate run --tag flood -- "$B/tests/clients/deny" 198.51.100.10 60000 0 2 # as fast as it goes
expect_output 'there were too many' gate status
expect_output 'github.com:443' gate events --tag curl
flooded() { grep '"tag":"flood"' "$W/state/events.jsonl" | grep -c '"type":"denial"'; }
CHECKS=$((CHECKS + 1))
[ "$(flooded)" -le 36000 ] || fail "$(flooded) records of a flood"

say "nor does one whose records are long keep the daemon from others"
cat > "$W/long.py" << 'SCRIPT'
import os, socket, sys, time
if int(sys.argv[1]):
    os.execv(sys.executable, [sys.executable, "-S", sys.argv[0], str(int(sys.argv[1]) - 1), "\1" * 460])
end = time.time() + 120 # until it is killed
while time.time() < end:
    try:
        with socket.socket() as s:
            s.connect(("198.51.100.10", 443))
    except OSError:
        pass
SCRIPT
chmod 644 "$W/long.py"
mine run --tag records -- /usr/bin/python3 "$W/long.py" 40 > "$W/long.out" 2>&1 &
long=$!
records_made() { gate list --json | jq -e '.deployments[] | select(.tag == "records").denied > 0' > /dev/null; }
wait_until 30 records_made || fail "nothing is denied: $(cat "$W/long.out")"
answered_soon() {
    local began report
    mine report --last > "$W/report.out" 2>&1 &
    report=$!
    began=$EPOCHREALTIME
    expect_output "deployments" gate status
    took=$((${EPOCHREALTIME/./} - ${began/./}))
    wait $report
    [ $took -lt $most ]
}
most=4000000
! sanitized || most=8000000
once_of 5 answered_soon || fail "the daemon was busy for $took us, and not less before"
kill $long
wait $long || :
