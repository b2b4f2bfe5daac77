#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# An incident: every deployment is strict from the next packet on, whatever becomes of the daemon, until it is over.
. "$(dirname "$0")/lib.sh"
world_up
policy some << 'POLICY'
policy some { allow github.com deny api.github.com }
policy watched { mode audit deny api.github.com }
POLICY
default_policy
gate_start

say "what no rule is for is reached, and is not in an incident"
no_incident() { gate incident status | grep -q '^no incident$'; }
some() { gate run --tag some --policy some -- "$@"; }
watched() { gate run --tag watched --policy watched -- "$@"; }
expect_ok some curl -sS -m 20 https://mirror.internal/
expect_output 'incident on: in force [0-9]+ us' gate incident --reason 'github is down' on
expect_output 'every deployment is strict since .*: github is down' gate incident status
expect_output 'every deployment is strict' gate status
expect_eperm some curl -sSv -m 20 https://mirror.internal/
expect_ok some curl -sS -m 20 https://github.com/
say "not even by one that is only audited"
expect_eperm watched curl -sSv -m 20 https://mirror.internal/
expect_record '.type == "incident" and .event == "on" and .by.uid == 0 and .incident.reason == "github is down"'
expect_record '.type == "denial" and .incident and .evidence == "strict"'

say "who stands under it cannot end it, or have a shorter one"
inside() { some "$B/namegate" --run-dir "$W/run/gate" "$@"; }
expect_fail inside incident off
expect_said 'a deployment cannot end or change an incident'
expect_fail inside incident --for 1s on
expect_said 'outside of deployments'
expect_ok inside incident status
expect_fail inside policy reload
expect_said 'a deployment cannot put other policies in force'

say "it outlives the daemon, killed or ended"
gate_kill
gate_again
expect_output 'github is down' gate incident status
expect_eperm some curl -sSv -m 20 https://mirror.internal/
say "also when nothing but the kernel knows of it"
gate_kill
rm "$W/state/incidents"
gate_again
expect_output 'every deployment is strict .*not on record' gate incident status
expect_eperm some curl -sSv -m 20 https://mirror.internal/
expect_ok gate incident --reason 'github is down' on
expect_ok wait_until 5 no_deployments
gate_stop # nothing is pinned any more: the file alone knows
gate_start
expect_output 'github is down' gate incident status
expect_eperm some curl -sSv -m 20 https://mirror.internal/
expect_ok gate incident off
expect_output '^no incident$' gate incident status
expect_ok some curl -sS -m 20 https://mirror.internal/
expect_fail gate incident off
expect_said 'there is no incident for all'

say "a record that makes no sense is one for all"
gate_stop
echo '{"tag' > "$W/state/incidents"
gate_start
expect_output 'every deployment is strict .*makes no sense' gate incident status
expect_ok gate incident off

say "of one tag, with an end"
expect_ok gate incident --tag some --for 30s on
expect_output 'the tag some are strict since .*, until ' gate incident status
expect_eperm some curl -sSv -m 20 https://mirror.internal/
expect_ok watched curl -sS -m 20 https://mirror.internal/
expect_ok wait_until 20 no_incident
expect_ok some curl -sS -m 20 https://mirror.internal/
expect_record '.type == "incident" and .event == "over" and .by == null'

say "in a deployment that runs: from the command to the first EPERM"

mkdir "$W/probe"
cat > "$W/probe/loop.py" << 'PYTHON'
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
open(sys.argv[1] + "/ready", "w")
end = time.time() + 20
while time.time() < end:
    try:
        s.sendto(b"x", ("203.0.113.20", 9999))
    except PermissionError:
        print(time.time_ns(), file=open(sys.argv[1] + "/denied", "w"), flush=True)
        break
    time.sleep(0.0001)
PYTHON
# The time is taken right before the command is started, and nothing else is between.
cat > "$W/probe/command.py" << 'PYTHON'
import os, sys, time
began = time.time_ns()
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
status = os.waitpid(pid, 0)[1]
print(began, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
PYTHON
took() { # prints us
    rm -f "$W/probe/ready" "$W/probe/denied"
    gate run --tag some --policy some -- python3 "$W/probe/loop.py" "$W/probe" > "$W/probe/log" 2>&1 &
    local loop=$!
    wait_until 5 test -e "$W/probe/ready" || fail "no loop"
    sleep 0.2
    python3 "$W/probe/command.py" "$B/namegate" --run-dir "$W/run/gate" incident on > "$W/out" 2> "$W/probe/began" ||
        fail "$(cat "$W/out" "$W/probe/began")"
    wait $loop
    echo $((($(cat "$W/probe/denied") - $(tail -n 1 "$W/probe/began")) / 1000))
    gate incident off > "$W/out" || fail "$(cat "$W/out")"
}
for _ in 1 2 3 4 5; do took; done | sort -n > "$W/probe/took"
fastest=$(head -n 1 "$W/probe/took")
say "the first EPERM came $(paste -sd ' ' "$W/probe/took") us after the command was started"
expect_eq "it came" "$([ "$fastest" -lt 1000000 ] && echo yes)" yes
say "it takes its time to load libraries: the command has few"
libraries=$(LD_TRACE_LOADED_OBJECTS=1 "$B/namegate" | grep -cvE 'vdso|ld-linux|libc\.so|lib[a-z]*san\.so|libstdc|libgcc|libm\.so|libdl|librt|pthread')
expect_eq "libraries" "$libraries" 2

say "what is wrong is said"
expect_ok gate incident on
expect_fail gate incident --for 2x on
expect_said 'a time is a number with s, m, h or d'
expect_fail gate incident maybe
expect_fail somebody namegate --run-dir "$W/run/gate" incident off
expect_ok gate incident off
