#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The daemon is replaced by one that is built otherwise, and back, under constant attempts and questions; and by one to
# which what is pinned means something else, which refuses while anybody stands under it. NG_UPGRADES: how many, a
# hundred in `make soak`. The other builds come from `make upgrade-builds`.
. "$(dirname "$0")/lib.sh"
OTHER=$HERE/../../build/upgrade/other/namegated
LAYOUT=$HERE/../../build/upgrade/layout/namegated
{ [ -x "$OTHER" ] && [ -x "$LAYOUT" ]; } || { echo "needs make upgrade-builds"; exit 77; }
world_up
default_policy
client reach
mkdir "$W/held" "$W/sbin" "$W/t"
printf 'listen 127.0.0.1:5300\n' > "$W/gate.conf"
gate_options gate
install_one() { cp "$1" "$W/sbin/new" && mv "$W/sbin/new" "$W/sbin/namegated"; }
install_one "$B/namegated"
python3 "$HERE/clients/holder.py" "$W/held" "$W/sbin/namegated" "${OPTIONS[@]}" 2>> "$W/namegated.log" &
holder=$!
ready() { [ "$(stat -c %s "$W/held/ready" 2> /dev/null || echo 0)" -ge "$1" ]; }
wait_until 30 ready 1 || fail "namegated does not start"
keeper() { cat "$W/held/pid"; }
version() { gate status --json | jq -r .version; }
own=$(version)

# Two processes of a deployment that try all the time, and count what they see.
cat > "$W/tries.py" << 'TRIES'
import collections, os, socket, sys, time
where, kind = sys.argv[1], sys.argv[2]
seen = collections.Counter()
def put(count):
    open(where + "/" + kind + ".new", "w").write(str(count))
    os.rename(where + "/" + kind + ".new", where + "/" + kind)
while not os.path.exists(where + "/end"):
    try:
        if kind == "tcp":
            socket.create_connection(("198.51.100.10", 80), 3).close()
        else:
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("198.51.100.10", 9999))
        seen["through"] += 1
    except OSError as e:
        seen[e.strerror or str(e)] += 1
    time.sleep(0.0005)
    if sum(seen.values()) % 100 == 0:
        put(sum(seen.values()))
put(sum(seen.values()))
open(where + "/" + kind + ".seen", "w").write(str(sorted(seen)))
TRIES
gate run --tag tries -- sh -c "dig +short github.com > /dev/null; python3 $W/tries.py $W/t tcp & python3 $W/tries.py $W/t udp & wait" \
    2> "$W/tries.log" &
trying=$!
tries() { cat "$W/t/tcp" 2> /dev/null || echo 0; }
more_tries() { [ "$(tries)" -gt "$1" ] 2> /dev/null; }
wait_until 10 more_tries 100 || fail "nobody tries: $(cat "$W/tries.log")"
gate run --tag asks -- python3 "$HERE/clients/asks.py" "$W" deployment 192.0.2.53 53 > "$W/deployment" 2> "$W/deployment.err" &
one=$!
python3 "$HERE/clients/asks.py" "$W" others 127.0.0.1 5300 > "$W/others" 2> "$W/others.err" &
two=$!
both() { [ "$(deployments)" = 2 ]; }
wait_until 10 both || fail "not both: $(gate list)"

upgrades=${NG_UPGRADES:-6}
say "$upgrades upgrades, of one that is killed or ended, to one that is built otherwise, and back"
starts=1
replace() { # BINARY SIGNAL
    install_one "$1"
    kill -"$2" "$(keeper)"
    starts=$((starts + 1))
    wait_until 30 ready $starts || fail "it does not come back"
}
for i in $(seq "$upgrades"); do
    replace "$([ $((i % 2)) = 1 ] && echo "$OTHER" || echo "$B/namegated")" "$([ $((i % 3)) = 0 ] && echo KILL || echo TERM)"
    expect_eq "version after $i" "$(version)" "$([ $((i % 2)) = 1 ] && echo "$own-other" || echo "$own")"
    expect_eq "deployments after $i" "$(deployments)" 2
    expect_ok gate policy reload
    n=$(tries)
    wait_until 10 more_tries "$n" || fail "nobody tries"
done
touch "$W/end"
wait $one $two
sed 's/^/# /' "$W/deployment.err" "$W/others.err" | grep -a asked
expect_eq "a deployment's questions" "$(cat "$W/deployment")" "deployment True 0 0"
expect_eq "others' questions" "$(cat "$W/others")" "others True 0 0"

say "one to which what is pinned means something else refuses, and what is in force stays"
kept=$(sort "$W/held/names")
install_one "$LAYOUT"
kill -TERM "$(keeper)"
refused() { grep -q "the layout of 'deployments' is another one" "$W/namegated.log"; }
wait_until 20 refused || fail "it does not refuse"
expect_output 'run the version that made it' cat "$W/namegated.log"
n=$(tries)
wait_until 10 more_tries $((n + 500)) || fail "the deployment does not go on"
expect_fail gate status
ready $((starts + 1)) && fail "it started"
expect_eq "sockets kept" "$(sort "$W/held/names")" "$kept"
say "the one that made it takes it over"
install_one "$B/namegated"
starts=$((starts + 1))
wait_until 30 ready $starts || fail "it does not come back"
expect_eq "deployments" "$(gate list --json | jq -r '[.deployments[].tag] | join(" ")')" tries

say "when the last one has ended, the gate is made anew"
install_one "$LAYOUT"
kill -KILL "$(keeper)"
touch "$W/t/end"
wait $trying
starts=$((starts + 1))
wait_until 30 ready $starts || fail "it does not start"
expect_eq "deployments" "$(deployments)" 0
expect_output 'it is made anew' cat "$W/namegated.log"
expect_eperm run curl -sSv -m 20 https://api.github.com/
expect_ok run curl -sS -m 20 https://mirror.internal/
expect_ok "$B/tests/clients/reach" tcp 198.51.100.10 443
for kind in tcp udp; do
    expect_eq "kinds of outcome of $(cat "$W/t/$kind") tries" "$(cat "$W/t/$kind.seen")" "['Operation not permitted']"
done
say "$(cat "$W/t/tcp") connections and $(cat "$W/t/udp") datagrams were tried"
kill -TERM $holder
wait $holder
expect_eq "status" $? 0
