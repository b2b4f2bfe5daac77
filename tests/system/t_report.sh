#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# report: from the ledger of a real deployment, without a daemon as well; which deployments, in which form, and what is
# said when there is nothing to be read.
. "$(dirname "$0")/lib.sh"
world_up
default_policy
report() { gate report "$@"; }
fixture() { # DIR
    mkdir -p "$1" && "$B/tests/fixture" "$1" < "$HERE/../report/report.sql"
}

say "no ledger, nothing in it, no rights, another version"
expect_fail report
expect_said "there is no ledger in $W/state"
expect_said 'namegate run COMMAND begins one'
fixture "$W/made" || fail "no fixture: make $B/tests/fixture"
made() { report --state-dir "$W/made" "$@"; }
expect_fail made --tag nobody
expect_said 'no deployment with the tag nobody'
expect_fail made --deployment 'deploy.00000000'
expect_said 'no deployment called deploy.00000000'
expect_fail made --since 1s
expect_said 'no deployment since then'
chmod 700 "$W/made"
expect_fail somebody namegate report --state-dir "$W/made"
expect_said 'is not for you to read'
expect_said 'be root'
mkdir "$W/newer"
python3 -c 'import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute("PRAGMA user_version = 1000"); d.commit()' "$W/newer/ledger.db"
expect_fail report --state-dir "$W/newer"
expect_said 'written by a newer namegate'
say "a copy that nobody may write"
mkdir "$W/a copy?#%"
cp "$W/made/ledger.db" "$W/a copy?#%/"
chmod -R a+rX "$W/a copy?#%"
expect_output '^hostile.00000003: ' somebody namegate report --state-dir "$W/a copy?#%"
mkdir "$W/mounted"
mount --bind "$W/a copy?#%" "$W/mounted" && mount -o remount,ro,bind "$W/mounted"
expect_output '^hostile.00000003: ' report --state-dir "$W/mounted"
umount "$W/mounted"
expect_eq "what is left beside it" "$(ls "$W/a copy?#%")" ledger.db

say "more deployments than a page holds"
fixture "$W/many"
sqlite3 "$W/many/ledger.db" "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
    INSERT INTO deployment (id, name, tag, policy, mode, uid, started_us, ended_us, seen_us)
    SELECT 1000 + i, 'many.' || i, 'many', 'deploy', 'block', 0, 1704067200000000, 1704067200000000, 1704067200000000 FROM n" ||
    fail "cannot add deployments"
expect_ok report --state-dir "$W/many" --tag many --since 2024-01-01
expect_eq "all are told of" "$(grep -c '^many\.' "$W/out")" 300
expect_ok report --state-dir "$W/many" --tag many --since 2024-01-01 --json
expect_fail report --state-dir "$W/many" --tag many --since 2024-01-01 --html "$W/many.html"
expect_said 'a page holds 200 deployments'

say "the command line"
for wrong in --since=yesterday '--last --since=2h' '--json --markdown' '--markdown --html=x' 'word'; do
    # shellcheck disable=SC2086 # words of a command line
    made $wrong > "$W/out" 2>&1
    expect_eq "status with $wrong" $? 2
done

say "which deployments"
ids() { made --json "$@" | jq -r .deployment | xargs; }
expect_eq "the last one" "$(ids)" hostile.00000003
expect_eq "the last one" "$(ids --last)" hostile.00000003
expect_eq "the last one with a tag" "$(ids --tag deploy)" deploy.7b3c19d4
expect_eq "one by its id" "$(ids --deployment deploy.51f0aa02)" deploy.51f0aa02
expect_eq "those since" "$(ids --since 2024-05-01T12:00)" 'deploy.7b3c19d4 hostile.00000003'
expect_eq "those with a tag since" "$(ids --since 2024-05-01 --tag deploy)" 'deploy.51f0aa02 deploy.7b3c19d4'

say "in which form"
made --tag deploy > "$W/text"
expect_ok cmp "$W/text" "$HERE/../report/deploy.txt"
made --tag hostile --markdown > "$W/markdown"
expect_ok cmp "$W/markdown" "$HERE/../report/hostile.md"
expect_eq "control characters" "$(made --since 2024-01-01 | LC_ALL=C tr -d '\n\40-\176\200-\377' | wc -c)" 0
expect_eq "classes" "$(made --tag deploy --json | jq -r '[.flows[].class // empty] | unique | join(" ")')" 'direct hidden transient'
# On a terminal in colour, and as wide as that is.
python3 - "$W/colours" "$B/namegate" report --state-dir "$W/made" --tag deploy << 'PYTHON'
import fcntl, os, pty, struct, sys, termios
def wide(fd):
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 70, 0, 0))
out = open(sys.argv[1], "wb")
def keep(fd):
    data = os.read(fd, 65536)
    out.write(data)
    return data
pid, fd = pty.fork()
if pid == 0:
    wide(0)
    os.environ["TERM"] = "xterm"
    os.execv(sys.argv[2], sys.argv[2:])
try:
    while keep(fd):
        pass
except OSError:
    pass
sys.exit(os.waitpid(pid, 0)[1])
PYTHON
expect_eq "status on a terminal" $? 0
expect_ok grep -q $'\033\[1;31mgithub.com' "$W/colours"
expect_ok grep -qF '...' "$W/colours"

say "a page is replaced as a whole, or not at all"
umask 027
expect_ok made --tag deploy --html "$W/page.html"
expect_eq "mode of the page" "$(stat -c %a "$W/page.html")" 640
expect_ok grep -q '</html>' "$W/page.html"
before=$(stat -c %i "$W/page.html")
expect_ok made --tag hostile --html "$W/page.html"
[ "$(stat -c %i "$W/page.html")" != "$before" ] || fail "the page was written in place"
expect_fail made --tag nobody --html "$W/page.html"
expect_ok grep -q hostile.00000003 "$W/page.html"
ln -s "$W/page.html" "$W/link.html"
for file in /dev/stdout "$W/link.html" "$W/none/page.html"; do
    expect_fail made --html "$file"
    expect_said 'cannot write'
done
[ -L "$W/link.html" ] || fail "a link was replaced"
expect_eq "what is left beside the page" "$(find "$W" -maxdepth 1 -name '*.html.*')" ''

expect_ok made --tag deploy --against last --html "$W/page.html"
expect_ok grep -qE '<strong>9 new</strong>, 0 vanished, 2 as before' "$W/page.html"
expect_fail made --tag deploy --against last --fail-on-new --html "$W/page.html"

say "a real deployment: what is direct, hidden and transient, and the lines to change"
policy deploy << 'POLICY'
policy deploy {
    mode block
    deny github.com, *.github.com { reason "it may be what is down" instead "mirror.internal" }
    depends other.test on github.com
}
POLICY
gate_start
mkdir "$W/tool" && cd "$W/tool" || exit 1
echo 'url = "https://api.github.com/version"' > updates
cat > update-check << 'SCRIPT'
#!/usr/bin/env sh
curl -sS -m 20 --config updates
SCRIPT
cat > deploy.sh << 'SCRIPT'
#!/bin/sh
curl -sS -m 20 --output package --retry 0 --proto =https --user-agent deploy https://github.com/package
./update-check --quiet
curl -sS -m 20 http://other.test/
curl -sS -m 20 --output package https://mirror.internal/package
SCRIPT
chmod 755 deploy.sh update-check
expect_ok gate run --tag real -- ./deploy.sh
expect_said '^  \.\.\. and [0-9]+ more: namegate report|^  by which commands, and why: namegate report'
id=$(sed -nE 's/.*namegate report --deployment (real\.[0-9a-f]{8})$/\1/p' "$W/out")
[ -n "$id" ] || fail "the summary does not say how to go on: $(cat "$W/out")"
# At once: it has ended, and all that happened is in it.
report --deployment "$id" --json > "$W/real.json"
expect_eq "how it ended" "$(jq -r '[.outcome, .status.exit, .ended != null] | join(" ")' "$W/real.json")" \
    'blocked-recovered 0 true'
expect_eq "classes" "$(jq -r '[.flows[] | select(.verdict == "deny" and (.probe | not)) | .name + " " + .class] | unique | join(", ")' \
    "$W/real.json")" 'api.github.com hidden, github.com direct, other.test transient'
report --deployment "$id" > "$W/real"
for line in 'curl -sS -m 20 --output package --retry 0 --proto =https --user-agent deploy https://github.com/package  <- change this' \
    '/usr/bin/env sh ./update-check --quiet  <- look at this' 'curl -sS -m 20 http://other.test/  <- change this' \
    "   rule      $W/policies/deploy.policy:3  " "   rule      $W/policies/deploy.policy:4  other.test" \
    '   mirror.internal 443/tcp'; do
    grep -qF -- "$line" "$W/real" || fail "the report does not say: $line ($(cat "$W/real"))"
done
expect_eq "what is to be done" "$(grep -c -- '<- ' "$W/real")" 3
cd "$W" || exit 1
for i in $(seq 10); do
    gate run --tag "quick-$i" -- true
    expect_eq "the last one, at once" "$(report --json | jq -r '[.tag, .outcome] | join(" ")')" "quick-$i clean"
done
expect_output '^1\. (api\.)?github.com 443/tcp  denied [1-9]' report --deployment "$id"
expect_output 'deploy\.policy:3  \*\.github.com' report --deployment "$id"

say "who may read what"
gate_stop
gate_start 'group nogroup'
chmod 755 "$W/run" "$W/run/gate"
mine() { somebody namegate --run-dir "$W/run/gate" --state-dir "$W/state" "$@"; }
other() { ACCOUNT="man" mine "$@"; }
expect_fail mine report
expect_said 'the ledger has no deployment'
expect_ok mine run --tag mine -- /usr/bin/curl -sS -m 20 -o /dev/null https://mirror.internal/package
expect_eq "one's own, at once" "$(mine report --json | jq -r '[.tag, .outcome, .uid] | join(" ")')" "mine clean $(id -u games)"
expect_output '^mine\..*: clean' mine report
expect_eq "all of one's own" "$(mine report --json --since 1h | jq -r .tag)" mine
expect_fail mine report --deployment "$id"
expect_said "no deployment called $id"
expect_fail other report
expect_said 'the ledger has no deployment'
expect_eq "root sees all" "$(report --json --since 1h | jq -r .tag | grep -cE '^(mine|real)$')" 2
expect_eq "of another directory" "$(mkdir "$W/locked" && touch "$W/locked/ledger.db" && chmod 700 "$W/locked" &&
    mine --state-dir "$W/locked" report 2>&1)" 'namegate: the ledger of this daemon is in another directory'
# Whoever goes away while it is read, or asks for many at once, is in nobody's way.
for _ in $(seq 20); do
    python3 - "$W/run/gate/control.sock" << 'PYTHON'
import socket, sys
held = []
for _ in range(5):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.sendall(b'{"v":1,"command":"report"}\n')
    held.append(s)
held[0].recv(1)
PYTHON
done
expect_ok gate status
gate_stop
expect_output "^$id: " report --deployment "$id"
expect_fail mine report
expect_said 'let namegated run'
