#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The page of report in a real browser: hostile strings stay strings, the filter works by address, keyboard and hand, it
# is legible in both themes and on a phone, and can be read without its script. Screenshots: build/screenshots.
. "$(dirname "$0")/lib.sh"
command -v chromium > /dev/null || { echo "needs chromium"; exit 77; }
[ -x "$B/tests/fixture" ] || fail "make $B/tests/fixture"
mkdir -p "$W/state" "$W/home" "$B/screenshots"
"$B/tests/fixture" "$W/state" < "$HERE/../report/report.sql" || fail "no fixture"
page() { "$B/namegate" report --state-dir "$W/state" "$@"; }
expect_ok page --tag deploy --html "$W/deploy.html"
expect_ok page --tag hostile --html "$W/hostile.html"
expect_ok page --tag deploy --against last --html "$W/against.html"
expect_ok page --since 2024-01-01 --html "$W/all.html"
expect_eq "other hosts in the page" "$(grep -oE '<[a-z]+ [^>]*(src|href)="?[a-z]+:' "$W/all.html")" ''
if ! sanitized; then # nothing in the browser is ours, and the page is the same
    export HOME=$W/home TMPDIR=$W
    expect_ok python3 -B "$HERE/../report/check_page.py" "$W" "$B/screenshots"
    CHECKS=$((CHECKS + $(sed -nE 's/^([0-9]+) checks in Chromium$/\1/p' "$W/out")))
fi
echo "$CHECKS checks"
