#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# How denials look: each shape of `respond`, `shared allow`, and `on-agent-loss closed`.
. "$(dirname "$0")/lib.sh"
world_up
policy deploy << 'POLICY'
policy deploy {
    deny 198.51.100.40
    deny 198.51.100.41 { respond eacces }
    deny 198.51.100.42 { respond refused }
    deny 198.51.100.43 { respond unreachable }
    deny 198.51.100.44 { respond timeout }
    deny github.com { respond refused }
    deny other.test { shared allow }
    allow wanted.test
    deny eperm.test
    deny eacces.test { respond eacces }
    deny refused.test { respond refused }
    deny unreachable.test { respond unreachable }
    deny timeout.test { respond timeout }
}
policy shut { on-agent-loss closed }
policy open { }
POLICY
zone_add 'wanted.test. 300 IN A 203.0.113.21'
last=60
for shape in eperm eacces refused unreachable timeout; do # each with the next one, and by itself
    for address in $((last + 10)) $((last++)) $last; do zone_add "$shape.test. 300 IN A 203.0.113.$address"; done
done
dns_down
write_zone
dns_up
gate_start
tcp='import os, socket, sys
try:
    socket.create_connection((sys.argv[1], 443), 1)
    print("through")
except socket.timeout:
    print("timeout")
except OSError as e:
    print(os.strerror(e.errno))'
udp='import os, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try:
    s.sendto(b"x", (sys.argv[1], 9))
    s.connect((sys.argv[1], 9))
    s.send(b"x")
    print("sent")
except OSError as e:
    print(os.strerror(e.errno))'
say "respond"
shape() { # ADDRESS TCP UDP
    expect_eq "TCP to $1" "$(run python3 -c "$tcp" "$1" 2> /dev/null)" "$2"
    expect_eq "UDP to $1" "$(run python3 -c "$udp" "$1" 2> /dev/null)" "$3"
}
shape 198.51.100.40 'Operation not permitted' 'Operation not permitted'
shape 198.51.100.41 'Permission denied' 'Permission denied'
shape 198.51.100.42 'Connection refused' 'Connection refused'
shape 198.51.100.43 'No route to host' 'No route to host'
shape 198.51.100.44 timeout sent
shape github.com 'Connection refused' 'Connection refused'
expect_record '.address == "198.51.100.42" and .errno == "ECONNREFUSED" and .proto == "tcp"'
expect_record '.address == "198.51.100.44" and .errno == null and .proto == "tcp" and .hook == "connect4"'
quiet() { jq -c 'select(.type == "denial" and .address == "198.51.100.44" and .proto == "tcp")' "$W/state/events.jsonl" | wc -l; }
expect_eq "records of a silent denial" "$(quiet)" 1
say "where names with different shapes have the same address, the first in order"
run sh -c 'for s in timeout unreachable refused eacces eperm; do getent ahosts $s.test; done' > /dev/null 2>&1
shape 203.0.113.60 'Operation not permitted' 'Operation not permitted'
shape 203.0.113.61 'Operation not permitted' 'Operation not permitted'
shape 203.0.113.62 'Permission denied' 'Permission denied'
shape 203.0.113.63 'Connection refused' 'Connection refused'
shape 203.0.113.64 'No route to host' 'No route to host'
shape 203.0.113.71 'Permission denied' 'Permission denied'
shape 203.0.113.72 'Connection refused' 'Connection refused'
shape 203.0.113.73 'No route to host' 'No route to host'
shape 203.0.113.74 timeout sent
say "shared allow"
expect_eq "the denied name alone" "$(run python3 -c "$tcp" other.test 2> /dev/null)" 'Operation not permitted'
expect_eq "when the allowed one is known" \
    "$(run sh -c "python3 -c '$tcp' wanted.test; python3 -c '$tcp' other.test" 2> /dev/null | tr '\n' ' ')" \
    'through through '
say "on-agent-loss closed"
loop='import os, socket, sys, time
while not os.path.exists(sys.argv[1] + "/end"):
    try:
        socket.create_connection(("198.51.100.12", 443), 3).close()
        result = "through"
    except OSError as e:
        result = os.strerror(e.errno or 0)
    open(sys.argv[1] + "/" + sys.argv[2] + ".new", "w").write(result)
    os.rename(sys.argv[1] + "/" + sys.argv[2] + ".new", sys.argv[1] + "/" + sys.argv[2])
    time.sleep(0.2)'
mkdir "$W/loop"
for p in shut open; do
    gate run --policy "$p" --tag "$p" -- python3 -c "$loop" "$W/loop" "$p" > /dev/null 2>&1 &
done
both_through() { [ "$(cat "$W/loop/shut" "$W/loop/open" 2> /dev/null)" = throughthrough ]; }
wait_until 10 both_through || fail "$(cat "$W/loop/shut" "$W/loop/open")"
gate_kill
closed() { [ "$(cat "$W/loop/shut")" = 'Operation not permitted' ]; }
wait_until 20 closed || fail "the closed one sees: $(cat "$W/loop/shut")"
expect_eq "the other one" "$(cat "$W/loop/open")" through
gate_again
wait_until 10 both_through || fail "$(cat "$W/loop/shut" "$W/loop/open")"
expect_record '.evidence == "abandoned" and .tag == "shut"'
touch "$W/loop/end"
wait_until 10 no_deployments || fail "left: $(gate list)"
