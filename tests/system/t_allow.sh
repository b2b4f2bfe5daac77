#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Breaking the glass: one tag may reach one name for a while, whatever denies it, and nothing else becomes reachable.
. "$(dirname "$0")/lib.sh"
world_up
policy some << 'POLICY'
policy some { deny github.com, *.github.com deny 198.51.100.13 deny notgithub.com { answer refuse } }
POLICY
policy tight << 'POLICY'
policy tight { mode strict allow mirror.internal }
POLICY
gate_start
allow() { gate allow --reason "fixing it" --for 10m "$@"; }
some() { gate run --tag some --policy some -- "$@"; }
other() { gate run --tag other --policy some -- "$@"; }
nothing_granted() { gate allow | grep -qx 'nothing is granted'; }
get() { echo curl -sSv -m 20 "https://$1/"; }

say "before, it is denied; then it is reached, by whoever has the tag"
# shellcheck disable=SC2046
{
expect_eperm some $(get api.github.com)
expect_output 'tag some may reach api.github.com until .*Z: fixing it' allow --tag some api.github.com
expect_ok some $(get api.github.com)
expect_eperm some $(get github.com)
expect_eperm other $(get api.github.com)
expect_record '.type == "grant" and .event == "on" and .grant.name == "api.github.com" and .by.uid == 0'
expect_output 'grant on: api.github.com for tag some, by .*: fixing it' gate events --all
say "also where its address is denied, and where the answer is refused"
expect_ok allow --tag some status.github.com
expect_ok some $(get status.github.com)
expect_fail some $(get notgithub.com)
expect_ok allow --tag some notgithub.com
expect_ok some $(get notgithub.com)
expect_fail other $(get notgithub.com)
say "in strict mode, and in an incident"
tight() { gate run --tag tight --policy tight -- "$@"; }
expect_eperm tight $(get other.test)
expect_ok allow --tag tight other.test
expect_ok tight $(get other.test)
expect_ok gate incident on
expect_ok some $(get api.github.com)
expect_ok tight $(get other.test)
expect_eperm some $(get mirror.internal)
expect_ok gate incident off
}

say "in a deployment that runs, for a literal address, at once; and cut when it is over"
cat > "$W/runs.py" << 'RUNS'
import os, socket, sys, time
d = sys.argv[1]
def step(n):
    open("%s/%d" % (d, n), "w").close()
    while not os.path.exists("%s/%d.go" % (d, n)):
        time.sleep(0.01)
def attempt():
    try:
        s = socket.create_connection(("198.51.100.10", 80), 3)
        print("through", flush=True)
        return s
    except OSError as e:
        print(os.strerror(e.errno), flush=True)
attempt()
step(1)
s = attempt()
step(2)
s.settimeout(20)
try:
    print(len(s.recv(1)), flush=True)
except OSError as e:
    print(os.strerror(e.errno), flush=True)
attempt()
RUNS
mkdir "$W/d"
some python3 "$W/runs.py" "$W/d" > "$W/ran" 2> "$W/err" &
runs=$!
wait_until 10 test -e "$W/d/1" || fail "it does not run: $(cat "$W/err")"
expect_ok allow --tag some github.com
touch "$W/d/1.go"
wait_until 10 test -e "$W/d/2" || fail "it does not go on"
expect_ok gate allow --tag some --end github.com
touch "$W/d/2.go"
wait $runs
expect_eq "ran" "$(cat "$W/ran")" "Operation not permitted
through
Software caused connection abort
Operation not permitted"
expect_record '.type == "grant" and .event == "off"'

say "over the death of resolver and keeper, and a reload"
# shellcheck disable=SC2046
{
expect_ok gate policy reload
expect_ok some $(get api.github.com)
kill -9 "$(gate status --json | jq .resolver.pid)"
expect_ok some $(get api.github.com)
gate_kill
gate_again
expect_output 'tag some may reach api.github.com' gate allow
expect_ok some $(get api.github.com)
expect_eperm other $(get api.github.com)
say "its time ends it, also where no keeper lives to"
brief() { gate run --tag brief --policy some -- "$@"; }
expect_ok allow --tag brief api.github.com
expect_ok brief $(get api.github.com)
expect_ok gate allow --tag brief --for 10s --reason x api.github.com
}
brief sh -c 'touch "$1/3"; while ! [ -e "$1/3.go" ]; do sleep 0.05; done; exec curl -sSv -m 20 http://198.51.100.11/' _ "$W/d" \
    > "$W/ran" 2>&1 &
runs=$!
wait_until 10 test -e "$W/d/3" || fail "it does not run"
gate_kill
sleep 10
touch "$W/d/3.go"
wait $runs
expect_output 'not permitted' cat "$W/ran"
gate_again
expect_record '.type == "grant" and .event == "over" and .grant.tag == "brief"'

say "who may not, and what is not understood"
chmod 755 "$W/run" "$W/run/gate"
expect_fail some "$B/namegate" --run-dir "$W/run/gate" allow --tag some --for 1h --reason x github.com
expect_said 'a deployment cannot grant itself'
expect_fail gate allow --tag some --for 2d --reason x github.com
expect_said 'a day at most'
expect_fail gate allow --tag some --for 1h --reason x '*.github.com'
expect_said 'that is no name'
expect_fail gate allow --tag some github.com
expect_said 'for is missing'
expect_fail gate allow --for 1h --reason x github.com
expect_said 'tag is missing'
expect_fail gate allow --tag some --end github.com
expect_said 'no such grant'
for name in api.github.com status.github.com notgithub.com; do expect_ok gate allow --tag some --end $name; done
expect_ok gate allow --tag tight --end other.test
expect_ok nothing_granted
