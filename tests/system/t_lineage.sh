#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Who did what: the way from the deployment's command to each process, also to those that lived a moment, in records and
# in the ledger.
. "$(dirname "$0")/lib.sh"
world_up
default_policy
gate_start
ledger() { sqlite3 "$W/state/ledger.db" "$1"; }
ledger_says() { [ "$(ledger "$1")" = "$2" ]; }
expect_ledger() { # SQL EXPECTED
    CHECKS=$((CHECKS + 1))
    wait_until 5 ledger_says "$1" "$2" || fail "$1: got '$(ledger "$1")', expected '$2'"
}

cat > "$W/tool" << 'TOOL'
#!/bin/sh
for i in 1 2 3; do curl -4 -s -m 20 -o /dev/null http://api.github.com/; done
exit 3
TOOL
cat > "$W/script" << SCRIPT
#!/bin/bash
setsid -f sh -c 'exec sh -c "curl -s -m 20 http://198.51.100.10/"'
$W/tool
(curl -s -o /dev/null -m 20 http://mirror.internal/)
for i in \$(seq 40); do true & done
wait
exit 4
SCRIPT
chmod +x "$W/tool" "$W/script"

say "a tool of a tool"
gate run --tag lineage --policy deploy -- "$W/script" 2> "$W/summary"
expect_eq "status" $? 4
expect_ok wait_until 5 no_deployments
expect_record '.type == "denial" and .comm == "curl" and (.names | any(.name == "api.github.com")) and
    ([.lineage[].path] | last | endswith("/curl")) and
    (.lineage | length == 3) and (.lineage[0].argv[-1] | endswith("/script")) and (.lineage[1].argv[-1] | endswith("/tool"))'
say "a daemon of its own"
expect_record '.type == "denial" and .comm == "curl" and .address == "198.51.100.10" and
    ([.lineage[].comm] | index("setsid") != null) and (.lineage[0].argv[-1] | endswith("/script"))'

say "the ledger has the tree, once for the same"
expect_ledger "select count(*) from lineage where parent = 0" 1
expect_ledger "select processes from lineage where path like '%curl' and argv like '%api.github.com%'" 3
expect_ledger "select count(*) from lineage where argv like '%mirror.internal%'" 1
expect_ledger "select status / 256 from process where lineage = (select number from lineage where argv like '%/tool\"]')
    and parent = (select number from process where lineage = 1 order by number limit 1)" 3
expect_ledger "select count(*) from process where ended_us is null" 0
expect_ledger "select status / 256 from deployment" 4
expect_ledger "select sum(count) from flow where verdict = 'deny' and name = 'api.github.com' and probe = 0 and
    lineage = (select number from lineage where argv like '%api.github.com%')" 3
expect_ledger "select distinct port || proto || verdict from flow where name = 'mirror.internal' and lineage =
    (select number from lineage where argv like '%mirror.internal%')" 80tcpallow

say "each process that gets through is, also where another was before it"
cat > "$W/each" << 'EACH'
#!/bin/bash
for process in first second third; do
    bash -c ': < /dev/tcp/203.0.113.20/80 && : < /dev/tcp/203.0.113.20/80' $process
    bash -c 'echo > /dev/udp/203.0.113.99/9 && echo > /dev/udp/203.0.113.99/9' $process
done
EACH
chmod +x "$W/each"
expect_ok gate run --tag each --policy deploy -- "$W/each"
expect_ledger "select group_concat(reached) from (select count(distinct lineage) as reached from flow where verdict = 'allow' and
    deployment = (select id from deployment where tag = 'each') and proto in ('tcp', 'udp') and port != 53 group by proto)" 3,3

say "what a process leaves its deployment by is told"
mkdir "$CGROUP/outside"
# shellcheck disable=SC2016 # the inner shell expands it
expect_ok gate run --tag left --policy deploy -- sh -c 'echo $$ > "$0/cgroup.procs"' "$CGROUP/outside"
expect_record '.type == "trouble" and .trouble == "left" and .tag == "left" and .comm == "sh" and .by.comm == "sh" and
    (.lineage | length == 1)'
say "and what is made outside from the start"
client into
expect_ok gate run --tag into --policy deploy -- "$B/tests/clients/into" "$CGROUP/outside" true
expect_record '.type == "trouble" and .trouble == "left" and .tag == "into" and .pid != .by.pid and .by.comm == "into" and
    (.lineage | length == 1)'

say "after a restart of the daemon the processes that live are known again"
mkfifo "$W/go"
# shellcheck disable=SC2016
gate run --tag again --policy deploy -- bash -c 'echo > "$1"; read -r < "$0"; curl -s -m 20 -o /dev/null http://github.com/; true' "$W/go" "$W/there" &
RUN=$!
wait_until 10 test -e "$W/there" || fail "it does not start"
gate_kill
gate_again
echo > "$W/go"
wait $RUN
expect_record '.type == "denial" and .tag == "again" and (.names | any(.name == "github.com")) and (.lineage | length == 2) and
    .lineage[0].comm == "bash" and (.lineage[1].argv | index("http://github.com/") != null)'
say "and are those that they were"
again="deployment = (select id from deployment where tag = 'again')"
expect_ledger "select count(*) from lineage where $again" 2
expect_ledger "select count(*) from process where $again" 2
expect_ledger "select count(*) from process where $again and ended_us is null" 0
expect_ledger "select parent from process where $again order by number desc limit 1" 1
