#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What happens to deployments stands in the ledger: of a daemon that is killed and started again, and of private ones.
. "$(dirname "$0")/lib.sh"
world_up
default_policy
gate_start 'ledger-days 30'

db() { sqlite3 -cmd '.timeout 5000' "file:$W/state/ledger.db?mode=rw" "$1" 2> "$W/sqlite.log"; }
holds() { [ "$(db "$1")" = "$2" ]; }
expect_db() { # SQL RESULT
    CHECKS=$((CHECKS + 1))
    wait_until 5 holds "$1" "$2" || fail "$1: got '$(db "$1")', expected '$2' ($(cat "$W/sqlite.log"))"
}

say "one deployment: its start and end, what it was told and what it was denied"
cd "$W/www" || exit 1
expect_fail gate run --tag web -- sh -c 'curl -sS -m 20 https://api.github.com/; curl -sS -m 20 https://api.github.com/ || exit 3'
expect_db "SELECT name LIKE 'web.%', tag, policy, mode, uid, cwd, ended_us > started_us FROM deployment" \
    "1|web|deploy|block|0|$W/www|1"
expect_db "SELECT json_extract(argv, '\$[0]') FROM deployment" sh
expect_db "SELECT chain, count(*) FROM resolution WHERE name = 'api.github.com' GROUP BY chain" '["api.github.com"]|1'
expect_db "SELECT addresses LIKE '%198.51.100.11%' FROM resolution LIMIT 1" 1
expect_db "SELECT name, address, port, proto, verdict, evidence, hook, errno, comm, count, incident FROM flow
    WHERE NOT probe AND address LIKE '198.%'" \
    'api.github.com|198.51.100.11|443|tcp|deny|asked|connect4|EPERM|curl|2|0'
expect_db "SELECT DISTINCT json_extract(rule, '\$.pattern'), json_extract(rule, '\$.line'), chain, names, instead FROM flow
    WHERE NOT probe" '*.github.com|3|["api.github.com"]|["api.github.com"]|mirror.internal'
expect_eq "denied" "$(db 'SELECT denied FROM deployment')" "$(jq -s 'map(select(.type == "denial" and (.probe | not))) | length' "$W/state/events.jsonl")"
expect_eq "probes" "$(db 'SELECT probes FROM deployment')" "$(jq -s 'map(select(.probe == true)) | length' "$W/state/events.jsonl")"

say "the end is in it when run returns, which waits for it for half a second at most"
at_once=0
for i in $(seq 10); do
    expect_ok gate run --tag quick -- true
    ends="SELECT count(*) FROM deployment WHERE tag = 'quick' AND ended_us IS NOT NULL AND status = 0"
    ! holds "$ends" "$i" || at_once=$((at_once + 1))
done
expect_db "$ends" 10
[ $at_once -ge 7 ] || fail "only $at_once of 10 ends were in it"

say "audit: what would have been denied"
expect_ok gate run --tag audited --mode audit -- curl -sS -m 20 http://198.51.100.11/ # nobody asked for its name
expect_ok gate run --tag audited --mode audit -- curl -sS -4 -m 20 https://api.github.com/
expect_db "SELECT d.mode, f.name, f.verdict, f.errno IS NULL FROM flow f JOIN deployment d ON d.id = f.deployment
    WHERE d.tag = 'audited' AND NOT probe AND port = 443" 'audit|api.github.com|would-deny|1'

say "a keeper that was killed: the same row goes on"
mkfifo "$W/go"
gate run --tag long -- sh -c "read -r x < $W/go; curl -sS -m 20 https://api.github.com/; exit 0" > "$W/long.log" 2>&1 &
long=$!
waits() { [ "$(deployments)" = 1 ]; }
wait_until 5 waits || fail "$(gate list)"
expect_db "SELECT count(*), ended_us IS NULL FROM deployment WHERE tag = 'long'" '1|1'
gate_kill
gate_again
echo go > "$W/go"
wait_until 10 no_deployments || fail "$(gate list)"
wait "$long"
expect_db "SELECT count(*), denied > 0, ended_us IS NOT NULL, json_extract(argv, '\$[0]') FROM deployment WHERE tag = 'long'" \
    '1|1|1|sh'

say "status says how it is"
expect_eq "ledger in status" "$(gate status --json | jq -c '[.healthy, .ledger.lost, .ledger.trouble, .ledger.waiting]')" \
    '[true,0,null,0]'

expect_output '^ledger +0 rows wait to be written, events lost 0' gate status

say "deleted and corrupted under the daemon: it goes on in a new one"
rm "$W/state"/ledger.db*
expect_fail gate run --tag anew -- curl -sS -m 20 https://api.github.com/
expect_db "SELECT tag FROM deployment" anew
written_back() { [ "$(db 'PRAGMA wal_checkpoint(TRUNCATE)' | cut -d '|' -f 1)" = 0 ]; }
wait_until 5 written_back || fail "the log is not written back: $(cat "$W/sqlite.log")"
yes garbage | dd of="$W/state/ledger.db" bs=4096 count=16 conv=notrunc status=none
expect_fail gate run --tag after -- curl -sS -m 20 https://api.github.com/
expect_db "SELECT tag FROM deployment" after
expect_ok test -s "$W/state/ledger.db.corrupt"
expect_record '.type == "trouble" and .trouble == "ledger" and (.text | contains("corrupt"))'

say "of a newer version: left alone, said, and the gate holds"
gate_stop
db 'PRAGMA user_version = 99'
before=$(sha256sum < "$W/state/ledger.db")
gate_again
expect_eperm run curl -sSv -4 -m 20 https://api.github.com/
expect_output 'the ledger cannot be written: it is of a newer namegate' gate status
gate_stop
expect_eq "the newer ledger" "$(sha256sum < "$W/state/ledger.db")" "$before"
rm "$W/state"/ledger.db*

say "a private daemon writes the same ledger"
mount -t tmpfs tmpfs /sys/fs/bpf 2> /dev/null || mkdir -p /sys/fs/bpf
mount -t bpf bpf /sys/fs/bpf
gate_start
expect_ok gate run --tag public -- true
echo 'policy mine { deny .github.com { reason "because" } }' > "$W/mine.policy"
expect_fail "$B/namegate" --run-dir "$W/run/none" --state-dir "$W/state" --cgroup-root "$CGROUP/private" run --tag alone \
    --policy "$W/mine.policy" -- curl -sS -m 20 https://api.github.com/
expect_db "SELECT tag, denied > 0, ended_us IS NOT NULL FROM deployment ORDER BY started_us" "public|0|1
alone|1|1"
gate_stop

say "switched off"
rm "$W/state"/ledger.db*
gate_start 'ledger no'
expect_ok gate run -- true
expect_eq "ledger in status" "$(gate status --json | jq -c '[.healthy, .ledger]')" '[true,null]'
gate_stop
expect_fail ls "$W/state/ledger.db"
