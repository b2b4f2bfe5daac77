#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What was not started by `run` becomes a deployment, and none again.
. "$(dirname "$0")/lib.sh"
world_up
default_policy
policy tight << 'POLICY'
policy tight { mode strict allow mirror.internal }
POLICY
gate_start
# Attempts, as fast as they are asked for: "try HOST" on its standard input.
cat > "$W/agent.py" << 'AGENT'
import os, socket, subprocess, sys
for line in sys.stdin:
    word = line.split()
    try:
        if word[0] == "try":
            socket.create_connection((word[1], 80), 3).close()
        elif word[0] == "hold":
            held = socket.create_connection((word[1], 80), 3)
        elif word[0] == "held":
            held.settimeout(20)
            held.recv(1)
        elif word[0] == "child":
            subprocess.run([sys.executable, "-c", "import socket; socket.create_connection(('%s', 80), 3)" % word[1]],
                           check=True, stderr=subprocess.DEVNULL)
        print("through", flush=True)
    except subprocess.CalledProcessError:
        print("child failed", flush=True)
    except OSError as e:
        print(os.strerror(e.errno) if e.errno else e, flush=True)
AGENT
declare -A to from
agent() { # NAME: its process id is $pid
    local in out
    mkfifo "$W/$1.in" "$W/$1.out"
    python3 "$W/agent.py" < "$W/$1.in" > "$W/$1.out" 2> "$W/$1.err" &
    pid=$!
    exec {in}> "$W/$1.in" {out}< "$W/$1.out"
    to[$1]=$in from[$1]=$out
}
tell() { # NAME WORDS...: its answer
    local name=$1 answer
    shift
    echo "$*" >&"${to[$name]}"
    read -r -t 30 answer <&"${from[$name]}" || answer="no answer"
    echo "$answer"
}
denied='Operation not permitted'

say "a cgroup, with all in it, and what comes into it"
agent one
one=$pid
mkdir "$CGROUP/box"
echo "$one" > "$CGROUP/box/cgroup.procs"
expect_eq "before" "$(tell one try api.github.com)" through
expect_eq "held" "$(tell one hold github.com)" through
id=$(gate attach --tag boxed --cgroup "$CGROUP/box") || fail "cannot attach: $(gate attach --tag boxed --cgroup "$CGROUP/box" 2>&1)"
expect_eq "cut" "$(tell one held)" 'Software caused connection abort'
expect_eq "attached" "$(tell one try api.github.com)" "$denied"
expect_eq "a child" "$(tell one child api.github.com)" 'child failed'
expect_eq "elsewhere" "$(tell one try mirror.internal)" through
expect_ok curl -sS -m 20 http://api.github.com/
expect_output "$id" gate list
expect_record '.type == "deployment" and .event == "started" and .tag == "boxed"'
expect_fail gate attach --tag twice --cgroup "$CGROUP/box"
expect_said 'is a deployment already'
agent two
two=$pid
echo "$two" > "$CGROUP/box/cgroup.procs"
expect_eq "came later" "$(tell two try api.github.com)" "$denied"
say "it stands over the death of the keeper"
gate_kill
expect_eq "no keeper" "$(tell one try 198.51.100.11)" "$denied"
gate_again
expect_eq "another keeper" "$(tell one try api.github.com)" "$denied"
say "what is started inside stands under both"
expect_eperm sh -c "echo \$\$ > '$CGROUP/box/cgroup.procs'; exec '$B/namegate' --run-dir '$W/run/gate' run --mode audit -- curl -sSv -m 20 http://api.github.com/"
say "detached, all is as before"
expect_fail sh -c "echo \$\$ > '$CGROUP/box/cgroup.procs'; exec '$B/namegate' --run-dir '$W/run/gate' detach $id"
expect_said 'inside a deployment'
expect_ok gate detach "$id"
expect_eq "detached" "$(tell one try api.github.com)" through
expect_ok wait_until 5 no_deployments
expect_ok test -d "$CGROUP/box"
expect_fail gate detach "$id"
expect_said 'no such deployment'
say "what is inside runs on when the one around it is detached, and stands under the next one"
cat > "$W/inner.sh" << 'INNER'
for i in 1 2 3; do
    touch "$1/inner.$i"
    while ! [ -e "$1/inner.$i.go" ]; do sleep 0.05; done
    curl -sS -m 20 http://other.test/ > "$1/got" 2>&1 && echo through > "$1/got"
    mv "$1/got" "$1/inner.$i.out"
done
INNER
id=$(gate attach --tag boxed --policy tight --cgroup "${CGROUP#"$CGROUP_MOUNT"}/box")
sh -c "echo \$\$ > '$CGROUP/box/cgroup.procs'; exec '$B/namegate' --run-dir '$W/run/gate' --state-dir '$W/state' run -- sh '$W/inner.sh' '$W'" > "$W/inner.out" 2>&1 &
inner=$!
step() { # NUMBER
    wait_until 10 test -e "$W/inner.$1" || fail "it does not come to $1: $(cat "$W/inner.out")"
    touch "$W/inner.$1.go"
    wait_until 10 test -s "$W/inner.$1.out" || fail "nothing came of $1"
}
step 1
expect_output 'not permitted|onnect' cat "$W/inner.1.out"
expect_ok gate detach "$id"
expect_eq "the one inside" "$(deployments)" 1
step 2
expect_eq "detached" "$(cat "$W/inner.2.out")" through
gate attach --tag boxed --policy tight --cgroup "$CGROUP/box" > "$W/id"
expect_eq "strict" "$(tell one try other.test)" "$denied"
step 3
expect_output 'not permitted|onnect' cat "$W/inner.3.out"
wait $inner
say "it ends with its cgroup"
kill "$one" "$two"
wait "$one" "$two" 2> /dev/null
expect_eq "still there" "$(deployments)" 1
rmdir "$CGROUP/box"
expect_ok wait_until 5 no_deployments

say "a process, with what it has started"
agent three
three=$pid
expect_eq "before" "$(tell three try api.github.com)" through
id=$(gate attach --tag proc --mode block --pid "$three")
expect_eq "attached" "$(tell three try api.github.com)" "$denied"
expect_eq "a child" "$(tell three child api.github.com)" 'child failed'
expect_ok curl -sS -m 20 http://api.github.com/
expect_ok gate detach "$id"
expect_eq "detached" "$(tell three try api.github.com)" through
expect_eq "its cgroup" "$(sed -n 's/^0:://p' "/proc/$three/cgroup")" "$(sed -n 's/^0:://p' /proc/self/cgroup)"
cat > "$W/tree.sh" << 'TREE'
sh -c 'echo $$ > "$0/leaf"; while :; do sleep 0.05; if [ -e "$0/leaf.go" ]; then exec curl -sSv -m 20 http://api.github.com/; fi; done' "$1" > "$1/leaf.out" 2>&1 &
touch "$1/tree"
wait
TREE
sh -c 'sh "$0" "$1" & wait' "$W/tree.sh" "$W" &
tree=$!
wait_until 10 test -s "$W/leaf" || fail "no tree"
id=$(gate attach --tag tree --pid $tree)
expect_ok grep -q "$id" "/proc/$(cat "$W/leaf")/cgroup"
touch "$W/leaf.go"
wait $tree
expect_output "$denied" cat "$W/leaf.out"
expect_ok wait_until 5 no_deployments

say "what lost its parent: by its session or process group; of what has none of these it is told"
cat > "$W/orphans.sh" << 'ORPHANS'
(sleep 60 & echo $! > "$1/same-session")
(setsid sh -c 'echo $$ > "$0/own-session"; exec sleep 60' "$1" &)
while ! [ -s "$1/own-session" ]; do sleep 0.05; done
touch "$1/orphaned"
exec sleep 60
ORPHANS
sleep 60 & # of somebody else
other=$!
setsid sh "$W/orphans.sh" "$W" &
orphans=$!
wait_until 10 test -e "$W/orphaned" || fail "no orphans"
wait_until 10 grep -qx sleep "/proc/$(cat "$W/own-session")/comm" || fail "it does not sleep"
gate attach --tag orphans --pid $orphans > "$W/id" 2> "$W/left"
expect_ok grep -q "$(cat "$W/id")" "/proc/$(cat "$W/same-session")/cgroup"
expect_fail grep -q "$(cat "$W/id")" "/proc/$(cat "$W/own-session")/cgroup"
expect_fail grep -q "$(cat "$W/id")" "/proc/$other/cgroup"
expect_output "not attached, and perhaps started by it: $(cat "$W/own-session") \(sleep\)$" cat "$W/left"
expect_ok gate attach --tag orphans --pid "$(cat "$W/own-session")"
kill $orphans $other "$(cat "$W/same-session")" "$(cat "$W/own-session")"
wait $orphans $other 2> /dev/null
expect_ok wait_until 5 no_deployments

say "a unit"
mkdir -p "$CGROUP/a.slice/web.service" "$CGROUP/b.slice/db.service" "$CGROUP/a.slice/db.service"
echo "$three" > "$CGROUP/a.slice/web.service/cgroup.procs"
id=$(gate attach --tag unit --unit web)
expect_eq "attached" "$(tell three try api.github.com)" "$denied"
expect_fail gate attach --tag unit --unit db
expect_said '2 cgroups have the name db.service'
expect_fail gate attach --tag unit --unit none.socket
expect_said 'no cgroup has the name none.socket'
expect_ok gate detach "$id"

say "what cannot be attached"
expect_fail gate attach --tag x --cgroup /
expect_said 'holds the whole host'
expect_fail gate attach --tag x --cgroup "$CGROUP"
expect_said 'the daemon itself is in'
expect_fail gate attach --tag x --cgroup "$CGROUP/none"
expect_said 'there is no cgroup'
expect_fail gate attach --tag x --cgroup /tmp
expect_fail gate attach --tag x --cgroup "$CGROUP/../../../../../tmp"
expect_fail gate attach --tag x --pid "$GATE_PID"
expect_said 'is the daemon'
expect_fail gate attach --tag x --pid 1
expect_fail gate attach --tag x --pid 4194303
expect_said 'there is no process'
expect_fail gate attach --tag x --policy none --pid "$three"
expect_said "there is no policy 'none'"
expect_fail gate attach --tag x --pid "$three" --unit web
expect_fail gate attach --pid "$three"
expect_eq "none is left" "$(deployments)" 0
expect_eq "free" "$(tell three try api.github.com)" through
