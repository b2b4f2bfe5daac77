#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# docs/tutorial.md is true: all of its commands do what it says.
. "$(dirname "$0")/lib.sh"
tutorial_up
try() { python3 "$HERE/clients/tutorial.py" "$1" "$PWD"; }

say "the test would see what is not so"
wrong() { printf '```sh\n%s\n```\n\n```\n%s\n```\n' "$1" "$2" > "$W/wrong.md"; }
wrong 'echo one; echo two three' $'one\ntwo …ee'
expect_ok try "$W/wrong.md"
wrong 'echo one; echo two' $'two\none'
expect_fail try "$W/wrong.md"
expect_said 'not in this order: one'
wrong false ''
expect_fail try "$W/wrong.md"

say "from audit to strict"
expect_ok try "$HERE/../../docs/tutorial.md"
expect_eq "lines of output that were checked" "$([ "$(cat "$W/out")" -ge 30 ] && echo enough)" enough
